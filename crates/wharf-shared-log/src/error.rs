//! What can go wrong.

use thiserror::Error;

use crate::Revision;

/// Why a call to the log failed. All but [`Self::Unknown`] and [`Self::Full`] say that
/// nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LogError {
    /// The answer was lost: the call may have done its work, or may still do it.
    #[error("the answer was lost: {reason}")]
    Unknown {
        /// What the engine or the network said.
        reason: String,
    },
    /// The log cannot be reached, or has no leader. Trying again may help.
    #[error("the log cannot be reached: {reason}")]
    Unreachable {
        /// What the engine or the network said.
        reason: String,
    },
    /// The log takes nothing more until somebody makes room; deletes still work. The transaction that has made it full may have happened.
    #[error("the log is full: {reason}")]
    Full {
        /// What the engine said.
        reason: String,
    },
    /// The log has refused the call, and will again.
    #[error("the log has refused this: {reason}")]
    Refused {
        /// What the engine said.
        reason: String,
    },
    /// A value or a transaction is larger than the log takes.
    #[error("expected at most {limit_bytes} bytes, found {found_bytes}")]
    TooLarge {
        /// The limit.
        limit_bytes: usize,
        /// What it would have been.
        found_bytes: usize,
    },
    /// The lease is over.
    #[error("the lease is over")]
    NoLease,
    /// What was asked for is older than the history that the log has.
    #[error("the log has forgotten how it was then")]
    Forgotten,
}

/// Why a watch is over.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WatchError {
    /// Changes that the watch should have shown are forgotten. Load everything and watch from there.
    #[error("changes up to revision {before} are forgotten")]
    Compacted {
        /// Up to where, as far as the engine says it.
        before: Revision,
    },
    /// The connection is gone. Watch again from the last batch on.
    #[error("the watch has ended: {reason}")]
    Ended {
        /// What the engine or the network said.
        reason: String,
    },
}
