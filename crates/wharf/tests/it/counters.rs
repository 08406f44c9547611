//! Counters that begin anew with each push, so that what runs have counted adds up.

use std::process::Command;

use tempfile::TempDir;
use wharf_testkit::http::{Request, get, post, put};
use wharf_testkit::peers::PrometheusVersion;
use wharf_testkit::{Gateway, LedClock, Prometheus, Spawn, until};

use crate::rules::with_rules;
use crate::{WHARF, loaded, refused, wharf};

const COUNTER: &str = "# TYPE emails_sent_total counter\nemails_sent_total 10\n";

/// A push of what a run has counted.
fn run(path: &str, body: &str) -> Request {
    post(path).header("Wharf-Counters", "run").body(body)
}

/// When the counter began, as a scrape in `OpenMetrics` says it: in milliseconds.
fn started(gateway: &Gateway) -> Option<i64> {
    created(gateway, "emails_sent_created")
}

fn created(gateway: &Gateway, name: &str) -> Option<i64> {
    let scrape = get("/metrics").header("Accept", "application/openmetrics-text;version=1.0.0");
    let body = gateway.send(&scrape).text();
    let mut lines = body.lines().filter_map(|line| line.strip_prefix(name));
    let line = lines.next()?;
    assert_eq!(lines.next(), None, "{body}");
    let seconds: f64 = line.rsplit_once(' ')?.1.parse().ok()?;
    #[expect(clippy::cast_possible_truncation, reason = "a time of our days")]
    let milliseconds = (seconds * 1000.0).round() as i64;
    Some(milliseconds)
}

fn openmetrics() -> Spawn {
    wharf().arg("--web.enable-openmetrics")
}

/// A gateway that keeps its groups in the folder.
fn kept_in(folder: &TempDir) -> Spawn {
    openmetrics().arg(format!("--storage.path={}", folder.path().join("data").display()))
}

#[test]
fn each_push_of_a_run_begins_its_counters_anew() {
    let gateway = openmetrics().start();
    gateway.push("/metrics/job/mail", COUNTER);
    assert_eq!(started(&gateway), None);
    let mut last = 0;
    for _ in 0..5 {
        assert_eq!(gateway.send(&run("/metrics/job/mail", COUNTER)).status, 200);
        let start = started(&gateway).unwrap();
        assert!(start > last, "{start} after {last}");
        last = start;
    }
    // In the query, with PUT, of series, and of many groups.
    for request in [
        post("/metrics/job/mail?counters=run"),
        put("/metrics/job/mail?counters=run"),
        post("/metrics/job/mail?counters=run&merge=series"),
    ] {
        assert_eq!(gateway.send(&request.body(COUNTER)).status, 200);
        let start = started(&gateway).unwrap();
        assert!(start > last, "{start} after {last}");
        last = start;
    }
    let of_group = COUNTER.replace("total 10", "total{job=\"mail\"} 10");
    for path in [
        "/api/v1/push?group_by=job&counters=run",
        "/api/v1/push?group_by=job&counters=run&partial=true",
    ] {
        assert_eq!(gateway.send(&post(path).body(&*of_group)).status, 200);
        let start = started(&gateway).unwrap();
        assert!(start > last, "{start} after {last}");
        last = start;
    }
    // What is no run says nothing of a start.
    gateway.push("/metrics/job/mail", COUNTER);
    assert_eq!(started(&gateway), None);
}

#[test]
fn a_start_that_the_client_sends_gives_way_to_that_of_its_push() {
    let gateway = openmetrics().start();
    // Long before: such a run takes longer than a scrape interval.
    let body = "# TYPE emails_sent counter\nemails_sent_total 10\nemails_sent_created 1700000000\n# EOF\n";
    let openmetrics = |path| {
        post(path)
            .header("Content-Type", "application/openmetrics-text")
            .body(body)
    };
    assert_eq!(gateway.send(&openmetrics("/metrics/job/mail")).status, 200);
    assert_eq!(started(&gateway), Some(1_700_000_000_000));
    assert_eq!(
        gateway
            .send(&openmetrics("/metrics/job/mail?counters=run"))
            .status,
        200
    );
    assert!(started(&gateway).unwrap() > 1_700_000_000_000);
    // Python's client sends gauges of that name in the text format.
    let body =
        "# TYPE files_total counter\nfiles_total 1\n# TYPE files_created gauge\nfiles_created 1700000000\n";
    gateway.push("/metrics/job/files", body);
    assert_eq!(created(&gateway, "files_created"), Some(1_700_000_000_000));
    assert_eq!(gateway.send(&run("/metrics/job/files", body)).status, 200);
    assert!(created(&gateway, "files_created").unwrap() > 1_700_000_000_000);
}

#[test]
fn a_rule_says_whose_counters_begin_anew_and_a_push_may_say_otherwise() {
    let (_folder, spawn) = with_rules("runs:\n  - match: '{job=~\"mail.*\"}'\n");
    let gateway = spawn.arg("--web.enable-openmetrics").start();
    gateway.push("/metrics/job/mail-nightly", COUNTER);
    assert!(started(&gateway).is_some());
    let total = post("/metrics/job/mail-nightly?counters=total").body(COUNTER);
    assert_eq!(gateway.send(&total).status, 200);
    assert_eq!(started(&gateway), None);
    gateway.push("/metrics/job/other", "# TYPE x_total counter\nx_total 1\n");
    assert_eq!(created(&gateway, "x_created"), None);
}

