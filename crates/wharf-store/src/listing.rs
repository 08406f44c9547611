//! Lists of groups, page by page.

use std::collections::BinaryHeap;

use wharf_model::{GroupingKey, Selector};

use crate::leaf::FragmentView;
use crate::lifetime::Lifetime;
use crate::store::{Snapshot, Store};
use crate::{PUSH_FAILURE_TIME, PUSH_TIME};

/// Which groups to list, and in which order.
#[derive(Debug, Clone, Default)]
pub struct Listing {
    /// Groups that one of these selects; all groups, if there are none.
    pub selectors: Vec<Selector>,
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
    /// The place of the last group in the order; 0 if it is that of keys.
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

/// Groups that are looked up under one hold of the lock.
const CHUNK: usize = 256;

impl Store {
    /// A page of the list of groups.
    ///
    /// A page in the order of keys costs the groups on it and those that the selectors leave out on the way. Other
    /// orders cost a look at every group. Nobody waits meanwhile; so what is said of each group is true at some moment
    /// of the call, not of all groups at the same.
    pub fn list(&self, listing: &Listing) -> Page {
        let snapshot = self.snapshot();
        let mut page = if listing.sort == SortBy::Key {
            by_key(&snapshot, listing)
        } else {
            self.by_rank(&snapshot, listing)
        };
        if listing.selectors.is_empty() {
            page.total = Some(snapshot.totals().groups);
        }
        Page {
            groups: self.describe(&snapshot, &page.groups),
            next: page.next,
            total: page.total,
        }
    }

    /// The groups of a page that is not ordered by key.
    fn by_rank(&self, snapshot: &Snapshot, listing: &Listing) -> Keys {
        let after = listing.after.as_ref();
        // The lowest ones so far, the highest of them on top.
        let mut lowest: BinaryHeap<(u64, GroupingKey)> = BinaryHeap::new();
        let mut total = 0;
        let mut times = snapshot
            .times(None, false)
            .filter(|time| selects(listing, time.key()));
        loop {
            let chunk: Vec<FragmentView<'_>> = times.by_ref().take(CHUNK).collect();
            if chunk.is_empty() {
                break;
            }
            total += chunk.len();
            for (time, rank) in chunk.iter().zip(self.ranks(snapshot, listing, &chunk)) {
                let place = (rank, time.key());
                let is_passed = after.is_some_and(|after| place <= (after.rank, &after.key));
                let is_beyond = lowest.len() > listing.limit
                    && lowest.peek().is_some_and(|(rank, key)| place >= (*rank, key));
                if is_passed || is_beyond {
                    continue;
                }
                lowest.push((rank, time.key().clone()));
                if lowest.len() > listing.limit + 1 {
                    lowest.pop();
                }
            }
        }
        let places = lowest.into_sorted_vec();
        let mut page = Keys::of(places, listing.limit);
        page.total = Some(total);
        page
    }

    /// The places of groups in the order; higher ones come later.
    fn ranks(&self, snapshot: &Snapshot, listing: &Listing, times: &[FragmentView<'_>]) -> Vec<u64> {
        let guarded = matches!(listing.sort, SortBy::Series | SortBy::Bytes).then(|| self.lock());
        let size = |time: &FragmentView<'_>| {
            let group = guarded
                .as_ref()
                .and_then(|guarded| guarded.state.group(time.key()));
            group.map(|(size, _)| size).unwrap_or_default()
        };
        let rank = |time: &FragmentView<'_>| match listing.sort {
            SortBy::Key => 0,
            SortBy::PushTime => rank_of(value(time)),
            SortBy::FailureTime => rank_of(failure_time(snapshot, time.key())),
            SortBy::Series => size(time).series,
            SortBy::Bytes => size(time).bytes,
            // Those that do not expire come last in both directions.
            SortBy::Expiry => match snapshot.lifetime(time.key()) {
                Some(lifetime) => u64::try_from(lifetime.expires_at.0).unwrap_or(0),
                None if listing.descending => 0,
                None => u64::MAX,
            },
        };
        let ranks = times.iter().map(rank);
        ranks
            .map(|rank| if listing.descending { !rank } else { rank })
            .collect()
    }

    /// What is to be said of groups; those that are gone meanwhile are left out.
    fn describe(&self, snapshot: &Snapshot, keys: &[GroupingKey]) -> Vec<GroupInfo> {
        let mut infos = Vec::with_capacity(keys.len());
        for chunk in keys.chunks(CHUNK) {
            let guarded = self.lock();
            let sizes: Vec<_> = chunk.iter().map(|key| guarded.state.group(key)).collect();
            drop(guarded);
            for (key, size) in chunk.iter().zip(sizes) {
                let Some((size, families)) = size else { continue };
                let time = snapshot.fragment(PUSH_TIME, key);
                infos.push(GroupInfo {
                    key: key.clone(),
                    push_time: time.as_ref().map(value).unwrap_or_default(),
                    failure_time: failure_time(snapshot, key),
                    families,
                    series: size.series,
                    bytes: size.bytes,
                    lifetime: snapshot.lifetime(key),
                });
            }
        }
        infos
    }
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
}

fn by_key(snapshot: &Snapshot, listing: &Listing) -> Keys {
    let after = listing.after.as_ref().map(|after| &after.key);
    let times = snapshot.times(after, listing.descending);
    let times = times.filter(|time| selects(listing, time.key()));
    let places = times.take(listing.limit.saturating_add(1));
    Keys::of(
        places.map(|time| (0, time.key().clone())).collect(),
        listing.limit,
    )
}

fn selects(listing: &Listing, key: &GroupingKey) -> bool {
    listing.selectors.is_empty() || Selector::any(&listing.selectors, key)
}

fn failure_time(snapshot: &Snapshot, key: &GroupingKey) -> f64 {
    let time = snapshot.fragment(PUSH_FAILURE_TIME, key);
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
    /// The push times of all groups beyond `after`, in the order of their keys or, `descending`, the other way.
    fn times<'s>(
        &'s self,
        after: Option<&GroupingKey>,
        descending: bool,
    ) -> Box<dyn Iterator<Item = FragmentView<'s>> + 's> {
        let Some(times) = self.families.get(PUSH_TIME) else {
            return Box::new(std::iter::empty());
        };
        if descending {
            Box::new(times.fragments_below(after.cloned()))
        } else {
            Box::new(times.fragments_above(after.cloned()))
        }
    }

    fn fragment(&self, name: &'static str, key: &GroupingKey) -> Option<FragmentView<'_>> {
        let (leaf, position) = self.families.get(name)?.find(key)?;
        Some(leaf.view(name, position))
    }
}
