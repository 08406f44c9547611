//! Pushes that are added to what is stored. Cases of other programs that add up are here with what is right.

use std::process::Command;
use std::thread;

use serde_json::{Value, json};
use wharf_testkit::http::{Request, delete, get, post, put};
use wharf_testkit::protobuf::{self, delimited, native_histogram};
use wharf_testkit::{Gateway, Spawn, until};

use crate::rules::with_rules;
use crate::{WHARF, loaded, refused, wharf};

fn adding(path: &str, body: &str) -> Request {
    post(path).header("Wharf-Merge", "aggregate").body(body)
}

#[track_caller]
fn add(gateway: &Gateway, path: &str, body: &str) {
    let answer = gateway.send(&adding(path, body));
    assert_eq!(answer.status, 200, "{body}: {}", answer.text());
}

/// The lines of a scrape whose names begin so, without the labels of the group.
fn lines(gateway: &Gateway, prefix: &str) -> Vec<String> {
    let body = gateway.send(&get("/metrics")).text();
    let plain = |line: &str| {
        let line = line.replace("instance=\"\",", "").replace("job=\"a\",", "");
        line.replace("job=\"a\"", "").replace(",}", "}").replace("{}", "")
    };
    let lines = body.lines().map(plain);
    lines.filter(|line| line.starts_with(prefix)).collect()
}

#[test]
fn parts_of_workers_are_summed() {
    let gateway = wharf().start();
    let counter = |value: u32| format!("# TYPE c_total counter\nc_total {value}\n");
    add(&gateway, "/metrics/job/a", &counter(1));
    let in_query = post("/metrics/job/a?merge=aggregate").body(counter(2));
    assert_eq!(gateway.send(&in_query).status, 200);
    assert_eq!(lines(&gateway, "c_total"), ["c_total 3"]);
    // Another group is another sum.
    add(&gateway, "/metrics/job/b", &counter(5));
    assert_eq!(lines(&gateway, "c_total"), ["c_total 3", "c_total{job=\"b\"} 5"]);
    // Labels in any order, and none.
    add(&gateway, "/metrics/job/a", "l{a=\"1\",b=\"2\"} 1\nl 8\n");
    add(&gateway, "/metrics/job/a", "l{b=\"2\",a=\"1\"} 2\nl{a=\"1\"} 4\n");
    assert_eq!(lines(&gateway, "l{").len() + lines(&gateway, "l ").len(), 3);
    assert!(lines(&gateway, "l{").contains(&"l{a=\"1\",b=\"2\"} 3".to_owned()));
    // A plain push sets, a delete lets it begin anew.
    gateway.push("/metrics/job/a", &counter(7));
    add(&gateway, "/metrics/job/a", &counter(1));
    assert_eq!(lines(&gateway, "c_total")[0], "c_total 8");
    assert_eq!(gateway.send(&delete("/metrics/job/a")).status, 202);
    add(&gateway, "/metrics/job/a", &counter(1));
    assert_eq!(lines(&gateway, "c_total")[0], "c_total 1");
}

