//! Pushes that replace series: what is stored is read, and what they make of it is stored in its place.
//!
//! Reading what is stored and rendering it again takes long if it is much, so it is done without the lock, as often as
//! somebody else is quicker.

use std::collections::HashMap;
use std::sync::Arc;

use wharf_model::{GroupingKey, Meter};

use crate::change::Cause;
use crate::fold::{Intent, fold_touched};
use crate::memory::checks::Incoming;
use crate::memory::leaf::FragmentView;
use crate::memory::state::{Held, State};
use crate::mode::{Counters, Patience};
use crate::prepare::Prepared;
use crate::record::{self, Image};
use crate::store::Store;
use crate::write::aside::Stopped;
use crate::write::claims::Claim;
use crate::write::commit::Commit;
use crate::write::local::Local;
use crate::write::lock::{Hold, let_others};
use crate::write::push::{NotNow, admit};
use crate::{PushError, Revision, is_standing};

/// How often others may be quicker, before they have to wait.
const ATTEMPTS: usize = 4;
/// Groups that are looked up under one hold of the lock.
const LOOKED_UP_AT_ONCE: usize = 64;

/// What a push of series comes to, and what that depends on.
#[derive(Debug)]
struct Folded<'a> {
    prepared: Result<Prepared<'a>, PushError>,
    /// The last change of the group when it was read; none if it was not there.
    revision: Option<Revision>,
    /// What it had of the families that the push touches, as a record.
    old: Vec<u8>,
    /// Whether the group has not changed since.
    is_current: bool,
}

impl Store {
    /// A push that depends on what is stored.
    pub(crate) fn push_folded(
        &self,
        local: &Local,
        intent: Intent<'_>,
        memory: &Meter<'_>,
        patience: Patience,
    ) -> Result<Commit, PushError> {
        let key = intent.key;
        let is_much = {
            let mut guarded = self.lock();
            // Before anything else, which may be as the first one has made it.
            if let Some(commit) = local.repeated(&mut guarded, intent.once)? {
                return Ok(commit);
            }
            let state = &guarded.state;
            state.check_push(&intent.delta)?;
            intent.delta.weight() > self.few || state.is_much(key, intent.mode, &intent.delta, self.few)
        };
        if is_much {
            return match patience {
                Patience::Little => Err(PushError::TakesLong),
                Patience::Unlimited => self.merge_aside(local, &intent, memory),
            };
        }
        let claim = match patience {
            Patience::Little => self.claims.try_claim(key).ok_or(PushError::TakesLong)?,
            Patience::Unlimited => self.claims.claim([key].into_iter()),
        };
        let intents = [intent];
        let (mut guarded, mut folded) = self.fold_all(&claim, &intents, memory);
        drop(claim);
        if let Some(commit) = local.repeated(&mut guarded, intents[0].once)? {
            return Ok(commit);
        }
        let folded = folded.pop().unwrap_or_else(|| Ok(Prepared::default()));
        let [pushed] = &intents;
        let delta = match folded {
            Ok(delta) => delta,
            Err(error) => {
                drop(guarded);
                self.is_survey_quick(patience)?;
                return Err(self.explain_merge(key, &pushed.delta, error));
            }
        };
        let intent = with_stored(pushed, delta);
        let cause = Cause::Push(intent.facts);
        match admit(&mut guarded.state, &self.preparer, &intent, self.few) {
            Ok(()) => {
                let record = local.record_of(&intent);
                self.put(local, &mut guarded, intent, cause, record.as_deref())
            }
            Err(NotNow::Refused(error)) => {
                drop(guarded);
                self.is_survey_quick(patience)?;
                let (mode, prepared) = (intent.mode, &intent.delta);
                Err(self.explain(Incoming { key, mode, prepared }, error))
            }
            Err(NotNow::Heavy) if patience == Patience::Little => Err(PushError::TakesLong),
            Err(NotNow::Heavy) => {
                drop(guarded);
                self.merge_aside(local, pushed, memory)
            }
        }
    }

    /// Such a push to what is much.
    fn merge_aside(
        &self,
        local: &Local,
        intent: &Intent<'_>,
        memory: &Meter<'_>,
    ) -> Result<Commit, PushError> {
        loop {
            if let Some(commit) = local.repeated(&mut self.lock(), intent.once)? {
                return Ok(commit);
            }
            if let Some(pushed) = self.try_merge_aside(local, intent, memory) {
                return pushed;
            }
        }
    }

