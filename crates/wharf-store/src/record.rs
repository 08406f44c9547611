//! The form in which changes go to the ledger: what to do to which group, and the fragments it takes.
//!
//! ```text
//! record   = version (1) change               a change that version 1 can say
//!          | version (2) change*              several changes, all of them or none
//! change   = 1 put: mode, key, [lifetime], count, families
//!                                             mode 0 replaces the group, 1 its families of these names
//!          | 2 delete: key
//!          | 3 wipe
//!          | 4 delete families: key, count, names     (version 2)
//! lifetime = 0 none                           (version 2; in version 1 a group has none after a put)
//!          | 1 time to live, deadline         the group goes
//!          | 2 time to live, deadline         all but the push times goes
//! family   = name, type, flags, [help], unit, pushed at, text, [exact]
//! ```
//!
//! Strings and byte strings stand behind their length, lengths and counts are LEB128, times are 8 bytes, little
//! endian: nanoseconds, since the Unix epoch where they are points in time. A key is the bytes of
//! [`GroupingKey::as_bytes`]; text and exact form are those of a fragment (see [`crate`]). The version says how
//! to read the rest; a reader refuses versions it does not know, and a writer takes the lowest that can say what
//! it has to say, so that a ledger can be read by an older Wharf as long as nothing in it is new to that.

use std::borrow::Cow;
use std::time::Duration;

use thiserror::Error;
use wharf_model::{GroupingKey, MetricType};

use crate::change::{Cause, Change};
use crate::effect::By;
use crate::lifetime::{Lifetime, Ttl};
use crate::mode::PushMode;
use crate::parts::{FamilyParts, Shape};
use crate::prepare::{Prepared, Preparer};
use crate::{Reserved, UnixNanos};

/// One change, without lifetimes.
const SINGLE: u8 = 1;
/// Several changes, with lifetimes.
const SEVERAL: u8 = 2;

const PUT: u8 = 1;
const DELETE: u8 = 2;
const WIPE: u8 = 3;
const DELETE_FAMILIES: u8 = 4;

const LIVES_FOR_EVER: u8 = 0;
const GOES: u8 = 1;
const GOES_BUT_FOR_TIMES: u8 = 2;

const HAS_HELP: u8 = 1;
const UTF8_NAMES: u8 = 2;
const INFINITY_ADDED: u8 = 4;
const HAS_EXACT: u8 = 8;

/// Why bytes are no record.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RecordError {
    /// A later Wharf has written it.
    #[error(
        "expected a record of version 1 or 2, found version {0}: a later version of Wharf has written it"
    )]
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

/// The record of a group's families.
pub(crate) fn put<'a>(
    key: &GroupingKey,
    mode: PushMode,
    lifetime: Option<Lifetime>,
    families: impl ExactSizeIterator<Item = FamilyParts<'a>> + Clone,
) -> Vec<u8> {
    let size: usize = families.clone().map(|family| family.record_bytes()).sum();
    let mut out = begin_put(key, mode, lifetime, size);
    write_families(&mut out, families);
    out
}

/// A put record up to its families, with room for so many bytes of these.
fn begin_put(
    key: &GroupingKey,
    mode: PushMode,
    lifetime: Option<Lifetime>,
    families_bytes: usize,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(families_bytes + key.as_bytes().len() + 32);
    out.extend_from_slice(&[version_of(lifetime), PUT, mode_code(mode)]);
    write_bytes(&mut out, key.as_bytes());
    if lifetime.is_some() {
        write_lifetime(&mut out, lifetime);
    }
    out
}

/// The record of a group's end.
pub(crate) fn delete(key: &GroupingKey) -> Vec<u8> {
    let mut out = vec![SINGLE];
    write_delete(&mut out, key);
    out
}

/// The record of the end of all groups.
pub(crate) fn wipe() -> Vec<u8> {
    vec![SINGLE, WIPE]
}

/// What a group has of some families, to be put back one day. Families have to come in the order of their names.
#[derive(Debug, Default)]
pub(crate) struct Image {
    families: usize,
    body: Vec<u8>,
}

