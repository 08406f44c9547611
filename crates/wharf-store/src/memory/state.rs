//! What the store's lock guards: families, groups, index.

mod absorb;
mod apply;
mod audit;
mod cool;
mod remove;
mod shared;
mod switch;

use std::cell::Cell;
use std::num::NonZeroU64;
use std::sync::Arc;

use imbl::OrdMap;
use wharf_model::GroupingKey;

pub(crate) use self::apply::{Applied, Before, Tell};
pub(crate) use self::cool::Cooling;
pub(crate) use self::shared::{Whole, colliding, has_hope, line_of};
pub(crate) use self::switch::{Begun, Former, GroupBefore, Leftovers, Ready, ReadyGroup};
use crate::lifetime::Lifetimes;
use crate::limits::{Accounts, Exceeded, Growth, Limited, Limits};
use crate::memory::by_key::ByKey;
use crate::memory::checks::{Checks, Incoming, duplicate};
use crate::memory::cold::Cold;
use crate::memory::family::Family;
use crate::memory::family_names::{FamilyNameSets, FamilyNames, Names};
use crate::memory::held_back::HeldBack;
use crate::memory::ids::GroupIds;
use crate::memory::index::{GroupId, SeriesIndex};
use crate::memory::leaf::{FragmentView, Leaf};
use crate::memory::series_ends::SeriesEnds;
use crate::memory::touched::Touched;
use crate::mode::PushMode;
use crate::prepare::{Prepared, PreparedFamily, Preparer};
use crate::series::{Fingerprint, series_of};
use crate::size::{Size, weight};
use crate::standing::STANDING;
use crate::{
    EXPECTED, Inconsistency, PUSH_FAILURE_TIME, PUSH_TIME, Revision, UnixNanos, is_standing, record,
};

/// All families by name. Persistent: a copy is a clone of the root.
pub(crate) type Families = OrdMap<Arc<str>, Arc<Family>>;

/// Fragments that are read under the lock for one push, to see whether they have a series that the index says they may have.
const MOST_LOOKS: usize = 16;
/// And bytes of each.
const LONGEST_LOOK_BYTES: usize = 64 << 10;

#[derive(Debug, Default)]
pub(crate) struct State {
    families: Families,
    groups: ByKey<Group>,
    ids: GroupIds,
    name_sets: FamilyNameSets,
    index: SeriesIndex,
    lifetimes: Lifetimes,
    series_ends: SeriesEnds,
    accounts: Accounts,
    size: Size,
    /// What contradicts groups of other replicas; nothing, where there are none.
    held_back: HeldBack,
    /// What is gone, see [`Self::take_litter`].
    litter: Litter,
    /// What has been touched since somebody looked, if somebody watches.
    watch: Option<Vec<Touched>>,
    /// How much has been done, see [`Store::longest_hold`](crate::Store::longest_hold).
    work: Cell<u64>,
    /// The weight of the heaviest group that there has been.
    heaviest: u64,
    /// What is cold.
    cold: Cold,
    /// Another for each state, also for that after a wipe.
    identity: Arc<()>,
}

#[derive(Debug)]
pub(crate) struct Group {
    id: GroupId,
    /// Names of its families.
    families: FamilyNames,
    /// The last push, if nothing else has changed the group since.
    last_push: Option<Trace>,
    /// The last change of it.
    revision: Revision,
    /// How much it holds.
    size: Size,
}

/// Why a push is not stored as it is.
#[derive(Debug)]
pub(crate) enum Hindrance {
    /// It contradicts something.
    Contradiction(Inconsistency),
    /// To check it, or to make it, takes too long for the lock.
    Heavy,
}

impl From<Inconsistency> for Hindrance {
    fn from(inconsistency: Inconsistency) -> Self {
        Self::Contradiction(inconsistency)
    }
}

/// What a push leaves behind to know its like by: a hash over what it replaced, and over the series it brought
/// with their types. A push of the trace of the last one passes all checks and leaves the index as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Trace(NonZeroU64);

