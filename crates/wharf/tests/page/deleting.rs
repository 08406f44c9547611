//! Deleting: asked before, done at once, undone after, and offered to those only who may.

use wharf_testkit::http::{delete, get, post, put};
use wharf_testkit::until;

use crate::Page;

fn with_two_groups(page: &Page) {
    page.gateway.push("/metrics/job/a", "one 1\ntwo 2\n");
    page.gateway.push("/metrics/job/b", "one 1\n");
}

/// Waits until the gateway has lost a group.
#[track_caller]
fn wait_until_gone(page: &Page, path: &str) {
    until(&format!("{path} to be deleted"), || {
        (!page.has_group(path)).then_some(())
    });
}

/// Clicks the button of the line at the bottom of the page.
#[track_caller]
fn undo_by_notice(page: &Page) {
    page.click_on(
        "[...document.querySelectorAll('.notice button')].find((one) => one.textContent === 'Undo')",
    );
}

#[test]
fn a_group_that_is_deleted_is_gone_at_once_and_can_be_taken_back() {
    let Some(page) = Page::new(&[]) else { return };
    with_two_groups(&page);
    page.go("/?view=group&group=job%2Fa");
    page.click("Delete group…");
    page.wait_for_text("You can undo it for 1 h.");
    page.click("Delete group");
    page.wait_for_text("Deleted a.");
    assert!(!page.has_group("job/a"));
    page.wait_for_rows(&["b"]);
    undo_by_notice(&page);
    page.wait_for_text("Back: a.");
    assert!(page.has_group("job/a"));
    page.wait_for_rows(&["a", "b"]);
    page.wait_for_no_text("Recently removed");
    assert_eq!(page.complaints(), Vec::<String>::new());
}

/// A page that is opened later knows it from the gateway.
#[test]
fn what_was_removed_is_listed_with_a_button_for_as_long_as_it_can_be_undone() {
    let Some(page) = Page::new(&[]) else { return };
    with_two_groups(&page);
    for group in ["a", "b"] {
        let deleted = page.gateway.send(&delete(&format!("/metrics/job/{group}")));
        assert_eq!(deleted.status, 202);
    }
    page.go("/");
    page.wait_for_text("Recently removed");
    // What one client removes within seconds is one line.
    page.wait_for_text("{job=\"b\"} and 1 other group");
    page.wait_for_text("ends in 5");
    page.wait_for_text("anonymous");
    page.click("Undo: ");
    page.wait_for_text("Back: 2 groups.");
    page.wait_for_rows(&["a", "b"]);
    page.wait_for_no_text("Recently removed");
}

#[test]
fn what_was_pushed_since_stays_and_is_named() {
    let Some(page) = Page::new(&[]) else { return };
    with_two_groups(&page);
    page.go("/");
    page.wait_for_rows(&["a", "b"]);
    page.click("Select all groups of this page");
    page.click("Delete…");
    page.click("Delete 2 groups");
    page.wait_for_text("Deleted 2 groups.");
    page.gateway.push("/metrics/job/b", "one 77\n");
    undo_by_notice(&page);
    page.wait_for_text("Back: 1 group.\n1 group pushed since, and left alone: b");
    assert!(
        page.gateway
            .send(&get("/metrics"))
            .text()
            .contains("one{instance=\"\",job=\"b\"} 77\n")
    );
}

#[test]
fn what_cannot_be_undone_is_said_before_and_after() {
    let Some(page) = Page::new(&["--undo.max-age=0"]) else {
        return;
    };
    with_two_groups(&page);
    page.go("/?view=group&group=job%2Fa");
    page.click("Delete group…");
    page.wait_for_text("This cannot be undone.");
    page.click("Delete group");
    page.wait_for_text("Deleted a. It cannot be undone: nothing that is removed is kept");
    page.wait_for_rows(&["b"]);
    page.click("Dismiss");
    page.wait_for("!document.querySelector('.notice')");
}

#[test]
fn one_family_can_be_deleted_alone() {
    let Some(page) = Page::new(&[]) else { return };
    with_two_groups(&page);
    page.go("/?view=group&group=job%2Fa");
    page.click("Delete family two");
    page.click("Delete family");
    page.wait_for("!document.querySelector('[data-family=two]')");
    page.wait_for_text("Deleted two of a.");
    let scrape = page.gateway.send(&get("/metrics")).text();
    assert!(!scrape.contains("two{") && scrape.contains("one{"), "{scrape}");
    undo_by_notice(&page);
    page.wait_for("document.querySelector('[data-family=two]')");
}

#[test]
fn selected_groups_are_deleted_and_taken_back_together() {
    let Some(page) = Page::new(&[]) else { return };
    let lines: Vec<String> = (100..140)
        .map(|group| format!("m{{job=\"{group}\"}} 1\n"))
        .collect();
    let pushed = page
        .gateway
        .send(&post("/api/v1/push?group_by=job").body(lines.concat()));
    assert_eq!(pushed.status, 200, "{}", pushed.text());
    page.go("/");
    page.wait_for("document.querySelectorAll('tr[data-row]').length === 40");
    page.click("Select all groups of this page");
    page.click("Select 120");
    page.wait_for_text("39 selected");
    page.click("Delete…");
    page.click("Delete 39 groups");
    page.wait_for_text("Deleted 39 groups.");
    page.wait_for_rows(&["120"]);
    page.wait_for_text("and 38 other groups");
    undo_by_notice(&page);
    page.wait_for_text("Back: 39 groups.");
    page.wait_for("document.querySelectorAll('tr[data-row]').length === 40");
}

