//! The groups of a snapshot, one after the other.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::iter;

use wharf_model::GroupingKey;

use crate::memory::family::FamilyView;
use crate::memory::leaf::FragmentView;
use crate::read::snapshot::Snapshot;

impl Snapshot {
    /// All groups, ordered by key, each with its families, sorted by name.
    ///
    /// Families are in the order of groups each; this merges them. So it holds one group at a time and a place in each
    /// family, and may end anywhere.
    pub fn groups_in_turn(&self) -> impl Iterator<Item = (&GroupingKey, Vec<FragmentView<'_>>)> {
        let mut families: Vec<_> = self
            .families()
            .map(|family| FamilyView::fragments(&family))
            .collect();
        // Which family has something of which group next; families are numbered in the order of their names.
        let mut turns = BinaryHeap::new();
        let mut waiting = Vec::with_capacity(families.len());
        for (number, fragments) in families.iter_mut().enumerate() {
            let next = fragments.next();
            turns.extend(next.map(|fragment| Reverse((fragment.key(), number))));
            waiting.push(next);
        }
        iter::from_fn(move || {
            let Reverse((key, _)) = *turns.peek()?;
            let mut group = Vec::new();
            while let Some(mut turn) = turns.peek_mut()
                && turn.0.0 == key
            {
                let number = turn.0.1;
                let (Some(fragments), Some(next)) = (families.get_mut(number), waiting.get_mut(number))
                else {
                    break;
                };
                group.extend(std::mem::replace(next, fragments.next()));
                match next {
                    Some(fragment) => turn.0.0 = fragment.key(),
                    None => drop(std::collections::binary_heap::PeekMut::pop(turn)),
                }
            }
            Some((key, group))
        })
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
        let groups: Vec<(&str, Vec<&str>)> = snapshot
            .groups_in_turn()
            .map(|(key, families)| (key.job(), families.iter().map(FragmentView::name).collect()))
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
                .groups_in_turn()
                .count(),
            0
        );
    }
}
