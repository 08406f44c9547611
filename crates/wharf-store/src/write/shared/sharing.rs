//! How a replica shares its groups, and how it is.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::book::{Bounds, Counts};
use crate::{Clock, Revision, UnixNanos};

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
    /// What the log is called, in errors.
    pub engine: &'static str,
    /// Where this replica is to be reached, for people.
    pub address: String,
    /// Its version, for people.
    pub version: String,
    /// What decides which bytes a push becomes: names of settings and what they are, or a digest of that.
    pub rules: Rules,
    /// Whether the log is ours alone, so that its history may be forgotten.
    pub compacts: bool,
    /// For how long what is removed can be put back; zero: not at all.
    pub undo_max_age: Duration,
    /// How many bytes of the log are for that; zero: nothing is kept.
    pub undo_max_bytes: u64,
}

/// Settings by their names, as texts that are equal if the settings are.
pub type Rules = BTreeMap<String, String>;

impl Sharing {
    /// The usual settings, for a replica of this name and writer number.
    pub fn new(name: String, writer: u64, clock: Arc<dyn Clock>) -> Self {
        Self {
            name,
            writer,
            lanes: 2,
            answer_limit: Duration::from_secs(1),
            change_limit: Duration::from_secs(5),
            max_lag: Duration::from_secs(10),
            max_waiting: 64 * 1024,
            max_waiting_bytes: 256 << 20,
            lease: Duration::from_secs(10),
            clock,
            engine: "the shared log",
            address: String::new(),
            version: String::new(),
            rules: Rules::new(),
            compacts: false,
            undo_max_age: Duration::from_secs(3600),
            undo_max_bytes: 256 << 20,
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
            engine: self.engine,
        }
    }
}

/// How a replica is.
#[derive(Debug, Clone, PartialEq)]
pub struct SharedStatus {
    /// What the log is called.
    pub engine: &'static str,
    /// How long ago memory was known to have everything; none while it is loaded for the first time.
    pub lag: Option<Duration>,
    /// Whether everything was loaded, and the settings were written to the log if it took them.
    pub is_ready: bool,
    /// The last revision that it has.
    pub revision: Revision,
    /// What has happened since the start.
    pub counts: Counts,
    /// Changes that wait, or are on their way.
    pub waiting: usize,
    /// Why the log takes nothing more, if it has said so to the last change.
    pub full: Option<String>,
    /// The replicas that are there, this one too, by name.
    pub replicas: Vec<ReplicaStatus>,
    /// Whether another one has the name of this one.
    pub has_twin: bool,
    /// If the settings in force among the replicas are not those of this one.
    pub differs: Option<RulesDiffer>,
}

/// What a replica says of itself.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplicaStatus {
    /// Its name.
    pub name: String,
    /// Where it is to be reached; empty if it does not say.
    pub address: String,
    /// Its version.
    pub version: String,
    /// The last revision that it had.
    pub revision: Revision,
    /// How old its memory was.
    pub lag: Duration,
    /// How far its clock is before ours, in seconds, as far as the way of its word allows to say.
    pub clock_offset_seconds: f64,
    /// When it was scraped last.
    pub scraped_at: Option<UnixNanos>,
    /// When it started.
    pub started_at: UnixNanos,
    /// Whether it is this one.
    pub is_self: bool,
    /// Whether it lets groups expire.
    pub is_sweeper: bool,
}

/// Settings of this replica are not those that are in force among all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RulesDiffer {
    /// For how long.
    pub since: Duration,
    /// Their names.
    pub settings: Vec<String>,
}
