//! Visitors who may not do or see everything: by role, or at an address for one purpose.

use std::net::SocketAddr;

use serde_json::json;
use wharf_testkit::http::{Connection, put};
use wharf_testkit::{Browser, Spawn, until};

use crate::Page;

/// A gateway with a group `a` and a group `b`, whose visitors have the rights that `rules` give to everybody.
fn for_visitors(rules: &str) -> Option<Page> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wharf.yml");
    let text = format!("access: {{anonymous: {rules}, tokens: {{}}}}\n");
    std::fs::write(&path, text).unwrap();
    Page::new(&[
        &format!("--config.file={}", path.display()),
        "--web.enable-admin-api",
    ])
}

#[test]
fn who_reads_some_groups_sees_these_and_no_numbers_of_all() {
    let rules = "{push: '{}', read: '{job=\"a\"}', delete: '{job=\"b\"}'}";
    let Some(page) = for_visitors(rules) else { return };
    page.gateway.push("/metrics/job/a", "m{x=\"a\"} 1\n");
    page.gateway.push("/metrics/job/b", "m{x=\"b\"} 1\n");
    page.go("/");
    page.wait_for_rows(&["a"]);
    page.wait_for("document.querySelector('.filters .number').textContent === '1'");
    page.click("Status");
    page.wait_for_text("shown to those who may read every group");
    page.wait_for_text("Shown to those with the right admin.");
    page.wait_for("!document.querySelector('#problem')");
    assert_eq!(page.complaints(), Vec::<String>::new());
}

#[test]
fn what_is_withheld_is_not_said_to_be_none() {
    let Some(page) = for_visitors("{read: '{}'}") else {
        return;
    };
    page.go("/status");
    page.wait_for("document.querySelectorAll('.chart').length === 6");
    let withheld = "[...document.querySelectorAll('section')].filter((one) => one.innerText.includes('with the right admin'))\
                    .map((one) => one.querySelector('h2').textContent)";
    assert_eq!(
        page.evaluate(withheld),
        json!(["Who scrapes", "Refused pushes", "Flags"])
    );
    page.click("Groups");
    page.wait_for_text("Nothing has been pushed yet");
    page.wait_for_no_text("curl");
}

#[test]
fn who_was_turned_away_is_told_so_and_not_asked_again_and_again() {
    let Some(page) = for_visitors("{push: '{}'}") else {
        return;
    };
    page.go("/");
    page.wait_for_text("reading needs the right `read`");
    page.wait_for_text("Reload the page to try again.");
    page.wait_for("document.querySelector('#live').dataset.state === 'off'");
    let asked = "performance.getEntriesByType('resource').map(({ name }) => name.split('?')[0])\
                 .filter((name) => /v1.(groups|events)$/.test(name)).length";
    assert_eq!(page.evaluate(asked), 1);
}

#[test]
fn a_refused_deletion_says_why_on_lines_of_their_own() {
    let rules = "{push: '{}', read: '{}', delete: '{job=\"b\"}'}";
    let Some(page) = for_visitors(rules) else { return };
    page.gateway.push("/metrics/job/a", "m 1\n");
    page.go("/?view=group&group=job%2Fa");
    page.click("Delete group…");
    page.click("Delete group");
    page.wait_for_text(
        "deleting needs the right `delete` for {job=\"a\"}, which anonymous clients do not have\nhint: ",
    );
    assert!(page.has_group("job/a"));
}

#[test]
fn an_address_for_scrapes_offers_no_deletion() {
    let Some(browser) = Browser::start() else { return };
    let purposes = ["push", "scrape"].map(|purpose| format!("--web.{purpose}-address=127.0.0.1:0"));
    let gateway = Spawn::wharf(env!("CARGO_BIN_EXE_wharf"))
        .arg("--web.enable-admin-api")
        .args(purposes)
        .start();
    let [admin, push, scrape] = gateway.addresses() else {
        panic!("expected three addresses, found {:?}", gateway.addresses());
    };
    let pushed = Connection::open(*push)
        .unwrap()
        .send(&put("/metrics/job/a").body("m 1\n"))
        .unwrap();
    assert_eq!(pushed.status, 200);
    let has_boxes = |address: &SocketAddr| {
        browser.open(&format!("http://{address}/"));
        until("the group", || {
            let shown = browser.evaluate("document.querySelectorAll('tr[data-row]').length");
            (shown == 1).then_some(())
        });
        browser.evaluate("document.querySelectorAll('input[type=checkbox]').length > 0")
    };
    assert_eq!(has_boxes(scrape), false);
    browser.wait_for_no_text("Wipe everything…");
    browser.open(&format!("http://{scrape}/?view=group&group=job%2Fa"));
    browser.wait_for_text("the address for pushes");
    browser.wait_for_no_text("Delete group…");
    assert_eq!(has_boxes(admin), true);
}
