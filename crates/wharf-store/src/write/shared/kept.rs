//! All removals that the log knows of.

use std::collections::BTreeMap;

use wharf_shared_log::{Bytes, Key, Revision};

use super::removal::{About, Became, Head, Name, about, writer_of};
use crate::UnixNanos;
use crate::removed::summary::{Counts, Removed};
use crate::removed::{Removal, RemovalState, WhyLost};

/// Removals of one transaction: so a number made of its revision and a place in it is one removal's.
const PLACES: u64 = 128;

/// All removals that the log knows of.
#[derive(Debug, Default)]
pub(super) struct Kept {
    entries: BTreeMap<Name, Entry>,
}

/// A removal, as its parts say.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) id: crate::Revision,
    pub(super) until: UnixNanos,
    /// What the first part says that has come.
    pub(super) removed: Removed,
    parts: BTreeMap<String, Part>,
    became: Option<Became>,
    /// If it is a wipe, the revision of it.
    pub(super) wiped_at: Option<Revision>,
    /// Somebody is about to undo it, here.
    pub(super) is_busy: bool,
}

#[derive(Debug, Clone, Copy)]
struct Part {
    at: Revision,
    place: u8,
    has_images: bool,
    stored: u64,
    counts: Counts,
}

impl Entry {
    /// Bytes that the log has of it.
    fn stored(&self) -> u64 {
        match self.became {
            // The images are gone.
            Some(Became::Undone(_) | Became::MadeRoom | Became::TooLarge | Became::Forgotten) => 0,
            Some(Became::Written) | None => self.parts.values().map(|part| part.stored).sum(),
        }
    }

    /// Whether it is a wipe of which something is still to be written.
    pub(super) fn is_unfinished(&self) -> bool {
        self.wiped_at.is_some() && self.became.is_none()
    }

    /// The part that says that it was, with its revision: as long as it is there, so is the removal.
    pub(super) fn witness(&self) -> Option<(&str, Revision)> {
        let (part, Part { at, .. }) = self.parts.first_key_value()?;
        Some((part, *at))
    }

    pub(super) fn parts(&self) -> Vec<String> {
        let parts = self.parts.iter().filter(|(_, part)| part.has_images);
        parts.map(|(name, _)| name.clone()).collect()
    }

    pub(super) fn state(&self, max_bytes: u64) -> RemovalState {
        match self.became {
            None | Some(Became::Written) => RemovalState::Kept,
            Some(Became::Undone(at)) => RemovalState::Undone(at),
            Some(Became::MadeRoom) => RemovalState::Lost(WhyLost::MadeRoom),
            Some(Became::TooLarge) => RemovalState::Lost(WhyLost::TooLarge { max_bytes }),
            Some(Became::Forgotten) => RemovalState::Lost(WhyLost::Forgotten),
        }
    }

    fn removal(&self, max_bytes: u64) -> Removal {
        let mut counts = Counts::default();
        for part in self.parts.values() {
            counts.add(part.counts);
        }
        Removal {
            id: self.id,
            at: self.removed.at,
            kind: self.removed.kind,
            author: self.removed.author.clone(),
            groups: counts.groups,
            series: counts.series,
            bytes: counts.bytes,
            until: self.until,
            is_recovered: false,
            state: self.state(max_bytes),
        }
    }
}

impl Kept {
    /// Takes note of a key, if it is about a removal.
    pub(super) fn note(&mut self, key: &Key, at: Revision, value: Option<&Bytes>, now: UnixNanos) {
        let (name, part) = match about(key) {
            Some(About::Head(name, part)) => (name, part),
            Some(About::State(name)) => {
                if let (Some(entry), Some(value)) = (self.entries.get_mut(&name), value) {
                    entry.became = Became::decode(value);
                }
                return;
            }
            None => return,
        };
        match value.map(|value| Head::decode(value)) {
            Some(Some(head)) => self.add(name, part, at, &head, now),
            // Of a later version: it looks after that itself.
            Some(None) => {}
            None => self.drop_part(&name, &part),
        }
    }

