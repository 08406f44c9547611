//! Deleting: asked before, undone after, and offered to those only who may.

use wharf_testkit::http::{get, post};
use wharf_testkit::until;

use crate::Page;

fn with_two_groups(page: &Page) {
    page.gateway.push("/metrics/job/a", "one 1\ntwo 2\n");
    page.gateway.push("/metrics/job/b", "one 1\n");
}

/// Waits, for as long as the time to undo and some more, until the gateway has lost a group.
#[track_caller]
fn wait_until_gone(page: &Page, path: &str) {
    until(&format!("{path} to be deleted"), || {
        (!page.has_group(path)).then_some(())
    });
}

#[test]
fn a_group_that_is_deleted_goes_when_the_time_to_undo_is_over() {
    let Some(page) = Page::new(&[]) else { return };
    with_two_groups(&page);
    page.go("/?view=group&group=job%2Fa");
    page.click("Delete group…");
    page.click("Delete group");
    page.wait_for_text("a will be deleted in ");
    page.wait_for_rows(&["a", "b"]);
    assert!(page.has_group("job/a"));
    wait_until_gone(&page, "job/a");
    page.wait_for_text("Deleted a");
    page.wait_for_rows(&["b"]);
    assert!(page.has_group("job/b"));
}

#[test]
fn a_deletion_that_is_undone_never_reaches_the_gateway() {
    let Some(page) = Page::new(&[]) else { return };
    with_two_groups(&page);
    page.go("/?view=group&group=job%2Fa");
    page.click("Delete group…");
    page.click("Delete group");
    page.wait_for("document.querySelectorAll('tr.leaving').length === 1");
    page.click("Undo");
    page.wait_for("!document.querySelector('tr.leaving')");
    page.wait_for_rows(&["a", "b"]);
    // Leaving sends what is still to be sent: nothing.
    page.open("about:blank");
    page.wait_for("location.href === 'about:blank'");
    assert!(page.has_group("job/a"));
}

#[test]
fn leaving_the_page_deletes_at_once() {
    let Some(page) = Page::new(&[]) else { return };
    with_two_groups(&page);
    page.go("/?view=group&group=job%2Fa");
    page.click("Delete group…");
    page.click("Delete group");
    page.wait_for_text("Leaving the page deletes at once.");
    page.open("about:blank");
    wait_until_gone(&page, "job/a");
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

/// Nothing is deleted yet, so the page must not look as if.
#[test]
fn groups_that_are_about_to_be_deleted_are_still_there_and_said_to_go() {
    let Some(page) = Page::new(&[]) else { return };
    with_two_groups(&page);
    page.go("/");
    page.wait_for_rows(&["a", "b"]);
    page.click("Select all groups of this page");
    page.click("Delete…");
    page.wait_for_text("You can undo it for 10 seconds. Leaving or reloading the page deletes at once.");
    page.click("Delete 2 groups");
    page.wait_for_text("2 groups will be deleted in ");
    page.wait_for(r"/deleted in \d+ s\./.test(document.querySelector('.notice').innerText)");
    page.wait_for("document.querySelectorAll('tr.leaving').length === 2");
    page.wait_for_no_text("Nothing has been pushed yet");
    // What goes anyway cannot be selected once more, and is still counted.
    assert_eq!(
        page.evaluate("document.querySelectorAll('tbody input').length"),
        0
    );
    assert_eq!(
        page.evaluate("document.querySelector('.filters .number').textContent"),
        "2"
    );
    page.click("Undo");
    page.wait_for("document.querySelectorAll('tbody input').length === 2");
    page.wait_for("!document.querySelector('.notice, tr.leaving')");
}

#[test]
fn one_family_can_be_deleted_alone() {
    let Some(page) = Page::new(&[]) else { return };
    with_two_groups(&page);
    page.go("/?view=group&group=job%2Fa");
    page.click("Delete family two");
    page.click("Delete family");
    page.wait_for("!document.querySelector('[data-family=two]')");
    page.open("about:blank");
    until("the family to be deleted", || {
        let scrape = page.gateway.send(&get("/metrics")).text();
        (!scrape.contains("two{")).then_some(())
    });
    assert!(page.gateway.send(&get("/metrics")).text().contains("one{"));
}

#[test]
fn selected_groups_are_deleted_together() {
    let Some(page) = Page::new(&[]) else { return };
    with_two_groups(&page);
    page.gateway.push("/metrics/job/c", "one 1\n");
    page.go("/");
    page.wait_for_rows(&["a", "b", "c"]);
    page.click("Select a");
    page.click("Select c");
    page.wait_for_text("2 selected");
    page.click("Delete…");
    page.click("Delete 2 groups");
    page.wait_for("document.querySelectorAll('tr.leaving').length === 2");
    page.open("about:blank");
    wait_until_gone(&page, "job/a");
    wait_until_gone(&page, "job/c");
    assert!(page.has_group("job/b"));
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

/// Requests go out some at a time, but a page that is left has no time.
#[test]
fn leaving_the_page_deletes_all_that_was_selected() {
    let Some(page) = Page::new(&[]) else { return };
    let lines: Vec<String> = (100..200)
        .map(|group| format!("m{{job=\"{group}\"}} 1\n"))
        .collect();
    let pushed = page
        .gateway
        .send(&post("/api/v1/push?group_by=job").body(lines.concat()));
    assert_eq!(pushed.status, 200, "{}", pushed.text());
    page.go("/");
    page.wait_for("document.querySelectorAll('tr[data-row]').length === 100");
    page.click("Select all groups of this page");
    page.click("Delete…");
    page.click("Delete 100 groups");
    page.wait_for_text("100 groups will be deleted in ");
    page.open("about:blank");
    until("all to be deleted", || {
        let listed = page.gateway.send(&get("/api/v1/groups")).json();
        (listed["data"]["total"] == 0).then_some(())
    });
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
fn wiping_needs_the_word() {
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
