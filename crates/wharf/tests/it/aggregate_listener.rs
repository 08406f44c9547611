//! The addresses of prom-aggregation-gateway: its clients and scrapers, unchanged. The cases are those that 0.9.0 of it was seen with; where
//! its result is wrong the right one is here, and `docs/compatibility.md` has both.

use std::fmt::Write as _;
use std::net::SocketAddr;

use serde_json::json;
use wharf_testkit::http::{Connection, Request, Response, delete, get, head, options, post, put};
use wharf_testkit::protobuf::{self, delimited, native_histogram};
use wharf_testkit::{Gateway, Spawn};

use crate::rules::with_rules;
use crate::{loaded, wharf};

const FREE: &str = "127.0.0.1:0";

/// Of `s3cret`, at the lowest cost.
const ALICE_ALONE: &str =
    "basic_auth_users:\n  alice: $2b$04$EGNYGlakPdNb60roBdlmWuYTRXiJhVh/.whhyXo7LyWUID1a4nLfK\n";
/// `alice:s3cret`
const ALICE: &str = "Basic YWxpY2U6czNjcmV0";
/// `bob:s3cret`
const BOB: &str = "Basic Ym9iOnMzY3JldA==";

fn listening(spawn: Spawn) -> Spawn {
    spawn
        .arg(format!("--aggregate.listen-address={FREE}"))
        .arg("--web.enable-admin-api")
}

/// A gateway with an address for parts, which is the last one.
struct Parts(Gateway);

impl Parts {
    fn start() -> Self {
        Self(listening(wharf()).start())
    }

    fn address(&self) -> SocketAddr {
        *self.0.addresses().last().unwrap()
    }

    #[track_caller]
    fn send(&self, request: &Request) -> Response {
        send(self.address(), request)
    }

    #[track_caller]
    fn push(&self, path: &str, body: &str) -> u16 {
        let answer = self.send(&post(path).body(body));
        if answer.status == 202 {
            assert_eq!(answer.text(), "", "{path}");
        }
        answer.status
    }

    /// The lines that are shown, without help, sorted: order is another test.
    #[track_caller]
    fn shown(&self) -> Vec<String> {
        let answer = self.send(&get("/metrics"));
        assert_eq!(answer.status, 200, "{}", answer.text());
        let text = answer.text();
        let lines = text.lines().filter(|line| !line.starts_with("# HELP"));
        let mut lines: Vec<String> = lines.map(str::to_owned).collect();
        lines.sort();
        lines
    }

    /// Nothing is stored any more.
    fn clear(&self) {
        assert_eq!(self.0.send(&put("/api/v1/admin/wipe")).status, 202);
    }
}

#[track_caller]
fn send(address: SocketAddr, request: &Request) -> Response {
    Connection::open(address).unwrap().send(request).unwrap()
}

fn counter(name: &str, value: &str) -> String {
    format!("# TYPE {name} counter\n{name} {value}\n")
}

fn gauge(value: &str) -> String {
    format!("# TYPE g gauge\ng {value}\n")
}

fn histogram(buckets: &[(&str, u32)], sum: &str) -> String {
    let mut text = "# TYPE h histogram\n".to_owned();
    for (bound, count) in buckets {
        writeln!(text, "h_bucket{{le=\"{bound}\"}} {count}").unwrap();
    }
    let (_, count) = buckets.last().unwrap();
    text + &format!("h_sum {sum}\nh_count {count}\n")
}

fn summary(quantile: &str, sum: u32, count: u32) -> String {
    format!("# TYPE s summary\ns{{quantile=\"0.5\"}} {quantile}\ns_sum {sum}\ns_count {count}\n")
}

/// Pushes that are taken, and what is shown then.
#[track_caller]
fn adds_up(parts: &Parts, pushes: &[(&str, &str)], expected: &[&str]) {
    parts.clear();
    for (path, body) in pushes {
        let answer = parts.send(&post(path).body(*body));
        assert_eq!(answer.status, 202, "{path} {body}: {}", answer.text());
    }
    let mut expected: Vec<String> = expected.iter().map(|line| (*line).to_owned()).collect();
    expected.sort();
    assert_eq!(parts.shown(), expected, "{pushes:?}");
}

