//! The bytes of the file.
//!
//! ```text
//! file    "WHARFHIS" version:u32, then frames
//! frame   length:u32 checksum:u32 checksum:u32 records    length and CRC-32 of the records, CRC-32 of these two
//! record  1 key push error        a push; error is empty if it was stored
//!         2 key at_ms:i64 reason error count push...      all that is known of a group; reason is empty if it has no
//!                                                         last error
//!         3 key                   the group is forgotten
//!         4                       all groups are forgotten
//!         5 key at_ms:i64         what is added up in the group begins anew
//!         6 key pushes at_ms:i64  what is added up in the group before it: from how many pushes, since when
//! push    at_ms:i64 flags:u8 body_bytes series [duration_seconds:f32] [reason]
//! ```
//!
//! Flags: 1 POST, 2 has a duration, 4 was refused, for a reason that is not empty, 8 was added up. What no push was added up for has none
//! of 5, 6 and 8, so an older Wharf reads it. Numbers of a given width are
//! little-endian, others LEB128; a key, a reason or an error is a length and so many bytes.

use std::borrow::Cow;

use wharf_model::GroupingKey;

use crate::book::{Added, cut};
use crate::push::{Method, Push, Refusal};
use crate::{GroupHistory, MAX_ERROR_BYTES};

/// What a file begins with.
pub(crate) const HEADER: [u8; 12] = *b"WHARFHIS\x01\0\0\0";
/// What stands before the records of a frame.
pub(crate) const FRAME_HEADER_BYTES: usize = 12;
/// Longer frames are none of ours.
pub(crate) const MAX_FRAME_BYTES: usize = 32 << 20;

/// What a file says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Record {
    Push {
        key: GroupingKey,
        push: Push,
    },
    Group {
        key: GroupingKey,
        last_error: Option<(i64, Refusal)>,
        pushes: Vec<Push>,
    },
    Reset(GroupingKey, i64),
    Added(GroupingKey, Added),
    Forget(GroupingKey),
    ForgetAll,
}

const PUSH: u8 = 1;
const GROUP: u8 = 2;
const FORGET: u8 = 3;
const FORGET_ALL: u8 = 4;
const RESET: u8 = 5;
const ADDED: u8 = 6;

const IS_POST: u8 = 1;
const HAS_DURATION: u8 = 2;
const IS_REFUSED: u8 = 4;
const IS_ADDED: u8 = 8;

/// Appends the record of a push.
pub(crate) fn write_push(out: &mut Vec<u8>, key: &GroupingKey, push: &Push) {
    out.push(PUSH);
    write_bytes(out, key.as_bytes());
    let refusal = push.refusal.as_deref();
    write_push_body(
        out,
        push.at_ms,
        push.method,
        [push.body_bytes, push.series],
        push.duration_seconds,
        refusal.map(|refusal| &*refusal.reason),
    );
    let error = refusal.map_or("", |refusal| cut(&refusal.error, MAX_ERROR_BYTES));
    write_bytes(out, error.as_bytes());
}

/// Appends the record of a group.
pub(crate) fn write_group(out: &mut Vec<u8>, key: &GroupingKey, group: &GroupHistory) {
    out.push(GROUP);
    write_bytes(out, key.as_bytes());
    let last = group.last_error.as_ref();
    out.extend_from_slice(&last.map_or(0, |last| last.at_ms).to_le_bytes());
    write_bytes(out, last.map_or("", |last| &last.reason).as_bytes());
    write_bytes(out, last.map_or("", |last| &last.error).as_bytes());
    write_number(out, group.pushes.len() as u64);
    for push in &group.pushes {
        write_push_body(
            out,
            push.at_ms,
            push.method,
            [push.body_bytes.into(), push.series.into()],
            push.duration_seconds.map(f64::from),
            push.refused.as_deref(),
        );
    }
    if let Some(Added { pushes, since_ms }) = group.added {
        out.push(ADDED);
        write_bytes(out, key.as_bytes());
        write_number(out, pushes);
        out.extend_from_slice(&since_ms.to_le_bytes());
    }
}

/// Appends the record that what is added up in a group begins anew.
pub(crate) fn write_reset(out: &mut Vec<u8>, key: &GroupingKey, at_ms: i64) {
    out.push(RESET);
    write_bytes(out, key.as_bytes());
    out.extend_from_slice(&at_ms.to_le_bytes());
}

/// Appends the record that a group is forgotten.
pub(crate) fn write_forget(out: &mut Vec<u8>, key: &GroupingKey) {
    out.push(FORGET);
    write_bytes(out, key.as_bytes());
}

