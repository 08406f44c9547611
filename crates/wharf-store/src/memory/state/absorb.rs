//! Two states that have no group in common become one.

use std::collections::HashMap;
use std::sync::Arc;

use wharf_model::GroupingKey;

use super::State;
use crate::memory::family_names::FamilyNames;
use crate::memory::index::GroupId;

impl State {
    /// Takes over all that another state has, which has none of the same groups, and which nobody else looks at. Its limits are
    /// not taken over: those of this state count what comes.
    pub(crate) fn absorb(&mut self, other: Self) {
        if self.groups() == 0 {
            self.be(other);
            return;
        }
        let Self {
            mut families,
            groups,
            ids,
            name_sets,
            index,
            lifetimes,
            series_ends,
            size,
            litter,
            work,
            heaviest,
            ..
        } = other;
        drop(litter);
        let names: Vec<Arc<str>> = families.keys().cloned().collect();
        for name in names {
            let Some(family) = families.remove(&*name) else {
                continue;
            };
            match self.families.get_mut(&*name) {
                Some(stored) => Arc::make_mut(stored).absorb(Arc::unwrap_or_clone(family)),
                None => drop(self.families.insert(name, family)),
            }
        }
        let first = self.ids.absorb(ids);
        self.index.absorb(index, first);
        self.lifetimes.absorb(&lifetimes);
        self.series_ends.absorb(series_ends);
        self.size = self.size.plus(size);
        self.worked(work.get());
        self.heaviest = self.heaviest.max(heaviest);
        // Very many groups have the same list.
        let mut lists: HashMap<*const Arc<str>, FamilyNames> = HashMap::new();
        for (key, mut group) in groups.into_entries() {
            group.id = GroupId(first + group.id.0);
            let names = std::mem::take(&mut group.families);
            let list = names.as_ptr();
            let shared = lists.entry(list).or_insert_with(|| {
                let shared = names.into_names().map(|names| self.name_sets.share(&names).0);
                shared.unwrap_or_default()
            });
            group.families = shared.clone();
            let counted = self.accounts.has_quotas().then(|| key.clone());
            self.groups.insert(key, group);
            if let Some(key) = counted {
                self.enlist(&key);
            }
        }
        drop(name_sets);
    }

    /// Is another state from now on, of which these limits count what there is. There was nothing.
    fn be(&mut self, other: Self) {
        let before = std::mem::replace(self, other);
        self.worked(before.work());
        self.accounts = before.accounts;
        if self.accounts.has_quotas() {
            let keys: Vec<GroupingKey> = self.groups.keys().cloned().collect();
            for key in &keys {
                self.enlist(key);
            }
        }
    }
}
