//! Sums, held against what exact arithmetic says of them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use proptest::prelude::*;
use wharf_exposition::{openmetrics, text};
use wharf_model::name::NameRule;
use wharf_model::{Exposition, GroupingKey, Meter};

use crate::aggregation::{Aggregation, Bounds, Gauges};
use crate::effect::Facts;
use crate::fold::{Intent, fold};
use crate::prepare::Preparer;
use crate::{Counters, PushMode, Reserved, UnixNanos, record};

const MIXED: Aggregation = Aggregation {
    gauges: Gauges::Last,
    bounds: Bounds::Common,
    max_series: None,
    series_ttl: None,
};

fn gauges(gauges: Gauges) -> Aggregation {
    Aggregation { gauges, ..MIXED }
}

fn bounds(bounds: Bounds) -> Aggregation {
    Aggregation { bounds, ..MIXED }
}

fn decode(body: &str) -> Exposition<'_> {
    if body.ends_with("# EOF\n") {
        let names = NameRule::Utf8;
        openmetrics::decode(body.as_bytes(), openmetrics::Options { names }).unwrap()
    } else {
        text::decode(body.as_bytes(), text::Options::default()).unwrap()
    }
}

/// A group that is kept as an image, as records have it.
struct Group {
    preparer: Preparer,
    key: GroupingKey,
    image: Option<Vec<u8>>,
}

impl Group {
    fn new() -> Self {
        Self {
            preparer: Preparer::new(Reserved::default(), 1 << 20),
            key: GroupingKey::new([("job", "a")]).unwrap(),
            image: None,
        }
    }

    /// Pushes; why it is refused, if it is. Then nothing has changed.
    fn push(&mut self, mode: PushMode, exposition: &Exposition<'_>) -> Result<(), String> {
        let unlimited = Meter::unlimited();
        let delta = self
            .preparer
            .prepare(&self.key, exposition, UnixNanos(1), &unlimited);
        let intent = Intent {
            key: &self.key,
            mode,
            counters: Counters::Total,
            delta: delta.map_err(|unfit| unfit.error.to_string())?,
            lifetime: None,
            once: None,
            facts: Facts::NONE,
        };
        let old = self.image.as_deref();
        let old = old.map(|old| record::decode_image(old, &self.preparer));
        let folded = fold(&self.preparer, old.as_ref(), &intent).map_err(|error| error.to_string())?;
        let image = record::put(&self.key, PushMode::ReplaceGroup, None, folded.parts());
        drop(old);
        self.image = Some(image);
        Ok(())
    }

    /// All metrics that are stored, with what text cannot say.
    fn shown(&self) -> String {
        let image = self.image.as_deref().unwrap_or_default();
        let image = record::decode_image(image, &self.preparer);
        let families = image
            .families
            .iter()
            .filter(|family| !crate::is_standing(family.name));
        let families = families.map(|family| {
            let metrics = image.parts_of(family).decode(|exposition, family| {
                let mut one = exposition.clone();
                one.families = vec![family.clone()];
                let shown = format!("{one:?}");
                let (_, metrics) = shown.split_once('\n').unwrap_or_default();
                metrics.replace("instance=\"\",job=\"a\"", "").replace(",}", "}")
            });
            format!("{} {}\n{metrics}", family.metric_type, family.name)
        });
        families.collect()
    }

    fn text(&self) -> String {
        let image = self.image.as_deref().unwrap_or_default();
        let image = record::decode_image(image, &self.preparer);
        let families = image
            .families
            .iter()
            .filter(|family| !crate::is_standing(family.name));
        let text = families.map(|family| String::from_utf8(image.text(family).to_vec()).unwrap());
        text.collect::<String>()
            .replace("instance=\"\",job=\"a\"", "")
            .replace(",}", "}")
            .replace("{,", "{")
            .replace("{}", "")
    }
}

/// The lines of a group after these pushes, or why one of them is refused.
fn pushed(aggregation: Aggregation, bodies: &[&str]) -> Result<String, String> {
    let mut group = Group::new();
    for body in bodies {
        group.push(PushMode::Aggregate(aggregation), &decode(body))?;
    }
    Ok(group.text())
}

#[track_caller]
fn check(aggregation: Aggregation, bodies: &[&str], expected: &str) {
    assert_eq!(pushed(aggregation, bodies).as_deref(), Ok(expected));
}

