//! The protobuf format from outside.

#![expect(
    clippy::needless_raw_string_hashes,
    reason = "snapshots are written by the snapshot tool"
)]

use expect_test::{Expect, expect};
use proptest::prelude::*;
use prost::Message;
use wharf_exposition::Head;
use wharf_exposition::protobuf::{
    TextStyle, decode, encode, write_head, write_length, write_metrics, write_text,
};
use wharf_model::MetricType;
use wharf_model::name::EscapingScheme;
use wharf_testkit::schema::{
    Bucket, BucketSpan, Counter, Exemplar, Histogram, LabelPair, Metric, MetricFamily, Number, Quantile,
    Summary, Timestamp, read,
};

use crate::generate::{self, Format};

fn body(families: &[MetricFamily]) -> Vec<u8> {
    let mut body = Vec::new();
    for family in families {
        family.encode_length_delimited(&mut body).unwrap();
    }
    body
}

/// A body of one family, given as the bytes of its message.
fn delimited(message: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    write_length(&mut body, message.len());
    body.extend_from_slice(message);
    body
}

fn family(name: &str, metric_type: i32, metric: Vec<Metric>) -> MetricFamily {
    MetricFamily {
        name: Some(name.to_owned()),
        metric_type: Some(metric_type),
        metric,
        ..MetricFamily::default()
    }
}

fn label(name: &str, value: &str) -> LabelPair {
    LabelPair {
        name: Some(name.to_owned()),
        value: Some(value.to_owned()),
    }
}

fn gauge(value: f64) -> Metric {
    Metric {
        gauge: Some(Number { value: Some(value) }),
        ..Metric::default()
    }
}

fn histogram(histogram: Histogram) -> Metric {
    Metric {
        histogram: Some(histogram),
        ..Metric::default()
    }
}

fn exemplar() -> Exemplar {
    let timestamp = Some(Timestamp {
        seconds: Some(1_700_000_000),
        nanos: Some(123_000_000),
    });
    Exemplar {
        label: vec![label("trace_id", "abc")],
        value: Some(0.5),
        timestamp,
    }
}

/// One family of each type with all that the schema has.
fn everything() -> Vec<MetricFamily> {
    let created_timestamp = Some(Timestamp {
        seconds: Some(1_700_000_000),
        nanos: Some(5),
    });
    let counter = Counter {
        value: Some(1e6),
        exemplar: Some(exemplar()),
        created_timestamp,
    };
    let quantile = vec![Quantile {
        quantile: Some(0.5),
        value: Some(f64::NAN),
    }];
    let summary = Summary {
        sample_count: Some(3),
        sample_sum: Some(1.5),
        quantile,
        created_timestamp,
    };
    let bucket = |count, bound, exemplar| Bucket {
        cumulative_count: Some(count),
        upper_bound: Some(bound),
        exemplar,
        ..Bucket::default()
    };
    let mixed = Histogram {
        sample_count: Some(6),
        sample_sum: Some(1.5),
        bucket: vec![bucket(1, 1.0, Some(exemplar())), bucket(6, f64::INFINITY, None)],
        created_timestamp,
        schema: Some(3),
        zero_threshold: Some(1e-128),
        zero_count: Some(1),
        negative_span: vec![BucketSpan {
            offset: Some(-2),
            length: Some(1),
        }],
        negative_delta: vec![1],
        positive_span: vec![BucketSpan {
            offset: Some(0),
            length: Some(2),
        }],
        positive_delta: vec![1, 2],
        exemplars: vec![exemplar(), exemplar()],
        ..Histogram::default()
    };
    let floats = Histogram {
        sample_count_float: Some(2.5),
        sample_sum: Some(-1.5),
        bucket: vec![Bucket {
            cumulative_count_float: Some(2.5),
            upper_bound: Some(1.0),
            ..Bucket::default()
        }],
        ..Histogram::default()
    };
    let labelled = vec![label("b", "x\ty\r\"\u{85}é\u{1}"), label("a", "")];
    vec![
        MetricFamily {
            help: Some("he \"l\\p\nx".to_owned()),
            ..family(
                "c_total",
                0,
                vec![Metric {
                    counter: Some(counter),
                    label: labelled,
                    ..Metric::default()
                }],
            )
        },
        MetricFamily {
            unit: Some("seconds".to_owned()),
            ..family("g_seconds", 1, vec![gauge(-0.0), gauge(1e21)])
        },
        MetricFamily {
            help: Some(String::new()),
            ..family(
                "s",
                2,
                vec![Metric {
                    summary: Some(summary),
                    ..Metric::default()
                }],
            )
        },
        family(
            "u",
            3,
            vec![Metric {
                untyped: Some(Number { value: Some(-3.0) }),
                ..Metric::default()
            }],
        ),
        family("h", 4, vec![histogram(mixed)]),
        family(
            "gh",
            5,
            vec![Metric {
                timestamp_ms: Some(0),
                ..histogram(floats)
            }],
        ),
        family("empty", 1, Vec::new()),
    ]
}

