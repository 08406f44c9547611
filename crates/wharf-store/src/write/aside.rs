//! Changes that take too long for the lock.
//!
//! They are made in a [`Draft`], aside from what is stored. The lock is held for short things only: to begin it, to look
//! series up in the index some at a time, to hear what others have touched, and in the end to put the draft in the place of
//! what is stored, which is the change. So what others wait for does not depend on how much is put or removed. It depends on
//! the number of groups: each is changed by itself in the end, so whoever changes many groups at once bounds their number.
//!
//! One at a time: there is one list of what has been touched. Those who change little need no turn.

use std::sync::{Arc, MutexGuard, OnceLock, PoisonError};

use hashbrown::HashSet;
use wharf_ledger::Framed;
use wharf_model::GroupingKey;

use crate::change::Cause;
use crate::effect::{By, Effects};
use crate::fold::Intent;
use crate::limits::Counted;
use crate::memory::checks::{Checks, Incoming};
use crate::memory::draft::{Disturbed, Draft, new_ids};
use crate::memory::family_names::Names;
use crate::memory::index::Hint;
use crate::memory::state::{Applied, Begun, Leftovers, State, check_push};
use crate::memory::touched::Touched;
use crate::prepare::{Prepared, PreparedFamily};
use crate::removed::keeper::About;
use crate::removed::taken::{Goes, Taken, going};
use crate::store::Store;
use crate::write::clear::clear_up;
use crate::write::commit::Commit;
use crate::write::local::Local;
use crate::write::lock::{Hold, let_others};
use crate::write::survey::{Suspect, verify};
use crate::{PushError, PushId, Revision};

/// What is done under one hold of the lock, in the units of [`Store::longest_hold`].
const AT_ONCE: usize = 1024;
/// Groups that are looked up under one hold.
const GROUPS_AT_ONCE: usize = 64;
/// Fragments that others have touched and that are taken over under the last hold.
const LAST_AT_ONCE: usize = 128;
/// How often it is tried to get below that.
const ROUNDS: usize = 16;
/// How often others may be quicker, before those who push to the same groups have to wait.
const ATTEMPTS: usize = 4;

/// Why a change is not made.
#[derive(Debug)]
pub(crate) enum Stopped {
    /// Somebody was quicker. It is tried again.
    Disturbed,
    /// There is nothing to be changed.
    Needless,
    /// It is refused.
    Refused {
        /// Because of which of its groups, as they were pushed; none if it is the ledger.
        push: Option<usize>,
        error: PushError,
    },
}

impl From<Disturbed> for Stopped {
    fn from(Disturbed: Disturbed) -> Self {
        Self::Disturbed
    }
}

impl Stopped {
    pub(crate) fn refused(push: usize, error: impl Into<PushError>) -> Self {
        let (push, error) = (Some(push), error.into());
        Self::Refused { push, error }
    }
}

