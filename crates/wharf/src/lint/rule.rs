//! The rules and how much each counts.

use std::fmt;

/// How much a finding counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// A gateway refuses it, or what it stores is of no use.
    Error,
    /// It works, and will be regretted.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// What can be wrong with metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// A line cannot be read, or the rest of a body in protobuf.
    Syntax,
    /// The tools read it; the Pushgateway refuses byte order marks, UTF-16, line ends of Windows, blanks at the end, a last
    /// line without end.
    StrictText,
    /// A sample has a timestamp: gateways refuse it.
    Timestamp,
    /// The same series twice: gateways refuse it.
    DuplicateSeries,
    /// A histogram without `+Inf`, with falling counts, with counts that are none, or with another count than that of `+Inf`.
    HistogramBuckets,
    /// In protobuf: a metric that has no value of the type of its family. Gateways refuse it.
    MissingValue,
    /// In protobuf: a label that is there twice, is reserved, or is `le` or `quantile` beside those that the type makes. Gateways
    /// refuse it; in texts it is a matter of syntax.
    InvalidLabel,
    /// No HELP line.
    MissingHelp,
    /// No TYPE line.
    MissingType,
    /// A counter whose name does not end in `_total`.
    CounterTotal,
    /// `_total`, `_bucket`, `_sum` or `_count` at the end of a name of another type.
    ReservedSuffix,
    /// `le` or `quantile` on another type than histogram or summary.
    ReservedLabel,
    /// A name that the gateway itself gives to something.
    GatewayName,
    /// A label that the group of the push replaces.
    GroupingLabel,
    /// A unit that is not a base unit.
    BaseUnit,
    /// An abbreviated unit.
    UnitAbbreviation,
    /// The name says its type.
    TypeInName,
    /// A colon, which belongs to recording rules.
    Colon,
    /// `camelCase` in the name of a metric or label.
    CamelCase,
    /// More series than one push should have.
    TooManySeries,
    /// A label whose values seem to have no end.
    UnboundedLabel,
}

impl Rule {
    /// All of them.
    pub const ALL: [Self; 21] = [
        Self::Syntax,
        Self::StrictText,
        Self::Timestamp,
        Self::DuplicateSeries,
        Self::HistogramBuckets,
        Self::MissingValue,
        Self::InvalidLabel,
        Self::MissingHelp,
        Self::MissingType,
        Self::CounterTotal,
        Self::ReservedSuffix,
        Self::ReservedLabel,
        Self::GatewayName,
        Self::GroupingLabel,
        Self::BaseUnit,
        Self::UnitAbbreviation,
        Self::TypeInName,
        Self::Colon,
        Self::CamelCase,
        Self::TooManySeries,
        Self::UnboundedLabel,
    ];

    /// How much a finding of this rule counts.
    pub fn severity(self) -> Severity {
        match self {
            Self::Syntax
            | Self::Timestamp
            | Self::DuplicateSeries
            | Self::HistogramBuckets
            | Self::MissingValue
            | Self::InvalidLabel => Severity::Error,
            _ => Severity::Warning,
        }
    }

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Syntax => "syntax",
            Self::StrictText => "strict-text",
            Self::Timestamp => "timestamp",
            Self::DuplicateSeries => "duplicate-series",
            Self::HistogramBuckets => "histogram-buckets",
            Self::MissingValue => "missing-value",
            Self::InvalidLabel => "invalid-label",
            Self::MissingHelp => "missing-help",
            Self::MissingType => "missing-type",
            Self::CounterTotal => "counter-total",
            Self::ReservedSuffix => "reserved-suffix",
            Self::ReservedLabel => "reserved-label",
            Self::GatewayName => "gateway-name",
            Self::GroupingLabel => "grouping-label",
            Self::BaseUnit => "base-unit",
            Self::UnitAbbreviation => "unit-abbreviation",
            Self::TypeInName => "type-in-name",
            Self::Colon => "colon",
            Self::CamelCase => "camel-case",
            Self::TooManySeries => "too-many-series",
            Self::UnboundedLabel => "unbounded-label",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
