//! Keeping what lines come to in the groups of the store, twice a second or so: from there it is scraped, saved and shared as pushes
//! are.
//!
//! What contradicts something else is cut out: families that nobody objects to are stored, and of a family the series that nobody
//! objects to. The rest is tried again later.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::runtime::Handle;
use wharf_gateway::{Adding, Caller, Gateway, Input, Reason, Refusal, Remote, Settled, Source, Wish};
use wharf_model::{Effort, GroupingKey};
use wharf_statsd::{Changes, Gathered};
use wharf_store::{Counters, PushMode, Revision};

use super::intake::Intake;
use super::partly::Part;

/// So many series are gathered while no line is taken: a millisecond or two.
const AT_ONCE: usize = 2048;
/// So many are pushed together, and so many bytes of their names and labels, or a little more.
const MAX_SERIES: usize = 200_000;
const MAX_TEXT_BYTES: usize = 64 << 20;
/// What was refused is tried again after this time.
const AGAIN: Duration = Duration::from_secs(30);
/// So often is a push that was refused cut into parts. What is not found by then waits as a whole.
const MAX_CUTS: usize = 64;

/// Keeps what lines come to.
pub(super) struct Keeping {
    intake: Arc<Intake>,
    gateway: Arc<Gateway>,
    runtime: Handle,
    /// The jobs whose groups were stored, each with the last change of its group at which everything was there; none if it was not looked
    /// at since it was stored.
    stored: HashMap<Arc<str>, Option<Revision>>,
}

impl Keeping {
    pub(super) fn new(intake: Arc<Intake>, gateway: Arc<Gateway>, runtime: Handle) -> Self {
        Self {
            intake,
            gateway,
            runtime,
            stored: HashMap::new(),
        }
    }

    /// Goes on from what is stored of this job.
    pub(super) fn take_over(&mut self, job: &str) {
        self.intake.state().take_over(job, self.intake.now());
        let key = self.intake.groups().key(job);
        // A group that is not there yet was not deleted: lines may come before the first turn.
        if key.is_some_and(|key| self.gateway.store().revision_of(&key).is_some()) {
            self.stored.insert(job.into(), None);
        }
    }

    /// Keeps what has changed.
    pub(super) fn turn(&mut self) {
        self.notice_deletions();
        let mut has_more = true;
        let mut left = self.intake.series();
        while has_more {
            let mut gathered = Gathered::default();
            while has_more && gathered.series() < MAX_SERIES && gathered.text_bytes() < MAX_TEXT_BYTES {
                let now = self.intake.now();
                has_more = self.intake.state().gather(&mut gathered, now, AT_ONCE);
            }
            // What has changed meanwhile has time until the next turn.
            left = left.saturating_sub(gathered.series());
            has_more &= left > 0;
            for changes in gathered.into_changes() {
                self.keep(&changes);
            }
        }
    }

    /// Somebody may have deleted a group, or a family of it; or its time is over. Its series begin anew then.
    fn notice_deletions(&mut self) {
        let store = self.gateway.store();
        let mut snapshot = None;
        self.stored.retain(|job, last| {
            let Some(key) = self.intake.groups().key(job) else {
                return false;
            };
            let Some(revision) = store.revision_of(&key) else {
                self.intake.state().forget(job, None);
                return false;
            };
            if last.replace(revision) != Some(revision) {
                let snapshot = snapshot.get_or_insert_with(|| store.snapshot());
                let families = self.intake.state().stored_families(job);
                for family in families
                    .iter()
                    .filter(|family| !snapshot.has_family(&key, family))
                {
                    self.intake.state().forget(job, Some(family));
                }
            }
            true
        });
    }

    /// Keeps the changes of a job.
    fn keep(&mut self, changes: &Changes) {
        let Some(key) = self.intake.groups().key(&changes.job) else {
            return;
        };
        if !changes.gone.is_empty() {
            if self.remove(&key, changes).is_err() {
                self.intake.state().bring_back(changes);
                return;
            }
            if self.gateway.store().revision_of(&key).is_none() {
                // It is we who have removed the last of it: nobody has deleted what came meanwhile.
                self.stored.remove(&changes.job);
            }
        }
        if changes.series.is_empty() {
            self.intake.state().kept(changes, &BTreeSet::new());
        } else if self.push(&key, changes) {
            self.stored.insert(Arc::clone(&changes.job), None);
        }
    }

