//! Which removals there are, and what has become of each.

use std::collections::VecDeque;

use wharf_ledger::Place;

use super::summary::{Counts, Removed};
use super::{Removal, RemovalState, WhyLost};
use crate::{Revision, UnixNanos};

/// Removals that are known. Beyond that the oldest is forgotten, and cannot be undone any more.
pub(crate) const MOST: usize = 10_000;

/// All removals, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Book {
    entries: VecDeque<Entry>,
}

#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) removal: Removal,
    /// One, or as many as there were steps.
    parts: Vec<Part>,
    /// Where it is written that it was undone.
    note: Option<Place>,
    /// Somebody is about to undo it.
    is_busy: bool,
}

/// What was removed as one record of the ledger.
#[derive(Debug)]
struct Part {
    revision: Revision,
    /// None as long as it is not written.
    place: Option<Place>,
}

/// Which files nobody needs any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Over {
    All,
    Before(u64),
}

/// Why a removal is not undone.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum NotNow {
    /// It is not known.
    Unknown,
    /// It was undone then.
    Undone(UnixNanos),
    /// It cannot be.
    Lost(WhyLost),
    /// Somebody is about to.
    Busy,
    /// It has not been written yet.
    Waiting,
}

impl Book {
    /// Adds a removal, or a part of one, of so many groups.
    pub(crate) fn add(&mut self, revision: Revision, removed: &Removed, groups: u64, until: UnixNanos) {
        let part = Part {
            revision,
            place: None,
        };
        if let Some(entry) = self.get_mut(removed.of) {
            if entry.parts.iter().all(|known| known.revision != revision) {
                entry.parts.push(part);
                entry.removal.groups += groups;
            }
            return;
        }
        let entry = Entry {
            removal: Removal {
                id: removed.of,
                at: removed.at,
                kind: removed.kind,
                author: removed.author.clone(),
                groups,
                series: 0,
                bytes: 0,
                until,
                is_recovered: removed.is_recovered,
                state: RemovalState::Kept,
            },
            parts: vec![part],
            note: None,
            is_busy: false,
        };
        let at = self
            .entries
            .partition_point(|entry| entry.removal.id < removed.of);
        self.entries.insert(at, entry);
        while self.entries.len() > MOST {
            self.entries.pop_front();
        }
    }

    /// A part is written here, and is so much.
    pub(crate) fn placed(&mut self, of: Revision, revision: Revision, place: Place, counts: Counts) {
        let Some(entry) = self.get_mut(of) else { return };
        let part = entry.parts.iter_mut().find(|part| part.revision == revision);
        if let Some(part) = part
            && part.place.is_none()
        {
            part.place = Some(place);
            entry.removal.series += counts.series;
            entry.removal.bytes += counts.bytes;
        }
    }

    /// It cannot be undone.
    pub(crate) fn lose(&mut self, of: Revision, why: WhyLost) {
        if let Some(entry) = self.get_mut(of)
            && entry.removal.state == RemovalState::Kept
        {
            entry.removal.state = RemovalState::Lost(why);
        }
    }

    /// It was undone, which is written there.
    pub(crate) fn undone(&mut self, of: Revision, at: UnixNanos, note: Option<Place>) {
        if let Some(entry) = self.get_mut(of) {
            entry.removal.state = RemovalState::Undone(at);
            entry.note = note;
        }
    }

    /// What was made after this did not happen.
    pub(crate) fn take_back(&mut self, after: Revision) {
        for entry in &mut self.entries {
            entry.parts.retain(|part| part.revision <= after);
        }
        self.entries.retain(|entry| !entry.parts.is_empty());
    }

    /// Files before this one have gone.
    pub(crate) fn forget_before(&mut self, first_file: u64) {
        for entry in &mut self.entries {
            let is_gone = |part: &Part| part.place.is_some_and(|place| place.file < first_file);
            if entry.removal.state == RemovalState::Kept && entry.parts.iter().any(is_gone) {
                entry.removal.state = RemovalState::Lost(WhyLost::MadeRoom);
            }
        }
    }

    /// Forgets those whose time is over. What may go, if there were any.
    pub(crate) fn expire(&mut self, now: UnixNanos) -> Option<Over> {
        let is_over = |entry: &Entry| entry.removal.until <= now && !entry.is_busy;
        let before = self.entries.len();
        self.entries.retain(|entry| !is_over(entry));
        if self.entries.len() == before {
            return None;
        }
        let needed = self
            .entries
            .iter()
            .flat_map(Entry::places)
            .map(|place| place.file);
        Some(needed.min().map_or(Over::All, Over::Before))
    }

    /// Forgets all.
    pub(crate) fn clear(&mut self) {
        self.entries.clear();
    }

    /// Begins to undo one: where its parts are.
    pub(crate) fn begin(&mut self, id: Revision, now: UnixNanos) -> Result<Vec<Place>, NotNow> {
        let places = self.places(id, now)?;
        if let Some(entry) = self.get_mut(id) {
            entry.is_busy = true;
        }
        Ok(places)
    }

    /// Where the parts are of one that could be undone.
    pub(crate) fn places(&self, id: Revision, now: UnixNanos) -> Result<Vec<Place>, NotNow> {
        let entry = self.get(id).filter(|entry| now < entry.removal.until);
        let entry = entry.ok_or(NotNow::Unknown)?;
        match &entry.removal.state {
            RemovalState::Kept if entry.is_busy => Err(NotNow::Busy),
            RemovalState::Kept => {
                let places = entry.parts.iter().map(|part| part.place.ok_or(NotNow::Waiting));
                places.collect()
            }
            RemovalState::Undone(at) => Err(NotNow::Undone(*at)),
            RemovalState::Lost(why) => Err(NotNow::Lost(why.clone())),
        }
    }

    /// Nobody is about to undo it any more.
    pub(crate) fn end(&mut self, id: Revision) {
        if let Some(entry) = self.get_mut(id) {
            entry.is_busy = false;
        }
    }

    /// Those whose time is not over, newest first.
    pub(crate) fn newest_first(&self, now: UnixNanos) -> impl Iterator<Item = &Removal> {
        let entries = self.entries.iter().rev().map(|entry| &entry.removal);
        entries.filter(move |removal| now < removal.until)
    }

    pub(crate) fn get(&self, id: Revision) -> Option<&Entry> {
        let at = self
            .entries
            .binary_search_by_key(&id, |entry| entry.removal.id)
            .ok()?;
        self.entries.get(at)
    }

    fn get_mut(&mut self, id: Revision) -> Option<&mut Entry> {
        let at = self
            .entries
            .binary_search_by_key(&id, |entry| entry.removal.id)
            .ok()?;
        self.entries.get_mut(at)
    }
}

impl Entry {
    fn places(&self) -> impl Iterator<Item = Place> {
        let parts = self.parts.iter().filter_map(|part| part.place);
        parts.chain(self.note)
    }
}
