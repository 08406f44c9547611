//! What was taken out at once, for those who clear up after it, or put it back.

use std::sync::Arc;

use hashbrown::HashSet;
use wharf_model::GroupingKey;

use crate::Revision;
use crate::lifetime::Lifetime;
use crate::memory::family_names::Names;
use crate::memory::index::GroupId;
use crate::memory::without::Families;

/// What was taken out of a group at once, and where it still is.
#[derive(Debug, Clone)]
pub(crate) struct Taken {
    pub(crate) key: GroupingKey,
    pub(crate) id: GroupId,
    pub(crate) revision: Revision,
    pub(crate) lifetime: Option<Lifetime>,
    /// All families that it had.
    pub(crate) names: Names,
    /// Those that it has still.
    pub(crate) stay: Arc<HashSet<Box<str>>>,
    /// All families as they were.
    pub(crate) families: Families,
    /// Whether the group is gone.
    pub(crate) is_gone: bool,
    /// The state that it was taken from; after a wipe there is another.
    pub(super) from: Arc<()>,
}
