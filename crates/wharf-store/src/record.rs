//! The form in which changes go to the ledger: what to do to which group, and the fragments it takes.
//!
//! ```text
//! record = version (1) kind
//! kind   = 1 put: mode, key, count, families      mode 0 replaces the group, 1 its families of these names
//!        | 2 delete: key
//!        | 3 wipe
//! family = name, type, flags, [help], unit, pushed at (8 bytes, little endian), text, [exact]
//! ```
//!
//! Strings and byte strings stand behind their length, lengths and counts are LEB128. A key is the bytes of
//! [`GroupingKey::as_bytes`]; text and exact form are those of a fragment (see [`crate`]). The version says how
//! to read the rest; a reader refuses versions it does not know.

use std::borrow::Cow;

use thiserror::Error;
use wharf_model::{GroupingKey, MetricType};

use crate::prepare::{Prepared, Preparer, Shape};
use crate::{PushMode, Reserved, UnixNanos};

const VERSION: u8 = 1;
const PUT: u8 = 1;
const DELETE: u8 = 2;
const WIPE: u8 = 3;

const HAS_HELP: u8 = 1;
const UTF8_NAMES: u8 = 2;
const INFINITY_ADDED: u8 = 4;
const HAS_EXACT: u8 = 8;

/// A change, as it stands in the ledger.
#[derive(Debug)]
pub(crate) enum Record<'a> {
    Put {
        key: GroupingKey,
        mode: PushMode,
        prepared: Prepared<'a>,
    },
    Delete {
        key: GroupingKey,
    },
    Wipe,
}

/// Why bytes are no record.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RecordError {
    /// A later Wharf has written it.
    #[error("expected a record of version 1, found version {0}: a later version of Wharf has written it")]
    Version(u8),
    /// The bytes are not those of a record.
    #[error("byte {at} of the record: expected {expected}")]
    Malformed {
        /// Where reading stopped.
        at: usize,
        /// What should have stood there.
        expected: &'static str,
    },
}

/// One family of a put record.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FamilyParts<'a> {
    pub(crate) name: &'a str,
    pub(crate) help: Option<&'a str>,
    pub(crate) unit: &'a str,
    pub(crate) metric_type: MetricType,
    pub(crate) shape: Shape,
    pub(crate) pushed_at: UnixNanos,
    pub(crate) text: &'a [u8],
    pub(crate) exact: Option<&'a [u8]>,
}

/// The record of a group's families.
pub(crate) fn put<'a>(
    key: &GroupingKey,
    mode: PushMode,
    families: impl ExactSizeIterator<Item = FamilyParts<'a>> + Clone,
) -> Vec<u8> {
    let size: usize = families
        .clone()
        .map(|family| family.text.len() + family.name.len() + 64)
        .sum();
    let mut out = Vec::with_capacity(size + key.as_bytes().len() + 16);
    let mode = match mode {
        PushMode::ReplaceGroup => 0,
        PushMode::ReplaceFamilies => 1,
    };
    out.extend_from_slice(&[VERSION, PUT, mode]);
    write_bytes(&mut out, key.as_bytes());
    write_length(&mut out, families.len());
    for family in families {
        write_family(&mut out, &family);
    }
    out
}

/// The record of a group's end.
pub(crate) fn delete(key: &GroupingKey) -> Vec<u8> {
    let mut out = vec![VERSION, DELETE];
    write_bytes(&mut out, key.as_bytes());
    out
}

/// The record of the end of all groups.
pub(crate) fn wipe() -> Vec<u8> {
    vec![VERSION, WIPE]
}

