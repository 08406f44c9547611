//! One line of a client: a name with samples, an event, or a service check.
//!
//! ```text
//! name:value|type                                   StatsD; type is c, g, ms, h, d, s or m
//! name:1|c|@0.1:320|ms                              several samples, each with its own rate
//! name:1:2:3|ms|@0.5|#key:value,key:value           DogStatsD: packed values, tags
//! name:1|c|#key:value|c:ID|e:ORIGIN|card:low|T1700000000
//! name,key=value:1|c     name#key=value:1|c     a[key=value].b:1|c     InfluxDB, Librato, SignalFx
//! _e{5,4}:title|text|t:error|#key:value             event
//! _sc|name|0|#key:value|m:text                      service check
//! ```
//!
//! What `statsd_exporter` 0.31 makes of a line is made of it here, by the same reasons if it is refused, but for what real clients
//! send and it loses: `docs/statsd.md` has the list.

mod event;
mod fields;
pub(crate) mod known;
mod samples;
mod tags;
#[cfg(test)]
mod tests;

use std::fmt;

pub use self::event::{Event, ServiceCheck};
use self::fields::Fields;
use self::samples::Samples;
use crate::number;

/// Which ways to write tags are understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Dialect {
    /// `|#key:value`, events and service checks.
    pub dogstatsd: bool,
    /// `name,key=value`
    pub influxdb: bool,
    /// `name#key=value`
    pub librato: bool,
    /// `na[key=value]me`
    pub signalfx: bool,
}

/// All of them, as by default in `statsd_exporter`.
impl Default for Dialect {
    fn default() -> Self {
        Self {
            dogstatsd: true,
            influxdb: true,
            librato: true,
            signalfx: true,
        }
    }
}

/// A key with a value, as they were sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tag<'a> {
    /// Not escaped: keys that are equal once they [are](crate::escape_name) are the same label.
    pub key: &'a str,
    /// Any text but the empty one.
    pub value: &'a str,
}

/// What a line has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Item<'a> {
    /// A value for a series.
    Sample(Sample<'a>),
    /// An event of `DogStatsD`.
    Event(Event<'a>),
    /// A service check of `DogStatsD`.
    Check(ServiceCheck<'a>),
}

/// A value for a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample<'a> {
    /// The name as it was sent, without tags: mapping rules see it like this.
    pub name: &'a str,
    /// What was measured.
    pub measure: Measure<'a>,
    /// In the order they came: of equal keys the last one counts. The container is among them, as `container_id`.
    pub tags: &'a [Tag<'a>],
    /// Who sent it, as the client says.
    pub origin: Origin<'a>,
}

/// What was measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Measure<'a> {
    /// So much more, with the sampling rate taken into account. It may be negative or no number.
    Count(f64),
    /// A state.
    Gauge {
        /// The number.
        value: f64,
        /// Whether it had a sign, and so is to be added to what was there.
        is_relative: bool,
    },
    /// An observation; times are in seconds.
    Observation {
        /// The number.
        value: f64,
        /// How many observations it stands for: at least one.
        times: u32,
    },
    /// One of a set, whose distinct members are counted.
    Member(&'a str),
}

/// Fields of `DogStatsD` that say who has sent a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Origin<'a> {
    /// `e:`, as the environment gave it to the client.
    pub external: Option<&'a str>,
    /// `card:`: how many tags of the origin the sample should get.
    pub cardinality: Option<&'a str>,
}

/// Why a sample or a line was not taken. The names are those of the exporter's label `reason`, where it has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SampleError {
    /// No name, no colon, or no UTF-8.
    MalformedLine,
    /// A name with a value, and no type.
    NotEnoughParts,
    /// Tags in the name and behind the value.
    MixedTaggingStyles,
    /// Packed values of a type that has none.
    InvalidExtendedAggregateType,
    /// A part is empty, or there are too many.
    MalformedComponent,
    /// A value that is no number, or a set's empty member.
    MalformedValue,
    /// A rate that is none, or something that is not known.
    InvalidSampleFactor,
    /// `c:` without anything behind it.
    MalformedContainerId,
    /// A type that is not known.
    IllegalEvent,
    /// An event that cannot be read.
    MalformedDogstatsdEvent,
    /// A service check that cannot be read.
    MalformedServiceCheck,
    /// The line has so many samples, and each of them so many tags, that reading all of it would take too long.
    TooMuch,
}

impl SampleError {
    /// All there are.
    pub const ALL: [Self; 12] = [
        Self::MalformedLine,
        Self::NotEnoughParts,
        Self::MixedTaggingStyles,
        Self::InvalidExtendedAggregateType,
        Self::MalformedComponent,
        Self::MalformedValue,
        Self::InvalidSampleFactor,
        Self::MalformedContainerId,
        Self::IllegalEvent,
        Self::MalformedDogstatsdEvent,
        Self::MalformedServiceCheck,
        Self::TooMuch,
    ];

