//! Families that are held back: what replicas have committed in the same moment may contradict each other.
//!
//! Each replica refuses what contradicts the groups that it has. Two that take two pushes in the same instant cannot know, and
//! both pushes are committed. Then the group with the smaller grouping key wins: what of another contradicts it is kept here,
//! out of leaves and index, until nothing contradicts it any more.
//!
//! What is held back is a function of the groups alone, whatever way and in whatever order they came: going through all
//! fragments in the order of grouping keys, one is held back if it contradicts one before it that is not. So all replicas
//! expose the same, also after a restart. To get there from one set of groups to the next, only fragments behind the changed
//! one have to be looked at again, in the order of keys: each depends on those before it alone.
//!
//! A group whose push time contradicts that of another (`{job="a"}` and `{instance="",job="a"}` have the same series) is held
//! back as a whole: every group that is shown has a push time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use wharf_model::{GroupingKey, MetricType};

use super::{Applied, Families, Held, State, Tell};
use crate::change::Change;
use crate::effect::{By, Effect, What};
use crate::lifetime::Lifetime;
use crate::memory::family::Family;
use crate::memory::family_names::Names;
use crate::memory::held_back::{Doubtful, Fragment, HeldFamily, SUFFIXES};
use crate::memory::leaf::FragmentView;
use crate::mode::PushMode;
use crate::prepare::{Prepared, PreparedFamily, Preparer};
use crate::record::{self, Image};
use crate::series::{has_series, series_of};
use crate::size::Size;
use crate::{PUSH_TIME, Revision};

/// A fragment that is shown and contradicts another.
type Rival = (Arc<str>, GroupingKey);

/// All of a group, held back or not.
#[derive(Debug)]
pub(crate) struct Whole {
    /// Its last change; none if it is not there.
    pub(crate) revision: Option<Revision>,
    pub(crate) lifetime: Option<Lifetime>,
    /// The families that it is in, and the root of all: a group may have very many, which are looked up when nobody waits.
    names: Names,
    families: Families,
    /// Records of families that are held back.
    back: Vec<Vec<u8>>,
}

impl Whole {
    /// The record of it.
    pub(crate) fn into_record(self, preparer: &Preparer, key: &GroupingKey) -> Vec<u8> {
        let names = self.names.iter().map(|name| &**name);
        let held = Held::of(&self.families, self.revision, key, names);
        let shown: Vec<_> = held.fragments().collect();
        let back = self.back.iter();
        let back: Vec<Prepared<'_>> = back
            .map(|record| record::decode_image(record, preparer))
            .collect();
        let back = back.iter().flat_map(Prepared::parts);
        let mut parts: Vec<_> = shown.iter().map(FragmentView::parts).chain(back).collect();
        parts.sort_unstable_by_key(|parts| parts.name);
        record::put(key, PushMode::ReplaceGroup, self.lifetime, parts.into_iter())
    }
}

impl State {
    /// All of a group, also what is held back.
    pub(crate) fn whole(&self, key: &GroupingKey) -> Whole {
        let family_names = self.family_names(key).unwrap_or_default();
        let held = self.held_back.groups.get(key);
        let back = held.into_iter().flat_map(|group| &group.families);
        let back = back.filter_map(|name| Some(self.held_back.get(name, key)?.record.clone()));
        Whole {
            revision: self.revision_of(key).or_else(|| self.held_back.whole(key)),
            lifetime: self.lifetimes.get(key),
            names: family_names.names(),
            families: self.families.clone(),
            back: back.collect(),
        }
    }

    /// Whether there is a group, shown or held back as a whole.
    pub(crate) fn has(&self, key: &GroupingKey) -> bool {
        self.groups.contains_key(key) || self.held_back.whole(key).is_some()
    }

    /// Whether nothing is held back.
    pub(crate) fn holds_nothing_back(&self) -> bool {
        self.held_back.is_empty()
    }

    /// The groups that are held back as a whole, with their last changes.
    pub(crate) fn held_groups(&self) -> BTreeMap<GroupingKey, Revision> {
        let back = self.held_back.groups.iter();
        let back = back.filter_map(|(key, group)| Some((key.clone(), group.whole?)));
        back.collect()
    }

    /// What is held back, in the order of names and keys.
    pub(crate) fn held_back(&self) -> Vec<HeldFamily> {
        self.held_back.list()
    }

