//! Groups that are expected: what scrapes, the API and the tools say of those that do not come.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;
use wharf_testkit::http::{delete, get, put};
use wharf_testkit::{Etcd, Gateway, Spawn, until};

use crate::operators::{fails, stderr, stdout, succeeds, tool_at};
use crate::rules::with_rules;
use crate::wharf;

/// `quick` is overdue a second after each push, `slow` never in a test, and `gone` has to be there, and never is.
const RULES: &str = "
expect:
  - match: '{job=\"quick\"}'
    every: 1s
  - match: '{job=\"slow\"}'
    schedule: 0 3 * * *
    timezone: Europe/Berlin
    grace: 1h
  - always: [{job: gone, instance: db1}]
    every: 1h
    since: 2026-01-01T00:00:00Z
";

/// Of each job whether it is overdue, as a scrape of this path says.
fn overdue(gateway: &Gateway, path: &str) -> BTreeMap<String, bool> {
    let text = gateway.send(&get(path)).text();
    let lines = text
        .lines()
        .filter(|line| line.starts_with("wharf_group_overdue{"));
    let jobs = lines.map(|line| {
        let (_, rest) = line.split_once("job=\"").unwrap();
        let (job, rest) = rest.split_once('"').unwrap();
        (job.to_owned(), rest.ends_with(" 1"))
    });
    jobs.collect()
}

fn jobs<const N: usize>(jobs: [(&str, bool); N]) -> BTreeMap<String, bool> {
    jobs.map(|(job, is_overdue)| (job.to_owned(), is_overdue)).into()
}

#[track_caller]
fn until_overdue<const N: usize>(gateway: &Gateway, expected: [(&str, bool); N]) {
    let expected = jobs(expected);
    until("these groups to be overdue, and no others", || {
        (overdue(gateway, "/metrics") == expected).then_some(())
    });
}

fn listed(gateway: &Gateway, query: &str) -> Vec<Value> {
    let answer = gateway.send(&get(&format!("/api/v1/expectations{query}"))).json();
    answer["data"]["expectations"].as_array().unwrap().clone()
}

#[test]
fn a_job_that_does_not_come_is_overdue_until_it_comes() {
    let (_folder, spawn) = with_rules(RULES);
    let gateway = spawn.arg("--expect.start-grace=0s").start();
    for job in ["quick", "slow", "other"] {
        gateway.push(&format!("/metrics/job/{job}"), "m 1\n");
    }
    until_overdue(&gateway, [("gone", true), ("quick", true), ("slow", false)]);
    gateway.push("/metrics/job/gone/instance/db1", "m 1\n");
    assert_eq!(gateway.send(&delete("/metrics/job/quick")).status, 202);
    until_overdue(&gateway, [("gone", false), ("slow", false)]);
}

#[test]
fn every_format_shows_it_and_a_part_shows_its_groups() {
    let (_folder, spawn) = with_rules(RULES);
    let gateway = spawn
        .arg("--web.enable-openmetrics")
        .arg("--expect.start-grace=0s")
        .start();
    gateway.push("/metrics/job/slow", "m 1\n");
    until_overdue(&gateway, [("gone", true), ("slow", false)]);
    let part = "/metrics?match[]=%7Bjob=~%22gone%7Cother%22%7D";
    assert_eq!(overdue(&gateway, part), jobs([("gone", true)]));
    let text = gateway.send(&get("/metrics")).text();
    assert!(text.contains(
        "# TYPE wharf_group_overdue gauge\nwharf_group_overdue{instance=\"db1\",job=\"gone\"} 1\n"
    ));
    // Twice, since the second is made of what is kept of the first; and again after a change.
    for (job, expected) in [("slow", "} 1"), ("slow", "} 1"), ("gone/instance/db1", "} 0")] {
        gateway.push(&format!("/metrics/job/{job}"), "m 1\n");
        for accept in [
            "application/openmetrics-text;version=1.0.0",
            "text/plain;version=0.0.4",
        ] {
            let asked = get("/metrics").header("Accept", accept);
            let wanted = format!("wharf_group_overdue{{instance=\"db1\",job=\"gone\"{expected}");
            until("the state of the group in this format", || {
                gateway.send(&asked).text().contains(&wanted).then_some(())
            });
        }
    }
}

