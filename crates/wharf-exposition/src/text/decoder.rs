//! The lines of a body, one after the other.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};
use wharf_model::{
    Bucket, Count, Exposition, Extra, Family, Label, Meter, Metric, MetricType, Quantile, Run, Text,
    TooLarge, Value,
};

use super::Options;
use super::advice::LINE_FEED;
use super::assembly::{Assembly, HistogramLine, SummaryLine};
use super::cursor::{Cursor, Token};
use super::error::{DecodeErrorKind, Failure, Quoted};
use super::families::{Families, Part, Target, name_of};
use crate::lines::LineCounter;
use crate::{memory, number};

/// Up to so many labels, a name is looked for among those before it by comparing; beyond, in a hash table.
const MAX_COMPARED_LABELS: usize = 16;

/// Room for labels is made as if each took so many bytes of the body; more is made when that was not enough.
const BYTES_PER_LABEL: usize = 24;

/// As many times as long as a line can be what is copied of it at once: without escapes, and with three bytes in place
/// of each one that is not UTF-8.
const MAX_COPIES: usize = 4;

pub(super) fn decode<'a>(
    body: &'a [u8],
    options: Options,
    memory: &Meter<'_>,
) -> Result<Exposition<'a>, Failure> {
    // Strings refer to the body if it can be referred to as text, else each one is checked and copied.
    let source = std::str::from_utf8(body).ok();
    if i32::try_from(body.len()).is_err() {
        return Err(TooLarge::Indices.into());
    }
    let mut exposition = Exposition::new(source.unwrap_or_default())?;
    memory.reserve(&mut exposition.labels, body.len() / BYTES_PER_LABEL)?;
    let copies = memory::longest_line(body).saturating_mul(MAX_COPIES);
    memory.take(copies)?;
    let mut decoder = Decoder {
        options,
        memory,
        is_utf8: source.is_some(),
        exposition,
        families: Families::default(),
        recent: None,
        assembly: Assembly::default(),
        body,
        lines: LineCounter::default(),
    };
    let mut start = 0;
    for end in memchr::memchr_iter(b'\n', body) {
        decoder.line(body.get(start..end).unwrap_or_default(), start, false)?;
        start = end + 1;
    }
    decoder.last_line(body.get(start..).unwrap_or_default(), start)?;
    let exposition = decoder.finish()?;
    memory.give_back(copies);
    Ok(exposition)
}

#[derive(Debug)]
struct Decoder<'a, 'm> {
    options: Options,
    memory: &'m Meter<'m>,
    /// Whether the body as a whole is UTF-8, so that it is the source of the exposition.
    is_utf8: bool,
    exposition: Exposition<'a>,
    families: Families,
    /// The metric name of the sample or comment before, and what it stands for: mostly the next one is the same.
    recent: Option<(&'a [u8], Target)>,
    assembly: Assembly,
    body: &'a [u8],
    lines: LineCounter,
}

/// The labels of a sample that are none of the metric's, if it is a histogram or a summary.
#[derive(Debug, Clone, Copy, Default)]
struct Bounds {
    le: Option<Bound>,
    quantile: Option<Bound>,
}

#[derive(Debug, Clone, Copy)]
struct Bound {
    /// Index into the labels.
    label: usize,
    /// Where the value is in the body.
    offset: usize,
}

impl<'a> Decoder<'a, '_> {
    fn line(&mut self, line: &'a [u8], offset: usize, is_cut: bool) -> Result<(), Failure> {
        let line = if self.options.strict {
            line
        } else {
            line.strip_suffix(b"\r").unwrap_or(line)
        };
        let mut cursor = Cursor::new(line, offset, is_cut);
        cursor.skip_blanks();
        match cursor.peek() {
            None => Ok(()),
            Some(b'#') => self.comment(cursor),
            Some(_) => self.sample(cursor),
        }
    }

    /// Reads what follows the last line feed.
    fn last_line(&mut self, line: &'a [u8], offset: usize) -> Result<(), Failure> {
        self.line(line, offset, true)?;
        let is_blank = line.iter().all(|byte| matches!(byte, b' ' | b'\t'));
        if self.options.strict && !is_blank {
            let offset = offset + line.len();
            return Err(Failure::new(offset, DecodeErrorKind::UnexpectedEnd, LINE_FEED));
        }
        Ok(())
    }

