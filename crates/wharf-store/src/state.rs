//! What the store's lock guards: families, groups, index.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};
use imbl::OrdMap;
use wharf_model::GroupingKey;

use crate::checks::{Checks, Incoming, duplicate};
use crate::family::{Family, Size};
use crate::index::{Fingerprint, GroupId, SeriesIndex};
use crate::lifetime::{Lifetime, Lifetimes};
use crate::limits::{Accounts, Exceeded, Growth, Limited, Limits};
use crate::prepare::{Prepared, PreparedFamily, Preparer, series_of};
use crate::record::{self, Change, Image};
use crate::roster::{Roster, Rosters};
use crate::store::PushMode;
use crate::{Inconsistency, PUSH_FAILURE_TIME, PUSH_TIME, UnixNanos};

#[derive(Debug, Default)]
pub(crate) struct State {
    /// Persistent: a snapshot is a clone of the root.
    families: OrdMap<Arc<str>, Arc<Family>>,
    groups: HashMap<GroupingKey, Group>,
    ids: GroupIds,
    rosters: Rosters,
    index: SeriesIndex,
    lifetimes: Lifetimes,
    accounts: Accounts,
    size: Size,
    /// Families that are gone, see [`Self::take_litter`].
    litter: Vec<Arc<Family>>,
}

#[derive(Debug)]
struct Group {
    id: GroupId,
    /// Names of its families.
    families: Roster,
    /// The last push, if nothing else has changed the group since.
    last_push: Option<Trace>,
}

/// What a push leaves behind to know its like by: a hash over what it replaced, and over the series it brought
/// with their types. A push of the trace of the last one passes all checks and leaves the index as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Trace(NonZeroU64);

fn trace(mode: PushMode, prepared: &Prepared<'_>) -> Option<Trace> {
    let digest = prepared.digest?;
    let digest = match mode {
        PushMode::ReplaceGroup => digest,
        PushMode::ReplaceFamilies | PushMode::ReplaceSeries => !digest,
    };
    NonZeroU64::new(digest).map(Trace)
}

impl Group {
    /// Whether this push is like the last one.
    fn expects(&self, trace: Option<Trace>) -> bool {
        trace.is_some() && self.last_push == trace
    }
}

/// How to take back a change that did not reach stable storage.
#[derive(Debug)]
pub(crate) enum Undo {
    /// The group did not exist before.
    Delete { key: GroupingKey },
    /// These fragments were replaced or removed, and these families were not there.
    Restore {
        key: GroupingKey,
        lifetime: Option<Lifetime>,
        image: Image,
        created: Vec<Arc<str>>,
    },
    /// The last of these first.
    Several(Vec<Self>),
    /// Nobody is going to.
    Nothing,
    /// Everything was there.
    Unwipe { state: Box<State> },
}

/// A group on its way out.
struct Leaving<'k> {
    key: &'k GroupingKey,
    id: GroupId,
    size: Size,
    /// What it held.
    lifetime: Option<Lifetime>,
    image: Option<Image>,
}

impl State {
    pub(crate) fn families(&self) -> &OrdMap<Arc<str>, Arc<Family>> {
        &self.families
    }

    pub(crate) fn groups(&self) -> usize {
        self.groups.len()
    }

    pub(crate) fn size(&self) -> Size {
        self.size
    }

    pub(crate) fn lifetimes(&self) -> &Lifetimes {
        &self.lifetimes
    }

    /// The groups beyond a key with the names of their families, in the order of keys; all groups, without one.
    pub(crate) fn groups_above(
        &self,
        key: Option<GroupingKey>,
    ) -> impl Iterator<Item = (&GroupingKey, &Roster)> {
        // Every group has a push time.
        let times = self.families.get(PUSH_TIME).into_iter();
        let times = times.flat_map(move |times| times.fragments_above(key.clone()));
        times.filter_map(|time| {
            let (key, group) = self.groups.get_key_value(time.key())?;
            Some((key, &group.families))
        })
    }

    /// The families of a group, if it is there.
    pub(crate) fn roster(&self, key: &GroupingKey) -> Option<Roster> {
        self.groups.get(key).map(|group| group.families.clone())
    }

    /// When a group was pushed last with success; or made, by a push that was refused.
    pub(crate) fn pushed_at(&self, key: &GroupingKey) -> Option<UnixNanos> {
        let (leaf, position) = self.families.get(PUSH_TIME)?.find(key)?;
        Some(leaf.get(position).pushed_at)
    }

