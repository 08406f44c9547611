//! The histories in memory, within a number of bytes.

use std::collections::VecDeque;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::Duration;

use hashbrown::{DefaultHashBuilder, HashTable};
use wharf_model::GroupingKey;

use crate::parts::Parts;
use crate::push::{LastError, Method, PastPush, Push, Refusal};
use crate::{MAX_ERROR_BYTES, MAX_PUSHES};

/// What is known of a group.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct GroupHistory {
    /// Its last pushes, the newest last.
    pub pushes: Vec<PastPush>,
    /// Its last refusal, also if later pushes were stored.
    pub last_error: Option<LastError>,
    /// How often it is pushed, if that can be told.
    pub pace: Option<Pace>,
    /// What has been added up in it; none if nothing has.
    pub added: Option<Added>,
}

/// What has been added up in a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Added {
    /// From so many pushes.
    pub pushes: u64,
    /// Since when, in milliseconds since the Unix epoch: the first of them, or when the group began anew.
    pub since_ms: i64,
}

impl GroupHistory {
    /// What tells how the group is doing.
    pub fn pulse(&self) -> Pulse {
        Pulse {
            pace: self.pace,
            refused_at_ms: self
                .pushes
                .last()
                .and_then(|push| push.refused.as_ref().map(|_| push.at_ms)),
        }
    }
}

/// What tells how a group is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pulse {
    /// How often it is pushed, if that can be told.
    pub pace: Option<Pace>,
    /// When its last push was refused, in milliseconds since the Unix epoch; none if it was stored.
    pub refused_at_ms: Option<i64>,
}

/// How often a group is pushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// The median of the pauses between its stored pushes, those of one burst taken for one.
    pub usual: Duration,
    /// The longest of them.
    pub longest: Duration,
}

/// Stored pushes from which on a pace can be told; a burst counts as one.
const PACED_PUSHES: usize = 3;
/// Pushes that come within so many milliseconds of the first of them are a burst: steps of one run, or retries. How far
/// apart they are says nothing about when the next run is due.
const BURST_MS: i64 = 10_000;
/// Pauses of an even pace are all shorter than so many medians.
const EVEN: u32 = 2;
/// How much of a median the next push may be later than any before, at an even pace.
const PATIENCE: u32 = 10;
/// How many medians a pause has to last before it is an unusual one, at an uneven pace.
const UNUSUAL: u32 = 3;
/// A shorter pause is never unusual: nobody looks after jobs by the second.
const SHORTEST_UNUSUAL: Duration = Duration::from_secs(60);

impl Pace {
    /// The pause from which on a group is not pushed as it used to be, at least a minute.
    ///
    /// A backup that comes each night is missed in the first night without it: at an even pace, the longest pause and
    /// a tenth of the usual one. Otherwise, as for jobs that push several times a run and then rest, three usual
    /// pauses, but not less than the longest.
    pub fn stale_after(&self) -> Duration {
        let unusual = if self.longest < self.usual.saturating_mul(EVEN) {
            self.longest.saturating_add(self.usual / PATIENCE)
        } else {
            self.usual.saturating_mul(UNUSUAL).max(self.longest)
        };
        unusual.max(SHORTEST_UNUSUAL)
    }
}

/// A push in 24 bytes.
#[derive(Debug, Clone, Copy)]
struct Packed {
    at_ms: i64,
    body_bytes: u32,
    series: u32,
    /// NaN if the job did not say it.
    duration_seconds: f32,
    method: Method,
    /// The reason of the refusal, plus 1; 0 if the push was stored.
    refused: u8,
}

#[derive(Debug, Default)]
struct Slot {
    /// None if the slot is free.
    key: Option<GroupingKey>,
    pushes: VecDeque<Packed>,
    last_error: Option<Box<LastError>>,
    added: Option<Box<Added>>,
    /// Its pace if it has one, kept from the first question on until the next push.
    pace: Option<Box<Option<Pace>>>,
    /// How many places in the queue, the first ones of this slot, are of pushes that are gone already.
    gone: u32,
}

