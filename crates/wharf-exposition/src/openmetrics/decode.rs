//! From lines into the arenas.

use std::borrow::Cow;
use std::collections::HashSet;
use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};
use wharf_model::name::NameRule;
use wharf_model::{
    Bucket, Count, Exemplar, Exposition, Extra, Family, Histogram, Label, Metric, MetricType, Quantile, Run,
    Summary, Text, TooLarge, Value,
};

use super::cursor::{Cursor, Quoted, unescape};
use super::error::{ErrorKind, Problem};
use super::{DecodeError, Options, timestamp};
use crate::head::is_unit_of;
use crate::lines::LineCounter;
use crate::number;

/// Decodes `OpenMetrics` text; see the [module](super) for what is tolerated.
///
/// A sample `_created` becomes the creation time of its metric. Counts that are whole numbers are
/// [`Count::Int`], however they are written. A histogram without a count has that of its bucket `+Inf`.
///
/// Samples of one metric have to stand together. Where they do not, they make several metrics of the same labels:
/// no series is lost, and it is for the store to refuse the second one.
///
/// # Errors
/// [`DecodeError`] if the body does not follow the grammar, ends within a line, goes on behind `# EOF`, has a name
/// that the rule does not allow, or spreads the lines of a family so that they do not stand together.
pub fn decode(body: &[u8], options: Options) -> Result<Exposition<'_>, DecodeError> {
    decode_lines(body, options).map_err(|problem| DecodeError::locate(body, problem))
}

fn decode_lines(body: &[u8], options: Options) -> Result<Exposition<'_>, Problem> {
    let body = std::str::from_utf8(body).map_err(|error| Problem {
        offset: error.valid_up_to(),
        kind: ErrorKind::InvalidUtf8,
    })?;
    let mut decoder = Decoder {
        exposition: Exposition::new(body)?,
        names: options.names,
        open: OpenFamily::default(),
        places: HashTable::new(),
        hasher: DefaultHashBuilder::default(),
        lines: LineCounter::default(),
    };
    let mut start = 0;
    while start < body.len() {
        let (line, next) = Cursor::line(body, start);
        let is_eof = decoder.line(line)? == Line::Eof;
        let problem = |kind| Problem { offset: next, kind };
        if is_eof && next < body.len() {
            return Err(problem(ErrorKind::BehindEof));
        }
        // A number that is cut short is a number too.
        if !is_eof && next == body.len() && !body.ends_with('\n') {
            return Err(problem(ErrorKind::MissingLineFeed));
        }
        start = next;
    }
    decoder.close_family()?;
    Ok(decoder.exposition)
}

#[derive(PartialEq, Eq)]
enum Line {
    Eof,
    Other,
}

#[derive(Clone, Copy)]
enum Keyword {
    Type,
    Help,
    Unit,
}

/// What a sample is to its metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Number,
    Created,
    Quantile,
    Bucket,
    Sum,
    Count,
}

struct Decoder<'a> {
    exposition: Exposition<'a>,
    names: NameRule,
    /// The family whose lines are being read. At first one without a name, to which no line belongs.
    open: OpenFamily,
    /// Where in the exposition which name stands.
    places: HashTable<usize>,
    hasher: DefaultHashBuilder,
    lines: LineCounter,
}

#[derive(Default)]
struct OpenFamily {
    /// The name in the metadata.
    name: Text,
    /// Where in the body its first line begins.
    offset: usize,
    metric_type: Option<MetricType>,
    help: Option<Text>,
    unit: Option<Text>,
    /// The name in the text format, for which samples are needed if it is a counter or info.
    exposed: Option<Text>,
    metrics: Vec<Metric>,
    /// The name of the line before, which is mostly the name of the next one too.
    previous: Option<(Text, Role)>,
    /// Whether the last metric has these samples already.
    has_sum: bool,
    has_count: bool,
}

/// The part of a sample line before the exemplar.
struct Sample<'a> {
    offset: usize,
    name: Text,
    role: Role,
    labels: Run,
    /// The label `le` or `quantile` of the roles that have one.
    bound: f64,
    value: f64,
    /// The value as it stands in the body.
    text: &'a [u8],
    timestamp_ms: Option<i64>,
}

