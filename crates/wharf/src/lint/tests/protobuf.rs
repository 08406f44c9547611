use expect_test::{Expect, expect};
use wharf_testkit::protobuf::{self as message, Message, Type, delimited, family};

use super::super::{Options, Report, Rule, Syntax, check_as};
use super::shown;

fn report(families: &[Message]) -> Report {
    check_as(Syntax::Protobuf, &delimited(families), Options::default())
}

#[track_caller]
fn finds(body: &[u8], expected: &Expect) {
    let report = check_as(Syntax::Protobuf, body, Options::default());
    expected.assert_eq(&shown(&report));
}

/// A family with a help text.
fn helped(name: &str, metric_type: Type, metrics: &[Message]) -> Message {
    family(name, metric_type, metrics).bytes(2, "h")
}

fn gauge(labels: &[(&str, &str)]) -> Message {
    message::gauge(message::labelled(labels), 1.0)
}

/// A histogram of bounds with their counts.
fn histogram(labels: &[(&str, &str)], count: u64, buckets: &[(f64, u64)]) -> Message {
    let histogram = Message::new().varint(1, count).double(2, 1.0);
    let histogram = buckets.iter().fold(histogram, |histogram, (bound, count)| {
        histogram.message(3, &Message::new().varint(1, *count).double(2, *bound))
    });
    message::labelled(labels).message(7, &histogram)
}

#[test]
fn sound_protobuf_has_no_findings() {
    let report = report(&[
        helped("a_seconds", Type::Gauge, &[gauge(&[]), gauge(&[("x", "1")])]),
        // Libraries leave the last bucket to the reader.
        helped(
            "b_bytes",
            Type::Histogram,
            &[histogram(&[("x", "1")], 3, &[(1.0, 1), (2.0, 3)])],
        ),
        message::native_histogram("c").bytes(2, "h"),
    ]);
    assert_eq!(shown(&report), "");
    assert_eq!((report.families, report.series), (3, 10));
}

#[test]
fn findings_in_protobuf_name_family_and_metric() {
    finds(
        &delimited(&[
            family("requestCount_total", Type::Counter, &[]),
            family(
                "requests",
                Type::Counter,
                &[message::counter(
                    message::labelled(&[("job", "a"), ("b", "\"")]),
                    1.0,
                )],
            ),
            helped(
                "wait_ms",
                Type::Gauge,
                &[
                    gauge(&[]),
                    gauge(&[("x", "1")]).varint(6, 1_700_000_000_000),
                    gauge(&[("x", "1")]),
                    message::labelled(&[("x", "2")]),
                    message::counter(message::labelled(&[("x", "3")]), 1.0),
                ],
            ),
            helped(
                "b_bytes",
                Type::Histogram,
                &[
                    histogram(&[("x", "1")], 3, &[(1.0, 2), (2.0, 1)]),
                    histogram(&[("le", "1")], 3, &[(1.0, 2)]),
                ],
            ),
            helped(
                "c",
                Type::Gauge,
                &[gauge(&[("x", "1"), ("x", "2")]), gauge(&[("__name__", "c")])],
            ),
        ]),
        &expect![[r#"
            requests missing-help: expected a help text, found none
                say what it measures in the field `help`
            requests counter-total: expected the name of a counter to end in `_total`, found `requests`
                call it `requests_total`, or let it be a gauge if it can fall
            requests{b="\"",job="a"} grouping-label: expected no label `job`, found one
                the job of the push takes its place: leave it out, or choose another name
            wait_ms unit-abbreviation: expected a unit in full, found `ms`
                write the base unit out: seconds
            wait_ms{x="1"} duplicate-series: expected each series once, found the same name and labels again
                a gateway refuses it; keep one, or tell them apart by a label
            wait_ms{x="2"} missing-value: expected a value of the type of the family, gauge, found none (1 more in this family)
                a gateway refuses it; each type has its values in a field of its own
            wait_ms{x="1"} timestamp: expected a sample without a timestamp, found one
                a gateway refuses it; if the time matters, push it as the value of a metric that ends in `_timestamp_seconds`
            b_bytes{x="1"} histogram-buckets: expected a count of at least 2 up to `le="2"`, found 1 (1 more in this family)
                a bucket counts those of all smaller buckets too
            b_bytes{le="1"} invalid-label: expected no label `le` beside those of the histogram, found one
                a gateway refuses it; choose another label
            c{x="1",x="2"} invalid-label: expected each label once, found `x` twice (1 more in this family)
                a gateway refuses it; choose another label
        "#]],
    );
}

#[test]
fn series_in_protobuf_are_counted_against_the_limit() {
    let metrics: Vec<Message> = ["1", "2", "3"].map(|x| gauge(&[("x", x)])).into();
    let body = delimited(&[helped("a", Type::Gauge, &metrics)]);
    let options = Options {
        max_series: 2,
        ..Options::default()
    };
    expect![[r#"
        a{x="3"} too-many-series: expected at most 2 series, found 3
            fewer labels, or fewer values of each; `--max-series` moves the limit
    "#]]
    .assert_eq(&shown(&check_as(Syntax::Protobuf, &body, options)));
}

#[test]
fn protobuf_that_cannot_be_read_has_a_byte() {
    let sound = family("a", Type::Gauge, &[gauge(&[])]);
    let body = delimited(&[sound.clone(), sound.clone()]);
    finds(
        &body[..body.len() - 2],
        &expect![[r"
            byte 19 syntax: expected a metric family of 18 bytes, found 16 bytes
                each family stands behind its length: see whether the file is whole
        "]],
    );
    finds(
        sound.as_bytes(),
        &expect![[r"
        byte 1 syntax: expected a field number from 1 to 2^29-1, found 0
            write the length of each family before it: `delimited` is what libraries call it
    "]],
    );
    finds(
        &delimited(&[family("", Type::Gauge, &[])]),
        &expect![[r"
            byte 1 syntax: expected a metric family with a name, found one without
                each family stands behind its length: see whether the file is whole
        "]],
    );
    finds(
        b"\x1f\x8b\x08",
        &expect![[r"
        byte 0 syntax: expected metric families in protobuf, found compressed with gzip
            unpack it first
    "]],
    );
    finds(
        b"a 1\n",
        &expect![[r"
        byte 0 syntax: expected a metric family of 97 bytes, found 3 bytes
            --format=text or openmetrics reads it as text
    "]],
    );
}

#[test]
fn lines_that_come_to_much_more_than_the_body_are_not_looked_at() {
    let bounds: Vec<(f64, u64)> = (0..2_000).map(|bound| (f64::from(bound), 1)).collect();
    let long = "x".repeat(1 << 20);
    let report = report(&[helped(
        "a",
        Type::Histogram,
        &[histogram(&[("x", &long)], 1, &bounds)],
    )]);
    let rules: Vec<Rule> = report.findings.iter().map(|finding| finding.rule).collect();
    assert_eq!(rules, [Rule::Syntax]);
    assert!(
        shown(&report).starts_with("a syntax: expected metrics that come to at most 536870912 bytes of text")
    );
}
