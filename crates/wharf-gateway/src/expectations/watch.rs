//! Keeps the book up to date, and shows what it says.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use wharf_model::GroupingKey;
use wharf_schedule::Timing;
use wharf_store::{
    Batch, FamilyView, Follower, InstanceLabel, PUSH_TIME, PushMode, Reserved, Snapshot, Store, UnixNanos,
};

use super::basis::{Basis, Origin};
use super::book::{Blind, Book, Expected, Shown};
use super::overdue::Overdue;
use super::rules::ExpectRules;
use crate::lock::lock;
use crate::policy::Active;
use crate::settings::ExpectSettings;
use crate::telemetry::{self, ExpectationGauges};

/// A clock that goes back by more than this was set.
const SET_BACK: Duration = Duration::from_secs(10);

/// Groups, with what the book says of them.
type Entries = Vec<(GroupingKey, Expected)>;

/// Groups that are read from the book at a time: whoever looks through them lets others look meanwhile.
const READ_AT_ONCE: usize = 256;

/// What is expected, and what is shown of it.
#[derive(Debug)]
pub(crate) struct Expectations {
    settings: ExpectSettings,
    started_at: UnixNanos,
    /// The gauges of each group: what a scrape shows beside what is stored.
    shown: Store,
    /// What is told to those who tell others.
    overdue: Overdue,
    /// What is told of them all; none: nothing is expected.
    gauges: Mutex<Option<ExpectationGauges>>,
    /// Whoever looks takes it for a moment, but for a start and a reload, which look at all groups.
    watch: Mutex<Watch>,
}

#[derive(Debug, Default)]
struct Watch {
    followed: Option<Followed>,
    /// The last time that it was known that this gateway, or another one that shares its groups, took pushes before it started.
    blind: Option<Blind>,
}

/// What is known of the groups, and what has changed since.
#[derive(Debug)]
struct Followed {
    follower: Follower,
    rules: Arc<Active>,
    book: Book,
    /// When it was brought up to date last.
    looked: UnixNanos,
    /// Whether groups have families of the names that are reserved now, which were pushed before and are not shown.
    hides: bool,
}

impl Expectations {
    pub(crate) fn new(settings: ExpectSettings, instance: InstanceLabel, started_at: UnixNanos) -> Self {
        Self {
            settings,
            started_at,
            // The largest key that a group may have is smaller than a push.
            shown: Store::new(Reserved::default(), usize::MAX).with_instance_label(instance),
            overdue: Overdue::default(),
            gauges: Mutex::default(),
            watch: Mutex::default(),
        }
    }

    /// Which groups are overdue, for those who tell others.
    pub(crate) fn overdue(&self) -> &Overdue {
        &self.overdue
    }

    /// What is to be told of them all; none: nothing is expected.
    pub(crate) fn gauges(&self) -> Option<ExpectationGauges> {
        *lock(&self.gauges)
    }

    /// The gauges of the groups that are expected; none: there are none.
    pub(crate) fn shown(&self) -> Option<Snapshot> {
        self.gauges()?;
        Some(self.shown.snapshot())
    }

    /// Takes up what has changed since the last time, and what has become overdue. To be called from one thread.
    pub(crate) fn look(&self, store: &Store, rules: &Arc<Active>, now: UnixNanos) {
        let mut watch = lock(&self.watch);
        if rules.expectations().is_empty() && !self.settings.from_push {
            if watch.followed.take().is_some() {
                *lock(&self.gauges) = None;
                self.show_no_more(|_| false);
            }
            return;
        }
        match watch.catch_up(store, rules, self.settings, now) {
            Some(followed) => {
                followed.looked = now;
                followed.book.pass(now);
                self.show(&mut followed.book, rules.expectations(), now);
            }
            None => self.begin(&mut watch, store, rules, now),
        }
        if let (Some(Followed { book, hides, .. }), Some(blind)) = (&watch.followed, watch.blind) {
            *lock(&self.gauges) = Some(ExpectationGauges {
                expected: book.len() as u64,
                overdue: book.overdue() as u64,
                left_out: book.left_out() as u64,
                limit: self.settings.max,
                known_since: blind.until,
                hides: *hides,
            });
        }
    }

    /// Of the groups above this one, in their order, at most so many that `has` says. It may take long.
    ///
    /// # Errors
    /// Those of `has`.
    pub(crate) fn list<E>(
        &self,
        above: Option<&GroupingKey>,
        limit: usize,
        mut has: impl FnMut(&GroupingKey, &Expected) -> Result<bool, E>,
    ) -> Result<Vec<Listed>, E> {
        let (mut page, mut above) = (Vec::new(), above.cloned());
        while let Some((rules, some)) = self.some(above.as_ref()) {
            for (key, expected) in some {
                if page.len() == limit {
                    return Ok(page);
                }
                if has(&key, &expected)? {
                    page.extend(listed(rules.expectations(), key.clone(), expected));
                }
                above = Some(key);
            }
        }
        Ok(page)
    }