/// Appends the record that all groups are.
pub(crate) fn write_forget_all(out: &mut Vec<u8>) {
    out.push(FORGET_ALL);
}

/// What stands before these records.
pub(crate) fn frame_header(records: &[u8]) -> [u8; FRAME_HEADER_BYTES] {
    let length = u32::try_from(records.len()).unwrap_or(u32::MAX);
    let header = u64::from(length) | u64::from(crc32fast::hash(records)) << 32;
    let checksum = crc32fast::hash(&header.to_le_bytes());
    let both = u128::from(header) | u128::from(checksum) << 64;
    both.to_le_bytes().first_chunk().copied().unwrap_or_default()
}

/// Length and checksum of the records behind a header; none if it is no header.
pub(crate) fn read_frame_header(header: [u8; FRAME_HEADER_BYTES]) -> Option<(usize, u32)> {
    let mut input = Input(&header);
    let (length, records) = (input.array()?, input.array()?);
    let checksum = crc32fast::hash(header.get(..8)?);
    if checksum != u32::from_le_bytes(input.array()?) {
        return None;
    }
    let length = usize::try_from(u32::from_le_bytes(length)).ok()?;
    (length <= MAX_FRAME_BYTES).then_some((length, u32::from_le_bytes(records)))
}

/// Hands the records of a frame on, up to one that cannot be read; whether there is none such.
pub(crate) fn read_records(records: &[u8], mut take: impl FnMut(Record)) -> bool {
    let mut input = Input(records);
    while !input.0.is_empty() {
        match input.record() {
            Some(record) => take(record),
            None => return false,
        }
    }
    true
}

fn write_push_body(
    out: &mut Vec<u8>,
    at_ms: i64,
    method: Method,
    sizes: [u64; 2],
    duration_seconds: Option<f64>,
    reason: Option<&str>,
) {
    out.extend_from_slice(&at_ms.to_le_bytes());
    let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
    out.push(
        flag(method == Method::Post, IS_POST)
            | flag(method == Method::Add, IS_ADDED)
            | flag(duration_seconds.is_some(), HAS_DURATION)
            | flag(reason.is_some(), IS_REFUSED),
    );
    for size in sizes {
        write_number(out, size);
    }
    if let Some(seconds) = duration_seconds {
        #[expect(clippy::cast_possible_truncation, reason = "the book has no more digits")]
        out.extend_from_slice(&(seconds as f32).to_le_bytes());
    }
    if let Some(reason) = reason {
        write_bytes(out, reason.as_bytes());
    }
}

fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    write_number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn write_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    out.push(number.to_le_bytes()[0]);
}

/// Records that are being read. Nothing here may be what it seems: each step may find that it is not.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn record(&mut self) -> Option<Record> {
        match self.byte()? {
            PUSH => {
                let key = self.key()?;
                let mut push = self.push()?;
                let error = self.text()?;
                if let Some(refusal) = &mut push.refusal {
                    error.clone_into(&mut refusal.error);
                }
                Some(Record::Push { key, push })
            }
            GROUP => {
                let key = self.key()?;
                let at_ms = self.time()?;
                let (reason, error) = (self.text()?, self.text()?);
                let last_error = (!reason.is_empty()).then(|| (at_ms, refusal(reason, error)));
                let count = self.number()?;
                let pushes = (0..count).map(|_| self.push()).collect::<Option<_>>()?;
                Some(Record::Group {
                    key,
                    last_error,
                    pushes,
                })
            }
            RESET => Some(Record::Reset(self.key()?, self.time()?)),
            ADDED => {
                let key = self.key()?;
                let (pushes, since_ms) = (self.number()?, self.time()?);
                Some(Record::Added(key, Added { pushes, since_ms }))
            }
            FORGET => Some(Record::Forget(self.key()?)),
            FORGET_ALL => Some(Record::ForgetAll),
            _ => None,
        }
    }

    fn push(&mut self) -> Option<Push> {
        let at_ms = self.time()?;
        let flags = self.byte()?;
        if flags & !(IS_POST | HAS_DURATION | IS_REFUSED | IS_ADDED) != 0 {
            return None;
        }
        let is_set = |flag: u8| flags & flag != 0;
        Some(Push {
            at_ms,
            method: match (is_set(IS_ADDED), is_set(IS_POST)) {
                (true, _) => Method::Add,
                (false, true) => Method::Post,
                (false, false) => Method::Put,
            },
            body_bytes: self.number()?,
            series: self.number()?,
            duration_seconds: if is_set(HAS_DURATION) {
                Some(f32::from_le_bytes(self.array()?).into())
            } else {
                None
            },
            refusal: if is_set(IS_REFUSED) {
                // Without a reason, the record of the group would not have the refusal.
                let reason = Some(self.text()?).filter(|reason| !reason.is_empty());
                Some(Box::new(refusal(reason?, "")))
            } else {
                None
            },
        })
    }

    fn key(&mut self) -> Option<GroupingKey> {
        GroupingKey::from_bytes(self.bytes()?).ok()
    }

    fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    fn time(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*array)
    }

    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn number(&mut self) -> Option<u64> {
        let (mut number, mut shift) = (0u64, 0u32);
        loop {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            let shifted = bits
                .checked_shl(shift)
                .filter(|shifted| shifted >> shift == bits)?;
            number |= shifted;
            if byte & 0x80 == 0 {
                return Some(number);
            }
            shift += 7;
        }
    }
}

