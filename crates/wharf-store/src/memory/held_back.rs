//! Families that are held back, and which of them have to be looked at again.
//!
//! What is held back, and why, is told where groups of replicas are applied.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use wharf_model::GroupingKey;

use crate::{PUSH_TIME, Revision};

/// All that is held back.
#[derive(Debug, Default)]
pub(crate) struct HeldBack {
    families: BTreeMap<Arc<str>, BTreeMap<GroupingKey, Fragment>>,
    pub(super) groups: BTreeMap<GroupingKey, Group>,
}

/// A family of a group.
#[derive(Debug)]
pub(super) struct Fragment {
    /// The record that puts it.
    pub(super) record: Vec<u8>,
    /// Whether it contradicts what does not change: the gateway's own families, or those of its own group.
    pub(super) is_hopeless: bool,
    /// Lines of it.
    pub(super) series: u64,
}

/// A group of which something is held back.
#[derive(Debug, Default)]
pub(super) struct Group {
    pub(super) families: BTreeSet<Arc<str>>,
    /// Its last change, if all of it is held back.
    pub(super) whole: Option<Revision>,
}

/// A family of a group that is not shown, since it contradicts a group with a smaller grouping key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldFamily {
    /// Its name.
    pub family: Arc<str>,
    /// The group.
    pub key: GroupingKey,
    /// Its series.
    pub series: u64,
}

/// Fragments that have to be looked at again, in the order in which this is to happen: push times of a group come first.
#[derive(Debug, Default)]
pub(super) struct Doubtful(BTreeSet<(GroupingKey, bool, Arc<str>)>);

impl HeldBack {
    pub(super) fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    pub(super) fn insert(&mut self, name: &Arc<str>, key: &GroupingKey, fragment: Fragment) {
        let fragments = self.families.entry(Arc::clone(name)).or_default();
        fragments.insert(key.clone(), fragment);
        let group = self.groups.entry(key.clone()).or_default();
        group.families.insert(Arc::clone(name));
    }

    pub(super) fn remove(&mut self, name: &str, key: &GroupingKey) {
        if let Some(fragments) = self.families.get_mut(name) {
            fragments.remove(key);
            if fragments.is_empty() {
                self.families.remove(name);
            }
        }
        if let Some(group) = self.groups.get_mut(key) {
            group.families.remove(name);
            if group.families.is_empty() && group.whole.is_none() {
                self.groups.remove(key);
            }
        }
    }

    /// Forgets a group; what it was.
    pub(super) fn remove_group(&mut self, key: &GroupingKey) -> Group {
        let group = self.groups.remove(key).unwrap_or_default();
        for name in &group.families {
            self.remove(name, key);
        }
        group
    }

    pub(super) fn whole(&self, key: &GroupingKey) -> Option<Revision> {
        self.groups.get(key)?.whole
    }

    /// All of it, in the order of names and keys.
    pub(super) fn list(&self) -> Vec<HeldFamily> {
        let all = self.families.iter().flat_map(|(name, fragments)| {
            fragments.iter().map(|(key, fragment)| HeldFamily {
                family: Arc::clone(name),
                key: key.clone(),
                series: fragment.series,
            })
        });
        all.collect()
    }

    pub(super) fn get(&self, name: &str, key: &GroupingKey) -> Option<&Fragment> {
        self.families.get(name)?.get(key)
    }
}

impl Doubtful {
    /// The next one, and no more of it.
    pub(super) fn pop(&mut self) -> Option<(GroupingKey, Arc<str>)> {
        self.0.pop_first().map(|(key, _, name)| (key, name))
    }

    pub(super) fn add(&mut self, key: &GroupingKey, name: &Arc<str>) {
        let entry = (key.clone(), &**name != PUSH_TIME, Arc::clone(name));
        self.0.insert(entry);
    }

    /// Adds all fragments that are held back and may be so because of this one.
    pub(super) fn add_behind(&mut self, held: &HeldBack, name: &str, key: &GroupingKey) {
        for related in related(name) {
            let Some((name, fragments)) = held.families.get_key_value(&*related) else {
                continue;
            };
            let behind = fragments.keys().filter(|other| *other > key);
            for other in behind {
                self.add(other, name);
            }
        }
    }
}

/// What the names of lines add to that of their family.
pub(super) const SUFFIXES: [&str; 3] = ["_count", "_sum", "_bucket"];

/// The families that may contradict one of this name.
fn related(name: &str) -> impl Iterator<Item = String> {
    let above = SUFFIXES
        .into_iter()
        .filter_map(|suffix| name.strip_suffix(suffix));
    let below = SUFFIXES.into_iter().map(move |suffix| format!("{name}{suffix}"));
    let own = std::iter::once(name.to_owned());
    own.chain(above.map(str::to_owned)).chain(below)
}