#[track_caller]
fn refused(aggregation: Aggregation, bodies: &[&str], expected: &str) {
    let mut group = Group::new();
    let (last, before) = bodies.split_last().unwrap();
    for body in before {
        group
            .push(PushMode::Aggregate(aggregation), &decode(body))
            .unwrap();
    }
    let was = group.shown();
    let refused = group
        .push(PushMode::Aggregate(aggregation), &decode(last))
        .unwrap_err();
    assert!(refused.contains(expected), "{refused}");
    assert_eq!(group.shown(), was);
}

#[test]
fn counters_and_what_has_no_type_are_summed_and_others_stay() {
    check(
        MIXED,
        &["# TYPE c counter\nc 1\n", "# TYPE c counter\nc 2\n"],
        "c 3\n",
    );
    check(MIXED, &["u 5\n", "u 7\n"], "u 12\n");
    check(
        MIXED,
        &[
            "c{x=\"1\"} 1\nc{x=\"2\"} 1\n",
            "d 1\n",
            "c{x=\"2\"} 1.5\nc{x=\"3\"} 1\n",
        ],
        "c{x=\"1\"} 1\nc{x=\"2\"} 2.5\nc{x=\"3\"} 1\nd 1\n",
    );
    // In whatever order the labels come.
    check(
        MIXED,
        &["c{a=\"1\",b=\"2\"} 1\n", "c{b=\"2\",a=\"1\"} 2\n"],
        "c{a=\"1\",b=\"2\"} 3\n",
    );
    // What a push does not say stays.
    let mut group = Group::new();
    for body in [
        "# HELP c one\n# TYPE c counter\nc 1\n",
        "# TYPE c counter\nc 1\n",
        "# TYPE c counter\n",
    ] {
        group.push(PushMode::Aggregate(MIXED), &decode(body)).unwrap();
    }
    let image = record::decode_image(group.image.as_deref().unwrap(), &group.preparer);
    let family = image.get("c").unwrap();
    assert_eq!(family.help.as_deref(), Some("one"));
    assert_eq!(group.text(), "c 2\n");
}

#[test]
fn gauges_become_what_is_said() {
    let bodies = [
        "# TYPE g gauge\ng 5\n",
        "# TYPE g gauge\ng 7\n",
        "# TYPE g gauge\ng -2\n",
    ];
    for (how, expected) in [
        (Gauges::Last, "g -2\n"),
        (Gauges::Sum, "g 10\n"),
        (Gauges::Min, "g -2\n"),
        (Gauges::Max, "g 7\n"),
        (Gauges::Average, "g 3.3333333333333335\n"),
        (Gauges::Count, "g 3\n"),
    ] {
        check(gauges(how), &bodies, expected);
    }
    // A last value may be anything.
    check(
        MIXED,
        &["# TYPE g gauge\ng NaN\n", "# TYPE g gauge\ng +Inf\n"],
        "g +Inf\n",
    );
    check(
        gauges(Gauges::Max),
        &["# TYPE g gauge\ng 1\n", "# TYPE g gauge\ng +Inf\n"],
        "g +Inf\n",
    );
    // No value is no smallest one.
    let mut group = Group::new();
    for (mode, value) in [
        (PushMode::ReplaceFamilies, "NaN"),
        (PushMode::Aggregate(gauges(Gauges::Min)), "7"),
        (PushMode::Aggregate(gauges(Gauges::Min)), "8"),
    ] {
        group
            .push(mode, &decode(&format!("# TYPE g gauge\ng {value}\n")))
            .unwrap();
    }
    assert_eq!(group.text(), "g 7\n");
    check(
        gauges(Gauges::Count),
        &["# TYPE g gauge\ng NaN\n", "# TYPE g gauge\ng 1\n"],
        "g 2\n",
    );
}