    /// Makes changes that replicas have committed: whole groups, and the end of groups. They may contradict what is there.
    pub(crate) fn apply_shared<'c>(
        &mut self,
        preparer: &Preparer,
        at: Revision,
        changes: impl IntoIterator<Item = Change<'c>>,
        tell: Tell,
    ) -> Applied {
        let mut applied = Applied::default();
        for change in changes {
            match change {
                Change::Put {
                    key,
                    lifetime,
                    prepared,
                    cause,
                    ..
                } if !self.fits(preparer, &key, &prepared) => {
                    if tell.effects {
                        let mode = PushMode::ReplaceGroup;
                        let effects = self.effect_of_put(at, &key, mode, lifetime, &prepared, cause);
                        applied.effects.extend(effects);
                    }
                    self.settle_put(preparer, at, &key, lifetime, &prepared);
                }
                Change::Delete { keys, by, .. } if !self.held_back.is_empty() => {
                    for key in &*keys {
                        self.settle_delete(preparer, at, key, by, tell, &mut applied);
                    }
                }
                change => {
                    let more = self.apply(preparer, at, [change], tell);
                    applied.effects.extend(more.effects);
                    applied.groups += more.groups;
                    applied.families += more.families;
                }
            }
        }
        applied
    }

    /// Whether a whole group contradicts nothing, and nothing is held back that it might set free.
    fn fits(&self, preparer: &Preparer, key: &GroupingKey, prepared: &Prepared<'_>) -> bool {
        self.holds_nothing_back()
            && has_hope(preparer, prepared)
            && self
                .admit(preparer, key, PushMode::ReplaceGroup, prepared, u64::MAX)
                .is_ok()
    }

    fn settle_put(
        &mut self,
        preparer: &Preparer,
        at: Revision,
        key: &GroupingKey,
        lifetime: Option<Lifetime>,
        prepared: &Prepared<'_>,
    ) {
        let mut doubtful = Doubtful::default();
        let before = self.names_of(key);
        self.held_back.remove_group(key);
        let mut wins: Vec<(&PreparedFamily<'_>, Vec<Rival>)> = Vec::new();
        let mut loses: Vec<&PreparedFamily<'_>> = Vec::new();
        for family in &prepared.families {
            match self.winner(preparer, key, prepared, family) {
                Some(rivals) => wins.push((family, rivals)),
                None => loses.push(family),
            }
        }
        if loses.iter().any(|family| family.name == PUSH_TIME) {
            loses.extend(wins.drain(..).map(|(family, _)| family));
        }
        for (name, rival) in wins.iter().flat_map(|(_, rivals)| rivals) {
            self.displace(preparer, name, rival, &mut doubtful);
        }
        let shown: Vec<&PreparedFamily<'_>> = wins.into_iter().map(|(family, _)| family).collect();
        if shown.is_empty() {
            self.delete_one(preparer, key, Tell::default(), &mut Applied::default());
            self.lifetimes.set(key, lifetime);
        } else {
            let shown = only(prepared, &shown);
            let mode = PushMode::ReplaceGroup;
            self.put(preparer, at, key, mode, lifetime, &shown, Tell::default());
        }
        let has_group = self.groups.contains_key(key);
        for family in loses {
            let mut image = Image::default();
            image.add(&prepared.parts_of(family));
            let fragment = Fragment {
                record: image.into_record(key, None),
                is_hopeless: is_hopeless(preparer, prepared, family),
                series: u64::from(family.lines),
            };
            self.held_back.insert(&Arc::from(family.name), key, fragment);
        }
        if let Some(group) = self.held_back.groups.get_mut(key)
            && !has_group
        {
            group.whole = Some(at);
        }
        let after = prepared.families.iter().map(|family| family.name);
        for name in before.iter().map(|name| &**name).chain(after) {
            doubtful.add_behind(&self.held_back, name, key);
        }
        self.settle(preparer, doubtful);
    }

    fn settle_delete(
        &mut self,
        preparer: &Preparer,
        at: Revision,
        key: &GroupingKey,
        by: By,
        tell: Tell,
        applied: &mut Applied,
    ) {
        let before = self.names_of(key);
        let held = self.held_back.remove_group(key);
        let keys = std::slice::from_ref(key);
        self.delete(preparer, at, keys, by, tell, applied);
        if held.whole.is_some() {
            self.lifetimes.set(key, None);
            applied.groups += 1;
            if tell.effects {
                applied.effects.add(Effect {
                    revision: at,
                    key: Some(key.clone()),
                    what: What::Deleted { by },
                });
            }
        }
        let mut doubtful = Doubtful::default();
        for name in before {
            doubtful.add_behind(&self.held_back, &name, key);
        }
        self.settle(preparer, doubtful);
    }

    /// Looks at fragments again that are held back, until there is no more doubt.
    fn settle(&mut self, preparer: &Preparer, mut doubtful: Doubtful) {
        while let Some((key, name)) = doubtful.pop() {
            let whole = self.held_back.whole(&key);
            if whole.is_some() && &*name != PUSH_TIME {
                continue;
            }
            let Some(fragment) = self.held_back.get(&name, &key).filter(|held| !held.is_hopeless) else {
                continue;
            };
            let record = fragment.record.clone();
            let prepared = record::decode_image(&record, preparer);
            let Some(family) = prepared.families.first() else {
                continue;
            };
            let Some(rivals) = self.winner(preparer, &key, &prepared, family) else {
                continue;
            };
            for (name, rival) in &rivals {
                self.displace(preparer, name, rival, &mut doubtful);
            }
            if let Some(group) = self.held_back.groups.get_mut(&key)
                && group.whole.take().is_some()
            {
                let others = group.families.clone();
                for name in &others {
                    doubtful.add(&key, name);
                }
            }
            self.held_back.remove(&name, &key);
            let revision = self.revision_of(&key).or(whole).unwrap_or_default();
            let total = self.size;
            self.place(preparer, revision, &key, &prepared, None, None);
            self.book(&key, total);
        }
    }

    /// What a fragment contradicts and takes the place of; none if it contradicts something that goes before it.
    fn winner(
        &self,
        preparer: &Preparer,
        key: &GroupingKey,
        prepared: &Prepared<'_>,
        family: &PreparedFamily<'_>,
    ) -> Option<Vec<Rival>> {
        if is_hopeless(preparer, prepared, family) {
            return None;
        }
        let rivals = self.rivals(key, prepared, family);
        rivals.iter().all(|(_, rival)| rival > key).then_some(rivals)
    }

    /// The fragments of other groups that are shown and that this one contradicts.
    fn rivals(&self, key: &GroupingKey, prepared: &Prepared<'_>, family: &PreparedFamily<'_>) -> Vec<Rival> {
        let mut rivals = Vec::new();
        if prepared.fingerprints(family).is_empty() {
            return rivals;
        }
        let all_of = |family: &Family| {
            let name = Arc::clone(family.name());
            let holders = family.fragments_above(None).filter(|view| view.series() > 0);
            let others = holders
                .map(|view| view.key().clone())
                .filter(|other| other != key);
            others
                .map(move |other| (Arc::clone(&name), other))
                .collect::<Vec<_>>()
        };
        if let Some(stored) = self.families.get(family.name) {
            match stored.base_type() {
                Some(stored_type) if stored_type != family.metric_type.base() => {
                    rivals.extend(all_of(stored));
                }
                Some(_) => rivals.extend(self.owners_of_series(key, stored, prepared, family)),
                None => {}
            }
        }
        for (other, is_rival) in colliding(family.name, family.metric_type) {
            if let Some(stored) = self.families.get(&*other)
                && stored.base_type().is_some_and(is_rival)
            {
                rivals.extend(all_of(stored));
            }
        }
        rivals
    }

    /// The groups that have series of this fragment, of the same family.
    fn owners_of_series(
        &self,
        key: &GroupingKey,
        stored: &Family,
        prepared: &Prepared<'_>,
        family: &PreparedFamily<'_>,
    ) -> BTreeSet<Rival> {
        let mut owners = BTreeSet::new();
        let text = prepared.text(family);
        let mut all = Vec::new();
        for (position, fingerprint) in prepared.fingerprints(family).iter().enumerate() {
            for owner in self
                .other_owners(None, *fingerprint)
                .filter(|owner| *owner != key)
            {
                if all.is_empty() {
                    all = series_of(family.name, family.metric_type, text);
                }
                let (Some(series), Some((leaf, at))) = (all.get(position), stored.find(owner)) else {
                    continue;
                };
                let metric_type = leaf.get(at).meta.metric_type;
                if has_series(family.name, metric_type, &leaf.text_of(at), series) {
                    owners.insert((Arc::clone(stored.name()), owner.clone()));
                }
            }
        }
        owners
    }

    /// Holds a fragment back that is shown, or its whole group if it is its push time.
    fn displace(&mut self, preparer: &Preparer, name: &str, key: &GroupingKey, doubtful: &mut Doubtful) {
        if name != PUSH_TIME {
            self.displace_one(preparer, name, key, doubtful);
            return;
        }
        // A copy: a list that is held here would not be forgotten when the group is the last one that has it.
        let Some(names) = self.family_names(key).map(|family_names| family_names.names()) else {
            return;
        };
        for name in &*names {
            self.displace_one(preparer, name, key, doubtful);
        }
        if let Some(group) = self.groups.remove(key) {
            self.accounts.leave(group.id, Size::default());
            self.litter.names.extend(self.name_sets.release(group.families));
            self.ids.release(group.id);
            self.held_back.groups.entry(key.clone()).or_default().whole = Some(group.revision);
        }
    }

    fn displace_one(&mut self, preparer: &Preparer, name: &str, key: &GroupingKey, doubtful: &mut Doubtful) {
        let Some(family) = self.families.get(name) else {
            return;
        };
        let Some((leaf, position)) = family.find(key) else {
            return;
        };
        let view = leaf.view(name, position);
        let mut image = Image::default();
        image.add(&view.parts());
        let series = view.series();
        let name = Arc::clone(family.name());
        let fragment = Fragment {
            record: image.into_record(key, None),
            is_hopeless: false,
            series: u64::from(series),
        };
        let total = self.size;
        self.remove_families(preparer, key, |gone| *gone == *name, None);
        self.book(key, total);
        self.held_back.insert(&name, key, fragment);
        doubtful.add_behind(&self.held_back, &name, key);
    }

    /// The names of all families of a group, held back or not.
    fn names_of(&self, key: &GroupingKey) -> BTreeSet<Arc<str>> {
        let shown = self.family_names(key).unwrap_or_default();
        let back = self.held_back.groups.get(key);
        let back = back.into_iter().flat_map(|group| &group.families);
        shown.iter().chain(back).cloned().collect()
    }
}

