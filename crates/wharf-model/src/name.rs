//! Metric and label names: which are valid, and how others are escaped.
//!
//! Legacy names are those of Prometheus 2: ASCII letters, digits, `_`, and `:` in metric names. Prometheus 3
//! allows any UTF-8; who cannot read that asks for an [`EscapingScheme`] in the `Accept` header.

use std::borrow::Cow;
use std::fmt::Write;

/// Which names a decoder accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NameRule {
    /// Legacy names only.
    #[default]
    Legacy,
    /// Any text that is not empty, if it stands in quotes where the format asks for them.
    Utf8,
}

impl NameRule {
    /// Whether the rule allows `name` for a metric.
    pub fn allows_metric_name(self, name: &str) -> bool {
        match self {
            Self::Legacy => is_legacy_metric_name(name),
            Self::Utf8 => !name.is_empty(),
        }
    }

    /// Whether the rule allows `name` for a label. Reserved names (`__x`) are a question of their own, see
    /// [`is_reserved_label_name`].
    pub fn allows_label_name(self, name: &str) -> bool {
        match self {
            Self::Legacy => is_legacy_label_name(name),
            Self::Utf8 => !name.is_empty(),
        }
    }
}

/// Whether `name` matches `[a-zA-Z_:][a-zA-Z0-9_:]*`.
pub fn is_legacy_metric_name(name: &str) -> bool {
    is_legacy(name, |byte| byte == b':')
}

/// Whether `name` matches `[a-zA-Z_][a-zA-Z0-9_]*`.
pub fn is_legacy_label_name(name: &str) -> bool {
    is_legacy(name, |_| false)
}

/// Goes on after a byte that does not fit: without branches the compiler compares many bytes at once, and almost
/// every name fits.
#[expect(
    clippy::needless_bitwise_bool,
    reason = "the branches that `&&` and `||` make are what is avoided"
)]
fn is_legacy(name: &str, also: impl Fn(u8) -> bool) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() | (byte == b'_') | also(byte);
    let all_fit = name.bytes().fold(true, |all, byte| all & fits(byte));
    all_fit && name.bytes().next().is_some_and(|first| !first.is_ascii_digit())
}

/// Whether `name` is no label name for users: empty, or in the part that Prometheus keeps for itself (`__x`).
pub fn is_reserved_label_name(name: &str) -> bool {
    name.is_empty() || name.starts_with("__")
}

/// How names that are not legacy-valid are written for a scraper.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum EscapingScheme {
    /// Not at all; formats put such names in quotes.
    AllowUtf8,
    /// Each illegal character becomes `_`.
    #[default]
    Underscores,
    /// `.` becomes `_dot_`, `_` becomes `__`, other illegal characters `__`.
    Dots,
    /// `U__`, then `_` as `__` and illegal characters as `_<hex code point>_`.
    Values,
}

impl EscapingScheme {
    /// The scheme that the `escaping` parameter of a media type names.
    pub fn from_parameter(value: &str) -> Option<Self> {
        match value {
            "allow-utf-8" => Some(Self::AllowUtf8),
            "underscores" => Some(Self::Underscores),
            "dots" => Some(Self::Dots),
            "values" => Some(Self::Values),
            _ => None,
        }
    }

    /// The value of the `escaping` parameter.
    pub fn as_parameter(self) -> &'static str {
        match self {
            Self::AllowUtf8 => "allow-utf-8",
            Self::Underscores => "underscores",
            Self::Dots => "dots",
            Self::Values => "values",
        }
    }

    /// Writes a metric name by this scheme. Legacy metric names stay as they are in every scheme.
    pub fn escape_metric_name(self, name: &str) -> Cow<'_, str> {
        if self == Self::AllowUtf8 || name.is_empty() || is_legacy_metric_name(name) {
            return Cow::Borrowed(name);
        }
        Cow::Owned(self.escape(name, true, char::MAX))
    }

    /// Writes a label name by this scheme. Legacy label names stay as they are in every scheme. A colon is not
    /// legal in them; the Pushgateway lets it pass, and Prometheus cannot read such a line.
    ///
    /// No name becomes a reserved one: two or more underscores in front are one. `..name..` would be `__name__`, and
    /// Prometheus refuses a scrape with a metric that has two names.
    pub fn escape_label_name(self, name: &str) -> Cow<'_, str> {
        if self == Self::AllowUtf8 || name.is_empty() || is_legacy_label_name(name) {
            return Cow::Borrowed(name);
        }
        let mut escaped = self.escape(name, false, char::MAX);
        let rest = escaped.trim_start_matches('_').len();
        let underscores = escaped.len() - rest;
        if underscores > 1 {
            escaped.drain(..underscores - 1);
        }
        Cow::Owned(escaped)
    }

    /// Characters beyond `last` stay as they are.
    fn escape(self, name: &str, colon_is_legal: bool, last: char) -> String {
        let mut escaped = String::with_capacity(name.len() * 2);
        if self == Self::Values {
            escaped.push_str("U__");
        }
        for (index, c) in name.chars().enumerate() {
            let legal = c.is_ascii_alphabetic()
                || c == '_'
                || (c == ':' && colon_is_legal)
                || (c.is_ascii_digit() && index > 0);
            match self {
                Self::Dots | Self::Values if c == '_' => escaped.push_str("__"),
                Self::Dots if c == '.' => escaped.push_str("_dot_"),
                _ if legal || c > last => escaped.push(c),
                Self::Dots => escaped.push_str("__"),
                Self::Values => {
                    // Writing to a string cannot fail.
                    let _infallible = write!(escaped, "_{:x}_", u32::from(c));
                }
                Self::AllowUtf8 | Self::Underscores => escaped.push('_'),
            }
        }
        escaped
    }
}

