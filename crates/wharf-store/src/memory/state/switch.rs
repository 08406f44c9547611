//! What a [draft](crate::memory::draft) begins with, and how it takes the place of what is stored.

use std::sync::Arc;

use hashbrown::hash_map::Entry;
use hashbrown::{HashMap, HashSet};
use imbl::OrdMap;
use wharf_model::GroupingKey;

use super::{Families, Group, State, Trace, trace};
use crate::effect::Effects;
use crate::lifetime::{Lifetime, Lifetimes};
use crate::limits::{Counted, Limits};
use crate::memory::family_names::{FamilyNames, Names};
use crate::memory::ids::GroupIds;
use crate::memory::index::{GroupId, Hint, Hints, SeriesIndex};
use crate::memory::series_ends::SeriesEnds;
use crate::memory::touched::Touched;
use crate::mode::PushMode;
use crate::prepare::Prepared;
use crate::series::Fingerprint;
use crate::size::Size;
use crate::{PUSH_FAILURE_TIME, Revision, UnixNanos};

/// The state at the moment when a draft of it is begun. Costs some clones of pointers.
#[derive(Debug)]
pub(crate) struct Begun {
    pub(crate) families: Families,
    pub(crate) lifetimes: OrdMap<GroupingKey, Lifetime>,
    pub(crate) size: Size,
    pub(crate) limits: Arc<Limits>,
    /// Counts the changes of the limits.
    pub(crate) generation: u64,
    pub(crate) identity: Arc<()>,
}

/// A group before a draft changes it.
#[derive(Debug)]
pub(crate) struct GroupBefore {
    pub(crate) id: GroupId,
    /// What there is of it; none if it is not there, then the number is given to it for the draft.
    pub(crate) group: Option<GroupParts>,
}

/// What a state knows of a group, with names that are not counted as another group's.
#[derive(Debug, Clone)]
pub(crate) struct GroupParts {
    pub(crate) names: Names,
    pub(crate) size: Size,
    /// What the time of its last failure has of that. A failure may have been booked since the draft was begun, whose families
    /// do not have it.
    failure: Size,
    pub(super) last_push: Option<Trace>,
    pub(super) revision: Revision,
}

/// A group as it is with a draft, and how long it lives; none if it is gone.
pub(crate) type ReadyGroup = (GroupingKey, Option<(Group, Option<Lifetime>)>);

/// A draft that takes the place of what is stored.
#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) families: Families,
    /// The groups that it changes.
    pub(crate) groups: Vec<ReadyGroup>,
    /// The quotas of each of them.
    pub(crate) quotas: Vec<Box<[usize]>>,
    /// Numbers of groups that were not there and are not there now.
    pub(crate) unused: Vec<GroupId>,
    /// How much was stored when it was begun, and would be with the draft alone.
    pub(crate) before: Size,
    pub(crate) after: Size,
    /// Entries that the index got for it.
    pub(crate) new: Vec<Hint>,
    /// Those that are to go.
    pub(crate) old: Vec<Hint>,
    pub(crate) effects: Effects,
    /// When series leave by themselves that it has put.
    pub(crate) series_ends: SeriesEnds,
}

/// What a draft has taken the place of.
#[derive(Debug)]
pub(crate) struct Former {
    families: Families,
    /// What these families have more than those that took their place, and less.
    size: (Size, Size),
    groups: Vec<FormerGroup>,
    /// Numbers that no group has got.
    unused: Vec<GroupId>,
    /// Entries of the index that came with the draft.
    new: Vec<Hint>,
    /// Those that are to go, and are still there.
    old: Vec<Hint>,
    identity: Arc<()>,
}

/// A group before a draft has changed it.
#[derive(Debug)]
struct FormerGroup {
    key: GroupingKey,
    /// None if it was not there.
    group: Option<Group>,
    lifetime: Option<Lifetime>,
    is_gone: bool,
}

/// The number of a group that is gone by a change that may still be taken back. Nobody gets it until then: the group may come
/// back, and drafts below that change count on the number that it had.
#[derive(Debug)]
pub(crate) struct Retired {
    id: GroupId,
    /// The state that has it; after a wipe there is another.
    of: Arc<()>,
}

/// What is to be cleared up when a change has been made, taken back or given up. Nothing of it shows.
#[derive(Debug)]
pub(crate) struct Leftovers {
    /// Entries of the index that mean nothing any more.
    pub(crate) hints: Vec<Hint>,
    /// Numbers of groups that are not there. They are free when the index does not have them.
    pub(crate) ids: Vec<GroupId>,
    /// Names that groups had.
    pub(crate) names: Vec<FamilyNames>,
    /// The state that has them; after a wipe there is another.
    pub(crate) of: Arc<()>,
    /// To be freed, which may take a while.
    families: Option<Families>,
}