    /// Whether there is a group that was pushed with success at this time or later, as its `push_time_seconds` says it.
    pub(crate) fn is_as_late(&self, key: &GroupingKey, push_time: f64) -> bool {
        let times = self.families.get(PUSH_TIME);
        let stored = times.and_then(|times| times.find(key));
        stored.is_some_and(|(leaf, position)| {
            let stored = leaf.view(PUSH_TIME, position).number();
            stored.unwrap_or_default() >= push_time
        })
    }

    /// Makes a change that a ledger has kept.
    pub(crate) fn replay(&mut self, preparer: &Preparer, change: Change<'_>) {
        match change {
            Change::Put {
                key,
                mode,
                lifetime,
                prepared,
            } => {
                self.put(preparer, &key, mode, lifetime, prepared, false);
            }
            Change::Delete { key } => {
                self.delete(preparer, &key, false);
            }
            Change::DeleteFamilies { key, names } => {
                self.delete_families(preparer, &key, &names);
            }
            Change::Wipe => {
                self.wipe();
            }
        }
    }

    /// Stores an admitted push; with `undoable`, says how to take that back.
    pub(crate) fn put(
        &mut self,
        preparer: &Preparer,
        key: &GroupingKey,
        mode: PushMode,
        lifetime: Option<Lifetime>,
        mut prepared: Prepared<'_>,
        undoable: bool,
    ) -> Undo {
        let total = self.size;
        let trace = trace(mode, &prepared);
        let group = self.groups.get(key);
        let is_new = group.is_none();
        let former = self.lifetimes.get(key);
        let restore = |image, created| Undo::Restore {
            key: key.clone(),
            lifetime: former,
            image,
            created,
        };
        let mut removed = None;
        if is_new {
            if let Some(mut failure) = first_failure(preparer, key, &prepared) {
                self.apply(preparer, key, &mut failure, None, None);
            }
        } else if mode == PushMode::ReplaceGroup && group.is_some_and(|group| !group.expects(trace)) {
            let stays = |name: &str| is_time(name) || prepared.get(name).is_some();
            let mut image = undoable.then(Image::default);
            self.remove_families(preparer, key, |name| !stays(name), image.as_mut());
            removed = image.map(|image| restore(image, Vec::new()));
        }
        let mut image = undoable.then(|| {
            let bytes = prepared.parts().map(|family| family.record_bytes()).sum();
            Image::with_capacity(bytes)
        });
        let created = self.apply(preparer, key, &mut prepared, trace, image.as_mut());
        self.lifetimes.set(key, lifetime);
        self.book(key, total);
        match (image, removed) {
            (None, _) => Undo::Nothing,
            (Some(_), _) if is_new => Undo::Delete { key: key.clone() },
            (Some(image), None) => restore(image, created),
            (Some(image), Some(removed)) => Undo::Several(vec![removed, restore(image, created)]),
        }
    }

