//! From lines into the arenas.
//!
//! | module | what it knows |
//! |---|---|
//! | this one | which family a line belongs to, and where metadata may stand |
//! | [`sample`] | how a sample and its exemplar are written |
//! | [`labels`] | how labels are written, and which ones a type wants or forbids |
//! | [`role`] | which sample of its metric a name stands for, and which values it may have |
//! | [`metric`] | which samples make a metric, and whether they agree |
//! | [`label_sets`] | which label sets a family has had |
//! | [`names`] | which names the families have had |

mod label_sets;
mod labels;
mod metric;
mod names;
mod role;
mod sample;

use std::borrow::Cow;

use hashbrown::DefaultHashBuilder;
use wharf_model::name::NameRule;
use wharf_model::{Exposition, Extra, Family, Meter, Metric, MetricType, Text, TooLarge};

use self::label_sets::LabelSets;
use self::metric::Point;
use self::names::Names;
use self::role::Role;
use super::cursor::{Cursor, Quoted, unescape};
use super::error::{ErrorKind, Problem};
use super::{DecodeError, Options};
use crate::head::is_unit_of;
use crate::lines::LineCounter;
use crate::memory;

/// Decodes `OpenMetrics` text; see the [module](super) for what is tolerated.
///
/// A sample `_created` becomes the creation time of its metric. Counts are [`Count::Int`](wharf_model::Count) if 64
/// bits hold them, however they are written. A histogram without a count has that of its bucket `+Inf`. Of several
/// points of one metric the newest counts, and of several at one time the first.
///
/// Memory and time are linear in the length of the body, whatever stands in it.
///
/// # Errors
/// [`DecodeError`] if the body breaks a rule of the standard, or has a name that the name rule does not allow.
pub fn decode(body: &[u8], options: Options) -> Result<Exposition<'_>, DecodeError> {
    decode_within(body, options, &Meter::unlimited())
}

/// [`decode`], with memory of this meter. What is taken when this returns is what the exposition takes.
///
/// # Errors
/// As there, and [`ErrorKind::TooLarge`] if the meter gives no more.
pub fn decode_within<'t>(
    body: &'t [u8],
    options: Options,
    memory: &Meter<'_>,
) -> Result<Exposition<'t>, DecodeError> {
    decode_lines(body, options, memory).map_err(|problem| DecodeError::locate(body, problem))
}

/// As many times as long as a line can be what is copied of it at once: without escapes, and in an error.
const MAX_COPIES: usize = 3;

