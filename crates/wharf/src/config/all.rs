//! All settings, put together from those of the parts.

use wharf_gateway::PushLimits;

use super::limits::Limits;
use super::listen::{Listen, Shutdown, Timeouts};
use super::push::Push;
use super::rules::Rules;
use super::web::Web;
use crate::logging::settings::Log;
use crate::parts::history::settings::History;
use crate::parts::storage::settings::{Persistence, Storage, StorageKind};

/// All settings.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Config {
    /// Sockets.
    pub listen: Listen,
    /// Rules about groups.
    pub rules: Rules,
    /// For how long clients are waited for.
    pub timeouts: Timeouts,
    /// The end.
    pub shutdown: Shutdown,
    /// Routes.
    pub web: Web,
    /// What is accepted as a push.
    pub push: Push,
    /// Where and how the groups are kept.
    pub storage: Storage,
    /// The history of pushes.
    pub history: History,
    /// What the Pushgateway calls it.
    pub persistence: Persistence,
    /// How much at once, and how much in all.
    pub limits: Limits,
    /// How large the labels of a push may be.
    pub push_limits: PushLimits,
    /// Log lines.
    pub log: Log,
}

impl Config {
    /// Where the groups are kept.
    pub fn place(&self) -> StorageKind {
        self.storage.place(&self.persistence)
    }

    /// What does not go together.
    pub(crate) fn check(&self) -> Vec<String> {
        let storage = self.storage.check(&self.persistence);
        self.web
            .check()
            .chain(storage)
            .chain(self.listen.check())
            .collect()
    }
}