impl Group {
    /// Counts that a part of it went from one size to another.
    pub(crate) fn resize(&mut self, before: Size, after: Size) {
        self.size = self.size.moved(before, after);
    }

    /// The names of its families.
    pub(crate) fn into_names(self) -> FamilyNames {
        self.families
    }
}

impl Former {
    /// What is left when the draft stays.
    pub(crate) fn into_leftovers(self) -> Leftovers {
        let mut leftovers = Leftovers::new(self.old, self.identity);
        leftovers.families = Some(self.families);
        leftovers.ids = self.unused;
        for former in self.groups {
            let Some(group) = former.group else { continue };
            if former.is_gone {
                leftovers.ids.push(group.id);
            }
            leftovers.names.push(group.families);
        }
        leftovers
    }
}

impl From<Retired> for Leftovers {
    /// Of a group that stays away.
    fn from(number: Retired) -> Self {
        let mut leftovers = Self::new(Vec::new(), number.of);
        leftovers.ids.push(number.id);
        leftovers
    }
}

impl Leftovers {
    /// Whether they are of the state that has this number.
    pub(crate) fn is_of(&self, number: &Retired) -> bool {
        Arc::ptr_eq(&self.of, &number.of)
    }

    /// Adds the number of a group that stays away, of the same state.
    pub(crate) fn add(&mut self, number: &Retired) {
        self.ids.push(number.id);
    }

    pub(crate) fn new(hints: Vec<Hint>, of: Arc<()>) -> Self {
        Self {
            hints,
            ids: Vec::new(),
            names: Vec::new(),
            of,
            families: None,
        }
    }
}

impl State {
    /// Begins to watch what is touched, and says what there is now.
    pub(crate) fn begin_draft(&mut self) -> Begun {
        self.watch = Some(Vec::new());
        Begun {
            families: self.families.clone(),
            lifetimes: self.lifetimes.by_key().clone(),
            size: self.size,
            limits: self.accounts.shared_limits(),
            generation: self.accounts.generation(),
            identity: Arc::clone(&self.identity),
        }
    }

    /// What has been touched since the last time; none if everything may be another.
    pub(crate) fn take_touched(&mut self) -> Option<Vec<Touched>> {
        self.watch.as_mut().map(std::mem::take)
    }

    pub(crate) fn stop_watching(&mut self) {
        self.watch = None;
    }

    pub(crate) fn is_watched(&self) -> bool {
        self.watch.is_some()
    }

    /// What a draft has to know of some groups. Those that are not there get a number.
    pub(crate) fn groups_before(&mut self, keys: &[GroupingKey]) -> Vec<(GroupingKey, GroupBefore)> {
        self.worked(keys.len() as u64);
        let mut all = Vec::with_capacity(keys.len());
        // Groups mostly have the same names, which are copied once then.
        let mut last: Option<(*const Arc<str>, Names)> = None;
        for key in keys {
            self.enlist(key);
            let Some(group) = self.groups.get(key) else {
                let (id, group) = (self.ids.take(key), None);
                all.push((key.clone(), GroupBefore { id, group }));
                continue;
            };
            let names = match &last {
                Some((place, names)) if *place == group.families.as_ptr() => Arc::clone(names),
                _ => group.families.names(),
            };
            last = Some((group.families.as_ptr(), Arc::clone(&names)));
            let parts = GroupParts {
                names,
                size: group.size,
                failure: self.size_of_fragment(key, PUSH_FAILURE_TIME),
                last_push: group.last_push,
                revision: group.revision,
            };
            let (id, group) = (group.id, Some(parts));
            all.push((key.clone(), GroupBefore { id, group }));
        }
        all
    }

    /// The state of a draft: all families, and groups that it changes.
    pub(crate) fn scratch(begun: &Begun, groups: &[(GroupingKey, GroupBefore)]) -> Self {
        let given = groups.iter().map(|(key, before)| (key.clone(), before.id));
        let mut scratch = Self {
            families: begun.families.clone(),
            ids: GroupIds::given(given.collect()),
            index: SeriesIndex::of_draft(),
            lifetimes: Lifetimes::of(begun.lifetimes.clone()),
            size: begun.size,
            ..Self::default()
        };
        for (key, before) in groups {
            let Some(parts) = &before.group else { continue };
            let group = Group {
                id: before.id,
                families: scratch.name_sets.share(&parts.names).0,
                last_push: parts.last_push,
                revision: parts.revision,
                size: parts
                    .size
                    .moved(parts.failure, scratch.size_of_fragment(key, PUSH_FAILURE_TIME)),
            };
            scratch.groups.insert(key.clone(), group);
        }
        scratch
    }

    /// How much a group holds, if it is there.
    pub(crate) fn size_of(&self, key: &GroupingKey) -> Option<Size> {
        self.groups.get(key).map(|group| group.size)
    }

