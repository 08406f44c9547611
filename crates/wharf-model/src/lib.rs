//! The data model of Wharf: names, labels, metric families and grouping keys.
//!
//! Every other crate speaks in these types. They know nothing of formats, sockets, groups or files.
//!
//! * [`name`]: which metric and label names are valid, and the escaping schemes for those that are not
//!   legacy-valid.
//! * [`Exposition`]: the metric families of one push, as a decoder leaves them: flat arrays instead of a tree,
//!   so that a push of 100,000 series costs a handful of allocations.
//! * [`GroupingKey`]: the identity of a group.

mod exposition;
mod grouping;
mod metric_type;
pub mod name;

pub use exposition::{
    Bucket, BucketSpan, Count, Exemplar, Exposition, Extra, Family, Histogram, Label, Metric, NativeBuckets,
    NativeHistogram, Quantile, Run, Summary, Text, Timestamp, TooLarge, Value,
};
pub use grouping::{GroupingKey, GroupingKeyError};
pub use metric_type::MetricType;
