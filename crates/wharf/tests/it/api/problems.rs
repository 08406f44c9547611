//! What is wrong: groups whose last push was refused, groups of the future, and the gateway itself.

use std::fs;

use serde_json::{Value, json};
use wharf_testkit::http::{Request, delete, get, post, put};
use wharf_testkit::{Gateway, LedClock, Tampering, until};

use super::data;
use crate::{WHARF, jobs_of, loaded, wharf};

/// The jobs of the groups of a state; how many there are is counted too.
#[track_caller]
fn jobs_in(gateway: &Gateway, state: &str) -> Vec<String> {
    let listed = data(
        gateway,
        &format!("/api/v1/groups?state={state}&sort=job&total=true"),
    );
    let jobs: Vec<String> = jobs_of(&listed).into_iter().map(str::to_owned).collect();
    assert_eq!(listed["total"], json!(jobs.len()));
    jobs
}

fn problems(gateway: &Gateway) -> Vec<Value> {
    let status = data(gateway, "/api/v1/status");
    status["problems"].as_array().unwrap().clone()
}

#[track_caller]
fn refuse(gateway: &Gateway, request: &Request, status: u16) {
    let answer = gateway.send(request);
    assert_eq!(answer.status, status, "{request}: {}", answer.text());
}

#[test]
fn every_refusal_makes_its_group_failed_whatever_the_reason() {
    let rules = "quotas:\n  - {match: '{job=\"series\"}', series: 3}\n  - {match: '{job=\"rate\"}', pushes_per_second: 0.001}\n\
                 relabel_configs:\n  - {source_labels: [loses], regex: all, action: drop}\n  - {source_labels: [name], target_label: __name__, regex: (.+)}\n";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rules.yml");
    fs::write(&file, rules).unwrap();
    let gateway = wharf()
        .args(["--push.max-body-bytes=4KiB", "--limits.max-label-value-bytes=100"])
        .arg(format!("--config.file={}", file.display()))
        .start();
    let to = |job: &str| post(&format!("/metrics/job/{job}"));
    let refusals = [
        ("syntax", to("syntax").body("m{"), 400),
        ("timestamps", to("timestamps").body("m 1 1\n"), 400),
        (
            "inconsistent",
            to("inconsistent").body("# TYPE m counter\nm 1\n# TYPE m gauge\n"),
            400,
        ),
        (
            "encoding",
            to("encoding").header("Content-Encoding", "gzip").body("no gzip"),
            400,
        ),
        (
            "parameter",
            post("/metrics/job/parameter?ttl=soon").body("m 1\n"),
            400,
        ),
        (
            "forbidden",
            post("/metrics/job/forbidden?push_time=2026-01-02T03:04:05Z").body("m 1\n"),
            403,
        ),
        ("too_large", to("too_large").body(" ".repeat(5000)), 413),
        (
            "label_limit",
            to("label_limit").body(format!("m{{x=\"{}\"}} 1\n", "x".repeat(101))),
            413,
        ),
        ("series", to("series").body("m 1\nn 1\n"), 429),
        ("rate", to("rate").body("m 1\n"), 429),
    ];
    for (job, ..) in &refusals {
        gateway.push(&format!("/metrics/job/{job}"), "m 1\n");
    }
    gateway.push("/metrics/job/sound", "m 1\n");
    assert_eq!(jobs_in(&gateway, "failed"), [""; 0]);
    for (_, request, status) in &refusals {
        refuse(&gateway, request, *status);
    }
    let mut jobs: Vec<&str> = refusals.iter().map(|(job, ..)| *job).collect();
    jobs.sort_unstable();
    assert_eq!(jobs_in(&gateway, "failed"), jobs);
    // The next push that is stored ends it.
    gateway.push("/metrics/job/syntax", "m 1\n");
    jobs.retain(|job| *job != "syntax");
    assert_eq!(jobs_in(&gateway, "failed"), jobs);
}

#[test]
fn a_group_that_is_there_only_for_its_refusal_is_failed() {
    let gateway = wharf().start();
    refuse(&gateway, &put("/metrics/job/a").body("m 1 1\n"), 400);
    assert_eq!(jobs_in(&gateway, "failed"), ["a"]);
}

#[test]
fn a_push_of_many_groups_that_is_refused_is_refused_for_each() {
    let gateway = wharf().start();
    gateway.push(
        "/api/v1/push?group_by=job",
        "m{job=\"a\"} 1\nm{job=\"b\"} 1\nm{job=\"c\"} 1\n",
    );
    let together = post("/api/v1/push?group_by=job").body("m{job=\"a\"} 1\nm{job=\"b\"} 1 1\n");
    refuse(&gateway, &together, 400);
    assert_eq!(jobs_in(&gateway, "failed"), ["a", "b"]);
    gateway.push("/api/v1/push?group_by=job", "m{job=\"a\"} 1\nm{job=\"b\"} 1\n");
    assert_eq!(jobs_in(&gateway, "failed"), [""; 0]);
    let apart = post("/api/v1/push?group_by=job&partial").body("m{job=\"a\"} 1\nm{job=\"b\"} 1 1\n");
    refuse(&gateway, &apart, 200);
    assert_eq!(jobs_in(&gateway, "failed"), ["b"]);
}

