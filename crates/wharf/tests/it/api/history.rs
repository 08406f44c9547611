//! What has become of the last pushes of each group.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use wharf_testkit::http::{delete, get, post, put};
use wharf_testkit::{Gateway, Spawn, until};

use super::{data, powerful, refused};
use crate::{loaded, wharf};

fn on(folder: &Path) -> Spawn {
    wharf().arg(format!("--storage.path={}", folder.display()))
}

fn pushes(gateway: &Gateway, job: &str) -> Vec<Value> {
    let data = data(gateway, &format!("/api/v1/groups/job/{job}/history"));
    data["pushes"].as_array().unwrap().clone()
}

/// How many pushes of a job are remembered; none if there is no such group.
fn remembered(gateway: &Gateway, job: &str) -> Option<usize> {
    let answer = gateway.send(&get(&format!("/api/v1/groups/job/{job}/history")));
    (answer.status == 200).then(|| answer.json()["data"]["pushes"].as_array().unwrap().len())
}

fn statistics(gateway: &Gateway) -> Value {
    data(gateway, "/api/v1/stats")["history"].clone()
}

#[test]
fn a_history_says_what_has_become_of_each_push() {
    let gateway = wharf().start();
    gateway.replace("/metrics/job/a", "m 1\njob_duration_seconds 12.5\n");
    gateway.push("/metrics/job/a", "n 1\n");
    refused(
        &gateway,
        &post("/metrics/job/a").body("n{"),
        400,
        "text format parsing error",
    );
    let found: Vec<_> = pushes(&gateway, "a")
        .into_iter()
        .map(|push| {
            let member = |name: &str| push[name].clone();
            [
                "outcome",
                "reason",
                "method",
                "body_bytes",
                "series",
                "duration_seconds",
            ]
            .map(member)
        })
        .collect();
    let expected = [
        [
            json!("ok"),
            Value::Null,
            json!("PUT"),
            json!(30),
            json!(2),
            json!(12.5),
        ],
        [
            json!("ok"),
            Value::Null,
            json!("POST"),
            json!(4),
            json!(1),
            Value::Null,
        ],
        [
            json!("refused"),
            json!("syntax"),
            json!("POST"),
            json!(2),
            json!(0),
            Value::Null,
        ],
    ];
    assert_eq!(found, expected);
    let group = data(&gateway, "/api/v1/groups/job/a");
    assert_eq!(group["last_error"]["reason"], json!("syntax"));
    let error = group["last_error"]["error"].as_str().unwrap();
    assert!(error.starts_with("text format parsing error"), "{error}");
    let listed = data(&gateway, "/api/v1/groups?fields=history");
    let points = listed["groups"][0]["history"].as_array().unwrap();
    assert_eq!(
        points[0].as_array().unwrap()[1..],
        [json!(1), json!(30), json!(2), json!(12.5)]
    );
    assert_eq!(
        points[2].as_array().unwrap()[1..],
        [json!(0), json!(2), json!(0), Value::Null]
    );
}

#[test]
fn a_group_keeps_its_last_sixty_pushes() {
    let gateway = wharf().arg("--storage.path=").start();
    for n in 0..65 {
        gateway.push("/metrics/job/a", &format!("m {n}\nduration_seconds {n}\n"));
    }
    let pushes = pushes(&gateway, "a");
    assert_eq!((pushes.len(), &pushes[0]["duration_seconds"]), (60, &json!(5)));
    assert_eq!(statistics(&gateway)["state"], json!("memory only"));
}

#[test]
fn a_push_that_makes_no_group_leaves_no_history() {
    let gateway = wharf().start();
    refused(&gateway, &post("/metrics/job/a").body("n{"), 400, "text format");
    assert_eq!(remembered(&gateway, "a"), None);
    // One that contradicts what is stored does make one.
    refused(
        &gateway,
        &post("/metrics/job/b").body("n 1 1\n"),
        400,
        "pushed metrics",
    );
    assert_eq!(remembered(&gateway, "b"), Some(1));
}

#[test]
fn a_history_goes_with_its_group() {
    let gateway = powerful().start();
    for job in ["a", "b", "c?ttl=1s", "d"] {
        gateway.push(&format!("/metrics/job/{job}"), "m 1\n");
    }
    assert_eq!(gateway.send(&delete("/metrics/job/a")).status, 202);
    let by_selector = delete("/api/v1/groups?match[]=%7Bjob=%22b%22%7D");
    assert_eq!(gateway.send(&by_selector).status, 200);
    until("the end of a group", || {
        remembered(&gateway, "c").is_none().then_some(())
    });
    for job in ["a", "b", "c"] {
        assert_eq!(remembered(&gateway, job), None, "{job}");
    }
    gateway.push("/metrics/job/a", "m 1\n");
    assert_eq!(remembered(&gateway, "a"), Some(1));
    gateway.send(&put("/api/v1/admin/wipe"));
    gateway.push("/metrics/job/d", "m 1\n");
    assert_eq!(remembered(&gateway, "d"), Some(1));
}

