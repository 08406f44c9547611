//! Where entries stand, and what goes wrong with them.

use thiserror::Error;

use crate::{error::DiskError, format};

/// Where an entry stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The number of the file.
    pub file: u64,
    pub(super) offset: u64,
}

/// What could not be read of an archive. What stands before it could.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{file}` is damaged at byte {offset}: {what}")]
pub struct ArchiveDamage {
    /// The file.
    pub file: String,
    /// Where in the file, in bytes.
    pub offset: u64,
    /// What was expected there, and what was found.
    pub what: &'static str,
}

/// Why an entry is not kept, or not read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// It is longer than all entries together may be.
    #[error("expected at most {max_bytes} bytes, found more")]
    TooLarge {
        /// The bound.
        max_bytes: u64,
    },
    /// The disk failed.
    #[error(transparent)]
    Io(#[from] DiskError),
    /// It cannot be read.
    #[error(transparent)]
    Damaged(#[from] ArchiveDamage),
    /// It has gone.
    #[error("the entry has gone")]
    Gone,
}

/// A file with entries.
#[derive(Debug, Clone, Copy)]
pub(super) struct File {
    pub(super) number: u64,
    pub(super) stamp: u64,
    /// Up to the end of its last entry.
    pub(super) bytes: u64,
}

impl File {
    pub(super) fn name(&self) -> String {
        format::archive_name(self.number)
    }
}