#[test]
fn a_mean_goes_on_from_a_plain_value_as_from_one_and_from_none_anew() {
    let gauge = |value: &str| format!("# TYPE g gauge\ng {value}\n");
    let mean = PushMode::Aggregate(gauges(Gauges::Average));
    let mut group = Group::new();
    for (mode, value, shown) in [
        (mean, "1", "1"),
        (mean, "2", "1.5"),
        // What is replaced counts once, and what was before is gone.
        (PushMode::ReplaceSeries, "10", "10"),
        (mean, "4", "7"),
        (mean, "1", "5"),
        // Another way of adding starts from what is shown.
        (PushMode::Aggregate(gauges(Gauges::Sum)), "5", "10"),
        (mean, "0", "5"),
        (PushMode::ReplaceFamilies, "NaN", "NaN"),
        (mean, "3", "3"),
        (mean, "5", "4"),
    ] {
        group.push(mode, &decode(&gauge(value))).unwrap();
        assert_eq!(group.text(), format!("g {shown}\n"));
    }
    for value in ["NaN", "-Inf"] {
        group.push(mean, &decode(&gauge(value))).unwrap_err();
    }
    group
        .push(PushMode::ReplaceFamilies, &decode(&gauge("+Inf")))
        .unwrap();
    group.push(mean, &decode(&gauge("1"))).unwrap_err();
    check(
        gauges(Gauges::Average),
        &[&gauge("1.7e308"), &gauge("-1.7e308"), &gauge("1.7e308")],
        "g 5.666666666666667e+307\n",
    );
    refused(
        gauges(Gauges::Average),
        &[&gauge("1.7e308"), &gauge("1.7e308")],
        "expected metrics that can be added up, found \"g\" {instance=\"\",job=\"a\"}: the sum would be more than a number can say",
    );
}

#[test]
fn what_cannot_be_added_is_refused_and_named() {
    let counter = |value: &str| format!("# TYPE c counter\nc{{x=\"1\"}} {value}\n");
    let one = counter("1");
    for (value, expected) in [
        (
            "NaN",
            "found \"c\" {instance=\"\",job=\"a\",x=\"1\"}: NaN cannot be added",
        ),
        (
            "-2",
            "found \"c\" {instance=\"\",job=\"a\",x=\"1\"}: it is negative",
        ),
        (
            "+Inf",
            "found \"c\" {instance=\"\",job=\"a\",x=\"1\"}: what is infinite",
        ),
        (
            "-Inf",
            "found \"c\" {instance=\"\",job=\"a\",x=\"1\"}: what is infinite",
        ),
    ] {
        refused(MIXED, &[&one, &counter(value)], expected);
        // The first one too.
        refused(MIXED, &[&counter(value)], expected);
    }
    refused(
        MIXED,
        &[&counter("1.7e308"), &counter("1.7e308")],
        "more than a number can say",
    );
    refused(
        MIXED,
        &["u -1.7e308\n", "u -1.7e308\n"],
        "more than a number can say",
    );
    refused(MIXED, &["u NaN\n"], "NaN cannot be added");
    refused(
        gauges(Gauges::Min),
        &["# TYPE g gauge\ng NaN\n"],
        "NaN cannot be added",
    );
    refused(
        gauges(Gauges::Sum),
        &["# TYPE g gauge\ng -Inf\n"],
        "what is infinite",
    );
    refused(
        MIXED,
        &["# TYPE s summary\ns_sum NaN\ns_count 1\n"],
        "NaN cannot be added",
    );
    refused(
        MIXED,
        &["# TYPE c counter\nc 1\n", "# TYPE c gauge\nc 1\n"],
        "is not a COUNTER: it was pushed as GAUGE",
    );
    refused(
        MIXED,
        &["c 1\n", "# TYPE c counter\nc 1\n"],
        "is not a UNTYPED: it was pushed as COUNTER",
    );
    // All or nothing: what comes before and behind it is not kept either.
    let four = "# TYPE a counter\na 1\n# TYPE b counter\nb 1\n# TYPE d counter\nd 1\n";
    let wrong = format!("{four}# TYPE c counter\nc -1\n");
    refused(MIXED, &[four, &wrong], "it is negative");
}

#[test]
fn what_a_plain_push_left_cannot_always_be_added_to() {
    for (body, next) in [
        ("# TYPE c counter\nc NaN\n", "# TYPE c counter\nc 1\n"),
        ("# TYPE c counter\nc +Inf\n", "# TYPE c counter\nc 1\n"),
        (
            "# TYPE h histogram\nh_bucket{le=\"1\"} 3\nh_bucket{le=\"+Inf\"} 2\nh_sum 1\nh_count 2\n",
            "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_sum 1\nh_count 1\n",
        ),
    ] {
        let mut group = Group::new();
        group.push(PushMode::ReplaceFamilies, &decode(body)).unwrap();
        let refused = group.push(PushMode::Aggregate(MIXED), &decode(next)).unwrap_err();
        assert!(refused.contains("what is stored cannot be added to"), "{refused}");
    }
    // A plain push sets what is added to.
    let mut group = Group::new();
    for (mode, value) in [
        (PushMode::Aggregate(MIXED), 5),
        (PushMode::ReplaceFamilies, 1),
        (PushMode::Aggregate(MIXED), 2),
    ] {
        group
            .push(mode, &decode(&format!("# TYPE c counter\nc {value}\n")))
            .unwrap();
    }
    assert_eq!(group.text(), "c 3\n");
}

