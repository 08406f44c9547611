//! The text format as pushes bring it.

use wharf_testkit::contract::{Case, case, differs, ok, refused, refused_like, scraped};
use wharf_testkit::http::put;

use crate::WHARF;

/// A conversation of replacing pushes to one group, each with the error that refuses it, if one does.
fn pushes(bodies: &[(&str, Option<&str>)]) -> Case {
    bodies.iter().fold(case(), |case, (body, error)| {
        let expected = match error {
            None => ok(),
            Some(error) => refused(&format!("text format parsing error in line {error}")),
        };
        case.step(put("/metrics/job/t").body(*body), expected)
    })
}

#[test]
fn case_056_the_last_line_ends_in_a_line_feed() {
    pushes(&[
        ("m 1", Some("1: unexpected end of input stream")),
        ("m 1\nn 2", Some("2: unexpected end of input stream")),
        ("# EOF", Some("1: unexpected end of input stream")),
        ("# EOF\n", None),
    ])
    .wharf_flags(&["--push.strict-text"])
    .run(WHARF);
}

#[test]
fn case_057_lines_do_not_end_in_a_carriage_return() {
    pushes(&[("m 1\r\n", Some(r#"1: expected float as value, got "1\r""#))])
        .wharf_flags(&["--push.strict-text"])
        .run(WHARF);
}

#[test]
fn case_058_no_blank_follows_the_value() {
    pushes(&[("m 1 \n", Some(r#"1: expected integer as timestamp, got """#))])
        .wharf_flags(&["--push.strict-text"])
        .run(WHARF);
}

#[test]
fn case_059_blanks_before_and_between_tokens_are_fine() {
    pushes(&[(" \tm\t { a = \"1\" , } \t1\n", None)])
        .scrape(scraped().line(r#"m{a="1",instance="",job="t"} 1"#))
        .run(WHARF);
}

#[test]
fn case_060_comments_that_say_nothing_are_skipped() {
    pushes(&[("#HELP m x\n# random\n#\n# HELP\n# TYPE m\nm 1\n", None)])
        .scrape(scraped().line("# HELP m x"))
        .run(WHARF);
}

#[test]
fn case_061_help_may_follow_the_samples_and_type_may_not() {
    let second_type = r#"2: second TYPE line for metric name "m", or TYPE reported after samples"#;
    pushes(&[
        ("m 1\n# HELP m late\n", None),
        ("m 1\n# TYPE m counter\n", Some(second_type)),
        (
            "# HELP m a\n# HELP m b\nm 1\n",
            Some(r#"2: second HELP line for metric name "m""#),
        ),
    ])
    .run(WHARF);
}

#[test]
fn case_062_types_are_those_of_the_format() {
    pushes(&[
        ("# TYPE m COUNTER\nm 1\n", None),
        (
            "# TYPE m unknown\nm 1\n",
            Some(r#"1: unknown metric type "unknown""#),
        ),
        ("# TYPE m info\nm 1\n", Some(r#"1: unknown metric type "info""#)),
    ])
    .run(WHARF);
}

#[test]
fn case_063_help_knows_three_escapes() {
    pushes(&[
        ("# HELP m a\\nb\\\\c\\\"d\nm 1\n", None),
        ("# HELP m a\\tb\nm 1\n", Some(r"1: invalid escape sequence '\t'")),
    ])
    .scrape(scraped().line(r#"# HELP m a\nb\\c"d"#))
    .run(WHARF);
}

#[test]
fn case_064_label_values_know_three_escapes() {
    pushes(&[
        ("m{a=\"x\\\"y\\\\z\\n\"} 1\n", None),
        ("m{a=\"\\t\"} 1\n", Some(r"1: invalid escape sequence '\t'")),
    ])
    .scrape(scraped().line(r#"m{a="x\"y\\z\n",instance="",job="t"} 1"#))
    .run(WHARF);
}

#[test]
fn case_065_mistakes_in_labels_are_named() {
    pushes(&[
        (
            "m{a=\"1\" b=\"2\"} 1\n",
            Some(r#"1: unexpected end of label value "1""#),
        ),
        (
            "m{a=\"1\",,b=\"2\"} 1\n",
            Some(r#"1: invalid label name for metric "m""#),
        ),
        (
            "m{a=1} 1\n",
            Some("1: expected '\"' at start of label value, found '1'"),
        ),
        (
            "m{a=\"1\",a=\"2\"} 1\n",
            Some(r#"1: duplicate label names for metric "m""#),
        ),
        (
            "m{a.b=\"x\"} 1\n",
            Some("1: expected '=' after label name, found '.'"),
        ),
    ])
    .run(WHARF);
}

#[test]
fn case_066_metric_names_have_their_characters() {
    pushes(&[
        ("1m 1\n", Some("1: invalid metric name")),
        ("m.x 1\n", Some(r#"1: expected float as value, got ".x""#)),
        (":m:x 1\n", None),
    ])
    .run(WHARF);
}

#[test]
fn case_067_numbers_are_decimal_and_come_back_the_shortest_way() {
    let numbers = concat!(
        "m{i=\"1\"} +Inf\nm{i=\"2\"} nan\nm{i=\"3\"} .5\nm{i=\"4\"} 1E3\n",
        "m{i=\"5\"} -0\nm{i=\"6\"} 123456789\nm{i=\"7\"} 1e-7\n",
    );
    pushes(&[
        (numbers, None),
        ("m 0x10\n", Some(r#"1: expected float as value, got "0x10""#)),
        ("m 1_000\n", Some(r#"1: expected float as value, got "1_000""#)),
        ("m 1e400\n", Some(r#"1: expected float as value, got "1e400""#)),
        (numbers, None),
    ])
    .scrape(scraped().order(&[
        r#"m{i="1",instance="",job="t"} +Inf"#,
        r#"m{i="2",instance="",job="t"} NaN"#,
        r#"m{i="3",instance="",job="t"} 0.5"#,
        r#"m{i="4",instance="",job="t"} 1000"#,
        r#"m{i="5",instance="",job="t"} 0"#,
        r#"m{i="6",instance="",job="t"} 1.23456789e+08"#,
        r#"m{i="7",instance="",job="t"} 1e-07"#,
    ]))
    .run(WHARF);
}

#[test]
fn case_068_names_may_be_quoted() {
    pushes(&[("{\"m\",\"a\"=\"1\"} 1\n", None)])
        .scrape(scraped().line(r#"m{a="1",instance="",job="t"} 1"#))
        .run(WHARF);
}

#[test]
fn case_069_openmetrics_is_not_understood_as_text() {
    pushes(&[
        (
            "m 1 # {trace_id=\"x\"} 1\n",
            Some(r##"1: expected integer as timestamp, got "#""##),
        ),
        (
            "# TYPE c counter\n# UNIT c seconds\nc_total 5\nc_created 1\n# EOF\n",
            None,
        ),
    ])
    .scrape(
        scraped()
            .line("# TYPE c_total untyped")
            .line(r#"c_total{instance="",job="t"} 5"#)
            .line("# TYPE c_created untyped")
            .no_line("# UNIT"),
    )
    .run(WHARF);
}

#[test]
fn a_name_ends_before_a_quote() {
    let reason = "it is no line of the format, and what it means is a guess";
    case()
        .step(
            put("/metrics/job/t").body("m\"x\" 1\n"),
            differs(reason, ok(), refused_like("in line 1: ")),
        )
        .run(WHARF);
}

#[test]
fn a_bound_stands_once() {
    let body = "# TYPE h histogram\nh_bucket{le=\"1\",le=\"2\"} 1\n";
    let reason = "any other label name that stands twice is refused by both";
    case()
        .step(
            put("/metrics/job/t").body(body),
            differs(reason, ok(), refused_like("in line 2: duplicate label names")),
        )
        .run(WHARF);
}
