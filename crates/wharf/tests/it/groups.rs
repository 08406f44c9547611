//! Listing, deleting by selector, scraping a part, merging series, many groups in one push.

use serde_json::{Value, json};
use wharf_testkit::http::{delete, get, post, put};
use wharf_testkit::{Gateway, Spawn, body};

use crate::{jobs_of, loaded, refused, wharf};

fn encoded(text: &str) -> String {
    let bytes: Vec<String> = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
    bytes.concat()
}

/// So many series of one family, told apart by the label.
fn series(count: usize, label: &str) -> String {
    let lines: Vec<String> = (0..count).map(|n| format!("m{{{label}=\"{n}\"}} 1\n")).collect();
    lines.concat()
}

/// `path?match[]=selector`, and more behind it.
fn matching(path: &str, selectors: &[&str], more: &str) -> String {
    let selectors: Vec<String> = selectors
        .iter()
        .map(|selector| format!("match[]={}", encoded(selector)))
        .collect();
    format!("{path}?{}{more}", selectors.join("&"))
}

fn list(gateway: &Gateway, query: &str) -> Value {
    let answer = gateway.send(&get(&format!("/api/v1/groups{query}")));
    assert_eq!(answer.status, 200, "{query}: {}", answer.text());
    assert_eq!(answer.header("Content-Type"), Some("application/json"));
    answer.json()["data"].clone()
}

fn admin() -> Spawn {
    wharf().arg("--web.enable-admin-api")
}

/// The samples of a family as `value labels`.
fn samples(gateway: &Gateway, name: &str) -> Vec<String> {
    let scrape = gateway.scrape();
    let samples = scrape.samples.iter().filter(|sample| sample.name == name);
    samples
        .map(|sample| format!("{} {:?}", sample.value, sample.labels))
        .collect()
}

// ---- listing ----------------------------------------------------------------------------------------------

#[test]
fn groups_that_a_selector_names_are_counted_on_request() {
    let gateway = wharf().start();
    for group in ["a/n/1", "a/n/2", "b"] {
        gateway.push(&format!("/metrics/job/{group}"), "");
    }
    let total = |more: &str| list(&gateway, &matching("", &["{job=\"a\"}"], more))["total"].clone();
    assert_eq!(total("&limit=1"), Value::Null);
    assert_eq!(total("&limit=1&total=true"), json!(2));
    assert_eq!(total("&limit=1&total=true&sort=-series"), json!(2));
}

#[test]
fn a_listing_says_what_a_group_has_and_when_it_leaves() {
    let gateway = wharf().start();
    gateway.push(
        "/metrics/job/a/env/dev?ttl=1h",
        "m{x=\"1\"} 1\nm{x=\"2\"} 1\nn 1\n",
    );
    let data = list(&gateway, "");
    let group = &data["groups"][0];
    assert_eq!(group["labels"], json!({"env": "dev", "job": "a"}));
    assert_eq!(
        (&group["last_push_successful"], &group["series"]),
        (&json!(true), &json!(5))
    );
    assert_eq!((&group["families"], &group["ttl"]), (&json!(4), &json!("1h")));
    assert_eq!(group["push_failure_time_seconds"], json!(0));
    assert!(group["bytes"].as_u64().unwrap() > 50);
    let expires_at: jiff::Timestamp = group["expires_at"].as_str().unwrap().parse().unwrap();
    let pushed_at = group["push_time_seconds"].as_f64().unwrap();
    assert!(
        (expires_at.as_duration().as_secs_f64() - pushed_at - 3600.0).abs() < 1e-3,
        "{group}"
    );
    assert_eq!((&data["total"], &data["next_cursor"]), (&json!(1), &Value::Null));
    let some = list(&gateway, "?fields=series,labels");
    assert_eq!(
        some["groups"][0],
        json!({"series": 5, "labels": {"env": "dev", "job": "a"}})
    );
}

