//! Backups: groups as lines of JSON, each with all that is known of a group but its history.
//!
//! ```text
//! GET  /api/v1/export         snapshot -> lines                 (export.rs)
//! POST /api/v1/admin/import   lines -> groups, with their times (import.rs)
//! ```
//!
//! A line has the metrics as text, for people and for gateways that know nothing else. What text cannot say stands
//! beside it, and only then: families in protobuf form, types, units, and times that are not those of the last push. So
//! a line of plain metrics is what it was before there was more, and whatever was exported can be imported.

mod export;
mod import;

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use wharf_exposition::{Head, protobuf, text};
use wharf_model::name::{EscapingScheme, NameRule};
use wharf_model::{Exposition, Family, GroupingKey, GroupingKeyError, Meter, Metric, MetricType, TooLarge};
use wharf_store::{PUSH_FAILURE_TIME, PUSH_TIME};

pub(crate) use self::export::handle as export;
pub(crate) use self::import::handle as import;

/// The header with the number of lines of an export: whoever keeps one can tell whether it is whole.
pub const GROUPS_HEADER: &str = "wharf-groups";

/// One group of a backup.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq, Default)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// The labels of the group.
    pub labels: BTreeMap<String, String>,
    /// The last successful push; none if there never was one.
    pub push_time: Option<Timestamp>,
    /// The last refused push; none if there never was one, or if nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_time: Option<Timestamp>,
    /// How long the group lives after its last successful push, `0` for ever; without it, the target's rules decide.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<String>,
    /// Whether the push times stay when the group expires.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub keep_times: bool,
    /// When pushes of the group are expected, as one of them has said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<String>,
    /// Until when nothing is expected of it, if that was ever said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused_until: Option<Timestamp>,
    /// The metrics in the text format, without the labels of the group.
    pub text: String,
    /// Those families again of which text is not all: delimited protobuf messages in Base64.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub protobuf: String,
    /// What else there is to say of families, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub families: BTreeMap<String, Note>,
}

/// What neither text nor protobuf say of a family.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq, Default)]
#[serde(deny_unknown_fields)]
pub struct Note {
    /// When it was pushed, if not with the last push.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Timestamp>,
    /// Its type in `OpenMetrics`, if text has another word for it.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub metric_type: Option<String>,
    /// Its unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
}

/// Why a line is no group.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LineError {
    /// The labels are not those of a group.
    Labels(GroupingKeyError),
    /// The metrics cannot be read.
    Metrics(String),
    /// There is no time of a push, not of a refused one either.
    NoTime,
    /// This is no type that metrics can have which text calls so.
    Type {
        /// What stands beside the text.
        word: String,
        /// What the text says.
        text: &'static str,
    },
    /// There is more of something than fits.
    TooLarge(TooLarge),
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Labels(error) => error.fmt(f),
            Self::Metrics(error) => f.write_str(error),
            Self::NoTime => f.write_str("expected the time of a push, found none"),
            Self::Type { word, text } => write!(
                f,
                "expected a type that is a {text} in text, found `{}`",
                word.escape_debug()
            ),
            Self::TooLarge(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for LineError {}

impl From<TooLarge> for LineError {
    fn from(error: TooLarge) -> Self {
        Self::TooLarge(error)
    }
}

/// A family on its way into a line.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    /// Name, help, unit and type.
    pub head: Head<'a>,
    /// Where the metrics look up what they have.
    pub exposition: &'a Exposition<'a>,
    /// The metrics; those of the group's labels that they have do not matter.
    pub family: &'a Family,
    /// Whether text says all of the metrics.
    pub text_keeps_all: bool,
    /// When it was pushed.
    pub pushed_at: Option<Timestamp>,
}

impl Part<'_> {
    /// Text does not tell an empty help from none.
    fn text_is_all(&self) -> bool {
        self.text_keeps_all && self.head.help != Some("")
    }
}

/// Appends what text says of a family beside its metrics.
fn write_header(lines: &mut Vec<u8>, head: &Head<'_>) {
    text::write_header(
        lines,
        head.name,
        head.help,
        head.metric_type,
        EscapingScheme::AllowUtf8,
    );
}