    /// None if somebody else has pushed it meanwhile, by its id.
    fn try_merge_aside(
        &self,
        local: &Local,
        intent: &Intent<'_>,
        memory: &Meter<'_>,
    ) -> Option<Result<Commit, PushError>> {
        let key = intent.key;
        let (mut folded, mut is_known) = (None, false);
        let pushed = self.change_aside(local, std::slice::from_ref(key), |drafting| {
            folded = None;
            // Who comes later changes the group, and disturbs the draft.
            is_known = intent
                .once
                .is_some_and(|id| self.lock().push_ids.look(&id).is_some());
            if is_known {
                return Err(Stopped::Needless);
            }
            let delta = self.fold_in(drafting.state(), intent, memory);
            let delta = delta.map_err(|error| drafting.refuse(error))?;
            let folded = folded.insert(with_stored(intent, delta));
            drafting.push(folded, Cause::Push(intent.facts))?;
            Ok(local.record_of(folded).map(Arc::new))
        });
        if is_known {
            return None;
        }
        Some(pushed.map_err(|(_, error)| match &folded {
            Some(Intent {
                mode,
                delta: prepared,
                ..
            }) => {
                let mode = *mode;
                self.explain(Incoming { key, mode, prepared }, error)
            }
            None => self.explain_merge(key, &intent.delta, error),
        }))
    }

    /// What a push of series comes to in this state.
    pub(crate) fn fold_in<'a>(
        &self,
        state: &State,
        intent: &Intent<'a>,
        memory: &Meter<'_>,
    ) -> Result<Prepared<'a>, PushError> {
        let held = state.hold(intent.key, touched(intent));
        let bytes = take_copy(&held, memory)?;
        let stored = image(intent, &held, &[]);
        drop(held);
        let decoded = record::decode_image(&stored, &self.preparer);
        let effort = memory.effort();
        let folded = fold_touched(&self.preparer, &decoded, intent, effort);
        memory.give_back(bytes);
        folded
    }

    /// What each of some pushes of series comes to, in turn, and the lock, held: as long as it is, that is right. Ends
    /// with the first one that is refused.
    pub(crate) fn fold_all<'s, 'a>(
        &'s self,
        claim: &Claim<'_>,
        intents: &[Intent<'a>],
        memory: &Meter<'_>,
    ) -> (Hold<'s>, Vec<Result<Prepared<'a>, PushError>>) {
        let before = memory.taken();
        let mut folded: Vec<Folded<'a>> = Vec::with_capacity(intents.len());
        let mut attempt = 0;
        let guarded = loop {
            attempt += 1;
            self.fold_again(intents, memory, &mut folded);
            let guarded = self.lock();
            let mut changed = Vec::new();
            for (intent, folded) in intents.iter().zip(&mut folded) {
                folded.is_current = guarded.state.revision_of(intent.key) == folded.revision;
                if !folded.is_current {
                    changed.push(intent.key);
                }
            }
            if changed.is_empty() {
                break guarded;
            }
            drop(guarded);
            if attempt >= ATTEMPTS {
                for key in changed {
                    claim.close(key);
                }
            }
        };
        let folded = folded.into_iter().map(|folded| folded.prepared).collect();
        // What was copied is not needed any more.
        memory.give_back_to(before);
        (guarded, folded)
    }

    /// What one push of series comes to with what is stored now. It may be something else a moment later.
    pub(crate) fn fold_now<'a>(
        &self,
        intent: &Intent<'a>,
        memory: &Meter<'_>,
    ) -> Result<Prepared<'a>, PushError> {
        let (families, revision) = {
            let state = &self.lock().state;
            (state.families().clone(), state.revision_of(intent.key))
        };
        let held = Held::of(&families, revision, intent.key, touched(intent));
        drop(families);
        let before = memory.taken();
        let mut folded = Vec::new();
        self.fold_one((intent, 0), std::iter::empty(), held, memory, &mut folded);
        memory.give_back_to(before);
        let folded = folded.pop().map(|folded| folded.prepared);
        folded.unwrap_or_else(|| Ok(Prepared::default()))
    }

    /// Folds what has not been folded yet, or not with what is stored now.
    fn fold_again<'a>(&self, intents: &[Intent<'a>], memory: &Meter<'_>, folded: &mut Vec<Folded<'a>>) {
        let places = places(intents);
        // Nobody looks at what comes after a push that is refused.
        let is_last = |folded: &Folded<'_>| folded.is_current && folded.prepared.is_err();
        let end = if folded.last().is_some_and(is_last) {
            folded.len()
        } else {
            intents.len()
        };
        let is_missing = |position: &usize| folded.get(*position).is_none_or(|folded| !folded.is_current);
        let missing: Vec<usize> = (0..end).filter(is_missing).collect();
        for (round, positions) in missing.chunks(LOOKED_UP_AT_ONCE).enumerate() {
            if round > 0 {
                let_others();
            }
            let some = positions.iter().map(|position| &intents[*position]);
            let (families, revisions) = {
                let state = &self.lock().state;
                let revisions = some.clone().map(|intent| state.revision_of(intent.key));
                (state.families().clone(), revisions.collect::<Vec<_>>())
            };
            let held = some.zip(revisions);
            let held: Vec<Held> = held
                .map(|(intent, revision)| Held::of(&families, revision, intent.key, touched(intent)))
                .collect();
            // Leaves only: whoever changes others need not copy them.
            drop(families);
            for (position, held) in positions.iter().zip(held) {
                let intent = &intents[*position];
                let earlier = places.get(intent.key).map_or(&[][..], |places| places);
                let earlier = earlier.iter().take_while(|earlier| *earlier < position);
                self.fold_one((intent, *position), earlier, held, memory, folded);
                if folded
                    .get(*position)
                    .is_none_or(|folded| folded.prepared.is_err())
                {
                    folded.truncate(position + 1);
                    return;
                }
            }
        }
    }

    /// Folds a push with what is held of its group, or with what earlier pushes to the group make of that.
    fn fold_one<'a, 'e>(
        &self,
        (intent, position): (&Intent<'a>, usize),
        earlier: impl Iterator<Item = &'e usize>,
        held: Held,
        memory: &Meter<'_>,
        folded: &mut Vec<Folded<'a>>,
    ) {
        let revision = held.revision;
        let put = |one: Folded<'a>, folded: &mut Vec<Folded<'a>>| match folded.get_mut(position) {
            Some(former) => *former = one,
            None => folded.push(one),
        };
        let bytes = match take_copy(&held, memory) {
            Ok(bytes) => bytes,
            Err(denied) => {
                let one = Folded {
                    prepared: Err(denied),
                    revision,
                    old: Vec::new(),
                    is_current: true,
                };
                return put(one, folded);
            }
        };
        let old = image(intent, &held, &[]);
        if let Some(folded) = folded.get_mut(position)
            && folded.old == old
            && !matches!(folded.prepared, Err(PushError::Memory(_)))
        {
            // It was another part of the group that has changed.
            (folded.revision, folded.is_current) = (revision, true);
            memory.give_back(bytes);
            return;
        }
        let earlier = earlier.filter_map(|earlier| folded.get(*earlier)?.prepared.as_ref().ok());
        let earlier: Vec<&Prepared<'_>> = earlier.collect();
        let newer = (!earlier.is_empty()).then(|| image(intent, &held, &earlier));
        // From here on a change of the leaves need not copy them.
        drop(held);
        let stored = newer.as_deref().unwrap_or(&old);
        let stored = record::decode_image(stored, &self.preparer);
        let one = Folded {
            prepared: fold_touched(&self.preparer, &stored, intent, memory.effort()),
            revision,
            old,
            is_current: true,
        };
        put(one, folded);
    }
}

