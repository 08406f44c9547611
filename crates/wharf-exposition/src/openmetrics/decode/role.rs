//! What a sample is to its metric, which its name tells, and which values it may have.

use wharf_model::{Count, MetricType, Text};

use super::sample::Number;
use super::{Decoder, OpenFamily};
use crate::openmetrics::error::{ErrorKind, Problem};

/// What a sample is to its metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// The one value of a type that has one.
    Number,
    Created,
    Quantile,
    Bucket,
    Sum,
    Count,
}

impl Decoder<'_, '_> {
    /// What the sample `name` is to the open family. If it is nothing to it, it opens a family of its own.
    pub(super) fn role(&mut self, name: Text, offset: usize) -> Result<Role, Problem> {
        if let Some((previous, role)) = self.open.previous
            && self.same_text(previous, name)
        {
            return Ok(role);
        }
        let (sample, family) = (self.exposition.text(name), self.exposition.text(self.open.name));
        let suffix = sample.strip_prefix(family).filter(|_| !family.is_empty());
        let metric_type = self.open.metric_type();
        let role = if let Some(role) = suffix.and_then(|suffix| role_of(metric_type, suffix)) {
            role
        } else if let Some(missing) = suffix
            .filter(|suffix| suffix.is_empty())
            .map(|_| first_suffix(metric_type))
        {
            let kind = ErrorKind::BareName {
                family: family.to_owned(),
                metric_type,
                suffix: missing,
            };
            return Err(Problem { offset, kind });
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
}

/// What a sample is that has the name of its family and `suffix`.
fn role_of(metric_type: MetricType, suffix: &str) -> Option<Role> {
    Some(match (metric_type, suffix) {
        (MetricType::Counter, "_total")
        | (MetricType::Info, "_info")
        | (MetricType::Gauge | MetricType::Untyped | MetricType::StateSet, "") => Role::Number,
        (MetricType::Summary, "") => Role::Quantile,
        (MetricType::Histogram | MetricType::GaugeHistogram, "_bucket") => Role::Bucket,
        (MetricType::Summary | MetricType::Histogram, "_sum") | (MetricType::GaugeHistogram, "_gsum") => {
            Role::Sum
        }
        (MetricType::Summary | MetricType::Histogram, "_count") | (MetricType::GaugeHistogram, "_gcount") => {
            Role::Count
        }
        (MetricType::Counter | MetricType::Summary | MetricType::Histogram, "_created") => Role::Created,
        _ => return None,
    })
}

/// What samples end in that cannot have the name of their family.
fn first_suffix(metric_type: MetricType) -> &'static str {
    match metric_type {
        MetricType::Counter => "_total",
        MetricType::Info => "_info",
        MetricType::Histogram | MetricType::GaugeHistogram => "_bucket",
        _ => "",
    }
}

/// Which values a sample may have, in words, if it may not have this one.
#[expect(
    clippy::float_cmp,
    reason = "these are exactly the values that the standard allows"
)]
pub(super) fn objection(metric_type: MetricType, role: Role, number: &Number<'_>) -> Option<&'static str> {
    let value = number.value;
    let (is_right, expected) = match (metric_type, role) {
        (MetricType::Counter, Role::Number) => (value >= 0.0, "a counter of 0 or more"),
        (MetricType::Info, Role::Number) => (value == 1.0, "1, the value of every info"),
        (MetricType::StateSet, Role::Number) => {
            (value == 0.0 || value == 1.0, "0 or 1, the values of a state")
        }
        (_, Role::Quantile) => (value.is_nan() || value >= 0.0, "a quantile of 0 or more, or NaN"),
        (MetricType::Summary, Role::Sum) => (value >= 0.0, "a sum of 0 or more"),
        (_, Role::Sum) => (!value.is_nan(), "a sum that is a number"),
        (MetricType::Summary, Role::Count) => (
            matches!(count(number), Some(Count::Int(_))),
            "a whole number of 0 or more as count",
        ),
        (_, Role::Count | Role::Bucket) => (count(number).is_some(), "a whole number of 0 or more as count"),
        _ => (true, ""),
    };
    (!is_right).then_some(expected)
}

/// The value of a sample that counts: a whole number, in 64 bits if they hold it.
pub(super) fn count(number: &Number<'_>) -> Option<Count> {
    const TWO_POW_64: f64 = 18_446_744_073_709_551_616.0;
    let text = std::str::from_utf8(number.text).ok();
    if let Some(count) = text.and_then(|text| text.parse().ok()) {
        return Some(Count::Int(count));
    }
    let value = number.value;
    if !value.is_finite() || value < 0.0 || value.fract() != 0.0 {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a whole number within the range"
    )]
    let count = || Count::Int(value as u64);
    Some(if value < TWO_POW_64 {
        count()
    } else {
        Count::Float(value)
    })
}
