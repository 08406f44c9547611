//! Who did what, by the API, in the log and across restarts.

use std::path::Path;

use serde_json::Value;
use wharf_testkit::http::{Request, delete, get, post, put};
use wharf_testkit::{Gateway, Spawn, until};

use crate::{loaded, wharf};

fn on(folder: &Path) -> Spawn {
    let flags = ["--web.enable-admin-api", "--web.enable-lifecycle"];
    wharf()
        .arg(format!("--storage.path={}", folder.display()))
        .args(flags)
}

fn entries(gateway: &Gateway, query: &str) -> Vec<Value> {
    let answer = gateway.send(&get(&format!("/api/v1/admin/audit{query}")));
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["data"]["entries"].as_array().unwrap().clone()
}

fn kinds(gateway: &Gateway, query: &str) -> Vec<String> {
    let entries = entries(gateway, query).into_iter();
    entries
        .map(|entry| entry["kind"].as_str().unwrap().to_owned())
        .collect()
}

#[track_caller]
fn done(gateway: &Gateway, request: &Request) {
    let answer = gateway.send(request);
    assert!(
        (200..300).contains(&answer.status),
        "{request}: {}",
        answer.text()
    );
}

#[test]
fn what_was_done_is_listed_logged_and_counted_and_survives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let mut gateway = on(folder.path()).start();
    for job in ["a", "b", "c"] {
        gateway.push(&format!("/metrics/job/{job}"), "m 1\n");
    }
    done(&gateway, &delete("/metrics/job/a"));
    done(&gateway, &delete("/api/v1/groups?match[]={job=\"b\"}"));
    done(&gateway, &put("/api/v1/admin/wipe"));
    let expected = ["wipe", "delete_by_selector", "delete"];
    assert_eq!(kinds(&gateway, ""), expected);
    let newest = entries(&gateway, "?limit=1").remove(0);
    assert_eq!(
        (
            &newest["who"],
            &newest["address"],
            &newest["groups"],
            &newest["error"]
        ),
        (&"anonymous".into(), &"127.0.0.1".into(), &1.into(), &Value::Null)
    );
    gateway.log_line("deleted by selector");
    gateway.log_line("all groups wiped");
    let text = gateway.send(&get("/metrics")).text();
    for kind in expected {
        let line = format!("wharf_audit_actions_total{{kind=\"{kind}\",outcome=\"success\"}} 1\n");
        assert!(text.contains(&line), "{line}");
    }
    gateway.kill();
    gateway.wait();
    let gateway = loaded(on(folder.path()));
    until("the list", || (kinds(&gateway, "") == expected).then_some(()));
    let answer = gateway.send(&get("/api/v1/admin/audit")).json();
    assert_eq!(answer["data"]["kept"], true);
}

#[test]
fn an_undo_is_in_it_with_what_it_brought_back() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = on(folder.path()).start();
    gateway.push("/metrics/job/a", "m 1\n");
    gateway.push("/metrics/job/b", "m 1\n");
    done(&gateway, &put("/api/v1/admin/wipe"));
    gateway.push("/metrics/job/a", "m 2\n");
    done(&gateway, &put("/api/v1/admin/undo?dry_run=true"));
    done(&gateway, &put("/api/v1/admin/undo"));
    assert_eq!(kinds(&gateway, ""), ["undo", "wipe"]);
    let undo = entries(&gateway, "?kind=undo").remove(0);
    assert_eq!(undo["groups"], 1);
    let what = undo["what"].as_str().unwrap();
    assert!(
        what.starts_with("removal ") && what.ends_with(", 1 pushed since"),
        "{what}"
    );
    gateway.log_line("removed groups are back");
}

#[test]
fn it_can_be_asked_for_kinds_and_times() {
    let gateway = wharf().arg("--web.enable-admin-api").start();
    gateway.push("/metrics/job/a", "m 1\n");
    done(&gateway, &delete("/metrics/job/a"));
    done(&gateway, &put("/api/v1/admin/wipe"));
    assert_eq!(kinds(&gateway, "?kind=delete"), ["delete"]);
    assert_eq!(kinds(&gateway, "?kind=delete,wipe"), ["wipe", "delete"]);
    assert_eq!(kinds(&gateway, "?since=1h").len(), 2);
    assert_eq!(kinds(&gateway, "?since=2100-01-01T00:00:00Z").len(), 0);
    for (query, text) in [
        ("?kind=push", "kind: expected one of delete, "),
        ("?since=now", "since: expected a time such as "),
        ("?limit=0", "limit: expected a number from 1 to 1000"),
        ("?who=me", "expected a parameter of kind, since, limit"),
    ] {
        let answer = gateway.send(&get(&format!("/api/v1/admin/audit{query}")));
        assert_eq!(answer.status, 400, "{query}");
        assert!(answer.text().starts_with(text), "{query}: {}", answer.text());
    }
}

#[test]
fn reloads_quits_and_imports_are_in_it_with_their_outcome() {
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("rules.yml");
    std::fs::write(&rules, "expiry: []\n").unwrap();
    let data = folder.path().join("data");
    let start = || on(&data).arg(format!("--config.file={}", rules.display()));
    let mut gateway = start().start();
    done(&gateway, &post("/-/reload"));
    std::fs::write(&rules, "secret-nonsense: 1\n").unwrap();
    assert_eq!(gateway.send(&post("/-/reload")).status, 500);
    let line = r#"{"labels":{"job":"a"},"push_time":"2026-01-02T03:04:05Z","text":"m 1\n"}"#;
    done(&gateway, &post("/api/v1/admin/import").body(line));
    done(&gateway, &put("/-/quit"));
    assert_eq!(gateway.wait().code, Some(0));
    std::fs::write(&rules, "expiry: []\n").unwrap();
    let gateway = loaded(start());
    until("the list", || (kinds(&gateway, "").len() == 4).then_some(()));
    assert_eq!(kinds(&gateway, ""), ["quit", "import", "reload", "reload"]);
    let reloads = entries(&gateway, "?kind=reload");
    assert_eq!(reloads[1]["error"], Value::Null);
    // What is wrong in the file is not for the list.
    let error = reloads[0]["error"].as_str().unwrap();
    assert!(
        error.contains("is not used") && !error.contains("secret"),
        "{error}"
    );
    assert_eq!(entries(&gateway, "?kind=import")[0]["groups"], 1);
}

#[test]
fn a_damaged_list_is_set_aside_and_what_can_be_read_of_it_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut gateway = on(folder.path()).start();
    for _ in 0..3 {
        done(&gateway, &put("/api/v1/admin/wipe"));
    }
    gateway.kill();
    gateway.wait();
    let file = folder.path().join("audit");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replacen("\twipe\t", "\twape\t", 1)).unwrap();
    let gateway = loaded(on(folder.path()));
    until("the list", || (kinds(&gateway, "").len() == 2).then_some(()));
    gateway.log_line("a part of the audit list cannot be read");
    assert!(folder.path().join("audit.damaged").exists());
}

#[test]
fn in_memory_it_says_that_a_restart_loses_it() {
    let gateway = wharf()
        .arg("--web.enable-admin-api")
        .arg("--storage.path=")
        .start();
    done(&gateway, &put("/api/v1/admin/wipe"));
    let answer = gateway.send(&get("/api/v1/admin/audit")).json();
    assert_eq!(answer["data"]["kept"], false);
    assert_eq!(kinds(&gateway, ""), ["wipe"]);
}
