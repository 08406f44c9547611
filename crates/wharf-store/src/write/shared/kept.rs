//! What the log says of removals: who removed what, until when that is kept, and what has become of it.
//!
//! ```text
//! u/h/ removal / part = version (1), place in its transaction, flags, until, bytes of the images, summary
//! u/i/ removal / part = in the form of a group's value: the length of a record, the record, and so on
//! u/s/ removal        = version (1), state, time
//! flags  = 1: of everything, and the images are still to be written
//! state  = 1 undone | 2 all images are written | 3 later ones needed the place | 4 too large | 5 forgotten
//! ```
//!
//! A removal of groups or families writes what it takes away in the transaction that takes it away. A wipe takes everything at once, so
//! its transaction writes one part without images; what the log had right before is copied from its history then.

use std::collections::BTreeMap;

use wharf_shared_log::{Bytes, Key, Revision};

use super::value::{GroupValue, REMOVALS, Why};
use crate::UnixNanos;
use crate::removed::summary::{Counts, Removed, Summary};
use crate::removed::{Removal, RemovalState, RemovedStatus, WhyLost};

const VERSION: u8 = 1;
const HEADS: &[u8] = b"u/h/";
const IMAGES: &[u8] = b"u/i/";
const STATES: &[u8] = b"u/s/";
/// Flag of the first part of a wipe.
const IS_WIPE: u8 = 1;
/// The part of a wipe that is written with it.
const FIRST_PART: &str = "0";
/// Removals of one transaction: so a number made of its revision and a place in it is one removal's.
const PLACES: u64 = 128;

/// The name of a removal in the keys of the log.
pub(super) type Name = Bytes;

/// The name of a writer's removal of this number.
pub(super) fn name_of(writer: u64, number: u64) -> Name {
    format!("{writer:016x}-{number:x}").into()
}

/// The writer that has named it.
fn writer_of(name: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(name.get(..16)?).ok()?;
    u64::from_str_radix(digits, 16).ok()
}

fn key_of(kind: &[u8], name: &[u8], part: &str) -> Key {
    [kind, name, b"/", part.as_bytes()].concat().into()
}

/// How the keys of all images begin: nobody needs them in memory.
pub(super) fn images() -> Key {
    IMAGES.into()
}

/// The key of what is said of a part.
pub(super) fn head_key(name: &Name, part: &str) -> Key {
    key_of(HEADS, name, part)
}

/// The key of what a part took away.
pub(super) fn image_key(name: &Name, part: &str) -> Key {
    key_of(IMAGES, name, part)
}

/// The key of what has become of it.
pub(super) fn state_key(name: &Name) -> Key {
    [STATES, &**name].concat().into()
}

/// How all keys of this kind begin that a removal has.
pub(super) fn all_heads(name: &Name) -> Key {
    key_of(HEADS, name, "")
}

/// The same of images.
pub(super) fn all_images(name: &Name) -> Key {
    key_of(IMAGES, name, "")
}

/// What is said of a part of a removal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    /// The how many-th removal of its transaction it is.
    pub(super) place: u8,
    /// Whether it is a wipe, with nothing of what it took yet.
    pub(super) is_wipe: bool,
    pub(super) until: UnixNanos,
    /// Bytes of its images, as the log has them.
    pub(super) stored: u64,
    pub(super) removed: Removed,
}

impl Head {
    pub(super) fn encode(&self) -> Bytes {
        let mut out = vec![VERSION, self.place, if self.is_wipe { IS_WIPE } else { 0 }];
        out.extend_from_slice(&self.until.0.to_le_bytes());
        out.extend_from_slice(&self.stored.to_le_bytes());
        out.extend(Summary::Removed(self.removed.clone()).encode());
        out.into()
    }

    fn decode(value: &[u8]) -> Option<Self> {
        let ([VERSION, place, flags], rest) = value.split_first_chunk()? else {
            return None;
        };
        let (until, rest) = rest.split_first_chunk()?;
        let (stored, rest) = rest.split_first_chunk()?;
        let Some(Summary::Removed(removed)) = Summary::decode(rest) else {
            return None;
        };
        Some(Self {
            place: *place,
            is_wipe: flags & IS_WIPE != 0,
            until: UnixNanos(i64::from_le_bytes(*until)),
            stored: u64::from_le_bytes(*stored),
            removed,
        })
    }
}

/// Records of groups as they were, as a value of the log.
pub(super) fn encode_images<'r>(records: impl IntoIterator<Item = &'r [u8]>) -> Bytes {
    let mut record = Vec::new();
    for image in records {
        let length = u32::try_from(image.len()).unwrap_or(u32::MAX);
        record.extend_from_slice(&length.to_le_bytes());
        record.extend_from_slice(image);
    }
    let why = Why::Restored;
    GroupValue { why, record }.encode()
}