    fn finish(self) -> Result<Exposition<'a>, Failure> {
        let mut exposition = self.exposition;
        self.assembly.finish(&mut exposition, self.memory)?;
        self.families.finish(self.memory);
        exposition.families.retain(|family| !family.metrics.is_empty());
        Ok(exposition)
    }

    fn comment(&mut self, mut cursor: Cursor<'a>) -> Result<(), Failure> {
        cursor.skip(1);
        cursor.skip_blanks();
        let keyword = cursor.until_blank();
        if !matches!(keyword, b"HELP" | b"TYPE") {
            return Ok(());
        }
        cursor.skip_blanks();
        let name = cursor.metric_name()?;
        match cursor.peek() {
            None => return Ok(()),
            Some(b' ' | b'\t') => {}
            Some(_) => {
                let expected = if name.raw.is_empty() {
                    "a metric name"
                } else {
                    "a blank after the metric name"
                };
                return Err(cursor.unexpected(DecodeErrorKind::InvalidMetricNameInComment, expected));
            }
        }
        let target = self.resolve(name)?;
        cursor.skip_blanks();
        match (cursor.peek(), keyword) {
            (None, _) => Ok(()),
            (_, b"HELP") => self.help(cursor, target),
            (_, _) => self.metric_type(cursor, target),
        }
    }

    fn help(&mut self, mut cursor: Cursor<'a>, target: Target) -> Result<(), Failure> {
        if self.family(target).help.is_some() {
            let kind = DecodeErrorKind::SecondHelp(self.quoted_name(target));
            return Err(cursor.unexpected(kind, "one HELP line a metric"));
        }
        let mut token = Token {
            raw: cursor.rest(),
            offset: cursor.offset(),
            is_quoted: false,
            is_escaped: false,
        };
        while let Some(found) = memchr::memchr(b'\\', cursor.rest()) {
            cursor.skip(found);
            cursor.escape()?;
            token.is_escaped = true;
        }
        let help = if self.is_utf8 && !token.is_escaped {
            self.exposition.slice(token.range())?
        } else {
            // A byte that is not UTF-8 would make a scraper refuse everything else, too.
            let help = token.unescaped();
            self.exposition
                .intern_within(&String::from_utf8_lossy(&help), self.memory)?
        };
        self.family_mut(target).help = Some(help);
        Ok(())
    }

    fn metric_type(&mut self, cursor: Cursor<'a>, target: Target) -> Result<(), Failure> {
        if self.families.settle_type(target.family) {
            let kind = DecodeErrorKind::SecondType(self.quoted_name(target));
            return Err(cursor.unexpected(kind, "one TYPE line a metric"));
        }
        let word = cursor.rest();
        let known = if self.options.strict {
            word
        } else {
            word.trim_ascii_end()
        };
        let Some(metric_type) = parse_type(known) else {
            let mut end = cursor;
            end.skip(word.len());
            let expected = "`counter`, `gauge`, `histogram`, `summary` or `untyped`";
            let kind = DecodeErrorKind::UnknownType(Quoted::text(word));
            return Err(self.bad_token(cursor, end, kind, expected));
        };
        self.family_mut(target).metric_type = metric_type;
        Ok(())
    }

    fn sample(&mut self, mut cursor: Cursor<'a>) -> Result<(), Failure> {
        let first_label = self.exposition.labels.len();
        let start = cursor;
        let named = if cursor.peek() == Some(b'{') {
            None
        } else {
            Some(self.sample_name(&mut cursor)?)
        };
        let after_name = cursor.offset();
        cursor.skip_blanks();
        let (target, bounds) = if cursor.eat(b'{') {
            let (target, bounds) = self.labels(&mut cursor, named)?;
            cursor.skip_blanks();
            (target, bounds)
        } else {
            (named, Bounds::default())
        };
        let Some(target) = target else {
            let expected = "a metric name, before the braces or in quotes within";
            return Err(Failure::new(
                start.offset(),
                DecodeErrorKind::MissingMetricName,
                expected,
            ));
        };
        // From here on a TYPE line comes too late.
        self.families.settle_type(target.family);
        let bound = self.take_bound(target, bounds)?;

        let value_at = cursor;
        let token = cursor.until_blank();
        let Some(value) = number::parse_f64(token) else {
            return Err(self.bad_value(value_at, cursor, token, value_at.offset() == after_name));
        };
        let timestamp_ms = self.timestamp(cursor)?;
        let memory = self.memory;
        let timestamp_line = timestamp_ms.and_then(|_| self.lines.line_of(self.body, start.offset()));

        let metric = match self.family(target).metric_type {
            MetricType::Histogram | MetricType::GaugeHistogram => {
                let line = self.histogram_line(target, bound, value, value_at)?;
                let place = (target.family, first_label);
                self.assembly
                    .add_to_histogram(&mut self.exposition, self.memory, place, line)?
            }
            MetricType::Summary => {
                let line = summary_line(target, bound, value);
                let place = (target.family, first_label);
                self.assembly
                    .add_to_summary(&mut self.exposition, self.memory, place, line)?
            }
            _ => {
                let labels = Run::new(first_label, self.exposition.labels.len())?;
                let metrics = &mut self.family_mut(target).metrics;
                let metric = Metric {
                    labels,
                    value: Value::Number(value),
                    extra: None,
                };
                memory.push(metrics, metric)?;
                metrics.last_mut()
            }
        };
        if let (Some(metric), Some(_)) = (metric, timestamp_ms) {
            if metric.extra.is_none() {
                memory.take(size_of::<Extra>())?;
            }
            let extra = metric.extra.get_or_insert_default();
            extra.timestamp_ms = timestamp_ms;
            extra.timestamp_line = extra.timestamp_line.or(timestamp_line);
        }
        Ok(())
    }

    /// Reads the name that begins a sample.
    fn sample_name(&mut self, cursor: &mut Cursor<'a>) -> Result<Target, Failure> {
        if let Some((name, target)) = self.recent
            && cursor.eat_metric_name(name)
        {
            return Ok(target);
        }
        let start = *cursor;
        let name = cursor.metric_name()?;
        if name.raw.is_empty() {
            return Err(start.unexpected(DecodeErrorKind::MissingMetricName, "a metric name"));
        }
        self.resolve(name)
    }

    /// Finds what a metric name stands for, if need be a new family.
    fn resolve(&mut self, name: Token<'a>) -> Result<Target, Failure> {
        if let Some((recent, target)) = self.recent
            && recent == name.raw
            && !name.is_quoted
        {
            return Ok(target);
        }
        let text = name.unescaped();
        let allowed = |name: &str| self.options.names.allows_metric_name(name);
        if name.is_quoted && !std::str::from_utf8(&text).is_ok_and(allowed) {
            let kind = DecodeErrorKind::InvalidMetricName(Quoted::text(&text));
            return Err(Failure::new(name.offset, kind, "a metric name"));
        }
        let target = if let Some(target) = self.families.find(&self.exposition, &text) {
            target
        } else {
            let name = self.text(name, DecodeErrorKind::InvalidMetricName)?;
            self.families.add(&mut self.exposition, self.memory, name)?
        };
        // Once a name has been met, it stands for the same family to the end: a family of that very name goes
        // first, and what is a histogram or a summary stays one.
        if !name.is_quoted {
            self.recent = Some((name.raw, target));
        }
        Ok(target)
    }

    /// Reads labels up to the closing brace, and the metric name if it is among them. The opening brace has been
    /// read.
    fn labels(
        &mut self,
        cursor: &mut Cursor<'a>,
        named: Option<Target>,
    ) -> Result<(Option<Target>, Bounds), Failure> {
        let mut target = named;
        let mut bounds = Bounds::default();
        let mut names = LabelNames::new(self.exposition.labels.len());
        loop {
            cursor.skip_blanks();
            if cursor.eat(b'}') {
                break;
            }
            let name = cursor.label_name()?;
            if name.raw.is_empty() {
                return Err(self.missing_label_name(*cursor, name, target));
            }
            cursor.skip_blanks();
            if !cursor.eat(b'=') {
                if named.is_some() {
                    let kind = DecodeErrorKind::MissingEquals(Quoted::byte(cursor.peek()));
                    return Err(cursor.unexpected(kind, "`=` after the label name"));
                }
                if let Some(first) = target {
                    let kind = DecodeErrorKind::SecondMetricName(self.quoted_name(first));
                    return Err(Failure::new(name.offset, kind, "`=` and a value for a label"));
                }
                if !cursor.eat(b',') && cursor.peek() != Some(b'}') {
                    let kind = DecodeErrorKind::AfterMetricName(Quoted::byte(cursor.peek()));
                    return Err(cursor.unexpected(kind, "`,` or `}` after the metric name"));
                }
                target = Some(self.resolve(name)?);
                continue;
            }
            self.check_label_name(name, target, &mut names)?;
            cursor.skip_blanks();
            if !cursor.eat(b'"') {
                let kind = DecodeErrorKind::UnquotedLabelValue(Quoted::byte(cursor.peek()));
                return Err(cursor.unexpected(kind, "a label value in double quotes"));
            }
            let value = cursor.label_value()?;
            let bound = Some(Bound {
                label: self.exposition.labels.len(),
                offset: value.offset,
            });
            match name.raw {
                b"le" => bounds.le = bound,
                b"quantile" => bounds.quantile = bound,
                _ => {}
            }
            let label = Label {
                name: self.text(name, DecodeErrorKind::InvalidLabelName)?,
                value: self.text(value, DecodeErrorKind::InvalidLabelValue)?,
            };
            self.memory.push(&mut self.exposition.labels, label)?;
            cursor.skip_blanks();
            if !cursor.eat(b',') && cursor.peek() != Some(b'}') {
                let kind = DecodeErrorKind::AfterLabelValue(Quoted::text(value.unescaped()));
                return Err(cursor.unexpected(kind, "`,` or `}` after the label value"));
            }
        }
        names.finish(self.memory);
        Ok((target, bounds))
    }

    #[cold]
    fn missing_label_name(&self, cursor: Cursor<'a>, name: Token<'a>, target: Option<Target>) -> Failure {
        let kind = DecodeErrorKind::MissingLabelName(self.quoted_name_or_none(target));
        let expected = "a label name or `}`";
        if name.is_quoted {
            Failure::new(name.offset, kind, expected)
        } else {
            cursor.unexpected(kind, expected)
        }
    }

    fn check_label_name(
        &self,
        name: Token<'a>,
        target: Option<Target>,
        names: &mut LabelNames,
    ) -> Result<(), Failure> {
        let text = name.unescaped();
        if *text == *b"__name__" {
            return Err(Failure::new(
                name.offset,
                DecodeErrorKind::ReservedLabelName,
                "another label name",
            ));
        }
        let allowed = |name: &str| self.options.names.allows_label_name(name);
        if name.is_quoted && !std::str::from_utf8(&text).is_ok_and(allowed) {
            let kind = DecodeErrorKind::InvalidLabelName(Quoted::text(&text));
            return Err(Failure::new(name.offset, kind, "a label name"));
        }
        if names.contain(&self.exposition, self.memory, &text)? {
            let kind = DecodeErrorKind::DuplicateLabelName(self.quoted_name_or_none(target));
            return Err(Failure::new(name.offset, kind, "each label once"));
        }
        Ok(())
    }

    /// Takes `le` from the labels of a histogram, `quantile` from those of a summary, and reads it.
    fn take_bound(&mut self, target: Target, bounds: Bounds) -> Result<Option<f64>, Failure> {
        let (label, bound) = match self.family(target).metric_type {
            MetricType::Histogram | MetricType::GaugeHistogram => ("le", bounds.le),
            MetricType::Summary => ("quantile", bounds.quantile),
            _ => return Ok(None),
        };
        let Some(bound) = bound.filter(|bound| bound.label < self.exposition.labels.len()) else {
            return Ok(None);
        };
        let taken = self.exposition.labels.remove(bound.label);
        let value = self.exposition.text(taken.value);
        let Some(number) = number::parse_f64(value.as_bytes()) else {
            let kind = DecodeErrorKind::InvalidBound {
                label,
                value: Quoted::text(value),
            };
            return Err(Failure::new(bound.offset, kind, "a number"));
        };
        // The Pushgateway ignores a bound that is not a number.
        Ok(Some(number).filter(|number| !number.is_nan()))
    }

    fn histogram_line(
        &self,
        target: Target,
        upper_bound: Option<f64>,
        value: f64,
        value_at: Cursor<'a>,
    ) -> Result<HistogramLine, Failure> {
        Ok(match (target.part, upper_bound) {
            (Part::Sum, _) => HistogramLine::Sum(value),
            (Part::Count, _) => HistogramLine::Count(observations(value).ok_or_else(|| {
                let kind = DecodeErrorKind::NegativeCount(self.quoted_name(target));
                value_at.unexpected(kind, "no less than 0")
            })?),
            (Part::Value, Some(upper_bound)) => {
                let cumulative_count = observations(value).ok_or_else(|| {
                    let kind = DecodeErrorKind::NegativeBucket(self.quoted_name(target));
                    value_at.unexpected(kind, "no less than 0")
                })?;
                HistogramLine::Bucket(Bucket {
                    upper_bound,
                    cumulative_count,
                    exemplar: None,
                })
            }
            (Part::Value, None) => HistogramLine::Nothing,
        })
    }

    /// Reads the timestamp after a value, if there is one, and makes sure that nothing else follows.
    fn timestamp(&self, mut cursor: Cursor<'a>) -> Result<Option<i64>, Failure> {
        if cursor.peek().is_none() {
            return Ok(None);
        }
        cursor.skip_blanks();
        let start = cursor;
        let token = cursor.until_blank();
        if token.is_empty() && !self.options.strict {
            return Ok(None);
        }
        let Some(timestamp_ms) = std::str::from_utf8(token)
            .ok()
            .and_then(|token| token.parse().ok())
        else {
            let kind = DecodeErrorKind::InvalidTimestamp(Quoted::text(token));
            let expected = "a timestamp in milliseconds or the end of the line";
            return Err(self.bad_token(start, cursor, kind, expected));
        };
        let rest = cursor;
        if !self.options.strict {
            cursor.skip_blanks();
        }
        if cursor.peek().is_some() {
            let kind = DecodeErrorKind::AfterTimestamp(Quoted::text(rest.rest()));
            return Err(rest.unexpected(kind, "the end of the line"));
        }
        Ok(Some(timestamp_ms))
    }

    fn bad_value(&self, start: Cursor<'a>, end: Cursor<'a>, token: &[u8], follows_name: bool) -> Failure {
        let expected = if follows_name && !token.is_empty() {
            "a blank or `{` after the metric name"
        } else {
            "a number"
        };
        let kind = DecodeErrorKind::InvalidValue(Quoted::text(token));
        self.bad_token(start, end, kind, expected)
    }

    /// The failure of what lies between two places. The Pushgateway does not look at what the end of the body cuts
    /// off.
    fn bad_token(
        &self,
        start: Cursor<'a>,
        end: Cursor<'a>,
        kind: DecodeErrorKind,
        expected: &'static str,
    ) -> Failure {
        if self.options.strict && end.is_cut() && end.peek().is_none() {
            return Failure::new(end.offset(), DecodeErrorKind::UnexpectedEnd, LINE_FEED);
        }
        start.unexpected(kind, expected)
    }

    /// Puts a token into the exposition.
    #[inline]
    fn text(&mut self, token: Token<'a>, invalid: fn(Quoted) -> DecodeErrorKind) -> Result<Text, Failure> {
        if self.is_utf8 && !token.is_escaped {
            return Ok(self.exposition.slice(token.range())?);
        }
        self.copied_text(token, invalid)
    }

    #[cold]
    fn copied_text(
        &mut self,
        token: Token<'a>,
        invalid: fn(Quoted) -> DecodeErrorKind,
    ) -> Result<Text, Failure> {
        let bytes = token.unescaped();
        let Ok(text) = std::str::from_utf8(&bytes) else {
            return Err(Failure::new(token.offset, invalid(Quoted::text(&bytes)), "UTF-8"));
        };
        Ok(self.exposition.intern_within(text, self.memory)?)
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "targets are indices of families, of which none is removed"
    )]
    fn family(&self, target: Target) -> &Family {
        &self.exposition.families[target.family]
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "targets are indices of families, of which none is removed"
    )]
    fn family_mut(&mut self, target: Target) -> &mut Family {
        &mut self.exposition.families[target.family]
    }

    /// The name of the family for an error text.
    fn quoted_name(&self, target: Target) -> Quoted {
        Quoted::text(name_of(&self.exposition, target.family))
    }

    /// The same, where the metric name may not have come yet.
    fn quoted_name_or_none(&self, target: Option<Target>) -> Quoted {
        target.map_or_else(|| Quoted::text(""), |target| self.quoted_name(target))
    }
}

