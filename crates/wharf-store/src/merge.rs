//! Pushes that replace series: what stays of the stored families is added to the push, which then replaces them as
//! a whole.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use wharf_model::{Exposition, GroupingKey};

use crate::checks::Incoming;
use crate::clashes::Found;
use crate::error::short;
use crate::family::FamilyMeta;
use crate::leaf::{Fragment, Leaf};
use crate::lifetime::Lifetime;
use crate::prepare::{Prepared, Preparer, series_of};
use crate::record::{self, Change, FamilyParts};
use crate::store::{Commit, PushMode, Store};
use crate::{Inconsistency, PushError, UnixNanos};

/// How often merging is tried without the lock, before the others have to wait for it.
const ATTEMPTS: usize = 4;

impl Store {
    /// A push of [`PushMode::ReplaceSeries`].
    pub(crate) fn merge(
        &self,
        key: &GroupingKey,
        exposition: &Exposition<'_>,
        lifetime: Option<Lifetime>,
        now: UnixNanos,
    ) -> Result<Commit, PushError> {
        let mode = PushMode::ReplaceFamilies;
        let pushed = self.preparer.prepare(key, exposition, now);
        let pushed = pushed.map_err(|unfit| self.explain_unfit(key, mode, unfit))?;
        let mut guarded = self.lock();
        guarded.state.check_push(&pushed)?;
        let mut attempt = 0;
        loop {
            attempt += 1;
            let stored = guarded.state.image_of(key, pushed.names());
            // Reading what is stored and rendering it again takes long if it is much, so it is done without the
            // lock. If somebody else pushes to these families meanwhile, it has to be done again.
            let held = Some(guarded).filter(|_| attempt > ATTEMPTS);
            let merged = match merge(&self.preparer, key, exposition, &pushed, &stored) {
                Ok(merged) => merged,
                Err(error) => {
                    drop(held);
                    return Err(self.explain_merge(key, &pushed, error));
                }
            };
            let prepared = self.preparer.prepare(key, &merged, now)?;
            let record = self.record_of(key, mode, lifetime, &prepared);
            let is_current = held.is_some();
            guarded = held.unwrap_or_else(|| self.lock());
            if is_current || guarded.state.image_of(key, pushed.names()) == stored {
                if let Err(error) = guarded.admit(&self.preparer, key, mode, &prepared) {
                    drop(guarded);
                    let prepared = &prepared;
                    return Err(self.explain(Incoming { key, mode, prepared }, error));
                }
                return self.put(&mut guarded, key, mode, lifetime, prepared, record);
            }
        }
    }
}

/// The push, and those series of the stored families (an image of the state) that it does not replace.
pub(crate) fn merge<'e>(
    preparer: &Preparer,
    key: &GroupingKey,
    exposition: &Exposition<'e>,
    pushed: &Prepared<'_>,
    stored: &[u8],
) -> Result<Exposition<'e>, PushError> {
    let mut merged = exposition.clone();
    let mut found = Found::default();
    let families = exposition.families.iter().enumerate();
    let positions: HashMap<&str, usize> = families
        .map(|(position, family)| (exposition.text(family.name), position))
        .collect();
    for change in record::decode(stored, preparer).unwrap_or_default() {
        let Change::Put { prepared: stored, .. } = change else {
            continue;
        };
        for parts in stored.parts().filter(|parts| !parts.text.is_empty()) {
            if let Some(position) = positions.get(parts.name)
                && let Some(family) = pushed.get(parts.name)
            {
                let (new, old) = (family.metric_type.base(), parts.metric_type.base());
                if new != old {
                    found.add(Inconsistency::Type {
                        family: short(parts.name),
                        pushed: new,
                        stored: old,
                        holder: Some(key.clone()),
                    });
                    continue;
                }
                let replaced = series_of(family.name, family.metric_type, pushed.text(family));
                let replaced: HashSet<&[u8]> = replaced.into_iter().collect();
                add_stored(preparer, &mut merged, *position, key, &parts, &replaced)
                    .map_err(|_too_large| preparer.too_large())?;
            }
        }
    }
    match found.into_clashes() {
        Some(clashes) => Err(clashes.into()),
        None => Ok(merged),
    }
}

/// Adds the stored metrics of a family that are not replaced, and what the push does not say of it.
fn add_stored(
    preparer: &Preparer,
    merged: &mut Exposition<'_>,
    position: usize,
    key: &GroupingKey,
    parts: &FamilyParts<'_>,
    replaced: &HashSet<&[u8]>,
) -> Result<(), wharf_model::TooLarge> {
    let meta = FamilyMeta {
        help: parts.help.map(Box::from),
        metric_type: parts.metric_type,
        unit: parts.unit.into(),
    };
    let mut fragment = Fragment::new(key.clone(), Arc::new(meta));
    fragment.shape = parts.shape;
    fragment.exact = parts.exact.map(|exact| Arc::new(exact.to_vec()));
    let mut leaf = Leaf::default();
    leaf.insert(0, fragment);
    leaf.set_text(0, parts.text);
    let stored = series_of(parts.name, parts.metric_type, parts.text);
    let mut staying = leaf.view(parts.name, 0).decode(|exposition, family| {
        let metrics = family.metrics.iter().zip(stored);
        let metrics = metrics.filter(|(metric, series)| {
            let now = preparer.series_now(exposition, parts.name, metric);
            !replaced.contains(now.as_deref().unwrap_or(series))
        });
        let metrics = metrics.map(|(metric, _)| merged.adopt(exposition, metric));
        metrics.collect::<Result<Vec<_>, _>>()
    })?;
    let help = parts.help.map(|help| merged.intern(help)).transpose()?;
    let unit = merged.intern(parts.unit)?;
    if let Some(family) = merged.families.get_mut(position) {
        family.metrics.append(&mut staying);
        family.help = family.help.or(help);
        if family.unit.is_empty() {
            family.unit = unit;
        }
    }
    Ok(())
}