impl<'a> Decoder<'a> {
    fn line(&mut self, mut line: Cursor<'a>) -> Result<Line, Problem> {
        let offset = line.at();
        line.skip_blanks();
        if line.is_at_end() {
            return Ok(Line::Other);
        }
        if !line.eat(b'#') {
            self.sample(line)?;
            return Ok(Line::Other);
        }
        if !line.skip_blanks() {
            return Ok(Line::Other);
        }
        match line.word() {
            b"EOF" if line.trimmed().is_empty() => return Ok(Line::Eof),
            b"TYPE" => self.metadata(Keyword::Type, line, offset)?,
            b"HELP" => self.metadata(Keyword::Help, line, offset)?,
            b"UNIT" => self.metadata(Keyword::Unit, line, offset)?,
            _ => {}
        }
        Ok(Line::Other)
    }

    fn metadata(&mut self, keyword: Keyword, mut line: Cursor<'a>, offset: usize) -> Result<(), Problem> {
        line.skip_blanks();
        let name = if line.peek() == Some(b'"') {
            let (before, name) = (line, line.quoted()?);
            let name = self.quoted(name)?;
            self.check_name(name, NameRule::allows_metric_name, before)?;
            name
        } else {
            let name = line.metric_name();
            if name.is_empty() {
                return Err(line.unexpected("a metric name"));
            }
            self.exposition.slice(name)?
        };
        let before = line;
        if !line.eat(b' ') && !line.eat(b'\t') && !line.is_at_end() {
            return Err(line.unexpected("a blank behind the metric name"));
        }
        // A counter `m` may stand beside a gauge `m`, the families `m_total` and `m` of the text format. So metadata
        // behind samples begins a family of its own, and it is their samples that must not have one name.
        if !self.open.metrics.is_empty() || !self.same_text(name, self.open.name) {
            self.close_family()?;
            self.open = OpenFamily {
                name,
                offset,
                ..OpenFamily::default()
            };
        }
        match keyword {
            Keyword::Type => self.type_line(line, before),
            Keyword::Unit => self.unit_line(line, before),
            Keyword::Help => self.help_line(line, before),
        }
    }

    /// Help is what stands behind the one blank, with all further blanks.
    fn help_line(&mut self, line: Cursor<'a>, before: Cursor<'a>) -> Result<(), Problem> {
        let help = match unescape(line.remainder()) {
            Cow::Borrowed(help) => self.exposition.slice(line.at()..line.at() + help.len())?,
            Cow::Owned(help) => self.exposition.intern(&help)?,
        };
        let first = self.open.help.replace(help).is_none();
        if first {
            Ok(())
        } else {
            Err(before.problem(self.second_metadata("HELP")))
        }
    }

    fn type_line(&mut self, mut line: Cursor<'a>, before: Cursor<'a>) -> Result<(), Problem> {
        line.skip_blanks();
        let metric_type = match line.trimmed() {
            "counter" => MetricType::Counter,
            "gauge" => MetricType::Gauge,
            "histogram" => MetricType::Histogram,
            "gaugehistogram" => MetricType::GaugeHistogram,
            "summary" => MetricType::Summary,
            "info" => MetricType::Info,
            "stateset" => MetricType::StateSet,
            "unknown" | "untyped" => MetricType::Untyped,
            "" => return Err(line.unexpected("a metric type")),
            other => return Err(line.problem(ErrorKind::UnknownType(other.to_owned()))),
        };
        let first = self.open.metric_type.replace(metric_type).is_none();
        if first {
            Ok(())
        } else {
            Err(before.problem(self.second_metadata("TYPE")))
        }
    }

    fn unit_line(&mut self, mut line: Cursor<'a>, before: Cursor<'a>) -> Result<(), Problem> {
        line.skip_blanks();
        let unit = line.trimmed();
        let family = self.exposition.text(self.open.name);
        if !unit.is_empty() && !is_unit_of(family, unit) && !is_unit_of(base_name(family), unit) {
            let (unit, family) = (unit.to_owned(), family.to_owned());
            return Err(line.problem(ErrorKind::UnitOfOtherName { unit, family }));
        }
        let unit = self.exposition.slice(line.at()..line.at() + unit.len())?;
        let first = self.open.unit.replace(unit).is_none();
        if first {
            Ok(())
        } else {
            Err(before.problem(self.second_metadata("UNIT")))
        }
    }