fn write_family(out: &mut Vec<u8>, family: &FamilyParts<'_>) {
    write_bytes(out, family.name.as_bytes());
    out.push(type_code(family.metric_type));
    let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
    out.push(
        flag(family.help.is_some(), HAS_HELP)
            | flag(family.shape.utf8_names, UTF8_NAMES)
            | flag(family.shape.infinity_added, INFINITY_ADDED)
            | flag(family.exact.is_some(), HAS_EXACT),
    );
    if let Some(help) = family.help {
        write_bytes(out, help.as_bytes());
    }
    write_bytes(out, family.unit.as_bytes());
    out.extend_from_slice(&family.pushed_at.0.to_le_bytes());
    write_bytes(out, family.text);
    if let Some(exact) = family.exact {
        write_bytes(out, exact);
    }
}

fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    write_length(out, bytes.len());
    out.extend_from_slice(bytes);
}

fn write_length(out: &mut Vec<u8>, mut length: usize) {
    while length >= 0x80 {
        out.push(0x80 | low_bits(length));
        length >>= 7;
    }
    out.push(low_bits(length));
}

fn low_bits(length: usize) -> u8 {
    u8::try_from(length & 0x7f).unwrap_or(0)
}

fn type_code(metric_type: MetricType) -> u8 {
    match metric_type {
        MetricType::Counter => 0,
        MetricType::Gauge => 1,
        MetricType::Summary => 2,
        MetricType::Untyped => 3,
        MetricType::Histogram => 4,
        MetricType::GaugeHistogram => 5,
        MetricType::Info => 6,
        MetricType::StateSet => 7,
    }
}

fn type_of(code: u8) -> Option<MetricType> {
    let types = [
        MetricType::Counter,
        MetricType::Gauge,
        MetricType::Summary,
        MetricType::Untyped,
        MetricType::Histogram,
        MetricType::GaugeHistogram,
        MetricType::Info,
        MetricType::StateSet,
    ];
    types.get(usize::from(code)).copied()
}

/// What a record says, on one line: for people who look into a ledger.
///
/// # Errors
/// [`RecordError`] if it is no record, or one of a later version.
pub fn describe_record(record: &[u8]) -> Result<String, RecordError> {
    let preparer = Preparer::new(Reserved::default(), usize::MAX);
    Ok(match decode(record, &preparer)? {
        Record::Wipe => "wipe".to_owned(),
        Record::Delete { key } => format!("delete {key}"),
        Record::Put { key, mode, prepared } => {
            let what = match mode {
                PushMode::ReplaceGroup => "group",
                PushMode::ReplaceFamilies => "families of",
            };
            let families = prepared.parts().map(|family| {
                let lines = memchr::memchr_iter(b'\n', family.text).count();
                let exact = if family.exact.is_some() { ", exact" } else { "" };
                format!("{} ({}, {lines} lines{exact})", family.name, family.metric_type)
            });
            format!("put {what} {key}: {}", families.collect::<Vec<_>>().join(", "))
        }
    })
}

/// Reads a record.
///
/// # Errors
/// [`RecordError`] if it is none, or one of a later version.
pub(crate) fn decode<'a>(record: &'a [u8], preparer: &Preparer) -> Result<Record<'a>, RecordError> {
    let mut reader = Reader { record, at: 0 };
    match reader.byte("a version")? {
        VERSION => {}
        other => return Err(RecordError::Version(other)),
    }
    let record = match reader.byte("a kind")? {
        PUT => reader.put(preparer)?,
        DELETE => Record::Delete { key: reader.key()? },
        WIPE => Record::Wipe,
        _ => return Err(reader.malformed("put, delete or wipe")),
    };
    if reader.at == reader.record.len() {
        Ok(record)
    } else {
        Err(reader.malformed("the end"))
    }
}

