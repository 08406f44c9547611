//! Hashes of passwords, as `htpasswd -B` and others make them.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use bcrypt::HashParts;

/// A bcrypt hash: `$2b$`, the cost, and 53 characters of salt and hash.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash {
    /// Checked and in the form that the library takes.
    text: String,
}

/// Why a text is no bcrypt hash. The words are those of the original where it has any.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// Most likely the password itself.
    #[error("expected a bcrypt hash of 60 characters, found {0}\nhint: htpasswd -nBC 10 USER makes one")]
    Length(usize),
    /// Another algorithm, or another version of this one.
    #[error("expected a bcrypt hash that starts with $2a$, $2b$, $2x$ or $2y$, found another prefix")]
    Prefix,
    /// A cost that bcrypt does not have.
    #[error("expected a bcrypt hash with a cost from 4 to 31, found `{0}`")]
    Cost(String),
    /// Salt or hash have characters that no bcrypt hash has.
    #[error("expected a bcrypt hash of characters from ./A-Za-z0-9, found others")]
    Characters,
}

const LENGTH: usize = 60;
const COSTS: RangeInclusive<u32> = 4..=31;
/// Where the last character of the salt is.
const SALT_END: usize = 28;
/// The digits of bcrypt's base64 in order.
const DIGITS: &[u8; 64] = b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

impl FromStr for PasswordHash {
    type Err = HashError;

    fn from_str(text: &str) -> Result<Self, HashError> {
        let mut bytes = text.as_bytes().to_vec();
        if bytes.len() != LENGTH {
            return Err(HashError::Length(bytes.len()));
        }
        let is_known = ["$2a$", "$2b$", "$2x$", "$2y$"]
            .iter()
            .any(|prefix| text.starts_with(prefix));
        if !is_known {
            return Err(HashError::Prefix);
        }
        // The salt's last digit has four bits that mean nothing. Some programs leave them as they come.
        if let Some(digit) = bytes.get_mut(SALT_END)
            && let Some(value) = DIGITS.iter().position(|known| known == digit)
        {
            *digit = DIGITS.get(value & 0b11_0000).copied().unwrap_or(*digit);
        }
        let text = String::from_utf8(bytes).map_err(|_| HashError::Characters)?;
        let cost = text.get(4..6).unwrap_or_default();
        if text.as_bytes().get(6) != Some(&b'$') || !cost.parse().is_ok_and(|cost| COSTS.contains(&cost)) {
            return Err(HashError::Cost(cost.to_owned()));
        }
        HashParts::from_str(&text).map_err(|_| HashError::Characters)?;
        Ok(Self { text })
    }
}

impl PasswordHash {
    /// Whether it is the hash of `password`. That takes a processor for a while.
    pub(super) fn matches(&self, password: &[u8]) -> bool {
        bcrypt::verify(password, &self.text).unwrap_or(false)
    }
}

/// Hashes are secrets.
impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of `s3cret`.
    const HASH: &str = "$2b$04$EGNYGlakPdNb60roBdlmWuYTRXiJhVh/.whhyXo7LyWUID1a4nLfK";

    fn check(text: &str, expected: Result<&str, HashError>) {
        let hash = text.parse::<PasswordHash>();
        match (hash, expected) {
            (Ok(hash), Ok(password)) => {
                assert!(hash.matches(password.as_bytes()), "{text}");
                assert!(!hash.matches(b"another"), "{text}");
            }
            (found, expected) => assert_eq!(found.err(), expected.err(), "{text}"),
        }
    }

    #[test]
    fn all_versions_are_read() {
        for version in ["$2a$", "$2b$", "$2x$", "$2y$"] {
            check(&HASH.replace("$2b$", version), Ok("s3cret"));
        }
    }

    #[test]
    fn spare_bits_of_the_salt_do_not_matter() {
        for digit in ["u", "v", "z", "4", "9"] {
            check(&format!("{}{digit}{}", &HASH[..28], &HASH[29..]), Ok("s3cret"));
        }
    }

    #[test]
    fn what_could_never_match_is_refused() {
        check("s3cret", Err(HashError::Length(6)));
        check(&HASH[..59], Err(HashError::Length(59)));
        check(&format!("{HASH}K"), Err(HashError::Length(61)));
        check(&HASH.replace("$2b$", "$3b$"), Err(HashError::Prefix));
        check(&HASH.replace("$2b$", "$apr"), Err(HashError::Prefix));
        for cost in ["03", "32", "xx", "4$"] {
            let text = HASH.replace("$04$", &format!("${cost}$"));
            check(&text, Err(HashError::Cost(cost.to_owned())));
        }
        check(
            &HASH.replace("$04$", "$04a"),
            Err(HashError::Cost("04".to_owned())),
        );
        check(&HASH.replace('K', "!"), Err(HashError::Characters));
        check(&HASH.replace("fK", "ü"), Err(HashError::Characters));
        // The last digit has bits beyond the hash, which no program sets.
        check(&HASH.replace("fK", "fL"), Err(HashError::Characters));
    }

    #[test]
    fn long_passwords_end_after_72_bytes_as_everywhere() {
        let long = "x".repeat(100);
        let hash = bcrypt::hash(&long, 4).unwrap();
        let hash: PasswordHash = hash.parse().unwrap();
        assert!(hash.matches(long.as_bytes()));
        assert!(hash.matches("x".repeat(72).as_bytes()));
        assert!(!hash.matches("x".repeat(71).as_bytes()));
    }
}
