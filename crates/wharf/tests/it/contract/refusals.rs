//! Pushes that are refused, and what a refusal leaves behind.

use wharf_testkit::contract::{accepted, case, differs, ok, refused, refused_like, scraped, status};
use wharf_testkit::http::{Request, delete, get, post, put};
use wharf_testkit::protobuf::{self, Message, Type, delimited};

use crate::WHARF;

const TIMESTAMPS: &str = "pushed metrics are invalid or inconsistent with existing metrics: \
                          pushed metrics must not have timestamps";

/// A refusal by the consistency check, whose text matches the expression after the fixed start.
fn inconsistent(expression: &str) -> wharf_testkit::contract::Expect {
    refused_like("^pushed metrics are invalid or inconsistent with existing metrics: ").matches(expression)
}

#[test]
fn case_041_timestamps_are_refused_and_the_failure_recorded() {
    case()
        .step(post("/metrics/job/a").body("m 1 1234\n"), refused(TIMESTAMPS))
        .scrape(
            scraped()
                .line(r#"push_time_seconds{instance="",job="a"} 0"#)
                .line_matches(r#"^push_failure_time_seconds\{instance="",job="a"\} 1\."#)
                .no_line("m{"),
        )
        .run(WHARF);
}

#[test]
fn case_042_a_refused_push_leaves_the_group_as_it_was() {
    case()
        .step(post("/metrics/job/a").body("m 1\n"), ok())
        .step(put("/metrics/job/a").body("m 2\nn 3 0\n"), refused(TIMESTAMPS))
        .scrape(scraped().line(r#"m{instance="",job="a"} 1"#).no_line("n{"))
        .run(WHARF);
}

#[test]
fn case_043_a_syntax_error_leaves_no_trace() {
    case()
        .step(
            post("/metrics/job/a").body("m x\n"),
            refused(r#"text format parsing error in line 1: expected float as value, got "x""#),
        )
        .scrape(scraped().no_line("push_"))
        .run(WHARF);
}

#[test]
fn case_044_one_family_has_one_type_across_groups() {
    case()
        .step(post("/metrics/job/a").body("# TYPE m counter\nm 1\n"), ok())
        .step(
            post("/metrics/job/b").body("# TYPE m gauge\nm 1\n"),
            inconsistent(r#"collected metric "m" .*is not a (GAUGE|COUNTER)"#),
        )
        .scrape(
            scraped()
                .line("# TYPE m counter")
                .line_matches(r#"^push_failure_time_seconds\{instance="",job="b"\} 1\."#)
                .line(r#"push_time_seconds{instance="",job="b"} 0"#),
        )
        .run(WHARF);
}

#[test]
fn all_contradictions_of_a_push_are_counted_and_named() {
    case()
        .step(post("/metrics/job/old").body("a 1\nb 1\nc 1\n"), ok())
        .step(
            post("/metrics/job/new").body(
                "# TYPE a gauge\na 1\n# TYPE b gauge\nb 1\n# TYPE c counter\nc 1\nd 1\nd 2\n\
                 # TYPE process_start_time_seconds counter\nprocess_start_time_seconds 1\n",
            ),
            inconsistent(r"5 error\(s\) occurred:\n")
                .matches("\n\\* collected metric \"a\" .*is not a (GAUGE|UNTYPED)")
                .matches("\n\\* collected metric \"b\" .*is not a (GAUGE|UNTYPED)")
                .matches("\n\\* collected metric \"c\" .*is not a (COUNTER|UNTYPED)")
                .matches("\n\\* collected metric \"d\" .*was collected before")
                .matches(
                    "\n\\* gathered metric family process_start_time_seconds has type COUNTER but should have GAUGE",
                ),
        )
        .run(WHARF);
}

#[test]
fn case_045_different_helps_are_tolerated() {
    case()
        .step(post("/metrics/job/a").body("# HELP m one\nm 1\n"), ok())
        .step(post("/metrics/job/b").body("# HELP m two\nm 1\n"), ok())
        .scrape(scraped().line_matches("^# HELP m (one|two)$"))
        .run(WHARF);
}

#[test]
fn case_046_a_body_brings_a_series_once() {
    case()
        .step(
            post("/metrics/job/a").body("d 1\nd 2\n"),
            inconsistent("was collected before with the same name and label values"),
        )
        .scrape(scraped().no_line("d{"))
        .run(WHARF);
}

#[test]
fn case_047_labels_of_the_path_can_make_series_equal() {
    case()
        .step(
            post("/metrics/job/a").body("d{job=\"1\"} 1\nd{job=\"2\"} 1\n"),
            inconsistent("was collected before"),
        )
        .step(
            post("/metrics/job/a").body("d{instance=\"\"} 1\nd 1\n"),
            inconsistent("was collected before"),
        )
        .run(WHARF);
}

#[test]
fn case_048_two_groups_cannot_hold_one_series() {
    case()
        .step(post("/metrics/job/q").body("n{instance=\"i1\"} 1\n"), ok())
        .step(
            post("/metrics/job/q/instance/i1").body("n 2\n"),
            inconsistent("was collected before"),
        )
        .scrape(scraped().line(r#"n{instance="i1",job="q"} 1"#))
        .run(WHARF);
}

#[test]
fn case_050_suffixes_of_summaries_and_histograms_collide() {
    case()
        .step(post("/metrics/job/a").body("# TYPE s summary\ns_sum 1\n"), ok())
        .step(
            post("/metrics/job/a").body("s_count 1\n"),
            inconsistent("collides with previously collected"),
        )
        .step(post("/metrics/job/b").body("s_bucket 1\n"), ok())
        .step(
            post("/metrics/job/a").body("# TYPE h histogram\nh_count 1\n"),
            ok(),
        )
        .step(
            post("/metrics/job/b").body("h_bucket 1\n"),
            inconsistent("collides with previously collected"),
        )
        .run(WHARF);
}

#[test]
fn case_051_reserved_labels_are_refused() {
    case()
        .step(
            post("/metrics/job/a").body("x{__foo=\"1\"} 1\n"),
            inconsistent("has a label with an invalid name: __foo\n"),
        )
        .step(
            post("/metrics/job/a").body("x{__name__=\"1\"} 1\n"),
            refused(r#"text format parsing error in line 1: label name "__name__" is reserved"#),
        )
        .run(WHARF);
}

#[test]
fn case_052_a_summary_has_no_quantile_of_its_own() {
    case()
        .step(
            post("/metrics/job/a/quantile/0.3").body("# TYPE t summary\nt{quantile=\"0.5\"} 1\n"),
            inconsistent("must not have an explicit \"quantile\" label\n"),
        )
        .run(WHARF);
}

#[test]
fn a_histogram_has_no_le_of_its_own() {
    let body = "# TYPE h histogram\nh_bucket{le=\"0.5\"} 1\nh_count 1\n";
    case()
        .step(
            post("/metrics/job/a/le/0.3").body(body),
            differs(
                "lines with two `le` labels make Prometheus refuse the scrape",
                ok(),
                inconsistent("must not have an explicit \"le\" label\n"),
            ),
        )
        .scrape(differs(
            "as above",
            status(200).line(r#"h_bucket{instance="",job="a",le="0.3",le="0.5"} 1"#),
            scraped().no_line("h_"),
        ))
        .run(WHARF);
}

#[test]
fn case_053_groups_that_differ_by_an_empty_instance_cannot_break_the_scrape() {
    let reason = "one refused push must not take down every scrape and every later push";
    let broken =
        status(500).matches(r"^An error has occurred while serving metrics:\n\n2 error\(s\) occurred:\n\* ");
    case()
        .step(post("/metrics/job/a").body("m 1\n"), ok())
        .step(
            post("/metrics/job/a/instance@base64/=").body("m 1\n"),
            inconsistent("was collected before"),
        )
        .scrape(differs(
            reason,
            broken,
            scraped()
                .line(r#"m{instance="",job="a"} 1"#)
                .line_matches(r#"^push_time_seconds\{instance="",job="a"\} 1"#),
        ))
        .step(
            post("/metrics/job/zz").body("y 1\n"),
            differs(reason, inconsistent("was collected before"), ok()),
        )
        .step(get("/-/healthy"), status(200).body("OK"))
        .step(delete("/metrics/job/a/instance@base64/="), accepted())
        .scrape(scraped())
        .run(WHARF);
}

#[test]
fn case_054_a_label_that_is_not_utf8_cannot_break_the_scrape() {
    case()
        .step(
            post("/metrics/job/a/l/%FF").body("m 1\n"),
            refused_like(r#"not utf8: "\\xff""#),
        )
        .scrape(differs(
            "one refused push must not take down every scrape and every later push",
            status(500),
            scraped().no_line("push_"),
        ))
        .run(WHARF);
}

#[test]
fn case_055_without_the_check_pushes_are_still_checked_but_answered_at_once() {
    let reason = "the check costs what the push costs, so a scrape need not break";
    case()
        .flags(&["--push.disable-consistency-check"])
        .step(post("/metrics/job/a").body("d 1\nd 2\n"), accepted())
        .scrape(differs(
            reason,
            status(500),
            scraped()
                .no_line("d{")
                .line_matches(r#"^push_failure_time_seconds\{instance="",job="a"\} 1\."#),
        ))
        .step(put("/metrics/job/a").body("m 1 5\n"), accepted())
        .step(put("/metrics/job/a").body("m x\n"), status(400))
        .step(put("/metrics/job/a").body(""), accepted())
        .scrape(scraped().no_line("m{").no_line("d{"))
        .run(WHARF);
}

#[test]
fn braces_without_a_name_are_refused() {
    for (body, reason) in [
        ("{a=\"1\"} 1\n", "invalid metric name"),
        ("{\"\"} 1\n", "invalid label name for metric \"\""),
        ("{\"\",} 1\n", "invalid label name for metric \"\""),
        ("{,} 1\n", "invalid label name for metric \"\""),
        ("{=\"1\"} 1\n", "invalid label name for metric \"\""),
    ] {
        case()
            .step(
                post("/metrics/job/a").body(body),
                refused(&format!("text format parsing error in line 1: {reason}")),
            )
            .scrape(scraped().no_line("push_"))
            .run(WHARF);
    }
}

fn push_protobuf(message: Message) -> Request {
    post("/metrics/job/a")
        .header("Content-Type", protobuf::CONTENT_TYPE)
        .body(delimited(&[message]))
}

#[test]
fn a_native_histogram_must_make_sense() {
    // A span of one bucket, and two counts for it.
    let span = Message::new().sint(1, 0).varint(2, 1);
    let histogram = Message::new()
        .varint(1, 1)
        .sint(5, 3)
        .message(12, &span)
        .sint(13, 1)
        .sint(13, 0);
    let message = protobuf::family("nh", Type::Histogram, &[Message::new().message(7, &histogram)]);
    case()
        .step(
            push_protobuf(message),
            differs(
                "Prometheus refuses the whole scrape because of it",
                ok(),
                refused_like("native histogram"),
            ),
        )
        .scrape(differs(
            "nothing of it is stored",
            scraped().line(r#"nh_count{instance="",job="a"} 1"#),
            scraped().no_line("nh"),
        ))
        .run(WHARF);
}

#[test]
fn escaped_label_names_must_differ() {
    let metric = protobuf::gauge(protobuf::labelled(&[("a.b", "1"), ("a_b", "2")]), 3.0);
    let message = protobuf::family("m", Type::Gauge, &[metric]);
    case()
        .step(
            push_protobuf(message),
            differs(
                "Prometheus refuses a scrape with a label name that stands twice in a line",
                ok(),
                inconsistent("has two labels with the same name once they are escaped"),
            ),
        )
        .scrape(differs(
            "nothing of it is stored",
            status(200),
            scraped().no_line("m{"),
        ))
        .run(WHARF);
}
