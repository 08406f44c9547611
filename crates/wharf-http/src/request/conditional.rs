//! Requests for what a client may have already.

use http::HeaderMap;
use http::header::IF_NONE_MATCH;

/// Whether a client has what has this tag. Tags are compared weakly: a proxy that compresses weakens them.
pub(crate) fn has_tag(headers: &HeaderMap, tag: &str) -> bool {
    let values = headers.get_all(IF_NONE_MATCH).into_iter();
    let mut tags = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(','));
    tags.any(|known| known.trim().trim_start_matches("W/") == tag)
}