#[test]
fn gauges_and_buckets_become_what_the_request_says() {
    let gateway = wharf().start();
    let push = |query: &str, body: &str| {
        let answer = gateway.send(&post(&format!("/metrics/job/a?{query}")).body(body));
        (answer.status, answer.text())
    };
    let gauge = |value: i32| format!("# TYPE g gauge\ng {value}\n");
    for (how, expected) in [
        ("last", "g -2"),
        ("sum", "g 10"),
        ("min", "g -2"),
        ("max", "g 7"),
        ("count", "g 3"),
    ] {
        assert_eq!(gateway.send(&delete("/metrics/job/a")).status, 202);
        for value in [5, 7, -2] {
            assert_eq!(push(&format!("aggregate=gauge:{how}"), &gauge(value)).0, 200);
        }
        assert_eq!(lines(&gateway, "g "), [expected], "{how}");
    }
    let first = "# TYPE h histogram\nh_bucket{le=\"1\"} 5\nh_bucket{le=\"+Inf\"} 5\nh_sum 2\nh_count 5\n";
    let second = "# TYPE h histogram\nh_bucket{le=\"2\"} 1\nh_bucket{le=\"+Inf\"} 1\nh_sum 1.5\nh_count 1\n";
    for (how, expected) in [
        ("merge=aggregate", &["h_bucket{le=\"+Inf\"} 6"][..]),
        (
            "aggregate=buckets:all",
            &[
                "h_bucket{le=\"1\"} 5",
                "h_bucket{le=\"2\"} 6",
                "h_bucket{le=\"+Inf\"} 6",
            ],
        ),
    ] {
        assert_eq!(gateway.send(&delete("/metrics/job/a")).status, 202);
        assert_eq!(push(how, first).0, 200);
        assert_eq!(push(how, second).0, 200);
        assert_eq!(lines(&gateway, "h_bucket"), expected, "{how}");
        assert_eq!(lines(&gateway, "h_sum"), ["h_sum 3.5"]);
    }
    let (status, text) = push(
        "aggregate=buckets:same",
        "# TYPE h histogram\nh_bucket{le=\"9\"} 1\nh_sum 1\nh_count 1\n",
    );
    assert_eq!(status, 400);
    assert!(
        text.contains("\"h\" {instance=\"\",job=\"a\"}: its buckets have other bounds"),
        "{text}"
    );
    let (status, text) = push("aggregate=gauge:mean", &gauge(1));
    assert_eq!(status, 400);
    assert!(text.starts_with("expected gauge:HOW or buckets:HOW"), "{text}");
}

#[test]
fn what_cannot_be_added_is_refused_as_a_whole_and_named() {
    let gateway = wharf().start();
    let good = "# TYPE a counter\na 1\n# TYPE b counter\nb 1\n# TYPE d counter\nd 1\n";
    add(&gateway, "/metrics/job/a", good);
    add(&gateway, "/metrics/job/a", "# TYPE z gauge\nz 1\n");
    for (body, expected) in [
        (
            "# TYPE c counter\nc NaN\n",
            "expected metrics that can be added up, found \"c\" {instance=\"\",job=\"a\"}: NaN",
        ),
        (
            "# TYPE c counter\nc{x=\"1\"} -1\n",
            "expected metrics that can be added up, found \"c\" {instance=\"\",job=\"a\",x=\"1\"}: it is negative",
        ),
        (
            "# TYPE z counter\nz 1\n",
            "pushed metrics are invalid or inconsistent with existing metrics: collected metric \"z\" is not a GAUGE",
        ),
        (
            "# TYPE c counter\nc 1 1700000000000\n",
            "pushed metrics are invalid",
        ),
    ] {
        for _ in 0..6 {
            refused(
                &gateway,
                &adding("/metrics/job/a", &format!("{good}{body}")),
                400,
                expected,
            );
        }
        assert_eq!(lines(&gateway, "a "), ["a 1"]);
        assert_eq!(lines(&gateway, "d "), ["d 1"]);
        assert!(lines(&gateway, "c").is_empty());
    }
    assert!(!lines(&gateway, "push_failure_time_seconds ")[0].ends_with(" 0"));
    let refusals = lines(&gateway, "wharf_pushes_refused_total{reason=\"not_added\"}");
    assert_eq!(refusals, ["wharf_pushes_refused_total{reason=\"not_added\"} 12"]);
    // Without checks too: nobody may think that a part was added.
    let unchecked = wharf().arg("--push.disable-consistency-check").start();
    refused(
        &unchecked,
        &adding("/metrics/job/a", "# TYPE c counter\nc -1\n"),
        400,
        "expected metrics that can",
    );
}

