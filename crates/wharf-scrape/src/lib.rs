//! The body of a scrape: the gateway's own families merged with those of a snapshot, in the format that is wanted.
//!
//! ```text
//! own families, snapshot -> merge:  by name, the gateway's own before those of the groups
//!                        -> shown:  one family of each name, where escaping has made names equal
//!                        -> text, openmetrics, protobuf: lines or messages of each family
//!                        -> sink:   as they are, joined gzip blocks, or zstd
//!                        -> Rendered: parts that share the store's buffers
//! ```
//!
//! The text format with gzip is what Prometheus asks for, and nearly free: leaves come with their lines rendered
//! and, if an earlier scrape has asked, compressed. A gzip body is then a header, the leaves' blocks, and a
//! trailer whose checksum is combined from theirs.
//!
//! Nothing here knows HTTP or who asks: a route, a tool and a benchmark get the same bytes.

mod format;
mod gzip;
mod helpers;
mod merge;
mod openmetrics;
mod output;
mod plain;
mod protobuf;
mod seen;
mod shown;
mod sink;
mod text;

use bytes::Bytes;
use wharf_exposition::protobuf::TextStyle;
use wharf_model::Exposition;
use wharf_model::name::EscapingScheme;
use wharf_store::Snapshot;

pub use format::{Compression, Format};
pub use helpers::Help;

use helpers::Helpers;
use sink::Sink;

/// What the body of a scrape has to look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Wanted {
    /// The format.
    pub format: Format,
    /// What becomes of names that are not legacy-valid.
    pub escaping: EscapingScheme,
    /// The compression.
    pub compression: Compression,
}

/// The body of a scrape.
#[derive(Debug, Default)]
pub struct Rendered {
    /// The body in parts, none of them empty. Large ones share the buffers of the store, so whoever sends them one by
    /// one copies nothing.
    pub parts: Vec<Bytes>,
    /// How many leaves had to be compressed, not counting those that helpers did.
    pub recompressed: u64,
    /// How many metrics were left out, because others had the same names and labels once they were escaped.
    pub left_out: u64,
}

/// Renders a scrape on this thread alone.
///
/// `own` are the families of the gateway itself, sorted by name; none, for a part of what is stored.
pub fn render(own: &Exposition<'_>, snapshot: &Snapshot, wanted: Wanted) -> Rendered {
    render_with_help(own, snapshot, wanted, &drop)
}

/// [`render`], but if there is much to compress, `call` is called with [`Help`] for other threads.
///
/// The body is the same, whether and whenever the help is run; it is only made sooner.
pub fn render_with_help(
    own: &Exposition<'_>,
    snapshot: &Snapshot,
    wanted: Wanted,
    call: &dyn Fn(Help),
) -> Rendered {
    let escaping = wanted.escaping;
    let mut sink = Sink::new(wanted.compression);
    let protobuf = |sink: &mut Sink, style| protobuf::render(own, snapshot, escaping, sink, style);
    let left_out = match wanted.format {
        Format::Text004 | Format::Text100 => {
            let helpers = Helpers::new(call, snapshot, escaping);
            text::render(own, snapshot, escaping, &mut sink, helpers)
        }
        Format::OpenMetrics001 | Format::OpenMetrics100 => {
            openmetrics::render(own, snapshot, escaping, &mut sink)
        }
        Format::ProtobufDelimited => protobuf(&mut sink, None),
        Format::ProtobufText => protobuf(&mut sink, Some(TextStyle::MultiLine)),
        Format::ProtobufCompact => protobuf(&mut sink, Some(TextStyle::Compact)),
    };
    let recompressed = sink.recompressed();
    Rendered {
        parts: sink.finish(),
        recompressed,
        left_out,
    }
}
