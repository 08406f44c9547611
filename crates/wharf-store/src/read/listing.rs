//! Lists of groups, page by page.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use hashbrown::HashMap;
use wharf_model::{Choice, Choosing, Effort, GroupingKey, Stopped};

use crate::lifetime::Lifetime;
use crate::memory::family_names::Names;
use crate::memory::leaf::FragmentView;
use crate::read::snapshot::{Snapshot, snapshot_of};
use crate::size::Size;
use crate::store::Store;
use crate::{PUSH_FAILURE_TIME, PUSH_TIME, Revision};

/// Which groups to list, and in which order.
#[derive(Debug, Clone, Default)]
pub struct Listing {
    /// Which groups.
    pub choice: Choice,
    /// By what they are ordered. Groups that are equal in that are ordered by their keys.
    pub sort: SortBy,
    /// Whether the largest come first. Keys go up then as well, unless it is them that are ordered by.
    pub descending: bool,
    /// The end of the page before; none for the first page.
    pub after: Option<Cursor>,
    /// Most groups of this page.
    pub limit: usize,
}

/// What groups are ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum SortBy {
    /// Grouping key: the order of the exposition.
    #[default]
    Key,
    /// Job; groups of one job by their keys.
    Job,
    /// `push_time_seconds`.
    PushTime,
    /// `push_failure_time_seconds`.
    FailureTime,
    /// Number of series.
    Series,
    /// Number of bytes.
    Bytes,
    /// When they expire; those that do not come last.
    Expiry,
}

/// A place between two groups of a list. It stays what it is when groups come and go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// The place of the last group in the order; 0 if its key says that.
    pub rank: u64,
    /// The key of the last group.
    pub key: GroupingKey,
}

/// Some groups of a list.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// The groups.
    pub groups: Vec<GroupInfo>,
    /// Where the next page begins; none after the last group.
    pub next: Option<Cursor>,
    /// How many groups the whole list has, where that is known without more work.
    pub total: Option<usize>,
}

/// What a list says of a group.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupInfo {
    /// Its key.
    pub key: GroupingKey,
    /// The value of its `push_time_seconds`: when a push succeeded last, 0 if none has.
    pub push_time: f64,
    /// The value of its `push_failure_time_seconds`: when a push failed last, 0 if none has.
    pub failure_time: f64,
    /// Number of its families, the two of its times among them.
    pub families: usize,
    /// Number of its series, those of its times among them.
    pub series: u64,
    /// Bytes of their text, and of the protobuf form of what text cannot say.
    pub bytes: u64,
    /// When it expires; none if it does not.
    pub lifetime: Option<Lifetime>,
}

/// A group that a filter may let onto a list. Nothing of it is looked up before the filter asks.
#[derive(Debug, Clone)]
pub struct Candidate<'s> {
    snapshot: &'s Snapshot,
    pushed: FragmentView<'s>,
    failed: Option<FragmentView<'s>>,
}

impl<'s> Candidate<'s> {
    /// Its key.
    pub fn key(&self) -> &'s GroupingKey {
        self.pushed.key()
    }

    /// As [`GroupInfo::push_time`].
    pub fn push_time(&self) -> f64 {
        value(&self.pushed)
    }

    /// As [`GroupInfo::failure_time`].
    pub fn failure_time(&self) -> f64 {
        self.failed.as_ref().map(value).unwrap_or_default()
    }

    /// As [`GroupInfo::lifetime`].
    pub fn lifetime(&self) -> Option<Lifetime> {
        self.snapshot.lifetime(self.key())
    }
}

/// One group, as it was at one moment.
#[derive(Debug, Clone)]
pub struct GroupView {
    snapshot: Snapshot,
    family_names: Names,
    info: GroupInfo,
    revision: Revision,
}

impl GroupView {
    /// What a list says of it.
    pub fn info(&self) -> &GroupInfo {
        &self.info
    }

    /// Its last change.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// Its families, sorted by name.
    pub fn fragments(&self) -> impl Iterator<Item = FragmentView<'_>> {
        let names = self.family_names.iter();
        names.filter_map(|name| self.snapshot.fragment(name, &self.info.key))
    }
}

/// Groups that are looked up under one hold of the lock.
const CHUNK: usize = 256;