#[track_caller]
fn check(body: &[u8], expected: &Expect) {
    match decode(body) {
        Ok(exposition) => expected.assert_eq(&format!("{exposition:?}")),
        Err(error) => expected.assert_eq(&format!("{error}\n")),
    }
}

#[test]
fn all_of_the_schema_is_decoded() {
    check(
        &body(&everything()),
        &expect![[r#"
        counter "c_total" help="he \"l\\p\nx"
          {b="x\ty\r\"\u{85}é\u{1}",a=""} 1000000.0 created=1700000000s+5ns # {trace_id="abc"} 0.5 @1700000000s+123000000ns
        gauge "g_seconds" unit="seconds"
          {} -0.0
          {} 1e21
        summary "s" help=""
          {} sum=1.5 count=3 q0.5=NaN created=1700000000s+5ns
        unknown "u"
          {} -3.0
        histogram "h"
          {} sum=1.5 count=Int(6) le1.0=Int(1) # {trace_id="abc"} 0.5 @1700000000s+123000000ns leinf=Int(6) native(schema=3 zero=Int(1)@1e-128 -NativeBuckets { spans: [BucketSpan { offset: -2, length: 1 }], deltas: [1], counts: [] } +NativeBuckets { spans: [BucketSpan { offset: 0, length: 2 }], deltas: [1, 2], counts: [] }) # {trace_id="abc"} 0.5 @1700000000s+123000000ns # {trace_id="abc"} 0.5 @1700000000s+123000000ns created=1700000000s+5ns
        gaugehistogram "gh"
          {} sum=-1.5 count=Float(2.5) le1.0=Float(2.5) @0
        gauge "empty"
    "#]],
    );
}

#[test]
fn an_empty_body_is_an_empty_push() {
    assert!(decode(b"").unwrap().families.is_empty());
}

#[test]
fn a_family_without_type_is_a_counter() {
    let metric = Metric {
        counter: Some(Counter {
            value: Some(3.0),
            ..Counter::default()
        }),
        ..Metric::default()
    };
    let family = MetricFamily {
        metric_type: None,
        ..family("m", 0, vec![metric])
    };
    check(
        &body(&[family]),
        &expect![[r#"
        counter "m"
          {} 3.0
    "#]],
    );
}

#[test]
fn the_value_of_the_type_counts() {
    let metric = Metric {
        untyped: Some(Number { value: Some(3.0) }),
        ..gauge(4.0)
    };
    check(
        &body(&[family("m", 1, vec![metric.clone()])]),
        &expect![[r#"
        gauge "m"
          {} 4.0
    "#]],
    );
    check(
        &body(&[family("m", 2, vec![metric])]),
        &expect![[r#"
        summary "m"
          {} missing
    "#]],
    );
}

#[test]
fn the_later_family_of_a_name_replaces_the_earlier() {
    let families = [
        family("a", 1, vec![gauge(1.0)]),
        family("b", 1, vec![gauge(2.0)]),
        family(
            "a",
            3,
            vec![Metric {
                untyped: Some(Number { value: Some(3.0) }),
                ..Metric::default()
            }],
        ),
    ];
    check(
        &body(&families),
        &expect![[r#"
        unknown "a"
          {} 3.0
        gauge "b"
          {} 2.0
    "#]],
    );
}

#[test]
fn names_are_not_held_against_any_rule() {
    let metric = Metric {
        label: vec![label("a-b", "1"), label("", "")],
        ..gauge(3.0)
    };
    check(
        &body(&[family("m.x 😊", 1, vec![metric])]),
        &expect![[r#"
        gauge "m.x 😊"
          {a-b="1",=""} 3.0
    "#]],
    );
}

#[test]
fn families_need_a_name() {
    check(
        &[0],
        &expect![[r#"
        protobuf parsing error at byte 1: expected a metric family with a name, found one without
    "#]],
    );
    check(
        &body(&[family("", 1, vec![gauge(1.0)])]),
        &expect![[r#"
        protobuf parsing error at byte 1: expected a metric family with a name, found one without
    "#]],
    );
}

#[test]
fn types_are_those_of_the_schema() {
    check(
        &body(&[family("m", 6, vec![gauge(1.0)])]),
        &expect![[r#"
        protobuf parsing error at byte 6: expected a metric type from 0 to 5, found 6
    "#]],
    );
    check(
        &body(&[family("m", -1, vec![gauge(1.0)])]),
        &expect![[r#"
        protobuf parsing error at byte 15: expected a metric type from 0 to 5, found 18446744073709551615
    "#]],
    );
}

#[test]
fn names_and_values_are_utf8() {
    check(
        &delimited(b"\x0a\x01\xff"),
        &expect![[r#"
        protobuf parsing error at byte 3: expected a metric name in UTF-8, found other bytes
    "#]],
    );
    let with_label = |pair: &[u8]| {
        let label = [b"\x0a".as_slice(), &delimited(pair)].concat();
        delimited(&[b"\x0a\x01m\x18\x01\x22".as_slice(), &delimited(&label)].concat())
    };
    check(
        &with_label(b"\x0a\x01\xff"),
        &expect![[r#"
        protobuf parsing error at byte 12: expected a label name in UTF-8, found other bytes
    "#]],
    );
    check(
        &with_label(b"\x12\x02a\xff"),
        &expect![[r#"
        protobuf parsing error at byte 12: expected a label value in UTF-8, found other bytes
    "#]],
    );
}

#[test]
fn help_is_made_utf8() {
    check(
        &delimited(b"\x0a\x01m\x12\x03a\xffb"),
        &expect![[r#"
        counter "m" help="a�b"
    "#]],
    );
}

#[test]
fn repeated_scalars_and_messages_merge() {
    // name "a", then "m"; type 3, then 1; a gauge with value 1, then the same gauge without value.
    let one = 1.0_f64.to_le_bytes();
    let metric = [b"\x12\x09\x09".as_slice(), &one, b"\x12\x00"].concat();
    let message = [
        b"\x0a\x01a\x18\x03\x22".as_slice(),
        &delimited(&metric),
        b"\x18\x01\x0a\x01m",
    ]
    .concat();
    check(
        &delimited(&message),
        &expect![[r#"
        gauge "m"
          {} 1.0
    "#]],
    );
}

#[test]
fn labels_behind_an_exemplar_stay_with_the_metric() {
    let exemplar = b"\x0a\x06\x0a\x01x\x12\x01y";
    let counter = [b"\x12".as_slice(), &delimited(exemplar)].concat();
    let label = b"\x0a\x06\x0a\x01a\x12\x01b";
    let metric = [
        b"\x1a".as_slice(),
        &delimited(&counter),
        label,
        b"\x1a".as_slice(),
        &delimited(&counter),
    ]
    .concat();
    let message = [b"\x0a\x01m\x22".as_slice(), &delimited(&metric)].concat();
    check(
        &delimited(&message),
        &expect![[r#"
        counter "m"
          {a="b"} 0.0 # {x="y",x="y"} 0.0
    "#]],
    );
}

#[test]
fn a_float_count_goes_before_the_integer_unless_it_is_zero() {
    let of = |int, float| {
        histogram(Histogram {
            sample_count: int,
            sample_count_float: float,
            ..Histogram::default()
        })
    };
    let metrics = vec![
        of(Some(1), Some(2.5)),
        of(Some(1), Some(0.0)),
        of(None, Some(0.0)),
        of(Some(7), None),
        of(None, None),
    ];
    check(
        &body(&[family("h", 4, metrics)]),
        &expect![[r#"
        histogram "h"
          {} sum=0.0 count=Float(2.5)
          {} sum=0.0 count=Int(1)
          {} sum=0.0 count=Float(0.0)
          {} sum=0.0 count=Int(7)
          {} sum=0.0 count=Int(0)
    "#]],
    );
}

#[test]
fn broken_bodies_are_told_apart() {
    let mut cut = body(&[family("m", 1, vec![gauge(1.0)])]);
    cut.truncate(cut.len() - 3);
    check(
        &cut,
        &expect![[r#"
            unexpected EOF
            hint: byte 0: expected a metric family of 18 bytes, found 15 bytes
        "#]],
    );
    check(
        b"\x80",
        &expect![[r#"
            unexpected EOF
            hint: byte 0: expected the length of a metric family, found the end of the body
        "#]],
    );
    check(
        &[0xff; 11],
        &expect![[r#"
            proto: variable length integer overflow
            hint: byte 0: expected the length of a metric family, found an integer of more than 64 bits
        "#]],
    );
    check(
        b"\x02\x00\x00",
        &expect![[r#"
            proto: cannot parse invalid wire-format data
            hint: byte 1: expected a field number from 1 to 2^29-1, found 0
        "#]],
    );
    check(
        b"\x01\x0f",
        &expect![[r#"
            proto: cannot parse invalid wire-format data
            hint: byte 1: expected a wire type from 0 to 5, found 7
        "#]],
    );
    check(
        b"\x02\x0a\x05",
        &expect![[r#"
            proto: cannot parse invalid wire-format data
            hint: byte 2: expected a value of 5 bytes, found 0 bytes
        "#]],
    );
    check(
        b"\x02\x18\xff",
        &expect![[r#"
            proto: cannot parse invalid wire-format data
            hint: byte 2: expected an integer of up to ten bytes, found no end of it
        "#]],
    );
    check(
        b"\x01\x0c",
        &expect![[r#"
            proto: cannot parse invalid wire-format data
            hint: byte 1: expected groups that begin and end, found one that does not
        "#]],
    );
    check(
        b"\x01\x0b",
        &expect![[r#"
            proto: cannot parse invalid wire-format data
            hint: byte 2: expected groups that begin and end, found one that does not
        "#]],
    );
    check(
        b"\x03\x0a\x01m\x01\x09",
        &expect![[r#"
            proto: cannot parse invalid wire-format data
            hint: byte 6: expected a value of 8 bytes, found 0 bytes
        "#]],
    );
}

#[test]
fn unknown_fields_are_skipped() {
    // Number 99 with each wire type, and the name as an integer.
    let unknown = [
        b"\x0a\x01m".as_slice(),
        b"\x98\x06\x05",
        b"\x99\x06\x01\x02\x03\x04\x05\x06\x07\x08",
        b"\x9a\x06\x01x",
        b"\x9b\x06\x9c\x06",
        b"\x9d\x06\x01\x02\x03\x04",
        b"\x08\x01",
    ];
    assert_eq!(decode(&delimited(&unknown.concat())).unwrap().families.len(), 1);
}

#[test]
fn length_prefixes_beyond_the_body_are_refused() {
    for length in [3, 4, 127, 128, 16_384] {
        let mut body = Vec::new();
        prost::encoding::encode_varint(length, &mut body);
        body.extend_from_slice(b"ab");
        let error = decode(&body).unwrap_err();
        assert!(error.to_string().starts_with("unexpected EOF\n"), "{error}");
        // And within a family.
        let mut message = vec![0x0a];
        prost::encoding::encode_varint(length, &mut message);
        let error = decode(&delimited(&message)).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("proto: cannot parse invalid wire-format data\n"),
            "{error}"
        );
    }
}

#[test]
#[cfg_attr(miri, ignore = "too large for an interpreter")]
fn every_prefix_is_refused_or_ends_at_a_family() {
    let families = everything();
    let whole = body(&families);
    let ends: Vec<usize> = (0..=families.len())
        .map(|count| body(&families[..count]).len())
        .collect();
    for length in 0..whole.len() {
        let prefix = &whole[..length];
        match decode(prefix) {
            Ok(exposition) => assert_eq!(ends.get(exposition.families.len()), Some(&length)),
            Err(error) => assert!(
                error.offset() <= length && !ends.contains(&length),
                "{length}: {error}"
            ),
        }
    }
}

#[test]
fn native_histograms_that_prometheus_refuses_are_refused() {
    let check = |histogram_: Histogram, expected: &Expect| {
        check(
            &body(&[family("latency", 4, vec![histogram(histogram_)])]),
            expected,
        );
    };
    let spans = |spans: &[(i32, u32)]| -> Vec<BucketSpan> {
        spans
            .iter()
            .map(|(offset, length)| BucketSpan {
                offset: Some(*offset),
                length: Some(*length),
            })
            .collect()
    };
    let of = |positive: &[(i32, u32)], deltas: &[i64], count| Histogram {
        sample_count: Some(count),
        positive_span: spans(positive),
        positive_delta: deltas.to_vec(),
        ..Histogram::default()
    };
    check(
        Histogram {
            schema: Some(-53),
            ..of(&[(0, 0)], &[], 0)
        },
        &expect![[r#"
            protobuf parsing error at byte 14: native histogram `latency`: expected a schema from -4 to 8, found -53
        "#]],
    );
    check(
        Histogram {
            zero_threshold: Some(-1.0),
            ..of(&[(0, 0)], &[], 0)
        },
        &expect![[r#"
            protobuf parsing error at byte 14: native histogram `latency`: expected a zero threshold of at least 0, found -1
        "#]],
    );
    check(
        of(&[(0, 1)], &[1, 0], 1),
        &expect![[r#"
        protobuf parsing error at byte 14: native histogram `latency`: expected counts of the 1 buckets in the spans, found 2 counts
    "#]],
    );
    check(
        of(&[(0, 1), (-1, 1)], &[1, 1], 3),
        &expect![[r#"
        protobuf parsing error at byte 14: native histogram `latency`: expected a span offset of at least 0 behind the first span, found -1
    "#]],
    );
    check(
        of(&[(i32::MAX, 1)], &[1], 1),
        &expect![[r#"
        protobuf parsing error at byte 14: native histogram `latency`: expected bucket indices of 32 bits, found a span beyond them
    "#]],
    );
    check(
        of(&[(0, 1)], &[-1], 0),
        &expect![[r#"
        protobuf parsing error at byte 14: native histogram `latency`: expected counts of at least 0, found a negative one
    "#]],
    );
    check(
        of(&[(0, 2)], &[i64::MAX, 1], 0),
        &expect![[r#"
        protobuf parsing error at byte 14: native histogram `latency`: expected counts of 64 bits in total, found more
    "#]],
    );
    check(
        of(&[(0, 1)], &[3], 4),
        &expect![[r#"
        protobuf parsing error at byte 14: native histogram `latency`: expected a count of 3, as in the buckets, found 4
    "#]],
    );
    check(
        Histogram {
            zero_count: Some(1),
            ..Histogram::default()
        },
        &expect![[r#"
            protobuf parsing error at byte 14: native histogram `latency`: expected a count of 1, as in the buckets, found 0
        "#]],
    );
    let float = Histogram {
        sample_count_float: Some(1.0),
        positive_count: vec![1.0, 0.0],
        ..of(&[(0, 1)], &[], 0)
    };
    check(
        float,
        &expect![[r#"
        protobuf parsing error at byte 14: native histogram `latency`: expected counts of the 1 buckets in the spans, found 2 counts
    "#]],
    );
}

#[test]
fn histograms_are_native_where_prometheus_takes_them_for_that() {
    let is_native = |histogram_: Histogram| {
        let body = body(&[family("h", 4, vec![histogram(histogram_)])]);
        decode(&body).unwrap().histogram(0).unwrap().native.is_some()
    };
    let no_op = vec![BucketSpan {
        offset: Some(0),
        length: Some(0),
    }];
    assert!(is_native(Histogram {
        positive_span: no_op.clone(),
        ..Histogram::default()
    }));
    assert!(is_native(Histogram {
        negative_span: no_op,
        ..Histogram::default()
    }));
    assert!(is_native(Histogram {
        zero_threshold: Some(0.1),
        ..Histogram::default()
    }));
    assert!(is_native(Histogram {
        zero_count: Some(1),
        sample_count: Some(1),
        ..Histogram::default()
    }));
    assert!(!is_native(Histogram {
        schema: Some(3),
        positive_delta: vec![1],
        ..Histogram::default()
    }));
    // Of the two counts only that of floats is one.
    assert!(!is_native(Histogram {
        zero_count: Some(1),
        sample_count_float: Some(1.0),
        ..Histogram::default()
    }));
}

#[test]
fn labels_that_repeat_are_shared() {
    let metric = || Metric {
        label: vec![label("name", "value")],
        ..gauge(1.0)
    };
    let exposition = decode(&body(&[family("m", 1, vec![metric(), metric()])])).unwrap();
    assert_eq!(exposition.labels[0], exposition.labels[1]);
}

#[test]
fn parts_of_a_family_make_one_message() {
    let whole = decode(&body(&everything())).unwrap();
    let scheme = EscapingScheme::AllowUtf8;
    let family = &whole.families[1];
    let mut message = Vec::new();
    write_head(&mut message, &Head::of(&whole, family), scheme);
    write_metrics(&mut message, &whole, family, scheme);
    write_metrics(&mut message, &whole, family, scheme);
    let decoded = decode(&delimited(&message)).unwrap();
    assert_eq!(decoded.families[0].metrics.len(), 2 * family.metrics.len());
}

#[test]
fn openmetrics_types_are_gauges() {
    for metric_type in [MetricType::Info, MetricType::StateSet] {
        let mut message = Vec::new();
        let head = Head {
            name: "m",
            help: None,
            unit: "",
            metric_type,
        };
        write_head(&mut message, &head, EscapingScheme::AllowUtf8);
        assert_eq!(
            decode(&delimited(&message)).unwrap().families[0].metric_type,
            MetricType::Gauge
        );
    }
}

#[test]
fn units_that_prometheus_would_refuse_are_left_out() {
    let unit_of = |name, unit, metric_type| {
        let mut message = Vec::new();
        let head = Head {
            name,
            help: None,
            unit,
            metric_type,
        };
        write_head(&mut message, &head, EscapingScheme::Underscores);
        let decoded = decode(&delimited(&message)).unwrap();
        decoded.text(decoded.families[0].unit).to_owned()
    };
    assert_eq!(unit_of("a_seconds", "seconds", MetricType::Gauge), "seconds");
    assert_eq!(
        unit_of("a_seconds_total", "seconds", MetricType::Counter),
        "seconds"
    );
    assert_eq!(unit_of("a_seconds_total", "seconds", MetricType::Gauge), "");
    assert_eq!(unit_of("a_seconds_info", "seconds", MetricType::Info), "");
    assert_eq!(unit_of("a", "seconds", MetricType::Gauge), "");
    assert_eq!(unit_of("a.b_µs", "µs", MetricType::Gauge), "");
}

#[test]
fn names_are_escaped_for_the_reader() {
    let metric = Metric {
        label: vec![label("a.b", "x.y")],
        ..gauge(1.0)
    };
    let exposition = decode(&body(&[family("m.x", 1, vec![metric])])).unwrap();
    let written = encode(&exposition, EscapingScheme::Values);
    check(
        &written,
        &expect![[r#"
        gauge "U__m_2e_x"
          {U__a_2e_b="x.y"} 1.0
    "#]],
    );
}

fn as_text(style: TextStyle) -> String {
    let mut out = Vec::new();
    let exposition = decode(&body(&everything())).unwrap();
    for family in &exposition.families {
        let mut message = Vec::new();
        write_head(
            &mut message,
            &Head::of(&exposition, family),
            EscapingScheme::AllowUtf8,
        );
        write_metrics(&mut message, &exposition, family, EscapingScheme::AllowUtf8);
        write_text(&mut out, &message, style);
    }
    String::from_utf8(out).unwrap()
}

#[test]
fn protobuf_text_has_a_field_a_line() {
    expect![[r#"
        name: "c_total"
        help: "he \"l\\p\nx"
        type: COUNTER
        metric: {
          label: {
            name: "b"
            value: "x\ty\r\"\u0085é\x01"
          }
          label: {
            name: "a"
            value: ""
          }
          counter: {
            value: 1e+06
            exemplar: {
              label: {
                name: "trace_id"
                value: "abc"
              }
              value: 0.5
              timestamp: {
                seconds: 1700000000
                nanos: 123000000
              }
            }
            created_timestamp: {
              seconds: 1700000000
              nanos: 5
            }
          }
        }

        name: "g_seconds"
        type: GAUGE
        unit: "seconds"
        metric: {
          gauge: {
            value: -0
          }
        }
        metric: {
          gauge: {
            value: 1e+21
          }
        }

        name: "s"
        help: ""
        type: SUMMARY
        metric: {
          summary: {
            sample_count: 3
            sample_sum: 1.5
            quantile: {
              quantile: 0.5
              value: nan
            }
            created_timestamp: {
              seconds: 1700000000
              nanos: 5
            }
          }
        }

        name: "u"
        type: UNTYPED
        metric: {
          untyped: {
            value: -3
          }
        }

        name: "h"
        type: HISTOGRAM
        metric: {
          histogram: {
            sample_count: 6
            sample_sum: 1.5
            bucket: {
              cumulative_count: 1
              upper_bound: 1
              exemplar: {
                label: {
                  name: "trace_id"
                  value: "abc"
                }
                value: 0.5
                timestamp: {
                  seconds: 1700000000
                  nanos: 123000000
                }
              }
            }
            bucket: {
              cumulative_count: 6
              upper_bound: inf
            }
            created_timestamp: {
              seconds: 1700000000
              nanos: 5
            }
            schema: 3
            zero_threshold: 1e-128
            zero_count: 1
            negative_span: {
              offset: -2
              length: 1
            }
            negative_delta: 1
            positive_span: {
              offset: 0
              length: 2
            }
            positive_delta: 1
            positive_delta: 2
            exemplars: {
              label: {
                name: "trace_id"
                value: "abc"
              }
              value: 0.5
              timestamp: {
                seconds: 1700000000
                nanos: 123000000
              }
            }
            exemplars: {
              label: {
                name: "trace_id"
                value: "abc"
              }
              value: 0.5
              timestamp: {
                seconds: 1700000000
                nanos: 123000000
              }
            }
          }
        }

        name: "gh"
        type: GAUGE_HISTOGRAM
        metric: {
          histogram: {
            sample_count_float: 2.5
            sample_sum: -1.5
            bucket: {
              cumulative_count_float: 2.5
              upper_bound: 1
            }
          }
          timestamp_ms: 0
        }

        name: "empty"
        type: GAUGE

    "#]]
    .assert_eq(&as_text(TextStyle::MultiLine));
}

#[test]
fn compact_protobuf_text_has_a_family_a_line() {
    expect![[r#"
        name:"c_total" help:"he \"l\\p\nx" type:COUNTER metric:{label:{name:"b" value:"x\ty\r\"\u0085é\x01"} label:{name:"a" value:""} counter:{value:1e+06 exemplar:{label:{name:"trace_id" value:"abc"} value:0.5 timestamp:{seconds:1700000000 nanos:123000000}} created_timestamp:{seconds:1700000000 nanos:5}}}
        name:"g_seconds" type:GAUGE unit:"seconds" metric:{gauge:{value:-0}} metric:{gauge:{value:1e+21}}
        name:"s" help:"" type:SUMMARY metric:{summary:{sample_count:3 sample_sum:1.5 quantile:{quantile:0.5 value:nan} created_timestamp:{seconds:1700000000 nanos:5}}}
        name:"u" type:UNTYPED metric:{untyped:{value:-3}}
        name:"h" type:HISTOGRAM metric:{histogram:{sample_count:6 sample_sum:1.5 bucket:{cumulative_count:1 upper_bound:1 exemplar:{label:{name:"trace_id" value:"abc"} value:0.5 timestamp:{seconds:1700000000 nanos:123000000}}} bucket:{cumulative_count:6 upper_bound:inf} created_timestamp:{seconds:1700000000 nanos:5} schema:3 zero_threshold:1e-128 zero_count:1 negative_span:{offset:-2 length:1} negative_delta:1 positive_span:{offset:0 length:2} positive_delta:1 positive_delta:2 exemplars:{label:{name:"trace_id" value:"abc"} value:0.5 timestamp:{seconds:1700000000 nanos:123000000}} exemplars:{label:{name:"trace_id" value:"abc"} value:0.5 timestamp:{seconds:1700000000 nanos:123000000}}}}
        name:"gh" type:GAUGE_HISTOGRAM metric:{histogram:{sample_count_float:2.5 sample_sum:-1.5 bucket:{cumulative_count_float:2.5 upper_bound:1}} timestamp_ms:0}
        name:"empty" type:GAUGE
    "#]].assert_eq(&as_text(TextStyle::Compact));
}

#[test]
fn protobuf_text_survives_bytes_that_are_no_message() {
    for bytes in [
        &b"\xff"[..],
        b"\x0a\x05",
        b"\x22\x02\x0a\x09",
        b"\x0d1234",
        b"\x0a\x01\xff",
    ] {
        for style in [TextStyle::MultiLine, TextStyle::Compact] {
            write_text(&mut Vec::new(), bytes, style);
        }
    }
}

proptest! {
    #[test]
    #[cfg_attr(miri, ignore = "too large for an interpreter")]
    fn what_is_encoded_decodes_to_the_same(exposition in generate::exposition(Format::Protobuf)) {
        let encoded = encode(&exposition, EscapingScheme::AllowUtf8);
        let decoded = decode(&encoded).unwrap();
        prop_assert_eq!(format!("{decoded:?}"), format!("{exposition:?}"));
        // Another library reads the same in it, and we read the same in what it writes.
        let rewritten = decode(&body(&read(&encoded).unwrap())).unwrap();
        prop_assert_eq!(format!("{rewritten:?}"), format!("{exposition:?}"));
    }

    #[test]
    fn random_bytes_are_refused_or_mean_something(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
        check_read(&bytes);
        check_read(&delimited(&bytes));
        // The text is for people, so it may say anything, but it is text.
        let mut text = Vec::new();
        write_text(&mut text, &bytes, TextStyle::MultiLine);
        prop_assert!(String::from_utf8(text).is_ok());
    }

    #[test]
    fn changed_bytes_are_refused_or_mean_something(index in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut body = body(&everything());
        *index.get_mut(&mut body) = byte;
        check_read(&body);
    }
}

/// A body is refused with a short text, or what it means can be written. A unit that does not fit its name is left out then; what
/// has been written means the same when it is written again.
#[track_caller]
fn check_read(body: &[u8]) {
    match decode(body) {
        Ok(exposition) => {
            let written = encode(&exposition, EscapingScheme::AllowUtf8);
            let reread = decode(&written).unwrap();
            assert_eq!(reread.families.len(), exposition.families.len());
            let again = encode(&reread, EscapingScheme::AllowUtf8);
            assert_eq!(again, written);
            assert_eq!(format!("{:?}", decode(&again).unwrap()), format!("{reread:?}"));
        }
        Err(error) => {
            let text = error.to_string();
            assert!((1..500).contains(&text.len()), "{text}");
        }
    }
}
