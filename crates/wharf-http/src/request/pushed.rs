//! Bodies of pushes for others who take them: how they are compressed, how large they may be, and which format they have.

use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use wharf_model::Meter;

use super::body::{self, BodyError, ContentEncoding};
use super::content;
pub use super::content::BodyFormat;

/// A body that is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable(BodyError);

impl Unreadable {
    /// The status that says so.
    pub fn status(&self) -> StatusCode {
        match self.0 {
            BodyError::TooLarge(_) | BodyError::Expanded(_) => StatusCode::PAYLOAD_TOO_LARGE,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

/// What was expected and what was found, without advice on flags of a gateway.
impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        f.write_str(text.lines().next().unwrap_or_default())
    }
}

impl std::error::Error for Unreadable {}

/// A body as it was before it was sent, and its format, as the headers say.
///
/// # Errors
/// If it is not compressed as they say, or larger than `limit_bytes`, before or after.
pub fn read(headers: &HeaderMap, body: Bytes, limit_bytes: usize) -> Result<(Bytes, BodyFormat), Unreadable> {
    if body.len() > limit_bytes {
        return Err(Unreadable(BodyError::TooLarge(limit_bytes)));
    }
    // Nobody else takes memory meanwhile, and the limit bounds what it comes to.
    let memory = Meter::unlimited();
    let expanded = body::expand(ContentEncoding::of(headers), body, limit_bytes, &memory);
    let expanded = expanded.map_err(Unreadable)?;
    Ok((expanded, content::format(headers)))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::{CONTENT_ENCODING, CONTENT_TYPE};

    use super::*;

    fn headers(encoding: &'static str, content_type: &'static str) -> HeaderMap {
        HeaderMap::from_iter([
            (CONTENT_ENCODING, HeaderValue::from_static(encoding)),
            (CONTENT_TYPE, HeaderValue::from_static(content_type)),
        ])
    }

    #[test]
    fn bodies_are_expanded_and_told_apart_as_a_gateway_does_it() {
        let body = Bytes::from_static(b"m 1\n");
        let plain = headers("identity", "application/openmetrics-text");
        assert_eq!(
            read(&plain, body.clone(), 4),
            Ok((body.clone(), BodyFormat::OpenMetrics))
        );
        let refused = read(&plain, body.clone(), 3).unwrap_err();
        assert_eq!(
            (refused.status(), refused.to_string().as_str()),
            (
                StatusCode::PAYLOAD_TOO_LARGE,
                "expected a body of at most 3 bytes, found more"
            )
        );
        let compressed = zstd::encode_all(&*vec![b'\n'; 100], 0).unwrap();
        let compressed = Bytes::from(compressed);
        let (expanded, format) = read(&headers("zstd", ""), compressed.clone(), 100).unwrap();
        assert_eq!((expanded.len(), format), (100, BodyFormat::Text));
        let refused = read(&headers("zstd", ""), compressed, 99).unwrap_err();
        assert_eq!(refused.status(), StatusCode::PAYLOAD_TOO_LARGE);
        let refused = read(&headers("gzip", ""), body, 100).unwrap_err();
        assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    }
}
