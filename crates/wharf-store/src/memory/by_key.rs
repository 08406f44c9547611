//! Something by grouping key.
//!
//! Many small tables, which know by the hash of a key the number of its place, and places in parts of some hundred: no push
//! pays for moving all of what is there when there is one more, and the free room of a table, up to half of it, is room for
//! numbers.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};
use wharf_model::GroupingKey;

const TABLES: usize = 128;

/// A map in no order.
#[derive(Debug)]
pub(crate) struct ByKey<T> {
    tables: Vec<HashTable<u32>>,
    hasher: DefaultHashBuilder,
    places: Places<T>,
}

impl<T> Default for ByKey<T> {
    fn default() -> Self {
        Self {
            tables: (0..TABLES).map(|_| HashTable::new()).collect(),
            hasher: DefaultHashBuilder::default(),
            places: Places::default(),
        }
    }
}

impl<T> ByKey<T> {
    pub(crate) fn len(&self) -> usize {
        self.places.taken
    }

    pub(crate) fn contains_key(&self, key: &GroupingKey) -> bool {
        self.get(key).is_some()
    }

    pub(crate) fn get(&self, key: &GroupingKey) -> Option<&T> {
        self.get_key_value(key).map(|(_, value)| value)
    }

    /// With the key as it is kept.
    pub(crate) fn get_key_value(&self, key: &GroupingKey) -> Option<(&GroupingKey, &T)> {
        let (known, value) = self.places.get(self.find(key)?)?;
        Some((known, value))
    }

    pub(crate) fn get_mut(&mut self, key: &GroupingKey) -> Option<&mut T> {
        let place = self.find(key)?;
        let (_, value) = self.places.get_mut(place).as_mut()?;
        Some(value)
    }

    pub(crate) fn get_or_insert_with(&mut self, key: &GroupingKey, new: impl FnOnce() -> T) -> &mut T {
        let place = self.place_of(key);
        let (_, value) = self
            .places
            .get_mut(place)
            .get_or_insert_with(|| (key.clone(), new()));
        value
    }

    /// What was there before.
    pub(crate) fn insert(&mut self, key: GroupingKey, value: T) -> Option<T> {
        let place = self.place_of(&key);
        let before = self.places.get_mut(place).replace((key, value));
        before.map(|(_, value)| value)
    }

    pub(crate) fn remove(&mut self, key: &GroupingKey) -> Option<T> {
        let hash = self.hasher.hash_one(key);
        let places = &self.places;
        let found = self.tables[table_of(hash)].find_entry(hash, |place| places.has(*place, key));
        let (place, _) = found.ok()?.remove();
        self.places.free(place).map(|(_, value)| value)
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &GroupingKey> {
        self.places.parts.iter().flatten().flatten().map(|(key, _)| key)
    }

    fn find(&self, key: &GroupingKey) -> Option<u32> {
        self.find_hashed(self.hasher.hash_one(key), key)
    }

    fn find_hashed(&self, hash: u64, key: &GroupingKey) -> Option<u32> {
        let found = self.tables[table_of(hash)].find(hash, |place| self.places.has(*place, key));
        found.copied()
    }

    /// The place of a key; a new one, which is to be filled, if it has none.
    fn place_of(&mut self, key: &GroupingKey) -> u32 {
        let hash = self.hasher.hash_one(key);
        if let Some(place) = self.find_hashed(hash, key) {
            return place;
        }
        let place = self.places.take();
        let Self {
            tables,
            hasher,
            places,
        } = self;
        let hash_of = |place: &u32| places.get(*place).map_or(0, |(known, _)| hasher.hash_one(known));
        tables[table_of(hash)].insert_unique(hash, place, hash_of);
        place
    }
}

/// A table takes its positions from the low bits and its tags from the high ones.
fn table_of(hash: u64) -> usize {
    usize::from(hash.to_le_bytes()[4]) % TABLES
}

const PART: usize = 256;

/// Places with numbers.
#[derive(Debug)]
struct Places<T> {
    parts: Vec<Vec<Option<(GroupingKey, T)>>>,
    free: Vec<u32>,
    taken: usize,
}

impl<T> Default for Places<T> {
    fn default() -> Self {
        Self {
            parts: Vec::new(),
            free: Vec::new(),
            taken: 0,
        }
    }
}

impl<T> Places<T> {
    fn get(&self, place: u32) -> Option<&(GroupingKey, T)> {
        let at = place as usize;
        self.parts.get(at / PART)?.get(at % PART)?.as_ref()
    }

    /// A place that has been taken.
    fn get_mut(&mut self, place: u32) -> &mut Option<(GroupingKey, T)> {
        let at = place as usize;
        &mut self.parts[at / PART][at % PART]
    }

    fn has(&self, place: u32, key: &GroupingKey) -> bool {
        self.get(place).is_some_and(|(known, _)| known == key)
    }

    /// A place that is free, which is not any more.
    fn take(&mut self) -> u32 {
        let free = self.free.pop();
        let place = free.unwrap_or_else(|| {
            if self.parts.last().is_none_or(|last| last.len() == PART) {
                self.parts.push(Vec::new());
            }
            let end = self.taken;
            self.parts[end / PART].push(None);
            u32::try_from(end).expect("4 billion groups do not fit into memory")
        });
        self.taken += 1;
        place
    }

    fn free(&mut self, place: u32) -> Option<(GroupingKey, T)> {
        let was = self.get_mut(place).take();
        self.free.push(place);
        self.taken -= 1;
        was
    }
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
        assert_eq!(
            map.places.parts.iter().map(Vec::len).sum::<usize>(),
            MANY + 1,
            "places are used again"
        );
    }
}
