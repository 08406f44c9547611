//! Pushes that carry several groups.

use std::fmt;
use std::sync::Arc;

use wharf_model::{Exposition, GroupingKey, Meter};

use crate::aggregation::Aggregation;
use crate::change::Cause;
use crate::clashes::Clashes;
use crate::effect::Facts;
use crate::fold::Intent;
use crate::lifetime::Ttl;
use crate::memory::checks::Incoming;
use crate::mode::{Counters, PushMode};
use crate::prepare::{Prepared, Preparer};
use crate::push_ids::Known;
use crate::record::{self, Several};
use crate::store::Store;
use crate::write::aside::Stopped;
use crate::write::commit::Commit;
use crate::write::local::{Local, Together};
use crate::write::merge::with_stored;
use crate::write::push::{NotNow, admit, change_of};
use crate::write::writer::Writer;
use crate::{Note, PushError, PushId, UnixNanos};

/// What a push of several groups brings to one of them.
#[derive(Debug)]
pub struct GroupPush<'a> {
    /// The group.
    pub key: GroupingKey,
    /// What it is to hold.
    pub exposition: Exposition<'a>,
    /// For how long it is to live.
    pub ttl: Option<Ttl>,
    /// How it is added to what the group has, if it is; none if it replaces what the whole push replaces.
    pub aggregation: Option<Aggregation>,
    /// What its counters count.
    pub counters: Counters,
    /// The id by which it is known when it comes again. It counts if it is added to what the group has.
    pub once: Option<PushId>,
    /// What it says of the pushes that are to come after it.
    pub note: Option<Note<'a>>,
    /// What is to be booked with it.
    pub facts: Facts,
}

impl GroupPush<'_> {
    /// What it replaces, in a push that replaces this.
    pub fn mode(&self, mode: PushMode) -> PushMode {
        self.aggregation.map_or(mode, PushMode::Aggregate)
    }

    /// Its id, if that counts.
    fn id(&self) -> Option<PushId> {
        self.once.filter(|_| self.aggregation.is_some())
    }
}

/// Why a push of several groups is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupRefused {
    /// The first group that is to blame; none if the ledger takes nothing.
    pub key: Option<GroupingKey>,
    /// What is wrong with it.
    pub error: PushError,
    /// Other groups that contradict themselves or what is stored.
    pub others: Vec<(GroupingKey, Clashes)>,
    /// How many there are beyond these.
    pub more: usize,
}

impl fmt::Display for GroupRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(key) = &self.key {
            write!(f, "group {key}: ")?;
        }
        self.error.fmt(f)?;
        for (key, clashes) in &self.others {
            write!(f, "\ngroup {key}: {clashes}")?;
        }
        match self.more {
            0 => Ok(()),
            more => write!(f, "\nand {more} more groups"),
        }
    }
}

impl std::error::Error for GroupRefused {}

/// Groups of a refused push that are named beside the first one.
const MAX_OTHERS: usize = 10;

