//! Numbers of changes.

use std::fmt;

/// The number of a change: later changes have higher numbers, and nothing is ever changed under a number again.
///
/// With a ledger it is the number of the change's record, so there may be gaps. In memory only, changes are counted from
/// the start. A group that was read from a checkpoint has the number of the checkpoint, which is that of its last change
/// or a later one: so an equal revision always means an equal group, also across a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Revision(pub u64);

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Revision {
    /// The number after this one.
    pub(crate) fn next(self) -> Self {
        Self(self.0 + 1)
    }
}
