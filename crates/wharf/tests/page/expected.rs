//! Groups that are expected: which are overdue, what came and what did not, and the badge that other pages show.

use std::fs;
use std::ops::Deref;

use serde_json::{Value, json};
use wharf_testkit::http::{get, post, put};
use wharf_testkit::{Browser, Gateway, LedClock, Random, until};

use crate::Page;

/// `quick` is overdue a second after each push, `slow` never in a test, `gone` has to be there and never is, and of `later`
/// nothing is expected for now.
const RULES: &str = "
expect:
  - match: '{job=\"quick\"}'
    every: 1s
  - match: '{job=\"slow\"}'
    schedule: 0 3 1 1 *
    timezone: Europe/Berlin
    grace: 1h
  - always: [{job: gone, instance: db1}]
    every: 1h
    since: 2026-01-01T00:00:00Z
  - match: '{job=\"later\"}'
    every: 1s
    paused_until: 2100-01-01T00:00:00Z
";

/// A page over a gateway with rules.
struct Expecting {
    page: Page,
    _folder: tempfile::TempDir,
}

impl Deref for Expecting {
    type Target = Page;

    fn deref(&self) -> &Page {
        &self.page
    }
}

impl Expecting {
    #[track_caller]
    fn new() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("wharf.yml");
        fs::write(&file, RULES).unwrap();
        let config = format!("--config.file={}", file.display());
        let page = Page::new(&[&config, "--expect.start-grace=0s"])?;
        Some(Self {
            page,
            _folder: folder,
        })
    }

    #[track_caller]
    fn with_groups() -> Option<Self> {
        let page = Self::new()?;
        for job in ["quick", "slow", "later", "other"] {
            page.gateway.push(&format!("/metrics/job/{job}"), "m 1\n");
        }
        until("two groups to be overdue", || {
            let listed = page
                .gateway
                .send(&get("/api/v1/expectations?state=overdue"))
                .json();
            (listed["data"]["expectations"].as_array()?.len() == 2).then_some(())
        });
        Some(page)
    }
}

/// The cells of a row, by its group's path.
fn cells(path: &str) -> String {
    format!("[...document.querySelector('tr[data-row=\"{path}\"]').cells].map((cell) => cell.innerText)")
}

#[test]
fn what_is_expected_has_a_view_and_what_is_overdue_comes_first() {
    let Some(page) = Expecting::with_groups() else {
        return;
    };
    page.go("/");
    page.wait_for_text("2 overdue");
    page.wait_for("document.querySelectorAll('tr[data-row]').length === 4");
    page.wait_for(
        "document.querySelector('tr[data-row=\"job/quick\"] .trouble').innerText.startsWith('overdue')",
    );
    page.click("Expected");
    page.wait_for_rows(&["gone instance=db1", "quick", "slow", "later"]);
    assert_eq!(page.evaluate("document.title"), "Expected · Wharf");
    let slow = page.evaluate(&cells("job/slow"));
    let slow: Vec<&str> = slow
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert_eq!(slow[2], "waiting");
    assert!(slow[3].contains("in "), "{slow:?}");
    assert!(
        slow[4].contains("just now") || slow[4].contains(" ago"),
        "{slow:?}"
    );
    assert_eq!(slow[5], "0 3 1 1 * (Europe/Berlin) grace 1h");
    let gone = page.evaluate(&cells("job/gone/instance/db1")).to_string();
    assert!(
        gone.contains("overdue since ") && gone.contains("never came"),
        "{gone}"
    );
    // The mark of a missed push differs from that of one that came by its form.
    page.wait_for("document.querySelector('tr[data-row^=\"job/gone\"] .strip .missed')");
    page.wait_for("document.querySelector('tr[data-row=\"job/slow\"] .strip .ok')");
    page.click("Overdue");
    page.wait_for_rows(&["gone instance=db1", "quick"]);
    page.click("All");
    page.press("/");
    page.type_text("slo");
    page.wait_for_rows(&["slow"]);
    assert_eq!(page.complaints(), Vec::<String>::new());
}