#[test]
fn a_history_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mut gateway = on(folder.path()).start();
    for _ in 0..3 {
        gateway.push("/metrics/job/a", "m 1\n");
    }
    refused(&gateway, &post("/metrics/job/a").body("n{"), 400, "text format");
    gateway.push("/metrics/job/gone", "n 1\n");
    gateway.send(&delete("/metrics/job/gone"));
    let before = data(&gateway, "/api/v1/groups/job/a/history");
    gateway.terminate();
    assert_eq!(gateway.wait().code, Some(0));
    let gateway = opened(folder.path());
    assert_eq!(data(&gateway, "/api/v1/groups/job/a/history"), before);
    assert_eq!(statistics(&gateway)["groups"], json!(1));
}

/// A gateway that has read its history.
fn opened(folder: &Path) -> Gateway {
    let gateway = loaded(on(folder));
    until("the history", || {
        (statistics(&gateway)["state"] == json!("ok")).then_some(())
    });
    gateway
}

#[test]
fn a_kill_costs_the_end_of_a_history_at_most() {
    let folder = tempfile::tempdir().unwrap();
    let mut gateway = opened(folder.path());
    let file = folder.path().join("history");
    gateway.push("/metrics/job/early", "m 1\n");
    until("the first push in the file", || {
        let text = fs::read(&file).unwrap_or_default();
        text.windows(5).any(|part| part == b"early").then_some(())
    });
    gateway.push("/metrics/job/late", "m 1\n");
    gateway.kill();
    gateway.wait();
    let gateway = opened(folder.path());
    assert_eq!(remembered(&gateway, "early"), Some(1));
    // The group is there, whatever is known of its past.
    assert!(remembered(&gateway, "late").unwrap() <= 1);
}

/// The log is read again after a kill, with all that has been deleted since the last checkpoint.
#[test]
fn a_kill_costs_no_history_of_groups_that_were_deleted_before_and_pushed_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut gateway = opened(folder.path());
    for number in 0..300 {
        let path = format!("/metrics/job/j{number}");
        gateway.push(&path, "m 1\n");
        gateway.send(&delete(&path));
        gateway.push(&path, "m 1\n");
    }
    gateway.push("/metrics/job/latest", "m 1\n");
    until("the last push in the file", || {
        let text = fs::read(folder.path().join("history")).unwrap_or_default();
        text.windows(6).any(|part| part == b"latest").then_some(())
    });
    gateway.kill();
    gateway.wait();
    let gateway = opened(folder.path());
    for number in 0..300 {
        assert_eq!(remembered(&gateway, &format!("j{number}")), Some(1), "{number}");
    }
}

#[test]
fn a_history_without_its_group_is_dropped_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let mut gateway = opened(folder.path());
    gateway.push("/metrics/job/a", "m 1\n");
    gateway.terminate();
    gateway.wait();
    let history = fs::read(folder.path().join("history")).unwrap();
    let mut gateway = opened(folder.path());
    gateway.send(&delete("/metrics/job/a"));
    gateway.terminate();
    gateway.wait();
    // As after a crash, which has lost the last of the history and nothing of the groups.
    fs::write(folder.path().join("history"), history).unwrap();
    let gateway = opened(folder.path());
    assert_eq!(statistics(&gateway)["groups"], json!(0));
}

#[test]
fn a_damaged_history_is_set_aside_and_stops_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut gateway = opened(folder.path());
    gateway.push("/metrics/job/a", "m 1\n");
    gateway.terminate();
    gateway.wait();
    fs::write(folder.path().join("history"), b"no history at all").unwrap();
    let gateway = opened(folder.path());
    assert_eq!(remembered(&gateway, "a"), Some(0));
    let line = gateway.log_line("history of pushes cannot be read");
    assert!(
        line.contains("level=warn") && line.contains("it is no history"),
        "{line}"
    );
    assert_eq!(
        fs::read(folder.path().join("history.damaged")).unwrap(),
        b"no history at all"
    );
    gateway.push("/metrics/job/a", "m 1\n");
    assert_eq!(remembered(&gateway, "a"), Some(1));
}

#[test]
fn a_history_keeps_to_its_bytes_and_can_be_off() {
    let gateway = wharf().arg("--history.max-bytes=10KiB").start();
    for n in 0..100 {
        gateway.push(&format!("/metrics/job/a/n/{n}"), "m 1\n");
    }
    let kept = data(&gateway, "/api/v1/groups/job/a/n/99/history");
    assert_eq!(kept["pushes"].as_array().unwrap().len(), 1);
    let statistics = statistics(&gateway);
    assert!(statistics["bytes"].as_u64().unwrap() <= 10 * 1024, "{statistics}");
    assert!(statistics["groups"].as_u64().unwrap() < 100, "{statistics}");

    let gateway = wharf().arg("--history.max-bytes=0").start();
    gateway.push("/metrics/job/a", "m 1\n");
    assert_eq!(remembered(&gateway, "a"), Some(0));
    assert_eq!(self::statistics(&gateway)["state"], json!("off"));
    assert_eq!(
        data(&gateway, "/api/v1/groups?fields=history")["groups"][0]["history"],
        json!([])
    );
}
