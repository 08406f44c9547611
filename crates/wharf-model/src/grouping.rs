//! The identity of a group.

use std::fmt;
use std::sync::Arc;

use crate::name;

/// The labels that name a group: `job`, never empty, and any others, sorted by name, each name once.
///
/// Valid by construction: names are those that the caller's name rule allows and do not start with `__`, values
/// are any UTF-8 text, also empty.
///
/// Kept as one shared string of bytes, `name 0xFF value` joined by `0xFF`, a byte that no UTF-8 text contains:
/// cheap to clone, and equality, hash and order are those of the bytes. It is also the key under which the
/// original Pushgateway files a group in its state file.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupingKey(Arc<[u8]>);

const SEPARATOR: u8 = 0xFF;

/// Why label pairs are no grouping key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum GroupingKeyError {
    /// There is no `job` label, or it is empty.
    MissingJob,
    /// A label name is empty or starts with `__`.
    ReservedName(String),
    /// A label name stands twice.
    DuplicateName(String),
    /// The bytes are not those of a key.
    Malformed,
}

impl fmt::Display for GroupingKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MissingJob => f.write_str("job name is required"),
            Self::ReservedName(name) => write!(f, "improper label name {name:?}"),
            Self::Malformed => f.write_str("expected the bytes of a grouping key"),
            Self::DuplicateName(name) => write!(f, "expected each label name once, found `{name}` twice"),
        }
    }
}

impl std::error::Error for GroupingKeyError {}

impl GroupingKey {
    /// Builds a key from label pairs in any order; each name may stand once.
    ///
    /// # Errors
    /// If `job` is missing or empty, or a name is reserved or stands twice.
    pub fn new<'a>(labels: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, GroupingKeyError> {
        let mut labels: Vec<(&str, &str)> = labels.into_iter().collect();
        labels.sort_unstable();
        if let Some(pair) = labels
            .windows(2)
            .find(|pair| matches!(pair, [a, b] if a.0 == b.0))
        {
            return Err(GroupingKeyError::DuplicateName(pair[0].0.to_owned()));
        }
        if let Some((name, _)) = labels.iter().find(|(name, _)| name::is_reserved_label_name(name)) {
            return Err(GroupingKeyError::ReservedName((*name).to_owned()));
        }
        if !labels
            .iter()
            .any(|(name, value)| *name == "job" && !value.is_empty())
        {
            return Err(GroupingKeyError::MissingJob);
        }
        let mut bytes = Vec::with_capacity(
            labels
                .iter()
                .map(|(name, value)| name.len() + value.len() + 2)
                .sum(),
        );
        for (name, value) in labels {
            if !bytes.is_empty() {
                bytes.push(SEPARATOR);
            }
            bytes.extend_from_slice(name.as_bytes());
            bytes.push(SEPARATOR);
            bytes.extend_from_slice(value.as_bytes());
        }
        Ok(Self(bytes.into()))
    }

    /// The key that [`Self::as_bytes`] gave.
    ///
    /// # Errors
    /// If the bytes are not those of a key: not UTF-8 between the separators, not sorted, and the like.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, GroupingKeyError> {
        let parts = bytes.split(|byte| *byte == SEPARATOR).map(std::str::from_utf8);
        let parts: Vec<&str> = parts
            .collect::<Result<_, _>>()
            .map_err(|_| GroupingKeyError::Malformed)?;
        let pairs = parts.chunks(2).map(|pair| match pair {
            [name, value] => Ok((*name, *value)),
            _ => Err(GroupingKeyError::Malformed),
        });
        let key = Self::new(pairs.collect::<Result<Vec<_>, _>>()?)?;
        if key.as_bytes() == bytes {
            Ok(key)
        } else {
            Err(GroupingKeyError::Malformed)
        }
    }

    /// The labels as name and value, sorted by name.
    pub fn labels(&self) -> impl Iterator<Item = (&str, &str)> + Clone {
        // Built from UTF-8 only, see `new`.
        let text = |part| std::str::from_utf8(part).unwrap_or_default();
        self.label_bytes()
            .map(move |(name, value)| (text(name), text(value)))
    }

    /// The labels as bytes: for code that only measures or compares them on the way of every push. [`Self::labels`]
    /// checks each time that they are text.
    pub fn label_bytes(&self) -> impl Iterator<Item = (&[u8], &[u8])> + Clone {
        let mut parts = self.0.split(|byte| *byte == SEPARATOR);
        std::iter::from_fn(move || Some((parts.next()?, parts.next()?)))
    }

    /// The bytes described at the type: `name 0xFF value`, joined by `0xFF`.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The value of the label `name`.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.labels()
            .find_map(|(label, value)| (label == name).then_some(value))
    }

    /// The labels for logs and error texts, where nobody wants to read all of a long key: the first 512 bytes.
    pub fn brief(&self) -> String {
        const MAX_BYTES: usize = 512;
        let mut text = self.to_string();
        if text.len() > MAX_BYTES {
            let end = (0..=MAX_BYTES).rev().find(|end| text.is_char_boundary(*end));
            text.truncate(end.unwrap_or(0));
            text.push('…');
        }
        text
    }

    /// The job.
    pub fn job(&self) -> &str {
        self.value("job").unwrap_or_default()
    }
}

