//! What is stored of a job from an earlier life: series that go on from there.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use wharf_model::{Count, Exposition, Family, Histogram, Metric, Summary, Value as Stored};

use super::created::Created;
use super::labels::Labels;
use super::native;
use super::value::{SeriesKind, Value};
use crate::mapping::Observer;
use crate::values::{HistogramValue, SummaryValue};

/// What is stored of a job. It is taken out series by series, when a line comes for one.
#[derive(Debug, Default)]
pub struct Inherited {
    families: HashMap<Box<str>, OfFamily>,
}

#[derive(Debug)]
struct OfFamily {
    kind: SeriesKind,
    series: HashMap<Labels, (Before, Created)>,
}

/// The value of a series before.
#[derive(Debug)]
pub(super) enum Before {
    Number(f64),
    /// Its quantiles are not known any more.
    Summary {
        sum: f64,
        count: u64,
    },
    Histogram(Box<HistogramValue>),
}

/// A series that was not asked for.
pub(super) struct Left {
    pub(super) name: Box<str>,
    pub(super) kind: SeriesKind,
    pub(super) labels: Labels,
    pub(super) before: Before,
    pub(super) created: Created,
}

impl Inherited {
    /// Adds a family. `is_own` says of a label whether it is the series' own, and not one that all series of the job get. What
    /// cannot be counted further, such as histograms of floating point, is left out.
    pub fn add(&mut self, exposition: &Exposition<'_>, family: &Family, is_own: impl Fn(&str, &str) -> bool) {
        let Some(kind) = SeriesKind::of_type(family.metric_type) else {
            return;
        };
        let series = family.metrics.iter().filter_map(|metric| {
            let labels = exposition.labels(metric.labels);
            let mut labels: Vec<_> = labels.filter(|(name, value)| is_own(name, value)).collect();
            labels.sort_unstable();
            let before = before(exposition, kind, metric)?;
            let created = Created::of(metric.extra.as_ref().and_then(|extra| extra.created));
            Some((Labels::new(labels.into_iter()), (before, created)))
        });
        let series = series.collect();
        let name = exposition.text(family.name).into();
        self.families.insert(name, OfFamily { kind, series });
    }

    /// Takes a series out.
    pub(super) fn take(
        &mut self,
        name: &str,
        kind: SeriesKind,
        labels: &Labels,
    ) -> Option<(Before, Created)> {
        let family = self.families.get_mut(name).filter(|family| family.kind == kind)?;
        let before = family.series.remove(labels);
        if family.series.is_empty() {
            self.families.remove(name);
        }
        before
    }

    /// The names of families of which something is left.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.families.keys().map(|name| &**name)
    }

    /// A family is not stored any more.
    pub(super) fn forget(&mut self, name: &str) {
        self.families.remove(name);
    }

    /// All that is left, by family.
    pub(super) fn into_series(self) -> impl Iterator<Item = Left> {
        self.families
            .into_iter()
            .flat_map(|(name, OfFamily { kind, series })| {
                series.into_iter().map(move |(labels, (before, created))| Left {
                    name: name.clone(),
                    kind,
                    labels,
                    before,
                    created,
                })
            })
    }
}

fn before(exposition: &Exposition<'_>, kind: SeriesKind, metric: &Metric) -> Option<Before> {
    match (kind, metric.value) {
        (SeriesKind::Counter | SeriesKind::Gauge, Stored::Number(value)) => Some(Before::Number(value)),
        (SeriesKind::Summary, Stored::Summary(of)) => {
            let Summary { sum, count, .. } = exposition.summary(of);
            Some(Before::Summary { sum, count })
        }
        (SeriesKind::Histogram, Stored::Histogram(of)) => {
            histogram(exposition, exposition.histogram(of)?).map(|value| Before::Histogram(Box::new(value)))
        }
        _ => None,
    }
}

fn histogram(exposition: &Exposition<'_>, stored: &Histogram) -> Option<HistogramValue> {
    let whole = |count| match count {
        Count::Int(count) => Some(count),
        Count::Float(_) => None,
    };
    let buckets = exposition.buckets(stored.buckets).iter();
    // The last one is the count.
    let buckets = buckets.filter(|bucket| bucket.upper_bound < f64::INFINITY);
    let cumulative: Option<Vec<_>> = buckets
        .map(|bucket| Some((bucket.upper_bound, whole(bucket.cumulative_count)?)))
        .collect();
    let native = match &stored.native {
        Some(native) => Some(native::to_value(native)?),
        None => None,
    };
    HistogramValue::restore(&cumulative?, native, stored.sum, whole(stored.count)?)
}

impl Before {
    /// The value of a series that goes on from there, with what becomes of observations.
    pub(super) fn go_on(self, kind: SeriesKind, observer: &Observer, now: Duration) -> Option<Value> {
        match (kind, self, observer) {
            // One that is poisoned begins anew.
            (SeriesKind::Counter, Self::Number(value), _) => {
                (value.is_finite() && value >= 0.0).then_some(Value::Counter(value))
            }
            (SeriesKind::Gauge, Self::Number(value), _) => Some(Value::Gauge(value)),
            (SeriesKind::Summary, Self::Summary { sum, count }, Observer::Summary(options)) => {
                let summary = SummaryValue::restore(Arc::clone(options), sum, count, now);
                Some(Value::Summary(Box::new(summary)))
            }
            (SeriesKind::Histogram, Self::Histogram(mut histogram), Observer::Histogram(options)) => {
                histogram.adopt(options);
                Some(Value::Histogram(histogram))
            }
            _ => None,
        }
    }
}