impl Store {
    /// A page of the list of groups.
    ///
    /// A page in the order of keys costs the groups on it and those that the selectors leave out on the way. Other
    /// orders cost a look at every group. Nobody waits meanwhile; so what is said of each group is true at some moment
    /// of the call, not of all groups at the same.
    ///
    /// # Errors
    /// If the effort ends.
    pub fn list(&self, listing: &Listing, effort: &Effort) -> Result<Page, Stopped> {
        self.list_some(listing, None, effort)
    }

    /// The same of those groups only that `filter` lets pass. The total is known then, because every group is looked
    /// at.
    ///
    /// # Errors
    /// If the effort ends.
    pub fn list_where(
        &self,
        listing: &Listing,
        filter: Filter<'_>,
        effort: &Effort,
    ) -> Result<Page, Stopped> {
        self.list_some(listing, Some(filter), effort)
    }

    fn list_some(
        &self,
        listing: &Listing,
        filter: Option<Filter<'_>>,
        effort: &Effort,
    ) -> Result<Page, Stopped> {
        let snapshot = self.snapshot();
        let mut passing = Passing {
            listing,
            choosing: listing.choice.begin(effort),
            filter,
            effort,
        };
        let mut page = match listing.sort {
            SortBy::Key => by_key(&snapshot, &mut passing)?,
            SortBy::Job => by_job(&snapshot, &mut passing)?,
            _ => by_rank(&snapshot, &mut passing)?,
        };
        if listing.choice.is_all() && filter.is_none() {
            page.total = Some(snapshot.totals().groups);
        }
        Ok(Page {
            groups: self.describe(&snapshot, &page.groups, effort)?,
            next: page.next,
            total: page.total,
        })
    }

    /// One group, if there is one of this key.
    pub fn group(&self, key: &GroupingKey) -> Option<GroupView> {
        let (snapshot, family_names, revision) = {
            let state = &self.lock().state;
            (
                snapshot_of(state),
                state.family_names(key)?,
                state.revision_of(key)?,
            )
        };
        Some(GroupView {
            info: describe(&snapshot, key, &family_names),
            family_names: family_names.names(),
            snapshot,
            revision,
        })
    }

    /// Whether there is a group of this key.
    pub fn has_group(&self, key: &GroupingKey) -> bool {
        self.lock().state.family_names(key).is_some()
    }

    /// What is to be said of groups; those that are gone meanwhile are left out.
    fn describe(
        &self,
        snapshot: &Snapshot,
        keys: &[GroupingKey],
        effort: &Effort,
    ) -> Result<Vec<GroupInfo>, Stopped> {
        let mut infos = Vec::with_capacity(keys.len());
        for chunk in keys.chunks(CHUNK) {
            let guarded = self.lock();
            let name_sets: Vec<_> = chunk.iter().map(|key| guarded.state.family_names(key)).collect();
            drop(guarded);
            for (key, family_names) in chunk.iter().zip(name_sets) {
                let Some(family_names) = family_names else {
                    continue;
                };
                effort.spend(FAMILY_STEPS * family_names.len() as u64)?;
                infos.push(describe(snapshot, key, &family_names));
            }
        }
        Ok(infos)
    }
}

fn describe(snapshot: &Snapshot, key: &GroupingKey, family_names: &[Arc<str>]) -> GroupInfo {
    let fragments = family_names
        .iter()
        .filter_map(|name| snapshot.fragment(name, key));
    let (mut families, mut size) = (0, Size::default());
    for fragment in fragments {
        families += 1;
        size = size.moved(Size::default(), fragment.size());
    }
    GroupInfo {
        key: key.clone(),
        push_time: time(snapshot, PUSH_TIME, key),
        failure_time: time(snapshot, PUSH_FAILURE_TIME, key),
        families,
        series: size.series,
        bytes: size.bytes,
        lifetime: snapshot.lifetime(key),
    }
}

/// Which groups a listing is left with.
pub type Filter<'f> = &'f dyn Fn(&Candidate<'_>) -> Result<bool, Stopped>;

/// A family of a group on the page.
const FAMILY_STEPS: u64 = 256;
/// To find out the place of a group in an order that is not that of keys.
const RANK_STEPS: u64 = 128;
/// To add what a group has of a family to its size.
const SIZE_STEPS: u64 = 64;

/// Finds out which groups a listing has.
struct Passing<'l> {
    listing: &'l Listing,
    choosing: Choosing<'l>,
    filter: Option<Filter<'l>>,
    effort: &'l Effort,
}

