//! What is wrong with the gateway is seen whatever a reader looks at.

use std::fs;

use serde_json::json;
use wharf_testkit::http::post;
use wharf_testkit::{Browser, LedClock, Tampering};

use crate::Page;

/// All views, and what shows that each is there.
const VIEWS: [(&str, &str); 4] = [
    ("/", "tr[data-row]"),
    ("/?view=group&group=job%2Fa", "[data-family]"),
    ("/?view=metrics", "tr[data-row]"),
    ("/status", ".charts"),
];

#[test]
fn while_pushes_cannot_be_stored_every_view_and_its_title_say_so() {
    let Some(page) = Page::new(&[]) else { return };
    page.gateway.push("/metrics/job/a", "m 1\n");
    page.go("/");
    page.wait_for_rows(&["a"]);
    assert_eq!(page.evaluate("document.title"), "Groups · Wharf");
    page.wait_for("document.querySelector('#live').dataset.state === 'live'");
    let Ok(tampering) = Tampering::read_only(&page.gateway) else {
        return;
    };
    let refused = page.gateway.send(&post("/metrics/job/a").body("m 2\n"));
    assert_eq!(refused.status, 503);
    // It comes by itself, and is read aloud.
    page.wait_for(
        "document.querySelector('#problems [role=alert]')?.innerText.startsWith('Pushes cannot be stored.')",
    );
    page.wait_for("document.title === 'Pushes cannot be stored · Groups · Wharf'");
    page.wait_for_text(": unavailable");
    page.wait_for("document.querySelector('.filters .failed .number').textContent === '1'");
    for (path, shown) in VIEWS {
        page.go(path);
        page.wait_for(&format!("document.querySelector('{shown}')"));
        page.wait_for(
            "document.querySelector('#problems [role=alert]')?.innerText.includes('Read-only file system')",
        );
        page.wait_for("document.title.startsWith('Pushes cannot be stored · ')");
    }
    // What is still wrong stays as it is while other things change.
    page.go("/");
    page.wait_for("document.querySelector('#problems p')");
    page.evaluate("window.shown = document.querySelector('#problems p')");
    page.gateway.send(&post("/metrics/job/a").body("m{"));
    page.wait_for_text(": syntax");
    page.wait_for("window.shown.isConnected");
    drop(tampering);
    page.wait_for("!document.querySelector('#problems p') && document.title === 'Groups · Wharf'");
}

#[test]
fn a_reload_that_was_refused_is_seen_until_one_succeeds() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("wharf.yml");
    fs::write(&file, "expiry: [{match: '{}', ttl: 3h}]\n").unwrap();
    let config = format!("--config.file={}", file.display());
    let Some(page) = Page::new(&[&config, "--web.enable-lifecycle"]) else {
        return;
    };
    page.gateway.push("/metrics/job/a", "m 1\n");
    page.go("/");
    page.wait_for("document.querySelector('#live').dataset.state === 'live'");
    fs::write(&file, "expiry: [{match: '{}', tll: 3h}]\n").unwrap();
    assert_eq!(page.gateway.send(&post("/-/reload")).status, 500);
    let told = "document.querySelector('#problems [role=status]')?.innerText";
    page.wait_for(&format!(
        "{told}?.startsWith('The configuration file was not used')"
    ));
    for (path, shown) in VIEWS {
        page.go(path);
        page.wait_for(&format!("document.querySelector('{shown}')"));
        page.wait_for(&format!("{told}?.includes('tll')"));
    }
    fs::write(&file, "expiry: []\n").unwrap();
    assert_eq!(page.gateway.send(&post("/-/reload")).status, 200);
    page.wait_for("!document.querySelector('#problems p')");
}

#[test]
fn groups_of_the_future_are_marked() {
    let folder = tempfile::tempdir().unwrap();
    let (Some(browser), Some(clock)) = (Browser::start(), LedClock::new(folder.path())) else {
        return;
    };
    clock.set(126_230_400);
    let gateway = clock.wharf(env!("CARGO_BIN_EXE_wharf"), false).start();
    gateway.push("/metrics/job/a?ttl=2h", "m 1\n");
    clock.set(0);
    gateway.log_line("pushed in the future");
    browser.open(&format!("http://{}/", gateway.address()));
    browser.wait_for("document.querySelector('.trouble.failed')?.innerText === 'in the future'");
    browser.wait_for("document.querySelector('td.when > .failed time').innerText.startsWith('in 4 y')");
    browser.wait_for(
        "document.querySelector('#problems [role=status]')?.innerText.includes('1 group is affected')",
    );
    browser.wait_for(r"/^in (2 h|1 h 5\d min)$/.test(document.querySelector('td.expiry time').innerText)");
    browser.click("In the future");
    browser.wait_for(
        "location.search === '?state=future' && document.querySelectorAll('tr[data-row]').length === 1",
    );
    browser.open(&format!("http://{}/?view=group&group=job%2Fa", gateway.address()));
    browser.wait_for_text("In the future. ");
    gateway.push("/metrics/job/a", "m 1\n");
    browser.wait_for_no_text("In the future. ");
}

#[test]
fn ages_are_those_of_the_gateways_clock() {
    let Some(page) = Page::new(&[]) else { return };
    page.gateway.push("/metrics/job/a", "m 1\n");
    let hour_ahead = "const real = Date.now; Date.now = () => real() + 3600000;";
    page.call(
        "Page.addScriptToEvaluateOnNewDocument",
        &json!({ "source": hour_ahead }),
    );
    page.go("/");
    page.wait_for(r"/^(just now|\d+ s ago)$/.test(document.querySelector('td.when time')?.innerText)");
}

#[test]
fn a_page_whose_gateway_is_gone_is_old_and_says_since_when() {
    let Some(page) = Page::new(&[]) else { return };
    page.gateway.push("/metrics/job/a", "m 1\n");
    page.go("/");
    page.wait_for_rows(&["a"]);
    page.wait_for("document.querySelector('#live').dataset.state === 'live'");
    page.gateway.kill();
    page.wait_for("document.querySelector('#live').innerText === 'down'");
    page.wait_for_text("the gateway cannot be reached");
    page.wait_for_text("What stands below is from ");
    page.wait_for("document.body.classList.contains('down')");
    page.wait_for_rows(&["a"]);
}

#[test]
fn what_is_no_number_is_not_shown_as_nothing() {
    let Some(page) = Page::new(&[]) else { return };
    page.gateway.push(
        "/metrics/job/a",
        "# TYPE s summary\ns{quantile=\"0.5\"} 1\ns{quantile=\"0.9\"} NaN\ns{quantile=\"0.99\"} +Inf\ns_sum 1\ns_count 1\n",
    );
    page.go("/?view=group&group=job%2Fa");
    page.wait_for(
        "[...document.querySelectorAll('.bars .odd')].map((one) => one.textContent).join() === 'NaN,∞'",
    );
    page.wait_for("document.querySelector('.bars').ariaLabel.includes('quantile 0.9: NaN')");
}

#[test]
fn the_build_is_told_in_words_of_its_own() {
    let Some(page) = Page::new(&[]) else { return };
    page.go("/status");
    page.wait_for_text("Compiler");
    page.wait_for_no_text("goVersion");
    page.go("/");
    page.wait_for_text("Nothing has been pushed yet");
    page.press("?");
    page.wait_for("document.querySelector('dialog').innerText.includes('refused, below the line')");
}
