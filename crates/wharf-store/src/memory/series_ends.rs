//! When series leave by themselves.

use std::collections::{BTreeMap, BTreeSet};

use wharf_model::GroupingKey;

use crate::UnixNanos;

/// For each group that has series which leave by themselves, a time before which none of them does.
///
/// The families have the times themselves. This says where to look: too early does no harm, and what is said of a group that has
/// gone, or changed, neither. So nothing of it has to be taken back.
#[derive(Debug, Default)]
pub(crate) struct SeriesEnds {
    by_key: BTreeMap<GroupingKey, UnixNanos>,
    /// The same in the order of times.
    in_turn: BTreeSet<(UnixNanos, GroupingKey)>,
}

impl SeriesEnds {
    /// A series of the group leaves then.
    pub(crate) fn note(&mut self, key: &GroupingKey, at: UnixNanos) {
        match self.by_key.get(key) {
            Some(before) if *before <= at => return,
            Some(before) => {
                self.in_turn.remove(&(*before, key.clone()));
            }
            None => {}
        }
        self.by_key.insert(key.clone(), at);
        self.in_turn.insert((at, key.clone()));
    }

    /// When the group is looked at.
    pub(crate) fn of(&self, key: &GroupingKey) -> Option<UnixNanos> {
        self.by_key.get(key).copied()
    }

    /// The group has gone.
    pub(crate) fn forget(&mut self, key: &GroupingKey) {
        if let Some(at) = self.by_key.remove(key) {
            self.in_turn.remove(&(at, key.clone()));
        }
    }

    /// The next group whose time has come. It is forgotten here: whoever takes it looks at its families, and notes when to look again.
    pub(crate) fn take_due(&mut self, now: UnixNanos) -> Option<GroupingKey> {
        let (at, key) = self.in_turn.first()?;
        if *at > now {
            return None;
        }
        let key = key.clone();
        self.forget(&key);
        Some(key)
    }

    /// Takes over those of other groups, or of the same at another time.
    pub(crate) fn absorb(&mut self, others: Self) {
        for (key, at) in others.by_key {
            self.note(&key, at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(job: &str) -> GroupingKey {
        GroupingKey::new([("job", job)]).unwrap()
    }

    #[test]
    fn the_earliest_time_of_a_group_counts_and_groups_come_in_their_turn() {
        let mut ends = SeriesEnds::default();
        for (job, at) in [("a", 5), ("b", 3), ("a", 7), ("a", 4), ("c", 9)] {
            ends.note(&key(job), UnixNanos(at));
        }
        let mut others = SeriesEnds::default();
        others.note(&key("c"), UnixNanos(2));
        ends.absorb(others);
        let due = std::iter::from_fn(|| ends.take_due(UnixNanos(3)));
        assert_eq!(due.collect::<Vec<_>>(), [key("c"), key("b")]);
        assert_eq!(ends.take_due(UnixNanos(4)), Some(key("a")));
        assert_eq!(ends.take_due(UnixNanos(i64::MAX)), None);
        assert!(ends.by_key.is_empty() && ends.in_turn.is_empty());
    }
}