impl Passing<'_> {
    fn has(&mut self, candidate: &Candidate<'_>) -> Result<bool, Stopped> {
        if !self.choosing.has(candidate.key())? {
            return Ok(false);
        }
        self.filter.map_or(Ok(true), |passes| passes(candidate))
    }
}

/// The groups of a page that is ordered by a number.
fn by_rank(snapshot: &Snapshot, passing: &mut Passing<'_>) -> Result<Keys, Stopped> {
    let listing = passing.listing;
    let by_size = matches!(listing.sort, SortBy::Series | SortBy::Bytes);
    let sizes = if by_size {
        snapshot.sizes(passing.effort)?
    } else {
        HashMap::new()
    };
    let place = |candidate: &Candidate<'_>| {
        let size = sizes.get(candidate.key()).copied().unwrap_or_default();
        let rank = match listing.sort {
            SortBy::Key | SortBy::Job => 0,
            SortBy::PushTime => rank_of(candidate.push_time()),
            SortBy::FailureTime => rank_of(candidate.failure_time()),
            SortBy::Series => size.series,
            SortBy::Bytes => size.bytes,
            // Those that do not expire come last in both directions.
            SortBy::Expiry => match candidate.lifetime() {
                Some(lifetime) => u64::try_from(lifetime.expires_at.0).unwrap_or(0),
                None if listing.descending => 0,
                None => u64::MAX,
            },
        };
        if listing.descending { !rank } else { rank }
    };
    let after = listing.after.as_ref().map(|after| (after.rank, &after.key));
    let (total, places) = lowest(snapshot, passing, after.as_ref(), place)?;
    let places = places.into_iter().map(|(rank, key)| (rank, key.clone()));
    Ok(Keys::of(places.collect(), listing.limit).with_total(total))
}

/// The groups of a page that is ordered by job. The key has the job, so a cursor needs nothing else.
fn by_job(snapshot: &Snapshot, passing: &mut Passing<'_>) -> Result<Keys, Stopped> {
    let listing = passing.listing;
    let up = |job| (!listing.descending).then_some(job);
    let down = |job| listing.descending.then_some(Reverse(job));
    let after = listing.after.as_ref().map(|after| &after.key);
    let after = after.map(|key| ((up(key.job()), down(key.job())), key));
    let (total, places) = lowest(snapshot, passing, after.as_ref(), |candidate| {
        let job = candidate.key().job();
        // One of the two is none for all groups.
        (up(job), down(job))
    })?;
    let places = places.into_iter().map(|(_, key)| (0, key.clone()));
    Ok(Keys::of(places.collect(), listing.limit).with_total(total))
}

/// A group and its place in the order.
type Placed<'s, P> = (P, &'s GroupingKey);

/// The lowest places beyond `after`, one more than the page has, and the number of all groups of the list.
fn lowest<'s, P: Ord>(
    snapshot: &'s Snapshot,
    passing: &mut Passing<'_>,
    after: Option<&Placed<'s, P>>,
    place: impl Fn(&Candidate<'s>) -> P,
) -> Result<(usize, Vec<Placed<'s, P>>), Stopped> {
    // The highest of them is on top.
    let mut lowest = BinaryHeap::new();
    let mut total = 0;
    for candidate in snapshot.candidates(None, false) {
        passing.effort.spend(RANK_STEPS)?;
        if !passing.has(&candidate)? {
            continue;
        }
        total += 1;
        let place = (place(&candidate), candidate.key());
        if after.is_none_or(|after| place > *after) {
            lowest.push(place);
        }
        // One more than the page has, to know whether there is another.
        if lowest.len() > passing.listing.limit.saturating_add(1) {
            lowest.pop();
        }
    }
    Ok((total, lowest.into_sorted_vec()))
}

/// The groups of a page, before anything is known of them.
struct Keys {
    groups: Vec<GroupingKey>,
    next: Option<Cursor>,
    total: Option<usize>,
}