#[test]
fn parts_become_the_sums_of_prom_aggregation_gateway() {
    let parts = Parts::start();
    let c = |value| counter("c_total", value);
    adds_up(
        &parts,
        &[("/metrics/job/a", &c("1")), ("/metrics/job/a", &c("2"))],
        &["# TYPE c_total counter", "c_total{job=\"a\"} 3"],
    );
    adds_up(
        &parts,
        &[
            ("/metrics/job/a", &c("1")),
            ("/metrics/job/b", &c("2")),
            ("/metrics", &c("5")),
        ],
        &[
            "# TYPE c_total counter",
            "c_total{job=\"a\"} 1",
            "c_total{job=\"b\"} 2",
            "c_total 5",
        ],
    );
    // Gauges are sums here, whatever they are elsewhere.
    adds_up(
        &parts,
        &[
            ("/metrics", &gauge("5")),
            ("/metrics", &gauge("7")),
            ("/metrics", &gauge("-2")),
        ],
        &["# TYPE g gauge", "g 10"],
    );
    adds_up(
        &parts,
        &[("/metrics", "u 5\n"), ("/metrics", "u 7\n")],
        &["# TYPE u untyped", "u 12"],
    );
    adds_up(
        &parts,
        &[
            ("/metrics", &histogram(&[("1", 1), ("2", 3), ("+Inf", 4)], "4")),
            ("/metrics", &histogram(&[("1", 2), ("2", 2), ("+Inf", 2)], "2")),
        ],
        &[
            "# TYPE h histogram",
            "h_bucket{le=\"1\"} 3",
            "h_bucket{le=\"2\"} 5",
            "h_bucket{le=\"+Inf\"} 6",
            "h_sum 6",
            "h_count 6",
        ],
    );
    adds_up(
        &parts,
        &[
            ("/metrics", &summary("1", 3, 4)),
            ("/metrics", &summary("2", 4, 6)),
        ],
        &["# TYPE s summary", "s_sum 7", "s_count 10"],
    );
    let l = |labels: &str, value| format!("# TYPE c_total counter\nc_total{labels} {value}\n");
    adds_up(
        &parts,
        &[
            ("/metrics", &l("{a=\"1\",b=\"2\"}", 1)),
            ("/metrics", &l("{b=\"2\",a=\"1\"}", 2)),
            ("/metrics", &l("{a=\"1\"}", 4)),
            ("/metrics", &l("", 8)),
        ],
        &[
            "# TYPE c_total counter",
            "c_total{a=\"1\",b=\"2\"} 3",
            "c_total{a=\"1\"} 4",
            "c_total 8",
        ],
    );
    // A label is the same in the path and in the body.
    adds_up(
        &parts,
        &[
            ("/metrics/x/1", &c("1")),
            ("/metrics", &l("{x=\"1\"}", 2)),
            ("/metrics", &l("{job=\"a\",x=\"1\"}", 4)),
        ],
        &[
            "# TYPE c_total counter",
            "c_total{x=\"1\"} 3",
            "c_total{job=\"a\",x=\"1\"} 4",
        ],
    );
    adds_up(&parts, &[("/metrics", "")], &[]);
    // OpenMetrics that does not say so is text.
    adds_up(
        &parts,
        &[("/metrics", "# TYPE c counter\nc_total 1\n# EOF\n")],
        &["# TYPE c_total untyped", "c_total 1"],
    );
}

#[test]
fn a_put_adds_as_a_post_does_and_both_are_answered_with_202() {
    let parts = Parts::start();
    for (request, sum) in [(post("/metrics"), 1), (put("/metrics"), 2), (put("/metrics/"), 3)] {
        let answer = parts.send(&request.body(counter("c", "1")));
        assert_eq!((answer.status, answer.text().as_str()), (202, ""));
        assert_eq!(parts.shown(), ["# TYPE c counter".to_owned(), format!("c {sum}")]);
    }
    // The first help stays as long as none is pushed.
    assert_eq!(
        parts.push("/metrics", "# HELP c Cups.\n# TYPE c counter\nc 1\n"),
        202
    );
    assert_eq!(parts.push("/metrics", &counter("c", "1")), 202);
    assert_eq!(
        parts.send(&get("/metrics")).text(),
        "# HELP c Cups.\n# TYPE c counter\nc 5\n"
    );
}