fn refusal(reason: &str, error: &str) -> Refusal {
    Refusal {
        reason: Cow::Owned(reason.to_owned()),
        error: error.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(records: &[u8]) -> (Vec<Record>, bool) {
        let mut found = Vec::new();
        let is_whole = read_records(records, |record| found.push(record));
        (found, is_whole)
    }

    fn push(refusal: Option<(&'static str, &str)>) -> Push {
        Push {
            at_ms: 1_767_323_045_123,
            method: Method::Post,
            body_bytes: 300,
            series: 7,
            duration_seconds: Some(1.5),
            refusal: refusal.map(|(reason, error)| Box::new(super::refusal(reason, error))),
        }
    }

    fn sample() -> (Vec<u8>, Vec<Record>) {
        let key = GroupingKey::new([("job", "ü"), ("x", "")]).unwrap();
        let pushes = vec![push(None), push(Some(("syntax", "line 1")))];
        let mut bytes = Vec::new();
        for push in &pushes {
            write_push(&mut bytes, &key, push);
        }
        let added = Added {
            pushes: 1 << 40,
            since_ms: 1_767_323_045_123,
        };
        let group = GroupHistory {
            added: Some(added),
            ..GroupHistory::default()
        };
        write_group(&mut bytes, &key, &group);
        write_reset(&mut bytes, &key, 1_767_323_045_124);
        write_forget(&mut bytes, &key);
        write_forget_all(&mut bytes);
        let mut records: Vec<Record> = pushes
            .into_iter()
            .map(|push| Record::Push {
                key: key.clone(),
                push,
            })
            .collect();
        records.extend([
            Record::Group {
                key: key.clone(),
                last_error: None,
                pushes: Vec::new(),
            },
            Record::Added(key.clone(), added),
            Record::Reset(key.clone(), 1_767_323_045_124),
            Record::Forget(key),
            Record::ForgetAll,
        ]);
        (bytes, records)
    }

    #[test]
    fn what_is_written_is_read_back() {
        let (bytes, records) = sample();
        assert_eq!(read(&bytes), (records, true));
    }

    #[test]
    fn a_record_that_is_cut_ends_the_frame() {
        let (bytes, records) = sample();
        for end in 0..bytes.len() {
            let (found, is_whole) = read(&bytes[..end]);
            assert!(records.starts_with(&found));
            // A cut between two records shows in the checksum only.
            assert!(!is_whole || found.len() < records.len());
        }
    }

    #[test]
    fn numbers_that_do_not_fit_are_refused() {
        for digits in [
            &[0x80; 20][..],
            &[0xff; 10],
            &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2],
        ] {
            assert_eq!(Input(digits).number(), None);
        }
        let mut largest = Vec::new();
        write_number(&mut largest, u64::MAX);
        assert_eq!(Input(&largest).number(), Some(u64::MAX));
    }

    #[test]
    fn other_bytes_are_no_records() {
        // A group of 2^63 pushes, a flag nobody knows, a key that is none, a refusal without a reason.
        let key = GroupingKey::new([("job", "a")]).unwrap();
        let mut endless = Vec::new();
        write_group(&mut endless, &key, &GroupHistory::default());
        endless.pop();
        write_number(&mut endless, 1 << 63);
        assert_eq!(read(&endless), (Vec::new(), false));
        let mut unexplained = Vec::new();
        write_push(&mut unexplained, &key, &push(Some(("", "line 1"))));
        for bytes in [&[9][..], &[3, 1, b'x'], &[3, 200], &unexplained] {
            assert_eq!(read(bytes), (Vec::new(), false));
        }
    }
}