fn trace(mode: PushMode, prepared: &Prepared<'_>) -> Option<Trace> {
    let digest = prepared.digest?;
    let digest = match mode {
        PushMode::ReplaceGroup => digest,
        PushMode::ReplaceFamilies | PushMode::ReplaceSeries | PushMode::Aggregate(_) => !digest,
    };
    NonZeroU64::new(digest).map(Trace)
}

impl Group {
    /// Whether this push is like the last one.
    fn expects(&self, trace: Option<Trace>) -> bool {
        trace.is_some() && self.last_push == trace
    }

    fn weight(&self) -> u64 {
        weight(self.families.len(), self.size)
    }
}

impl Litter {
    fn is_empty(&self) -> bool {
        self.families.is_empty() && self.wiped.is_none() && self.names.is_empty()
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
    /// Of these families, which may be a copy of the root: so nobody waits while they are looked at.
    pub(crate) fn of<'n>(
        families: &Families,
        revision: Option<Revision>,
        key: &GroupingKey,
        names: impl Iterator<Item = &'n str>,
    ) -> Self {
        let held = names.filter(|_| revision.is_some()).filter_map(|name| {
            let family = families.get(name)?;
            let (leaf, position) = family.shared(key)?;
            Some((Arc::clone(family.name()), leaf, position))
        });
        Self {
            revision,
            families: held.collect(),
        }
    }

    /// Those of them with series that leave by themselves.
    pub(crate) fn only_expiring(mut self) -> Self {
        self.families
            .retain(|(_, leaf, position)| leaf.get(*position).shape.expires);
        self
    }

    /// Its fragments, in the order of the names that were asked for.
    pub(crate) fn fragments(&self) -> impl Iterator<Item = FragmentView<'_>> {
        let families = self.families.iter();
        families.map(|(name, leaf, position)| leaf.view(name, *position))
    }
}

/// What changes have left to be freed.
#[derive(Debug, Default)]
pub(crate) struct Litter {
    families: Vec<Arc<Family>>,
    wiped: Option<Box<State>>,
    names: Vec<Names>,
}

