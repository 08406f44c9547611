//! A change of what is stored, made away from the lock.
//!
//! A draft is a copy of the state in which the change is made as it would be in the state itself: the families are a copy
//! of their root, and of groups it has those that change. While it is made others go on, and what they touch is taken over
//! into the draft; so in the end it takes the place of what is stored by an exchange of the roots, whatever the change is.
//! Until then nothing of it shows, and to give it up costs nobody anything.
//!
//! The index cannot be copied. It says who *may* have a series, and whoever asks it looks at the lines; so the series of a
//! draft may be in it before the draft shows, and those that it removes some time longer.
//!
//! # What others do meanwhile
//! They are checked against what is stored, not against the draft: who shows first is right. So what they have touched is
//! checked against the draft when it is taken over. The index has the series of the draft then, so each of theirs is
//! looked up, and not the other way round: that costs what they have done, however much the draft is.

use std::sync::Arc;

use hashbrown::HashSet;
use wharf_model::{GroupingKey, MetricType};

use crate::change::Cause;
use crate::effect::{By, Effects};
use crate::fold::Intent;
use crate::limits::Growth;
use crate::memory::family::Family;
use crate::memory::family_names::{FamilyNames, Names};
use crate::memory::index::{GroupId, Hint};
use crate::memory::leaf::FragmentView;
use crate::memory::state::{
    Applied, Begun, Families, GroupBefore, Ready, ReadyGroup, State, Tell, colliding,
};
use crate::memory::touched::Touched;
use crate::prepare::Preparer;
use crate::series::Fingerprint;
use crate::{PUSH_FAILURE_TIME, Revision};

/// Somebody has changed what a draft depends on. It has to be begun anew.
#[derive(Debug)]
pub(crate) struct Disturbed;

/// See the head of this file.
#[derive(Debug)]
pub(crate) struct Draft {
    scratch: State,
    /// The groups that it changes, in the order of their keys.
    keys: Vec<GroupingKey>,
    ids: HashSet<GroupId>,
    /// Numbers of groups that were not there.
    new_ids: Vec<GroupId>,
    /// Those of them that no group has in the end.
    unused: Vec<GroupId>,
    begun: Begun,
    /// What the pushes among the changes make of groups, in turn.
    growths: Vec<Growing>,
    /// The groups whose last failure is when the draft says.
    failed: HashSet<GroupingKey>,
    effects: Effects,
    /// Its groups, when they are ready.
    ready: Vec<ReadyGroup>,
}

/// What a push makes of a group.
#[derive(Debug)]
pub(crate) struct Growing {
    /// Which of the groups of the draft.
    pub(crate) group: usize,
    pub(crate) growth: Growth,
}

impl Draft {
    /// A draft in which nothing has changed yet; `groups` are those that it may change, in the order of their keys.
    pub(crate) fn new(begun: Begun, groups: Vec<(GroupingKey, GroupBefore)>) -> Self {
        Self {
            scratch: State::scratch(&begun, &groups),
            new_ids: new_ids(&groups),
            ids: groups.iter().map(|(_, before)| before.id).collect(),
            keys: groups.into_iter().map(|(key, _)| key).collect(),
            begun,
            unused: Vec::new(),
            growths: Vec::new(),
            failed: HashSet::new(),
            effects: Effects::None,
            ready: Vec::new(),
        }
    }

    /// What is stored, with the changes so far. Of groups it knows those only that change.
    pub(crate) fn state(&self) -> &State {
        &self.scratch
    }

    /// What it was begun with.
    pub(crate) fn begun(&self) -> &Begun {
        &self.begun
    }

    /// The number of one of its groups.
    pub(crate) fn id_of(&self, key: &GroupingKey) -> Option<GroupId> {
        self.scratch.id_given(key)
    }

    /// Numbers that groups got which were not there.
    pub(crate) fn new_ids(&mut self) -> Vec<GroupId> {
        std::mem::take(&mut self.new_ids)
    }

    // ---- the change ---------------------------------------------------------------------------------------

    /// Stores an admitted push.
    pub(crate) fn put(&mut self, preparer: &Preparer, intent: &Intent<'_>, cause: Cause<'_>, tells: bool) {
        let Intent {
            key,
            mode,
            lifetime,
            ref delta,
            ..
        } = *intent;
        let scratch = &mut self.scratch;
        let before = scratch.size_of(key);
        let at = Revision::default();
        if tells {
            let effects = scratch.effect_of_put(at, key, mode, lifetime, delta, cause);
            self.effects.extend(effects);
        }
        scratch.put(preparer, at, key, mode, lifetime, delta, Tell::default());
        let after = scratch.size_of(key).unwrap_or_default();
        if delta.get(PUSH_FAILURE_TIME).is_some() {
            self.failed.insert(key.clone());
        }
        self.growths.push(Growing {
            group: self.keys.binary_search(key).unwrap_or_default(),
            growth: Growth { before, after },
        });
    }

