//! Roles: who may push, delete, read and administer, and which groups.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::json;
use tempfile::TempDir;
use wharf_testkit::http::{Request, Response, delete, get, options, post, put};
use wharf_testkit::{Gateway, Spawn};

use crate::{WHARF, wharf};

/// The token of team A.
const TEAM_A: &str = "Bearer token-of-team-a-0123";
const TEAM_B: &str = "Bearer token-of-team-b-0123";
const ADMIN: &str = "Bearer token-of-the-admin-0123";
const READER: &str = "Bearer token-of-a-reader-0123";
/// Knows who it is, and may do nothing but ask for health.
const PUSHER: &str = "Bearer token-of-a-pusher-0123";

/// The teams push, delete and read what is theirs; A reads what is public, too.
fn rules() -> String {
    let hash = |authorization: &str| hash_of(authorization.strip_prefix("Bearer ").unwrap());
    format!(
        "access:
  tokens:
    team-a:
      sha256: {}
      push: '{{job=~\"a-.*\"}}'
      delete: '{{job=~\"a-.*\"}}'
      read: ['{{job=~\"a-.*\"}}', '{{public=\"yes\"}}']
    team-b:
      sha256: [{}]
      push: '{{job=~\"b-.*\"}}'
      delete: '{{job=~\"b-.*\"}}'
    admin: {{sha256: {}, push: '{{}}', delete: '{{}}', read: '{{}}', admin: true}}
    reader: {{sha256: {}, read: '{{}}'}}
    pusher: {{sha256: {}, push: '{{}}'}}
",
        hash(TEAM_A),
        hash(TEAM_B),
        hash(ADMIN),
        hash(READER),
        hash(PUSHER)
    )
}

pub(crate) fn hash_of(token: &str) -> String {
    let (code, stdout, stderr) = tool(&["config", "hash-token"], token);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    stdout.trim_end().to_owned()
}

fn tool(args: &[&str], input: &str) -> (Option<i32>, String, String) {
    let mut child = Command::new(WHARF)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn with(rules: &str) -> (TempDir, Spawn) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("wharf.yml");
    fs::write(&file, rules).unwrap();
    let spawn = wharf()
        .arg(format!("--config.file={}", file.display()))
        .args(["--web.enable-admin-api", "--web.enable-lifecycle"]);
    (folder, spawn)
}

fn send(gateway: &Gateway, who: &str, request: &Request) -> Response {
    let request = if who.is_empty() {
        request.clone()
    } else {
        request.clone().header("Authorization", who)
    };
    gateway.send(&request)
}

fn status(gateway: &Gateway, who: &str, request: &Request) -> u16 {
    send(gateway, who, request).status
}

/// Groups of both teams, one of them public.
fn fill(gateway: &Gateway) {
    for path in ["job/a-1", "job/a-2", "job/b-1", "job/b-2/public/yes"] {
        let request = put(&format!("/metrics/{path}")).body("m 1\n");
        assert_eq!(status(gateway, ADMIN, &request), 200, "{path}");
    }
}

/// The jobs that an answer shows, whatever its form.
fn jobs(text: &str) -> BTreeSet<&str> {
    let marks = ["job=\"", "\"job\":\""];
    let after = marks.iter().flat_map(|mark| text.split(mark).skip(1));
    after.filter_map(|rest| rest.split('"').next()).collect()
}

fn set<const N: usize>(jobs: [&str; N]) -> BTreeSet<&str> {
    jobs.into()
}

const WIPE: &str = "/api/v1/admin/wipe";
const DELETE_ALL: &str = "/api/v1/groups?match[]=%7B%7D&dry_run=true";
const PUSH_MANY: &str = "/api/v1/push?group_by=job";

/// Everything that needs a right, with the name of it.
fn guarded() -> Vec<(&'static str, Request)> {
    vec![
        ("push", put("/metrics/job/a-1").body("m 1\n")),
        ("push", post("/metrics/job/a-1").body("m 1\n")),
        ("push", post("/metrics/job@base64/YS0x").body("m 1\n")),
        ("push", post(PUSH_MANY).body("m{job=\"a-1\"} 1\n")),
        ("push", put(PUSH_MANY).body("m{job=\"a-1\"} 1\n")),
        ("delete", delete("/metrics/job/a-1")),
        ("delete", delete(DELETE_ALL)),
        ("delete", put("/api/v1/admin/undo")),
        ("delete", get("/api/v1/admin/removed")),
        ("read", get("/metrics")),
        ("read", Request::new("HEAD", "/metrics")),
        ("read", get("/metrics?match[]=%7B%7D")),
        ("read", get("/api/v1/metrics")),
        ("read", get("/api/v1/groups")),
        ("read", get("/api/v1/export")),
        ("read", get("/api/v1/status")),
        ("admin", put(WIPE)),
        ("admin", post("/api/v1/admin/import").body("")),
        ("admin", post("/-/reload")),
        ("admin", get("/api/v1/admin/audit")),
        ("admin", post("/-/quit")),
    ]
}

