//! The data model of Wharf: names, labels, metric families and grouping keys.
//!
//! Every other crate speaks in these types. They know nothing of formats, sockets, groups or files.
//!
//! * [`name`]: which metric and label names are valid, and the escaping schemes for those that are not
//!   legacy-valid.
//! * [`Exposition`]: the metric families of one push, as a decoder leaves them: flat arrays instead of a tree,
//!   so that a push of 100,000 series costs a handful of allocations.
//! * [`GroupingKey`]: the identity of a group; [`Selector`]: a condition on it.
//! * [`Choice`]: which groups a request is about; [`Effort`]: how much finding them may cost.
//! * [`Meter`]: memory that is counted before it is taken.
//! * [`duration`] and [`anchored`]: durations and regular expressions, as people write them for Prometheus.

mod choice;
pub mod duration;
mod effort;
mod exposition;
mod grouping;
mod memory;
mod metric_type;
pub mod name;
mod pattern;
mod selector;

pub use choice::{Choice, Choosing};
pub use effort::{Effort, Stopped};
pub use exposition::{
    Bucket, BucketSpan, Count, Exemplar, Exposition, Extra, Family, Histogram, Label, Mean, Metric,
    NativeBuckets, NativeHistogram, Quantile, Run, Summary, Text, Timestamp, TooLarge, Unseen, Value,
};
pub use grouping::{GroupingKey, GroupingKeyError};
pub use memory::{Denied, Lender, Meter};
pub use metric_type::MetricType;
pub use pattern::{MAX_PATTERN_BYTES, PatternError, anchored, parts as pattern_parts, unanchored};
pub use selector::{MAX_MATCHERS, MAX_SELECTOR_BYTES, Selector, SelectorError, SelectorErrorKind};