#[test]
fn a_listing_is_filtered_sorted_and_cut_into_pages() {
    let gateway = wharf().start();
    for (at, job) in ["c", "a", "d", "b"].iter().enumerate() {
        gateway.push(&format!("/metrics/job/{job}"), &series(at + 1, "n"));
    }
    assert_eq!(jobs_of(&list(&gateway, "")), ["a", "b", "c", "d"]);
    assert_eq!(jobs_of(&list(&gateway, "?sort=-labels")), ["d", "c", "b", "a"]);
    assert_eq!(jobs_of(&list(&gateway, "?sort=series")), ["c", "a", "d", "b"]);
    assert_eq!(jobs_of(&list(&gateway, "?sort=-push_time")), ["b", "d", "a", "c"]);
    let query = matching("", &["{job=~\"a|b\"}", "{job=\"d\"}"], "&sort=labels");
    assert_eq!(jobs_of(&list(&gateway, &query)), ["a", "b", "d"]);
    for sort in ["labels", "-labels", "series", "-bytes", "push_time", "expires_at"] {
        let (mut paged, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = list(&gateway, &format!("?sort={sort}&limit=1{cursor}"));
            paged.extend(jobs_of(&page).into_iter().map(str::to_owned));
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(
            paged,
            jobs_of(&list(&gateway, &format!("?sort={sort}"))),
            "{sort}"
        );
    }
}

#[test]
fn a_listing_refuses_what_it_does_not_know() {
    let gateway = wharf().start();
    refused(
        &gateway,
        &get("/api/v1/groups?match=a"),
        400,
        "expected a parameter of match[], ",
    );
    refused(
        &gateway,
        &get("/api/v1/groups?limit=1001"),
        400,
        "limit: expected a number",
    );
    let selector = matching("/api/v1/groups", &["{job=a}"], "");
    refused(&gateway, &get(&selector), 400, "match[]: column 6: ");
    refused(&gateway, &get("/api/v1/groups?cursor=zz"), 400, "cursor: ");
    assert_eq!(gateway.send(&post("/api/v1/groups")).status, 405);
}

// ---- deleting ---------------------------------------------------------------------------------------------

#[test]
fn deleting_by_selector_needs_the_flag_and_a_selector() {
    let gateway = wharf().start();
    gateway.push("/metrics/job/a", "m 1\n");
    let all = delete(&matching("/api/v1/groups", &["{}"], ""));
    refused(
        &gateway,
        &all,
        403,
        "deleting by selector is not enabled\nhint: start Wharf with --web.enable-admin-api",
    );
    assert_eq!(jobs_of(&list(&gateway, "")), ["a"]);
    let gateway = admin().start();
    gateway.push("/metrics/job/a", "m 1\n");
    refused(
        &gateway,
        &delete("/api/v1/groups"),
        400,
        "expected at least one match[], found none",
    );
    let misspelt = delete(&matching("/api/v1/groups", &["{}"], "&older=7d"));
    refused(&gateway, &misspelt, 400, "expected a parameter of ");
    assert_eq!(jobs_of(&list(&gateway, "")), ["a"]);
    assert_eq!(gateway.send(&all).status, 200);
    assert!(jobs_of(&list(&gateway, "")).is_empty());
}

#[test]
fn deleting_takes_what_the_selectors_name_and_says_so_beforehand() {
    let folder = tempfile::tempdir().unwrap();
    let on = || admin().arg(format!("--storage.path={}", folder.path().display()));
    let mut gateway = on().start();
    for job in ["ci-1", "ci-2", "web", "db"] {
        gateway.push(&format!("/metrics/job/{job}/env/prod"), "m 1\n");
    }
    gateway.push("/metrics/job/ci-3", "m 1\n");
    let selectors = ["{job=~\"ci-.*\",env=\"prod\"}", "{job=\"db\"}"];
    let expected = |dry_run, undo: &Value| {
        json!({"status": "success", "data": {"count": 3, "dry_run": dry_run, "undo": undo, "groups": [
            {"env": "prod", "job": "ci-1"}, {"env": "prod", "job": "ci-2"}, {"env": "prod", "job": "db"},
        ]}})
    };
    let dry = gateway.send(&delete(&matching("/api/v1/groups", &selectors, "&dry_run=true")));
    assert_eq!((dry.status, dry.json()), (200, expected(true, &Value::Null)));
    assert_eq!(jobs_of(&list(&gateway, "")).len(), 5);
    let wet = gateway.send(&delete(&matching("/api/v1/groups", &selectors, "")));
    let undo = wet.json()["data"]["undo"].clone();
    assert!(undo["id"].is_u64() && undo["until"].is_string(), "{undo}");
    assert_eq!((wet.status, wet.json()), (200, expected(false, &undo)));
    assert_eq!(jobs_of(&list(&gateway, "")), ["web", "ci-3"]);
    gateway.log_line("deleted by selector");
    assert_eq!(samples(&gateway, "wharf_groups_deleted_total"), ["3 {}"]);
    gateway.kill();
    gateway.wait();
    assert_eq!(jobs_of(&list(&loaded(on()), "")), ["web", "ci-3"]);
}

#[test]
fn deleting_by_age_leaves_what_is_fresh() {
    let gateway = admin().start();
    gateway.push("/metrics/job/a", "m 1\n");
    let aged = |age: &str| {
        delete(&matching(
            "/api/v1/groups",
            &["{}"],
            &format!("&older_than={age}"),
        ))
    };
    let count = |age| gateway.send(&aged(age)).json()["data"]["count"].clone();
    assert_eq!(count("7d"), 0);
    assert_eq!(count("0s"), 1);
}

#[test]
fn one_family_of_a_group_can_be_deleted() {
    let gateway = admin().start();
    for job in ["a", "b", "c"] {
        gateway.push(&format!("/metrics/job/{job}"), "keep 1\n");
    }
    gateway.push("/metrics/job/a", "old 1\n");
    gateway.push("/metrics/job/b", "old 1\n");
    let family = |more: &str| delete(&matching("/api/v1/groups", &["{job=~\"a|c\"}"], more));
    let dry = gateway.send(&family("&family=old&dry_run=true")).json();
    assert_eq!(dry["data"]["groups"], json!([{"job": "a"}]));
    assert_eq!(samples(&gateway, "old").len(), 2);
    let wet = gateway.send(&family("&family=old")).json();
    assert_eq!(wet["data"]["groups"], json!([{"job": "a"}]));
    assert_eq!(samples(&gateway, "old"), [r#"1 {"instance": "", "job": "b"}"#]);
    assert_eq!(samples(&gateway, "keep").len(), 3);
    assert_eq!(samples(&gateway, "push_time_seconds").len(), 3);
}

// ---- scraping a part --------------------------------------------------------------------------------------

#[test]
fn a_scrape_can_be_of_some_groups_in_every_format() {
    let gateway = wharf().arg("--web.enable-openmetrics").start();
    gateway.push("/metrics/job/a/team/web", "# TYPE m gauge\nm 1\n");
    gateway.push("/metrics/job/b/team/web", "m_other 2\n");
    gateway.push(
        "/metrics/job/c/team/db",
        "# TYPE m gauge\nm 3\n# TYPE only_db gauge\nonly_db 4\n",
    );
    let path = matching("/metrics", &["{team=\"web\",job!=\"b\"}"], "");
    let text = gateway.send(&get(&path)).text();
    let expected = "# TYPE m gauge\nm{instance=\"\",job=\"a\",team=\"web\"} 1\n";
    assert!(text.contains(expected), "{text}");
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        assert!(line.contains("job=\"a\""), "{line}");
    }
    assert!(!text.contains("only_db") && !text.contains("wharf_"), "{text}");
    let gzip = gateway.send(&get(&path).header("Accept-Encoding", "gzip"));
    assert_eq!(body::decompress("gzip", &gzip.body).unwrap(), text.as_bytes());
    for accept in [
        "application/openmetrics-text",
        "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=text",
    ] {
        let text = gateway.send(&get(&path).header("Accept", accept)).text();
        assert!(text.contains("web") && !text.contains("db"), "{text}");
    }
    let all = matching("/metrics", &["{team=\"web\"}", "{team=\"db\"}"], "");
    let all = gateway.send(&get(&all)).text();
    assert_eq!(all.matches("push_time_seconds{").count(), 3);
    let none = gateway.send(&get(&matching("/metrics", &["{team=\"x\"}"], "")));
    assert_eq!((none.status, none.text().as_str()), (200, ""));
    refused(&gateway, &get("/metrics?match[]=%7B"), 400, "match[]: column 2: ");
    // Other parameters mean nothing, as to the Pushgateway.
    assert_eq!(gateway.send(&get("/metrics?x=%zz&match=a")).status, 200);
}

// ---- merging ----------------------------------------------------------------------------------------------

#[test]
fn a_push_may_replace_series_of_the_same_labels_only() {
    let folder = tempfile::tempdir().unwrap();
    let on = || wharf().arg(format!("--storage.path={}", folder.path().display()));
    let mut gateway = on().start();
    gateway.push("/metrics/job/a", "m{x=\"1\"} 1\nm{x=\"2\"} 2\nn 5\n");
    gateway.push("/metrics/job/a?merge=series", "m{x=\"2\"} 20\nm{x=\"3\"} 30\n");
    let with_header = post("/metrics/job/a")
        .header("Wharf-Merge", "series")
        .body("m{x=\"1\"} 10\n");
    assert_eq!(gateway.send(&with_header).status, 200);
    let values = |gateway: &Gateway| -> Vec<String> {
        let samples = samples(gateway, "m");
        samples
            .iter()
            .map(|text| text.split(' ').next().unwrap().to_owned())
            .collect()
    };
    assert_eq!(values(&gateway), ["10", "20", "30"]);
    assert_eq!(samples(&gateway, "n").len(), 1);
    gateway.kill();
    gateway.wait();
    let gateway = loaded(on());
    assert_eq!(values(&gateway), ["10", "20", "30"]);
    gateway.push("/metrics/job/a", "m{x=\"9\"} 9\n");
    assert_eq!(values(&gateway), ["9"]);
    refused(
        &gateway,
        &put("/metrics/job/a?merge=series").body("m 1\n"),
        400,
        "expected POST to merge series",
    );
    refused(
        &gateway,
        &post("/metrics/job/a?merge=sum").body("m 1\n"),
        400,
        "expected merge=series, merge=aggregate or merge=none, found `sum`",
    );
    refused(
        &gateway,
        &post("/metrics/job/a?merge=series").body("# TYPE m counter\nm 1\n"),
        400,
        "pushed metrics are invalid",
    );
}

#[test]
fn series_are_merged_although_the_instance_label_has_changed_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let on = |instance: &str| {
        let gateway = wharf()
            .arg(format!("--storage.path={}", folder.path().display()))
            .arg(format!("--push.instance-label={instance}"));
        loaded(gateway)
    };
    let body = |value: u32| {
        format!("# TYPE h histogram\nh_sum {value}\nh_count {value}\n# TYPE m gauge\nm{{x=\"1\"}} {value}\n")
    };
    for (value, instance) in (1..).zip(["empty", "omit", "gw", "gw"]) {
        let mut gateway = on(instance);
        let pushed = gateway.send(&post("/metrics/job/a?merge=series").body(body(value)));
        assert_eq!(pushed.status, 200, "{instance}: {}", pushed.text());
        let label = match instance {
            "empty" => r#""instance": "", "#,
            "omit" => "",
            _ => r#""instance": "gw", "#,
        };
        assert_eq!(
            samples(&gateway, "m"),
            [format!(r#"{value} {{{label}"job": "a", "x": "1"}}"#)]
        );
        assert_eq!(
            samples(&gateway, "h_count"),
            [format!(r#"{value} {{{label}"job": "a"}}"#)]
        );
        gateway.kill();
        gateway.wait();
    }
}

// ---- many groups ------------------------------------------------------------------------------------------

const TWO_GROUPS: &str = "\
# TYPE m gauge
m{job=\"a\",instance=\"1\",x=\"y\"} 1
m{job=\"b\",instance=\"\"} 2
# TYPE n counter
n{job=\"a\",instance=\"1\"} 3
";

#[test]
fn a_push_may_carry_many_groups() {
    let gateway = wharf().start();
    let answer = gateway.send(&post("/api/v1/push?group_by=job,instance&ttl=1h").body(TWO_GROUPS));
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(
        answer.json(),
        json!({"status": "success", "data": {"groups": 2, "refused": [], "more_refused": 0}})
    );
    let data = list(&gateway, "?fields=labels,series,ttl");
    assert_eq!(
        data["groups"],
        json!([
            {"labels": {"instance": "1", "job": "a"}, "series": 4, "ttl": "1h"},
            {"labels": {"job": "b"}, "series": 3, "ttl": "1h"},
        ])
    );
    assert_eq!(
        samples(&gateway, "m"),
        [
            r#"1 {"instance": "1", "job": "a", "x": "y"}"#,
            r#"2 {"instance": "", "job": "b"}"#
        ]
    );
    // PUT replaces each of the groups.
    let answer = gateway.send(&put("/api/v1/push?group_by=job").body("k{job=\"b\"} 1\n"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(samples(&gateway, "m").len(), 1);
    let requests = samples(&gateway, "pushgateway_http_requests_total");
    let counted = r#"1 {"code": "200", "handler": "api/v1/push", "method": "put"}"#;
    assert!(requests.iter().any(|sample| sample == counted), "{requests:?}");
}

#[test]
fn many_groups_are_stored_whole_or_in_part() {
    let gateway = wharf().start();
    gateway.push("/metrics/job/holder", "# TYPE taken gauge\ntaken{x=\"1\"} 1\n");
    let body = "# TYPE m gauge\nm{job=\"a\"} 1\n# TYPE taken counter\ntaken{job=\"b\"} 1\n";
    let whole = gateway.send(&post("/api/v1/push?group_by=job").body(body));
    assert_eq!(whole.status, 400);
    assert!(
        whole
            .text()
            .starts_with("group {job=\"b\"}: pushed metrics are invalid"),
        "{}",
        whole.text()
    );
    assert!(samples(&gateway, "m").is_empty());

    let part = gateway.send(&post("/api/v1/push?group_by=job&partial=true").body(body));
    assert_eq!(part.status, 200, "{}", part.text());
    let report = part.json();
    assert_eq!(report["data"]["groups"], 1);
    assert_eq!(report["data"]["refused"][0]["labels"], json!({"job": "b"}));
    let error = report["data"]["refused"][0]["error"].as_str().unwrap();
    assert!(error.contains("\"taken\" is not a GAUGE"), "{error}");
    assert_eq!(samples(&gateway, "m").len(), 1);

    let none = gateway.send(
        &post("/api/v1/push?group_by=job&partial=true").body("# TYPE taken counter\ntaken{job=\"b\"} 1\n"),
    );
    assert_eq!((none.status, &none.json()["status"]), (400, &json!("error")));
}

#[test]
fn a_push_to_many_groups_is_not_echoed_many_times_over() {
    let gateway = wharf().start();
    gateway.push("/metrics/job/taken", "# TYPE taken counter\ntaken 1\n");
    let lines: Vec<String> = (0..1200).map(|n| format!("taken{{job=\"j{n}\"}} 1\n")).collect();
    let body = format!("# TYPE taken gauge\n{}", lines.concat());
    let answer = gateway.send(&post("/api/v1/push?group_by=job&partial=true").body(body));
    assert_eq!(answer.status, 400);
    let data = &answer.json()["data"];
    assert_eq!(data["refused"].as_array().unwrap().len(), 1000);
    assert_eq!(data["more_refused"], 200);
    // The log is a pipe that somebody reads while the answer is under way; this line is the last of the push.
    gateway.log_line("groups=1190");
    let log = gateway.log();
    assert_eq!(log.matches("level=error").count(), 11, "{log}");

    let long = "x".repeat(20_000);
    for partial in ["", "&partial=true"] {
        refused(
            &gateway,
            &post(&format!("/api/v1/push?group_by=job{partial}")).body(format!("m{{job=\"{long}\"}} 1\n")),
            400,
            "expected grouping keys of at most 16384 bytes, found one of 20",
        );
    }
    // In a URL it may be as long as for the Pushgateway, and is cut where it is told.
    let path = format!("/metrics/job/{long}");
    let clash = gateway.send(&post(&path).body("# TYPE taken gauge\ntaken 1\n"));
    assert_eq!(clash.status, 400);
    gateway.log_line("xxx…");
    let said = &gateway.log()[log.len()..];
    assert!(said.len() < 4000, "{said}");
}

#[test]
fn groups_of_a_push_need_their_labels() {
    let gateway = wharf().start();
    let push = |query: &str| post(&format!("/api/v1/push{query}")).body("m{job=\"a\"} 1\nm{env=\"b\"} 1\n");
    refused(&gateway, &push(""), 400, "expected `group_by`");
    refused(
        &gateway,
        &push("?group_by=instance"),
        400,
        "group_by: expected `job` among the labels",
    );
    refused(
        &gateway,
        &push("?group_by=job,job"),
        400,
        "group_by: expected each label once",
    );
    refused(
        &gateway,
        &push("?group_by=job,"),
        400,
        "group_by: expected label names",
    );
    refused(
        &gateway,
        &push("?group_by=job&groupby=x"),
        400,
        "expected a parameter of group_by, ",
    );
    refused(
        &gateway,
        &push("?group_by=job"),
        400,
        "metric `m` {env=\"b\"}: job name is required",
    );
    let many = series(10_001, "job");
    refused(
        &gateway,
        &post("/api/v1/push?group_by=job").body(many.clone()),
        413,
        "expected at most 10000 groups",
    );
    let partial = gateway.send(&post("/api/v1/push?group_by=job&partial=true").body(many));
    assert_eq!(
        (partial.status, &partial.json()["data"]["groups"]),
        (200, &json!(10_001))
    );
}

#[test]
fn parameters_that_contradict_themselves_or_cannot_hold_change_nothing() {
    let gateway = admin().start();
    gateway.push("/metrics/job/a", "m 1\n");
    for (more, text) in [
        (
            "&dry_run=true&dry_run=false",
            "expected `dry_run` once, found it twice",
        ),
        (
            "&older_than=7d&older_than=0",
            "expected `older_than` once, found it twice",
        ),
        ("&family=k&family=m", "expected `family` once, found it twice"),
        (
            "&dry_run&family=push_time_seconds",
            "family: expected a family that was pushed, found `push_time_seconds`",
        ),
        (
            "&family=push_failure_time_seconds",
            "family: expected a family that was pushed, found `push_failure_time_seconds`",
        ),
    ] {
        let path = matching("/api/v1/groups", &["{}"], more);
        refused(&gateway, &delete(&path), 400, text);
    }
    refused(
        &gateway,
        &get("/api/v1/groups?limit=1&limit=2"),
        400,
        "expected `limit` once, found it twice",
    );
    refused(
        &gateway,
        &post("/api/v1/push?group_by=job&partial=true&partial=false").body("m{job=\"a\"} 1\n"),
        400,
        "expected `partial` once, found it twice",
    );
    assert_eq!(jobs_of(&list(&gateway, "")), ["a"]);
}

#[test]
fn what_a_refusal_quotes_is_short_and_without_control_characters() {
    let gateway = wharf().start();
    for query in ["limit", "sort", "fields", "cursor", "match[]", "x"] {
        let path = format!("/api/v1/groups?{query}=%00%0a%1b{}", "a".repeat(5_000));
        let answer = gateway.send(&get(&path));
        let text = answer.text();
        assert_eq!(answer.status, 400, "{text}");
        assert!(text.len() < 400, "{text}");
        assert!(!text.trim_end().contains(char::is_control), "{text:?}");
    }
    for query in ["ttl", "merge"] {
        let path = format!("/metrics/job/a?{query}=%00%1b{}", "a".repeat(5_000));
        let text = gateway.send(&post(&path).body("m 1\n")).text();
        assert!(text.len() < 400, "{text}");
        assert!(!text.trim_end().contains(char::is_control), "{text:?}");
    }
}
