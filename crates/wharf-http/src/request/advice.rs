//! What is wrong with how a body was sent: its headers and its bytes do not go together.

use http::HeaderMap;
use wharf_exposition::{Foreign, is_text, is_undelimited, openmetrics, text};
use wharf_model::name::NameRule;

use crate::request::body::{ContentEncoding, codings};
use crate::request::content::{BodyFormat, media_type};

/// Larger bodies are not read once more in another format.
const MAX_TRIED_BYTES: usize = 1 << 20;
/// Bytes of a header that are shown.
const MAX_SHOWN_BYTES: usize = 40;

const PROTOBUF: &str =
    "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited";

/// The lines about a body that is not in the format that it was taken for. Each begins with a line feed.
pub(crate) fn on_body(headers: &HeaderMap, format: BodyFormat, body: &[u8]) -> String {
    let foreign = Foreign::of(body);
    let mut lines = Lines::default();
    if let Some(coding) = foreign.and_then(Foreign::content_encoding) {
        lines.compressed(headers, coding);
    } else if let Some(unknown) = not_undone(headers) {
        lines.add(&unknown);
    }
    if let Some(foreign) = foreign.filter(|_| format != BodyFormat::Text)
        && !(format == BodyFormat::Protobuf && foreign == Foreign::Protobuf)
    {
        lines.add(&format!("this is {foreign}"));
        foreign.advice().into_iter().for_each(|advice| lines.add(advice));
    }
    match format {
        BodyFormat::Text if foreign == Some(Foreign::Protobuf) => {
            lines.add(&format!("send `Content-Type: {PROTOBUF}` with it"));
        }
        BodyFormat::Protobuf if is_undelimited(body) => {
            lines.add("each metric family has its length before it: encode it as a delimited message");
        }
        BodyFormat::Text | BodyFormat::OpenMetrics
            if foreign.is_none() && has_lost_line_feeds(headers, body) =>
        {
            lines.add(
                "the body has no line feeds: `curl -d @FILE` takes them out; use `curl --data-binary @FILE`",
            );
        }
        BodyFormat::Text if foreign.is_none() && is_multipart(headers) => {
            Foreign::Multipart
                .advice()
                .into_iter()
                .for_each(|advice| lines.add(advice));
        }
        BodyFormat::Text if is_openmetrics(body) => {
            lines.add("as OpenMetrics it is good: send `Content-Type: application/openmetrics-text` with it");
        }
        BodyFormat::OpenMetrics if foreign.is_none() && is_text_format(body) => {
            lines.add(
                "in the text format it is good: send it without `Content-Type: application/openmetrics-text`",
            );
        }
        BodyFormat::Protobuf if foreign.is_none() && !body.is_empty() && is_text(body) => {
            lines.add("this is text: send it without `Content-Type: application/vnd.google.protobuf`");
        }
        _ => {}
    }
    lines.0
}

/// The lines about a body that is not compressed as its header says.
pub(crate) fn on_coding(headers: &HeaderMap, body: &[u8]) -> String {
    let mut lines = Lines::default();
    let said = codings(headers).next().unwrap_or_default();
    match Foreign::of(body).and_then(Foreign::content_encoding) {
        Some(coding) if ContentEncoding::named(coding) == ContentEncoding::named(said) => {}
        Some(coding) => lines.add(&format!(
            "this is compressed with {coding}: send `Content-Encoding: {coding}`"
        )),
        None if !body.is_empty() && is_text(body) => {
            let said = shown(said);
            lines.add(&format!(
                "the body is not compressed: send it without `Content-Encoding: {said}`"
            ));
        }
        None => {}
    }
    lines.0
}

#[derive(Default)]
struct Lines(String);

impl Lines {
    fn add(&mut self, text: &str) {
        self.0.push_str("\nhint: ");
        self.0.push_str(text);
    }

    fn compressed(&mut self, headers: &HeaderMap, coding: &str) {
        let count = codings(headers).count();
        if ContentEncoding::of(headers) != ContentEncoding::Identity {
            self.add("it was compressed twice, and its header says so of one time only: compress it once");
        } else if count > 1 {
            self.add("several codings are not undone: compress it once");
        } else {
            self.add(&format!(
                "send `Content-Encoding: {coding}` with it, or do not compress it"
            ));
        }
    }
}

