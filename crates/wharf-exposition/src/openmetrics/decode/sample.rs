//! A sample line: name, labels, value, timestamp, exemplar.

use wharf_model::{Exemplar, Run, Text};

use super::Decoder;
use super::metric::Placed;
use super::role::{Role, objection};
use crate::number;
use crate::openmetrics::cursor::Cursor;
use crate::openmetrics::error::{ErrorKind, MAX_EXEMPLAR_CHARS, Problem};
use crate::openmetrics::timestamp::{self, Nanos};

/// The part of a sample line before the exemplar.
pub(super) struct Sample<'a> {
    /// Where in the body the line begins.
    pub(super) offset: usize,
    pub(super) name: Text,
    pub(super) role: Role,
    /// Without `le` and `quantile`.
    pub(super) labels: Run,
    /// The label `le` or `quantile` of the roles that have one.
    pub(super) bound: f64,
    pub(super) number: Number<'a>,
    /// When, and where in the body that stands.
    pub(super) timestamp: Option<(Nanos, usize)>,
}

/// A value, and how it is written.
pub(super) struct Number<'a> {
    /// Where in the body it stands.
    pub(super) offset: usize,
    pub(super) text: &'a [u8],
    pub(super) value: f64,
}

impl<'a> Decoder<'a, '_> {
    pub(super) fn sample(&mut self, mut line: Cursor<'a>) -> Result<(), Problem> {
        let start = line;
        let first_label = self.exposition.labels.len();
        let bare = line.metric_name();
        let mut name = if bare.is_empty() {
            None
        } else {
            Some(self.exposition.slice(bare)?)
        };
        if line.eat(b'{') {
            self.labels(&mut line, Some(&mut name))?;
        }
        let name = name.ok_or_else(|| start.unexpected("a metric name"))?;
        let role = self.role(name, start.at())?;
        let bound = self.take_bound(role, first_label, start)?;

        line.blank("a blank and a value")?;
        let number = self.value(&mut line, role)?;
        let mut goes_on = line.eat_separator()?;
        let timestamp = if goes_on && line.peek() != Some(b'#') {
            let before = line;
            let time = timestamp::parse_nanos(line.word())
                .ok_or_else(|| before.unexpected("a timestamp in seconds or an exemplar"))?;
            goes_on = line.eat_separator()?;
            Some((time, before.at()))
        } else {
            None
        };
        let sample = Sample {
            offset: start.at(),
            name,
            role,
            labels: Run::new(first_label, self.exposition.labels.len())?,
            bound,
            number,
            timestamp,
        };
        let placed = self.add(&sample)?;
        if goes_on {
            self.exemplar(line, &sample, placed)?;
        }
        Ok(())
    }

    fn value(&mut self, line: &mut Cursor<'a>, role: Role) -> Result<Number<'a>, Problem> {
        let before = *line;
        let text = line.word();
        let value = number::parse_f64(text).ok_or_else(|| before.unexpected("a value"))?;
        let number = Number {
            offset: before.at(),
            text,
            value,
        };
        match objection(self.open.metric_type(), role, &number) {
            None => Ok(number),
            Some(expected) => {
                let found = String::from_utf8_lossy(text).into_owned();
                Err(before.problem(ErrorKind::InvalidValue { expected, found }))
            }
        }
    }

    fn exemplar(&mut self, mut line: Cursor<'a>, sample: &Sample<'a>, placed: Placed) -> Result<(), Problem> {
        let start = line;
        if !line.eat(b'#') {
            return Err(line.unexpected("an exemplar or the end of the line"));
        }
        if !self.may_have_exemplar(sample.role) {
            return Err(start.problem(ErrorKind::StrayExemplar));
        }
        line.blank("a blank and the labels of an exemplar")?;
        let before_labels = line;
        if !line.eat(b'{') {
            return Err(line.unexpected("the labels of an exemplar, `{}` if it has none"));
        }
        let first_label = self.exposition.labels.len();
        self.labels(&mut line, None)?;
        let labels = Run::new(first_label, self.exposition.labels.len())?;
        self.check_length(labels, before_labels)?;
        line.blank("a blank and an exemplar's value")?;
        let before_value = line;
        let value =
            number::parse_f64(line.word()).ok_or_else(|| before_value.unexpected("an exemplar's value"))?;
        if sample.role == Role::Bucket && value > sample.bound {
            return Err(before_value.problem(ErrorKind::ExemplarAboveBound));
        }
        let timestamp = if line.eat_separator()? {
            let before = line;
            let time = timestamp::parse(line.word());
            Some(time.ok_or_else(|| before.unexpected("an exemplar's timestamp in seconds"))?)
        } else {
            None
        };
        if !line.is_at_end() {
            return Err(line.unexpected("the end of the line"));
        }
        if placed == Placed::Dropped {
            self.exposition.labels.truncate(first_label);
            return Ok(());
        }
        self.attach(Exemplar {
            labels,
            value,
            timestamp,
        })
    }

    fn check_length(&self, labels: Run, at: Cursor<'a>) -> Result<(), Problem> {
        let chars = |(name, value): (&str, &str)| name.chars().count() + value.chars().count();
        let length = self.exposition.labels(labels).map(chars).sum();
        if length > MAX_EXEMPLAR_CHARS {
            return Err(at.problem(ErrorKind::LongExemplar { length }));
        }
        Ok(())
    }
}