#[test]
fn a_rule_adds_up_whatever_the_method_and_a_push_may_say_otherwise() {
    let (_folder, spawn) = with_rules(
        "aggregate:\n- match: '{job=\"a\"}'\n  gauge: max\n  max_series: 2\nruns:\n- match: '{}'\n",
    );
    let gateway = spawn.start();
    let body = "# TYPE c counter\nc 1\n# TYPE g gauge\ng 3\n";
    gateway.push("/metrics/job/a", body);
    let replaced = put("/metrics/job/a").body("# TYPE c counter\nc 1\n# TYPE g gauge\ng 2\n");
    let answer = gateway.send(&replaced);
    // Who has not asked for it is told.
    assert_eq!(
        (answer.status, answer.header("Wharf-Merge")),
        (200, Some("aggregate"))
    );
    let plain = gateway.send(&post("/metrics/job/z").body("m 1\n"));
    assert_eq!((plain.status, plain.header("Wharf-Merge")), (200, None));
    assert_eq!(lines(&gateway, "c "), ["c 2"]);
    assert_eq!(lines(&gateway, "g "), ["g 3"]);
    let push = |query: &str, body: &str| gateway.send(&post(&format!("/metrics/job/a?{query}")).body(body));
    assert_eq!(push("aggregate=gauge:min", "# TYPE g gauge\ng 1\n").status, 200);
    assert_eq!(lines(&gateway, "g "), ["g 1"]);
    assert_eq!(
        push("merge=series", "# TYPE c counter\nc{x=\"1\"} 5\n").status,
        200
    );
    assert_eq!(lines(&gateway, "c"), ["c 2", "c{x=\"1\"} 5"]);
    let more = push("", "# TYPE c counter\nc{x=\"2\"} 1\n");
    assert_eq!(more.status, 429, "{}", more.text());
    assert!(
        more.text()
            .starts_with("expected at most 2 label sets in the family \"c\", which is added up, found 3")
    );
    assert_eq!(push("", "# TYPE c counter\nc{x=\"1\"} 1\n").status, 200);
    assert_eq!(push("merge=none", "# TYPE c counter\nc 9\n").status, 200);
    assert_eq!(lines(&gateway, "c"), ["c 9"]);
    assert_eq!(
        gateway
            .send(&put("/metrics/job/a?merge=none").body("n 1\n"))
            .status,
        200
    );
    assert!(lines(&gateway, "c").is_empty());
    let run = push("counters=run", body);
    assert_eq!(run.status, 400);
    assert!(
        run.text()
            .starts_with("expected a push that is added up or counters=run, found both")
    );
    // Of many groups each has its own rule.
    for path in [
        "/api/v1/push?group_by=job",
        "/api/v1/push?group_by=job&partial=true",
    ] {
        let many = post(path).body("n{job=\"a\"} 1\nn{job=\"b\"} 1\n");
        assert_eq!(gateway.send(&many).status, 200);
    }
    assert_eq!(lines(&gateway, "n"), ["n 3", "n{job=\"b\"} 1"]);
}

/// The cases that gravel-gateway 1.7.1 was seen with; where its result is wrong the right one is here, and
/// `docs/compatibility.md` has both.
#[test]
fn clients_of_gravel_gateway_find_what_they_know_where_a_rule_adds_up() {
    let (_folder, spawn) = with_rules("aggregate:\n- match: '{}'\n");
    let gateway = spawn.start();
    let counter = |value: &str| format!("# TYPE c_total counter\nc_total {value}\n");
    let gauge = |value: &str| format!("# TYPE g gauge\ng {value}\n");
    let histogram = |first: &str, rest: &str| {
        format!(
            "# TYPE h histogram\nh_bucket{{le=\"{first}\"}} {rest}\nh_bucket{{le=\"+Inf\"}} {rest}\nh_sum 1\nh_count {rest}\n"
        )
    };
    let summary = |sum: u32| format!("# TYPE s summary\ns{{quantile=\"0.5\"}} 1\ns_sum {sum}\ns_count 1\n");
    let adds = |bodies: &[String], prefix: &str, expected: &[&str]| {
        assert_eq!(gateway.send(&delete("/metrics/job/a")).status, 202);
        for (number, body) in bodies.iter().enumerate() {
            // It replaces nothing, whatever the method.
            let push = if number == 0 {
                post("/metrics/job/a")
            } else {
                put("/metrics/job/a")
            };
            let answer = gateway.send(&push.body(body.as_str()));
            assert_eq!(answer.status, 200, "{body}: {}", answer.text());
        }
        assert_eq!(lines(&gateway, prefix), expected, "{bodies:?}");
    };
    adds(&[counter("1"), counter("2")], "c_total", &["c_total 3"]);
    adds(&[gauge("5"), gauge("7"), gauge("-2")], "g", &["g -2"]);
    adds(&["u 5\n".to_owned(), "u 7\n".to_owned()], "u ", &["u 12"]);
    adds(
        &[histogram("1", "2"), histogram("1", "3")],
        "h_bucket",
        &["h_bucket{le=\"1\"} 5", "h_bucket{le=\"+Inf\"} 5"],
    );
    // Its buckets of other bounds fall, and it refuses a second summary, a counter without `_total`, series with other label names,
    // and an empty body.
    adds(
        &[histogram("1", "5"), histogram("2", "1")],
        "h_bucket",
        &["h_bucket{le=\"+Inf\"} 6"],
    );
    adds(&[summary(3), summary(4)], "s", &["s_sum 7", "s_count 2"]);
    adds(
        &["# TYPE x counter\nx 1\nx{a=\"1\"} 2\n".to_owned(), String::new()],
        "x",
        &["x 1", "x{a=\"1\"} 2"],
    );
    for wrong in [counter("-2"), counter("1 1700000000000"), "a 1\na 2\n".to_owned()] {
        assert_eq!(
            gateway.send(&post("/metrics/job/a").body(wrong.as_str())).status,
            400,
            "{wrong}"
        );
    }
    // The path wins, and of a label that stands twice in it the last value.
    assert_eq!(gateway.send(&delete("/metrics/job/a")).status, 202);
    let push = post("/metrics/job/a/x/1/x/2").body("n{job=\"b\",x=\"3\"} 1\n");
    assert_eq!(gateway.send(&push).status, 200);
    assert_eq!(lines(&gateway, "n"), ["n{x=\"2\"} 1"]);
}

