//! What Wharf accepts beyond the real one, by default and by content type.

use wharf_testkit::Kind::Wharf;
use wharf_testkit::contract::{case, differs, ok, refused, refused_like, scraped, status};
use wharf_testkit::http::{get, post, put};

use crate::WHARF;

const FORGIVING: &str = "shells and Windows editors write such bodies, and what they mean is plain";

fn stray(error: &str) -> wharf_testkit::contract::Expect {
    refused(&format!("text format parsing error in line {error}"))
}

#[test]
fn a_missing_last_line_feed_is_forgiven() {
    case()
        .step(
            put("/metrics/job/t").body("m 1\nn 2"),
            differs(FORGIVING, stray("2: unexpected end of input stream"), ok()),
        )
        .scrape(differs(
            FORGIVING,
            scraped().no_line("n{"),
            scraped()
                .line(r#"m{instance="",job="t"} 1"#)
                .line(r#"n{instance="",job="t"} 2"#),
        ))
        .run(WHARF);
}

#[test]
fn carriage_returns_at_the_ends_of_lines_are_forgiven() {
    case()
        .step(
            put("/metrics/job/t").body("# HELP m some help\r\n# TYPE m gauge\r\nm{a=\"b\"} 1\r\n"),
            differs(FORGIVING, stray("2: unknown metric type \"gauge\\r\""), ok()),
        )
        .scrape(differs(
            FORGIVING,
            scraped().no_line("m{"),
            scraped()
                .line("# HELP m some help")
                .line("# TYPE m gauge")
                .line(r#"m{a="b",instance="",job="t"} 1"#),
        ))
        .run(WHARF);
}

#[test]
fn blanks_after_the_value_are_forgiven() {
    case()
        .step(
            put("/metrics/job/t").body("m 1 \n"),
            differs(
                FORGIVING,
                stray(r#"1: expected integer as timestamp, got """#),
                ok(),
            ),
        )
        .step(
            put("/metrics/job/t").body("m 1 \t \n"),
            differs(FORGIVING, refused_like("expected integer as timestamp"), ok()),
        )
        .run(WHARF);
}

#[test]
fn openmetrics_is_read_where_the_content_type_says_so() {
    let body = concat!(
        "# TYPE c_seconds counter\n# UNIT c_seconds seconds\n# HELP c_seconds Time spent.\n",
        "c_seconds_total 5 # {trace_id=\"x\"} 1\nc_seconds_created 1\n# EOF\n"
    );
    let request = post("/metrics/job/t").header(
        "Content-Type",
        "application/openmetrics-text; version=1.0.0; charset=utf-8",
    );
    let reason = "clients can be told to push it, and the real one takes it for text";
    case()
        .step(
            request.body(body),
            differs(reason, refused_like("expected integer as timestamp"), ok()),
        )
        .only(Wharf, reason, |case| {
            case.scrape(
                scraped()
                    .line("# TYPE c_seconds_total counter")
                    .line(r#"c_seconds_total{instance="",job="t"} 5"#),
            )
        })
        .run(WHARF);
}

/// Go's client leaves it out.
#[test]
fn openmetrics_may_lack_its_end() {
    let request = put("/metrics/job/t").header(
        "Content-Type",
        "application/openmetrics-text; version=1.0.0; charset=utf-8",
    );
    case()
        .step(request.body("# HELP g Help.\n# TYPE g gauge\ng 1.0\n"), ok())
        .scrape(
            scraped()
                .line("# TYPE g gauge")
                .line(r#"g{instance="",job="t"} 1"#),
        )
        .run(WHARF);
}

#[test]
fn openmetrics_is_served_where_the_flag_says_so() {
    let accept = "application/openmetrics-text;version=1.0.0";
    case()
        .only(Wharf, "the real one cannot", |case| {
            case.step(post("/metrics/job/t").body("# TYPE m gauge\nm 1\n"), ok())
                .step(
                    get("/metrics").header("Accept", accept),
                    status(200)
                        .matches("\n# EOF\n$")
                        .line(r#"m{instance="",job="t"} 1.0"#)
                        .matches("# TYPE m gauge\n"),
                )
        })
        .wharf_flags(&["--web.enable-openmetrics"])
        .run(WHARF);
}

#[test]
fn a_help_that_is_not_utf8_is_repaired() {
    case()
        .step(
            put("/metrics/job/t").body(b"# HELP m a\xffb\nm 1\n".to_vec()),
            ok(),
        )
        .scrape(differs(
            "Prometheus refuses a scrape with a help text that is not UTF-8",
            status(200),
            scraped()
                .line("# HELP m a\u{fffd}b")
                .line(r#"m{instance="",job="t"} 1"#),
        ))
        .run(WHARF);
}