/// Its buckets of other bounds fall, and its NaN stays for ever.
#[test]
fn what_prom_aggregation_gateway_gets_wrong_is_right_or_refused() {
    let parts = Parts::start();
    adds_up(
        &parts,
        &[
            ("/metrics", &histogram(&[("1", 5), ("+Inf", 5)], "2")),
            ("/metrics", &histogram(&[("2", 1), ("+Inf", 1)], "1.5")),
        ],
        &[
            "# TYPE h histogram",
            "h_bucket{le=\"+Inf\"} 6",
            "h_sum 3.5",
            "h_count 6",
        ],
    );
    adds_up(
        &parts,
        &[
            (
                "/metrics",
                &histogram(&[("1", 1), ("2", 3), ("5", 4), ("+Inf", 4)], "4"),
            ),
            ("/metrics", &histogram(&[("2", 2), ("+Inf", 3)], "1")),
        ],
        &[
            "# TYPE h histogram",
            "h_bucket{le=\"2\"} 5",
            "h_bucket{le=\"+Inf\"} 7",
            "h_sum 5",
            "h_count 7",
        ],
    );
    // Quantiles are left out from the first part on, not from the second.
    adds_up(
        &parts,
        &[("/metrics", &summary("1", 3, 4))],
        &["# TYPE s summary", "s_sum 3", "s_count 4"],
    );
    parts.clear();
    assert_eq!(parts.push("/metrics", &counter("c", "5")), 202);
    let four = ["a", "b", "d"].map(|name| counter(name, "1")).concat();
    for wrong in [
        counter("c", "NaN"),
        counter("c", "-2"),
        counter("c", "+Inf"),
        gauge("NaN"),
        counter("c", "1 1700000000000"),
    ] {
        assert_eq!(parts.push("/metrics", &wrong), 400, "{wrong}");
        // All of a push or nothing.
        assert_eq!(parts.push("/metrics", &format!("{four}{wrong}")), 400, "{wrong}");
        assert_eq!(parts.push("/metrics", &format!("{wrong}{four}")), 400, "{wrong}");
    }
    assert_eq!(parts.shown(), ["# TYPE c counter", "c 5"]);
    // Whoever deletes what is in the way can push another type.
    assert_eq!(parts.push("/metrics", "# TYPE c gauge\nc 1\n"), 400);
    assert_eq!(parts.push("/metrics", "c 1\n"), 400);
    assert_eq!(
        parts
            .0
            .send(&delete("/api/v1/groups/job/aggregate?family=c"))
            .status,
        200
    );
    assert_eq!(parts.push("/metrics", "c 1\n"), 202);
    assert_eq!(parts.push("/metrics", &counter("c", "1")), 400);
    let stripping = Parts(listening(wharf().arg("--push.timestamps=strip")).start());
    for _ in 0..2 {
        assert_eq!(stripping.push("/metrics", "a 1 1700000000000\n"), 202);
    }
    assert_eq!(stripping.shown(), ["# TYPE a untyped", "a 2"]);
}

#[test]
fn bodies_are_refused_as_by_prom_aggregation_gateway_but_for_what_can_be_read() {
    let parts = Parts::start();
    for body in [
        "# TYPE c counter\nc 1 # {a=\"1\"} 1\n",
        "a{x=\"1\"} 1\na{x=\"1\"} 2\n",
        "a{x=\"1\",x=\"2\"} 1\n",
        "a one\n",
    ] {
        assert_eq!(parts.push("/metrics", body), 400, "{body}");
    }
    assert!(parts.shown().is_empty());
    // The gateway writes its own times.
    assert_eq!(parts.push("/metrics", "push_time_seconds 1\n"), 202);
    assert!(parts.shown().is_empty());
    // What it refuses, and can be read.
    assert_eq!(parts.push("/metrics", "a 1"), 202);
    assert_eq!(parts.push("/metrics", "a 1\r\n"), 202);
    let gzip = {
        use std::io::Write as _;
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(b"a 1\n").unwrap();
        encoder.finish().unwrap()
    };
    let gzip = post("/metrics").header("Content-Encoding", "gzip").body(gzip);
    assert_eq!(parts.send(&gzip).status, 202);
    assert_eq!(parts.shown(), ["# TYPE a untyped", "a 3"]);
    let native = post("/metrics/x/1")
        .header("Content-Type", protobuf::CONTENT_TYPE)
        .body(delimited(&[native_histogram("h")]));
    assert_eq!(parts.send(&native).status, 202);
    assert!(
        parts
            .shown()
            .iter()
            .any(|line| line.starts_with("h_count{x=\"1\"} "))
    );
}

