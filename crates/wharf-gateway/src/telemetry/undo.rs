//! What was removed, and what came back.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use wharf_model::MetricType;
use wharf_store::{RemovedStatus, ReservedFamily};

use super::assemble::{self, Assembly};
use super::family::own;
use crate::lock::lock;

pub(super) const GROUPS_REMOVED: ReservedFamily = own(
    "wharf_groups_removed_total",
    MetricType::Counter,
    "Groups that somebody has removed: by a request for the group, by selector, or by a wipe.",
);
pub(super) const GROUPS_RESTORED: ReservedFamily = own(
    "wharf_undo_groups_restored_total",
    MetricType::Counter,
    "Groups that came back because a removal was undone.",
);
pub(super) const BYTES: ReservedFamily = own(
    "wharf_undo_bytes",
    MetricType::Gauge,
    "Bytes of what was removed and is kept, so that it can be taken back.",
);
pub(super) const FAILURES: ReservedFamily = own(
    "wharf_undo_failures_total",
    MetricType::Counter,
    "How often what was removed could not be kept because the disk has failed.",
);
pub(super) const REMOVALS: ReservedFamily = own(
    "wharf_undo_removals",
    MetricType::Gauge,
    "Removals that can be undone.",
);
pub(super) const UNDOS: ReservedFamily = own(
    "wharf_undos_total",
    MetricType::Counter,
    "Removals that were undone.",
);

/// What was counted of removals.
#[derive(Debug, Default)]
pub struct Undos {
    /// Groups, by how they were removed.
    removed: Mutex<BTreeMap<&'static str, u64>>,
    undone: AtomicU64,
    restored: AtomicU64,
}

impl Undos {
    /// Somebody has removed so many groups. There must be few different ways: each is a series for ever.
    pub fn record_removed(&self, by: &'static str, groups: u64) {
        if groups > 0 {
            *lock(&self.removed).entry(by).or_default() += groups;
        }
    }

    /// A removal was undone, and so many groups came back.
    pub fn record_undo(&self, groups: u64) {
        self.undone.fetch_add(1, Relaxed);
        self.restored.fetch_add(groups, Relaxed);
    }

    /// Adds the families.
    pub(super) fn assemble(&self, assembly: &mut Assembly, kept: Option<&RemovedStatus>) {
        let removed = lock(&self.removed);
        let metrics = removed.iter();
        let metrics = metrics.map(|(by, groups)| assembly.number(&[("by", by)], assemble::float(*groups)));
        let metrics = metrics.collect();
        drop(removed);
        assembly.family(GROUPS_REMOVED, metrics);
        let Some(kept) = kept else { return };
        assembly.single(BYTES, assemble::float(kept.bytes));
        assembly.single(FAILURES, assemble::float(kept.failures));
        assembly.single(GROUPS_RESTORED, assemble::float(self.restored.load(Relaxed)));
        assembly.single(REMOVALS, assemble::float(kept.removals));
        assembly.single(UNDOS, assemble::float(self.undone.load(Relaxed)));
    }
}