/// In the notation of selectors: `{instance="i",job="a"}`.
impl fmt::Display for GroupingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (index, (name, value)) in self.labels().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{name}={value:?}")?;
        }
        f.write_str("}")
    }
}

impl fmt::Debug for GroupingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_of_labels_does_not_matter() {
        let key = GroupingKey::new([("job", "a"), ("env", "dev")]).unwrap();
        assert_eq!(key, GroupingKey::new([("env", "dev"), ("job", "a")]).unwrap());
        assert_eq!(key.to_string(), r#"{env="dev",job="a"}"#);
        assert_eq!(
            (key.job(), key.value("env"), key.value("x")),
            ("a", Some("dev"), None)
        );
    }

    #[test]
    fn keys_whose_texts_run_together_differ() {
        let a = GroupingKey::new([("job", "ab"), ("x", "c")]).unwrap();
        let b = GroupingKey::new([("job", "a"), ("bx", "c")]);
        assert_ne!(Some(a), b.ok());
    }

    #[test]
    fn keys_sort_by_label_pairs() {
        let key = |labels: &[(&'static str, &'static str)]| GroupingKey::new(labels.iter().copied()).unwrap();
        let mut keys = [
            key(&[("job", "b")]),
            key(&[("job", "a")]),
            key(&[("job", "z"), ("env", "a")]),
        ];
        keys.sort();
        let texts: Vec<String> = keys.iter().map(ToString::to_string).collect();
        assert_eq!(texts, [r#"{env="a",job="z"}"#, r#"{job="a"}"#, r#"{job="b"}"#]);
    }

    #[test]
    fn a_key_is_read_back_from_its_bytes_and_from_no_others() {
        let key = GroupingKey::new([("job", "a"), ("env", "")]).unwrap();
        assert_eq!(GroupingKey::from_bytes(key.as_bytes()), Ok(key));
        for bytes in [
            &b""[..],
            b"job",
            b"job\xffa\xff",
            b"job\xffa\xffenv\xffb",
            b"job\xff\xfe",
            b"x\xffy",
        ] {
            assert!(GroupingKey::from_bytes(bytes).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn a_key_needs_a_job_and_proper_names() {
        assert_eq!(GroupingKey::new([("job", "")]), Err(GroupingKeyError::MissingJob));
        assert_eq!(GroupingKey::new([("x", "y")]), Err(GroupingKeyError::MissingJob));
        let reserved = GroupingKey::new([("job", "a"), ("__x", "y")]);
        assert_eq!(reserved, Err(GroupingKeyError::ReservedName("__x".to_owned())));
        let twice = GroupingKey::new([("job", "a"), ("x", "1"), ("x", "2")]);
        assert_eq!(twice, Err(GroupingKeyError::DuplicateName("x".to_owned())));
    }
}