/// A histogram of these cumulative buckets.
fn histogram(buckets: &[(&str, u64)], sum: f64, count: u64) -> String {
    let lines = buckets
        .iter()
        .map(|(le, count)| format!("h_bucket{{le=\"{le}\"}} {count}\n"));
    format!(
        "# TYPE h histogram\n{}h_sum {sum}\nh_count {count}\n",
        lines.collect::<String>()
    )
}

fn lines(body: &str) -> String {
    body.split_once('\n').unwrap().1.to_owned()
}

#[test]
fn histograms_of_the_same_bounds_are_added_bucket_by_bucket() {
    let first = histogram(&[("1", 1), ("2", 3), ("+Inf", 4)], 3.0, 4);
    let second = histogram(&[("1", 2), ("2", 2), ("+Inf", 2)], 3.0, 2);
    let sum = lines(&histogram(&[("1", 3), ("2", 5), ("+Inf", 6)], 6.0, 6));
    for how in Bounds::ALL {
        check(bounds(how), &[&first, &second], &sum);
    }
}

#[test]
fn histograms_of_other_bounds_stay_histograms() {
    let first = histogram(&[("1", 5), ("+Inf", 5)], 2.0, 5);
    let second = histogram(&[("2", 1), ("+Inf", 1)], 1.5, 1);
    check(
        MIXED,
        &[&first, &second],
        &lines(&histogram(&[("+Inf", 6)], 3.5, 6)),
    );
    let all = lines(&histogram(&[("1", 5), ("2", 6), ("+Inf", 6)], 3.5, 6));
    check(bounds(Bounds::All), &[&first, &second], &all);
    check(bounds(Bounds::All), &[&second, &first], &all);
    refused(
        bounds(Bounds::Same),
        &[&first, &second],
        "other bounds than those that are stored",
    );

    let first = histogram(&[("1", 1), ("2", 3), ("5", 4), ("+Inf", 4)], 9.0, 4);
    let second = histogram(&[("2", 2), ("+Inf", 3)], 4.0, 3);
    check(
        MIXED,
        &[&first, &second],
        &lines(&histogram(&[("2", 5), ("+Inf", 7)], 13.0, 7)),
    );
    let all = histogram(&[("1", 1), ("2", 5), ("5", 6), ("+Inf", 7)], 13.0, 7);
    check(bounds(Bounds::All), &[&first, &second], &lines(&all));
}

#[test]
fn histograms_that_contradict_themselves_are_not_added() {
    for body in [
        histogram(&[("1", 3), ("2", 2), ("+Inf", 4)], 1.0, 4),
        histogram(&[("1", 1), ("+Inf", 4)], 1.0, 5),
        histogram(&[("1", 6), ("2", 6)], 1.0, 5),
    ] {
        refused(MIXED, &[&body], "its buckets contradict each other");
    }
    // `+Inf` need not be there.
    let sum = lines(&histogram(&[("1", 2), ("+Inf", 10)], 2.0, 10));
    check(
        MIXED,
        &[&histogram(&[("1", 1)], 1.0, 5), &histogram(&[("1", 1)], 1.0, 5)],
        &sum,
    );
}

#[test]
fn summaries_lose_their_quantiles_at_once() {
    let body = "# TYPE s summary\ns{quantile=\"0.5\"} 1\ns_sum 3.5\ns_count 5\n";
    check(MIXED, &[body], "s_sum 3.5\ns_count 5\n");
    check(MIXED, &[body, body], "s_sum 7\ns_count 10\n");
}

#[test]
fn counts_of_summaries_that_are_none_are_refused() {
    for count in ["NaN", "-1", "1e30", "-1e30", "+Inf"] {
        let body = format!("# TYPE s summary\ns_sum 1\ns_count {count}\n");
        let expected = "its count is negative, no number, or larger than a count can be";
        refused(MIXED, &[&body], expected);
        refused(
            MIXED,
            &["# TYPE s summary\ns_sum 1\ns_count 1\n", &body],
            expected,
        );
    }
}

