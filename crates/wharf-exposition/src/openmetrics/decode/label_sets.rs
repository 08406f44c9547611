//! Which label sets the metrics of a family have had.
//!
//! Most clients write metrics sorted by their labels. As long as each one comes behind the one before, all are
//! different, and nothing has to be remembered. From the first that does not, they are hashed; a label set has no order,
//! and so neither has its hash.

use std::cmp::Ordering;
use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};
use wharf_model::{Denied, Exposition, Meter, Metric, Run, Text};

use crate::memory;

/// The label sets of the metrics of one family.
#[derive(Default)]
pub(super) struct LabelSets {
    /// All of them with their hashes, once they are not sorted.
    hashed: Option<HashTable<(u64, Run)>>,
}

/// How to compare label sets.
#[derive(Clone, Copy)]
pub(super) struct Comparison<'c> {
    pub(super) exposition: &'c Exposition<'c>,
    pub(super) memory: &'c Meter<'c>,
    pub(super) hasher: &'c DefaultHashBuilder,
    /// A label to leave out of account: that of a state, which is none of its metric.
    pub(super) without: Option<Text>,
}

/// What a label set is to those before.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Relation {
    /// It is that of the last metric.
    Last,
    /// It is that of an earlier metric.
    Earlier,
    /// It is none of them.
    New,
}

impl LabelSets {
    /// Compares the label set `new` with those of the metrics, `last` above all, and adds it.
    pub(super) fn add(
        &mut self,
        by: Comparison<'_>,
        metrics: &[Metric],
        last: Run,
        new: Run,
    ) -> Result<Relation, Denied> {
        match by.order(last, new) {
            Some(Ordering::Equal) => return Ok(Relation::Last),
            Some(Ordering::Less) if self.hashed.is_none() => return Ok(Relation::New),
            _ => {}
        }
        if self.hashed.is_none() {
            let hashed = self.hashed.get_or_insert_default();
            memory::reserve(by.memory, hashed, metrics.len(), |(hash, _)| *hash)?;
            for metric in metrics {
                by.insert(hashed, metric.labels)?;
            }
        }
        let hashed = self.hashed.get_or_insert_default();
        Ok(if by.insert(hashed, new)? {
            Relation::New
        } else if by.is_same(last, new)? {
            Relation::Last
        } else {
            Relation::Earlier
        })
    }

    /// Adds a label set that nothing is known about; whether it was not there yet.
    pub(super) fn insert(&mut self, by: Comparison<'_>, new: Run) -> Result<bool, Denied> {
        by.insert(self.hashed.get_or_insert_default(), new)
    }

    /// All of them have been added.
    pub(super) fn finish(self, memory: &Meter<'_>) {
        if let Some(hashed) = self.hashed {
            memory.give_back(hashed.allocation_size());
        }
    }
}

impl<'c> Comparison<'c> {
    /// How two label sets of the same names in the same order compare by their values.
    fn order(self, a: Run, b: Run) -> Option<Ordering> {
        if a.len() != b.len() {
            return None;
        }
        let mut order = Ordering::Equal;
        for ((a_name, a_value), (b_name, b_value)) in self.pairs(a).zip(self.pairs(b)) {
            if a_name != b_name {
                return None;
            }
            order = order.then_with(|| a_value.cmp(b_value));
        }
        Some(order)
    }

    fn insert(self, hashed: &mut HashTable<(u64, Run)>, new: Run) -> Result<bool, Denied> {
        let hash = self
            .pairs(new)
            .map(|pair| self.hasher.hash_one(pair))
            .fold(0, u64::wrapping_add);
        // Once for all that are going to be compared: mostly there is one.
        let sorting = self.take_for_sorting(new)?;
        let is_equal = |(other_hash, other): &(u64, Run)| *other_hash == hash && self.are_equal(*other, new);
        let is_new = hashed.find(hash, is_equal).is_none();
        self.memory.give_back(sorting);
        if is_new {
            memory::reserve(self.memory, hashed, 1, |(hash, _)| *hash)?;
            hashed.insert_unique(hash, (hash, new), |(hash, _)| *hash);
        }
        Ok(is_new)
    }

    fn is_same(self, a: Run, b: Run) -> Result<bool, Denied> {
        let sorting = self.take_for_sorting(a)?;
        let is_same = self.are_equal(a, b);
        self.memory.give_back(sorting);
        Ok(is_same)
    }

    /// Two label sets of this length are sorted to be compared.
    fn take_for_sorting(self, labels: Run) -> Result<usize, Denied> {
        let bytes = 2 * labels.len() * size_of::<(&[u8], &[u8])>();
        self.memory.take(bytes)?;
        Ok(bytes)
    }

    fn are_equal(self, a: Run, b: Run) -> bool {
        let sorted = |labels: Run| {
            let mut pairs = Vec::with_capacity(labels.len());
            pairs.extend(self.pairs(labels));
            pairs.sort_unstable();
            pairs
        };
        self.are_alike(a, b) || (a.len() == b.len() && sorted(a) == sorted(b))
    }

    #[inline]
    fn are_alike(self, a: Run, b: Run) -> bool {
        a.len() == b.len() && self.pairs(a).eq(self.pairs(b))
    }

    #[inline]
    fn pairs(self, labels: Run) -> impl Iterator<Item = (&'c [u8], &'c [u8])> {
        let Self {
            exposition, without, ..
        } = self;
        let without = without.map(|without| exposition.bytes(without));
        let labels = exposition.labels.get(labels.range()).unwrap_or_default();
        labels
            .iter()
            .map(|label| (exposition.bytes(label.name), exposition.bytes(label.value)))
            .filter(move |(name, _)| without != Some(*name))
    }
}
