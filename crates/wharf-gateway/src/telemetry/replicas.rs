//! How this replica is among the others, and what it has sent to the log that they share.

use wharf_model::MetricType;
use wharf_store::{Counts, Detail, ReservedFamily, SharedStatus, WriterStatistics};

use super::assemble::{self, Assembly};
use super::family::own;

/// Replicas that are there at the moment of a scrape.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplicaGauges {
    /// How this one is.
    pub status: SharedStatus,
    /// Families that are not shown, since they contradict others.
    pub held_back: u64,
}

pub(super) const CLOCK_OFFSET: ReservedFamily = own(
    "wharf_replica_clock_offset_seconds",
    MetricType::Gauge,
    "How far the clock of another replica is ahead of this one's.",
);
pub(super) const COMMIT_SECONDS: ReservedFamily = own(
    "wharf_replica_commit_seconds_total",
    MetricType::Counter,
    "Time in which transactions were on their way.",
);
pub(super) const COMMITS: ReservedFamily = own(
    "wharf_replica_commits_total",
    MetricType::Counter,
    "Transactions that were committed; changes that arrive together share one.",
);
pub(super) const CONFIG_DIFFERS: ReservedFamily = own(
    "wharf_replica_config_differs",
    MetricType::Gauge,
    "1 if settings that change what is stored are not those of the replica that has set them last.",
);
pub(super) const CONFLICTS: ReservedFamily = own(
    "wharf_replica_conflicts_total",
    MetricType::Counter,
    "Transactions that were made again, since another replica had changed the same group.",
);
pub(super) const FAILURES: ReservedFamily = own(
    "wharf_replica_failures_total",
    MetricType::Counter,
    "Transactions that did not get through.",
);
pub(super) const HELD_BACK: ReservedFamily = own(
    "wharf_replica_families_held_back",
    MetricType::Gauge,
    "Families that are not shown, since replicas took what contradicts in the same moment.",
);
pub(super) const LAG_SECONDS: ReservedFamily = own(
    "wharf_replica_lag_seconds",
    MetricType::Gauge,
    "How long ago this replica was known to show all that is stored.",
);
pub(super) const LOADS: ReservedFamily = own(
    "wharf_replica_loads_total",
    MetricType::Counter,
    "How often all groups were loaded: at the start, and when changes had been forgotten before they came.",
);
pub(super) const CHANGES: ReservedFamily = own(
    "wharf_replica_records_total",
    MetricType::Counter,
    "Changes that this replica has committed.",
);
pub(super) const REVISION: ReservedFamily = own(
    "wharf_replica_revision",
    MetricType::Gauge,
    "The last revision that this replica shows.",
);
pub(super) const UNREADABLE: ReservedFamily = own(
    "wharf_replica_unreadable_total",
    MetricType::Counter,
    "Groups that could not be read: a later version has written them.",
);
pub(super) const UP: ReservedFamily = own(
    "wharf_replica_up",
    MetricType::Gauge,
    "1 while this replica can store changes, 0 while it has lost the others or nothing more is taken.",
);
pub(super) const WAITING: ReservedFamily = own(
    "wharf_replica_waiting_changes",
    MetricType::Gauge,
    "Changes that wait to be committed, or are on their way.",
);
pub(super) const REPLICAS: ReservedFamily = own(
    "wharf_replicas",
    MetricType::Gauge,
    "Replicas that are there, this one too.",
);

/// All of them: they are the gateway's own only where groups are shared.
pub(super) static RESERVED: [ReservedFamily; 15] = [
    CLOCK_OFFSET,
    COMMIT_SECONDS,
    COMMITS,
    CONFIG_DIFFERS,
    CONFLICTS,
    FAILURES,
    HELD_BACK,
    LAG_SECONDS,
    LOADS,
    CHANGES,
    REVISION,
    UNREADABLE,
    UP,
    WAITING,
    REPLICAS,
];

/// Adds the families, in the order of their names.
pub(super) fn assemble(assembly: &mut Assembly, gauges: &ReplicaGauges, writer: Option<&WriterStatistics>) {
    let ReplicaGauges { status, held_back } = gauges;
    let others = status.replicas.iter().filter(|replica| !replica.is_self);
    let offsets = others
        .map(|replica| assembly.number(&[("replica", &replica.name)], replica.clock_offset_seconds))
        .collect();
    assembly.family(CLOCK_OFFSET, offsets);
    let Counts {
        changes,
        commits,
        commit_time,
        stale,
        failures,
        loads,
        unreadable,
    } = status.counts;
    assembly.single(COMMIT_SECONDS, commit_time.as_secs_f64());
    assembly.single(COMMITS, assemble::float(commits));
    assembly.single(CONFIG_DIFFERS, assemble::truth(status.differs.is_some()));
    assembly.single(CONFLICTS, assemble::float(stale));
    assembly.single(FAILURES, assemble::float(failures));
    assembly.single(HELD_BACK, assemble::float(*held_back));
    if let Some(lag) = status.lag {
        assembly.single(LAG_SECONDS, lag.as_secs_f64());
    }
    assembly.single(LOADS, assemble::float(loads));
    assembly.single(CHANGES, assemble::float(changes));
    assembly.single(REVISION, assemble::float(status.revision.0));
    assembly.single(UNREADABLE, assemble::float(unreadable));
    let is_up = writer.is_some_and(|writer| writer.is_up && matches!(writer.detail, Detail::Shared(_)));
    assembly.single(UP, assemble::truth(is_up));
    assembly.single(WAITING, assemble::float(status.waiting as u64));
    assembly.single(REPLICAS, assemble::float(status.replicas.len() as u64));
}
