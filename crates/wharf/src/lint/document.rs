//! The lines of a text with the places where things stand, which a decoded exposition does not have.
//!
//! The text has passed the decoder, so this reader does not judge: a line that it cannot follow is none of its.

use std::borrow::Cow;
use std::collections::HashMap;

use wharf_exposition::{number, text};
use wharf_model::MetricType;
use wharf_settings::Quoted;

use super::notes::lines;

/// How metrics are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Syntax {
    /// The text format of Prometheus.
    #[default]
    Text,
    /// `OpenMetrics` 1.0.
    OpenMetrics,
    /// Delimited messages.
    Protobuf,
}

/// What a text says, family by family.
#[derive(Debug, Default)]
pub(super) struct Document<'a> {
    pub(super) syntax: Syntax,
    families: Vec<Family<'a>>,
    by_name: HashMap<Cow<'a, str>, usize>,
}

/// Everything about one name.
#[derive(Debug)]
pub(super) struct Family<'a> {
    pub(super) name: Cow<'a, str>,
    /// The name that its metadata have: that of a counter or info of `OpenMetrics` lacks the end that its samples have.
    pub(super) metadata: Cow<'a, str>,
    /// Where the name stands first.
    pub(super) offset: usize,
    pub(super) has_help: bool,
    /// The type of the TYPE line.
    pub(super) declared: Option<MetricType>,
    pub(super) samples: Vec<Sample<'a>>,
}

impl Family<'_> {
    pub(super) fn metric_type(&self) -> MetricType {
        self.declared.unwrap_or(MetricType::Untyped)
    }
}

/// Which line of a family's metric a sample is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Part {
    Value,
    Bucket,
    Sum,
    Count,
    /// When it began, which is no series.
    Created,
}

/// One sample line.
#[derive(Debug)]
pub(super) struct Sample<'a> {
    pub(super) part: Part,
    /// Where its name stands.
    pub(super) offset: usize,
    /// In the order of the line.
    pub(super) labels: Vec<Label<'a>>,
    pub(super) value: f64,
    /// Where a timestamp stands.
    pub(super) timestamp: Option<usize>,
}

impl Sample<'_> {
    /// The labels as pairs, sorted, without that of `except`.
    pub(super) fn label_set(&self, except: Option<&str>) -> Vec<(&str, &str)> {
        let mut set: Vec<_> = self
            .labels
            .iter()
            .map(|label| (&*label.name, &*label.value))
            .filter(|(name, _)| Some(*name) != except)
            .collect();
        set.sort_unstable();
        set
    }
}

/// One label of a sample.
#[derive(Debug)]
pub(super) struct Label<'a> {
    pub(super) name: Cow<'a, str>,
    pub(super) value: Cow<'a, str>,
    /// Where its name stands.
    pub(super) offset: usize,
}

/// Labels in braces, as a text has them.
pub(super) fn label_set<'l>(labels: impl IntoIterator<Item = (&'l str, &'l str)>) -> String {
    let labels = labels.into_iter();
    let labels: Vec<String> = labels
        .map(|(name, value)| format!("{name}={}", Quoted(value)))
        .collect();
    format!("{{{}}}", labels.join(","))
}

impl<'a> Document<'a> {
    /// Reads the text format.
    pub(super) fn read(body: &'a [u8]) -> Self {
        Self::read_as(Syntax::Text, body)
    }

    /// Reads `OpenMetrics`.
    pub(super) fn read_openmetrics(body: &'a [u8]) -> Self {
        Self::read_as(Syntax::OpenMetrics, body)
    }

    /// Reads the text format that protobuf comes to.
    pub(super) fn read_protobuf(lines: &'a [u8]) -> Self {
        Self::read_as(Syntax::Protobuf, lines)
    }

    fn read_as(syntax: Syntax, body: &'a [u8]) -> Self {
        let mut document = Self {
            syntax,
            ..Self::default()
        };
        for range in lines(body) {
            let start = range.start;
            let line = body.get(range).unwrap_or_default();
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let mut reader = Reader {
                rest: line,
                end: start + line.len(),
            };
            reader.blanks();
            match reader.peek() {
                None => {}
                Some(b'#') => document.comment(reader),
                Some(_) => document.sample(reader).unwrap_or_default(),
            }
        }
        document
    }