/// The label names of a sample, to find those that come twice.
#[derive(Debug)]
struct LabelNames {
    /// Index of the first label of the sample.
    first: usize,
    /// Once there are many: all of them, by the hash of the name.
    by_name: Option<(HashTable<usize>, DefaultHashBuilder)>,
}

impl LabelNames {
    fn new(first: usize) -> Self {
        Self { first, by_name: None }
    }

    /// Whether the sample has a label `name`. To be asked before each label that is added.
    fn contain(
        &mut self,
        exposition: &Exposition<'_>,
        memory: &Meter<'_>,
        name: &[u8],
    ) -> Result<bool, TooLarge> {
        let name_at = |index: usize| {
            exposition
                .labels
                .get(index)
                .map_or("", |label| exposition.text(label.name))
                .as_bytes()
        };
        let next = exposition.labels.len();
        if next - self.first <= MAX_COMPARED_LABELS {
            return Ok((self.first..next).any(|index| name_at(index) == name));
        }
        let is_new = self.by_name.is_none();
        let (table, hasher) = self.by_name.get_or_insert_default();
        let hash = |index: &usize| hasher.hash_one(name_at(*index));
        // All up to the last label on the first question, the last label alone on each later one.
        for index in if is_new { self.first..next } else { next - 1..next } {
            memory::reserve(memory, table, 1, hash)?;
            table.insert_unique(hash(&index), index, hash);
        }
        let found = table.find(hasher.hash_one(name), |index| name_at(*index) == name);
        Ok(found.is_some())
    }

