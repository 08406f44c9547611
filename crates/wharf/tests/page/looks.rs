//! Keyboard, colours, narrow screens, screen readers, and other places than the root.

use crate::Page;

fn with_groups(args: &[&str], prefix: &str) -> Option<Page> {
    let page = Page::new(args)?;
    for (group, value) in [("backup/instance/db1", 1), ("backup/instance/db2", 2), ("etl", 3)] {
        let path = format!("{prefix}/metrics/job/{group}");
        page.gateway.push(
            &path,
            &format!("a_rather_long_name_of_a_metric_family_total {value}\n"),
        );
    }
    page.go(&format!("{prefix}/"));
    page.wait_for("document.querySelectorAll('tr[data-row]').length === 3");
    Some(page)
}

#[test]
fn everything_is_reached_without_a_mouse() {
    let Some(page) = with_groups(&[], "") else { return };
    page.press("?");
    page.wait_for("document.querySelector('dialog[open]').innerText.includes('search')");
    page.press("Escape");
    page.wait_for("!document.querySelector('dialog')");
    page.press("j");
    page.press("j");
    page.press("k");
    page.press("j");
    page.wait_for("document.activeElement.dataset.row === 'job/backup/instance/db2'");
    page.press("x");
    page.wait_for_text("1 selected");
    page.press("Enter");
    page.wait_for("location.search.includes('view=group') && document.title.includes('db2')");
    page.press("m");
    page.wait_for("document.querySelector('table.families tr[data-row]')");
    page.press("s");
    page.wait_for("document.querySelector('.charts')");
    assert!(
        page.evaluate("location.pathname")
            .as_str()
            .unwrap()
            .ends_with("/status")
    );
    page.press("g");
    page.wait_for("document.querySelector('table.groups')");
    page.press("/");
    page.type_text("etl");
    page.wait_for_rows(&["etl"]);
    page.press("Enter");
    page.wait_for("document.activeElement.dataset.row === 'job/etl'");
}

#[test]
fn dark_follows_the_system_until_the_reader_chooses() {
    let Some(page) = with_groups(&[], "") else { return };
    let ground = || {
        let colour = page.evaluate("getComputedStyle(document.documentElement).backgroundColor");
        colour.as_str().unwrap().to_owned()
    };
    page.prefer("prefers-color-scheme", "light");
    let light = ground();
    page.prefer("prefers-color-scheme", "dark");
    let dark = ground();
    assert_ne!(light, dark);
    page.click("Colours: system");
    page.wait_for("document.documentElement.dataset.theme === 'light'");
    assert_eq!(ground(), light);
    page.call("Page.reload", &serde_json::json!({}));
    page.wait_for("document.querySelectorAll('tr[data-row]').length === 3");
    assert_eq!(ground(), light);
}

#[test]
fn a_phone_shows_all_views_without_scrolling_sideways() {
    let Some(page) = with_groups(&[], "") else { return };
    page.size(360, 740);
    let long = "/metrics/job/".to_owned() + &"long".repeat(60);
    page.gateway.push(&long, "m{label=\"value\"} 1\n");
    let group = format!("/?view=group&group=job%2F{}", "long".repeat(60));
    for (path, shown) in [
        ("/", "tr[data-row]"),
        (group.as_str(), "[data-family]"),
        ("/?view=metrics", "tr[data-row]"),
        ("/status", ".charts"),
    ] {
        page.go(path);
        page.wait_for(&format!("document.querySelector('{shown}')"));
        assert_eq!(
            page.evaluate("document.documentElement.scrollWidth"),
            360,
            "{path}"
        );
    }
}

#[test]
fn nothing_moves_for_those_who_do_not_want_it() {
    let Some(page) = with_groups(&[], "") else { return };
    page.wait_for("document.querySelector('#live').dataset.state === 'live'");
    page.wait_for("document.getAnimations().length === 1");
    page.prefer("prefers-reduced-motion", "reduce");
    page.wait_for("document.getAnimations().length === 0");
}

#[test]
fn screen_readers_are_told_what_is_what() {
    let Some(page) = with_groups(&[], "") else { return };
    let tree = page.call("Accessibility.getFullAXTree", &serde_json::json!({}));
    let nodes = tree["nodes"].as_array().unwrap();
    let named = |role: &str| -> Vec<String> {
        let nodes = nodes.iter().filter(|node| node["role"]["value"] == role);
        nodes
            .map(|node| node["name"]["value"].as_str().unwrap_or_default().to_owned())
            .collect()
    };
    assert_eq!(named("table"), ["Groups"]);
    assert_eq!(named("searchbox"), ["Search groups"]);
    assert!(named("checkbox").contains(&"Select backup instance=db1".to_owned()));
    assert!(named("navigation").contains(&"Views".to_owned()));
    assert_eq!(named("row").len(), 4);
    for role in ["button", "link", "checkbox", "image"] {
        assert!(
            named(role).iter().all(|name| !name.is_empty()),
            "{role}: {:?}",
            named(role)
        );
    }
}

#[test]
fn a_route_prefix_moves_the_whole_page() {
    let Some(page) = with_groups(&["--web.route-prefix=/pre"], "/pre") else {
        return;
    };
    page.click_on("document.querySelector('tr[data-row] a')");
    page.wait_for("document.querySelector('[data-family]')");
    page.wait_for_text("/pre/metrics/job/backup/instance/db1");
    page.click("Status");
    page.wait_for("document.querySelector('.charts')");
    assert_eq!(page.evaluate("location.pathname"), "/pre/status");
    assert_eq!(page.complaints(), Vec::<String>::new());
}