#[test]
fn infos_and_state_sets_are_replaced() {
    let info = |version| format!("# TYPE b info\nb_info{{version=\"{version}\"}} 1\n# EOF\n");
    check(MIXED, &[&info(1), &info(2)], "b_info{version=\"2\"} 1\n");
}

#[test]
fn the_oldest_start_and_the_newest_exemplar_stay() {
    let body = |value, created: &str, exemplar: &str| {
        format!("# TYPE c counter\nc_total {value}{exemplar}\nc_created {created}\n# EOF\n")
    };
    let mut group = Group::new();
    for body in [
        body(1, "1700000002.5", " # {trace=\"b\"} 1 1700000009"),
        body(2, "1700000001.5", " # {trace=\"a\"} 1 1700000008"),
        body(3, "1700000003.5", ""),
    ] {
        group.push(PushMode::Aggregate(MIXED), &decode(&body)).unwrap();
    }
    let shown = group.shown();
    assert!(
        shown.contains(" 6.0 created=1700000001s+500000000ns # {trace=\"b\"} 1.0 @1700000009s"),
        "{shown}"
    );
    // Without times the pushed one is the newest.
    let mut group = Group::new();
    for trace in ["a", "b"] {
        let body = body(1, "1700000001", &format!(" # {{trace=\"{trace}\"}} 1"));
        group.push(PushMode::Aggregate(MIXED), &decode(&body)).unwrap();
    }
    assert!(group.shown().contains("trace=\"b\""), "{}", group.shown());
}

#[test]
fn a_sum_has_a_start_only_if_all_of_it_was_counted_since() {
    let with = "# TYPE c counter\nc_total 3\nc_created 1700000002\n# EOF\n";
    let without = "# TYPE c counter\nc_total 5\n# EOF\n";
    for (first, second, expected) in [(with, without, true), (without, with, false)] {
        let mut group = Group::new();
        for body in [first, second] {
            group.push(PushMode::Aggregate(MIXED), &decode(body)).unwrap();
        }
        let shown = group.shown();
        assert_eq!(shown.contains("created=1700000002s"), expected, "{shown}");
        assert!(shown.contains(" 8.0"), "{shown}");
    }
}

#[test]
fn of_the_exemplars_of_a_bucket_the_newest_stays_where_it_belongs() {
    let body = |bound: f64, trace: &str, value: f64, at: u32| {
        format!(
            "# TYPE h histogram\nh_bucket{{le=\"{bound:?}\"}} 1 # {{trace=\"{trace}\"}} {value} {at}\n\
             h_bucket{{le=\"+Inf\"}} 1\nh_sum 1\nh_count 1\n# EOF\n"
        )
    };
    let all = Aggregation {
        bounds: Bounds::All,
        ..MIXED
    };
    let shown = |bodies: [String; 2]| {
        let mut group = Group::new();
        for body in bodies {
            group.push(PushMode::Aggregate(all), &decode(&body)).unwrap();
        }
        group.shown()
    };
    let same = shown([body(5.0, "new", 3.0, 2000), body(5.0, "old", 4.0, 1000)]);
    assert!(same.contains("new") && !same.contains("old"), "{same}");
    // In the sum there is a bucket up to 2, and what is in it does not stand in the next one.
    let other = shown([body(2.0, "low", 1.0, 1000), body(5.0, "hidden", 1.5, 2000)]);
    assert!(other.contains("low") && !other.contains("hidden"), "{other}");
    let other = shown([body(2.0, "low", 1.0, 1000), body(5.0, "high", 4.5, 2000)]);
    assert!(other.contains("low") && other.contains("high"), "{other}");
}

#[test]
fn a_family_has_as_many_label_sets_as_it_may() {
    let two = Aggregation {
        max_series: Some(2),
        ..MIXED
    };
    check(
        two,
        &["c{x=\"1\"} 1\n", "c{x=\"2\"} 1\n", "c{x=\"1\"} 1\n"],
        "c{x=\"1\"} 2\nc{x=\"2\"} 1\n",
    );
    let expected =
        "expected at most 2 label sets in the family \"c\", which is added up, found 3 with this push";
    refused(two, &["c{x=\"1\"} 1\nc{x=\"2\"} 1\n", "c{x=\"3\"} 1\n"], expected);
    refused(two, &["c{x=\"1\"} 1\nc{x=\"2\"} 1\nc{x=\"3\"} 1\n"], expected);
    let info = "# TYPE b info\nb_info{x=\"1\"} 1\nb_info{x=\"2\"} 1\nb_info{x=\"3\"} 1\n# EOF\n";
    refused(two, &[info], &expected.replace("\"c\"", "\"b_info\""));
    // What is there already is no reason.
    let mut group = Group::new();
    let three = decode("c{x=\"1\"} 1\nc{x=\"2\"} 1\nc{x=\"3\"} 1\n");
    group.push(PushMode::Aggregate(MIXED), &three).unwrap();
    group.push(PushMode::Aggregate(two), &three).unwrap();
    assert_eq!(group.text(), "c{x=\"1\"} 2\nc{x=\"2\"} 2\nc{x=\"3\"} 2\n");
}