impl Store {
    /// Makes a change of some groups, sorted by key, in a draft. `build` makes it, as often as somebody else is quicker, and
    /// gives the record of it.
    ///
    /// # Errors
    /// What `build` or a limit refuses, with the push that is to blame; or that the ledger takes nothing, and no push. Nothing
    /// has changed then.
    pub(crate) fn change_aside(
        &self,
        local: &Local,
        keys: &[GroupingKey],
        mut build: impl FnMut(&mut Drafting<'_>) -> Result<Option<Arc<Vec<u8>>>, Stopped>,
    ) -> Result<Commit, (Option<usize>, PushError)> {
        // Before the turn, for which nobody waits who has a claim.
        let claim = self.claims.claim(keys.iter());
        let mut attempt = 0;
        loop {
            attempt += 1;
            match self.try_aside(local, keys, &mut build) {
                Ok(commit) => return Ok(commit),
                Err(Stopped::Refused { push, error }) => return Err((push, error)),
                Err(Stopped::Needless) => return Ok(Commit::done()),
                Err(Stopped::Disturbed) => let_others(),
            }
            if attempt == ATTEMPTS {
                claim.close_all();
            }
        }
    }

    fn try_aside(
        &self,
        local: &Local,
        keys: &[GroupingKey],
        build: &mut impl FnMut(&mut Drafting<'_>) -> Result<Option<Arc<Vec<u8>>>, Stopped>,
    ) -> Result<Commit, Stopped> {
        let mut drafting = Drafting::begin(self, keys)?;
        let record = build(&mut drafting)?;
        drafting.finish(local, record)
    }
}

/// A draft that does not know its groups yet.
struct Beginning<'s> {
    store: &'s Store,
    begun: Begun,
    turn: MutexGuard<'s, ()>,
}

impl<'s> Beginning<'s> {
    fn of(store: &'s Store) -> Self {
        let turn = store.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let begun = store.lock().state.begin_draft();
        Self { store, begun, turn }
    }
}

/// What a draft takes away, for those who keep it.
struct Takes {
    goes: Goes,
    groups: Vec<(GroupingKey, Names)>,
    about: About,
    /// Is told the number of the change.
    made: Arc<OnceLock<Revision>>,
}

/// A draft in the making.
pub(crate) struct Drafting<'s> {
    store: &'s Store,
    draft: Draft,
    /// The quotas of each of its groups.
    quotas: Vec<Box<[usize]>>,
    /// What counts for limits, with the pushes so far.
    counted: Counted,
    /// Pushes that were checked and counted.
    pushes: usize,
    /// What others have touched and is not taken over yet.
    touched: HashSet<Touched>,
    /// Entries that were put into the index for it.
    hints: Vec<Hint>,
    /// What was done since others had the lock.
    done: usize,
    tells: bool,
    /// What it takes away for good.
    takes: Option<Takes>,
    /// The ids of its pushes.
    ids: Vec<PushId>,
    /// Whether it is over, and nothing has to be cleared up.
    is_over: bool,
    _turn: MutexGuard<'s, ()>,
}

impl<'s> Drafting<'s> {
    pub(crate) fn begin(store: &'s Store, keys: &[GroupingKey]) -> Result<Self, Disturbed> {
        Self::of(Beginning::of(store), keys)
    }

    /// Looks its groups up.
    fn of(beginning: Beginning<'s>, keys: &[GroupingKey]) -> Result<Self, Disturbed> {
        let Beginning { store, begun, turn } = beginning;
        let mut groups = Vec::with_capacity(keys.len());
        let mut counted = Counted::default();
        for (round, keys) in keys.chunks(GROUPS_AT_ONCE).enumerate() {
            if round > 0 {
                let_others();
            }
            let mut guarded = store.lock();
            // What is counted has to be counted by the limits that the pushes are held against.
            let is_same = guarded.state.accounts().generation() == begun.generation;
            if !guarded.state.is_watched() || !is_same {
                guarded.state.stop_watching();
                drop(guarded);
                let mut leftovers = Leftovers::new(Vec::new(), begun.identity);
                leftovers.ids = new_ids(&groups);
                clear_up(&store.lock, leftovers);
                return Err(Disturbed);
            }
            groups.extend(guarded.state.groups_before(keys));
            counted = guarded.state.counted();
        }
        let limits = Arc::clone(&begun.limits);
        let quotas = keys.iter().map(|key| limits.quotas_of(key).into());
        Ok(Self {
            store,
            quotas: quotas.collect(),
            draft: Draft::new(begun, groups),
            counted,
            pushes: 0,
            touched: HashSet::new(),
            hints: Vec::new(),
            done: 0,
            tells: store.writer.feed().is_followed(),
            takes: None,
            ids: Vec::new(),
            is_over: false,
            _turn: turn,
        })
    }

    /// What is stored, with the changes so far. Of groups it knows those only that it may change.
    pub(crate) fn state(&self) -> &State {
        self.draft.state()
    }

    /// Does something under the lock.
    fn under_lock<R>(&mut self, work: usize, what: impl FnOnce(&mut State) -> R) -> Result<R, Disturbed> {
        if self.done > 0 && self.done + work > AT_ONCE {
            let_others();
            self.done = 0;
        }
        self.done += work;
        let mut guarded = self.store.lock();
        let touched = guarded.state.take_touched().ok_or(Disturbed)?;
        let done = what(&mut guarded.state);
        drop(guarded);
        self.touched.extend(touched);
        Ok(done)
    }

