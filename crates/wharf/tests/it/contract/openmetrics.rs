//! What `--web.enable-openmetrics` makes of groups that the text format takes and the standard does not.

use expect_test::{Expect, expect};
use wharf_testkit::http::get;

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
            # TYPE h histogram
            h_bucket{i="1",instance="",job="b",le="+Inf"} 1
            h_sum{i="1",instance="",job="b"} 1.0
            h_count{i="1",instance="",job="b"} 1
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
            # TYPE c counter
            c_created{i="1",instance="",job="a",l="first"} 1.0
            c_total{i="2",instance="",job="a",l="x"} 2.0
            c_created{i="2",instance="",job="a",l="y"} 3.0
            c_created{i="3",instance="",job="a",l="last"} 4.0
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
            # TYPE a_b counter
            a_b_total{i="1",instance="",job="a"} 1.0
            a_b_created{i="1",instance="",job="a"} 3.0
            # TYPE a_b counter
            a_b_total{i="1",instance="",job="a",l="x"} 2.0
            # EOF
        "#]],
    );
}
