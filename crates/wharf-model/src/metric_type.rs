//! The types of metric families.

use std::fmt;

/// The type of a metric family.
///
/// The first six are those of the protobuf format; `Info` and `StateSet` exist in `OpenMetrics` only and read
/// as gauges everywhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MetricType {
    /// A value that only grows, except for resets.
    Counter,
    /// A value that goes up and down.
    Gauge,
    /// Quantiles, a sum and a count.
    Summary,
    /// No type was given (`untyped`; `OpenMetrics` calls it `unknown`).
    Untyped,
    /// Buckets, a sum and a count; also native histograms.
    Histogram,
    /// A histogram whose buckets may fall.
    GaugeHistogram,
    /// Constant labels with the value 1 (`OpenMetrics`).
    Info,
    /// A set of named booleans (`OpenMetrics`).
    StateSet,
}

impl MetricType {
    /// All there are.
    pub const ALL: [Self; 8] = [
        Self::Counter,
        Self::Gauge,
        Self::Summary,
        Self::Untyped,
        Self::Histogram,
        Self::GaugeHistogram,
        Self::Info,
        Self::StateSet,
    ];

    /// The type as protobuf and the consistency rules see it: `Info` and `StateSet` are gauges.
    pub fn base(self) -> Self {
        match self {
            Self::Info | Self::StateSet => Self::Gauge,
            other => other,
        }
    }

    /// The word of the text format 0.0.4, which has five types: gauge histograms print as `histogram`.
    pub fn as_text(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge | Self::Info | Self::StateSet => "gauge",
            Self::Summary => "summary",
            Self::Untyped => "untyped",
            Self::Histogram | Self::GaugeHistogram => "histogram",
        }
    }

    /// The word of `OpenMetrics` 1.0.
    pub fn as_openmetrics(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Summary => "summary",
            Self::Untyped => "unknown",
            Self::Histogram => "histogram",
            Self::GaugeHistogram => "gaugehistogram",
            Self::Info => "info",
            Self::StateSet => "stateset",
        }
    }

    /// The word of the text format, or of `OpenMetrics` where that format has none of its own.
    pub fn as_word(self) -> &'static str {
        match self {
            Self::Untyped => self.as_text(),
            other => other.as_openmetrics(),
        }
    }

    /// The enum value's name in `io.prometheus.client.MetricType`, as the JSON API and error texts print it.
    pub fn as_protobuf(self) -> &'static str {
        match self.base() {
            Self::Counter => "COUNTER",
            Self::Summary => "SUMMARY",
            Self::Untyped => "UNTYPED",
            Self::Histogram => "HISTOGRAM",
            Self::GaugeHistogram => "GAUGE_HISTOGRAM",
            Self::Gauge | Self::Info | Self::StateSet => "GAUGE",
        }
    }

    /// Whether the metrics are histograms, plain or gauge.
    pub fn is_histogram(self) -> bool {
        matches!(self, Self::Histogram | Self::GaugeHistogram)
    }
}

impl fmt::Display for MetricType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_openmetrics())
    }
}
