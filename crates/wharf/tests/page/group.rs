//! One group: values, pictures, history, and the lines that push to it.

use std::process::Command;

use serde_json::json;
use wharf_testkit::http::{get, post, put};
use wharf_testkit::protobuf;

use crate::Page;

#[test]
fn a_group_shows_its_families_with_values_and_pictures() {
    let Some(page) = Page::new(&[]) else { return };
    page.gateway.push(
        "/metrics/job/backup/instance/db1",
        "# HELP size_bytes How large it is.\n# TYPE size_bytes gauge\nsize_bytes{disk=\"a\"} 2048\nsize_bytes{disk=\"b\"} 1\n\
         # TYPE wait_seconds histogram\nwait_seconds_bucket{le=\"1\"} 3\nwait_seconds_bucket{le=\"+Inf\"} 5\n\
         wait_seconds_sum 7\nwait_seconds_count 5\n\
         # TYPE answer_seconds summary\nanswer_seconds{quantile=\"0.5\"} 0.1\nanswer_seconds_sum 1\nanswer_seconds_count 4\n",
    );
    page.go("/");
    page.wait_for_rows(&["backup instance=db1"]);
    page.click_on("document.querySelector('tr[data-row] a')");
    page.wait_for_text("How large it is.");
    page.wait_for_text("2 KiB");
    page.wait_for("document.querySelector('[data-family=wait_seconds] svg[aria-hidden] .bar')");
    let titles = page.evaluate(
        "[...document.querySelectorAll('[data-family=wait_seconds] title')].map((title) => title.textContent)",
    );
    assert_eq!(titles, json!(["-Inf < value ≤ 1: 3", "1 < value ≤ +Inf: 2"]));
    page.wait_for_text("p50");
    assert_eq!(page.complaints(), Vec::<String>::new());
}

#[test]
fn a_native_histogram_is_drawn_too() {
    let Some(page) = Page::new(&[]) else { return };
    let body = protobuf::delimited(&[protobuf::native_histogram("waits")]);
    let push = put("/metrics/job/native")
        .header("Content-Type", protobuf::CONTENT_TYPE)
        .body(body);
    assert_eq!(page.gateway.send(&push).status, 200);
    page.go("/?view=group&group=job%2Fnative");
    page.wait_for("document.querySelectorAll('[data-family=waits] .bar').length > 1");
}

#[test]
fn refused_pushes_stand_in_the_history_with_their_reason() {
    let Some(page) = Page::new(&[]) else { return };
    page.gateway.push("/metrics/job/j", "m 1\n");
    assert_eq!(
        page.gateway.send(&post("/metrics/job/j").body("m 1 1\n")).status,
        400
    );
    page.go("/?view=group&group=job%2Fj");
    page.wait_for_text("The last push was refused");
    page.wait_for(
        "document.querySelector('table.pushes tr.refused') && document.querySelector('.strip .refused')",
    );
    page.wait_for("document.querySelector('.strip .ok')");
}

/// Runs the line that the page shows in a real shell, which must reach the group that it stands at.
#[test]
fn the_curl_lines_push_to_and_delete_exactly_this_group_whatever_its_name() {
    let Some(page) = Page::new(&[]) else { return };
    let names = ["it's $(x) `y`", "a/b", "%41 \"q\" {a}[b]", "ü\u{202e}\u{1f600}"];
    for name in names {
        let line = format!("m{{job=\"j\",x={}}} 1\n", exposition_literal(name));
        let push = post("/api/v1/push?group_by=job,x").body(line);
        assert_eq!(page.gateway.send(&push).status, 200, "{name}");
        page.go("/");
        page.wait_for("document.querySelectorAll('tr[data-row]').length === 1");
        page.click_on("document.querySelector('tr[data-row] a')");
        page.wait_for("document.querySelectorAll('.code pre').length === 2");
        let lines =
            page.evaluate("[...document.querySelectorAll('.code pre')].map((line) => line.textContent)");
        run(lines[0].as_str().unwrap());
        let listed = page.gateway.send(&get("/api/v1/groups")).json();
        assert_eq!(listed["data"]["total"], 1, "{name}: {listed}");
        assert!(
            page.gateway.send(&get("/metrics")).text().contains("my_metric{"),
            "{name}"
        );
        run(lines[1].as_str().unwrap());
        page.wait_for_text("does not exist");
    }
}

/// Label values of the text format escape less than JSON does.
fn exposition_literal(text: &str) -> String {
    format!(
        "\"{}\"",
        text.replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace('\n', "\\n")
    )
}

#[track_caller]
fn run(line: &str) {
    let status = Command::new("sh").args(["-c", line]).status().unwrap();
    assert!(status.success(), "{line}");
}

#[test]
fn hostile_names_help_texts_and_values_are_shown_and_do_nothing() {
    let Some(page) = Page::for_admins() else { return };
    let markup = "<img src=x onerror=alert(1)><script>alert(2)</script>";
    let line = format!(
        "# HELP m {markup}\n# TYPE m gauge\nm{{job={0},x={0},y={0}}} 1\n",
        exposition_literal(markup)
    );
    let pushed = page.gateway.send(&post("/api/v1/push?group_by=job,x").body(line));
    assert_eq!(pushed.status, 200, "{}", pushed.text());
    // The job is `a\u{202e}b\0c</td>"'`, in a form that a path can have.
    page.gateway
        .push("/metrics/job@base64/YeKArmIAYzwvdGQ-Iic", "n 1\n");
    let refused = post("/metrics/job/%3Cb%3E").body("<script>alert(3)</script> 1\n");
    assert_eq!(page.gateway.send(&refused).status, 400);

    page.go("/");
    page.wait_for("document.querySelectorAll('tr[data-row]').length >= 2");
    page.wait_for_text(markup);
    page.wait_for_text("a\\u{202e}b\\u{0}c</td>");
    page.click_on(&format!(
        "[...document.querySelectorAll('tr[data-row] a')].find((link) => link.textContent.includes({}))",
        json!(markup)
    ));
    page.wait_for("document.querySelector('.help')");
    page.wait_for_text(markup);
    page.click("Delete group");
    page.wait_for("document.querySelector('dialog[open]')");
    page.press("Escape");
    page.click("Metrics");
    page.wait_for("document.querySelector('table.families .help')");
    page.click("Status");
    page.wait_for("document.querySelector('.refusals li')");

    let strange = "document.querySelectorAll('img, script:not([src]), td script').length";
    assert_eq!(page.evaluate(strange), 0);
    assert_eq!(page.complaints(), Vec::<String>::new());
}
