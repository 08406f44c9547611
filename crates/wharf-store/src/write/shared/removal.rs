//! What removals are in the log: who removed what, until when that is kept, and what has become of it.
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

use wharf_shared_log::{Bytes, Key};

use super::value::{GroupValue, REMOVALS, Why};
use crate::UnixNanos;
use crate::removed::summary::{Removed, Summary};

const VERSION: u8 = 1;
const HEADS: &[u8] = b"u/h/";
const IMAGES: &[u8] = b"u/i/";
const STATES: &[u8] = b"u/s/";
/// Flag of the first part of a wipe.
const IS_WIPE: u8 = 1;
/// The part of a wipe that is written with it.
const FIRST_PART: &str = "0";
/// The name of a removal in the keys of the log.
pub(super) type Name = Bytes;

/// The name of a writer's removal of this number.
pub(super) fn name_of(writer: u64, number: u64) -> Name {
    format!("{writer:016x}-{number:x}").into()
}

/// The writer that has named it.
pub(super) fn writer_of(name: &[u8]) -> Option<u64> {
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

    pub(super) fn decode(value: &[u8]) -> Option<Self> {
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

    pub(super) fn decode(value: &[u8]) -> Option<Self> {
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

/// The part that a wipe writes with itself.
pub(super) fn first_part() -> &'static str {
    FIRST_PART
}

/// What a key is about.
pub(super) enum About {
    /// What is said of a part.
    Head(Name, String),
    State(Name),
}

/// What a key is about that memory has to know; none of others.
pub(super) fn about(key: &[u8]) -> Option<About> {
    if !key.starts_with(REMOVALS) {
        return None;
    }
    if let Some(name) = key.strip_prefix(STATES) {
        return Some(About::State(Bytes::copy_from_slice(name)));
    }
    let (name, part) = split(key.strip_prefix(HEADS)?)?;
    Some(About::Head(name, part))
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
    use crate::removed::summary::Counts;

    #[test]
    fn heads_and_states_are_read_back_and_no_part_of_them_is_one() {
        let head = Head {
            place: 3,
            is_wipe: true,
            until: UnixNanos(50),
            stored: 100,
            removed: Removed {
                of: crate::Revision::default(),
                at: UnixNanos(10),
                kind: RemovalKind::Selector,
                is_recovered: false,
                author: Author::default(),
                counts: Counts::default(),
            },
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
    fn keys_tell_what_they_are_about() {
        let name = name_of(u64::MAX, 17);
        assert_eq!(writer_of(&name), Some(u64::MAX));
        let is_head = |key: Key| matches!(about(&key), Some(About::Head(found, part)) if found == name && part == "1.9");
        assert!(is_head(head_key(&name, "1.9")));
        assert!(matches!(about(&state_key(&name)), Some(About::State(found)) if found == name));
        assert!(about(&image_key(&name, "1.9")).is_none());
        assert!(about(b"g/x").is_none() && about(b"u/h/without a part").is_none());
    }
}