#[test]
fn labels_of_the_path_are_added_and_none_breaks_the_page() {
    let parts = Parts::start();
    let labelled = |path: &str| {
        parts.clear();
        let answer = parts.send(&post(path).body("c 1\n"));
        match answer.status {
            202 => parts.shown().concat().replace("# TYPE c untyped", ""),
            400 => answer.text(),
            other => panic!("{path}: {other} {}", answer.text()),
        }
    };
    for (path, expected) in [
        ("/metrics/", "c 1"),
        ("/metrics/job/a/", "c{job=\"a\"} 1"),
        ("/metrics/b/2/a/1", "c{a=\"1\",b=\"2\"} 1"),
        ("/metrics/instance/i/job/a", "c{instance=\"i\",job=\"a\"} 1"),
        // An empty value is none, also for scrapers that read the page of the other one.
        ("/metrics/job//x/1", "c{x=\"1\"} 1"),
        ("/metrics/job", "labels must be defined in pairs"),
        // It is decoded before it is split.
        ("/metrics/job/a%2Fb", "labels must be defined in pairs"),
        ("/metrics/job@base64/YQ==", "invalid name \"job@base64\""),
        ("/metrics/a.b/x", "invalid name \"a.b\""),
        ("/metrics/%C3%A9/x", "invalid name \"é\""),
        ("/metrics/job/a/x/1/x/2", "duplicate label x"),
        ("/metrics/__name__/x", "invalid name \"__name__\""),
    ] {
        assert_eq!(labelled(path).trim_end(), expected, "{path}");
    }
    parts.clear();
    for (path, body) in [
        ("/metrics/job/a", "c{job=\"b\"} 1\n".to_owned()),
        ("/metrics/job/a", "c{job=\"a\"} 1\n".to_owned()),
        ("/metrics/le/1", histogram(&[("+Inf", 1)], "1")),
        ("/metrics/quantile/1", summary("1", 1, 1)),
    ] {
        let answer = parts.send(&post(path).body(body));
        assert_eq!(answer.status, 400, "{path}");
        assert!(answer.text().starts_with("duplicate label "), "{}", answer.text());
    }
    assert!(parts.shown().is_empty());
    assert_eq!(
        send(parts.address(), &post("//metrics").body("c 1\n")).status,
        404
    );
}

#[test]
fn the_page_is_that_of_prom_aggregation_gateway_and_heads_and_preflights_work() {
    let parts = Parts::start();
    assert_eq!(
        parts.push("/metrics/z/1", &(gauge("1") + &counter("b_total", "1"))),
        202
    );
    assert_eq!(parts.push("/metrics/a/2", &counter("b_total", "1")), 202);
    let page =
        "# TYPE b_total counter\nb_total{a=\"2\"} 1\nb_total{z=\"1\"} 1\n# TYPE g gauge\ng{z=\"1\"} 1\n";
    let answer = parts.send(&get("/metrics"));
    assert_eq!((answer.status, answer.text().as_str()), (200, page));
    let plain = Some("text/plain; version=0.0.4; charset=utf-8");
    assert_eq!(answer.header("Content-Type"), plain);
    let asked = head("/metrics");
    let answer = parts.send(&asked);
    assert_eq!((answer.status, answer.header("Content-Type")), (200, plain));
    for (path, allow) in [
        ("/metrics", "GET, HEAD, OPTIONS, POST, PUT"),
        ("/metrics/job/a", "OPTIONS, POST, PUT"),
    ] {
        let answer = parts.send(&options(path));
        assert_eq!((answer.status, answer.header("Allow")), (200, Some(allow)));
    }
    for request in [
        delete("/metrics"),
        get("/metrics/job/a"),
        get("/api/v1/groups"),
        get("/"),
        get("/-/healthy"),
    ] {
        assert_eq!(parts.send(&request).status, 404, "{request}");
    }
    let trusting = Parts(listening(wharf().arg("--web.cors.origin=.*")).start());
    let preflight = options("/metrics")
        .header("Origin", "https://shop.example")
        .header("Access-Control-Request-Method", "POST");
    assert_eq!(
        trusting.send(&preflight).header("Access-Control-Allow-Origin"),
        Some("*")
    );
    let push = |parts: &Parts| {
        let push = post("/metrics").header("Origin", "https://shop.example");
        parts.send(&push.body("c 1\n")).status
    };
    assert_eq!([push(&trusting), push(&parts)], [202, 403]);
}