    fn add(&mut self, name: Name, part: String, at: Revision, head: &Head, now: UnixNanos) {
        // A clock that was wrong must not keep something for ever.
        let span = head.until.0.saturating_sub(head.removed.at.0);
        let until = UnixNanos(head.removed.at.min(now).0.saturating_add(span));
        let added = Part {
            at,
            place: head.place,
            has_images: !head.is_wipe,
            stored: head.stored,
            counts: head.removed.counts,
        };
        let entry = self.entries.entry(name).or_insert_with(|| Entry {
            id: crate::Revision::default(),
            until,
            removed: head.removed.clone(),
            parts: BTreeMap::new(),
            became: None,
            wiped_at: None,
            is_busy: false,
        });
        entry.parts.insert(part, added);
        if head.is_wipe {
            entry.wiped_at = Some(at);
        }
        let first = entry.parts.values().map(|part| (part.at, part.place)).min();
        if let Some((at, place)) = first {
            entry.id = crate::Revision(at.0.saturating_mul(PLACES) + u64::from(place));
        }
    }

    fn drop_part(&mut self, name: &Name, part: &str) {
        if let Some(entry) = self.entries.get_mut(name) {
            entry.parts.remove(part);
            if entry.parts.is_empty() {
                self.entries.remove(name);
            }
        }
    }

    /// A removal by the name that it has in the log.
    pub(super) fn get(&self, name: &Name) -> Option<&Entry> {
        self.entries.get(name)
    }

    /// One by its number, if its time is not over.
    pub(super) fn by_id(&self, id: crate::Revision, now: UnixNanos) -> Option<(&Name, &Entry)> {
        let mut entries = self.entries.iter();
        entries.find(|(_, entry)| entry.id == id && now < entry.until)
    }

    pub(super) fn removal(&self, id: crate::Revision, now: UnixNanos, max_bytes: u64) -> Option<Removal> {
        self.by_id(id, now).map(|(_, entry)| entry.removal(max_bytes))
    }

    /// Somebody is about to undo it, or has ended that.
    pub(super) fn set_busy(&mut self, name: &Name, is_busy: bool) {
        if let Some(entry) = self.entries.get_mut(name) {
            entry.is_busy = is_busy;
        }
    }

    /// Up to so many removals whose time is not over, newest first, from before this one on.
    pub(super) fn list(
        &self,
        before: Option<crate::Revision>,
        limit: usize,
        now: UnixNanos,
        max_bytes: u64,
    ) -> Vec<Removal> {
        let entries = self.entries.values();
        let entries = entries.filter(|entry| now < entry.until && before.is_none_or(|id| entry.id < id));
        let mut entries: Vec<&Entry> = entries.collect();
        entries.sort_unstable_by_key(|entry| std::cmp::Reverse(entry.id));
        entries.truncate(limit);
        let removals = entries.into_iter().map(|entry| entry.removal(max_bytes));
        removals.collect()
    }

    /// Bytes that the log has of what was removed.
    pub(super) fn bytes(&self) -> u64 {
        self.entries.values().map(Entry::stored).sum()
    }

    /// Removals that can be undone.
    pub(super) fn count(&self, now: UnixNanos) -> usize {
        let kept = self.entries.values();
        kept.filter(|entry| now < entry.until && entry.state(0) == RemovalState::Kept)
            .count()
    }

    /// Removals whose time is over, or the oldest where there are more than so many.
    pub(super) fn over(&self, now: UnixNanos, most: usize) -> Vec<Name> {
        let mut by_age: Vec<(crate::Revision, &Name)> = self
            .entries
            .iter()
            .map(|(name, entry)| (entry.id, name))
            .collect();
        by_age.sort_unstable();
        let too_many = by_age.len().saturating_sub(most);
        let over = by_age.iter().enumerate().filter(|(number, (_, name))| {
            let is_over = self.entries.get(*name).is_some_and(|entry| entry.until <= now);
            *number < too_many || is_over
        });
        over.map(|(_, (_, name))| (*name).clone()).collect()
    }

    /// Removals that have to go, oldest first, so that no more than so many bytes are kept.
    pub(super) fn beyond(&self, max_bytes: u64) -> Vec<(Name, Entry)> {
        let mut kept: Vec<(&Name, &Entry)> = self.entries.iter().collect();
        kept.retain(|(_, entry)| entry.stored() > 0);
        kept.sort_unstable_by_key(|(_, entry)| entry.id);
        let mut bytes: u64 = kept.iter().map(|(_, entry)| entry.stored()).sum();
        let mut beyond = Vec::new();
        for (name, entry) in kept {
            if bytes <= max_bytes {
                break;
            }
            bytes -= entry.stored();
            beyond.push((name.clone(), entry.clone()));
        }
        beyond
    }

