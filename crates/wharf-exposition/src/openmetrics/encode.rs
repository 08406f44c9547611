//! From the arenas into lines.

use std::collections::HashMap;

use wharf_model::name::{
    EscapingScheme, is_legacy_label_name, is_legacy_metric_name, is_reserved_label_name,
};
use wharf_model::{Count, Exemplar, Exposition, Family, Histogram, Metric, MetricType, Run, Summary, Value};

use super::error::MAX_EXEMPLAR_CHARS;
use super::timestamp;
use crate::head::is_unit_of;
use crate::{Head, number};

/// Appends the `# HELP`, `# TYPE` and `# UNIT` lines of a family.
///
/// A unit that is not the last word of the name is left out, for Prometheus would refuse the scrape, and so is that of an
/// info or a state set, which has none. A counter whose name lacks `_total` is of unknown type.
pub fn write_head(out: &mut Vec<u8>, head: &Head<'_>, escaping: EscapingScheme) {
    let name = escaping.escape_metric_name(head.name);
    let (name, metric_type) = name_and_type(&name, head.metric_type);
    if let Some(help) = head.help {
        out.extend_from_slice(b"# HELP ");
        write_metric_name(out, name);
        out.push(b' ');
        // At the end of a line it would be part of the line's end, which is a line feed alone.
        write_escaped(out, help.trim_end_matches('\r'));
        out.push(b'\n');
    }
    out.extend_from_slice(b"# TYPE ");
    write_metric_name(out, name);
    out.push(b' ');
    out.extend_from_slice(metric_type.as_openmetrics().as_bytes());
    out.push(b'\n');
    let may_have_unit = !matches!(metric_type, MetricType::Info | MetricType::StateSet);
    if may_have_unit && is_unit_of(name, head.unit) {
        out.extend_from_slice(b"# UNIT ");
        write_metric_name(out, name);
        out.push(b' ');
        write_escaped(out, head.unit);
        out.push(b'\n');
    }
}

/// Appends the samples of `family`, metrics and labels in the order in which they stand.
///
/// Each sample has the name that the text format gives it, but for those of gauge histograms. A histogram without a
/// bucket `+Inf` gets one. A histogram with buckets below zero must not have a sum, and has none here if it is zero,
/// which is what one without a sum is decoded to. What the format cannot say, native histograms above all, is left out;
/// values that the standard forbids are written as they are.
pub fn write_metrics(
    out: &mut Vec<u8>,
    exposition: &Exposition<'_>,
    family: &Family,
    escaping: EscapingScheme,
) {
    with_encoder(exposition, family, escaping, |encoder| {
        if family.metric_type == MetricType::StateSet {
            for metric in states_together(exposition, family) {
                encoder.metric(out, metric, None);
            }
        } else {
            for metric in &family.metrics {
                encoder.metric(out, metric, None);
            }
        }
    });
}

/// The states of a family, those of one set together. Each is a metric of its own in an exposition, and metrics have been
/// sorted by their labels.
fn states_together<'e>(
    exposition: &'e Exposition<'_>,
    family: &'e Family,
) -> impl Iterator<Item = &'e Metric> {
    let state = exposition.text(family.name);
    let mut sets: HashMap<Vec<_>, usize> = HashMap::new();
    let set_of = |metric: &'e Metric| {
        let labels = exposition.labels(metric.labels);
        let next = sets.len();
        *sets
            .entry(labels.filter(|(name, _)| *name != state).collect())
            .or_insert(next)
    };
    let sets: Vec<usize> = family.metrics.iter().map(set_of).collect();
    let mut metrics: Vec<_> = sets.into_iter().zip(&family.metrics).collect();
    metrics.sort_by_key(|(set, _)| *set);
    metrics.into_iter().map(|(_, metric)| metric)
}

/// Appends the samples of one metric of `family`.
///
/// `created` is the value of its sample `_created`, if that came as a series of its own, in seconds.
pub fn write_metric(
    out: &mut Vec<u8>,
    exposition: &Exposition<'_>,
    family: &Family,
    metric: &Metric,
    created: Option<f64>,
    escaping: EscapingScheme,
) {
    with_encoder(exposition, family, escaping, |encoder| {
        encoder.metric(out, metric, created);
    });
}

