//! Pushes to one group.

use std::borrow::Cow;
use std::sync::Arc;

use wharf_model::{Exposition, GroupingKey, Meter};

use crate::change::{Cause, Change};
use crate::effect::Facts;
use crate::fold::Intent;
use crate::lifetime::{Lifetime, Ttl};
use crate::memory::checks::Incoming;
use crate::memory::state::{Hindrance, State};
use crate::mode::{Counters, Patience, PushMode};
use crate::prepare::stencil::{KnownBody, TextBody};
use crate::prepare::{Prepared, Preparer};
use crate::store::Store;
use crate::write::commit::Commit;
use crate::write::local::Local;
use crate::write::lock::Guarded;
use crate::write::shared::Op;
use crate::write::writer::Writer;
use crate::{Note, PushError, PushId, UnixNanos, record};

/// How something is to be pushed.
#[derive(Debug, Clone, Copy)]
pub struct PushOptions<'m> {
    /// What it replaces.
    pub mode: PushMode,
    /// What its counters count.
    pub counters: Counters,
    /// How long the group is to live from then on; none for ever.
    pub ttl: Option<Ttl>,
    /// The time of the push.
    pub now: UnixNanos,
    /// The id by which it is known when it comes again. It counts if what is pushed is added to what is stored.
    pub once: Option<PushId>,
    /// What it says of the pushes that are to come after it.
    pub note: Option<Note<'m>>,
    /// What is to be booked with it.
    pub facts: Facts,
    /// The memory that it may take until it is stored.
    pub memory: &'m Meter<'m>,
    /// How long whoever pushes can wait.
    pub patience: Patience,
}

impl Store {
    /// [`Self::push_with_ttl`] without a time to live: the group stays until it is deleted.
    ///
    /// # Errors
    /// As there.
    pub fn push(
        &self,
        key: &GroupingKey,
        mode: PushMode,
        exposition: &Exposition<'_>,
        now: UnixNanos,
    ) -> Result<Commit, PushError> {
        self.push_with_ttl(key, mode, exposition, None, now)
    }

    /// [`Self::push_with`] without anything to be booked.
    ///
    /// # Errors
    /// As there.
    pub fn push_with_ttl(
        &self,
        key: &GroupingKey,
        mode: PushMode,
        exposition: &Exposition<'_>,
        ttl: Option<Ttl>,
        now: UnixNanos,
    ) -> Result<Commit, PushError> {
        let options = PushOptions {
            mode,
            counters: Counters::Total,
            ttl,
            now,
            once: None,
            note: None,
            facts: Facts::default(),
            memory: &Meter::unlimited(),
            patience: Patience::Unlimited,
        };
        self.push_with(key, exposition, &options)
    }

    /// Replaces the group `key`, or the pushed families or series in it, by `exposition`.
    ///
    /// A snapshot taken after this returns has the whole push, one taken before has nothing of it. `now` becomes
    /// the group's push time, and `ttl` says how long the group lives from then on; what earlier pushes said of
    /// that does not count any more.
    ///
    /// # Durability
    /// With a ledger, the push is safe when the returned [`Commit`] has been waited for.
    ///
    /// # Errors
    /// [`PushError`] if the push contradicts itself or what other groups hold, or would pass a limit. Nothing of it
    /// is stored then; the group's failure time becomes `now`. A group that does not exist is made for that where
    /// its times clash with no other group's, unless it is a limit that was passed, and lives as long as the push
    /// said. [`PushError::Unavailable`] if the ledger takes nothing, [`PushError::Memory`] if there is no more memory:
    /// then nothing changes at all.
    pub fn push_with(
        &self,
        key: &GroupingKey,
        exposition: &Exposition<'_>,
        options: &PushOptions<'_>,
    ) -> Result<Commit, PushError> {
        let PushOptions {
            mode,
            counters,
            ttl,
            now,
            once,
            note,
            ref facts,
            memory,
            patience,
        } = *options;
        let lifetime = ttl.map(|ttl| ttl.from(now));
        let before = memory.taken();
        let prepared = self.preparer.prepare(key, exposition, now, memory);
        let prepared = prepared.or_else(|unfit| {
            let mode = if mode.folds() {
                PushMode::ReplaceFamilies
            } else {
                mode
            };
            self.is_survey_quick(patience)?;
            Err(self.explain_unfit(key, mode, unfit))
        });
        let pushed = prepared.and_then(|mut delta| {
            self.note(&mut delta, key, note, now);
            let intent = Intent {
                key,
                mode,
                counters,
                delta,
                lifetime,
                once: once.filter(|_| mode.adds()),
                facts,
            };
            self.push_prepared(intent, (memory, before), patience)
        });
        pushed.inspect_err(|error| self.record_failure(key, error, lifetime, now))
    }

