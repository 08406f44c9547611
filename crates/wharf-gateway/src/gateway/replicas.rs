//! This gateway as one of several that share their groups.

use wharf_store::{HeldFamily, SharedStatus};

use crate::access::caller::Caller;
use crate::access::right::Right;
use crate::gateway::Gateway;
use crate::telemetry::ReplicaGauges;

/// The replicas, as far as somebody may see them.
#[derive(Debug, Clone, PartialEq)]
pub struct Replicas {
    /// How this one is, and what the others say of themselves.
    pub status: SharedStatus,
    /// Families that are not shown, of groups that the caller may see.
    pub held_back: Vec<HeldFamily>,
}

impl Gateway {
    /// The replicas; none if this gateway is alone.
    pub fn replicas(&self, caller: &Caller) -> Option<Replicas> {
        let status = self.store.shared_status()?;
        let mut held_back = self.store.held_back();
        held_back.retain(|held| caller.allow(Right::Read, &held.key));
        Some(Replicas { status, held_back })
    }

    pub(super) fn replica_gauges(&self) -> Option<ReplicaGauges> {
        Some(ReplicaGauges {
            status: self.store.shared_status()?,
            held_back: self.store.held_back().len() as u64,
        })
    }

    /// Why this replica is not ready, if it is one and is not.
    pub(super) fn replica_not_ready(&self) -> Option<String> {
        let status = self.store.shared_status()?;
        let engine = status.engine;
        let max_lag = self.settings.replicas.max_lag;
        match status.lag {
            None => return Some(format!("the groups are still being loaded from {engine}")),
            Some(lag) if lag > max_lag => {
                let seconds = lag.as_secs();
                return Some(format!(
                    "nothing has been heard from {engine} for {seconds} seconds"
                ));
            }
            Some(_) => {}
        }
        let differs = status.differs?;
        let max_skew = self.settings.replicas.max_config_skew;
        (differs.since > max_skew).then(|| {
            let (settings, seconds) = (differs.settings.join(", "), differs.since.as_secs());
            format!(
                "settings of this replica are not those that were set last, for {seconds} seconds: {settings}"
            )
        })
    }
}
