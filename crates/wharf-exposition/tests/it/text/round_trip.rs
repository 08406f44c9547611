//! Encoding, and back.

#![expect(
    clippy::needless_raw_string_hashes,
    reason = "expect-test writes its snapshots so"
)]

use expect_test::expect;
use proptest::prelude::*;
use wharf_exposition::text::{DecodeErrorKind, Options, decode, encode, write_header, write_metric};
use wharf_model::name::{EscapingScheme, NameRule};
use wharf_model::{
    Bucket, Count, Exposition, Family, Histogram, Label, Metric, MetricType, Quantile, Run, Summary, Text,
    Value,
};

use super::{LENIENT, UTF8};

fn encoded(body: &str, options: Options, escaping: EscapingScheme) -> String {
    String::from_utf8(encode(&decode(body.as_bytes(), options).unwrap(), escaping)).unwrap()
}

#[test]
fn labels_are_sorted_and_bounds_come_last() {
    let body = "# TYPE h histogram\nh_bucket{z=\"1\",le=\"1e1\",a=\"\\\"\\\\\\n\"} 2\nh_sum{a=\"\\\"\\\\\\n\",z=\"1\"} 1e6\n\
                # HELP s two\\nlines \\\\ \"quoted\"\n# TYPE s summary\ns{zone=\"1\",quantile=\"0.5\"} -0\n";
    expect![[r##"
        # TYPE h histogram
        h_bucket{a="\"\\\n",z="1",le="10"} 2
        h_bucket{a="\"\\\n",z="1",le="+Inf"} 0
        h_sum{a="\"\\\n",z="1"} 1e+06
        h_count{a="\"\\\n",z="1"} 0
        # HELP s two\nlines \\ "quoted"
        # TYPE s summary
        s{zone="1",quantile="0.5"} 0
        s_sum{zone="1"} 0
        s_count{zone="1"} 0
    "##]]
    .assert_eq(&encoded(body, LENIENT, EscapingScheme::AllowUtf8));
}

#[test]
fn a_bucket_without_bound_is_added_once() {
    let body = "# TYPE h histogram\nh_count 3\nh_bucket{a=\"1\",le=\"+Inf\"} 2\nh_count{a=\"1\"} 3\nh_bucket{a=\"2\",le=\"1\"} 0.5\n";
    expect![[r##"
        # TYPE h histogram
        h_bucket{le="+Inf"} 3
        h_sum 0
        h_count 3
        h_bucket{a="1",le="+Inf"} 2
        h_sum{a="1"} 0
        h_count{a="1"} 3
        h_bucket{a="2",le="1"} 0.5
        h_bucket{a="2",le="+Inf"} 0
        h_sum{a="2"} 0
        h_count{a="2"} 0
    "##]]
    .assert_eq(&encoded(body, LENIENT, EscapingScheme::AllowUtf8));
}

#[test]
fn names_beyond_legacy_are_quoted_or_escaped() {
    let body = "# HELP \"my.metric\" h\n{\"my.metric\",\"my.label\"=\"x\",a=\"1\"} 1\n# TYPE \"h.x\" histogram\n\
                {\"h.x_bucket\",le=\"1\"} 1\n{\"q\\\"\"} 1\nm{\"a:b\"=\"1\"} 1\n";
    for (escaping, expected) in [
        (
            EscapingScheme::AllowUtf8,
            expect![[r##"
            # HELP "my.metric" h
            # TYPE "my.metric" untyped
            {"my.metric",a="1","my.label"="x"} 1
            # TYPE "h.x" histogram
            {"h.x_bucket",le="1"} 1
            {"h.x_bucket",le="+Inf"} 0
            {"h.x_sum"} 0
            {"h.x_count"} 0
            # TYPE "q\"" untyped
            {"q\""} 1
            # TYPE m untyped
            m{"a:b"="1"} 1
        "##]],
        ),
        (
            EscapingScheme::Underscores,
            expect![[r##"
            # HELP my_metric h
            # TYPE my_metric untyped
            my_metric{a="1",my_label="x"} 1
            # TYPE h_x histogram
            h_x_bucket{le="1"} 1
            h_x_bucket{le="+Inf"} 0
            h_x_sum 0
            h_x_count 0
            # TYPE q_ untyped
            q_ 1
            # TYPE m untyped
            m{a_b="1"} 1
        "##]],
        ),
        (
            EscapingScheme::Dots,
            expect![[r##"
            # HELP my_dot_metric h
            # TYPE my_dot_metric untyped
            my_dot_metric{a="1",my_dot_label="x"} 1
            # TYPE h_dot_x histogram
            h_dot_x_bucket{le="1"} 1
            h_dot_x_bucket{le="+Inf"} 0
            h_dot_x_sum 0
            h_dot_x_count 0
            # TYPE q__ untyped
            q__ 1
            # TYPE m untyped
            m{a__b="1"} 1
        "##]],
        ),
        (
            EscapingScheme::Values,
            expect![[r##"
            # HELP U__my_2e_metric h
            # TYPE U__my_2e_metric untyped
            U__my_2e_metric{a="1",U__my_2e_label="x"} 1
            # TYPE U__h_2e_x histogram
            U__h_2e_x_bucket{le="1"} 1
            U__h_2e_x_bucket{le="+Inf"} 0
            U__h_2e_x_sum 0
            U__h_2e_x_count 0
            # TYPE U__q_22_ untyped
            U__q_22_ 1
            # TYPE m untyped
            m{U__a_3a_b="1"} 1
        "##]],
        ),
    ] {
        expected.assert_eq(&encoded(body, UTF8, escaping));
    }
}

#[test]
fn an_empty_help_is_written_and_a_missing_one_is_not() {
    let mut out = Vec::new();
    write_header(
        &mut out,
        "a",
        Some(""),
        MetricType::StateSet,
        EscapingScheme::AllowUtf8,
    );
    write_header(
        &mut out,
        "b",
        None,
        MetricType::GaugeHistogram,
        EscapingScheme::AllowUtf8,
    );
    assert_eq!(out, b"# HELP a \n# TYPE a gauge\n# TYPE b histogram\n");
}

#[test]
fn a_missing_value_writes_nothing() {
    let mut out = Vec::new();
    write_metric(
        &mut out,
        &Exposition::default(),
        "a",
        &[],
        Value::Missing,
        EscapingScheme::AllowUtf8,
    );
    assert_eq!(out, b"");
}

/// A family to build; names are made different by their place.
#[derive(Debug, Clone)]
struct AnyFamily {
    name: String,
    help: Option<String>,
    metric_type: MetricType,
    metrics: Vec<AnyMetric>,
}

#[derive(Debug, Clone)]
struct AnyMetric {
    labels: Vec<(String, String)>,
    value: f64,
    sum: f64,
    count: u32,
    is_float: bool,
    points: Vec<(f64, u32)>,
}

fn any_family() -> impl Strategy<Value = AnyFamily> {
    let metric_type = prop::sample::select(vec![
        MetricType::Counter,
        MetricType::Gauge,
        MetricType::Untyped,
        MetricType::Summary,
        MetricType::Histogram,
    ]);
    // A help cannot begin with a blank or be empty: the format has no way to say so.
    let help = prop::option::of(r"[^ \t\r]\PC{0,6}[\n\\\x22a]?");
    let metrics = prop::collection::vec(any_metric(), 1..4);
    ("(\\PC|[a-z\\n\\\\\"]){1,6}", help, metric_type, metrics).prop_map(
        |(name, help, metric_type, metrics)| AnyFamily {
            name,
            help,
            metric_type,
            metrics,
        },
    )
}

fn any_metric() -> impl Strategy<Value = AnyMetric> {
    let label = ("(\\PC|[a-z\\n\\\\\"]){1,4}", "(\\PC|[a-z\\n\\r\\t\\\\\"]){0,6}");
    let points = prop::collection::vec((number(), 0..9_u32), 0..4);
    (
        prop::collection::vec(label, 0..4),
        number(),
        number(),
        any::<u32>(),
        any::<bool>(),
        points,
    )
        .prop_map(|(labels, value, sum, count, is_float, points)| AnyMetric {
            labels,
            value,
            sum,
            count,
            is_float,
            points,
        })
}

/// Doubles that compare equal to themselves, and not -0, which prints as 0.
fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<f64>().prop_filter("is a number", |value| !value.is_nan()),
        (-1_000_000_i32..1_000_000).prop_map(|value| f64::from(value) / 1000.0),
        (0..1000_i32).prop_map(f64::from),
        prop::sample::select(vec![
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::MIN_POSITIVE,
            f64::MAX
        ]),
    ]
    .prop_map(|value| value + 0.0)
}

fn build(families: &[AnyFamily]) -> Exposition<'static> {
    let mut exposition = Exposition::default();
    for (index, family) in families.iter().enumerate() {
        // The place in the name keeps families apart, also `a_sum` from a summary `a`.
        let name = exposition.intern(&format!("{}.{index}", family.name)).unwrap();
        let help = family.help.as_ref().map(|help| exposition.intern(help).unwrap());
        let mut metrics = Vec::new();
        for (index, metric) in family.metrics.iter().enumerate() {
            let mut labels = vec![("!".to_owned(), index.to_string())];
            labels.extend(metric.labels.iter().cloned());
            labels.sort();
            labels.dedup_by(|a, b| a.0 == b.0);
            let first = exposition.labels.len();
            for (name, value) in labels {
                let label = Label {
                    name: exposition.intern(&name).unwrap(),
                    value: exposition.intern(&value).unwrap(),
                };
                exposition.labels.push(label);
            }
            let labels = Run::new(first, exposition.labels.len()).unwrap();
            let value = build_value(&mut exposition, family.metric_type, metric);
            metrics.push(Metric {
                labels,
                value,
                extra: None,
            });
        }
        let metric_type = family.metric_type;
        exposition.families.push(Family {
            name,
            help,
            unit: Text::EMPTY,
            metric_type,
            metrics,
        });
    }
    exposition
}

fn build_value(exposition: &mut Exposition<'_>, metric_type: MetricType, metric: &AnyMetric) -> Value {
    match metric_type {
        MetricType::Summary => {
            let first = exposition.quantiles.len();
            let quantiles = metric.points.iter();
            exposition
                .quantiles
                .extend(quantiles.map(|(quantile, value)| Quantile {
                    quantile: *quantile,
                    value: f64::from(*value),
                }));
            let quantiles = Run::new(first, exposition.quantiles.len()).unwrap();
            exposition.summaries.push(Summary {
                sum: metric.sum,
                count: metric.count.into(),
                quantiles,
            });
            Value::Summary(u32::try_from(exposition.summaries.len() - 1).unwrap())
        }
        MetricType::Histogram => {
            // Integers in a float histogram would come back as an integer histogram.
            let count = |count: u32| {
                if metric.is_float {
                    Count::Float(f64::from(count) + 0.5)
                } else {
                    Count::Int(count.into())
                }
            };
            let first = exposition.buckets.len();
            let points = metric
                .points
                .iter()
                .copied()
                .chain([(f64::INFINITY, metric.count)]);
            exposition
                .buckets
                .extend(points.map(|(upper_bound, value)| Bucket {
                    upper_bound,
                    cumulative_count: count(value),
                    exemplar: None,
                }));
            let buckets = Run::new(first, exposition.buckets.len()).unwrap();
            let count = count(metric.count);
            exposition.histograms.push(Histogram {
                sum: metric.sum,
                count,
                buckets,
                native: None,
            });
            Value::Histogram(u32::try_from(exposition.histograms.len() - 1).unwrap())
        }
        _ => Value::Number(metric.value),
    }
}

proptest! {
    #[test]
    #[cfg_attr(miri, ignore = "too large for an interpreter")]
    fn what_is_encoded_decodes_to_the_same(families in prop::collection::vec(any_family(), 0..4)) {
        let exposition = build(&families);
        let body = encode(&exposition, EscapingScheme::AllowUtf8);
        let strict = Options { names: NameRule::Utf8, strict: true };
        let decoded = decode(&body, strict).unwrap();
        prop_assert_eq!(format!("{decoded:?}"), format!("{exposition:?}"));
    }

    #[test]
    #[cfg_attr(miri, ignore = "too large for an interpreter")]
    fn escaped_names_are_legacy_names(families in prop::collection::vec(any_family(), 0..4)) {
        for escaping in [EscapingScheme::Underscores, EscapingScheme::Dots, EscapingScheme::Values] {
            let body = encode(&build(&families), escaping);
            // Names that were different may become equal.
            let collide = |kind: &DecodeErrorKind| {
                matches!(
                    kind,
                    DecodeErrorKind::SecondHelp(_)
                        | DecodeErrorKind::SecondType(_)
                        | DecodeErrorKind::DuplicateLabelName(_)
                )
            };
            if let Err(error) = decode(&body, LENIENT) {
                prop_assert!(collide(error.kind()), "{}", error);
            }
        }
    }

    #[test]
    fn any_bytes_are_an_exposition_or_an_error(body: Vec<u8>) {
        for options in [LENIENT, UTF8] {
            let _either = decode(&body, options).map_err(|error| error.to_string());
        }
    }

    #[test]
    fn any_tokens_are_an_exposition_or_an_error(
        tokens in prop::collection::vec(prop::sample::select(TOKENS.to_vec()), 0..40)
    ) {
        let body = tokens.concat();
        if let Ok(exposition) = decode(body.as_bytes(), UTF8) {
            encode(&exposition, EscapingScheme::AllowUtf8);
        }
    }
}

const TOKENS: &[&str] = &[
    "h",
    "h_sum",
    "h_count",
    "h_bucket",
    "s",
    "s_sum",
    "m",
    "le",
    "quantile",
    "a",
    "# TYPE ",
    "# HELP ",
    "histogram",
    "summary",
    "gauge",
    "\n",
    "\n",
    "\n",
    " ",
    " ",
    "\t",
    "\r",
    "{",
    "}",
    "=",
    "\"",
    "\"",
    "\\",
    ",",
    "1",
    "0.5",
    "-1",
    "NaN",
    "é",
    "\u{feff}",
    "#",
];
