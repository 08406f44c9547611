//! What the ledger has done, and how it is.

use wharf_model::MetricType;
use wharf_store::{Detail, ReservedFamily, WriterStatistics};

use super::assemble::{self, Assembly};
use super::family::own;

pub(super) const LOG_BYTES: ReservedFamily = own(
    "wharf_ledger_log_bytes",
    MetricType::Gauge,
    "Bytes of the log since the last checkpoint.",
);
pub(super) const CHECKPOINTS: ReservedFamily = own(
    "wharf_ledger_checkpoints_total",
    MetricType::Counter,
    "Checkpoints that were written.",
);
pub(super) const FAILURES: ReservedFamily = own(
    "wharf_ledger_failures_total",
    MetricType::Counter,
    "How often the disk has failed.",
);
pub(super) const RECORDS: ReservedFamily = own(
    "wharf_ledger_records_total",
    MetricType::Counter,
    "Changes that were written to the log.",
);
pub(super) const SEGMENTS: ReservedFamily = own(
    "wharf_ledger_segments",
    MetricType::Gauge,
    "Files of the log that are in use.",
);
pub(super) const SYNC_SECONDS: ReservedFamily = own(
    "wharf_ledger_sync_seconds_total",
    MetricType::Counter,
    "Time in which the disk was asked to keep what was written.",
);
pub(super) const SYNCS: ReservedFamily = own(
    "wharf_ledger_syncs_total",
    MetricType::Counter,
    "How often the disk was asked to keep what was written; changes that arrive together share one.",
);
pub(super) const UP: ReservedFamily = own(
    "wharf_ledger_up",
    MetricType::Gauge,
    "1 while changes can be stored, 0 while the disk takes nothing.",
);
pub(super) const WRITTEN_BYTES: ReservedFamily = own(
    "wharf_ledger_written_bytes_total",
    MetricType::Counter,
    "Bytes of the log and of checkpoints that were written.",
);

/// Adds the families, in the order of their names.
pub(super) fn assemble(assembly: &mut Assembly, writer: &WriterStatistics) {
    let Detail::Files(files) = writer.detail else {
        return;
    };
    assembly.single(CHECKPOINTS, assemble::float(files.checkpoints));
    assembly.single(FAILURES, assemble::float(writer.failures));
    assembly.single(LOG_BYTES, assemble::float(files.log_bytes));
    assembly.single(RECORDS, assemble::float(writer.records));
    assembly.single(SEGMENTS, assemble::float(files.segments));
    assembly.single(SYNC_SECONDS, writer.commit_time.as_secs_f64());
    assembly.single(SYNCS, assemble::float(writer.commits));
    assembly.single(UP, assemble::truth(writer.is_up));
    assembly.single(WRITTEN_BYTES, assemble::float(files.written_bytes));
}
