//! Something by grouping key.
//!
//! Many small tables, which know the number of a key by its hash, and what has these numbers in parts: no push pays for
//! moving all of what is there when there is one more, and the free room of a table, up to half of it, is room for numbers.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};
use wharf_model::GroupingKey;

use crate::memory::numbered::Numbered;

const TABLES: usize = 128;

/// A map in no order.
#[derive(Debug)]
pub(crate) struct ByKey<T> {
    tables: Vec<HashTable<u32>>,
    hasher: DefaultHashBuilder,
    entries: Numbered<(GroupingKey, T)>,
    len: usize,
    /// Numbers that were given before and are not now.
    free: Vec<u32>,
}

impl<T> Default for ByKey<T> {
    fn default() -> Self {
        Self {
            tables: (0..TABLES).map(|_| HashTable::new()).collect(),
            hasher: DefaultHashBuilder::default(),
            entries: Numbered::default(),
            len: 0,
            free: Vec::new(),
        }
    }
}

impl<T> ByKey<T> {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn contains_key(&self, key: &GroupingKey) -> bool {
        self.get(key).is_some()
    }

    pub(crate) fn get(&self, key: &GroupingKey) -> Option<&T> {
        self.get_key_value(key).map(|(_, value)| value)
    }

    /// With the key as it is kept.
    pub(crate) fn get_key_value(&self, key: &GroupingKey) -> Option<(&GroupingKey, &T)> {
        let number = self.find(self.hasher.hash_one(key), key)?;
        let (known, value) = self.entries.get(number)?;
        Some((known, value))
    }

    pub(crate) fn get_mut(&mut self, key: &GroupingKey) -> Option<&mut T> {
        let number = self.find(self.hasher.hash_one(key), key)?;
        let (_, value) = self.entries.get_mut(number)?;
        Some(value)
    }

    pub(crate) fn get_or_insert_with(&mut self, key: &GroupingKey, new: impl FnOnce() -> T) -> &mut T {
        let place = self.place(key);
        let (_, value) = place.get_or_insert_with(|| (key.clone(), new()));
        value
    }

    /// What was there before.
    pub(crate) fn insert(&mut self, key: GroupingKey, value: T) -> Option<T> {
        let before = self.place(&key).replace((key, value));
        before.map(|(_, value)| value)
    }

    pub(crate) fn remove(&mut self, key: &GroupingKey) -> Option<T> {
        let hash = self.hasher.hash_one(key);
        let entries = &self.entries;
        let found = self.tables[table_of(hash)].find_entry(hash, |number| is_of(entries, *number, key));
        let (number, _) = found.ok()?.remove();
        self.free.push(number);
        self.len -= 1;
        self.entries.remove(number).map(|(_, value)| value)
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &GroupingKey> {
        self.entries.iter().map(|(key, _)| key)
    }

    /// All, in no order.
    pub(crate) fn into_entries(self) -> impl Iterator<Item = (GroupingKey, T)> {
        self.entries.into_values()
    }

    fn find(&self, hash: u64, key: &GroupingKey) -> Option<u32> {
        let found = self.tables[table_of(hash)].find(hash, |number| is_of(&self.entries, *number, key));
        found.copied()
    }

    /// Where a key is; a place that is to be filled, if it is not there.
    fn place(&mut self, key: &GroupingKey) -> &mut Option<(GroupingKey, T)> {
        let hash = self.hasher.hash_one(key);
        let number = self.find(hash, key).unwrap_or_else(|| self.give_number(hash));
        self.entries.place(number)
    }

    fn give_number(&mut self, hash: u64) -> u32 {
        let Self {
            tables,
            hasher,
            entries,
            len,
            free,
        } = self;
        // If none is free, so many have been given.
        let number = free
            .pop()
            .unwrap_or_else(|| u32::try_from(*len).expect("4 billion groups do not fit into memory"));
        let hash_of = |number: &u32| {
            entries
                .get(*number)
                .map_or(0, |(known, _)| hasher.hash_one(known))
        };
        tables[table_of(hash)].insert_unique(hash, number, hash_of);
        *len += 1;
        number
    }
}

fn is_of<T>(entries: &Numbered<(GroupingKey, T)>, number: u32, key: &GroupingKey) -> bool {
    entries.get(number).is_some_and(|(known, _)| known == key)
}

/// A table takes its positions from the low bits and its tags from the high ones.
fn table_of(hash: u64) -> usize {
    usize::from(hash.to_le_bytes()[4]) % TABLES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_is_found_until_it_is_removed() {
        const MANY: usize = if cfg!(miri) { 50 } else { 5_000 };
        let key = |number: usize| GroupingKey::new([("job", number.to_string().as_str())]).unwrap();
        let mut map = ByKey::default();
        for number in 0..MANY {
            assert_eq!(map.insert(key(number), number), None);
            assert_eq!(map.insert(key(number), number + 1), Some(number));
        }
        assert_eq!(*map.get_or_insert_with(&key(3), || 0), 4);
        assert_eq!(*map.get_or_insert_with(&key(MANY), || 7), 7);
        assert_eq!(
            (map.len(), map.keys().count(), map.get(&key(MANY + 1))),
            (MANY + 1, MANY + 1, None)
        );
        assert!(map.tables.iter().filter(|table| !table.is_empty()).count() > TABLES / 4);
        for number in 0..=MANY {
            *map.get_mut(&key(number)).unwrap() += 1;
            assert!(map.remove(&key(number)).is_some());
            assert!(map.remove(&key(number)).is_none());
        }
        assert_eq!((map.len(), map.keys().count()), (0, 0));
        for number in 0..MANY {
            assert_eq!(map.insert(key(number), number), None);
        }
        // One of MANY + 1 numbers is left: those that were free have been given again.
        assert_eq!(map.free.len(), 1);
    }
}