    /// Who expects a group, as things stand now: that may be later than what the book has; none, if nobody does.
    pub(crate) fn origin(&self, store: &Store, rules: &Active, key: &GroupingKey) -> Option<Origin> {
        let stored = store.snapshot();
        let basis = Basis::new(rules.expectations(), &stored, self.settings);
        let is_there = basis.rules.is_named(key) || stored.fragment(PUSH_TIME, key).is_some();
        let wanted = basis.of(key, None).filter(|_| is_there)?;
        Some(wanted.origin())
    }

    /// What the book has of a group now; none if it is not expected.
    pub(crate) fn expected(&self, key: &GroupingKey) -> Option<Expected> {
        let watch = lock(&self.watch);
        watch.followed.as_ref()?.book.get(key).cloned()
    }

    /// The same with when it is expected.
    pub(crate) fn get(&self, key: &GroupingKey) -> Option<Listed> {
        let watch = lock(&self.watch);
        let followed = watch.followed.as_ref()?;
        let expected = followed.book.get(key)?;
        listed(followed.rules.expectations(), key.clone(), expected.clone())
    }

    /// The next groups above this one, as the book has them now; none, if there are none.
    fn some(&self, above: Option<&GroupingKey>) -> Option<(Arc<Active>, Entries)> {
        let watch = lock(&self.watch);
        let followed = watch.followed.as_ref()?;
        let some = followed.book.above(above).take(READ_AT_ONCE);
        let some: Entries = some
            .map(|(key, expected)| (key.clone(), expected.clone()))
            .collect();
        (!some.is_empty()).then(|| (Arc::clone(&followed.rules), some))
    }

    /// Looks at all groups.
    fn begin(&self, watch: &mut Watch, store: &Store, rules: &Arc<Active>, now: UnixNanos) {
        let before = watch.followed.take();
        // First, so that the snapshot has what the follower is not told.
        let follower = store.follow();
        let snapshot = store.snapshot();
        let blind = *watch.blind.get_or_insert_with(|| Blind {
            from: last_seen(&snapshot, self.started_at),
            start: self.started_at,
            until: later(self.started_at, self.settings.start_grace),
        });
        let max = self
            .settings
            .max
            .map_or(usize::MAX, |max| usize::try_from(max).unwrap_or(usize::MAX));
        let mut book = Book::new(max, blind);
        let basis = Basis::new(rules.expectations(), &snapshot, self.settings);
        // What is named or was expected before comes first: the newest have no room where there is too little.
        let since = if before.is_some() { now } else { self.started_at };
        let known = before.iter().flat_map(|followed| followed.book.above(None));
        let mut known: Vec<(&GroupingKey, &Expected)> = known.collect();
        known.sort_by_key(|(_, expected)| expected.since);
        for (key, expected) in known {
            let known = Known {
                since: expected.since,
                last: expected.last,
            };
            look_at(&mut book, basis, key, Some(expected), (known, now));
        }
        for key in basis.rules.named() {
            if book.get(key).is_none() {
                let known = Known { since, last: None };
                look_at(&mut book, basis, key, None, (known, now));
            }
        }
        for time in snapshot.family(PUSH_TIME).iter().flat_map(FamilyView::fragments) {
            if book.get(time.key()).is_none()
                && let Some(wanted) = basis.of(time.key(), None)
            {
                let last = time.number().and_then(time_of);
                book.expect(time.key(), &wanted, last, since, now);
            }
        }
        let hides = hides(&snapshot);
        drop(snapshot);
        self.show_no_more(|key| book.get(key).is_some());
        if let Some(before) = &before {
            book.only_changed_since(&before.book);
        }
        self.show(&mut book, rules.expectations(), now);
        watch.followed = Some(Followed {
            follower,
            rules: Arc::clone(rules),
            book,
            looked: now,
            hides,
        });
    }

    fn show(&self, book: &mut Book, rules: &ExpectRules, now: UnixNanos) {
        for (key, shown) in book.take_changed() {
            self.overdue.note(&key, book.get(&key), rules);
            let done = match shown {
                Some(Shown { is_overdue, due }) => {
                    let gauges = telemetry::gauges_of_group(is_overdue, due);
                    let pushed = self.shown.push(&key, PushMode::ReplaceGroup, &gauges, now);
                    pushed.map(drop)
                }
                None => self.shown.delete(&key).map(drop),
            };
            if let Err(error) = done {
                // It is in memory only, and nobody else has these names.
                tracing::error!(err = %error, group = %key, "what is expected of a group cannot be shown");
            }
        }
    }

