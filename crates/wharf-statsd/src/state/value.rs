//! The value of a series.

use std::sync::Arc;
use std::time::Duration;

use wharf_model::MetricType;

use super::set::SetValue;
use crate::mapping::Observer;
use crate::resolve::{EventError, Update};
use crate::values::{HistogramValue, SummaryValue};

/// What a family of series is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SeriesKind {
    /// It only grows.
    Counter,
    /// A state, or the number of members of a set.
    Gauge,
    /// Quantiles.
    Summary,
    /// Buckets.
    Histogram,
}

impl SeriesKind {
    /// All there are.
    pub const ALL: [Self; 4] = [Self::Counter, Self::Gauge, Self::Summary, Self::Histogram];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Summary => "summary",
            Self::Histogram => "histogram",
        }
    }

    /// As formats call it.
    pub fn metric_type(self) -> MetricType {
        match self {
            Self::Counter => MetricType::Counter,
            Self::Gauge => MetricType::Gauge,
            Self::Summary => MetricType::Summary,
            Self::Histogram => MetricType::Histogram,
        }
    }

    /// The kind of a type; none if we make none of that type.
    pub(super) fn of_type(metric_type: MetricType) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.metric_type() == metric_type)
    }

    /// What a series has to be that can change like this.
    pub(super) fn of(update: &Update<'_, '_>) -> Self {
        match update {
            Update::Add(_) => Self::Counter,
            Update::Set(_) | Update::Shift(_) | Update::Member(_) => Self::Gauge,
            Update::Observe {
                observer: Observer::Summary(_),
                ..
            } => Self::Summary,
            Update::Observe {
                observer: Observer::Histogram(_),
                ..
            } => Self::Histogram,
        }
    }

    /// Whether its lines have other names than its own: those with these endings.
    pub(super) fn is_observer(self) -> bool {
        matches!(self, Self::Summary | Self::Histogram)
    }
}

impl Observer {
    /// This one if it makes what a series is already, otherwise one that does.
    pub(super) fn of_kind(&self, kind: SeriesKind) -> Self {
        match (self, kind) {
            (Self::Summary(_), SeriesKind::Histogram) => Self::Histogram(Arc::default()),
            (Self::Histogram(_), SeriesKind::Summary) => Self::Summary(Arc::default()),
            _ => self.clone(),
        }
    }
}

/// The value of a series.
#[derive(Debug)]
pub(super) enum Value {
    Counter(f64),
    Gauge(f64),
    Set(Box<SetValue>),
    Summary(Box<SummaryValue>),
    Histogram(Box<HistogramValue>),
}

impl Value {
    /// That of a series that nothing was counted for yet.
    pub(super) fn new(update: &Update<'_, '_>, now: Duration) -> Self {
        match update {
            Update::Add(_) => Self::Counter(0.0),
            Update::Set(_) | Update::Shift(_) | Update::Member(_) => Self::Gauge(0.0),
            Update::Observe { observer, .. } => Self::of_observer(observer, now),
        }
    }

    fn of_observer(observer: &Observer, now: Duration) -> Self {
        match observer {
            Observer::Summary(options) => {
                Self::Summary(Box::new(SummaryValue::new(Arc::clone(options), now)))
            }
            Observer::Histogram(options) => {
                Self::Histogram(Box::new(HistogramValue::new(Arc::clone(options))))
            }
        }
    }

    /// Changes it.
    ///
    /// # Errors
    /// If it cannot change like this; it stays as it is then.
    #[inline]
    pub(super) fn update(
        &mut self,
        update: &Update<'_, '_>,
        now: Duration,
        set_interval: Duration,
    ) -> Result<(), EventError> {
        match (self, update) {
            (Self::Counter(value), Update::Add(more)) => {
                let sum = *value + more;
                if !sum.is_finite() {
                    return Err(EventError::NotFiniteCounter);
                }
                *value = sum;
            }
            (Self::Gauge(value), Update::Set(new)) => *value = *new,
            (Self::Gauge(value), Update::Shift(more)) => *value += more,
            (Self::Set(set), Update::Member(member)) => set.add(member, now)?,
            (Self::Summary(summary), Update::Observe { value, times, .. }) => {
                summary.observe(*value, *times, now);
            }
            (Self::Histogram(histogram), Update::Observe { value, times, .. }) => {
                histogram.observe(*value, *times);
            }
            // A gauge becomes a set by its first member, and a set a gauge again.
            (gauge @ Self::Gauge(_), Update::Member(member)) => {
                let mut set = SetValue::new(set_interval, now);
                set.add(member, now)?;
                *gauge = Self::Set(Box::new(set));
            }
            (set @ Self::Set(_), Update::Set(new)) => *set = Self::Gauge(*new),
            (set @ Self::Set(_), Update::Shift(more)) => {
                let shown = set.number().unwrap_or_default();
                *set = Self::Gauge(shown + more);
            }
            // Who looks up a series has compared the kinds.
            _ => {}
        }
        Ok(())
    }

    /// Its number, if it is one.
    pub(super) fn number(&self) -> Option<f64> {
        match self {
            Self::Counter(value) | Self::Gauge(value) => Some(*value),
            Self::Set(set) => Some(set.shown()),
            Self::Summary(_) | Self::Histogram(_) => None,
        }
    }

    /// When it may change although no line comes; never, for most.
    #[inline]
    pub(super) fn turn(&mut self, now: Duration) -> Option<Duration> {
        match self {
            Self::Set(set) => set.turn(now),
            Self::Summary(summary) => summary.next_change(now),
            Self::Counter(_) | Self::Gauge(_) | Self::Histogram(_) => None,
        }
    }

    /// Whether it may change although no line comes.
    #[inline]
    pub(super) fn turns(&self) -> bool {
        matches!(self, Self::Set(_) | Self::Summary(_))
    }
}
