//! One group: values, pictures, history, and the lines that push to it.

use std::process::Command;

use serde_json::{Value, json};
use wharf_testkit::http::{get, post, put};
use wharf_testkit::{peers, protobuf};

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
fn a_group_says_that_it_adds_up_from_how_many_pushes_and_since_when() {
    let Some(page) = Page::new(&[]) else { return };
    page.gateway.push("/metrics/job/plain", "m 1\n");
    let push = post("/metrics/job/sum?merge=aggregate").body("# TYPE c counter\nc 1\n");
    for _ in 0..3 {
        assert_eq!(page.gateway.send(&push).status, 200);
    }
    page.go("/?view=group&group=job%2Fsum");
    page.wait_for_text("3 pushes");
    let fact = "[...document.querySelectorAll('.facts > div')].find((fact) => fact.textContent.startsWith('Added up'))";
    let shown = page.evaluate(&format!("{fact}.textContent"));
    let year = page.evaluate("String(new Date().getFullYear())");
    let (shown, year) = (shown.as_str().unwrap(), year.as_str().unwrap());
    assert!(
        shown.starts_with("Added up3 pushessince ") && shown.contains(year),
        "{shown}"
    );
    assert_eq!(
        page.gateway.send(&post("/api/v1/groups/job/sum/reset")).status,
        200
    );
    // The page follows what happens.
    page.wait_for_text("0 pushes");
    page.go("/?view=group&group=job%2Fplain");
    page.wait_for_text("From your code");
    assert_eq!(page.evaluate(&format!("{fact} === undefined")), json!(true));
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

/// Runs the lines that the page shows, which must reach the group that they stand at.
#[track_caller]
fn check_lines(language: &str, program: impl Fn() -> Command) {
    let Some(page) = Page::new(&[]) else { return };
    let names = [
        "it's $(x) `y`",
        "a/b",
        "%41 \"q\" \\ {a}[b]",
        "ü\u{202e}\u{1f600}\n2",
    ];
    for name in names {
        let line = format!("m{{job=\"j k\",x={}}} 1\n", exposition_literal(name));
        let push = post("/api/v1/push?group_by=job,x").body(line);
        assert_eq!(page.gateway.send(&push).status, 200, "{name}");
        page.go("/");
        page.wait_for("document.querySelectorAll('tr[data-row]').length === 1");
        page.click_on("document.querySelector('tr[data-row] a')");
        page.click(language);
        let run = |lines: &Value| {
            let status = program().arg(lines.as_str().unwrap()).status().unwrap();
            assert!(status.success(), "{lines}");
        };
        let lines = lines(&page);
        run(&lines[0]);
        let listed = page.gateway.send(&get("/api/v1/groups")).json();
        assert_eq!(listed["data"]["total"], 1, "{name}: {listed}");
        assert!(
            page.gateway.send(&get("/metrics")).text().contains("my_metric{"),
            "{name}"
        );
        run(&lines[1]);
        page.wait_for_text("does not exist");
    }
}

/// The lines that push to a group and delete it.
fn lines(page: &Page) -> Value {
    page.wait_for("document.querySelectorAll('.code pre').length === 2");
    page.evaluate("[...document.querySelectorAll('.code pre')].map((line) => line.textContent)")
}

#[test]
fn the_curl_lines_push_to_and_delete_exactly_this_group_whatever_its_name() {
    check_lines("curl", || {
        let mut shell = Command::new("sh");
        shell.arg("-c");
        shell
    });
}

#[test]
fn the_python_lines_push_to_and_delete_exactly_this_group_whatever_its_name() {
    let Some(python) = peers::python() else { return };
    check_lines("Python", || {
        let mut python = Command::new(&python);
        python.arg("-c");
        python
    });
}

#[test]
fn the_go_lines_leave_alone_what_the_go_client_would_name_otherwise() {
    let Some(page) = Page::new(&[]) else { return };
    page.gateway.push("/metrics/job/j/x/a-b", "m{y=\"1\"} 1\n");
    page.gateway.push("/metrics/job/j/x/a%20b", "m{y=\"2\"} 1\n");
    for (path, client) in [("job/j/x/a-b", true), ("job/j/x/a%20b", false)] {
        page.go(&format!("/?view=group&group={}", path.replace('%', "%25")));
        page.wait_for("document.querySelectorAll('.code pre').length === 2");
        page.click("Go");
        page.wait_for("document.querySelector('.code pre').textContent.includes('err :=')");
        for line in lines(&page).as_array().unwrap() {
            let line = line.as_str().unwrap();
            assert_eq!(line.contains("push.New("), client, "{line}");
            assert_eq!(
                line.contains(&page.url(&format!("/metrics/{path}"))),
                !client,
                "{line}"
            );
        }
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