/// A line that is being written.
#[derive(Debug)]
pub struct Draft {
    key: GroupingKey,
    line: Line,
    text: Vec<u8>,
    protobuf: Vec<u8>,
}

impl Draft {
    /// A group without metrics.
    pub fn new(key: &GroupingKey, push_time: Option<Timestamp>, failure_time: Option<Timestamp>) -> Self {
        let labels = key.labels();
        Self {
            line: Line {
                labels: labels
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .collect(),
                push_time,
                failure_time,
                ..Line::default()
            },
            key: key.clone(),
            text: Vec::new(),
            protobuf: Vec::new(),
        }
    }

    /// How long the group lives, if that is known.
    #[must_use]
    pub fn living(mut self, ttl: Option<String>, keep_times: bool) -> Self {
        (self.line.ttl, self.line.keep_times) = (ttl, keep_times);
        self
    }

    /// What is expected of the group, as far as it stands there.
    #[must_use]
    pub fn expected(mut self, expect: Option<String>, paused_until: Option<Timestamp>) -> Self {
        (self.line.expect, self.line.paused_until) = (expect, paused_until);
        self
    }

    /// Appends a family.
    pub fn add(&mut self, part: &Part<'_>) {
        let head = part.head;
        let mut lines = std::mem::take(&mut self.text);
        write_header(&mut lines, &head);
        self.write_lines(&mut lines, part);
        self.text = lines;
        if !part.text_is_all() {
            let mut message = Vec::new();
            protobuf::write_head(&mut message, &head, EscapingScheme::AllowUtf8);
            self.write_message(&mut message, part);
            protobuf::write_length(&mut self.protobuf, message.len());
            self.protobuf.extend_from_slice(&message);
        }
        self.note_time(head.name, part.pushed_at);
        if let Some(noted) = self.note_of(&head, None) {
            let note = self.line.families.entry(head.name.to_owned()).or_default();
            *note = Note {
                time: note.time,
                ..noted
            };
        }
    }

    /// Appends the metrics in text.
    fn write_lines(&self, lines: &mut Vec<u8>, part: &Part<'_>) {
        for metric in &part.family.metrics {
            let labels: Vec<_> = self.labels_of(part, metric).collect();
            let name = part.head.name;
            text::write_metric(
                lines,
                part.exposition,
                name,
                &labels,
                metric.value,
                EscapingScheme::AllowUtf8,
            );
        }
    }

    /// Appends the metrics to the message of their family.
    fn write_message(&self, message: &mut Vec<u8>, part: &Part<'_>) {
        for metric in &part.family.metrics {
            let labels = self.labels_of(part, metric);
            let metric_type = part.head.metric_type;
            protobuf::write_metric(
                message,
                part.exposition,
                metric_type,
                labels,
                metric,
                EscapingScheme::AllowUtf8,
            );
        }
    }

    /// Without those that the gateway puts on every series: the labels of the group, and an empty instance on what has none.
    fn labels_of<'p>(
        &self,
        part: &Part<'p>,
        metric: &Metric,
    ) -> impl Iterator<Item = (&'p str, &'p str)> + use<'p, '_> {
        let keeps = |name: &str, value: &str| {
            self.key.value(name).is_none() && !(name == "instance" && value.is_empty())
        };
        let labels = part.exposition.labels(metric.labels);
        labels.filter(move |(name, value)| keeps(name, value))
    }

    /// What is to be noted of a family beside its metrics.
    fn note_of(&self, head: &Head<'_>, pushed_at: Option<Timestamp>) -> Option<Note> {
        let word = head.metric_type.as_openmetrics();
        let is_plain = head.metric_type.as_text() == word || head.metric_type == MetricType::Untyped;
        let note = Note {
            time: pushed_at.filter(|_| pushed_at != self.line.pushed_at(head.name)),
            metric_type: (!is_plain).then(|| word.to_owned()),
            unit: Some(head.unit.to_owned()).filter(|unit| !unit.is_empty()),
        };
        (note != Note::default()).then_some(note)
    }

    /// Keeps when a family was pushed, if that is not what a line without it says.
    pub fn note_time(&mut self, family: &str, pushed_at: Option<Timestamp>) {
        if pushed_at.is_some() && pushed_at != self.line.pushed_at(family) {
            self.line.families.entry(family.to_owned()).or_default().time = pushed_at;
        }
    }

    /// The line.
    pub fn finish(mut self) -> Line {
        // It is made of strings and ASCII.
        self.line.text = String::from_utf8_lossy(&self.text).into_owned();
        self.line.protobuf = STANDARD.encode(&self.protobuf);
        self.line
    }
}

