//! Whatever is pushed: strict readers take the body, each name is that of one family, and no series is there twice.

use std::collections::{BTreeSet, HashSet};

use proptest::prelude::*;
use wharf_exposition::{openmetrics, protobuf, text};
use wharf_model::name::{EscapingScheme, NameRule};
use wharf_model::{
    Bucket, Count, Exemplar, Exposition, Extra, Family, GroupingKey, Histogram, Label, Metric, MetricType,
    Quantile, Run, Summary, Timestamp, Value,
};
use wharf_scrape::{Format, Wanted, render};
use wharf_store::{PushMode, Store, UnixNanos};

use crate::{PLAIN, joined, store};

/// Names that have to do with each other, by their suffixes or once they are escaped.
const NAMES: [&str; 29] = [
    "x",
    "x_total",
    "x_total_total",
    "x_created",
    "x_info",
    "x_info_total",
    "x_total_info",
    "x_bucket",
    "x_count",
    "x_sum",
    "x_gsum",
    "x_gcount",
    "x_total_created",
    "x_info_created",
    "x_created_created",
    "x_created_total",
    "x.total",
    "x.created",
    "x.count",
    "x-count",
    "x.b",
    "x_b",
    "x_b_total",
    "x.b_total",
    "x.b_created",
    "_total",
    "x\"\\\n_total",
    "x y",
    "x é\r",
];

const LABELS: [&str; 10] = [
    "a",
    "a.b",
    "a_b",
    "a:b",
    "x",
    "x.b",
    "x_b",
    "état",
    "..name..",
    "l\"\\\n\r",
];

const HELPS: [&str; 7] = [
    "",
    "Some help.",
    " a\r",
    "\"quoted\"",
    "back\\slash\\",
    "two\nlines\n",
    "\u{0}\u{2028}é",
];

const SCHEMES: [EscapingScheme; 4] = [
    EscapingScheme::AllowUtf8,
    EscapingScheme::Underscores,
    EscapingScheme::Dots,
    EscapingScheme::Values,
];

/// A family to push.
#[derive(Debug, Clone)]
struct Spec {
    name: &'static str,
    metric_type: MetricType,
    unit: &'static str,
    help: Option<&'static str>,
    metrics: Vec<(Vec<(&'static str, u8)>, ValueSpec)>,
}

#[derive(Debug, Clone)]
struct ValueSpec {
    number: f64,
    count: Count,
    parts: Vec<(f64, Count, bool)>,
    created: Option<Timestamp>,
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        3 => (0..3_u8).prop_map(f64::from),
        1 => prop::sample::select(vec![-1.0, -0.0, 0.5, 1e300, f64::NAN, f64::INFINITY, f64::NEG_INFINITY]),
    ]
}

fn count() -> impl Strategy<Value = Count> {
    prop_oneof![
        4 => (0..4_u64).prop_map(Count::Int),
        1 => number().prop_map(Count::Float),
        1 => Just(Count::Int(u64::MAX)),
    ]
}

fn value() -> impl Strategy<Value = ValueSpec> {
    let timestamp = (
        prop::sample::select(vec![0, 1, -1, i64::MAX, i64::MIN]),
        prop::sample::select(vec![0, -1, i32::MAX]),
    );
    let timestamp = timestamp.prop_map(|(seconds, nanos)| Timestamp { seconds, nanos });
    let parts = prop::collection::vec((number(), count(), any::<bool>()), 0..4);
    (number(), count(), parts, prop::option::weighted(0.2, timestamp)).prop_map(
        |(number, count, parts, created)| ValueSpec {
            number,
            count,
            parts,
            created,
        },
    )
}

fn family() -> impl Strategy<Value = Spec> {
    let types = MetricType::ALL.to_vec();
    let labels = prop::collection::btree_map(prop::sample::select(LABELS.to_vec()), 0..2_u8, 0..3);
    let metrics = prop::collection::vec(
        (labels.prop_map(|labels| labels.into_iter().collect()), value()),
        1..4,
    );
    let names = prop::sample::select(NAMES.to_vec());
    (
        names,
        prop::sample::select(types),
        prop::sample::select(vec!["", "b", "total"]),
        prop::option::of(prop::sample::select(HELPS.to_vec())),
        metrics,
    )
        .prop_map(|(name, metric_type, unit, help, metrics)| Spec {
            name,
            metric_type,
            unit,
            help,
            metrics,
        })
}

fn labels(exposition: &mut Exposition<'_>, labels: &[(&str, String)]) -> Run {
    let start = exposition.labels.len();
    for (name, value) in labels {
        let label = Label {
            name: exposition.intern(name).unwrap(),
            value: exposition.intern(value).unwrap(),
        };
        exposition.labels.push(label);
    }
    Run::new(start, exposition.labels.len()).unwrap()
}

fn exposition(families: &[Spec]) -> Exposition<'static> {
    let mut exposition = Exposition::default();
    for spec in families {
        let mut family = Family {
            name: exposition.intern(spec.name).unwrap(),
            help: spec.help.map(|help| exposition.intern(help).unwrap()),
            unit: exposition.intern(spec.unit).unwrap(),
            metric_type: spec.metric_type,
            metrics: Vec::new(),
        };
        for (pairs, value) in &spec.metrics {
            let pairs: Vec<_> = pairs
                .iter()
                .map(|(name, value)| (*name, value.to_string()))
                .collect();
            let labels = labels(&mut exposition, &pairs);
            let exemplar = exemplar(&mut exposition, value);
            let value_of = add_value(&mut exposition, spec.metric_type, value);
            let extra = Extra {
                created: value.created,
                exemplar: (spec.metric_type == MetricType::Counter).then_some(exemplar),
                ..Extra::default()
            };
            family.metrics.push(Metric {
                labels,
                value: value_of,
                extra: value.created.map(|_| Box::new(extra)),
            });
        }
        exposition.families.push(family);
    }
    exposition
}

