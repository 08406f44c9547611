//! Something by grouping key.
//!
//! Many small tables, so that no push pays for moving all of what is there when there is one more.

use std::hash::BuildHasher;

use hashbrown::hash_table::Entry;
use hashbrown::{DefaultHashBuilder, HashTable};
use wharf_model::GroupingKey;

const TABLES: usize = 128;

/// A map in no order.
#[derive(Debug)]
pub(crate) struct ByKey<T> {
    tables: Vec<HashTable<(GroupingKey, T)>>,
    hasher: DefaultHashBuilder,
    len: usize,
}

impl<T> Default for ByKey<T> {
    fn default() -> Self {
        Self {
            tables: (0..TABLES).map(|_| HashTable::new()).collect(),
            hasher: DefaultHashBuilder::default(),
            len: 0,
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
        let hash = self.hasher.hash_one(key);
        let found = self.tables[table_of(hash)].find(hash, |(known, _)| known == key);
        found.map(|(known, value)| (known, value))
    }

    pub(crate) fn get_mut(&mut self, key: &GroupingKey) -> Option<&mut T> {
        let hash = self.hasher.hash_one(key);
        let found = self.tables[table_of(hash)].find_mut(hash, |(known, _)| known == key);
        found.map(|(_, value)| value)
    }

    pub(crate) fn get_or_insert_with(&mut self, key: &GroupingKey, new: impl FnOnce() -> T) -> &mut T {
        let Self { tables, hasher, len } = self;
        let hash = hasher.hash_one(key);
        let entry = tables[table_of(hash)].entry(
            hash,
            |(known, _)| known == key,
            |(known, _)| hasher.hash_one(known),
        );
        let found = match entry {
            Entry::Occupied(found) => found.into_mut(),
            Entry::Vacant(place) => {
                *len += 1;
                place.insert((key.clone(), new())).into_mut()
            }
        };
        &mut found.1
    }

    /// What was there before.
    pub(crate) fn insert(&mut self, key: GroupingKey, value: T) -> Option<T> {
        let Self { tables, hasher, len } = self;
        let hash = hasher.hash_one(&key);
        let entry = tables[table_of(hash)].entry(
            hash,
            |(known, _)| *known == key,
            |(known, _)| hasher.hash_one(known),
        );
        match entry {
            Entry::Occupied(mut found) => Some(std::mem::replace(&mut found.get_mut().1, value)),
            Entry::Vacant(place) => {
                *len += 1;
                place.insert((key, value));
                None
            }
        }
    }

    pub(crate) fn remove(&mut self, key: &GroupingKey) -> Option<T> {
        let hash = self.hasher.hash_one(key);
        let found = self.tables[table_of(hash)].find_entry(hash, |(known, _)| known == key);
        let ((_, value), _) = found.ok()?.remove();
        self.len -= 1;
        Some(value)
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &GroupingKey> {
        self.tables.iter().flatten().map(|(key, _)| key)
    }
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
    }
}