#[test]
fn series_land_in_ordinary_groups_and_stay_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let spawn = || listening(wharf()).arg(format!("--storage.path={}", folder.path().display()));
    let mut parts = Parts(loaded(spawn().arg("--aggregate.job=sums")));
    assert_eq!(parts.push("/metrics/x/1", "c 1\n"), 202);
    assert_eq!(parts.push("/metrics/job/own/x/1", "c 2\n"), 202);
    // Another group that is not added up is nothing for this page; what is added to it elsewhere is.
    parts.0.push("/metrics/job/plain", "c 8\n");
    let added = post("/metrics/job/elsewhere/instance/i?merge=aggregate").body("c 16\n");
    assert_eq!(parts.0.send(&added).status, 200);
    let page =
        "# TYPE c untyped\nc{instance=\"i\",job=\"elsewhere\"} 16\nc{job=\"own\",x=\"1\"} 2\nc{x=\"1\"} 1\n";
    assert_eq!(parts.send(&get("/metrics")).text(), page);
    let scrape = parts.0.send(&get("/metrics")).text();
    for line in [
        "c{instance=\"\",job=\"sums\",x=\"1\"} 1\n",
        "c{instance=\"\",job=\"own\",x=\"1\"} 2\n",
        "c{instance=\"\",job=\"plain\"} 8\n",
    ] {
        assert!(scrape.contains(line), "{line}{scrape}");
    }
    let group = parts.0.send(&get("/api/v1/groups/job/sums")).json();
    assert_eq!(group["data"]["aggregation"]["pushes"], json!(1), "{group}");
    assert_eq!(parts.push("/metrics/x/1?ttl=1h", "c 1\n"), 202);
    let group = parts.0.send(&get("/api/v1/groups/job/sums")).json();
    assert_eq!(group["data"]["ttl"], json!("1h"));
    parts.0.kill();
    parts.0.wait();
    let parts = Parts(loaded(spawn().arg("--aggregate.job=sums")));
    let page = page.replace("c{x=\"1\"} 1", "c{x=\"1\"} 2");
    assert_eq!(parts.send(&get("/metrics")).text(), page);
    // A reset keeps the series, and a plain push makes it one of those that are not added up.
    assert_eq!(parts.0.send(&post("/api/v1/groups/job/sums/reset")).status, 200);
    parts.0.replace("/metrics/job/own", "c 3\n");
    let page = "# TYPE c untyped\nc{instance=\"i\",job=\"elsewhere\"} 16\nc{x=\"1\"} 0\n";
    assert_eq!(parts.send(&get("/metrics")).text(), page);
}

#[test]
fn gauges_become_what_the_push_says_and_a_push_that_is_not_to_be_added_is_refused() {
    let parts = Parts::start();
    for value in ["3", "5", "4"] {
        assert_eq!(parts.push("/metrics?aggregate=gauge:max", &gauge(value)), 202);
    }
    assert_eq!(parts.shown(), ["# TYPE g gauge", "g 5"]);
    for query in [
        "merge=none",
        "merge=series",
        "counters=run",
        "aggregate=gauge:mean",
    ] {
        assert_eq!(
            parts.push(&format!("/metrics?{query}"), &gauge("1")),
            400,
            "{query}"
        );
    }
    assert_eq!(parts.shown(), ["# TYPE g gauge", "g 5"]);
}

#[test]
fn the_web_config_file_counts_here_unless_there_is_one_for_this_address() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (alice, open) = (
        file("alice.yml", ALICE_ALONE),
        file("open.yml", "http_server_config: {}\n"),
    );
    let pushed = |parts: &Parts, user: Option<&str>| {
        let mut push = post("/metrics").body("c 1\n");
        if let Some(user) = user {
            push = push.header("Authorization", user);
        }
        parts.send(&push).status
    };
    let common = Parts(
        listening(wharf())
            .arg(format!("--web.config.file={alice}"))
            .start(),
    );
    assert_eq!(
        [None, Some(ALICE), Some(BOB)].map(|user| pushed(&common, user)),
        [401, 202, 401]
    );
    assert_eq!(common.send(&get("/metrics")).status, 401);
    let own = Parts(
        listening(wharf())
            .arg(format!("--web.config.file={alice}"))
            .arg(format!("--aggregate.config-file={open}"))
            .start(),
    );
    assert_eq!(pushed(&own, None), 202);
    assert_eq!(own.0.send(&get("/metrics")).status, 401);
    let alone = wharf().arg(format!("--aggregate.config-file={open}")).run();
    assert!(
        alone
            .stderr
            .contains("expected --aggregate.listen-address beside"),
        "{alone:?}"
    );
}