impl Store {
    /// Pushes to several groups: to all of them, or to none.
    ///
    /// A snapshot has all of it or nothing, and so has the ledger, where it is one record. Groups that are known by their ids to have
    /// it already are left as they are. In the end the lock is held for as
    /// long as it takes to change all groups, whatever they have; so whoever calls this should bound the number of groups.
    ///
    /// # Errors
    /// The first group that is refused, and why; its failure time moves as after [`Store::push_with_ttl`], and no
    /// other's. Groups behind it that contradict something are named too.
    pub fn push_all(
        &self,
        pushes: &[GroupPush<'_>],
        mode: PushMode,
        now: UnixNanos,
        memory: &Meter<'_>,
    ) -> Result<Commit, GroupRefused> {
        let before = memory.taken();
        let pushed = self.try_push_all(pushes, mode, now, memory);
        if pushed.is_err() {
            memory.give_back_to(before);
        }
        match pushed {
            Ok(commit) => Ok(commit),
            Err((Some(push), error)) => {
                let lifetime = push.ttl.map(|ttl| ttl.from(now));
                self.record_failure(&push.key, &error, lifetime, now);
                Err(self.explain_all(pushes, push, (mode, now, memory), error))
            }
            Err((None, error)) => Err(GroupRefused {
                key: None,
                error,
                others: Vec::new(),
                more: 0,
            }),
        }
    }

    /// The refusal of a push of several groups with all that it contradicts, from the group on that was refused first.
    fn explain_all(
        &self,
        pushes: &[GroupPush<'_>],
        first: &GroupPush<'_>,
        how: (PushMode, UnixNanos, &Meter<'_>),
        error: PushError,
    ) -> GroupRefused {
        let mut refused = GroupRefused {
            key: Some(first.key.clone()),
            error,
            others: Vec::new(),
            more: 0,
        };
        if !matches!(refused.error, PushError::Inconsistent(_)) {
            return refused;
        }
        let mut pushes = pushes.iter().skip_while(|push| !std::ptr::eq(*push, first));
        pushes.next();
        if let Some(clashes) = self.survey_group(first, how) {
            refused.error = clashes.into();
        }
        for push in pushes {
            match self.survey_group(push, how) {
                Some(clashes) if refused.others.len() < MAX_OTHERS => {
                    refused.others.push((push.key.clone(), clashes));
                }
                Some(_) => refused.more += 1,
                None => {}
            }
        }
        refused
    }

    /// What one of several groups contradicts.
    fn survey_group(
        &self,
        push: &GroupPush<'_>,
        (mode, now, memory): (PushMode, UnixNanos, &Meter<'_>),
    ) -> Option<Clashes> {
        let before = memory.taken();
        let found = self.survey_within(push, (mode, now, memory));
        memory.give_back_to(before);
        found
    }

    fn survey_within(
        &self,
        push: &GroupPush<'_>,
        (mode, now, memory): (PushMode, UnixNanos, &Meter<'_>),
    ) -> Option<Clashes> {
        let GroupPush { key, exposition, .. } = push;
        let mode = push.mode(mode);
        let refused = match self.preparer.prepare(key, exposition, now, memory) {
            Err(unfit) => self.explain_unfit(key, mode, unfit),
            Ok(delta) if mode.folds() => {
                let intent = intent_of(push, mode, delta, now);
                match self.fold_now(&intent, memory) {
                    Err(error) => self.explain_merge(key, &intent.delta, error),
                    Ok(prepared) => {
                        let prepared = &prepared;
                        return self.clashes_of(Incoming { key, mode, prepared });
                    }
                }
            }
            Ok(prepared) => {
                let prepared = &prepared;
                return self.clashes_of(Incoming { key, mode, prepared });
            }
        };
        match refused {
            PushError::Inconsistent(clashes) => Some(clashes),
            _ => None,
        }
    }

    fn try_push_all<'p>(
        &self,
        pushes: &'p [GroupPush<'p>],
        mode: PushMode,
        now: UnixNanos,
        memory: &Meter<'_>,
    ) -> Result<Commit, Blamed<'p>> {
        let all: Vec<&GroupPush<'_>> = pushes.iter().collect();
        let local = match &self.writer {
            Writer::Local(local) => local,
            Writer::Shared(shared) => {
                let (intents, unfit) = self.prepare_all(&all, mode, now, memory);
                return match unfit {
                    Some(unfit) => Err(unfit),
                    None => self.share_all(shared, pushes.iter().zip(intents)),
                };
            }
        };
        let before = memory.taken();
        loop {
            let mut left = all.clone();
            if let Some(commit) = self.leave_out_known(local, &mut left)? {
                return Ok(commit);
            }
            match self.push_all_unknown(local, &left, (mode, now), memory) {
                Ok(pushed) => return pushed,
                // Somebody else is making the same push.
                Err(NowKnown) => memory.give_back_to(before),
            }
        }
    }

    /// Leaves out those that are known by their ids to be made already. If those are all, what there is to wait for.
    fn leave_out_known<'p>(
        &self,
        local: &Local,
        pushes: &mut Vec<&'p GroupPush<'p>>,
    ) -> Result<Option<Commit>, Blamed<'p>> {
        if pushes.iter().all(|push| push.id().is_none()) {
            return Ok(None);
        }
        let mut guarded = self.lock();
        let mut left = Vec::with_capacity(pushes.len());
        let mut last = None;
        for push in pushes.iter() {
            let known = push.id().and_then(|id| guarded.push_ids.look(&id));
            if let Some(known) = known {
                guarded.push_ids.count(known);
            }
            match known {
                None => left.push(*push),
                Some(Known::OtherBody) => return Err((Some(push), PushError::OtherBody)),
                Some(Known::Made(at)) => last = last.max(Some(at)),
            }
        }
        *pushes = left;
        // When the last of them is safe, all are; and where something is left, its record is behind them.
        match last.filter(|_| pushes.is_empty()) {
            Some(at) => local
                .made(&mut guarded, at)
                .map(Some)
                .map_err(|error| (None, error)),
            None => Ok(None),
        }
    }

