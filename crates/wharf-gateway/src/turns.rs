//! Whose turn it is.

use std::collections::VecDeque;

/// What waits for its turn. Sources take turns, so that one waits behind as many others as there are, however much each
/// of them has. If there is no room, the one that has the most loses what came last.
#[derive(Debug)]
pub(crate) struct Turns<S, T> {
    /// In the order of their turns. None is empty.
    sources: VecDeque<(S, VecDeque<T>)>,
    len: usize,
    limits: Limits,
}

/// How much may wait.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) all: usize,
    pub(crate) of_one_source: usize,
}

/// A source may not have more now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooMany;

impl<S: PartialEq + Clone, T> Turns<S, T> {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            sources: VecDeque::new(),
            len: 0,
            limits,
        }
    }

    /// How much waits.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Takes something in. What has to leave for it, if anything.
    ///
    /// # Errors
    /// If there is no room, and nobody has more than this source.
    pub(crate) fn push(&mut self, source: S, item: T) -> Result<Option<T>, TooMany> {
        let own = self.sources.iter().position(|(other, _)| *other == source);
        let has = own.and_then(|at| self.sources.get(at));
        let has = has.map_or(0, |(_, items)| items.len());
        if has >= self.limits.of_one_source {
            return Err(TooMany);
        }
        let mut leaves = None;
        if self.len >= self.limits.all {
            let busiest = self.sources.iter_mut().max_by_key(|(_, items)| items.len());
            // It keeps at least as many as this source will have.
            let busiest = busiest.filter(|(_, items)| items.len() > has + 1);
            leaves = Some(busiest.and_then(|(_, items)| items.pop_back()).ok_or(TooMany)?);
            self.len -= 1;
        }
        match own.and_then(|at| self.sources.get_mut(at)) {
            Some((_, items)) => items.push_back(item),
            None => self.sources.push_back((source, [item].into())),
        }
        self.len += 1;
        Ok(leaves)
    }

    /// What comes next.
    pub(crate) fn pop(&mut self) -> Option<T> {
        self.pop_of(|_| true).map(|(_, item)| item)
    }

    /// What comes next of those sources that may have a turn now, with its source.
    pub(crate) fn pop_of(&mut self, may: impl Fn(&S) -> bool) -> Option<(S, T)> {
        let at = self.sources.iter().position(|(source, _)| may(source))?;
        let (source, mut items) = self.sources.remove(at)?;
        let item = items.pop_front();
        if !items.is_empty() {
            self.sources.push_back((source.clone(), items));
        }
        self.len -= usize::from(item.is_some());
        item.map(|item| (source, item))
    }

    /// Forgets what nobody waits for any more.
    pub(crate) fn retain(&mut self, is_wanted: impl Fn(&T) -> bool) {
        for (_, items) in &mut self.sources {
            items.retain(&is_wanted);
        }
        self.sources.retain(|(_, items)| !items.is_empty());
        self.len = self.sources.iter().map(|(_, items)| items.len()).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: usize = 256;
    const MAX_OF_ONE: usize = 32;

    fn turns<T>() -> Turns<u16, T> {
        Turns::new(Limits {
            all: MAX,
            of_one_source: MAX_OF_ONE,
        })
    }

    #[test]
    fn sources_take_turns() {
        let mut turns = turns();
        for (last, item) in [(1, "a1"), (1, "a2"), (1, "a3"), (2, "b1"), (3, "c1"), (3, "c2")] {
            assert_eq!(turns.push(last, item), Ok(None));
        }
        let order: Vec<_> = std::iter::from_fn(|| turns.pop()).collect();
        assert_eq!(order, ["a1", "b1", "c1", "a2", "c2", "a3"]);
        assert_eq!(turns.len(), 0);
    }

    #[test]
    fn if_there_is_no_room_the_busiest_loses_what_came_last() {
        let mut turns = turns();
        // Eight of them have all that they may have.
        for number in 0..MAX_OF_ONE {
            for last in 0..8 {
                assert_eq!(turns.push(last, (last, number)), Ok(None));
            }
        }
        assert_eq!(turns.push(0, (0, 99)), Err(TooMany));
        for number in 0..2 {
            let leaves = turns.push(100, (100, number)).unwrap();
            assert_eq!(leaves.map(|(_, number)| number), Some(MAX_OF_ONE - 1));
        }
        assert_eq!(turns.len(), MAX);
        // Newcomers take from the others until all have as many.
        for last in 101..=255 {
            turns.push(last, (last, 0)).unwrap();
        }
        assert_eq!(turns.len(), MAX);
        let order: Vec<_> = std::iter::from_fn(|| turns.pop()).collect();
        assert_eq!(order.len(), MAX);
        assert!(order.contains(&(100, 0)) && order.contains(&(255, 0)));
    }

    #[test]
    fn who_has_as_few_as_everybody_else_waits_outside() {
        let mut turns = turns();
        for source in 0..256 {
            assert_eq!(turns.push(source, source), Ok(None));
        }
        assert_eq!(turns.push(256, 0), Err(TooMany));
    }

    #[test]
    fn who_may_have_no_turn_now_keeps_its_place() {
        let mut turns = turns();
        for (source, item) in [(1, "a1"), (1, "a2"), (2, "b1"), (3, "c1")] {
            assert_eq!(turns.push(source, item), Ok(None));
        }
        assert_eq!(turns.pop_of(|source| *source != 1), Some((2, "b1")));
        assert_eq!(turns.pop_of(|source| *source > 3), None);
        let order: Vec<_> = std::iter::from_fn(|| turns.pop()).collect();
        assert_eq!(order, ["a1", "c1", "a2"]);
    }

    #[test]
    fn what_nobody_waits_for_leaves_room_to_others() {
        let mut turns = turns();
        for source in 0..256 {
            assert_eq!(turns.push(source, source), Ok(None));
        }
        turns.retain(|item| item % 2 == 1);
        assert_eq!(turns.len(), MAX / 2);
        assert_eq!(turns.push(256, 0), Ok(None));
        assert_eq!(turns.pop(), Some(1));
    }
}
