//! Ids of pushes that are added up: a push that is repeated is not counted twice.
//!
//! An id stands in the same record as what its push has made of the group, or in the same transaction of a shared log. So whoever
//! knows the sum knows what is in it. Ids are kept for a bounded time, and are bounded in number; of more the oldest are forgotten.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use crate::{Revision, UnixNanos};

/// Digest of an id with what it is scoped to.
pub(crate) type Name = [u8; 16];
/// Digest of a body.
pub(crate) type Body = [u8; 8];

/// The id of a push that is added up. Digests, so that ids take the same room whatever clients call them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PushId {
    /// Digest of the id, the group and the caller: no two pushes have the same but by mistake or as a repetition.
    pub name: [u8; 16],
    /// Digest of the body.
    pub body: [u8; 8],
    /// When the push came.
    pub at: UnixNanos,
}

/// How long ids are kept, and how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PushIdLimits {
    /// For so long at least, unless there are too many.
    pub ttl: Duration,
    /// At most so many.
    pub max: usize,
}

impl PushIdLimits {
    /// An hour, and a million.
    pub const DEFAULT: Self = Self {
        ttl: Duration::from_secs(3600),
        max: 1_000_000,
    };
}

impl Default for PushIdLimits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What has become of ids since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PushIdCounts {
    /// How many are kept.
    pub kept: usize,
    /// Pushes that were not counted again.
    pub repeated: u64,
    /// Pushes that were refused, since their id came with another body before.
    pub refused: u64,
    /// Ids that were forgotten before their time, since there were too many.
    pub forgotten: u64,
}

/// What is known of an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    /// A push with it and the same body was made by this change.
    Made(Revision),
    /// It came with another body.
    OtherBody,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    body: Body,
    at: UnixNanos,
    revision: Revision,
}

/// Ids that one call forgets at most, so that nobody waits long.
const FORGOTTEN_AT_ONCE: usize = 1024;

/// Ids by name, in small tables: one that holds them all would make somebody wait while it grows.
#[derive(Debug, Default)]
struct Table {
    parts: Vec<HashMap<Name, Seen>>,
    len: usize,
}

/// Parts of a table, by the first byte of the name.
const PARTS: usize = 256;

impl Table {
    fn get(&self, name: &Name) -> Option<&Seen> {
        self.parts.get(usize::from(name[0]))?.get(name)
    }

    /// Puts an id, unless one of the same name is there that is as new. Whether it was put.
    fn put(&mut self, name: Name, seen: Seen) -> bool {
        if self.parts.is_empty() {
            self.parts.resize_with(PARTS, HashMap::new);
        }
        let Some(part) = self.parts.get_mut(usize::from(name[0])) else {
            return false;
        };
        match part.entry(name) {
            Entry::Occupied(former) if former.get().at >= seen.at => return false,
            Entry::Occupied(mut former) => drop(former.insert(seen)),
            Entry::Vacant(vacant) => {
                vacant.insert(seen);
                self.len += 1;
            }
        }
        true
    }

    /// Removes an id, if it is of this change. Whether it was.
    fn remove(&mut self, name: &Name, revision: Revision) -> bool {
        let is_it = self.get(name).is_some_and(|seen| seen.revision == revision);
        if is_it && let Some(part) = self.parts.get_mut(usize::from(name[0])) {
            part.remove(name);
            self.len -= 1;
        }
        is_it
    }
}

/// The ids that are kept.
#[derive(Debug, Default)]
pub(crate) struct PushIds {
    limits: PushIdLimits,
    by_name: Table,
    /// In the order in which they came. A name that came again after its time stands here twice.
    order: VecDeque<(Revision, Name)>,
    /// How many have left `order` at the front.
    left: u64,
    counts: PushIdCounts,
}

impl PushIds {
    pub(crate) fn set_limits(&mut self, limits: PushIdLimits) {
        self.limits = limits;
    }

    pub(crate) fn limits(&self) -> PushIdLimits {
        self.limits
    }

    pub(crate) fn counts(&self) -> PushIdCounts {
        let kept = self.by_name.len;
        PushIdCounts { kept, ..self.counts }
    }

    /// What is known of an id, when a push comes with it.
    pub(crate) fn look(&self, id: &PushId) -> Option<Known> {
        let seen = self.by_name.get(&id.name)?;
        if self.is_over(seen.at, id.at) {
            return None;
        }
        Some(if seen.body == id.body {
            Known::Made(seen.revision)
        } else {
            Known::OtherBody
        })
    }

    /// Takes note of what a push with a known id is answered.
    pub(crate) fn count(&mut self, known: Known) {
        match known {
            Known::Made(_) => self.counts.repeated += 1,
            Known::OtherBody => self.counts.refused += 1,
        }
    }

    fn is_over(&self, at: UnixNanos, now: UnixNanos) -> bool {
        let ttl = i64::try_from(self.limits.ttl.as_nanos()).unwrap_or(i64::MAX);
        at.0.saturating_add(ttl) <= now.0
    }

    /// Keeps an id, whose push was made by this change. One that is kept already stays as it is: a log that is loaded again says
    /// the same again.
    pub(crate) fn add(&mut self, id: PushId, revision: Revision) {
        let PushId { name, body, at } = id;
        if !self.by_name.put(name, Seen { body, at, revision }) {
            return;
        }
        self.order.push_back((revision, name));
        self.forget_over(at);
        while self.by_name.len > self.limits.max {
            self.counts.forgotten += u64::from(self.forget_oldest());
        }
    }