/// What a group costs beside its key, its pushes and the text of its last refusal: its slot, its place in the table,
/// its pace and its allocations.
const GROUP_BYTES: usize = 160;
/// Places for pushes come and go by so many.
const ROOM: usize = 6;
/// Places that a group begins with: those of CI pipelines are mostly pushed once.
const FIRST_ROOM: usize = 2;
/// Different reasons that are told apart.
const MAX_REASONS: usize = 200;
const MAX_REASON_BYTES: usize = 32;

impl Slot {
    fn bytes(&self) -> usize {
        let Some(key) = &self.key else { return 0 };
        let error = self.last_error.as_ref().map_or(0, |error| error.error.len());
        let added = self.added.as_ref().map_or(0, |_| size_of::<Added>());
        GROUP_BYTES + key.as_bytes().len() + error + added + self.pushes.capacity() * size_of::<Packed>()
    }

    /// Counts a stored push, if it was added to others.
    fn count(&mut self, push: &Push) {
        match push.method {
            Method::Add => {
                let since_ms = push.at_ms;
                let added = self
                    .added
                    .get_or_insert_with(|| Box::new(Added { pushes: 0, since_ms }));
                added.pushes = added.pushes.saturating_add(1);
            }
            // Nothing is left of what was added up.
            Method::Put => self.added = None,
            Method::Post => {}
        }
    }

    fn find_pace(&self) -> Option<Pace> {
        let bursts = self.bursts();
        if bursts.len() < PACED_PUSHES {
            return None;
        }
        let pauses = bursts.iter().zip(bursts.iter().skip(1));
        let mut pauses: Vec<u64> = pauses
            .map(|(before, after)| u64::try_from(after.saturating_sub(*before)).unwrap_or(0))
            .collect();
        pauses.sort_unstable();
        Some(Pace {
            usual: Duration::from_millis(*pauses.get(pauses.len() / 2)?),
            longest: Duration::from_millis(*pauses.last()?),
        })
    }

    /// When the bursts of stored pushes began, in order.
    fn bursts(&self) -> Vec<i64> {
        let stored = self.pushes.iter().filter(|push| push.refused == 0);
        let mut times: Vec<i64> = stored.map(|push| push.at_ms).collect();
        // A push that is later than one after it was told by a clock that has been set back since.
        let mut earliest = i64::MAX;
        times.reverse();
        times.retain(|at_ms| {
            let is_in_order = *at_ms <= earliest;
            earliest = earliest.min(*at_ms);
            is_in_order
        });
        times.reverse();
        let mut bursts: Vec<i64> = Vec::with_capacity(times.len());
        for at_ms in times {
            let is_new = bursts
                .last()
                .is_none_or(|began| at_ms.saturating_sub(*began) >= BURST_MS);
            if is_new {
                bursts.push(at_ms);
            }
        }
        bursts
    }
}

/// The histories of all groups.
#[derive(Debug)]
pub(crate) struct Book {
    max_bytes: usize,
    bytes: usize,
    /// The slots of the groups, by the hashes of their keys.
    by_key: HashTable<u32>,
    hasher: DefaultHashBuilder,
    slots: Parts<Slot>,
    free: Vec<usize>,
    /// The slot of each push in the order of the pushes, and of some that are gone already, see [`Slot::gone`].
    queue: VecDeque<u32>,
    /// Pushes that are remembered.
    pushes: usize,
    reasons: Vec<Arc<str>>,
}

impl Book {
    pub(crate) fn new(max_bytes: usize) -> Self {
        Self {
            max_bytes,
            bytes: 0,
            by_key: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            slots: Parts::default(),
            free: Vec::new(),
            queue: VecDeque::new(),
            pushes: 0,
            reasons: Vec::new(),
        }
    }