#[test]
fn who_has_no_right_is_refused_by_every_route_that_needs_one() {
    let (_folder, spawn) = with(&rules());
    let gateway = spawn.start();
    for (right, request) in guarded() {
        let answer = send(&gateway, "", &request);
        assert_eq!(answer.status, 401, "{request}");
        assert_eq!(answer.header("WWW-Authenticate"), Some("Bearer"), "{request}");
        if !request.to_bytes().starts_with(b"HEAD") {
            let doing = match right {
                "push" => "pushing",
                "delete" => "deleting",
                "read" => "reading",
                _ => "this",
            };
            let expected = format!("you are not signed in; {doing} needs the right `{right}`\n");
            assert_eq!(answer.text(), expected, "{request}");
        }
        // Those who have another right are known, and asking them again would not help.
        let other = if right == "read" { PUSHER } else { READER };
        let answer = send(&gateway, other, &request);
        assert_eq!(answer.status, 403, "{request}");
        assert_eq!(answer.header("WWW-Authenticate"), None, "{request}");
    }
    let scrape = send(&gateway, READER, &get("/metrics")).text();
    for (right, count) in [("push", 10), ("delete", 8), ("read", 14), ("admin", 10)] {
        let line = format!("wharf_http_requests_denied_total{{right=\"{right}\"}} {count}\n");
        assert!(scrape.contains(&line), "{line}{scrape}");
    }
}

#[test]
fn health_checks_and_the_files_of_the_page_need_no_right_and_no_credentials() {
    let (_folder, spawn) = with(&rules());
    let gateway = spawn.start();
    for who in ["", "Bearer guess", "Basic YWxpY2U6czNjcmV0", READER] {
        for path in ["/-/healthy", "/-/ready", "/", "/status"] {
            assert_eq!(status(&gateway, who, &get(path)), 200, "{who} {path}");
        }
        assert_eq!(status(&gateway, who, &get("/nope")), 404);
        assert_eq!(status(&gateway, who, &post("/metrics").body("")), 405);
        assert_eq!(status(&gateway, who, &options("/metrics/job/a")), 200);
        assert_eq!(status(&gateway, who, &options("/api/v1/groups")), 200);
        assert_eq!(status(&gateway, who, &put("//metrics/job/a")), 301);
    }
}

#[test]
fn credentials_that_nobody_knows_are_refused_and_counted() {
    let (_folder, spawn) = with(&format!("{}  anonymous: {{read: '{{}}'}}\n", rules()));
    let gateway = spawn.start();
    assert_eq!(status(&gateway, "", &get("/metrics")), 200);
    for who in [
        "Bearer guess",
        "Bearer ",
        "Basic YWxpY2U6czNjcmV0",
        "Digest a",
        "x",
    ] {
        let answer = send(&gateway, who, &get("/metrics"));
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (401, "Unauthorized\n"),
            "{who}"
        );
    }
    let scrape = send(&gateway, "", &get("/metrics")).text();
    let line = "wharf_http_requests_turned_away_total{reason=\"credentials\"} 5\n";
    assert!(scrape.contains(line), "{scrape}");
}

#[test]
fn a_push_goes_to_the_groups_of_its_right_however_they_are_written() {
    let (_folder, spawn) = with(&rules());
    let gateway = spawn.start();
    for (path, expected) in [
        ("job/a-1", 200),
        ("job/a-1/instance/x", 200),
        ("job@base64/YS0x", 200),
        ("job/%61-1", 200),
        ("job/b-1", 403),
        ("job@base64/Yi0x", 403),
        // The last value of a label counts, and that of the job never.
        ("job/b-1/job/a-1", 403),
        ("job/xa-1", 403),
        ("job/a-1%0Ab", 200),
    ] {
        for request in [put, post] {
            let request = request(&format!("/metrics/{path}")).body("m 1\n");
            assert_eq!(status(&gateway, TEAM_A, &request), expected, "{path}");
        }
    }
    // Labels of the body do not say which group it is.
    let foreign = post("/metrics/job/b-9").body("m{job=\"a-1\"} 1\n");
    let answer = send(&gateway, TEAM_A, &foreign);
    assert_eq!(answer.status, 403);
    let expected = "expected the right `push` for {job=\"b-9\"}, found token `team-a` without it\n\
                    hint: `push` is allowed for `{job=~\"a-.*\"}`\n";
    assert_eq!(answer.text(), expected);
    let scrape = send(&gateway, READER, &get("/metrics")).text();
    assert!(!jobs(&scrape).contains("b-9"), "{scrape}");
}