#[test]
fn rights_and_limits_are_those_of_other_addresses() {
    let rules = "access:\n  anonymous: {push: '{job=\"a\"}', read: '{job=\"b\"}'}\nquotas:\n- match: '{job=\"a\"}'\n  series: 6\n";
    let (_folder, spawn) = with_rules(rules);
    let parts = Parts(spawn.arg(format!("--aggregate.listen-address={FREE}")).start());
    assert_eq!(parts.push("/metrics/job/a", "c 1\n"), 202);
    assert_eq!(parts.push("/metrics/job/b", "c 1\n"), 403);
    assert_eq!(parts.push("/metrics", "c 1\n"), 403);
    // Nothing of a push of which a group is not to be had.
    assert_eq!(parts.push("/metrics", "c{job=\"a\"} 1\nc{job=\"b\"} 1\n"), 403);
    assert_eq!(
        parts.shown(),
        Vec::<String>::new(),
        "only those of job b are to be seen"
    );
    let many: Vec<_> = (0..9).map(|n| format!("c{{x=\"{n}\"}} 1\n")).collect();
    let many = many.concat();
    assert_eq!(parts.push("/metrics/job/a", &many), 429);
    let small = Parts(listening(wharf()).arg("--push.max-body-bytes=64").start());
    assert_eq!(small.push("/metrics", &"c{x=\"1\"} 1\n".repeat(9)), 413);
    let few = Parts(listening(wharf()).arg("--limits.max-labels-per-series=2").start());
    assert_eq!(few.push("/metrics/a/1", "c 1\n"), 202);
    assert_eq!(few.push("/metrics/a/1/b/2", "c 1\n"), 413);
    let path: Vec<_> = (0..3_000).map(|n| format!("/l{n}/v")).collect();
    let path = path.concat();
    let answer = few.send(&post(&format!("/metrics{path}")).body("c 1\n"));
    assert!([400, 413, 414, 431].contains(&answer.status), "{}", answer.status);
}

#[test]
fn the_lifecycle_address_has_probes_and_its_metrics() {
    let spawn = listening(wharf()).arg(format!("--aggregate.lifecycle-address={FREE}"));
    let gateway = spawn.start();
    let [_, parts, lifecycle] = *gateway.addresses() else {
        panic!("three addresses")
    };
    for path in ["/healthy", "/ready"] {
        let answer = send(lifecycle, &get(path));
        assert_eq!(answer.status, 200);
        assert_eq!(answer.json()["alive"], true);
        assert!(answer.json()["version"].is_string() && answer.json()["commitSHA"].is_string());
    }
    for (path, body) in [
        ("/metrics/job/a", "c 1\nd{x=\"1\"} 1\nd{x=\"2\"} 1\n"),
        ("/metrics/job/a", "c 1\n"),
        ("/metrics", "c 1\n"),
        ("/metrics/job/b", "c NaN\n"),
        // Nobody fills the list of jobs with what brings nothing.
        ("/metrics/job/c", ""),
        ("/metrics/job/a", "# TYPE c untyped\n"),
    ] {
        send(parts, &post(path).body(body));
    }
    let metrics = send(lifecycle, &get("/metrics")).text();
    let lines: Vec<&str> = metrics.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(
        lines,
        [
            "prom_agg_gateway_metric_pushes{push_job=\"\"} 1",
            "prom_agg_gateway_metric_pushes{push_job=\"a\"} 2",
            "prom_agg_gateway_metrics_by_family{family=\"c\"} 2",
            "prom_agg_gateway_metrics_by_family{family=\"d\"} 2",
            "prom_agg_gateway_total_families 2",
        ]
    );
    for request in [
        post("/metrics").body("c 1\n"),
        get("/-/ready"),
        get("/api/v1/groups"),
    ] {
        assert_eq!(send(lifecycle, &request).status, 404, "{request}");
    }
    // They are its own, and no names that the usual page takes from anybody.
    assert!(!gateway.send(&get("/metrics")).text().contains("prom_agg_gateway"));
    gateway.push("/metrics/job/x", "prom_agg_gateway_total_families 1\n");
}
