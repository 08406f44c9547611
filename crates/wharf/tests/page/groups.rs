//! The list of groups: search, filters, order, pages, and what comes by itself.

use std::fmt::Write as _;

use serde_json::json;
use wharf_testkit::http::{delete, post};

use crate::Page;

const DB1: &str = "backup instance=db1";
const DB2: &str = "backup instance=db2";
const ETL: &str = "etl env=dev";

fn with_groups() -> Option<Page> {
    let page = Page::new(&[])?;
    let gateway = &page.gateway;
    gateway.push("/metrics/job/backup/instance/db1", "rows 1\n");
    gateway.push("/metrics/job/backup/instance/db2", "a{x=\"1\"} 1\na{x=\"2\"} 1\n");
    gateway.push("/metrics/job/etl/env/dev?ttl=30m", "loaded 1\n");
    page.go("/");
    page.wait_for_rows(&[DB1, DB2, ETL]);
    Some(page)
}

#[test]
fn groups_are_found_while_words_are_typed() {
    let Some(page) = with_groups() else { return };
    page.press("/");
    page.type_text("BACK db2");
    page.wait_for_rows(&[DB2]);
    assert_eq!(
        page.evaluate("new URLSearchParams(location.search).get('q')"),
        "BACK db2"
    );
    page.type_text("nothing");
    page.wait_for_text("No group matches.");
    assert_eq!(page.complaints(), Vec::<String>::new());
}

#[test]
fn groups_are_found_by_selector_and_half_a_selector_says_what_is_missing() {
    let Some(page) = with_groups() else { return };
    page.press("/");
    page.type_text("{job=~\"back.*\",instance!=\"db1\"");
    page.wait_for_text("Selector: column ");
    page.type_text("}");
    page.wait_for_rows(&[DB2]);
    page.wait_for("document.querySelector('#search-problem').hidden");
}

#[test]
fn an_invalid_selector_leaves_nothing_that_could_be_taken_for_what_it_names() {
    let Some(page) = Page::for_admins() else { return };
    for instance in 0..3 {
        let path = format!("/metrics/job/a/instance/{instance}");
        page.gateway.push(&path, "m 1\n");
    }
    page.go("/?q=%7Bjob%3D%22a%22%7D");
    page.wait_for_text("Delete all of them…");
    page.click("Select a instance=1");
    page.wait_for_text("1 selected");
    page.go("/?q=%7Bjob%3D~%22%5B%22%7D");
    page.wait_for_text("Selector: column ");
    let is_empty = "document.querySelectorAll('tr[data-row]').length === 0 \
                    && document.querySelector('.total').innerText === '' && document.querySelector('.actions').hidden \
                    && [...document.querySelectorAll('.filters .number')].every((one) => one.textContent === '')";
    page.wait_for(is_empty);
    page.wait_for_no_text("match[]");
    // The same without another page: what was shown before goes.
    page.go("/?q=%7Bjob%3D%22a%22%7D");
    page.wait_for_text("Delete all of them…");
    page.click("Select a instance=1");
    page.press("/");
    page.type_text("{job=~\"[\"}");
    page.wait_for_text("Nothing is shown, as the search cannot be understood.");
    page.wait_for(is_empty);
}

