//! All settings, put together from those of the parts.

use wharf_gateway::{
    AdminApi, AmountLimits, ExpectSettings, MemoryLimits, PushLimits, PushSettings, ReplicaLimits,
};
use wharf_http::{BodySettings, RequestLimits, RequestTimeouts, Routes};

use super::aggregate::Aggregate;
use super::listen::{Listen, Shutdown};
use super::rules::Rules;
use crate::logging::settings::Log;
use crate::parts::backups::settings::Backups;
use crate::parts::history::settings::History;
use crate::parts::replica::settings::Replica;
use crate::parts::statsd::settings::Statsd;
use crate::parts::storage::settings::{Persistence, Storage, StorageKind, Undo};

/// All settings.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Config {
    /// Sockets.
    pub listen: Listen,
    /// Where to listen as prom-aggregation-gateway.
    pub aggregate: Aggregate,
    /// Rules about groups.
    pub rules: Rules,
    /// For how long clients are waited for.
    pub timeouts: RequestTimeouts,
    /// The end.
    pub shutdown: Shutdown,
    /// Where the routes lie, and what there is at them.
    pub routes: Routes,
    /// Whether there is an API for those who look after the gateway.
    pub admin: AdminApi,
    /// What is accepted as a push.
    pub pushes: PushSettings,
    /// The bodies of pushes, and their answers.
    pub bodies: BodySettings,
    /// Where and how the groups are kept.
    pub storage: Storage,
    /// How much is kept of what was removed.
    pub undo: Undo,
    /// The history of pushes.
    pub history: History,
    /// Where backups are put.
    pub backups: Backups,
    /// What the Pushgateway calls it.
    pub persistence: Persistence,
    /// Where the groups are if several gateways share them.
    pub replica: Replica,
    /// How far these may be apart.
    pub replica_limits: ReplicaLimits,
    /// How many groups may be expected.
    pub expect: ExpectSettings,
    /// Lines of `StatsD`.
    pub statsd: Statsd,
    /// How much at once.
    pub requests: RequestLimits,
    /// How much memory until it is stored.
    pub memory: MemoryLimits,
    /// How much in all.
    pub amounts: AmountLimits,
    /// How large the labels of a push may be.
    pub push_limits: PushLimits,
    /// Log lines.
    pub log: Log,
}

impl Config {
    /// Where the groups are kept, unless they are shared.
    pub fn place(&self) -> StorageKind {
        self.storage.place(&self.persistence)
    }

    /// What does not go together.
    pub(crate) fn check(&self) -> Vec<String> {
        let storage = self.storage.check(&self.persistence);
        let replica = self.replica.check(&self.storage, &self.persistence);
        self.routes
            .check()
            .chain(storage)
            .chain(replica)
            .chain(self.listen.check())
            .chain(self.statsd.check())
            .chain(self.aggregate.check())
            .collect()
    }
}