    /// Removes some of its groups, sorted by key.
    pub(crate) fn delete(
        &mut self,
        preparer: &Preparer,
        keys: &[GroupingKey],
        by: By,
        tells: bool,
    ) -> Applied {
        let mut applied = Applied::default();
        let tell = Tell {
            effects: tells,
            ..Tell::default()
        };
        let at = Revision::default();
        self.scratch.delete(preparer, at, keys, by, tell, &mut applied);
        self.effects.extend(std::mem::take(&mut applied.effects));
        applied
    }

    /// Removes families of some of its groups, sorted by key.
    pub(crate) fn delete_families(
        &mut self,
        preparer: &Preparer,
        keys: &[GroupingKey],
        names: &[&str],
        by: By,
        tells: bool,
    ) -> Applied {
        let mut applied = Applied::default();
        let tell = Tell {
            effects: tells,
            ..Tell::default()
        };
        let (at, scratch) = (Revision::default(), &mut self.scratch);
        scratch.delete_families(preparer, at, keys, names, by, tell, &mut applied);
        self.effects.extend(std::mem::take(&mut applied.effects));
        applied
    }

    /// Entries for the index that have come up since the last time.
    pub(crate) fn take_new_hints(&mut self) -> Vec<Hint> {
        std::mem::take(&mut self.scratch.noted().new)
    }

    /// What the pushes so far make of groups, from this one on.
    pub(crate) fn growths(&self, first: usize) -> &[Growing] {
        self.growths.get(first..).unwrap_or_default()
    }

    // ---- what others do -----------------------------------------------------------------------------------

    /// Takes over what others have touched, as it is `now`, when its groups are ready. `may_have` asks the index whether one of the groups of the draft
    /// may have one of some series.
    ///
    /// # Errors
    /// If what they have done changes what the draft does, or contradicts it.
    pub(crate) fn catch_up(
        &mut self,
        preparer: &Preparer,
        now: &Families,
        touched: &HashSet<Touched>,
        mut may_have: impl FnMut(&[Fingerprint], &HashSet<GroupId>) -> Result<bool, Disturbed>,
    ) -> Result<(), Disturbed> {
        let mut others = Vec::with_capacity(touched.len());
        for Touched { name, key } in touched {
            let is_own = self.keys.binary_search(key).is_ok();
            match name {
                None if is_own => return Err(Disturbed),
                // Only its lifetime has changed, which is no matter of the draft's.
                None => {}
                Some(name) if is_own => {
                    if &**name != PUSH_FAILURE_TIME || !self.takes_failure(now, key) {
                        return Err(Disturbed);
                    }
                    self.resize(now, key);
                    others.push((name, key));
                }
                Some(name) => others.push((name, key)),
            }
        }
        // First all that is not the same any more goes, so that each is compared with the draft only, and with what stays.
        let mut changed = Vec::with_capacity(others.len());
        for (name, key) in others {
            let digest = self.digest_of(name, key);
            let is_same =
                |fragment: &FragmentView<'_>| digest == Some((fragment.digest(), fragment.base_type()));
            match fragment_of(now, name, key) {
                Some(fragment) if is_same(&fragment) => self.put_as(name, &fragment),
                fragment => {
                    self.remove(name, key);
                    changed.extend(fragment.map(|fragment| (name, fragment)));
                }
            }
        }
        for (name, fragment) in changed {
            if fragment.series() > 0 {
                self.check(preparer, &fragment, &mut may_have)?;
            }
            self.put_as(name, &fragment);
        }
        Ok(())
    }

    /// Whether the time of the last failure of a group, which has changed, is one that the draft leaves as it is: the group is there
    /// before, with the draft and now, and the draft does not say when that was, as groups do that are restored.
    fn takes_failure(&self, now: &Families, key: &GroupingKey) -> bool {
        let is_there = |families| fragment_of(families, PUSH_FAILURE_TIME, key).is_some();
        !self.failed.contains(key)
            && [&self.begun.families, self.scratch.families(), now]
                .into_iter()
                .all(is_there)
    }

    /// Counts that the time of the last failure of a group may be longer or shorter than it was.
    fn resize(&mut self, now: &Families, key: &GroupingKey) {
        let size = |families| fragment_of(families, PUSH_FAILURE_TIME, key).map(|fragment| fragment.size());
        let (before, after) = (size(self.scratch.families()), size(now));
        let position = self.keys.binary_search(key).ok();
        let group = position.and_then(|position| self.ready.get_mut(position));
        if let Some((_, Some((group, _)))) = group {
            group.resize(before.unwrap_or_default(), after.unwrap_or_default());
        }
    }

