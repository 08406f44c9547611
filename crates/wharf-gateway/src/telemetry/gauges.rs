//! What is at the moment of a scrape, as others say it.

use wharf_store::{Cold, PushIdCounts, RemovedStatus, UnixNanos, WriterStatistics};

use super::backups::BackupTimes;
use super::expectations::ExpectationGauges;
use super::replicas::ReplicaGauges;
use crate::alerting::AlertingReport;
use crate::policy::QuotaGauge;
use crate::statsd::StatsdCounts;
use crate::traces::TraceCounts;

/// What is at the moment of a scrape: how much the store holds, and whether what was read from files is in force.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StoreGauges {
    /// Number of groups.
    pub groups: u64,
    /// How many of them have a time to live.
    pub expiring: u64,
    /// Number of series.
    pub series: u64,
    /// Bytes of their text.
    pub bytes: u64,
    /// How much of it is cold.
    pub cold: Cold,
    /// Memory of what is kept of it for scrapes in other formats than text.
    pub forms_bytes: u64,
    /// Families of groups with histograms that contradict themselves.
    pub contradicting: u64,
    /// Pushes that wait for their turn.
    pub pushes_waiting: u64,
    /// Ids of pushes that are kept, and what has become of others.
    pub push_ids: PushIdCounts,
    /// What the quotas allow, and how much of it is taken, in their order.
    pub quotas: Vec<QuotaGauge>,
    /// How removals are kept; none if they are not.
    pub removed: Option<RemovedStatus>,
    /// What the ledger has done; none: the groups are in memory only.
    pub ledger: Option<WriterStatistics>,
    /// How this replica is among the others, if there are any.
    pub replicas: Option<ReplicaGauges>,
    /// The memory of pushes that are not stored yet.
    pub memory: MemoryGauge,
    /// How the rules in force were read, if there is a configuration file.
    pub config: Option<ConfigGauge>,
    /// When the newest backups were made, if a folder for them is named.
    pub backups: Option<BackupTimes>,
    /// What is expected of groups, if something is.
    pub expectations: Option<ExpectationGauges>,
    /// How it goes with those who are told what is overdue, if somebody is.
    pub alerting: Option<AlertingReport>,
    /// Traces, if there were ever to be any.
    pub traces: Option<TraceCounts>,
    /// What was counted of lines of `StatsD`, if any are taken.
    pub statsd: Option<StatsdCounts>,
    /// The web config files, in the order of their flags.
    pub web_configs: Vec<WebConfigGauge>,
}

/// The memory of pushes at the moment of a scrape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MemoryGauge {
    /// What they hold.
    pub in_use: usize,
    /// What there is; none: any.
    pub limit: Option<usize>,
    /// How often there was no more, by limit.
    pub refused: [(&'static str, u64); 3],
}

/// The configuration file at the moment of a scrape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConfigGauge {
    /// Whether the file was used when it was read last.
    pub is_used: bool,
    /// When the rules in force were read.
    pub in_force_since: UnixNanos,
}

/// A web config file at the moment of a scrape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebConfigGauge {
    /// The flag that names it.
    pub flag: String,
    /// How many users there are; none if nothing of the file is in force, and nobody is let in.
    pub users: Option<u64>,
    /// When the first of the server's certificates ends, in seconds since the Unix epoch; none without TLS.
    pub certificate_expiry_seconds: Option<i64>,
    /// Whether all is in force that the file and those it names say now.
    pub is_in_force: bool,
}
