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
//! # What is tolerated
//! Clients err, and bodies that the text format takes should not be refused for trifles. Beyond the standard,
//! [`decode()`] accepts
//!
//! * line ends of CR LF, empty lines, comments, and several blanks where one should be;
//! * no `# EOF`, which Go's client leaves out of its pushes, if the last line has its line end;
//! * no line end behind `# EOF`;
//! * samples without metadata, which begin a family of unknown type, and the type `untyped` for `unknown`;
//! * counters whose family or sample names have one `_total` too many or too few, and infos likewise with
//!   `_info`;
//! * a counter `m` beside another family `m`, which the text format tells apart;
//! * histograms without a bucket `+Inf`, sum or count, and gauge histograms that write `_sum` and `_count`;
//! * exemplars at samples that must not have one, which are dropped, and exemplars of any length;
//! * values that the standard forbids, like a negative counter.
//!
//! [`Exposition`]: wharf_model::Exposition

mod cursor;
mod decode;
mod encode;
mod error;
mod timestamp;

use wharf_model::name::NameRule;

pub use decode::decode;
pub use encode::{encode, name_and_type, write_eof, write_head, write_metric, write_metrics};
pub use error::{DecodeError, ErrorKind};

pub use crate::Head;

/// What a decoder accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// Which metric and label names.
    pub names: NameRule,
}
