//! The keys and values of a shared log.
//!
//! ```text
//! g/ key               a group: its grouping key ([`GroupingKey::as_bytes`])
//! t/ writer / lane     the marker of a writer's lane
//! r/ name              a replica that is there, under its lease
//! s/sweeper            the replica that lets groups expire, under its lease
//! i/ minute / ...      ids of pushes, see [`super::ids`]
//! c/rules              what decides which bytes a push becomes: lines of name, `=`, value
//! u/h/ removal / part  what is said of a part of a removal
//! u/i/ removal / part  what that part took away
//! u/s/ removal         what has become of a removal
//!
//! value of a group = version (1), cause, [time], [count, pushes], form, length of the record, record
//! cause  = 1 pushes, which follow | 2 refusal | 3 restore | 4 expiry | 5 families deleted
//!        | 6 reset, at a time; pushes after it follow
//! push   = mode, families, series, bytes, time, facts
//! facts  = time received, input, method, address, body bytes, series, duration
//! form   = 0 as it is | 1 DEFLATE | 2 snappy
//! ```
//!
//! What belongs to removals is in `removal.rs`.
//!
//! The record is one that replaces the whole group ([`crate::record`]). Strings stand behind a byte that says their length,
//! numbers are little endian.

use std::io::{Read, Write};
use std::net::IpAddr;

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use wharf_model::GroupingKey;
use wharf_shared_log::Bytes;

use crate::UnixNanos;
use crate::aggregation::Aggregation;
use crate::effect::Facts;
use crate::mode::PushMode;
use crate::record;

/// How the keys of groups begin.
pub(super) const GROUPS: &[u8] = b"g/";
/// How the keys of markers begin.
pub(super) const MARKERS: &[u8] = b"t/";
/// How the keys of replicas begin.
pub(super) const REPLICAS: &[u8] = b"r/";
/// How the keys of ids of pushes begin.
pub(super) const IDS: &[u8] = b"i/";
/// The key of the replica that lets groups expire.
pub(super) const SWEEPER: &[u8] = b"s/sweeper";
/// The key of the settings that are in force.
pub(super) const RULES: &[u8] = b"c/rules";

const VERSION: u8 = 1;
const PLAIN: u8 = 0;
const DEFLATE: u8 = 1;
const SNAPPY: u8 = 2;
/// Shorter records are not worth it.
const COMPRESSED_FROM: usize = 256;
/// From here on DEFLATE, which takes half of the room and many times the time: for what is shorter the tables alone that it needs cost more
/// than the push.
const DEFLATED_FROM: usize = 64 << 10;
/// No record is longer.
const MAX_RECORD_BYTES: u64 = 1 << 30;

/// Inputs and methods that a replica of another version may have written, so that they need no memory.
const WORDS: [&str; 13] = [
    "",
    "push",
    "many",
    "aggregate",
    "statsd",
    "textfile",
    "remote_write",
    "otlp",
    "import",
    "PUT",
    "POST",
    "DELETE",
    "other",
];

/// Key and value under which replicas keep a group, from a record of all that it holds ([`Store::images`](crate::Store::images));
/// none if it is another kind of record.
pub fn shared_of_record(record: Vec<u8>) -> Option<(Bytes, Bytes)> {
    let key = group_key(&record::record_key(&record)?);
    let why = Why::Restored;
    Some((key, GroupValue { why, record }.encode()))
}

/// The record of a group, from key and value under which replicas keep it. None for keys of other kinds; without a record, a value
/// that cannot be read.
pub fn record_of_shared(key: &[u8], value: &[u8]) -> Option<(GroupingKey, Option<Vec<u8>>)> {
    let key = group_of(key)?;
    Some((key, GroupValue::decode(value).map(|value| value.record)))
}

/// The key of a group in the log.
pub(super) fn group_key(key: &GroupingKey) -> Bytes {
    [GROUPS, key.as_bytes()].concat().into()
}

/// The group of a key of the log; none if it is another kind of key.
pub(super) fn group_of(key: &[u8]) -> Option<GroupingKey> {
    GroupingKey::from_bytes(key.strip_prefix(GROUPS)?).ok()
}

