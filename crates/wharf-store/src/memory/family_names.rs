//! Which families a group has.
//!
//! The groups of one job mostly have the same families, so groups that do share one list.

use std::collections::BTreeSet;
use std::hash::BuildHasher;
use std::ops::Deref;
use std::sync::Arc;

use hashbrown::{DefaultHashBuilder, HashTable};

/// Names of families, sorted.
pub(crate) type Names = Arc<[Arc<str>]>;

/// The names of the families of a group.
#[derive(Debug, Clone, Default)]
pub(crate) struct FamilyNames(Option<Names>);

impl Deref for FamilyNames {
    type Target = [Arc<str>];

    fn deref(&self) -> &[Arc<str>] {
        self.0.as_deref().unwrap_or_default()
    }
}

impl FamilyNames {
    /// The names, to be kept for longer. A short list is copied, since it is forgotten by the count of those who share it.
    pub(crate) fn names(&self) -> Names {
        match &self.0 {
            Some(names) if names.len() > MAX_SHARED => Arc::clone(names),
            _ => Arc::from(&**self),
        }
    }

    /// The names themselves.
    pub(crate) fn into_names(self) -> Option<Names> {
        self.0
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.binary_search_by(|known| (**known).cmp(name)).is_ok()
    }
}

/// Longer lists are not shared: to find the other one takes as long as to read both.
pub(crate) const MAX_SHARED: usize = 1024;

/// All that are in use.
#[derive(Debug, Default)]
pub(crate) struct FamilyNameSets {
    /// With their hashes: to make them all anew, when the table grows, would take long.
    known: HashTable<(u64, Names)>,
    hasher: DefaultHashBuilder,
}

impl FamilyNameSets {
    /// Puts these names, which are sorted, in the place of others.
    pub(crate) fn replace(&mut self, family_names: &mut FamilyNames, names: Vec<Arc<str>>) {
        drop(self.release(std::mem::take(family_names)));
        if names.is_empty() {
            return;
        }
        if names.len() > MAX_SHARED {
            *family_names = FamilyNames(Some(names.into()));
            return;
        }
        let hash = self.hasher.hash_one(names.as_slice());
        let entry = self
            .known
            .entry(hash, |known| *known.1 == *names, |known| known.0);
        let entry = entry.or_insert_with(|| (hash, names.into()));
        *family_names = FamilyNames(Some(Arc::clone(&entry.get().1)));
    }

    /// These names, which are sorted, as one more group has them; and how many were looked at.
    pub(crate) fn share(&mut self, names: &Names) -> (FamilyNames, usize) {
        if names.is_empty() {
            return (FamilyNames::default(), 0);
        }
        if names.len() > MAX_SHARED {
            return (FamilyNames(Some(Arc::clone(names))), 0);
        }
        let hash = self.hasher.hash_one(&**names);
        let entry = self
            .known
            .entry(hash, |known| *known.1 == **names, |known| known.0);
        let entry = entry.or_insert_with(|| (hash, Arc::clone(names)));
        (FamilyNames(Some(Arc::clone(&entry.get().1))), names.len())
    }

    /// Forgets the lists that nobody has. Changes that are taken back hold lists while others of them are released, which
    /// stay then.
    pub(crate) fn forget_unused(&mut self) {
        self.known.retain(|(_, names)| Arc::strong_count(names) > 1);
    }

    /// All of them that can be shared; those that are long are not here.
    pub(crate) fn audit(&self) -> BTreeSet<&[Arc<str>]> {
        self.known.iter().map(|(_, names)| &**names).collect()
    }

    /// Forgets names if nobody else has them. Many are left, to be freed when nobody waits.
    pub(crate) fn release(&mut self, family_names: FamilyNames) -> Option<Names> {
        let names = family_names.0?;
        if names.len() > MAX_SHARED {
            return Some(names);
        }
        // One is here, the other in the table.
        if Arc::strong_count(&names) > 2 {
            return None;
        }
        let hash = self.hasher.hash_one(&*names);
        if let Ok(entry) = self.known.find_entry(hash, |known| Arc::ptr_eq(&known.1, &names)) {
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
    fn equal_names_are_one_and_the_last_owner_takes_it_along() {
        let mut name_sets = FamilyNameSets::default();
        let (mut first, mut second) = (FamilyNames::default(), FamilyNames::default());
        name_sets.replace(&mut first, names(&["a", "b"]));
        name_sets.replace(&mut second, names(&["a", "b"]));
        assert_eq!(first.as_ptr(), second.as_ptr());
        name_sets.replace(&mut second, names(&["a", "c"]));
        assert!(first.has("b") && !second.has("b"));
        assert_eq!(name_sets.known.len(), 2);
        assert!(name_sets.release(first).is_none());
        assert_eq!(name_sets.known.len(), 1);
        name_sets.replace(&mut second, Vec::new());
        assert_eq!((second.len(), name_sets.known.len()), (0, 0));
    }
}
