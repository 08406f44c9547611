//! The form in which changes go to the ledger: what to do to which group, and the fragments it takes.
//!
//! ```text
//! record   = version (1) change               a change that version 1 can say
//!          | version (2) change*              several changes, all of them or none
//!          | version (3) change*              the same, and ids of pushes among them
//! change   = 1 put: mode, key, [lifetime], count, families
//!                                             mode 0 replaces the group, 1 its families of these names
//!          | 2 delete: key
//!          | 3 wipe
//!          | 4 delete families: key, count, names     (version 2)
//!          | 5 push ids: count, push ids              (version 3)
//! lifetime = 0 none                           (version 2; in version 1 a group has none after a put)
//!          | 1 time to live, deadline         the group goes
//!          | 2 time to live, deadline         all but the push times goes
//! push id  = digest of the id and its scope (16 bytes), digest of the body (8 bytes), time
//! family   = name, type, flags, [help], unit, pushed at, text, [exact]
//! ```
//!
//! Strings and byte strings stand behind their length, lengths and counts are LEB128, times are 8 bytes, little
//! endian: nanoseconds, since the Unix epoch where they are points in time. A key is the bytes of
//! [`GroupingKey::as_bytes`]; text and exact form are those of a fragment (see [`crate`]). The version says how
//! to read the rest; a reader refuses versions it does not know, and a writer takes the lowest that can say what
//! it has to say, so that a ledger can be read by an older Wharf as long as nothing in it is new to that.

mod layout;
mod summary;
mod write;

use std::borrow::Cow;
use std::ops::Range;
use std::time::Duration;

use thiserror::Error;
use wharf_model::{GroupingKey, GroupingKeyError};

use self::layout::{
    ADDED_UP, CONTRADICTS, DELETE, DELETE_FAMILIES, EXPIRES, GOES, GOES_BUT_FOR_TIMES, HAS_EXACT, HAS_HELP,
    INFINITY_ADDED, LIVES_FOR_EVER, PUSH_IDS, PUT, SEVERAL, SINGLE, UTF8_NAMES, WIPE, WITH_IDS, type_of,
};
pub use self::summary::{RecordChange, RecordKind, record_changes};
pub(crate) use self::write::{Image, Several, delete, nothing, push_ids, put, put_bytes, put_once, wipe};
use crate::change::{Cause, Change};
use crate::effect::By;
use crate::lifetime::{Lifetime, Ttl};
use crate::mode::PushMode;
use crate::parts::{FamilyParts, Shape};
use crate::prepare::{Prepared, Preparer};
use crate::{PushId, Reserved, UnixNanos};

/// Why bytes are no record.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RecordError {
    /// A later Wharf has written it.
    #[error(
        "expected a record of version 1 to 3, found version {0}: a later version of Wharf has written it"
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

/// What a record says, on one line: for people who look into a ledger.
///
/// # Errors
/// [`RecordError`] if it is no record, or one of a later version.
pub fn describe_record(record: &[u8]) -> Result<String, RecordError> {
    let preparer = Preparer::new(Reserved::default(), usize::MAX);
    let (changes, ids) = decode_with_ids(record, &preparer)?;
    let mut texts: Vec<_> = changes.iter().map(describe).collect();
    match ids.len() {
        0 => {}
        1 => texts.push("1 push id".to_owned()),
        count => texts.push(format!("{count} push ids")),
    }
    if texts.is_empty() {
        texts.push("nothing".to_owned());
    }
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
                PushMode::ReplaceFamilies | PushMode::ReplaceSeries | PushMode::Aggregate(_) => "families of",
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

/// What is made of the changes of a record while they are read.
pub(crate) trait Reading<'a> {
    /// A change begins that puts something into a group, or takes something from it. Of a put, `names` tells the families.
    /// The key of the group; none, if the change is to be passed over.
    ///
    /// # Errors
    /// The bytes are not those of a key.
    fn begin(
        &mut self,
        key: &'a [u8],
        kind: Touch,
        names: Names<'_, 'a>,
    ) -> Result<Option<GroupingKey>, GroupingKeyError>;

    /// Whether the families of this name that the last put has are of interest.
    fn wants(&self, name: &str) -> bool;

    /// Adds one to those that are put.
    fn add(&mut self, prepared: &mut Prepared<'a>, parts: &FamilyParts<'a>, text: Range<usize>);

    /// Takes note of the id of a push.
    fn push_id(&mut self, _: PushId) {}
}

/// What a change does to a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Touch {
    Put(PushMode),
    Delete,
    DeleteFamilies,
}

