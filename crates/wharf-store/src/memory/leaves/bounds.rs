//! A sorted list of bounds and what is under them.
//!
//! Neighbouring keys begin alike (`instance`, `i1234…`), and each lies elsewhere in memory. So the list knows how many
//! bytes all its bounds have in common, and keeps the eight bytes behind those side by side as one number: most
//! comparisons of a search need no more.

use std::ops::Deref;
use std::sync::Arc;

use wharf_model::GroupingKey;

/// Something, and the key from which on it has all keys.
#[derive(Debug)]
pub(crate) struct Entry<T> {
    pub(super) bound: GroupingKey,
    pub(super) below: Arc<T>,
    /// The bytes of the bound behind those that all have in common, as [`head_of`] has them.
    head: u64,
}

impl<T> Entry<T> {
    pub(super) fn new(bound: GroupingKey, below: Arc<T>) -> Self {
        Self {
            bound,
            below,
            head: 0,
        }
    }

    fn look_behind(&mut self, common: usize) {
        self.head = head_of(self.bound.as_bytes().get(common..).unwrap_or_default());
    }
}

impl<T> Clone for Entry<T> {
    fn clone(&self) -> Self {
        Self {
            bound: self.bound.clone(),
            below: Arc::clone(&self.below),
            head: self.head,
        }
    }
}

/// Entries in the order of their bounds.
#[derive(Debug)]
pub(crate) struct Bounds<T> {
    entries: Vec<Entry<T>>,
    /// So many bytes are the same in all bounds.
    common: usize,
}

impl<T> Default for Bounds<T> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            common: 0,
        }
    }
}

impl<T> Clone for Bounds<T> {
    fn clone(&self) -> Self {
        Self {
            entries: self.entries.clone(),
            common: self.common,
        }
    }
}

impl<T> From<Vec<Entry<T>>> for Bounds<T> {
    fn from(entries: Vec<Entry<T>>) -> Self {
        let mut bounds = Self {
            entries: Vec::with_capacity(entries.len()),
            common: 0,
        };
        for entry in entries {
            bounds.push(entry);
        }
        bounds
    }
}

impl<T> Deref for Bounds<T> {
    type Target = [Entry<T>];

    fn deref(&self) -> &[Entry<T>] {
        &self.entries
    }
}

impl<T> Bounds<T> {
    /// The last entry whose bound is not above the key; the first one if all are.
    pub(super) fn position(&self, key: &GroupingKey) -> usize {
        let above = match (self.entries.first(), key.as_bytes().split_at_checked(self.common)) {
            (Some(first), Some((common, rest))) if first.bound.as_bytes().starts_with(common) => {
                let head = head_of(rest);
                self.entries
                    .partition_point(|entry| entry.head < head || (entry.head == head && entry.bound <= *key))
            }
            _ => self.entries.partition_point(|entry| entry.bound <= *key),
        };
        above.saturating_sub(1)
    }

    /// What is under a bound, to change it.
    pub(super) fn below_mut(&mut self, position: usize) -> &mut Arc<T> {
        &mut self.entries[position].below
    }

    /// Gives an entry a bound that is lower, but above the bound before.
    pub(super) fn lower(&mut self, position: usize, bound: GroupingKey) {
        self.entries[position].bound = bound;
        self.compare();
        self.entries[position].look_behind(self.common);
    }

    pub(super) fn insert(&mut self, position: usize, entry: Entry<T>) {
        // Very many lists have one entry, and stay so.
        if self.entries.len() == self.entries.capacity() {
            self.entries.reserve_exact(self.entries.len() / 2 + 1);
        }
        self.entries.insert(position, entry);
        self.compare();
        self.entries[position].look_behind(self.common);
    }

    pub(super) fn push(&mut self, entry: Entry<T>) {
        self.insert(self.entries.len(), entry);
    }

    pub(super) fn remove(&mut self, position: usize) {
        self.entries.remove(position);
        self.compare();
    }

    /// Takes the entries from a position on away.
    pub(super) fn split_off(&mut self, position: usize) -> Self {
        let upper = self.entries.split_off(position);
        self.compare();
        upper.into()
    }

    /// Adds entries whose bounds are above all that are there.
    pub(super) fn append(&mut self, upper: &[Entry<T>]) {
        for entry in upper {
            self.push(entry.clone());
        }
    }

    /// Finds what the bounds have in common.
    fn compare(&mut self) {
        // What the first and the last begin with, those between them begin with.
        let common = match self.entries.as_slice() {
            [first, .., last] => {
                let pairs = first.bound.as_bytes().iter().zip(last.bound.as_bytes());
                pairs.take_while(|(a, b)| a == b).count()
            }
            _ => 0,
        };
        if common != self.common {
            self.common = common;
            for entry in &mut self.entries {
                entry.look_behind(common);
            }
        }
    }
}

/// The first eight bytes as a number, so that numbers are in the order of the bytes; zeros where there are fewer. Equal
/// numbers say nothing.
fn head_of(bytes: &[u8]) -> u64 {
    if let Some(head) = bytes.first_chunk() {
        return u64::from_be_bytes(*head);
    }
    let mut head = [0; 8];
    for (byte, have) in head.iter_mut().zip(bytes) {
        *byte = *have;
    }
    u64::from_be_bytes(head)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(value: &str) -> GroupingKey {
        GroupingKey::new([("job", "j"), ("name", value)]).unwrap()
    }

    proptest! {
        #[test]
        #[cfg_attr(miri, ignore = "too large for an interpreter")]
        fn a_search_finds_what_comparing_whole_keys_finds(
            values in prop::collection::btree_set("a{0,12}[ab\u{1}]{1,3}", 0..40),
            kept in 0..40_usize,
            gone in 0..40_usize,
            sought in prop::collection::vec("a{0,12}[ab\u{1}]{1,3}", 1..40),
        ) {
            let mut keys: Vec<GroupingKey> = values.iter().map(|value| key(value)).collect();
            keys.sort();
            let entry = |bound: &GroupingKey| Entry::new(bound.clone(), Arc::new(()));
            let mut bounds = Bounds::default();
            // From the middle to the ends, and with some that go again.
            let (lower, upper) = keys.split_at(keys.len() / 2);
            for bound in lower.iter().rev() {
                bounds.insert(0, entry(bound));
            }
            for bound in upper {
                bounds.push(entry(bound));
            }
            let upper = bounds.split_off(kept.min(keys.len()));
            bounds.append(&upper);
            if let Some(position) = gone.checked_rem(keys.len()) {
                bounds.remove(position);
                keys.remove(position);
            }
            if let Some(first) = keys.first_mut() {
                *first = key("");
                bounds.lower(0, first.clone());
            }
            for value in sought.iter().chain(&values) {
                let key = key(value);
                let expected = keys.partition_point(|bound| *bound <= key).saturating_sub(1);
                prop_assert_eq!(bounds.position(&key), expected);
            }
        }
    }
}
