//! The path of a group, as the official clients write it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use wharf_model::GroupingKey;
use wharf_model::name::escape_for_url;

/// The path of a group: `/metrics/job/<job>`, then the other labels by name.
///
/// A value that is empty, or that a path could not hold (a slash, `.` and `..`, which servers resolve), is written
/// in base64, every other one percent-encoded. A name that is not legacy-valid is written as `U__...`, which
/// gateways read where such names are allowed.
///
/// # Examples
/// ```
/// use wharf_client::group_path;
/// use wharf_model::GroupingKey;
///
/// let key = GroupingKey::new([("job", "nightly backup"), ("dir", "/var"), ("env", "")])?;
/// assert_eq!(group_path(&key), "/metrics/job/nightly%20backup/dir@base64/L3Zhcg/env@base64/=");
/// # Ok::<(), wharf_model::GroupingKeyError>(())
/// ```
pub fn group_path(key: &GroupingKey) -> String {
    let mut path = String::from("/metrics");
    push_label(&mut path, "job", key.job());
    for (name, value) in key.labels().filter(|(name, _)| *name != "job") {
        push_label(&mut path, &escape_for_url(name), value);
    }
    path
}

fn push_label(path: &mut String, name: &str, value: &str) {
    path.push('/');
    path.push_str(&percent_encode(name));
    if value.is_empty() {
        // Nothing between two slashes would be lost on the way.
        path.push_str("@base64/=");
    } else if value.contains('/') || value == "." || value == ".." {
        path.push_str("@base64/");
        path.push_str(&URL_SAFE_NO_PAD.encode(value));
    } else {
        path.push('/');
        path.push_str(&percent_encode(value));
    }
}

/// Writes every byte that is not unreserved in a URL (RFC 3986) as `%XX`.
pub fn percent_encode(text: &str) -> String {
    const DIGITS: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F',
    ];
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or_default();
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.extend(['%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(labels: &[(&str, &str)], expected: &str) {
        let key = GroupingKey::new(labels.iter().copied()).unwrap();
        assert_eq!(group_path(&key), expected);
    }

    #[test]
    fn job_comes_first_and_the_rest_by_name() {
        check(
            &[("zone", "z"), ("env", "dev"), ("job", "a")],
            "/metrics/job/a/env/dev/zone/z",
        );
    }

    #[test]
    fn what_a_path_cannot_hold_is_base64() {
        check(
            &[("job", "a/b"), ("env", ""), ("x", ".."), ("y", "...")],
            "/metrics/job@base64/YS9i/env@base64/=/x@base64/Li4/y/...",
        );
    }

    #[test]
    fn everything_else_is_percent_encoded() {
        check(
            &[("job", "a b+c%"), ("x", "grüß\n?#")],
            "/metrics/job/a%20b%2Bc%25/x/gr%C3%BC%C3%9F%0A%3F%23",
        );
    }

    #[test]
    fn names_beyond_the_legacy_ones_are_escaped() {
        check(
            &[("job", "a"), ("my.label", "v")],
            "/metrics/job/a/U__my_2e_label/v",
        );
    }
}
