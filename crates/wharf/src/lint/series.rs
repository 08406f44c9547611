//! What samples say: timestamps, doubles, labels, buckets, how many there are.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap, HashSet};

use wharf_model::MetricType;

use super::document::{Document, Family, Label, Part, Sample, Syntax};
use super::notes::Notes;
use super::report::Options;
use super::rule::Rule;

/// From so many values of one label in one family on, the label seems to have no end.
const MAX_LABEL_VALUES: usize = 100;

/// So many labels of one family are named: findings repeat the name of the family, which may be long.
const MAX_LABELS_NAMED: usize = 8;

pub(super) fn check(document: &Document<'_>, options: Options, notes: &mut Notes) {
    for family in document.families() {
        timestamps(family, notes);
        // In OpenMetrics a series may have several points, told apart by their timestamps. Its decoder refuses the rest.
        let may_repeat = document.syntax == Syntax::OpenMetrics;
        if !may_repeat {
            duplicates(family, notes);
        }
        reserved_labels(family, notes);
        grouping_labels(family, notes);
        unbounded_labels(family, notes);
        let is_repeated = may_repeat && family.samples.iter().any(|sample| sample.timestamp.is_some());
        if family.metric_type().is_histogram() && !is_repeated {
            histograms(family, notes);
        }
    }
    too_many(document, options.max_series, notes);
}

fn timestamps(family: &Family<'_>, notes: &mut Notes) {
    let places = family
        .samples
        .iter()
        .filter_map(|sample| Some((sample.timestamp?, ())));
    notes.add_first(Rule::Timestamp, &family.name, places, |()| timestamp_advice());
}

/// What is wrong with a timestamp, and what to do.
pub(super) fn timestamp_advice() -> (String, String) {
    let message = "expected a sample without a timestamp, found one".to_owned();
    let hint = "a gateway refuses it; if the time matters, push it as the value of a metric that ends in \
                `_timestamp_seconds`";
    (message, hint.to_owned())
}

fn duplicates(family: &Family<'_>, notes: &mut Notes) {
    let mut seen = HashSet::new();
    let again = family
        .samples
        .iter()
        .filter(|sample| !seen.insert((sample.part, sample.label_set(None))));
    let again: Vec<_> = again.map(|sample| (sample.offset, ())).collect();
    notes.add_first(Rule::DuplicateSeries, &family.name, again, |()| {
        let message = "expected each series once, found the same name and labels again".to_owned();
        (
            message,
            "a gateway refuses it; keep one, or tell them apart by a label".to_owned(),
        )
    });
}

fn reserved_labels(family: &Family<'_>, notes: &mut Notes) {
    let kind = family.metric_type();
    if kind == MetricType::Untyped {
        return;
    }
    let is_histogram = matches!(kind, MetricType::Histogram | MetricType::GaugeHistogram);
    for (name, owns, owners) in [
        ("le", is_histogram, "histograms"),
        ("quantile", kind == MetricType::Summary, "summaries"),
    ] {
        let places = labels(family).filter(|label| !owns && label.name == name);
        notes.add_first(
            Rule::ReservedLabel,
            &family.name,
            places.map(|label| (label.offset, ())),
            |()| {
                let found = kind.as_text();
                let message = format!("expected the label `{name}` on {owners} only, found it on a {found}");
                (message, "choose another label, or another type".to_owned())
            },
        );
    }
}

fn grouping_labels(family: &Family<'_>, notes: &mut Notes) {
    let places = labels(family).filter(|label| label.name == "job");
    notes.add_first(
        Rule::GroupingLabel,
        &family.name,
        places.map(|label| (label.offset, ())),
        |()| {
            let message = "expected no label `job`, found one".to_owned();
            (
                message,
                "the job of the push takes its place: leave it out, or choose another name".to_owned(),
            )
        },
    );
}

fn labels<'f, 'a>(family: &'f Family<'a>) -> impl Iterator<Item = &'f Label<'a>> {
    family.samples.iter().flat_map(|sample| &sample.labels)
}

fn unbounded_labels(family: &Family<'_>, notes: &mut Notes) {
    // An info metric says what something is, once: a commit or a version in full.
    if family.name.ends_with("_info") {
        return;
    }
    let mut values: BTreeMap<&str, HashSet<&str>> = BTreeMap::new();
    let mut reported = HashSet::new();
    for label in labels(family).filter(|label| !matches!(&*label.name, "le" | "quantile" | "job")) {
        let values = values.entry(&label.name).or_default();
        values.insert(&label.value);
        let looks = if values.len() > MAX_LABEL_VALUES {
            format!("more than {MAX_LABEL_VALUES}")
        } else if let Some(kind) = endless(&label.value) {
            kind.to_owned()
        } else {
            continue;
        };
        if reported.len() < MAX_LABELS_NAMED && reported.insert(&*label.name) {
            let message = format!("expected few values of the label `{}`, found {looks}", label.name);
            let hint = "each value is a series of its own, for ever; push a number instead, or log it";
            notes.add(Rule::UnboundedLabel, label.offset, &family.name, message, hint);
        }
    }
}

