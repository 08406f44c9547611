//! From a sample to the series that it is for: rules, names, labels, scale.

use std::collections::BTreeMap;
use std::fmt;

use crate::escape::escape_name;
use crate::line::{Measure, Sample};
use crate::mapping::{GaugeSigns, Mapping, MetricKind, Observer, Rule};

/// What becomes of a sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolved<'m, 's> {
    /// The rule that it fell under, by its index among [`Mapping::rules`].
    pub rule: Option<usize>,
    /// What it comes to.
    pub outcome: Outcome<'m, 's>,
    /// Tags that are no labels of the series: Prometheus keeps their names for itself, or the series has them already.
    pub reserved_tags: u64,
}

/// What a sample comes to.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome<'m, 's> {
    /// A rule says that it does not count.
    Dropped,
    /// It cannot count.
    Refused(EventError),
    /// It changes a series.
    Series(SeriesUpdate<'m, 's>),
}

/// A change of one series.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesUpdate<'m, 's> {
    /// The name of the metric family.
    pub name: String,
    /// The labels, sorted by their names.
    pub labels: BTreeMap<String, String>,
    /// What happens to its value.
    pub update: Update<'m, 's>,
}

/// What happens to a value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Update<'m, 's> {
    /// A counter grows.
    Add(f64),
    /// A gauge has this value.
    Set(f64),
    /// A gauge has so much more.
    Shift(f64),
    /// Something was observed, so many times.
    Observe {
        /// What.
        value: f64,
        /// How often.
        times: u32,
        /// What it goes into.
        observer: &'m Observer,
    },
    /// A gauge counts the distinct members of a set.
    Member(&'s str),
}

/// Why a sample cannot count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventError {
    /// The rule makes an empty name of it, or the name had nothing but tags.
    EmptyMetricName,
    /// A counter would become smaller.
    IllegalNegativeCounter,
    /// A counter would be infinite or no number, and stay so for ever.
    NotFiniteCounter,
    /// It would be one series more than there may be.
    TooManySeries,
    /// The set has as many members as are counted.
    TooManyMembers,
}

impl EventError {
    /// All there are.
    pub const ALL: [Self; 5] = [
        Self::EmptyMetricName,
        Self::IllegalNegativeCounter,
        Self::NotFiniteCounter,
        Self::TooManySeries,
        Self::TooManyMembers,
    ];

    /// The value of the label `reason`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EmptyMetricName => "empty_metric_name",
            Self::IllegalNegativeCounter => "illegal_negative_counter",
            Self::NotFiniteCounter => "not_finite_counter",
            Self::TooManySeries => "too_many_series",
            Self::TooManyMembers => "too_many_members",
        }
    }
}

impl fmt::Display for EventError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Measure<'_> {
    /// What rules call it.
    pub fn kind(&self) -> MetricKind {
        match self {
            Self::Count(_) => MetricKind::Counter,
            Self::Gauge { .. } | Self::Member(_) => MetricKind::Gauge,
            Self::Observation { .. } => MetricKind::Observer,
        }
    }
}

impl Mapping {
    /// What a sample comes to by these rules.
    pub fn resolve<'s>(&self, sample: &Sample<'s>) -> Resolved<'_, 's> {
        let kind = sample.measure.kind();
        let mapped = self.find(sample.name, kind);
        let rule = mapped.as_ref().map(|mapped| mapped.rule);
        let resolved = |outcome, reserved_tags| Resolved {
            rule: mapped.as_ref().map(|mapped| mapped.index),
            outcome,
            reserved_tags,
        };
        if rule.is_some_and(|rule| rule.is_drop) {
            return resolved(Outcome::Dropped, 0);
        }
        let name = mapped.as_ref().map_or(sample.name, |mapped| mapped.name.as_str());
        if name.is_empty() {
            return resolved(Outcome::Refused(EventError::EmptyMetricName), 0);
        }
        let update = match self.update(&sample.measure, rule) {
            Ok(update) => update,
            Err(error) => return resolved(Outcome::Refused(error), 0),
        };
        let mut labels = BTreeMap::new();
        let mut reserved_tags = 0;
        for tag in sample.tags {
            let label = escape_name(tag.key);
            if is_reserved(&label, &update) {
                reserved_tags += 1;
            } else {
                labels.insert(label.into_owned(), tag.value.to_owned());
            }
        }
        let keeps_tags = rule.is_some_and(|rule| rule.honor_labels);
        for (label, value) in mapped.iter().flat_map(|mapped| &mapped.labels) {
            if !(keeps_tags && labels.contains_key(*label)) {
                labels.insert((*label).to_owned(), value.clone());
            }
        }
        let name = escape_name(name).into_owned();
        resolved(
            Outcome::Series(SeriesUpdate { name, labels, update }),
            reserved_tags,
        )
    }

    /// What happens to the value of a series, by the rule that its sample fell under.
    pub(crate) fn update<'m, 's>(
        &'m self,
        measure: &Measure<'s>,
        rule: Option<&'m Rule>,
    ) -> Result<Update<'m, 's>, EventError> {
        let observer = rule.map_or(self.observer(), |rule| &rule.observer);
        let gauge_signs = rule.map_or(self.gauge_signs(), |rule| rule.gauge_signs);
        let scaled = |value: f64| match rule.and_then(|rule| rule.scale) {
            Some(scale) => value * scale,
            None => value,
        };
        Ok(match *measure {
            Measure::Count(value) => {
                let value = scaled(value);
                if !value.is_finite() {
                    return Err(EventError::NotFiniteCounter);
                }
                if value < 0.0 {
                    return Err(EventError::IllegalNegativeCounter);
                }
                Update::Add(value)
            }
            Measure::Gauge {
                value,
                is_relative: true,
            } if gauge_signs == GaugeSigns::Relative => Update::Shift(scaled(value)),
            Measure::Gauge { value, .. } => Update::Set(scaled(value)),
            Measure::Observation { value, times } => Update::Observe {
                value: scaled(value),
                times,
                observer,
            },
            Measure::Member(member) => Update::Member(member),
        })
    }
}

/// Whether a series that changes like this can have no such label of a client's.
fn is_reserved(label: &str, update: &Update<'_, '_>) -> bool {
    let of_series = match update {
        Update::Observe {
            observer: Observer::Summary(_),
            ..
        } => Some("quantile"),
        Update::Observe {
            observer: Observer::Histogram(_),
            ..
        } => Some("le"),
        _ => None,
    };
    label.starts_with("__") || of_series == Some(label)
}

#[cfg(test)]
mod tests;
