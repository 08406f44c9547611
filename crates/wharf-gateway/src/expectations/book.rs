//! What is known of each group that is expected: when it came, when it is due, whether it is overdue. Nothing here looks at a
//! clock, or at what is stored.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use wharf_model::GroupingKey;
use wharf_store::UnixNanos;

use super::basis::{Origin, Wanted};
use super::{due_after, overdue_after};

/// A group that is expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// Who says so.
    pub origin: Origin,
    /// When it came last; none if it never did.
    pub last: Option<UnixNanos>,
    /// Since when it is expected.
    pub since: UnixNanos,
    /// When it is due; none if that is after the end of the clock.
    pub due: Option<UnixNanos>,
    /// From when on it is overdue.
    pub overdue_at: Option<UnixNanos>,
    /// Until when it is not expected, or was not, whatever was due.
    pub paused_until: Option<UnixNanos>,
    /// Whether it was overdue when that was looked at last.
    pub is_overdue: bool,
}

/// How an expectation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It came in time, or is not due yet.
    Waiting,
    /// It is due, and waited for.
    Due,
    /// It was not waited for any longer.
    Overdue,
    /// What would be due is not expected.
    Paused,
}

impl State {
    /// What matters most first.
    pub const ALL: [Self; 4] = [Self::Overdue, Self::Due, Self::Waiting, Self::Paused];

    /// The word of the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Due => "due",
            Self::Overdue => "overdue",
            Self::Paused => "paused",
        }
    }
}

impl Expected {
    /// Until when it is not expected; none if it is.
    pub fn is_paused_until(&self, now: UnixNanos) -> Option<UnixNanos> {
        self.paused_until.filter(|until| now < *until)
    }

    /// How it stands.
    pub fn state(&self, now: UnixNanos) -> State {
        if self.is_paused_until(now).is_some() {
            State::Paused
        } else if self.is_overdue {
            State::Overdue
        } else if self.due.is_some_and(|due| due <= now) {
            State::Due
        } else {
            State::Waiting
        }
    }
}

/// When a gateway may have missed something: it was not there, or not for long enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Blind {
    /// The last time before the start that it is known to have been there.
    pub(crate) from: UnixNanos,
    /// When it started. Whoever came after that was seen, and so is that they do not come again.
    pub(crate) start: UnixNanos,
    /// When the grace of the start ends: from then on it is known what has not come.
    pub(crate) until: UnixNanos,
}

impl Blind {
    /// When something is overdue that was expected since `reference`, and would be so at this time: what may have come in the
    /// meantime gets the grace of the start.
    fn seen(self, reference: UnixNanos, overdue_at: UnixNanos) -> UnixNanos {
        if reference < self.start && overdue_at > self.from {
            overdue_at.max(self.until)
        } else {
            overdue_at
        }
    }
}

/// What the gauges of a group say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) is_overdue: bool,
    pub(crate) due: Option<UnixNanos>,
}

/// All groups that are expected, as far as there may be so many.
#[derive(Debug)]
pub(crate) struct Book {
    by_key: BTreeMap<GroupingKey, Expected>,
    /// Those that are not overdue, by when they will be.
    ahead: BTreeSet<(UnixNanos, GroupingKey)>,
    overdue: usize,
    /// There was no room for these.
    left_out: BTreeSet<GroupingKey>,
    /// What has changed since it was asked for.
    changed: BTreeSet<GroupingKey>,
    max: usize,
    blind: Blind,
}

impl Book {
    /// An empty one for so many groups.
    pub(crate) fn new(max: usize, blind: Blind) -> Self {
        Self {
            by_key: BTreeMap::new(),
            ahead: BTreeSet::new(),
            overdue: 0,
            left_out: BTreeSet::new(),
            changed: BTreeSet::new(),
            max,
            blind,
        }
    }

