//! What a store does whose changes go to a shared log.

use std::sync::Arc;

use wharf_shared_log::{SharedLog, Timer};

use super::intent::Op;
use super::queue::Shared;
use super::sharing::{Rules, SharedStatus, Sharing};
use super::tasks::{SharedTasks, tasks};
use crate::fold::Intent;
use crate::memory::checks::Incoming;
use crate::memory::held_back::HeldFamily;
use crate::push_ids::Known;
use crate::store::Store;
use crate::write::commit::Commit;
use crate::write::writer::Writer;
use crate::{PushError, UnixNanos};

impl Store {
    /// Lets all changes go to a log that is shared with others, and gives the tasks that carry them there and back. Whoever
    /// calls this runs the tasks; they end when they are dropped.
    ///
    /// The store has to be empty. It has the groups of the log when [`Self::shared_status`] knows a lag; until then it takes
    /// no changes.
    pub fn share<L: SharedLog, T: Timer>(
        mut self,
        log: L,
        timer: T,
        sharing: Sharing,
    ) -> (Arc<Self>, SharedTasks) {
        let shared = Arc::new(Shared::new(sharing, timer.clone()));
        self.writer = Writer::Shared(Arc::clone(&shared));
        let store = Arc::new(self);
        let tasks = tasks(&store, &shared, log, timer);
        (store, tasks)
    }

    /// Whether the log is shared.
    pub fn is_shared(&self) -> bool {
        matches!(self.writer, Writer::Shared(_))
    }

    /// What the log is called, if it is shared.
    pub fn engine(&self) -> Option<&'static str> {
        match &self.writer {
            Writer::Local(_) => None,
            Writer::Shared(shared) => Some(shared.engine()),
        }
    }

    /// How this replica is, if the log is shared.
    pub fn shared_status(&self) -> Option<SharedStatus> {
        match &self.writer {
            Writer::Local(_) => None,
            Writer::Shared(shared) => Some(shared.status()),
        }
    }

    /// Puts settings in force that decide which bytes a push becomes, here and among the replicas, if the log is shared.
    pub fn set_shared_rules(&self, rules: Rules) {
        if let Writer::Shared(shared) = &self.writer {
            shared.set_rules(rules);
        }
    }

    /// Takes note of a scrape, for the other replicas to show.
    pub fn set_scraped(&self, at: UnixNanos) {
        if let Writer::Shared(shared) = &self.writer {
            shared.set_scraped(at);
        }
    }

    /// The families that are held back, since they contradict groups with smaller grouping keys. There are none unless the log
    /// is shared.
    pub fn held_back(&self) -> Vec<HeldFamily> {
        self.lock().state.held_back()
    }

    /// A push, as it was prepared. It is checked against what is here; what it comes to is folded and checked when it is sent.
    pub(crate) fn share_push(&self, shared: &Shared, intent: &Intent<'_>) -> Result<Commit, PushError> {
        shared.admit()?;
        self.check_unknown(intent)?;
        Ok(Commit::shared([shared.change(intent.key, Op::push(intent))?]))
    }

    /// Checks a push, unless it is known by its id: what is here now may be as it has made it, and need not fit to it.
    fn check_unknown(&self, intent: &Intent<'_>) -> Result<(), PushError> {
        let known = intent.once.and_then(|id| self.lock().push_ids.look(&id));
        match known {
            Some(Known::Made(_)) => Ok(()),
            Some(known @ Known::OtherBody) => {
                self.lock().push_ids.count(known);
                Err(PushError::OtherBody)
            }
            None => self.check_shared(intent),
        }
    }

    /// Pushes to several groups. If one of them is refused at once, none is sent. Then each goes its own way: some may be made,
    /// and others not.
    ///
    /// # Errors
    /// The first that is refused at once, or those from which on no more are taken.
    pub(crate) fn share_all<'p, P>(
        &self,
        shared: &Shared,
        pushes: impl Iterator<Item = (P, Intent<'p>)>,
    ) -> Result<Commit, (Option<P>, PushError)> {
        shared.admit().map_err(|error| (None, error))?;
        let mut ops = Vec::new();
        for (push, intent) in pushes {
            if let Err(error) = self.check_unknown(&intent) {
                return Err((Some(push), error));
            }
            ops.push((intent.key, Op::push(&intent)));
        }
        let outcomes = ops.into_iter().map(|(key, op)| shared.change(key, op));
        let outcomes = outcomes.collect::<Result<Vec<_>, _>>();
        outcomes.map(Commit::shared).map_err(|error| (None, error))
    }

    fn check_shared(&self, intent: &Intent<'_>) -> Result<(), PushError> {
        let Intent { key, mode, .. } = *intent;
        self.lock().state.check_push(&intent.delta)?;
        let checked = if mode.folds() {
            // What it replaces is known when it is folded.
            Ok(())
        } else {
            self.check_against_all(intent)
        };
        let prepared = &intent.delta;
        checked.map_err(|error| self.explain(Incoming { key, mode, prepared }, error))
    }
}
