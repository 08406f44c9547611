//! The protobuf format: delimited `io.prometheus.client.MetricFamily` messages, and protobuf text.
//!
//! ```text
//! body          (varint length, MetricFamily)*
//! MetricFamily  name=1 help=2 type=3 metric=4* unit=5
//! Metric        label=1* gauge=2 counter=3 summary=4 untyped=5 timestamp_ms=6 histogram=7
//! ```
//!
//! [`decode()`] walks the bytes of the schema's messages straight into the arenas of an [`Exposition`]; no message
//! tree is built in between, nothing is allocated from a length that the body merely claims, and the depth of
//! the walk is that of the schema.
//!
//! Since the messages of protobuf can be concatenated field by field, a family whose metrics lie in several
//! places is one [`write_head`], one [`write_metrics`] a place, and [`write_length`] in front.
//!
//! [`Exposition`]: wharf_model::Exposition

mod decode;
mod encode;
mod error;
mod native;
mod pieces;
mod text;
mod wire;

pub use decode::{decode, decode_stored, decode_within, first_end};
pub use encode::{
    encode, write_head, write_length, write_metric, write_metrics, write_stored_metric, write_whole_head,
};
pub use error::{DecodeError, ErrorKind, Malformed};
pub use native::NativeProblem;
pub use pieces::pieces;
pub use text::{TextStyle, write_text, write_text_fields};

pub use crate::Head;
