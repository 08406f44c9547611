//! The tools for operators, towards Wharf and the real Pushgateway: `ls`, `get`, `rm`, `wipe`, `undo`, `top`, `import`,
//! `export`, `check`, `healthy`, `completions`, `man`.

mod answers;
mod command_line;
mod doctor;
mod healthy;
mod top;
mod undo;

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use wharf_testkit::http::{get, post, put};
use wharf_testkit::{Gateway, LedClock, Spawn, peers, until};

pub(crate) use self::command_line::commands;
use crate::rules::with_rules;
use crate::{WHARF, gateways, loaded, wharf};

/// A tool that knows nothing of the settings of whoever runs the tests, and has no terminal.
pub(crate) fn tool(arguments: &[&str]) -> Output {
    Command::new(WHARF)
        .args(arguments)
        .stdin(Stdio::null())
        .env_remove("XDG_CONFIG_HOME")
        .env("HOME", "/nonexistent")
        .output()
        .unwrap()
}

/// A tool for a gateway.
pub(crate) fn tool_at(gateway: &Gateway, arguments: &[&str]) -> Output {
    let url = format!("--gateway=http://{}", gateway.address());
    tool(&[arguments, &[&url]].concat())
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Standard output of a tool that succeeds.
#[track_caller]
pub(crate) fn succeeds(gateway: &Gateway, arguments: &[&str]) -> String {
    let output = tool_at(gateway, arguments);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{arguments:?}: {}",
        stderr(&output)
    );
    stdout(&output)
}

/// Standard error of a tool that fails with that code.
#[track_caller]
pub(crate) fn fails(output: &Output, code: i32) -> String {
    assert_eq!(output.status.code(), Some(code), "{}", stderr(output));
    stderr(output)
}

#[track_caller]
fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// The jobs that `wharf ls` lists.
#[track_caller]
fn jobs(gateway: &Gateway, arguments: &[&str]) -> Vec<String> {
    let groups = json(&succeeds(gateway, &[&["ls", "-o", "json"], arguments].concat()));
    let job = |group: &Value| group["labels"]["job"].as_str().unwrap().to_owned();
    groups.as_array().unwrap().iter().map(job).collect()
}

pub(crate) fn admin(spawn: Spawn) -> Spawn {
    spawn.arg("--web.enable-admin-api")
}

/// The pushed series of a scrape, without the times of pushes and what is the gateway's own.
fn pushed(gateway: &Gateway) -> Vec<String> {
    let text = gateway.send(&get("/metrics")).text();
    let own = ["push_", "pushgateway_", "process_", "go_", "wharf_", "promhttp_"];
    let is_pushed = |line: &&str| !own.iter().any(|own| line.starts_with(own)) && !line.starts_with('#');
    let mut lines: Vec<String> = text.lines().filter(is_pushed).map(str::to_owned).collect();
    lines.sort_unstable();
    lines
}

/// When the job was last pushed, as the gateway tells it.
fn push_time(gateway: &Gateway, job: &str) -> f64 {
    let groups = json(&succeeds(gateway, &["ls", "-o", "json", job]));
    groups[0]["push_time_seconds"].as_f64().unwrap()
}

/// Within a microsecond: a double of seconds does not hold much more.
fn same_push_time(a: &Gateway, b: &Gateway, job: &str) -> bool {
    (push_time(a, job) - push_time(b, job)).abs() < 1e-6
}

