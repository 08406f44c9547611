//! A durable log of opaque records.
//!
//! Whoever keeps all of a state in memory appends one record for each change, and at any time hands over a checkpoint:
//! records that, replayed into an empty state, give the state as it was at some record. After a restart the newest
//! checkpoint is replayed, and then what was appended after it.
//!
//! What always holds:
//!
//! - A record whose [`Ticket`] has resolved without an error is on stable storage (with [`SyncMode::Always`]), and is
//!   replayed after any power cut.
//! - What is replayed is a prefix of what was appended, in the same order, each record once.
//! - Damage to acknowledged records is an error that names the place; it is never skipped, and nothing is replayed
//!   that was not appended.
//! - Appending never waits for the disk. Everything that queues has a bound.
//!
//! The bytes on disk are described in `docs/ledger-format.md`.

#![warn(clippy::indexing_slicing, clippy::string_slice)]

use std::{
    fmt,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

mod archive;
mod checkpoint;
mod commit;
mod disk;
mod error;
mod format;
mod ledger;
mod offline;
mod pool;
mod read;
mod recover;
mod ticket;

pub use archive::{Archive, ArchiveDamage, ArchiveError, ArchivedEntry, EntryReader, Place};
pub use commit::{Framed, Health};
pub use disk::{Disk, DiskFile, DiskLock, LockError, MemoryDisk, RealDisk};
#[cfg(any(test, feature = "testing"))]
pub use disk::{Fault, Paused, SimulatedDisk};
pub use error::{AppendError, BoxError, CheckpointError, CommitError, Damage, DiskError, OpenError, Stake};
pub use ledger::{CheckpointReport, Ledger, Statistics};
pub use offline::{
    BackupError, FileReport, FoundRecord, RepairError, Repaired, Report, RestoreError, Restored, backup,
    check, files_of_a_ledger, is_overtaken, repair, restore, scan, until_not_overtaken,
};
pub use recover::{NotReplayed, Recovery, Replay, Replayed, Torn};
pub use ticket::Ticket;

/// The number of a record: 1, 2, 3 and so on; 0 is before the first. Numbers grow, and some may be missing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence(pub u64);

impl fmt::Display for Sequence {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

/// When records are brought to stable storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncMode {
    /// Before their tickets resolve.
    Always,
    /// At most this long after they were appended; tickets resolve at once. A crash of the process or the machine
    /// loses at most the records of this time, the newest first.
    Every(Duration),
}

/// How a ledger is to work.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Length of a log segment, in bytes. A block of records that is longer still gets a segment of its own length.
    pub segment_bytes: u64,
    /// When records are brought to stable storage.
    pub sync: SyncMode,
    /// Longest record, in bytes; at most 1 GiB. A longer one is refused with [`AppendError::TooLarge`].
    pub max_record_bytes: usize,
    /// Bytes of records that may wait for the disk; beyond them [`AppendError::Full`]. One record is always let in
    /// when none waits.
    pub max_queued_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            segment_bytes: 64 << 20,
            sync: SyncMode::Always,
            max_record_bytes: format::MAX_RECORD_BYTES,
            max_queued_bytes: 256 << 20,
        }
    }
}

/// Locks. Nothing behind these locks is left half changed by a panic, so a poisoned one is as good as any.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn wait<'g, T>(condition: &Condvar, guard: MutexGuard<'g, T>) -> MutexGuard<'g, T> {
    condition.wait(guard).unwrap_or_else(PoisonError::into_inner)
}

fn wait_timeout<'g, T>(condition: &Condvar, guard: MutexGuard<'g, T>, time: Duration) -> MutexGuard<'g, T> {
    condition
        .wait_timeout(guard, time)
        .unwrap_or_else(PoisonError::into_inner)
        .0
}