#[test]
fn many_groups_are_added_up_at_once_or_not_at_all() {
    let gateway = wharf().start();
    let many = |body: &str| post("/api/v1/push?group_by=job&merge=aggregate").body(body);
    for _ in 0..3 {
        assert_eq!(
            gateway.send(&many("n{job=\"a\"} 1\nn{job=\"b\"} 2\n")).status,
            200
        );
    }
    assert_eq!(lines(&gateway, "n"), ["n 3", "n{job=\"b\"} 6"]);
    refused(
        &gateway,
        &many("n{job=\"a\"} 1\nn{job=\"b\"} NaN\n"),
        400,
        "group {job=\"b\"}: expected metrics that",
    );
    assert_eq!(lines(&gateway, "n"), ["n 3", "n{job=\"b\"} 6"]);
}

#[test]
fn native_histograms_are_added_as_they_are_scraped() {
    let gateway = wharf().start();
    let push = post("/metrics/job/a?merge=aggregate")
        .header("Content-Type", protobuf::CONTENT_TYPE)
        .body(delimited(&[native_histogram("h")]));
    assert_eq!(gateway.send(&push).status, 200);
    let once = lines(&gateway, "h_count")[0].clone();
    assert_eq!(gateway.send(&push).status, 200);
    let twice = lines(&gateway, "h_count")[0].clone();
    let count = |line: &str| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap();
    assert_eq!(count(&twice), 2 * count(&once));
}

#[test]
fn means_and_the_time_of_series_survive_a_kill_and_a_series_that_stops_coming_leaves() {
    let (folder, spawn) = with_rules(
        "aggregate:\n- {match: '{job=\"a\"}', gauge: average}\nexpiry:\n- {match: '{job=\"a\"}', series_ttl: 2s}\n",
    );
    let data = folder.path().join("data");
    let mut gateway = loaded(spawn.arg(format!("--storage.path={}", data.display())));
    // Pushes may say how, whatever the rule is.
    for value in [1, 2] {
        let gauge = format!("# TYPE g gauge\ng {value}\n");
        let request = post("/metrics/job/b?aggregate=gauge:average").body(gauge);
        assert_eq!(gateway.send(&request).status, 200);
    }
    gateway.push("/metrics/job/a", "# TYPE g gauge\ng{x=\"1\"} 4\n");
    assert_eq!(
        gateway
            .send(&post("/metrics/job/a?merge=series").body("p 1\n"))
            .status,
        200
    );
    gateway.kill();
    gateway.wait();
    let spawn = wharf().arg(format!(
        "--config.file={}",
        folder.path().join("wharf.yml").display()
    ));
    let gateway = loaded(spawn.arg(format!("--storage.path={}", data.display())));
    let request = post("/metrics/job/b?aggregate=gauge:average").body("# TYPE g gauge\ng 6\n");
    assert_eq!(gateway.send(&request).status, 200);
    assert!(lines(&gateway, "g{").contains(&"g{job=\"b\"} 3".to_owned()));
    until("the series to leave", || {
        (lines(&gateway, "g{") == ["g{job=\"b\"} 3"]).then_some(())
    });
    gateway.log_line("series of groups expired");
    // What a plain push has set stays, and so does the group.
    assert_eq!(lines(&gateway, "p "), ["p 1"]);
    assert_eq!(lines(&gateway, "push_time_seconds").len(), 2);
    gateway.push("/metrics/job/a", "# TYPE g gauge\ng{x=\"1\"} 7\n");
    assert!(lines(&gateway, "g{").contains(&"g{x=\"1\"} 7".to_owned()));
}

