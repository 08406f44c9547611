//! The state file of the real Pushgateway: what `--persistence.file` names when a user changes over to Wharf, or back.
//!
//! The file is one value in Go's gob coding, and has kept this shape since version 0.10.0:
//!
//! ```text
//! map                                 by grouping key, which the labels say again
//!   struct Labels   map of strings
//!          Metrics  map               by name of the family
//!            struct Timestamp             time of the push, as Go writes a time
//!                   GobbableMetricFamily  io.prometheus.client.MetricFamily
//! ```
//!
//! The names of the fields are what counts. Fields that a future version may add are passed over, missing ones
//! are empty, and the names and numbers of the types are up to the writer.
//!
//! [`read`] takes a file as a whole, [`Writer`] makes one group by group; both share the names and numbers of this file.
//!
//! A file that cannot be read to its end is refused as a whole. A group or family which is readable but which
//! Wharf cannot hold is left out and listed, since a file that the real Pushgateway could live with must not
//! keep Wharf from starting.
//!
//! What is read refers to the bytes of the file, and takes a small multiple of their number whatever they say.

mod error;
mod gob;
#[cfg(test)]
mod tests;
mod write;

use std::cell::LazyCell;
use std::collections::BTreeMap;
use std::fmt;

use wharf_model::GroupingKey;
use wharf_settings::Quoted;
use wharf_store::UnixNanos;

pub use self::error::StateFileError;
use self::gob::{TypeId, Values};
pub use self::write::Writer;

/// A larger file is neither read by the tools nor written. Go takes twice as much.
pub const MAX_BYTES: u64 = 4 << 30;

/// The fields of the structs.
const LABELS: &str = "Labels";
const METRICS: &str = "Metrics";
const TIMESTAMP: &str = "Timestamp";
const FAMILY: &str = "GobbableMetricFamily";

/// Go counts seconds from the year 1.
const YEAR_1_TO_1970_SECONDS: i64 = 62_135_596_800;

/// How many of the groups and families that are left out are listed. A family of three bytes is listed in some hundred.
const MAX_SKIPPED: usize = 1_000;

/// What a state file held.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StateFile<'b> {
    /// The groups, sorted by key.
    pub groups: Vec<Group<'b>>,
    /// The first thousand of what Wharf cannot hold.
    pub skipped: Vec<Skipped>,
    /// How many more there are.
    pub more_skipped: usize,
}

/// One group of a state file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group<'b> {
    /// The labels of the group.
    pub key: GroupingKey,
    /// The families, sorted by name, `push_time_seconds` and `push_failure_time_seconds` among them.
    pub families: Vec<Family<'b>>,
}

/// One metric family of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Family<'b> {
    /// The name under which the group held the family.
    pub name: &'b str,
    /// When it was pushed. Times before 1970 are brought to 1970, those beyond the range of the type to its end.
    pub pushed_at: UnixNanos,
    /// An `io.prometheus.client.MetricFamily`, without a length in front, as the file has it: not yet decoded.
    pub message: &'b [u8],
}

/// A group or a family that was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// The labels of the group, in the notation of selectors, escaped and cut short.
    pub group: String,
    /// The family, escaped and cut short; `None` if the whole group was left out.
    pub family: Option<String>,
    /// Why.
    pub reason: String,
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(family) = &self.family {
            write!(f, "family {family} of ")?;
        }
        write!(f, "group {}: {}", self.group, self.reason)
    }
}

/// Reads a state file of the real Pushgateway.
///
/// Bytes behind the state are ignored, as the real one does.
///
/// # Errors
/// [`StateFileError`] if the bytes are cut short, are no gob stream, or are one of something else. Whether the
/// metric families can be decoded is not looked at.
pub fn read(bytes: &[u8]) -> Result<StateFile<'_>, StateFileError> {
    // `touch`, a mount or a power cut makes such a file, and the Pushgateway starts with it.
    if bytes.is_empty() {
        return Ok(StateFile::default());
    }
    let stream = gob::open(bytes)?;
    let mut values = stream.values();
    let entries = values.string_map(stream.root(), "a map of groups")?;
    let mut kept = BTreeMap::new();
    let mut skipped = LeftOut::default();
    for _ in 0..entries.count {
        // The key says what the labels say. Only the labels tell `a 0xFF b` in a value from two labels.
        values.string("a grouping key")?;
        let group = RawGroup::read(&mut values, entries.element)?;
        let reason = match group.key() {
            Ok(key) => {
                let families = group.families(&mut skipped);
                if kept.insert(key, families).is_none() {
                    continue;
                }
                "expected each group once, found it again; the last one is kept".to_owned()
            }
            Err(reason) => reason,
        };
        skipped.add(|| Skipped {
            group: group.shown(),
            family: None,
            reason,
        });
    }
    values.finish()?;
    let groups = kept.into_iter().map(|(key, families)| Group { key, families });
    Ok(StateFile {
        groups: groups.collect(),
        skipped: skipped.listed,
        more_skipped: skipped.more,
    })
}

/// What is left out, as it is found.
#[derive(Default)]
struct LeftOut {
    listed: Vec<Skipped>,
    more: usize,
}

impl LeftOut {
    fn add(&mut self, skipped: impl FnOnce() -> Skipped) {
        if self.listed.len() < MAX_SKIPPED {
            self.listed.push(skipped());
        } else {
            self.more += 1;
        }
    }
}

/// A group as the file has it. Strings of Go need not be UTF-8.
///
/// The maps are sorted, since the order in the file changes from one write to the next, and of two entries with
/// one key the later counts, as in the map that Go makes of them.
#[derive(Default)]
struct RawGroup<'b> {
    labels: BTreeMap<&'b [u8], &'b [u8]>,
    families: BTreeMap<&'b [u8], RawFamily<'b>>,
}

