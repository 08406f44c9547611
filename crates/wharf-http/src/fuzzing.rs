//! What the fuzz targets reach of the inside. It is there with the feature `fuzzing` only, which nothing else turns on.

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};
use wharf_gateway::Refusal;
use wharf_gateway::{MAX_EXPRESSION_BYTES, MAX_STEPS};
use wharf_model::name::NameRule;
use wharf_model::{Effort, GroupingKey, Meter, Selector};

use crate::request::advice;
use crate::request::body::{self, ContentEncoding};
use crate::request::content;
use crate::request::grouping;
use crate::request::parameters;
use crate::request::path;
use crate::request::query;
use crate::routes::backup::{self, Line};
use crate::routes::groups;

/// Expands a body that came with this `Content-Encoding`.
///
/// # Errors
/// The text of the refusal.
pub fn expand(encoding: &'static str, body: &[u8], limit_bytes: usize) -> Result<Bytes, String> {
    expand_within(encoding, body, limit_bytes, &Meter::unlimited())
}

/// [`expand`], with memory of this meter.
///
/// # Errors
/// As there.
pub fn expand_within(
    encoding: &'static str,
    body: &[u8],
    limit_bytes: usize,
    memory: &Meter<'_>,
) -> Result<Bytes, String> {
    let headers = HeaderMap::from_iter([(CONTENT_ENCODING, HeaderValue::from_static(encoding))]);
    let encoding = ContentEncoding::of(&headers);
    let expanded = body::expand(encoding, Bytes::copy_from_slice(body), limit_bytes, memory);
    expanded.map_err(|error| {
        Refusal::from(error)
            .with_advice(&advice::on_coding(&headers, body))
            .text
    })
}

/// Reads a line of a backup, and the families in it.
///
/// # Errors
/// The text of the refusal.
pub fn backup_line(bytes: &[u8], memory: &Meter<'_>) -> Result<Line, String> {
    backup::read_alone(bytes, memory)
}

/// The same if that is quick; none if it takes longer.
///
/// # Errors
/// As there, without advice.
pub fn expand_quickly(
    encoding: &'static str,
    body: &[u8],
    limit_bytes: usize,
) -> Result<Option<Bytes>, String> {
    let expanded = body::expand_quickly(
        ContentEncoding::named(encoding),
        &Bytes::copy_from_slice(body),
        limit_bytes,
    );
    expanded.map_err(|error| error.to_string())
}

/// What is said about a body that came with this `Content-Encoding` and `Content-Type`, and cannot be read.
pub fn advice_on_body(encoding: &'static str, content_type: &'static str, body: &[u8]) -> String {
    let headers = HeaderMap::from_iter([
        (CONTENT_ENCODING, HeaderValue::from_static(encoding)),
        (CONTENT_TYPE, HeaderValue::from_static(content_type)),
    ]);
    advice::on_body(&headers, content::format(&headers), body)
}

/// Reads the part of a push path behind `/metrics/job`, percent-encoded.
///
/// # Errors
/// The text of the refusal.
pub fn grouping_key(rest: &str, names: NameRule) -> Result<GroupingKey, String> {
    let decoded = path::percent_decode(rest).ok_or("expected percent-encoding, found something else")?;
    grouping::parse(&decoded, names).map_err(|error| error.to_string())
}

/// The part of a push path that [`grouping_key`] reads as `key`.
pub fn grouping_path(key: &GroupingKey, names: NameRule) -> String {
    let path = grouping::path(key, names);
    path.strip_prefix("job").unwrap_or(&path).to_owned()
}

/// What a request may take.
fn effort() -> Effort {
    Effort::new(MAX_STEPS, MAX_EXPRESSION_BYTES)
}

/// The selectors in a query.
///
/// # Errors
/// The text of the refusal.
pub fn selectors(query: &str) -> Result<Vec<Selector>, String> {
    parameters::selectors(Some(query), &effort()).map_err(|error| text(&error))
}

/// Reads a query as the list of groups does.
///
/// # Errors
/// The text of the refusal.
pub fn list_query(query: &str) -> Result<(), String> {
    groups::ListRequest::of(Some(query), &effort())
        .map(drop)
        .map_err(|error| text(&error))
}

/// Reads a query as the deletion of groups does.
///
/// # Errors
/// The text of the refusal.
pub fn delete_query(query: &str) -> Result<(), String> {
    groups::selection(Some(query), &effort())
        .map(drop)
        .map_err(|error| text(&error))
}

/// The pairs of a query in which each name stands once.
///
/// # Errors
/// The text of the refusal.
pub fn parameters(query: &str) -> Result<Vec<(String, String)>, String> {
    query::parameters(Some(query)).map_err(|error| text(&error))
}

/// What the HTTP library makes of bytes that come over a connection, with targets escaped or not.
pub use crate::transport::targets::trial::{Seen, Trial};

fn text(error: &Refusal) -> String {
    error.text.clone()
}
