//! The identity of a group.

use std::cmp::Ordering;
use std::fmt;

use crate::name;

/// The labels that name a group: `job`, never empty, and any others, sorted by name, each name once.
///
/// Valid by construction: names are those that the `UTF-8` or legacy rule of the caller allows and do not start
/// with `__`, values are any `UTF-8` text, also empty.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct GroupingKey {
    /// All names and values, one after the other.
    text: Box<str>,
    /// Where each of them ends in `text`.
    ends: Box<[u32]>,
}

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
    /// Names and values together pass 2 GiB.
    TooLarge,
}

impl fmt::Display for GroupingKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MissingJob => f.write_str("job name is required"),
            Self::ReservedName(name) => write!(f, "improper label name {name:?}"),
            Self::DuplicateName(name) => write!(f, "expected each label name once, found `{name}` twice"),
            Self::TooLarge => f.write_str("expected a grouping key of less than 2 GiB"),
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
        if let Some(pair) = labels.windows(2).find(|pair| matches!(pair, [a, b] if a.0 == b.0)) {
            return Err(GroupingKeyError::DuplicateName(pair[0].0.to_owned()));
        }
        if let Some((name, _)) = labels.iter().find(|(name, _)| name::is_reserved_label_name(name)) {
            return Err(GroupingKeyError::ReservedName((*name).to_owned()));
        }
        if !labels.iter().any(|(name, value)| *name == "job" && !value.is_empty()) {
            return Err(GroupingKeyError::MissingJob);
        }
        let mut text = String::with_capacity(labels.iter().map(|(name, value)| name.len() + value.len()).sum());
        let mut ends = Vec::with_capacity(labels.len() * 2);
        for part in labels.iter().flat_map(|(name, value)| [name, value]) {
            text.push_str(part);
            ends.push(u32::try_from(text.len()).map_err(|_| GroupingKeyError::TooLarge)?);
        }
        Ok(Self { text: text.into_boxed_str(), ends: ends.into_boxed_slice() })
    }

    /// The labels as name and value, sorted by name.
    pub fn labels(&self) -> impl ExactSizeIterator<Item = (&str, &str)> + Clone {
        (0..self.ends.len() / 2).map(|index| (self.part(index * 2), self.part(index * 2 + 1)))
    }

    /// The value of the label `name`.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.labels().find_map(|(label, value)| (label == name).then_some(value))
    }

    /// The job.
    pub fn job(&self) -> &str {
        self.value("job").unwrap_or_default()
    }

    fn part(&self, index: usize) -> &str {
        let end_of = |index: usize| self.ends.get(index).map_or(0, |end| *end as usize);
        let start = index.checked_sub(1).map_or(0, end_of);
        self.text.get(start..end_of(index)).unwrap_or_default()
    }
}

/// By label pairs: `{env="a",job="z"}` before `{job="a"}` before `{job="b"}`.
impl Ord for GroupingKey {
    fn cmp(&self, other: &Self) -> Ordering {
        self.labels().cmp(other.labels())
    }
}

impl PartialOrd for GroupingKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
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
        assert_eq!((key.job(), key.value("env"), key.value("x")), ("a", Some("dev"), None));
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
        let mut keys =
            [key(&[("job", "b")]), key(&[("job", "a")]), key(&[("job", "z"), ("env", "a")])];
        keys.sort();
        let texts: Vec<String> = keys.iter().map(ToString::to_string).collect();
        assert_eq!(texts, [r#"{env="a",job="z"}"#, r#"{job="a"}"#, r#"{job="b"}"#]);
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
