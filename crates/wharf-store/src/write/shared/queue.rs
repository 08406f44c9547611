//! The way in: changes, up to where they wait.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use wharf_model::GroupingKey;
use wharf_shared_log::{LeaseId, Timer};

use super::bell::Bell;
use super::book::{Book, Waiting};
use super::intent::Op;
use super::kept::Kept;
use super::outcome::{Outcome, promise};
use super::reach::Reach;
use super::removing::Removing;
use super::replicas::Replicas;
use super::rules::OwnRules;
use super::sharing::{Rules, SharedStatus, Sharing};
use crate::feed::Feed;
use crate::write::commit::Commit;
use crate::write::statistics::{Detail, WriterStatistics};
use crate::{PushError, Revision, UnixNanos};

/// Changes that go to a log.
pub(crate) struct Shared {
    pub(super) sharing: Sharing,
    book: Mutex<Book>,
    pub(super) work: Bell,
    replicas: Mutex<Replicas>,
    kept: Mutex<Kept>,
    /// Removals that this process has begun.
    removals: AtomicU64,
    /// The log, once there is one.
    reach: OnceLock<Box<dyn Reach>>,
    rules: Mutex<OwnRules>,
    /// The lease of this replica; 0 for none.
    lease: AtomicI64,
    /// When this replica was scraped last; 0 for never.
    scraped_at: AtomicI64,
    pub(super) started_at: UnixNanos,
    pub(super) feed: Arc<Feed>,
    pub(super) now: Box<dyn Fn() -> Duration + Send + Sync>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("sharing", &self.sharing)
            .finish_non_exhaustive()
    }
}

impl Shared {
    pub(crate) fn new(sharing: Sharing, timer: impl Timer) -> Self {
        Self {
            rules: Mutex::new(OwnRules::new(sharing.rules.clone())),
            lease: AtomicI64::new(0),
            scraped_at: AtomicI64::new(0),
            started_at: sharing.clock.now(),
            sharing,
            book: Mutex::default(),
            work: Bell::default(),
            replicas: Mutex::default(),
            kept: Mutex::default(),
            removals: AtomicU64::new(0),
            reach: OnceLock::new(),
            feed: Arc::default(),
            now: Box::new(move || timer.now()),
        }
    }

