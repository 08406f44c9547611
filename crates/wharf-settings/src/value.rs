//! What is wrong with a value.

use std::fmt;

/// A value that its flag cannot take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValueError(String);

impl ValueError {
    /// An error with this text, which names what was expected and what was found.
    pub fn new(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ValueError {}