/// Some families of a push.
fn only<'p>(prepared: &'p Prepared<'_>, families: &[&PreparedFamily<'p>]) -> Prepared<'p> {
    Prepared {
        families: families.iter().map(|family| (*family).clone()).collect(),
        digest: None,
        text: std::borrow::Cow::Borrowed(&*prepared.text),
        fingerprints: prepared.fingerprints.clone(),
    }
}

/// The lines of a family that have names of their own.
fn suffixes_of(metric_type: MetricType) -> &'static [&'static str] {
    match metric_type {
        MetricType::Summary => &["_count", "_sum"],
        MetricType::Histogram | MetricType::GaugeHistogram => &SUFFIXES,
        _ => &[],
    }
}

/// Names of other families with which one of this name and type collides, if they are of a type for which this holds.
pub(crate) fn colliding(
    name: &str,
    metric_type: MetricType,
) -> impl Iterator<Item = (String, impl Fn(MetricType) -> bool + use<>)> {
    let above = SUFFIXES.into_iter().filter_map(move |suffix| {
        let base = name.strip_suffix(suffix)?;
        Some((base.to_owned(), Some(suffix)))
    });
    let below = suffixes_of(metric_type).iter();
    let below = below.map(move |suffix| (format!("{name}{suffix}"), None));
    above.chain(below).map(|(other, suffix)| {
        let is_rival =
            move |other: MetricType| suffix.is_none_or(|suffix| suffixes_of(other).contains(&suffix));
        (other, is_rival)
    })
}