    fn second_metadata(&self, keyword: &'static str) -> ErrorKind {
        ErrorKind::SecondMetadata {
            keyword,
            family: self.exposition.text(self.open.name).to_owned(),
        }
    }

    fn sample(&mut self, mut line: Cursor<'a>) -> Result<(), Problem> {
        let start = line;
        let first_label = self.exposition.labels.len();
        let bare = line.metric_name();
        let mut name = if bare.is_empty() {
            None
        } else {
            Some(self.exposition.slice(bare)?)
        };
        line.skip_blanks();
        if line.eat(b'{') {
            self.labels(&mut line, Some(&mut name))?;
            self.check_labels_differ(first_label, start)?;
        }
        let name = name.ok_or_else(|| start.unexpected("a metric name"))?;
        let role = self.role(name, start.at())?;
        let bound = self.take_bound(role, first_label, start)?;

        line.skip_blanks();
        let (before, text) = (line, line.word());
        let value = number::parse_f64(text).ok_or_else(|| before.unexpected("a value"))?;
        line.skip_blanks();
        let timestamp_ms =
            match line.peek() {
                None | Some(b'#') => None,
                Some(_) => {
                    let before = line;
                    let millis = timestamp::parse_millis(line.word());
                    Some(millis.ok_or_else(|| {
                        before.unexpected("a timestamp, an exemplar or the end of the line")
                    })?)
                }
            };
        let labels = Run::new(first_label, self.exposition.labels.len())?;
        self.add(&Sample {
            offset: start.at(),
            name,
            role,
            labels,
            bound,
            value,
            text,
            timestamp_ms,
        })?;

        line.skip_blanks();
        if line.eat(b'#') {
            self.exemplar(line, role)?;
        } else if !line.is_at_end() {
            return Err(line.unexpected("an exemplar or the end of the line"));
        }
        Ok(())
    }

    /// Reads labels up to the closing brace. A string in quotes without a value is the name of the metric, which
    /// goes to `metric_name`.
    fn labels(
        &mut self,
        line: &mut Cursor<'a>,
        mut metric_name: Option<&mut Option<Text>>,
    ) -> Result<(), Problem> {
        loop {
            line.skip_blanks();
            if line.eat(b'}') {
                return Ok(());
            }
            let before = *line;
            let is_quoted = line.peek() == Some(b'"');
            let name = if is_quoted {
                let name = line.quoted()?;
                self.quoted(name)?
            } else {
                let name = line.label_name();
                if name.is_empty() {
                    return Err(line.unexpected("a label name"));
                }
                self.exposition.slice(name)?
            };
            line.skip_blanks();
            let is_metric_name = is_quoted && matches!(line.peek(), Some(b',' | b'}'));
            let slot = metric_name
                .as_deref_mut()
                .filter(|slot| is_metric_name && slot.is_none());
            if let Some(slot) = slot {
                self.check_name(name, NameRule::allows_metric_name, before)?;
                *slot = Some(name);
            } else {
                if is_quoted {
                    self.check_name(name, NameRule::allows_label_name, before)?;
                }
                let value = self.label_value(line)?;
                self.exposition.labels.push(Label { name, value });
                line.skip_blanks();
            }
            if !line.eat(b',') && line.peek() != Some(b'}') {
                return Err(line.unexpected("a comma or a closing brace"));
            }
        }
    }

    fn label_value(&mut self, line: &mut Cursor<'a>) -> Result<Text, Problem> {
        if !line.eat(b'=') {
            return Err(line.unexpected("an equals sign"));
        }
        line.skip_blanks();
        if line.peek() != Some(b'"') {
            return Err(line.unexpected("a label value in quotes"));
        }
        let value = line.quoted()?;
        Ok(self.quoted(value)?)
    }

