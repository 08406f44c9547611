//! `OpenMetrics` 1.0 text.
//!
//! ```text
//! exposition  ( "# TYPE" | "# HELP" | "# UNIT" | sample )* "# EOF"
//! sample      name [{labels}] value [timestamp] [# {labels} value [timestamp]]
//! ```
//!
//! The families of an [`Exposition`] bear the names of the text format 0.0.4, so a family of the same samples
//! has the same name in whatever format it came: the counter `foo` is the family `foo_total` there, the info
//! `foo` is `foo_info`. All other families keep their names. A family without samples is none.
//!
//! # What is refused
//! All that the standard forbids: [`ErrorKind`] has a variant for each rule. The official parser cases, and Python's
//! reader, which was written beside the standard, are the judges; `docs/openmetrics.md` lists where the answers differ.
//!
//! # What is tolerated
//! What clients that people push with write, as `docs/openmetrics.md` says of each, and nothing else:
//!
//! * no `# EOF`, which Go's client leaves out of its pushes, if the last line has its line end;
//! * a gauge `m` beside a counter `m`, such as Go's client has with `go_memstats_alloc_bytes`: their samples, `m` and
//!   `m_total`, differ;
//! * a histogram with buckets below zero that has a count and, as it must, no sum, as Python's client writes it;
//! * a quotation mark in a help text that is not escaped, as the official parser cases have it.
//!
//! Whole names and label names in quotes are those of the extension for UTF-8 names.
//!
//! [`Exposition`]: wharf_model::Exposition

mod cursor;
mod decode;
mod encode;
mod error;
mod timestamp;

use wharf_model::name::NameRule;

pub use decode::{decode, decode_within};
pub use encode::{encode, name_and_type, write_eof, write_head, write_metric, write_metrics};
pub use error::{DecodeError, ErrorKind};

pub use crate::Head;

/// What a decoder accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// Which metric and label names.
    pub names: NameRule,
}
