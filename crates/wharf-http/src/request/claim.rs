//! What the `Authorization` of a request claims, before anything of it is checked.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use wharf_gateway::{Claim, Claims, Credentials};

/// Longer ones, as they are sent, are not read.
const MAX_CREDENTIALS_BYTES: usize = 8 << 10;

/// As Go reads it: with padding, and whatever the bits beyond the last byte are.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// All claims of these headers.
pub(crate) fn of(headers: &HeaderMap) -> Claims<'_> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let first = values.next().map(HeaderValue::as_bytes);
    Claims {
        first: first.map_or(Claim::None, read),
        are_several: values.next().is_some(),
    }
}

fn read(value: &[u8]) -> Claim<'_> {
    if let Some(token) = after_scheme(value, b"bearer ") {
        return Claim::Token(token.trim_ascii());
    }
    let credentials = after_scheme(value, b"basic ").and_then(credentials);
    credentials.map_or(Claim::Unreadable, Claim::User)
}

fn after_scheme<'v>(value: &'v [u8], scheme: &[u8]) -> Option<&'v [u8]> {
    let (found, rest) = value.split_at_checked(scheme.len())?;
    found.eq_ignore_ascii_case(scheme).then_some(rest)
}

fn credentials(encoded: &[u8]) -> Option<Credentials> {
    if encoded.len() > MAX_CREDENTIALS_BYTES {
        return None;
    }
    let decoded = BASE64.decode(encoded).ok()?;
    let colon = memchr::memchr(b':', &decoded)?;
    let (name, password) = decoded.split_at_checked(colon)?;
    Some(Credentials {
        // A name that is not UTF-8 is nobody's: names come from a YAML file.
        name: String::from_utf8(name.to_vec()).ok()?,
        password: password.get(1..)?.to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        let values = values
            .iter()
            .map(|value| (AUTHORIZATION, HeaderValue::from_str(value).unwrap()));
        values.collect()
    }

    fn user(name: &str, password: &str) -> Claim<'static> {
        Claim::User(Credentials {
            name: name.to_owned(),
            password: password.into(),
        })
    }

    #[test]
    fn a_header_is_read_as_the_pushgateway_reads_it() {
        for (value, expected) in [
            ("Basic YWw6czNjcmV0", user("al", "s3cret")),
            ("bASIC YWw6czNjcmV0", user("al", "s3cret")),
            ("Basic  YWw6czNjcmV0", Claim::Unreadable),
            ("Bearer YWw6czNjcmV0", Claim::Token(b"YWw6czNjcmV0")),
            ("bEARER  x ", Claim::Token(b"x")),
            ("Bearer ", Claim::Token(b"")),
            ("Bearer", Claim::Unreadable),
            ("Basic", Claim::Unreadable),
            ("Basic ", Claim::Unreadable),
            ("Basic YWw", Claim::Unreadable),
            ("Basic YWw=", Claim::Unreadable),
            ("Basic !!!!", Claim::Unreadable),
            ("Digest x", Claim::Unreadable),
            ("", Claim::Unreadable),
        ] {
            let headers = headers(&[value]);
            let claims = of(&headers);
            assert_eq!((claims.first, claims.are_several), (expected, false), "{value}");
        }
        assert_eq!(of(&HeaderMap::new()), Claims::NONE);
    }

    #[test]
    fn several_claims_are_told_from_one() {
        let headers = headers(&["Basic YWw6czNjcmV0", "Bearer x"]);
        let claims = of(&headers);
        assert_eq!((claims.first, claims.are_several), (user("al", "s3cret"), true));
    }

    #[test]
    fn credentials_have_a_length_that_nobody_needs() {
        let long = format!("Basic {}", BASE64.encode("x".repeat(MAX_CREDENTIALS_BYTES)));
        assert_eq!(of(&headers(&[&long])).first, Claim::Unreadable);
    }
}
