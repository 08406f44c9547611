//! The text format 0.0.4, and 1.0.0, which is the same with UTF-8 names.
//!
//! ```text
//! # HELP http_requests_total Requests served.
//! # TYPE http_requests_total counter
//! http_requests_total{method="GET",code="200"} 1027
//! {"http.requests","code"="200"} 1027
//! ```
//!
//! [`decode`] reads what the Pushgateway reads and refuses what it refuses, in the same words, followed by a hint
//! that says where and why. Unless [`Options::strict`] is set, it also takes what editors and Windows do to such
//! files: CRLF line ends, blanks at the end of a line, and no line feed at the end of the last one.
//!
//! Decoding is one pass over the lines. Names and values without escapes are not copied, and no line allocates;
//! work and memory are linear in the length of the body, whatever is in it. With [`decode_within`], memory is also
//! asked for before it is taken.

mod advice;
mod assembly;
mod cursor;
mod decoder;
mod encode;
mod error;
mod families;
mod grouped;
mod outline;

use wharf_model::name::NameRule;
use wharf_model::{Exposition, Meter};

pub use self::decoder::parse_type;
pub use self::encode::{LINE_BYTES, encode, metric_bytes, write_header, write_label_value, write_metric};
pub use self::error::{DecodeError, DecodeErrorKind, Quoted};
pub use self::outline::{Outline, Sample};

/// What [`decode`] accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// Which names may stand in quotes. Names without quotes are legacy names under either rule.
    pub names: NameRule,
    /// Refuses CRLF, blanks at the end of a line and a missing last line feed, as the Pushgateway does.
    pub strict: bool,
}

/// Decodes a body into its families, in the order in which the body first mentions them.
///
/// All samples of a family come together, scattered as they may be, and the lines of a histogram or summary
/// become one metric. Families without a sample are left out. A `+Inf` bucket that the body does not have is not
/// added. Timestamps are kept for the caller to judge.
///
/// The body need not be UTF-8 in comments; a help text gets replacement characters in place of what is not.
///
/// # Errors
/// The first mistake in the body, or [`DecodeErrorKind::TooLarge`] from 2 GiB on.
///
/// # Examples
/// ```
/// use wharf_exposition::text::{Options, decode};
///
/// let exposition = decode(b"# TYPE jobs gauge\njobs{queue=\"a\"} 3\n", Options::default())?;
/// assert_eq!(format!("{exposition:?}"), "gauge \"jobs\"\n  {queue=\"a\"} 3.0\n");
///
/// let error = decode(b"jobs three\n", Options::default()).unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "text format parsing error in line 1: expected float as value, got \"three\"\n\
///      hint: column 6: expected a number, found `three`",
/// );
/// # Ok::<(), wharf_exposition::text::DecodeError>(())
/// ```
pub fn decode(body: &[u8], options: Options) -> Result<Exposition<'_>, DecodeError> {
    decode_within(body, options, &Meter::unlimited())
}

/// [`decode`], with memory of this meter. What is taken when this returns is what the exposition takes.
///
/// # Errors
/// As there, and [`DecodeErrorKind::TooLarge`] if the meter gives no more.
pub fn decode_within<'t>(
    body: &'t [u8],
    options: Options,
    memory: &Meter<'_>,
) -> Result<Exposition<'t>, DecodeError> {
    decoder::decode(body, options, memory).map_err(|failure| DecodeError::locate(body, failure))
}