    /// Of a draft: the number of one of its groups.
    pub(crate) fn id_given(&self, key: &GroupingKey) -> Option<GroupId> {
        self.ids.given_to(key)
    }

    /// Whether a push has the series of the last one to the group, and passes all checks.
    pub(crate) fn repeats(&self, key: &GroupingKey, mode: PushMode, prepared: &Prepared<'_>) -> bool {
        let group = self.groups.get(key);
        group.is_some_and(|group| group.expects(trace(mode, prepared)))
    }

    /// How much there is of these fragments.
    pub(crate) fn weight_of_touched(&self, touched: &HashSet<Touched>) -> u64 {
        let sizes = touched.iter().filter_map(|touched| {
            let name = touched.name.as_ref()?;
            Some(self.weight_under_name(&touched.key, name))
        });
        sizes.sum()
    }

    /// Of a draft: all families.
    pub(crate) fn families_mut(&mut self) -> &mut Families {
        &mut self.families
    }

    /// Of a draft: what the index is to be told.
    pub(crate) fn noted(&mut self) -> &mut Hints {
        self.index.noted()
    }

    /// Of a draft: what its groups are, with the names as `share` gives them. Those that have gone are none. If it does not give
    /// all, there are some of the groups.
    pub(crate) fn take_groups<E>(
        &mut self,
        keys: &[GroupingKey],
        groups: &mut Vec<ReadyGroup>,
        mut share: impl FnMut(&Names) -> Result<FamilyNames, E>,
    ) -> Result<(), E> {
        let mut shared: HashMap<*const Arc<str>, FamilyNames> = HashMap::new();
        groups.reserve_exact(keys.len());
        for key in keys {
            let Some(mut group) = self.groups.remove(key) else {
                groups.push((key.clone(), None));
                continue;
            };
            let names = match shared.entry(group.families.as_ptr()) {
                Entry::Occupied(names) => names.get().clone(),
                Entry::Vacant(place) => place.insert(share(&group.families.names())?).clone(),
            };
            // Kept until all are shared, so that none has the place of another.
            let own = std::mem::replace(&mut group.families, names);
            self.litter.names.extend(own.into_names());
            groups.push((key.clone(), Some((group, self.lifetimes.get(key)))));
        }
        Ok(())
    }

    /// What counts for limits.
    pub(crate) fn counted(&self) -> Counted {
        Counted {
            groups: self.groups.len() as u64,
            size: self.size,
            usage: self.accounts.usage().to_vec(),
        }
    }

    /// Puts entries into the index before the fragments are there that they speak of.
    pub(crate) fn put_hints(&mut self, hints: &[Hint]) {
        for (fingerprint, owner) in hints {
            self.index.insert(*fingerprint, *owner);
        }
        self.worked(hints.len() as u64);
    }

    /// Groups that may have one of these series, and which: others than `own`.
    pub(crate) fn suspects(
        &self,
        own: Option<GroupId>,
        fingerprints: &[Fingerprint],
    ) -> Vec<(usize, GroupingKey)> {
        self.worked(fingerprints.len() as u64);
        let mut suspects = Vec::new();
        for (position, fingerprint) in fingerprints.iter().enumerate() {
            let others = self.other_owners(own, *fingerprint);
            suspects.extend(others.map(|key| (position, key.clone())));
        }
        suspects
    }

    /// Whether one of some groups may have one of these series.
    pub(crate) fn may_have(&self, fingerprints: &[Fingerprint], is_one: impl Fn(GroupId) -> bool) -> bool {
        self.worked(fingerprints.len() as u64);
        let mut owners = fingerprints.iter().flat_map(|one| self.index.owners(*one));
        owners.any(is_one)
    }

    /// Names as a group has them that is going to be there.
    pub(crate) fn share_names(&mut self, names: &Names) -> FamilyNames {
        let (shared, work) = self.name_sets.share(names);
        self.worked(work as u64);
        shared
    }

    /// Whether the state is the one that a draft was begun of.
    pub(crate) fn is(&self, identity: &Arc<()>) -> bool {
        Arc::ptr_eq(&self.identity, identity)
    }