impl Image {
    /// An image with room for so many bytes.
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self {
            families: 0,
            body: Vec::with_capacity(bytes),
        }
    }

    pub(crate) fn add(&mut self, family: &FamilyParts<'_>) {
        write_family(&mut self.body, family);
        self.families += 1;
    }

    /// The record that puts it back.
    pub(crate) fn into_record(self, key: &GroupingKey, lifetime: Option<Lifetime>) -> Vec<u8> {
        let mut out = begin_put(key, PushMode::ReplaceFamilies, lifetime, self.body.len());
        write_length(&mut out, self.families);
        out.extend_from_slice(&self.body);
        out
    }
}

/// A record of several changes in the making.
#[derive(Debug)]
pub(crate) struct Several(Vec<u8>);

impl Several {
    pub(crate) fn new() -> Self {
        Self(vec![SEVERAL])
    }

    pub(crate) fn put<'a>(
        &mut self,
        key: &GroupingKey,
        mode: PushMode,
        lifetime: Option<Lifetime>,
        families: impl ExactSizeIterator<Item = FamilyParts<'a>>,
    ) {
        self.0.push(PUT);
        self.0.push(mode_code(mode));
        write_bytes(&mut self.0, key.as_bytes());
        write_lifetime(&mut self.0, lifetime);
        write_families(&mut self.0, families);
    }

    pub(crate) fn delete(&mut self, key: &GroupingKey) {
        write_delete(&mut self.0, key);
    }

    pub(crate) fn delete_families<'n>(
        &mut self,
        key: &GroupingKey,
        names: impl ExactSizeIterator<Item = &'n str>,
    ) {
        self.0.push(DELETE_FAMILIES);
        write_bytes(&mut self.0, key.as_bytes());
        write_length(&mut self.0, names.len());
        for name in names {
            write_bytes(&mut self.0, name.as_bytes());
        }
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }
}

fn version_of(lifetime: Option<Lifetime>) -> u8 {
    if lifetime.is_none() { SINGLE } else { SEVERAL }
}

fn write_delete(out: &mut Vec<u8>, key: &GroupingKey) {
    out.push(DELETE);
    write_bytes(out, key.as_bytes());
}

fn mode_code(mode: PushMode) -> u8 {
    match mode {
        PushMode::ReplaceGroup => 0,
        // Series are merged into whole families before they are stored.
        PushMode::ReplaceFamilies | PushMode::ReplaceSeries => 1,
    }
}

fn write_lifetime(out: &mut Vec<u8>, lifetime: Option<Lifetime>) {
    let Some(Lifetime { ttl, expires_at }) = lifetime else {
        out.push(LIVES_FOR_EVER);
        return;
    };
    out.push(if ttl.keep_times { GOES_BUT_FOR_TIMES } else { GOES });
    let after = i64::try_from(ttl.after.as_nanos()).unwrap_or(i64::MAX);
    out.extend_from_slice(&after.to_le_bytes());
    out.extend_from_slice(&expires_at.0.to_le_bytes());
}

fn write_families<'a>(out: &mut Vec<u8>, families: impl ExactSizeIterator<Item = FamilyParts<'a>>) {
    write_length(out, families.len());
    for family in families {
        write_family(out, &family);
    }
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
    let changes = decode(record, &preparer)?;
    let texts: Vec<_> = changes.iter().map(describe).collect();
    Ok(texts.join("; "))
}

fn list(keys: &[GroupingKey]) -> String {
    let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
    keys.join(", ")
}