fn decode_lines<'a>(body: &'a [u8], options: Options, memory: &Meter<'_>) -> Result<Exposition<'a>, Problem> {
    let body = std::str::from_utf8(body).map_err(|error| Problem {
        offset: error.valid_up_to(),
        kind: ErrorKind::InvalidUtf8,
    })?;
    if body.starts_with('\u{feff}') {
        return Err(Problem {
            offset: 0,
            kind: ErrorKind::ByteOrderMark,
        });
    }
    let copies = memory::longest_line(body.as_bytes()).saturating_mul(MAX_COPIES);
    memory.take(copies)?;
    let mut decoder = Decoder {
        exposition: Exposition::new(body)?,
        options,
        memory,
        open: OpenFamily::default(),
        names: Names::default(),
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
    decoder.names.finish(memory);
    memory.give_back(copies);
    Ok(decoder.exposition)
}

#[derive(PartialEq, Eq)]
enum Line {
    Eof,
    Other,
}

struct Decoder<'a, 'm> {
    exposition: Exposition<'a>,
    options: Options,
    memory: &'m Meter<'m>,
    /// The family whose lines are being read. At first one without a name, to which no line belongs.
    open: OpenFamily,
    /// The names of the families before.
    names: Names,
    hasher: DefaultHashBuilder,
    lines: LineCounter,
}

#[derive(Default)]
struct OpenFamily {
    /// The name in the metadata.
    name: Text,
    /// Where in the body its first line begins.
    offset: usize,
    /// Whether that line is metadata behind the samples of a family of the same name.
    is_second: bool,
    metric_type: Option<MetricType>,
    help: Option<Text>,
    unit: Option<Text>,
    /// The name in the text format, which is that of the samples if it is a counter or info.
    exposed: Option<Text>,
    metrics: Vec<Metric>,
    /// The name of the line before, which is mostly the name of the next one too.
    previous: Option<(Text, Role)>,
    /// What the last metric has so far.
    point: Point,
    /// The label sets of all metrics.
    seen: LabelSets,
}

impl OpenFamily {
    fn metric_type(&self) -> MetricType {
        self.metric_type.unwrap_or(MetricType::Untyped)
    }

    fn has_samples(&self) -> bool {
        !self.metrics.is_empty()
    }
}

impl<'a> Decoder<'a, '_> {
    fn line(&mut self, mut line: Cursor<'a>) -> Result<Line, Problem> {
        if line.ends_with_return() {
            return Err(line.problem(ErrorKind::CarriageReturn));
        }
        match line.peek() {
            Some(b'#') => self.hash_line(line),
            Some(_) => self.sample(line).map(|()| Line::Other),
            None => Err(line.problem(ErrorKind::BlankLine)),
        }
    }

    fn hash_line(&mut self, mut line: Cursor<'a>) -> Result<Line, Problem> {
        let (offset, whole) = (line.at(), line);
        if line.remainder() == "# EOF" {
            return Ok(Line::Eof);
        }
        line.word();
        let keyword = if line.eat(b' ') { line.word() } else { b"" };
        let keyword = match keyword {
            b"TYPE" => Keyword::Type,
            b"HELP" => Keyword::Help,
            b"UNIT" => Keyword::Unit,
            _ => return Err(whole.problem(ErrorKind::Comment(whole.remainder().to_owned()))),
        };
        if !whole.remainder().starts_with("# ") {
            return Err(whole.problem(ErrorKind::Comment(whole.remainder().to_owned())));
        }
        self.metadata(keyword, line, offset)?;
        Ok(Line::Other)
    }

    fn metadata(&mut self, keyword: Keyword, mut line: Cursor<'a>, offset: usize) -> Result<(), Problem> {
        line.blank("a blank and a metric name")?;
        let name_at = line;
        let name = if line.peek() == Some(b'"') {
            let name = line.quoted()?;
            let name = self.quoted(name)?;
            self.check_name(name, NameRule::allows_metric_name, name_at)?;
            name
        } else {
            let name = line.metric_name();
            if name.is_empty() {
                return Err(line.unexpected("a metric name"));
            }
            self.exposition.slice(name)?
        };
        line.blank(keyword.what_follows())?;
        self.open_family_of_metadata(name, offset)?;
        match keyword {
            Keyword::Type => self.type_line(line, name_at),
            Keyword::Unit => self.unit_line(line, name_at),
            Keyword::Help => self.help_line(line, name_at),
        }
    }

    fn open_family_of_metadata(&mut self, name: Text, offset: usize) -> Result<(), Problem> {
        let is_same = self.same_text(name, self.open.name);
        if is_same && !self.open.has_samples() {
            return Ok(());
        }
        // Go's client writes a gauge `m` and a counter `m`, whose sample is `m_total`, one behind the other. Which of the
        // two this is, the TYPE line will tell.
        let may_be_second = matches!(self.open.metric_type(), MetricType::Gauge | MetricType::Counter);
        if is_same && !may_be_second {
            let kind = self.late_metadata();
            return Err(Problem { offset, kind });
        }
        self.close_family()?;
        self.open = OpenFamily {
            name,
            offset,
            is_second: is_same,
            ..OpenFamily::default()
        };
        Ok(())
    }

    /// Help is what stands behind the one blank, with all further blanks. Empty help is none.
    fn help_line(&mut self, line: Cursor<'a>, name_at: Cursor<'a>) -> Result<(), Problem> {
        let help = match unescape(line.remainder()) {
            Cow::Borrowed(help) => self.exposition.slice(line.at()..line.at() + help.len())?,
            Cow::Owned(help) => self.exposition.intern_within(&help, self.memory)?,
        };
        let is_first = self.open.help.replace(help).is_none();
        self.check_first(is_first, "HELP", name_at)
    }

    fn type_line(&mut self, line: Cursor<'a>, name_at: Cursor<'a>) -> Result<(), Problem> {
        let metric_type = match line.remainder() {
            "counter" => MetricType::Counter,
            "gauge" => MetricType::Gauge,
            "histogram" => MetricType::Histogram,
            "gaugehistogram" => MetricType::GaugeHistogram,
            "summary" => MetricType::Summary,
            "info" => MetricType::Info,
            "stateset" => MetricType::StateSet,
            "unknown" => MetricType::Untyped,
            "" => return Err(line.unexpected("a metric type")),
            other => return Err(line.problem(ErrorKind::UnknownType(other.to_owned()))),
        };
        let is_first = self.open.metric_type.replace(metric_type).is_none();
        self.check_first(is_first, "TYPE", name_at)?;
        self.check_unit(line)
    }

    fn unit_line(&mut self, line: Cursor<'a>, name_at: Cursor<'a>) -> Result<(), Problem> {
        let unit = line.remainder();
        let family = self.exposition.text(self.open.name);
        if !unit.is_empty() && !is_unit_of(family, unit) {
            let (unit, family) = (unit.to_owned(), family.to_owned());
            return Err(line.problem(ErrorKind::UnitOfOtherName { unit, family }));
        }
        let unit = self.exposition.slice(line.at()..line.at() + unit.len())?;
        let is_first = self.open.unit.replace(unit).is_none();
        self.check_first(is_first, "UNIT", name_at)?;
        self.check_unit(line)
    }

    fn check_first(&self, is_first: bool, keyword: &'static str, name_at: Cursor<'a>) -> Result<(), Problem> {
        if is_first {
            return Ok(());
        }
        let family = self.exposition.text(self.open.name).to_owned();
        Err(name_at.problem(ErrorKind::SecondMetadata { keyword, family }))
    }

    fn check_unit(&self, at: Cursor<'a>) -> Result<(), Problem> {
        let has_unit = self.open.unit.is_some_and(|unit| !unit.is_empty());
        match self.open.metric_type() {
            metric_type @ (MetricType::Info | MetricType::StateSet) if has_unit => {
                Err(at.problem(ErrorKind::UnitOfType(metric_type)))
            }
            _ => Ok(()),
        }
    }

    fn late_metadata(&self) -> ErrorKind {
        ErrorKind::LateMetadata {
            family: self.exposition.text(self.open.name).to_owned(),
        }
    }

    fn quoted(&mut self, quoted: Quoted<'a>) -> Result<Text, TooLarge> {
        match quoted {
            Quoted::Plain(range) => self.exposition.slice(range),
            Quoted::Unescaped(text) => self.exposition.intern_within(&text, self.memory),
        }
    }

    fn check_name(
        &self,
        name: Text,
        is_allowed: impl FnOnce(NameRule, &str) -> bool,
        at: Cursor<'a>,
    ) -> Result<(), Problem> {
        let name = self.exposition.text(name);
        if is_allowed(self.options.names, name) {
            Ok(())
        } else {
            Err(at.problem(ErrorKind::InvalidName(name.to_owned())))
        }
    }

    /// Moves the open family to the exposition. One without samples only takes its names.
    fn close_family(&mut self) -> Result<(), Problem> {
        if self.open.name.is_empty() {
            return Ok(());
        }
        self.complete_point()?;
        let metric_type = self.open.metric_type();
        let taken = self.names.take(
            (&self.exposition, self.memory),
            &self.hasher,
            self.open.name,
            metric_type,
        )?;
        if let Some(taken) = taken {
            let kind = if self.open.is_second {
                self.late_metadata()
            } else {
                taken
            };
            return Err(Problem {
                offset: self.open.offset,
                kind,
            });
        }
        let open = std::mem::take(&mut self.open);
        open.seen.finish(self.memory);
        open.point.finish(self.memory);
        if !open.metrics.is_empty() {
            let family = Family {
                name: open.exposed.unwrap_or(open.name),
                help: open.help.filter(|help| !help.is_empty()),
                unit: open.unit.unwrap_or_default(),
                metric_type,
                metrics: open.metrics,
            };
            self.memory.push(&mut self.exposition.families, family)?;
        }
        Ok(())
    }

    /// What few metrics have, of the last one of the open family.
    fn extra(&mut self) -> Result<Option<&mut Extra>, TooLarge> {
        let Some(metric) = self.open.metrics.last_mut() else {
            return Ok(None);
        };
        if metric.extra.is_none() {
            self.memory.take(size_of::<Extra>())?;
        }
        Ok(Some(metric.extra.get_or_insert_default()))
    }

    fn same_text(&self, a: Text, b: Text) -> bool {
        a == b || (a.len() == b.len() && self.exposition.bytes(a) == self.exposition.bytes(b))
    }
}

#[derive(Clone, Copy)]
enum Keyword {
    Type,
    Help,
    Unit,
}

impl Keyword {
    fn what_follows(self) -> &'static str {
        match self {
            Self::Type => "a blank and a metric type",
            Self::Help => "a blank and the help, which may be empty",
            Self::Unit => "a blank and the unit, which may be empty",
        }
    }
}
