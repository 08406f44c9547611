//! The configuration file: expiry, quotas, relabelling, and reading it again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;
use wharf_testkit::http::{delete, get, post, put};
use wharf_testkit::{Gateway, Prometheus, Sample, Spawn, until};

use crate::{WHARF, gateways, loaded, wharf};

/// A folder with a configuration file, and Wharf that reads it.
pub(crate) fn with_rules(rules: &str) -> (TempDir, Spawn) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("wharf.yml");
    fs::write(&file, rules).unwrap();
    let spawn = wharf().arg(format!("--config.file={}", file.display()));
    (folder, spawn)
}

fn rewrite(folder: &TempDir, rules: &str) {
    fs::write(folder.path().join("wharf.yml"), rules).unwrap();
}

/// What the listing says of a job's only group.
fn group(gateway: &Gateway, job: &str) -> Option<Value> {
    let query = format!("/api/v1/groups?match[]=%7Bjob=%22{job}%22%7D");
    let answer = gateway.send(&get(&query)).json();
    let groups = answer["data"]["groups"].as_array().unwrap();
    assert!(groups.len() < 2, "{answer}");
    groups.first().cloned()
}

fn ttl(gateway: &Gateway, job: &str) -> Option<String> {
    group(gateway, job).unwrap()["ttl"].as_str().map(str::to_owned)
}

fn own_metric(gateway: &Gateway, name: &str) -> f64 {
    let scrape = gateway.scrape();
    let sample = scrape.samples.iter().find(|sample| sample.name == name);
    sample.map_or(f64::NAN, Sample::number)
}

// ---- the file ---------------------------------------------------------------------------------------------

#[test]
fn a_file_with_mistakes_stops_the_start_and_is_explained() {
    let (_folder, spawn) = with_rules("expiry:\n  - match: '{}'\n    tll: 1h\n");
    let exit = spawn.run();
    assert_eq!(exit.code, Some(1));
    let expected = "wharf.yml: line 3, column 5: unknown field `tll`, expected one of match, ttl, keep_times";
    assert!(exit.stderr.contains(expected), "{exit:?}");
    let exit = wharf().arg("--config.file=/nonexistent/wharf.yml").run();
    assert_eq!(exit.code, Some(1));
    assert!(
        exit.stderr.contains("/nonexistent/wharf.yml: No such file"),
        "{exit:?}"
    );
}