/// One push of whole and eighth parts, whose sums are exact.
#[derive(Debug, Clone)]
struct Part {
    worker: u8,
    counted: u32,
    eighths: i32,
    /// Observations, which are whole.
    observed: Vec<u8>,
    /// Which bounds its histogram has.
    bounds: Vec<u8>,
}

impl Part {
    fn body(&self) -> String {
        let Self { worker, counted, .. } = self;
        let gauge = f64::from(self.eighths) / 8.0;
        let below = |bound: &u8| self.observed.iter().filter(|value| *value <= bound).count();
        let buckets = self.bounds.iter().map(|bound| {
            let below = below(bound);
            format!("h_bucket{{worker=\"{worker}\",le=\"{bound}\"}} {below}\n")
        });
        let buckets: String = buckets.collect();
        let (sum, count) = (self.sum(), self.observed.len());
        format!(
            "# TYPE c counter\nc{{worker=\"{worker}\"}} {counted}\n# TYPE g gauge\ng{{worker=\"{worker}\"}} {gauge}\n\
             # TYPE h histogram\n{buckets}h_bucket{{worker=\"{worker}\",le=\"+Inf\"}} {count}\n\
             h_sum{{worker=\"{worker}\"}} {sum}\nh_count{{worker=\"{worker}\"}} {count}\n\
             # TYPE s summary\ns_sum{{worker=\"{worker}\"}} {sum}\ns_count{{worker=\"{worker}\"}} {count}\n"
        )
    }

    fn sum(&self) -> u64 {
        self.observed.iter().map(|value| u64::from(*value)).sum()
    }
}

fn parts() -> impl Strategy<Value = Vec<Part>> {
    let bounds = prop::collection::btree_set(0..20u8, 0..4);
    let observed = prop::collection::vec(0..24u8, 0..6);
    let part = (0..3u8, any::<u32>(), any::<i32>(), observed, bounds);
    let part = part.prop_map(|(worker, counted, eighths, observed, bounds)| Part {
        worker,
        counted,
        eighths,
        observed,
        bounds: bounds.into_iter().collect(),
    });
    prop::collection::vec(part, 1..10)
}

/// What all parts come to, by exact arithmetic.
fn exactly(parts: &[Part], how: Gauges, all_bounds: bool) -> String {
    let mut workers: BTreeMap<u8, Vec<&Part>> = BTreeMap::new();
    for part in parts {
        workers.entry(part.worker).or_default().push(part);
    }
    let (mut c, mut g, mut h, mut s) = (String::new(), String::new(), String::new(), String::new());
    for (worker, parts) in workers {
        let label = format!("worker=\"{worker}\"");
        let counted: u64 = parts.iter().map(|part| u64::from(part.counted)).sum();
        writeln!(c, "c{{{label}}} {}", number(counted)).unwrap();
        let eighths = parts.iter().map(|part| i64::from(part.eighths));
        let pushes = i64::try_from(parts.len()).unwrap();
        let eighths = match how {
            Gauges::Last => parts.last().map(|part| i64::from(part.eighths)),
            Gauges::Sum | Gauges::Average => Some(eighths.sum()),
            Gauges::Min => eighths.min(),
            Gauges::Max => eighths.max(),
            Gauges::Count => Some(8 * pushes),
        };
        let of = if how == Gauges::Average { pushes } else { 1 };
        #[expect(clippy::cast_precision_loss, reason = "they are small")]
        let gauge = eighths.unwrap() as f64 / 8.0 / of as f64;
        writeln!(g, "g{{{label}}} {}", float(gauge)).unwrap();
        let is_kept = |bound: &u8| {
            let mut has = parts.iter().map(|part| part.bounds.contains(bound));
            if all_bounds {
                has.any(|has| has)
            } else {
                has.all(|has| has)
            }
        };
        for bound in (0..20).filter(is_kept) {
            let below = parts.iter().map(|part| {
                // It knows of its own bounds only.
                let own = part.bounds.iter().filter(|own| **own <= bound).max();
                let below = |own: &u8| part.observed.iter().filter(|value| *value <= own).count();
                own.map_or(0, below)
            });
            writeln!(h, "h_bucket{{{label},le=\"{bound}\"}} {}", below.sum::<usize>()).unwrap();
        }
        let (sum, count): (u64, usize) = (
            parts.iter().map(|part| part.sum()).sum(),
            parts.iter().map(|part| part.observed.len()).sum(),
        );
        write!(
            h,
            "h_bucket{{{label},le=\"+Inf\"}} {count}\nh_sum{{{label}}} {sum}\nh_count{{{label}}} {count}\n"
        )
        .unwrap();
        write!(s, "s_sum{{{label}}} {sum}\ns_count{{{label}}} {count}\n").unwrap();
    }
    c + &g + &h + &s
}