#[test]
fn numbers_at_the_filters_are_those_of_the_rows() {
    let Some(page) = with_groups() else { return };
    // Rows and numbers, at one moment.
    let numbers = "JSON.stringify([[...document.querySelectorAll('.filters .number')].map((one) => one.textContent), \
                   document.querySelectorAll('tr[data-row]').length])";
    let wait_for = |expected: &str| page.wait_for(&format!("{numbers} === {}", json!(expected)));
    wait_for(r#"[["3","0","0","1","0"],3]"#);
    page.wait_for("document.querySelector('#live').dataset.state === 'live'");
    // A number that lags behind its rows would be seen here.
    page.evaluate(
        "window.lags = 0; new MutationObserver(() => { \
           const rows = document.querySelectorAll('tr[data-row]').length; \
           Promise.resolve().then(() => { \
             if (document.querySelector('.filters .number').textContent !== String(rows)) window.lags += 1; \
           }); \
         }).observe(document.querySelector('.list'), { childList: true, subtree: true })",
    );
    for instance in 0..6 {
        let path = format!("/metrics/job/more/instance/{instance}");
        page.gateway.push(&path, "m 1\n");
    }
    assert_eq!(
        page.gateway
            .send(&post("/metrics/job/etl/env/dev").body("m{"))
            .status,
        400
    );
    wait_for(r#"[["9","1","0","1","0"],9]"#);
    assert_eq!(page.evaluate("window.lags"), 0);
    // They are numbers of what was searched for.
    page.press("/");
    page.type_text("backup");
    wait_for(r#"[["2","0","0","0","0"],2]"#);
    page.click("Expiring");
    page.wait_for_text("No group matches.");
    page.click("All");
    page.evaluate("document.querySelector('#search').select()");
    page.type_text("etl");
    wait_for(r#"[["1","1","0","1","0"],1]"#);
}

#[test]
fn filters_show_what_failed_and_what_expires() {
    let Some(page) = with_groups() else { return };
    let refused = page
        .gateway
        .send(&post("/metrics/job/backup/instance/db1").body("rows 1 1\n"));
    assert_eq!(refused.status, 400);
    // What cannot even be read moves none of the group's times, and failed nevertheless.
    let unreadable = post("/metrics/job/backup/instance/db2").body("rows{ 1\n");
    assert_eq!(page.gateway.send(&unreadable).status, 400);
    page.click("Refused");
    page.wait_for_rows(&[DB1, DB2]);
    page.wait_for_text(": timestamps");
    page.wait_for_text(": syntax");
    page.click("Expiring");
    page.wait_for_rows(&[ETL]);
    page.click("All");
    page.wait_for_rows(&[DB1, DB2, ETL]);
}

#[test]
fn the_order_follows_the_column_that_was_clicked() {
    let Some(page) = with_groups() else { return };
    page.click("Series");
    page.wait_for("document.querySelector('th.series').ariaSort === 'descending'");
    page.wait_for(&format!(
        "document.querySelector('tr[data-row] a').textContent === {}",
        json!(DB2)
    ));
    page.click("Group");
    page.wait_for_rows(&[DB1, DB2, ETL]);
    page.click("Group ↑");
    page.wait_for_rows(&[ETL, DB1, DB2]);
}

#[test]
fn a_url_that_is_shared_or_reloaded_shows_the_same_and_back_goes_back() {
    let Some(page) = with_groups() else { return };
    page.click("Expiring");
    page.wait_for_rows(&[ETL]);
    page.click("Group ↑");
    page.wait_for("location.search.includes('sort=-job')");
    page.call("Page.reload", &json!({}));
    page.wait_for("document.querySelector('.filters .expiring')?.ariaPressed === 'true'");
    page.wait_for_rows(&[ETL]);
    page.evaluate("history.go(-2)");
    page.wait_for_rows(&[DB1, DB2, ETL]);
}

#[test]
fn what_is_pushed_and_deleted_elsewhere_appears_and_goes_by_itself() {
    let Some(page) = with_groups() else { return };
    page.wait_for("document.querySelector('#live').dataset.state === 'live'");
    page.gateway.push("/metrics/job/new", "m 1\n");
    page.wait_for_rows(&[DB1, DB2, ETL, "new"]);
    assert_eq!(page.gateway.send(&delete("/metrics/job/new")).status, 202);
    page.wait_for_rows(&[DB1, DB2, ETL]);
}

#[test]
fn an_empty_gateway_says_how_to_push() {
    let Some(page) = Page::new(&[]) else { return };
    page.go("/");
    page.wait_for_text("Nothing has been pushed yet");
    let line = page.evaluate("document.querySelector('.welcome pre').textContent");
    let url = page.url("/metrics/job/backup/instance/db1");
    assert!(line.as_str().unwrap().ends_with(&url), "{line}");
    page.gateway.push(
        "/metrics/job/backup/instance/db1",
        "backup_duration_seconds 42.5\n",
    );
    page.wait_for_rows(&[DB1]);
}

/// Groups of the job `load` with the instances `0-0000` to `9-9999`.
#[track_caller]
pub(crate) fn push_a_hundred_thousand(page: &Page) {
    for part in 0..10 {
        let mut body = String::new();
        for group in 0..10_000 {
            writeln!(body, "m{{job=\"load\",instance=\"{part}-{group:04}\"}} 1").unwrap();
        }
        let pushed = page
            .gateway
            .send(&post("/api/v1/push?group_by=job,instance").body(body));
        assert_eq!(pushed.status, 200, "{}", pushed.text());
    }
}

#[test]
fn a_hundred_thousand_groups_are_filtered_sorted_and_paged() {
    let Some(page) = Page::new(&["--storage.path="]) else {
        return;
    };
    push_a_hundred_thousand(&page);
    page.go("/");
    page.wait_for_text("100,000");
    assert_eq!(page.rows().len(), 100);
    page.press("/");
    page.type_text("7-1234");
    page.wait_for_rows(&["load instance=7-1234"]);
    page.evaluate("document.querySelector('#search').select()");
    page.press("Backspace");
    page.wait_for("document.querySelectorAll('tr[data-row]').length === 100");
    page.click("Next");
    page.wait_for_text("101 to 200");
    assert_eq!(page.rows().first().unwrap(), "load instance=0-0100");
    page.click("Previous");
    page.wait_for_text("1 to 100");
    assert_eq!(page.complaints(), Vec::<String>::new());
}