fn exemplar(exposition: &mut Exposition<'_>, value: &ValueSpec) -> u32 {
    let odd = match value.parts.len() {
        0 => ("", String::new()),
        1 => ("a.b", "y".repeat(200)),
        _ => ("a_b", "z".to_owned()),
    };
    let labels = labels(exposition, &[("a.b", "1".to_owned()), odd]);
    exposition.exemplars.push(Exemplar {
        labels,
        value: value.number,
        timestamp: value.created,
    });
    u32::try_from(exposition.exemplars.len()).unwrap() - 1
}

fn add_value(exposition: &mut Exposition<'_>, metric_type: MetricType, value: &ValueSpec) -> Value {
    let index = |length: usize| u32::try_from(length).unwrap() - 1;
    match metric_type {
        MetricType::Summary => {
            let start = exposition.quantiles.len();
            let quantiles = value.parts.iter().map(|(number, count, _)| Quantile {
                quantile: number / 2.0,
                value: count.as_f64(),
            });
            exposition.quantiles.extend(quantiles);
            exposition.summaries.push(Summary {
                sum: value.number,
                count: 3,
                quantiles: Run::new(start, exposition.quantiles.len()).unwrap(),
            });
            Value::Summary(index(exposition.summaries.len()))
        }
        MetricType::Histogram | MetricType::GaugeHistogram => {
            let exemplar = exemplar(exposition, value);
            let start = exposition.buckets.len();
            let buckets = value.parts.iter().map(|(number, count, has_exemplar)| Bucket {
                upper_bound: *number,
                cumulative_count: *count,
                exemplar: has_exemplar.then_some(exemplar),
            });
            exposition.buckets.extend(buckets);
            exposition.histograms.push(Histogram {
                sum: value.number,
                count: value.count,
                buckets: Run::new(start, exposition.buckets.len()).unwrap(),
                native: None,
            });
            Value::Histogram(index(exposition.histograms.len()))
        }
        _ => Value::Number(value.number),
    }
}

/// A store with what of the pushes was accepted.
fn stored(pushes: &[(u8, Vec<Spec>)]) -> Store {
    let store = store();
    for (job, families) in pushes {
        let key = GroupingKey::new([("job", format!("{job}").as_str())]).unwrap();
        for family in families {
            let pushed = exposition(std::slice::from_ref(family));
            drop(
                store
                    .push(&key, PushMode::ReplaceFamilies, &pushed, UnixNanos(1))
                    .ok(),
            );
        }
    }
    store
}

fn own() -> Exposition<'static> {
    let text = concat!(
        "# TYPE own_x_b_total counter\nown_x_b_total 1\n",
        "# TYPE x_total_info_total counter\nx_total_info_total 1\n",
    );
    text::decode(text.as_bytes(), text::Options::default()).unwrap()
}