    // ---- the change ---------------------------------------------------------------------------------------

    /// Checks a push, and puts it into the draft.
    ///
    /// # Errors
    /// If it contradicts what is stored, or pushes before it, or passes a limit with them.
    pub(crate) fn push(&mut self, intent: &Intent<'_>, cause: Cause<'_>) -> Result<(), Stopped> {
        let number = self.pushes;
        self.check(number, intent)?;
        self.draft.put(&self.store.preparer, intent, cause, self.tells);
        let growths = self.draft.growths(number);
        let limits = &self.draft.begun().limits;
        if limits.are_set() {
            for growing in growths {
                let quotas = self.quotas.get(growing.group).map(|quotas| &**quotas);
                self.counted
                    .add(limits, quotas.unwrap_or_default(), growing.growth)
                    .map_err(|exceeded| Stopped::refused(number, exceeded))?;
            }
        }
        self.pushes += 1;
        self.ids.extend(intent.once);
        Ok(self.put_hints()?)
    }

    /// Checks what the next push brings against the limit on one push.
    pub(crate) fn check_push(&self, prepared: &Prepared<'_>) -> Result<(), Stopped> {
        let checked = check_push(&self.draft.begun().limits, prepared);
        checked.map_err(|exceeded| self.refuse(exceeded))
    }

    /// The refusal of the next push.
    pub(crate) fn refuse(&self, error: impl Into<PushError>) -> Stopped {
        Stopped::refused(self.pushes, error)
    }

    /// Puts a group into the draft as it is to be when its time is over.
    pub(crate) fn empty(&mut self, intent: &Intent<'_>) -> Result<(), Disturbed> {
        self.draft
            .put(&self.store.preparer, intent, Cause::Expiry, self.tells);
        self.put_hints()
    }

    /// Removes some of its groups, sorted by key; how many there were, and families of them.
    pub(crate) fn delete(&mut self, keys: &[GroupingKey], by: By) -> Applied {
        self.draft.delete(&self.store.preparer, keys, by, self.tells)
    }

    /// Removes families of some of its groups, sorted by key; how many there were, and of how many groups.
    pub(crate) fn delete_families(&mut self, keys: &[GroupingKey], names: &[&str], by: By) -> Applied {
        self.draft
            .delete_families(&self.store.preparer, keys, names, by, self.tells)
    }

    /// What is about to be removed of some of its groups is to be kept; `made` is told under which number. To be called before
    /// it is removed.
    pub(crate) fn keep(
        &mut self,
        goes: Goes,
        keys: &[GroupingKey],
        has: impl Fn(&str) -> bool,
        about: About,
        made: &Arc<OnceLock<Revision>>,
    ) {
        if self.store.keeper().is_none() {
            return;
        }
        // Groups mostly have the same families.
        let mut last: Option<(*const Arc<str>, Names)> = None;
        let groups = keys.iter().filter_map(|key| {
            let names = self.draft.state().family_names(key)?;
            let going = match &last {
                Some((place, names_before)) if *place == names.as_ptr() => Arc::clone(names_before),
                _ => going(&names, &has),
            };
            last = Some((names.as_ptr(), Arc::clone(&going)));
            (!going.is_empty()).then(|| (key.clone(), going))
        });
        self.takes = Some(Takes {
            goes,
            groups: groups.collect(),
            about,
            made: Arc::clone(made),
        });
    }

    /// Checks a push against what is stored and drafted. The index has the series of all that is drafted.
    fn check(&mut self, number: usize, intent: &Intent<'_>) -> Result<(), Stopped> {
        let Intent {
            key, mode, ref delta, ..
        } = *intent;
        if self.draft.state().repeats(key, mode, delta) {
            return Ok(());
        }
        let incoming = Incoming {
            key,
            mode,
            prepared: delta,
        };
        for family in &delta.families {
            let checks = self.checks(incoming);
            let Some(stored) = checks.stored(family) else {
                continue;
            };
            checks
                .check_names(family, stored)
                .map_err(|clash| Stopped::refused(number, clash))?;
            if Checks::has_new_series(family, stored) {
                self.check_series(number, incoming, family)?;
            }
        }
        Ok(())
    }

