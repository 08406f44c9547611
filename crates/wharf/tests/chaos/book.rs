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
    /// Pushes that were added up in groups which are never deleted: the group, and the number of the push.
    added: Mutex<BTreeSet<(String, String)>>,
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
    /// Sums that are not those of what was added, each once.
    pub(crate) inexact: u64,
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

    /// A push was added, or may have been.
    pub(crate) fn added(&self, group: &str, push: u64, is_acknowledged: bool) {
        if is_acknowledged {
            let mut added = self.added.lock().unwrap();
            added.insert((group.to_owned(), push.to_string()));
        }
        self.count(is_acknowledged);
    }

    /// Compares what was added with what is shown. Each push adds 1 to `all` and 1 to a series of its own, so each sum has to be exact,
    /// whatever became of pushes that were not acknowledged.
    pub(crate) fn check_added(&self, shown: &BTreeMap<String, BTreeMap<String, f64>>) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut tally = self.tally.lock().unwrap();
        for (group, sums) in shown {
            let each: Vec<f64> = sums
                .iter()
                .filter(|(push, _)| *push != "all")
                .map(|(_, sum)| *sum)
                .collect();
            let all = sums.get("all").copied().unwrap_or_default();
            let is_once = |sum: &f64| (sum - 1.0).abs() < f64::EPSILON;
            if !each.iter().all(is_once) || (all - each.iter().sum::<f64>()).abs() > f64::EPSILON {
                tally.inexact += 1;
                wrong.push(format!("{group}: {all} were added, found {sums:?}"));
            }
        }
        for (group, push) in &*self.added.lock().unwrap() {
            if shown.get(group).is_none_or(|sums| !sums.contains_key(push)) {
                tally.lost += 1;
                wrong.push(format!("{group}: what was added is gone: {push}"));
            }
        }
        wrong
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