struct Reader<'a> {
    record: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn malformed(&self, expected: &'static str) -> RecordError {
        RecordError::Malformed {
            at: self.at,
            expected,
        }
    }

    fn byte(&mut self, expected: &'static str) -> Result<u8, RecordError> {
        let byte = *self.record.get(self.at).ok_or_else(|| self.malformed(expected))?;
        self.at += 1;
        Ok(byte)
    }

    fn length(&mut self) -> Result<usize, RecordError> {
        let mut length = 0usize;
        for shift in (0..usize::BITS).step_by(7) {
            let byte = self.byte("a length")?;
            length |= usize::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(length);
            }
        }
        Err(self.malformed("a shorter length"))
    }

    /// Where a byte string lies in the record.
    fn range(&mut self) -> Result<std::ops::Range<usize>, RecordError> {
        let length = self.length()?;
        let end = self
            .at
            .checked_add(length)
            .filter(|end| *end <= self.record.len());
        let range = self.at..end.ok_or_else(|| self.malformed("as many bytes as announced"))?;
        self.at = range.end;
        Ok(range)
    }

    fn bytes(&mut self) -> Result<&'a [u8], RecordError> {
        let range = self.range()?;
        Ok(self.record.get(range).unwrap_or_default())
    }

    fn text(&mut self) -> Result<&'a str, RecordError> {
        let bytes = self.bytes()?;
        std::str::from_utf8(bytes).map_err(|_| self.malformed("UTF-8 before it"))
    }

    fn key(&mut self) -> Result<GroupingKey, RecordError> {
        let bytes = self.bytes()?;
        GroupingKey::from_bytes(bytes).map_err(|_| self.malformed("a grouping key before it"))
    }

    fn put(&mut self, preparer: &Preparer) -> Result<Record<'a>, RecordError> {
        let mode = match self.byte("a mode")? {
            0 => PushMode::ReplaceGroup,
            1 => PushMode::ReplaceFamilies,
            _ => return Err(self.malformed("a mode before it")),
        };
        let key = self.key()?;
        let mut prepared = Prepared::empty(Cow::Borrowed(self.record));
        for _ in 0..self.length()? {
            let name = self.text()?;
            let code = self.byte("a type")?;
            let metric_type = type_of(code).ok_or_else(|| self.malformed("a type before it"))?;
            let flags = self.byte("flags")?;
            let help = if flags & HAS_HELP == 0 {
                None
            } else {
                Some(self.text()?)
            };
            let unit = self.text()?;
            let pushed_at = self.record.get(self.at..).and_then(<[u8]>::first_chunk);
            let pushed_at = UnixNanos(i64::from_le_bytes(
                *pushed_at.ok_or_else(|| self.malformed("a time"))?,
            ));
            self.at += 8;
            let text = self.range()?;
            let exact = if flags & HAS_EXACT == 0 {
                None
            } else {
                Some(self.bytes()?)
            };
            let shape = Shape {
                utf8_names: flags & UTF8_NAMES != 0,
                infinity_added: flags & INFINITY_ADDED != 0,
            };
            let lines = self.record.get(text.clone()).unwrap_or_default();
            let parts = FamilyParts {
                name,
                help,
                unit,
                metric_type,
                shape,
                pushed_at,
                text: lines,
                exact,
            };
            preparer.add_stored(&mut prepared, &parts, text);
        }
        if !prepared.families.is_sorted_by(|a, b| a.name < b.name) {
            return Err(self.malformed("families sorted by name before it"));
        }
        Ok(Record::Put { key, mode, prepared })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_has_a_code_of_its_own() {
        for code in 0..8 {
            assert_eq!(type_of(code).map(type_code), Some(code));
        }
        assert_eq!(type_of(8), None);
    }

    #[test]
    fn a_record_of_a_later_version_or_with_bytes_behind_it_is_refused() {
        let preparer = Preparer::new(Reserved::default(), 1 << 20);
        let mut record = wipe();
        assert!(decode(&record, &preparer).is_ok());
        record.push(0);
        let refused = decode(&record, &preparer).unwrap_err();
        assert_eq!(
            refused,
            RecordError::Malformed {
                at: 2,
                expected: "the end"
            }
        );
        let refused = decode(&[VERSION + 1, WIPE], &preparer).unwrap_err();
        assert_eq!(refused, RecordError::Version(VERSION + 1));
    }
}
