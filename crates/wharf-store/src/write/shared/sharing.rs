//! How a replica shares its groups, and how it is.

use std::sync::Arc;
use std::time::Duration;

use super::book::{Bounds, Counts};
use crate::{Clock, Revision};

/// How a gateway works with those that it shares its groups with.
#[derive(Clone)]
pub struct Sharing {
    /// The name of this replica, which no other has.
    pub name: String,
    /// A number that no other process has, nor had: a random one.
    pub writer: u64,
    /// Transactions that may be on their way at the same time.
    pub lanes: u16,
    /// How long the log may take for an answer before it counts as lost.
    pub answer_limit: Duration,
    /// How long a change may take in all before its sender is told that it failed.
    pub change_limit: Duration,
    /// How old memory may be for changes to be taken.
    pub max_lag: Duration,
    /// Most changes that wait.
    pub max_waiting: usize,
    /// Most bytes of them.
    pub max_waiting_bytes: usize,
    /// How long a replica is counted as alive that says nothing.
    pub lease: Duration,
    /// Wall time.
    pub clock: Arc<dyn Clock>,
}

impl Sharing {
    /// The usual settings, for a replica of this name and writer number.
    pub fn new(name: String, writer: u64, clock: Arc<dyn Clock>) -> Self {
        Self {
            name,
            writer,
            lanes: 4,
            answer_limit: Duration::from_secs(1),
            change_limit: Duration::from_secs(5),
            max_lag: Duration::from_secs(10),
            max_waiting: 64 * 1024,
            max_waiting_bytes: 256 << 20,
            lease: Duration::from_secs(10),
            clock,
        }
    }
}

impl std::fmt::Debug for Sharing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sharing")
            .field("name", &self.name)
            .field("writer", &self.writer)
            .finish_non_exhaustive()
    }
}

impl Sharing {
    /// How much may wait.
    pub(super) fn bounds(&self) -> Bounds {
        Bounds {
            changes: self.max_waiting,
            bytes: self.max_waiting_bytes,
            max_lag: self.max_lag,
        }
    }
}

/// How a replica is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedStatus {
    /// How long ago memory was known to have everything; none while it is loaded for the first time.
    pub lag: Option<Duration>,
    /// The last revision that it has.
    pub revision: Revision,
    /// What has happened since the start.
    pub counts: Counts,
    /// The names of the replicas that are there, this one too.
    pub replicas: Vec<String>,
}
