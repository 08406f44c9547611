//! Changes of what is stored: one way in for all of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashSet;
use wharf_model::GroupingKey;

use super::{Group, State, Trace, first_failure, trace};
use crate::change::{Cause, Change};
use crate::effect::{By, Effect, Effects, Facts, MOST_TOLD, Stored, What};
use crate::lifetime::Lifetime;
use crate::memory::family::Family;
use crate::memory::index::{GroupId, SeriesIndex};
use crate::memory::roster::{Names, Roster};
use crate::memory::without::{Families, Without};
use crate::mode::PushMode;
use crate::prepare::{Prepared, PreparedFamily, Preparer};
use crate::record::Image;
use crate::series::Fingerprint;
use crate::size::Size;
use crate::{Revision, UnixNanos, is_time};

/// What is to be told of changes beside making them. Both cost something, so they are made on demand.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tell {
    /// What was there before.
    pub(crate) before: bool,
    /// What it has done.
    pub(crate) effects: bool,
}

/// What came of changes.
#[derive(Debug, Default)]
pub(crate) struct Applied {
    pub(crate) effects: Effects,
    pub(crate) before: Before,
    /// How many groups there were of those that a change took away, or that lost families by it.
    pub(crate) groups: usize,
    /// How many families they lost.
    pub(crate) families: usize,
    /// Groups whose series are still in the index.
    pub(crate) taken: Vec<Taken>,
}

/// What was there before a change.
#[derive(Debug, Default)]
pub(crate) enum Before {
    /// Nobody has asked, or nothing was changed.
    #[default]
    Same,
    /// The group did not exist.
    Absent { key: GroupingKey },
    /// The group had these fragments and has others or none now; and these families it did not have.
    Present {
        key: GroupingKey,
        revision: Revision,
        lifetime: Option<Lifetime>,
        image: Image,
        created: Vec<Arc<str>>,
    },
    /// The group had all this.
    Taken(Box<Taken>),
    /// Before several changes, in their order.
    Several(Vec<Self>),
    /// All that was there.
    All(Box<State>),
}

impl Before {
    /// Adds what was there before the next change.
    pub(crate) fn add(&mut self, next: Self) {
        match (&mut *self, next) {
            (_, Self::Same) => {}
            (Self::Same, next) => *self = next,
            (Self::Several(all), next) => all.push(next),
            (_, next) => *self = Self::Several(vec![std::mem::take(self), next]),
        }
    }
}

/// What was taken out of a group at once, and where it still is.
#[derive(Debug, Clone)]
pub(crate) struct Taken {
    pub(crate) key: GroupingKey,
    pub(crate) id: GroupId,
    pub(crate) revision: Revision,
    pub(crate) lifetime: Option<Lifetime>,
    /// All families that it had.
    pub(crate) names: Names,
    /// Those that it has still.
    pub(crate) stay: Arc<HashSet<Box<str>>>,
    /// All families as they were.
    pub(crate) families: Families,
    /// Whether the group is gone.
    pub(crate) is_gone: bool,
    /// The state that it was taken from; after a wipe there is another.
    pub(super) from: Arc<()>,
}

/// A group that is losing fragments.
struct Losing<'k> {
    key: &'k GroupingKey,
    id: GroupId,
    /// How much it has lost.
    size: Size,
    image: Option<Image>,
}