impl State {
    pub(crate) fn families(&self) -> &Families {
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

    /// A series of the group leaves then, or later.
    pub(crate) fn note_series_end(&mut self, key: &GroupingKey, at: UnixNanos) {
        self.series_ends.note(key, at);
    }

    /// The next group that may have series whose time is over, see [`SeriesEnds::take_due`].
    pub(crate) fn take_due_series(&mut self, now: UnixNanos) -> Option<GroupingKey> {
        self.series_ends.take_due(now)
    }

    /// What a draft has noted of series that leave.
    pub(crate) fn take_series_ends(&mut self) -> SeriesEnds {
        std::mem::take(&mut self.series_ends)
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

    /// Forgets lists of names that nobody has. It takes as long as there are lists.
    pub(crate) fn forget_unused_names(&mut self) {
        self.name_sets.forget_unused();
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

    /// Whether a push of this group has said when the next one is expected: then the push times stay when the time of the group is
    /// over, since it is going to be missed.
    pub(crate) fn is_expected(&self, key: &GroupingKey) -> bool {
        let stored = self.families.get(EXPECTED).and_then(|family| family.find(key));
        stored.is_some_and(|(leaf, position)| leaf.view(EXPECTED, position).series() > 0)
    }

    /// What stands in the groups that are expected so, as puts of groups with nothing else: what is to be left of them by a wipe.
    pub(crate) fn bare_expected(&self) -> Vec<(GroupingKey, Vec<u8>)> {
        let keys = self.families.get(EXPECTED).into_iter().flat_map(|family| {
            let fragments = family.fragments_above(None);
            fragments.filter(|fragment| fragment.series() > 0)
        });
        keys.map(|expected| {
            let held = self.hold(expected.key(), STANDING.into_iter());
            let fragments: Vec<FragmentView<'_>> = held.fragments().collect();
            let parts: Vec<_> = fragments.iter().map(FragmentView::parts).collect();
            let key = expected.key();
            (
                key.clone(),
                record::put(key, PushMode::ReplaceGroup, None, parts.into_iter()),
            )
        })
        .collect()
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
        self.admit(preparer, key, mode, &prepared, u64::MAX).ok()?;
        if is_new {
            self.check_limits(preparer, key, mode, &prepared).ok()?;
        }
        Some(prepared)
    }

    /// What a group has of some families. Costs a look at each.
    pub(crate) fn hold<'n>(&self, key: &GroupingKey, names: impl Iterator<Item = &'n str>) -> Held {
        Held::of(&self.families, self.revision_of(key), key, names)
    }

    /// Whether it takes long to put this into a group in the place of what it has.
    pub(crate) fn is_much(
        &self,
        key: &GroupingKey,
        mode: PushMode,
        prepared: &Prepared<'_>,
        few: u64,
    ) -> bool {
        self.replaces_much(key, self.groups.get(key), mode, prepared, few)
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

    // ---- work ---------------------------------------------------------------------------------------------

    /// How much has been done so far.
    pub(crate) fn work(&self) -> u64 {
        self.work.get()
    }

    /// Counts that so much has been done.
    fn worked(&self, much: u64) {
        self.work.set(self.work.get() + much);
    }

    /// Counts that so much has been looked at.
    pub(crate) fn looked_at(&self, much: usize) {
        self.worked(much as u64);
    }

    /// The weight of the heaviest group that there has been, or more.
    pub(crate) fn heaviest(&self) -> u64 {
        self.heaviest.saturating_add(self.most_to_warm(self.heaviest))
    }

    /// Whether a group has so many families and series that it takes long to replace it, or to take it out.
    pub(crate) fn is_heavy(&self, key: &GroupingKey, few: u64) -> bool {
        let group = self.groups.get(key);
        group.is_some_and(|group| self.weight_of_group(group) > few)
    }

    /// How much these groups have, all together.
    pub(crate) fn weight_of<'k>(&self, keys: impl Iterator<Item = &'k GroupingKey>) -> u64 {
        let groups = keys.filter_map(|key| self.groups.get(key));
        groups.map(|group| self.weight_of_group(group)).sum()
    }

    /// With all that has to be expanded at most.
    fn weight_of_group(&self, group: &Group) -> u64 {
        group.weight() + self.most_to_warm(group.families.len() as u64)
    }

    /// What has to be expanded at most to change something of so many families.
    pub(crate) fn most_to_warm(&self, families: u64) -> u64 {
        if self.cold.leaves == 0 {
            0
        } else {
            families.saturating_mul(Leaf::usual_cost_to_warm())
        }
    }

    fn cost_to_warm(&self, key: &GroupingKey, name: &str) -> u64 {
        self.families
            .get(name)
            .map_or(0, |family| family.cost_to_warm(key))
    }

    /// Whether it takes long to put this into a group, for what the group has already, and what has to be expanded.
    fn replaces_much(
        &self,
        key: &GroupingKey,
        group: Option<&Group>,
        mode: PushMode,
        prepared: &Prepared<'_>,
        few: u64,
    ) -> bool {
        let weight = group.map_or(0, Group::weight);
        let replaced = group.filter(|_| mode == PushMode::ReplaceGroup);
        let names = replaced.map_or(0, |group| group.families.len()) + prepared.families.len();
        if weight.saturating_add(self.most_to_warm(names as u64)) <= few {
            return false;
        }
        let has_many = group.is_some_and(|group| group.families.len() as u64 > few);
        if weight > few && (replaced.is_some() || has_many) {
            return true;
        }
        let gone = replaced.into_iter().flat_map(|group| group.families.iter());
        let gone = gone.filter(|name| prepared.get(name).is_none());
        let gone: u64 = gone.map(|name| self.weight_under_name(key, name)).sum();
        gone.saturating_add(self.weight_under(key, prepared)) > few
    }

    /// How much a group has of the families of a push, and what has to be expanded to change it.
    pub(crate) fn weight_under(&self, key: &GroupingKey, prepared: &Prepared<'_>) -> u64 {
        let names = prepared.families.iter().map(|family| family.name);
        names.map(|name| self.weight_under_name(key, name)).sum()
    }

    fn weight_under_name(&self, key: &GroupingKey, name: &str) -> u64 {
        weight(1, self.size_of_fragment(key, name)) + self.cost_to_warm(key, name)
    }

    // ---- checks -------------------------------------------------------------------------------------------

    /// Checks a push against what is stored. One of up to a `few` families and series, which replaces no more than that,
    /// is checked in little time.
    pub(crate) fn admit(
        &self,
        preparer: &Preparer,
        key: &GroupingKey,
        mode: PushMode,
        prepared: &Prepared<'_>,
        few: u64,
    ) -> Result<(), Hindrance> {
        let group = self.groups.get(key);
        if group.is_some_and(|group| group.expects(trace(mode, prepared))) {
            let most = self.most_to_warm(prepared.families.len() as u64);
            let is_heavy = most > few && self.weight_under(key, prepared) > few;
            return if is_heavy { Err(Hindrance::Heavy) } else { Ok(()) };
        }
        if self.replaces_much(key, group, mode, prepared, few) {
            return Err(Hindrance::Heavy);
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
                self.check_series(&checks, own, family, few)?;
            }
        }
        Ok(())
    }

    fn check_series(
        &self,
        checks: &Checks<'_>,
        own: Option<GroupId>,
        family: &PreparedFamily<'_>,
        few: u64,
    ) -> Result<(), Hindrance> {
        let prepared = checks.incoming.prepared;
        let fingerprints = prepared.fingerprints(family);
        self.worked(fingerprints.len() as u64);
        let (mut all, mut looks) = (Vec::new(), 0);
        for (position, fingerprint) in fingerprints.iter().enumerate() {
            for holder in self.other_owners(own, *fingerprint) {
                if holder == checks.incoming.key {
                    // What somebody is about to make of this group stands under a number of its own.
                    continue;
                }
                looks += 1;
                let bytes = checks.bytes_of(holder, family.name);
                if few < u64::MAX && (looks > MOST_LOOKS || bytes > LONGEST_LOOK_BYTES) {
                    return Err(Hindrance::Heavy);
                }
                if all.is_empty() {
                    all = series_of(family.name, family.metric_type, prepared.text(family));
                }
                if let Some(series) = all.get(position)
                    && checks.holds(holder, family.name, series)
                {
                    return Err(duplicate(family.name, series, holder).into());
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
        self.worked(1);
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
            self.worked(self.accounts.limits().quotas.len() as u64);
            self.accounts.enter(group.id, key, group.size);
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

    fn size_of_fragment(&self, key: &GroupingKey, name: &str) -> Size {
        let fragment = self.families.get(name).and_then(|family| family.find(key));
        fragment.map_or(Size::default(), |(leaf, position)| {
            leaf.view(name, position).size()
        })
    }

    /// Checks what a push brings against the limit on one push.
    pub(crate) fn check_push(&self, prepared: &Prepared<'_>) -> Result<(), Exceeded> {
        check_push(self.accounts.limits(), prepared)
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
            before: group.map(|group| group.size),
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
        let mut size = group.size;
        for family in &prepared.families {
            size = size.moved(self.size_of_fragment(key, family.name), family.size());
        }
        if mode == PushMode::ReplaceGroup {
            let gone = |name: &&Arc<str>| !is_standing(name) && prepared.get(name).is_none();
            for name in group.families.iter().filter(gone) {
                size = size.moved(self.size_of_fragment(key, name), Size::default());
            }
        }
        size
    }
}

/// Checks what a push brings against the limit on one push.
pub(crate) fn check_push(limits: &Limits, prepared: &Prepared<'_>) -> Result<(), Exceeded> {
    let Some(max) = limits.max_push_series else {
        return Ok(());
    };
    let all = prepared.size().series;
    if all <= max {
        return Ok(());
    }
    // Without the times and what stands beside them, which are no metrics of the push.
    let standing = prepared.families.iter().filter(|family| is_standing(family.name));
    let standing: u64 = standing.map(|family| u64::from(family.lines)).sum();
    let found = all.saturating_sub(standing);
    if found <= max {
        return Ok(());
    }
    Err(Exceeded {
        limited: Limited::PushSeries,
        max,
        found,
        selector: None,
        family: None,
    })
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
