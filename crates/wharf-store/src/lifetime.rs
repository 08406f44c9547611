//! How long groups live.

use std::collections::BTreeSet;
use std::time::Duration;

use imbl::OrdMap;
use wharf_model::GroupingKey;

use crate::UnixNanos;

/// For how long a group is to live after a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ttl {
    /// The time from the push to the end of the group.
    pub after: Duration,
    /// Whether the push times stay when everything else of the group goes, so that an alert on the age of the last
    /// push does not fall silent.
    pub keep_times: bool,
}

/// The end of a group, as its last successful push has set it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Lifetime {
    /// What the push asked for.
    pub ttl: Ttl,
    /// When the group expires.
    pub expires_at: UnixNanos,
}

impl Ttl {
    /// The lifetime of a group that is pushed at `now`. An end beyond the year 2262 is set to the end of the
    /// clock.
    pub(crate) fn from(self, now: UnixNanos) -> Lifetime {
        let after = i64::try_from(self.after.as_nanos()).unwrap_or(i64::MAX);
        Lifetime {
            ttl: self,
            expires_at: UnixNanos(now.0.saturating_add(after)),
        }
    }
}

/// The lifetimes of all groups that have one.
#[derive(Debug, Default)]
pub(crate) struct Lifetimes {
    /// Persistent, so that a snapshot has them too.
    by_key: OrdMap<GroupingKey, Lifetime>,
    /// The same groups in the order in which they expire.
    deadlines: BTreeSet<(UnixNanos, GroupingKey)>,
}

impl Lifetimes {
    /// Those of a draft, which are not looked through for those that are due.
    pub(crate) fn of(by_key: OrdMap<GroupingKey, Lifetime>) -> Self {
        Self {
            by_key,
            deadlines: BTreeSet::new(),
        }
    }

    /// Takes over those of other groups.
    pub(crate) fn absorb(&mut self, others: &Self) {
        for (key, lifetime) in &others.by_key {
            self.set(key, Some(*lifetime));
        }
    }

    pub(crate) fn by_key(&self) -> &OrdMap<GroupingKey, Lifetime> {
        &self.by_key
    }

    pub(crate) fn get(&self, key: &GroupingKey) -> Option<Lifetime> {
        self.by_key.get(key).copied()
    }

    /// Sets the lifetime of a group; `None` lets it live for ever.
    pub(crate) fn set(&mut self, key: &GroupingKey, lifetime: Option<Lifetime>) {
        if lifetime.is_none() && self.by_key.is_empty() {
            return;
        }
        let before = match lifetime {
            Some(lifetime) => {
                self.deadlines.insert((lifetime.expires_at, key.clone()));
                self.by_key.insert(key.clone(), lifetime)
            }
            None => self.by_key.remove(key),
        };
        if let Some(before) = before
            && lifetime.map(|lifetime| lifetime.expires_at) != Some(before.expires_at)
        {
            self.deadlines.remove(&(before.expires_at, key.clone()));
        }
    }

    /// At most `limit` groups that have expired by `now`, the longest expired first.
    pub(crate) fn due(&self, now: UnixNanos, limit: usize) -> Vec<(GroupingKey, Lifetime)> {
        let due = self.deadlines.iter().take_while(|(at, _)| *at <= now).take(limit);
        due.filter_map(|(_, key)| Some((key.clone(), self.get(key)?)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_has_one_deadline_however_often_it_is_set() {
        let key = |job| GroupingKey::new([("job", job)]).unwrap();
        let ttl = |seconds| Ttl {
            after: Duration::from_secs(seconds),
            keep_times: false,
        };
        let mut lifetimes = Lifetimes::default();
        for now in [0, 5, 5, 3] {
            lifetimes.set(&key("a"), Some(ttl(10).from(UnixNanos(now))));
        }
        lifetimes.set(&key("b"), Some(ttl(5).from(UnixNanos(0))));
        let due = |lifetimes: &Lifetimes, now, limit| {
            let due = lifetimes.due(UnixNanos(now), limit).into_iter();
            due.map(|(key, _)| key.job().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(due(&lifetimes, 4_999_999_999, 9), [""; 0]);
        assert_eq!(due(&lifetimes, 5_000_000_000, 9), ["b"]);
        assert_eq!(due(&lifetimes, 10_000_000_003, 9), ["b", "a"]);
        assert_eq!(due(&lifetimes, 10_000_000_003, 1), ["b"]);
        lifetimes.set(&key("b"), None);
        lifetimes.set(&key("c"), None);
        assert_eq!((lifetimes.by_key.len(), lifetimes.deadlines.len()), (1, 1));
    }

    #[test]
    fn a_lifetime_ends_with_the_clock_at_the_latest() {
        let ttl = Ttl {
            after: Duration::MAX,
            keep_times: false,
        };
        assert_eq!(ttl.from(UnixNanos(7)).expires_at, UnixNanos(i64::MAX));
    }
}
