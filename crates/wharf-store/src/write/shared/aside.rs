//! Groups of very many families or series, checked and taken over in drafts: nobody waits for more than a slice of them.
//!
//! Nobody but the applier changes what is stored, so nothing disturbs its drafts but other limits and new followers. The drafts of those
//! who check something before it is sent are given up, and may be disturbed by the applier; then they are made again some times.

use wharf_model::GroupingKey;

use crate::change::Cause;
use crate::effect::{By, Effects};
use crate::fold::Intent;
use crate::memory::state::has_hope;
use crate::store::Store;
use crate::write::aside::{Drafting, Stopped};
use crate::write::push::{NotNow, admit};
use crate::{PushError, Revision};

/// How often a draft is begun.
const ATTEMPTS: usize = 4;

impl Store {
    /// Checks a push against what is here, and against the limits. What is committed meanwhile may contradict it all the same.
    pub(crate) fn check_against_all(&self, intent: &Intent<'_>) -> Result<(), PushError> {
        if intent.delta.weight() <= self.few {
            let admitted = admit(&mut self.lock().state, &self.preparer, intent, self.few);
            match admitted {
                Ok(()) => return Ok(()),
                Err(NotNow::Refused(error)) => return Err(error),
                Err(NotNow::Heavy) => {}
            }
        }
        for _ in 0..ATTEMPTS {
            match self.check_aside(intent) {
                Err(Stopped::Refused { error, .. }) => return Err(error),
                Err(Stopped::Disturbed) => {}
                Ok(()) | Err(Stopped::Needless) => break,
            }
        }
        // It is checked again when it comes back, so nothing is lost if others have been quicker each time.
        Ok(())
    }

    fn check_aside(&self, intent: &Intent<'_>) -> Result<(), Stopped> {
        let mut drafting = Drafting::begin(self, std::slice::from_ref(intent.key))?;
        drafting.push(intent, Cause::Push(intent.facts))
    }

    /// Takes a group over, in the place of what it was. Whether that has been done: not if something contradicts it, or is held back
    /// already; then somebody has to look at both.
    pub(super) fn take_over(
        &self,
        at: Revision,
        intent: &Intent<'_>,
        cause: Cause<'_>,
        publish: impl Fn(Effects),
    ) -> bool {
        let is_plain = self.lock().state.holds_nothing_back() && has_hope(&self.preparer, &intent.delta);
        is_plain
            && self.try_aside_at(intent.key, |mut drafting| {
                drafting.take_over(intent, cause)?;
                Ok(drafting.finish_at(at, &publish)?)
            })
    }

    /// The same of the end of a group.
    pub(super) fn take_away(
        &self,
        at: Revision,
        key: &GroupingKey,
        by: By,
        publish: impl Fn(Effects),
    ) -> bool {
        self.lock().state.holds_nothing_back()
            && self.try_aside_at(key, |mut drafting| {
                drop(drafting.delete(std::slice::from_ref(key), by));
                Ok(drafting.finish_at(at, &publish)?)
            })
    }

    fn try_aside_at(&self, key: &GroupingKey, change: impl Fn(Drafting<'_>) -> Result<(), Stopped>) -> bool {
        for _ in 0..ATTEMPTS {
            let drafting = Drafting::begin(self, std::slice::from_ref(key));
            match drafting.map_err(Stopped::from).and_then(&change) {
                Ok(()) => return true,
                Err(Stopped::Disturbed) => {}
                Err(Stopped::Refused { .. } | Stopped::Needless) => return false,
            }
        }
        false
    }
}