/// Whether no family of a group contradicts what is always there.
pub(crate) fn has_hope(preparer: &Preparer, prepared: &Prepared<'_>) -> bool {
    let mut families = prepared.families.iter();
    !families.any(|family| is_hopeless(preparer, prepared, family))
}

/// Whether a family contradicts what is always there: the gateway's own families, or one of its own group, of whose lines one
/// has its name. Only another version of Wharf takes a push that leads to such a group.
fn is_hopeless(preparer: &Preparer, prepared: &Prepared<'_>, family: &PreparedFamily<'_>) -> bool {
    contradicts_own(preparer, family) || line_of(prepared, family).is_some()
}

/// The family of a group of which a line has the name of this one.
pub(crate) fn line_of<'p, 'a>(
    prepared: &'p Prepared<'a>,
    family: &PreparedFamily<'_>,
) -> Option<&'p PreparedFamily<'a>> {
    if family.lines == 0 {
        return None;
    }
    SUFFIXES.into_iter().find_map(|suffix| {
        let base = prepared.get(family.name.strip_suffix(suffix)?)?;
        (base.lines > 0 && suffixes_of(base.metric_type).contains(&suffix)).then_some(base)
    })
}

/// Whether a family contradicts the gateway's own.
fn contradicts_own(preparer: &Preparer, family: &PreparedFamily<'_>) -> bool {
    if family.lines == 0 {
        return false;
    }
    let own = |name: &str| preparer.reserved.get(name).map(|reserved| reserved.metric_type);
    if own(family.name).is_some_and(|own| own != family.metric_type.base()) {
        return true;
    }
    let mut others = colliding(family.name, family.metric_type);
    others.any(|(other, is_rival)| own(&other).is_some_and(is_rival))
}

#[cfg(test)]
mod tests;
