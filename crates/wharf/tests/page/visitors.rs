//! Visitors who may not do or see everything: by role, or at an address for one purpose.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::json;
use wharf_testkit::http::{Connection, delete, put};
use wharf_testkit::{Browser, Spawn, until};

use crate::Page;

/// The groups that can be selected.
const BOXES: &str = "[...document.querySelectorAll('tr[data-row]:has(input)')].map((row) => row.querySelector('a').textContent)";

/// A gateway whose visitors have the rights that rules give to everybody.
struct Visited {
    page: Page,
    folder: tempfile::TempDir,
}

impl Visited {
    fn by(rules: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let path = write_rules(folder.path(), rules);
        let page = Page::new(&[
            &format!("--config.file={}", path.display()),
            "--web.enable-admin-api",
        ])?;
        Some(Self { page, folder })
    }

    /// Other rights from now on.
    fn change(&self, rules: &str) {
        let reloads = || {
            let scrape = self.page.gateway.scrape();
            let found = scrape
                .samples
                .iter()
                .find(|sample| sample.name == "wharf_config_last_reload_success_timestamp_seconds");
            found.map(wharf_testkit::Sample::number)
        };
        let before = reloads();
        write_rules(self.folder.path(), rules);
        self.page.gateway.hang_up();
        until("the new rules", || (reloads() != before).then_some(()));
    }
}

fn write_rules(folder: &Path, rules: &str) -> PathBuf {
    let path = folder.join("wharf.yml");
    let text = format!("access: {{anonymous: {rules}, tokens: {{}}}}\n");
    std::fs::write(&path, text).unwrap();
    path
}

/// A gateway whose visitors have the rights that `rules` give to everybody.
fn for_visitors(rules: &str) -> Option<Page> {
    Visited::by(rules).map(|visited| visited.page)
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
fn who_only_reads_is_offered_no_deletion_and_no_undo() {
    let Some(visited) = Visited::by("{push: '{}', read: '{}', delete: '{}', admin: true}") else {
        return;
    };
    let page = &visited.page;
    for job in ["a", "b"] {
        page.gateway
            .push(&format!("/metrics/job/{job}"), &format!("m{{x=\"{job}\"}} 1\n"));
    }
    assert_eq!(page.gateway.send(&delete("/metrics/job/b")).status, 202);
    page.go("/?q=%7B%7D");
    for text in ["Recently removed", "Wipe everything…", "Delete all of them…"] {
        page.wait_for_text(text);
    }
    assert_eq!(page.evaluate(BOXES), json!(["a"]));
    // The page that is open follows.
    visited.change("{push: '{}', read: '{}'}");
    for text in ["Recently removed", "Wipe everything…", "Delete all of them…"] {
        page.wait_for_no_text(text);
    }
    page.wait_for(&format!("{BOXES}.length === 0"));
    let buttons = "[...document.querySelectorAll('button')].map((button) => button.textContent)\
                   .filter((text) => /delete|wipe|undo/i.test(text))";
    assert_eq!(page.evaluate(buttons), json!([]));
    page.go("/?view=group&group=job%2Fa");
    page.wait_for("document.querySelector('[data-family=m]')");
    assert_eq!(page.evaluate(buttons), json!([]));
    page.go("/status");
    page.wait_for("document.querySelectorAll('.chart').length === 6");
    assert_eq!(page.evaluate(buttons), json!([]));
    assert_eq!(page.complaints(), Vec::<String>::new());
}

#[test]
fn only_groups_that_may_be_deleted_are_offered_for_it() {
    let rules = "{push: '{job=\"b\"}', read: '{}', delete: '{job=\"b\"}'}";
    let Some(visited) = Visited::by("{push: '{}', read: '{}'}") else {
        return;
    };
    let page = &visited.page;
    page.gateway.push("/metrics/job/a", "m{x=\"a\"} 1\n");
    page.gateway.push("/metrics/job/b", "m{x=\"b\"} 1\n");
    visited.change(rules);
    page.go("/");
    page.wait_for_rows(&["a", "b"]);
    page.wait_for(&format!("{BOXES}.length === 1"));
    assert_eq!(page.evaluate(BOXES), json!(["b"]));
    page.click("Select all groups of this page");
    page.wait_for_text("1 selected");
    page.go("/?view=group&group=job%2Fb");
    page.wait_for_text("Delete group…");
    page.wait_for("document.querySelector('[aria-label=\"Delete family m\"]')");
    page.wait_for_no_text("Not with what you may do here");
    page.go("/?view=group&group=job%2Fa");
    page.wait_for("document.querySelector('[data-family=m]')");
    page.wait_for_text("Not with what you may do here");
    page.wait_for_no_text("Delete group…");
    assert_eq!(
        page.evaluate("document.querySelector('[aria-label=\"Delete family m\"]')"),
        json!(null)
    );
    // A selector takes away what may be deleted; where that is nothing, it is not offered.
    page.go("/?q=%7Bjob%3D%22a%22%7D");
    page.wait_for_rows(&["a"]);
    page.wait_for_no_text("Delete all of them…");
    page.go("/?q=%7B%7D");
    page.wait_for_text("Delete all of them…");
}

/// The right is lost while the question is open.
#[test]
fn a_refused_deletion_says_why_on_lines_of_their_own() {
    let Some(visited) = Visited::by("{push: '{}', read: '{}', delete: '{}'}") else {
        return;
    };
    let page = &visited.page;
    page.gateway.push("/metrics/job/a", "m 1\n");
    page.go("/?view=group&group=job%2Fa");
    page.click("Delete group…");
    visited.change("{push: '{}', read: '{}', delete: '{job=\"b\"}'}");
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
