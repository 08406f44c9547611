//! Decoders and encoders of the exposition formats. Bytes in, families out, and back; no I/O, no HTTP, no
//! notion of groups.
//!
//! | module | format |
//! |---|---|
//! | [`text`] | text 0.0.4, and 1.0.0, which is the same with UTF-8 names |
//! | [`openmetrics`] | `OpenMetrics` 1.0 text |
//! | [`protobuf`] | `io.prometheus.client.MetricFamily`, delimited, and protobuf text |
//! | [`number`] | doubles as Go prints and reads them |
//! | [`mend`] | histograms that contradict themselves, as strict readers take them |
//!
//! [`Foreign`] names what a refused body is instead.

#![warn(clippy::indexing_slicing, clippy::string_slice)]

mod foreign;
mod head;
mod lines;
mod memory;
pub mod mend;
pub mod number;
pub mod openmetrics;
pub mod protobuf;
pub mod text;

pub use foreign::{Foreign, is_text, is_undelimited};
pub use head::Head;