    /// Puts a draft, which has caught up with what is stored, in the place of it: the families at once, and the groups
    /// that it changes one after the other. `at` becomes their revision.
    pub(crate) fn switch(&mut self, at: Revision, ready: Ready) -> (Former, Effects) {
        let Ready {
            families,
            groups,
            quotas,
            unused,
            before,
            after,
            new,
            old,
            mut effects,
            series_ends,
        } = ready;
        self.watch = None;
        let families = std::mem::replace(&mut self.families, families);
        self.size = self.size.moved(before, after);
        self.worked(groups.len() as u64);
        let has_quotas = self.accounts.has_quotas();
        let mut former = Vec::with_capacity(groups.len());
        for (number, (key, new)) in groups.into_iter().enumerate() {
            let lifetime = self.lifetimes.get(&key);
            let is_gone = new.is_none();
            let quotas = quotas.get(number).map(|quotas| &**quotas);
            let group = if let Some((new, until)) = new {
                let (id, size) = (new.id, new.size);
                self.heaviest = self.heaviest.max(new.weight());
                let new = Group { revision: at, ..new };
                let old = self.groups.insert(key.clone(), new);
                if has_quotas {
                    match &old {
                        Some(old) if self.accounts.counts(id) => self.accounts.change(id, old.size, size),
                        _ => self.accounts.enter_as(id, quotas.unwrap_or_default(), size),
                    }
                }
                if until != lifetime {
                    self.lifetimes.set(&key, until);
                }
                old
            } else {
                let old = self.groups.remove(&key);
                if let Some(old) = &old {
                    self.ids.retire(old.id);
                    self.accounts.leave(old.id, old.size);
                }
                if lifetime.is_some() {
                    self.lifetimes.set(&key, None);
                }
                self.series_ends.forget(&key);
                old
            };
            former.push(FormerGroup {
                key,
                group,
                lifetime,
                is_gone,
            });
        }
        self.series_ends.absorb(series_ends);
        if let Effects::Told(effects) = &mut effects {
            for effect in effects {
                effect.revision = at;
            }
        } else if let Effects::TooMany(revision) = &mut effects {
            *revision = at;
        }
        let former = Former {
            families,
            size: (before, after),
            groups: former,
            unused,
            new,
            old,
            identity: Arc::clone(&self.identity),
        };
        (former, effects)
    }

    /// A group is gone, and its number is kept for it: [`Self::readmit`] follows, or [`Leftovers`].
    pub(super) fn retire(&mut self, id: GroupId) -> Retired {
        self.ids.retire(id);
        let of = Arc::clone(&self.identity);
        Retired { id, of }
    }

    /// The group that had this number is put back next: it gets the number that became free last.
    pub(crate) fn readmit(&mut self, retired: &Retired) {
        self.ids.release(retired.id);
    }

    /// Takes that back. Right only while nothing else has changed since.
    pub(crate) fn switch_back(&mut self, former: Former) -> Leftovers {
        let mut leftovers = Leftovers::new(former.new, former.identity);
        leftovers.ids = former.unused;
        self.watch = None;
        leftovers.families = Some(std::mem::replace(&mut self.families, former.families));
        let (before, after) = former.size;
        self.size = self.size.moved(after, before);
        self.worked(former.groups.len() as u64);
        for former in former.groups {
            let (key, old) = (former.key, former.group);
            if let Some(new) = self.groups.remove(&key) {
                self.accounts.leave(new.id, new.size);
                leftovers.names.push(new.families);
                if old.is_none() {
                    self.ids.retire(new.id);
                    leftovers.ids.push(new.id);
                }
            }
            if let Some(old) = old {
                self.ids.reinstate(old.id, &key);
                self.heaviest = self.heaviest.max(old.weight());
                self.groups.insert(key.clone(), old);
                self.enlist(&key);
            }
            self.lifetimes.set(&key, former.lifetime);
            // Its families know better.
            self.series_ends.note(&key, UnixNanos::default());
        }
        leftovers
    }

    /// Clears some of the leftovers up: so much of it, in the units of work. Whether that was all.
    pub(crate) fn clear_up(&mut self, leftovers: &mut Leftovers, most: usize) -> bool {
        let hints = leftovers.hints.len();
        for (fingerprint, owner) in leftovers.hints.drain(hints.saturating_sub(most)..) {
            self.index.remove(fingerprint, owner);
        }
        self.worked(hints.min(most) as u64);
        if hints >= most {
            return false;
        }
        let mut left = most;
        while left > 0
            && let Some(names) = leftovers.names.pop()
        {
            left = left.saturating_sub(names.len().clamp(1, most / 8));
            self.litter.names.extend(self.name_sets.release(names));
        }
        if left == 0 {
            return false;
        }
        let ids = leftovers.ids.len();
        for id in leftovers.ids.drain(ids.saturating_sub(most)..) {
            self.ids.release(id);
        }
        leftovers.ids.is_empty()
    }
}

#[cfg(test)]
impl State {
    pub(crate) fn index_len(&self) -> usize {
        self.index.len()
    }

    pub(crate) fn free_ids(&self) -> usize {
        self.ids.free()
    }

    pub(crate) fn identity(&self) -> Arc<()> {
        Arc::clone(&self.identity)
    }

    pub(crate) fn id_of(&self, key: &GroupingKey) -> Option<GroupId> {
        self.groups.get(key).map(|group| group.id)
    }
}