    /// Whether one of them is known by its id, by now.
    fn is_known(&self, pushes: &[&GroupPush<'_>]) -> bool {
        let mut ids = pushes.iter().filter_map(|push| push.id()).peekable();
        ids.peek().is_some() && {
            let guarded = self.lock();
            ids.any(|id| guarded.push_ids.look(&id).is_some())
        }
    }

    fn push_all_unknown<'p>(
        &self,
        local: &Local,
        pushes: &[&'p GroupPush<'p>],
        (mode, now): (PushMode, UnixNanos),
        memory: &Meter<'_>,
    ) -> Result<Result<Commit, Blamed<'p>>, NowKnown> {
        let (intents, unfit) = self.prepare_all(pushes, mode, now, memory);
        let weight: u64 = intents.iter().map(|intent| intent.delta.weight()).sum();
        if weight > self.few {
            return self.push_all_aside(local, pushes, (&intents, unfit), memory);
        }
        let before = memory.taken();
        match self.push_all_at_once(local, pushes, (intents, unfit), memory) {
            Ok(pushed) => return Ok(pushed),
            Err(Hindered::Known) => return Err(NowKnown),
            Err(Hindered::Heavy) => {}
        }
        // They take the place of much. That is rare, so they are made ready again, in the same memory.
        memory.give_back_to(before);
        let (intents, unfit) = self.prepare_all(pushes, mode, now, &Meter::unlimited());
        self.push_all_aside(local, pushes, (&intents, unfit), memory)
    }

    /// What is wanted of each group, up to the first one that is refused by itself. Without the lock.
    fn prepare_all<'p>(
        &self,
        pushes: &[&'p GroupPush<'p>],
        mode: PushMode,
        now: UnixNanos,
        memory: &Meter<'_>,
    ) -> (Vec<Intent<'p>>, Option<Blamed<'p>>) {
        let mut intents = Vec::with_capacity(pushes.len());
        for push in pushes {
            match self.preparer.prepare(&push.key, &push.exposition, now, memory) {
                Ok(mut delta) => {
                    self.note(&mut delta, &push.key, push.note, now);
                    intents.push(intent_of(push, mode, delta, now));
                }
                Err(error) => return (intents, Some((Some(push), error.into()))),
            }
        }
        (intents, None)
    }

    /// Stores few families of few groups, under one hold of the lock.
    fn push_all_at_once<'p>(
        &self,
        local: &Local,
        pushes: &[&'p GroupPush<'p>],
        (intents, unfit): (Vec<Intent<'p>>, Option<Blamed<'p>>),
        memory: &Meter<'_>,
    ) -> Result<Result<Commit, Blamed<'p>>, Hindered> {
        let (mut guarded, mut folded) = if intents.iter().any(Intent::folds) {
            if self.merges_much(&intents) {
                return Err(Hindered::Heavy);
            }
            let claim = self.claims.claim(intents.iter().map(|intent| intent.key));
            let (guarded, folded) = self.fold_all(&claim, &intents, memory);
            (guarded, folded.into_iter())
        } else {
            for intent in &intents {
                self.claims.wait_for(intent.key);
            }
            (self.lock(), Vec::new().into_iter())
        };
        let ids: Vec<PushId> = pushes.iter().filter_map(|push| push.id()).collect();
        if ids.iter().any(|id| guarded.push_ids.look(id).is_some()) {
            return Err(Hindered::Known);
        }
        let mut record = local.has_ledger().then(Several::new);
        let mut together = local.begin(&mut guarded, &self.preparer);
        let mut left = self.few;
        for (push, intent) in pushes.iter().zip(intents) {
            let put = put_one(
                &mut together,
                &self.preparer,
                intent,
                folded.next(),
                record.as_mut().map(|record| (record, memory)),
                &mut left,
            );
            match put {
                Ok(()) => {}
                Err(NotNow::Heavy) => {
                    together.give_up();
                    return Err(Hindered::Heavy);
                }
                Err(NotNow::Refused(error)) => {
                    together.give_up();
                    return Ok(Err((Some(push), error)));
                }
            }
        }
        if let Some(unfit) = unfit {
            together.give_up();
            return Ok(Err(unfit));
        }
        let commit = together.finish(record.map(Several::finish).as_deref());
        if commit.is_ok() {
            let at = guarded.last;
            for id in ids {
                guarded.push_ids.add(id, at);
            }
        }
        Ok(commit.map_err(|error| (None, error)))
    }

    /// Whether what these pushes are folded with is much.
    fn merges_much(&self, intents: &[Intent<'_>]) -> bool {
        let state = &self.lock().state;
        let weight = state.weight_of(intents.iter().map(|intent| intent.key));
        weight > self.few
            && intents
                .iter()
                .map(|intent| state.weight_under(intent.key, &intent.delta))
                .sum::<u64>()
                > self.few
    }

    /// Stores much, or in the place of much.
    fn push_all_aside<'p>(
        &self,
        local: &Local,
        pushes: &[&'p GroupPush<'p>],
        (intents, unfit): (&[Intent<'p>], Option<Blamed<'p>>),
        memory: &Meter<'_>,
    ) -> Result<Result<Commit, Blamed<'p>>, NowKnown> {
        let mut keys: Vec<GroupingKey> = intents.iter().map(|intent| intent.key.clone()).collect();
        keys.sort_unstable();
        keys.dedup();
        let (refused, before) = (unfit.is_some(), memory.taken());
        let mut is_known = false;
        let pushed = self.change_aside(local, &keys, |drafting| {
            memory.give_back_to(before);
            // Who comes later changes a group, and disturbs the draft.
            is_known = self.is_known(pushes);
            if is_known {
                return Err(Stopped::Needless);
            }
            let mut record = local.has_ledger().then(Several::new);
            if let Some(record) = &mut record {
                let known = intents.iter().filter(|intent| !intent.folds());
                let bytes = known.map(|intent| record::put_bytes(intent.key, intent.delta.parts()));
                // At once, since a record that grows is there twice each time. If that is too much, the group with which it
                // becomes too much is found below, and named.
                let _found_below = record.reserve(bytes.sum(), memory);
            }
            for intent in intents {
                drafting.check_push(&intent.delta)?;
                let folded = if intent.folds() {
                    let delta = self.fold_in(drafting.state(), intent, memory);
                    let delta = delta.map_err(|error| drafting.refuse(error))?;
                    Some(with_stored(intent, delta))
                } else {
                    None
                };
                let intent = folded.as_ref().unwrap_or(intent);
                if let Some(record) = &mut record {
                    let families = intent.delta.parts();
                    // It is copied once more, see `Framed`.
                    let bytes = record::put_bytes(intent.key, families.clone());
                    let taken = memory.take(bytes).and_then(|()| record.reserve(bytes, memory));
                    taken.map_err(|denied| drafting.refuse(denied))?;
                    record.put(intent.key, intent.mode, intent.lifetime, families);
                    record.add_id(intent.once);
                }
                drafting.push(intent, Cause::Push(intent.facts))?;
            }
            if refused {
                return Err(Stopped::Needless);
            }
            Ok(record.map(|record| Arc::new(record.finish())))
        });
        if is_known {
            return Err(NowKnown);
        }
        Ok(match (pushed, unfit) {
            (Ok(_), Some(unfit)) => Err(unfit),
            (Ok(commit), None) => Ok(commit),
            (Err((push, error)), _) => Err((push.and_then(|push| pushes.get(push).copied()), error)),
        })
    }
}

