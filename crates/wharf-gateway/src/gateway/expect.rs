//! Groups that are expected, and those that are overdue.

use std::time::Duration;

use wharf_model::{Choice, Effort, GroupingKey, Stopped};
use wharf_schedule::Timing;
use wharf_store::{Snapshot, UnixNanos};

use crate::expectations::{Expected, Listed, Past, State};
use crate::gateway::Gateway;
use crate::telemetry;

/// So many changes are worth waking a thread for: then a push does not pay for it, and none is lost.
const MANY: usize = 1000;

/// To look at a group that is expected.
const STEPS: u64 = 32;

/// A group that is expected.
#[derive(Debug, Clone)]
pub struct Expectation {
    /// The group.
    pub key: GroupingKey,
    /// What is known of it.
    pub expected: Expected,
    /// How it stood at the time of the listing.
    pub state: State,
    /// When it is expected.
    pub timing: Timing,
    /// In which line of its file the rule begins that says so, if one does.
    pub line: Option<u64>,
}

impl Expectation {
    fn at(now: UnixNanos, (key, expected, timing, line): Listed) -> Self {
        Self {
            key,
            state: expected.state(now),
            expected,
            timing,
            line,
        }
    }
}

/// Of which expectations a page is.
#[derive(Debug, Clone)]
pub struct ExpectationListing {
    /// Which groups.
    pub choice: Choice,
    /// Only those that stand so; none: all.
    pub state: Option<State>,
    /// Only groups above this one.
    pub above: Option<GroupingKey>,
    /// At most so many.
    pub limit: usize,
}

impl Gateway {
    /// Waits until there are many changes, or for so long, and finds out then which groups are overdue. Blocks. To be called again
    /// and again, from one thread, once the store is loaded; costs what has changed.
    pub fn watch_expectations(&self, at_most: Duration) {
        self.store.follow().wait(MANY, at_most);
        self.look_at_expectations();
    }

    /// Finds out which groups are overdue.
    pub fn look_at_expectations(&self) {
        self.expectations.look(&self.store, &self.policy(), self.now());
    }

    /// Groups that are expected, in the order of their keys.
    ///
    /// # Errors
    /// If the effort ends.
    pub fn expectations(
        &self,
        listing: &ExpectationListing,
        effort: &Effort,
    ) -> Result<Vec<Expectation>, Stopped> {
        self.expectations_where(listing, effort, |_| Ok(true))
    }

    /// Of these the ones that `has` says.
    ///
    /// # Errors
    /// If the effort ends; those of `has`.
    pub fn expectations_where(
        &self,
        listing: &ExpectationListing,
        effort: &Effort,
        mut has: impl FnMut(&GroupingKey) -> Result<bool, Stopped>,
    ) -> Result<Vec<Expectation>, Stopped> {
        let now = self.now();
        let mut choosing = listing.choice.begin(effort);
        let page = self
            .expectations
            .list(listing.above.as_ref(), listing.limit, |key, expected| {
                effort.spend(STEPS)?;
                let is_wanted = listing.state.is_none_or(|state| expected.state(now) == state);
                Ok(is_wanted && choosing.has(key)? && has(key)?)
            })?;
        let page = page.into_iter().map(|listed| Expectation::at(now, listed));
        Ok(page.collect())
    }

    /// How many of the groups that are expected, and that `has` says, stand so or so.
    ///
    /// # Errors
    /// As [`Self::expectations_where`].
    pub fn count_expectations(
        &self,
        choice: &Choice,
        effort: &Effort,
        mut has: impl FnMut(&GroupingKey) -> Result<bool, Stopped>,
    ) -> Result<Vec<(State, usize)>, Stopped> {
        let now = self.now();
        let mut choosing = choice.begin(effort);
        let mut counts: Vec<(State, usize)> = State::ALL.map(|state| (state, 0)).into();
        self.expectations.list(None, 1, |key, expected| {
            effort.spend(STEPS)?;
            if choosing.has(key)? && has(key)? {
                let state = expected.state(now);
                if let Some((_, count)) = counts.iter_mut().find(|(counted, _)| *counted == state) {
                    *count += 1;
                }
            }
            Ok::<_, Stopped>(false)
        })?;
        Ok(counts)
    }

    /// Whether and how a group is expected; none, if it is not.
    pub fn expected(&self, key: &GroupingKey) -> Option<Expected> {
        self.expectations.expected(key)
    }

    /// The same with when it is expected.
    pub fn expectation(&self, key: &GroupingKey) -> Option<Expectation> {
        let listed = self.expectations.get(key)?;
        Some(Expectation::at(self.now(), listed))
    }

    /// What was expected of a group within so long a time, and what came, as far as pushes are remembered.
    pub fn past(&self, expectation: &Expectation, within: Duration) -> Past {
        let history = self.activity.history();
        let history = history.and_then(|history| history.group(&expectation.key));
        let pushes = history.iter().flat_map(|history| &history.pushes);
        let stored = pushes.filter(|push| push.refused.is_none());
        let times = stored.map(|push| UnixNanos(push.at_ms.saturating_mul(1_000_000)));
        let expected = (&expectation.expected, &expectation.timing);
        Past::of(expected, times, within, self.now())
    }

    /// Whether groups may be expected: whether any were when the gateway started, or are.
    pub fn may_expect(&self) -> bool {
        self.policies.may_expect()
    }

    /// From when on all groups that are overdue are known; none, if nothing is expected.
    pub fn overdue_known_since(&self) -> Option<UnixNanos> {
        Some(self.expectations.gauges()?.known_since)
    }

    /// What a scrape shows of the groups of a choice: what is stored, and whether it is overdue.
    ///
    /// # Errors
    /// If the effort ends.
    pub fn scraped(&self, choice: &Choice, effort: &Effort) -> Result<Snapshot, Stopped> {
        let part_of = |all: Snapshot| {
            if choice.is_all() {
                Ok(all)
            } else {
                all.matching(choice, effort)
            }
        };
        let stored = part_of(self.store.snapshot())?;
        Ok(match self.expectations.shown() {
            Some(shown) => stored.with_families_of(&part_of(shown)?, &telemetry::OF_GROUPS),
            None => stored,
        })
    }
}
