//! What can go wrong, and the words for it.

use std::{fmt, io, sync::Arc};

use thiserror::Error;

use crate::Sequence;
use crate::disk::LockError;

/// An error of whoever the records belong to.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why a record was not taken. Nothing of it is in the log, and its number is not used up.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AppendError {
    /// The disk has failed, and [`Ledger::restart`](crate::Ledger::restart) has not yet succeeded.
    #[error("the ledger has failed: {reason}")]
    Failed {
        /// What the disk said.
        reason: Arc<str>,
    },
    /// The disk is slower than the records come.
    #[error("expected at most {limit} bytes that wait for the disk, found {queued}")]
    Full {
        /// Bytes that wait.
        queued: usize,
        /// [`Options::max_queued_bytes`](crate::Options::max_queued_bytes).
        limit: usize,
    },
    /// The record alone is too long.
    #[error("expected a record of at most {limit} bytes, found {length}")]
    TooLarge {
        /// Bytes of the record.
        length: usize,
        /// [`Options::max_record_bytes`](crate::Options::max_record_bytes).
        limit: usize,
    },
    /// [`Ledger::close`](crate::Ledger::close) was called.
    #[error("the ledger is closed")]
    Closed,
}

/// A record did not reach stable storage.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the ledger has failed: {reason}")]
pub struct CommitError {
    /// What the disk said.
    pub reason: Arc<str>,
}

/// Why there is no checkpoint. The ledger goes on as before.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The disk failed.
    #[error(transparent)]
    Io(#[from] DiskError),
    /// The ledger has failed, so what the checkpoint would contain may never be on stable storage.
    #[error("the ledger has failed: {reason}")]
    Failed {
        /// What the disk said.
        reason: Arc<str>,
    },
    /// The state is older than a checkpoint that there is, or was rolled back since.
    #[error("expected a state newer than the checkpoint at {checkpoint}, found one at {at}")]
    Stale {
        /// The last record of the state that was offered.
        at: Sequence,
        /// The checkpoint that there is.
        checkpoint: Sequence,
    },
    /// The state contains records that were never appended.
    #[error("expected a state as of record {last} or before, found one at {at}")]
    Ahead {
        /// The last record of the state that was offered.
        at: Sequence,
        /// The last record that was appended.
        last: Sequence,
    },
    /// A record is too long.
    #[error("expected a record of at most {limit} bytes, found {length}")]
    TooLarge {
        /// Bytes of the record.
        length: usize,
        /// The limit of the format.
        limit: usize,
    },
    /// There is nothing to restart.
    #[error("the ledger has not failed")]
    NotFailed,
    /// The ledger is closed.
    #[error("the ledger is closed")]
    Closed,
}

/// An operation on a file of the ledger failed.
#[derive(Debug, Error)]
#[error("{action} `{file}`: {cause}")]
pub struct DiskError {
    /// What was to be done: `sync log segment`.
    pub action: &'static str,
    /// The file, or the folder.
    pub file: String,
    /// What the disk said. The text has it, so it is not the source too: a chain of errors would say it twice.
    pub cause: io::Error,
}

/// Adds to an error of the disk what was to be done, and with which file.
pub(crate) trait During<T> {
    fn during(self, action: &'static str, file: &str) -> Result<T, DiskError>;
}

impl<T> During<T> for io::Result<T> {
    fn during(self, action: &'static str, file: &str) -> Result<T, DiskError> {
        self.map_err(|cause| DiskError {
            action,
            file: file.to_owned(),
            cause,
        })
    }
}

/// Why a ledger cannot be opened. Nothing on disk has been changed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process has the folder.
    #[error("open ledger `{folder}`: it is in use by {holder}")]
    InUse {
        /// The folder.
        folder: String,
        /// For people: `process 4711`.
        holder: String,
    },
    /// The disk failed.
    #[error(transparent)]
    Io(#[from] DiskError),
    /// A file was written by a newer version.
    #[error(
        "open ledger `{folder}`: expected format version {known} or older, found version {found} in `{file}`\n\
         hint: this ledger was written by a newer version; start that version, or one after it"
    )]
    Newer {
        /// The folder.
        folder: String,
        /// The file.
        file: String,
        /// Its version.
        found: u32,
        /// The newest version that can be read.
        known: u32,
    },
    /// Something that had been acknowledged cannot be read.
    #[error(
        "open ledger `{folder}`: {damage}\n\
         hint: restore the folder from a backup, or let `wharf ledger repair` save what can be read"
    )]
    Damaged {
        /// The folder.
        folder: String,
        /// What is damaged.
        damage: Damage,
    },
    /// The one who replays refused a record.
    #[error("open ledger `{folder}`: record {sequence} cannot be replayed: {cause}")]
    Refused {
        /// The folder.
        folder: String,
        /// The record.
        sequence: Sequence,
        /// Why. It is in the text, as with [`DiskError`].
        cause: BoxError,
    },
}

impl OpenError {
    /// The folder could not be taken.
    pub(crate) fn not_locked(folder: &str, error: LockError) -> Self {
        let folder = folder.to_owned();
        match error {
            LockError::Held { holder } => Self::InUse { folder, holder },
            LockError::Io(cause) => Self::Io(DiskError {
                action: "lock ledger folder",
                file: folder,
                cause,
            }),
        }
    }
}

/// A damaged place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The file.
    pub file: String,
    /// Where in the file, in bytes.
    pub offset: u64,
    /// What was expected there, and what was found.
    pub what: &'static str,
    /// What cannot be read because of it.
    pub stake: Stake,
}

/// What cannot be read because of a damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stake {
    /// Acknowledged records of the log.
    Records {
        /// The first of them.
        from: Sequence,
        /// The last one known to have been acknowledged; there may be more.
        to: Sequence,
    },
    /// Part of a checkpoint, and so of the state at its time.
    Checkpoint {
        /// Records of the checkpoint that can be read before the damaged place.
        readable: u64,
    },
    /// All of a segment whose header is damaged.
    Segment,
}

impl fmt::Display for Damage {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            offset,
            what,
            stake,
        } = self;
        write!(out, "`{file}` is damaged at byte {offset}: {what}; ")?;
        match stake {
            Stake::Records { from, to } => {
                write!(
                    out,
                    "at stake are the acknowledged records {from} to {to} or later"
                )
            }
            Stake::Checkpoint { readable } => {
                write!(
                    out,
                    "at stake is all of the state beyond the first {readable} records of this checkpoint"
                )
            }
            Stake::Segment => write!(out, "at stake are all records of this segment"),
        }
    }
}