    /// Adds a push, and lets the oldest ones go that there is no room for any more.
    pub(crate) fn push(&mut self, key: &GroupingKey, push: &Push) {
        let slot = self.open(key);
        let error = push
            .refusal
            .as_deref()
            .map(|Refusal { reason, error }| LastError {
                at_ms: push.at_ms,
                reason: self.reason(reason).0,
                error: cut(error, MAX_ERROR_BYTES).into(),
            });
        self.add(slot, push);
        if error.is_some() {
            self.change(slot, |slot| slot.last_error = error.map(Box::new));
        }
        self.shrink(self.max_bytes);
    }

    /// Puts back what a file says of a group, in place of what was known of it. [`Self::restored`] has to follow.
    pub(crate) fn restore(
        &mut self,
        key: &GroupingKey,
        last_error: Option<(i64, &Refusal)>,
        pushes: &[Push],
    ) {
        self.forget(key);
        if pushes.is_empty() {
            return;
        }
        let slot = self.open(key);
        for push in pushes {
            self.add(slot, push);
        }
        let last_error = last_error.map(|(at_ms, refusal)| {
            Box::new(LastError {
                at_ms,
                reason: self.reason(&refusal.reason).0,
                error: cut(&refusal.error, MAX_ERROR_BYTES).into(),
            })
        });
        self.change(slot, |slot| slot.last_error = last_error);
        // The order is not that of time yet, so nothing should go; but a file may be of any size.
        self.shrink(self.max_bytes.saturating_mul(2));
    }

    /// Brings the order of all pushes back after [`Self::restore`], and keeps to the bytes.
    pub(crate) fn restored(&mut self) {
        let mut order: Vec<(i64, u32)> = Vec::with_capacity(self.pushes);
        for (at, slot) in self.slots.iter_mut().enumerate() {
            slot.gone = 0;
            let at = u32::try_from(at).unwrap_or(u32::MAX);
            order.extend(slot.pushes.iter().map(|push| (push.at_ms, at)));
        }
        order.sort_unstable();
        self.queue = order.into_iter().map(|(_, slot)| slot).collect();
        self.shrink(self.max_bytes);
    }

    /// What has been added up in a group that is known begins anew.
    pub(crate) fn reset(&mut self, key: &GroupingKey, at_ms: i64) {
        let Some(slot) = self.find(key) else { return };
        self.change(slot, |slot| {
            if let Some(added) = &mut slot.added {
                **added = Added {
                    pushes: 0,
                    since_ms: at_ms,
                };
            }
        });
    }

    /// Puts back what a file says was added up in a group, of which [`Self::restore`] has put back the rest.
    pub(crate) fn restore_added(&mut self, key: &GroupingKey, added: Added) {
        let Some(slot) = self.find(key) else { return };
        self.change(slot, |slot| slot.added = Some(Box::new(added)));
    }

    /// Forgets a group.
    pub(crate) fn forget(&mut self, key: &GroupingKey) {
        if let Some(slot) = self.find(key) {
            self.close(slot);
        }
    }

    /// Forgets the groups that are not to stay.
    pub(crate) fn retain(&mut self, stays: impl Fn(&GroupingKey) -> bool) {
        let slots = self.slots.iter().enumerate();
        let goes = slots.filter(|(_, slot)| slot.key.as_ref().is_some_and(|key| !stays(key)));
        let gone: Vec<usize> = goes.map(|(at, _)| at).collect();
        for slot in gone {
            self.close(slot);
        }
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        *self = Self::new(self.max_bytes);
    }

    pub(crate) fn group(&mut self, key: &GroupingKey) -> Option<GroupHistory> {
        let pace = self.pulse(key).pace;
        let slot = self.slots.get(self.find(key)?)?;
        Some(self.describe(slot, pace))
    }