/// Wharf with these rules, which keeps its groups in the same folder.
fn in_folder(folder: &Path, rules: &str) -> Spawn {
    let file = folder.join("wharf.yml");
    fs::write(&file, rules).unwrap();
    wharf()
        .arg(format!("--config.file={}", file.display()))
        .arg(format!("--storage.path={}", folder.join("data").display()))
}

fn stop(mut gateway: Gateway) {
    gateway.terminate();
    assert_eq!(gateway.wait().code, Some(0));
}

#[test]
fn a_restart_knows_what_was_overdue() {
    let folder = tempfile::tempdir().unwrap();
    let rules = "expect:\n- {match: '{job=\"quick\"}', every: 1s}\n- {match: '{}', every: 1h}\n";
    let gateway = in_folder(folder.path(), rules).start();
    gateway.push("/metrics/job/quick", "m 1\n");
    // The grace of the start is still under way, and is not for what came after it.
    let due =
        |gateway: &Gateway| listed(gateway, "?state=due").len() + listed(gateway, "?state=overdue").len();
    until("the group to be due", || (due(&gateway) == 1).then_some(()));
    // Whoever comes later proves that the gateway was there to see it come.
    gateway.push("/metrics/job/slow", "m 1\n");
    stop(gateway);
    let gateway = in_folder(folder.path(), rules).start();
    until_overdue(&gateway, [("quick", true), ("slow", false)]);
}

#[test]
fn replicas_agree_on_what_is_overdue() {
    let Some(etcd) = Etcd::start(1, &["--unsafe-no-fsync"]) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("wharf.yml");
    fs::write(&file, RULES).unwrap();
    let replica = |name: &str| {
        wharf()
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.etcd={}", etcd.urls().join(",")))
            .arg(format!("--replica.name={name}"))
            .arg("--expect.start-grace=0s")
            .start()
    };
    let (a, b) = (replica("a"), replica("b"));
    a.push("/metrics/job/quick", "m 1\n");
    b.push("/metrics/job/slow", "m 1\n");
    for replica in [&a, &b] {
        until_overdue(replica, [("gone", true), ("quick", true), ("slow", false)]);
    }
    b.push("/metrics/job/gone/instance/db1", "m 1\n");
    for replica in [&a, &b] {
        until_overdue(replica, [("gone", false), ("quick", true), ("slow", false)]);
    }
    // Another one that starts finds the same.
    until_overdue(&replica("c"), [("gone", false), ("quick", true), ("slow", false)]);
}

#[test]
fn the_api_says_what_is_expected() {
    let (_folder, spawn) = with_rules(RULES);
    let gateway = spawn.arg("--expect.start-grace=0s").start();
    gateway.push("/metrics/job/slow", "m 1\n");
    until_overdue(&gateway, [("gone", true), ("slow", false)]);
    let [gone, slow] = listed(&gateway, "").try_into().unwrap();
    assert_eq!((&gone["state"], &gone["rule"]), (&"overdue".into(), &3.into()));
    assert_eq!((&gone["every"], &gone["last_push"]), (&"1h".into(), &Value::Null));
    assert_eq!(gone["labels"]["instance"], "db1");
    assert_eq!((&slow["state"], &slow["rule"]), (&"waiting".into(), &2.into()));
    assert_eq!(
        (&slow["schedule"], &slow["timezone"], &slow["grace"]),
        (&"0 3 * * *".into(), &"Europe/Berlin".into(), &"1h".into())
    );
    let names = |query: &str| -> Vec<Value> {
        listed(&gateway, query)
            .iter()
            .map(|one| one["labels"]["job"].clone())
            .collect()
    };
    assert_eq!(names("?state=overdue"), ["gone"]);
    assert_eq!(names("?match[]=%7Bjob=%22slow%22%7D"), ["slow"]);
    assert_eq!(names("?q=job=slo"), ["slow"]);
    assert_eq!(names("?group=job/gone/instance/db1"), ["gone"]);
    assert_eq!(names("?group=job/gone"), [""; 0]);
    assert_eq!(gone["path"], "job/gone/instance/db1");
    let first = gateway.send(&get("/api/v1/expectations?limit=1")).json();
    let cursor = first["data"]["next_cursor"].as_str().unwrap();
    assert_eq!(names(&format!("?limit=1&cursor={cursor}")), ["slow"]);
}