    /// A group is expected so, and came last at this time. If it was expected before, it has been since then, and
    /// otherwise since `since`.
    pub(crate) fn expect(
        &mut self,
        key: &GroupingKey,
        wanted: &Wanted<'_>,
        last: Option<UnixNanos>,
        since: UnixNanos,
        now: UnixNanos,
    ) {
        let before = self.by_key.get(key);
        if before.is_none() && self.by_key.len() >= self.max {
            self.left_out.insert(key.clone());
            return;
        }
        self.left_out.remove(key);
        let since = wanted
            .since()
            .unwrap_or_else(|| before.map_or(since, |before| before.since));
        // A clock that was ahead must not make it wait for years.
        let last = last.map(|last| last.min(now));
        let came = last.unwrap_or(since);
        // What was due in a pause is not missed.
        let reference = wanted.paused_until.map_or(came, |until| came.max(until));
        let due = due_after(wanted.timing(), reference);
        let overdue_at = due.and_then(|due| overdue_after(wanted.timing(), due));
        let overdue_at = overdue_at.map(|at| self.blind.seen(reference, at));
        let expected = Expected {
            origin: wanted.origin(),
            last,
            since,
            due,
            overdue_at,
            paused_until: wanted.paused_until,
            is_overdue: overdue_at.is_some_and(|at| at <= now),
        };
        if before == Some(&expected) {
            return;
        }
        self.put(key, Some(expected));
    }

    /// A group is not expected any more.
    pub(crate) fn forget(&mut self, key: &GroupingKey) {
        self.left_out.remove(key);
        self.put(key, None);
    }

    /// One of those for which there was no room, if there is room for it now. It is to be expected then, or forgotten.
    pub(crate) fn next_left_out(&mut self) -> Option<GroupingKey> {
        if self.by_key.len() >= self.max {
            return None;
        }
        self.left_out.pop_first()
    }

    /// Groups become overdue with time.
    pub(crate) fn pass(&mut self, now: UnixNanos) {
        while let Some((at, _)) = self.ahead.first()
            && *at <= now
            && let Some((_, key)) = self.ahead.pop_first()
        {
            if let Some(expected) = self.by_key.get_mut(&key) {
                expected.is_overdue = true;
                self.overdue += 1;
                self.changed.insert(key);
            }
        }
    }

    /// What an earlier book has shown is shown already.
    pub(crate) fn only_changed_since(&mut self, before: &Self) {
        let changed = std::mem::take(&mut self.changed).into_iter();
        self.changed = changed
            .filter(|key| before.shown(key) != self.shown(key))
            .collect();
    }

    /// What is to be shown of the groups that have changed since the last time; none: nothing more.
    pub(crate) fn take_changed(&mut self) -> Vec<(GroupingKey, Option<Shown>)> {
        let changed = std::mem::take(&mut self.changed).into_iter();
        changed.map(|key| (key.clone(), self.shown(&key))).collect()
    }

    fn shown(&self, key: &GroupingKey) -> Option<Shown> {
        self.by_key.get(key).map(|expected| Shown {
            is_overdue: expected.is_overdue,
            due: expected.due,
        })
    }

    /// The groups above this one, in their order.
    pub(crate) fn above(&self, key: Option<&GroupingKey>) -> impl Iterator<Item = (&GroupingKey, &Expected)> {
        let from = key.map_or(Bound::Unbounded, Bound::Excluded);
        self.by_key.range::<GroupingKey, _>((from, Bound::Unbounded))
    }

    pub(crate) fn get(&self, key: &GroupingKey) -> Option<&Expected> {
        self.by_key.get(key)
    }

    /// How many groups are expected.
    pub(crate) fn len(&self) -> usize {
        self.by_key.len()
    }

    /// How many of them are overdue.
    pub(crate) fn overdue(&self) -> usize {
        self.overdue
    }

    /// For how many there was no room.
    pub(crate) fn left_out(&self) -> usize {
        self.left_out.len()
    }

    fn put(&mut self, key: &GroupingKey, expected: Option<Expected>) {
        let before = match expected {
            Some(expected) => {
                self.overdue += usize::from(expected.is_overdue);
                if let (false, Some(at)) = (expected.is_overdue, expected.overdue_at) {
                    self.ahead.insert((at, key.clone()));
                }
                let overdue_at = expected.overdue_at.filter(|_| !expected.is_overdue);
                let before = self.by_key.insert(key.clone(), expected);
                before.map(|before| (before, overdue_at))
            }
            None => self.by_key.remove(key).map(|before| (before, None)),
        };
        let is_new = before.is_none();
        if let Some((before, now_at)) = before {
            self.overdue -= usize::from(before.is_overdue);
            if let Some(at) = before.overdue_at.filter(|at| Some(*at) != now_at) {
                self.ahead.remove(&(at, key.clone()));
            }
        }
        if !is_new || self.by_key.contains_key(key) {
            self.changed.insert(key.clone());
        }
    }
}

#[cfg(test)]
mod tests;