    fn quoted(&mut self, quoted: Quoted<'a>) -> Result<Text, TooLarge> {
        match quoted {
            Quoted::Plain(range) => self.exposition.slice(range),
            Quoted::Unescaped(text) => self.exposition.intern(&text),
        }
    }

    fn check_name(
        &self,
        name: Text,
        is_allowed: impl FnOnce(NameRule, &str) -> bool,
        at: Cursor<'a>,
    ) -> Result<(), Problem> {
        let name = self.exposition.text(name);
        if is_allowed(self.names, name) {
            Ok(())
        } else {
            Err(at.problem(ErrorKind::InvalidName(name.to_owned())))
        }
    }

    fn check_labels_differ(&self, first: usize, at: Cursor<'a>) -> Result<(), Problem> {
        /// Up to here, looking at every pair is quicker than hashing.
        const FEW: usize = 12;
        let labels = self.exposition.labels.get(first..).unwrap_or_default();
        let second = if labels.len() <= FEW {
            labels.iter().enumerate().find_map(|(index, label)| {
                let mut before = labels.iter().take(index);
                before
                    .any(|other| self.same_text(other.name, label.name))
                    .then_some(label.name)
            })
        } else {
            let mut names = HashSet::with_capacity(labels.len());
            labels
                .iter()
                .map(|label| label.name)
                .find(|name| !names.insert(self.exposition.text(*name)))
        };
        match second {
            None => Ok(()),
            Some(name) => Err(at.problem(ErrorKind::SecondLabel {
                label: self.exposition.text(name).to_owned(),
            })),
        }
    }

    /// What the sample `name` is to the open family. If it is nothing to it, it opens a family of its own.
    fn role(&mut self, name: Text, offset: usize) -> Result<Role, Problem> {
        if let Some((previous, role)) = self.open.previous
            && self.same_text(previous, name)
        {
            return Ok(role);
        }
        let role = if let Some(role) = self.role_in_open_family(name) {
            role
        } else {
            self.close_family()?;
            self.open = OpenFamily {
                name,
                offset,
                ..OpenFamily::default()
            };
            Role::Number
        };
        if role == Role::Number {
            self.open.exposed = Some(name);
        }
        self.open.previous = Some((name, role));
        Ok(role)
    }

    fn role_in_open_family(&self, name: Text) -> Option<Role> {
        let sample = self.exposition.text(name);
        let family = self.exposition.text(self.open.name);
        let metric_type = self.open.metric_type.unwrap_or(MetricType::Untyped);
        if self.open.name.is_empty() {
            return None;
        }
        let is_value = match metric_type {
            MetricType::Counter => is_suffixed(sample, family, "_total"),
            MetricType::Info => is_suffixed(sample, family, "_info"),
            MetricType::Gauge | MetricType::Untyped | MetricType::StateSet => sample == family,
            MetricType::Summary | MetricType::Histogram | MetricType::GaugeHistogram => false,
        };
        if is_value {
            let is_first = self
                .open
                .exposed
                .is_none_or(|exposed| self.same_text(exposed, name));
            return is_first.then_some(Role::Number);
        }
        let is_plain = metric_type == MetricType::Histogram || metric_type == MetricType::Summary;
        let is_gauge = metric_type == MetricType::GaugeHistogram;
        if metric_type == MetricType::Counter {
            let counted = sample.strip_suffix("_created")?;
            let is_created = counted == family || Some(counted) == family.strip_suffix("_total");
            return is_created.then_some(Role::Created);
        }
        match sample.strip_prefix(family)? {
            "_created" if is_plain || is_gauge => Some(Role::Created),
            "_bucket" if metric_type.is_histogram() => Some(Role::Bucket),
            "" if metric_type == MetricType::Summary => Some(Role::Quantile),
            "_sum" if is_plain || is_gauge => Some(Role::Sum),
            "_count" if is_plain || is_gauge => Some(Role::Count),
            "_gsum" if is_gauge => Some(Role::Sum),
            "_gcount" if is_gauge => Some(Role::Count),
            _ => None,
        }
    }

