//! Which families a group has.
//!
//! The groups of one job mostly have the same families, so groups that do share one list.

use std::hash::BuildHasher;
use std::ops::Deref;
use std::sync::Arc;

use hashbrown::{DefaultHashBuilder, HashTable};

/// Names of families, sorted.
pub(crate) type Names = Arc<[Arc<str>]>;

/// The names of the families of a group.
#[derive(Debug, Clone, Default)]
pub(crate) struct Roster(Option<Names>);

impl Deref for Roster {
    type Target = [Arc<str>];

    fn deref(&self) -> &[Arc<str>] {
        self.0.as_deref().unwrap_or_default()
    }
}

impl Roster {
    /// The names, to be kept for longer. A short list is copied, since it is forgotten by the count of those who share it.
    pub(crate) fn names(&self) -> Names {
        match &self.0 {
            Some(names) if names.len() > MAX_SHARED => Arc::clone(names),
            _ => Arc::from(&**self),
        }
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.binary_search_by(|known| (**known).cmp(name)).is_ok()
    }
}

/// Longer lists are not shared: to find the other one takes as long as to read both.
const MAX_SHARED: usize = 1024;

/// All rosters in use.
#[derive(Debug, Default)]
pub(crate) struct Rosters {
    known: HashTable<Names>,
    hasher: DefaultHashBuilder,
}

impl Rosters {
    /// Puts the roster of these names, which are sorted, in the place of another.
    pub(crate) fn replace(&mut self, roster: &mut Roster, names: Vec<Arc<str>>) {
        drop(self.release(std::mem::take(roster)));
        if names.is_empty() {
            return;
        }
        if names.len() > MAX_SHARED {
            *roster = Roster(Some(names.into()));
            return;
        }
        let hash = self.hasher.hash_one(names.as_slice());
        let hasher = |known: &Arc<[Arc<str>]>| self.hasher.hash_one(&**known);
        let entry = self.known.entry(hash, |known| **known == *names, hasher);
        *roster = Roster(Some(Arc::clone(entry.or_insert_with(|| names.into()).get())));
    }

    /// Forgets a roster if nobody else has it. A long one is left, to be freed when nobody waits.
    pub(crate) fn release(&mut self, roster: Roster) -> Option<Names> {
        let names = roster.0?;
        if names.len() > MAX_SHARED {
            return Some(names);
        }
        // One is here, the other in the table.
        if Arc::strong_count(&names) > 2 {
            return None;
        }
        let hash = self.hasher.hash_one(&*names);
        if let Ok(entry) = self.known.find_entry(hash, |known| Arc::ptr_eq(known, &names)) {
            entry.remove();
        }
        None
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
        assert!(rosters.release(first).is_none());
        assert_eq!(rosters.known.len(), 1);
        rosters.replace(&mut second, Vec::new());
        assert_eq!((second.len(), rosters.known.len()), (0, 0));
    }
}
