//! `StatsD` as clients speak it today: lines, tags and the rules that make series of them. Bytes in, values out; no sockets.
//!
//! | module | |
//! |---|---|
//! | [`Reader`] | lines of `StatsD` and its dialects, without copying them |
//! | [`Mapping`] | rules about names, in the YAML of `statsd_exporter` |
//! | [`Mapping::resolve`] | the series that a sample is for, and what happens to it |
//! | [`SummaryValue`], [`HistogramValue`] | what observations become |
//! | [`State`] | what all lines have come to, and what of it has changed |
//! | [`escape_name`] | names of metrics and labels |
//!
//! What is meant by a line, a rule or a number is what `statsd_exporter` 0.31 makes of it, unless real clients lose data by that.

#![warn(clippy::indexing_slicing, clippy::string_slice)]

mod escape;
mod line;
mod mapping;
mod number;
mod resolve;
mod slab;
mod state;
mod values;

pub use escape::escape_name;
pub use line::{
    Dialect, Event, Item, LineCounts, Measure, Origin, Reader, Sample, SampleError, ServiceCheck, Tag,
};
pub use mapping::{
    GaugeSigns, HistogramOptions, Mapped, Mapping, MappingError, MetricKind, Note, Objective, Observer,
    Place, Rule, SummaryOptions,
};
pub use resolve::{EventError, Outcome, Resolved, SeriesUpdate, Update};
pub use state::{Changes, Counts, Gathered, Inherited, ReadBack, SeriesId, SeriesKind, State, StateSettings};
pub use values::{HistogramValue, NativeValue, SummaryValue};