#[test]
fn a_selector_that_is_not_finished_is_told_and_shows_nothing() {
    let Some(page) = Expecting::with_groups() else {
        return;
    };
    page.go("/?view=expected&q=%7Bjob");
    page.wait_for("document.querySelector('main [role=alert]').checkVisibility()");
    page.wait_for_text("column 5");
    page.go("/?view=expected&q=%7Bjob%3D%22slow%22%7D");
    page.wait_for_rows(&["slow"]);
}

#[test]
fn where_nothing_is_expected_there_is_no_such_view() {
    let Some(page) = Page::new(&[]) else { return };
    page.gateway.push("/metrics/job/a", "m 1\n");
    page.go("/");
    page.wait_for_rows(&["a"]);
    page.wait_for(
        "performance.getEntriesByType('resource').some(({ name }) => name.includes('/expectations'))",
    );
    page.wait_for_no_text("Expected");
    page.click_on("document.querySelector('tr[data-row] a')");
    page.wait_for("document.querySelector('[data-family=m]')");
    page.wait_for_no_text("Expected");
    assert_eq!(page.complaints(), Vec::<String>::new());
}

#[test]
fn the_view_follows_what_comes() {
    let Some(page) = Expecting::with_groups() else {
        return;
    };
    page.go("/?view=expected&state=overdue");
    page.wait_for_rows(&["gone instance=db1", "quick"]);
    page.gateway.push("/metrics/job/gone/instance/db1", "m 1\n");
    page.wait_for_rows(&["quick"]);
    page.wait_for_text("1 overdue");
}

#[test]
fn everything_of_it_is_reached_without_a_mouse_and_named_for_screen_readers() {
    let Some(page) = Expecting::with_groups() else {
        return;
    };
    page.go("/");
    page.wait_for_text("2 overdue");
    page.press("e");
    page.wait_for("document.querySelector('table.expected')");
    page.press("j");
    page.press("j");
    page.wait_for("document.activeElement.dataset.row === 'job/quick'");
    let tree = page.call("Accessibility.getFullAXTree", &json!({}));
    let nodes = tree["nodes"].as_array().unwrap();
    let named = |role: &str| -> Vec<&str> {
        let nodes = nodes.iter().filter(|node| node["role"]["value"] == role);
        nodes
            .map(|node| node["name"]["value"].as_str().unwrap_or_default())
            .collect()
    };
    assert_eq!(named("table"), ["Expected groups"]);
    assert_eq!(named("searchbox"), ["Search expected groups"]);
    assert_eq!(named("columnheader").len(), 6);
    let images = named("image");
    assert_eq!(images.len(), 4);
    assert!(images[0].contains(" missed"), "{images:?}");
    for role in ["button", "link", "image"] {
        assert!(named(role).iter().all(|name| !name.is_empty()), "{role}");
    }
    page.press("Enter");
    page.wait_for("document.title.startsWith('quick')");
    page.wait_for_text("Overdue.");
}

#[test]
fn a_group_that_never_came_has_a_page_that_says_so() {
    let Some(page) = Expecting::with_groups() else {
        return;
    };
    page.go("/?view=expected");
    page.click("gone instance=db1");
    page.wait_for_text("It is expected, and has never come.");
    page.wait_for("document.querySelectorAll('table.calendar td.missed').length > 20");
}

#[test]
fn a_phone_shows_what_is_expected_without_scrolling_sideways() {
    let Some(page) = Expecting::with_groups() else {
        return;
    };
    page.size(360, 740);
    for (path, shown) in [
        ("/?view=expected", "tr[data-row]"),
        ("/?view=group&group=job%2Fquick", "table.calendar"),
    ] {
        page.go(path);
        page.wait_for(&format!("document.querySelector('{shown}')"));
        page.wait_for("!document.querySelector('nav a[data-view=expected]').hidden");
        assert_eq!(
            page.evaluate("document.documentElement.scrollWidth"),
            360,
            "{path}"
        );
    }
}

/// A gateway of the past, whose clock is led up to now.
fn led(rules: &str, pushes_hours_ago: &[i64]) -> Option<(tempfile::TempDir, Gateway)> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("wharf.yml");
    fs::write(&file, rules).unwrap();
    let clock = LedClock::new(folder.path())?;
    clock.set(-3600 * (pushes_hours_ago[0] + 1));
    let gateway = clock
        .wharf(env!("CARGO_BIN_EXE_wharf"), false)
        .arg(format!("--config.file={}", file.display()))
        .start();
    for hours in pushes_hours_ago {
        clock.set(-3600 * hours);
        gateway.push("/metrics/job/nightly", "m 1\n");
    }
    clock.set(0);
    Some((folder, gateway))
}