fn with_encoder(
    exposition: &Exposition<'_>,
    family: &Family,
    escaping: EscapingScheme,
    write: impl FnOnce(&Encoder<'_>),
) {
    let name = escaping.escape_metric_name(exposition.text(family.name));
    let (name, metric_type) = name_and_type(&name, family.metric_type);
    write(&Encoder {
        exposition,
        escaping,
        name,
        metric_type,
    });
}

/// Appends the last line of an exposition.
pub fn write_eof(out: &mut Vec<u8>) {
    out.extend_from_slice(b"# EOF\n");
}

/// Encodes all families, those without metrics too.
pub fn encode(exposition: &Exposition<'_>, escaping: EscapingScheme) -> Vec<u8> {
    let mut out = Vec::new();
    for family in &exposition.families {
        write_head(&mut out, &Head::of(exposition, family), escaping);
        write_metrics(&mut out, exposition, family, escaping);
    }
    write_eof(&mut out);
    out
}

/// The name in the metadata, and the type that a family of that name can have.
///
/// The name is that of the text format without the suffix that the type adds to samples. A counter or info whose
/// name lacks it would have to change the names of its series; it loses its type instead, as in Prometheus' own library.
pub fn name_and_type(name: &str, metric_type: MetricType) -> (&str, MetricType) {
    let (suffix, without_suffix) = match metric_type {
        MetricType::Counter => ("_total", MetricType::Untyped),
        MetricType::Info => ("_info", MetricType::Gauge),
        _ => return (name, metric_type),
    };
    match name.strip_suffix(suffix) {
        Some("") | None => (name, without_suffix),
        Some(short) => (short, metric_type),
    }
}

struct Encoder<'a> {
    exposition: &'a Exposition<'a>,
    escaping: EscapingScheme,
    name: &'a str,
    metric_type: MetricType,
}

impl Encoder<'_> {
    fn metric(&self, out: &mut Vec<u8>, metric: &Metric, created: Option<f64>) {
        match metric.value {
            Value::Number(number) => {
                let suffix = match self.metric_type {
                    MetricType::Counter => "_total",
                    MetricType::Info => "_info",
                    _ => "",
                };
                self.series(out, suffix, metric.labels, None);
                write_float(out, number);
                let is_counter = self.metric_type == MetricType::Counter;
                let exemplar = metric
                    .extra
                    .as_ref()
                    .and_then(|extra| extra.exemplar)
                    .filter(|_| is_counter);
                self.end_sample(out, metric, self.exemplar_below(exemplar, f64::INFINITY));
            }
            Value::Summary(index) => self.summary(out, metric, self.exposition.summary(index)),
            Value::Histogram(index) => {
                if let Some(histogram) = self.exposition.histogram(index) {
                    self.histogram(out, metric, histogram);
                }
            }
            Value::Missing => return,
        }
        self.created(out, metric, created);
    }

    fn summary(&self, out: &mut Vec<u8>, metric: &Metric, summary: Summary) {
        for quantile in self.exposition.quantiles(summary.quantiles) {
            self.series(out, "", metric.labels, Some(("quantile", quantile.quantile)));
            write_float(out, quantile.value);
            self.end_sample(out, metric, None);
        }
        self.sum_and_count(
            out,
            metric,
            ["_sum", "_count"],
            summary.sum,
            Count::Int(summary.count),
        );
    }

    fn histogram(&self, out: &mut Vec<u8>, metric: &Metric, histogram: &Histogram) {
        let mut has_infinity = false;
        for bucket in self.exposition.buckets(histogram.buckets) {
            self.series(out, "_bucket", metric.labels, Some(("le", bucket.upper_bound)));
            write_count(out, bucket.cumulative_count);
            let exemplar = self.exemplar_below(bucket.exemplar, bucket.upper_bound);
            self.end_sample(out, metric, exemplar);
            has_infinity |= bucket.upper_bound == f64::INFINITY;
        }
        if !has_infinity {
            self.series(out, "_bucket", metric.labels, Some(("le", f64::INFINITY)));
            write_count(out, histogram.count);
            self.end_sample(out, metric, None);
        }
        let is_gauge = self.metric_type == MetricType::GaugeHistogram;
        let buckets = self.exposition.buckets(histogram.buckets);
        let has_negative = buckets.iter().any(|bucket| bucket.upper_bound < 0.0);
        if has_negative && histogram.sum == 0.0 && !is_gauge {
            return;
        }
        let suffixes = if is_gauge {
            ["_gsum", "_gcount"]
        } else {
            ["_sum", "_count"]
        };
        self.sum_and_count(out, metric, suffixes, histogram.sum, histogram.count);
    }

    fn sum_and_count(
        &self,
        out: &mut Vec<u8>,
        metric: &Metric,
        [sum_suffix, count_suffix]: [&str; 2],
        sum: f64,
        count: Count,
    ) {
        self.series(out, sum_suffix, metric.labels, None);
        write_float(out, sum);
        self.end_sample(out, metric, None);
        self.series(out, count_suffix, metric.labels, None);
        write_count(out, count);
        self.end_sample(out, metric, None);
    }

    fn created(&self, out: &mut Vec<u8>, metric: &Metric, as_series: Option<f64>) {
        let has_created = matches!(
            self.metric_type,
            MetricType::Counter | MetricType::Summary | MetricType::Histogram
        );
        let created = metric
            .extra
            .as_ref()
            .and_then(|extra| extra.created)
            .filter(|_| has_created);
        // Its own comes first: the series is what a client says that knows nothing of runs.
        if let Some(created) = created {
            self.series(out, "_created", metric.labels, None);
            timestamp::write(out, created);
            self.end_sample(out, metric, None);
        } else if let Some(seconds) = as_series {
            self.series(out, "_created", metric.labels, None);
            write_float(out, seconds);
            self.end_sample(out, metric, None);
        }
    }

    /// The line up to the blank before the value.
    fn series(&self, out: &mut Vec<u8>, suffix: &str, labels: Run, bound: Option<(&str, f64)>) {
        let is_legacy = is_legacy_metric_name(self.name);
        let mut opening = b'{';
        if is_legacy {
            out.extend_from_slice(self.name.as_bytes());
            out.extend_from_slice(suffix.as_bytes());
        } else {
            out.extend_from_slice(b"{\"");
            write_escaped(out, self.name);
            out.extend_from_slice(suffix.as_bytes());
            out.push(b'"');
            opening = b',';
        }
        self.labels(out, labels, &mut opening);
        if let Some((name, bound)) = bound {
            out.push(opening);
            opening = b',';
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b"=\"");
            write_float(out, bound);
            out.push(b'"');
        }
        if opening == b',' {
            out.push(b'}');
        }
        out.push(b' ');
    }

    fn labels(&self, out: &mut Vec<u8>, labels: Run, opening: &mut u8) {
        for (name, value) in self.exposition.labels(labels) {
            out.push(*opening);
            *opening = b',';
            let name = self.escaping.escape_label_name(name);
            if is_legacy_label_name(&name) {
                out.extend_from_slice(name.as_bytes());
            } else {
                write_quoted(out, &name);
            }
            out.push(b'=');
            write_quoted(out, value);
        }
    }

    /// The line from the blank behind the value on.
    fn end_sample(&self, out: &mut Vec<u8>, metric: &Metric, exemplar: Option<&Exemplar>) {
        if let Some(timestamp_ms) = metric.extra.as_ref().and_then(|extra| extra.timestamp_ms) {
            out.push(b' ');
            timestamp::write_millis(out, timestamp_ms);
        }
        if let Some(exemplar) = exemplar {
            self.exemplar(out, exemplar);
        }
        out.push(b'\n');
    }

    /// An exemplar of a sample with this bound, if the standard allows it there. Protobuf may bring others.
    fn exemplar_below(&self, exemplar: Option<u32>, bound: f64) -> Option<&Exemplar> {
        let exemplar = exemplar.and_then(|index| self.exposition.exemplar(index))?;
        let labels = self.exposition.labels(exemplar.labels);
        let mut names: Vec<_> = labels
            .clone()
            .map(|(name, _)| self.escaping.escape_label_name(name))
            .collect();
        let values = labels.map(|(_, value)| value.chars().count());
        let chars = names
            .iter()
            .map(|name| name.chars().count())
            .chain(values)
            .sum::<usize>();
        names.sort_unstable();
        let is_repeated = names.iter().zip(names.iter().skip(1)).any(|(a, b)| a == b);
        let is_named = names.iter().all(|name| !is_reserved_label_name(name));
        let is_within = exemplar.value.is_nan() || exemplar.value <= bound;
        let is_right = is_named && !is_repeated && chars <= MAX_EXEMPLAR_CHARS && is_within;
        is_right.then_some(exemplar)
    }

    fn exemplar(&self, out: &mut Vec<u8>, exemplar: &Exemplar) {
        out.extend_from_slice(b" # ");
        let mut opening = b'{';
        self.labels(out, exemplar.labels, &mut opening);
        if opening == b'{' {
            out.push(b'{');
        }
        out.extend_from_slice(b"} ");
        write_float(out, exemplar.value);
        if let Some(timestamp) = exemplar.timestamp {
            out.push(b' ');
            timestamp::write(out, timestamp);
        }
    }
}