    fn checks<'d>(&'d self, incoming: Incoming<'d>) -> Checks<'d> {
        Checks {
            preparer: &self.store.preparer,
            families: self.draft.state().families(),
            incoming,
            has_group: self.draft.state().size_of(incoming.key).is_some(),
        }
    }

    fn check_series(
        &mut self,
        number: usize,
        incoming: Incoming<'_>,
        family: &PreparedFamily<'_>,
    ) -> Result<(), Stopped> {
        let own = self.draft.id_of(incoming.key);
        let mut suspects = Vec::new();
        let mut first = 0;
        for some in incoming.prepared.fingerprints(family).chunks(AT_ONCE) {
            let found = self.under_lock(some.len(), |state| state.suspects(own, some))?;
            suspects.extend(found.into_iter().map(|(position, holder)| Suspect {
                position: first + position,
                holder,
            }));
            first += some.len();
        }
        if suspects.is_empty() {
            return Ok(());
        }
        // Together: each holder is read once.
        let clash = verify(&self.checks(incoming), family, &suspects)
            .into_iter()
            .next();
        clash.map_or(Ok(()), |clash| Err(Stopped::refused(number, clash)))
    }

    /// Tells the index of series that are drafted.
    fn put_hints(&mut self) -> Result<(), Disturbed> {
        let new = self.draft.take_new_hints();
        for some in new.chunks(AT_ONCE) {
            self.under_lock(some.len(), |state| state.put_hints(some))?;
            self.hints.extend_from_slice(some);
        }
        Ok(())
    }

    // ---- the end ------------------------------------------------------------------------------------------

    /// Puts a group into the draft that others have committed already: no limit refuses it.
    ///
    /// # Errors
    /// If it contradicts what is stored.
    pub(crate) fn take_over(&mut self, intent: &Intent<'_>, cause: Cause<'_>) -> Result<(), Stopped> {
        self.check(0, intent)?;
        self.draft.put(&self.store.preparer, intent, cause, self.tells);
        Ok(self.put_hints()?)
    }

    /// Puts the draft in the place of what is stored, where that has its order and is safe already. `publish` is told what it has
    /// done, under the lock.
    pub(crate) fn finish_at(mut self, at: Revision, publish: impl FnOnce(Effects)) -> Result<(), Disturbed> {
        self.make_ready()?;
        let store = self.store;
        let mut guarded = self.catch_up()?;
        if guarded.state.accounts().generation() != self.draft.begun().generation || self.is_untold() {
            return Err(Disturbed);
        }
        let quotas = std::mem::take(&mut self.quotas);
        let ready = self.draft.take(quotas, std::mem::take(&mut self.hints));
        let (former, effects) = guarded.state.switch(at, ready);
        publish(effects);
        self.is_over = true;
        drop(guarded);
        drop(self);
        clear_up(&store.lock, former.into_leftovers());
        Ok(())
    }

    /// Whether somebody follows since it was begun, and may have looked at what is stored before the change: he has to be told of it.
    fn is_untold(&self) -> bool {
        !self.tells && self.store.writer.feed().is_followed()
    }

    /// Puts the draft in the place of what is stored, and the record into the ledger.
    fn finish(mut self, local: &Local, record: Option<Arc<Vec<u8>>>) -> Result<Commit, Stopped> {
        self.make_ready()?;
        self.put_in_place(local, record)
    }