/// Writes a label name as it may stand in a push URL: [`unescape_values`] gives the same again.
///
/// That is [`EscapingScheme::Values`], but for characters with six digits. Those are not read, and stay as they are.
pub fn escape_for_url(name: &str) -> Cow<'_, str> {
    if name.is_empty() || is_legacy_label_name(name) {
        return Cow::Borrowed(name);
    }
    Cow::Owned(EscapingScheme::Values.escape(name, false, LAST_OF_FIVE_DIGITS))
}

const LAST_OF_FIVE_DIGITS: char = '\u{fffff}';

/// Decodes a name written by [`EscapingScheme::Values`], as label names in push URLs may be.
///
/// At most five hexadecimal digits a code point are read, as the Pushgateway does. Anything malformed leaves the
/// whole name as it is.
pub fn unescape_values(name: &str) -> Cow<'_, str> {
    match name.strip_prefix("U__").map(unescape_value_body) {
        Some(Some(decoded)) => Cow::Owned(decoded),
        _ => Cow::Borrowed(name),
    }
}

fn unescape_value_body(mut rest: &str) -> Option<String> {
    let mut decoded = String::with_capacity(rest.len());
    while let Some(c) = rest.chars().next() {
        rest = rest.get(c.len_utf8()..)?;
        if c != '_' {
            decoded.push(c);
        } else if let Some(after) = rest.strip_prefix('_') {
            decoded.push('_');
            rest = after;
        } else {
            let (digits, after) = rest.split_once('_')?;
            let plain =
                !digits.is_empty() && digits.len() <= 5 && digits.bytes().all(|b| b.is_ascii_hexdigit());
            let code_point = plain.then(|| u32::from_str_radix(digits, 16).ok()).flatten()?;
            decoded.push(char::from_u32(code_point)?);
            rest = after;
        }
    }
    Some(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn legacy_names_are_ascii_words() {
        for name in ["m", "_", ":a:b", "A9"] {
            assert!(is_legacy_metric_name(name), "{name}");
        }
        for name in ["", "9a", "a-b", "a.b", "é"] {
            assert!(!is_legacy_metric_name(name), "{name}");
        }
        assert!(is_legacy_label_name("_x") && !is_legacy_label_name("a:b"));
    }

    #[test]
    fn each_scheme_escapes_its_own_way() {
        let cases = [
            (
                "my.metric",
                ["my.metric", "my_metric", "my_dot_metric", "U__my_2e_metric"],
            ),
            ("a_b.c", ["a_b.c", "a_b_c", "a__b_dot_c", "U__a__b_2e_c"]),
            ("1abc", ["1abc", "_abc", "__abc", "U___31_abc"]),
            ("é😊", ["é😊", "__", "____", "U___e9__1f60a_"]),
            ("legacy_name", ["legacy_name"; 4]),
        ];
        let schemes = [
            EscapingScheme::AllowUtf8,
            EscapingScheme::Underscores,
            EscapingScheme::Dots,
            EscapingScheme::Values,
        ];
        for (name, expected) in cases {
            let escaped = schemes.map(|scheme| scheme.escape_metric_name(name).into_owned());
            assert_eq!(escaped, expected.map(str::to_owned), "{name}");
        }
    }

    #[test]
    fn no_label_name_becomes_a_reserved_one() {
        for (name, expected) in [
            (
                "..name..",
                ["_name__", "_dot__dot_name_dot__dot_", "U___2e__2e_name_2e__2e_"],
            ),
            ("état", ["_tat", "_tat", "U___e9_tat"]),
            ("é😊", ["_", "_", "U___e9__1f60a_"]),
            ("_.x", ["_x", "_dot_x", "U_____2e_x"]),
        ] {
            let schemes = [
                EscapingScheme::Underscores,
                EscapingScheme::Dots,
                EscapingScheme::Values,
            ];
            let escaped = schemes.map(|scheme| scheme.escape_label_name(name).into_owned());
            assert_eq!(escaped, expected.map(str::to_owned), "{name}");
            assert!(!escaped.iter().any(|name| is_reserved_label_name(name)));
        }
        assert_eq!(EscapingScheme::Underscores.escape_metric_name("éé"), "__");
    }

    #[test]
    fn a_colon_is_escaped_in_label_names_only() {
        assert_eq!(EscapingScheme::Underscores.escape_label_name("a:b"), "a_b");
        assert_eq!(EscapingScheme::Values.escape_label_name("a:b"), "U__a_3a_b");
        assert_eq!(EscapingScheme::Underscores.escape_metric_name("a:b"), "a:b");
        assert_eq!(EscapingScheme::AllowUtf8.escape_label_name("a:b"), "a:b");
    }

    #[test]
    fn escaped_names_decode_unless_malformed() {
        let cases = [
            ("U__foo_2e_bar", "foo.bar"),
            ("U___1F60A_", "😊"),
            ("U___55_____foo", "U__foo"),
            ("U__in_xxx_valid", "U__in_xxx_valid"),
            ("U___D800_", "U___D800_"),
            ("U___01F60A_", "U___01F60A_"),
            ("U__", ""),
            ("U______x", "__x"),
            ("u__foo_2e_bar", "u__foo_2e_bar"),
            ("plain", "plain"),
        ];
        for (name, expected) in cases {
            assert_eq!(unescape_values(name), expected, "{name}");
        }
    }
}