/// Asks for the memory of a copy of what is held, and says how much that is. Where steps are not counted, the push and what it is merged
/// with are little.
fn take_copy(held: &Held, memory: &Meter<'_>) -> Result<usize, PushError> {
    if memory.effort().is_none() {
        return Ok(0);
    }
    let bytes = held.fragments().map(|fragment| fragment.record_bytes()).sum();
    memory.take(bytes)?;
    Ok(bytes)
}

/// What a group has of the families that a push touches, as a record. `earlier` pushes to the group may have made other
/// families of them, the last one counts.
fn image(intent: &Intent<'_>, held: &Held, earlier: &[&Prepared<'_>]) -> Vec<u8> {
    let mut image = Image::default();
    let mut held = held.fragments().peekable();
    for name in touched(intent) {
        let stored = held.next_if(|fragment| fragment.name() == name);
        let newer = earlier.iter().rev().find_map(|prepared| {
            let family = prepared.get(name)?;
            Some(prepared.parts_of(family))
        });
        if let Some(parts) = newer.or(stored.as_ref().map(FragmentView::parts)) {
            image.add(&parts);
        }
    }
    image.into_record(intent.key, None)
}

/// Where the pushes to each group stand, if there are groups that come several times.
fn places<'i>(intents: &'i [Intent<'_>]) -> HashMap<&'i GroupingKey, Vec<usize>> {
    let mut places: HashMap<&GroupingKey, Vec<usize>> = HashMap::new();
    if intents.len() > 1 {
        for (position, intent) in intents.iter().enumerate() {
            places.entry(intent.key).or_default().push(position);
        }
        places.retain(|_, places| places.len() > 1);
    }
    places
}

/// The families that a push of series touches, in order.
fn touched<'i>(intent: &'i Intent<'_>) -> impl Iterator<Item = &'i str> + Clone {
    let names = intent.delta.families.iter().map(|family| family.name);
    names.filter(|name| !is_standing(name))
}

/// The intent, when what is stored has been added to what is pushed.
pub(crate) fn with_stored<'a>(intent: &Intent<'a>, folded: Prepared<'a>) -> Intent<'a> {
    Intent {
        key: intent.key,
        mode: intent.mode,
        counters: Counters::Total,
        delta: folded,
        lifetime: intent.lifetime,
        once: intent.once,
        facts: intent.facts,
    }
}