#[test]
fn relabelling_changes_no_group_and_so_no_right() {
    let relabelling = "relabel_configs:\n  - {source_labels: [team], target_label: instance}\n\
                       \x20 - {action: replace, target_label: public, replacement: 'yes'}\n";
    let (_folder, spawn) = with(&format!("{relabelling}{}", rules()));
    let gateway = spawn.start();
    let request = post("/metrics/job/b-1").body("m{team=\"a\"} 1\n");
    assert_eq!(status(&gateway, TEAM_A, &request), 403);
    assert_eq!(status(&gateway, TEAM_B, &request), 200);
    // The series says `public="yes"` now, and the group still does not.
    let scrape = send(&gateway, TEAM_A, &get("/metrics")).text();
    assert_eq!(jobs(&scrape), set([]));
}

#[test]
fn a_push_to_many_groups_needs_the_right_for_each() {
    let (_folder, spawn) = with(&rules());
    let gateway = spawn.start();
    let body = "m{job=\"a-1\"} 1\nm{job=\"b-1\"} 2\n";
    let answer = send(&gateway, TEAM_A, &post(PUSH_MANY).body(body));
    assert_eq!(answer.status, 403);
    assert!(
        answer
            .text()
            .starts_with("expected the right `push` for {job=\"b-1\"}")
    );
    let stored = || {
        let scrape = send(&gateway, READER, &get("/metrics")).text();
        jobs(&scrape).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert!(stored().is_empty());

    let partial = format!("{PUSH_MANY}&partial=true");
    let answer = send(&gateway, TEAM_A, &post(&partial).body(body));
    assert_eq!(answer.status, 200);
    let data = &answer.json()["data"];
    assert_eq!(data["groups"], 1, "{data}");
    assert_eq!(data["refused"][0]["labels"]["job"], "b-1", "{data}");
    assert_eq!(stored(), ["a-1"]);

    let answer = send(&gateway, TEAM_A, &post(&partial).body("m{job=\"b-1\"} 2\n"));
    assert_eq!(answer.status, 403);
    assert_eq!(stored(), ["a-1"]);
}

/// The ids of the removals that somebody sees.
fn removals(gateway: &Gateway, who: &str) -> Vec<u64> {
    let answer = send(gateway, who, &get("/api/v1/admin/removed"));
    assert_eq!(answer.status, 200, "{who}: {}", answer.text());
    let removals = answer.json()["data"]["removals"].as_array().unwrap().clone();
    removals
        .iter()
        .map(|removal| removal["id"].as_u64().unwrap())
        .collect()
}

#[test]
fn a_removal_is_undone_by_whoever_had_the_right_to_remove() {
    let (_folder, spawn) = with(&rules());
    let gateway = spawn.start();
    fill(&gateway);
    let id = |who: &str, request: &Request| -> u64 {
        let answer = send(&gateway, who, request);
        assert_eq!(answer.status, 202, "{request}: {}", answer.text());
        answer.header("Wharf-Undo-Id").unwrap().parse().unwrap()
    };
    let of_a = id(TEAM_A, &delete("/metrics/job/a-1"));
    let of_b = id(TEAM_B, &delete("/metrics/job/b-1"));
    let of_both = id(ADMIN, &put(WIPE));
    assert_eq!(removals(&gateway, ADMIN), [of_both, of_b, of_a]);
    assert_eq!(removals(&gateway, TEAM_A), [of_a]);
    assert_eq!(removals(&gateway, TEAM_B), [of_b]);
    let undo = |id: u64| put(&format!("/api/v1/admin/undo?id={id}"));
    // What somebody may not undo is not there for them; a wipe says which right it takes.
    assert_eq!(status(&gateway, TEAM_A, &undo(of_b)), 404);
    assert_eq!(
        status(
            &gateway,
            TEAM_A,
            &get(&format!("/api/v1/admin/removed?id={of_b}"))
        ),
        404
    );
    assert_eq!(status(&gateway, TEAM_A, &undo(of_both)), 403);
    // The newest that one may undo, also if somebody else has removed it.
    let newest = send(&gateway, TEAM_A, &put("/api/v1/admin/undo"));
    assert_eq!(newest.json()["data"]["id"], of_a, "{}", newest.text());
    assert_eq!(status(&gateway, ADMIN, &undo(of_b)), 200);
    assert_eq!(status(&gateway, TEAM_B, &undo(of_b)), 409);
    assert_eq!(status(&gateway, ADMIN, &undo(of_both)), 200);
    let scrape = send(&gateway, READER, &get("/metrics")).text();
    assert_eq!(jobs(&scrape), set(["a-1", "a-2", "b-1", "b-2"]));
    let by = send(&gateway, ADMIN, &get(&format!("/api/v1/admin/removed?id={of_a}"))).json();
    assert_eq!(by["data"]["removals"][0]["by"], "token `team-a`");
}

#[test]
fn what_is_read_is_what_may_be_read() {
    let (_folder, spawn) = with(&rules());
    let gateway = spawn.start();
    fill(&gateway);
    let all = set(["a-1", "a-2", "b-1", "b-2"]);
    let own = set(["a-1", "a-2", "b-2"]);
    for path in [
        "/metrics",
        "/api/v1/metrics",
        "/api/v1/groups",
        "/api/v1/groups?sort=-bytes",
    ] {
        let answer = send(&gateway, READER, &get(path)).text();
        assert_eq!(jobs(&answer), all, "{path}");
        let answer = send(&gateway, TEAM_A, &get(path)).text();
        assert_eq!(jobs(&answer), own, "{path}");
        assert_eq!(status(&gateway, TEAM_B, &get(path)), 403, "{path}");
    }
    for (selector, expected) in [
        ("%7B%7D", own.clone()),
        ("%7Bjob=%22b-1%22%7D", set([])),
        ("%7Bjob=~%22.-1%22%7D", set(["a-1"])),
        ("%7Bpublic=%22yes%22%7D", set(["b-2"])),
        (
            "%7Bjob=%22a-1%22%7D&match[]=%7Bjob=~%22b-.*%22%7D",
            set(["a-1", "b-2"]),
        ),
    ] {
        for path in ["/metrics", "/api/v1/groups"] {
            let request = get(&format!("{path}?match[]={selector}"));
            let answer = send(&gateway, TEAM_A, &request).text();
            assert_eq!(jobs(&answer), expected, "{path} {selector}");
        }
    }
    // The gateway's own metrics count what everybody has stored.
    assert!(
        send(&gateway, READER, &get("/metrics"))
            .text()
            .contains("wharf_groups ")
    );
    assert!(!send(&gateway, TEAM_A, &get("/metrics")).text().contains("wharf_"));
    for accept in [
        "application/openmetrics-text",
        "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
    ] {
        let request = get("/metrics").header("Accept", accept);
        let answer = send(&gateway, TEAM_A, &request);
        assert_eq!(answer.status, 200);
        let body = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(body.contains("a-2") && !body.contains("b-1"), "{accept}: {body}");
    }
    let compressed = get("/metrics").header("Accept-Encoding", "gzip");
    let answer = send(&gateway, TEAM_A, &compressed);
    assert_eq!(jobs(&answer.plain_text().unwrap()), own);
}

#[test]
fn a_refused_push_names_the_group_in_the_way_to_those_only_who_may_see_it() {
    let (_folder, spawn) = with(&rules());
    let gateway = spawn.start();
    let request = put("/metrics/job/b-secret").body("# TYPE m counter\nm 1\n");
    assert_eq!(status(&gateway, TEAM_B, &request), 200);
    let clash = |who: &str| {
        let request = post("/metrics/job/a-1").body("# TYPE m gauge\nm 1\n");
        let answer = send(&gateway, who, &request);
        assert_eq!(answer.status, 400);
        answer.text()
    };
    assert!(clash(ADMIN).contains("b-secret"));
    let hidden = clash(TEAM_A);
    assert!(!hidden.contains("b-secret"), "{hidden}");
    assert!(hidden.contains("is not a COUNTER"), "{hidden}");
    let many = format!("{PUSH_MANY}&partial=true");
    let answer = send(&gateway, TEAM_A, &post(&many).body("m{job=\"a-1\"} 1\n"));
    assert!(!answer.text().contains("b-secret"), "{}", answer.text());
}

#[test]
fn what_is_kept_of_a_refusal_names_no_group_in_the_way() {
    let (_folder, spawn) = with(&rules());
    let gateway = spawn.start();
    fill(&gateway);
    let clash = post("/metrics/job/a-1").body("# TYPE m gauge\nm 1\n");
    let request = put("/metrics/job/b-1").body("# TYPE m counter\nm 1\n");
    for job in ["a-1", "a-2", "b-2/public/yes"] {
        assert_eq!(
            status(&gateway, ADMIN, &delete(&format!("/metrics/job/{job}"))),
            202
        );
    }
    assert_eq!(status(&gateway, TEAM_B, &request), 200);
    assert_eq!(
        status(&gateway, TEAM_A, &put("/metrics/job/a-1").body("n 1\n")),
        200
    );
    // Who may see all groups is told; others read what is kept of it.
    assert!(send(&gateway, ADMIN, &clash).text().contains("b-1"));
    for path in [
        "/api/v1/groups/job/a-1/history",
        "/api/v1/groups",
        "/api/v1/groups/job/a-1",
        "/api/v1/families",
    ] {
        let text = send(&gateway, TEAM_A, &get(path)).text();
        assert!(!text.contains("b-1"), "{path}: {text}");
    }
    let history = send(&gateway, TEAM_A, &get("/api/v1/groups/job/a-1/history")).text();
    assert!(history.contains("is not a COUNTER"), "{history}");
}

#[test]
fn groups_are_imported_by_whoever_may_push_them() {
    let hash = hash_of(ADMIN.strip_prefix("Bearer ").unwrap());
    let (folder, spawn) = with(&format!(
        "access:
  anonymous: {{push: '{{}}', read: '{{}}'}}
  tokens: {{admin: {{sha256: {hash}, admin: true}}}}
"
    ));
    let gateway = spawn.start();
    let file = folder.path().join("groups.json");
    let line = r#"{"labels":{"job":"a"},"push_time":"2026-01-02T03:04:05Z","text":"m 1\n"}"#;
    fs::write(&file, line).unwrap();
    let target = format!("--gateway=http://{}", gateway.address());
    let (code, stdout, stderr) = tool(&["import", file.to_str().unwrap(), &target], "");
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    assert!(stdout.contains("imported 1 group"), "{stdout}");
    assert_eq!(jobs(&send(&gateway, "", &get("/metrics")).text()), set(["a"]));
}

#[test]
fn the_history_of_a_group_tells_nothing_of_others_that_were_pushed_with_it() {
    let (_folder, spawn) = with(&rules());
    let gateway = spawn.start();
    fill(&gateway);
    let history = || send(&gateway, TEAM_A, &get("/api/v1/groups/job/a-1/history")).text();
    let refused = |body: &str| {
        let answer = send(&gateway, PUSHER, &post(PUSH_MANY).body(body));
        assert_eq!(answer.status, 400, "{}", answer.text());
    };
    // One that is not theirs is to blame.
    refused("ours{job=\"a-1\"} 1\ntheirs{job=\"b-1\"} 1\ntheirs{job=\"b-1\"} 1\n");
    let text = history();
    assert!(!text.contains("b-1") && !text.contains("theirs"), "{text}");
    assert!(
        text.contains("another group of the same push was refused"),
        "{text}"
    );
    // Theirs is to blame, and another one too.
    refused("# TYPE m gauge\nm{job=\"a-1\"} 1\nm{job=\"b-1\"} 1\n");
    let text = history();
    assert!(!text.contains("b-1") && text.contains("is not a"), "{text}");
}

#[test]
fn who_may_not_push_to_a_group_writes_nothing_into_its_history() {
    let (_folder, spawn) = with(&rules());
    let gateway = spawn.start();
    fill(&gateway);
    let path = "/api/v1/groups/job/b-1/history";
    let before = send(&gateway, READER, &get(path)).text();
    let many = format!("{PUSH_MANY}&partial=true");
    for _ in 0..100 {
        let foreign = post("/metrics/job/b-1").body("m 1\n");
        assert_eq!(status(&gateway, TEAM_A, &foreign), 403);
        let foreign = post(&many).body("m{job=\"b-1\"} 1\n");
        assert_eq!(status(&gateway, TEAM_A, &foreign), 403);
    }
    assert_eq!(send(&gateway, READER, &get(path)).text(), before);
    let refused = post("/metrics/job/b-1").body("m{\n");
    assert_eq!(status(&gateway, TEAM_B, &refused), 400);
    assert_ne!(send(&gateway, READER, &get(path)).text(), before);
}

#[test]
fn the_time_of_a_push_is_set_by_those_who_administer() {
    let (_folder, spawn) = with(&rules());
    let gateway = spawn.start();
    let dated = put("/metrics/job/a-1?push_time=2026-01-02T03:04:05Z").body("m 1\n");
    assert_eq!(status(&gateway, TEAM_A, &dated), 403);
    let many = format!("{PUSH_MANY}&push_time=2026-01-02T03:04:05Z");
    assert_eq!(
        status(&gateway, TEAM_A, &post(&many).body("m{job=\"a-1\"} 1\n")),
        403
    );
    assert_eq!(status(&gateway, ADMIN, &dated), 200);
}

#[test]
fn one_group_is_deleted_by_those_who_may() {
    let (_folder, spawn) = with(&rules());
    let gateway = spawn.start();
    fill(&gateway);
    assert_eq!(status(&gateway, TEAM_A, &delete("/metrics/job/b-1")), 403);
    assert_eq!(status(&gateway, TEAM_A, &delete("/metrics/job/b-none")), 403);
    assert_eq!(status(&gateway, PUSHER, &delete("/metrics/job/a-1")), 403);
    assert_eq!(status(&gateway, TEAM_A, &delete("/metrics/job/a-1")), 202);
    let scrape = send(&gateway, READER, &get("/metrics")).text();
    assert_eq!(jobs(&scrape), set(["a-2", "b-1", "b-2"]));
}

#[test]
fn deleting_by_selector_leaves_nothing_behind_in_silence() {
    let (_folder, spawn) = with(&rules());
    let gateway = spawn.start();
    fill(&gateway);
    let all = "/api/v1/groups?match[]=%7B%7D";
    let left = || {
        let scrape = send(&gateway, READER, &get("/metrics")).text();
        jobs(&scrape).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    // A sees `b-2`, and may not delete it.
    for request in [
        all.to_owned(),
        format!("{all}&dry_run=true"),
        format!("{all}&family=m"),
    ] {
        let answer = send(&gateway, TEAM_A, &delete(&request));
        assert_eq!(answer.status, 403, "{request}");
        assert!(
            answer.text().contains("{job=\"b-2\",public=\"yes\"}"),
            "{}",
            answer.text()
        );
    }
    assert_eq!(left().len(), 4);
    // B sees nothing; what it may not delete is as if it were not there, and nothing is shown before it is deleted.
    for shown in ["", "&family=m"] {
        let answer = send(&gateway, TEAM_B, &delete(&format!("{all}&dry_run=true{shown}"))).json();
        assert_eq!(answer["data"]["count"], 0, "{answer}");
        assert_eq!(answer["data"]["groups"], serde_json::json!([]), "{answer}");
    }
    let answer = send(
        &gateway,
        TEAM_B,
        &delete("/api/v1/groups?match[]=%7Bjob=%22a-1%22%7D"),
    )
    .json();
    assert_eq!(answer["data"]["count"], 0, "{answer}");
    let answer = send(&gateway, TEAM_B, &delete(&format!("{all}&family=m"))).json();
    assert_eq!(answer["data"]["count"], 2, "{answer}");
    let answer = send(&gateway, TEAM_B, &delete(all)).json();
    assert_eq!(answer["data"]["count"], 2, "{answer}");
    assert_eq!(left(), ["a-1", "a-2"]);
    let own = "/api/v1/groups?match[]=%7Bjob=~%22a-.*%22%7D";
    let answer = send(&gateway, TEAM_A, &delete(own)).json();
    assert_eq!(answer["data"]["count"], 2, "{answer}");
    assert!(left().is_empty());
}

#[test]
fn flags_are_for_those_who_look_after_the_gateway() {
    let (_folder, spawn) = with(&rules());
    let gateway = spawn.start();
    let flags = |who: &str| {
        let status = send(&gateway, who, &get("/api/v1/status")).json();
        assert!(status["data"]["build_information"]["version"].is_string());
        status["data"]["flags"].as_object().unwrap().len()
    };
    assert!(flags(ADMIN) > 20);
    assert_eq!(flags(READER), 0);
    assert_eq!(flags(TEAM_A), 0);
}

#[test]
fn each_group_says_what_its_reader_may_do_to_it() {
    let (_folder, spawn) = with(&rules());
    let gateway = spawn.start();
    fill(&gateway);
    let rights = |who: &str| {
        let listed = send(&gateway, who, &get("/api/v1/groups?sort=job&fields=path,rights")).json();
        let groups = listed["data"]["groups"].as_array().unwrap().clone();
        let told = groups.iter().map(|group| {
            let path = group["path"].as_str().unwrap();
            let alone = send(&gateway, who, &get(&format!("/api/v1/groups/{path}"))).json();
            assert_eq!(alone["data"]["rights"], group["rights"], "{path}");
            (path.to_owned(), group["rights"].clone())
        });
        told.collect::<Vec<_>>()
    };
    let told = |expected: &[(&str, &[&str])]| -> Vec<(String, serde_json::Value)> {
        let told = expected.iter();
        told.map(|(path, rights)| ((*path).to_owned(), json!(rights)))
            .collect()
    };
    let both = &["push", "delete"][..];
    assert_eq!(
        rights(TEAM_A),
        told(&[("job/a-1", both), ("job/a-2", both), ("job/b-2/public/yes", &[])])
    );
    assert!(rights(READER).iter().all(|(_, rights)| *rights == json!([])));
    assert!(rights(ADMIN).iter().all(|(_, rights)| *rights == json!(both)));
    // Others ask for them only.
    let listed = send(&gateway, ADMIN, &get("/api/v1/groups")).json();
    assert!(listed["data"]["groups"][0].get("rights").is_none(), "{listed}");
}

#[test]
fn rights_are_read_again_with_the_file() {
    let (folder, spawn) = with(&rules());
    let gateway = spawn.start();
    let rewrite = |text: &str| fs::write(folder.path().join("wharf.yml"), text).unwrap();
    let push = put("/metrics/job/x").body("m 1\n");
    assert_eq!(status(&gateway, READER, &push), 403);
    // A file with mistakes changes nothing, least of all to no rules.
    for broken in ["access:\n", "access: {}\nx: 1\n", "access: {anonymous: {}}\n"] {
        rewrite(broken);
        assert_eq!(status(&gateway, ADMIN, &post("/-/reload")), 500, "{broken}");
        assert_eq!(status(&gateway, "", &push), 401);
    }
    // Nor does one that has none.
    for empty in ["", "quotas: []\n"] {
        rewrite(empty);
        let answer = send(&gateway, ADMIN, &post("/-/reload"));
        assert_eq!(answer.status, 500, "{empty:?}");
        assert!(
            answer.text().contains("access: expected rules"),
            "{}",
            answer.text()
        );
        assert_eq!(status(&gateway, "", &push), 401);
    }
    rewrite(&rules().replace("read: '{}'}", "read: '{}', push: '{}'}"));
    assert_eq!(status(&gateway, ADMIN, &post("/-/reload")), 200);
    assert_eq!(status(&gateway, READER, &push), 200);
    rewrite("access: {}\n");
    assert_eq!(status(&gateway, ADMIN, &post("/-/reload")), 200);
    // Nobody is known any more.
    assert_eq!(status(&gateway, ADMIN, &push), 403);
    assert_eq!(status(&gateway, "", &push), 403);
}

#[test]
fn events_end_for_those_whose_rights_are_no_longer_theirs() {
    let (folder, spawn) = with(&rules());
    let gateway = spawn.start();
    let follow = |who: &str| {
        let mut connection = gateway.connect();
        let request = get("/api/v1/events").header("Authorization", who);
        connection.write(&request.to_bytes()).unwrap();
        connection
    };
    let mut readers = [READER, ADMIN].map(follow);
    let reader = hash_of(READER.strip_prefix("Bearer ").unwrap());
    let revoked = rules().replace(&reader, &"f".repeat(reader.len()));
    fs::write(folder.path().join("wharf.yml"), revoked).unwrap();
    assert_eq!(status(&gateway, ADMIN, &post("/-/reload")), 200);
    let secret = put("/metrics/job/secret").body("m 1\n");
    assert_eq!(status(&gateway, ADMIN, &secret), 200);
    // The others too: they ask again.
    for reader in &mut readers {
        let answer = reader.read_response("GET").unwrap();
        assert!(answer.text().contains("event: hello"), "{}", answer.text());
        assert!(!answer.text().contains("secret"), "{}", answer.text());
    }
    assert_eq!(status(&gateway, READER, &get("/api/v1/events")), 401);
}

#[test]
fn mistakes_in_the_rules_are_named_with_their_place() {
    let mistakes = |rules: &str| {
        let (_folder, spawn) = with(rules);
        let exit = spawn.run();
        assert_eq!(exit.code, Some(1), "{rules}");
        exit.stderr
    };
    for (rules, expected) in [
        ("access:\n", "access: expected who may do what, found nothing"),
        (
            "access:\n  anonymous: {}\n",
            "line 2, column 14: expected one of `push`, `delete`, `read`, `admin`, found none",
        ),
        ("access:\n  users: {a: {write: '{}'}}\n", "unknown field `write`"),
        (
            "access:\n  users: {a: {push: '{x}'}}\n",
            "line 2, column 21: column 3: expected",
        ),
        (
            "access:\n  users: {a: {push: ['{}', '{x}']}}\n",
            "line 2, column 28: column 3: expected",
        ),
        (
            "access:\n  users: {a: {push: []}}\n",
            "expected 1 to 16 selectors, found 0",
        ),
        (
            "access:\n  tokens: {a: {push: '{}'}}\n",
            "line 2, column 15: expected `sha256` of the token, found none",
        ),
        (
            "access:\n  tokens: {a: {sha256: {secret}, push: '{}'}}\n",
            "line 2, column 24: expected a text, found keys",
        ),
        (
            "access:\n  tokens: {a: {sha256: secret, push: '{}'}}\n",
            "expected 64 hexadecimal digits, found something else",
        ),
        (
            "access:\n  users:\n    a: {push: '{}'}\n    a: {read: '{}'}\n",
            "twice",
        ),
    ] {
        let found = mistakes(rules);
        assert!(found.contains(expected), "{rules}\n{found}");
        assert!(!found.contains("secret"), "{found}");
    }
    let hash = hash_of("0123456789abcdef");
    let twice = format!(
        "access:\n  tokens:\n    a: {{sha256: {hash}, push: '{{}}'}}\n    b: {{sha256: {hash}, read: '{{}}'}}\n"
    );
    assert!(mistakes(&twice).contains("line 4, column 8: expected each token once"));
}

#[test]
fn the_roles_of_the_documentation_are_sound() {
    let page = include_str!("../../../../docs/configuration.md");
    let example = |kind: &str| {
        let fence = format!("```{kind}\n");
        let blocks = page.split(fence.as_str()).skip(1);
        let block = blocks.map(|rest| rest.split("```").next().unwrap());
        block.filter(|block| block.contains("sha256")).collect::<String>()
    };
    let console = example("console");
    let token = console.split("token: ").nth(1).unwrap().lines().next().unwrap();
    let rules = example("yaml");
    assert!(rules.contains(&hash_of(token)));
    let (_folder, spawn) = with(&rules);
    let gateway = spawn.start();
    let push = put("/metrics/job/team-a-1").body("m 1\n");
    assert_eq!(status(&gateway, &format!("Bearer {token}"), &push), 200);
}

#[test]
fn a_token_is_made_and_hashed_on_the_command_line() {
    let (code, stdout, _) = tool(&["config", "hash-token", "--generate"], "");
    assert_eq!(code, Some(0));
    let (token, hash) = stdout.trim_end().split_once('\n').unwrap();
    let token = token.strip_prefix("token: ").unwrap();
    assert_eq!(hash, format!("sha256: {}", hash_of(token)));
    assert_eq!(hash_of(&format!("{token}\n")), hash_of(token));
    for (input, expected) in [
        ("short\n", "expected a token of at least 16 characters, found 5"),
        ("", "expected a token of at least 16 characters, found 0"),
        (
            "two words that are long",
            "expected a token of letters, digits and any of -._~+/=, found ` `",
        ),
    ] {
        let (code, stdout, stderr) = tool(&["config", "hash-token"], input);
        assert_eq!((code, stdout.as_str()), (Some(1), ""), "{input}");
        assert!(stderr.contains(expected), "{stderr}");
    }
}

#[test]
fn without_rules_everybody_may_do_everything() {
    let gateway = wharf().arg("--web.enable-admin-api").start();
    for (_, request) in guarded() {
        let answer = gateway.send(&request);
        assert!(!matches!(answer.status, 401), "{request}: {}", answer.text());
    }
}
