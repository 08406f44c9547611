//! What a body is that is none of the formats: known by how it begins, or by how a line is made.
//!
//! Nothing is decided here. A body is looked at only when it was refused, so that its sender learns what was sent
//! instead of what the first byte is not.

use std::fmt;

/// Something else than the formats that a gateway takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Foreign {
    /// Compressed with gzip.
    Gzip,
    /// Compressed with Zstandard.
    Zstd,
    /// Compressed with Snappy, in frames.
    SnappyFramed,
    /// Compressed with Snappy, as one block.
    SnappyBlock,
    /// Compressed with zlib, which HTTP calls `deflate`.
    Zlib,
    /// Compressed in a way that HTTP does not know.
    Archive,
    /// Metric families as protobuf messages.
    Protobuf,
    /// A remote-write request, compressed or not.
    RemoteWrite,
    /// Text in UTF-16.
    Utf16,
    /// Text in UTF-8 behind a byte order mark.
    Utf8Mark,
    /// HTML: mostly the error page of a proxy, or a login.
    Html,
    /// XML.
    Xml,
    /// JSON.
    Json,
    /// YAML.
    Yaml,
    /// A form with parts, as `curl -F` sends it.
    Multipart,
    /// An encoded form, as `curl --data-urlencode` sends it.
    UrlEncoded,
    /// A response or request of HTTP with its head, as `curl -i` prints it.
    HttpHead,
    /// The name of a file instead of what is in it.
    FileName,
    /// A line of `InfluxDB`.
    Influx,
    /// A line of Graphite.
    Graphite,
    /// A line of `StatsD`.
    StatsD,
}

/// What begins with these bytes surely is that.
const BEGINNINGS: &[(&[u8], Foreign)] = &[
    (b"\x1f\x8b", Foreign::Gzip),
    (b"\x28\xb5\x2f\xfd", Foreign::Zstd),
    (b"\xff\x06\x00\x00sNaPpY", Foreign::SnappyFramed),
    (b"\xfd7zXZ\x00", Foreign::Archive),
    (b"\x04\x22\x4d\x18", Foreign::Archive),
    (b"PK\x03\x04", Foreign::Archive),
    (b"7z\xbc\xaf\x27\x1c", Foreign::Archive),
    (b"\xff\xfe", Foreign::Utf16),
    (b"\xfe\xff", Foreign::Utf16),
    (b"\xef\xbb\xbf", Foreign::Utf8Mark),
    (b"HTTP/1.", Foreign::HttpHead),
    (b"HTTP/2", Foreign::HttpHead),
    (b"---\n", Foreign::Yaml),
    (b"---\r\n", Foreign::Yaml),
];

/// How far a body is looked at where it is searched.
const SEARCHED_BYTES: usize = 1024;
/// Longer lines are not looked at: they would be copied, and a body may be one line.
const MAX_LINE_BYTES: usize = 64 << 10;

impl Foreign {
    /// What a body is by how it begins.
    pub fn of(body: &[u8]) -> Option<Self> {
        if let Some((_, foreign)) = BEGINNINGS.iter().find(|(bytes, _)| body.starts_with(bytes)) {
            return Some(*foreign);
        }
        let head = body.get(..SEARCHED_BYTES).unwrap_or(body);
        if is_binary(head) {
            return of_binary(body, head);
        }
        of_text(body, head)
    }

    /// What a line is by how it is made.
    pub fn of_line(line: &[u8]) -> Option<Self> {
        if line.len() > MAX_LINE_BYTES {
            return None;
        }
        let line = std::str::from_utf8(line).ok()?.trim();
        match line {
            _ if is_statsd(line) => Some(Self::StatsD),
            _ if is_influx(line) => Some(Self::Influx),
            _ if is_graphite(line) => Some(Self::Graphite),
            _ => None,
        }
    }

