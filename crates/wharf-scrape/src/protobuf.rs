//! The body in protobuf, or in the text form of it.

use std::borrow::Cow;
use std::convert::Infallible;

use wharf_exposition::mend::mended;
use wharf_exposition::protobuf;
use wharf_model::name::EscapingScheme;
use wharf_model::{Count, Exposition, Family, Histogram, Metric, Value};
use wharf_store::Snapshot;

use crate::shown;
use crate::sink::Sink;

/// Renders the whole body, as text in this style, if there is one. Returns how many metrics were left out.
///
/// A family with native and with classic histograms becomes two messages, one of either kind: Prometheus before 3.16 takes
/// the ones for the others if they stand in one message, and then refuses the scrape.
pub(crate) fn render(
    own: &Exposition<'_>,
    snapshot: &Snapshot,
    escaping: EscapingScheme,
    sink: &mut Sink,
    style: Option<protobuf::TextStyle>,
) -> u64 {
    let mut left_out = 0;
    let mut messages = [Vec::new(), Vec::new()];
    let mut out = Vec::new();
    for shown in shown::families(own, snapshot, escaping) {
        let head = shown.head(shown.metric_type);
        let written = shown.each::<Infallible>(own, escaping, |exposition, family| {
            let exposition = mended(exposition, family);
            let [first, second] = &mut messages;
            let families = by_kind(&exposition, family);
            for (message, family) in [first, second].into_iter().zip(families) {
                if let Some(family) = family {
                    if message.is_empty() {
                        protobuf::write_head(message, &head, escaping);
                    }
                    protobuf::write_metrics(message, &exposition, &family, escaping);
                }
            }
            Ok(())
        });
        left_out += written.unwrap_or_default();
        for message in &mut messages {
            if message.is_empty() {
                continue;
            }
            if let Some(style) = style {
                protobuf::write_text(&mut out, message, style);
            } else {
                protobuf::write_length(&mut out, message.len());
                out.extend_from_slice(message);
            }
            sink.text(&out);
            message.clear();
            out.clear();
        }
    }
    left_out
}

/// The metrics of a family that are native histograms, and the others.
fn by_kind<'f>(exposition: &Exposition<'_>, family: &'f Family) -> [Option<Cow<'f, Family>>; 2] {
    let is_native = |metric: &Metric| match metric.value {
        Value::Histogram(index) => exposition.histogram(index).is_some_and(is_read_as_native),
        _ => false,
    };
    if exposition.histograms.is_empty() {
        return [None, Some(Cow::Borrowed(family))];
    }
    let natives = family.metrics.iter().filter(|metric| is_native(metric)).count();
    if natives == 0 {
        return [None, Some(Cow::Borrowed(family))];
    }
    if natives == family.metrics.len() {
        return [Some(Cow::Borrowed(family)), None];
    }
    [true, false].map(|kind| {
        let metrics = family.metrics.iter().filter(|metric| is_native(metric) == kind);
        Some(Cow::Owned(Family {
            metrics: metrics.cloned().collect(),
            ..family.clone()
        }))
    })
}

/// Whether Prometheus reads it as a native one.
fn is_read_as_native(histogram: &Histogram) -> bool {
    histogram.native.as_deref().is_some_and(|native| {
        let has_spans = !native.positive.spans.is_empty() || !native.negative.spans.is_empty();
        has_spans || native.zero_threshold > 0.0 || matches!(native.zero_count, Count::Int(1..))
    })
}