impl Keys {
    /// A page of these places, of which one more than `limit` tells that there is another page.
    fn of(mut places: Vec<(u64, GroupingKey)>, limit: usize) -> Self {
        let has_more = places.len() > limit;
        places.truncate(limit);
        let last = places.last().filter(|_| has_more);
        Self {
            next: last.map(|(rank, key)| Cursor {
                rank: *rank,
                key: key.clone(),
            }),
            groups: places.into_iter().map(|(_, key)| key).collect(),
            total: None,
        }
    }

    fn with_total(mut self, total: usize) -> Self {
        self.total = Some(total);
        self
    }
}

fn by_key(snapshot: &Snapshot, passing: &mut Passing<'_>) -> Result<Keys, Stopped> {
    let listing = passing.listing;
    let after = listing.after.as_ref().map(|after| &after.key);
    // One more than the page has, to know whether there is another.
    let wanted = listing.limit.saturating_add(1);
    // With a filter all are looked at, to be counted.
    let is_counted = passing.filter.is_some();
    let is_beyond = |found: &GroupingKey| {
        after.is_none_or(|after| {
            if listing.descending {
                found < after
            } else {
                found > after
            }
        })
    };
    let (mut total, mut places) = (0, Vec::new());
    let begin = after.filter(|_| !is_counted);
    for candidate in snapshot.candidates(begin, listing.descending) {
        if !passing.has(&candidate)? {
            continue;
        }
        total += 1;
        if is_beyond(candidate.key()) && places.len() < wanted {
            places.push((0, candidate.key().clone()));
        }
        if places.len() == wanted && !is_counted {
            break;
        }
    }
    let page = Keys::of(places, listing.limit);
    Ok(if is_counted { page.with_total(total) } else { page })
}

/// The value of one of the times of a group.
fn time(snapshot: &Snapshot, name: &str, key: &GroupingKey) -> f64 {
    let time = snapshot.fragment(name, key);
    time.as_ref().map(value).unwrap_or_default()
}

/// The value of a push time: the end of its only line.
fn value(time: &FragmentView<'_>) -> f64 {
    let text = time.text().trim_ascii_end();
    let digits = memchr::memrchr(b' ', text).and_then(|end| text.get(end + 1..));
    let value = digits.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
    value.unwrap_or_default()
}

/// Whole numbers in the order of the floats.
fn rank_of(value: f64) -> u64 {
    let bits = value.to_bits();
    if value.is_sign_negative() {
        !bits
    } else {
        bits | 1 << 63
    }
}

impl Snapshot {
    /// All groups beyond `after`, in the order of their keys or, `descending`, the other way.
    fn candidates<'s>(
        &'s self,
        after: Option<&GroupingKey>,
        descending: bool,
    ) -> impl Iterator<Item = Candidate<'s>> {
        let mut failed = self.times(PUSH_FAILURE_TIME, after, descending).peekable();
        self.times(PUSH_TIME, after, descending).map(move |pushed| {
            // Both are in the same order, and mostly of the same groups.
            let is_before = |time: &FragmentView<'_>| {
                if descending {
                    time.key() > pushed.key()
                } else {
                    time.key() < pushed.key()
                }
            };
            while failed.next_if(is_before).is_some() {}
            let failed = failed.next_if(|time| time.key() == pushed.key());
            Candidate {
                snapshot: self,
                pushed,
                failed,
            }
        })
    }

    /// One of the times of all groups beyond `after`.
    fn times<'s>(
        &'s self,
        name: &str,
        after: Option<&GroupingKey>,
        descending: bool,
    ) -> Box<dyn Iterator<Item = FragmentView<'s>> + 's> {
        let Some(times) = self.families.get(name) else {
            return Box::new(std::iter::empty());
        };
        if descending {
            Box::new(times.fragments_below(after.cloned()))
        } else {
            Box::new(times.fragments_above(after.cloned()))
        }
    }

    /// How much each group holds.
    fn sizes(&self, effort: &Effort) -> Result<HashMap<&GroupingKey, Size>, Stopped> {
        let mut sizes = HashMap::with_capacity(self.totals.groups);
        for fragment in self
            .families
            .values()
            .flat_map(|family| family.fragments_above(None))
        {
            effort.spend(SIZE_STEPS)?;
            let size: &mut Size = sizes.entry(fragment.key()).or_default();
            *size = size.moved(Size::default(), fragment.size());
        }
        Ok(sizes)
    }
}