    /// The word for it in a `Content-Encoding`, if a gateway can undo it.
    pub fn content_encoding(self) -> Option<&'static str> {
        match self {
            Self::Gzip => Some("gzip"),
            Self::Zstd => Some("zstd"),
            Self::SnappyFramed | Self::SnappyBlock => Some("snappy"),
            Self::Zlib => Some("deflate"),
            _ => None,
        }
    }

    /// What to do about it, whoever reads it.
    pub fn advice(self) -> Option<&'static str> {
        Some(match self {
            Self::Archive => "unpack it first",
            Self::RemoteWrite => "a gateway takes pushes: let the sender write to Prometheus itself",
            Self::Utf16 => {
                "save it as UTF-8: `iconv -f UTF-16 -t UTF-8`, or `-Encoding utf8NoBOM` in PowerShell"
            }
            Self::Utf8Mark => "leave the byte order mark out: `-Encoding utf8NoBOM` in PowerShell",
            Self::Html => "it may be the error page of a proxy, or a login: look at what was fetched",
            Self::Xml | Self::Json | Self::Yaml => "metrics are lines such as `name{label=\"value\"} 1`",
            Self::Multipart => "`curl -F` wraps a file in a form: use `curl --data-binary @FILE`",
            Self::UrlEncoded => "`curl --data-urlencode` escapes a body: use `curl --data-binary @FILE`",
            Self::HttpHead => "leave the head out: curl prints it with `-i` and `-v`",
            Self::FileName => "with curl, put an `@` before the name: `--data-binary @FILE`",
            Self::Influx => "write `cpu,host=a usage=1.5 1465839830100400200` as `cpu_usage{host=\"a\"} 1.5`",
            Self::Graphite => "write `servers.a.load 0.5 1465839830` as `servers_load{server=\"a\"} 0.5`",
            Self::StatsD => "write `page.views:1|c` as `page_views 1`; a gateway does not add up",
            _ => return None,
        })
    }
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gzip => "compressed with gzip",
            Self::Zstd => "compressed with zstd",
            Self::SnappyFramed | Self::SnappyBlock => "compressed with snappy",
            Self::Zlib => "compressed with zlib",
            Self::Archive => "an archive (bzip2, xz, lz4, zip or 7z)",
            Self::Protobuf => "protobuf",
            Self::RemoteWrite => "a remote-write request of Prometheus",
            Self::Utf16 => "text in UTF-16",
            Self::Utf8Mark => "text behind a byte order mark",
            Self::Html => "HTML",
            Self::Xml => "XML",
            Self::Json => "JSON",
            Self::Yaml => "YAML",
            Self::Multipart => "a form of several parts",
            Self::UrlEncoded => "an encoded form",
            Self::HttpHead => "the head of an HTTP message",
            Self::FileName => "the name of a file",
            Self::Influx => "a line of InfluxDB",
            Self::Graphite => "a line of Graphite",
            Self::StatsD => "a line of StatsD",
        })
    }
}

/// Whether a body may be text, as far as its beginning shows.
pub fn is_text(body: &[u8]) -> bool {
    !is_binary(body.get(..SEARCHED_BYTES).unwrap_or(body))
}

/// Whether bytes hold what no text has.
fn is_binary(head: &[u8]) -> bool {
    let is_control = |byte: &u8| byte.is_ascii_control() && !matches!(byte, b'\n' | b'\r' | b'\t' | 0x1b);
    // The end may cut a character.
    let is_text = match std::str::from_utf8(head) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none() && head.len() == SEARCHED_BYTES,
    };
    !is_text || head.iter().any(is_control)
}