/// A time zone in which it is that hour of the day now.
fn zone_where_it_is(hour: u64, browser: &Browser) -> String {
    let now = browser.evaluate("new Date().getUTCHours()").as_u64().unwrap();
    // The signs of these names are turned round.
    match (hour + 36 - now) % 24 {
        behind @ 0..12 => format!("Etc/GMT+{}", 12 - behind),
        ahead => format!("Etc/GMT-{}", ahead - 12),
    }
}

#[test]
fn a_calendar_shows_on_which_days_a_job_came_was_late_or_missed() {
    let Some(browser) = Browser::start() else { return };
    let rules = "expect: [{match: '{}', every: 1d, grace: 1h}]\n";
    // Three hours late after five days, and missed once before that, and twice in the end.
    let Some((_folder, gateway)) = led(rules, &[240, 216, 192, 144, 117, 93, 69]) else {
        return;
    };
    let page = format!("http://{}/?view=group&group=job%2Fnightly", gateway.address());
    // By noon of its day; and an hour before midnight, so that what was late came on the next one.
    for (hour, expected) in [(12, [3, 1, 5, 1]), (23, [4, 1, 5, 1])] {
        let zone = json!({"timezoneId": zone_where_it_is(hour, &browser)});
        browser.call("Emulation.setTimezoneOverride", &zone);
        browser.open(&page);
        browser.wait_for("document.querySelector('table.calendar')");
        let days = |class: &str| {
            browser.evaluate(&format!(
                "document.querySelectorAll('.calendar td.{class}').length"
            ))
        };
        assert_eq!(
            ["missed", "late", "came", "extra"].map(days),
            expected.map(|days| json!(days)),
            "{hour}"
        );
    }
    let outcomes = browser.evaluate(
        "[...document.querySelectorAll('table.past tbody tr')].map((row) => row.cells[2].textContent)",
    );
    assert_eq!(
        outcomes,
        json!([
            "missed",
            "missed",
            "came",
            "came",
            "late",
            "came",
            "missed",
            "came",
            "came",
            "came, not expected then"
        ])
    );
    // A day says what it is in words too, and by a sign.
    let missed = browser.evaluate(
        "document.querySelector('.calendar td.missed').textContent.replace(/\\d|[A-Z][a-z]+/g, '').trim()",
    );
    assert_eq!(missed, "✗ missed");
    let label = browser.evaluate("document.querySelector('.past.strip').getAttribute('aria-label')");
    assert!(
        label.as_str().unwrap().ends_with(": 6 came, 1 late, 3 missed"),
        "{label}"
    );
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn a_group_that_adds_up_can_be_reset_by_whoever_may_delete_it() {
    let Some(page) = Page::new(&[]) else { return };
    page.gateway.push("/metrics/job/plain", "m 1\n");
    let push = post("/metrics/job/sum?merge=aggregate").body("# TYPE c counter\nc 5\n");
    assert_eq!(page.gateway.send(&push).status, 200);
    page.go("/?view=group&group=job%2Fplain");
    page.wait_for_text("Delete group…");
    page.wait_for_no_text("Reset…");
    page.go("/?view=group&group=job%2Fsum");
    page.click("Reset…");
    // The way back has the focus.
    page.wait_for("document.activeElement.textContent === 'Cancel'");
    page.wait_for_text("cannot be undone");
    page.press("Enter");
    page.wait_for("!document.querySelector('dialog')");
    assert!(
        page.gateway
            .send(&get("/metrics"))
            .text()
            .contains("c{instance=\"\",job=\"sum\"} 5\n")
    );
    page.click("Reset…");
    page.click("Reset group");
    page.wait_for_text("Reset sum.");
    page.wait_for_text("0 pushes");
    assert!(
        page.gateway
            .send(&get("/metrics"))
            .text()
            .contains("c{instance=\"\",job=\"sum\"} 0\n")
    );
    assert_eq!(page.complaints(), Vec::<String>::new());
}

#[test]
fn who_may_not_delete_a_group_is_not_offered_to_reset_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("wharf.yml");
    fs::write(
        &file,
        "access: {anonymous: {push: '{}', read: '{}'}, tokens: {}}\n",
    )
    .unwrap();
    let Some(page) = Page::new(&[&format!("--config.file={}", file.display())]) else {
        return;
    };
    let push = post("/metrics/job/sum?merge=aggregate").body("# TYPE c counter\nc 5\n");
    assert_eq!(page.gateway.send(&push).status, 200);
    page.go("/?view=group&group=job%2Fsum");
    page.wait_for_text("1 push");
    page.wait_for_no_text("Reset…");
}

