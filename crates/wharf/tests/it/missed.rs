//! Groups that are expected: what scrapes, the API and the tools say of those that do not come.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;
use wharf_testkit::http::{Request, delete, get, post, put};
use wharf_testkit::{Etcd, Gateway, Spawn, until};

use crate::operators::{fails, stderr, stdout, succeeds, tool, tool_at};
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
    // What stands in groups is nobody's to push: it would stay whatever replaces the group.
    for name in [
        "wharf_group_expected_info",
        "wharf_group_paused_until_timestamp_seconds",
    ] {
        let lines = format!("# TYPE {name} gauge\n{name} 1\n");
        assert_eq!(
            gateway.send(&put("/metrics/job/b").body(lines)).status,
            400,
            "{name}"
        );
    }
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

/// Where pushes may say when the next one is expected.
const FROM_PUSH: &str = "--expect.from-push";

/// A push of one metric that says this of the next one.
fn saying(path: &str, expect: &str) -> Request {
    put(path).header("Wharf-Expect", expect).body("m 1\n")
}

#[track_caller]
fn accept(gateway: &Gateway, request: &Request) {
    let answer = gateway.send(request);
    assert!(
        (200..300).contains(&answer.status),
        "{request}: {}",
        answer.text()
    );
}

/// The origin and the cadence of each group that is expected, by its job.
fn origins(gateway: &Gateway) -> BTreeMap<String, String> {
    let all = listed(gateway, "").into_iter();
    let word = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    all.map(|one| {
        let cadence = [&one["every"], &one["schedule"]]
            .into_iter()
            .find(|text| !text.is_null());
        let origin = format!("{} {}", word(&one["from"]), word(cadence.unwrap()));
        (word(&one["labels"]["job"]), origin)
    })
    .collect()
}

#[track_caller]
fn until_origins<const N: usize>(gateway: &Gateway, expected: [(&str, &str); N]) {
    let expected = expected
        .map(|(job, origin)| (job.to_owned(), origin.to_owned()))
        .into();
    until("these expectations", || {
        (origins(gateway) == expected).then_some(())
    });
}

#[test]
fn a_push_says_when_the_next_one_is_expected() {
    let (_folder, spawn) = with_rules("expect:\n- {match: '{job=\"ruled\"}', every: 2h}\n");
    let gateway = spawn.args([FROM_PUSH, "--expect.start-grace=0s"]).start();
    accept(&gateway, &saying("/metrics/job/header", "every=24h; grace=1h"));
    accept(
        &gateway,
        &put("/metrics/job/query?expect=schedule=0+3+*+*+1,5%3Btimezone=Europe/Berlin").body("m 1\n"),
    );
    accept(&gateway, &saying("/metrics/job/ruled", "every=24h"));
    let many = post("/api/v1/push?group_by=job").header("Wharf-Expect", "every=7m");
    accept(&gateway, &many.body("m{job=\"x\"} 1\nm{job=\"y\"} 1\n"));
    accept(
        &gateway,
        &post("/metrics/job/added?merge=aggregate&expect=every=3m").body("# TYPE c counter\nc 1\n"),
    );
    gateway.push("/metrics/job/other", "m 1\n");
    let all = [
        ("added", "push 3m"),
        ("header", "push 1d"),
        ("query", "push 0 3 * * 1,5"),
        ("ruled", "rule 2h"),
        ("x", "push 7m"),
        ("y", "push 7m"),
    ];
    until_origins(&gateway, all);
    let one = listed(&gateway, "?match[]=%7Bjob=%22ruled%22%7D").remove(0);
    assert_eq!((&one["rule"], &one["line"]), (&1.into(), &2.into()));
    // Pushes that say nothing change nothing of it, and one that says `none` ends it.
    gateway.replace("/metrics/job/header", "n 1\n");
    gateway.push("/metrics/job/header", "k 1\n");
    for job in ["query", "x", "y", "added"] {
        accept(&gateway, &saying(&format!("/metrics/job/{job}"), "none"));
    }
    until_origins(&gateway, [("header", "push 1d"), ("ruled", "rule 2h")]);
    let text = gateway.send(&get("/metrics")).text();
    let shown = "wharf_group_expected_info{expect=\"every=1d; grace=1h\",instance=\"\",job=\"header\"} 1\n";
    assert!(text.contains(shown), "{text}");
    // One that misses is overdue, and stays so when its metrics expire.
    accept(&gateway, &saying("/metrics/job/brief?ttl=1s", "every=1s"));
    until_overdue(&gateway, [("brief", true), ("header", false), ("ruled", false)]);
    until("the metrics to expire", || {
        let text = gateway.send(&get("/metrics")).text();
        (!text.contains("m{instance=\"\",job=\"brief\"}")).then_some(())
    });
    assert!(overdue(&gateway, "/metrics")["brief"]);
}

