//! Which families a group has.
//!
//! The groups of one job mostly have the same families, so groups that do share one list.

use std::hash::BuildHasher;
use std::ops::Deref;
use std::sync::Arc;

use hashbrown::{DefaultHashBuilder, HashTable};

/// Names of families, sorted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Roster(Option<Arc<[Arc<str>]>>);

impl Deref for Roster {
    type Target = [Arc<str>];

    fn deref(&self) -> &[Arc<str>] {
        self.0.as_deref().unwrap_or_default()
    }
}

impl Roster {
    pub(crate) fn has(&self, name: &str) -> bool {
        self.binary_search_by(|known| (**known).cmp(name)).is_ok()
    }
}

/// All rosters in use.
#[derive(Debug, Default)]
pub(crate) struct Rosters {
    known: HashTable<Arc<[Arc<str>]>>,
    hasher: DefaultHashBuilder,
}

impl Rosters {
    /// Puts the roster of these names, which are sorted, in the place of another.
    pub(crate) fn replace(&mut self, roster: &mut Roster, names: Vec<Arc<str>>) {
        self.release(std::mem::take(roster));
        if names.is_empty() {
            return;
        }
        let hash = self.hasher.hash_one(names.as_slice());
        let hasher = |known: &Arc<[Arc<str>]>| self.hasher.hash_one(&**known);
        let entry = self.known.entry(hash, |known| **known == *names, hasher);
        *roster = Roster(Some(Arc::clone(entry.or_insert_with(|| names.into()).get())));
    }

    /// Forgets a roster if nobody else has it.
    pub(crate) fn release(&mut self, roster: Roster) {
        let Some(names) = roster.0 else { return };
        // One is here, the other in the table.
        if Arc::strong_count(&names) > 2 {
            return;
        }
        let hash = self.hasher.hash_one(&*names);
        if let Ok(entry) = self.known.find_entry(hash, |known| Arc::ptr_eq(known, &names)) {
            entry.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<Arc<str>> {
        names.iter().map(|name| Arc::from(*name)).collect()
    }

    #[test]
    fn equal_rosters_are_one_and_the_last_owner_takes_it_along() {
        let mut rosters = Rosters::default();
        let (mut first, mut second) = (Roster::default(), Roster::default());
        rosters.replace(&mut first, names(&["a", "b"]));
        rosters.replace(&mut second, names(&["a", "b"]));
        assert_eq!(first.as_ptr(), second.as_ptr());
        rosters.replace(&mut second, names(&["a", "c"]));
        assert!(first.has("b") && !second.has("b"));
        assert_eq!(rosters.known.len(), 2);
        rosters.release(first);
        assert_eq!(rosters.known.len(), 1);
        rosters.replace(&mut second, Vec::new());
        assert_eq!((second.len(), rosters.known.len()), (0, 0));
    }
}