const EVERYTHING: &str = "\
# HELP c_total counts \\\\ and\\nmore
# TYPE c_total counter
c_total{x=\"a\\\"b\\\\c\\nd\"} 12345678.25
# TYPE g gauge
g NaN
# TYPE h histogram
h_bucket{le=\"0.5\"} 1
h_bucket{le=\"10\"} 2
h_bucket{le=\"+Inf\"} 3
h_sum 1e+300
h_count 3
# TYPE s summary
s{quantile=\"0.5\"} -0.25
s_sum 4
s_count 9007199254740993
u{instance=\"own\"} 1
";

// ---- ls ---------------------------------------------------------------------------------------------------

#[test]
fn groups_are_listed_sorted_and_filtered() {
    for spawn in gateways() {
        let gateway = spawn.start();
        gateway.push("/metrics/job/b/env/dev", "m{x=\"1\"} 1\nm{x=\"2\"} 1\n");
        gateway.push("/metrics/job/a", "m 1\n");
        gateway.push("/metrics/job/c/env/prod", "m 1\nn 1\nm{x=\"1\"} 1\n");
        gateway.send(&post("/metrics/job/a").body("m 1 1700000000000\n"));
        assert_eq!(jobs(&gateway, &["--sort=push-time"]), ["b", "a", "c"]);
        assert_eq!(
            jobs(&gateway, &["--sort=series", "--reverse", "--limit=2"]),
            ["c", "b"]
        );
        assert_eq!(jobs(&gateway, &["--failed"]), ["a"]);
        assert_eq!(jobs(&gateway, &["{env=~\".+\"}", "--sort=push-time"]), ["b", "c"]);
        assert_eq!(jobs(&gateway, &["a", "b", "--sort=push-time"]), ["b", "a"]);
        assert_eq!(jobs(&gateway, &["--older-than=1h"]), [""; 0]);
        let groups = json(&succeeds(&gateway, &["ls", "-o", "json", "b"]));
        let group = &groups[0];
        assert_eq!(
            (&group["series"], &group["families"]),
            (&json!(4), &json!(3)),
            "{group}"
        );
        assert_eq!(group["labels"], json!({"job": "b", "env": "dev"}));
        let table = succeeds(&gateway, &["ls"]);
        assert!(table.starts_with("JOB"), "{table}");
        assert!(table.contains("env=\"dev\""), "{table}");
    }
}

#[test]
fn a_group_that_was_never_pushed_with_success_is_old() {
    for spawn in gateways() {
        let gateway = spawn.start();
        gateway.send(&post("/metrics/job/a").body("m 1 1700000000000\n"));
        assert_eq!(jobs(&gateway, &["--older-than=1d"]), ["a"]);
        let table = succeeds(&gateway, &["ls"]);
        assert!(table.contains(" never "), "{table}");
    }
}

#[test]
fn groups_are_listed_by_job_first() {
    for spawn in gateways() {
        let gateway = spawn.start();
        for path in ["/b/instance/1", "@base64/YS9i", "/b2", "/b", "/c/env/x"] {
            gateway.push(&format!("/metrics/job{path}"), "m 1\n");
        }
        assert_eq!(jobs(&gateway, &[]), ["a/b", "b", "b", "b2", "c"]);
        assert_eq!(jobs(&gateway, &["--reverse"]), ["c", "b2", "b", "b", "a/b"]);
        let top = succeeds(&gateway, &["top", "--once", "--interval=10ms", "--sort=job"]);
        let first: Vec<&str> = top
            .lines()
            .skip(4)
            .filter_map(|line| line.split(' ').next())
            .collect();
        assert_eq!(first, ["a/b", "b", "b", "b2", "c"]);
    }
}

#[test]
fn a_refusal_is_seen_whatever_its_reason() {
    let gateway = wharf().arg("--push.max-body-bytes=1KiB").start();
    for job in ["fine", "syntax", "large"] {
        gateway.push(&format!("/metrics/job/{job}"), "m 1\n");
    }
    let syntax = gateway.send(&post("/metrics/job/syntax").body("garbage here now\n"));
    let large = gateway.send(&post("/metrics/job/large").body("m 1\n".repeat(1_000)));
    assert_eq!((syntax.status, large.status), (400, 413));
    assert_eq!(jobs(&gateway, &["--failed"]), ["large", "syntax"]);
    for arguments in [&["ls"][..], &["top", "--once", "--interval=10ms"]] {
        let table = succeeds(&gateway, arguments);
        for (job, agos) in [("fine", 1), ("syntax", 2), ("large", 2)] {
            let line = table.lines().find(|line| line.starts_with(job)).unwrap();
            assert_eq!(line.matches("s ago").count(), agos, "{table}");
        }
    }
}

#[test]
fn times_of_the_future_are_marked() {
    let folder = tempfile::tempdir().unwrap();
    let Some(clock) = LedClock::new(folder.path()) else {
        return;
    };
    clock.set(100 * 86_400);
    let gateway = loaded(clock.wharf(WHARF, false));
    gateway.push("/metrics/job/early", "m 1\n");
    // By the clock of the gateway it is now; ours does not count.
    assert!(succeeds(&gateway, &["ls"]).contains(" 0s ago "));
    clock.set(0);
    until("the gateway to see it", || {
        let listed = tool_at(&gateway, &["ls"]);
        stdout(&listed).contains("99d ahead").then_some(())
    });
    let said = stderr(&tool_at(&gateway, &["ls"]));
    assert!(said.contains("wharf ls: warning: "), "{said}");
    let top = until("the gateway to say what is wrong", || {
        let shown = succeeds(&gateway, &["top", "--once", "--interval=10ms"]);
        shown.contains("in the future").then_some(shown)
    });
    assert!(top.contains("99d ahead"), "{top}");
}

#[test]
fn a_list_of_nothing_says_so_beside_the_table() {
    for spawn in gateways() {
        let gateway = spawn.start();
        let said = |arguments: &[&str]| stderr(&tool_at(&gateway, arguments));
        assert_eq!(said(&["ls"]), "wharf ls: there are no groups\n");
        assert_eq!(said(&["ls", "nosuch"]), "wharf ls: no group matches\n");
        assert_eq!(said(&["ls", "nosuch", "-o", "json"]), "");
    }
}

#[test]
fn an_empty_gateway_has_an_empty_list() {
    for spawn in gateways() {
        let gateway = spawn.start();
        assert_eq!(succeeds(&gateway, &["ls", "-o", "json"]), "[]\n");
        assert_eq!(succeeds(&gateway, &["ls"]).lines().count(), 1);
        assert_eq!(succeeds(&gateway, &["export"]), "");
        assert_eq!(succeeds(&gateway, &["rm", "{}"]), "no group matches\n");
    }
}

#[test]
fn nothing_pushed_reaches_the_table_raw() {
    for spawn in gateways() {
        let gateway = spawn.start();
        gateway.push("/metrics/job/a%1b%5b31mb/x/%c2%9b2J%e2%80%ae%07", "m 1\n");
        for arguments in [
            &["ls"][..],
            &["top", "--once", "--interval=10ms"],
            &["rm", "{}", "--dry-run"],
        ] {
            let text = succeeds(&gateway, arguments);
            assert!(text.contains("a\\u{1b}[31mb"), "{text}");
            let harmless = |c: char| c == '\n' || !(c.is_control() || c == '\u{202e}');
            assert!(text.chars().all(harmless), "{text:?}");
        }
    }
}

#[test]
fn ten_thousand_groups_are_read_page_by_page() {
    let gateway = wharf().start();
    let lines: Vec<String> = (0..10_000)
        .map(|n| format!("m{{job=\"j\",n=\"{n}\"}} 1\n"))
        .collect();
    let push = post("/api/v1/push?group_by=job,n").body(lines.concat());
    assert_eq!(gateway.send(&push).status, 200);
    assert_eq!(jobs(&gateway, &[]).len(), 10_000);
    assert_eq!(jobs(&gateway, &["--limit=1500", "--sort=series"]).len(), 1_500);
    assert_eq!(succeeds(&gateway, &["export"]).lines().count(), 10_000);
    let removed = succeeds(&gateway, &["rm", "{n=~\"1.*\"}", "--dry-run"]);
    assert!(
        removed.ends_with("... and 1091 more\nwould remove 1111 groups\n"),
        "{removed}"
    );
}

// ---- get --------------------------------------------------------------------------------------------------

#[test]
fn the_metrics_of_groups_are_those_of_a_scrape() {
    for spawn in gateways() {
        let gateway = spawn.start();
        gateway.push("/metrics/job/a/i/1", EVERYTHING);
        gateway.push("/metrics/job/a/i/2", EVERYTHING);
        gateway.push("/metrics/job/b", "m 1\n");
        let text = succeeds(&gateway, &["get", "a"]);
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        let mut samples: Vec<&str> = samples.collect();
        samples.sort_unstable();
        let mut expected = pushed(&gateway);
        expected.retain(|line| line.contains("job=\"a\""));
        assert_eq!(samples, expected);
        assert_eq!(text.matches("# TYPE h histogram\n").count(), 1);
        assert!(text.contains("# HELP c_total counts \\\\ and\\nmore\n"), "{text}");
        let groups = json(&succeeds(&gateway, &["get", "{job=\"b\"}", "-o", "json"]));
        assert_eq!(groups[0]["m"]["metrics"][0]["value"], json!("1"));
        let none = fails(&tool_at(&gateway, &["get", "c"]), 1);
        assert!(
            none.contains("expected a group that matches, found none"),
            "{none}"
        );
    }
}

// ---- rm, wipe ---------------------------------------------------------------------------------------------

#[test]
fn groups_are_removed_with_and_without_the_admin_api() {
    for spawn in gateways().chain([admin(wharf())]) {
        let gateway = spawn.start();
        for path in ["a/x/1", "a/x@base64/Lw", "a", "b"] {
            gateway.push(&format!("/metrics/job/{path}"), "m 1\n");
        }
        let shown = succeeds(&gateway, &["rm", "a", "--dry-run"]);
        assert!(shown.ends_with("would remove 3 groups\n"), "{shown}");
        assert_eq!(jobs(&gateway, &[]).len(), 4);
        let refused = fails(&tool_at(&gateway, &["rm", "a"]), 1);
        assert!(
            refused.contains("hint: --yes goes on without asking"),
            "{refused}"
        );
        assert_eq!(jobs(&gateway, &[]).len(), 4);
        let kept = succeeds(&gateway, &["rm", "a", "--older-than=1h", "--yes"]);
        assert_eq!(kept, "no group matches\n");
        let removed = succeeds(&gateway, &["rm", "a", "--yes"]);
        assert!(removed.contains("\nremoved 3 groups\n"), "{removed}");
        assert_eq!(jobs(&gateway, &[]), ["b"]);
    }
}

#[test]
fn one_family_is_removed_where_the_gateway_can_do_it() {
    let gateway = admin(wharf()).start();
    gateway.push("/metrics/job/a", "m 1\nn 1\n");
    gateway.push("/metrics/job/b", "n 1\n");
    let removed = succeeds(&gateway, &["rm", "{}", "--family=m", "--yes"]);
    assert!(
        removed.starts_with("{job=\"a\"}\nremoved family m of 1 group\n"),
        "{removed}"
    );
    assert_eq!(pushed(&gateway).len(), 2);
    for spawn in gateways() {
        let gateway = spawn.start();
        gateway.push("/metrics/job/a", "m 1\n");
        let refused = fails(&tool_at(&gateway, &["rm", "{}", "--family=m", "--yes"]), 1);
        assert!(refused.contains("\nhint: "), "{refused}");
        assert_eq!(pushed(&gateway).len(), 1);
    }
}

#[test]
fn a_wipe_asks_unless_told_otherwise() {
    for spawn in gateways() {
        let gateway = admin(spawn).start();
        gateway.push("/metrics/job/a", "m 1\n");
        fails(&tool_at(&gateway, &["wipe"]), 1);
        assert_eq!(jobs(&gateway, &[]).len(), 1);
        let wiped = succeeds(&gateway, &["wipe", "--yes"]);
        assert!(wiped.starts_with("removed all groups\n"), "{wiped}");
        assert_eq!(jobs(&gateway, &[]).len(), 0);
    }
    for spawn in gateways() {
        let gateway = spawn.start();
        let refused = fails(&tool_at(&gateway, &["wipe", "--yes"]), 1);
        assert!(refused.contains("--web.enable-admin-api"), "{refused}");
    }
}

// ---- export, import ---------------------------------------------------------------------------------------

#[test]
fn an_export_comes_back_as_it_was() {
    for spawn in gateways() {
        let source = spawn.start();
        source.push("/metrics/job/a/instance/i", EVERYTHING);
        source.push("/metrics/job/b/x/%c3%a4", "m{instance=\"own\"} 1\nm 2\n");
        source.replace("/metrics/job/empty", "");
        let exported = succeeds(&source, &["export"]);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &exported).unwrap();
        for spawn in gateways().map(admin) {
            let target = spawn.start();
            let said = succeeds(&target, &["import", file.path().to_str().unwrap()]);
            assert!(said.starts_with("imported 3 groups"), "{said}");
            assert_eq!(pushed(&target), pushed(&source));
            if target.kind() == wharf_testkit::Kind::Wharf {
                let again = succeeds(&target, &["export"]);
                // A Pushgateway lists series as they were pushed.
                assert_eq!(again.len(), exported.len());
                assert!(again == exported || source.kind() == wharf_testkit::Kind::Real);
                assert!(same_push_time(&target, &source, "b"));
            }
        }
    }
}

#[test]
fn the_text_of_one_group_can_be_pushed_to_another() {
    for spawn in gateways() {
        let gateway = spawn.start();
        gateway.push("/metrics/job/a/x/1", &EVERYTHING.replace("9007199254740993", "3"));
        let text = succeeds(&gateway, &["export", "-o", "text", "a"]);
        assert_eq!(gateway.send(&put("/metrics/job/a/x/2").body(text)).status, 200);
        let moved = |line: &String| line.replace("x=\"2\"", "x=\"1\"");
        let second: Vec<String> = pushed(&gateway)
            .into_iter()
            .filter(|line| line.contains("x=\"2\""))
            .collect();
        let first: Vec<String> = pushed(&gateway)
            .into_iter()
            .filter(|line| line.contains("x=\"1\""))
            .collect();
        assert_eq!(second.iter().map(moved).collect::<Vec<_>>(), first);
        let refused = fails(&tool_at(&gateway, &["export", "-o", "text"]), 1);
        assert!(
            refused.contains("expected one group for the text of it, found 2"),
            "{refused}"
        );
    }
}

#[test]
fn a_running_gateway_moves_with_its_times_and_again_without_harm() {
    for spawn in gateways() {
        let source = spawn.start();
        source.push("/metrics/job/a/instance/i", EVERYTHING);
        source.push("/metrics/job/b", "m 1\n");
        source.send(&post("/metrics/job/failed").body("m 1 1700000000000\n"));
        let target = admin(wharf()).start();
        let url = format!("http://{}", source.address());
        assert_eq!(
            succeeds(&target, &["import", &url]),
            "imported 3 groups with 12 series\n"
        );
        assert_eq!(jobs(&target, &["--failed"]), ["failed"]);
        assert_eq!(pushed(&target), pushed(&source));
        assert!(same_push_time(&target, &source, "a"));
        // The job has moved over in the meantime: what it pushed there stays.
        target.push("/metrics/job/b", "m 2\n");
        let again = json(&stdout(&tool_at(&target, &["import", &url, "-o", "json"])));
        assert_eq!(
            (&again["groups"], &again["already_there"]),
            (&json!(0), &json!(3)),
            "{again}"
        );
        assert!(pushed(&target).contains(&"m{instance=\"\",job=\"b\"} 2".to_owned()));
        let forced = json(&stdout(&tool_at(
            &target,
            &["import", &url, "-o", "json", "--overwrite"],
        )));
        assert_eq!(
            (&forced["groups"], &forced["times_kept"]),
            (&json!(3), &json!(true))
        );
        assert!(pushed(&target).contains(&"m{instance=\"\",job=\"b\"} 1".to_owned()));
    }
}

#[test]
fn without_the_admin_api_the_groups_count_as_pushed_now() {
    let source = wharf().start();
    source.push("/metrics/job/a", "m 1\n");
    let target = wharf().start();
    let url = format!("http://{}", source.address());
    let planned = succeeds(&target, &["import", &url, "--dry-run"]);
    assert_eq!(planned, "would import 1 group with 1 series\n");
    assert_eq!(pushed(&target), [""; 0]);
    let said = succeeds(&target, &["import", &url]);
    assert!(said.contains("the groups count as pushed now\nhint: "), "{said}");
    assert!(push_time(&target, "a") > push_time(&source, "a"));
}

#[test]
fn groups_are_not_added_to_what_is_there_by_a_rule_that_adds_up_what_is_pushed() {
    let source = wharf().start();
    source.push("/metrics/job/a", "m 5\n");
    let url = format!("http://{}", source.address());
    let (_file, spawn) = with_rules("aggregate:\n- match: '{job=\"a\"}'\n");
    let target = spawn.start();
    for _ in 0..2 {
        succeeds(&target, &["import", &url, "--overwrite"]);
        assert!(pushed(&target).contains(&"m{instance=\"\",job=\"a\"} 5".to_owned()));
    }
}

#[test]
fn a_time_to_live_moves_too() {
    let source = wharf().start();
    source.push("/metrics/job/a?ttl=36h", "m 1\n");
    let exported = succeeds(&source, &["export"]);
    assert_eq!(json(&exported)["ttl"], json!("1d12h"));
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &exported).unwrap();
    let target = admin(wharf()).start();
    succeeds(&target, &["import", file.path().to_str().unwrap()]);
    assert_eq!(succeeds(&target, &["export"]), exported);
    let target = admin(wharf()).start();
    succeeds(&target, &["import", &format!("http://{}", source.address())]);
    assert_eq!(succeeds(&target, &["export"]), exported);
}

#[test]
fn a_state_file_moves_into_a_running_gateway() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/pushgateway-state/1.11.2.gob");
    let path = path.to_str().unwrap();
    let target = admin(wharf()).arg("--push.enable-utf8-names").start();
    let output = tool_at(&target, &["import", path, "-o", "json"]);
    let said = json(&stdout(&output));
    // The same as at a start with the file.
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    std::fs::copy(path, &state).unwrap();
    let started = loaded(
        wharf()
            .arg(format!("--persistence.file={}", state.display()))
            .arg("--push.enable-utf8-names"),
    );
    assert_eq!(pushed(&target), pushed(&started), "{said}");
    let groups = json(&succeeds(&started, &["ls", "-o", "json"]));
    assert_eq!(said["groups"], json!(groups.as_array().unwrap().len()), "{said}");
}

#[test]
fn a_file_of_no_bytes_has_no_groups() {
    let target = wharf().start();
    let file = tempfile::NamedTempFile::new().unwrap();
    for source in [file.path().to_str().unwrap(), "/dev/null", "-"] {
        let said = succeeds(&target, &["import", source]);
        assert_eq!(said, "imported 0 groups with 0 series\n");
    }
}

#[test]
fn what_cannot_be_imported_is_said() {
    let target = wharf().start();
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    for (content, code, expected) in [
        ("garbage", 1, "not a state file of the Pushgateway"),
        ("{\"labels\":{}}\n", 1, "line 1: expected a group of an export"),
        (
            "{\"labels\":{},\"push_time\":null,\"text\":\"\"}\n",
            1,
            "left out: line 1: ",
        ),
        (
            "{\"labels\":{\"job\":\"a\"},\"push_time\":\"soon\",\"text\":\"\"}\n",
            1,
            "line 1: expected a group of an export",
        ),
        (
            "{\"labels\":{\"job\":\"a\"},\"push_time\":\"2026-01-02T03:04:05Z\",\"text\":\"m one\\n\"}\n",
            1,
            "left out: line 1: text format parsing error in line 1",
        ),
        (
            "{\"labels\":{\"job\":\"a\"},\"push_time\":\"2026-01-02T03:04:05Z\",\"text\":\"m 1 5\\n\"}\n",
            1,
            "left out: group {job=\"a\"}: the gateway answered 400: ",
        ),
    ] {
        std::fs::write(file.path(), content).unwrap();
        let said = fails(&tool_at(&target, &["import", path]), code);
        assert!(said.contains(expected), "{content}: {said}");
    }
    let said = fails(&tool_at(&target, &["import", "/nonexistent/file"]), 1);
    assert!(said.contains("open /nonexistent/file"), "{said}");
    let own = format!("http://{}", target.address());
    let said = fails(&tool_at(&target, &["import", &own]), 1);
    assert!(
        said.contains("expected a source that is not the target"),
        "{said}"
    );
}

// ---- gateways that are not well ---------------------------------------------------------------------------

const EACH: [&[&str]; 9] = [
    &["ls"],
    &["get", "a"],
    &["rm", "a", "--yes"],
    &["wipe", "--yes"],
    &["undo"],
    &["undo", "--list"],
    &["export"],
    &["top", "--once"],
    &["import", "/dev/null", "--retry-for=1ms"],
];

#[test]
fn a_gateway_that_is_down_is_named() {
    // A port that was free a moment ago.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for arguments in EACH {
        let url = format!("--gateway=http://{address}");
        let said = fails(&tool(&[arguments, &[&url]].concat()), 1);
        assert!(said.contains(&format!("cannot reach http://{address}")), "{said}");
    }
}

/// A gateway that lets in nobody but `alice` with the password `s3cret`, and the folder of its file.
fn guarded(spawn: Spawn) -> (Gateway, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("web.yml");
    let users = "basic_auth_users:\n  alice: $2b$04$EGNYGlakPdNb60roBdlmWuYTRXiJhVh/.whhyXo7LyWUID1a4nLfK\n";
    std::fs::write(&config, users).unwrap();
    (
        spawn
            .arg(format!("--web.config.file={}", config.display()))
            .start(),
        folder,
    )
}

#[test]
fn a_gateway_that_lets_nobody_in_is_named() {
    for spawn in gateways() {
        let (gateway, _folder) = guarded(spawn);
        for arguments in EACH {
            let said = fails(&tool_at(&gateway, arguments), 1);
            assert!(said.contains("the gateway answered 401"), "{said}");
        }
    }
}

#[test]
fn source_and_target_have_credentials_of_their_own() {
    for spawn in gateways() {
        let (source, folder) = guarded(spawn);
        let source = source.authorized_by("Basic YWxpY2U6czNjcmV0");
        source.push("/metrics/job/a", "m 1\n");
        let password = folder.path().join("password");
        std::fs::write(&password, "s3cret\n").unwrap();
        let settings = folder.path().join("client.yaml");
        std::fs::write(&settings, "username: alice\npassword_file: password\n").unwrap();
        let url = format!("http://{}", source.address());
        let settings = format!("--source-settings={}", settings.display());
        let target = wharf().start();
        let said = fails(&tool_at(&target, &["import", &url]), 1);
        assert!(said.contains("the gateway answered 401"), "{said}");
        let said = succeeds(&target, &["import", &url, &settings]);
        assert!(said.starts_with("imported 1 group with 1 series\n"), "{said}");
        let password = format!("--password-file={}", password.display());
        let listed = succeeds(&source, &["ls", "--username=alice", &password]);
        assert_eq!(listed.lines().count(), 2, "{listed}");
    }
}

#[test]
fn something_else_that_answers_is_told_apart() {
    let other = wharf().arg("--web.route-prefix=/elsewhere").start();
    let said = fails(&tool_at(&other, &["ls"]), 1);
    assert!(said.contains("the gateway answered 404"), "{said}");
}

#[test]
fn a_mistake_on_the_command_line_is_told_apart() {
    for arguments in [
        &["ls", "--sort=colour"][..],
        &["rm"],
        &["undo", "last"],
        &["undo", "--list", "--dry-run"],
        &["check", "--max-series=many"],
        &["completions", "tcsh"],
        &["man", "nothing"],
    ] {
        fails(&tool(arguments), 2);
    }
    for tool_with_selectors in ["ls", "get", "rm", "top", "export"] {
        let said = fails(&tool(&[tool_with_selectors, "{job="]), 2);
        assert!(said.contains("selector `{job=`: column 6: expected"), "{said}");
    }
}

// ---- check, completions, man ------------------------------------------------------------------------------

#[test]
fn a_check_ends_with_the_code_of_what_it_found() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    let check = |text: &str, more: &[&str]| {
        std::fs::write(file.path(), text).unwrap();
        tool(&[&["check", path], more].concat())
    };
    let sound = "# HELP a_seconds h\n# TYPE a_seconds gauge\na_seconds 1\n";
    assert_eq!(check(sound, &["--strict"]).status.code(), Some(0));
    assert_eq!(check("a 1\n", &[]).status.code(), Some(0));
    assert_eq!(check("a 1\n", &["--strict"]).status.code(), Some(1));
    let broken = check("a{x=\"\x1b[31m\"} one\n", &[]);
    assert_eq!(broken.status.code(), Some(1));
    let text = stdout(&broken);
    assert!(
        text.starts_with(&format!(
            "{path}:1:14: error: expected a number, found `one` [syntax]\n"
        )),
        "{text:?}"
    );
    let document = json(&stdout(&check(sound, &["-o", "json"])));
    assert_eq!(document, json!({"families": 1, "series": 1, "findings": []}));
    fails(&tool(&["check", "/nonexistent"]), 2);
}

#[test]
fn openmetrics_is_checked_as_what_it_is() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    let check = |text: &str, more: &[&str]| {
        std::fs::write(file.path(), text).unwrap();
        let output = tool(&[&["check", path], more].concat());
        (output.status.code(), stdout(&output))
    };
    let sound = "# TYPE a_seconds counter\n# UNIT a_seconds seconds\n# HELP a_seconds h\n\
                 a_seconds_total 1 # {x=\"1\"} 1\na_seconds_created 1\n# TYPE b info\n# HELP b h\nb_info{v=\"1\"} 1\n# EOF\n";
    assert_eq!(check(sound, &["--strict"]).0, Some(0), "{:?}", check(sound, &[]));
    let (code, text) = check(
        "# HELP a h\n# TYPE a gauge\na 1\n# TYPE b_ms counter\nb_ms_total 1\n# EOF\n",
        &[],
    );
    assert_eq!(code, Some(0));
    assert!(
        text.contains(":4:8: warning: expected a HELP line") && text.contains("[unit-abbreviation]"),
        "{text}"
    );
    let (code, text) = check("# TYPE a info\na_info 1\n# TYPE b gauge\nb one\n# EOF\n", &[]);
    assert_eq!(code, Some(1));
    assert!(
        text.contains(&format!("{path}:4:3: error: ")) && text.contains("--format=text"),
        "{text}"
    );
    // The flag has the last word.
    let (code, _) = check("# TYPE a counter\na_total 1\n# EOF\n", &["--format=text"]);
    assert_eq!(code, Some(0));
    let (code, _) = check(sound, &["--format=text"]);
    assert_eq!(code, Some(1));
    let (code, _) = check(
        "# HELP a h\n# TYPE a gauge\na 1\n# EOF\n",
        &["--format=openmetrics", "--strict"],
    );
    assert_eq!(code, Some(0));
}