/// Of which kind a value is, if there are as many of the kind as one likes.
fn endless(value: &str) -> Option<&'static str> {
    let bytes = value.as_bytes();
    let is_hex = |part: &[u8]| part.iter().all(u8::is_ascii_hexdigit);
    let parts: Vec<&[u8]> = bytes.split(|byte| *byte == b'-').take(6).collect();
    let lengths = parts.iter().map(|part| part.len());
    if lengths.eq([8, 4, 4, 4, 12]) && parts.iter().all(|part| is_hex(part)) {
        return Some("a UUID");
    }
    if bytes.iter().all(u8::is_ascii_digit) && matches!(bytes.len(), 10 | 13 | 16 | 19) {
        return Some("a time in Unix seconds");
    }
    if matches!(bytes.len(), 16 | 32 | 40 | 64 | 128)
        && is_hex(bytes)
        && bytes.iter().any(u8::is_ascii_digit)
        && bytes.iter().any(u8::is_ascii_alphabetic)
    {
        return Some("a hash");
    }
    let time = value.get(..19).map(|time| time.replacen(' ', "T", 1));
    if time.is_some_and(|time| time.contains('T') && time.parse::<jiff::civil::DateTime>().is_ok()) {
        return Some("a date with a time");
    }
    if let Some((user, host)) = value.split_once('@')
        && !user.is_empty()
        && host.contains('.')
        && !value.contains(['/', ' '])
    {
        return Some("an e-mail address");
    }
    None
}

/// The buckets of one histogram.
#[derive(Default)]
struct Buckets<'s, 'a> {
    first: Option<&'s Sample<'a>>,
    /// Bound, cumulative count, and where.
    bounds: Vec<(f64, f64, usize)>,
    count: Option<(f64, usize)>,
    has_sum: bool,
}

fn histograms(family: &Family<'_>, notes: &mut Notes) {
    let mut histograms: HashMap<Vec<(&str, &str)>, Buckets<'_, '_>> = HashMap::new();
    for sample in &family.samples {
        let histogram = histograms.entry(sample.label_set(Some("le"))).or_default();
        histogram.first.get_or_insert(sample);
        match sample.part {
            Part::Created => {}
            Part::Sum => histogram.has_sum = true,
            Part::Count => histogram.count = Some((sample.value, sample.offset)),
            Part::Bucket | Part::Value => {
                let le = sample.labels.iter().find(|label| label.name == "le");
                if let Some(bound) =
                    le.and_then(|le| wharf_exposition::number::parse_f64(le.value.as_bytes()))
                {
                    histogram.bounds.push((bound, sample.value, sample.offset));
                }
            }
        }
    }
    let mut mistakes: Vec<_> = histograms.into_values().filter_map(Buckets::mistake).collect();
    mistakes.sort_by_key(|(offset, _)| *offset);
    notes.add_first(
        Rule::HistogramBuckets,
        &family.name,
        mistakes,
        |(message, hint)| (message, hint.to_owned()),
    );
}

impl Buckets<'_, '_> {
    fn mistake(mut self) -> Option<(usize, (String, &'static str))> {
        let start = self.first?.offset;
        if let Some(mistake) = self.no_number() {
            return Some(mistake);
        }
        self.bounds.sort_by(|(a, _, _), (b, _, _)| a.total_cmp(b));
        let mut pairs = self.bounds.iter().zip(self.bounds.iter().skip(1));
        // -0 and 0 are one bound.
        if let Some((_, (bound, _, offset))) = pairs.find(|((below, _, _), (above, _, _))| below >= above) {
            let message = format!("expected each bound once, found `le=\"{bound}\"` again");
            return Some((*offset, (message, "`1` and `1.0` are one bound: keep one")));
        }
        let falls = self
            .bounds
            .iter()
            .zip(self.bounds.iter().skip(1))
            .find(|((_, below, _), (_, above, _))| above < below);
        if let Some(((_, below, _), (bound, above, offset))) = falls {
            let message =
                format!("expected a count of at least {below} up to `le=\"{bound}\"`, found {above}");
            return Some((
                *offset,
                (message, "a bucket counts those of all smaller buckets too"),
            ));
        }
        let Some((_, all, _)) = self.bounds.last().filter(|(bound, _, _)| *bound == f64::INFINITY) else {
            let message = "expected a bucket `le=\"+Inf\"`, found none".to_owned();
            return Some((
                start,
                (
                    message,
                    "add it, with the number of all observations: no quantile can be computed without",
                ),
            ));
        };
        match self.count {
            Some((count, offset)) if count.partial_cmp(all) != Some(Ordering::Equal) => {
                let message =
                    format!("expected the count of the bucket `+Inf`, which is {all}, found {count}");
                Some((
                    offset,
                    (
                        message,
                        "`_count` and the bucket `+Inf` both count all observations",
                    ),
                ))
            }
            Some(_) if self.has_sum => None,
            _ => {
                let message = "expected `_sum` and `_count` beside the buckets, found not both".to_owned();
                Some((start, (message, "averages need both")))
            }
        }
    }
}

impl Buckets<'_, '_> {
    /// A bound or a count that is none.
    fn no_number(&self) -> Option<(usize, (String, &'static str))> {
        let mut bounds = self.bounds.iter();
        let (bound, count, offset) = bounds.find(|(bound, count, _)| bound.is_nan() || count.is_nan())?;
        let message = if bound.is_nan() {
            "expected a number as bound of a bucket, found `le=\"NaN\"`".to_owned()
        } else {
            format!("expected a count of 0 or more up to `le=\"{bound}\"`, found {count}")
        };
        Some((
            *offset,
            (message, "a bucket counts the observations up to its bound"),
        ))
    }
}

fn too_many(document: &Document<'_>, max_series: usize, notes: &mut Notes) {
    let total = document.series();
    if total <= max_series {
        return;
    }
    let lines = document.lines();
    let mut places: Vec<_> = lines
        .map(|(family, sample)| (sample.offset, &*family.name))
        .collect();
    places.sort_unstable();
    if let Some((offset, family)) = places.get(max_series) {
        let message = format!("expected at most {max_series} series, found {total}");
        let hint = "fewer labels, or fewer values of each; `--max-series` moves the limit";
        notes.add(Rule::TooManySeries, *offset, family, message, hint);
    }
}