/// The key of a lane's marker.
pub(super) fn marker_key(writer: u64, lane: u16) -> Bytes {
    [MARKERS, format!("{writer:016x}/{lane}").as_bytes()]
        .concat()
        .into()
}

/// The key of a replica.
pub(super) fn replica_key(name: &str) -> Bytes {
    [REPLICAS, name.as_bytes()].concat().into()
}

/// How the keys begin of what is about removals.
pub(super) const REMOVALS: &[u8] = b"u/";

/// Pushes that one value tells of. Of more that were folded into it, the last ones are told.
pub(super) const MOST_PUSHES: usize = 64;

/// A push that was folded into a value, to be told on every replica.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Booked {
    pub(super) mode: PushMode,
    /// Families that it brought, and how much these are, without the push times.
    pub(super) families: u64,
    pub(super) series: u64,
    pub(super) bytes: u64,
    pub(super) pushed_at: UnixNanos,
    pub(super) facts: Facts,
}

/// Why a group is as it is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Why {
    Pushed(Vec<Booked>),
    Refused,
    Restored,
    Expired,
    /// Families of it, or series.
    FamiliesDeleted,
    /// What it has counted begins anew; pushes came after that.
    Reset {
        at: UnixNanos,
        pushes: Vec<Booked>,
    },
}

/// The value of a group.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct GroupValue {
    pub(super) why: Why,
    /// The record of all that it holds.
    pub(super) record: Vec<u8>,
}

impl GroupValue {
    pub(super) fn encode(&self) -> Bytes {
        let mut out = vec![VERSION];
        match &self.why {
            Why::Pushed(pushes) => {
                out.push(1);
                write_pushes(&mut out, pushes);
            }
            Why::Refused => out.push(2),
            Why::Restored => out.push(3),
            Why::Expired => out.push(4),
            Why::FamiliesDeleted => out.push(5),
            Why::Reset { at, pushes } => {
                out.push(6);
                out.extend_from_slice(&at.0.to_le_bytes());
                write_pushes(&mut out, pushes);
            }
        }
        let compressed =
            compress(&self.record).filter(|(_, compressed)| compressed.len() < self.record.len());
        let (form, bytes) = compressed
            .as_ref()
            .map_or((PLAIN, &self.record), |(form, bytes)| (*form, bytes));
        out.push(form);
        out.extend_from_slice(&(self.record.len() as u64).to_le_bytes());
        out.extend_from_slice(bytes);
        out.into()
    }

    /// What [`Self::encode`] gave; none if the bytes are something else, or of a later version.
    pub(super) fn decode(value: &[u8]) -> Option<Self> {
        let mut reader = Reader(value);
        if reader.byte()? != VERSION {
            return None;
        }
        let why = match reader.byte()? {
            1 => Why::Pushed(reader.pushes()?),
            2 => Why::Refused,
            3 => Why::Restored,
            4 => Why::Expired,
            5 => Why::FamiliesDeleted,
            6 => Why::Reset {
                at: UnixNanos(reader.array().map(i64::from_le_bytes)?),
                pushes: reader.pushes()?,
            },
            _ => return None,
        };
        let form = reader.byte()?;
        let length = reader.number().filter(|length| *length <= MAX_RECORD_BYTES)?;
        let record = match form {
            PLAIN => reader.0.to_vec(),
            DEFLATE => {
                let mut record = Vec::new();
                let mut decoder = DeflateDecoder::new(reader.0).take(length + 1);
                decoder.read_to_end(&mut record).ok()?;
                record
            }
            SNAPPY => {
                // The bytes say how long they become; they are not believed further than what stands beside them.
                let says = snap::raw::decompress_len(reader.0).ok()?;
                if says as u64 != length {
                    return None;
                }
                snap::raw::Decoder::new().decompress_vec(reader.0).ok()?
            }
            _ => return None,
        };
        (record.len() as u64 == length).then_some(Self { why, record })
    }
}

/// A record in a form that is shorter, if it may be worth it.
fn compress(record: &[u8]) -> Option<(u8, Vec<u8>)> {
    if record.len() < COMPRESSED_FROM {
        return None;
    }
    if record.len() < DEFLATED_FROM {
        let bytes = snap::raw::Encoder::new().compress_vec(record).ok()?;
        return Some((SNAPPY, bytes));
    }
    let mut encoder = DeflateEncoder::new(Vec::with_capacity(record.len() / 4), Compression::fast());
    encoder.write_all(record).ok()?;
    Some((DEFLATE, encoder.finish().ok()?))
}