    /// Forgets some whose time is over; whether there may be more.
    pub(crate) fn forget_over(&mut self, now: UnixNanos) -> bool {
        for _ in 0..FORGOTTEN_AT_ONCE {
            let oldest = self.order.front();
            let is_over = oldest.is_some_and(|(revision, name)| match self.by_name.get(name) {
                Some(seen) if seen.revision == *revision => self.is_over(seen.at, now),
                _ => true,
            });
            if !is_over {
                return false;
            }
            self.forget_oldest();
        }
        true
    }

    /// Whether that was one that still counted.
    fn forget_oldest(&mut self) -> bool {
        let Some((revision, name)) = self.order.pop_front() else {
            return false;
        };
        self.left += 1;
        self.by_name.remove(&name, revision)
    }

    /// Forgets those of changes after this one: they are taken back.
    pub(crate) fn forget_after(&mut self, last: Revision) {
        while let Some((revision, name)) = self.order.back().copied().filter(|(at, _)| *at > last) {
            self.order.pop_back();
            self.by_name.remove(&name, revision);
        }
    }

    /// Some of those that came as the `from`-th and later, and where to go on; none if there are no more.
    pub(crate) fn some(&self, from: u64, most: usize) -> Option<(Vec<PushId>, u64)> {
        let first = from.max(self.left);
        let skipped = usize::try_from(first - self.left).unwrap_or(usize::MAX);
        let taken = self.order.iter().skip(skipped).take(most);
        let next = first + taken.len() as u64;
        let ids = taken.filter_map(|(revision, name)| {
            let seen = self.by_name.get(name).filter(|seen| seen.revision == *revision)?;
            Some(PushId {
                name: *name,
                body: seen.body,
                at: seen.at,
            })
        });
        (next > first).then(|| (ids.collect(), next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn id(name: u8, body: u8, seconds: i64) -> PushId {
        PushId {
            name: [name; 16],
            body: [body; 8],
            at: UnixNanos(seconds * SECOND),
        }
    }

    fn ids(ttl: u64, max: usize) -> PushIds {
        let mut ids = PushIds::default();
        let ttl = Duration::from_secs(ttl);
        ids.set_limits(PushIdLimits { ttl, max });
        ids
    }

    #[test]
    fn an_id_is_known_with_its_body_until_its_time_is_over() {
        let mut ids = ids(10, 9);
        ids.add(id(1, 1, 100), Revision(5));
        assert_eq!(ids.look(&id(1, 1, 109)), Some(Known::Made(Revision(5))));
        assert_eq!(ids.look(&id(1, 2, 109)), Some(Known::OtherBody));
        assert_eq!(ids.look(&id(2, 1, 109)), None);
        assert_eq!(ids.look(&id(1, 2, 110)), None);
        // Then another push may have it, and the end of the first is not its end.
        ids.add(id(1, 2, 110), Revision(6));
        assert_eq!(ids.look(&id(1, 2, 119)), Some(Known::Made(Revision(6))));
        assert!(!ids.forget_over(UnixNanos(119 * SECOND)));
        assert_eq!(ids.counts().kept, 1);
        assert!(!ids.forget_over(UnixNanos(120 * SECOND)));
        assert_eq!(ids.counts(), PushIdCounts::default());
    }

    #[test]
    fn of_too_many_the_oldest_are_forgotten_and_counted() {
        let mut ids = ids(1000, 2);
        for name in 1..=4 {
            ids.add(id(name, 0, i64::from(name)), Revision(u64::from(name)));
        }
        assert_eq!(ids.look(&id(2, 0, 5)), None);
        assert_eq!(ids.look(&id(3, 0, 5)), Some(Known::Made(Revision(3))));
        assert_eq!((ids.counts().kept, ids.counts().forgotten), (2, 2));
    }

    #[test]
    fn ids_of_changes_that_are_taken_back_are_not_known_any_more() {
        let mut ids = ids(10, 9);
        for name in 1..=4 {
            ids.add(id(name, 0, 1), Revision(u64::from(name)));
        }
        ids.forget_after(Revision(2));
        assert_eq!(ids.look(&id(2, 0, 1)), Some(Known::Made(Revision(2))));
        assert_eq!(ids.look(&id(3, 0, 1)), None);
        ids.add(id(3, 1, 1), Revision(7));
        assert_eq!(ids.look(&id(3, 1, 1)), Some(Known::Made(Revision(7))));
    }

    #[test]
    fn all_are_given_once_while_some_come_and_go() {
        let mut ids = ids(10, 99);
        for name in 0..10 {
            ids.add(id(name, 0, 1), Revision(u64::from(name)));
        }
        let (some, next) = ids.some(0, 4).unwrap();
        assert_eq!((some.len(), some[3]), (4, id(3, 0, 1)));
        // Those are gone, and the next two.
        for _ in 0..6 {
            ids.forget_oldest();
        }
        ids.add(id(10, 0, 1), Revision(10));
        let (some, next) = ids.some(next, 99).unwrap();
        assert_eq!((some.len(), some[0], some[4]), (5, id(6, 0, 1), id(10, 0, 1)));
        assert_eq!(ids.some(next, 99), None);
    }
}
