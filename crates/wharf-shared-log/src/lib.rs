//! A log that several replicas share: what the store needs of it, and nothing of what the store keeps in it.
//!
//! The log is a map from keys to values, both opaque, with one order of changes. Every transaction that changes it is one
//! [`Revision`]; whoever watches sees all revisions in this order, each once and as a whole.
//!
//! What always holds, and what `conformance` (feature `testing`) checks of every engine:
//!
//! - A transaction happens as a whole or not at all, and only if all that it [expects](Expect) holds at that moment.
//! - [`Committed`] is final. After [`LogError::Unknown`] the transaction may have happened, may still happen later, or may
//!   never happen; [`Lane`] finds out.
//! - A watch that was begun after a [`load`](SharedLog::load), at its revision, has every change since, or ends with an error.
//! - Nothing is undone.
//!
//! Nothing here needs a particular runtime: time comes from a [`Timer`], and tasks are futures that the caller runs. An engine
//! depends on this crate alone, so it is built beside the store, not after it, and can know nothing of groups.

#![warn(clippy::indexing_slicing, clippy::string_slice)]

use std::fmt;
use std::time::Duration;

mod error;
mod lane;
mod timer;
mod txn;

#[cfg(any(test, feature = "testing"))]
pub mod conformance;
#[cfg(any(test, feature = "testing"))]
mod simulated;
#[cfg(any(test, feature = "testing"))]
mod simulation;

pub use bytes::Bytes;
pub use error::{LogError, WatchError};
pub use lane::{Lane, Settled, TxnId};
#[cfg(any(test, feature = "testing"))]
pub use simulated::{Faults, SimulatedLog, SimulatedWatch};
#[cfg(any(test, feature = "testing"))]
pub use simulation::{Simulation, TaskId};
pub use timer::{Timer, timeout};
pub use txn::{Committed, Delete, Expect, Expected, Limits, Put, Txn};

/// A key of the log. The engine puts its own prefix before it.
pub type Key = Bytes;

/// A point in the order of changes. 0 is before the first; some may be missing, where others use the same engine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u64);

impl fmt::Display for Revision {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

/// A key that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: Key,
    /// What it has.
    pub value: Bytes,
    /// The revision that put it there.
    pub at: Revision,
}

/// Everything, as it was at one revision.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Loaded {
    /// The revision.
    pub at: Revision,
    /// All keys, in their order.
    pub entries: Vec<Entry>,
}

/// What a transaction did to one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It has this value now.
    Put {
        /// The key.
        key: Key,
        /// The value.
        value: Bytes,
    },
    /// It is gone.
    Delete {
        /// The key.
        key: Key,
    },
}

impl Change {
    /// The key.
    pub fn key(&self) -> &Key {
        match self {
            Self::Put { key, .. } | Self::Delete { key } => key,
        }
    }
}

/// All changes of one revision, each key once, in any order.
///
/// Without changes it says that there were none up to this revision since the last batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The revision.
    pub at: Revision,
    /// What it did.
    pub changes: Vec<Change>,
}

/// A lease: keys that were put under it go when nobody keeps it alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseId(pub i64);

/// A log that several replicas share. One value of this type is the way of one replica to it.
///
/// No call ends later than the engine's own limits, which may be long: callers bring [`timeout`]s. A future that is dropped
/// is a lost answer.
pub trait SharedLog: Send + Sync + 'static {
    /// The changes from some revision on.
    type Watch: Watch;

    /// How large transactions and values may be.
    fn limits(&self) -> Limits {
        Limits::default()
    }

    /// Everything, as it is at a revision that is not older than the call.
    ///
    /// # Errors
    /// If the log cannot be reached, or changes faster than it can be read.
    fn load(&self) -> impl Future<Output = Result<Loaded, LogError>> + Send;

    /// One key, as it is at a revision that is not older than the call.
    ///
    /// # Errors
    /// If the log cannot be reached.
    fn read(&self, key: &Key) -> impl Future<Output = Result<Option<Entry>, LogError>> + Send;

    /// Makes a transaction, if all that it expects holds.
    ///
    /// # Errors
    /// [`LogError::Unknown`] if it may have happened; all other errors say that it has not, and never will.
    fn commit(&self, txn: Txn) -> impl Future<Output = Result<Committed, LogError>> + Send;

    /// The changes after a revision.
    ///
    /// # Errors
    /// [`WatchError::Compacted`] if some of them are forgotten already; it may also come as the first of the watch.
    fn watch(&self, after: Revision) -> impl Future<Output = Result<Self::Watch, WatchError>> + Send;

    /// A lease that lives for `ttl` after each [`keep_alive`](Self::keep_alive), and maybe longer: up to three times that. The
    /// engine may lengthen a time that is too short for it.
    ///
    /// # Errors
    /// If the log cannot be reached, or takes no more.
    fn grant(&self, ttl: Duration) -> impl Future<Output = Result<LeaseId, LogError>> + Send;

    /// Lets a lease live on.
    ///
    /// # Errors
    /// [`LogError::NoLease`] if it is over.
    fn keep_alive(&self, lease: LeaseId) -> impl Future<Output = Result<(), LogError>> + Send;

    /// Ends a lease; its keys go at once. One that is over already is no error.
    ///
    /// # Errors
    /// If the log cannot be reached.
    fn revoke(&self, lease: LeaseId) -> impl Future<Output = Result<(), LogError>> + Send;

    /// Lets the log forget what was before a revision. A watch that is begun after this or a later revision misses nothing; one
    /// after an earlier revision may be refused. Forgetting twice, or what is forgotten already, is no error.
    ///
    /// # Errors
    /// If the log cannot be reached.
    fn compact(&self, at: Revision) -> impl Future<Output = Result<(), LogError>> + Send;
}

/// The changes from some revision on, in order.
pub trait Watch: Send {
    /// Waits for the next revision.
    ///
    /// While the log can be reached, a batch comes at least every second: one without changes if there are none. Silence means
    /// that the watch is cut off; nothing is lost by waiting, or by another watch from the last batch on.
    ///
    /// # Errors
    /// After an error there is nothing more to come. [`WatchError::Compacted`]: load everything and watch from there.
    /// [`WatchError::Ended`]: watch again from the last batch on.
    ///
    /// # Cancel safety
    /// A future that is dropped has taken nothing.
    fn next(&mut self) -> impl Future<Output = Result<Batch, WatchError>> + Send;
}
