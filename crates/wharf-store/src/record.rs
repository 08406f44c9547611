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

mod layout;
mod summary;
mod write;

use std::borrow::Cow;
use std::time::Duration;

use thiserror::Error;
use wharf_model::GroupingKey;

use self::layout::{
    CONTRADICTS, DELETE, DELETE_FAMILIES, GOES, GOES_BUT_FOR_TIMES, HAS_EXACT, HAS_HELP, INFINITY_ADDED,
    LIVES_FOR_EVER, PUT, SEVERAL, SINGLE, UTF8_NAMES, WIPE, type_of,
};
pub use self::summary::{RecordChange, RecordKind, record_changes};
pub(crate) use self::write::{Image, Several, delete, put, put_bytes, wipe};
use crate::change::{Cause, Change};
use crate::effect::By;
use crate::lifetime::{Lifetime, Ttl};
use crate::mode::PushMode;
use crate::parts::{FamilyParts, Shape};
use crate::prepare::{Prepared, Preparer};
use crate::{Reserved, UnixNanos};

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

/// The key of the group that a record puts; none of another record.
pub fn record_key(record: &[u8]) -> Option<GroupingKey> {
    let (version, put) = record.split_at_checked(2)?;
    if !matches!(version, [SINGLE | SEVERAL, PUT]) {
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
                contradicts: flags & CONTRADICTS != 0,
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
        })
    }
}

#[cfg(test)]
mod tests;
