//! The end of series that no push has brought for as long as they live.

use std::sync::Arc;

use wharf_model::GroupingKey;

use crate::change::Cause;
use crate::effect::{By, Facts};
use crate::fold::{Ended, Intent, end_series};
use crate::memory::state::{Held, State};
use crate::mode::{Counters, PushMode};
use crate::record::{self, Image, Several};
use crate::store::Store;
use crate::write::aside::Stopped;
use crate::write::local::Local;
use crate::write::lock::let_others;
use crate::write::writer::Writer;
use crate::{PushError, UnixNanos};

/// Groups that are looked at in one call, so that what else is to be done has its turn.
const MOST_AT_ONCE: usize = 4096;

impl Store {
    /// Takes series away whose time is over at `now`; how many groups lost some. Costs a look at the next of these times if there
    /// are none, and otherwise what the families hold that lose series.
    ///
    /// Nobody needs to wait for the ledger: if it loses the record, they leave again.
    ///
    /// # Errors
    /// [`PushError::Unavailable`] if the ledger takes nothing; the series stay then.
    pub fn expire_series(&self, now: UnixNanos) -> Result<usize, PushError> {
        let local = match &self.writer {
            Writer::Local(local) => local,
            // One of the replicas does that for all.
            Writer::Shared(_) => return Ok(0),
        };
        let mut changed = 0;
        for _ in 0..MOST_AT_ONCE {
            let Some(key) = self.take_due_series(now) else {
                break;
            };
            if !self.looks_due(&key, now) {
                continue;
            }
            match self.end_series_of(local, &key, now) {
                Ok(has_changed) => changed += usize::from(has_changed),
                Err(error) => {
                    // It was due before `now`, and still is.
                    self.lock().state.note_series_end(&key, UnixNanos::default());
                    return Err(error);
                }
            }
            let_others();
        }
        Ok(changed)
    }

    /// The next group that may have series whose time is over.
    pub(crate) fn take_due_series(&self, now: UnixNanos) -> Option<GroupingKey> {
        self.lock().state.take_due_series(now)
    }

    /// Whether the time of a series of the group is over. If not, it is noted when to look again.
    pub(crate) fn looks_due(&self, key: &GroupingKey, now: UnixNanos) -> bool {
        let held = held(&self.lock().state, key);
        let ends = held.fragments().filter_map(|fragment| fragment.first_end());
        let Some(first) = ends.min() else { return false };
        if first > now {
            self.lock().state.note_series_end(key, first);
        }
        first <= now
    }

    /// Aside: it is rare, and reads all that the families have.
    fn end_series_of(&self, local: &Local, key: &GroupingKey, now: UnixNanos) -> Result<bool, PushError> {
        let mut next = None;
        let changed = self.change_aside(local, std::slice::from_ref(key), |drafting| {
            let state = drafting.state();
            let held = held(state, key);
            let lifetime = state.lifetimes().get(key);
            let mut image = Image::default();
            held.fragments().for_each(|fragment| image.add(&fragment.parts()));
            drop(held);
            let image = image.into_record(key, None);
            let old = record::decode_image(&image, &self.preparer);
            next = old.families.iter().filter_map(|family| family.first_end).min();
            let ended = end_series(&self.preparer, key, &old, now, None);
            let ended = ended.map_err(|error| drafting.refuse(error))?;
            if ended.is_nothing() {
                return Err(Stopped::Needless);
            }
            let Ended { rest, gone } = ended;
            let record = local.has_ledger().then(|| {
                let mut record = Several::new();
                if !rest.families.is_empty() {
                    record.put(key, PushMode::ReplaceFamilies, lifetime, rest.parts());
                }
                if !gone.is_empty() {
                    record.delete_families(key, gone.iter().copied());
                }
                Arc::new(record.finish())
            });
            if !rest.families.is_empty() {
                let intent = Intent {
                    key,
                    mode: PushMode::ReplaceFamilies,
                    counters: Counters::Total,
                    delta: rest,
                    lifetime,
                    once: None,
                    facts: Facts::NONE,
                };
                drafting.push(&intent, Cause::SeriesExpired)?;
            }
            if !gone.is_empty() {
                drop(drafting.delete_families(std::slice::from_ref(key), &gone, By::Expiry));
            }
            Ok(record)
        });
        // Nobody waits for it.
        drop(changed.map_err(|(_, error)| error)?);
        // Of families that have lost nothing nothing was noted.
        self.looks_due(key, now);
        Ok(next.is_some_and(|next| next <= now))
    }
}

/// What a group has of families with series that leave by themselves.
fn held(state: &State, key: &GroupingKey) -> Held {
    let names = state.family_names(key);
    let names = names.iter().flat_map(|names| names.iter());
    state.hold(key, names.map(|name| &**name)).only_expiring()
}