    pub(super) fn engine(&self) -> &'static str {
        self.sharing.engine
    }

    /// What changes have done.
    pub(crate) fn feed(&self) -> &Arc<Feed> {
        &self.feed
    }

    pub(super) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn replicas(&self) -> MutexGuard<'_, Replicas> {
        self.replicas.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the log says of removals.
    pub(super) fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A number that no other removal of this process has.
    pub(super) fn next_removal(&self) -> u64 {
        self.removals.fetch_add(1, Ordering::Relaxed)
    }

    /// From now on the log is reached in this way.
    pub(super) fn set_reach(&self, reach: impl Reach + 'static) {
        // There is one log for each store.
        drop(self.reach.set(Box::new(reach)));
    }

    /// The log, once there is one.
    pub(super) fn reach(&self) -> Option<&dyn Reach> {
        self.reach.get().map(|reach| &**reach)
    }

    pub(super) fn rules(&self) -> MutexGuard<'_, OwnRules> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts other settings in force, here and among the replicas.
    pub(super) fn set_rules(&self, rules: Rules) {
        self.rules().set(rules);
    }

    pub(super) fn set_lease(&self, lease: Option<LeaseId>) {
        self.lease
            .store(lease.map_or(0, |lease| lease.0), Ordering::Relaxed);
    }

    pub(super) fn lease(&self) -> Option<LeaseId> {
        Some(LeaseId(self.lease.load(Ordering::Relaxed))).filter(|lease| lease.0 != 0)
    }

    /// Takes note of a scrape of this replica.
    pub(super) fn set_scraped(&self, at: UnixNanos) {
        self.scraped_at.store(at.0, Ordering::Relaxed);
    }

    pub(super) fn scraped_at(&self) -> UnixNanos {
        UnixNanos(self.scraped_at.load(Ordering::Relaxed))
    }

    /// Why changes cannot be made: memory is too old, or the log is full.
    pub(crate) fn failure(&self) -> Option<String> {
        let book = self.book();
        let old = book.is_current(&self.sharing.bounds(), (self.now)());
        let old = old.err().map(|error| match &book.trouble {
            Some(trouble) => format!("{error}: {trouble}"),
            None => error.to_string(),
        });
        old.or_else(|| {
            let full = book.full.as_ref()?;
            Some(format!("{} is full: {full}", self.sharing.engine))
        })
    }

    /// Whether changes are taken.
    ///
    /// # Errors
    /// [`PushError::Unavailable`] if memory is too old, or too much waits.
    pub(crate) fn admit(&self) -> Result<(), PushError> {
        self.book().admit(&self.sharing.bounds(), (self.now)())
    }

    /// Adds a change of a group.
    ///
    /// # Errors
    /// As [`Self::admit`].
    pub(crate) fn change(&self, key: &GroupingKey, op: Op) -> Result<Outcome, PushError> {
        let now = (self.now)();
        let (promise, outcome) = promise();
        {
            let mut book = self.book();
            book.admit(&self.sharing.bounds(), now)?;
            let waiting = Waiting::new(op, Some(promise), now + self.sharing.change_limit);
            book.add(key.clone(), waiting);
        }
        self.work.ring();
        Ok(outcome)
    }

    /// The same change of several groups. Each goes its own way: some may be made, and others not.
    ///
    /// # Errors
    /// As [`Self::admit`], at the first group that is not taken. Changes of those before it are on their way.
    pub(crate) fn change_all<'k>(
        &self,
        keys: impl IntoIterator<Item = &'k GroupingKey>,
        op: impl Fn() -> Op,
    ) -> Result<Commit, PushError> {
        let outcomes = keys.into_iter().map(|key| self.change(key, op()));
        Ok(Commit::shared(outcomes.collect::<Result<Vec<_>, _>>()?))
    }

    /// Adds a wipe, which is kept as this removal.
    ///
    /// # Errors
    /// As [`Self::admit`].
    pub(crate) fn wipe(&self, removing: Option<Arc<Removing>>) -> Result<Outcome, PushError> {
        let now = (self.now)();
        let (promise, outcome) = promise();
        {
            let mut book = self.book();
            book.admit(&self.sharing.bounds(), now)?;
            let deadline = now + self.sharing.change_limit;
            book.add_wipe(Waiting::new(Op::Wipe { removing }, Some(promise), deadline));
        }
        self.work.ring();
        Ok(outcome)
    }

    /// Adds the trace of a refused push, for which nobody waits.
    pub(crate) fn fail(&self, key: &GroupingKey, op: Op) {
        let now = (self.now)();
        {
            let mut book = self.book();
            if book.admit(&self.sharing.bounds(), now).is_err() {
                return;
            }
            book.add_failure(key, op, now);
        }
        self.work.ring();
    }

    /// Whether it is for this replica to let groups expire.
    pub(super) fn is_sweeper(&self) -> bool {
        let replicas = self.replicas();
        let sweeper = replicas.sweeper.as_ref();
        sweeper.is_some_and(|(sweeper, _)| **sweeper == *self.sharing.name.as_bytes())
    }

    /// What was sent to the log since the start. It is up while changes are taken.
    pub(crate) fn statistics(&self) -> WriterStatistics {
        let counts = self.book().statistics;
        WriterStatistics {
            is_up: self.failure().is_none(),
            records: counts.changes,
            commits: counts.commits,
            commit_time: counts.commit_time,
            failures: counts.failures,
            detail: Detail::Shared(counts),
        }
    }

    /// Pushes that were not made again, by their ids.
    pub(crate) fn repeated(&self) -> u64 {
        self.book().repeated
    }

    /// Whether everything has been loaded once.
    pub(super) fn is_loaded(&self) -> bool {
        self.book().lag((self.now)()).is_some()
    }

    /// How this replica is.
    pub(crate) fn status(&self) -> SharedStatus {
        let now = (self.now)();
        let replicas = self.replicas();
        let was_claimed = self.rules().was_tried();
        let differs = {
            let rules = replicas.rules.as_ref().map(|(rules, at)| (&**rules, *at));
            self.rules().compare(rules, now)
        };
        let statuses = replicas.statuses(&self.sharing.name);
        let has_twin = replicas.has_twin(self.sharing.clock.now());
        drop(replicas);
        let book = self.book();
        let lag = book.lag(now);
        SharedStatus {
            engine: self.sharing.engine,
            lag,
            is_ready: lag.is_some() && was_claimed,
            revision: Revision(book.applied().0),
            counts: book.statistics,
            waiting: book.waiting(),
            full: book.full.clone(),
            replicas: statuses,
            has_twin,
            differs,
        }
    }
}