    /// The value of the label `reason`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MalformedLine => "malformed_line",
            Self::NotEnoughParts => "not_enough_parts_after_colon",
            Self::MixedTaggingStyles => "mixed_tagging_styles",
            Self::InvalidExtendedAggregateType => "invalid_extended_aggregate_type",
            Self::MalformedComponent => "malformed_component",
            Self::MalformedValue => "malformed_value",
            Self::InvalidSampleFactor => "invalid_sample_factor",
            Self::MalformedContainerId => "malformed_container_id",
            Self::IllegalEvent => "illegal_event",
            Self::MalformedDogstatsdEvent => "malformed_event",
            Self::MalformedServiceCheck => "malformed_service_check",
            Self::TooMuch => "too_much_in_a_line",
        }
    }
}

impl fmt::Display for SampleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What has been read, in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LineCounts {
    /// Samples, refused ones too.
    pub samples: u64,
    /// Samples that have tags.
    pub tagged: u64,
    /// Tags without a key or a value; the sample counts without them.
    pub tag_errors: u64,
    /// Events.
    pub events: u64,
    /// Service checks.
    pub checks: u64,
    errors: [u64; SampleError::ALL.len()],
}

impl LineCounts {
    /// How often something was refused for this reason.
    pub fn errors(&self, error: SampleError) -> u64 {
        self.errors.get(error as usize).copied().unwrap_or_default()
    }

    /// Whether as much was refused as at that earlier time.
    pub(crate) fn has_errors_of(&self, before: &Self) -> bool {
        self.errors == before.errors
    }

    /// As many more as a line has that was read before.
    pub(crate) fn add(&mut self, is_tagged: bool, tag_errors: u32) {
        self.samples += 1;
        self.tagged += u64::from(is_tagged);
        self.tag_errors += u64::from(tag_errors);
    }

    fn count(&mut self, error: SampleError) {
        if let Some(count) = self.errors.get_mut(error as usize) {
            *count += 1;
        }
    }
}

/// Reads lines, one after the other.
///
/// ```
/// use wharf_statsd::{Dialect, Item, Measure, Reader};
///
/// let mut reader = Reader::new(Dialect::default());
/// reader.read(b"shop.orders:3|c|#country:fr", |item| {
///     let Item::Sample(sample) = item else { panic!() };
///     assert_eq!((sample.name, sample.measure), ("shop.orders", Measure::Count(3.0)));
///     assert_eq!((sample.tags[0].key, sample.tags[0].value), ("country", "fr"));
/// });
/// assert_eq!(reader.counts().samples, 1);
/// ```
#[derive(Debug, Default)]
pub struct Reader {
    dialect: Dialect,
    counts: LineCounts,
    /// Room for the tags of a line, kept for the next one.
    tags: Vec<Tag<'static>>,
    /// Room for a name around its tags.
    joined: String,
}

impl Reader {
    /// Begins to read.
    pub fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            ..Self::default()
        }
    }

    /// What has been read since the beginning.
    pub fn counts(&self) -> &LineCounts {
        &self.counts
    }

    pub(crate) fn counts_mut(&mut self) -> &mut LineCounts {
        &mut self.counts
    }

    /// Reads a line, which has no line feed any more, and gives away what it has. A carriage return at its end belongs to the end.
    pub fn read(&mut self, line: &[u8], mut take: impl FnMut(Item<'_>)) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            return;
        }
        let Ok(line) = std::str::from_utf8(line) else {
            self.counts.count(SampleError::MalformedLine);
            return;
        };
        // The room is borrowed by each line anew, so that it may point into it.
        let mut tags: Vec<Tag<'_>> = emptied(std::mem::take(&mut self.tags));
        let mut joined = std::mem::take(&mut self.joined);
        let mut reading = Reading {
            dialect: self.dialect,
            counts: &mut self.counts,
            tags: &mut tags,
            work: 0,
        };
        if let Err(error) = reading.line(line, &mut joined, &mut take) {
            self.counts.count(error);
        }
        self.tags = emptied(tags);
        self.joined = joined;
    }
}

/// The room of a list without what is in it: collecting what an iterator over it gives takes no other.
fn emptied<'b>(mut tags: Vec<Tag<'_>>) -> Vec<Tag<'b>> {
    tags.clear();
    tags.into_iter().map(|_| Tag::default()).collect()
}

/// A line on its way.
struct Reading<'r, 'l> {
    dialect: Dialect,
    counts: &'r mut LineCounts,
    tags: &'r mut Vec<Tag<'l>>,
    /// Bytes of names and fields that its samples have, those of all of them together.
    work: usize,
}

/// Most bytes that the samples of a line may have in all, each with the name and the fields that they share. A line of 64 KiB with very many
/// values and very many tags would have a thousand times as many, and take seconds.
const MAX_WORK: usize = 4 << 20;