#[test]
fn protobuf_is_checked_as_what_it_is() {
    use wharf_testkit::protobuf::{Message, Type, delimited, family, gauge, labelled};

    let folder = tempfile::tempdir().unwrap();
    let check = |name: &str, body: &[u8], more: &[&str]| {
        let path = folder.path().join(name);
        std::fs::write(&path, body).unwrap();
        let output = tool(&[&["check", path.to_str().unwrap()], more].concat());
        let text = stdout(&output).replace(&format!("{}/", folder.path().display()), "");
        (output.status.code(), text)
    };
    let sound = family("a_seconds", Type::Gauge, &[gauge(Message::new(), 1.0)]).bytes(2, "h");
    let body = delimited(std::slice::from_ref(&sound));
    let (code, text) = check("file", &body, &["--strict"]);
    assert_eq!(
        (code, text.as_str()),
        (Some(0), "1 family, 1 series: 0 errors, 0 warnings\n")
    );
    let labels = labelled(&[("x", "\x1b[2J"), ("fooBar", "1")]);
    let body = delimited(&[
        sound,
        family("b", Type::Gauge, &[gauge(labels, 1.0).varint(6, 5)]),
    ]);
    let (code, text) = check("file", &body, &[]);
    assert_eq!(code, Some(1));
    for expected in [
        "file: family b: warning: expected a help text, found none [missing-help]\n  hint: ",
        "file: family b, metric {fooBar=\"1\",x=\"\\x1b[2J\"}: error: expected a sample without a timestamp, found one \
         [timestamp]\n  hint: ",
    ] {
        assert!(text.contains(expected), "{text}");
    }
    let (_, document) = check("file", &body, &["-o", "json"]);
    let finding = &json(&document)["findings"][0];
    assert_eq!(
        (&finding["line"], &finding["family"]),
        (&json!(null), &json!("b")),
        "{document}"
    );
    // Cut short, it is known by its name alone.
    let (code, text) = check("cut.pb", b"\xff\xff\x01", &[]);
    assert_eq!(code, Some(1));
    assert!(
        text.starts_with("cut.pb: byte 0: error: expected ") && text.contains("[syntax]"),
        "{text}"
    );
    let (_, text) = check("cut", &body, &["--format=text"]);
    assert!(
        text.contains("expected the text format, found protobuf"),
        "{text}"
    );
}