    /// [`Self::push_with`] of a body in the text format. One that is like earlier ones but for the values costs less
    /// this way, since it need not be read.
    ///
    /// # Errors
    /// Those of [`TextBody::decode`]; then nothing changes. Within, those of [`Self::push_with`].
    pub fn push_text<B: TextBody>(
        &self,
        key: &GroupingKey,
        mode: PushMode,
        body: &B,
        ttl: Option<Ttl>,
        now: UnixNanos,
    ) -> Result<Result<Commit, PushError>, B::Error> {
        let lifetime = ttl.map(|ttl| ttl.from(now));
        let (memory, patience, counters) = (body.memory(), body.patience(), body.counters());
        let candidate = if mode.folds() {
            None
        } else {
            self.stencils.candidate(key, body.text())
        };
        let Some(candidate) = candidate else {
            let exposition = body.decode(body.text(), memory)?;
            body.was_read(&exposition);
            let options = PushOptions {
                mode,
                counters,
                ttl,
                now,
                once: body.once(),
                note: body.note(),
                facts: body.facts(),
                memory,
                patience,
            };
            return Ok(self.push_with(key, &exposition, &options));
        };
        let before = memory.taken();
        let stencil = self.stencils.get(key, &candidate);
        let prepared = stencil
            .as_deref()
            .and_then(|stencil| candidate.prepare(stencil, &self.preparer, key, now, memory));
        let pushed = if let Some(mut prepared) = prepared {
            body.was_known(&KnownBody::of(&prepared));
            self.note(&mut prepared, key, body.note(), now);
            let intent = Intent {
                key,
                mode,
                counters,
                delta: prepared,
                lifetime,
                once: None,
                facts: &body.facts(),
            };
            self.push_prepared(intent, (memory, before), patience)
        } else {
            let exposition = body.decode(body.text(), memory)?;
            body.was_read(&exposition);
            let prepared = self.preparer.prepare(key, &exposition, now, memory);
            let prepared = prepared.or_else(|unfit| {
                self.is_survey_quick(patience)?;
                Err(self.explain_unfit(key, mode, unfit))
            });
            prepared.and_then(|mut prepared| {
                self.stencils
                    .learn(&self.preparer, key, &candidate, &prepared, body, now);
                self.note(&mut prepared, key, body.note(), now);
                let intent = Intent {
                    key,
                    mode,
                    counters,
                    delta: prepared,
                    lifetime,
                    once: None,
                    facts: &body.facts(),
                };
                self.push_prepared(intent, (memory, before), patience)
            })
        };
        Ok(pushed.inspect_err(|error| self.record_failure(key, error, lifetime, now)))
    }

    /// Adds what a push says of those that are to come after it.
    pub(crate) fn note(
        &self,
        delta: &mut Prepared<'_>,
        key: &GroupingKey,
        note: Option<Note<'_>>,
        now: UnixNanos,
    ) {
        if let Some(note) = note {
            self.preparer.add_note(delta, key, note, now);
        }
    }

