//! The body of a scrape: the gateway's own families merged with those of a snapshot, in the format that is wanted.
//!
//! ```text
//! own families, snapshot -> merge:  by name, the gateway's own before those of the groups
//!                        -> shown:  one family of each name, where escaping has made names equal
//!                        -> text, openmetrics, protobuf: lines or messages of each family
//!                        -> sink:   as they are, joined gzip blocks, or zstd
//!                        -> Rendered: parts that share the store's buffers
//!                           or Body:  the same piece by piece, as far as there is room
//! ```
//!
//! The text format with gzip is what Prometheus asks for, and nearly free: leaves come with their lines rendered
//! and, if an earlier scrape has asked, compressed. A gzip body is then a header, the leaves' blocks, and a
//! trailer whose checksum is combined from theirs.
//!
//! The other formats with gzip are made once for each leaf, and kept while they are asked for, see `forms.rs`.
//!
//! Nothing here knows HTTP or who asks: a route, a tool and a benchmark get the same bytes.

mod body;
mod format;
mod forms;
mod gzip;
mod helpers;
mod merge;
mod metrics;
mod openmetrics;
mod output;
mod pages;
mod pause;
mod plain;
mod protobuf;
mod seen;
mod shown;
mod sink;
mod text;

use wharf_model::Exposition;
use wharf_store::Snapshot;

pub use body::{Body, Progress, Rendered};
pub use format::{Compression, Format, Wanted};
pub use helpers::Help;
pub use pause::pause;

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
    call: &(dyn Fn(Help) + Sync),
) -> Rendered {
    body::whole(own, snapshot, wanted, call)
}