#[test]
fn what_a_push_says_wrongly_is_refused_with_its_column_and_changes_nothing() {
    let (_folder, spawn) = with_rules("expiry: []\n");
    let gateway = spawn.arg(FROM_PUSH).start();
    for (expect, text) in [
        (
            "every=24h, grace=1h",
            "expect: column 17: expected `;` between two parts, found another `=`",
        ),
        (
            "schedule=0 3 31 2 *",
            "expect: column 10: expected a date that comes some day",
        ),
        ("", "expect: column 1: expected every="),
    ] {
        let answer = gateway.send(&saying("/metrics/job/a", expect));
        assert_eq!(
            (answer.status, answer.text().contains(text)),
            (400, true),
            "{}",
            answer.text()
        );
    }
    let answer = gateway.send(&saying("/metrics/job/a?expect=none", "every=1h"));
    assert_eq!(answer.status, 400);
    let answer = gateway.send(&saying("/metrics/job/a/expect/x", "every=1h"));
    assert!(
        answer.status == 400 && answer.text().contains("without the label `expect`"),
        "{}",
        answer.text()
    );
    let mine = "# TYPE wharf_group_expected_info gauge\nwharf_group_expected_info 1\n";
    assert_eq!(gateway.send(&put("/metrics/job/a").body(mine)).status, 400);
    assert!(!gateway.send(&get("/metrics")).text().contains("\nm{"));
    // Where it is off, that is said. What stands in groups is nobody's to push there either.
    let gateway = wharf().start();
    let answer = gateway.send(&saying("/metrics/job/a", "every=1h"));
    assert!(
        answer.status == 400
            && answer
                .text()
                .contains("hint: start Wharf with --expect.from-push"),
        "{}",
        answer.text()
    );
    assert_eq!(gateway.send(&put("/metrics/job/a").body(mine)).status, 400);
}