fn number(number: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "sums of few numbers of 32 bits")]
    let number = number as f64;
    float(number)
}

/// As the text format has it.
fn float(number: f64) -> String {
    let mut out = Vec::new();
    wharf_exposition::number::write_f64(&mut out, number);
    String::from_utf8(out).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    #[cfg_attr(miri, ignore = "too large for an interpreter")]
    fn sums_are_those_of_exact_arithmetic(
        parts in parts(),
        how in prop::sample::select(Gauges::ALL.to_vec()),
        all_bounds in any::<bool>(),
    ) {
        let aggregation = Aggregation {
            gauges: how,
            bounds: if all_bounds { Bounds::All } else { Bounds::Common },
            ..MIXED
        };
        let bodies: Vec<String> = parts.iter().map(Part::body).collect();
        let bodies: Vec<&str> = bodies.iter().map(String::as_str).collect();
        prop_assert_eq!(pushed(aggregation, &bodies), Ok(exactly(&parts, how, all_bounds)));
    }

    #[test]
    #[cfg_attr(miri, ignore = "too large for an interpreter")]
    fn the_order_of_pushes_does_not_matter(
        (parts, shuffled) in parts().prop_flat_map(|parts| (Just(parts.clone()), Just(parts).prop_shuffle())),
        how in prop::sample::select(vec![Gauges::Sum, Gauges::Min, Gauges::Max, Gauges::Average, Gauges::Count]),
        all_bounds in any::<bool>(),
    ) {
        let aggregation = Aggregation {
            gauges: how,
            bounds: if all_bounds { Bounds::All } else { Bounds::Common },
            ..MIXED
        };
        let sum = |parts: &[Part]| {
            let bodies: Vec<String> = parts.iter().map(Part::body).collect();
            let bodies: Vec<&str> = bodies.iter().map(String::as_str).collect();
            pushed(aggregation, &bodies)
        };
        prop_assert_eq!(sum(&parts), sum(&shuffled));
    }

    #[test]
    fn sums_of_any_numbers_are_as_near_as_doubles_are(numbers in prop::collection::vec(-1e12..1e12f64, 1..40)) {
        // Scaled to whole numbers, which are summed exactly.
        let numbers: Vec<f64> = numbers.iter().map(|number| (number * 1_048_576.0).round() / 1_048_576.0).collect();
        #[expect(clippy::cast_possible_truncation, reason = "whole numbers below 2^63")]
        let exact: i128 = numbers.iter().map(|number| i128::from((number * 1_048_576.0) as i64)).sum();
        let bodies: Vec<String> = numbers.iter().map(|number| format!("u {number:?}\n")).collect();
        let bodies: Vec<&str> = bodies.iter().map(String::as_str).collect();
        let text = pushed(MIXED, &bodies).unwrap();
        let sum: f64 = text.trim().strip_prefix("u ").unwrap().parse().unwrap();
        #[expect(clippy::cast_precision_loss, reason = "compared with a bound that is larger")]
        let error = (sum - exact as f64 / 1_048_576.0).abs();
        // Half a unit in the last place of the largest sum on the way, with each push.
        let bound = 40.0 * 40.0 * 1e12 * f64::EPSILON;
        prop_assert!(error <= bound, "{error}");
    }
}