fn of_binary(body: &[u8], head: &[u8]) -> Option<Foreign> {
    match *head {
        // A window of 32 KiB and one of the four levels, without a dictionary.
        [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..] => Some(Foreign::Zlib),
        [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, ..] => Some(Foreign::Archive),
        // Half of the bytes of ASCII in UTF-16 are 0.
        [1..=0xff, 0, 1..=0xff, 0, ..] | [0, 1..=0xff, 0, 1..=0xff, ..] => Some(Foreign::Utf16),
        // The label that every series of a request has, and no exposition. A compressed request has it too, as there is
        // nothing before that it could repeat.
        _ if memchr::memmem::find(head, b"\x08__name__").is_some() => Some(Foreign::RemoteWrite),
        _ if is_protobuf(body) => Some(Foreign::Protobuf),
        _ if is_snappy_block(body) => Some(Foreign::SnappyBlock),
        _ => None,
    }
}

fn of_text(body: &[u8], head: &[u8]) -> Option<Foreign> {
    let text = head.trim_ascii_start();
    match *text {
        [b'<', ..] => {
            let is_html = [&b"<!doctype html"[..], b"<html"].iter().any(|start| {
                text.get(..start.len())
                    .is_some_and(|found| found.eq_ignore_ascii_case(start))
            });
            Some(if is_html { Foreign::Html } else { Foreign::Xml })
        }
        [b'[', ..] => Some(Foreign::Json),
        [b'{', ref rest @ ..] if is_json_object(rest) => Some(Foreign::Json),
        [b'-', b'-', ..] if memchr::memmem::find(text, b"Content-Disposition:").is_some() => {
            Some(Foreign::Multipart)
        }
        _ if is_one_word(body) => of_word(text.trim_ascii_end()),
        _ => None,
    }
}

/// What follows the brace of an object: its end, or a name and a colon. In the text format, a metric name in quotes is
/// followed by a comma or a brace, a label name by `=`.
fn is_json_object(rest: &[u8]) -> bool {
    match rest.trim_ascii_start() {
        [b'"', rest @ ..] => {
            let end = memchr::memchr(b'"', rest);
            let behind = end.and_then(|end| rest.get(end + 1..)).unwrap_or_default();
            behind.trim_ascii_start().starts_with(b":")
        }
        rest => rest.starts_with(b"}") && rest.trim_ascii_end() == b"}",
    }
}

fn is_one_word(body: &[u8]) -> bool {
    body.len() <= SEARCHED_BYTES && !body.trim_ascii().iter().any(u8::is_ascii_whitespace)
}

fn of_word(word: &[u8]) -> Option<Foreign> {
    let is_escape =
        |bytes: &[u8]| matches!(bytes, [b'%', a, b] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit());
    let ends_as_file = [&b".prom"[..], b".txt", b".metrics", b".om"]
        .iter()
        .any(|end| word.ends_with(end));
    match word {
        _ if word.windows(3).any(is_escape) => Some(Foreign::UrlEncoded),
        [b'@' | b'/', _, ..] | [b'.' | b'~', b'/', ..] => Some(Foreign::FileName),
        _ if ends_as_file => Some(Foreign::FileName),
        _ => None,
    }
}

/// Whether a body begins with a metric family, behind its length or, against the format, without it.
fn is_protobuf(body: &[u8]) -> bool {
    let delimited = varint(body).is_some_and(|(length, message)| is_family(message, length));
    delimited || is_undelimited(body)
}

/// Whether a body is a metric family as protobuf without its length before it, as libraries encode one message.
pub fn is_undelimited(body: &[u8]) -> bool {
    is_family(body, body.len() as u64)
}

/// Whether a message of that length begins with the name of a metric family, its first field.
fn is_family(message: &[u8], length: u64) -> bool {
    let [0x0a, rest @ ..] = message else {
        return false;
    };
    let name = varint(rest).and_then(|(length, rest)| rest.get(..usize::try_from(length).ok()?));
    name.is_some_and(|name| {
        !name.is_empty()
            && name.len() as u64 + 2 <= length
            && std::str::from_utf8(name).is_ok_and(|name| !name.contains(char::is_control))
    })
}

