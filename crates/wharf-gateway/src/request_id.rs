//! What a request is called: its sender reads it in the answer, and operators find it in the log.

use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Longest name that a client may give its request.
const MAX_BYTES: usize = 64;

/// The name of one request. It is written out where somebody reads it, and costs next to nothing before that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(Id);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Id {
    Made(u64),
    Given(Arc<str>),
}

impl RequestId {
    /// The name that a client has given: at most 64 visible ASCII characters, so that it fits into a header and a log as it is.
    /// None if it is something else.
    pub fn given(name: &[u8]) -> Option<Self> {
        let fits = (1..=MAX_BYTES).contains(&name.len()) && name.iter().all(u8::is_ascii_graphic);
        let name = str::from_utf8(name).ok().filter(|_| fits)?;
        Some(Self(Id::Given(name.into())))
    }
}

/// What was made here is 16 hexadecimal digits.
impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Id::Made(number) => write!(f, "{number:016x}"),
            Id::Given(name) => f.write_str(name),
        }
    }
}

/// Makes names for requests whose clients give none. No two of a process are the same, and hardly any of two processes.
#[derive(Debug)]
pub struct RequestIds {
    next: AtomicU64,
    salt: u64,
}

impl Default for RequestIds {
    fn default() -> Self {
        Self {
            next: AtomicU64::new(random_number()),
            salt: random_number(),
        }
    }
}

impl RequestIds {
    /// Another name.
    pub fn make(&self) -> RequestId {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        RequestId(Id::Made(scattered(number ^ self.salt)))
    }
}

/// A number that is hardly ever that of another process. Nothing secret may depend on it: it is one that the standard library has for
/// its tables.
pub fn random_number() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// Another number for each number, so that names of requests that came one after the other look different. By Sebastiano Vigna's
/// splitmix64.
pub(crate) fn scattered(mut number: u64) -> u64 {
    number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_name_that_is_given_is_short_and_visible() {
        let given = |name: &str| RequestId::given(name.as_bytes()).map(|id| id.to_string());
        for name in ["a", "9f86d081-884c-4d63", &"x".repeat(64), "\"{};=\\"] {
            assert_eq!(given(name).as_deref(), Some(name));
        }
        for name in ["", " ", "a b", "a\tb", "a\nb", "ä", "\u{7f}", &"x".repeat(65)] {
            assert_eq!(given(name), None, "{name:?}");
        }
        assert_eq!(RequestId::given(b"\xff"), None);
    }

    #[test]
    fn names_that_are_made_are_all_different_and_of_one_length() {
        let ids = RequestIds::default();
        let names: HashSet<String> = (0..10_000).map(|_| ids.make().to_string()).collect();
        assert_eq!(names.len(), 10_000);
        assert!(names.iter().all(|name| name.len() == 16));
        assert!(!names.contains(&RequestIds::default().make().to_string()));
    }
}