#[test]
fn a_file_can_be_checked_without_a_start() {
    let check = |path: &Path| {
        let output = Command::new(WHARF)
            .args(["config", "check"])
            .arg(path)
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("wharf.yml");
    fs::write(&file, "expiry:\n  - {match: '{}', ttl: 1h}\n").unwrap();
    let sound = "sound: 1 expiry rule, 0 quotas, 0 relabelling rules\n";
    assert_eq!(check(&file), (Some(0), sound.to_owned(), String::new()));
    fs::write(
        &file,
        "expiry:\n  - {match: '{job}', ttl: 1}\nquotas:\n  - match: '{}'\n",
    )
    .unwrap();
    let (code, stdout, stderr) = check(&file);
    assert_eq!((code, stdout.as_str()), (Some(1), ""));
    assert_eq!(stderr.matches("wharf.yml: line ").count(), 3, "{stderr}");
}

#[test]
fn a_file_that_never_ends_is_not_read_to_its_end() {
    let exit = wharf().arg("--config.file=/dev/zero").run();
    assert_eq!(exit.code, Some(1));
    let expected = "/dev/zero: expected at most 4194304 bytes, found more";
    assert!(exit.stderr.contains(expected), "{exit:?}");
}

#[test]
fn the_rules_of_the_documentation_are_sound() {
    let page = include_str!("../../../../docs/configuration.md");
    let example = page
        .split("```yaml\n")
        .nth(1)
        .unwrap()
        .split("```")
        .next()
        .unwrap();
    let (_folder, spawn) = with_rules(example);
    let gateway = spawn.start();
    gateway.push("/metrics/job/ci-a", "m{pod_name=\"x\"} 1\n");
    assert_eq!(ttl(&gateway, "ci-a").as_deref(), Some("1d12h"));
    let scrape = gateway.scrape();
    let sample = scrape.samples.iter().find(|sample| sample.name == "m").unwrap();
    assert!(!sample.labels.contains_key("pod_name"), "{sample:?}");
}

#[test]
fn a_hang_up_or_a_request_reads_the_file_again() {
    let (folder, spawn) = with_rules("expiry:\n  - {match: '{}', ttl: 1h}\n");
    let gateway = spawn.arg("--web.enable-lifecycle").start();
    gateway.push("/metrics/job/a", "m 1\n");
    assert_eq!(ttl(&gateway, "a").as_deref(), Some("1h"));
    assert!((own_metric(&gateway, "wharf_config_last_reload_successful") - 1.0).abs() < 0.1);
    let first = own_metric(&gateway, "wharf_config_last_reload_success_timestamp_seconds");

    rewrite(&folder, "expiry:\n  - {match: '{}', ttl: 2h}\n");
    gateway.hang_up();
    gateway.log_line("configuration file read again");
    assert!(own_metric(&gateway, "wharf_config_last_reload_success_timestamp_seconds") > first);
    // A group has what its last push gave it.
    assert_eq!(ttl(&gateway, "a").as_deref(), Some("1h"));
    gateway.push("/metrics/job/a", "m 1\n");
    assert_eq!(ttl(&gateway, "a").as_deref(), Some("2h"));

    for request in [post("/-/reload"), put("/-/reload")] {
        rewrite(&folder, "expiry:\n  - {match: '{}', ttl: 3h}\n");
        assert_eq!(gateway.send(&request).status, 200);
    }
    gateway.push("/metrics/job/a", "m 1\n");
    assert_eq!(ttl(&gateway, "a").as_deref(), Some("3h"));
}

#[test]
fn a_bad_file_keeps_the_old_rules() {
    let (folder, spawn) = with_rules("expiry:\n  - {match: '{}', ttl: 1h}\n");
    let gateway = spawn.arg("--web.enable-lifecycle").start();
    rewrite(&folder, "expiry:\n  - {match: '{}', ttl: never}\n");
    let answer = gateway.send(&post("/-/reload"));
    assert_eq!(answer.status, 500);
    assert!(
        answer.text().starts_with("failed to reload config: "),
        "{}",
        answer.text()
    );
    assert!(
        answer.text().contains("wharf.yml: line 2, column 24: "),
        "{}",
        answer.text()
    );
    gateway.log_line("the old rules stay");
    assert!(own_metric(&gateway, "wharf_config_last_reload_successful") < 0.5);
    assert!(own_metric(&gateway, "wharf_config_last_reload_success_timestamp_seconds") > 0.0);
    gateway.push("/metrics/job/a", "m 1\n");
    assert_eq!(ttl(&gateway, "a").as_deref(), Some("1h"));
}

#[test]
fn the_numbers_say_whether_the_file_is_in_force() {
    let configuration = |gateway: &Gateway| {
        let answer = gateway.send(&get("/api/v1/stats")).json();
        answer["data"]["configuration"].clone()
    };
    let none = serde_json::json!({"file": null, "loaded_seconds": null, "reload": null});
    assert_eq!(configuration(&wharf().start()), none);

    let (folder, spawn) = with_rules("expiry:\n  - {match: '{}', ttl: 1h}\n");
    let gateway = spawn.arg("--web.enable-lifecycle").start();
    let at_first = configuration(&gateway);
    assert!(
        at_first["file"].as_str().unwrap().ends_with("/wharf.yml"),
        "{at_first}"
    );
    assert_eq!(at_first["reload"], Value::Null);
    let loaded = at_first["loaded_seconds"].as_f64().unwrap();

    rewrite(
        &folder,
        "expiry:\n  - {match: '{}', ttl: never}\n  - {match: '{job}', ttl: 1h}\n",
    );
    assert_eq!(gateway.send(&post("/-/reload")).status, 500);
    let refused = configuration(&gateway);
    assert_eq!(refused["loaded_seconds"].as_f64(), Some(loaded));
    let reload = &refused["reload"];
    assert_eq!(reload["successful"], false);
    assert!(reload["time_seconds"].as_f64().unwrap() > loaded);
    let error = reload["error"].as_str().unwrap();
    assert_eq!(error.matches("wharf.yml: line ").count(), 2, "{error}");
    let problems = || gateway.send(&get("/api/v1/status")).json()["data"]["problems"].clone();
    assert_eq!(problems()[0]["name"], "config");
    assert_eq!(problems()[0]["detail"], error);

    rewrite(&folder, "quotas: []\n");
    assert_eq!(gateway.send(&post("/-/reload")).status, 200);
    let used = configuration(&gateway);
    assert!(used["loaded_seconds"].as_f64().unwrap() > loaded);
    assert_eq!(used["reload"]["successful"], true);
    assert_eq!(used["reload"]["error"], Value::Null);
    assert_eq!(problems(), serde_json::json!([]));
}

#[test]
fn without_the_flag_there_is_no_reload_and_without_a_file_nothing_to_reload() {
    for spawn in gateways() {
        let gateway = spawn.start();
        assert_eq!(gateway.send(&post("/-/reload")).status, 404);
    }
    let gateway = wharf().arg("--web.enable-lifecycle").start();
    assert_eq!(gateway.send(&post("/-/reload")).status, 400);
    let has = |name: &str| gateway.scrape().families.contains_key(name);
    assert!(!has("wharf_config_last_reload_successful"));
}

// ---- expiry -----------------------------------------------------------------------------------------------

#[test]
fn the_push_decides_on_its_time_to_live_before_rules_and_flags() {
    let (_folder, spawn) = with_rules("expiry:\n  - {match: '{job=~\"ci-.*\"}', ttl: 2h}\n");
    let gateway = spawn.args(["--push.default-ttl=5m", "--push.max-ttl=1d"]).start();
    gateway.push("/metrics/job/ci-a", "m 1\n");
    gateway.push("/metrics/job/b", "n 1\n");
    assert_eq!(ttl(&gateway, "ci-a").as_deref(), Some("2h"));
    assert_eq!(ttl(&gateway, "b").as_deref(), Some("5m"));
    gateway.push("/metrics/job/ci-a?ttl=36m", "m 1\n");
    assert_eq!(ttl(&gateway, "ci-a").as_deref(), Some("36m"));
    let with_header = post("/metrics/job/b").header("Wharf-TTL", "1d").body("n 1\n");
    assert_eq!(gateway.send(&with_header).status, 200);
    assert_eq!(ttl(&gateway, "b").as_deref(), Some("1d"));

    for query in ["ttl=25h", "ttl=0", "ttl=soon", "ttl=-1h", "ttl="] {
        let refused = gateway.send(&post(&format!("/metrics/job/b?{query}")).body("n 2\n"));
        assert_eq!(refused.status, 400, "{query}: {}", refused.text());
    }
    assert_eq!(
        gateway
            .scrape()
            .samples
            .iter()
            .find(|s| s.name == "n")
            .unwrap()
            .value,
        "1"
    );
}

#[test]
fn without_rules_and_flags_groups_stay_and_zero_means_so() {
    let gateway = wharf().start();
    gateway.push("/metrics/job/a", "m 1\n");
    assert_eq!(ttl(&gateway, "a"), None);
    gateway.push("/metrics/job/a?ttl=1h", "m 1\n");
    assert_eq!(ttl(&gateway, "a").as_deref(), Some("1h"));
    gateway.push("/metrics/job/a?ttl=0", "m 1\n");
    assert_eq!(ttl(&gateway, "a"), None);
}

#[test]
fn a_group_leaves_when_its_time_is_over_and_leaves_its_times_where_the_rule_says_so() {
    let (_folder, spawn) = with_rules("expiry:\n  - {match: '{job=\"times\"}', ttl: 1s, keep_times: true}\n");
    let gateway = spawn.arg("--push.default-ttl=1s").start();
    gateway.push("/metrics/job/times", "m{a=\"1\"} 1\n");
    gateway.push("/metrics/job/gone", "m{a=\"2\"} 1\n");
    gateway.push("/metrics/job/stays?ttl=1h", "m{a=\"3\"} 1\n");
    until("the groups to expire", || {
        let scrape = gateway.scrape();
        (scrape.samples.iter().filter(|sample| sample.name == "m").count() == 1).then_some(())
    });
    let jobs: Vec<String> = gateway
        .scrape()
        .samples
        .iter()
        .filter(|sample| sample.name == "push_time_seconds")
        .map(|sample| sample.labels["job"].clone())
        .collect();
    assert_eq!(jobs, ["stays", "times"]);
    gateway.log_line("groups expired");
    let scrape = gateway.scrape();
    let expired = |kept: &str| {
        let mut samples = scrape.samples.iter();
        let sample = samples.find(|sample| {
            sample.name == "wharf_groups_expired_total" && sample.labels["kept_times"] == kept
        });
        sample.unwrap().value.clone()
    };
    assert_eq!(
        (expired("true"), expired("false")),
        ("1".to_owned(), "1".to_owned())
    );
    assert!((own_metric(&gateway, "wharf_groups_expiring") - 1.0).abs() < 0.1);
}

#[test]
fn what_has_expired_while_nothing_ran_is_not_seen_again() {
    let folder = tempfile::tempdir().unwrap();
    let on = || wharf().arg(format!("--storage.path={}", folder.path().display()));
    let mut gateway = on().start();
    gateway.push("/metrics/job/short?ttl=1s", "m{a=\"1\"} 1\n");
    gateway.push("/metrics/job/long?ttl=1h", "m{a=\"2\"} 1\n");
    let long = group(&gateway, "long").unwrap();
    let pushed_at = group(&gateway, "short").map(|group| group["push_time_seconds"].as_f64().unwrap());
    gateway.kill();
    gateway.wait();
    let now = || jiff::Timestamp::now().as_duration().as_secs_f64();
    until("the time to be over", || {
        (now() > pushed_at.unwrap_or(0.0) + 1.0).then_some(())
    });
    let gateway = loaded(on());
    let names: Vec<_> = gateway
        .scrape()
        .samples
        .iter()
        .filter(|s| s.name == "m")
        .cloned()
        .collect();
    assert_eq!(names.len(), 1, "{names:?}");
    assert_eq!(group(&gateway, "long").unwrap(), long);
}

#[test]
fn a_refused_push_changes_no_deadline() {
    let gateway = wharf().start();
    gateway.push("/metrics/job/a?ttl=1h", "m 1\n");
    let before = group(&gateway, "a").unwrap()["expires_at"].clone();
    assert_eq!(
        gateway
            .send(&post("/metrics/job/a?ttl=9h").body("m 1 5\n"))
            .status,
        400
    );
    assert_eq!(group(&gateway, "a").unwrap()["expires_at"], before);
    gateway.push("/metrics/job/a?ttl=1h", "m 1\n");
    assert_ne!(group(&gateway, "a").unwrap()["expires_at"], before);
}

// ---- quotas and limits ------------------------------------------------------------------------------------

#[test]
fn a_quota_refuses_what_is_beyond_it_and_names_itself() {
    let (folder, spawn) = with_rules(
        "quotas:\n  - {match: '{team=\"web\"}', groups: 2, series: 8}\n  - {match: '{team=\"big\"}', bytes: 1KiB}\n",
    );
    let gateway = spawn.arg("--web.enable-lifecycle").start();
    gateway.push("/metrics/job/a/team/web", "m 1\n");
    gateway.push("/metrics/job/b/team/web", "m 1\n");
    let refused = gateway.send(&post("/metrics/job/c/team/web").body("m 1\n"));
    assert_eq!(refused.status, 429);
    assert!(refused.header("Retry-After").is_some());
    assert!(
        refused
            .text()
            .contains("at most 2 groups of `{team=\"web\"}`, found 3"),
        "{}",
        refused.text()
    );
    let refused =
        gateway.send(&post("/metrics/job/b/team/web").body("n{a=\"1\"} 1\nn{a=\"2\"} 1\nn{a=\"3\"} 1\n"));
    assert_eq!(refused.status, 429);
    assert!(refused.text().contains("at most 8 series"), "{}", refused.text());
    let body = format!("m{{a=\"{}\"}} 1\n", "x".repeat(1100));
    let refused = gateway.send(&post("/metrics/job/a/team/big").body(body));
    assert_eq!(refused.status, 429);
    assert!(
        refused.text().contains("at most 1024 bytes"),
        "{}",
        refused.text()
    );
    // Others are not concerned, and what is there may be pushed again.
    gateway.push("/metrics/job/c", "m 1\n");
    gateway.push("/metrics/job/a/team/web", "m 2\n");
    let scrape = gateway.scrape();
    let quotas = scrape
        .samples
        .iter()
        .filter(|sample| sample.name == "wharf_quota_used");
    let used: Vec<String> = quotas
        .map(|sample| {
            format!(
                "{} {} {}",
                sample.labels["quota"], sample.labels["resource"], sample.value
            )
        })
        .collect();
    // A metric and two times of each group; the order is that of all series.
    assert_eq!(used, ["1 groups 2", "1 series 6", "2 bytes 0"]);
    let reasons = refusals(&gateway);
    assert_eq!(reasons["quota_groups"], "1");
    assert_eq!(reasons["quota_series"], "1");
    assert_eq!(reasons["quota_bytes"], "1");

    rewrite(&folder, "quotas:\n  - {match: '{team=\"web\"}', groups: 3}\n");
    assert_eq!(gateway.send(&post("/-/reload")).status, 200);
    gateway.push("/metrics/job/c/team/web", "m 1\n");
    assert_eq!(
        gateway
            .send(&post("/metrics/job/d/team/web").body("m 1\n"))
            .status,
        429
    );
    assert_eq!(gateway.send(&delete("/metrics/job/a/team/web")).status, 202);
    gateway.push("/metrics/job/d/team/web", "m 1\n");
}

/// `wharf_pushes_refused_total` by reason.
fn refusals(gateway: &Gateway) -> BTreeMap<String, String> {
    let scrape = gateway.scrape();
    let refused = scrape
        .samples
        .iter()
        .filter(|sample| sample.name == "wharf_pushes_refused_total");
    refused
        .map(|sample| (sample.labels["reason"].clone(), sample.value.clone()))
        .collect()
}

#[test]
fn a_noisy_job_is_slowed_down_and_others_are_not() {
    let (_folder, spawn) =
        with_rules("quotas:\n  - {match: '{job=\"noisy\"}', pushes_per_second: 0.001, burst: 3}\n");
    let gateway = spawn.start();
    let push = |job: &str| gateway.send(&post(&format!("/metrics/job/{job}")).body("m 1\n"));
    let statuses: Vec<u16> = (0..5).map(|_| push("noisy").status).collect();
    assert_eq!(statuses, [200, 200, 200, 429, 429]);
    let refused = push("noisy");
    let wait: u32 = refused.header("Retry-After").unwrap().parse().unwrap();
    assert!((900..=1000).contains(&wait), "{wait}");
    assert_eq!(
        refused.text(),
        "expected at most 0.001 pushes per second to groups of `{job=\"noisy\"}` (in bursts of 3), found more\n"
    );
    for _ in 0..10 {
        assert_eq!(push("quiet").status, 200);
    }
    assert_eq!(refusals(&gateway)["rate"], "3");
}

#[test]
fn a_rate_may_be_for_each_job_alone() {
    let (_folder, spawn) =
        with_rules("quotas:\n  - {match: '{}', pushes_per_second: 0.001, burst: 2, per: [job]}\n");
    let gateway = spawn.start();
    let push = |path: &str| gateway.send(&post(path).body("m 1\n")).status;
    for job in ["a", "b"] {
        let statuses = [1, 2, 3].map(|instance| push(&format!("/metrics/job/{job}/instance/{instance}")));
        assert_eq!(statuses, [200, 200, 429], "{job}");
    }
    let many = post("/api/v1/push?group_by=job,instance&partial=true");
    let report = gateway
        .send(&many.body("m{job=\"a\",instance=\"1\"} 1\nm{job=\"c\"} 1\n"))
        .json();
    assert_eq!(report["data"]["groups"], 1);
    assert_eq!(report["data"]["refused"][0]["labels"]["job"], "a");
}

#[test]
fn a_push_to_many_groups_that_comes_too_early_leaves_room_for_others() {
    let rules = "quotas: [{match: '{}', pushes_per_second: 0.001, burst: 3}]\n";
    let (_folder, spawn) = with_rules(rules);
    let gateway = spawn.start();
    let body = "m{job=\"a\"} 1\nm{job=\"b\"} 1\nm{job=\"c\"} 1\nm{job=\"d\"} 1\n";
    for _ in 0..2 {
        let refused = gateway.send(&post("/api/v1/push?group_by=job").body(body));
        assert_eq!(refused.status, 429, "{}", refused.text());
        assert!(refused.header("Retry-After").is_some());
    }
    for _ in 0..3 {
        gateway.push("/metrics/job/other", "m 1\n");
    }
    // Where each group is stored for itself and none could be, the answer is that of the first one.
    let refused = gateway.send(&post("/api/v1/push?group_by=job&partial=true").body(body));
    assert_eq!(refused.status, 429, "{}", refused.text());
    assert!(refused.header("Retry-After").is_some());
}

#[test]
fn limits_of_the_flags_refuse_with_their_name_and_value() {
    let gateway = wharf()
        .args([
            "--limits.max-groups=2",
            "--limits.max-series=12",
            "--limits.max-series-per-push=4",
            "--limits.max-labels-per-series=2",
            "--limits.max-label-name-bytes=8",
            "--limits.max-label-value-bytes=10",
        ])
        .start();
    gateway.push("/metrics/job/a", "m 1\n");
    gateway.push("/metrics/job/b", "m 1\n");
    let check = |path: &str, body: &str, status: u16, text: &str| {
        let refused = gateway.send(&post(path).body(body));
        assert_eq!(refused.status, status, "{path} {body}: {}", refused.text());
        assert!(refused.text().contains(text), "{}", refused.text());
        assert_eq!(refused.header("Retry-After").is_some(), status == 503);
    };
    check("/metrics/job/c", "m 1\n", 503, "at most 2 groups");
    let series = "n{a=\"1\"} 1\nn{a=\"2\"} 1\nn{a=\"3\"} 1\n";
    gateway.push("/metrics/job/a", series);
    check(
        "/metrics/job/b",
        "k{a=\"1\"} 1\nk{a=\"2\"} 1\nk{a=\"3\"} 1\nk{a=\"4\"} 1\n",
        503,
        "at most 12 series",
    );
    let five: Vec<String> = (0..5).map(|n| format!("k{{a=\"{n}\"}} 1\n")).collect();
    check(
        "/metrics/job/b",
        &five.concat(),
        413,
        "at most 4 series in one push",
    );
    check(
        "/metrics/job/b",
        "m{a=\"\",b=\"\",c=\"\"} 1\n",
        413,
        "a series of at most 2 labels, found 3",
    );
    check(
        "/metrics/job/b",
        "m{abcdefghi=\"\"} 1\n",
        413,
        "--limits.max-label-name-bytes",
    );
    check(
        "/metrics/job/b",
        "m{a=\"12345678901\"} 1\n",
        413,
        "--limits.max-label-value-bytes",
    );
    check(
        "/metrics/job/12345678901",
        "m 1\n",
        413,
        "--limits.max-label-value-bytes",
    );
}

// ---- relabelling ------------------------------------------------------------------------------------------

const EXPOSITION: &str = "\
# TYPE requests counter
requests{path=\"/a\",host=\"h1.example.org\",pod_name=\"p1\"} 1
requests{path=\"/b\",host=\"H2.example.org\",pod_name=\"p2\"} 2
# TYPE old_size gauge
old_size{app_env=\"prod\",app_zone=\"z\"} 3
# TYPE noise gauge
noise{path=\"/a\"} 4
noise{path=\"/b\"} 5
# TYPE same gauge
same{a=\"1\",b=\"1\"} 6
same{a=\"1\",b=\"2\"} 7
# TYPE seconds summary
seconds{quantile=\"0.5\",path=\"/a\"} 8
seconds_sum{path=\"/a\"} 9
seconds_count{path=\"/a\"} 10
";

/// Rules whose result the real Prometheus is asked for; one list a line, as in both configuration files.
const RULES: [&str; 12] = [
    "[{source_labels: [host], regex: '([^.]+)\\.(.*)', target_label: host, replacement: '$1'}]",
    "[{source_labels: [host, path], separator: '|', regex: '(.+)\\|/(.*)', target_label: both, replacement: '${2}_$1'}]",
    "[{source_labels: [path], regex: '/(.+)', target_label: 'path_$1', replacement: 'yes'}]",
    "[{action: keep, source_labels: [job, path], regex: 'batch;/a'}]",
    "[{action: drop, source_labels: [__name__], regex: 'noise|same'}]",
    "[{action: labelmap, regex: 'app_(.+)'}, {action: labeldrop, regex: 'app_.*|pod_.*'}]",
    "[{action: labelkeep, regex: '__name__|job|instance|quantile|path|a|b|host|app_env'}]",
    "[{action: hashmod, source_labels: [host, path], modulus: 1000, target_label: shard}]",
    "[{action: lowercase, source_labels: [host], target_label: lower}, {action: uppercase, source_labels: [host], target_label: upper}]",
    "[{action: keepequal, source_labels: [a], target_label: b}]",
    "[{action: dropequal, source_labels: [a], target_label: b}]",
    "[{source_labels: [__name__], regex: 'old_(.+)', target_label: __name__}, {target_label: path, replacement: ''}, {target_label: set, replacement: fix}, {action: drop, source_labels: [__name__], regex: 'requests|noise'}]",
];

/// Everything of the job that Prometheus has under this mark, but for the times of the push.
fn series_of(prometheus: &Prometheus, side: &str) -> BTreeMap<String, String> {
    let answers = prometheus.query(&format!(
        "{{job=\"batch\",side=\"{side}\",__name__!~\"push_.*\"}}"
    ));
    let series = answers.into_iter().map(|mut answer| {
        answer.labels.remove("side");
        (format!("{:?}", answer.labels), answer.value)
    });
    series.collect()
}

#[test]
fn rules_do_to_a_push_what_prometheus_does_to_a_scrape() {
    let push = |gateway: &Gateway| gateway.push("/metrics/job/batch/instance/i", EXPOSITION);
    let plain = wharf().start();
    push(&plain);
    // One Prometheus scrapes the plain gateway with each of the rules, and gateways that have them without.
    let (mut relabelling, mut targets) = (Vec::new(), Vec::new());
    for (at, rules) in RULES.iter().enumerate() {
        let (folder, spawn) = with_rules(&format!("relabel_configs: {rules}\n"));
        let gateway = spawn.start();
        push(&gateway);
        let marked =
            |rules: &str, side: &str| format!("{rules}{{target_label: side, replacement: {side}-{at}}}]");
        let rules = rules.strip_suffix(']').unwrap();
        targets.push((plain.address(), marked(&format!("{rules}, "), "judge")));
        targets.push((gateway.address(), marked("[", "judged")));
        relabelling.push((folder, gateway));
    }
    let Some(prometheus) = Prometheus::relabelling(&targets) else {
        return;
    };
    until("a scrape of every target", || {
        let up = prometheus.query("up{job=~\"gateway.*\"} == 1");
        (up.len() == targets.len()).then_some(())
    });
    let mut distinct = BTreeSet::new();
    for (at, rules) in RULES.iter().enumerate() {
        let judge = series_of(&prometheus, &format!("judge-{at}"));
        assert_eq!(series_of(&prometheus, &format!("judged-{at}")), judge, "{rules}");
        distinct.insert(judge);
    }
    assert_eq!(
        distinct.len(),
        RULES.len(),
        "each of the rules changes something else"
    );
}

#[test]
fn labels_of_the_group_are_seen_and_not_changed_by_rules() {
    let (_folder, spawn) = with_rules(
        "relabel_configs:\n  - {source_labels: [job], target_label: team, regex: '([^-]+)-.*'}\n  \
         - {target_label: env, replacement: dev}\n  - {action: labeldrop, regex: instance}\n",
    );
    let gateway = spawn.start();
    gateway.push("/metrics/job/web-x/instance/i/env/prod", "m{instance=\"j\"} 1\n");
    gateway.push("/metrics/job/web-y", "m{instance=\"j\"} 1\n");
    let scrape = gateway.scrape();
    let mut found: Vec<_> = scrape
        .samples
        .iter()
        .filter(|s| s.name == "m")
        .map(|s| format!("{:?}", s.labels))
        .collect();
    found.sort();
    assert_eq!(
        found,
        [
            r#"{"env": "dev", "instance": "", "job": "web-y", "team": "web"}"#,
            r#"{"env": "prod", "instance": "i", "job": "web-x", "team": "web"}"#,
        ]
    );
}

#[test]
fn rules_that_leave_nothing_to_store_are_a_refusal_only_if_it_makes_no_sense() {
    let (_folder, spawn) = with_rules(
        "relabel_configs:\n  - {action: drop, source_labels: [__name__], regex: noise}\n  \
         - {source_labels: [rename], regex: '(.+)', target_label: __name__}\n",
    );
    let gateway = spawn.start();
    gateway.replace("/metrics/job/a", "noise 1\n");
    let dropped = own_metric(&gateway, "wharf_relabel_metrics_dropped_total");
    assert!((dropped - 1.0).abs() < 0.1, "{dropped}");
    let refused = gateway.send(&post("/metrics/job/a").body("m{rename=\"no name\"} 1\n"));
    assert_eq!(refused.status, 400);
    assert_eq!(
        refused.text(),
        "relabelling: expected a metric name for what was pushed as `m`, found `no name`\n"
    );
    assert_eq!(refusals(&gateway)["relabelling"], "1");
}

// ---- what else a push may be ------------------------------------------------------------------------------

#[test]
fn timestamps_can_be_left_out() {
    let gateway = wharf().arg("--push.timestamps=strip").start();
    gateway.push("/metrics/job/a", "m 1 1600000000000\n");
    let openmetrics = post("/metrics/job/b")
        .header("Content-Type", "application/openmetrics-text")
        .body("n 2 1600000000\n# EOF\n");
    assert_eq!(gateway.send(&openmetrics).status, 200);
    let scrape = gateway.scrape();
    let value = |name: &str| {
        scrape
            .samples
            .iter()
            .find(|s| s.name == name)
            .unwrap()
            .value
            .clone()
    };
    assert_eq!((value("m"), value("n")), ("1".to_owned(), "2".to_owned()));
}

#[test]
fn a_missing_instance_is_empty_or_left_out_or_a_value() {
    for (flag, expected) in [
        ("empty", Some("")),
        ("omit", None),
        ("gateway-1", Some("gateway-1")),
    ] {
        let gateway = wharf().arg(format!("--push.instance-label={flag}")).start();
        gateway.push("/metrics/job/a", "m 1\n");
        gateway.push("/metrics/job/b/instance/own", "m 1\n");
        for sample in gateway
            .scrape()
            .samples
            .iter()
            .filter(|s| s.name == "m" || s.name.starts_with("push_"))
        {
            let expected = if sample.labels["job"] == "a" {
                expected
            } else {
                Some("own")
            };
            assert_eq!(
                sample.labels.get("instance").map(String::as_str),
                expected,
                "{flag} {sample:?}"
            );
        }
        // Groups that a scraper could not tell apart still cannot both be there.
        let twin = gateway.send(&post("/metrics/job/a/instance/").body("m 1\n"));
        assert_ne!(twin.status, 200, "{flag}");
    }
}
