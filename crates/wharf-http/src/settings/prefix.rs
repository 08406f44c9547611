//! Under which path the routes lie, and under which users see them.

/// A path prefix: empty, or with a leading slash and none at the end.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Prefix(String);

impl Prefix {
    /// The prefix that `path` means: `/` is none, a leading slash is added, one trailing slash is taken away.
    pub fn new(path: &str) -> Self {
        if path.is_empty() || path == "/" {
            return Self::default();
        }
        let slash = if path.starts_with('/') { "" } else { "/" };
        Self(format!("{slash}{}", path.strip_suffix('/').unwrap_or(path)))
    }

    /// The text, to be put before a path with a leading slash.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_have_a_leading_slash_only() {
        let cases = [
            ("", ""),
            ("/", ""),
            ("foo", "/foo"),
            ("foo/", "/foo"),
            ("/foo", "/foo"),
            ("/foo/", "/foo"),
        ];
        for (path, prefix) in cases {
            assert_eq!(Prefix::new(path).as_str(), prefix, "{path}");
        }
    }

    #[test]
    fn only_one_slash_is_taken_away() {
        assert_eq!(Prefix::new("//a").as_str(), "//a");
        assert_eq!(Prefix::new("/a//").as_str(), "/a/");
        assert!(Prefix::new("/").is_empty() && !Prefix::new("//").is_empty());
    }
}