    /// Takes away what is shown of other groups than these.
    fn show_no_more(&self, but: impl Fn(&GroupingKey) -> bool) {
        self.overdue.retain(&but);
        for key in self.shown.snapshot().keys() {
            if !but(&key)
                && let Err(error) = self.shown.delete(&key)
            {
                tracing::error!(err = %error, group = %key, "what was expected of a group cannot be taken away");
            }
        }
    }
}

impl Watch {
    /// Takes up what has changed since the last time; none, if all groups are to be looked at.
    fn catch_up(
        &mut self,
        store: &Store,
        rules: &Arc<Active>,
        settings: ExpectSettings,
        now: UnixNanos,
    ) -> Option<&mut Followed> {
        let followed = self.followed.as_mut()?;
        let was_set = later(now, SET_BACK) < followed.looked;
        if !Arc::ptr_eq(&followed.rules, rules) || was_set {
            return None;
        }
        let touched = touched(&mut followed.follower)?;
        if touched.is_empty() {
            return Some(followed);
        }
        let (snapshot, book) = (store.snapshot(), &mut followed.book);
        let basis = Basis::new(rules.expectations(), &snapshot, settings);
        for key in touched {
            let before = book.get(&key).cloned();
            let last = before.as_ref().and_then(|expected| expected.last);
            let known = Known { since: now, last };
            look_at(book, basis, &key, before.as_ref(), (known, now));
        }
        // Some of them may have made room.
        while let Some(key) = book.next_left_out() {
            let known = Known {
                since: now,
                last: None,
            };
            look_at(book, basis, &key, None, (known, now));
        }
        followed.hides = followed.hides && hides(&snapshot);
        Some(followed)
    }
}

/// The groups that have changed since the last time; none, if they cannot be told.
fn touched(follower: &mut Follower) -> Option<BTreeSet<GroupingKey>> {
    let mut touched = BTreeSet::new();
    loop {
        match follower.read() {
            Batch::Effects(effects) if effects.is_empty() => return Some(touched),
            Batch::Effects(effects) => {
                for effect in effects {
                    touched.insert(effect.key?);
                }
            }
            Batch::Lagged { .. } => return None,
        }
    }
}

/// What is known of a group before it is looked at.
#[derive(Debug, Clone, Copy)]
struct Known {
    /// Since when it is expected, if it is new.
    since: UnixNanos,
    /// When it came last, if it is there no more: jobs delete their group and push it again.
    last: Option<UnixNanos>,
}

/// A group that is expected, when, and in which line of the file that stands.
pub(crate) type Listed = (GroupingKey, Expected, Timing, Option<u64>);

/// The rules are those that the book was made by.
fn listed(rules: &ExpectRules, key: GroupingKey, expected: Expected) -> Option<Listed> {
    let (timing, line) = match &expected.origin {
        Origin::Rule(index) => (rules.get(*index)?.timing.clone(), rules.line(*index)),
        Origin::Push(pushed) => (pushed.timing().clone(), None),
    };
    Some((key, expected, timing, line))
}

/// Expects a group as is wanted, or no longer.
fn look_at(
    book: &mut Book,
    basis: Basis<'_>,
    key: &GroupingKey,
    before: Option<&Expected>,
    (known, now): (Known, UnixNanos),
) {
    let time = basis.stored.fragment(PUSH_TIME, key);
    let last = match (&time, basis.rules.is_named(key)) {
        (Some(time), _) => time.number().and_then(time_of),
        (None, true) => known.last,
        (None, false) => return book.forget(key),
    };
    match basis.of(key, before.map(|before| &before.origin)) {
        Some(wanted) => book.expect(key, &wanted, last, known.since, now),
        None => book.forget(key),
    }
}

/// Whether groups have families of the names of what is shown of them.
fn hides(stored: &Snapshot) -> bool {
    telemetry::OF_GROUPS
        .iter()
        .any(|name| stored.family(name).is_some())
}

/// The last push that was taken before the start, as far as it can be seen.
fn last_seen(stored: &Snapshot, started_at: UnixNanos) -> UnixNanos {
    let times = stored.family(PUSH_TIME);
    let times = times.iter().flat_map(FamilyView::fragments);
    let times = times.filter_map(|time| time.number().and_then(time_of));
    // One of the future, by a clock that was wrong, proves nothing.
    times.filter(|time| *time <= started_at).max().unwrap_or_default()
}

/// A time as the store shows it; none, if it never was.
fn time_of(seconds: f64) -> Option<UnixNanos> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a time that is too large becomes the end of the clock"
    )]
    let nanos = (seconds * 1e9).round() as i64;
    (nanos > 0).then_some(UnixNanos(nanos))
}

fn later(time: UnixNanos, by: Duration) -> UnixNanos {
    let by = i64::try_from(by.as_nanos()).unwrap_or(i64::MAX);
    UnixNanos(time.0.saturating_add(by))
}

#[cfg(test)]
mod tests;
