//! Grouping keys in push URLs: `/job/<job>[/<label>/<value>...]`, each value plain or `@base64`.

use std::borrow::Cow;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use wharf_gateway::{Reason, Refusal};
use wharf_model::name::{
    NameRule, escape_for_url, is_legacy_label_name, is_reserved_label_name, unescape_values,
};
use wharf_model::{GroupingKey, GroupingKeyError};

use crate::request::path::percent_encode;

/// Why a push URL names no group. The texts are those of the Pushgateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum UrlError {
    JobEncoding {
        decoded: Vec<u8>,
        at: usize,
    },
    OddComponents(Vec<u8>),
    LabelName(Vec<u8>),
    LabelEncoding {
        name: String,
        raw: Vec<u8>,
        at: usize,
    },
    JobRequired,
    /// Not a mistake of the URL's form: the value is not UTF-8, which no exposition could show.
    NotUtf8 {
        name: String,
        value: Vec<u8>,
    },
    /// Two names of the URL decode to one, or to a reserved one.
    Key(GroupingKeyError),
}

/// A slash separates, however it is written, and two are one after the redirect of a path that has them.
const ODD_COMPONENTS_HINT: &str = "hint: each label has a name and a value: where a value is empty or has a slash, \
                                   write its name and `@base64/`, and behind it the value in base64, or `=` for an empty one";

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::JobEncoding { decoded, at } => {
                let job = GoQuoted(decoded);
                write!(
                    f,
                    "invalid base64 encoding in job name {job}: illegal base64 data at input byte {at}"
                )
            }
            Self::OddComponents(rest) => {
                writeln!(f, "odd number of components in label string {}", GoQuoted(rest))?;
                f.write_str(ODD_COMPONENTS_HINT)
            }
            Self::LabelName(name) => write!(f, "improper label name {}", GoQuoted(name)),
            Self::LabelEncoding { name, raw, at } => {
                let raw = GoQuoted(raw);
                write!(
                    f,
                    "invalid base64 encoding for label {name}={raw}: illegal base64 data at input byte {at}"
                )
            }
            Self::JobRequired => f.write_str("job name is required"),
            Self::NotUtf8 { name, value } => {
                f.write_str(
                    "pushed metrics are invalid or inconsistent with existing metrics: the grouping key ",
                )?;
                write!(
                    f,
                    "has a label named {name:?} whose value is not utf8: {}",
                    GoQuoted(value)
                )
            }
            Self::Key(error) => error.fmt(f),
        }
    }
}

impl From<UrlError> for Refusal {
    fn from(error: UrlError) -> Self {
        Self::new(Reason::Url, error.to_string())
    }
}

/// Reads the part of a push path behind `/metrics/job`: `rest` begins with `/` or `@base64/`.
///
/// The checks come in the order of the Pushgateway, which decides on the text when several things are wrong.
pub(crate) fn parse(rest: &[u8], names: NameRule) -> Result<GroupingKey, UrlError> {
    let (job_is_base64, rest) = match rest.strip_prefix(b"@base64") {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    let rest = rest.strip_prefix(b"/").unwrap_or(rest);
    let job_end = rest.iter().position(|byte| *byte == b'/').unwrap_or(rest.len());
    let (job, labels) = rest.split_at(job_end);
    let job = if job_is_base64 {
        decode_base64(job).map_err(|(decoded, at)| UrlError::JobEncoding { decoded, at })?
    } else {
        job.to_vec()
    };

    let mut pairs: Vec<(String, Vec<u8>)> = Vec::new();
    if labels.len() > 1 {
        let components: Vec<&[u8]> = labels[1..].split(|byte| *byte == b'/').collect();
        if !components.len().is_multiple_of(2) {
            return Err(UrlError::OddComponents(labels.to_vec()));
        }
        for pair in components.chunks_exact(2) {
            let (name, value) = parse_label(pair[0], pair[1], names)?;
            // A label that stands twice takes its last value.
            match pairs.iter_mut().find(|(known, _)| *known == name) {
                Some((_, known)) => *known = value,
                None => pairs.push((name, value)),
            }
        }
    }
    if job.is_empty() {
        return Err(UrlError::JobRequired);
    }
    pairs.retain(|(name, _)| name != "job");
    pairs.push(("job".to_owned(), job));
    let mut labels = Vec::with_capacity(pairs.len());
    for (name, value) in &pairs {
        let not_utf8 = |_| UrlError::NotUtf8 {
            name: name.clone(),
            value: value.clone(),
        };
        labels.push((name.as_str(), std::str::from_utf8(value).map_err(not_utf8)?));
    }
    GroupingKey::new(labels).map_err(UrlError::Key)
}

/// The path of a group as [`parse`] reads it under the same rule, from `job/` on, percent-encoded.
pub(crate) fn path(key: &GroupingKey, names: NameRule) -> String {
    let others = key.labels().filter(|(name, _)| *name != "job");
    let mut path = String::new();
    for (name, value) in std::iter::once(("job", key.job())).chain(others) {
        if !path.is_empty() {
            path.push('/');
        }
        path.push_str(&percent_encode(written_name(name, names).as_bytes()));
        // A slash separates however it is written, and these segments do not reach the router.
        if value.contains('/') || matches!(value, "" | "." | "..") {
            path.push_str("@base64/");
            let encoded = URL_SAFE_NO_PAD.encode(value);
            path.push_str(if encoded.is_empty() { "=" } else { &encoded });
        } else {
            path.push('/');
            path.push_str(&percent_encode(value.as_bytes()));
        }
    }
    path
}

/// A label's name as it stands in a path.
fn written_name(name: &str, names: NameRule) -> Cow<'_, str> {
    // Where names may be any text, one that begins like an escaped one would be read as what that stands for.
    if names == NameRule::Utf8 && name.starts_with("U__") && is_legacy_label_name(name) {
        return Cow::Owned(format!("U__{}", name.replace('_', "__")));
    }
    escape_for_url(name)
}

