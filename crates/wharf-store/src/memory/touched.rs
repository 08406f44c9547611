//! What has changed, for those who watch.

use std::sync::Arc;

use wharf_model::GroupingKey;

/// A fragment that was put or removed, or a group of which something else has changed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Touched {
    /// The family; none if it is the group.
    pub(crate) name: Option<Arc<str>>,
    pub(crate) key: GroupingKey,
}

impl Touched {
    pub(crate) fn fragment(name: &Arc<str>, key: &GroupingKey) -> Self {
        Self {
            name: Some(Arc::clone(name)),
            key: key.clone(),
        }
    }

    pub(crate) fn group(key: &GroupingKey) -> Self {
        let (name, key) = (None, key.clone());
        Self { name, key }
    }
}