/// The names of the families of a put, for whoever wants to know them before they are read.
#[derive(Debug)]
pub(crate) struct Names<'r, 'a>(Option<&'r Reader<'a>>);

impl<'a> Names<'_, 'a> {
    /// Of something that is no put.
    pub(crate) fn none() -> Self {
        Self(None)
    }

    /// Calls `visit` with each; whether those are all, and they can be read.
    pub(crate) fn each(&self, mut visit: impl FnMut(&'a [u8])) -> bool {
        let mut read = |reader: &Reader<'a>| reader.clone().pass_families(&mut visit);
        self.0.is_none_or(|reader| read(reader).is_ok())
    }
}

/// Everything is wanted, and prepared.
impl<'a> Reading<'a> for &Preparer {
    fn begin(
        &mut self,
        key: &'a [u8],
        _: Touch,
        _: Names<'_, 'a>,
    ) -> Result<Option<GroupingKey>, GroupingKeyError> {
        GroupingKey::from_bytes(key).map(Some)
    }

    fn wants(&self, _: &str) -> bool {
        true
    }

    fn add(&mut self, prepared: &mut Prepared<'a>, parts: &FamilyParts<'a>, text: Range<usize>) {
        self.add_stored(prepared, parts, text);
    }
}

/// Everything is wanted, and ids of pushes too.
struct WithIds<'p> {
    preparer: &'p Preparer,
    ids: Vec<PushId>,
}

impl<'a> Reading<'a> for WithIds<'_> {
    fn begin(
        &mut self,
        key: &'a [u8],
        kind: Touch,
        names: Names<'_, 'a>,
    ) -> Result<Option<GroupingKey>, GroupingKeyError> {
        self.preparer.begin(key, kind, names)
    }

    fn wants(&self, name: &str) -> bool {
        self.preparer.wants(name)
    }

    fn add(&mut self, prepared: &mut Prepared<'a>, parts: &FamilyParts<'a>, text: Range<usize>) {
        self.preparer.add(prepared, parts, text);
    }

    fn push_id(&mut self, id: PushId) {
        self.ids.push(id);
    }
}

/// Reads the changes of a record, and the ids of pushes in it.
///
/// # Errors
/// As [`decode`].
pub(crate) fn decode_with_ids<'a>(
    record: &'a [u8],
    preparer: &Preparer,
) -> Result<(Vec<Change<'a>>, Vec<PushId>), RecordError> {
    let ids = Vec::new();
    let mut reading = WithIds { preparer, ids };
    let changes = decode_by(record, &mut reading)?;
    Ok((changes, reading.ids))
}

/// Reads the changes of a record.
///
/// # Errors
/// [`RecordError`] if it is none, or one of a later version.
pub(crate) fn decode<'a>(record: &'a [u8], mut preparer: &Preparer) -> Result<Vec<Change<'a>>, RecordError> {
    decode_by(record, &mut preparer)
}