#[test]
fn a_browser_draws_a_badge_whatever_its_label() {
    let Some(page) = Page::new(&[]) else { return };
    page.gateway.push("/metrics/job/backup", "m 1\n");
    page.go("/");
    page.wait_for_rows(&["backup"]);
    // As an image, with the size that it says.
    let size = page.evaluate(
        "new Promise((done) => { const image = new Image(); image.onload = () => done([image.naturalWidth, image.naturalHeight]); \
         image.onerror = () => done('broken'); image.src = 'api/v1/groups/job/backup/badge.svg'; })",
    );
    assert_eq!(size[1], 20, "{size}");
    assert!(size[0].as_u64().unwrap() > 80, "{size}");
    // As XML: a parser that forgives nothing finds two texts, and nothing else that a label could have brought.
    let mut random = Random::new(26);
    let pool = "ab<>&\"'\\/ ]]>\u{0}\u{1}\u{9}\n\u{7f}\u{85}\u{ad}\u{200d}\u{202e}\u{2028}\u{fffd}\u{ffff}\u{e000}é\u{301}漢\u{1f600}";
    let pool: Vec<char> = pool.chars().collect();
    let mut labels: Vec<String> = (0..200)
        .map(|_| {
            (0..=random.below(20))
                .map(|_| pool[random.below(pool.len())])
                .collect()
        })
        .collect();
    labels.push("</text><script>alert(1)</script>".to_owned());
    labels.push("<![CDATA[x]]><!--".to_owned());
    let odd = page.evaluate(&format!(
        "Promise.all({}.map(async (label) => {{ \
         const answer = await fetch(`api/v1/groups/job/backup/badge.svg?label=${{encodeURIComponent(label)}}`); \
         const svg = new DOMParser().parseFromString(await answer.text(), 'image/svg+xml').documentElement; \
         const names = [...svg.querySelectorAll('*')].map((one) => one.localName).join(); \
         const [left] = svg.querySelectorAll('text'); \
         const printable = [...label].every((one) => one >= ' ' && one <= '~'); \
         const isRight = names === 'title,rect,path,g,text,text' && (!printable || left.textContent === label); \
         return isRight ? [] : [label, names, answer.status]; }})).then((all) => all.flat())",
        json!(labels)
    ));
    assert_eq!(odd, json!([]));
}

#[test]
fn the_right_side_of_a_badge_fits_its_text_in_this_browser_too() {
    let Some(page) = Page::new(&[]) else { return };
    let refused = put("/metrics/job/refused").body("m 1 1\n");
    assert_eq!(page.gateway.send(&refused).status, 400);
    for job in ["iiiiiiiiii", "WWWWWWWWWW", "nightly-backup_of.db1"] {
        page.gateway.push(&format!("/metrics/job/{job}"), "n 1\n");
        page.go(&format!("/api/v1/groups/job/{job}/badge.svg"));
        let inside = page.evaluate(
            "[...document.querySelectorAll('text')].map((text) => { const box = text.getBBox(); \
             return [box.x >= 0, box.x + box.width <= document.documentElement.width.baseVal.value]; }).flat().every(Boolean)",
        );
        assert_eq!(inside, true, "{job}");
        let apart = page.evaluate(
            "(([left, right]) => left.x + left.width < right.x)([...document.querySelectorAll('text')].map((text) => text.getBBox()))",
        );
        assert_eq!(apart, true, "{job}");
    }
}