fn body(store: &Store, format: Format, escaping: EscapingScheme) -> String {
    let wanted = Wanted {
        format,
        escaping,
        ..PLAIN
    };
    String::from_utf8(joined(&render(&own(), &store.snapshot(), wanted))).unwrap()
}

/// The series of a body, each line up to its value.
fn series(body: &str) -> Vec<&str> {
    let lines = body.lines().filter(|line| !line.starts_with('#'));
    let end = |line: &str| line.split(" # ").next().unwrap_or_default().rfind(' ').unwrap();
    lines.map(|line| &line[..end(line)]).collect()
}

/// Python's reader forbids what ours tolerates for the sake of Go's client: a gauge beside a counter of its name.
fn families_of(body: &str) -> Vec<&str> {
    let types = body.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types.map(|rest| rest.rsplit_once(' ').unwrap().0).collect()
}

fn differ<T: Eq + std::hash::Hash>(all: &[T]) -> bool {
    all.iter().collect::<HashSet<_>>().len() == all.len()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, ..ProptestConfig::default() })]

    #[test]
    fn strict_readers_take_openmetrics(pushes in prop::collection::vec((0..3_u8, prop::collection::vec(family(), 1..5)), 1..4)) {
        let store = stored(&pushes);
        for escaping in SCHEMES {
            let body = body(&store, Format::OpenMetrics100, escaping);
            let options = openmetrics::Options { names: NameRule::Utf8 };
            if let Err(error) = openmetrics::decode(body.as_bytes(), options) {
                return Err(TestCaseError::fail(format!("{escaping:?}: {error}\n{body}")));
            }
            prop_assert!(differ(&families_of(&body)), "{escaping:?}\n{body}");
            prop_assert!(differ(&series(&body)), "{escaping:?}\n{body}");
        }
    }

    #[test]
    fn each_name_is_that_of_one_family_in_text_and_protobuf(
        pushes in prop::collection::vec((0..3_u8, prop::collection::vec(family(), 1..5)), 1..4),
    ) {
        let store = stored(&pushes);
        for escaping in SCHEMES {
            let shown = body(&store, Format::Text100, escaping);
            prop_assert!(differ(&families_of(&shown)), "{escaping:?}\n{shown}");
            // Text shows what was pushed, also buckets and quantiles that stand twice.
            let lines = series(&shown).into_iter().filter(|line| !line.contains("le=") && !line.contains("quantile="));
            prop_assert!(differ(&lines.collect::<Vec<_>>()), "{escaping:?}\n{shown}");

            let wanted = Wanted { format: Format::ProtobufDelimited, escaping, ..PLAIN };
            let message = joined(&render(&own(), &store.snapshot(), wanted));
            let decoded = protobuf::decode(&message).unwrap();
            let as_text = text::encode(&decoded, EscapingScheme::AllowUtf8);
            let as_text = String::from_utf8(as_text).unwrap();
            prop_assert!(differ(&families_of(&as_text)), "{escaping:?}\n{as_text}");
            prop_assert!(differ(&series(&as_text)), "{escaping:?}\n{as_text}");
        }
    }

    #[test]
    fn openmetrics_has_each_series_of_plain_numbers_that_text_has(
        pushes in prop::collection::vec((0..3_u8, prop::collection::vec(family(), 1..5)), 1..4),
    ) {
        let is_plain = |spec: &Spec| !matches!(spec.metric_type, MetricType::Summary | MetricType::Histogram | MetricType::GaugeHistogram);
        let plain = |(job, families): &(u8, Vec<Spec>)| {
            let families = families.iter().filter(|spec| is_plain(spec)).cloned();
            // What was created says so in a line that text does not have.
            let families = families.map(|mut spec| {
                spec.metrics.iter_mut().for_each(|(_, value)| value.created = None);
                spec
            });
            (*job, families.collect())
        };
        let store = stored(&pushes.iter().map(plain).collect::<Vec<_>>());
        for escaping in SCHEMES {
            let (text, openmetrics) = (body(&store, Format::Text100, escaping), body(&store, Format::OpenMetrics100, escaping));
            let of = |body| series(body).into_iter().map(str::to_owned).collect::<BTreeSet<_>>();
            prop_assert_eq!(of(&text), of(&openmetrics), "{:?}", escaping);
        }
    }
}
