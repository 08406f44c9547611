//! Groups as another gateway had them: with the times of their pushes, and with how long they still have to live.

use std::borrow::Cow;
use std::sync::Arc;

use wharf_model::{Exposition, GroupingKey, Meter, Value};

use crate::change::{Cause, Change};
use crate::effect::Facts;
use crate::fold::Intent;
use crate::lifetime::Ttl;
use crate::memory::state::Hindrance;
use crate::mode::{Counters, PushMode};
use crate::prepare::Prepared;
use crate::store::Store;
use crate::write::aside::Stopped;
use crate::write::commit::{Commit, unavailable};
use crate::write::local::Local;
use crate::write::push::{NotNow, admit};
use crate::write::shared::Op;
use crate::write::writer::Writer;
use crate::{Note, PUSH_FAILURE_TIME, PUSH_TIME, PushError, UnixNanos};

/// A group as another gateway had it.
pub struct Restored<'a> {
    /// Its labels.
    pub key: &'a GroupingKey,
    /// What it held.
    pub exposition: &'a Exposition<'a>,
    /// When a push succeeded last, as `push_time_seconds` says it; 0 if none has.
    pub push_time: f64,
    /// When a push failed last, as `push_failure_time_seconds` says it; 0 if none has.
    pub failure_time: f64,
    /// When each family was pushed, those of the two times too.
    pub pushed_at: &'a dyn Fn(&str) -> UnixNanos,
    /// How long it is to live from its push time on.
    pub ttl: Option<Ttl>,
    /// What is expected of it, if anything is said of that; what is not said stays as it is stored.
    pub notes: &'a [Note<'a>],
    /// The memory that it may take until it is stored.
    pub memory: &'a Meter<'a>,
}

impl std::fmt::Debug for Restored<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Restored")
            .field("key", self.key)
            .finish_non_exhaustive()
    }
}

impl Store {
    /// Stores a group as another gateway had it, in the place of what is stored under its key. Without `overwrites`, a
    /// group that is there stays if it was pushed with success as late, or later; then there is nothing to commit.
    ///
    /// # Durability
    /// With a ledger, the group is safe when the returned [`Commit`] has been waited for.
    ///
    /// # Errors
    /// As [`Store::push`]; then nothing changes at all.
    pub fn restore(&self, group: &Restored<'_>, overwrites: bool) -> Result<Option<Commit>, PushError> {
        let (key, mode, memory) = (group.key, PushMode::ReplaceGroup, group.memory);
        let before = memory.taken();
        let prepared = self.prepare_restored(group)?;
        let lifetime = group.ttl.map(|ttl| ttl.from((group.pushed_at)(PUSH_TIME)));
        let intent = Intent {
            key,
            mode,
            counters: Counters::Total,
            delta: prepared,
            lifetime,
            once: None,
            facts: Facts::NONE,
        };
        let mut guarded = self.lock();
        if !overwrites && guarded.state.is_as_late(key, group.push_time) {
            return Ok(None);
        }
        guarded.state.check_push(&intent.delta)?;
        let local = match &self.writer {
            Writer::Local(local) => local,
            Writer::Shared(shared) => {
                drop(guarded);
                self.check_against_all(&intent)?;
                let outcome = shared.change(key, Op::restore(&intent))?;
                return Ok(Some(Commit::shared([outcome])));
            }
        };
        let admitted = if intent.delta.weight() <= self.few {
            admit(&mut guarded.state, &self.preparer, &intent, self.few)
        } else {
            Err(NotNow::Heavy)
        };
        let is_heavy = match admitted {
            Ok(()) => false,
            Err(NotNow::Heavy) => true,
            Err(NotNow::Refused(error)) => return Err(error),
        };
        let record_bytes = local.record_bytes(&intent);
        if is_heavy {
            drop(guarded);
            // It is copied once more, see `Framed`.
            memory.take(2 * record_bytes)?;
            let commit = self.restore_aside(local, &intent, (!overwrites).then_some(group.push_time))?;
            memory.give_back_to(before + record_bytes);
            return Ok(commit);
        }
        memory.take(record_bytes)?;
        let record = local.record_of(&intent);
        memory.give_back_to(before + record_bytes);
        let commit = self.put(local, &mut guarded, intent, Cause::Restore, record.as_deref())?;
        Ok(Some(commit))
    }

    /// The same of a group that has much; unless it was pushed at this time or later.
    fn restore_aside(
        &self,
        local: &Local,
        intent: &Intent<'_>,
        push_time: Option<f64>,
    ) -> Result<Option<Commit>, PushError> {
        let record = local.record_of(intent).map(Arc::new);
        let mut is_late = false;
        let stored = self.change_aside(local, std::slice::from_ref(intent.key), |drafting| {
            is_late = push_time.is_some_and(|time| drafting.state().is_as_late(intent.key, time));
            if is_late {
                return Err(Stopped::Needless);
            }
            drafting.push(intent, Cause::Restore)?;
            Ok(record.clone())
        });
        let commit = stored.map_err(|(_, error)| error)?;
        Ok((!is_late).then_some(commit))
    }

    /// Stores a group of a state file, with the times of its families and the values of its push times.
    /// A new group only; nothing goes to a ledger, so a checkpoint has to follow. What it is rendered to is taken from
    /// `memory`.
    ///
    /// # Errors
    /// As [`Self::push`]; nothing of the group is stored then.
    pub fn import(
        &self,
        key: &GroupingKey,
        exposition: &Exposition<'_>,
        pushed_at: impl Fn(&str) -> UnixNanos,
        memory: &Meter<'_>,
    ) -> Result<(), PushError> {
        let Writer::Local(local) = &self.writer else {
            return Err(unavailable(&"a state file is not imported into a shared log"));
        };
        let time = |name: &str| {
            let mut families = exposition.families.iter();
            let family = families.find(|family| exposition.text(family.name) == name)?;
            match family.metrics.first()?.value {
                Value::Number(value) => Some(value),
                _ => None,
            }
        };
        let prepared = self.prepare_restored(&Restored {
            key,
            exposition,
            push_time: time(PUSH_TIME).unwrap_or_else(|| pushed_at(PUSH_TIME).as_seconds()),
            failure_time: time(PUSH_FAILURE_TIME).unwrap_or(0.0),
            pushed_at: &pushed_at,
            ttl: None,
            notes: &[],
            memory,
        })?;
        let mode = PushMode::ReplaceGroup;
        let mut guarded = self.lock();
        // At a start, before anybody else comes.
        let admitted = guarded
            .state
            .admit(&self.preparer, key, mode, &prepared, u64::MAX);
        if let Err(Hindrance::Contradiction(clash)) = admitted {
            return Err(clash.into());
        }
        let change = Change::Put {
            key: Cow::Borrowed(key),
            mode,
            lifetime: None,
            prepared,
            cause: Cause::Restore,
        };
        let at = guarded.last;
        local.load(&mut guarded, &self.preparer, at, [change], true);
        Ok(())
    }

    fn prepare_restored<'a>(&self, group: &Restored<'a>) -> Result<Prepared<'a>, PushError> {
        let now = (group.pushed_at)(PUSH_TIME);
        let times = [
            (PUSH_TIME, group.push_time),
            (PUSH_FAILURE_TIME, group.failure_time),
        ];
        let mut prepared =
            self.preparer
                .prepare_with(group.key, group.exposition, &times, now, group.memory)?;
        for note in group.notes {
            self.preparer.add_note(&mut prepared, group.key, *note, now);
        }
        for family in &mut prepared.families {
            family.pushed_at = (group.pushed_at)(family.name);
        }
        Ok(prepared)
    }
}
