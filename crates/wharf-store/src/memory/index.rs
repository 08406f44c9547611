//! Who owns which series.
//!
//! One entry of eight bytes a series: 32 bits of its fingerprint and the number of the group that owns it. A hit is a hint
//! only, since fingerprints collide: the caller looks at the owner's series before it refuses anything.
//!
//! Entries lie in shards, by other bits of the fingerprint, and in buckets of some dozens. There are as many buckets as that takes:
//! with every few dozen entries more, one bucket gives half of its own to a new one (linear hashing, as W. Litwin described it). So
//! no push pays for moving a whole table, and there is never room for twice as much as there is.

use crate::series::Fingerprint;

/// Number of a group, reused after the group is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct GroupId(pub(crate) u32);

/// Ordered by fingerprint, so that a bucket can be searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    fingerprint: u32,
    owner: GroupId,
}

const SHARDS: usize = 256;
/// There are so many entries for each bucket, in the middle; those that are next to be split have half as many again.
const USUAL_ENTRIES: usize = 48;

/// An entry as it is put in or taken out.
pub(crate) type Hint = (Fingerprint, GroupId);

#[derive(Debug)]
pub(crate) struct SeriesIndex {
    /// None in the index of a draft, which finds nothing and takes down what is to be done to that of the state.
    shards: Vec<Shard>,
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
            shards: (0..SHARDS).map(|_| Shard::default()).collect(),
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
        if let Some(shard) = self.shards.get_mut(shard) {
            shard.insert(Entry { fingerprint, owner });
        } else {
            self.noted.new.push((whole, owner));
        }
    }

    /// Removes one entry; two series of a group may share their 32 bits, then one entry stays for the other.
    pub(crate) fn remove(&mut self, whole: Fingerprint, owner: GroupId) {
        let (shard, fingerprint) = split(whole);
        if let Some(shard) = self.shards.get_mut(shard) {
            shard.remove(Entry { fingerprint, owner });
        } else {
            self.noted.old.push((whole, owner));
        }
    }

    /// The groups that may own a series of this fingerprint.
    pub(crate) fn owners(&self, fingerprint: Fingerprint) -> impl Iterator<Item = GroupId> {
        let (shard, fingerprint) = split(fingerprint);
        let entries = self
            .shards
            .get(shard)
            .map_or(&[][..], |shard| shard.equal(fingerprint));
        entries.iter().map(|entry| entry.owner)
    }

    /// Takes over the entries of another, whose owners have numbers that are so much larger here.
    pub(crate) fn absorb(&mut self, other: Self, first: u32) {
        for (shard, others) in self.shards.iter_mut().zip(other.shards) {
            let others = others.buckets.into_iter().flatten().map(|entry| Entry {
                owner: GroupId(entry.owner.0 + first),
                ..entry
            });
            shard.absorb(others);
        }
    }

    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.entries).sum()
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the two halves of the fingerprint are what is wanted"
)]
fn split(fingerprint: Fingerprint) -> (usize, u32) {
    ((fingerprint >> 32) as usize % SHARDS, fingerprint as u32)
}

#[derive(Debug, Default)]
struct Shard {
    /// Each in order.
    buckets: Vec<Vec<Entry>>,
    entries: usize,
}

impl Shard {
    fn insert(&mut self, entry: Entry) {
        if self.entries >= self.buckets.len() * USUAL_ENTRIES {
            self.add_bucket();
        }
        let index = bucket_of(entry.fingerprint, self.buckets.len());
        let Some(bucket) = self.buckets.get_mut(index) else {
            return;
        };
        let position = bucket.partition_point(|other| *other < entry);
        if bucket.len() == bucket.capacity() {
            bucket.reserve_exact(bucket.len() / 8 + 2);
        }
        bucket.insert(position, entry);
        self.entries += 1;
    }

    fn remove(&mut self, entry: Entry) {
        let index = bucket_of(entry.fingerprint, self.buckets.len());
        let Some(bucket) = self.buckets.get_mut(index) else {
            return;
        };
        let Ok(position) = bucket.binary_search(&entry) else {
            return;
        };
        bucket.remove(position);
        if bucket.len() < bucket.capacity() / 2 {
            bucket.shrink_to_fit();
        }
        self.entries -= 1;
        // Later than a bucket is added, so that one series that comes and goes moves nothing.
        if self.buckets.len() > 1 && self.entries < self.buckets.len() * USUAL_ENTRIES / 2 {
            self.drop_bucket();
        }
    }

    /// Takes over many entries at once, which is quicker than one by one.
    fn absorb(&mut self, others: impl Iterator<Item = Entry>) {
        let own = std::mem::take(&mut self.buckets).into_iter().flatten();
        let all: Vec<Entry> = own.chain(others).collect();
        let buckets = all.len().div_ceil(USUAL_ENTRIES);
        let mut lengths = vec![0; buckets];
        for entry in &all {
            if let Some(length) = lengths.get_mut(bucket_of(entry.fingerprint, buckets)) {
                *length += 1;
            }
        }
        self.buckets = lengths.into_iter().map(Vec::with_capacity).collect();
        self.entries = all.len();
        for entry in all {
            if let Some(bucket) = self.buckets.get_mut(bucket_of(entry.fingerprint, buckets)) {
                bucket.push(entry);
            }
        }
        self.buckets.iter_mut().for_each(|bucket| bucket.sort_unstable());
    }

