//! Sets: how many distinct members came in an interval.

use std::hash::BuildHasher;
use std::time::Duration;

use hashbrown::{DefaultHashBuilder, HashSet};

use crate::resolve::EventError;

/// So many members are told apart.
const MAX_MEMBERS: usize = 100_000;

/// The members of an interval, and how many the one before had.
#[derive(Debug)]
pub(super) struct SetValue {
    /// Hashes of 64 bits: of a hundred thousand members, two have the same in one of four billion sets.
    members: HashSet<u64>,
    hasher: DefaultHashBuilder,
    ends: Duration,
    interval: Duration,
    /// None in the first interval.
    before: Option<usize>,
}

impl SetValue {
    /// An empty set, whose first interval begins now.
    pub(super) fn new(interval: Duration, now: Duration) -> Self {
        let interval = interval.max(Duration::from_millis(1));
        Self {
            members: HashSet::new(),
            hasher: DefaultHashBuilder::default(),
            ends: now + interval,
            interval,
            before: None,
        }
    }

    /// Adds a member.
    ///
    /// # Errors
    /// If there are too many.
    pub(super) fn add(&mut self, member: &str, now: Duration) -> Result<(), EventError> {
        self.turn(now);
        let hash = self.hasher.hash_one(member);
        if self.members.len() >= MAX_MEMBERS && !self.members.contains(&hash) {
            return Err(EventError::TooManyMembers);
        }
        self.members.insert(hash);
        Ok(())
    }

    /// Ends intervals whose time is over. When the next one ends, if it will show something else then.
    pub(super) fn turn(&mut self, now: Duration) -> Option<Duration> {
        if now >= self.ends {
            let late = now.saturating_sub(self.ends).as_nanos() / self.interval.as_nanos();
            // Of several, the last one had none.
            self.before = Some(if late == 0 { self.members.len() } else { 0 });
            self.members = HashSet::new();
            let intervals = u32::try_from(late + 1).unwrap_or(u32::MAX);
            self.ends = self.ends.saturating_add(self.interval.saturating_mul(intervals));
        }
        let has_more = !self.members.is_empty() || self.before.is_some_and(|before| before > 0);
        has_more.then_some(self.ends)
    }

    /// How many members the last interval had that is over; in the first one, how many there are so far.
    #[expect(clippy::cast_precision_loss, reason = "there are not so many")]
    pub(super) fn shown(&self) -> f64 {
        self.before.unwrap_or(self.members.len()) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn distinct_members_of_an_interval_are_counted() {
        let mut set = SetValue::new(at(10), at(0));
        for member in ["a", "b", "a"] {
            assert_eq!(set.add(member, at(1)), Ok(()));
        }
        assert_eq!(set.shown().to_string(), "2", "so far");
        assert_eq!(set.turn(at(9)), Some(at(10)));
        assert_eq!(set.turn(at(10)), Some(at(20)));
        set.add("c", at(12)).unwrap();
        assert_eq!(set.shown().to_string(), "2", "of the interval that is over");
        assert_eq!(set.turn(at(21)), Some(at(30)));
        assert_eq!(set.shown().to_string(), "1");
        assert_eq!(set.turn(at(30)), None, "nothing will change any more");
        assert_eq!(set.shown().to_string(), "0");
    }

    #[test]
    fn a_set_that_was_silent_for_long_has_no_members() {
        let mut set = SetValue::new(at(10), at(0));
        set.add("a", at(1)).unwrap();
        set.add("b", at(1000)).unwrap();
        assert_eq!(set.shown().to_string(), "0");
        assert_eq!(set.turn(at(1009)), Some(at(1010)));
        assert_eq!(set.turn(at(1010)), Some(at(1020)));
        assert_eq!(set.shown().to_string(), "1");
    }

    #[test]
    fn there_is_a_most() {
        let mut set = SetValue::new(at(10), at(0));
        for member in 0..MAX_MEMBERS {
            set.add(&member.to_string(), at(0)).unwrap();
        }
        assert_eq!(set.add("another", at(0)), Err(EventError::TooManyMembers));
        assert_eq!(set.add("17", at(0)), Ok(()), "one that is there");
        assert_eq!(set.add("another", at(10)), Ok(()), "in the next interval");
    }
}
