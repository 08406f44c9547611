//! What is said of the pushes of a group that are still to come, by others than its pushes.

use std::sync::Arc;

use wharf_model::GroupingKey;

use crate::change::Cause;
use crate::effect::Facts;
use crate::fold::Intent;
use crate::memory::state::State;
use crate::mode::{Counters, PushMode};
use crate::store::Store;
use crate::write::commit::Commit;
use crate::write::push::{NotNow, admit};
use crate::write::shared::Op;
use crate::write::writer::Writer;
use crate::{Note, PushError, UnixNanos, record};

impl Store {
    /// Lets something stand in a group beside what is pushed. A group that is not there is made for that, as one that was never
    /// pushed; its push times and its lifetime stay.
    ///
    /// # Durability
    /// With a ledger, it is safe when the returned [`Commit`] has been waited for.
    ///
    /// # Errors
    /// If the group cannot be made, or the ledger takes nothing; then nothing changes.
    pub fn set_note(&self, key: &GroupingKey, note: Note<'_>, now: UnixNanos) -> Result<Commit, PushError> {
        let prepared = |is_new: bool| {
            let mut prepared = self.preparer.times(key, is_new.then_some(0.0), None, now);
            self.preparer.add_note(&mut prepared, key, note, now);
            prepared
        };
        let local = match &self.writer {
            Writer::Local(local) => local,
            Writer::Shared(shared) => {
                let record = record::put(key, PushMode::ReplaceFamilies, None, prepared(true).parts());
                let outcome = shared.change(key, Op::Note { record })?;
                return Ok(Commit::shared([outcome]));
            }
        };
        let cause = Cause::Noted;
        let intent_in = |state: &State| Intent {
            key,
            mode: PushMode::ReplaceFamilies,
            counters: Counters::Total,
            delta: prepared(state.family_names(key).is_none()),
            lifetime: state.lifetimes().get(key),
            once: None,
            facts: Facts::NONE,
        };
        self.claims.wait_for(key);
        let mut guarded = self.lock();
        let intent = intent_in(&guarded.state);
        match admit(&mut guarded.state, &self.preparer, &intent, self.few) {
            Ok(()) => {
                let record = local.record_of(&intent);
                return self.put(local, &mut guarded, intent, cause, record.as_deref());
            }
            Err(NotNow::Refused(error)) => return Err(error),
            Err(NotNow::Heavy) => drop(guarded),
        }
        let noted = self.change_aside(local, std::slice::from_ref(key), |drafting| {
            let intent = intent_in(drafting.state());
            drafting.push(&intent, cause)?;
            Ok(local.record_of(&intent).map(Arc::new))
        });
        noted.map_err(|(_, error)| error)
    }
}
