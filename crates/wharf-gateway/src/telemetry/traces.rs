//! Traces that were exported, and those that were not.

use wharf_model::MetricType;
use wharf_store::ReservedFamily;

use super::assemble::Assembly;
use super::family::own;
use crate::traces::TraceCounts;

pub(super) const EXPORTED: ReservedFamily = own(
    "wharf_traces_exported_total",
    MetricType::Counter,
    "Traces of requests that were exported.",
);
pub(super) const DROPPED: ReservedFamily = own(
    "wharf_traces_dropped_total",
    MetricType::Counter,
    "Traces of requests that were dropped, by reason: full if too many waited, failed if nobody took them.",
);

/// Adds the families.
#[expect(clippy::cast_precision_loss, reason = "metrics are doubles")]
pub(super) fn assemble(assembly: &mut Assembly, counts: TraceCounts) {
    assembly.single(EXPORTED, counts.exported as f64);
    let dropped = [("failed", counts.dropped_failed), ("full", counts.dropped_full)];
    let metrics = dropped.map(|(reason, count)| assembly.number(&[("reason", reason)], count as f64));
    assembly.family(DROPPED, metrics.to_vec());
}