/// The coding that the header asks to undo, if it cannot be.
fn not_undone(headers: &HeaderMap) -> Option<String> {
    let coding = codings(headers).next()?;
    (ContentEncoding::of(headers) == ContentEncoding::Identity).then(|| {
        let coding = shown(coding);
        format!("`Content-Encoding: {coding}` is not undone: use gzip, zstd, snappy or deflate")
    })
}

/// Whether a text is what `curl -d` makes of a file that begins with a comment: all of it in that comment, so that it would
/// be taken for an empty push.
pub(crate) fn is_lost_in_a_comment(body: &[u8]) -> bool {
    body.trim_ascii_start().starts_with(b"#") && !body.contains(&b'\n')
}

/// Whether a body has lost its line feeds on the way. curl sends the type of forms with `-d`, which takes them out, and with
/// `--data-binary`, which leaves the body as it is. Of another type, two lines have to be seen in one.
fn has_lost_line_feeds(headers: &HeaderMap, body: &[u8]) -> bool {
    let is_form = media_type(headers).eq_ignore_ascii_case("application/x-www-form-urlencoded");
    // `curl -d` has taken nothing out of bytes that are no lines at all.
    let is_lines = !body.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t');
    is_lines && (is_form || is_lost_in_a_comment(body) || has_joined_lines(body))
}

/// Whether a value is followed by the name of the next sample, or by a comment, as in `a 1b 2` or `a 1# TYPE b gauge`.
fn has_joined_lines(body: &[u8]) -> bool {
    let mut words = body.split(|byte| matches!(byte, b' ' | b'\t')).peekable();
    words.next();
    while let Some(word) = words.next() {
        let digits = word
            .iter()
            .take_while(|byte| byte.is_ascii_digit() || b"+-.".contains(byte))
            .count();
        let joins = digits > 0
            && word
                .get(digits)
                .is_some_and(|byte| byte.is_ascii_alphabetic() || b"_:#".contains(byte));
        if joins && words.peek().is_some() {
            return true;
        }
    }
    false
}

fn is_multipart(headers: &HeaderMap) -> bool {
    media_type(headers).eq_ignore_ascii_case("multipart/form-data")
}

fn is_openmetrics(body: &[u8]) -> bool {
    let options = openmetrics::Options {
        names: NameRule::Utf8,
    };
    body.len() <= MAX_TRIED_BYTES
        && body.trim_ascii_end().ends_with(b"# EOF")
        && openmetrics::decode(body, options).is_ok()
}

fn is_text_format(body: &[u8]) -> bool {
    body.len() <= MAX_TRIED_BYTES && text::decode(body, text::Options::default()).is_ok()
}