fn mode_code(mode: PushMode) -> u8 {
    match mode {
        PushMode::ReplaceGroup => 0,
        PushMode::ReplaceFamilies => 1,
        PushMode::ReplaceSeries => 2,
        // How is not told.
        PushMode::Aggregate(_) => 3,
    }
}

fn mode_of(code: u8) -> Option<PushMode> {
    let modes = [
        PushMode::ReplaceGroup,
        PushMode::ReplaceFamilies,
        PushMode::ReplaceSeries,
        PushMode::Aggregate(Aggregation::default()),
    ];
    modes.get(usize::from(code)).copied()
}

/// The last of some pushes.
fn write_pushes(out: &mut Vec<u8>, pushes: &[Booked]) {
    let last = pushes.len().saturating_sub(MOST_PUSHES);
    let pushes = pushes.get(last..).unwrap_or_default();
    out.push(u8::try_from(pushes.len()).unwrap_or(0));
    for push in pushes {
        write_push(out, push);
    }
}

fn write_push(out: &mut Vec<u8>, push: &Booked) {
    let Booked {
        mode,
        families,
        series,
        bytes,
        pushed_at,
        facts,
    } = push;
    out.push(mode_code(*mode));
    for number in [families, series, bytes] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    out.extend_from_slice(&pushed_at.0.to_le_bytes());
    write_facts(out, facts);
}

fn write_facts(out: &mut Vec<u8>, facts: &Facts) {
    let Facts {
        received_at,
        input,
        method,
        address,
        body_bytes,
        series,
        duration_seconds,
    } = facts;
    out.extend_from_slice(&received_at.0.to_le_bytes());
    write_text(out, input);
    write_text(out, method.unwrap_or_default());
    write_text(
        out,
        &address.map_or_else(String::new, |address| address.to_string()),
    );
    out.extend_from_slice(&body_bytes.to_le_bytes());
    out.extend_from_slice(&series.to_le_bytes());
    out.extend_from_slice(&duration_seconds.unwrap_or(f64::NAN).to_le_bytes());
}

fn write_text(out: &mut Vec<u8>, text: &str) {
    let length = u8::try_from(text.len()).unwrap_or(0);
    out.push(length);
    out.extend_from_slice(text.as_bytes().get(..usize::from(length)).unwrap_or_default());
}

pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    pub(super) fn array<const LENGTH: usize>(&mut self) -> Option<[u8; LENGTH]> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*bytes)
    }

    fn number(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn text(&mut self) -> Option<&'a str> {
        let length = usize::from(self.byte()?);
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        std::str::from_utf8(text).ok()
    }

    /// One of the words that are known; others are `other`.
    fn word(&mut self) -> Option<&'static str> {
        let text = self.text()?;
        let known = WORDS.into_iter().find(|word| *word == text);
        Some(known.unwrap_or("other"))
    }

    fn pushes(&mut self) -> Option<Vec<Booked>> {
        let count = self.byte()?;
        (0..count).map(|_| self.push()).collect()
    }

    fn push(&mut self) -> Option<Booked> {
        Some(Booked {
            mode: mode_of(self.byte()?)?,
            families: self.number()?,
            series: self.number()?,
            bytes: self.number()?,
            pushed_at: UnixNanos(i64::from_le_bytes(self.array()?)),
            facts: self.facts()?,
        })
    }

    fn facts(&mut self) -> Option<Facts> {
        let received_at = UnixNanos(i64::from_le_bytes(self.array()?));
        let input = self.word()?;
        let method = Some(self.word()?).filter(|method| !method.is_empty());
        let address: Option<IpAddr> = self.text()?.parse().ok();
        let (body_bytes, series) = (self.number()?, self.number()?);
        let duration = f64::from_le_bytes(self.array()?);
        Some(Facts {
            received_at,
            input,
            method,
            address,
            body_bytes,
            series,
            duration_seconds: Some(duration).filter(|duration| !duration.is_nan()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        Facts {
            received_at: UnixNanos(7),
            input: "push",
            method: Some("PUT"),
            address: "2001:db8::1".parse().ok(),
            body_bytes: 1200,
            series: 10,
            duration_seconds: Some(1.5),
        }
    }

    fn booked(mode: PushMode, facts: Facts) -> Booked {
        Booked {
            mode,
            families: 2,
            series: 10,
            bytes: 900,
            pushed_at: UnixNanos(-5),
            facts,
        }
    }

    /// Values of every kind.
    fn values() -> Vec<GroupValue> {
        let whys = [
            Why::Pushed(vec![booked(PushMode::ReplaceSeries, facts())]),
            Why::Pushed(vec![
                booked(PushMode::ReplaceGroup, Facts::default()),
                booked(PushMode::ReplaceFamilies, facts()),
            ]),
            Why::Refused,
            Why::Restored,
            Why::Expired,
            Why::FamiliesDeleted,
            Why::Reset {
                at: UnixNanos(-1),
                pushes: vec![booked(PushMode::Aggregate(Aggregation::default()), facts())],
            },
        ];
        let records = [b"short".to_vec(), b"x".repeat(5000), b"x".repeat(DEFLATED_FROM)];
        let values = whys.into_iter().flat_map(|why| {
            records.clone().map(|record| GroupValue {
                why: why.clone(),
                record,
            })
        });
        values.collect()
    }

    #[test]
    fn a_value_is_read_back_and_no_part_of_it_is_one() {
        for value in values() {
            let bytes = value.encode();
            assert_eq!(GroupValue::decode(&bytes), Some(value));
            for end in (0..bytes.len()).step_by(1 + bytes.len() / 500) {
                assert_eq!(
                    GroupValue::decode(&bytes[..end]),
                    None,
                    "{end} of {}",
                    bytes.len()
                );
            }
        }
    }

    /// Values as version 1 writes them, one a line, in hexadecimal digits. They are read for ever.
    const VERSION_1: &str = include_str!("../../../tests/fixtures/shared-values-v1");

    #[test]
    fn values_of_version_1_are_read() {
        let kept = VERSION_1.lines().map(|line| {
            let bytes = (0..line.len() / 2).map(|at| u8::from_str_radix(&line[2 * at..2 * at + 2], 16));
            GroupValue::decode(&bytes.collect::<Result<Vec<_>, _>>().unwrap()).unwrap()
        });
        assert_eq!(kept.collect::<Vec<_>>(), values());
    }

    #[test]
    #[ignore = "prints the fixture; run it once for a version, before its release"]
    fn print_version_1() {
        for value in values() {
            let digits: Vec<_> = value.encode().iter().map(|byte| format!("{byte:02x}")).collect();
            println!("{}", digits.concat());
        }
    }

    #[test]
    fn a_later_version_and_a_record_of_another_length_are_refused() {
        let why = Why::Refused;
        let value = GroupValue {
            why,
            record: b"x".repeat(5000),
        };
        let bytes = value.encode().to_vec();
        let changed = |at: usize, byte: u8| {
            let mut bytes = bytes.clone();
            bytes[at] = byte;
            GroupValue::decode(&bytes)
        };
        assert_eq!(changed(0, 2), None);
        assert_eq!(changed(3, 0x87), None);
        assert_eq!(changed(10, 1), None);
    }

    #[test]
    fn a_word_of_another_version_is_other() {
        let facts = Facts {
            input: "carrier pigeon",
            ..facts()
        };
        let value = GroupValue {
            why: Why::Pushed(vec![booked(PushMode::ReplaceGroup, facts); MOST_PUSHES + 1]),
            record: Vec::new(),
        };
        let read = GroupValue::decode(&value.encode()).map(|value| value.why);
        let Some(Why::Pushed(pushes)) = read else {
            panic!("{read:?}")
        };
        assert_eq!(pushes.len(), MOST_PUSHES);
        let facts = pushes[0].facts;
        assert_eq!((facts.input, facts.series), ("other", 10));
    }

    #[test]
    fn keys_are_read_back() {
        let key = GroupingKey::new([("job", "a"), ("x", "/")]).unwrap();
        assert_eq!(group_of(&group_key(&key)), Some(key));
        assert_eq!(group_of(&marker_key(7, 1)), None);
        assert_eq!(&*marker_key(7, 1), b"t/0000000000000007/1");
    }
}
