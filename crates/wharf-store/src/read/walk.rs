//! The groups of a snapshot, one after the other.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;

use wharf_model::GroupingKey;

use crate::memory::family::Family;
use crate::memory::leaf::FragmentView;
use crate::memory::leaves::Bookmark;
use crate::read::snapshot::Snapshot;

impl Snapshot {
    /// All families of all groups: the groups ordered by key, the families of each by name.
    ///
    /// Families are in the order of groups each; this merges them. So it holds a bookmark in each family, some forty bytes, and
    /// may end anywhere.
    pub fn fragments_in_turn(&self) -> impl Iterator<Item = FragmentView<'_>> + Send {
        let marked = |family| Marked {
            family,
            at: Bookmark::default(),
        };
        let families: Vec<_> = self.families.values().map(|family| marked(family)).collect();
        let firsts = families.iter().zip(0..).filter_map(|(marked, number)| {
            let (first, _) = marked.family.read_at(marked.at)?;
            Some(Reverse((first.key(), number)))
        });
        InTurn {
            turns: firsts.collect(),
            families,
        }
    }
}

/// Fragments of all families, merged.
struct InTurn<'s> {
    /// In the order of their names.
    families: Vec<Marked<'s>>,
    /// Which family has something of which group next.
    turns: BinaryHeap<Reverse<(&'s GroupingKey, u32)>>,
}

/// A family, and how far it has been read.
struct Marked<'s> {
    family: &'s Family,
    at: Bookmark,
}

impl<'s> Iterator for InTurn<'s> {
    type Item = FragmentView<'s>;

    fn next(&mut self) -> Option<FragmentView<'s>> {
        let mut turn = self.turns.peek_mut()?;
        let marked = self.families.get_mut(turn.0.1 as usize)?;
        let (fragment, behind) = marked.family.read_at(marked.at)?;
        marked.at = behind;
        match marked.family.read_at(behind) {
            Some((next, _)) => turn.0.0 = next.key(),
            None => drop(PeekMut::pop(turn)),
        }
        Some(fragment)
    }
}

#[cfg(test)]
mod tests {
    use wharf_exposition::text;
    use wharf_model::name::NameRule;

    use crate::{PushMode, Reserved, Store, UnixNanos};

    use super::*;

    #[test]
    fn groups_come_in_order_with_all_of_their_families() {
        let store = Store::new(Reserved::default(), 1 << 20);
        for (job, body) in [("b", "m 1\nx 1\n"), ("c", "a 1\n"), ("a", "m 2\n"), ("d", "")] {
            let key = GroupingKey::new([("job", job)]).unwrap();
            let options = text::Options {
                names: NameRule::Utf8,
                strict: false,
            };
            let exposition = text::decode(body.as_bytes(), options).unwrap();
            drop(
                store
                    .push(&key, PushMode::ReplaceGroup, &exposition, UnixNanos(1))
                    .unwrap(),
            );
        }
        let snapshot = store.snapshot();
        let found: Vec<_> = snapshot.fragments_in_turn().collect();
        let groups: Vec<(&str, Vec<&str>)> = found
            .chunk_by(|a, b| a.key() == b.key())
            .map(|group| {
                (
                    group[0].key().job(),
                    group.iter().map(FragmentView::name).collect(),
                )
            })
            .collect();
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
        assert_eq!(
            Store::new(Reserved::default(), 1)
                .snapshot()
                .fragments_in_turn()
                .count(),
            0
        );
    }
}