    /// What books a refused push: the failure time moves. With `makes`, a group that does not exist is made, with a
    /// push time of 0, unless its times would clash with those of another group or a limit forbids it; then there
    /// is nothing to book.
    pub(crate) fn failure<'k>(
        &self,
        preparer: &Preparer,
        key: &'k GroupingKey,
        makes: bool,
        now: UnixNanos,
    ) -> Option<Prepared<'k>> {
        let is_new = !self.groups.contains_key(key);
        if is_new && !makes {
            return None;
        }
        let mode = PushMode::ReplaceFamilies;
        let prepared = preparer.times(key, is_new.then_some(0.0), Some(now.as_seconds()), now);
        self.admit(preparer, key, mode, &prepared).ok()?;
        if is_new {
            self.check_limits(preparer, key, mode, &prepared).ok()?;
        }
        Some(prepared)
    }

    /// How to take back the end of some families of a group.
    pub(crate) fn undo_of_delete_families(&self, key: &GroupingKey, names: &[&str]) -> Undo {
        if !self.groups.contains_key(key) {
            return Undo::Nothing;
        }
        Undo::Restore {
            key: key.clone(),
            lifetime: self.lifetimes.get(key),
            image: self.image(key, self.known(names.iter().copied())),
            created: Vec::new(),
        }
    }

    /// The names that are those of families.
    fn known<'n>(&self, names: impl Iterator<Item = &'n str>) -> impl Iterator<Item = &Arc<str>> {
        names.filter_map(|name| Some(self.families.get(name)?.name()))
    }

    /// What a group has of some families now.
    fn image<'a>(&'a self, key: &GroupingKey, names: impl Iterator<Item = &'a Arc<str>>) -> Image {
        let fragments = names.filter_map(|name| {
            let (leaf, position) = self.families.get(name)?.find(key)?;
            Some(leaf.view(name, position).parts())
        });
        let mut parts: Vec<_> = fragments.collect();
        parts.sort_unstable_by_key(|parts| parts.name);
        parts.dedup_by_key(|parts| parts.name);
        let mut image = Image::default();
        for parts in &parts {
            image.add(parts);
        }
        image
    }

    /// The record of the families of these names that a group has, as they are now.
    pub(crate) fn image_of<'n>(&self, key: &GroupingKey, names: impl Iterator<Item = &'n str>) -> Vec<u8> {
        let image = self.image(key, self.known(names));
        image.into_record(key, self.lifetimes.get(key))
    }

    /// Takes a change back. Changes are taken back from the last one on.
    pub(crate) fn undo(&mut self, preparer: &Preparer, undo: Undo) {
        match undo {
            Undo::Delete { key } => {
                self.delete(preparer, &key, false);
            }
            Undo::Restore {
                key,
                lifetime,
                image,
                created,
            } => {
                let total = self.size;
                let created: HashSet<Arc<str>> = created.into_iter().collect();
                if !created.is_empty() {
                    self.remove_families(preparer, &key, |name| created.contains(name), None);
                }
                let record = image.into_record(&key, lifetime);
                let changes = record::decode(&record, preparer).unwrap_or_default();
                for change in changes {
                    if let Change::Put {
                        lifetime,
                        mut prepared,
                        ..
                    } = change
                    {
                        self.apply(preparer, &key, &mut prepared, None, None);
                        self.lifetimes.set(&key, lifetime);
                    }
                }
                self.book(&key, total);
            }
            Undo::Several(undos) => {
                for undo in undos.into_iter().rev() {
                    self.undo(preparer, undo);
                }
            }
            Undo::Nothing => {}
            Undo::Unwipe { state } => {
                let now = std::mem::replace(self, *state).accounts;
                if self.accounts.generation() != now.generation() {
                    // The limits have changed meanwhile.
                    self.accounts = now.emptied();
                    let keys: Vec<GroupingKey> = self.groups.keys().cloned().collect();
                    for key in &keys {
                        self.enlist(key);
                    }
                }
            }
        }
    }

    /// Removes a group, if there is one; with `undoable`, says how to take that back.
    pub(crate) fn delete(&mut self, preparer: &Preparer, key: &GroupingKey, undoable: bool) -> Option<Undo> {
        let group = self.groups.remove(key)?;
        let lifetime = self.lifetimes.get(key);
        let mut image = undoable.then(Image::default);
        let total = self.size;
        for name in &*group.families {
            self.remove_fragment(preparer, key, group.id, name, image.as_mut());
        }
        self.accounts
            .leave(group.id, total.moved(self.size, Size::default()));
        self.rosters.release(group.families);
        self.ids.release(group.id);
        self.lifetimes.set(key, None);
        Some(image.map_or(Undo::Nothing, |image| Undo::Restore {
            key: key.clone(),
            lifetime,
            image,
            created: Vec::new(),
        }))
    }

    /// Removes groups, sorted by key; with `undoable`, says how to take that back. Costs less than one after the
    /// other: a leaf is changed once, whatever number of groups goes from it.
    pub(crate) fn delete_all(&mut self, preparer: &Preparer, keys: &[GroupingKey], undoable: bool) -> Undo {
        let mut leaving = Vec::with_capacity(keys.len());
        // In the order of names, for that is the order in a record.
        let mut by_family: BTreeMap<Arc<str>, Vec<usize>> = BTreeMap::new();
        for key in keys {
            let Some(group) = self.groups.remove(key) else {
                continue;
            };
            for name in &*group.families {
                match by_family.get_mut(&**name) {
                    Some(members) => members.push(leaving.len()),
                    None => drop(by_family.insert(Arc::clone(name), vec![leaving.len()])),
                }
            }
            leaving.push(Leaving {
                key,
                id: group.id,
                size: Size::default(),
                lifetime: self.lifetimes.get(key),
                image: undoable.then(Image::default),
            });
            self.rosters.release(group.families);
            self.lifetimes.set(key, None);
        }
        for (name, members) in by_family {
            let Some(family) = self.families.get_mut(&name) else {
                continue;
            };
            let family = Arc::make_mut(family);
            let keys: Vec<&GroupingKey> = members.iter().map(|member| leaving[*member].key).collect();
            let before = family.size();
            family.remove_all(&keys, |position, fragment| {
                let group = &mut leaving[members[position]];
                group.size = group.size.moved(Size::default(), fragment.size());
                if let Some(image) = &mut group.image {
                    image.add(&fragment.parts());
                }
                let (metric_type, text) = (fragment.meta().metric_type, fragment.text());
                preparer.each_fingerprint(&name, metric_type, text, |fingerprint| {
                    self.index.remove(fingerprint, group.id);
                });
            });
            self.size = self.size.moved(before, family.size());
            if family.is_empty() {
                self.litter.extend(self.families.remove(&name));
            }
        }
        let mut undos = Vec::new();
        for group in leaving {
            self.accounts.leave(group.id, group.size);
            self.ids.release(group.id);
            undos.extend(group.image.map(|image| Undo::Restore {
                key: group.key.clone(),
                lifetime: group.lifetime,
                image,
                created: Vec::new(),
            }));
        }
        Undo::Several(undos)
    }

    /// What the last changes have left to be freed. It takes a while where it is much, so it is for the caller to
    /// drop it when nobody waits for the lock any more.
    pub(crate) fn take_litter(&mut self) -> Vec<Arc<Family>> {
        std::mem::take(&mut self.litter)
    }

    /// Removes families of a group, but not its push times; how many there were.
    pub(crate) fn delete_families(
        &mut self,
        preparer: &Preparer,
        key: &GroupingKey,
        names: &[&str],
    ) -> usize {
        let names: HashSet<&str> = names.iter().copied().collect();
        let total = self.size;
        let removed =
            self.remove_families(preparer, key, |name| !is_time(name) && names.contains(name), None);
        self.book(key, total);
        removed
    }

    /// Removes everything but the limits; what it was.
    pub(crate) fn wipe(&mut self) -> Self {
        let accounts = self.accounts.emptied();
        let empty = Self {
            accounts,
            ..Self::default()
        };
        std::mem::replace(self, empty)
    }

    // ---- checks -------------------------------------------------------------------------------------------

    /// Checks a push against what is stored.
    pub(crate) fn admit(
        &self,
        preparer: &Preparer,
        key: &GroupingKey,
        mode: PushMode,
        prepared: &Prepared<'_>,
    ) -> Result<(), Inconsistency> {
        let group = self.groups.get(key);
        if group.is_some_and(|group| group.expects(trace(mode, prepared))) {
            return Ok(());
        }
        let checks = Checks {
            preparer,
            families: &self.families,
            incoming: Incoming { key, mode, prepared },
            has_group: group.is_some(),
        };
        let own = group.map(|group| group.id);
        for family in &prepared.families {
            let Some(stored) = checks.stored(family) else {
                continue;
            };
            checks.check_names(family, stored)?;
            if Checks::has_new_series(family, stored) {
                self.check_series(&checks, own, family)?;
            }
        }
        Ok(())
    }

    fn check_series(
        &self,
        checks: &Checks<'_>,
        own: Option<GroupId>,
        family: &PreparedFamily<'_>,
    ) -> Result<(), Inconsistency> {
        let prepared = checks.incoming.prepared;
        for (position, fingerprint) in prepared.fingerprints(family).iter().enumerate() {
            for holder in self.other_owners(own, *fingerprint) {
                let text = prepared.text(family);
                let series = series_of(family.name, family.metric_type, text)
                    .get(position)
                    .copied();
                if let Some(series) = series
                    && checks.holds(holder, family.name, series)
                {
                    return Err(duplicate(family.name, series, holder));
                }
            }
        }
        Ok(())
    }

    /// The groups other than `own` that may hold a series of this fingerprint.
    fn other_owners(
        &self,
        own: Option<GroupId>,
        fingerprint: Fingerprint,
    ) -> impl Iterator<Item = &GroupingKey> {
        let owners = self.index.owners(fingerprint);
        let others = owners.filter(move |owner| Some(*owner) != own);
        others.filter_map(|owner| self.ids.key(owner))
    }

    /// A group other than `key` that seems to have the series of this fingerprint.
    pub(crate) fn likely_holder(&self, key: &GroupingKey, fingerprint: Fingerprint) -> Option<&GroupingKey> {
        self.other_owners(None, fingerprint).find(|holder| *holder != key)
    }

    // ---- changes ------------------------------------------------------------------------------------------

    /// Stores admitted families, and adds what they replace to the image; the names of those that the group did not
    /// have. With a trace, they are all that the push brings.
    fn apply(
        &mut self,
        preparer: &Preparer,
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
        });
        let repeats = group.expects(trace);
        group.last_push = trace;
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
                reindex(&mut self.index, preparer, group.id, key, stored, prepared, family);
                if !group.families.has(family.name) {
                    new.push(Arc::clone(stored.name()));
                }
            }
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

    /// Removes some families of a group, and adds them to the image; how many there were.
    fn remove_families(
        &mut self,
        preparer: &Preparer,
        key: &GroupingKey,
        goes: impl Fn(&str) -> bool,
        mut image: Option<&mut Image>,
    ) -> usize {
        let Some(group) = self.groups.get_mut(key) else {
            return 0;
        };
        if !group.families.iter().any(|name| goes(name)) {
            return 0;
        }
        let (gone, stay): (Vec<_>, Vec<_>) = group.families.iter().cloned().partition(|name| goes(name));
        self.rosters.replace(&mut group.families, stay);
        group.last_push = None;
        let id = group.id;
        for name in &gone {
            self.remove_fragment(preparer, key, id, name, image.as_deref_mut());
        }
        gone.len()
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
        if let Some((leaf, position)) = family.find(key) {
            let metric_type = leaf.get(position).meta.metric_type;
            preparer.each_fingerprint(name, metric_type, leaf.text_of(position), |fingerprint| {
                self.index.remove(fingerprint, id);
            });
            if let Some(image) = image {
                image.add(&leaf.view(name, position).parts());
            }
        }
        let before = family.size();
        let mut after = Size::default();
        if family.is_only_of(key) {
            self.litter.extend(self.families.remove(name));
        } else if let Some(family) = self.families.get_mut(name) {
            let family = Arc::make_mut(family);
            family.remove(key);
            after = family.size();
        }
        self.size = self.size.moved(before, after);
    }

    // ---- limits -------------------------------------------------------------------------------------------

    pub(crate) fn accounts(&self) -> &Accounts {
        &self.accounts
    }

    /// Sets other limits. The quotas count a group from its next change on, or from [`Self::enlist`].
    pub(crate) fn set_limits(&mut self, limits: Limits) {
        self.accounts.set(limits);
    }

    /// Counts a group that was there before the quotas were.
    pub(crate) fn enlist(&mut self, key: &GroupingKey) {
        if self.accounts.has_quotas()
            && let Some(group) = self.groups.get(key)
            && !self.accounts.counts(group.id)
        {
            self.accounts.enter(group.id, key, self.size_of(key, group));
        }
    }

    /// Counts that a group, and nothing else, has changed since this was the size of all.
    fn book(&mut self, key: &GroupingKey, total: Size) {
        if self.accounts.has_quotas()
            && let Some(group) = self.groups.get(key)
        {
            self.accounts.change(group.id, total, self.size);
            self.enlist(key);
        }
    }

    fn size_of(&self, key: &GroupingKey, group: &Group) -> Size {
        let sizes = group.families.iter().map(|name| self.size_of_fragment(key, name));
        sizes.fold(Size::default(), |sum, size| sum.moved(Size::default(), size))
    }

    fn size_of_fragment(&self, key: &GroupingKey, name: &str) -> Size {
        let fragment = self.families.get(name).and_then(|family| family.find(key));
        fragment.map_or(Size::default(), |(leaf, position)| {
            leaf.view(name, position).size()
        })
    }

    /// Checks what a push brings against the limit on one push.
    pub(crate) fn check_push(&self, prepared: &Prepared<'_>) -> Result<(), Exceeded> {
        let Some(max) = self.accounts.limits().max_push_series else {
            return Ok(());
        };
        // Without the times, which no push brings.
        let times = [PUSH_TIME, PUSH_FAILURE_TIME];
        let times = times.into_iter().filter(|name| prepared.get(name).is_some());
        let found = prepared.size().series.saturating_sub(times.count() as u64);
        if found <= max {
            return Ok(());
        }
        Err(Exceeded {
            limited: Limited::PushSeries,
            max,
            found,
            selector: None,
        })
    }

    /// Checks what a push is going to store against the limits.
    pub(crate) fn check_limits(
        &self,
        preparer: &Preparer,
        key: &GroupingKey,
        mode: PushMode,
        prepared: &Prepared<'_>,
    ) -> Result<(), Exceeded> {
        if !self.accounts.are_set() {
            return Ok(());
        }
        let group = self.groups.get(key);
        let groups = self.groups.len() as u64;
        let quotas = self.accounts.quotas_of(group.map(|group| group.id), key);
        if group.is_some() && self.accounts.has_room(self.size, &quotas, prepared.size()) {
            return Ok(());
        }
        let growth = Growth {
            before: group.map(|group| self.size_of(key, group)),
            after: self.size_after(preparer, key, mode, prepared),
        };
        self.accounts.check(groups, self.size, &quotas, growth)
    }

    /// What a group is going to hold after a push.
    fn size_after(
        &self,
        preparer: &Preparer,
        key: &GroupingKey,
        mode: PushMode,
        prepared: &Prepared<'_>,
    ) -> Size {
        let Some(group) = self.groups.get(key) else {
            let failure = first_failure(preparer, key, prepared);
            let failure = failure.map_or(Size::default(), |failure| failure.size());
            return prepared.size().moved(Size::default(), failure);
        };
        let mut size = self.size_of(key, group);
        for family in &prepared.families {
            size = size.moved(self.size_of_fragment(key, family.name), family.size());
        }
        if mode == PushMode::ReplaceGroup {
            let gone = |name: &&Arc<str>| !is_time(name) && prepared.get(name).is_none();
            for name in group.families.iter().filter(gone) {
                size = size.moved(self.size_of_fragment(key, name), Size::default());
            }
        }
        size
    }
}

