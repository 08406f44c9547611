//! Badges: how a group is, in two words, for pages elsewhere.

use std::fs;
use std::process::Command;

use wharf_testkit::http::{Response, get, post};
use wharf_testkit::{Gateway, LedClock, peers, until};

use crate::rules::with_rules;
use crate::wharf;

/// What a badge says, on its left side and on its right one.
#[track_caller]
fn said(gateway: &Gateway, path: &str) -> String {
    words(&gateway.send(&get(path)))
}

#[track_caller]
fn words(response: &Response) -> String {
    assert_eq!(
        response.header("content-type"),
        Some("image/svg+xml"),
        "{response:?}"
    );
    let text = response.text();
    let (_, rest) = text.split_once("<title>").unwrap();
    rest.split_once("</title>").unwrap().0.to_owned()
}

fn badge(path: &str) -> String {
    format!("/api/v1/groups/{path}/badge.svg")
}

#[test]
fn a_group_that_came_is_ok() {
    let gateway = wharf().start();
    gateway.push("/metrics/job/backup/instance/db1", "m 1\n");
    for path in [
        "job/backup/instance/db1",
        "job@base64/YmFja3Vw/instance@base64/ZGIx",
    ] {
        assert_eq!(said(&gateway, &badge(path)), "backup: ok just now");
    }
    assert_eq!(
        said(
            &gateway,
            "/api/v1/groups/job/backup/instance/db1/badge.svg?label=Nightly%20%26%20co"
        ),
        "Nightly &amp; co: ok just now"
    );
}

#[test]
fn a_group_that_nobody_knows_is_unknown_and_not_found() {
    let gateway = wharf().start();
    let response = gateway.send(&get(&badge("job/none")));
    assert_eq!(
        (response.status, words(&response).as_str()),
        (404, "none: unknown")
    );
    let response = gateway.send(&get("/api/v1/groups/job/a/x/badge.svg?label="));
    assert_eq!(
        response.status, 400,
        "a label whose value is badge.svg takes no `label`"
    );
}

#[test]
fn what_is_wrong_is_said() {
    let gateway = wharf().start();
    gateway.push("/metrics/job/run", "job_run_success 0\njob_run_exit_code 1\n");
    assert_eq!(said(&gateway, &badge("job/run")), "run: failed just now");
    gateway.push("/metrics/job/run", "job_run_success 1\njob_run_exit_code 0\n");
    assert_eq!(said(&gateway, &badge("job/run")), "run: ok just now");
    assert_eq!(
        gateway.send(&post("/metrics/job/run").body("m 1 1\n")).status,
        400
    );
    until("the refusal", || {
        (said(&gateway, &badge("job/run")) == "run: refused just now").then_some(())
    });
}

const RULES: &str = "
expect:
  - match: '{job=\"quick\"}'
    every: 1s
  - always: [{job: gone}]
    every: 1h
    since: 2026-01-01T00:00:00Z
  - always: [{job: new}]
    every: 1h
  - match: '{job=\"paused\"}'
    every: 1s
    paused_until: 2100-01-01T00:00:00Z
";

#[test]
fn a_group_that_is_expected_is_overdue_or_never_came_or_is_paused() {
    let (_folder, spawn) = with_rules(RULES);
    let gateway = spawn.arg("--expect.start-grace=0s").start();
    for job in ["quick", "paused"] {
        gateway.push(&format!("/metrics/job/{job}"), "m 1\n");
    }
    until("what is overdue", || {
        let said = said(&gateway, &badge("job/quick"));
        (said.starts_with("quick: overdue since 2") && said.ends_with(" UTC")).then_some(())
    });
    assert_eq!(said(&gateway, &badge("job/gone")), "gone: never came");
    assert_eq!(said(&gateway, &badge("job/new")), "new: never came");
    assert_eq!(
        said(&gateway, &badge("job/paused")),
        "paused: paused until 2100-01-01 00:00 UTC"
    );
    let red = |job: &str| {
        gateway
            .send(&get(&badge(&format!("job/{job}"))))
            .text()
            .contains("#b3261e")
    };
    assert_eq!([red("gone"), red("new"), red("paused")], [true, false, false]);
}

#[test]
fn a_strict_reader_of_xml_finds_two_texts() {
    let Some(python) = peers::python() else { return };
    let gateway = wharf().start();
    // `a<b>&"'` and what XML may not have at all.
    gateway.push("/metrics/job@base64/YTxiPiYiJwAB77-_4oCu", "m 1\n");
    let svg = gateway
        .send(&get(&badge("job@base64/YTxiPiYiJwAB77-_4oCu")))
        .text();
    let script = "import sys, xml.etree.ElementTree as xml\n\
                  texts = xml.fromstring(sys.argv[1]).iter('{http://www.w3.org/2000/svg}text')\n\
                  print('|'.join(text.text for text in texts))";
    let output = Command::new(python).args(["-c", script, &svg]).output().unwrap();
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        "a<b>&\"'\\u{0}\\u{1}\\u{ffff}\\u{202e}|ok just now\n",
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// By a clock that is led.
#[test]
fn times_are_told_in_whole_minutes_hours_and_days() {
    let folder = tempfile::tempdir().unwrap();
    let Some(clock) = LedClock::new(folder.path()) else {
        return;
    };
    clock.set(0);
    let gateway = clock.wharf(env!("CARGO_BIN_EXE_wharf"), false).start();
    gateway.push("/metrics/job/a", "m 1\n");
    let said = |ahead: i64| {
        clock.set(ahead);
        said(&gateway, &badge("job/a"))
    };
    assert_eq!(said(130), "a: ok 2 min ago");
    assert_eq!(said(3 * 3600 + 10), "a: ok 3 h ago");
    assert_eq!(said(5 * 86400 + 10), "a: ok 5 d ago");
}

#[test]
fn whoever_keeps_a_badge_asks_whether_it_is_still_so() {
    let gateway = wharf().start();
    gateway.push("/metrics/job/a", "m 1\n");
    let first = gateway.send(&get(&badge("job/a")));
    assert_eq!(first.header("cache-control"), Some("no-cache"));
    assert_eq!(first.header("x-content-type-options"), Some("nosniff"));
    let tag = first.header("etag").unwrap().to_owned();
    let asked = get(&badge("job/a")).header("If-None-Match", &tag);
    let again = gateway.send(&asked);
    assert_eq!((again.status, again.text().as_str()), (304, ""));
    assert_eq!(again.header("etag"), Some(tag.as_str()));
    gateway.push("/metrics/job/a", "job_run_success 0\n");
    assert_eq!(gateway.send(&asked).status, 200);
    // What is not known stays so, whatever was kept.
    let unknown = gateway.send(&get(&badge("job/none")));
    let tag = unknown.header("etag").unwrap();
    let asked = get(&badge("job/none")).header("If-None-Match", tag);
    assert_eq!(gateway.send(&asked).status, 404);
}

#[test]
fn a_badge_needs_the_right_to_read_its_group() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("wharf.yml");
    fs::write(
        &file,
        "access: {anonymous: {push: '{}', read: '{job=\"a\"}'}, tokens: {}}\n",
    )
    .unwrap();
    let gateway = wharf().arg(format!("--config.file={}", file.display())).start();
    for job in ["a", "b"] {
        gateway.push(&format!("/metrics/job/{job}"), &format!("{job} 1\n"));
    }
    assert_eq!(said(&gateway, &badge("job/a")), "a: ok just now");
    // Whether a group is there is not said either.
    for job in ["b", "none"] {
        assert_eq!(
            gateway.send(&get(&badge(&format!("job/{job}")))).status,
            403,
            "{job}"
        );
    }
}