    fn equal(&self, fingerprint: u32) -> &[Entry] {
        let index = bucket_of(fingerprint, self.buckets.len());
        let bucket = self.buckets.get(index).map_or(&[][..], Vec::as_slice);
        let start = bucket.partition_point(|entry| entry.fingerprint < fingerprint);
        let found = bucket.get(start..).unwrap_or_default();
        let end = found.partition_point(|entry| entry.fingerprint == fingerprint);
        found.get(..end).unwrap_or_default()
    }

    /// Adds a bucket, with what belongs there from then on.
    fn add_bucket(&mut self) {
        let new = self.buckets.len();
        let mut moved = Vec::new();
        if let Some(half) = self.buckets.get_mut(split_for(new)) {
            let goes = |entry: &mut Entry| bucket_of(entry.fingerprint, new + 1) == new;
            moved = half.extract_if(.., goes).collect();
            moved.shrink_to_fit();
            half.shrink_to_fit();
        }
        if self.buckets.capacity() == new {
            self.buckets.reserve_exact(new / 8 + 1);
        }
        self.buckets.push(moved);
    }

    /// Gives what the last bucket has back to the one that it came from.
    fn drop_bucket(&mut self) {
        let Some(last) = self.buckets.pop() else { return };
        let from = split_for(self.buckets.len());
        if let Some(half) = self.buckets.get_mut(from) {
            half.extend(last);
            half.sort_unstable();
        }
        if self.buckets.len() < self.buckets.capacity() / 2 {
            self.buckets.shrink_to_fit();
        }
    }
}

/// The bucket of a fingerprint, of so many.
fn bucket_of(fingerprint: u32, buckets: usize) -> usize {
    let doubled = buckets.next_power_of_two();
    let index = fingerprint as usize & (doubled - 1);
    // Those of the upper half that are not there yet have theirs in the lower one.
    if index < buckets {
        index
    } else {
        index - doubled / 2
    }
}

/// The bucket that gives to the new one of this number.
fn split_for(new: usize) -> usize {
    new - (new + 1).next_power_of_two() / 2
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
    fn a_bucket_more_takes_from_one_other_and_no_more() {
        for buckets in 0..300 {
            for fingerprint in 0..600 {
                let (before, after) = (
                    bucket_of(fingerprint, buckets),
                    bucket_of(fingerprint, buckets + 1),
                );
                let moves = before != after;
                assert!(
                    !moves || (before, after) == (split_for(buckets), buckets),
                    "{fingerprint}, {buckets}"
                );
                assert!(after <= buckets);
            }
        }
    }

    #[test]
    fn room_grows_and_shrinks_with_what_there_is() {
        const MANY: u64 = if cfg!(miri) { 2_000 } else { 200_000 };
        let mut index = SeriesIndex::default();
        let fingerprint = |n: u64| n.wrapping_mul(0x2545_F491_4F6C_DD1D);
        let room = |index: &SeriesIndex| -> usize {
            let buckets = index.shards.iter().flat_map(|shard| &shard.buckets);
            buckets.map(Vec::capacity).sum()
        };
        for n in 0..MANY {
            index.insert(fingerprint(n), GroupId(1));
        }
        assert!(room(&index) * 10 < index.len() * 12, "{}", room(&index));
        for n in MANY / 100..MANY {
            index.remove(fingerprint(n), GroupId(1));
        }
        assert!(room(&index) < index.len() * 5, "{}", room(&index));
        let all = (0..MANY / 100).map(|n| owners(&index, fingerprint(n)));
        assert!(all.clone().all(|owners| owners == [1]));
    }

    #[test]
    fn what_is_absorbed_is_found_under_its_new_owners() {
        let fingerprint = |n: u64| n.wrapping_mul(0x2545_F491_4F6C_DD1D);
        let filled = |numbers: std::ops::Range<u64>| {
            let mut index = SeriesIndex::default();
            numbers.for_each(|n| index.insert(fingerprint(n), GroupId(7)));
            index
        };
        for (own, others) in [(0, 0), (0, 900), (900, 0), (30_000, 20_000)] {
            let mut index = filled(0..own);
            index.absorb(filled(0..others), 10);
            assert_eq!(index.len() as u64, own + others);
            for n in 0..own.max(others) {
                let found = [(n < own).then_some(7), (n < others).then_some(17)];
                let found: Vec<u32> = found.into_iter().flatten().collect();
                assert_eq!(owners(&index, fingerprint(n)), found);
                for owner in found {
                    index.remove(fingerprint(n), GroupId(owner));
                }
            }
            assert_eq!(index.len(), 0);
        }
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