    pub(crate) fn pulse(&mut self, key: &GroupingKey) -> Pulse {
        let slot = self.find(key).and_then(|slot| self.slots.get_mut(slot));
        let Some(slot) = slot else { return Pulse::default() };
        let pace = slot.pace.as_deref().copied().unwrap_or_else(|| slot.find_pace());
        slot.pace = Some(Box::new(pace));
        let last = slot.pushes.back();
        Pulse {
            pace,
            refused_at_ms: last.filter(|push| push.refused > 0).map(|push| push.at_ms),
        }
    }

    /// The groups in some slots, for the file; none beyond the last slot.
    pub(crate) fn part(
        &self,
        slots: std::ops::Range<usize>,
    ) -> Option<impl Iterator<Item = (&GroupingKey, GroupHistory)>> {
        if slots.start >= self.slots.len() {
            return None;
        }
        let slots = self.slots.from(slots.start).take(slots.len());
        Some(slots.filter_map(|slot| {
            let key = slot.key.as_ref()?;
            Some((key, self.describe(slot, None)))
        }))
    }

    pub(crate) fn groups(&self) -> usize {
        self.by_key.len()
    }

    pub(crate) fn pushes(&self) -> usize {
        self.pushes
    }

    /// About how many bytes all of it takes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes + self.queue.len() * size_of::<u32>()
    }

    fn describe(&self, slot: &Slot, pace: Option<Pace>) -> GroupHistory {
        let past = |push: &Packed| PastPush {
            at_ms: push.at_ms,
            method: push.method,
            body_bytes: push.body_bytes,
            series: push.series,
            duration_seconds: Some(push.duration_seconds).filter(|seconds| !seconds.is_nan()),
            refused: usize::from(push.refused)
                .checked_sub(1)
                .and_then(|reason| self.reasons.get(reason).map(Arc::clone)),
        };
        GroupHistory {
            pushes: slot.pushes.iter().map(past).collect(),
            last_error: slot.last_error.as_deref().cloned(),
            pace,
            added: slot.added.as_deref().copied(),
        }
    }

    fn add(&mut self, at: usize, push: &Push) {
        let refused = push
            .refusal
            .as_deref()
            .map_or(0, |refusal| self.reason(&refusal.reason).1);
        let packed = Packed {
            at_ms: push.at_ms,
            body_bytes: u32::try_from(push.body_bytes).unwrap_or(u32::MAX),
            series: u32::try_from(push.series).unwrap_or(u32::MAX),
            duration_seconds: push.duration_seconds.map_or(f32::NAN, narrow),
            method: push.method,
            refused,
        };
        let mut is_full = false;
        self.change(at, |slot| {
            is_full = slot.pushes.len() >= MAX_PUSHES;
            if is_full {
                slot.pushes.pop_front();
                slot.gone += 1;
            } else if slot.pushes.len() == slot.pushes.capacity() {
                let is_first = slot.pushes.capacity() == 0;
                slot.pushes
                    .reserve_exact(if is_first { FIRST_ROOM } else { ROOM });
            }
            slot.pushes.push_back(packed);
            if refused == 0 {
                slot.count(push);
            }
        });
        self.pushes += usize::from(!is_full);
        // There are never that many slots: a group takes more bytes than the largest number has.
        self.queue.push_back(u32::try_from(at).unwrap_or(u32::MAX));
        if self.queue.len() > 2 * self.pushes + 1024 {
            self.tidy();
        }
    }

    /// Takes the places out of the queue whose pushes are gone.
    fn tidy(&mut self) {
        let slots = &mut self.slots;
        self.queue.retain(|slot| {
            let gone = slots.get_mut(*slot as usize).map(|slot| &mut slot.gone);
            match gone {
                Some(0) => true,
                Some(gone) => {
                    *gone -= 1;
                    false
                }
                None => false,
            }
        });
    }

    /// Lets the oldest pushes go until no more bytes than these are taken.
    fn shrink(&mut self, max_bytes: usize) {
        while self.bytes() > max_bytes {
            let Some(at) = self.queue.pop_front() else { return };
            let at = at as usize;
            let Some(slot) = self.slots.get_mut(at) else {
                continue;
            };
            if let Some(gone) = slot.gone.checked_sub(1) {
                slot.gone = gone;
                continue;
            }
            if slot.pushes.len() <= 1 {
                // The place of the last push has just gone from the queue.
                self.close(at);
                self.reclaim(at);
                continue;
            }
            self.pushes -= 1;
            self.change(at, |slot| {
                slot.pushes.pop_front();
                if slot.pushes.capacity() - slot.pushes.len() >= 2 * ROOM {
                    slot.pushes.shrink_to(slot.pushes.len() + ROOM);
                }
            });
        }
    }

    /// One place less of a closed slot is in the queue than [`Self::close`] has assumed.
    fn reclaim(&mut self, at: usize) {
        if let Some(slot) = self.slots.get_mut(at) {
            slot.gone = slot.gone.saturating_sub(1);
        }
    }

    /// The slot of a group that is known.
    fn find(&self, key: &GroupingKey) -> Option<usize> {
        let is_its = |at: &u32| self.slots.get(*at as usize).and_then(|slot| slot.key.as_ref()) == Some(key);
        let found = self.by_key.find(self.hasher.hash_one(Some(key)), is_its);
        found.map(|at| *at as usize)
    }

    /// The slot of a group.
    fn open(&mut self, key: &GroupingKey) -> usize {
        if let Some(slot) = self.find(key) {
            return slot;
        }
        let at = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            self.slots.len() - 1
        });
        self.change(at, |slot| slot.key = Some(key.clone()));
        let (slots, hasher) = (&self.slots, &self.hasher);
        let hash_of = |at: &u32| hasher.hash_one(slots.get(*at as usize).and_then(|slot| slot.key.as_ref()));
        // There are never that many slots: a group takes more bytes than the largest number has.
        let entry = u32::try_from(at).unwrap_or(u32::MAX);
        self.by_key
            .insert_unique(hasher.hash_one(Some(key)), entry, hash_of);
        at
    }

    fn close(&mut self, at: usize) {
        let Some(slot) = self.slots.get_mut(at) else {
            return;
        };
        let Some(key) = &slot.key else { return };
        let found = self
            .by_key
            .find_entry(self.hasher.hash_one(Some(key)), |known| *known as usize == at);
        if let Ok(entry) = found {
            entry.remove();
        }
        self.bytes -= slot.bytes();
        self.pushes -= slot.pushes.len();
        *slot = Slot {
            gone: slot.gone + u32::try_from(slot.pushes.len()).unwrap_or(0),
            ..Slot::default()
        };
        self.free.push(at);
    }

    /// Changes a slot, and books what that costs.
    fn change(&mut self, at: usize, change: impl FnOnce(&mut Slot)) {
        let Some(slot) = self.slots.get_mut(at) else {
            return;
        };
        let before = slot.bytes();
        change(slot);
        slot.pace = None;
        self.bytes = self.bytes + slot.bytes() - before;
    }

    /// A reason and its number, from 1 on.
    fn reason(&mut self, reason: &str) -> (Arc<str>, u8) {
        let reason = cut(reason, MAX_REASON_BYTES);
        let known = self.reasons.iter().position(|known| **known == *reason);
        let at = known.unwrap_or_else(|| {
            match self.reasons.len() {
                ..MAX_REASONS => self.reasons.push(reason.into()),
                MAX_REASONS => self.reasons.push("other".into()),
                _ => {}
            }
            self.reasons.len() - 1
        });
        let name = self.reasons.get(at).map(Arc::clone).unwrap_or_default();
        (name, u8::try_from(at + 1).unwrap_or(u8::MAX))
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "seven digits are enough, and what is too large becomes infinite"
)]
fn narrow(seconds: f64) -> f32 {
    seconds as f32
}

/// At most so many bytes of a text, whole characters only.
pub(crate) fn cut(text: &str, max_bytes: usize) -> &str {
    let mut ends = (0..=max_bytes.min(text.len())).rev();
    ends.find_map(|end| text.get(..end)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
