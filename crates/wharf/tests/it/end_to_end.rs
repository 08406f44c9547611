//! From a batch job through the gateway to an answer of Prometheus.

use std::process::{Command, Output};

use wharf_testkit::http::{delete, post, put};
use wharf_testkit::peers::PrometheusVersion;
use wharf_testkit::protobuf::{
    self, Message, Type, delimited, family, gauge, labelled, native_histogram, varint,
};
use wharf_testkit::{Gateway, Prometheus, Spawn, body, peers, until};

use crate::{gateways, wharf};

#[track_caller]
fn succeeds(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
    output
}

#[test]
fn a_python_batch_job_is_seen_by_prometheus_and_its_delete_too() {
    let Some(python) = peers::python() else { return };
    let job = |gateway: &Gateway, action| {
        let mut command = Command::new(&python);
        command.args([
            "-c",
            include_str!("batch_job.py"),
            &gateway.address().to_string(),
            action,
        ]);
        succeeds(&mut command);
    };
    for spawn in gateways() {
        let gateway = spawn.start();
        job(&gateway, "push");
        let Some(prometheus) = Prometheus::scraping(gateway.address()) else {
            return;
        };
        let group = r#"{job="daily_report_job",instance="worker-1",path="/var/lib/reports"}"#;

        let duration = prometheus.one("batch_job_duration_seconds");
        assert_eq!(duration.value, "12.5");
        assert_eq!(duration.labels["job"], "daily_report_job");
        assert_eq!(duration.labels["instance"], "worker-1");
        assert_eq!(duration.labels["path"], "/var/lib/reports");
        let errors = r#"sum by (job) (batch_job_records_processed_total{status="error"})"#;
        assert_eq!(prometheus.one(errors).value, "10");
        let buckets = "batch_job_record_processing_seconds_bucket";
        assert_eq!(prometheus.one(&format!(r#"{buckets}{{le="0.001"}}"#)).value, "0");
        assert_eq!(prometheus.one(&format!(r#"{buckets}{{le="0.01"}}"#)).value, "100");
        assert_eq!(
            prometheus.one("batch_job_last_success_timestamp").value,
            "1600000000"
        );
        assert_eq!(
            prometheus.one(&format!("push_failure_time_seconds{group}")).value,
            "0"
        );

        job(&gateway, "delete");
        until("the series to go stale", || {
            prometheus
                .query(r#"{job="daily_report_job"}"#)
                .is_empty()
                .then_some(())
        });
        assert_eq!(prometheus.target().0, "up");
    }
}

#[test]
fn a_push_from_the_shell_is_seen_by_prometheus() {
    let body = concat!(
        "# TYPE my_job_duration_seconds gauge\nmy_job_duration_seconds 42.5\n",
        "# TYPE my_job_records_processed counter\nmy_job_records_processed 1000\n",
    );
    for spawn in gateways() {
        let gateway = spawn.start();
        let url = |path| format!("http://{}/metrics/job/my_batch_job{path}", gateway.address());
        let curl = |args: &[&str]| {
            succeeds(
                Command::new("curl")
                    .args(["--silent", "--show-error", "--fail"])
                    .args(args),
            )
        };
        curl(&["--data-binary", body, &url("")]);
        curl(&[
            "--data-binary",
            "batch_job_success 1\n",
            &url("/instance/worker-1"),
        ]);
        let Some(prometheus) = Prometheus::scraping(gateway.address()) else {
            return;
        };

        let duration = prometheus.one("my_job_duration_seconds");
        assert_eq!(duration.value, "42.5");
        assert_eq!(duration.labels["job"], "my_batch_job");
        // An empty label is no label for Prometheus: the job is the same on whatever machine it runs.
        assert_eq!(duration.labels.get("instance"), None);
        assert_eq!(prometheus.one("my_job_records_processed").value, "1000");
        assert_eq!(prometheus.one("batch_job_success").labels["instance"], "worker-1");

        curl(&["--request", "DELETE", &url("")]);
        until("the series to go stale", || {
            prometheus
                .query("my_job_duration_seconds")
                .is_empty()
                .then_some(())
        });
        assert_eq!(prometheus.one("batch_job_success").value, "1");
    }
}

#[test]
fn a_native_histogram_is_seen_by_prometheus() {
    for spawn in gateways() {
        let gateway = spawn.start();
        let push = put("/metrics/job/native")
            .header("Content-Type", protobuf::CONTENT_TYPE)
            .body(delimited(&[native_histogram("nh")]));
        assert_eq!(gateway.send(&push).status, 200);
        let Some(prometheus) = Prometheus::scraping(gateway.address()) else {
            return;
        };
        assert_eq!(prometheus.one("histogram_count(nh)").value, "10");
        assert_eq!(prometheus.one("histogram_sum(nh)").value, "5.5");
        assert_eq!(prometheus.one("histogram_count(nh)").labels["job"], "native");
        // Three of ten observations lie below the positive buckets: (2^-1/8, 1] with four and (1, 2^1/8] with three.
        let quantile: f64 = prometheus
            .one("histogram_quantile(0.9, nh)")
            .value
            .parse()
            .unwrap();
        assert!(quantile > 1.0 && quantile < 1.1, "{quantile}");
    }
}

#[test]
fn the_target_stays_healthy_whatever_is_pushed() {
    let gateway = wharf().arg("--push.enable-utf8-names").start();
    gateway.push("/metrics/job/good", "good 1\n");
    let binary = |families: &[Message]| {
        post("/metrics/job/binary")
            .header("Content-Type", protobuf::CONTENT_TYPE)
            .body(delimited(families))
    };
    let text = |path: &str, body: &str| post(path).body(body);
    let hostile = [
        text("/metrics/job/good/instance@base64/=", "good 1\n"),
        text("/metrics/job/%FF", "m 1\n"),
        text("/metrics/job/a/l/%FF", "m 1\n"),
        text("/metrics/job/a/U______x/v", "m 1\n"),
        text(
            "/metrics/job/a/le/1",
            "# TYPE h histogram\nh_bucket{le=\"2\"} 1\n",
        ),
        text(
            "/metrics/job/a/quantile/1",
            "# TYPE s summary\ns{quantile=\"0.5\"} 1\n",
        ),
        text("/metrics/job/a", "m 1\nm 1\n"),
        text("/metrics/job/a", "# TYPE good counter\ngood 1\n"),
        text(
            "/metrics/job/a",
            "# TYPE pushgateway_http_requests_total gauge\npushgateway_http_requests_total 1\n",
        ),
        text(
            "/metrics/job/a",
            "# TYPE process_open_fds counter\nprocess_open_fds 1\n",
        ),
        text("/metrics/job/a", "{\"a b\",\"\"=\"1\"} 1\n"),
        text("/metrics/job/a", "# HELP nul a\0b\nnul{a=\"\0\r\t\"} 1\n"),
        text("/metrics/job/a", &format!("{} 1\n", "x".repeat(1 << 20))),
        text(
            "/metrics/job/a",
            &format!("m{{a=\"{}\"}} 1\n", "x".repeat(1 << 20)),
        ),
        binary(&[family("", Type::Gauge, &[gauge(Message::new(), 1.0)])]),
        binary(&[family("u", Type::Gauge, &[]).varint(3, 99)]),
        binary(&[family(
            "a b",
            Type::Gauge,
            &[gauge(labelled(&[("x", "1"), ("x", "2")]), 1.0)],
        )]),
        binary(&[family("l", Type::Gauge, &[gauge(labelled(&[("", "1")]), 1.0)])]),
        binary(&[family("v", Type::Gauge, &[gauge(Message::new(), f64::NAN)])]),
        post("/metrics/job/b")
            .header("Content-Type", protobuf::CONTENT_TYPE)
            .body(varint(1000)),
        post("/metrics/job/b")
            .header("Content-Encoding", "gzip")
            .body(body::gzip(&vec![b'\n'; 8 << 20])),
        post("/metrics/job/b")
            .header("Content-Encoding", "snappy")
            .body(varint(1 << 20)),
        delete("/metrics/job/a/l/%FF"),
    ];
    for request in &hostile {
        let response = gateway.send(request);
        assert!(
            response.status < 500,
            "{request}: {} {}",
            response.status,
            response.text()
        );
        // Each is followed by a scrape of the strict reader, which names the one that broke it.
        gateway.scrape();
    }
    let Some(prometheus) = Prometheus::scraping(gateway.address()) else {
        return;
    };
    assert_eq!(prometheus.one("good").value, "1");
    until("the first scrape", || {
        Some(prometheus.target()).filter(|(health, _)| health != "unknown")
    });
    assert_eq!(prometheus.target(), ("up".to_owned(), String::new()));
}

/// Prometheus 3 converts classic histograms to native ones, if it is told to, and refuses a scrape over one that it cannot
/// convert; and over classic ones among native ones, before 3.16.
#[test]
fn no_histogram_breaks_a_scrape_that_converts_them() {
    let gateway = wharf()
        .args(["--push.enable-utf8-names", "--web.enable-openmetrics"])
        .start();
    gateway.push("/metrics/job/good", "good 1\n");
    for (number, lines) in [
        "h_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 1\nh_count 9\n",
        "h_bucket{le=\"1\"} 5\nh_bucket{le=\"2\"} 3\nh_bucket{le=\"+Inf\"} 7\nh_sum 1\nh_count 7\n",
        "h_bucket{le=\"2\"} 5\nh_bucket{le=\"1\"} 3\nh_bucket{le=\"1.0\"} 4\nh_sum NaN\nh_count NaN\n",
        "h_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\n",
        "h_bucket{le=\"1\"} 3\nh_sum 1\nh_count 2\n",
        "h_bucket{le=\"1\"} NaN\nh_bucket{le=\"+Inf\"} 0.5\nh_sum 1\nh_count 0.5\n",
        "h_bucket{\"..name..\"=\"evil\",le=\"1\"} 1\nh_count{\"..name..\"=\"evil\"} 1\n",
        "h_sum 1\n",
    ]
    .into_iter()
    .enumerate()
    {
        gateway.push(
            &format!("/metrics/job/j{number}"),
            &format!("# TYPE h histogram\n{lines}"),
        );
    }
    for job in ["i", "k", "z"] {
        let native = post(&format!("/metrics/job/{job}"))
            .header("Content-Type", protobuf::CONTENT_TYPE)
            .body(delimited(&[native_histogram("h")]));
        assert_eq!(gateway.send(&native).status, 200);
    }
    let protocols = ["PrometheusProto", "PrometheusText0.0.4", "OpenMetricsText1.0.0"];
    let target = gateway.address();
    let jobs = protocols.map(|protocol| {
        format!(
            "- {{job_name: '{protocol}', scrape_protocols: [{protocol}], convert_classic_histograms_to_nhcb: true, \
             static_configs: [{{targets: ['{target}']}}]}}\n"
        )
    });
    let config = format!("{EACH_SECOND}{}", jobs.concat());
    let flags = ["--enable-feature=native-histograms"];
    for version in [PrometheusVersion::V3, PrometheusVersion::Newest] {
        let Some(prometheus) = Prometheus::start(version, &config, &flags) else {
            return;
        };
        let targets = until("the first scrapes", || {
            let targets = prometheus.targets();
            let is_known =
                targets.len() == protocols.len() && targets.iter().all(|(health, _)| health != "unknown");
            is_known.then_some(targets)
        });
        assert_eq!(
            targets,
            vec![("up".to_owned(), String::new()); protocols.len()],
            "{version:?}"
        );
    }
}

/// How often Prometheus scrapes here, and what it scrapes below that.
const EACH_SECOND: &str = "global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:\n";

/// Histograms that contradict themselves.
struct Contradicting {
    name: &'static str,
    /// As they are pushed, without the name.
    lines: &'static str,
    /// Why the newest Prometheus refuses a scrape that shows them as they were pushed.
    refusal: &'static str,
    /// What it makes of what Wharf shows: the rule of each bucket's bounds, the bounds, and how much is between them.
    converted: &'static str,
}

const CONTRADICTING: [Contradicting; 4] = [
    Contradicting {
        name: "count_differs",
        lines: "_bucket{le=\"1\"} 1\n_bucket{le=\"+Inf\"} 2\n_sum 1\n_count 9\n",
        refusal: "count mismatch: count=9 != le=+Inf count=2",
        converted: r#"{"buckets":[[3,"-Inf","1","1"],[0,"1","+Inf","8"]],"count":"9","sum":"1"}"#,
    },
    Contradicting {
        name: "buckets_fall",
        lines: "_bucket{le=\"1\"} 5\n_bucket{le=\"2\"} 3\n_bucket{le=\"+Inf\"} 7\n_sum 1\n_count 7\n",
        refusal: "count is not cumulative: 3 < 5",
        converted: r#"{"buckets":[[3,"-Inf","1","5"],[0,"2","+Inf","2"]],"count":"7","sum":"1"}"#,
    },
    Contradicting {
        name: "no_count",
        lines: "_bucket{le=\"1\"} 1\n_bucket{le=\"+Inf\"} 2\n",
        refusal: "count mismatch: count=0 != le=+Inf count=2",
        converted: r#"{"buckets":[[3,"-Inf","1","1"],[0,"1","+Inf","1"]],"count":"2","sum":"0"}"#,
    },
    Contradicting {
        name: "no_infinity",
        lines: "_bucket{le=\"1\"} 3\n_sum 1\n_count 2\n",
        refusal: "invalid histogram: positive side: bucket number 2 has observation count of -1",
        converted: r#"{"buckets":[[3,"-Inf","1","3"]],"count":"3","sum":"1"}"#,
    },
];

/// What Wharf mends is what the newest Prometheus refuses: a real Pushgateway, which shows it as it was pushed, is down with
/// one such histogram, and so is all that others have pushed there.
#[test]
fn the_newest_prometheus_converts_histograms_that_contradict_themselves() {
    let push = |gateway: &Gateway, histogram: &Contradicting| {
        let name = histogram.name;
        let lines = histogram.lines.lines().map(|line| format!("{name}{line}\n"));
        let body = format!("# TYPE {name} histogram\n{}", lines.collect::<String>());
        gateway.push(&format!("/metrics/job/{name}"), &body);
    };
    let wharf = wharf().start();
    wharf.push("/metrics/job/good", "good 1\n");
    let mut gateways = vec![("wharf", wharf)];
    for histogram in &CONTRADICTING {
        push(&gateways[0].1, histogram);
        if let Some(real) = Spawn::real().map(Spawn::start) {
            real.push("/metrics/job/good", "good 1\n");
            push(&real, histogram);
            gateways.push((histogram.name, real));
        }
    }
    let jobs = gateways.iter().map(|(name, gateway)| {
        format!(
            "- {{job_name: {name}, scrape_protocols: [PrometheusProto], convert_classic_histograms_to_nhcb: true, \
             static_configs: [{{targets: ['{}']}}]}}\n",
            gateway.address()
        )
    });
    let config = format!("{EACH_SECOND}{}", jobs.collect::<String>());
    let Some(prometheus) = Prometheus::start(PrometheusVersion::Newest, &config, &[]) else {
        return;
    };
    for (name, _) in &gateways {
        let (health, error) = until(&format!("a scrape of {name}"), || {
            let answer = prometheus.ask(&format!("/api/v1/targets?scrapePool={name}"));
            let target = &answer["data"]["activeTargets"][0];
            let (health, error) = (target["health"].as_str()?, target["lastError"].as_str()?);
            // On a busy machine a scrape may be late; the next one tells.
            let is_known = health != "unknown" && !error.contains("deadline exceeded");
            is_known.then(|| (health.to_owned(), error.to_owned()))
        });
        let refused = CONTRADICTING.iter().find(|histogram| histogram.name == *name);
        match refused {
            None => assert_eq!((health.as_str(), error.as_str()), ("up", "")),
            Some(histogram) => assert!(
                health == "down" && error.starts_with(histogram.refusal),
                "{name}: {health}, {error}"
            ),
        }
    }
    prometheus.one("up{job=\"wharf\"} == 1");
    for histogram in &CONTRADICTING {
        let name = histogram.name;
        assert_eq!(prometheus.one(name).value, histogram.converted, "{name}");
    }
    // Of the others it has nothing.
    assert_eq!(prometheus.one("good").labels["job"], "wharf");
}