    /// The families that have samples, in the order of the text.
    pub(super) fn families(&self) -> impl Iterator<Item = &Family<'a>> {
        self.families.iter().filter(|family| !family.samples.is_empty())
    }

    pub(super) fn series(&self) -> usize {
        self.lines().count()
    }

    /// The samples that are series, with their families.
    pub(super) fn lines(&self) -> impl Iterator<Item = (&Family<'a>, &Sample<'a>)> {
        let lines = self.families.iter().flat_map(|family| {
            let samples = family.samples.iter();
            samples.map(move |sample| (family, sample))
        });
        lines.filter(|(_, sample)| sample.part != Part::Created)
    }

    /// The labels of the metric whose line has this byte; none if it is a comment that has it. Those that tell the lines of a
    /// metric apart are none of them.
    pub(super) fn metric_at(&self, offset: usize, lines: &[u8]) -> Option<String> {
        let behind = self.families.partition_point(|family| family.offset <= offset);
        let family = self.families.get(behind.checked_sub(1)?)?;
        let behind = family.samples.partition_point(|sample| sample.offset <= offset);
        let sample = family.samples.get(behind.checked_sub(1)?)?;
        let between = lines.get(sample.offset..offset)?;
        let own = match family.metric_type() {
            MetricType::Summary => Some("quantile"),
            kind if kind.is_histogram() => Some("le"),
            _ => None,
        };
        (!between.contains(&b'\n')).then(|| label_set(sample.label_set(own)))
    }

    fn comment(&mut self, mut reader: Reader<'a>) {
        reader.skip(1);
        reader.blanks();
        let keyword = reader.word();
        reader.blanks();
        let offset = reader.offset();
        let is_metadata = match keyword {
            b"HELP" | b"TYPE" => true,
            b"UNIT" => self.syntax == Syntax::OpenMetrics,
            _ => false,
        };
        let Some(name) = reader.name().filter(|_| is_metadata) else {
            return;
        };
        reader.blanks();
        let rest = reader.rest;
        let found = match self.syntax {
            Syntax::OpenMetrics => self.open_family(&name),
            Syntax::Text | Syntax::Protobuf => self.find(&name).map(|(family, _)| family),
        };
        let family = found.unwrap_or_else(|| self.add(name, offset));
        let Some(family) = self.families.get_mut(family) else {
            return;
        };
        if keyword == b"HELP" {
            family.has_help |= !rest.is_empty();
        } else if keyword == b"TYPE" && family.declared.is_none() {
            family.declared = match self.syntax {
                Syntax::OpenMetrics => of_openmetrics(rest),
                Syntax::Text | Syntax::Protobuf => text::parse_type(rest.trim_ascii()),
            };
        }
    }

    /// The family of `OpenMetrics` to which metadata of this name belong: the last one, before its first sample.
    fn open_family(&self, name: &str) -> Option<usize> {
        let last = self.families.last()?;
        (last.metadata == name && last.samples.is_empty()).then_some(self.families.len() - 1)
    }

    /// The family of `OpenMetrics` of which a sample of this name is: the last one.
    fn find_in_open(&mut self, name: &str) -> Option<(usize, Part)> {
        let last = self.families.len().checked_sub(1)?;
        let family = self.families.last_mut()?;
        let suffix = name.strip_prefix(&*family.metadata)?;
        let kind = family.metric_type();
        let part = match (kind, suffix) {
            (_, "_bucket") if kind.is_histogram() => Part::Bucket,
            (MetricType::Summary | MetricType::Histogram, "_sum") | (MetricType::GaugeHistogram, "_gsum") => {
                Part::Sum
            }
            (MetricType::Summary | MetricType::Histogram, "_count")
            | (MetricType::GaugeHistogram, "_gcount") => Part::Count,
            (MetricType::Counter | MetricType::Summary | MetricType::Histogram, "_created") => Part::Created,
            (MetricType::Counter, "_total") | (MetricType::Info, "_info") => {
                if family.name != name {
                    family.name = Cow::Owned(name.to_owned());
                }
                Part::Value
            }
            (_, "") => Part::Value,
            _ => return None,
        };
        Some((last, part))
    }

    fn sample(&mut self, mut reader: Reader<'a>) -> Option<()> {
        let mut offset = reader.offset();
        let mut name = reader.name().filter(|name| !name.is_empty());
        let mut labels = Vec::new();
        reader.blanks();
        if reader.eat(b'{') {
            loop {
                reader.blanks();
                if reader.eat(b'}') {
                    break;
                }
                let at = reader.offset();
                let label = reader.name()?;
                reader.blanks();
                if reader.eat(b'=') {
                    reader.blanks();
                    let value = reader.name()?;
                    labels.push(Label {
                        name: label,
                        value,
                        offset: at,
                    });
                } else {
                    // A name in quotes stands among the labels.
                    (name, offset) = (Some(label), at);
                }
                reader.blanks();
                reader.eat(b',');
            }
        }
        let name = name?;
        reader.blanks();
        let value = number::parse_f64(reader.word())?;
        reader.blanks();
        // Behind it there may be an exemplar.
        let timestamp = reader
            .peek()
            .filter(|byte| *byte != b'#')
            .map(|_| reader.offset());
        let found = match self.syntax {
            Syntax::OpenMetrics => self.find_in_open(&name),
            Syntax::Text | Syntax::Protobuf => self.find(&name),
        };
        let (family, part) = match found {
            Some(found) => found,
            None => (self.add(name, offset), Part::Value),
        };
        self.families.get_mut(family)?.samples.push(Sample {
            part,
            offset,
            labels,
            value,
            timestamp,
        });
        Some(())
    }

    /// The family of that name, or the histogram or summary of which it is a line.
    fn find(&self, name: &str) -> Option<(usize, Part)> {
        if let Some(family) = self.by_name.get(name) {
            return Some((*family, Part::Value));
        }
        let suffixes = [
            ("_bucket", Part::Bucket),
            ("_sum", Part::Sum),
            ("_count", Part::Count),
        ];
        let (base, part) = suffixes
            .into_iter()
            .find_map(|(suffix, part)| Some((name.strip_suffix(suffix)?, part)))?;
        let family = *self.by_name.get(base)?;
        let metric_type = self.families.get(family)?.metric_type();
        let has_part =
            metric_type.is_histogram() || (metric_type == MetricType::Summary && part != Part::Bucket);
        has_part.then_some((family, part))
    }

    fn add(&mut self, name: Cow<'a, str>, offset: usize) -> usize {
        let family = self.families.len();
        self.by_name.insert(name.clone(), family);
        self.families.push(Family {
            metadata: name.clone(),
            name,
            offset,
            has_help: false,
            declared: None,
            samples: Vec::new(),
        });
        family
    }
}