    /// Takes `le` out of the labels of a histogram, and `quantile` out of those of a summary. Samples that have no
    /// use for it lose it too: the label belongs to the format there, as in the text format.
    fn take_bound(&mut self, role: Role, first_label: usize, at: Cursor<'a>) -> Result<f64, Problem> {
        let (label, expected) = match self.open.metric_type {
            Some(MetricType::Histogram | MetricType::GaugeHistogram) => ("le", "a number as `le`"),
            Some(MetricType::Summary) => ("quantile", "a number as `quantile`"),
            _ => return Ok(0.0),
        };
        let is_needed = role == Role::Bucket || role == Role::Quantile;
        let labels = self.exposition.labels.get(first_label..).unwrap_or_default();
        let index = labels
            .iter()
            .rposition(|other| self.exposition.text(other.name) == label);
        let value = match index {
            Some(index) => self.exposition.labels.remove(first_label + index).value,
            None if is_needed => return Err(at.problem(ErrorKind::MissingLabel { label })),
            None => return Ok(0.0),
        };
        let value = self.exposition.text(value);
        match number::parse_f64(value.as_bytes()) {
            Some(bound) => Ok(bound),
            None if is_needed => Err(at.problem(ErrorKind::Unexpected {
                expected,
                found: value.to_owned(),
            })),
            None => Ok(0.0),
        }
    }

    fn add(&mut self, sample: &Sample<'_>) -> Result<(), Problem> {
        self.place(sample)?;
        match sample.role {
            Role::Number => self.add_number(sample),
            Role::Created => self.add_created(sample)?,
            Role::Quantile | Role::Bucket | Role::Sum | Role::Count => self.add_part(sample)?,
        }
        if let Some(timestamp_ms) = sample.timestamp_ms
            && let Some(metric) = self.open.metrics.last_mut()
        {
            let extra = metric.extra.get_or_insert_default();
            extra.timestamp_ms = Some(timestamp_ms);
            let body = self.exposition.source().as_bytes();
            extra.timestamp_line = extra
                .timestamp_line
                .or_else(|| self.lines.line_of(body, sample.offset));
        }
        Ok(())
    }

    /// Makes the metric of a sample the last one of the family: it either is, or is a new one.
    fn place(&mut self, sample: &Sample<'_>) -> Result<(), Problem> {
        let metric_type = self.open.metric_type.unwrap_or(MetricType::Untyped);
        if let Some(last) = self.open.metrics.last() {
            let may_go_on = sample.role != Role::Number || last.value == Value::Missing;
            if may_go_on && self.same_labels(last.labels, sample.labels) {
                self.exposition.labels.truncate(sample.labels.range().start);
                return Ok(());
            }
        }
        self.complete_metric(sample.offset)?;
        let value = match metric_type {
            MetricType::Summary => {
                let next = self.exposition.quantiles.len();
                let summary = Summary {
                    quantiles: Run::new(next, next)?,
                    ..Summary::default()
                };
                self.exposition.summaries.push(summary);
                Value::Summary(last_index(self.exposition.summaries.len())?)
            }
            MetricType::Histogram | MetricType::GaugeHistogram => {
                let next = self.exposition.buckets.len();
                let histogram = Histogram {
                    buckets: Run::new(next, next)?,
                    ..Histogram::default()
                };
                self.exposition.histograms.push(histogram);
                Value::Histogram(last_index(self.exposition.histograms.len())?)
            }
            _ => Value::Missing,
        };
        self.open.metrics.push(Metric {
            labels: sample.labels,
            value,
            extra: None,
        });
        Ok(())
    }

    fn add_number(&mut self, sample: &Sample<'_>) {
        if let Some(metric) = self.open.metrics.last_mut() {
            metric.value = Value::Number(sample.value);
        }
    }

    fn add_created(&mut self, sample: &Sample<'_>) -> Result<(), Problem> {
        let expected = "a time in seconds";
        let created = timestamp::parse(sample.text).ok_or_else(|| Problem {
            offset: sample.offset,
            kind: ErrorKind::Unexpected {
                expected,
                found: String::from_utf8_lossy(sample.text).into_owned(),
            },
        })?;
        let Some(metric) = self.open.metrics.last_mut() else {
            return Ok(());
        };
        let extra: &mut Extra = metric.extra.get_or_insert_default();
        if extra.created.replace(created).is_some() {
            return Err(self.second_sample(sample));
        }
        Ok(())
    }