fn parse_label(name: &[u8], value: &[u8], names: NameRule) -> Result<(String, Vec<u8>), UrlError> {
    let (raw_name, is_base64) = match name.strip_suffix(b"@base64") {
        Some(name) => (name, true),
        None => (name, false),
    };
    let improper = || UrlError::LabelName(raw_name.to_vec());
    let name = std::str::from_utf8(raw_name).map_err(|_| improper())?;
    let name = match names {
        NameRule::Legacy => name.into(),
        NameRule::Utf8 => unescape_values(name),
    };
    if !names.allows_label_name(&name) || is_reserved_label_name(&name) || raw_name.starts_with(b"__") {
        return Err(improper());
    }
    let value = if is_base64 {
        let error = |at| UrlError::LabelEncoding {
            name: name.to_string(),
            raw: value.to_vec(),
            at,
        };
        decode_base64(value).map_err(|(_, at)| error(at))?
    } else {
        value.to_vec()
    };
    Ok((name.into_owned(), value))
}

/// Decodes URL-safe base64 (RFC 4648, section 5) as leniently as the Pushgateway: padding is optional, line breaks
/// are skipped, bits beyond the last byte are ignored. The error has what was decoded, and where it stopped.
fn decode_base64(text: &[u8]) -> Result<Vec<u8>, (Vec<u8>, usize)> {
    let end = text
        .iter()
        .rposition(|byte| *byte != b'=')
        .map_or(0, |last| last + 1);
    let text = &text[..end];
    let mut decoded = Vec::with_capacity(text.len() / 4 * 3 + 2);
    let (mut bits, mut digits) = (0u32, 0u32);
    for (at, byte) in text.iter().enumerate() {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            b'\r' | b'\n' => continue,
            _ => return Err((decoded, at)),
        };
        bits = bits << 6 | u32::from(digit);
        digits += 1;
        if digits == 4 {
            decoded.extend_from_slice(&bits.to_be_bytes()[1..]);
            (bits, digits) = (0, 0);
        }
    }
    match digits {
        2 => decoded.push((bits >> 4).to_be_bytes()[3]),
        3 => decoded.extend_from_slice(&(bits >> 2).to_be_bytes()[2..]),
        // One digit alone is no byte.
        1 => return Err((decoded, text.len() - 1)),
        _ => {}
    }
    Ok(decoded)
}

/// Bytes in double quotes, escaped as Go's `%q` does.
pub(crate) struct GoQuoted<'a>(pub(crate) &'a [u8]);

impl fmt::Display for GoQuoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                match c {
                    '"' | '\\' => write!(f, "\\{c}")?,
                    '\n' => f.write_str("\\n")?,
                    '\r' => f.write_str("\\r")?,
                    '\t' => f.write_str("\\t")?,
                    '\u{7}' => f.write_str("\\a")?,
                    '\u{8}' => f.write_str("\\b")?,
                    '\u{b}' => f.write_str("\\v")?,
                    '\u{c}' => f.write_str("\\f")?,
                    c if c.is_ascii_control() => write!(f, "\\x{:02x}", u32::from(c))?,
                    c if c.is_control() => write!(f, "\\u{:04x}", u32::from(c))?,
                    c => write!(f, "{c}")?,
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        f.write_str("\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rest: &str, names: NameRule, expected: &str) {
        let rest = crate::request::path::percent_decode(rest).unwrap();
        let parsed = parse(&rest, names);
        let text = parsed.map_or_else(|error| error.to_string(), |key| key.to_string());
        assert_eq!(text, expected);
    }