#[test]
fn what_was_said_survives_a_kill_a_wipe_a_backup_and_an_undo() {
    let folder = tempfile::tempdir().unwrap();
    let start = |folder: &Path| {
        wharf()
            .arg(format!("--storage.path={}", folder.join("data").display()))
            .args([FROM_PUSH, "--web.enable-admin-api"])
            .start()
    };
    let mut gateway = start(folder.path());
    accept(&gateway, &saying("/metrics/job/a/instance/i", "every=24h"));
    accept(
        &gateway,
        &put("/api/v1/expectations/job/a/instance/i/pause?until=2100-01-01T00:00:00Z"),
    );
    gateway.kill();
    gateway.wait();
    let gateway = start(folder.path());
    until_origins(&gateway, [("a", "push 1d")]);
    assert_eq!(listed(&gateway, "?state=paused").len(), 1);
    let export = gateway.send(&get("/api/v1/export")).text();
    assert!(
        export.contains(r#""expect":"every=1d","paused_until":"2100-01-01T00:00:00Z""#),
        "{export}"
    );
    assert!(!export.contains("wharf_group_"), "{export}");
    // A deletion takes it along, and is undone with it.
    accept(&gateway, &delete("/metrics/job/a/instance/i"));
    until_origins(&gateway, []);
    accept(&gateway, &put("/api/v1/admin/undo"));
    until_origins(&gateway, [("a", "push 1d")]);
    // A wipe does not take it along.
    accept(&gateway, &put("/api/v1/admin/wipe"));
    let text = gateway.send(&get("/metrics")).text();
    assert!(
        !text.contains("\nm{") && text.contains("wharf_group_expected_info{"),
        "{text}"
    );
    accept(&gateway, &put("/api/v1/admin/undo"));
    assert!(gateway.send(&get("/metrics")).text().contains("\nm{"));
    // Another gateway has it from the backup.
    let other = tempfile::tempdir().unwrap();
    let other = start(other.path());
    accept(&other, &post("/api/v1/admin/import").body(export));
    until_origins(&other, [("a", "push 1d")]);
    assert_eq!(listed(&other, "?state=paused").len(), 1);
}

#[test]
fn what_is_expected_is_paused_resumed_and_taken_away() {
    let folder = tempfile::tempdir().unwrap();
    let rules = "expect:\n- {match: '{job=\"quick\"}', every: 1s}\n- {always: [{job: never}], every: 1s}\n";
    let spawn = in_folder(folder.path(), rules).args([FROM_PUSH, "--expect.start-grace=0s"]);
    let gateway = spawn.start();
    gateway.push("/metrics/job/quick", "m 1\n");
    accept(&gateway, &saying("/metrics/job/said", "every=1s"));
    until_overdue(&gateway, [("never", true), ("quick", true), ("said", true)]);
    let at = |job: &str, what: &str| put(&format!("/api/v1/expectations/job/{job}{what}"));
    for job in ["never", "quick", "said"] {
        let answer = gateway.send(&at(job, "/pause?until=2h"));
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(answer.json()["data"]["paused_until"].is_string());
    }
    until_overdue(&gateway, [("never", false), ("quick", false), ("said", false)]);
    assert_eq!(listed(&gateway, "?state=paused").len(), 3);
    assert!(
        gateway
            .send(&get("/metrics"))
            .text()
            .contains("push_time_seconds{instance=\"\",job=\"never\"} 0\n")
    );
    stop(gateway);
    let gateway = in_folder(folder.path(), rules)
        .args([FROM_PUSH, "--expect.start-grace=0s"])
        .start();
    assert_eq!(listed(&gateway, "?state=paused").len(), 3);
    let table = succeeds(&gateway, &["expect", "ls", "quick"]);
    assert!(
        table.contains("paused for ") && table.contains("rule 1, line 2"),
        "{table}"
    );
    assert_eq!(
        succeeds(&gateway, &["expect", "resume", "quick", "said"]),
        "resumed 2 groups\n"
    );
    until_overdue(&gateway, [("never", false), ("quick", true), ("said", true)]);
    // A rule goes with its file only.
    let refused = gateway.send(&delete("/api/v1/expectations/job/quick"));
    assert_eq!(refused.status, 409, "{}", refused.text());
    fails(&tool_at(&gateway, &["expect", "rm", "quick", "--yes"]), 1);
    assert_eq!(
        succeeds(&gateway, &["expect", "rm", "said", "--yes"]),
        "removed 1 group\n"
    );
    until_overdue(&gateway, [("never", false), ("quick", true)]);
    assert_eq!(
        succeeds(&gateway, &["expect", "pause", "quick", "--until=1d"]),
        "paused 1 group\n"
    );
    for (request, status) in [
        (at("said", "/pause?until=2h"), 404),
        (at("nobody", "/pause?until=2h"), 404),
        (delete("/api/v1/expectations/job/nobody"), 404),
        (at("never", "/pause"), 400),
        (at("never", "/pause?until=soon"), 400),
        (at("never", "/pause?until=2001-01-01T00:00:00Z"), 400),
        (at("never", "/resume?until=2h"), 400),
        (at("never", "/resume"), 200),
        (at("never", "/resume"), 404),
    ] {
        let answer = gateway.send(&request);
        assert_eq!(answer.status, status, "{request}: {}", answer.text());
    }
    let audit = gateway
        .send(&get(
            "/api/v1/admin/audit?kind=expect_pause,expect_resume,expect_remove",
        ))
        .json();
    let kinds = audit["data"]["entries"].as_array().unwrap().iter();
    let kinds: Vec<&str> = kinds.filter_map(|entry| entry["kind"].as_str()).collect();
    assert!(
        kinds.contains(&"expect_pause")
            && kinds.contains(&"expect_resume")
            && kinds.contains(&"expect_remove"),
        "{kinds:?}"
    );
}

#[test]
fn replicas_know_what_was_said_to_one_of_them() {
    let Some(etcd) = Etcd::start(1, &["--unsafe-no-fsync"]) else {
        return;
    };
    let replica = |name: &str| {
        wharf()
            .arg(format!("--storage.etcd={}", etcd.urls().join(",")))
            .arg(format!("--replica.name={name}"))
            .args([FROM_PUSH, "--web.enable-admin-api", "--expect.start-grace=0s"])
            .start()
    };
    let (a, mut b) = (replica("a"), replica("b"));
    accept(&a, &saying("/metrics/job/said", "every=24h"));
    accept(&a, &saying("/metrics/job/late", "every=1s"));
    for replica in [&a, &b] {
        until_overdue(replica, [("late", true), ("said", false)]);
    }
    accept(&b, &put("/api/v1/expectations/job/late/pause?until=2h"));
    // Whoever takes the next push keeps what the others were told.
    a.replace("/metrics/job/said", "n 1\n");
    accept(&a, &put("/api/v1/admin/wipe"));
    b.kill();
    b.wait();
    let b = replica("b");
    for replica in [&a, &b] {
        until_overdue(replica, [("late", false), ("said", false)]);
        until_origins(replica, [("late", "push 1s"), ("said", "push 1d")]);
        assert!(!replica.send(&get("/metrics")).text().contains("\nn{"));
    }
    accept(&b, &saying("/metrics/job/said", "none"));
    accept(&b, &delete("/metrics/job/late"));
    for replica in [&a, &b] {
        until_origins(replica, []);
    }
}

#[test]
fn the_tools_say_when_the_next_run_is_expected() {
    let gateway = wharf().arg(FROM_PUSH).start();
    let at = format!("--gateway=http://{}", gateway.address());
    let run = |expect: &[&str]| tool(&[&["run", "--job=r", &at], expect, &["--", "true"]].concat());
    let push = ["push", "--job=p", "--metric=m=1"];
    let push = |expect: &[&str]| tool_at(&gateway, &[&push, expect].concat());
    assert!(
        push(&["--expect-every=24h", "--expect-grace=1h"])
            .status
            .success()
    );
    let zone = "--expect-timezone=Europe/Berlin";
    assert!(run(&["--expect-schedule=0 3 * * *", zone]).status.success());
    until_origins(&gateway, [("p", "push 1d"), ("r", "push 0 3 * * *")]);
    assert!(run(&["--expect-none"]).status.success());
    until_origins(&gateway, [("p", "push 1d")]);
    let shown = stdout(&push(&["--expect-every=90s", "--dry-run"]));
    assert!(shown.contains("Wharf-Expect: every=1m30s\n"), "{shown}");
    fails(&run(&["--expect-schedule=0 3 * *"]), 125);
    fails(&push(&["--expect-grace=1h"]), 2);
}