fn describe(change: &Change<'_>) -> String {
    match change {
        Change::Wipe => "wipe".to_owned(),
        Change::Delete { keys, .. } => format!("delete {}", list(keys)),
        Change::DeleteFamilies { keys, names, .. } => {
            format!("delete families of {}: {}", list(keys), names.join(", "))
        }
        Change::Put {
            key,
            mode,
            lifetime,
            prepared,
            ..
        } => {
            let what = match mode {
                PushMode::ReplaceGroup => "group",
                PushMode::ReplaceFamilies | PushMode::ReplaceSeries => "families of",
            };
            let lifetime = lifetime.map_or_else(String::new, |Lifetime { ttl, expires_at }| {
                let after = wharf_model::duration::format(ttl.after);
                let keep = if ttl.keep_times { ", keeps its times" } else { "" };
                format!(" (lives {after}, until {}{keep})", expires_at.as_seconds())
            });
            let families = prepared.parts().map(|family| {
                let lines = memchr::memchr_iter(b'\n', family.text).count();
                let exact = if family.exact.is_some() { ", exact" } else { "" };
                format!("{} ({}, {lines} lines{exact})", family.name, family.metric_type)
            });
            let families: Vec<_> = families.collect();
            let families = if families.is_empty() {
                "no families".to_owned()
            } else {
                families.join(", ")
            };
            format!("put {what} {key}{lifetime}: {families}")
        }
    }
}

/// Reads the changes of a record.
///
/// # Errors
/// [`RecordError`] if it is none, or one of a later version.
pub(crate) fn decode<'a>(record: &'a [u8], preparer: &Preparer) -> Result<Vec<Change<'a>>, RecordError> {
    let mut reader = Reader {
        record,
        at: 0,
        version: SINGLE,
    };
    reader.version = reader.byte("a version")?;
    let mut changes = Vec::new();
    match reader.version {
        SINGLE => changes.push(reader.change(preparer)?),
        SEVERAL => {
            while reader.at < record.len() {
                changes.push(reader.change(preparer)?);
            }
        }
        other => return Err(RecordError::Version(other)),
    }
    if reader.at == reader.record.len() {
        Ok(changes)
    } else {
        Err(reader.malformed("the end"))
    }
}

/// The families of an image that this process has made.
pub(crate) fn decode_image<'a>(image: &'a [u8], preparer: &Preparer) -> Prepared<'a> {
    let changes = decode(image, preparer).unwrap_or_default();
    let put = changes.into_iter().find_map(|change| match change {
        Change::Put { prepared, .. } => Some(prepared),
        _ => None,
    });
    put.unwrap_or_default()
}

