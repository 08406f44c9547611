//! The groups of a snapshot, one after the other.
//!
//! Families are in the order of groups each, so this merges them. Whoever reads the answer that is made of it may take a
//! quarter of an hour, and many may read at a time, so a walk holds little: a bookmark for a family with many groups, which
//! is little beside the family; and for each few neighbouring families with fewer groups where the first of them is. Those
//! are searched again for each group that one of them has.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::ops::Bound;

use wharf_model::GroupingKey;

use crate::memory::family::Family;
use crate::memory::leaf::FragmentView;
use crate::memory::leaves::Bookmark;
use crate::read::snapshot::Snapshot;

/// A family with so many groups has a bookmark of its own.
const MANY_GROUPS: usize = 64;
/// Families with fewer groups are searched so many together.
const TOGETHER: u32 = 16;

impl Snapshot {
    /// The groups, ordered by key.
    pub fn groups_in_turn(&self) -> impl Iterator<Item = GroupFragments<'_>> + Send {
        let mut stretches: Vec<Stretch<'_>> = Vec::new();
        let mut turns = BinaryHeap::new();
        for family in self.families.values() {
            match stretches.last_mut() {
                _ if family.has_groups(MANY_GROUPS) => {
                    stretches.push(Stretch::Wide(family, Bookmark::default()));
                }
                Some(Stretch::Narrow(narrow)) if narrow.count < TOGETHER => narrow.count += 1,
                _ => stretches.push(Stretch::Narrow(Narrow {
                    first: family,
                    count: 1,
                })),
            }
        }
        for (stretch, number) in stretches.iter().zip(0..) {
            let first = match stretch {
                Stretch::Wide(family, _) => family.key_above(None),
                Stretch::Narrow(narrow) => narrow.key_above(self, None),
            };
            turns.extend(first.map(|key| Reverse((key, number))));
        }
        InTurn {
            snapshot: self,
            stretches,
            turns,
        }
    }
}

/// A group as a snapshot has it.
#[derive(Debug)]
pub struct GroupFragments<'s> {
    snapshot: &'s Snapshot,
    key: &'s GroupingKey,
    parts: Vec<Part<'s>>,
}

impl<'s> GroupFragments<'s> {
    /// Its key.
    pub fn key(&self) -> &'s GroupingKey {
        self.key
    }

    /// What it has of its families, sorted by their names.
    pub fn fragments(&self) -> impl Iterator<Item = FragmentView<'s>> {
        self.parts.iter().flat_map(|part| {
            let (one, few) = match part {
                Part::One(fragment) => (Some(fragment.clone()), None),
                Part::Few(narrow) => (None, Some(*narrow)),
            };
            let few = few.into_iter().flat_map(|narrow| narrow.families(self.snapshot));
            let few = few.filter_map(|family| family.view_of(self.key));
            one.into_iter().chain(few)
        })
    }

    /// What it has of the family of that name.
    pub fn fragment(&self, name: &str) -> Option<FragmentView<'s>> {
        self.snapshot.fragment(name, self.key)
    }
}