/// The records of such a value; none if it is something else, or of a later version.
pub(super) fn decode_images(value: &[u8]) -> Option<Vec<Vec<u8>>> {
    let joined = GroupValue::decode(value)?.record;
    let mut rest = &*joined;
    let mut records = Vec::new();
    while !rest.is_empty() {
        let (length, behind) = rest.split_first_chunk()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let (record, behind) = behind.split_at_checked(length)?;
        records.push(record.to_vec());
        rest = behind;
    }
    Some(records)
}

/// What has become of a removal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Became {
    Undone(UnixNanos),
    /// All that a wipe took is kept.
    Written,
    MadeRoom,
    TooLarge,
    Forgotten,
}

impl Became {
    pub(super) fn encode(self) -> Bytes {
        let (code, at) = match self {
            Self::Undone(at) => (1, at),
            Self::Written => (2, UnixNanos::default()),
            Self::MadeRoom => (3, UnixNanos::default()),
            Self::TooLarge => (4, UnixNanos::default()),
            Self::Forgotten => (5, UnixNanos::default()),
        };
        let mut out = vec![VERSION, code];
        out.extend_from_slice(&at.0.to_le_bytes());
        out.into()
    }

    fn decode(value: &[u8]) -> Option<Self> {
        let ([VERSION, code], rest) = value.split_first_chunk()? else {
            return None;
        };
        let at = UnixNanos(i64::from_le_bytes(*rest.first_chunk()?));
        match code {
            1 => Some(Self::Undone(at)),
            2 => Some(Self::Written),
            3 => Some(Self::MadeRoom),
            4 => Some(Self::TooLarge),
            5 => Some(Self::Forgotten),
            _ => None,
        }
    }
}

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
    removed: Removed,
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
        if !key.starts_with(REMOVALS) {
            return;
        }
        if let Some(name) = key.strip_prefix(STATES) {
            if let (Some(entry), Some(value)) = (self.entries.get_mut(name), value) {
                entry.became = Became::decode(value);
            }
            return;
        }
        let Some((name, part)) = key.strip_prefix(HEADS).and_then(split) else {
            return;
        };
        match value.map(|value| Head::decode(value)) {
            Some(Some(head)) => self.add(name, part, at, head, now),
            // Of a later version: it looks after that itself.
            Some(None) => {}
            None => self.drop_part(&name, &part),
        }
    }

    fn add(&mut self, name: Name, part: String, at: Revision, head: Head, now: UnixNanos) {
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

    /// How removals are kept, as far as the log says it.
    pub(super) fn status(&self, now: UnixNanos, status: RemovedStatus) -> RemovedStatus {
        let kept = self.entries.values();
        let kept = kept.filter(|entry| now < entry.until && entry.state(0) == RemovalState::Kept);
        RemovedStatus {
            bytes: self.entries.values().map(Entry::stored).sum(),
            removals: kept.count() as u64,
            ..status
        }
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

/// The part that a wipe writes with itself.
pub(super) fn first_part() -> &'static str {
    FIRST_PART
}

/// Name and part of what stands behind the kind of a key.
fn split(rest: &[u8]) -> Option<(Name, String)> {
    let slash = rest.iter().position(|byte| *byte == b'/')?;
    let (name, part) = rest.split_at_checked(slash)?;
    let part = std::str::from_utf8(part.get(1..)?).ok()?;
    Some((Bytes::copy_from_slice(name), part.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Author;
    use crate::removed::RemovalKind;

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
    fn heads_and_states_are_read_back_and_no_part_of_them_is_one() {
        let head = Head {
            is_wipe: true,
            ..head(2, 50)
        };
        let bytes = head.encode();
        assert_eq!(Head::decode(&bytes), Some(head));
        for end in 0..bytes.len() {
            assert_eq!(Head::decode(&bytes[..end]), None, "{end}");
        }
        for became in [
            Became::Undone(UnixNanos(-7)),
            Became::Written,
            Became::MadeRoom,
            Became::TooLarge,
            Became::Forgotten,
        ] {
            let bytes = became.encode();
            assert_eq!(Became::decode(&bytes), Some(became));
            for end in 0..bytes.len() {
                assert_eq!(Became::decode(&bytes[..end]), None, "{end}");
            }
        }
    }

    #[test]
    fn images_are_read_back_and_a_length_is_not_believed() {
        for records in [vec![], vec![b"a".to_vec(), vec![], b"x".repeat(100_000)]] {
            let value = encode_images(records.iter().map(Vec::as_slice));
            assert_eq!(decode_images(&value), Some(records));
        }
        let why = Why::Restored;
        let record = vec![5, 0, 0, 0, 1];
        assert_eq!(decode_images(&GroupValue { why, record }.encode()), None);
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
            assert_eq!(kept.over(UnixNanos(50), 10), [name.clone()]);
            assert_eq!(kept.over(UnixNanos(20), 0), [name.clone()]);
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
