//! Families back into lines.

use std::borrow::Cow;

use wharf_model::name::{EscapingScheme, is_legacy_label_name, is_legacy_metric_name};
use wharf_model::{Count, Exposition, MetricType, Value};

use crate::number;

/// Appends the HELP line, if there is a help, and the TYPE line of a family.
pub fn write_header(
    out: &mut Vec<u8>,
    name: &str,
    help: Option<&str>,
    metric_type: MetricType,
    escaping: EscapingScheme,
) {
    let (name, is_legacy) = written_name(name, escaping);
    if let Some(help) = help {
        out.extend_from_slice(b"# HELP ");
        write_name(out, &name, is_legacy);
        out.push(b' ');
        write_help(out, help);
        out.push(b'\n');
    }
    out.extend_from_slice(b"# TYPE ");
    write_name(out, &name, is_legacy);
    out.push(b' ');
    out.extend_from_slice(metric_type.as_text().as_bytes());
    out.push(b'\n');
}

/// Appends all lines of one metric: one for a number; for a histogram its buckets, sum and count; for a summary
/// its quantiles, sum and count.
///
/// `exposition` is where `value` looks up buckets and quantiles. `name` and `labels` are those to write, the
/// labels in this order, `le` and `quantile` behind them. A histogram without a `+Inf` bucket gets one with its
/// count. [`Value::Missing`] writes nothing.
pub fn write_metric(
    out: &mut Vec<u8>,
    exposition: &Exposition<'_>,
    name: &str,
    labels: &[(&str, &str)],
    value: Value,
    escaping: EscapingScheme,
) {
    let (name, has_legacy_name) = written_name(name, escaping);
    let mut lines = Lines {
        out,
        has_legacy_name,
        name,
        labels,
        escaping,
        rendered: None,
    };
    match value {
        Value::Missing => {}
        Value::Number(value) => lines.write("", None, value),
        Value::Summary(index) => {
            let summary = exposition.summary(index);
            for quantile in exposition.quantiles(summary.quantiles) {
                lines.write("", Some(("quantile", quantile.quantile)), quantile.value);
            }
            lines.write("_sum", None, summary.sum);
            lines.write("_count", None, Count::Int(summary.count).as_f64());
        }
        Value::Histogram(index) => {
            let Some(histogram) = exposition.histogram(index) else {
                return;
            };
            let buckets = exposition.buckets(histogram.buckets);
            for bucket in buckets {
                lines.write(
                    "_bucket",
                    Some(("le", bucket.upper_bound)),
                    bucket.cumulative_count.as_f64(),
                );
            }
            if !buckets.iter().any(|bucket| bucket.upper_bound == f64::INFINITY) {
                lines.write("_bucket", Some(("le", f64::INFINITY)), histogram.count.as_f64());
            }
            lines.write("_sum", None, histogram.sum);
            lines.write("_count", None, histogram.count.as_f64());
        }
    }
}

/// A line at most, but for its name and labels: signs around these, a label `le` or `quantile`, a value, a line feed.
pub const LINE_BYTES: usize = 112;
/// Signs around a label.
const LABEL_BYTES: usize = 5;

/// The most bytes that [`write_metric`] appends with [`EscapingScheme::AllowUtf8`]. The labels stand on each line.
pub fn metric_bytes(exposition: &Exposition<'_>, name: &str, labels: &[(&str, &str)], value: Value) -> usize {
    let lines = match value {
        Value::Number(_) | Value::Missing => 1,
        Value::Summary(index) => exposition.summary(index).quantiles.len() + 2,
        Value::Histogram(index) => exposition
            .histogram(index)
            .map_or(0, |histogram| histogram.buckets.len() + 3),
    };
    let labels = labels
        .iter()
        .map(|(name, value)| 2 * (name.len() + value.len()) + LABEL_BYTES);
    lines.saturating_mul(labels.sum::<usize>() + 2 * name.len() + LINE_BYTES)
}

/// Encodes all families in their order, labels sorted by name. Families without metrics are left out, and so are
/// timestamps, exemplars and units, which the Pushgateway never writes.
pub fn encode(exposition: &Exposition<'_>, escaping: EscapingScheme) -> Vec<u8> {
    let mut out = Vec::with_capacity(exposition.source().len());
    let mut labels = Vec::new();
    for family in exposition
        .families
        .iter()
        .filter(|family| !family.metrics.is_empty())
    {
        let name = exposition.text(family.name);
        let help = family.help.map(|help| exposition.text(help));
        write_header(&mut out, name, help, family.metric_type, escaping);
        for metric in &family.metrics {
            labels.clear();
            labels.extend(exposition.labels(metric.labels));
            labels.sort_unstable();
            write_metric(&mut out, exposition, name, &labels, metric.value, escaping);
        }
    }
    out
}

