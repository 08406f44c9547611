//! The log itself, and a watch of it.

use std::time::Duration;

use crate::{Batch, Committed, Entry, Key, LeaseId, Limits, Loaded, LogError, Revision, Txn, WatchError};

/// A log that several replicas share. One value of this type is the way of one replica to it.
///
/// No call ends later than the engine's own limits, which may be long: callers bring [`timeout`](crate::timeout)s. A future that is dropped
/// is a lost answer.
pub trait SharedLog: Send + Sync + 'static {
    /// The changes from some revision on.
    type Watch: Watch;

    /// How large transactions and values may be.
    fn limits(&self) -> Limits {
        Limits::default()
    }

    /// Everything, as it is at a revision that is not older than the call; but for keys that begin so, if something is given.
    ///
    /// # Errors
    /// If the log cannot be reached, or changes faster than it can be read.
    fn load(&self, without: Option<&Key>) -> impl Future<Output = Result<Loaded, LogError>> + Send;

    /// Some of the keys that begin so, in their order, as they were at a revision: those after this one, or from the first on. There are no
    /// more if none comes.
    ///
    /// # Errors
    /// [`LogError::Forgotten`] if there is no history from then; otherwise if the log cannot be reached.
    fn page(
        &self,
        beginning: &Key,
        after: Option<&Key>,
        at: Revision,
    ) -> impl Future<Output = Result<Vec<Entry>, LogError>> + Send;

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