/// Why a push of several groups is refused, and the group that is to blame; none if it is the ledger.
type Blamed<'p> = (Option<&'p GroupPush<'p>>, PushError);

/// One of them is known by its id by now.
struct NowKnown;

/// Why several groups are not stored under the lock.
enum Hindered {
    /// It takes too long for that.
    Heavy,
    /// As [`NowKnown`].
    Known,
}

fn intent_of<'p>(push: &'p GroupPush<'_>, mode: PushMode, delta: Prepared<'p>, now: UnixNanos) -> Intent<'p> {
    Intent {
        key: &push.key,
        mode: push.mode(mode),
        counters: push.counters,
        delta,
        lifetime: push.ttl.map(|ttl| ttl.from(now)),
        once: push.id(),
        facts: &push.facts,
    }
}

/// Stores one of several groups, and adds it to the record. If it has been folded, that is what is stored. All of them may
/// take the place of so much as is `left`.
fn put_one<'p>(
    together: &mut Together<'_>,
    preparer: &Preparer,
    intent: Intent<'p>,
    folded: Option<Result<Prepared<'p>, PushError>>,
    record: Option<(&mut Several, &Meter<'_>)>,
    left: &mut u64,
) -> Result<(), NotNow> {
    together.state().check_push(&intent.delta)?;
    let intent = match folded {
        Some(folded) => with_stored(&intent, folded?),
        None => intent,
    };
    admit(together.state(), preparer, &intent, *left)?;
    *left = left.saturating_sub(together.state().weight_under(intent.key, &intent.delta));
    if let Some((record, memory)) = record {
        let families = intent.delta.parts();
        record.reserve(record::put_bytes(intent.key, families.clone()), memory)?;
        record.put(intent.key, intent.mode, intent.lifetime, families);
        record.add_id(intent.once);
    }
    let cause = Cause::Push(intent.facts);
    together.apply(change_of(intent, cause));
    Ok(())
}
