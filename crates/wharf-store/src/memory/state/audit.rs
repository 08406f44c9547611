//! Whether all that a state keeps beside the fragments says the same as they do. Tests ask that.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use wharf_model::GroupingKey;

use super::State;
use crate::limits::Usage;
use crate::memory::family_names::MAX_SHARED;
use crate::memory::index::Hint;
use crate::prepare::Preparer;
use crate::size::Size;

/// What the fragments say of a group.
#[derive(Debug, Default)]
struct Found {
    names: Vec<Arc<str>>,
    size: Size,
}

impl State {
    /// Holds families, groups, totals, the index, quotas, numbers of groups, shared lists of names and lifetimes against the
    /// fragments. With `is_settled` nothing may be on its way: no draft, and no change that may be taken back.
    ///
    /// # Errors
    /// What does not fit.
    pub(crate) fn audit(&self, preparer: &Preparer, is_settled: bool) -> Result<(), String> {
        let mut groups: BTreeMap<&GroupingKey, Found> = BTreeMap::new();
        let mut entries: HashMap<Hint, usize> = HashMap::new();
        let mut total = Size::default();
        for (name, family) in &self.families {
            let mut size = Size::default();
            for fragment in family.fragments_above(None) {
                let key = fragment.key();
                let (group, _) = self
                    .groups
                    .get_key_value(key)
                    .ok_or_else(|| format!("there is no group {key}, which has `{name}`"))?;
                let found = groups.entry(group).or_default();
                found.names.push(Arc::clone(name));
                found.size = found.size.plus(fragment.size());
                size = size.plus(fragment.size());
                if let Some(end) = fragment.first_end()
                    && self.series_ends.of(key).is_none_or(|noted| noted > end)
                {
                    return Err(format!("nobody looks at {key} when a series of `{name}` leaves"));
                }
                let id = self.groups.get(key).map(|group| group.id);
                let (metric_type, text) = (fragment.meta().metric_type, fragment.text());
                preparer.each_fingerprint(name, metric_type, text, |fingerprint| {
                    if let Some(id) = id {
                        *entries.entry((fingerprint, id)).or_default() += 1;
                    }
                });
            }
            same("size", name, &family.size(), &size)?;
            if family.is_empty() {
                return Err(format!("`{name}` has no fragments"));
            }
            total = total.plus(size);
        }
        same("size of", "all", &self.size, &total)?;
        same("number of groups", "all", &self.groups.len(), &groups.len())?;
        for (key, found) in &groups {
            let Some(group) = self.groups.get(key) else {
                continue;
            };
            let name = key.to_string();
            same("families", &name, &group.families.to_vec(), &found.names)?;
            same("size", &name, &group.size, &found.size)?;
            same("key of the number", &name, &self.ids.key(group.id), &Some(*key))?;
        }
        self.audit_index(&entries, is_settled)?;
        self.audit_quotas(&groups)?;
        let lives = self.lifetimes.by_key().keys();
        let is_there = |key: &GroupingKey| groups.contains_key(key) || self.held_back.whole(key).is_some();
        if let Some(key) = lives.into_iter().find(|key| !is_there(key)) {
            return Err(format!("there is no group {key}, which has a lifetime"));
        }
        if is_settled {
            let lists = groups.values().map(|found| &*found.names);
            let lists: BTreeSet<&[Arc<str>]> = lists.filter(|names| names.len() <= MAX_SHARED).collect();
            same("lists of names", "all", &self.name_sets.audit(), &lists)?;
            same("groups with a number", "all", &self.ids.in_use(), &groups.len())?;
            same("whether somebody watches", "all", &self.is_watched(), &false)?;
        }
        Ok(())
    }

    fn audit_index(&self, entries: &HashMap<Hint, usize>, is_settled: bool) -> Result<(), String> {
        for ((fingerprint, id), series) in entries {
            let owners = self.index.owners(*fingerprint).filter(|owner| owner == id);
            let found = owners.count();
            // What drafts have left is cleared up later.
            if found < *series || is_settled && found > *series {
                let key = self.ids.key(*id);
                return Err(format!("{key:?} has {series} of a series, the index {found}"));
            }
        }
        if is_settled {
            let series = entries.values().sum::<usize>();
            same("number of entries", "the index", &self.index.len(), &series)?;
        }
        Ok(())
    }

    fn audit_quotas(&self, groups: &BTreeMap<&GroupingKey, Found>) -> Result<(), String> {
        let limits = self.accounts.limits();
        let mut usage = vec![Usage::default(); limits.quotas.len()];
        for (key, found) in groups {
            let counts = self
                .groups
                .get(key)
                .is_some_and(|group| self.accounts.counts(group.id));
            for quota in limits.quotas_of(key).into_iter().filter(|_| counts) {
                if let Some(usage) = usage.get_mut(quota) {
                    usage.groups += 1;
                    usage.series += found.size.series;
                    usage.bytes += found.size.bytes;
                }
            }
        }
        same("usage", "the quotas", &self.accounts.usage(), &&*usage)
    }
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, of: &str, kept: &T, found: &T) -> Result<(), String> {
    if kept == found {
        return Ok(());
    }
    Err(format!("{what} of {of}: {kept:?} is kept, {found:?} found"))
}