    /// Up to where the log may forget its history: what a wipe took is written from there.
    pub(super) fn oldest_needed(&self) -> Option<Revision> {
        let unfinished = self.entries.values().filter(|entry| entry.is_unfinished());
        let before = unfinished.filter_map(|entry| Some(Revision(entry.wiped_at?.0.saturating_sub(1))));
        before.min()
    }

    /// Wipes of which something is still to be written, with the writers that have made them.
    pub(super) fn unfinished(&self) -> Vec<(Option<u64>, Name, Revision, Head)> {
        let entries = self.entries.iter().filter(|(_, entry)| entry.is_unfinished());
        let unfinished = entries.filter_map(|(name, entry)| {
            let head = Head {
                place: 0,
                is_wipe: false,
                until: entry.until,
                stored: 0,
                removed: entry.removed.clone(),
            };
            Some((writer_of(name), name.clone(), entry.wiped_at?, head))
        });
        unfinished.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Author;
    use crate::removed::RemovalKind;
    use crate::write::shared::removal::{head_key, name_of, state_key};

    fn head(groups: u64, until: i64) -> Head {
        Head {
            place: 3,
            is_wipe: false,
            until: UnixNanos(until),
            stored: 100,
            removed: Removed {
                of: crate::Revision::default(),
                at: UnixNanos(10),
                kind: RemovalKind::Selector,
                is_recovered: false,
                author: Author::default(),
                counts: Counts {
                    groups,
                    series: 2 * groups,
                    bytes: 30,
                },
            },
        }
    }

    #[test]
    fn a_removal_is_what_its_parts_say_whatever_comes_first() {
        let name = name_of(7, 1);
        let (a, b) = (head(1, 50).encode(), head(2, 50).encode());
        let notes = [("0.4", 40, &a), ("1.9", 30, &b)];
        for order in [[0, 1], [1, 0]] {
            let mut kept = Kept::default();
            for index in order {
                let (part, at, value) = notes[index];
                kept.note(&head_key(&name, part), Revision(at), Some(value), UnixNanos(20));
            }
            let removals = kept.list(None, 10, UnixNanos(20), 0);
            assert_eq!(removals.len(), 1);
            assert_eq!(removals[0].id, crate::Revision(30 * PLACES + 3));
            assert_eq!((removals[0].groups, removals[0].series), (3, 6));
            assert_eq!(kept.list(None, 10, UnixNanos(50), 0), []);
            assert_eq!(kept.over(UnixNanos(50), 10), std::slice::from_ref(&name));
            assert_eq!(kept.over(UnixNanos(20), 0), std::slice::from_ref(&name));
            assert_eq!(kept.beyond(200).len(), 0);
            assert_eq!(kept.beyond(199).len(), 1);
            let undone = Became::Undone(UnixNanos(25)).encode();
            kept.note(&state_key(&name), Revision(50), Some(&undone), UnixNanos(25));
            assert_eq!(kept.beyond(0).len(), 0);
            for (part, ..) in notes {
                kept.note(&head_key(&name, part), Revision(60), None, UnixNanos(25));
            }
            assert!(kept.get(&name).is_none());
        }
    }

    #[test]
    fn history_is_needed_from_before_a_wipe_until_what_it_took_is_written() {
        let mut kept = Kept::default();
        for (writer, at) in [(1, 50), (2, 40), (3, 60)] {
            let wipe = Head {
                is_wipe: true,
                ..head(0, 50)
            };
            let key = head_key(&name_of(writer, 1), "0");
            kept.note(&key, Revision(at), Some(&wipe.encode()), UnixNanos(20));
        }
        kept.note(
            &head_key(&name_of(4, 1), "0"),
            Revision(30),
            Some(&head(1, 50).encode()),
            UnixNanos(20),
        );
        for (written, needed) in [(2, Some(49)), (3, Some(49)), (1, None)] {
            let state = Became::Written.encode();
            kept.note(
                &state_key(&name_of(written, 1)),
                Revision(70),
                Some(&state),
                UnixNanos(25),
            );
            assert_eq!(kept.oldest_needed(), needed.map(Revision));
        }
    }

    #[test]
    fn a_clock_that_was_ahead_keeps_nothing_longer() {
        let mut kept = Kept::default();
        let name = name_of(1, 1);
        kept.note(
            &head_key(&name, "0"),
            Revision(1),
            Some(&head(1, 40).encode()),
            UnixNanos(2),
        );
        assert_eq!(kept.get(&name).map(|entry| entry.until), Some(UnixNanos(32)));
    }
}
