//! Names of metrics and labels, made of what clients send.

use std::borrow::Cow;

/// Makes a name of ASCII letters, digits and `_` of `name`, as `statsd_exporter` does.
///
/// Each other character becomes `_`, but of several dashes only the first counts. A digit in front gets a `_` before it. Only the
/// empty text stays empty.
pub fn escape_name(name: &str) -> Cow<'_, str> {
    let starts_with_digit = name.starts_with(|c: char| c.is_ascii_digit());
    if !starts_with_digit && name.bytes().all(is_word) {
        return Cow::Borrowed(name);
    }
    let mut escaped = String::with_capacity(name.len() + 1);
    if starts_with_digit {
        escaped.push('_');
    }
    let mut before = ' ';
    for c in name.chars() {
        if c.is_ascii() && is_word(c as u8) {
            escaped.push(c);
        } else if c != '-' || before != '-' {
            escaped.push('_');
        }
        before = c;
    }
    Cow::Owned(escaped)
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_as_by_the_exporter() {
        for (name, expected) in [
            ("a_B9", "a_B9"),
            ("a.b-c/d e", "a_b_c_d_e"),
            ("a--b", "a_b"),
            ("a---b", "a_b"),
            ("a-.-b", "a___b"),
            ("a.-b", "a__b"),
            ("1a", "_1a"),
            ("1.é", "_1__"),
            ("é.x", "__x"),
            ("--", "_"),
            ("a:b", "a_b"),
            ("", ""),
        ] {
            assert_eq!(escape_name(name), expected, "{name}");
        }
    }

    #[test]
    fn a_name_that_is_one_is_not_copied() {
        assert!(matches!(escape_name("http_requests"), Cow::Borrowed(_)));
    }
}
