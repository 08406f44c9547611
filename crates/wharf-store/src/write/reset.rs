//! Groups that begin anew: what they have counted is gone, and their label sets stay.

use std::sync::Arc;

use wharf_model::{GroupingKey, Meter};

use crate::aggregation::Gauges;
use crate::change::Cause;
use crate::effect::{By, Facts};
use crate::fold::{Anew, Intent, reset};
use crate::mode::{Counters, PushMode};
use crate::record::{self, Image};
use crate::store::Store;
use crate::write::commit::Commit;
use crate::write::local::Local;
use crate::write::shared::Op;
use crate::write::writer::Writer;
use crate::{PushError, UnixNanos};

impl Store {
    /// Lets what a group has counted begin from nothing; whether there is such a group. Its label sets, what is no sum, its push
    /// times and its lifetime stay. `gauges` is how its gauges are added up, `now` the start from then on.
    ///
    /// # Errors
    /// [`PushError::Unavailable`] if the ledger takes nothing, [`PushError::Memory`] if there is no memory for it.
    pub fn reset(
        &self,
        key: &GroupingKey,
        gauges: Gauges,
        now: UnixNanos,
        memory: &Meter<'_>,
    ) -> Result<(bool, Commit), PushError> {
        let anew = Anew { gauges, at: now };
        match &self.writer {
            Writer::Local(local) => self.reset_here(local, key, anew, memory),
            Writer::Shared(shared) => {
                // Of a group that is only on its way here nothing is reset, as the answer says.
                if !self.lock().state.has(key) {
                    return Ok((false, Commit::done()));
                }
                Ok((true, shared.change_all([key], || Op::Reset { anew })?))
            }
        }
    }

    /// Aside: it is rare, and reads all that the group has.
    fn reset_here(
        &self,
        local: &Local,
        key: &GroupingKey,
        anew: Anew,
        memory: &Meter<'_>,
    ) -> Result<(bool, Commit), PushError> {
        let before = memory.taken();
        let mut existed = false;
        let keys = std::slice::from_ref(key);
        let changed = self.change_aside(local, keys, |drafting| {
            memory.give_back_to(before);
            let state = drafting.state();
            let family_names = state.family_names(key);
            existed = family_names.is_some();
            if !existed {
                // Its end may still be on the way to the disk, and this answer must not overtake it.
                drop(drafting.delete(keys, By::Request));
                return Ok(local.has_ledger().then(|| Arc::new(record::delete(key))));
            }
            let names = family_names.iter().flat_map(|names| names.iter());
            let held = state.hold(key, names.map(|name| &**name));
            let bytes: usize = held.fragments().map(|fragment| fragment.record_bytes()).sum();
            // The copy, and what becomes of it.
            let taken = memory.take(bytes.saturating_mul(2));
            taken.map_err(|denied| drafting.refuse(denied))?;
            let mut image = Image::default();
            held.fragments().for_each(|fragment| image.add(&fragment.parts()));
            drop(held);
            let lifetime = state.lifetimes().get(key);
            let image = image.into_record(key, None);
            let old = record::decode_image(&image, &self.preparer);
            let delta = reset(&self.preparer, key, &old, anew, memory.effort());
            let intent = Intent {
                key,
                mode: PushMode::ReplaceFamilies,
                counters: Counters::Total,
                delta: delta.map_err(|error| drafting.refuse(error))?,
                lifetime,
                once: None,
                facts: Facts::NONE,
            };
            // Also if nothing begins anew: what was pushed before may still be on the way.
            drafting.push(&intent, Cause::Reset(anew.at))?;
            Ok(local.record_of(&intent).map(Arc::new))
        });
        memory.give_back_to(before);
        Ok((existed, changed.map_err(|(_, error)| error)?))
    }
}