struct Reader<'a> {
    record: &'a [u8],
    at: usize,
    version: u8,
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

    fn time(&mut self) -> Result<i64, RecordError> {
        let bytes = self.record.get(self.at..).and_then(<[u8]>::first_chunk);
        let time = i64::from_le_bytes(*bytes.ok_or_else(|| self.malformed("a time"))?);
        self.at += 8;
        Ok(time)
    }

    fn lifetime(&mut self) -> Result<Option<Lifetime>, RecordError> {
        let keep_times = match self.byte("a lifetime")? {
            LIVES_FOR_EVER => return Ok(None),
            GOES => false,
            GOES_BUT_FOR_TIMES => true,
            _ => return Err(self.malformed("a lifetime before it")),
        };
        let after = u64::try_from(self.time()?).map_err(|_| self.malformed("a time to live before it"))?;
        Ok(Some(Lifetime {
            ttl: Ttl {
                after: Duration::from_nanos(after),
                keep_times,
            },
            expires_at: UnixNanos(self.time()?),
        }))
    }

    fn change(&mut self, preparer: &Preparer) -> Result<Change<'a>, RecordError> {
        match self.byte("a kind of change")? {
            PUT => self.put(preparer),
            DELETE => Ok(Change::Delete {
                keys: Cow::Owned(vec![self.key()?]),
                by: By::Request,
                without: None,
            }),
            WIPE => Ok(Change::Wipe),
            DELETE_FAMILIES if self.version == SEVERAL => {
                let key = self.key()?;
                let mut names = Vec::new();
                for _ in 0..self.length()? {
                    names.push(self.text()?);
                }
                Ok(Change::DeleteFamilies {
                    keys: Cow::Owned(vec![key]),
                    names,
                    by: By::Request,
                })
            }
            _ => Err(self.malformed("put, delete, wipe or delete families before it")),
        }
    }

    fn put(&mut self, preparer: &Preparer) -> Result<Change<'a>, RecordError> {
        let mode = match self.byte("a mode")? {
            0 => PushMode::ReplaceGroup,
            1 => PushMode::ReplaceFamilies,
            _ => return Err(self.malformed("a mode before it")),
        };
        let key = self.key()?;
        let lifetime = if self.version == SINGLE {
            None
        } else {
            self.lifetime()?
        };
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
            let pushed_at = UnixNanos(self.time()?);
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
        Ok(Change::Put {
            key: Cow::Owned(key),
            mode,
            lifetime,
            prepared,
            cause: Cause::Again,
            without: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

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
        let refused = decode(&[SEVERAL + 1, WIPE], &preparer).unwrap_err();
        assert_eq!(refused, RecordError::Version(SEVERAL + 1));
    }

    fn key(job: &str) -> GroupingKey {
        GroupingKey::new([("job", job)]).unwrap()
    }

    fn lifetime(keep_times: bool) -> Lifetime {
        Lifetime {
            ttl: Ttl {
                after: Duration::from_secs(90),
                keep_times,
            },
            expires_at: UnixNanos(190_500_000_000),
        }
    }

    /// A record of each change there is.
    fn of_everything() -> Vec<u8> {
        let preparer = Preparer::new(Reserved::default(), 1 << 20);
        let (a, b, c) = (key("a"), key("b"), key("c"));
        let (of_a, of_b) = (
            preparer.times(&a, Some(100.5), None, UnixNanos(1)),
            preparer.times(&b, Some(2.0), Some(1.0), UnixNanos(2)),
        );
        let mut several = Several::new();
        several.put(&a, PushMode::ReplaceGroup, Some(lifetime(false)), of_a.parts());
        several.put(&b, PushMode::ReplaceFamilies, Some(lifetime(true)), of_b.parts());
        several.put(&c, PushMode::ReplaceFamilies, None, of_b.parts());
        several.delete_families(&a, ["m", "n"].into_iter());
        several.delete(&b);
        several.finish()
    }

    #[test]
    fn several_changes_are_told_one_after_the_other() {
        expect![[r#"
            put group {job="a"} (lives 1m30s, until 190.5): push_time_seconds (gauge, 1 lines)
            put families of {job="b"} (lives 1m30s, until 190.5, keeps its times): push_failure_time_seconds (gauge, 1 lines), push_time_seconds (gauge, 1 lines)
            put families of {job="c"}: push_failure_time_seconds (gauge, 1 lines), push_time_seconds (gauge, 1 lines)
            delete families of {job="a"}: m, n
            delete {job="b"}
        "#]]
        .assert_eq(&(describe_record(&of_everything()).unwrap().replace("; ", "\n") + "\n"));
    }

    #[test]
    fn a_lifetime_is_read_as_it_was_written() {
        let preparer = Preparer::new(Reserved::default(), 1 << 20);
        for expected in [None, Some(lifetime(false)), Some(lifetime(true))] {
            let families = Prepared::empty(Cow::Borrowed(&[]));
            let record = put(&key("a"), PushMode::ReplaceGroup, expected, families.parts());
            let changes = decode(&record, &preparer).unwrap();
            assert!(
                matches!(changes.as_slice(), [Change::Put { lifetime, .. }] if *lifetime == expected),
                "{changes:?}"
            );
        }
    }

    #[test]
    fn what_version_1_can_say_is_said_in_version_1() {
        let families = Prepared::empty(Cow::Borrowed(&[]));
        let plain = put(&key("a"), PushMode::ReplaceGroup, None, families.parts());
        for record in [plain, delete(&key("a")), wipe()] {
            assert_eq!(record.first(), Some(&SINGLE));
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "too large for an interpreter")]
    fn no_part_of_a_record_is_a_record_unless_it_ends_between_changes() {
        let preparer = Preparer::new(Reserved::default(), 1 << 20);
        let record = of_everything();
        let whole = (0..=record.len()).filter(|end| decode(&record[..*end], &preparer).is_ok());
        // After the version, and after each of the five changes.
        assert_eq!(whole.count(), 6);
    }
}
