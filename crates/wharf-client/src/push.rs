//! A push, and the request that it makes.

use std::io::Write as _;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use wharf_model::GroupingKey;

use crate::client::{Method, Request};
use crate::path::group_path;

/// From this size on a body is compressed, if that makes it shorter: below, it fits into one packet anyway.
const COMPRESS_FROM_BYTES: usize = 1400;

/// The media type of the text format.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What a push does with what the group has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// Everything in the group leaves (`PUT`).
    ReplaceGroup,
    /// Families of the same name leave, others stay (`POST`).
    ReplaceFamilies,
}

/// Metrics for one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Push {
    /// The group.
    pub key: GroupingKey,
    /// What is replaced.
    pub how: How,
    /// The metrics in the text format, every line ended by a line feed.
    pub text: Vec<u8>,
    /// For how long the group is to stay after this push; for ever if zero, as the gateway thinks fit if none.
    /// The original gateway does not know this and keeps groups for ever.
    pub ttl: Option<Duration>,
}

impl Push {
    /// The request, its body compressed where that pays.
    pub fn request(&self) -> Request {
        let mut request = Request::new(
            match self.how {
                How::ReplaceGroup => Method::Put,
                How::ReplaceFamilies => Method::Post,
            },
            group_path(&self.key),
        );
        request.headers.push(("Content-Type", TEXT.to_owned()));
        if let Some(ttl) = self.ttl {
            request
                .headers
                .push(("Wharf-TTL", format!("{}ms", ttl.as_millis())));
        }
        match compressed(&self.text) {
            Some(body) => {
                request.headers.push(("Content-Encoding", "gzip".to_owned()));
                request.body = body;
            }
            None => request.body.clone_from(&self.text),
        }
        request
    }
}

fn compressed(text: &[u8]) -> Option<Vec<u8>> {
    if text.len() < COMPRESS_FROM_BYTES {
        return None;
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).ok()?;
    encoder.finish().ok().filter(|body| body.len() < text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(text: &[u8]) -> Push {
        Push {
            key: GroupingKey::new([("job", "a")]).unwrap(),
            how: How::ReplaceGroup,
            text: text.to_vec(),
            ttl: Some(Duration::from_secs(90)),
        }
    }

    #[test]
    fn small_bodies_go_as_they_are() {
        let request = push(b"m 1\n").request();
        assert_eq!(
            (request.method, request.path.as_str()),
            (Method::Put, "/metrics/job/a")
        );
        assert_eq!(request.body, b"m 1\n");
        assert_eq!(
            request.headers,
            [
                ("Content-Type", TEXT.to_owned()),
                ("Wharf-TTL", "90000ms".to_owned())
            ]
        );
    }

    #[test]
    fn large_bodies_are_compressed() {
        let text = b"metric_with_a_long_name 1\n".repeat(100);
        let request = push(&text).request();
        assert!(request.headers.contains(&("Content-Encoding", "gzip".to_owned())));
        let mut expanded = Vec::new();
        let mut decoder = flate2::read::GzDecoder::new(request.body.as_slice());
        std::io::Read::read_to_end(&mut decoder, &mut expanded).unwrap();
        assert_eq!(expanded, text);
    }
}
