//! The web page and its files: what browsers keep of them, how they travel, and what they may do.

use std::io::Write as _;
use std::sync::LazyLock;

use flate2::write::GzEncoder;
use http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, ETAG, VARY};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use wharf_scrape::Compression;
use wharf_ui::StaticFile;

use crate::answer::respond;
use crate::request::{conditional, negotiate};
use crate::transport::chunks::ResponseBody;

/// A file with what is the same for each request.
struct Served {
    file: &'static StaticFile,
    tag: String,
    gzip: Option<Vec<u8>>,
}

/// Made with the first request; a gateway whose page nobody opens has none of it.
static SERVED: LazyLock<Vec<Served>> = LazyLock::new(|| {
    let files = wharf_ui::FILES.iter();
    let served = files.map(|file| Served {
        file,
        tag: file.tag(),
        gzip: gzip(file.bytes),
    });
    served.collect()
});

/// The page, with links below `external_prefix`.
pub(crate) fn page(external_prefix: &str) -> Response<ResponseBody> {
    let html = wharf_ui::page(external_prefix);
    let mut response = respond::with_type(StatusCode::OK, "text/html; charset=utf-8", html);
    put(
        &mut response,
        &[
            (CONTENT_SECURITY_POLICY, wharf_ui::CONTENT_SECURITY_POLICY),
            (CACHE_CONTROL, "no-cache"),
        ],
    );
    response
}

/// A file of the page, by its path inside the route prefix. Browsers keep it, and ask whether it is still the same.
pub(crate) fn static_file(path: &[u8], headers: &HeaderMap) -> Response<ResponseBody> {
    let Some(served) = SERVED.iter().find(|served| path == served.file.path.as_bytes()) else {
        return respond::not_found();
    };
    let mut response = if conditional::has_tag(headers, &served.tag) {
        respond::empty(StatusCode::NOT_MODIFIED)
    } else {
        body(served, headers)
    };
    put(
        &mut response,
        &[(CACHE_CONTROL, "no-cache"), (VARY, "Accept-Encoding")],
    );
    if let Ok(tag) = HeaderValue::from_str(&served.tag) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

fn body(served: &'static Served, headers: &HeaderMap) -> Response<ResponseBody> {
    let content_type = served.file.content_type;
    match &served.gzip {
        Some(gzip) if negotiate::compression(headers) == Compression::Gzip => {
            let mut response = respond::with_type(StatusCode::OK, content_type, gzip.as_slice());
            put(&mut response, &[(CONTENT_ENCODING, "gzip")]);
            response
        }
        _ => respond::with_type(StatusCode::OK, content_type, served.file.bytes),
    }
}

fn put(response: &mut Response<ResponseBody>, headers: &[(HeaderName, &'static str)]) {
    for (name, value) in headers {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
}

/// None if that makes it larger.
fn gzip(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).ok()?;
    encoder.finish().ok().filter(|gzip| gzip.len() < bytes.len())
}

#[cfg(test)]
mod tests {
    use http::header::{ACCEPT_ENCODING, IF_NONE_MATCH};

    use super::*;

    fn asked(headers: &[(HeaderName, &str)]) -> Response<ResponseBody> {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap()));
        static_file(b"/static/functions.js", &headers.collect())
    }

    #[test]
    fn a_browser_that_has_a_file_is_told_so() {
        let first = asked(&[]);
        let tag = first.headers()[ETAG].to_str().unwrap().to_owned();
        assert_eq!(first.status(), 200);
        assert_eq!(asked(&[(IF_NONE_MATCH, &tag)]).status(), 304);
        let weak = format!("\"other\", W/{tag}");
        assert_eq!(asked(&[(IF_NONE_MATCH, &weak)]).status(), 304);
        assert_eq!(asked(&[(IF_NONE_MATCH, "\"other\"")]).status(), 200);
    }

    #[test]
    fn files_are_compressed_for_those_who_ask() {
        assert!(!asked(&[]).headers().contains_key(CONTENT_ENCODING));
        let compressed = asked(&[(ACCEPT_ENCODING, "gzip, deflate, br, zstd")]);
        assert_eq!(compressed.headers()[CONTENT_ENCODING], "gzip");
    }
}
