//! What is read as `OpenMetrics`, and what `--web.enable-openmetrics` makes of groups that the text format takes and the
//! standard does not.

use expect_test::{Expect, expect};
use wharf_testkit::http::{get, post, put};
use wharf_testkit::protobuf::{self, Message, Type};

use crate::wharf;

/// The lines about the pushed families.
#[track_caller]
fn check(pushes: &[(&str, &str)], expected: &Expect) {
    let gateway = wharf()
        .args(["--web.enable-openmetrics", "--push.enable-utf8-names"])
        .start();
    for (path, body) in pushes {
        gateway.push(path, body);
    }
    let accept = "application/openmetrics-text;version=1.0.0";
    let body = gateway.send(&get("/metrics").header("Accept", accept)).text();
    let own = [
        "process_",
        "pushgateway_",
        "wharf_",
        "push_time_",
        "push_failure_time_",
    ];
    let pushed = body.lines().filter(|line| {
        let name = ["# HELP ", "# TYPE "]
            .iter()
            .find_map(|word| line.strip_prefix(word));
        !own.iter().any(|prefix| name.unwrap_or(line).starts_with(prefix))
    });
    let pushed: Vec<_> = pushed.collect();
    expected.assert_eq(&(pushed.join("\n") + "\n"));
}

#[test]
fn a_counter_without_total_keeps_its_name_and_loses_its_type() {
    check(
        &[(
            "/metrics/job/a/instance/",
            "# HELP calls Calls.\n# TYPE calls counter\ncalls 7\n",
        )],
        &expect![[r#"
            # HELP calls Calls.
            # TYPE calls unknown
            calls{instance="",job="a"} 7.0
            # EOF
        "#]],
    );
}

#[test]
fn a_counter_whose_short_name_is_taken_loses_its_type() {
    check(
        &[
            (
                "/metrics/job/a/i/1",
                "# TYPE shipped_total counter\nshipped_total 2\n",
            ),
            ("/metrics/job/a/i/2", "# TYPE shipped gauge\nshipped 1\n"),
            ("/metrics/job/b/i/1", "# TYPE s summary\ns_sum 1\ns_count 2\n"),
            (
                "/metrics/job/b/i/2",
                "# TYPE s_count_total counter\ns_count_total 3\n",
            ),
        ],
        &expect![[r#"
            # TYPE s summary
            s_sum{i="1",instance="",job="b"} 1.0
            s_count{i="1",instance="",job="b"} 2
            # TYPE s_count_total unknown
            s_count_total{i="2",instance="",job="b"} 3.0
            # TYPE shipped gauge
            shipped{i="2",instance="",job="a"} 1.0
            # TYPE shipped_total unknown
            shipped_total{i="1",instance="",job="a"} 2.0
            # EOF
        "#]],
    );
}

/// Python's client pushes them as gauges.
#[test]
fn created_series_stand_beside_their_metrics() {
    check(
        &[
            (
                "/metrics/job/a/i/1",
                concat!(
                    "# TYPE c_total counter\nc_total{l=\"1\"} 1\nc_total{l=\"2\"} 2\n",
                    "# TYPE c_created gauge\nc_created{l=\"2\"} 1.5e+09\nc_created{l=\"1\"} 1.6e+09\n",
                ),
            ),
            ("/metrics/job/a/i/2", "# TYPE c_total counter\nc_total 3\n"),
            (
                "/metrics/job/b/i/1",
                concat!(
                    "# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n",
                    "# TYPE h_created gauge\nh_created NaN\n",
                ),
            ),
        ],
        &expect![[r#"
            # TYPE c counter
            c_total{i="1",instance="",job="a",l="1"} 1.0
            c_created{i="1",instance="",job="a",l="1"} 1.6e+09
            c_total{i="1",instance="",job="a",l="2"} 2.0
            c_created{i="1",instance="",job="a",l="2"} 1.5e+09
            c_total{i="2",instance="",job="a"} 3.0
            # TYPE h_bucket unknown
            h_bucket{i="1",instance="",job="b",le="+Inf"} 1.0
            # TYPE h_count unknown
            h_count{i="1",instance="",job="b"} 1.0
            # TYPE h_sum unknown
            h_sum{i="1",instance="",job="b"} 1.0
            # TYPE h_created gauge
            h_created{i="1",instance="",job="b"} NaN
            # EOF
        "#]],
    );
}

#[test]
fn created_series_without_a_metric_are_not_lost() {
    check(
        &[
            ("/metrics/job/a/i/1", "c_created{l=\"first\"} 1\n"),
            (
                "/metrics/job/a/i/2",
                "# TYPE c_total counter\nc_total{l=\"x\"} 2\n# TYPE c_created untyped\nc_created{l=\"y\"} 3\n",
            ),
            ("/metrics/job/a/i/3", "c_created{l=\"last\"} 4\n"),
            ("/metrics/job/a/i/4", "lonely_created 5\n"),
        ],
        &expect![[r#"
            # TYPE c_created unknown
            c_created{i="1",instance="",job="a",l="first"} 1.0
            c_created{i="2",instance="",job="a",l="y"} 3.0
            c_created{i="3",instance="",job="a",l="last"} 4.0
            # TYPE c_total unknown
            c_total{i="2",instance="",job="a",l="x"} 2.0
            # TYPE lonely_created unknown
            lonely_created{i="4",instance="",job="a"} 5.0
            # EOF
        "#]],
    );
}

#[test]
fn a_counter_whose_created_name_is_a_summary_loses_its_type() {
    check(
        &[(
            "/metrics/job/a/i/1",
            concat!(
                "# TYPE c_total counter\nc_total 1\n",
                "# TYPE c_created summary\nc_created_sum 2\nc_created_count 3\n",
            ),
        )],
        &expect![[r#"
            # TYPE c_created summary
            c_created_sum{i="1",instance="",job="a"} 2.0
            c_created_count{i="1",instance="",job="a"} 3
            # TYPE c_total unknown
            c_total{i="1",instance="",job="a"} 1.0
            # EOF
        "#]],
    );
}

#[test]
fn created_series_are_written_once_even_if_two_names_are_escaped_alike() {
    check(
        &[(
            "/metrics/job/a/i/1",
            concat!(
                "# TYPE \"a.b_total\" counter\n{\"a.b_total\"} 1\n",
                "# TYPE a_b_total counter\na_b_total{l=\"x\"} 2\n# TYPE a_b_created gauge\na_b_created 3\n",
            ),
        )],
        &expect![[r#"
            # TYPE a_b_total unknown
            a_b_total{i="1",instance="",job="a",l="x"} 2.0
            a_b_total{i="1",instance="",job="a"} 1.0
            # TYPE a_b_created gauge
            a_b_created{i="1",instance="",job="a"} 3.0
            # EOF
        "#]],
    );
}

/// What is pushed as `OpenMetrics`, and answered.
fn push(gateway: &wharf_testkit::Gateway, path: &str, body: &str) -> (u16, String) {
    let request = put(path).header("Content-Type", "application/openmetrics-text; version=1.0.0");
    let answer = gateway.send(&request.body(body));
    (answer.status, answer.text())
}

#[test]
fn what_the_standard_forbids_is_refused_with_place_and_rule_and_what_to_leave_out() {
    let gateway = wharf().start();
    let body = "# TYPE jobs counter\njobs_total -1\n# EOF\n";
    let (status, text) = push(&gateway, "/metrics/job/a", body);
    assert_eq!(status, 400);
    expect![[r"
        openmetrics parsing error in line 2, column 12: expected a counter of 0 or more, found `-1`
        hint: leave the sample out, or give the family another type
        hint: in the text format it is good: send it without `Content-Type: application/openmetrics-text`
    "]]
    .assert_eq(&text);
    // Nobody who pushes text is asked for more than before.
    gateway.push(
        "/metrics/job/a",
        "# TYPE jobs_total counter\njobs_total -1\n\n# a comment\n",
    );
}

#[test]
fn what_clients_write_is_accepted_though_the_standard_forbids_it() {
    let gateway = wharf().start();
    let bodies = [
        // Go's client, of the metrics that each of its programs has: no `# EOF`, and one name for two families.
        concat!(
            "# HELP go_memstats_alloc_bytes Heap.\n# TYPE go_memstats_alloc_bytes gauge\ngo_memstats_alloc_bytes 1.0\n",
            "# HELP go_memstats_alloc_bytes Total.\n# TYPE go_memstats_alloc_bytes counter\n",
            "go_memstats_alloc_bytes_total 2.0\n",
        ),
        // Python's client, of a histogram with buckets below zero.
        concat!(
            "# HELP temperature Degrees.\n# TYPE temperature histogram\ntemperature_bucket{le=\"-1.0\"} 1.0\n",
            "temperature_bucket{le=\"+Inf\"} 2.0\ntemperature_count 2.0\ntemperature_created 1.5e+09\n# EOF\n",
        ),
    ];
    for body in bodies {
        assert_eq!(
            push(&gateway, "/metrics/job/a", body),
            (200, String::new()),
            "{body}"
        );
    }
}

#[test]
fn of_several_points_of_a_metric_the_newest_is_kept_where_timestamps_are_left_out() {
    let gateway = wharf().arg("--push.timestamps=strip").start();
    let body = "# TYPE g gauge\ng 1 1520879607\ng 2 12345678901234567890.5\n# EOF\n";
    assert_eq!(push(&gateway, "/metrics/job/a", body), (200, String::new()));
    let scrape = gateway.scrape();
    let sample = scrape.samples.iter().find(|sample| sample.name == "g").unwrap();
    assert_eq!(sample.value, "2");
}

#[test]
fn the_states_of_a_set_stand_together() {
    let gateway = wharf().arg("--web.enable-openmetrics").start();
    let body = concat!(
        "# TYPE state stateset\nstate{zone=\"eu\",state=\"a\"} 1\nstate{zone=\"eu\",state=\"b\"} 0\n",
        "state{zone=\"us\",state=\"a\"} 0\nstate{zone=\"us\",state=\"b\"} 1\n# EOF\n",
    );
    assert_eq!(push(&gateway, "/metrics/job/t", body), (200, String::new()));
    let accept = "application/openmetrics-text;version=1.0.0";
    let scrape = gateway.send(&get("/metrics").header("Accept", accept)).text();
    let lines: Vec<_> = scrape.lines().filter(|line| line.contains("state")).collect();
    expect![[r#"
        # TYPE state stateset
        state{instance="",job="t",state="a",zone="eu"} 1.0
        state{instance="",job="t",state="b",zone="eu"} 0.0
        state{instance="",job="t",state="a",zone="us"} 0.0
        state{instance="",job="t",state="b",zone="us"} 1.0"#]]
    .assert_eq(&lines.join("\n"));
}

#[test]
fn an_info_or_state_set_that_is_a_gauge_of_another_group_is_a_gauge() {
    let gateway = wharf().arg("--web.enable-openmetrics").start();
    let body = "# TYPE build info\nbuild_info{v=\"1\"} 1\n# TYPE on stateset\non{on=\"a\"} 1\n# EOF\n";
    assert_eq!(push(&gateway, "/metrics/job/a", body), (200, String::new()));
    gateway.push(
        "/metrics/job/b",
        "# TYPE build_info gauge\nbuild_info 7\n# TYPE on gauge\non 9\n",
    );
    let accept = "application/openmetrics-text;version=1.0.0";
    let scrape = gateway.send(&get("/metrics").header("Accept", accept)).text();
    for line in [
        "# TYPE build_info gauge",
        "# TYPE on gauge",
        "on{instance=\"\",job=\"b\"} 9.0",
    ] {
        assert!(scrape.lines().any(|found| found == line), "{line}\n{scrape}");
    }
}

#[test]
fn values_that_a_type_may_not_have_take_the_type_away() {
    check(
        &[
            (
                "/metrics/job/a/i/1",
                "# TYPE nan_total counter\nnan_total NaN\n# TYPE less_total counter\nless_total -1\n",
            ),
            (
                "/metrics/job/a/i/2",
                "# TYPE s summary\ns{quantile=\"2\"} 1\ns_sum 1\ns_count 1\n",
            ),
            (
                "/metrics/job/a/i/3",
                "# TYPE h histogram\nh_bucket{le=\"-1\"} 1\nh_sum -2\nh_count 1\n",
            ),
        ],
        &expect![[r#"
            # TYPE h_bucket unknown
            h_bucket{i="3",instance="",job="a",le="-1"} 1.0
            h_bucket{i="3",instance="",job="a",le="+Inf"} 1.0
            # TYPE h_count unknown
            h_count{i="3",instance="",job="a"} 1.0
            # TYPE h_sum unknown
            h_sum{i="3",instance="",job="a"} -2.0
            # TYPE less_total unknown
            less_total{i="1",instance="",job="a"} -1.0
            # TYPE nan_total unknown
            nan_total{i="1",instance="",job="a"} NaN
            # TYPE s unknown
            s{i="2",instance="",job="a",quantile="2"} 1.0
            # TYPE s_count unknown
            s_count{i="2",instance="",job="a"} 1.0
            # TYPE s_sum unknown
            s_sum{i="2",instance="",job="a"} 1.0
            # EOF
        "#]],
    );
}

#[test]
fn exemplars_that_the_standard_forbids_are_left_out() {
    let exemplar = |value: f64, label: &str| {
        Message::new()
            .message(1, &Message::new().bytes(1, "id").bytes(2, label))
            .double(2, value)
    };
    let bucket =
        |bound: f64, exemplar: &Message| Message::new().varint(1, 1).double(2, bound).message(3, exemplar);
    let histogram = Message::new()
        .varint(1, 1)
        .double(2, 1.0)
        .message(3, &bucket(1.0, &exemplar(2.0, "above")))
        .message(3, &bucket(2.0, &exemplar(2.0, &"x".repeat(127))))
        .message(3, &bucket(3.0, &exemplar(2.0, "right")));
    let family = protobuf::family("h", Type::Histogram, &[Message::new().message(7, &histogram)]);
    let gateway = wharf().arg("--web.enable-openmetrics").start();
    let push = post("/metrics/job/a").header("Content-Type", protobuf::CONTENT_TYPE);
    assert_eq!(
        gateway.send(&push.body(protobuf::delimited(&[family]))).status,
        200
    );
    let accept = "application/openmetrics-text;version=1.0.0";
    let body = gateway.send(&get("/metrics").header("Accept", accept)).text();
    let exemplars: Vec<_> = body.lines().filter_map(|line| line.split_once(" # ")).collect();
    assert_eq!(
        exemplars,
        [(
            "h_bucket{instance=\"\",job=\"a\",le=\"3.0\"} 1",
            "{id=\"right\"} 2.0"
        )]
    );
}
