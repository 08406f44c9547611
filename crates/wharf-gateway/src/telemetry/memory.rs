//! The memory that pushes take until they are stored.

use wharf_model::MetricType;
use wharf_store::ReservedFamily;

use super::assemble::{self, Assembly};
use super::family::own;
use super::gauges::MemoryGauge;

pub(super) const DECODED_BYTES: ReservedFamily = own(
    "wharf_decoded_bytes",
    MetricType::Gauge,
    "Memory that pushes hold until they are stored, without what each has by itself.",
);
pub(super) const DECODED_BYTES_LIMIT: ReservedFamily = own(
    "wharf_decoded_bytes_limit",
    MetricType::Gauge,
    "How much memory pushes may hold: --limits.max-decoded-bytes.",
);
pub(super) const DECODED_REFUSED: ReservedFamily = own(
    "wharf_decoded_refused_total",
    MetricType::Counter,
    "Times that a push got no more memory: by the limit on one push, on the process, or on what one client gets of it.",
);

/// Adds the families.
pub(super) fn assemble(assembly: &mut Assembly, memory: MemoryGauge) {
    assembly.single(DECODED_BYTES, assemble::float(memory.in_use as u64));
    if let Some(limit) = memory.limit {
        assembly.single(DECODED_BYTES_LIMIT, assemble::float(limit as u64));
    }
    let refused = memory.refused.iter().filter(|(limit, _)| !limit.is_empty());
    let refused = refused.map(|(limit, count)| assembly.number(&[("limit", limit)], assemble::float(*count)));
    let refused = refused.collect();
    assembly.family(DECODED_REFUSED, refused);
}
