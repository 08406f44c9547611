//! Labels: how they are written, and which ones a type wants or forbids.

use hashbrown::HashSet;
use wharf_model::name::{NameRule, is_reserved_label_name};
use wharf_model::{Label, MetricType, Text};

use super::Decoder;
use super::role::Role;
use crate::memory;
use crate::number;
use crate::openmetrics::cursor::Cursor;
use crate::openmetrics::error::{ErrorKind, Problem};

impl<'a> Decoder<'a, '_> {
    /// Reads labels up to the closing brace. A string in quotes without a value is the name of the metric, which
    /// goes to `metric_name`.
    pub(super) fn labels(
        &mut self,
        line: &mut Cursor<'a>,
        mut metric_name: Option<&mut Option<Text>>,
    ) -> Result<(), Problem> {
        let (start, first_label) = (*line, self.exposition.labels.len());
        if line.eat(b'}') {
            return Ok(());
        }
        loop {
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
                self.check_not_reserved(name, before)?;
                let value = self.label_value(line)?;
                self.memory
                    .push(&mut self.exposition.labels, Label { name, value })?;
            }
            if line.eat(b'}') {
                return self.check_labels_differ(first_label, start);
            }
            if !line.eat(b',') {
                return Err(line.unexpected("a comma or a closing brace"));
            }
        }
    }

    fn label_value(&mut self, line: &mut Cursor<'a>) -> Result<Text, Problem> {
        if !line.eat(b'=') {
            return Err(line.unexpected("an equals sign"));
        }
        if line.peek() != Some(b'"') {
            return Err(line.unexpected("a label value in quotes"));
        }
        let value = line.quoted()?;
        Ok(self.quoted(value)?)
    }

    fn check_not_reserved(&self, name: Text, at: Cursor<'a>) -> Result<(), Problem> {
        let name = self.exposition.text(name);
        if is_reserved_label_name(name) {
            return Err(at.problem(ErrorKind::ReservedLabel(name.to_owned())));
        }
        Ok(())
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
            let names_bytes = memory::table_bytes::<&str>(labels.len());
            self.memory.take(names_bytes)?;
            let mut names: HashSet<&str> = HashSet::with_capacity(labels.len());
            let mut all = labels.iter().map(|label| label.name);
            let second = all.find(|name| !names.insert(self.exposition.text(*name)));
            self.memory.give_back(names_bytes);
            second
        };
        match second {
            None => Ok(()),
            Some(name) => {
                let label = self.exposition.text(name).to_owned();
                Err(at.problem(ErrorKind::SecondLabel { label }))
            }
        }
    }

    /// Takes `le` out of the labels of a bucket, and `quantile` out of those of a quantile. They say which sample of
    /// its metric it is, and so does the label of a state, which stays: it is the only value that a state has.
    pub(super) fn take_bound(&mut self, role: Role, first: usize, start: Cursor<'a>) -> Result<f64, Problem> {
        let metric_type = self.open.metric_type();
        let name = match metric_type {
            MetricType::Histogram | MetricType::GaugeHistogram => "le",
            MetricType::Summary => "quantile",
            MetricType::StateSet => return self.check_state(first, start),
            _ => return Ok(0.0),
        };
        let labels = self.exposition.labels.get(first..).unwrap_or_default();
        let index = labels
            .iter()
            .rposition(|label| self.exposition.text(label.name) == name);
        let has_bound = role == Role::Bucket || role == Role::Quantile;
        let Some(index) = index else {
            return if has_bound {
                let label = name.to_owned();
                Err(start.problem(ErrorKind::MissingLabel { label }))
            } else {
                Ok(0.0)
            };
        };
        let at = || start.at_label(name);
        if !has_bound {
            return Err(at().problem(ErrorKind::StrayLabel { label: name }));
        }
        let value = self.exposition.labels.remove(first + index).value;
        let value = self.exposition.text(value);
        let bound = number::parse_f64(value.as_bytes());
        let (is_right, expected) = match role {
            Role::Quantile => (
                bound.is_some_and(|bound| (0.0..=1.0).contains(&bound)),
                "a number from 0 to 1 as `quantile`",
            ),
            _ => (
                bound.is_some_and(|bound| !bound.is_nan() && (bound != f64::INFINITY || value == "+Inf")),
                "a number or `+Inf` as `le`",
            ),
        };
        match bound {
            Some(bound) if is_right => Ok(bound),
            _ => {
                let found = value.to_owned();
                Err(at().problem(ErrorKind::InvalidValue { expected, found }))
            }
        }
    }

    /// A label without a value is as good as none.
    fn check_state(&self, first: usize, start: Cursor<'a>) -> Result<f64, Problem> {
        let labels = self.exposition.labels.get(first..).unwrap_or_default();
        let name = self.open.name;
        let is_named = |label: &Label| self.same_text(label.name, name) && !label.value.is_empty();
        if labels.iter().any(is_named) {
            return Ok(0.0);
        }
        let label = self.exposition.text(name).to_owned();
        Err(start.problem(ErrorKind::MissingLabel { label }))
    }
}