#[test]
fn what_is_overdue_comes_first_if_that_is_asked_for_and_is_counted() {
    let rules = "expect:\n- {match: '{job=\"z\"}', every: 1s}\n- {match: '{}', every: 1h}\n";
    let (_folder, spawn) = with_rules(rules);
    let gateway = spawn.arg("--expect.start-grace=0s").start();
    for job in ["a", "b", "z"] {
        gateway.push(&format!("/metrics/job/{job}"), "m 1\n");
    }
    until_overdue(&gateway, [("a", false), ("b", false), ("z", true)]);
    let mut jobs = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = get(&format!(
            "/api/v1/expectations?sort=state&limit=1&totals=true{cursor}"
        ));
        let page = gateway.send(&page).json();
        let totals = serde_json::json!({"overdue": 1, "due": 0, "waiting": 2, "paused": 0});
        assert_eq!(page["data"]["totals"], totals);
        jobs.push(page["data"]["expectations"][0]["labels"]["job"].clone());
        match page["data"]["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(jobs, ["z", "a", "b"]);
    // Listings of groups know it too.
    let groups = gateway.send(&get("/api/v1/groups?state=overdue")).json();
    assert_eq!(groups["data"]["groups"].as_array().map(Vec::len), Some(1));
    let overdue = &groups["data"]["groups"][0];
    assert_eq!(overdue["states"], serde_json::json!(["overdue"]));
    assert_eq!(overdue["expectation"]["state"], "overdue");
    let other = gateway.send(&get("/api/v1/groups/job/a")).json();
    assert_eq!(other["data"]["expectation"]["state"], "waiting");
}

#[test]
fn the_past_says_what_came_and_what_did_not() {
    let (_folder, spawn) = with_rules(RULES);
    let gateway = spawn.arg("--expect.start-grace=0s").start();
    for job in ["quick", "slow"] {
        gateway.push(&format!("/metrics/job/{job}"), "m 1\n");
    }
    until_overdue(&gateway, [("gone", true), ("quick", true), ("slow", false)]);
    let [gone, quick, slow] = listed(&gateway, "?past=35d").try_into().unwrap();
    let outcomes = |one: &Value| -> Vec<String> {
        let past = one["past"].as_array().unwrap().iter();
        past.map(|occasion| occasion[2].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(outcomes(&slow), ["extra"]);
    assert_eq!(outcomes(&quick)[..2], ["extra", "missed"]);
    // It has never come, for as long as was asked for: some of each day are told.
    assert!(outcomes(&gone).iter().all(|outcome| outcome == "missed"));
    assert!(
        (24 + 3 * 34..=24 + 4 * 35).contains(&outcomes(&gone).len()),
        "{gone}"
    );
    assert!(listed(&gateway, "")[0].get("past").is_none());
}

#[test]
fn the_tools_list_them_and_scripts_see_it_in_the_exit_code() {
    let (_folder, spawn) = with_rules(RULES);
    let gateway = spawn.arg("--expect.start-grace=0s").start();
    gateway.push("/metrics/job/slow", "m 1\n");
    until_overdue(&gateway, [("gone", true), ("slow", false)]);
    let output = tool_at(&gateway, &["ls", "--overdue"]);
    fails(&output, 3);
    let table = stdout(&output);
    assert!(table.starts_with("JOB ") && table.contains("gone "), "{table}");
    assert!(!table.contains("slow "), "{table}");
    let top = succeeds(&gateway, &["top", "--once", "--interval=10ms"]);
    assert!(top.contains("groups 1  overdue 1 of 2 "), "{top}");
    gateway.push("/metrics/job/gone/instance/db1", "m 1\n");
    until_overdue(&gateway, [("gone", false), ("slow", false)]);
    let output = tool_at(&gateway, &["ls", "--overdue"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(stderr(&output), "wharf ls: no group is overdue\n");
    let listed: Value = serde_json::from_str(&succeeds(&gateway, &["expect", "ls", "-o", "json"])).unwrap();
    assert_eq!(listed.as_array().map(Vec::len), Some(2));
    let table = succeeds(&gateway, &["expect", "ls", "slow"]);
    assert!(table.contains("0 3 * * * (Europe/Berlin)"), "{table}");
}

#[test]
fn tables_of_groups_mark_those_that_are_overdue() {
    let (_folder, spawn) = with_rules(RULES);
    let gateway = spawn.arg("--expect.start-grace=0s").start();
    gateway.push("/metrics/job/slow", "m 1\n");
    let table = succeeds(&gateway, &["ls"]);
    assert!(!table.contains("OVERDUE"), "{table}");
    gateway.push("/metrics/job/quick", "m 1\n");
    until_overdue(&gateway, [("gone", true), ("quick", true), ("slow", false)]);
    for tool in [&["ls"][..], &["top", "--once", "--interval=10ms"]] {
        let table = succeeds(&gateway, tool);
        let heading = table.lines().find(|line| line.contains("OVERDUE")).unwrap();
        let end = heading.find("OVERDUE").unwrap() + "OVERDUE".len();
        let cell = |job: &str| {
            let line = table.lines().find(|line| line.starts_with(job)).unwrap();
            line[..end]
                .trim_end()
                .rsplit("  ")
                .next()
                .unwrap()
                .trim()
                .to_owned()
        };
        assert!(cell("quick").ends_with("ago"), "{table}");
        assert_eq!(cell("slow"), "-", "{table}");
    }
}

#[test]
fn names_are_reserved_only_where_something_is_expected() {
    let lines = "# TYPE wharf_group_overdue gauge\nwharf_group_overdue 1\n";
    let (_folder, spawn) = with_rules(RULES);
    let gateway = spawn.start();
    let answer = gateway.send(&put("/metrics/job/a").body(lines));
    assert_eq!(answer.status, 400);
    assert!(
        answer
            .text()
            .contains("gathered metric family wharf_group_overdue is one of the gateway's own"),
        "{}",
        answer.text()
    );
    let (folder, spawn) = with_rules("expiry: []\n");
    let gateway = spawn.arg("--web.enable-lifecycle").start();
    assert_eq!(gateway.send(&put("/metrics/job/a").body(lines)).status, 200);
    assert_eq!(overdue(&gateway, "/metrics"), jobs([("a", true)]));
    // Rules that come later need a start.
    fs::write(folder.path().join("wharf.yml"), RULES).unwrap();
    let answer = gateway.send(&put("/-/reload"));
    assert_eq!(answer.status, 500);
    assert!(answer.text().contains("start Wharf anew"), "{}", answer.text());
    let [] = listed(&gateway, "").try_into().unwrap();
}

#[test]
fn what_was_pushed_under_these_names_before_is_kept_and_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = in_folder(folder.path(), "").start();
    gateway.push(
        "/metrics/job/a",
        "# TYPE wharf_group_overdue gauge\nwharf_group_overdue 1\nm 1\n",
    );
    stop(gateway);
    let gateway = in_folder(folder.path(), RULES)
        .arg("--expect.start-grace=0s")
        .start();
    until_overdue(&gateway, [("gone", true)]);
    let status = gateway.send(&get("/api/v1/status")).json();
    let problems = status["data"]["problems"].to_string();
    assert!(
        problems.contains("names are those of the metrics of missed jobs"),
        "{problems}"
    );
    let group = gateway.send(&get("/api/v1/groups/job/a")).text();
    assert!(group.contains("wharf_group_overdue"), "{group}");
}

#[test]
fn other_rules_count_after_a_reload() {
    let (folder, spawn) = with_rules(RULES);
    let gateway = spawn
        .arg("--web.enable-lifecycle")
        .arg("--expect.start-grace=0s")
        .start();
    gateway.push("/metrics/job/slow", "m 1\n");
    until_overdue(&gateway, [("gone", true), ("slow", false)]);
    let paused = "expect:\n- {match: '{job=\"slow\"}', every: 1s, paused_until: 2100-01-01T00:00:00Z}\n";
    fs::write(folder.path().join("wharf.yml"), paused).unwrap();
    assert_eq!(gateway.send(&put("/-/reload")).status, 200);
    until_overdue(&gateway, [("slow", false)]);
    assert_eq!(listed(&gateway, "?state=paused").len(), 1);
    fs::write(folder.path().join("wharf.yml"), "").unwrap();
    assert_eq!(gateway.send(&put("/-/reload")).status, 200);
    until_overdue(&gateway, []);
    assert!(
        !gateway
            .send(&get("/metrics"))
            .text()
            .contains("wharf_groups_expected")
    );
}