fn shown(value: &str) -> &str {
    // Header values that are text are ASCII.
    value.get(..MAX_SHOWN_BYTES).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use http::HeaderValue;
    use http::header::{CONTENT_ENCODING, CONTENT_TYPE};

    use super::*;

    fn headers(content_type: &str, encoding: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in [(CONTENT_TYPE, content_type), (CONTENT_ENCODING, encoding)] {
            if !value.is_empty() {
                headers.insert(name, HeaderValue::from_str(value).unwrap());
            }
        }
        headers
    }

    fn gzip(body: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(body).unwrap();
        encoder.finish().unwrap()
    }

    #[track_caller]
    fn check(sent: (&str, &str), format: BodyFormat, body: &[u8], expected: &str) {
        let advice = on_body(&headers(sent.0, sent.1), format, body);
        assert!(advice.contains(expected) && !advice.is_empty(), "{advice}");
        assert!(
            advice.lines().skip(1).all(|line| line.starts_with("hint: ")),
            "{advice}"
        );
    }

    #[test]
    fn headers_that_are_missing_are_named() {
        let zipped = gzip(b"m 1\n");
        check(
            ("", ""),
            BodyFormat::Text,
            &zipped,
            "send `Content-Encoding: gzip`",
        );
        check(
            ("", ""),
            BodyFormat::OpenMetrics,
            &zipped,
            "send `Content-Encoding: gzip`",
        );
        check(
            ("", ""),
            BodyFormat::Protobuf,
            &zipped,
            "this is compressed with gzip",
        );
        check(("", "gzip"), BodyFormat::Text, &zipped, "compressed twice");
        check(("", "gzip, gzip"), BodyFormat::Text, &zipped, "compress it once");
        check(
            ("", "br"),
            BodyFormat::Text,
            b"\x0b\x01\x80m 1\n\x03",
            "`Content-Encoding: br` is not undone",
        );
        let protobuf = b"\x1a\x0a\x06mymetr\x18\x00\"\x00";
        check(
            ("", ""),
            BodyFormat::Text,
            protobuf,
            "encoding=delimited` with it",
        );
        check(("", ""), BodyFormat::OpenMetrics, protobuf, "this is protobuf");
        check(
            ("", ""),
            BodyFormat::Text,
            b"# TYPE i info\ni_info{a=\"b\"} 1\n# EOF\n",
            "as OpenMetrics it is good",
        );
    }

    #[test]
    fn headers_that_are_wrong_are_named() {
        check(("", ""), BodyFormat::Protobuf, b"m 1\n", "this is text");
        let family = b"\x0a\x06mymetr\x18\x00\"\x00";
        check(("", ""), BodyFormat::Protobuf, family, "its length before it");
        check(("", ""), BodyFormat::Protobuf, b"{\"a\": 1}", "this is JSON");
        check(
            ("", ""),
            BodyFormat::OpenMetrics,
            b"# TYPE m untyped\nm 1 1000\n\n",
            "in the text format it is good",
        );
        let coding = |encoding, body: &[u8]| on_coding(&headers("", encoding), body);
        assert!(coding("gzip", b"m 1\n").contains("send it without `Content-Encoding: gzip`"));
        assert!(coding("zstd", &gzip(b"m 1\n")).contains("send `Content-Encoding: gzip`"));
        assert_eq!(coding("x-gzip", &gzip(b"m 1\n")[..12]), "");
        assert_eq!(coding("gzip", b""), "");
        assert_eq!(coding("gzip", b"\x00\x01\x02"), "");
    }

    #[test]
    fn forms_are_recognised_by_type_and_lost_line_feeds() {
        let form = "application/x-www-form-urlencoded";
        check(
            (form, ""),
            BodyFormat::Text,
            b"# TYPE m gaugem 1",
            "--data-binary @FILE",
        );
        // What brotli makes of text, sent with `-d`: no lines were lost there.
        let brotli = b"\x1b\x0f\x00\xf8\x07 7a b\x83";
        assert_eq!(on_body(&headers(form, ""), BodyFormat::Text, brotli), "");
        // The decoder's error says how then.
        let escaped = b"%23+TYPE+m+gauge%0Am+1";
        assert_eq!(on_body(&headers(form, ""), BodyFormat::Text, escaped), "");
        check(
            ("multipart/form-data; boundary=x", ""),
            BodyFormat::Text,
            b"--x\r\n",
            "--data-binary @FILE",
        );
        check(
            (form, ""),
            BodyFormat::Text,
            b"# HELP m Help.# TYPE m gaugem 1",
            "--data-binary @FILE",
        );
        for content_type in ["", "text/plain", "application/json"] {
            let joined = [
                &b"a 1b 2"[..],
                b"a{x=\"1\"} 1.5a{x=\"2\"} 3",
                b"a 1# TYPE b gaugeb 2",
            ];
            for body in joined {
                check((content_type, ""), BodyFormat::Text, body, "--data-binary @FILE");
                check(
                    (content_type, ""),
                    BodyFormat::OpenMetrics,
                    body,
                    "--data-binary @FILE",
                );
            }
        }
        assert_eq!(
            on_body(&headers("text/plain", ""), BodyFormat::Text, b"m 5MB"),
            ""
        );
        assert_eq!(
            on_body(&headers("text/plain", ""), BodyFormat::Text, b"m 5 MB"),
            ""
        );
        // This is what `--data-binary` sends.
        assert_eq!(on_body(&headers(form, ""), BodyFormat::Text, b"m x\n"), "");
        assert_eq!(on_body(&headers("text/plain", ""), BodyFormat::Text, b"m x"), "");
    }
}