fn write_metric_name(out: &mut Vec<u8>, name: &str) {
    if is_legacy_metric_name(name) {
        out.extend_from_slice(name.as_bytes());
    } else {
        write_quoted(out, name);
    }
}

fn write_quoted(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    write_escaped(out, text);
    out.push(b'"');
}

fn write_escaped(out: &mut Vec<u8>, text: &str) {
    let mut rest = text.as_bytes();
    while let Some(index) = memchr::memchr3(b'\\', b'"', b'\n', rest) {
        let (plain, special) = rest.split_at_checked(index).unwrap_or((rest, &[]));
        out.extend_from_slice(plain);
        match special.first() {
            Some(b'\n') => out.extend_from_slice(b"\\n"),
            Some(other) => out.extend_from_slice(&[b'\\', *other]),
            None => {}
        }
        rest = special.get(1..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
}

fn write_count(out: &mut Vec<u8>, count: Count) {
    match count {
        Count::Int(count) => number::write_u64(out, count),
        Count::Float(count) => write_float(out, count),
    }
}

/// As the text format prints it, but recognisable as a float: `1.0`, not `1`.
fn write_float(out: &mut Vec<u8>, value: f64) {
    let start = out.len();
    number::write_f64(out, value);
    let is_whole = |text: &[u8]| text.iter().all(|byte| byte.is_ascii_digit() || *byte == b'-');
    if out.get(start..).is_some_and(is_whole) {
        out.extend_from_slice(b".0");
    }
}