#[test]
fn what_a_gateway_sends_has_no_errors_in_any_format() {
    for spawn in gateways() {
        let gateway = spawn.start();
        let pushed = "# TYPE c_total counter\nc_total 1\n# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\n\
                      h_sum 3\nh_count 2\n# TYPE s summary\ns{quantile=\"0.5\"} 1\ns_sum 1\ns_count 1\nu 1\n";
        gateway.push("/metrics/job/a", pushed);
        for format in ["text", "openmetrics", "protobuf"] {
            let scrape = tool_at(&gateway, &["get", "-o", format]).stdout;
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), &scrape).unwrap();
            let output = tool(&["check", file.path().to_str().unwrap()]);
            assert_eq!(output.status.code(), Some(0), "{format}: {}", stdout(&output));
            let summary = stdout(&output);
            assert!(
                summary.lines().last().unwrap().contains(" families, "),
                "{summary}"
            );
        }
    }
}

#[test]
fn every_flag_of_the_help_is_in_the_manual_page_and_in_the_completions() {
    let help = stdout(&tool(&["--help"]));
    let page = stdout(&tool(&["man"])).replace('\\', "").replace("[no-]", "");
    let script = stdout(&tool(&["completions", "bash"]));
    let flags: Vec<&str> = help
        .lines()
        // What stands further to the right is text.
        .filter(|line| line.len() - line.trim_start().len() <= 6)
        .filter_map(|line| {
            line.trim_start()
                .split(['=', ' '])
                .next()
                .filter(|word| word.starts_with("--"))
        })
        .collect();
    assert!(flags.len() > 30, "{flags:?}");
    for flag in flags {
        // A switch shows as `--[no-]name`.
        let flag = flag.replace("[no-]", "");
        assert!(page.contains(&flag), "{flag} in the manual page");
        assert!(script.contains(&flag), "{flag} in the completions");
    }
}

