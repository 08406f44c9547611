//! How old the newest backups are.

use wharf_model::MetricType;
use wharf_store::{ReservedFamily, UnixNanos};

use super::assemble::Assembly;
use super::family::own;

/// When the newest backups were made, as far as there are any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BackupTimes {
    /// The newest that is whole.
    pub newest: Option<UnixNanos>,
    /// The newest that was compared with what it was made of.
    pub newest_verified: Option<UnixNanos>,
}

pub(super) const NEWEST: ReservedFamily = own(
    "wharf_backup_newest_timestamp_seconds",
    MetricType::Gauge,
    "Unix time of the newest whole backup in --backup.path; 0 if there is none.",
);
pub(super) const NEWEST_VERIFIED: ReservedFamily = own(
    "wharf_backup_newest_verified_timestamp_seconds",
    MetricType::Gauge,
    "Unix time of the newest backup in --backup.path that was made with --verify; 0 if there is none.",
);

/// Adds the families.
pub(super) fn assemble(assembly: &mut Assembly, times: BackupTimes) {
    let seconds = |time: Option<UnixNanos>| time.map_or(0.0, UnixNanos::as_seconds);
    assembly.single(NEWEST, seconds(times.newest));
    assembly.single(NEWEST_VERIFIED, seconds(times.newest_verified));
}