#[test]
fn a_group_begins_anew_and_keeps_its_label_sets_also_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let kept = |spawn: Spawn| spawn.arg(format!("--storage.path={}", folder.path().display()));
    let mut gateway = loaded(kept(wharf()));
    let body = "# TYPE c counter\nc{x=\"1\"} 5\nc{x=\"2\"} 1\n# TYPE g gauge\ng 3\n";
    add(&gateway, "/metrics/job/a", body);
    let native = post("/metrics/job/a?merge=aggregate")
        .header("Content-Type", protobuf::CONTENT_TYPE)
        .body(delimited(&[native_histogram("h")]));
    assert_eq!(gateway.send(&native).status, 200);
    let counts = lines(&gateway, "h_");
    let reset = |query: &str| gateway.send(&post(&format!("/api/v1/groups/job/a/reset{query}")));
    let answer = reset("");
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["data"]["reset"], true);
    assert_eq!(lines(&gateway, "c"), ["c{x=\"1\"} 0", "c{x=\"2\"} 0"]);
    assert_eq!(lines(&gateway, "g "), ["g 3"], "the last value is no sum");
    assert_eq!(lines(&gateway, "h_count"), ["h_count 0"]);
    assert_eq!(reset("?gauge=sum").status, 200);
    assert_eq!(lines(&gateway, "g "), ["g 0"]);
    let (path, nobody) = ("/api/v1/groups/job/a/reset", "/api/v1/groups/job/b/reset");
    let unknown = "gauge: expected one of last, sum, min, max, average, count, found `mean`";
    refused(&gateway, &post(&format!("{path}?gauge=mean")), 400, unknown);
    refused(&gateway, &post(nobody), 404, "there is no group");
    let audit = get("/api/v1/admin/audit?kind=reset");
    let audit = gateway.send(&audit).json();
    let entry = &audit["data"]["entries"][0];
    assert_eq!(
        (&entry["times"], &entry["groups"]),
        (&2.into(), &2.into()),
        "{audit}"
    );
    gateway.log_line("group begun anew");
    gateway.kill();
    gateway.wait();
    let gateway = loaded(kept(wharf()));
    assert_eq!(lines(&gateway, "c"), ["c{x=\"1\"} 0", "c{x=\"2\"} 0"]);
    // What comes then is all there is.
    assert_eq!(gateway.send(&native).status, 200);
    assert_eq!(lines(&gateway, "h_"), counts);
    let tool = |arguments: &[&str]| {
        let mut tool = Command::new(WHARF);
        tool.arg("reset").args(arguments);
        let tool = tool
            .arg(format!("--gateway=http://{}", gateway.address()))
            .output();
        String::from_utf8(tool.unwrap().stdout).unwrap()
    };
    assert_eq!(tool(&["a", "--dry-run"]), "{job=\"a\"}\nwould reset 1 group\n");
    assert_eq!(lines(&gateway, "h_"), counts);
    assert_eq!(
        tool(&["a", "--yes", "--gauge=max"]),
        "{job=\"a\"}\nreset 1 group\n"
    );
    assert_eq!(lines(&gateway, "h_count"), ["h_count 0"]);
    assert_eq!(lines(&gateway, "g "), ["g NaN"]);
    assert_eq!(tool(&["nobody", "--yes"]), "no group matches\n");
}