/// The type that a TYPE line of `OpenMetrics` names.
fn of_openmetrics(word: &[u8]) -> Option<MetricType> {
    use MetricType::{Counter, Gauge, GaugeHistogram, Histogram, Info, StateSet, Summary, Untyped};
    [
        Counter,
        Gauge,
        GaugeHistogram,
        Histogram,
        Info,
        StateSet,
        Summary,
        Untyped,
    ]
    .into_iter()
    .find(|kind| kind.as_openmetrics().as_bytes() == word)
}

/// Reads one line from left to right.
#[derive(Debug)]
struct Reader<'a> {
    rest: &'a [u8],
    /// Where the line ends in the body.
    end: usize,
}

impl<'a> Reader<'a> {
    fn offset(&self) -> usize {
        self.end - self.rest.len()
    }

    fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    fn skip(&mut self, count: usize) {
        self.rest = self.rest.get(count..).unwrap_or_default();
    }

    fn eat(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.skip(usize::from(is_next));
        is_next
    }

    fn blanks(&mut self) {
        self.take(|byte| matches!(byte, b' ' | b'\t'));
    }

    fn word(&mut self) -> &'a [u8] {
        self.take(|byte| !matches!(byte, b' ' | b'\t'))
    }

    fn take(&mut self, goes_on: impl Fn(u8) -> bool) -> &'a [u8] {
        let len = self.rest.iter().position(|byte| !goes_on(*byte));
        let (taken, rest) = self.rest.split_at(len.unwrap_or(self.rest.len()));
        self.rest = rest;
        taken
    }

    /// A name, or anything in quotes.
    fn name(&mut self) -> Option<Cow<'a, str>> {
        if !self.eat(b'"') {
            let name = self.take(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':'));
            return Some(String::from_utf8_lossy(name));
        }
        let mut is_escaped = false;
        let end = self.rest.iter().position(|byte| {
            let ends = *byte == b'"' && !is_escaped;
            is_escaped = *byte == b'\\' && !is_escaped;
            ends
        })?;
        let text = String::from_utf8_lossy(self.rest.get(..end)?);
        self.skip(end + 1);
        Some(if text.contains('\\') {
            Cow::Owned(unescaped(&text))
        } else {
            text
        })
    }
}

fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        match (c, characters.clone().next()) {
            ('\\', Some(escape)) => {
                characters.next();
                out.push(if escape == 'n' { '\n' } else { escape });
            }
            _ => out.push(c),
        }
    }
    out
}