    /// The same of one that is ready.
    fn put_in_place(mut self, local: &Local, record: Option<Arc<Vec<u8>>>) -> Result<Commit, Stopped> {
        let store = self.store;
        let record = record.map(|record| Framed::new(&record));
        let mut guarded = self.catch_up()?;
        if guarded.state.accounts().generation() != self.draft.begun().generation || self.is_untold() {
            return Err(Stopped::Disturbed);
        }
        self.check_limits(&guarded.state)?;
        let quotas = std::mem::take(&mut self.quotas);
        let ready = |hints: &mut Vec<Hint>, draft: &mut Draft| draft.take(quotas, std::mem::take(hints));
        let commit = local.append_framed(&mut guarded, record);
        let commit = commit.map_err(|error| Stopped::Refused { push: None, error })?;
        if let (Some(takes), Some(keeper)) = (self.takes.take(), local.keeper()) {
            let taken = Taken::of(&guarded.state, takes.goes, takes.groups);
            keeper.take(guarded.last, taken, takes.about);
            // A draft is finished once.
            let _once = takes.made.set(guarded.last);
        }
        let former = local.switch(&mut guarded, ready(&mut self.hints, &mut self.draft));
        let at = guarded.last;
        for id in std::mem::take(&mut self.ids) {
            guarded.push_ids.add(id, at);
        }
        self.is_over = true;
        drop(guarded);
        drop(self);
        if let Some(former) = former {
            clear_up(&store.lock, former.into_leftovers());
        }
        Ok(commit)
    }

    fn make_ready(&mut self) -> Result<(), Disturbed> {
        let (store, done) = (self.store, &mut self.done);
        self.draft.make_ready(|names| {
            if *done + names.len() > AT_ONCE {
                let_others();
                *done = 0;
            }
            *done += names.len();
            let state = &mut store.lock().state;
            if state.is_watched() {
                Ok(state.share_names(names))
            } else {
                Err(Disturbed)
            }
        })
    }

    /// Takes over what others have touched, until little is left; that is taken over under the lock, which is held then.
    fn catch_up(&mut self) -> Result<Hold<'s>, Disturbed> {
        let store = self.store;
        for round in 0.. {
            let mut guarded = store.lock();
            let touched = guarded.state.take_touched().ok_or(Disturbed)?;
            self.touched.extend(touched);
            let touched = std::mem::take(&mut self.touched);
            if touched.len() <= LAST_AT_ONCE && guarded.state.weight_of_touched(&touched) <= AT_ONCE as u64
                || round == ROUNDS
            {
                let state = &guarded.state;
                let may_have = |fingerprints: &[_], ids: &HashSet<_>| {
                    Ok(state.may_have(fingerprints, |owner| ids.contains(&owner)))
                };
                self.draft
                    .catch_up(&store.preparer, state.families(), &touched, may_have)?;
                return Ok(guarded);
            }
            let now = guarded.state.families().clone();
            drop(guarded);
            let may_have = |fingerprints: &[_], ids: &HashSet<_>| {
                let state = &store.lock().state;
                Ok(state.may_have(fingerprints, |owner| ids.contains(&owner)))
            };
            self.draft.catch_up(&store.preparer, &now, &touched, may_have)?;
        }
        unreachable!("the rounds end with the last one")
    }

    /// Checks the pushes against the limits once more, with what is stored now.
    fn check_limits(&self, state: &State) -> Result<(), Stopped> {
        let limits = &self.draft.begun().limits;
        if !limits.are_set() {
            return Ok(());
        }
        let mut counted = state.counted();
        for (number, growing) in self.draft.growths(0).iter().enumerate() {
            let quotas = self.quotas.get(growing.group).map(|quotas| &**quotas);
            counted
                .add(limits, quotas.unwrap_or_default(), growing.growth)
                .map_err(|exceeded| Stopped::refused(number, exceeded))?;
        }
        Ok(())
    }
}

impl Drop for Drafting<'_> {
    /// Gives it up: nothing of it has shown.
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let begun = self.draft.begun();
        let hints = std::mem::take(&mut self.hints);
        let mut leftovers = Leftovers::new(hints, Arc::clone(&begun.identity));
        leftovers.ids = self.draft.new_ids();
        leftovers.names = self.draft.give_up();
        self.store.lock().state.stop_watching();
        clear_up(&self.store.lock, leftovers);
    }
}

#[cfg(test)]
mod tests;
