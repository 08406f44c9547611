//! What writers have done.

use std::time::Duration;

use crate::write::shared::Counts;

/// What the writer has done since the start, and how it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WriterStatistics {
    /// Whether changes can be stored.
    pub is_up: bool,
    /// Changes that were written.
    pub records: u64,
    /// How often changes were committed, those together that came together.
    pub commits: u64,
    /// The time that took.
    pub commit_time: Duration,
    /// How often the writer has failed.
    pub failures: u64,
    /// What else there is to say of it.
    pub detail: Detail,
}

/// What there is to say of one kind of writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Detail {
    /// It writes files.
    Files(Files),
    /// It sends transactions to a log that replicas share.
    Shared(Counts),
}

impl Default for Detail {
    fn default() -> Self {
        Self::Files(Files::default())
    }
}

/// What a writer of files has done since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Files {
    /// Bytes of the log and of checkpoints that were written.
    pub written_bytes: u64,
    /// Bytes of the log since the last checkpoint.
    pub log_bytes: u64,
    /// Files of the log that are in use.
    pub segments: u64,
    /// Checkpoints that were written.
    pub checkpoints: u64,
}
