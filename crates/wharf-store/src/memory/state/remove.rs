//! What changes take away.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashSet;
use wharf_model::GroupingKey;

use super::State;
use super::apply::{Applied, Before, Tell};
use crate::effect::{By, Effect, Effects, MOST_TOLD, What};
use crate::memory::index::GroupId;
use crate::memory::touched::Touched;
use crate::prepare::Preparer;
use crate::record::Image;
use crate::size::Size;
use crate::{PUSH_FAILURE_TIME, PUSH_TIME, Revision};

/// A group that is losing fragments.
struct Losing<'k> {
    key: &'k GroupingKey,
    id: GroupId,
    /// How much it has lost.
    size: Size,
    image: Option<Image>,
}

impl State {
    /// Removes groups.
    pub(crate) fn delete(
        &mut self,
        preparer: &Preparer,
        at: Revision,
        keys: &[GroupingKey],
        by: By,
        tell: Tell,
        applied: &mut Applied,
    ) {
        let gone = match keys {
            [key] => self.delete_one(preparer, key, tell, applied),
            keys => self.delete_many(preparer, keys, tell, applied),
        };
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

    pub(super) fn delete_one<'k>(
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
        self.litter.names.extend(self.name_sets.release(group.families));
        self.lifetimes.set(key, None);
        self.series_ends.forget(key);
        if let Some(image) = image {
            applied.before.add(Before::Gone {
                key: key.clone(),
                revision: group.revision,
                lifetime,
                image,
                number: self.retire(group.id),
            });
        } else {
            self.ids.release(group.id);
        }
        vec![key]
    }

    /// The same of many. Costs less than one after the other: a leaf is changed once, whatever number of groups goes
    /// from it.
    pub(super) fn delete_many<'k>(
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
            self.litter.names.extend(self.name_sets.release(group.families));
            self.lifetimes.set(key, None);
            self.series_ends.forget(key);
        }
        self.remove_from_all(preparer, by_family, &mut losing);
        let mut gone = Vec::with_capacity(losing.len());
        for (group, (revision, lifetime)) in losing.into_iter().zip(former) {
            self.accounts.leave(group.id, group.size);
            gone.push(group.key);
            if let Some(image) = group.image {
                applied.before.add(Before::Gone {
                    key: group.key.clone(),
                    revision,
                    lifetime,
                    image,
                    number: self.retire(group.id),
                });
            } else {
                self.ids.release(group.id);
            }
        }
        gone
    }

    /// Removes families of groups, but not their push times: a group cannot be without these.
    #[expect(clippy::too_many_arguments, reason = "they are the parts of one change")]
    pub(crate) fn delete_families(
        &mut self,
        preparer: &Preparer,
        at: Revision,
        keys: &[GroupingKey],
        names: &[&str],
        by: By,
        tell: Tell,
        applied: &mut Applied,
    ) {
        let is_time = |name: &str| name == PUSH_TIME || name == PUSH_FAILURE_TIME;
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
            self.name_sets.replace(&mut group.families, stay);
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
            if let Some(left) = self.groups.get_mut(group.key) {
                left.size = left.size.moved(group.size, Size::default());
            }
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
            let family = Arc::make_mut(family);
            let keys: Vec<&GroupingKey> = members.iter().map(|member| losing[*member].key).collect();
            if let Some(watch) = &mut self.watch {
                watch.extend(keys.iter().map(|key| Touched::fragment(&name, key)));
            }
            let mut work = 0;
            let before = family.size();
            let cost = family.remove_all(&keys, |position, fragment| {
                work += 1;
                let group = &mut losing[members[position]];
                group.size = group.size.moved(Size::default(), fragment.size());
                if let Some(image) = &mut group.image {
                    image.add(&fragment.parts());
                }
                let (metric_type, text) = (fragment.meta().metric_type, fragment.text());
                preparer.each_fingerprint(&name, metric_type, text, |fingerprint| {
                    self.index.remove(fingerprint, group.id);
                    work += 1;
                });
            });
            self.work.set(self.work.get() + work + cost);
            self.size = self.size.moved(before, family.size());
            if family.is_empty() {
                self.litter.families.extend(self.families.remove(&name));
            }
        }
    }

    /// Removes everything but the limits.
    pub(super) fn wipe(&mut self, at: Revision, tell: Tell, applied: &mut Applied) {
        let accounts = self.accounts.emptied();
        let empty = Self {
            accounts,
            work: self.work.clone(),
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
    pub(super) fn remove_families(
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
        self.name_sets.replace(&mut group.families, stay);
        group.last_push = None;
        let (id, total) = (group.id, self.size);
        for name in &gone {
            self.remove_fragment(preparer, key, id, name, image.as_deref_mut());
        }
        if let Some(group) = self.groups.get_mut(key) {
            group.size = group.size.moved(total, self.size);
        }
    }

    pub(super) fn remove_fragment(
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
        if let Some(watch) = &mut self.watch {
            watch.push(Touched::fragment(family.name(), key));
        }
        let mut work = 1;
        if let Some((leaf, position)) = family.find(key) {
            let metric_type = leaf.get(position).meta.metric_type;
            preparer.each_fingerprint(name, metric_type, &leaf.text_of(position), |fingerprint| {
                self.index.remove(fingerprint, id);
                work += 1;
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
            work += family.remove(key);
            after = family.size();
        }
        self.worked(work);
        self.size = self.size.moved(before, after);
    }
}
