//! How what is pushed is added to what is stored, and why that may not be possible.

use std::fmt;
use std::time::Duration;

use thiserror::Error;

/// How a push is added to what is stored, where types leave a choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Aggregation {
    /// What becomes of gauges.
    pub gauges: Gauges,
    /// What becomes of histograms that have other bounds than the stored ones.
    pub bounds: Bounds,
    /// How many label sets a family of the group may have. A push that adds to them is refused beyond.
    pub max_series: Option<u64>,
    /// For how long a series stays that no push brings.
    pub series_ttl: Option<Duration>,
}

/// What becomes of a gauge that is pushed again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Gauges {
    /// The last value counts.
    #[default]
    Last,
    /// The sum of all.
    Sum,
    /// The smallest.
    Min,
    /// The largest.
    Max,
    /// The mean of all.
    Average,
    /// How often it was pushed, whatever its value.
    Count,
}

impl Gauges {
    /// All there are.
    pub const ALL: [Self; 6] = [
        Self::Last,
        Self::Sum,
        Self::Min,
        Self::Max,
        Self::Average,
        Self::Count,
    ];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Last => "last",
            Self::Sum => "sum",
            Self::Min => "min",
            Self::Max => "max",
            Self::Average => "average",
            Self::Count => "count",
        }
    }
}

/// What becomes of the buckets of a histogram with other bounds. In each case the result is a histogram: its buckets do not
/// fall, and the last one is the count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Bounds {
    /// The bounds that both have stay: exact. In the end that may be `+Inf` alone.
    #[default]
    Common,
    /// All bounds stay. Observations of a histogram without one of them count at the next bound that it has, so a bucket may
    /// have less than there was, and never more.
    All,
    /// Such a push is refused.
    Same,
}

impl Bounds {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::Common, Self::All, Self::Same];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Common => "common",
            Self::All => "all",
            Self::Same => "same",
        }
    }
}

/// A push that cannot be added to what is stored: nothing of it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("expected metrics that can be added up, found {family:?} {series}: {why}")]
pub struct NotAdded {
    /// The family.
    pub family: String,
    /// The labels of the series, in braces, as it would be stored.
    pub series: String,
    /// Why.
    pub why: WhyNotAdded,
}

/// Why a metric cannot be added to what is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhyNotAdded {
    /// What is pushed is no number.
    NotANumber,
    /// What is pushed is infinite, and would be for ever.
    Infinite,
    /// A counter, or a count, is pushed with less than nothing.
    Negative,
    /// The count of a summary is none: it is negative, no number, or more than can be counted.
    Count,
    /// The sum is more than a number can say.
    Overflow,
    /// What is stored is no number, infinite, or contradicts itself, so that nothing can be added to it.
    Stored,
    /// The buckets fall, stand in no order, or do not end in the count.
    Buckets,
    /// The bounds are not those that are stored, and a rule wants them to be.
    OtherBounds,
    /// One of both has native buckets alone, the other one classic buckets alone.
    OtherBuckets,
    /// The native buckets contradict themselves, or are of a kind that cannot be added.
    NativeBuckets,
}

impl fmt::Display for WhyNotAdded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotANumber => "NaN cannot be added to anything",
            Self::Infinite => "what is infinite cannot be added: the sum would be infinite for ever",
            Self::Negative => "it is negative, and what counts is pushed as what came to it",
            Self::Count => "its count is negative, no number, or larger than a count can be",
            Self::Overflow => "the sum would be more than a number can say",
            Self::Stored => {
                "what is stored cannot be added to: it is no finite number, or its buckets contradict each other; \
                 a plain push or a delete sets it anew"
            }
            Self::Buckets => {
                "its buckets contradict each other: they have to rise, and the last one has to be the count"
            }
            Self::OtherBounds => "its buckets have other bounds than those that are stored",
            Self::OtherBuckets => {
                "it has native buckets where classic ones are stored, or the other way round; a plain push or a \
                 delete sets it anew"
            }
            Self::NativeBuckets => "its native buckets contradict each other, or have bounds of their own",
        })
    }
}