#[test]
fn a_group_says_from_how_many_pushes_it_is_added_up_and_since_when() {
    let folder = tempfile::tempdir().unwrap();
    let kept = |spawn: Spawn| spawn.arg(format!("--storage.path={}", folder.path().display()));
    let mut gateway = loaded(kept(wharf()));
    let aggregation = |gateway: &Gateway| {
        let group = gateway.send(&get("/api/v1/groups/job/a")).json()["data"]["aggregation"].clone();
        let listed = gateway.send(&get("/api/v1/groups")).json();
        assert_eq!(listed["data"]["groups"][0]["aggregation"], group);
        group
    };
    gateway.push("/metrics/job/a", "c 1\n");
    assert_eq!(aggregation(&gateway), Value::Null);
    add(&gateway, "/metrics/job/a", "c 1\n");
    add(&gateway, "/metrics/job/a", "d 1\n");
    refused(
        &gateway,
        &adding("/metrics/job/a", "c NaN\n"),
        400,
        "expected metrics that",
    );
    // A plain push of a family leaves the others as they are.
    gateway.push("/metrics/job/a", "d 1\n");
    let twice = aggregation(&gateway);
    assert_eq!(twice["pushes"], 2);
    let since = twice["since_seconds"].as_f64().unwrap();
    let history = gateway.send(&get("/api/v1/groups/job/a/history")).json();
    assert_eq!(history["data"]["pushes"][1]["time_seconds"], since);
    assert_eq!(gateway.send(&post("/api/v1/groups/job/a/reset")).status, 200);
    let anew = aggregation(&gateway);
    assert_eq!(anew["pushes"], 0);
    assert!(anew["since_seconds"].as_f64().unwrap() >= since);
    add(&gateway, "/metrics/job/a", "c 1\n");
    let once = aggregation(&gateway);
    assert_eq!(once, json!({"pushes": 1, "since_seconds": anew["since_seconds"]}));
    gateway.terminate();
    gateway.wait();
    let gateway = loaded(kept(wharf()));
    assert_eq!(aggregation(&gateway), once, "it is kept with the history");
    gateway.replace("/metrics/job/a", "c 1\n");
    assert_eq!(
        aggregation(&gateway),
        Value::Null,
        "nothing that was added up is left"
    );
}

/// Workers that push to one group at once, a kill in the middle, and nothing is counted twice.
#[test]
fn what_was_answered_is_in_the_sum_once_also_after_a_kill() {
    const WORKERS: u64 = 4;
    let folder = tempfile::tempdir().unwrap();
    let kept = |spawn: Spawn| spawn.arg(format!("--storage.path={}", folder.path().display()));
    let mut answered = 0;
    let mut sent = 0;
    for _ in 0..3 {
        let gateway = loaded(kept(wharf()));
        let counts: Vec<(u64, u64)> = thread::scope(|scope| {
            let workers = (0..WORKERS).map(|worker| {
                let gateway = &gateway;
                scope.spawn(move || {
                    let (mut sent, mut answered) = (0, 0);
                    let Ok(mut connection) = wharf_testkit::http::Connection::open(gateway.address()) else {
                        return (0, 0);
                    };
                    loop {
                        let body = format!(
                            "# TYPE all counter\nall 1\n# TYPE own counter\nown{{w=\"{worker}\"}} 1\n"
                        );
                        sent += 1;
                        match connection.send(&adding("/metrics/job/a", &body)) {
                            Ok(answer) if answer.status == 200 => answered += 1,
                            _ => return (sent, answered),
                        }
                        if worker == 0 && sent == 100 {
                            gateway.kill();
                        }
                    }
                })
            });
            let workers: Vec<_> = workers.collect();
            workers.into_iter().map(|worker| worker.join().unwrap()).collect()
        });
        for (of_worker, kept) in counts {
            sent += of_worker;
            answered += kept;
        }
    }
    let gateway = loaded(kept(wharf()));
    let value = |line: &str| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap();
    let all = value(&lines(&gateway, "all")[0]);
    let own: u64 = lines(&gateway, "own").iter().map(|line| value(line)).sum();
    assert!(
        answered <= all && all <= sent,
        "{answered} answered, {all} kept, {sent} sent"
    );
    // Both families of a push are kept, or none.
    assert_eq!(own, all);
}

#[test]
fn a_file_with_rules_of_aggregation_is_checked() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("wharf.yml");
    std::fs::write(
        &file,
        "aggregate:\n- match: '{job=\"fn\"}'\nruns:\n- match: '{}'\n",
    )
    .unwrap();
    let check = Command::new(WHARF)
        .args(["config", "check"])
        .arg(&file)
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8(check.stdout).unwrap(),
        "sound: 0 expiry rules, 0 quotas, 0 relabelling rules, 1 rule of aggregation, 1 rule of runs\n"
    );
}