    fn add_part(&mut self, sample: &Sample<'_>) -> Result<(), Problem> {
        let is_second = match sample.role {
            Role::Sum => std::mem::replace(&mut self.open.has_sum, true),
            Role::Count => std::mem::replace(&mut self.open.has_count, true),
            _ => false,
        };
        if is_second {
            return Err(self.second_sample(sample));
        }
        match self.open.metrics.last().map(|metric| metric.value) {
            Some(Value::Summary(index)) => self.add_to_summary(index, sample),
            Some(Value::Histogram(index)) => self.add_to_histogram(index, sample),
            _ => Ok(()),
        }
    }

    fn add_to_summary(&mut self, index: u32, sample: &Sample<'_>) -> Result<(), Problem> {
        let Some(summary) = self.exposition.summaries.get_mut(index as usize) else {
            return Ok(());
        };
        match sample.role {
            Role::Sum => summary.sum = sample.value,
            Role::Count => match count(sample) {
                Count::Int(count) => summary.count = count,
                Count::Float(_) => {
                    let found = String::from_utf8_lossy(sample.text).into_owned();
                    let kind = ErrorKind::Unexpected {
                        expected: "a whole number as count",
                        found,
                    };
                    return Err(Problem {
                        offset: sample.offset,
                        kind,
                    });
                }
            },
            _ => {
                self.exposition.quantiles.push(Quantile {
                    quantile: sample.bound,
                    value: sample.value,
                });
                summary.quantiles =
                    Run::new(summary.quantiles.range().start, self.exposition.quantiles.len())?;
            }
        }
        Ok(())
    }

    fn add_to_histogram(&mut self, index: u32, sample: &Sample<'_>) -> Result<(), Problem> {
        let Some(histogram) = self.exposition.histograms.get_mut(index as usize) else {
            return Ok(());
        };
        match sample.role {
            Role::Sum => histogram.sum = sample.value,
            Role::Count => histogram.count = count(sample),
            _ => {
                self.exposition.buckets.push(Bucket {
                    upper_bound: sample.bound,
                    cumulative_count: count(sample),
                    exemplar: None,
                });
                histogram.buckets = Run::new(histogram.buckets.range().start, self.exposition.buckets.len())?;
            }
        }
        Ok(())
    }

    fn exemplar(&mut self, mut line: Cursor<'a>, role: Role) -> Result<(), Problem> {
        line.skip_blanks();
        if !line.eat(b'{') {
            return Err(line.unexpected("the labels of an exemplar"));
        }
        let first_label = self.exposition.labels.len();
        self.labels(&mut line, None)?;
        line.skip_blanks();
        let before = line;
        let value = number::parse_f64(line.word()).ok_or_else(|| before.unexpected("an exemplar's value"))?;
        line.skip_blanks();
        let timestamp = if line.is_at_end() {
            None
        } else {
            let before = line;
            let timestamp = timestamp::parse(line.word());
            Some(
                timestamp
                    .ok_or_else(|| before.unexpected("an exemplar's timestamp or the end of the line"))?,
            )
        };
        line.skip_blanks();
        if !line.is_at_end() {
            return Err(line.unexpected("the end of the line"));
        }
        let labels = Run::new(first_label, self.exposition.labels.len())?;
        self.exposition.exemplars.push(Exemplar {
            labels,
            value,
            timestamp,
        });
        let index = Some(last_index(self.exposition.exemplars.len())?);
        match (role, self.open.metric_type) {
            (Role::Bucket, _) => {
                if let Some(bucket) = self.exposition.buckets.last_mut() {
                    bucket.exemplar = index;
                }
            }
            (Role::Number, Some(MetricType::Counter)) => {
                if let Some(metric) = self.open.metrics.last_mut() {
                    metric.extra.get_or_insert_default().exemplar = index;
                }
            }
            _ => {
                self.exposition.exemplars.pop();
                self.exposition.labels.truncate(first_label);
            }
        }
        Ok(())
    }

