//! Numbers of groups.

use wharf_model::GroupingKey;

use crate::memory::index::GroupId;

/// Numbers of groups, so that the index needs four bytes for an owner.
#[derive(Debug, Default)]
pub(crate) struct GroupIds {
    keys: Vec<Option<GroupingKey>>,
    free: Vec<GroupId>,
}

impl GroupIds {
    pub(crate) fn take(&mut self, key: &GroupingKey) -> GroupId {
        if let Some(id) = self.free.pop() {
            self.keys[id.0 as usize] = Some(key.clone());
            return id;
        }
        let id = GroupId(u32::try_from(self.keys.len()).expect("4 billion groups do not fit into memory"));
        self.keys.push(Some(key.clone()));
        id
    }

    /// The group is gone, and its number can be given to another.
    pub(crate) fn release(&mut self, id: GroupId) {
        self.retire(id);
        self.free.push(id);
    }

    /// The group is gone. Its number is still in use where nobody has taken it out; [`Self::release`] follows.
    pub(crate) fn retire(&mut self, id: GroupId) {
        self.keys[id.0 as usize] = None;
    }

    pub(crate) fn key(&self, id: GroupId) -> Option<&GroupingKey> {
        self.keys.get(id.0 as usize)?.as_ref()
    }
}