#[test]
fn every_tool_has_a_manual_page_with_all_its_flags() {
    let folder = tempfile::tempdir().unwrap();
    let output = tool(&["man", "--out", folder.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    for name in [
        "run", "push", "check", "ls", "get", "rm", "wipe", "undo", "top", "import", "export", "man",
    ] {
        let page = std::fs::read_to_string(folder.path().join(format!("wharf-{name}.1"))).unwrap();
        let page = page.replace('\\', "");
        let help = stdout(&tool(&[name, "--help"]));
        for word in help.split([' ', ',', '\n', '=', '[', ']', '(', ')']) {
            if word.starts_with("--") && word.len() > 2 && help.contains(&format!("  {word} ")) {
                assert!(page.contains(word), "{name}: {word}");
            }
        }
    }
    assert!(folder.path().join("wharf.1").exists());
}

#[test]
fn the_commands_of_ledger_have_help_manual_pages_and_completions_as_tools_have() {
    let folder = tempfile::tempdir().unwrap();
    let output = tool(&["man", "--out", folder.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let completions = stdout(&tool(&["completions", "bash"]));
    for (command, flag) in [
        ("check", "--help"),
        ("show", "--records"),
        ("dump", "--help"),
        ("backup", "--verify"),
        ("restore", "--before"),
        ("repair", "--help"),
    ] {
        let page = format!("wharf-ledger-{command}.1");
        let page = std::fs::read_to_string(folder.path().join(page)).unwrap();
        let help = stdout(&tool(&["ledger", command, "--help"]));
        for text in [page.replace('\\', ""), help, completions.clone()] {
            assert!(text.contains(flag), "{command}: {flag} in {text}");
        }
    }
}

#[test]
fn completion_scripts_are_sound() {
    for shell in ["bash", "zsh", "fish"] {
        let script = stdout(&tool(&["completions", shell]));
        assert!(script.contains("import"), "{shell}");
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), script).unwrap();
        // Not every machine has every shell.
        let Some(program) = peers::shell(shell) else {
            continue;
        };
        let checked = Command::new(program).arg("-n").arg(file.path()).status();
        assert!(checked.unwrap().success(), "{shell}");
    }
}