/// Whether a body is made of Snappy's elements, and they make as many bytes as it promises.
fn is_snappy_block(body: &[u8]) -> bool {
    let Some((promised, mut rest)) = varint(body) else {
        return false;
    };
    let mut made = 0_u64;
    while let [tag, elements @ ..] = rest {
        let (kind, bits) = (tag & 3, u64::from(tag >> 2));
        // Bytes of the length of a literal, or of the offset of a copy, behind the tag.
        let extra = match (kind, bits) {
            (0, ..60) => 0,
            (0, bits) => bits.saturating_sub(59),
            (1, _) => 1,
            (2, _) => 2,
            _ => 4,
        };
        let extra = usize::try_from(extra).unwrap_or(usize::MAX);
        let Some((number, elements)) = elements.split_at_checked(extra) else {
            return false;
        };
        let number = number
            .iter()
            .rev()
            .fold(0, |number, byte| number << 8 | u64::from(*byte));
        let (length, literal) = match (kind, bits) {
            (0, ..60) => (bits + 1, bits + 1),
            (0, _) => (number + 1, number + 1),
            (1, _) => ((bits & 7) + 4, 0),
            _ => (bits + 1, 0),
        };
        let offset = if kind == 1 {
            bits >> 3 << 8 | number
        } else {
            number
        };
        if kind != 0 && (offset == 0 || offset > made) {
            return false;
        }
        let behind = usize::try_from(literal)
            .ok()
            .and_then(|literal| elements.get(literal..));
        let Some(behind) = behind else { return false };
        made += length;
        if made > promised {
            return false;
        }
        rest = behind;
    }
    made == promised && made > 0
}

/// An integer of protobuf or Snappy at the beginning of bytes, and what follows it.
fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0;
    for (index, byte) in bytes.iter().take(5).enumerate() {
        number |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((number, bytes.get(index + 1..)?));
        }
    }
    None
}

/// `name:value|type`, and perhaps more behind another `|`.
fn is_statsd(line: &str) -> bool {
    let Some((name, rest)) = line.split_once(':') else {
        return false;
    };
    let mut parts = rest.split('|');
    let is_value = |value: &str| value.split(':').all(|value| value.parse::<f64>().is_ok());
    let is_type = |kind: &str| matches!(kind, "c" | "g" | "ms" | "h" | "s" | "d" | "m");
    let is_set = rest.split('|').nth(1) == Some("s");
    !name.is_empty()
        && !name.contains([' ', '{', '"'])
        && parts.next().is_some_and(|value| is_set || is_value(value))
        && parts.next().is_some_and(is_type)
}

/// `name[,tag=value..] field=value[,field=value..] [time]`.
fn is_influx(line: &str) -> bool {
    // What stands behind a backslash separates nothing.
    let line = [r"\ ", r"\,", r"\="]
        .iter()
        .fold(line.to_owned(), |line, escaped| line.replace(escaped, "_"));
    let Some((series, rest)) = line.split_once(' ') else {
        return false;
    };
    let Some((field, _)) = rest.trim_start().split_once('=') else {
        return false;
    };
    let mut tags = series.split(',');
    let is_word = |word: &str| !word.is_empty() && !word.contains(['{', '}', '"', ' ', '#', '=']);
    tags.next().is_some_and(is_word)
        && tags.all(|tag| {
            tag.split_once('=')
                .is_some_and(|(name, value)| is_word(name) && !value.is_empty())
        })
        && is_word(field)
}

/// `name.with.points[;tag=value] value time`.
fn is_graphite(line: &str) -> bool {
    let mut words = line.split_ascii_whitespace();
    let (Some(name), Some(value), Some(time), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return false;
    };
    let is_name = |c: char| c.is_ascii_alphanumeric() || "._-:;=/".contains(c);
    name.contains('.')
        && name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && name.chars().all(is_name)
        && value.parse::<f64>().is_ok()
        && time.parse::<f64>().is_ok()
}

#[cfg(test)]
mod tests;