    fn finish(self, memory: &Meter<'_>) {
        if let Some((table, _)) = self.by_name {
            memory.give_back(table.allocation_size());
        }
    }
}

fn summary_line(target: Target, rank: Option<f64>, value: f64) -> SummaryLine {
    match (target.part, rank) {
        (Part::Sum, _) => SummaryLine::Sum(value),
        (Part::Count, _) => SummaryLine::Count(wrapping_count(value)),
        (Part::Value, Some(quantile)) => SummaryLine::Quantile(Quantile { quantile, value }),
        (Part::Value, None) => SummaryLine::Nothing,
    }
}

/// The type that a TYPE line names with this word, in any case.
pub fn parse_type(word: &[u8]) -> Option<MetricType> {
    let words: [(&[u8], MetricType); 7] = [
        (b"counter", MetricType::Counter),
        (b"gauge", MetricType::Gauge),
        (b"histogram", MetricType::Histogram),
        (b"summary", MetricType::Summary),
        (b"untyped", MetricType::Untyped),
        (b"gaugehistogram", MetricType::GaugeHistogram),
        (b"gauge_histogram", MetricType::GaugeHistogram),
    ];
    words
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(word))
        .map(|(_, metric_type)| *metric_type)
}

/// 2^63 and 2^64, the first doubles that no `i64` and no `u64` holds.
const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;
const TWO_TO_64: f64 = 18_446_744_073_709_551_616.0;

