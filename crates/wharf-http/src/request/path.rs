//! Paths of requests: percent-decoding and cleaning, as Go's HTTP library does them.

use memchr::{memchr, memchr_iter};

/// Decodes `%xx`; `+` stays as it is. None if an escape is malformed.
pub(crate) fn percent_decode(path: &str) -> Option<Vec<u8>> {
    if memchr(b'%', path.as_bytes()).is_none() {
        return Some(path.as_bytes().to_vec());
    }
    let mut decoded = Vec::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let high = hex_digit(bytes.next()?)?;
            let low = hex_digit(bytes.next()?)?;
            decoded.push(high * 16 + low);
        } else {
            decoded.push(byte);
        }
    }
    Some(decoded)
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

/// Percent-encodes what may not stand in the path of a `Location` header.
pub(crate) fn percent_encode(path: &[u8]) -> String {
    use std::fmt::Write;
    let mut encoded = String::with_capacity(path.len());
    for byte in path {
        if byte.is_ascii_alphanumeric() || b"/-_.~$&+,:;=@!'()*".contains(byte) {
            encoded.push(char::from(*byte));
        } else {
            // Writing to a string cannot fail.
            let _infallible = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// The path without `//`, `/./` and `/../`; a slash at the end stays. None if there is nothing to clean.
pub(crate) fn clean(path: &str) -> Option<String> {
    if is_clean(path.as_bytes()) {
        return None;
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let mut cleaned = String::with_capacity(path.len());
    for part in &parts {
        cleaned.push('/');
        cleaned.push_str(part);
    }
    if parts.is_empty() || path.ends_with('/') {
        cleaned.push('/');
    }
    (cleaned != path).then_some(cleaned)
}

/// Whether a path is clean beyond doubt. Names that begin with a dot need a closer look.
fn is_clean(path: &[u8]) -> bool {
    let begins_part = |slash: usize| !matches!(path.get(slash + 1), Some(b'/' | b'.'));
    path.first() == Some(&b'/') && memchr_iter(b'/', path).all(begins_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_decode_and_plus_stays() {
        assert_eq!(
            percent_decode("/a%2Fb+c%20%C3%bc").as_deref(),
            Some("/a/b+c ü".as_bytes())
        );
        assert_eq!(percent_decode("%FF").as_deref(), Some(&[0xFF][..]));
        for malformed in ["%", "%2", "%zz", "%+1", "a%2"] {
            assert_eq!(percent_decode(malformed), None, "{malformed}");
        }
    }

    #[test]
    fn paths_are_cleaned() {
        let cases = [
            ("/", "/"),
            ("/a/b", "/a/b"),
            ("/a/b/", "/a/b/"),
            ("/.a/..b", "/.a/..b"),
            ("", "/"),
            ("a", "/a"),
            ("//a", "/a"),
            ("/a//b", "/a/b"),
            ("/a/./b", "/a/b"),
            ("/a/../b", "/b"),
            ("/../..", "/"),
            ("/a/..", "/"),
            ("/a/%2e%2e/b", "/a/%2e%2e/b"),
        ];
        for (path, expected) in cases {
            let cleaned = clean(path);
            assert_eq!(cleaned.as_deref().unwrap_or(path), expected, "{path}");
            assert_eq!(cleaned.is_some(), path != expected, "{path}");
        }
    }

    #[test]
    fn what_is_encoded_decodes_again() {
        let path = "/a b/ü?#%\"".as_bytes();
        assert_eq!(percent_decode(&percent_encode(path)).as_deref(), Some(path));
    }
}