/// What a group has of a stretch of families.
#[derive(Debug)]
enum Part<'s> {
    One(FragmentView<'s>),
    /// Something of one of these, at least.
    Few(Narrow<'s>),
}

/// All groups, merged from what families have of them.
struct InTurn<'s> {
    snapshot: &'s Snapshot,
    /// All families, in the order of their names.
    stretches: Vec<Stretch<'s>>,
    /// Which stretch has something of which group next.
    turns: BinaryHeap<Reverse<(&'s GroupingKey, u32)>>,
}

enum Stretch<'s> {
    /// A family with many groups, and how far it has been read.
    Wide(&'s Family, Bookmark),
    Narrow(Narrow<'s>),
}

/// Neighbouring families with few groups each.
#[derive(Debug, Clone, Copy)]
struct Narrow<'s> {
    first: &'s Family,
    count: u32,
}

impl<'s> Narrow<'s> {
    fn families(self, snapshot: &'s Snapshot) -> impl Iterator<Item = &'s Family> {
        let from = (Bound::Included(&**self.first.name()), Bound::Unbounded);
        let families = snapshot.families.range::<_, str>(from);
        families.take(self.count as usize).map(|(_, family)| &**family)
    }

    /// The next group beyond a key of which one of them has something; the first, without a key.
    fn key_above(self, snapshot: &'s Snapshot, key: Option<&GroupingKey>) -> Option<&'s GroupingKey> {
        self.families(snapshot)
            .filter_map(|family| family.key_above(key))
            .min()
    }
}

impl<'s> Iterator for InTurn<'s> {
    type Item = GroupFragments<'s>;

    fn next(&mut self) -> Option<GroupFragments<'s>> {
        let Reverse((key, _)) = *self.turns.peek()?;
        let mut parts = Vec::new();
        while let Some(mut turn) = self.turns.peek_mut().filter(|turn| turn.0.0 == key) {
            let next = match self.stretches.get_mut(turn.0.1 as usize)? {
                Stretch::Wide(family, at) => {
                    let (fragment, behind) = family.read_at(*at)?;
                    parts.push(Part::One(fragment));
                    *at = behind;
                    family.read_at(behind).map(|(next, _)| next.key())
                }
                Stretch::Narrow(narrow) => {
                    parts.push(Part::Few(*narrow));
                    narrow.key_above(self.snapshot, Some(key))
                }
            };
            match next {
                Some(next) => turn.0.0 = next,
                None => drop(PeekMut::pop(turn)),
            }
        }
        Some(GroupFragments {
            snapshot: self.snapshot,
            key,
            parts,
        })
    }
}

#[cfg(test)]
mod tests {
    use wharf_exposition::text;
    use wharf_model::name::NameRule;

    use crate::{PUSH_TIME, PushMode, Reserved, Store, UnixNanos};

    use super::*;

    #[test]
    fn groups_come_in_order_with_all_of_their_families() {
        let store = Store::new(Reserved::default(), 1 << 20);
        for (job, body) in [("b", "m 1\nx 1\n"), ("c", "a 1\n"), ("a", "m 2\n"), ("d", "")] {
            push(&store, job, body);
        }
        let snapshot = store.snapshot();
        let groups: Vec<_> = snapshot.groups_in_turn().collect();
        let groups: Vec<(&str, Vec<&str>)> = groups.iter().map(of_group).collect();
        let times = ["push_failure_time_seconds", "push_time_seconds"];
        assert_eq!(
            groups,
            [
                ("a", vec!["m", times[0], times[1]]),
                ("b", vec!["m", times[0], times[1], "x"]),
                ("c", vec!["a", times[0], times[1]]),
                ("d", times.to_vec()),
            ]
        );
        let empty = Store::new(Reserved::default(), 1).snapshot();
        assert_eq!(empty.groups_in_turn().count(), 0);
    }

    fn of_group<'s>(group: &GroupFragments<'s>) -> (&'s str, Vec<&'s str>) {
        let fragments = group
            .fragments()
            .inspect(|fragment| assert_eq!(fragment.key(), group.key()));
        (
            group.key().job(),
            fragments.map(|fragment| fragment.name()).collect(),
        )
    }

    #[test]
    fn families_of_many_groups_and_of_few_come_in_order_however_they_stand_beside_each_other() {
        const GROUPS: usize = if cfg!(miri) { 70 } else { 200 };
        // So many families: in stretches that are full, that end at a wide one, and that end with the last family.
        let has = |family: usize, group: usize| match family % 23 {
            0 => true,
            1 => group.is_multiple_of(2),
            n if n < 12 => group == family,
            _ => group == 7 || group == family / 2,
        };
        let store = Store::new(Reserved::default(), 1 << 20);
        let families = 3 * 23 + 5;
        let name = |family: usize| format!("f{family:03}");
        for group in 0..GROUPS {
            let body = (0..families).filter(|family| has(*family, group));
            push(
                &store,
                &format!("{group:03}"),
                &body.map(|family| name(family) + " 1\n").collect::<String>(),
            );
        }
        let snapshot = store.snapshot();
        let mut count = 0;
        for (number, group) in snapshot.groups_in_turn().enumerate() {
            let (job, mut found) = of_group(&group);
            assert_eq!(job, format!("{number:03}"));
            let expected: Vec<_> = (0..families)
                .filter(|family| has(*family, number))
                .map(name)
                .collect();
            found.retain(|name| !name.starts_with("push_"));
            assert_eq!(found, expected);
            for name in [PUSH_TIME, "f000", "f001"] {
                let same = group.fragments().find(|fragment| fragment.name() == name);
                assert_eq!(
                    group.fragment(name).map(|found| found.key()),
                    same.map(|found| found.key())
                );
            }
            count += 1;
        }
        assert_eq!(count, GROUPS);
    }

    fn push(store: &Store, job: &str, body: &str) {
        let key = GroupingKey::new([("job", job)]).unwrap();
        let options = text::Options {
            names: NameRule::Utf8,
            strict: false,
        };
        let exposition = text::decode(body.as_bytes(), options).unwrap();
        let pushed = store.push(&key, PushMode::ReplaceGroup, &exposition, UnixNanos(1));
        drop(pushed.unwrap());
    }
}
