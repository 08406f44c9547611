//! What was removed, for as long as it can be put back.
//!
//! A removal takes groups or families away because somebody asked for it: a wipe, a deletion by selector, of one group, of a
//! family. What a push replaces was not removed, nor what has expired. What a removal takes away is handed over before it is
//! made, as it is in memory: leaves that it shares from then on, so nobody waits for it. Somewhat later, and beside all that
//! goes on, it is written as records to an [archive](wharf_ledger::Archive), and nothing of it is in memory any more.
//!
//! # What survives
//! A removal has the number of its record in the ledger. It is written to the archive when that record is on stable storage, so
//! the archive never has what did not happen. A crash before it is written costs nothing: the ledger has the groups before their
//! removal, and a start that meets the record of a removal of which the archive has nothing takes from the groups, as they have
//! been read so far, what is about to go. A checkpoint takes the place of that, so it waits until the archive has what was removed
//! before it.

pub(crate) mod book;
pub(crate) mod keeper;
pub(crate) mod summary;
pub(crate) mod taken;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::{Clock, Revision, UnixNanos};

/// How much of what was removed is kept, and where.
#[derive(Clone)]
pub struct RemovedSettings {
    /// For how long; zero: not at all.
    pub max_age: Duration,
    /// How many bytes of records; zero: nothing.
    pub max_bytes: u64,
    /// Says what time it is.
    pub clock: Arc<dyn Clock>,
    /// The folder for it; none: memory.
    pub disk: Option<Arc<dyn wharf_ledger::Disk>>,
}

impl fmt::Debug for RemovedSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemovedSettings")
            .field("max_age", &self.max_age)
            .field("max_bytes", &self.max_bytes)
            .field("disk", &self.disk)
            .finish_non_exhaustive()
    }
}

/// Who removes something, for those who look at it later.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Author {
    /// Who it is; empty if that is not known.
    pub by: String,
    /// Where the request came from; empty if that is not known.
    pub address: String,
    /// What was asked for: a selector, a group, a family of it; empty if it was everything.
    pub what: String,
}

/// What kind of removal it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemovalKind {
    /// Everything.
    Wipe,
    /// Groups that a selector selected.
    Selector,
    /// One group.
    Group,
    /// A family of a group or of several.
    Family,
}

impl RemovalKind {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Wipe => "wipe",
            Self::Selector => "selector",
            Self::Group => "group",
            Self::Family => "family",
        }
    }
}

/// A removal.
#[derive(Debug, Clone, PartialEq)]
pub struct Removal {
    /// The number of its record in the ledger; of several, that of the first.
    pub id: Revision,
    /// When it was made; if a start found it in the ledger, when that was.
    pub at: UnixNanos,
    /// What it was.
    pub kind: RemovalKind,
    /// Who made it.
    pub author: Author,
    /// Groups that went, or lost a family.
    pub groups: u64,
    /// Lines of what went.
    pub series: u64,
    /// Bytes of these: of their text, and of the protobuf form of what text cannot say.
    pub bytes: u64,
    /// Until when it is kept.
    pub until: UnixNanos,
    /// Whether it was found in the ledger by a start: the process before has ended before it could say more of it.
    pub is_recovered: bool,
    /// What has become of it.
    pub state: RemovalState,
}

/// What has become of a removal.
#[derive(Debug, Clone, PartialEq)]
pub enum RemovalState {
    /// It can be undone.
    Kept,
    /// It was undone.
    Undone(UnixNanos),
    /// It cannot be undone.
    Lost(WhyLost),
}

/// Why a removal cannot be undone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WhyLost {
    /// Nothing is kept.
    Off,
    /// It is larger than all that is kept may be.
    TooLarge {
        /// The bound.
        max_bytes: u64,
    },
    /// Later ones needed its place.
    MadeRoom,
    /// More removals at once than can be written.
    TooMany,
    /// The disk failed.
    Disk(String),
    /// The log that the replicas share is full: it lets groups go and takes nothing.
    Full,
    /// A later version has written the group, and this one cannot read what it was.
    Unreadable,
    /// The log had forgotten what was there before it could be kept.
    Forgotten,
    /// The log has not taken all of it yet. Whether it does, the list of removals says.
    Unfinished,
}

/// What whoever removes something is told.
#[derive(Debug, Clone, PartialEq)]
pub enum Receipt {
    /// It can be undone.
    Kept {
        /// Under this number.
        id: Revision,
        /// Until then.
        until: UnixNanos,
    },
    /// It cannot be undone.
    Lost(WhyLost),
}

/// How removals are kept.
#[derive(Debug, Clone, PartialEq)]
pub struct RemovedStatus {
    /// For how long.
    pub max_age: Duration,
    /// How many bytes.
    pub max_bytes: u64,
    /// Bytes that are kept.
    pub bytes: u64,
    /// Removals that can be undone.
    pub removals: u64,
    /// Whether they survive a restart.
    pub is_durable: bool,
    /// How often one could not be written since the start.
    pub failures: u64,
}
