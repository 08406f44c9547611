//! Bearer tokens: secrets long enough that a plain hash of them may be kept in a file.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SecureRandom as _;
use ring::{digest, hmac, rand};

use crate::access::randomness::NoRandomness;

/// The SHA-256 hash of a token, in 64 hexadecimal digits.
///
/// It is no secret as long as tokens cannot be guessed, which is why short ones are refused: unlike the hash of a
/// password, it takes no time to compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash([u8; HASH_BYTES]);

/// Why a text is no token, or no hash of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Too short not to be guessed.
    #[error("expected a token of at least {MIN_TOKEN_BYTES} characters, found {0}")]
    Short(usize),
    /// Longer than any header should be.
    #[error("expected a token of at most {MAX_TOKEN_BYTES} characters, found {0}")]
    Long(usize),
    /// A character that cannot stand in a header.
    #[error("expected a token of letters, digits and any of -._~+/=, found `{}`", .0.escape_default())]
    Character(char),
    /// Not the form of a hash.
    #[error("expected 64 hexadecimal digits, found something else\nhint: wharf config hash-token makes them")]
    Hash,
}

const HASH_BYTES: usize = 32;
const MIN_TOKEN_BYTES: usize = 16;
const MAX_TOKEN_BYTES: usize = 4096;
/// Of a random token, before it is written as text.
const RANDOM_BYTES: usize = 32;

impl TokenHash {
    /// The hash of a token.
    ///
    /// # Errors
    /// If the token is too short, too long, or has characters that cannot be sent.
    pub fn of(token: &str) -> Result<Self, TokenError> {
        let foreign = |c: &char| !c.is_ascii_alphanumeric() && !"-._~+/=".contains(*c);
        if let Some(c) = token.chars().find(foreign) {
            return Err(TokenError::Character(c));
        }
        match token.len() {
            length if length < MIN_TOKEN_BYTES => Err(TokenError::Short(length)),
            length if length > MAX_TOKEN_BYTES => Err(TokenError::Long(length)),
            _ => Ok(Self::of_bytes(token.as_bytes())),
        }
    }

    fn of_bytes(token: &[u8]) -> Self {
        let mut hash = [0; HASH_BYTES];
        let digest = digest::digest(&digest::SHA256, token);
        for (to, from) in hash.iter_mut().zip(digest.as_ref()) {
            *to = *from;
        }
        Self(hash)
    }
}

impl FromStr for TokenHash {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        let mut hash = [0; HASH_BYTES];
        if text.len() != 2 * HASH_BYTES || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(TokenError::Hash);
        }
        for (byte, digits) in hash.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let digits = str::from_utf8(digits).map_err(|_| TokenError::Hash)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| TokenError::Hash)?;
        }
        Ok(Self(hash))
    }
}

impl fmt::Display for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A new token that nobody can guess.
///
/// # Errors
/// If the system gives no random numbers.
pub fn random_token() -> Result<String, NoRandomness> {
    let mut bytes = [0; RANDOM_BYTES];
    rand::SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| NoRandomness)?;
    Ok(format!("wharf_{}", URL_SAFE_NO_PAD.encode(bytes)))
}

/// What is known of tokens, found by a hash that nobody outside can compute: how long a look takes tells nothing
/// about the tokens that there are.
pub(crate) struct Tokens<T> {
    key: hmac::Key,
    known: HashMap<[u8; HASH_BYTES], Arc<T>>,
}

impl<T> fmt::Debug for Tokens<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens")
            .field("count", &self.known.len())
            .finish_non_exhaustive()
    }
}

impl<T> Tokens<T> {
    /// No tokens.
    pub(crate) fn new() -> Result<Self, NoRandomness> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &rand::SystemRandom::new());
        Ok(Self {
            key: key.map_err(|_| NoRandomness)?,
            known: HashMap::new(),
        })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Adds a token; whether it was not known before.
    pub(crate) fn add(&mut self, hash: &TokenHash, what: Arc<T>) -> bool {
        self.known.insert(self.tag(hash), what).is_none()
    }

    /// What is known of a token as it was sent.
    pub(crate) fn find(&self, token: &[u8]) -> Option<&Arc<T>> {
        if token.len() > MAX_TOKEN_BYTES {
            return None;
        }
        self.known.get(&self.tag(&TokenHash::of_bytes(token)))
    }

    fn tag(&self, hash: &TokenHash) -> [u8; HASH_BYTES] {
        let mut tag = [0; HASH_BYTES];
        for (to, from) in tag.iter_mut().zip(hmac::sign(&self.key, &hash.0).as_ref()) {
            *to = *from;
        }
        tag
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_what_other_programs_compute() {
        let hash = TokenHash::of("0123456789abcdef").unwrap();
        let expected = "9f9f5111f7b27a781f1f1ddde5ebc2dd2b796bfc7365c9c28b548e564176929f";
        assert_eq!(hash.to_string(), expected);
        assert_eq!(expected.parse(), Ok(hash));
        assert_eq!(expected.to_uppercase().parse(), Ok(hash));
    }

    #[test]
    fn what_is_no_hash_is_refused() {
        let hash = "9f".repeat(32);
        for text in [
            "",
            "s3cret",
            &hash[1..],
            &format!("{hash}0"),
            &hash.replacen('9', "+", 1),
            &"ü".repeat(32),
        ] {
            assert_eq!(text.parse::<TokenHash>(), Err(TokenError::Hash), "{text}");
        }
    }

    #[test]
    fn tokens_are_long_and_of_characters_that_headers_have() {
        assert_eq!(TokenHash::of("short"), Err(TokenError::Short(5)));
        assert_eq!(TokenHash::of(&"x".repeat(5000)), Err(TokenError::Long(5000)));
        assert_eq!(
            TokenHash::of("0123456789 abcdef"),
            Err(TokenError::Character(' '))
        );
        assert_eq!(
            TokenHash::of("0123456789abcdef\n"),
            Err(TokenError::Character('\n'))
        );
    }

    #[test]
    fn random_tokens_are_tokens_and_differ() {
        let (first, second) = (random_token().unwrap(), random_token().unwrap());
        assert_ne!(first, second);
        assert!(TokenHash::of(&first).is_ok());
    }

    #[test]
    fn a_token_is_found_by_itself_only() {
        let mut tokens = Tokens::new().unwrap();
        let hash = TokenHash::of("0123456789abcdef").unwrap();
        assert!(tokens.add(&hash, Arc::new("ci")));
        assert!(!tokens.add(&hash, Arc::new("ci")));
        assert_eq!(tokens.find(b"0123456789abcdef").map(|what| **what), Some("ci"));
        for wrong in [
            &b""[..],
            b"0123456789abcde",
            b"0123456789abcdef ",
            b"0123456789ABCDEF",
        ] {
            assert!(tokens.find(wrong).is_none());
        }
    }
}