/// The same of what is of interest.
///
/// # Errors
/// As there.
pub(crate) fn decode_by<'a>(
    record: &'a [u8],
    reading: &mut impl Reading<'a>,
) -> Result<Vec<Change<'a>>, RecordError> {
    let mut reader = Reader {
        record,
        at: 0,
        version: SINGLE,
    };
    reader.version = reader.byte("a version")?;
    let mut changes = Vec::new();
    match reader.version {
        SINGLE => changes.extend(reader.change(reading)?),
        SEVERAL | WITH_IDS => {
            while reader.at < record.len() {
                changes.extend(reader.change(reading)?);
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

/// The key of the group that a record puts; none of another record.
pub fn record_key(record: &[u8]) -> Option<GroupingKey> {
    let (version, put) = record.split_at_checked(2)?;
    if !matches!(version, [SINGLE | SEVERAL | WITH_IDS, PUT]) {
        return None;
    }
    let _mode = put.first()?;
    let mut reader = Reader {
        record,
        at: 3,
        version: SINGLE,
    };
    reader.key().ok()
}

/// The key of the only group that a record concerns, as it stands there; none if it concerns several, or all, or cannot be read.
pub(crate) fn only_group(record: &[u8]) -> Option<&[u8]> {
    let at = match record {
        [SINGLE, PUT, ..] => 3,
        [SINGLE, DELETE, ..] => 2,
        _ => return None,
    };
    let mut reader = Reader {
        record,
        at,
        version: SINGLE,
    };
    reader.bytes().ok()
}

/// The key of the group that a record begins with putting, as it stands there.
pub(crate) fn first_group(record: &[u8]) -> Option<&[u8]> {
    let [SINGLE | SEVERAL | WITH_IDS, PUT, _mode, ..] = record else {
        return None;
    };
    let mut reader = Reader {
        record,
        at: 3,
        version: SINGLE,
    };
    reader.bytes().ok()
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

#[derive(Debug, Clone)]
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
    fn range(&mut self) -> Result<Range<usize>, RecordError> {
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

    fn array<const LENGTH: usize>(&mut self) -> Result<[u8; LENGTH], RecordError> {
        let bytes = self.record.get(self.at..).and_then(<[u8]>::first_chunk);
        let bytes = *bytes.ok_or_else(|| self.malformed("more bytes"))?;
        self.at += LENGTH;
        Ok(bytes)
    }

    fn push_id(&mut self) -> Result<PushId, RecordError> {
        Ok(PushId {
            name: self.array()?,
            body: self.array()?,
            at: UnixNanos(self.time()?),
        })
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

    /// The next change; none, if it was passed over.
    fn change(&mut self, reading: &mut impl Reading<'a>) -> Result<Option<Change<'a>>, RecordError> {
        match self.byte("a kind of change")? {
            PUT => self.put(reading),
            DELETE => Ok(self.touched(Touch::Delete, reading)?.map(|key| Change::Delete {
                keys: Cow::Owned(vec![key]),
                by: By::Request,
            })),
            WIPE => Ok(Some(Change::Wipe)),
            PUSH_IDS if self.version == WITH_IDS => {
                for _ in 0..self.length()? {
                    reading.push_id(self.push_id()?);
                }
                Ok(None)
            }
            DELETE_FAMILIES if self.version != SINGLE => {
                let key = self.touched(Touch::DeleteFamilies, reading)?;
                let mut names = Vec::new();
                for _ in 0..self.length()? {
                    names.push(self.text()?);
                }
                Ok(key.map(|key| Change::DeleteFamilies {
                    keys: Cow::Owned(vec![key]),
                    names,
                    by: By::Request,
                }))
            }
            _ => Err(self.malformed("put, delete, wipe or delete families before it")),
        }
    }

    /// The key of a group that loses something.
    fn touched(
        &mut self,
        kind: Touch,
        reading: &mut impl Reading<'a>,
    ) -> Result<Option<GroupingKey>, RecordError> {
        let key = self.bytes()?;
        let begun = reading.begin(key, kind, Names::none());
        begun.map_err(|_| self.malformed("a grouping key before it"))
    }

    /// Passes over the families of a put, and calls `visit` with the name of each.
    fn pass_families(&mut self, mut visit: impl FnMut(&'a [u8])) -> Result<(), RecordError> {
        for _ in 0..self.length()? {
            visit(self.bytes()?);
            let _type = self.byte("a type")?;
            let flags = self.byte("flags")?;
            if flags & HAS_HELP != 0 {
                self.range()?;
            }
            self.range()?;
            self.time()?;
            self.range()?;
            if flags & HAS_EXACT != 0 {
                self.range()?;
            }
        }
        Ok(())
    }

    fn put(&mut self, reading: &mut impl Reading<'a>) -> Result<Option<Change<'a>>, RecordError> {
        let mode = match self.byte("a mode")? {
            0 => PushMode::ReplaceGroup,
            1 => PushMode::ReplaceFamilies,
            _ => return Err(self.malformed("a mode before it")),
        };
        let key = self.bytes()?;
        let end_of_key = self.at;
        let lifetime = if self.version == SINGLE {
            None
        } else {
            self.lifetime()?
        };
        let begun = reading.begin(key, Touch::Put(mode), Names(Some(self)));
        let key = begun.map_err(|_| RecordError::Malformed {
            at: end_of_key,
            expected: "a grouping key before it",
        })?;
        let Some(key) = key else {
            self.pass_families(|_| {})?;
            return Ok(None);
        };
        let mut prepared = Prepared::empty(Cow::Borrowed(self.record));
        let (mut before, mut is_sorted) = (None, true);
        for _ in 0..self.length()? {
            let name = self.text()?;
            is_sorted &= before.replace(name).is_none_or(|before| before < name);
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
                contradicts: flags & CONTRADICTS != 0,
                added_up: flags & ADDED_UP != 0,
                expires: flags & EXPIRES != 0,
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
            if reading.wants(name) {
                reading.add(&mut prepared, &parts, text);
            }
        }
        if !is_sorted {
            return Err(self.malformed("families sorted by name before it"));
        }
        Ok(Some(Change::Put {
            key: Cow::Owned(key),
            mode,
            lifetime,
            prepared,
            cause: Cause::Again,
        }))
    }
}

#[cfg(test)]
mod tests;
