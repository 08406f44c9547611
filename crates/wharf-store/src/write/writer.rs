//! Where changes go.

use std::sync::Arc;

use crate::feed::Feed;
use crate::write::local::Local;
use crate::write::shared::Shared;

/// The writer of a store. It stays the same as long as the store lives.
#[derive(Debug)]
pub(crate) enum Writer {
    /// Memory, and a ledger of its own if it has one.
    Local(Local),
    /// A log that is shared with other replicas.
    Shared(Arc<Shared>),
}

impl Writer {
    /// What changes have done.
    pub(crate) fn feed(&self) -> &Arc<Feed> {
        match self {
            Self::Local(local) => local.feed(),
            Self::Shared(shared) => shared.feed(),
        }
    }
}