#[test]
fn wiping_needs_the_word_and_can_be_taken_back() {
    let Some(page) = Page::for_admins() else { return };
    with_two_groups(&page);
    page.go("/");
    page.wait_for_rows(&["a", "b"]);
    page.click("Wipe everything…");
    page.wait_for("document.querySelector('dialog .danger').disabled");
    page.type_text("wip");
    assert_eq!(
        page.evaluate("document.querySelector('dialog .danger').disabled"),
        true
    );
    page.type_text("e");
    page.click("Wipe all groups");
    page.wait_for_text("Nothing has been pushed yet");
    assert!(!page.has_group("job/b"));
    page.wait_for_text("Deleted all groups.");
    // The list has it too, for those who come later.
    page.click("Undo: everything");
    page.wait_for_text("Back: 2 groups.");
    page.wait_for_rows(&["a", "b"]);
}

#[test]
fn administrators_see_who_did_what() {
    let Some(page) = Page::for_admins() else { return };
    with_two_groups(&page);
    for request in [
        delete("/metrics/job/a"),
        put("/api/v1/admin/wipe"),
        put("/api/v1/admin/undo"),
    ] {
        assert!(page.gateway.send(&request).status < 300);
    }
    page.go("/status");
    page.wait_for_text("Who did what");
    for text in [
        "deleted a group",
        "{job=\"a\"}",
        "wiped everything",
        "undid a removal",
        "anonymous",
        "127.0.0.1",
    ] {
        page.wait_for_text(text);
    }
}

#[test]
fn a_question_that_is_not_answered_deletes_nothing() {
    let Some(page) = Page::new(&[]) else { return };
    with_two_groups(&page);
    page.go("/?view=group&group=job%2Fa");
    page.click("Delete group…");
    // The way back has the focus.
    page.wait_for("document.activeElement.textContent === 'Cancel'");
    page.press("Enter");
    page.wait_for("!document.querySelector('dialog')");
    assert_eq!(page.evaluate("document.querySelectorAll('.notice').length"), 0);
}

#[test]
fn a_selector_shows_what_would_go_before_it_goes() {
    let Some(page) = Page::for_admins() else { return };
    with_two_groups(&page);
    page.go("/?q=%7Bjob%3D%22a%22%7D");
    page.wait_for_rows(&["a"]);
    page.click("Delete all of them…");
    page.wait_for("document.querySelectorAll('.keys-list li').length === 1");
    assert!(page.has_group("job/a"));
    page.click("Delete 1 group");
    wait_until_gone(&page, "job/a");
    assert!(page.has_group("job/b"));
}

#[test]
fn a_selector_takes_only_what_is_as_old_as_was_asked() {
    let Some(page) = Page::for_admins() else { return };
    page.gateway.push(
        "/metrics/job/old?push_time=2026-01-02T03:04:05Z",
        "one{x=\"old\"} 1\n",
    );
    page.gateway.push("/metrics/job/new", "one{x=\"new\"} 1\n");
    page.go("/?q=%7B%7D");
    page.wait_for_rows(&["new", "old"]);
    page.click("Delete all of them…");
    page.wait_for_text("Delete 2 groups");
    page.click_on("document.querySelector('#older-than')");
    page.type_text("7x");
    page.wait_for_text("older_than: ");
    assert_eq!(
        page.evaluate("document.querySelector('dialog .danger').disabled"),
        true
    );
    page.press("Backspace");
    page.type_text("d");
    page.wait_for("document.querySelectorAll('.keys-list li').length === 1");
    // Enter is no answer.
    page.press("Enter");
    page.click("Delete 1 group");
    wait_until_gone(&page, "job/old");
    assert!(page.has_group("job/new"));
}

#[test]
fn a_whole_page_is_selected_at_once() {
    let Some(page) = Page::new(&[]) else { return };
    with_two_groups(&page);
    page.go("/");
    page.wait_for_rows(&["a", "b"]);
    page.click("Select all groups of this page");
    page.wait_for_text("2 selected");
    page.click("Select a");
    page.wait_for_text("1 selected");
    page.wait_for("document.querySelector('thead input').indeterminate");
    page.click("Select all groups of this page");
    page.wait_for_text("2 selected");
    page.click("Select all groups of this page");
    page.wait_for_no_text("selected");
}

#[test]
fn what_a_filter_shows_is_not_deleted_by_a_selector_that_names_more() {
    let Some(page) = Page::for_admins() else { return };
    with_two_groups(&page);
    page.gateway.push("/metrics/job/c?ttl=30m", "one 1\n");
    page.go("/?q=%7B%7D");
    page.wait_for_rows(&["a", "b", "c"]);
    page.wait_for_text("Delete all of them…");
    page.click("Expiring");
    page.wait_for_rows(&["c"]);
    page.wait_for_no_text("Delete all of them…");
}

#[test]
fn what_is_not_allowed_is_not_offered_and_refused_if_tried() {
    let Some(page) = Page::new(&[]) else { return };
    with_two_groups(&page);
    page.go("/?q=%7Bjob%3D%22a%22%7D");
    page.wait_for_rows(&["a"]);
    page.wait_for("document.querySelector('tr[data-row] input')");
    page.wait_for_no_text("Wipe everything…");
    page.wait_for_no_text("Delete all of them…");
    let tried = page.evaluate(
        "Promise.all([fetch('api/v1/admin/wipe', { method: 'PUT' }), fetch('api/v1/groups?match[]={}', { method: 'DELETE' })])\
         .then((answers) => answers.map((answer) => answer.status))",
    );
    assert_eq!(tried, serde_json::json!([404, 403]));
    assert!(page.has_group("job/a"));
}