#[test]
fn a_push_that_is_refused_for_too_many_at_once_is_one_that_failed() {
    let gateway = wharf().arg("--limits.max-requests-in-flight=1").start();
    gateway.push("/metrics/job/a", "m 1\n");
    let mut busy = gateway.connect();
    let head = put("/metrics/job/busy")
        .header("Expect", "100-continue")
        .header("Content-Length", "4");
    busy.write(&head.to_bytes()).unwrap();
    // The interim response comes when the handler asks for the body: the request is in flight.
    busy.read_interim().unwrap();
    refuse(&gateway, &post("/metrics/job/a").body("m 1\n"), 503);
    drop(busy);
    until("the place to be free", || {
        let answer = gateway.send(&get("/api/v1/groups?state=failed"));
        (answer.status == 200).then(|| assert_eq!(jobs_of(&answer.json()["data"]), ["a"]))
    });
}

#[test]
fn while_pushes_cannot_be_stored_everybody_is_told_and_who_pushed_has_failed() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = loaded(wharf().arg(format!("--storage.path={}/data", folder.path().display())));
    gateway.push("/metrics/job/a", "m 1\n");
    gateway.push("/metrics/job/b", "m 1\n");
    gateway.push("/api/v1/push?group_by=job", "m{job=\"c\"} 1\n");
    assert_eq!(problems(&gateway), [Value::Null; 0]);
    let Ok(tampering) = Tampering::read_only(&gateway) else {
        return;
    };
    refuse(&gateway, &post("/metrics/job/a").body("m 2\n"), 503);
    refuse(
        &gateway,
        &post("/api/v1/push?group_by=job").body("m{job=\"c\"} 2\n"),
        503,
    );
    let found = problems(&gateway);
    assert_eq!(
        (&found[0]["name"], &found[0]["severity"], &found[0]["summary"]),
        (
            &json!("storage"),
            &json!("critical"),
            &json!("Pushes cannot be stored.")
        )
    );
    let detail = found[0]["detail"].as_str().unwrap();
    assert!(detail.contains("Read-only file system"), "{detail}");
    assert_eq!(jobs_in(&gateway, "failed"), ["a", "c"]);
    drop(tampering);
    until("the problem to be over", || {
        let is_over = problems(&gateway).iter().all(|one| one["name"] != "storage");
        is_over.then_some(())
    });
}

/// Seconds of about four years.
const YEARS: i64 = 126_230_400;

#[test]
fn groups_of_the_future_are_told_and_expire_from_now_on() {
    let folder = tempfile::tempdir().unwrap();
    let Some(clock) = LedClock::new(folder.path()) else {
        return;
    };
    let start = || {
        let gateway = clock.wharf(WHARF, false);
        loaded(gateway.arg(format!("--storage.path={}/data", folder.path().display())))
    };
    let stop = |mut gateway: Gateway| {
        gateway.terminate();
        assert_eq!(gateway.wait().code, Some(0));
    };
    let expires = |gateway: &Gateway, job: &str| {
        let group = data(gateway, &format!("/api/v1/groups/job/{job}"));
        let expires = group["expires_at"].as_str().unwrap().parse::<jiff::Timestamp>();
        let now = data(gateway, "/api/v1/status")["now_seconds"].as_f64().unwrap();
        let expires = expires.unwrap().duration_since(jiff::Timestamp::UNIX_EPOCH);
        expires.as_secs_f64() - now
    };
    let gateway = start();
    gateway.push("/metrics/job/today?ttl=1h", "m 1\n");
    stop(gateway);
    clock.set(YEARS);
    let gateway = start();
    gateway.push("/metrics/job/hour?ttl=1h", "m 1\n");
    gateway.push("/metrics/job/ever", "m 1\n");
    refuse(&gateway, &post("/metrics/job/ever").body("m{"), 400);
    assert_eq!(jobs_in(&gateway, "future"), [""; 0]);
    stop(gateway);

    clock.set(0);
    let gateway = start();
    let line = gateway.log_line("pushed in the future");
    assert!(line.contains("level=warn") && line.contains("groups=2"), "{line}");
    assert_eq!(jobs_in(&gateway, "future"), ["ever", "hour"]);
    let found = problems(&gateway);
    assert_eq!((found.len(), &found[0]["name"]), (1, &json!("future")));
    let detail = found[0]["detail"].as_str().unwrap();
    assert!(detail.starts_with("2 groups are affected."), "{detail}");
    assert_eq!(
        data(&gateway, "/api/v1/stats")["totals"]["future_groups"],
        json!(2)
    );
    // The group of the right time is gone: its hour was over in that future.
    assert_eq!(gateway.send(&get("/api/v1/groups/job/today")).status, 404);
    let left = expires(&gateway, "hour");
    assert!((3500.0..=3600.0).contains(&left), "{left}");
    // What was refused after a push of the future has failed, whatever the times say.
    assert_eq!(jobs_in(&gateway, "failed"), ["ever"]);
    stop(gateway);

    // Another start does not begin to count again.
    clock.set(3000);
    let gateway = start();
    let left = expires(&gateway, "hour");
    assert!((400.0..=600.0).contains(&left), "{left}");
    gateway.push("/metrics/job/ever", "m 1\n");
    refuse(&gateway, &delete("/metrics/job/hour"), 202);
    assert_eq!(jobs_in(&gateway, "future"), [""; 0]);
    stop(gateway);
}

#[test]
fn a_clock_that_is_set_back_while_the_gateway_runs_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let Some(clock) = LedClock::new(folder.path()) else {
        return;
    };
    clock.set(YEARS);
    let gateway = loaded(clock.wharf(WHARF, false));
    gateway.push("/metrics/job/a?ttl=2h", "m 1\n");
    assert_eq!(problems(&gateway), [Value::Null; 0]);
    clock.set(0);
    gateway.log_line("pushed in the future");
    until("the problem to be told", || {
        (problems(&gateway).len() == 1).then_some(())
    });
    assert_eq!(jobs_in(&gateway, "future"), ["a"]);
}
