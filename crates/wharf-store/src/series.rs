//! Which series stand in rendered lines.

use std::iter;

use memchr::{memchr_iter, memmem};
use wharf_exposition::text;
use wharf_model::name::EscapingScheme;
use wharf_model::{Exposition, MetricType, Value};

use crate::memory::rendered_text::Lines;

/// A keyed hash of a series' name and labels, see [`crate::prepare`].
pub(crate) type Fingerprint = u64;

/// Whether a stored fragment of the family has a metric of exactly this fingerprint's series; `series` are the
/// bytes that [`last_series`] found.
pub(crate) fn has_series(name: &str, metric_type: MetricType, text: &[u8], series: &[u8]) -> bool {
    let mut found = false;
    each_series(name, metric_type, text, |candidate| found |= candidate == series);
    found
}

/// The bytes that identify each metric of a prepared fragment, in the order of its fingerprints.
pub(crate) fn series_of<'t>(name: &str, metric_type: MetricType, text: &'t [u8]) -> Vec<&'t [u8]> {
    let mut all = Vec::new();
    each_series(name, metric_type, text, |series| all.push(series));
    all
}

/// What identifies a metric: its last line up to the value. That is the only line of most types, and the
/// `_count` line of summaries and histograms.
pub(crate) fn last_series(lines: &[u8]) -> &[u8] {
    let lines = lines.strip_suffix(b"\n").unwrap_or(lines);
    let line = memchr::memrchr(b'\n', lines).map_or(lines, |end| &lines[end + 1..]);
    memchr::memrchr(b' ', line).map_or(line, |end| &line[..end])
}

/// Number of lines. The limit on a push keeps it small.
pub(crate) fn lines_of(text: &[u8]) -> u32 {
    u32::try_from(memchr_iter(b'\n', text).count()).unwrap_or(u32::MAX)
}

/// Calls `visit` with the bytes that identify each metric of a fragment.
pub(crate) fn each_series<'t>(
    name: &str,
    metric_type: MetricType,
    text: &'t [u8],
    mut visit: impl FnMut(&'t [u8]),
) {
    let count_prefix = is_counted(metric_type).then(|| count_line_prefix(name));
    let mut start = 0;
    for end in memchr_iter(b'\n', text) {
        let line = &text[start..end];
        start = end + 1;
        if count_prefix
            .as_ref()
            .is_none_or(|prefix| line.starts_with(prefix))
        {
            visit(last_series(line));
        }
    }
}

/// The lines of a fragment in parts of about so many bytes, none of which ends within a metric. One at least.
pub(crate) fn split_metrics<'t>(
    name: &str,
    metric_type: MetricType,
    lines: Lines<'t>,
    bytes: usize,
) -> impl Iterator<Item = Lines<'t>> + Send + use<'t> {
    // Lines of samples end with a metric, or begin with this.
    let count_prefix = is_counted(metric_type).then(|| count_line_prefix(name));
    let mut rest = Some(lines);
    iter::from_fn(move || {
        let lines = rest.take()?;
        let text = &*lines;
        let mut start = 0;
        for end in memchr_iter(b'\n', text) {
            let line = &text[start..end];
            start = end + 1;
            let ends_metric = count_prefix
                .as_ref()
                .is_none_or(|prefix| line.starts_with(prefix));
            if start >= bytes && ends_metric && start < text.len() {
                let (part, others) = lines.split_at(start);
                rest = Some(others);
                return Some(part);
            }
        }
        Some(lines)
    })
}

/// Whether metrics of the type have several lines, the last of which is the `_count`.
fn is_counted(metric_type: MetricType) -> bool {
    metric_type == MetricType::Summary || metric_type.is_histogram()
}

/// How the `_count` lines of a family begin. Every stored series has labels, so the name is always delimited.
fn count_line_prefix(name: &str) -> Vec<u8> {
    let mut line = Vec::new();
    let count = format!("{name}_count");
    let none = Exposition::default();
    text::write_metric(
        &mut line,
        &none,
        &count,
        &[("a", "")],
        Value::Number(0.0),
        EscapingScheme::AllowUtf8,
    );
    let labels_start = memmem::rfind(&line, b"a=").unwrap_or(line.len());
    line.truncate(labels_start);
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_split_between_metrics_only() {
        let split = |metric_type, text: &str, bytes| -> Vec<String> {
            let parts = split_metrics("m", metric_type, Lines::kept(text.as_bytes()), bytes);
            parts
                .map(|part| String::from_utf8(part.to_vec()).unwrap())
                .collect()
        };
        let gauges = "m{a=\"1\"} 1\nm{a=\"2\"} 1\nm{a=\"3\"} 1\n";
        let lines: Vec<_> = gauges.split_inclusive('\n').collect();
        assert_eq!(split(MetricType::Gauge, gauges, 1), lines);
        assert_eq!(
            split(MetricType::Gauge, gauges, 12),
            [lines[..2].concat(), lines[2].to_owned()]
        );
        assert_eq!(split(MetricType::Gauge, gauges, 1 << 20), [gauges]);
        assert_eq!(split(MetricType::Gauge, "", 1), [""]);
        let summaries = "m_sum{a=\"1\"} 1\nm_count{a=\"1\"} 1\nm_sum{a=\"2\"} 1\nm_count{a=\"2\"} 1\n";
        let (first, second) = summaries.split_at(summaries.len() / 2);
        assert_eq!(split(MetricType::Summary, summaries, 1), [first, second]);
    }
}
