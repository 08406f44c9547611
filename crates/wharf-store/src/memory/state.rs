//! What the store's lock guards: families, groups, index.

mod apply;
mod remove;
mod shared;
mod taken;

use std::num::NonZeroU64;
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};
use imbl::OrdMap;
use wharf_model::GroupingKey;

pub(crate) use self::apply::{Applied, Before, Tell};
pub(crate) use self::shared::{Whole, line_of};
pub(crate) use self::taken::Taken;
use crate::lifetime::Lifetimes;
use crate::limits::{Accounts, Exceeded, Growth, Limited, Limits};
use crate::memory::checks::{Checks, Incoming, duplicate};
use crate::memory::family::Family;
use crate::memory::family_names::{FamilyNameSets, FamilyNames, Names};
use crate::memory::held_back::HeldBack;
use crate::memory::ids::GroupIds;
use crate::memory::index::{GroupId, SeriesIndex};
use crate::memory::leaf::Leaf;
use crate::memory::without::{Families, Without};
use crate::mode::PushMode;
use crate::parts::FamilyParts;
use crate::prepare::{Prepared, PreparedFamily, Preparer};
use crate::series::{Fingerprint, series_of};
use crate::size::Size;
use crate::{Inconsistency, PUSH_FAILURE_TIME, PUSH_TIME, Revision, UnixNanos, is_time};

/// Groups of more families that are taken out together.
const MOST_LARGE: usize = 64;

#[derive(Debug, Default)]
pub(crate) struct State {
    /// Persistent: a snapshot is a clone of the root.
    families: OrdMap<Arc<str>, Arc<Family>>,
    groups: HashMap<GroupingKey, Group>,
    ids: GroupIds,
    name_sets: FamilyNameSets,
    index: SeriesIndex,
    lifetimes: Lifetimes,
    accounts: Accounts,
    size: Size,
    /// What contradicts groups of other replicas; nothing, where there are none.
    held_back: HeldBack,
    /// What is gone, see [`Self::take_litter`].
    litter: Litter,
    /// The families that have been touched since somebody began to watch, if somebody does.
    touched: Option<HashSet<Arc<str>>>,
    /// How much has been done: fragments that were put or removed, and series that went into the index or out of it.
    work: u64,
    /// Another for each state, also for that after a wipe.
    identity: Arc<()>,
}

#[derive(Debug)]
struct Group {
    id: GroupId,
    /// Names of its families.
    families: FamilyNames,
    /// The last push, if nothing else has changed the group since.
    last_push: Option<Trace>,
    /// The last change of it.
    revision: Revision,
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

impl Litter {
    fn is_empty(&self) -> bool {
        self.families.is_empty() && self.wiped.is_none() && self.names.is_empty() && self.replaced.is_empty()
    }
}

/// What a group has of some families. Leaves that are held are copied when they change, so not for long.
#[derive(Debug, Default)]
pub(crate) struct Held {
    /// The last change of the group; none if it is not there.
    pub(crate) revision: Option<Revision>,
    families: Vec<(Arc<str>, Arc<Leaf>, usize)>,
}

impl Held {
    /// Its fragments, in the order of the names that were asked for.
    pub(crate) fn parts(&self) -> impl Iterator<Item = FamilyParts<'_>> {
        let families = self.families.iter();
        families.map(|(name, leaf, position)| leaf.view(name, *position).parts())
    }
}

/// What changes have left to be freed.
#[derive(Debug, Default)]
pub(crate) struct Litter {
    families: Vec<Arc<Family>>,
    wiped: Option<Box<State>>,
    names: Vec<Names>,
    replaced: Vec<Without>,
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
    ) -> impl Iterator<Item = (&GroupingKey, &FamilyNames)> {
        // Every group has a push time.
        let times = self.families.get(PUSH_TIME).into_iter();
        let times = times.flat_map(move |times| times.fragments_above(key.clone()));
        times.filter_map(|time| {
            let (key, group) = self.groups.get_key_value(time.key())?;
            Some((key, &group.families))
        })
    }

    /// The families of a group, if it is there.
    pub(crate) fn family_names(&self, key: &GroupingKey) -> Option<FamilyNames> {
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

    /// What a group has of some families, to be read when the lock has been given away. Costs a look at each.
    pub(crate) fn hold<'n>(&self, key: &GroupingKey, names: impl Iterator<Item = &'n str>) -> Held {
        let Some(group) = self.groups.get(key) else {
            return Held::default();
        };
        let families = names.filter_map(|name| {
            let family = self.families.get(name)?;
            let (leaf, position) = family.shared(key)?;
            Some((Arc::clone(family.name()), leaf, position))
        });
        Held {
            revision: Some(group.revision),
            families: families.collect(),
        }
    }

    /// The last change of a group, if it is there.
    pub(crate) fn revision_of(&self, key: &GroupingKey) -> Option<Revision> {
        self.groups.get(key).map(|group| group.revision)
    }

    /// What the last changes have left to be freed, if they have. It takes a while where it is much, so it is for the
    /// caller to drop it when nobody waits for the lock any more.
    pub(crate) fn take_litter(&mut self) -> Option<Litter> {
        (!self.litter.is_empty()).then(|| std::mem::take(&mut self.litter))
    }

    // ---- many families ------------------------------------------------------------------------------------

    /// Whether one of these groups has more families than a few.
    pub(crate) fn has_large(&self, keys: &[GroupingKey], few: usize) -> bool {
        // In most stores there are not even so many.
        self.families.len() > few && keys.iter().any(|key| self.is_large(key, few))
    }

    fn is_large(&self, key: &GroupingKey, few: usize) -> bool {
        let group = self.groups.get(key);
        group.is_some_and(|group| group.families.len() > few)
    }

    /// Those of these groups, with their families.
    pub(crate) fn large(&self, keys: &[GroupingKey], few: usize) -> Vec<(GroupingKey, Names)> {
        let large = keys.iter().filter(|key| self.is_large(key, few));
        let groups = large.filter_map(|key| Some((key.clone(), self.groups.get(key)?.families.names())));
        groups.take(MOST_LARGE).collect()
    }

    /// Begins to watch which families are touched, and says what they are now.
    pub(crate) fn watch_families(&mut self) -> Families {
        self.touched = Some(HashSet::new());
        self.families.clone()
    }

    /// Those that have been touched since the last time; none if everything has gone.
    pub(crate) fn take_touched(&mut self) -> Option<HashSet<Arc<str>>> {
        self.touched.as_mut().map(std::mem::take)
    }

    /// Ends that. So many families were looked at.
    pub(crate) fn stop_watching(&mut self, families: usize) {
        self.touched = None;
        self.work += families as u64;
    }

    /// Takes series out of the index that a group does not have any more; with the last ones, the number of a group that
    /// is gone can be given to another.
    pub(crate) fn forget_series(&mut self, taken: &Taken, fingerprints: &[Fingerprint], are_last: bool) {
        if !Arc::ptr_eq(&self.identity, &taken.from) {
            return;
        }
        for fingerprint in fingerprints {
            self.index.remove(*fingerprint, taken.id);
        }
        self.work += fingerprints.len() as u64;
        if are_last && taken.is_gone {
            self.ids.release(taken.id);
        }
    }

    /// How much has been done so far.
    pub(crate) fn work(&self) -> u64 {
        self.work
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
