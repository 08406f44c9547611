//! What was asked for and what was answered, and whether what is shown can be the outcome of that.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

/// What a group holds: a number that both of its families have, or nothing.
pub(crate) type State = Option<f64>;

/// What is known of a group. Only one writer writes to it.
#[derive(Debug, Default, Clone)]
struct Known {
    /// What was acknowledged last.
    settled: State,
    /// What was asked for since, and not acknowledged: it may have happened, or happen yet.
    doubtful: Vec<State>,
}

/// What is known of all groups.
#[derive(Debug, Default)]
pub(crate) struct Book {
    groups: Mutex<BTreeMap<String, Known>>,
    /// Series that were merged into groups which are never deleted.
    merged: Mutex<BTreeSet<String>>,
    tally: Mutex<Tally>,
}

/// How much was done, and what was wrong.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Tally {
    pub(crate) acknowledged: u64,
    pub(crate) doubtful: u64,
    pub(crate) lost: u64,
    pub(crate) resurrected: u64,
    pub(crate) torn: u64,
    pub(crate) different: u64,
}

impl Book {
    /// Whether the outcome of something is not known, so that its writer lets the group rest.
    pub(crate) fn is_doubtful(&self, group: &str) -> bool {
        let groups = self.groups.lock().unwrap();
        groups.get(group).is_some_and(|known| !known.doubtful.is_empty())
    }

    /// A change of a group has been answered, or not.
    pub(crate) fn note(&self, group: &str, state: State, is_acknowledged: bool) {
        let mut groups = self.groups.lock().unwrap();
        let known = groups.entry(group.to_owned()).or_default();
        if is_acknowledged {
            known.settled = state;
        } else {
            known.doubtful.push(state);
        }
        self.count(is_acknowledged);
    }

    /// A series was merged, or may have been.
    pub(crate) fn merged(&self, series: &str, is_acknowledged: bool) {
        if is_acknowledged {
            self.merged.lock().unwrap().insert(series.to_owned());
        }
        self.count(is_acknowledged);
    }

    pub(crate) fn count(&self, is_acknowledged: bool) {
        let mut tally = self.tally.lock().unwrap();
        if is_acknowledged {
            tally.acknowledged += 1;
        } else {
            tally.doubtful += 1;
        }
    }

    pub(crate) fn torn(&self, times: u64) {
        self.tally.lock().unwrap().torn += times;
    }

    pub(crate) fn different(&self) {
        self.tally.lock().unwrap().different += 1;
    }

    pub(crate) fn tally(&self) -> Tally {
        *self.tally.lock().unwrap()
    }

    /// Compares what is shown, now that nothing is under way, with what is known. From now on that is known.
    pub(crate) fn check(&self, shown: &BTreeMap<String, f64>, merged: &BTreeSet<String>) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut tally = self.tally.lock().unwrap();
        for (group, known) in &mut *self.groups.lock().unwrap() {
            let found = shown.get(group).copied();
            if found != known.settled && !known.doubtful.contains(&found) {
                let is_gone = known.settled.is_none();
                *(if is_gone {
                    &mut tally.resurrected
                } else {
                    &mut tally.lost
                }) += 1;
                wrong.push(format!("{group}: expected {known:?}, found {found:?}"));
            }
            *known = Known {
                settled: found,
                doubtful: Vec::new(),
            };
        }
        for series in self.merged.lock().unwrap().difference(merged) {
            tally.lost += 1;
            wrong.push(format!("a merged series is gone: {series}"));
        }
        wrong
    }
}
