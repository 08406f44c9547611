//! Hashes of passwords, as `htpasswd -B` and others make them.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use bcrypt::HashParts;

/// A bcrypt hash: version, cost, and 53 characters of salt and hash.
///
/// It is read as Go reads it, since files are there that work with the Pushgateway: what stands behind the hash does not
/// count, as the line feed that a block of YAML ends in; and the letter of the version makes no difference.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash {
    /// Checked and in the form that the library takes.
    text: String,
    /// How many bytes stand behind it.
    excess: usize,
}

/// Why a text is no bcrypt hash. The words are those of the Pushgateway where it has any.
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

/// Of a hash that names its version by two characters, as all do but those of the very first version.
const LENGTH: usize = 60;
const COSTS: RangeInclusive<u32> = 4..=31;
/// Salt and hash together.
const DIGITS_LENGTH: usize = 53;
/// Where the last digit of the salt is among them.
const SALT_END: usize = 21;
/// The digits of bcrypt's base64 in order.
const DIGITS: &[u8; 64] = b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

impl FromStr for PasswordHash {
    type Err = HashError;

    fn from_str(text: &str) -> Result<Self, HashError> {
        let bytes = text.as_bytes();
        if bytes.len() < LENGTH - 1 {
            return Err(HashError::Length(bytes.len()));
        }
        let rest = match bytes {
            [b'$', b'0'..=b'2', b'$', rest @ ..] => rest,
            [b'$', b'0'..=b'2', letter, b'$', rest @ ..] if letter.is_ascii_alphanumeric() => rest,
            _ => return Err(HashError::Prefix),
        };
        // The length of the text says nothing about that of a hash with the shorter version.
        let Some(([cost @ .., _], rest)) = rest.split_first_chunk::<3>() else {
            return Err(HashError::Length(bytes.len()));
        };
        let cost = String::from_utf8_lossy(cost).into_owned();
        let Some(number) = cost.parse().ok().filter(|number| COSTS.contains(number)) else {
            return Err(HashError::Cost(cost));
        };
        let Some((digits, behind)) = rest.split_first_chunk::<DIGITS_LENGTH>() else {
            return Err(HashError::Length(bytes.len()));
        };
        let mut digits = *digits;
        // The salt's last digit has four bits that mean nothing. Some programs leave them as they come.
        if let Some(digit) = digits.get_mut(SALT_END)
            && let Some(value) = DIGITS.iter().position(|known| known == digit)
        {
            *digit = DIGITS.get(value & 0b11_0000).copied().unwrap_or(*digit);
        }
        let digits = str::from_utf8(&digits).map_err(|_| HashError::Characters)?;
        let text = format!("$2b${number:02}${digits}");
        HashParts::from_str(&text).map_err(|_| HashError::Characters)?;
        Ok(Self {
            text,
            excess: behind.len(),
        })
    }
}

impl PasswordHash {
    /// How many bytes stood behind the hash, and mean nothing.
    pub fn excess(&self) -> usize {
        self.excess
    }

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
        for version in ["$2a$", "$2b$", "$2x$", "$2y$", "$2z$", "$2$", "$1b$"] {
            check(&HASH.replace("$2b$", version), Ok("s3cret"));
        }
    }

    #[test]
    fn what_stands_behind_the_hash_does_not_count() {
        for behind in ["", "\n", " ", "%", "\r\n", "\u{a0}", "\0", ":alice", HASH] {
            for version in ["$2b$", "$2$"] {
                let text = format!("{}{behind}", HASH.replace("$2b$", version));
                check(&text, Ok("s3cret"));
                let hash: PasswordHash = text.parse().unwrap();
                assert_eq!(hash.excess(), behind.len(), "{text:?}");
            }
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
        check(&HASH[..58], Err(HashError::Length(58)));
        check(&HASH[..59], Err(HashError::Length(59)));
        check(&format!("{}\n", &HASH[..59]), Err(HashError::Characters));
        check(&format!(" {HASH}"), Err(HashError::Prefix));
        check(&HASH.replace('$', "$$"), Err(HashError::Prefix));
        check(&HASH.replace("$2b$", "$3b$"), Err(HashError::Prefix));
        check(&HASH.replace("$2b$", "$apr"), Err(HashError::Prefix));
        for cost in ["03", "32", "xx", "4$"] {
            let text = HASH.replace("$04$", &format!("${cost}$"));
            check(&text, Err(HashError::Cost(cost.to_owned())));
        }
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