    /// What was prepared since `before` was taken is given back, except for the record: that waits for the disk.
    fn push_prepared(
        &self,
        intent: Intent<'_>,
        (memory, before): (&Meter<'_>, usize),
        patience: Patience,
    ) -> Result<Commit, PushError> {
        let local = match &self.writer {
            Writer::Local(local) => local,
            Writer::Shared(shared) => return self.share_push(shared, &intent),
        };
        let Intent { key, mode, facts, .. } = intent;
        if intent.folds() {
            return self.push_folded(local, intent, memory, patience);
        }
        match patience {
            Patience::Little if self.claims.is_closed(key) => return Err(PushError::TakesLong),
            Patience::Little => {}
            Patience::Unlimited => self.claims.wait_for(key),
        }
        let record_bytes = local.record_bytes(&intent);
        memory.take(record_bytes)?;
        let record = local.record_of(&intent);
        if intent.delta.weight() <= self.few {
            let mut guarded = self.lock();
            guarded.state.check_push(&intent.delta)?;
            match admit(&mut guarded.state, &self.preparer, &intent, self.few) {
                Ok(()) => {
                    let change = change_of(intent, Cause::Push(facts));
                    let (_, commit) =
                        local.change_one(&mut guarded, &self.preparer, record.as_deref(), change)?;
                    memory.give_back_to(before + record_bytes);
                    return Ok(commit);
                }
                Err(NotNow::Refused(error)) => {
                    drop(guarded);
                    self.is_survey_quick(patience)?;
                    let prepared = &intent.delta;
                    return Err(self.explain(Incoming { key, mode, prepared }, error));
                }
                Err(NotNow::Heavy) => {}
            }
        }
        if patience == Patience::Little {
            return Err(PushError::TakesLong);
        }
        // It is copied once more, see `Framed`.
        memory.take(record_bytes)?;
        let commit = self.push_aside(local, &intent, Cause::Push(facts), record)?;
        memory.give_back_to(before + record_bytes);
        Ok(commit)
    }

    /// A push that takes too long for the lock, or takes the place of too much.
    pub(crate) fn push_aside(
        &self,
        local: &Local,
        intent: &Intent<'_>,
        cause: Cause<'_>,
        record: Option<Vec<u8>>,
    ) -> Result<Commit, PushError> {
        let (key, mode, prepared) = (intent.key, intent.mode, &intent.delta);
        let record = record.map(Arc::new);
        let pushed = self.change_aside(local, std::slice::from_ref(key), |drafting| {
            drafting.check_push(&intent.delta)?;
            drafting.push(intent, cause)?;
            Ok(record.clone())
        });
        pushed.map_err(|(_, error)| self.explain(Incoming { key, mode, prepared }, error))
    }

    /// Books the failure of a push that was refused for what is in it before it came here. A group that does not exist is made
    /// for that, as it is for those that are refused here.
    pub fn record_failure_time(&self, key: &GroupingKey, ttl: Option<Ttl>, now: UnixNanos) {
        self.book_failure(key, true, ttl.map(|ttl| ttl.from(now)), now);
    }

    /// Books a refused push.
    pub(crate) fn record_failure(
        &self,
        key: &GroupingKey,
        error: &PushError,
        lifetime: Option<Lifetime>,
        now: UnixNanos,
    ) {
        if let Some(makes) = error.makes_group() {
            self.book_failure(key, makes, lifetime, now);
        }
    }

    fn book_failure(&self, key: &GroupingKey, makes: bool, lifetime: Option<Lifetime>, now: UnixNanos) {
        let local = match &self.writer {
            Writer::Local(local) => local,
            Writer::Shared(shared) => {
                let at = now;
                return shared.fail(key, Op::Failed { makes, lifetime, at });
            }
        };
        if self.claims.is_closed(key) {
            // Somebody who takes long has been disturbed again and again. Booking failures would go on with that for ever.
            return;
        }
        let mut guarded = self.lock();
        if let Some(delta) = guarded.state.failure(&self.preparer, key, makes, now) {
            let is_new = guarded.state.family_names(key).is_none();
            let lifetime = if is_new {
                lifetime
            } else {
                guarded.state.lifetimes().get(key)
            };
            let intent = Intent {
                key,
                mode: PushMode::ReplaceFamilies,
                counters: Counters::Total,
                delta,
                lifetime,
                once: None,
                facts: Facts::NONE,
            };
            let record = local.record_of(&intent);
            // The refusal is the answer; nobody waits for its trace, and a ledger that takes nothing loses it.
            drop(self.put(local, &mut guarded, intent, Cause::Refusal, record.as_deref()));
        }
    }

    /// Stores what has been admitted.
    pub(crate) fn put<'a>(
        &self,
        local: &Local,
        guarded: &mut Guarded,
        intent: Intent<'a>,
        cause: Cause<'a>,
        record: Option<&[u8]>,
    ) -> Result<Commit, PushError> {
        let once = intent.once;
        let change = change_of(intent, cause);
        let (_, commit) = local.change_one(guarded, &self.preparer, record, change)?;
        if let Some(id) = once {
            let at = guarded.last;
            guarded.push_ids.add(id, at);
        }
        Ok(commit)
    }
}

impl Local {
    /// How much memory the record of a push takes.
    pub(crate) fn record_bytes(&self, intent: &Intent<'_>) -> usize {
        if self.has_ledger() {
            record::put_bytes(intent.key, intent.delta.parts())
        } else {
            0
        }
    }

    /// The record of a push, if there is a ledger for it.
    pub(crate) fn record_of(&self, intent: &Intent<'_>) -> Option<Vec<u8>> {
        let Intent {
            key,
            mode,
            lifetime,
            once,
            ..
        } = *intent;
        self.has_ledger().then(|| match once {
            None => record::put(key, mode, lifetime, intent.delta.parts()),
            Some(id) => record::put_once(key, mode, lifetime, (intent.delta.parts(), id)),
        })
    }
}

/// The change that an intent is, when it has been folded as far as it has to be.
pub(crate) fn change_of<'a>(intent: Intent<'a>, cause: Cause<'a>) -> Change<'a> {
    Change::Put {
        key: Cow::Borrowed(intent.key),
        mode: intent.mode,
        lifetime: intent.lifetime,
        prepared: intent.delta,
        cause,
    }
}

/// Why a push is not stored under the lock.
#[derive(Debug)]
pub(crate) enum NotNow {
    /// Because of what is in it.
    Refused(PushError),
    /// It takes too long, or takes the place of too much: [`Store::push_aside`] is for it.
    Heavy,
}

impl<E: Into<PushError>> From<E> for NotNow {
    fn from(error: E) -> Self {
        Self::Refused(error.into())
    }
}

/// Checks a push against what is stored, and against the limits; one of more than a `few` families and series, or which
/// takes the place of more, is not checked.
pub(crate) fn admit(
    state: &mut State,
    preparer: &Preparer,
    intent: &Intent<'_>,
    few: u64,
) -> Result<(), NotNow> {
    let Intent { key, mode, delta, .. } = intent;
    match state.admit(preparer, key, *mode, delta, few) {
        Ok(()) => {}
        Err(Hindrance::Contradiction(clash)) => return Err(PushError::from(clash).into()),
        Err(Hindrance::Heavy) => return Err(NotNow::Heavy),
    }
    state.enlist(key);
    Ok(state.check_limits(preparer, key, *mode, delta)?)
}
