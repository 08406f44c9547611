//! Groups that are expected, and those that are overdue.

use std::time::Duration;

use wharf_model::{Choice, Effort, GroupingKey, Stopped};
use wharf_schedule::Timing;
use wharf_store::{Snapshot, UnixNanos};

use crate::expectations::{Expected, State};
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
        let now = self.now();
        let mut choosing = listing.choice.begin(effort);
        let page = self
            .expectations
            .list(listing.above.as_ref(), listing.limit, |key, expected| {
                effort.spend(STEPS)?;
                let is_wanted = listing.state.is_none_or(|state| expected.state(now) == state);
                Ok(is_wanted && choosing.has(key)?)
            })?;
        let page = page.into_iter().map(|(key, expected, timing, line)| Expectation {
            key,
            state: expected.state(now),
            expected,
            timing,
            line,
        });
        Ok(page.collect())
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