impl State {
    /// Makes changes: replayed ones, those of this process, and what others have committed. There is no other way into
    /// the state. `at` becomes the revision of the groups that change.
    ///
    /// Nothing is checked, so nothing is refused: that is done before, by whoever makes a change.
    pub(crate) fn apply<'c>(
        &mut self,
        preparer: &Preparer,
        at: Revision,
        changes: impl IntoIterator<Item = Change<'c>>,
        tell: Tell,
    ) -> Applied {
        let mut applied = Applied::default();
        for change in changes {
            self.apply_one(preparer, at, change, tell, &mut applied);
        }
        applied
    }

    /// Makes one of several changes, and adds what comes of it.
    pub(crate) fn apply_one(
        &mut self,
        preparer: &Preparer,
        at: Revision,
        change: Change<'_>,
        tell: Tell,
        applied: &mut Applied,
    ) {
        match change {
            Change::Put {
                key,
                mode,
                lifetime,
                prepared,
                cause,
                without,
            } => {
                if tell.effects {
                    let effect = self.effect_of_put(at, &key, mode, lifetime, &prepared, cause);
                    applied.effects.extend(effect);
                }
                let taken = without.and_then(|without| self.take_from(&key, without));
                if let Some(taken) = taken {
                    if tell.before {
                        applied.before.add(Before::Taken(Box::new(taken.clone())));
                    }
                    applied.taken.push(taken);
                }
                let before = self.put(preparer, at, &key, mode, lifetime, prepared, tell);
                applied.before.add(before);
            }
            Change::Delete { keys, by, without } => {
                self.delete(preparer, at, &keys, by, without, tell, applied);
            }
            Change::DeleteFamilies { keys, names, by } => {
                self.delete_families(preparer, at, &keys, &names, by, tell, applied);
            }
            Change::Wipe => self.wipe(at, tell, applied),
        }
    }

    /// Puts all back that was there before a wipe. Other limits may have been set since.
    pub(crate) fn reinstate(&mut self, before: Self) {
        let now = std::mem::replace(self, before);
        (self.work, self.touched) = (now.work, None);
        let now = now.accounts;
        if self.accounts.generation() != now.generation() {
            self.accounts = now.emptied();
            let keys: Vec<GroupingKey> = self.groups.keys().cloned().collect();
            for key in &keys {
                self.enlist(key);
            }
        }
    }

    // ---- putting ------------------------------------------------------------------------------------------

    fn effect_of_put(
        &self,
        at: Revision,
        key: &GroupingKey,
        mode: PushMode,
        lifetime: Option<Lifetime>,
        prepared: &Prepared<'_>,
        cause: Cause<'_>,
    ) -> Effects {
        let created = !self.groups.contains_key(key);
        let stored = |facts| {
            let mut stored = Stored {
                mode,
                created,
                families: 0,
                series: 0,
                bytes: 0,
                pushed_at: UnixNanos::default(),
                lifetime,
                facts,
            };
            for family in &prepared.families {
                if is_time(family.name) {
                    stored.pushed_at = stored.pushed_at.max(family.pushed_at);
                    continue;
                }
                let size = family.size();
                stored.families += 1;
                stored.series += size.series;
                stored.bytes += size.bytes;
            }
            stored
        };
        let what = match cause {
            Cause::Push(facts) => What::Pushed(stored(*facts)),
            Cause::Restore => What::Restored(stored(Facts::default())),
            Cause::Refusal => What::Failed { created },
            Cause::Expiry => What::Emptied,
            Cause::Lifetime => What::LifetimeSet { lifetime },
            Cause::Again => return Effects::None,
        };
        Effects::Told(vec![Effect {
            revision: at,
            key: Some(key.clone()),
            what,
        }])
    }

    /// Stores an admitted push.
    #[expect(clippy::too_many_arguments, reason = "they are the parts of one change")]
    fn put(
        &mut self,
        preparer: &Preparer,
        at: Revision,
        key: &GroupingKey,
        mode: PushMode,
        lifetime: Option<Lifetime>,
        mut prepared: Prepared<'_>,
        tell: Tell,
    ) -> Before {
        let total = self.size;
        let trace = trace(mode, &prepared);
        let group = self.groups.get(key);
        let is_new = group.is_none();
        let revision = group.map_or(Revision::default(), |group| group.revision);
        let former = self.lifetimes.get(key);
        let present = |image, created| Before::Present {
            key: key.clone(),
            revision,
            lifetime: former,
            image,
            created,
        };
        let mut removed = None;
        if is_new {
            if let Some(mut failure) = first_failure(preparer, key, &prepared) {
                self.place(preparer, at, key, &mut failure, None, None);
            }
        } else if mode == PushMode::ReplaceGroup && group.is_some_and(|group| !group.expects(trace)) {
            let stays = |name: &str| is_time(name) || prepared.get(name).is_some();
            let mut image = tell.before.then(Image::default);
            self.remove_families(preparer, key, |name| !stays(name), image.as_mut());
            removed = image.map(|image| present(image, Vec::new()));
        }
        let mut image = tell.before.then(|| {
            let bytes = prepared.parts().map(|family| family.record_bytes()).sum();
            Image::with_capacity(bytes)
        });
        let created = self.place(preparer, at, key, &mut prepared, trace, image.as_mut());
        self.lifetimes.set(key, lifetime);
        self.book(key, total);
        match (image, removed) {
            (None, _) => Before::Same,
            (Some(_), _) if is_new => Before::Absent { key: key.clone() },
            (Some(image), None) => present(image, created),
            (Some(image), Some(removed)) => Before::Several(vec![removed, present(image, created)]),
        }
    }

    /// Stores admitted families, and adds what they replace to the image; the names of those that the group did not
    /// have. With a trace, they are all that the push brings.
    fn place(
        &mut self,
        preparer: &Preparer,
        at: Revision,
        key: &GroupingKey,
        prepared: &mut Prepared<'_>,
        trace: Option<Trace>,
        mut image: Option<&mut Image>,
    ) -> Vec<Arc<str>> {
        let ids = &mut self.ids;
        let group = self.groups.entry_ref(key).or_insert_with(|| Group {
            id: ids.take(key),
            families: Roster::default(),
            last_push: None,
            revision: at,
        });
        let repeats = group.expects(trace);
        group.last_push = trace;
        group.revision = at;
        let mut new = Vec::new();
        let mut families = std::mem::take(&mut prepared.families);
        for family in &mut families {
            if !repeats && !self.families.contains_key(family.name) {
                let new = Family::new(family.name);
                self.families.insert(Arc::clone(new.name()), Arc::new(new));
            }
            let Some(stored) = self.families.get_mut(family.name) else {
                continue;
            };
            let stored = Arc::make_mut(stored);
            if !repeats {
                self.work += reindex(&mut self.index, preparer, group.id, key, stored, prepared, family);
                if !group.families.has(family.name) {
                    new.push(Arc::clone(stored.name()));
                }
            }
            if let Some(touched) = &mut self.touched {
                touched.insert(Arc::clone(stored.name()));
            }
            self.work += 1;
            let before = stored.size();
            stored.put(key, prepared, family, image.as_deref_mut());
            self.size = self.size.moved(before, stored.size());
        }
        if !new.is_empty() {
            // Two sorted runs, which this sort merges; an insertion each would be quadratic.
            let mut all: Vec<_> = group.families.iter().chain(&new).cloned().collect();
            all.sort();
            self.rosters.replace(&mut group.families, all);
        }
        prepared.families = families;
        new
    }

    // ---- removing -----------------------------------------------------------------------------------------

    /// Removes groups.
    #[expect(clippy::too_many_arguments, reason = "they are the parts of one change")]
    fn delete(
        &mut self,
        preparer: &Preparer,
        at: Revision,
        keys: &[GroupingKey],
        by: By,
        without: Option<Box<Without>>,
        tell: Tell,
        applied: &mut Applied,
    ) {
        if let Some(without) = without {
            self.take_out(without, tell, applied);
        }
        // What has been taken out is not there any more.
        let mut gone = match keys {
            [key] => self.delete_one(preparer, key, tell, applied),
            keys => self.delete_many(preparer, keys, tell, applied),
        };
        let taken = applied.taken.iter().map(|taken| &taken.key);
        gone.extend(taken);
        applied.groups += gone.len();
        if tell.effects && gone.len() > MOST_TOLD {
            applied.effects = Effects::TooMany(at);
        } else if tell.effects {
            for key in gone {
                applied.effects.add(Effect {
                    revision: at,
                    key: Some(key.clone()),
                    what: What::Deleted { by },
                });
            }
        }
    }

    /// Removes groups of very many families: the map of families that is ready takes the place of the other.
    fn take_out(&mut self, mut without: Box<Without>, tell: Tell, applied: &mut Applied) {
        without.exchange(&mut self.families);
        let stay = without.staying();
        for (number, key) in without.keys().iter().enumerate() {
            let lost = without.lost(number);
            self.size = self.size.moved(lost, Size::default());
            let Some(group) = self.groups.remove(key) else {
                continue;
            };
            let taken = Taken {
                key: key.clone(),
                id: group.id,
                revision: group.revision,
                lifetime: self.lifetimes.get(key),
                names: group.families.names(),
                stay: Arc::clone(&stay),
                families: without.former().clone(),
                is_gone: true,
                from: Arc::clone(&self.identity),
            };
            self.accounts.leave(group.id, lost);
            self.ids.retire(group.id);
            self.litter.names.extend(self.rosters.release(group.families));
            self.lifetimes.set(key, None);
            applied.families += taken.names.len();
            if tell.before {
                applied.before.add(Before::Taken(Box::new(taken.clone())));
            }
            applied.taken.push(taken);
        }
        self.litter.replaced.push(*without);
    }

    /// Removes very many families of a group that stays.
    fn take_from(&mut self, key: &GroupingKey, mut without: Box<Without>) -> Option<Taken> {
        without.exchange(&mut self.families);
        let lost = without.lost(0);
        let total = self.size;
        self.size = self.size.moved(lost, Size::default());
        let stay = without.staying();
        let families = without.former().clone();
        self.litter.replaced.push(*without);
        let group = self.groups.get_mut(key)?;
        let staying = stay.iter().filter_map(|name| {
            let family = self.families.get(&**name)?;
            family.find(key).map(|_| Arc::clone(family.name()))
        });
        let mut staying: Vec<Arc<str>> = staying.collect();
        staying.sort();
        let taken = Taken {
            key: key.clone(),
            id: group.id,
            revision: group.revision,
            lifetime: self.lifetimes.get(key),
            names: group.families.names(),
            stay,
            families,
            is_gone: false,
            from: Arc::clone(&self.identity),
        };
        group.last_push = None;
        let former = std::mem::take(&mut group.families);
        self.litter.names.extend(self.rosters.release(former));
        self.rosters.replace(&mut group.families, staying);
        self.book(key, total);
        Some(taken)
    }

    fn delete_one<'k>(
        &mut self,
        preparer: &Preparer,
        key: &'k GroupingKey,
        tell: Tell,
        applied: &mut Applied,
    ) -> Vec<&'k GroupingKey> {
        let Some(group) = self.groups.remove(key) else {
            return Vec::new();
        };
        let lifetime = self.lifetimes.get(key);
        let mut image = tell.before.then(Image::default);
        let total = self.size;
        for name in &*group.families {
            self.remove_fragment(preparer, key, group.id, name, image.as_mut());
        }
        self.accounts
            .leave(group.id, total.moved(self.size, Size::default()));
        applied.families += group.families.len();
        self.litter.names.extend(self.rosters.release(group.families));
        self.ids.release(group.id);
        self.lifetimes.set(key, None);
        if let Some(image) = image {
            applied.before.add(Before::Present {
                key: key.clone(),
                revision: group.revision,
                lifetime,
                image,
                created: Vec::new(),
            });
        }
        vec![key]
    }

    /// The same of many. Costs less than one after the other: a leaf is changed once, whatever number of groups goes
    /// from it.
    fn delete_many<'k>(
        &mut self,
        preparer: &Preparer,
        keys: &'k [GroupingKey],
        tell: Tell,
        applied: &mut Applied,
    ) -> Vec<&'k GroupingKey> {
        let mut losing = Vec::with_capacity(keys.len());
        let mut former = Vec::with_capacity(keys.len());
        // In the order of names, for that is the order in a record.
        let mut by_family: BTreeMap<Arc<str>, Vec<usize>> = BTreeMap::new();
        for key in keys {
            let Some(group) = self.groups.remove(key) else {
                continue;
            };
            for name in &*group.families {
                match by_family.get_mut(&**name) {
                    Some(members) => members.push(losing.len()),
                    None => drop(by_family.insert(Arc::clone(name), vec![losing.len()])),
                }
            }
            losing.push(Losing {
                key,
                id: group.id,
                size: Size::default(),
                image: tell.before.then(Image::default),
            });
            former.push((group.revision, self.lifetimes.get(key)));
            applied.families += group.families.len();
            self.litter.names.extend(self.rosters.release(group.families));
            self.lifetimes.set(key, None);
        }
        self.remove_from_all(preparer, by_family, &mut losing);
        let mut gone = Vec::with_capacity(losing.len());
        for (group, (revision, lifetime)) in losing.into_iter().zip(former) {
            self.accounts.leave(group.id, group.size);
            self.ids.release(group.id);
            gone.push(group.key);
            if let Some(image) = group.image {
                applied.before.add(Before::Present {
                    key: group.key.clone(),
                    revision,
                    lifetime,
                    image,
                    created: Vec::new(),
                });
            }
        }
        gone
    }

    /// Removes families of groups, but not their push times.
    #[expect(clippy::too_many_arguments, reason = "they are the parts of one change")]
    fn delete_families(
        &mut self,
        preparer: &Preparer,
        at: Revision,
        keys: &[GroupingKey],
        names: &[&str],
        by: By,
        tell: Tell,
        applied: &mut Applied,
    ) {
        let names: HashSet<&str> = names.iter().copied().filter(|name| !is_time(name)).collect();
        let mut losing = Vec::new();
        let mut former = Vec::new();
        let mut by_family: BTreeMap<Arc<str>, Vec<usize>> = BTreeMap::new();
        for key in keys {
            let Some(group) = self.groups.get_mut(key) else {
                continue;
            };
            if !group.families.iter().any(|name| names.contains(&**name)) {
                continue;
            }
            let all = group.families.iter().cloned();
            let (gone, stay): (Vec<_>, Vec<_>) = all.partition(|name| names.contains(&**name));
            self.rosters.replace(&mut group.families, stay);
            former.push((group.revision, gone.len()));
            (group.last_push, group.revision) = (None, at);
            for name in gone {
                by_family.entry(name).or_default().push(losing.len());
            }
            losing.push(Losing {
                key,
                id: group.id,
                size: Size::default(),
                image: tell.before.then(Image::default),
            });
        }
        self.remove_from_all(preparer, by_family, &mut losing);
        for (group, (revision, families)) in losing.into_iter().zip(former) {
            self.accounts.change(group.id, group.size, Size::default());
            self.enlist(group.key);
            applied.groups += 1;
            applied.families += families;
            if let Some(image) = group.image {
                applied.before.add(Before::Present {
                    key: group.key.clone(),
                    revision,
                    lifetime: self.lifetimes.get(group.key),
                    image,
                    created: Vec::new(),
                });
            }
            if tell.effects {
                applied.effects.add(Effect {
                    revision: at,
                    key: Some(group.key.clone()),
                    what: What::FamiliesDeleted { families, by },
                });
            }
        }
    }

    /// Removes from each of these families the fragments of these groups, which are in the order of their keys.
    fn remove_from_all(
        &mut self,
        preparer: &Preparer,
        by_family: BTreeMap<Arc<str>, Vec<usize>>,
        losing: &mut [Losing<'_>],
    ) {
        for (name, members) in by_family {
            let Some(family) = self.families.get_mut(&name) else {
                continue;
            };
            if let Some(touched) = &mut self.touched {
                touched.insert(Arc::clone(&name));
            }
            let family = Arc::make_mut(family);
            let keys: Vec<&GroupingKey> = members.iter().map(|member| losing[*member].key).collect();
            let before = family.size();
            family.remove_all(&keys, |position, fragment| {
                self.work += 1;
                let group = &mut losing[members[position]];
                group.size = group.size.moved(Size::default(), fragment.size());
                if let Some(image) = &mut group.image {
                    image.add(&fragment.parts());
                }
                let (metric_type, text) = (fragment.meta().metric_type, fragment.text());
                preparer.each_fingerprint(&name, metric_type, text, |fingerprint| {
                    self.index.remove(fingerprint, group.id);
                    self.work += 1;
                });
            });
            self.size = self.size.moved(before, family.size());
            if family.is_empty() {
                self.litter.families.extend(self.families.remove(&name));
            }
        }
    }

    /// Removes everything but the limits.
    fn wipe(&mut self, at: Revision, tell: Tell, applied: &mut Applied) {
        let accounts = self.accounts.emptied();
        let empty = Self {
            accounts,
            work: self.work,
            ..Self::default()
        };
        let before = std::mem::replace(self, empty);
        let groups = before.groups();
        applied.groups += groups;
        if tell.effects {
            applied.effects.add(Effect {
                revision: at,
                key: None,
                what: What::Wiped { groups },
            });
        }
        if tell.before {
            applied.before.add(Before::All(Box::new(before)));
        } else {
            self.litter.wiped = Some(Box::new(before));
        }
    }

    /// Removes some families of a group, and adds them to the image.
    fn remove_families(
        &mut self,
        preparer: &Preparer,
        key: &GroupingKey,
        goes: impl Fn(&str) -> bool,
        mut image: Option<&mut Image>,
    ) {
        let Some(group) = self.groups.get_mut(key) else {
            return;
        };
        if !group.families.iter().any(|name| goes(name)) {
            return;
        }
        let (gone, stay): (Vec<_>, Vec<_>) = group.families.iter().cloned().partition(|name| goes(name));
        self.rosters.replace(&mut group.families, stay);
        group.last_push = None;
        let id = group.id;
        for name in &gone {
            self.remove_fragment(preparer, key, id, name, image.as_deref_mut());
        }
    }

    fn remove_fragment(
        &mut self,
        preparer: &Preparer,
        key: &GroupingKey,
        id: GroupId,
        name: &str,
        image: Option<&mut Image>,
    ) {
        let Some(family) = self.families.get(name) else {
            return;
        };
        if let Some(touched) = &mut self.touched {
            touched.insert(Arc::clone(family.name()));
        }
        self.work += 1;
        if let Some((leaf, position)) = family.find(key) {
            let metric_type = leaf.get(position).meta.metric_type;
            preparer.each_fingerprint(name, metric_type, leaf.text_of(position), |fingerprint| {
                self.index.remove(fingerprint, id);
                self.work += 1;
            });
            if let Some(image) = image {
                image.add(&leaf.view(name, position).parts());
            }
        }
        let before = family.size();
        let mut after = Size::default();
        if family.is_only_of(key) {
            self.litter.families.extend(self.families.remove(name));
        } else if let Some(family) = self.families.get_mut(name) {
            let family = Arc::make_mut(family);
            family.remove(key);
            after = family.size();
        }
        self.size = self.size.moved(before, after);
    }
}

/// Brings the index up to date with a fragment that is about to be replaced. Nothing to do if the series are
/// the same as before, which is what most pushes bring. How many entries that were.
fn reindex(
    index: &mut SeriesIndex,
    preparer: &Preparer,
    id: GroupId,
    key: &GroupingKey,
    stored: &Family,
    prepared: &Prepared<'_>,
    family: &PreparedFamily<'_>,
) -> u64 {
    let mut work = 0;
    if let Some((leaf, position)) = stored.find(key) {
        let old = leaf.get(position);
        if old.digest == family.digest {
            return work;
        }
        let text = leaf.text_of(position);
        preparer.each_fingerprint(family.name, old.meta.metric_type, text, |fingerprint| {
            index.remove(fingerprint, id);
            work += 1;
        });
    }
    let new: &[Fingerprint] = prepared.fingerprints(family);
    for fingerprint in new {
        index.insert(*fingerprint, id);
    }
    work + new.len() as u64
}
