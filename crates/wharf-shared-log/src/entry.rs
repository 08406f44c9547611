//! What a log has: keys, values, and changes of them.

use std::fmt;

use bytes::Bytes;

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