    /// Removes families whose last series is gone.
    fn remove(&self, key: &GroupingKey, changes: &Changes) -> Result<(), ()> {
        let names: Vec<&str> = changes.gone.iter().map(|name| &**name).collect();
        let removed = self.gateway.store().expire_families(key, &names);
        let removed = removed.and_then(|(_, commit)| self.runtime.block_on(commit.wait()));
        removed.map_err(|error| {
            tracing::debug!(err = %error, "cannot remove StatsD series whose time is over");
        })
    }

    /// Pushes what has changed: all of it, or in parts, so that what is refused keeps nothing else from being stored. Whether something
    /// was.
    fn push(&self, key: &GroupingKey, changes: &Changes) -> bool {
        let mut waiting = vec![Part::whole(changes)];
        let mut cuts = 0;
        // Families of which nothing is stored so far.
        let mut missing: BTreeSet<usize> = (0..changes.series.len()).collect();
        let mut is_stored = false;
        let mut refused = Vec::new();
        while let Some(part) = waiting.pop() {
            let Err(refusal) = self.push_part(key, changes, &part) else {
                is_stored = true;
                for family in part.families() {
                    missing.remove(&family);
                }
                continue;
            };
            if is_for_now(refusal.reason) {
                // Nothing is wrong with it. What of it was stored is stored once more.
                self.intake.state().bring_back(changes);
                return is_stored;
            }
            let parts = part.cut();
            if cuts < MAX_CUTS && !parts.is_empty() && can_be_in_parts(refusal.reason) {
                cuts += 1;
                waiting.extend(parts);
            } else {
                refused.push((part, refusal.reason));
            }
        }
        let again_at = self.intake.now() + AGAIN;
        let mut state = self.intake.state();
        state.kept(changes, &missing);
        for (part, reason) in refused {
            let series = part.series();
            self.intake.refused(reason.label(), series.len());
            match part.family() {
                Some(family) if changes.is_whole => state.refused_family(&changes.job, family, again_at),
                _ => state.refused(&series, again_at),
            }
        }
        self.intake
            .waiting_series
            .store(state.refused_series() as u64, Relaxed);
        is_stored
    }

    fn push_part(&self, key: &GroupingKey, changes: &Changes, part: &Part<'_>) -> Result<(), Refusal> {
        let mode = if changes.is_whole {
            PushMode::ReplaceFamilies
        } else {
            PushMode::ReplaceSeries
        };
        let wish = Wish {
            mode,
            // Values are whole: they are not to be added to what is stored, nor to begin anew.
            adding: Adding {
                wanted: Some(false),
                ..Adding::default()
            },
            counters: Some(Counters::Total),
            ttl: None,
            expect: None,
            id: None,
            pushed_at: None,
        };
        let source = Source {
            input: Input::Statsd,
            peer: None,
            request_id: self.gateway.request_ids().make(),
            trace: None,
            began: self.gateway.instant(),
            request_bytes: 0,
        };
        let target = (key.clone(), mode);
        // Lines have no sender who could have rights of his own.
        let policy = self.gateway.policy();
        let caller = policy.access().map_or_else(
            || Caller::unlimited(Remote::User(None), None),
            |rules| rules.caller_of(Input::Statsd),
        );
        let admission = self.gateway.admit(&caller, source, target, || Ok(wish))?;
        let pending = admission.push(&Effort::unlimited(), |_memory| Ok(part));
        match self.runtime.block_on(pending.settle())? {
            Settled::Stored => Ok(()),
            Settled::Dropped => Err(Refusal::new(Reason::Inconsistent("dropped"), "")),
        }
    }
}

/// Whether it is due to what the gateway does just now, so that the same may be stored a moment later.
fn is_for_now(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::TooFast
            | Reason::Overload
            | Reason::Unavailable
            | Reason::Internal
            | Reason::Gone
            | Reason::Late
    )
}

/// Whether others of the same push may be stored.
fn can_be_in_parts(reason: Reason) -> bool {
    !matches!(
        reason,
        Reason::Groups | Reason::QuotaGroups | Reason::Parameter | Reason::Url | Reason::Lacks(..)
    )
}

#[cfg(test)]
mod tests;
