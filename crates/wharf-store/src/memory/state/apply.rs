//! Changes of what is stored: one way in for all of them.

use std::sync::Arc;

use wharf_model::GroupingKey;

use super::switch::{Former, Retired};
use super::{Group, State, Trace, first_failure, trace};
use crate::change::{Cause, Change};
use crate::effect::{Effect, Effects, Facts, Stored, What};
use crate::lifetime::Lifetime;
use crate::memory::family::Family;
use crate::memory::family_names::FamilyNames;
use crate::memory::index::{GroupId, SeriesIndex};
use crate::memory::leaf::Leaf;
use crate::memory::touched::Touched;
use crate::mode::PushMode;
use crate::prepare::{Prepared, PreparedFamily, Preparer};
use crate::record::Image;
use crate::series::Fingerprint;
use crate::size::{Size, weight};
use crate::{Revision, is_standing};

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
    /// The group had these fragments, and is gone.
    Gone {
        key: GroupingKey,
        revision: Revision,
        lifetime: Option<Lifetime>,
        image: Image,
        number: Retired,
    },
    /// What a draft has taken the place of.
    Switched(Box<Former>),
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
            } => {
                if tell.effects {
                    let effect = self.effect_of_put(at, &key, mode, lifetime, &prepared, cause);
                    applied.effects.extend(effect);
                }
                let before = self.put(preparer, at, &key, mode, lifetime, &prepared, tell);
                applied.before.add(before);
            }
            Change::Delete { keys, by } => {
                self.delete(preparer, at, &keys, by, tell, applied);
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
        (self.work, self.watch) = (now.work, None);
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

    pub(crate) fn effect_of_put(
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
            let brings = prepared.brings();
            Stored {
                mode,
                created,
                families: brings.families,
                series: brings.series,
                bytes: brings.bytes,
                pushed_at: brings.pushed_at,
                lifetime,
                facts,
            }
        };
        let what = match cause {
            Cause::Push(facts) => What::Pushed(stored(*facts)),
            Cause::Restore => What::Restored(stored(Facts::default())),
            Cause::Refusal => What::Failed { created },
            Cause::Expiry => What::Emptied,
            Cause::Lifetime => What::LifetimeSet { lifetime },
            Cause::Noted => What::Noted,
            Cause::Reset(at) => What::Reset { at },
            Cause::SeriesExpired => What::SeriesExpired,
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
    pub(crate) fn put(
        &mut self,
        preparer: &Preparer,
        at: Revision,
        key: &GroupingKey,
        mode: PushMode,
        lifetime: Option<Lifetime>,
        prepared: &Prepared<'_>,
        tell: Tell,
    ) -> Before {
        let total = self.size;
        let trace = trace(mode, prepared);
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
            if let Some(failure) = first_failure(preparer, key, prepared) {
                self.place(preparer, at, key, &failure, None, None);
            }
        } else if mode == PushMode::ReplaceGroup && group.is_some_and(|group| !group.expects(trace)) {
            let stays = |name: &str| is_standing(name) || prepared.get(name).is_some();
            let mut image = tell.before.then(Image::default);
            self.remove_families(preparer, key, |name| !stays(name), image.as_mut());
            removed = image.map(|image| present(image, Vec::new()));
        }
        let mut image = tell.before.then(|| {
            let bytes = prepared.parts().map(|family| family.record_bytes()).sum();
            Image::with_capacity(bytes)
        });
        let created = self.place(preparer, at, key, prepared, trace, image.as_mut());
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
    pub(super) fn place(
        &mut self,
        preparer: &Preparer,
        at: Revision,
        key: &GroupingKey,
        prepared: &Prepared<'_>,
        trace: Option<Trace>,
        mut image: Option<&mut Image>,
    ) -> Vec<Arc<str>> {
        let ids = &mut self.ids;
        let group = self.groups.get_or_insert_with(key, || Group {
            id: ids.take(key),
            families: FamilyNames::default(),
            last_push: None,
            revision: at,
            size: Size::default(),
        });
        let repeats = group.expects(trace);
        group.last_push = trace;
        group.revision = at;
        let (mut new, mut work) = (Vec::new(), 0);
        for family in &prepared.families {
            if !repeats && !self.families.contains_key(family.name) {
                let new = Family::new(family.name);
                self.families.insert(Arc::clone(new.name()), Arc::new(new));
            }
            let Some(stored) = self.families.get_mut(family.name) else {
                continue;
            };
            let stored = Arc::make_mut(stored);
            if !repeats {
                let former = if group.families.has(family.name) {
                    stored.find(key)
                } else {
                    new.push(Arc::clone(stored.name()));
                    None
                };
                work += reindex(&mut self.index, preparer, group.id, former, prepared, family);
            }
            if let Some(watch) = &mut self.watch {
                watch.push(Touched::fragment(stored.name(), key));
            }
            let before = stored.size();
            work += stored.put(key, prepared, family, image.as_deref_mut());
            if let Some(first) = family.first_end {
                self.series_ends.note(key, first);
            }
            self.size = self.size.moved(before, stored.size());
            group.size = group.size.moved(before, stored.size());
        }
        if prepared.families.is_empty()
            && let Some(watch) = &mut self.watch
        {
            watch.push(Touched::group(key));
        }
        self.heaviest = self.heaviest.max(weight(group.families.len(), group.size));
        work += prepared.weight_of_text();
        self.work.set(self.work.get() + work);
        if !new.is_empty() {
            // Two sorted runs, which this sort merges; an insertion each would be quadratic.
            let mut all: Vec<_> = group.families.iter().chain(&new).cloned().collect();
            all.sort();
            self.name_sets.replace(&mut group.families, all);
        }
        new
    }
}

/// Brings the index up to date with a family that comes in place of a fragment of the group, or of none. Nothing to do if the series
/// are the same as before, which is what most pushes bring. How many entries that were.
fn reindex(
    index: &mut SeriesIndex,
    preparer: &Preparer,
    id: GroupId,
    former: Option<(&Leaf, usize)>,
    prepared: &Prepared<'_>,
    family: &PreparedFamily<'_>,
) -> u64 {
    let mut work = 0;
    if let Some((leaf, position)) = former {
        let old = leaf.get(position);
        if old.digest == family.digest {
            return work;
        }
        let text = leaf.text_of(position);
        preparer.each_fingerprint(family.name, old.meta.metric_type, &text, |fingerprint| {
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