impl<'l> Reading<'_, 'l> {
    fn line(
        &mut self,
        line: &'l str,
        joined: &mut String,
        take: &mut impl FnMut(Item<'_>),
    ) -> Result<(), SampleError> {
        if self.dialect.dogstatsd {
            if let Some(rest) = line.strip_prefix("_e{") {
                let event = event::event(rest).ok_or(SampleError::MalformedDogstatsdEvent)?;
                self.list(event.tags_text, ':');
                self.counts.events += 1;
                take(Item::Event(event.with(self.tags)));
                return Ok(());
            }
            if let Some(rest) = line.strip_prefix("_sc|") {
                let check = event::check(rest).ok_or(SampleError::MalformedServiceCheck)?;
                self.list(check.tags_text, ':');
                self.counts.checks += 1;
                take(Item::Check(check.with(self.tags)));
                return Ok(());
            }
        }
        let (head, rest) = line.split_once(':').ok_or(SampleError::MalformedLine)?;
        if head.is_empty() {
            return Err(SampleError::MalformedLine);
        }
        let name = self.name(head, joined);
        let has_tags_behind = rest.contains("|#");
        if has_tags_behind && !self.tags.is_empty() {
            return Err(SampleError::MixedTaggingStyles);
        }
        let (value, behind) = rest.split_once('|').ok_or(SampleError::NotEnoughParts)?;
        if value.contains(':') {
            let kind = behind.split('|').next().unwrap_or_default();
            match Kind::of(kind) {
                Some(Kind::Time | Kind::Observation) => {
                    for value in value.split(':') {
                        self.sample(name, value, behind, take);
                    }
                }
                // Addresses, say.
                Some(Kind::Member) => self.sample(name, value, behind, take),
                _ => return Err(SampleError::InvalidExtendedAggregateType),
            }
        } else if has_tags_behind {
            self.sample(name, value, behind, take);
        } else {
            for sample in Samples(Some(rest)) {
                if let Some((value, behind)) = sample.split_once('|') {
                    self.sample(name, value, behind, take);
                } else {
                    self.counts.samples += 1;
                    self.counts.count(SampleError::MalformedComponent);
                }
            }
        }
        Ok(())
    }

    /// Gives away a sample, or counts why there is none. Its own tags are gone afterwards.
    fn sample(&mut self, name: &str, value: &'l str, behind: &'l str, take: &mut impl FnMut(Item<'_>)) {
        self.counts.samples += 1;
        self.work = self.work.saturating_add(name.len() + behind.len());
        if self.work > MAX_WORK {
            self.counts.count(SampleError::TooMuch);
            return;
        }
        let of_name = self.tags.len();
        match self.measure(value, behind) {
            Ok((measure, origin)) => take(Item::Sample(Sample {
                name,
                measure,
                tags: self.tags,
                origin,
            })),
            Err(error) => self.counts.count(error),
        }
        self.tags.truncate(of_name);
    }

    /// Reads a value, and what stands behind it: the type and the fields.
    fn measure(
        &mut self,
        value_text: &'l str,
        behind: &'l str,
    ) -> Result<(Measure<'l>, Origin<'l>), SampleError> {
        let (kind, fields) = match behind.split_once('|') {
            Some((kind, fields)) => (Kind::of(kind), Some(fields)),
            None => (Kind::of(behind), None),
        };
        let fields = Fields::of(fields)?;
        let value = match kind {
            Some(Kind::Member) if !value_text.is_empty() => 0.0,
            _ => number::parse(value_text).ok_or(SampleError::MalformedValue)?,
        };
        let read = self.fields(fields, value)?;
        if !self.tags.is_empty() {
            self.counts.tagged += 1;
        }
        let kind = kind.ok_or(SampleError::IllegalEvent)?;
        let times = if kind.is_observation() { read.times()? } else { 1 };
        let number = Number {
            text: value_text,
            value,
            divided: read.divided,
            times,
        };
        Ok((kind.measure(number), read.origin))
    }
}

/// The value of a sample, and what its rate makes of it.
#[derive(Debug, Clone, Copy)]
struct Number<'l> {
    text: &'l str,
    value: f64,
    /// As counts are, by all rates.
    divided: f64,
    /// How often it was observed.
    times: u32,
}

/// The type of a sample. Upper case is another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// `c`; `m` are Cadence's meters, which are counted as well.
    Count,
    /// `g`
    Gauge,
    /// `ms`
    Time,
    /// `h`, `d`
    Observation,
    /// `s`
    Member,
}

impl Kind {
    fn of(text: &str) -> Option<Self> {
        match text {
            "c" | "m" => Some(Self::Count),
            "g" => Some(Self::Gauge),
            "ms" => Some(Self::Time),
            "h" | "d" => Some(Self::Observation),
            "s" => Some(Self::Member),
            _ => None,
        }
    }

    fn is_observation(self) -> bool {
        matches!(self, Self::Time | Self::Observation)
    }

    /// What was measured, if this is the value.
    fn measure(self, number: Number<'_>) -> Measure<'_> {
        let Number {
            text,
            value,
            divided,
            times,
        } = number;
        match self {
            Self::Count => Measure::Count(divided),
            Self::Gauge => Measure::Gauge {
                value,
                is_relative: text.starts_with(['+', '-']),
            },
            // Clients send milliseconds, Prometheus counts in seconds.
            Self::Time => Measure::Observation {
                value: value / 1000.0,
                times,
            },
            Self::Observation => Measure::Observation { value, times },
            Self::Member => Measure::Member(text),
        }
    }
}
