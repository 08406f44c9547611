//! The JSON API.

use serde_json::json;
use wharf_testkit::contract::{self, Case, Expect, differs, not_found, ok, scraped, status};
use wharf_testkit::http::{get, options, post};
use wharf_testkit::protobuf::{self, delimited, native_histogram};

use crate::WHARF;

/// Pages of any origin may read what is played here. Without the flag no page elsewhere may.
fn case() -> Case {
    contract::case().wharf_flags(&["--web.cors.origin=.*"])
}

fn answer() -> Expect {
    status(200).header("Content-Type", "application/json").cors()
}

#[test]
fn case_092_an_empty_store_is_an_empty_array() {
    case()
        .step(
            get("/api/v1/metrics"),
            answer().body(r#"{"status":"success","data":[]}"#),
        )
        .run(WHARF);
}

#[test]
fn case_093_options_carries_the_headers_for_other_sites_and_errors_do_not() {
    case()
        .step(options("/api/v1/anything/at/all"), status(200).body("").cors())
        .step(
            get("/api/v1/nope"),
            not_found().no_header("Access-Control-Allow-Origin"),
        )
        .step(
            post("/api/v1/status").body(""),
            status(405)
                .body("Method Not Allowed\n")
                .no_header("Access-Control-Allow-Origin"),
        )
        .run(WHARF);
}

#[test]
fn case_094_the_status_names_build_flags_and_start() {
    let mut expected = answer()
        .json("/status", json!("success"))
        .json("/data/flags/persistence.interval", json!("1m30s"))
        .json("/data/flags/web.telemetry-path", json!("/metrics"))
        .json("/data/flags/web.enable-admin-api", json!("false"))
        .json("/data/flags/push.disable-consistency-check", json!("false"))
        .json("/data/flags/push.enable-utf8-names", json!("false"))
        .json("/data/flags/web.systemd-socket", json!("false"))
        .json("/data/flags/web.enable-lifecycle", json!("false"))
        .json("/data/flags/web.config.file", json!(""))
        .json("/data/flags/web.external-url", json!(""))
        .json("/data/flags/web.route-prefix", json!(""))
        .json("/data/flags/persistence.file", json!(""))
        .json("/data/flags/log.level", json!("info"))
        .json("/data/flags/log.format", json!("logfmt"))
        .json("/data/flags/web.listen-address", json!("127.0.0.1:0"))
        .matches(r#""start_time":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)""#);
    for key in [
        "branch",
        "buildDate",
        "buildUser",
        "goVersion",
        "revision",
        "version",
    ] {
        expected = expected.matches(&format!(r#""build_information":\{{[^}}]*"{key}":""#));
    }
    case()
        .flags(&["--persistence.interval=90s"])
        .step(get("/api/v1/status"), expected)
        .run(WHARF);
}

#[test]
fn case_095_values_are_strings_and_texts_are_escaped_for_html() {
    let family = concat!(
        r#""m":\{"time_stamp":"\d{4}-[^"]+","type":"GAUGE","help":"\\u003cb\\u003e","#,
        r#""metrics":\[\{"labels":\{"instance":"","job":"a"\},"value":"1\.5e\+10"\}\]\}"#
    );
    case()
        .step(
            post("/metrics/job/a").body("# HELP m <b>\n# TYPE m gauge\nm 1.5e10\n"),
            ok(),
        )
        .step(
            get("/api/v1/metrics"),
            answer()
                .matches(family)
                .json("/data/0/labels", json!({"job": "a"})),
        )
        .run(WHARF);
}

#[test]
fn case_096_a_group_says_whether_its_last_push_succeeded() {
    case()
        .step(post("/metrics/job/a").body("m 1 5\n"), status(400))
        .step(
            get("/api/v1/metrics"),
            answer().json("/data/0/last_push_successful", json!(false)),
        )
        .step(post("/metrics/job/a").body("m 1\n"), ok())
        .step(
            get("/api/v1/metrics"),
            answer().json("/data/0/last_push_successful", json!(true)),
        )
        .run(WHARF);
}

#[test]
fn case_097_histograms_and_summaries_are_objects() {
    let body = concat!(
        "# TYPE h histogram\nh_bucket{le=\"0.5\"} 1\nh_count 2\nh_sum 1e-7\n",
        "# TYPE s summary\ns{quantile=\"0.99\"} +Inf\ns_count 2\n",
    );
    let labels = json!({"instance": "", "job": "a"});
    case()
        .step(post("/metrics/job/a").body(body), ok())
        .step(
            get("/api/v1/metrics"),
            answer()
                .json(
                    "/data/0/h/metrics",
                    json!([{"buckets": {"0.5": "1"}, "count": "2", "labels": labels, "sum": "1e-07"}]),
                )
                .json(
                    "/data/0/s/metrics",
                    json!([{"count": "2", "labels": labels, "quantiles": {"0.99": "+Inf"}, "sum": "0"}]),
                ),
        )
        .run(WHARF);
}

#[test]
fn case_098_native_histograms_show_their_buckets() {
    let push = post("/metrics/job/a")
        .header("Content-Type", protobuf::CONTENT_TYPE)
        .body(delimited(&[native_histogram("nh")]));
    let buckets = json!([
        [1, "-0.9170040432046711", "-0.8408964152537144", "2"],
        [3, "-2.938735877055719e-39", "2.938735877055719e-39", "1"],
        [0, "0.9170040432046711", "1", "4"],
        [0, "1", "1.0905077326652577", "3"],
    ]);
    case()
        .step(push, ok())
        .step(
            get("/api/v1/metrics"),
            answer()
                .json("/data/0/nh/metrics/0/buckets", buckets)
                .json("/data/0/nh/metrics/0/count", json!("10"))
                .json("/data/0/nh/metrics/0/sum", json!("5.5")),
        )
        .scrape(
            scraped()
                .line(r#"nh_bucket{instance="",job="a",le="+Inf"} 10"#)
                .line(r#"nh_count{instance="",job="a"} 10"#),
        )
        .run(WHARF);
}

#[test]
fn metrics_of_a_family_are_listed_in_the_order_of_the_scrape() {
    let order = |first: &str, second: &str| {
        answer()
            .json("/data/0/m/metrics/0/labels/x", json!(first))
            .json("/data/0/m/metrics/1/labels/x", json!(second))
    };
    case()
        .step(post("/metrics/job/a").body("m{x=\"2\"} 1\nm{x=\"1\"} 1\n"), ok())
        .step(
            get("/api/v1/metrics"),
            differs(
                "a family is sorted once, when it is pushed",
                order("2", "1"),
                order("1", "2"),
            ),
        )
        .run(WHARF);
}

#[test]
fn a_gauge_histogram_shows_its_buckets() {
    let body = "# TYPE h gaugehistogram\nh_bucket{le=\"1\"} 2\nh_count 4\nh_sum 3\n";
    case()
        .step(post("/metrics/job/a").body(body), ok())
        .step(
            get("/api/v1/metrics"),
            differs(
                "the number that the real one shows is not there",
                answer().json("/data/0/h/metrics/0/value", json!("0")),
                answer()
                    .json("/data/0/h/metrics/0/buckets", json!({"1": "2"}))
                    .json("/data/0/h/metrics/0/count", json!("4")),
            ),
        )
        .run(WHARF);
}

#[test]
fn a_count_that_is_not_a_number_is_listed_as_zero() {
    case()
        .step(
            post("/metrics/job/a").body("# TYPE h histogram\nh_count NaN\n"),
            ok(),
        )
        .step(
            get("/api/v1/metrics"),
            answer().json("/data/0/h/metrics/0/count", json!("0")),
        )
        .run(WHARF);
}