#[test]
fn what_counters_count_is_run_or_total() {
    let gateway = wharf().start();
    let push = post("/metrics/job/a?counters=delta").body(COUNTER);
    refused(
        &gateway,
        &push,
        400,
        "expected counters=run or counters=total, found `delta`",
    );
}

#[test]
fn starts_rise_over_a_restart_though_the_clock_steps_back() {
    let folder = tempfile::tempdir().unwrap();
    let Some(clock) = LedClock::new(folder.path()) else {
        return;
    };
    let flags = |spawn: Spawn| {
        let path = folder.path().join("data");
        spawn
            .arg("--web.enable-openmetrics")
            .arg(format!("--storage.path={}", path.display()))
    };
    clock.set(600);
    let gateway = loaded(flags(clock.wharf(WHARF, false)));
    assert_eq!(gateway.send(&run("/metrics/job/mail", COUNTER)).status, 200);
    let ahead = started(&gateway).unwrap();
    gateway.kill();
    drop(gateway);
    clock.set(0);
    let gateway = loaded(flags(clock.wharf(WHARF, false)));
    assert_eq!(started(&gateway), Some(ahead));
    assert_eq!(gateway.send(&run("/metrics/job/mail", COUNTER)).status, 200);
    assert_eq!(started(&gateway), Some(ahead + 1));
}

#[test]
fn wharf_push_and_wharf_run_say_that_they_are_runs() {
    let gateway = openmetrics().start();
    let url = format!("--gateway=http://{}", gateway.address());
    let wharf = |arguments: &[&str]| {
        let output = Command::new(WHARF).args(arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    wharf(&[
        "push",
        "--job=mail",
        &url,
        "--counters=run",
        "--metric=emails_sent_total=10,type=counter",
    ]);
    assert!(started(&gateway).is_some());
    wharf(&[
        "push",
        "--job=mail",
        &url,
        "--metric=emails_sent_total=10,type=counter",
    ]);
    assert_eq!(started(&gateway), None);
    let script =
        "printf '# TYPE emails_sent_total counter\\nemails_sent_total 7\\n' > \"$WHARF_METRICS_FILE\"";
    wharf(&[
        "run",
        "--job=mail",
        &url,
        "--counters=run",
        "--",
        "sh",
        "-c",
        script,
    ]);
    assert!(started(&gateway).is_some());
    assert_eq!(gateway.scrape().value("emails_sent_total", &[]), Some("7"));
}

/// Waits for a scrape that begins after this is called.
fn scraped(prometheus: &Prometheus) {
    // The next one may have begun already.
    for _ in 0..2 {
        let newest = || prometheus.one("timestamp(up)").value;
        let before = newest();
        until("another scrape", || (newest() != before).then_some(()));
    }
}

/// What a Prometheus has to be told so that it takes a newer start for a reset.
const FEATURES: [&str; 2] = [
    "--enable-feature=created-timestamp-zero-ingestion",
    "--enable-feature=st-storage,use-start-timestamps",
];

const CONFIG: &str = "global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:\n- {job_name: gateway, \
                      honor_labels: true, static_configs: [{targets: ['ADDRESS']}]}\n";

/// Each run has counted ten. It began long ago, or just now; the gateway is restarted in between.
#[test]
fn prometheus_adds_runs_up() {
    for features in FEATURES {
        let folder = tempfile::tempdir().unwrap();
        let mut gateway = kept_in(&folder).start();
        let address = gateway.address();
        let config = CONFIG.replace("ADDRESS", &address.to_string());
        let Some(prometheus) = Prometheus::start(PrometheusVersion::Newest, &config, &[features]) else {
            return;
        };
        scraped(&prometheus);
        let began_long_ago =
            "# TYPE emails_sent counter\nemails_sent_total 10\nemails_sent_created 1700000000\n# EOF\n";
        let long =
            post("/metrics/job/mail?counters=run").header("Content-Type", "application/openmetrics-text");
        let runs = [run("/metrics/job/mail", COUNTER), long.body(began_long_ago)];
        let mut resets = 0;
        for round in 0..2 {
            for push in &runs {
                assert_eq!(gateway.send(push).status, 200);
                scraped(&prometheus);
                let found = prometheus.one("resets(emails_sent_total[10m])").value;
                assert_eq!(found, resets.to_string(), "{features}, round {round}");
                resets += 1;
            }
            if round == 0 {
                gateway.kill();
                drop(gateway);
                gateway = loaded(kept_in(&folder).arg(format!("--web.listen-address={address}")));
            }
        }
        // Prometheus extrapolates a little beyond the 40.
        let increase: f64 = prometheus
            .one("increase(emails_sent_total[10m])")
            .value
            .parse()
            .unwrap();
        assert!((40.0..50.0).contains(&increase), "{features}: {increase}");
        // Without, they stay as they are.
        gateway.push(
            "/metrics/job/other",
            "# TYPE other_total counter\nother_total 10\n",
        );
        scraped(&prometheus);
        gateway.push(
            "/metrics/job/other",
            "# TYPE other_total counter\nother_total 10\n",
        );
        scraped(&prometheus);
        assert_eq!(
            prometheus.one("increase(other_total[10m])").value,
            "0",
            "{features}"
        );
    }
}
