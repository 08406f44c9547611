//! The lines of a text with the places where things stand, which a decoded exposition does not have.
//!
//! The text has passed the decoder, so this reader does not judge: a line that it cannot follow is none of its.

use std::borrow::Cow;
use std::collections::HashMap;

use wharf_exposition::{number, text};
use wharf_model::MetricType;

use super::notes::lines;

/// What a text says, family by family.
#[derive(Debug, Default)]
pub(super) struct Document<'a> {
    families: Vec<Family<'a>>,
    by_name: HashMap<Cow<'a, str>, usize>,
}

/// Everything about one name.
#[derive(Debug)]
pub(super) struct Family<'a> {
    pub(super) name: Cow<'a, str>,
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

impl<'a> Document<'a> {
    pub(super) fn read(body: &'a [u8]) -> Self {
        let mut document = Self::default();
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
        self.families.iter().map(|family| family.samples.len()).sum()
    }

    fn comment(&mut self, mut reader: Reader<'a>) {
        reader.skip(1);
        reader.blanks();
        let keyword = reader.word();
        reader.blanks();
        let offset = reader.offset();
        let (Some(name), b"HELP" | b"TYPE") = (reader.name(), keyword) else {
            return;
        };
        reader.blanks();
        let rest = reader.rest;
        let family = self
            .find(&name)
            .map_or_else(|| self.add(name, offset), |(family, _)| family);
        let Some(family) = self.families.get_mut(family) else {
            return;
        };
        if keyword == b"HELP" {
            family.has_help |= !rest.is_empty();
        } else if family.declared.is_none() {
            family.declared = text::parse_type(rest.trim_ascii());
        }
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
        let timestamp = reader.peek().map(|_| reader.offset());
        let (family, part) = match self.find(&name) {
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
        let has_part = metric_type == MetricType::Histogram
            || (metric_type == MetricType::Summary && part != Part::Bucket);
        has_part.then_some((family, part))
    }

    fn add(&mut self, name: Cow<'a, str>, offset: usize) -> usize {
        let family = self.families.len();
        self.by_name.insert(name.clone(), family);
        self.families.push(Family {
            name,
            offset,
            has_help: false,
            declared: None,
            samples: Vec::new(),
        });
        family
    }
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
