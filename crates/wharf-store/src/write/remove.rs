//! Groups of very many families, on their way out.
//!
//! To take them out costs a microsecond or two a family, and nobody else could push or scrape meanwhile. So the lock is
//! held for three short things only: to take a copy of the root of the families; some more times, to hear what has been
//! touched since; and in the end to put the map without them in the place of the other, which is the change. All
//! the rest is done without it: see [`Without`].
//!
//! The index has the series of these groups for some time longer. That does no harm: what it says is a hint, and who
//! looks at what the group holds finds nothing. They are taken out some at a time, and then the number of the group is
//! given to another.

use std::sync::{Arc, PoisonError};

use hashbrown::HashSet;
use wharf_model::GroupingKey;

use crate::memory::state::Taken;
use crate::memory::without::Without;
use crate::prepare::Prepared;
use crate::store::Store;
use crate::write::lock::{Hold, let_others};
use crate::{PUSH_FAILURE_TIME, PUSH_TIME};

/// Families that are done under one hold of the lock, when others have touched them.
const DONE_AT_ONCE: usize = 128;
/// How often it is tried to get below that.
const ROUNDS: usize = 16;
/// Series that are taken out of the index under one hold of the lock.
const FORGOTTEN_AT_ONCE: usize = 512;

impl Store {
    /// Whether the group has so many families that it takes some seconds to delete it, or to put few families in the place
    /// of them. Others go on meanwhile; but whoever has something else to do should let another thread do it. Costs a look
    /// at a number where there are not so many families at all.
    pub fn is_large(&self, key: &GroupingKey) -> bool {
        let keys = std::slice::from_ref(key);
        self.lock.families() > self.few_families && self.lock().state.has_large(keys, self.few_families)
    }

    /// The lock, held; and if one of these groups has very many families, all families without those of such groups, as
    /// long as it is held. The lock comes last, so that it is the first to go. The groups keep the families that `stay` has, and their times, if they are to stay.
    pub(crate) fn hold_without(
        &self,
        keys: &[GroupingKey],
        stay: Option<&Prepared<'_>>,
    ) -> (Option<Box<Without>>, Hold<'_>) {
        let few = self.few_families + stay.map_or(0, |stay| stay.families.len());
        let guarded = self.lock();
        if !guarded.state.has_large(keys, few) {
            return (None, guarded);
        }
        drop(guarded);
        // One at a time: there is one list of what has been touched.
        let _turn = self.removing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut guarded = self.lock();
        let large = guarded.state.large(keys, few);
        if large.is_empty() {
            return (None, guarded);
        }
        let families = guarded.state.watch_families();
        drop(guarded);
        let (keys, names): (Vec<_>, Vec<_>) = large.into_iter().unzip();
        let mut all: Vec<&Arc<str>> = names.iter().flat_map(|names| names.iter()).collect();
        // Runs that are sorted; a group alone is one.
        all.sort();
        all.dedup();
        let mut without = Box::new(Without::new(keys, stay_names(stay), families.clone()));
        for name in all {
            without.redo(name, families.get(name));
        }
        drop(families);
        for round in 0.. {
            let mut guarded = self.lock();
            let Some(touched) = guarded.state.take_touched() else {
                // Everything has gone meanwhile.
                return (None, guarded);
            };
            if touched.len() <= DONE_AT_ONCE || round == ROUNDS {
                for name in &touched {
                    without.redo(name, guarded.state.families().get(name));
                }
                guarded.state.stop_watching(touched.len());
                return (Some(without), guarded);
            }
            let now = guarded.state.families().clone();
            drop(guarded);
            for name in &touched {
                without.redo(name, now.get(name));
            }
        }
        unreachable!("the rounds end with the last one")
    }

    /// Takes out of the index what is left there of groups that have been taken out, some series at a time.
    pub(crate) fn forget_series(&self, taken: Vec<Taken>) {
        for group in taken {
            let mut fingerprints = Vec::with_capacity(FORGOTTEN_AT_ONCE);
            for name in group.names.iter().filter(|name| !group.stay.contains(&***name)) {
                let family = group.families.get(name);
                let Some((leaf, position)) = family.and_then(|family| family.find(&group.key)) else {
                    continue;
                };
                let metric_type = leaf.get(position).meta.metric_type;
                let text = leaf.text_of(position);
                self.preparer
                    .each_fingerprint(name, metric_type, text, |fingerprint| {
                        fingerprints.push(fingerprint);
                    });
                for some in fingerprints.chunks_exact(FORGOTTEN_AT_ONCE) {
                    self.lock().state.forget_series(&group, some, false);
                    let_others();
                }
                let rest = fingerprints.len() % FORGOTTEN_AT_ONCE;
                fingerprints.drain(..fingerprints.len() - rest);
            }
            self.lock().state.forget_series(&group, &fingerprints, true);
        }
    }
}

/// The names of the families that stay.
fn stay_names(stay: Option<&Prepared<'_>>) -> HashSet<Box<str>> {
    let Some(stay) = stay else {
        return HashSet::new();
    };
    let names = stay.families.iter().map(|family| family.name);
    let times = [PUSH_TIME, PUSH_FAILURE_TIME];
    names.chain(times).map(Box::from).collect()
}
