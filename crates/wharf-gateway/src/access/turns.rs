//! Whose turn it is.

use std::collections::VecDeque;

use crate::client::Remote;

/// What waits, of all sources and of one.
pub(super) const MAX: usize = 256;
pub(super) const MAX_PER_REMOTE: usize = 32;

/// What waits for its turn. Remotes take turns, so that one waits behind as many others as there are, however much each
/// of them has. If there is no room, the one that has the most loses what came last.
pub(super) struct Turns<T> {
    /// In the order of their turns. None is empty.
    sources: VecDeque<(Remote, VecDeque<T>)>,
    len: usize,
}

impl<T> Default for Turns<T> {
    fn default() -> Self {
        Self {
            sources: VecDeque::new(),
            len: 0,
        }
    }
}

/// A source may not have more now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooMany;

impl<T> Turns<T> {
    /// Takes something in. What has to leave for it, if anything.
    ///
    /// # Errors
    /// If there is no room, and nobody has more than this source.
    pub(super) fn push(&mut self, source: Remote, item: T) -> Result<Option<T>, TooMany> {
        let own = self.sources.iter().position(|(other, _)| *other == source);
        let has = own.and_then(|at| self.sources.get(at));
        let has = has.map_or(0, |(_, items)| items.len());
        if has >= MAX_PER_REMOTE {
            return Err(TooMany);
        }
        let mut leaves = None;
        if self.len >= MAX {
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
    pub(super) fn pop(&mut self) -> Option<T> {
        let (source, mut items) = self.sources.pop_front()?;
        let item = items.pop_front();
        if !items.is_empty() {
            self.sources.push_back((source, items));
        }
        self.len -= usize::from(item.is_some());
        item
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn source(last: u8) -> Remote {
        IpAddr::from([10, 0, 0, last]).into()
    }

    #[test]
    fn sources_take_turns() {
        let mut turns = Turns::default();
        for (last, item) in [(1, "a1"), (1, "a2"), (1, "a3"), (2, "b1"), (3, "c1"), (3, "c2")] {
            assert_eq!(turns.push(source(last), item), Ok(None));
        }
        let order: Vec<_> = std::iter::from_fn(|| turns.pop()).collect();
        assert_eq!(order, ["a1", "b1", "c1", "a2", "c2", "a3"]);
        assert_eq!(turns.len, 0);
    }

    #[test]
    fn if_there_is_no_room_the_busiest_loses_what_came_last() {
        let mut turns = Turns::default();
        // Eight of them have all that they may have.
        for number in 0..MAX_PER_REMOTE {
            for last in 0..8 {
                assert_eq!(turns.push(source(last), (last, number)), Ok(None));
            }
        }
        assert_eq!(turns.push(source(0), (0, 99)), Err(TooMany));
        for number in 0..2 {
            let leaves = turns.push(source(100), (100, number)).unwrap();
            assert_eq!(leaves.map(|(_, number)| number), Some(MAX_PER_REMOTE - 1));
        }
        assert_eq!(turns.len, MAX);
        // Newcomers take from the others until all have as many.
        for last in 101..=255 {
            turns.push(source(last), (last, 0)).unwrap();
        }
        assert_eq!(turns.len, MAX);
        let order: Vec<_> = std::iter::from_fn(|| turns.pop()).collect();
        assert_eq!(order.len(), MAX);
        assert!(order.contains(&(100, 0)) && order.contains(&(255, 0)));
    }

    #[test]
    fn who_has_as_few_as_everybody_else_waits_outside() {
        let mut turns = Turns::default();
        for network in 0..=u8::MAX {
            assert_eq!(turns.push(source(network), network), Ok(None));
        }
        let other = Remote::User(None);
        assert_eq!(turns.push(other, 0), Err(TooMany));
    }
}