    /// Checks what another has pushed meanwhile.
    fn check(
        &self,
        preparer: &Preparer,
        fragment: &FragmentView<'_>,
        may_have: &mut impl FnMut(&[Fingerprint], &HashSet<GroupId>) -> Result<bool, Disturbed>,
    ) -> Result<(), Disturbed> {
        let (name, metric_type) = (fragment.name(), fragment.meta().metric_type);
        let families = self.scratch.families();
        let base_type = |name: &str| families.get(name).and_then(|family| family.base_type());
        let stored = base_type(name);
        if stored.is_some_and(|stored| stored != metric_type.base()) {
            return Err(Disturbed);
        }
        let mut colliding = colliding(name, metric_type);
        if colliding.any(|(other, is_rival)| base_type(&other).is_some_and(is_rival)) {
            return Err(Disturbed);
        }
        if stored.is_none() {
            return Ok(());
        }
        let mut fingerprints = Vec::new();
        preparer.each_fingerprint(name, metric_type, fragment.text(), |fingerprint| {
            fingerprints.push(fingerprint);
        });
        if may_have(&fingerprints, &self.ids)? {
            return Err(Disturbed);
        }
        Ok(())
    }

    fn digest_of(&self, name: &str, key: &GroupingKey) -> Option<(u64, MetricType)> {
        let fragment = fragment_of(self.scratch.families(), name, key)?;
        Some((fragment.digest(), fragment.base_type()))
    }

    fn put_as(&mut self, name: &Arc<str>, fragment: &FragmentView<'_>) {
        let families = self.scratch.families_mut();
        let family = families
            .entry(Arc::clone(name))
            .or_insert_with(|| Arc::new(Family::new(name)));
        Arc::make_mut(family).put_as(fragment);
    }

    fn remove(&mut self, name: &str, key: &GroupingKey) {
        let families = self.scratch.families_mut();
        let Some(family) = families.get_mut(name) else {
            return;
        };
        let family = Arc::make_mut(family);
        family.remove(key);
        if family.is_empty() {
            families.remove(name);
        }
    }

    // ---- the end ------------------------------------------------------------------------------------------

    /// Makes its groups ready; `share` gives names as the state has them. Nothing may be changed after that but what others
    /// touch.
    pub(crate) fn make_ready<E>(
        &mut self,
        share: impl FnMut(&Names) -> Result<FamilyNames, E>,
    ) -> Result<(), E> {
        self.scratch.take_groups(&self.keys, &mut self.ready, share)?;
        if !self.new_ids.is_empty() {
            let new: HashSet<GroupId> = self.new_ids.iter().copied().collect();
            let gone = self.ready.iter().filter(|(_, group)| group.is_none());
            let unused = gone.filter_map(|(key, _)| self.scratch.id_given(key));
            self.unused = unused.filter(|id| new.contains(id)).collect();
        }
        Ok(())
    }

    /// What takes the place of what is stored; `quotas` are those of the groups, and `new` is what the index got for it.
    pub(crate) fn take(&mut self, quotas: Vec<Box<[usize]>>, new: Vec<Hint>) -> Ready {
        Ready {
            families: std::mem::take(self.scratch.families_mut()),
            groups: std::mem::take(&mut self.ready),
            quotas,
            unused: std::mem::take(&mut self.unused),
            before: self.begun.size,
            after: self.scratch.size(),
            new,
            old: std::mem::take(&mut self.scratch.noted().old),
            effects: std::mem::take(&mut self.effects),
            series_ends: self.scratch.take_series_ends(),
        }
    }

    /// Names that were made ready and are not wanted.
    pub(crate) fn give_up(&mut self) -> Vec<FamilyNames> {
        let groups = std::mem::take(&mut self.ready);
        let there = groups.into_iter().filter_map(|(_, group)| group);
        there.map(|(group, _)| group.into_names()).collect()
    }
}

/// Numbers that groups got which were not there.
pub(crate) fn new_ids(groups: &[(GroupingKey, GroupBefore)]) -> Vec<GroupId> {
    let new = groups.iter().filter(|(_, before)| before.group.is_none());
    new.map(|(_, before)| before.id).collect()
}

fn fragment_of<'f>(families: &'f Families, name: &'f str, key: &GroupingKey) -> Option<FragmentView<'f>> {
    let (leaf, position) = families.get(name)?.find(key)?;
    Some(leaf.view(name, position))
}