impl Line {
    /// The labels as the key of a group.
    ///
    /// # Errors
    /// If they are none.
    pub fn key(&self) -> Result<GroupingKey, LineError> {
        let labels = self.labels.iter();
        GroupingKey::new(labels.map(|(name, value)| (name.as_str(), value.as_str())))
            .map_err(LineError::Labels)
    }

    /// When a family was pushed; none if there is no time of a push at all.
    pub fn pushed_at(&self, family: &str) -> Option<Timestamp> {
        let noted = |family: &str| self.families.get(family)?.time;
        let last = || noted(PUSH_TIME).or(self.push_time).or(self.failure_time);
        let refused = self.failure_time.filter(|_| family == PUSH_FAILURE_TIME);
        noted(family).or(refused).or_else(last)
    }

    /// The metrics: what text says, and what stands beside it.
    ///
    /// # Errors
    /// If some of it cannot be read.
    pub fn exposition(&self, names: NameRule) -> Result<Exposition<'_>, LineError> {
        self.exposition_within(names, &Meter::unlimited())
    }

    /// [`Self::exposition`], with memory of this meter.
    ///
    /// # Errors
    /// As there, and [`LineError::TooLarge`] if the meter gives no more.
    pub fn exposition_within(
        &self,
        names: NameRule,
        memory: &Meter<'_>,
    ) -> Result<Exposition<'_>, LineError> {
        let options = text::Options { names, strict: false };
        let text = text::decode_within(self.text.as_bytes(), options, memory);
        let mut exposition = text.map_err(|error| match error.denied() {
            Some(denied) => LineError::TooLarge(denied.into()),
            None => LineError::Metrics(error.to_string()),
        })?;
        memory.take(self.protobuf.len()).map_err(TooLarge::from)?;
        let exact = STANDARD
            .decode(&self.protobuf)
            .map_err(|error| LineError::Metrics(format!("protobuf: {error}")))?;
        let exact = protobuf::decode_within(&exact, memory).map_err(|error| match error.denied() {
            Some(denied) => LineError::TooLarge(denied.into()),
            None => LineError::Metrics(format!("protobuf: {error}")),
        })?;
        let mut taken = std::collections::HashSet::new();
        for family in &exact.families {
            taken.insert(exact.text(family.name));
        }
        let mut families = std::mem::take(&mut exposition.families);
        families.retain(|family| !taken.contains(exposition.text(family.name)));
        for family in &exact.families {
            families.push(exposition.adopt_family_within(&exact, family, memory)?);
        }
        for family in &mut families {
            let Some(note) = self.families.get(exposition.text(family.name)) else {
                continue;
            };
            if let Some(unit) = &note.unit {
                family.unit = exposition.intern_within(unit, memory)?;
            }
            if let Some(word) = &note.metric_type {
                let text = family.metric_type.as_text();
                let word = word.clone();
                family.metric_type = noted_type(&word, text).ok_or(LineError::Type { word, text })?;
            }
        }
        exposition.families = families;
        Ok(exposition)
    }
}

/// The types that text has other words for. A gauge with the type of a histogram would lose its value.
fn noted_type(word: &str, text: &str) -> Option<MetricType> {
    let types = [MetricType::GaugeHistogram, MetricType::Info, MetricType::StateSet];
    types
        .into_iter()
        .find(|noted| noted.as_openmetrics() == word && noted.as_text() == text)
}