/// Whether the family is one of the two that every group has.
fn is_time(name: &str) -> bool {
    name == PUSH_TIME || name == PUSH_FAILURE_TIME
}

/// The failure time of a group that is new with this push: never, unless the push says when.
fn first_failure<'k>(
    preparer: &Preparer,
    key: &'k GroupingKey,
    prepared: &Prepared<'_>,
) -> Option<Prepared<'k>> {
    if prepared.get(PUSH_FAILURE_TIME).is_some() {
        return None;
    }
    let now = prepared
        .get(PUSH_TIME)
        .map_or_else(UnixNanos::default, |family| family.pushed_at);
    Some(preparer.times(key, None, Some(0.0), now))
}

/// Brings the index up to date with a fragment that is about to be replaced. Nothing to do if the series are
/// the same as before, which is what most pushes bring.
fn reindex(
    index: &mut SeriesIndex,
    preparer: &Preparer,
    id: GroupId,
    key: &GroupingKey,
    stored: &Family,
    prepared: &Prepared<'_>,
    family: &PreparedFamily<'_>,
) {
    if let Some((leaf, position)) = stored.find(key) {
        let old = leaf.get(position);
        if old.digest == family.digest {
            return;
        }
        let text = leaf.text_of(position);
        preparer.each_fingerprint(family.name, old.meta.metric_type, text, |fingerprint| {
            index.remove(fingerprint, id);
        });
    }
    let new: &[Fingerprint] = prepared.fingerprints(family);
    for fingerprint in new {
        index.insert(*fingerprint, id);
    }
}

/// Numbers of groups, so that the index needs four bytes for an owner.
#[derive(Debug, Default)]
struct GroupIds {
    keys: Vec<Option<GroupingKey>>,
    free: Vec<GroupId>,
}

impl GroupIds {
    fn take(&mut self, key: &GroupingKey) -> GroupId {
        if let Some(id) = self.free.pop() {
            self.keys[id.0 as usize] = Some(key.clone());
            return id;
        }
        let id = GroupId(u32::try_from(self.keys.len()).expect("4 billion groups do not fit into memory"));
        self.keys.push(Some(key.clone()));
        id
    }

    fn release(&mut self, id: GroupId) {
        self.keys[id.0 as usize] = None;
        self.free.push(id);
    }

    fn key(&self, id: GroupId) -> Option<&GroupingKey> {
        self.keys.get(id.0 as usize)?.as_ref()
    }
}
