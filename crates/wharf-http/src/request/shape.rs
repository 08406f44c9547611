//! Requests whose shape proxies and servers may read differently. Where one of them stops reading earlier than the other,
//! what comes next is a request to one and part of a body to the other.
//!
//! The library refuses most of these: lengths that differ, folded lines, codings that end in something else than
//! `chunked`. A length beside a coding it leaves out, and the connection puts it back in. Here are the others, with the words of the Pushgateway's library where it has some.

use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, Request, Response, StatusCode, Version};

use crate::answer::respond;
use crate::transport::chunks::ResponseBody;

/// Lines of a head. Over HTTP/1 the library has the same limit.
const MAX_LINES: usize = 100;

/// What is wrong with the shape of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unreadable {
    NoHost,
    SeveralHosts,
    Host,
    Coding,
    LengthAndCoding,
    TooManyLines,
}

impl Unreadable {
    pub(crate) fn into_response(self) -> Response<ResponseBody> {
        let (status, text) = match self {
            Self::NoHost => (
                StatusCode::BAD_REQUEST,
                "400 Bad Request: missing required Host header",
            ),
            Self::SeveralHosts => (StatusCode::BAD_REQUEST, "400 Bad Request"),
            Self::Host => (StatusCode::BAD_REQUEST, "400 Bad Request: malformed Host header"),
            Self::Coding => (StatusCode::NOT_IMPLEMENTED, "Unsupported transfer encoding"),
            Self::LengthAndCoding => (
                StatusCode::BAD_REQUEST,
                "400 Bad Request: both Content-Length and Transfer-Encoding",
            ),
            Self::TooManyLines => (
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "431 Request Header Fields Too Large",
            ),
        };
        respond::closing(status, text)
    }
}

/// Whether there is only one way to read a request.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn check<B>(request: &Request<B>) -> Result<(), Unreadable> {
    let headers = request.headers();
    if headers.len() > MAX_LINES {
        return Err(Unreadable::TooManyLines);
    }
    let mut hosts = headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) if request.version() == Version::HTTP_11 => Err(Unreadable::NoHost),
        (Some(_), Some(_)) => Err(Unreadable::SeveralHosts),
        (Some(host), None) if !host.as_bytes().iter().copied().all(is_of_host) => Err(Unreadable::Host),
        _ if !is_chunked_alone(headers) => Err(Unreadable::Coding),
        // Of all that two programs read differently, this has been used the most.
        _ if headers.contains_key(TRANSFER_ENCODING) && headers.contains_key(CONTENT_LENGTH) => {
            Err(Unreadable::LengthAndCoding)
        }
        _ => Ok(()),
    }
}

/// What may stand in a host with its port: what the standard allows in names and addresses, and nothing that ends one.
fn is_of_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!$%&'()*+,-.:;=[]_~".contains(&byte)
}

/// Whether a body is in chunks and nothing besides, or not coded at all.
fn is_chunked_alone(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => true,
        (Some(coding), None) => coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked"),
        (Some(_), Some(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_lines(lines: &[(&str, &str)]) -> Result<(), Unreadable> {
        let request = lines.iter().fold(Request::builder(), |request, (name, value)| {
            request.header(*name, *value)
        });
        check(&request.body(()).unwrap())
    }

    #[test]
    fn a_request_has_one_host() {
        assert_eq!(check_lines(&[("host", "a")]), Ok(()));
        assert_eq!(check_lines(&[]), Err(Unreadable::NoHost));
        let twice = [("host", "a"), ("host", "a")];
        assert_eq!(check_lines(&twice), Err(Unreadable::SeveralHosts));
        for host in ["a b", "a/b", "a@b", "a\u{fc}", "a?b", "a#b"] {
            assert_eq!(check_lines(&[("host", host)]), Err(Unreadable::Host), "{host}");
        }
        for host in ["", "[::1]:9091", "a.b-c_d:80", "%41"] {
            assert_eq!(check_lines(&[("host", host)]), Ok(()), "{host}");
        }
    }

    #[test]
    fn a_head_has_a_hundred_lines_and_no_more() {
        let mut lines = vec![("host", "a")];
        lines.resize(MAX_LINES, ("x", "y"));
        assert_eq!(check_lines(&lines), Ok(()));
        lines.push(("x", "y"));
        assert_eq!(check_lines(&lines), Err(Unreadable::TooManyLines));
    }

    #[test]
    fn a_body_comes_in_chunks_and_in_nothing_else() {
        for (coding, expected) in [
            ("chunked", Ok(())),
            ("Chunked", Ok(())),
            ("gzip, chunked", Err(Unreadable::Coding)),
            ("chunked, chunked", Err(Unreadable::Coding)),
            ("identity", Err(Unreadable::Coding)),
            ("", Err(Unreadable::Coding)),
            ("xchunked", Err(Unreadable::Coding)),
        ] {
            let found = check_lines(&[("host", "a"), ("transfer-encoding", coding)]);
            assert_eq!(found, expected, "{coding}");
        }
        let twice = [
            ("host", "a"),
            ("transfer-encoding", "chunked"),
            ("transfer-encoding", "chunked"),
        ];
        assert_eq!(check_lines(&twice), Err(Unreadable::Coding));
    }

    #[test]
    fn a_body_has_a_length_or_a_coding() {
        let lines = [("host", "a"), ("content-length", "3")];
        assert_eq!(check_lines(&lines), Ok(()));
        let both = [
            ("host", "a"),
            ("transfer-encoding", "chunked"),
            ("content-length", "3"),
        ];
        assert_eq!(check_lines(&both), Err(Unreadable::LengthAndCoding));
    }
}
