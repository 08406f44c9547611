//! Groups as another gateway had them: with the times of their pushes, and with how long they still have to live.

use std::borrow::Cow;

use wharf_model::{Exposition, GroupingKey, Meter, Value};

use crate::change::{Cause, Change};
use crate::effect::Facts;
use crate::fold::Intent;
use crate::lifetime::Ttl;
use crate::mode::PushMode;
use crate::prepare::Prepared;
use crate::store::Store;
use crate::write::commit::{Commit, unavailable};
use crate::write::push::admit;
use crate::write::shared::Op;
use crate::write::writer::Writer;
use crate::{PUSH_FAILURE_TIME, PUSH_TIME, PushError, UnixNanos};

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
            delta: prepared,
            lifetime,
            facts: Facts::NONE,
        };
        let mut guarded = self.lock();
        if !overwrites && guarded.state.is_as_late(key, group.push_time) {
            return Ok(None);
        }
        guarded.state.check_push(&intent.delta)?;
        admit(&mut guarded.state, &self.preparer, &intent)?;
        let local = match &self.writer {
            Writer::Local(local) => local,
            Writer::Shared(shared) => {
                drop(guarded);
                let outcome = shared.change(key, Op::restore(&intent))?;
                return Ok(Some(Commit::shared([outcome])));
            }
        };
        let record_bytes = local.record_bytes(&intent);
        memory.take(record_bytes)?;
        let record = local.record_of(&intent);
        memory.give_back_to(before + record_bytes);
        let commit = self.put(local, &mut guarded, intent, Cause::Restore, record)?;
        Ok(Some(commit))
    }

    /// Stores a group of a state file, with the times of its families and the values of its push times.
    /// A new group only; nothing goes to a ledger, so a checkpoint has to follow.
    ///
    /// # Errors
    /// As [`Self::push`]; nothing of the group is stored then.
    pub fn import(
        &self,
        key: &GroupingKey,
        exposition: &Exposition<'_>,
        pushed_at: impl Fn(&str) -> UnixNanos,
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
        let memory = Meter::unlimited();
        let prepared = self.prepare_restored(&Restored {
            key,
            exposition,
            push_time: time(PUSH_TIME).unwrap_or_else(|| pushed_at(PUSH_TIME).as_seconds()),
            failure_time: time(PUSH_FAILURE_TIME).unwrap_or(0.0),
            pushed_at: &pushed_at,
            ttl: None,
            memory: &memory,
        })?;
        let mode = PushMode::ReplaceGroup;
        let mut guarded = self.lock();
        guarded.state.admit(&self.preparer, key, mode, &prepared)?;
        let change = Change::Put {
            key: Cow::Borrowed(key),
            mode,
            lifetime: None,
            prepared,
            cause: Cause::Restore,
            without: None,
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
        for family in &mut prepared.families {
            family.pushed_at = (group.pushed_at)(family.name);
        }
        Ok(prepared)
    }
}