/// A number of observations in a histogram: a float if it is no integer; nothing if it is negative.
#[expect(
    clippy::cast_possible_truncation,
    reason = "saturates, and a changed value is a float count"
)]
#[expect(
    clippy::cast_sign_loss,
    reason = "saturates, and a changed value is a float count"
)]
#[expect(clippy::cast_precision_loss, reason = "what came from a double fits into one")]
#[expect(clippy::float_cmp, reason = "the question is whether nothing was lost")]
fn observations(value: f64) -> Option<Count> {
    let integer = value as u64;
    if integer as f64 == value && value < TWO_TO_64 {
        Some(Count::Int(integer))
    } else {
        // Of NaN nothing is known, and the Pushgateway takes it.
        (value.is_nan() || value > 0.0).then_some(Count::Float(value))
    }
}

/// A number of observations in a summary: truncated. Negative numbers wrap around, and what no integer of 64 bits
/// holds is 2^63, as it is for the Pushgateway on x86-64.
#[expect(clippy::cast_possible_truncation, reason = "the ranges are checked")]
#[expect(clippy::cast_sign_loss, reason = "negative numbers wrap around")]
fn wrapping_count(value: f64) -> u64 {
    if (-TWO_TO_63..TWO_TO_63).contains(&value) {
        value as i64 as u64
    } else if (TWO_TO_63..TWO_TO_64).contains(&value) {
        value as u64
    } else {
        1 << 63
    }
}
