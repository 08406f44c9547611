//! `StatsD` as clients speak it today: lines, tags and the rules that make series of them. Bytes in, values out; no sockets.
//!
//! | module | |
//! |---|---|
//! | [`Reader`] | lines of `StatsD` and its dialects, without copying them |
//! | [`escape_name`] | names of metrics and labels |
//!
//! What is meant by a line, a rule or a number is what `statsd_exporter` 0.31 makes of it, unless real clients lose data by that.

#![warn(clippy::indexing_slicing, clippy::string_slice)]

mod escape;
mod line;
mod number;

pub use escape::escape_name;
pub use line::{
    Dialect, Event, Item, LineCounts, Measure, Origin, Reader, Sample, SampleError, ServiceCheck, Tag,
};