/// The lines of one metric, which differ only in the end of the name, the last label and the value.
struct Lines<'a> {
    out: &'a mut Vec<u8>,
    name: Cow<'a, str>,
    has_legacy_name: bool,
    labels: &'a [(&'a str, &'a str)],
    escaping: EscapingScheme,
    /// Where the first line has the labels: the next ones copy them.
    rendered: Option<std::ops::Range<usize>>,
}

impl Lines<'_> {
    fn write(&mut self, suffix: &str, last_label: Option<(&str, f64)>, value: f64) {
        let mut has_braces = false;
        if self.has_legacy_name {
            self.out.extend_from_slice(self.name.as_bytes());
            self.out.extend_from_slice(suffix.as_bytes());
        } else {
            // A name that is not legacy-valid stands within the braces. The suffix needs no escapes.
            self.out.push(b'{');
            write_quoted(self.out, &self.name);
            self.out.pop();
            self.out.extend_from_slice(suffix.as_bytes());
            self.out.push(b'"');
            has_braces = true;
        }
        if !self.labels.is_empty() {
            self.out.push(if has_braces { b',' } else { b'{' });
            self.write_labels();
            has_braces = true;
        }
        if let Some((name, bound)) = last_label {
            self.out.push(if has_braces { b',' } else { b'{' });
            self.out.extend_from_slice(name.as_bytes());
            self.out.extend_from_slice(b"=\"");
            number::write_f64(self.out, bound);
            self.out.push(b'"');
            has_braces = true;
        }
        self.out.extend_from_slice(if has_braces { b"} " } else { b" " });
        number::write_f64(self.out, value);
        self.out.push(b'\n');
    }

    fn write_labels(&mut self) {
        if let Some(rendered) = self.rendered.clone() {
            self.out.extend_from_within(rendered);
            return;
        }
        let start = self.out.len();
        for (index, (name, value)) in self.labels.iter().enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            let name = self.escaping.escape_label_name(name);
            write_name(self.out, &name, is_legacy_label_name(&name));
            self.out.push(b'=');
            write_quoted(self.out, value);
        }
        self.rendered = Some(start..self.out.len());
    }
}

/// The name of a metric as it is written, and whether it is legacy-valid then.
fn written_name(name: &str, escaping: EscapingScheme) -> (Cow<'_, str>, bool) {
    // Nearly all are as they come, and stay so.
    if is_legacy_metric_name(name) {
        return (Cow::Borrowed(name), true);
    }
    let name = escaping.escape_metric_name(name);
    let is_legacy = is_legacy_metric_name(&name);
    (name, is_legacy)
}

/// Writes a metric or label name, in quotes if it is not legacy-valid.
fn write_name(out: &mut Vec<u8>, name: &str, is_legacy: bool) {
    if is_legacy {
        out.extend_from_slice(name.as_bytes());
    } else {
        write_quoted(out, name);
    }
}

/// Appends the value of a label as it stands between its quotes.
pub fn write_label_value(out: &mut Vec<u8>, value: &str) {
    write_escaped(out, value.as_bytes(), |bytes| {
        memchr::memchr3(b'\\', b'\n', b'"', bytes)
    });
}

fn write_quoted(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    write_label_value(out, text);
    out.push(b'"');
}

fn write_help(out: &mut Vec<u8>, text: &str) {
    write_escaped(out, text.as_bytes(), |bytes| memchr::memchr2(b'\\', b'\n', bytes));
}

/// Writes `bytes` with a backslash before each that `next` finds.
fn write_escaped(out: &mut Vec<u8>, bytes: &[u8], next: impl Fn(&[u8]) -> Option<usize>) {
    let mut rest = bytes;
    while let Some((plain, [byte, after @ ..])) = next(rest).and_then(|found| rest.split_at_checked(found)) {
        out.extend_from_slice(plain);
        out.extend_from_slice(&[b'\\', if *byte == b'\n' { b'n' } else { *byte }]);
        rest = after;
    }
    out.extend_from_slice(rest);
}
