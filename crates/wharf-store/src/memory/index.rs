//! Who owns which series.
//!
//! One entry of eight bytes a series: 32 bits of its fingerprint and the number of the group that owns it. The
//! other fingerprint bits choose the shard. A hit is a hint only, since fingerprints collide: the caller looks
//! at the owner's series before it refuses anything. Shards grow one by one, so that no push pays for moving
//! the whole table.

use hashbrown::HashTable;

use crate::series::Fingerprint;

/// Number of a group, reused after the group is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct GroupId(pub(crate) u32);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    fingerprint: u32,
    owner: GroupId,
}

const SHARDS: usize = 256;

/// An entry as it is put in or taken out.
pub(crate) type Hint = (Fingerprint, GroupId);

#[derive(Debug)]
pub(crate) struct SeriesIndex {
    /// None in the index of a draft, which finds nothing and takes down what is to be done to that of the state.
    shards: Vec<HashTable<Entry>>,
    noted: Hints,
}

/// What is to be done to an index.
#[derive(Debug, Default)]
pub(crate) struct Hints {
    /// Entries to be put in.
    pub(crate) new: Vec<Hint>,
    /// Entries to be taken out.
    pub(crate) old: Vec<Hint>,
}

impl Default for SeriesIndex {
    fn default() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| HashTable::new()).collect(),
            noted: Hints::default(),
        }
    }
}

impl SeriesIndex {
    /// The index of a draft.
    pub(crate) fn of_draft() -> Self {
        Self {
            shards: Vec::new(),
            noted: Hints::default(),
        }
    }

    /// What the index of a draft has taken down.
    pub(crate) fn noted(&mut self) -> &mut Hints {
        &mut self.noted
    }

    pub(crate) fn insert(&mut self, whole: Fingerprint, owner: GroupId) {
        let (shard, fingerprint) = split(whole);
        if let Some(table) = self.shards.get_mut(shard) {
            table.insert_unique(spread(fingerprint), Entry { fingerprint, owner }, |entry| {
                spread(entry.fingerprint)
            });
        } else {
            self.noted.new.push((whole, owner));
        }
    }

    /// Removes one entry; two series of a group may share their 32 bits, then one entry stays for the other.
    pub(crate) fn remove(&mut self, whole: Fingerprint, owner: GroupId) {
        let (shard, fingerprint) = split(whole);
        let entry = Entry { fingerprint, owner };
        let Some(table) = self.shards.get_mut(shard) else {
            self.noted.old.push((whole, owner));
            return;
        };
        if let Ok(occupied) = table.find_entry(spread(fingerprint), |candidate| *candidate == entry) {
            occupied.remove();
        }
    }

    /// The groups that may own a series of this fingerprint.
    pub(crate) fn owners(&self, fingerprint: Fingerprint) -> impl Iterator<Item = GroupId> {
        let (shard, fingerprint) = split(fingerprint);
        let table = self.shards.get(shard);
        table
            .into_iter()
            .flat_map(move |table| table.iter_hash(spread(fingerprint)))
            .filter(move |entry| entry.fingerprint == fingerprint)
            .map(|entry| entry.owner)
    }

    /// Takes over the entries of another, whose owners have numbers that are so much larger here.
    pub(crate) fn absorb(&mut self, other: Self, first: u32) {
        for (table, others) in self.shards.iter_mut().zip(other.shards) {
            let hash = |entry: &Entry| spread(entry.fingerprint);
            table.reserve(others.len(), hash);
            for Entry { fingerprint, owner } in others {
                let owner = GroupId(owner.0 + first);
                table.insert_unique(spread(fingerprint), Entry { fingerprint, owner }, hash);
            }
        }
    }

    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(HashTable::len).sum()
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the two halves of the fingerprint are what is wanted"
)]
fn split(fingerprint: Fingerprint) -> (usize, u32) {
    ((fingerprint >> 32) as usize % SHARDS, fingerprint as u32)
}

/// The table takes its position from the low bits and its tags from the high ones.
fn spread(fingerprint: u32) -> u64 {
    u64::from(fingerprint).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owners(index: &SeriesIndex, fingerprint: u64) -> Vec<u32> {
        let mut owners: Vec<u32> = index.owners(fingerprint).map(|owner| owner.0).collect();
        owners.sort_unstable();
        owners
    }

    #[test]
    fn every_owner_of_a_fingerprint_is_found() {
        let mut index = SeriesIndex::default();
        for owner in [3, 1, 2] {
            index.insert(77, GroupId(owner));
        }
        index.insert(78, GroupId(9));
        assert_eq!(owners(&index, 77), [1, 2, 3]);
        index.remove(77, GroupId(2));
        index.remove(77, GroupId(8));
        assert_eq!(
            (owners(&index, 77), owners(&index, 78), index.len()),
            (vec![1, 3], vec![9], 3)
        );
    }

    #[test]
    fn equal_entries_of_one_group_go_one_by_one() {
        let mut index = SeriesIndex::default();
        index.insert(5, GroupId(1));
        index.insert(5, GroupId(1));
        index.remove(5, GroupId(1));
        assert_eq!(owners(&index, 5), [1]);
    }

    #[test]
    fn many_entries_come_and_go() {
        const MANY: u64 = if cfg!(miri) { 200 } else { 100_000 };
        let mut index = SeriesIndex::default();
        let fingerprint = |n: u64| n.wrapping_mul(0x2545_F491_4F6C_DD1D);
        for n in 0..MANY {
            index.insert(fingerprint(n), GroupId(u32::try_from(n % 100).unwrap()));
        }
        assert_eq!(index.len() as u64, MANY);
        for n in 0..MANY {
            assert!(
                index
                    .owners(fingerprint(n))
                    .any(|owner| u64::from(owner.0) == n % 100)
            );
            index.remove(fingerprint(n), GroupId(u32::try_from(n % 100).unwrap()));
        }
        assert_eq!(index.len(), 0);
    }
}
