//! Numbers of groups.

use hashbrown::HashMap;
use wharf_model::GroupingKey;

use crate::memory::index::GroupId;
use crate::memory::numbered::Numbered;

/// Numbers of groups, so that the index needs four bytes for an owner.
#[derive(Debug, Default)]
pub(crate) struct GroupIds {
    keys: Numbered<GroupingKey>,
    /// How many numbers there are, free ones among them.
    numbers: u32,
    free: Vec<GroupId>,
    /// Of a draft: the numbers that the state has given to its groups. Then none are given, and none are given back.
    given: Option<HashMap<GroupingKey, GroupId>>,
}

impl GroupIds {
    /// Those of a draft, whose groups have numbers already.
    pub(crate) fn given(given: HashMap<GroupingKey, GroupId>) -> Self {
        Self {
            given: Some(given),
            ..Self::default()
        }
    }

    /// The number of a group of a draft.
    pub(crate) fn given_to(&self, key: &GroupingKey) -> Option<GroupId> {
        self.given.as_ref()?.get(key).copied()
    }

    pub(crate) fn take(&mut self, key: &GroupingKey) -> GroupId {
        if let Some(given) = self.given_to(key) {
            return given;
        }
        let id = self.free.pop().unwrap_or_else(|| {
            let id = GroupId(self.numbers);
            self.numbers =
                id.0.checked_add(1)
                    .expect("4 billion groups do not fit into memory");
            id
        });
        self.keys.insert(id.0, key.clone());
        id
    }

    /// The group is gone, and its number can be given to another.
    pub(crate) fn release(&mut self, id: GroupId) {
        if self.given.is_none() {
            self.retire(id);
            self.free.push(id);
        }
    }

    /// The group is gone. The index may still have its number; [`Self::release`] follows when it does not.
    pub(crate) fn retire(&mut self, id: GroupId) {
        self.keys.remove(id.0);
    }

    /// The group is there again.
    pub(crate) fn reinstate(&mut self, id: GroupId, key: &GroupingKey) {
        self.keys.insert(id.0, key.clone());
    }

    /// Takes over the numbers of others, which get so much larger.
    pub(crate) fn absorb(&mut self, others: Self) -> u32 {
        let first = self.numbers;
        self.numbers = first
            .checked_add(others.numbers)
            .expect("4 billion groups do not fit into memory");
        for (number, key) in others.keys.into_numbered() {
            self.keys.insert(first + number, key);
        }
        let free = others.free.into_iter();
        self.free.extend(free.map(|id| GroupId(first + id.0)));
        first
    }

    #[cfg(test)]
    pub(crate) fn free(&self) -> usize {
        self.free.len()
    }

    /// Numbers that are not free.
    pub(crate) fn in_use(&self) -> usize {
        (self.numbers as usize).saturating_sub(self.free.len())
    }

    pub(crate) fn key(&self, id: GroupId) -> Option<&GroupingKey> {
        self.keys.get(id.0)
    }
}