#[derive(Default)]
struct RawFamily<'b> {
    pushed_at: UnixNanos,
    message: Option<&'b [u8]>,
}

impl<'b> RawGroup<'b> {
    fn read(values: &mut Values<'_, 'b>, id: TypeId) -> Result<Self, StateFileError> {
        let mut group = Self::default();
        let mut fields = values.structure(id, "a group")?;
        while let Some(field) = fields.next(values)? {
            match str::from_utf8(field.name) {
                Ok(LABELS) => {
                    let labels = values.string_map(field.id, "a map of grouping labels")?;
                    for _ in 0..labels.count {
                        let name = values.string("a label name")?;
                        let value = values.string_of(labels.element, "a label value")?;
                        group.labels.insert(name, value);
                    }
                }
                Ok(METRICS) => {
                    let families = values.string_map(field.id, "a map of metric families")?;
                    for _ in 0..families.count {
                        let name = values.string("the name of a metric family")?;
                        let family = RawFamily::read(values, families.element)?;
                        group.families.insert(name, family);
                    }
                }
                _ => values.skip(field.id)?,
            }
        }
        Ok(group)
    }

    fn key(&self) -> Result<GroupingKey, String> {
        let labels: Option<Vec<(&str, &str)>> = self
            .labels
            .iter()
            .map(|(name, value)| Some((str::from_utf8(name).ok()?, str::from_utf8(value).ok()?)))
            .collect();
        let labels = labels.ok_or("expected grouping labels in UTF-8, found other bytes")?;
        GroupingKey::new(labels).map_err(|error| error.to_string())
    }

    /// The families that Wharf can hold; the others are added to `skipped`.
    fn families(&self, skipped: &mut LeftOut) -> Vec<Family<'b>> {
        let group = LazyCell::new(|| self.shown());
        let mut kept = Vec::with_capacity(self.families.len());
        for (name, family) in &self.families {
            let reason = match (str::from_utf8(name), family.message) {
                (Ok(name), Some(message)) => {
                    kept.push(Family {
                        name,
                        pushed_at: family.pushed_at,
                        message,
                    });
                    continue;
                }
                (Err(_), _) => "expected a name in UTF-8, found other bytes",
                (Ok(_), None) => "expected a metric family, found none",
            };
            skipped.add(|| Skipped {
                group: group.clone(),
                family: Some(quoted(name)),
                reason: reason.to_owned(),
            });
        }
        kept
    }

    /// The labels for a person. Each family that is left out repeats them, so that the length has a bound.
    fn shown(&self) -> String {
        const MAX_LABELS: usize = 8;
        let mut shown: Vec<String> = self
            .labels
            .iter()
            .take(MAX_LABELS)
            .map(|(name, value)| format!("{}={}", escaped(name), quoted(value)))
            .collect();
        if self.labels.len() > MAX_LABELS {
            shown.push("...".to_owned());
        }
        format!("{{{}}}", shown.join(","))
    }
}

impl<'b> RawFamily<'b> {
    fn read(values: &mut Values<'_, 'b>, id: TypeId) -> Result<Self, StateFileError> {
        let mut family = Self::default();
        let mut fields = values.structure(id, "a metric family with its time")?;
        while let Some(field) = fields.next(values)? {
            match str::from_utf8(field.name) {
                Ok(TIMESTAMP) => {
                    let offset = values.offset();
                    let payload = values.opaque(field.id, "the time of a push")?;
                    family.pushed_at = unix_nanos(payload).ok_or_else(|| {
                        let found = format!("`{}`", escaped(payload));
                        StateFileError::new(offset, "a time of version 1 or 2", found)
                    })?;
                }
                Ok(FAMILY) => {
                    family.message = Some(values.opaque(field.id, "a metric family")?);
                }
                _ => values.skip(field.id)?,
            }
        }
        Ok(family)
    }
}

/// Reads a time as Go writes it: version, seconds since the year 1, nanoseconds, and an offset of the zone, which
/// does not change the instant. The offset is in minutes in version 1, in minutes and seconds in version 2.
fn unix_nanos(payload: &[u8]) -> Option<UnixNanos> {
    let (version, rest) = payload.split_first()?;
    let (seconds, rest) = rest.split_first_chunk()?;
    let (nanos, zone) = rest.split_first_chunk()?;
    if !matches!((version, zone.len()), (1, 2) | (2, 3)) {
        return None;
    }
    let seconds = i128::from(i64::from_be_bytes(*seconds)) - i128::from(YEAR_1_TO_1970_SECONDS);
    let nanos = seconds * 1_000_000_000 + i128::from(u32::from_be_bytes(*nanos));
    let clamped = nanos.clamp(0, i128::from(i64::MAX));
    i64::try_from(clamped).ok().map(UnixNanos)
}

/// How much of a string of the file is shown, in characters or bytes.
const MAX_SHOWN: usize = 64;

/// Bytes of the file in double quotes, escaped and cut short.
fn quoted(bytes: &[u8]) -> String {
    match str::from_utf8(bytes) {
        Ok(text) => match text.char_indices().nth(MAX_SHOWN) {
            Some((end, _)) => {
                let (head, _) = text.split_at_checked(end).unwrap_or_default();
                Quoted(&format!("{head}...")).to_string()
            }
            None => Quoted(text).to_string(),
        },
        Err(_) => format!("\"{}\"", escaped(bytes)),
    }
}

/// Bytes of the file in ASCII, cut short.
fn escaped(bytes: &[u8]) -> String {
    match bytes.get(..MAX_SHOWN) {
        Some(head) if head.len() < bytes.len() => format!("{}...", head.escape_ascii()),
        _ => bytes.escape_ascii().to_string(),
    }
}