    /// Rounds off the last metric of the open family, before another one begins at `offset`.
    fn complete_metric(&mut self, offset: usize) -> Result<(), Problem> {
        let has_count = std::mem::take(&mut self.open.has_count);
        self.open.has_sum = false;
        match self.open.metrics.last().map(|metric| metric.value) {
            Some(Value::Missing) => Err(Problem {
                offset,
                kind: ErrorKind::CreatedWithoutValue,
            }),
            Some(Value::Histogram(index)) if !has_count => {
                if let Some(histogram) = self.exposition.histograms.get_mut(index as usize) {
                    let buckets = self
                        .exposition
                        .buckets
                        .get(histogram.buckets.range())
                        .unwrap_or_default();
                    let all = buckets.iter().find(|bucket| bucket.upper_bound == f64::INFINITY);
                    histogram.count = all.map_or(histogram.count, |bucket| bucket.cumulative_count);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Moves the open family to the exposition.
    fn close_family(&mut self) -> Result<(), Problem> {
        self.complete_metric(self.open.offset)?;
        let open = std::mem::take(&mut self.open);
        if open.metrics.is_empty() {
            return Ok(());
        }
        let name = open.exposed.unwrap_or(open.name);
        let families = &self.exposition.families;
        let name_at = |index: usize| {
            families
                .get(index)
                .map_or("", |family| self.exposition.text(family.name))
        };
        let name_text = self.exposition.text(name);
        let hash = self.hasher.hash_one(name_text);
        if self
            .places
            .find(hash, |index| name_at(*index) == name_text)
            .is_some()
        {
            let kind = ErrorKind::SecondFamily {
                family: name_text.to_owned(),
            };
            return Err(Problem {
                offset: open.offset,
                kind,
            });
        }
        self.places.insert_unique(hash, families.len(), |index| {
            self.hasher.hash_one(name_at(*index))
        });
        self.exposition.families.push(Family {
            name,
            help: open.help,
            unit: open.unit.unwrap_or_default(),
            metric_type: open.metric_type.unwrap_or(MetricType::Untyped),
            metrics: open.metrics,
        });
        Ok(())
    }

    fn second_sample(&self, sample: &Sample<'_>) -> Problem {
        let kind = ErrorKind::SecondSample {
            sample: self.exposition.text(sample.name).to_owned(),
        };
        Problem {
            offset: sample.offset,
            kind,
        }
    }

    fn same_text(&self, a: Text, b: Text) -> bool {
        a == b || (a.len() == b.len() && self.exposition.text(a) == self.exposition.text(b))
    }

    fn same_labels(&self, a: Run, b: Run) -> bool {
        a.len() == b.len() && self.exposition.labels(a).eq(self.exposition.labels(b))
    }
}

/// The name of a counter or info without its suffix.
fn base_name(name: &str) -> &str {
    name.strip_suffix("_total")
        .or_else(|| name.strip_suffix("_info"))
        .unwrap_or(name)
}

/// Whether `sample` is `family` with the suffix. Clients that count the suffix as part of the family's name, and
/// clients that forget it at the sample, mean the same.
fn is_suffixed(sample: &str, family: &str, suffix: &str) -> bool {
    sample == family || sample.strip_prefix(family) == Some(suffix)
}

/// The value of a sample that counts.
fn count(sample: &Sample<'_>) -> Count {
    const TWO_POW_64: f64 = 18_446_744_073_709_551_616.0;
    let integer = std::str::from_utf8(sample.text)
        .ok()
        .and_then(|text| text.parse().ok());
    match integer {
        Some(count) => Count::Int(count),
        None if (0.0..TWO_POW_64).contains(&sample.value) && sample.value.fract() == 0.0 => {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a whole number within the range"
            )]
            let count = sample.value as u64;
            Count::Int(count)
        }
        None => Count::Float(sample.value),
    }
}

fn last_index(length: usize) -> Result<u32, TooLarge> {
    u32::try_from(length.saturating_sub(1)).map_err(|_| TooLarge)
}