    #[test]
    fn the_path_of_a_group_names_it_under_the_same_rule() {
        for names in [NameRule::Legacy, NameRule::Utf8] {
            for label in [
                "x",
                "U__asoo",
                "U__my_2e_label",
                "U_",
                "a__b",
                "a_102082_\u{102082}!",
                "U__\u{10ffff}",
            ] {
                if !names.allows_label_name(label) {
                    continue;
                }
                let key = GroupingKey::new([("job", "a/b"), (label, "")]).unwrap();
                let path = crate::request::path::percent_decode(&path(&key, names)).unwrap();
                let rest = path.strip_prefix(b"job").unwrap();
                assert_eq!(parse(rest, names), Ok(key), "{names:?}");
            }
        }
    }

    #[test]
    fn labels_are_read_plain_and_as_base64() {
        let cases = [
            ("/a", r#"{job="a"}"#),
            ("/a/", r#"{job="a"}"#),
            ("/a/x/", r#"{job="a",x=""}"#),
            ("/a/x@base64/=", r#"{job="a",x=""}"#),
            ("@base64/YWJj/p@base64/L3Zhci90bXA", r#"{job="abc",p="/var/tmp"}"#),
            (
                "@base64/YWJj/p@base64/L3Zhci90bXA=",
                r#"{job="abc",p="/var/tmp"}"#,
            ),
            ("@base64/YR", r#"{job="a"}"#),
            ("@base64/YW%0AJj", r#"{job="abc"}"#),
            ("/a/x/1/x/2/job/zz", r#"{job="a",x="2"}"#),
            ("/a%2Fl/v", r#"{job="a",l="v"}"#),
            ("/a+b%20c/l/v%3Fq", r#"{job="a+b c",l="v?q"}"#),
            ("/a/_x/y", r#"{_x="y",job="a"}"#),
            ("/a/U__foo_2e_bar/v", r#"{U__foo_2e_bar="v",job="a"}"#),
        ];
        for (rest, expected) in cases {
            check(rest, NameRule::Legacy, expected);
        }
    }

    #[test]
    fn mistakes_are_told_in_the_original_words() {
        let cases = [
            (
                "@base64/YWJjZ!",
                r#"invalid base64 encoding in job name "abc": illegal base64 data at input byte 5"#,
            ),
            (
                "/a/l@base64/a+b",
                r#"invalid base64 encoding for label l="a+b": illegal base64 data at input byte 1"#,
            ),
            ("/a/1x/y", r#"improper label name "1x""#),
            ("/a/x-y/z", r#"improper label name "x-y""#),
            ("/a/__x/y", r#"improper label name "__x""#),
            ("/a/@base64/YQ", r#"improper label name """#),
            ("@base64/=", "job name is required"),
            ("/a/%FF/v", r#"improper label name "\xff""#),
            (
                "/a/l/%FF",
                concat!(
                    "pushed metrics are invalid or inconsistent with existing metrics: the grouping key ",
                    r#"has a label named "l" whose value is not utf8: "\xff""#
                ),
            ),
        ];
        for (rest, expected) in cases {
            check(rest, NameRule::Legacy, expected);
        }
    }

    #[test]
    fn odd_components_are_told_in_the_original_words_and_with_a_way_out() {
        for (rest, odd) in [("/a/x", "/x"), ("/a/x/y/z", "/x/y/z")] {
            let expected =
                format!("odd number of components in label string \"{odd}\"\n{ODD_COMPONENTS_HINT}");
            check(rest, NameRule::Legacy, &expected);
        }
    }

    #[test]
    fn escaped_names_decode_where_names_may_be_utf8() {
        let cases = [
            ("/a/U__foo_2e_bar@base64/YmF6", r#"{foo.bar="baz",job="a"}"#),
            ("/a/foo.bar/v", r#"{foo.bar="v",job="a"}"#),
            ("/a/U__in_xxx_valid/v", r#"{U__in_xxx_valid="v",job="a"}"#),
            ("/a/U__/v", r#"improper label name "U__""#),
            ("/a/U______x/v", r#"improper label name "U______x""#),
            ("/a/U__job/v", r#"{job="a"}"#),
        ];
        for (rest, expected) in cases {
            check(rest, NameRule::Utf8, expected);
        }
    }
}
