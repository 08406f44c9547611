//! What is wrong with a state file.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

/// The bytes are not a state file of the Pushgateway, or a damaged one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateFileError {
    offset: usize,
    expected: Cow<'static, str>,
    found: Cow<'static, str>,
}

impl StateFileError {
    pub(super) fn new(
        offset: usize,
        expected: impl Into<Cow<'static, str>>,
        found: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            offset,
            expected: expected.into(),
            found: found.into(),
        }
    }

    /// How many bytes into the file the problem lies.
    pub fn offset(&self) -> usize {
        self.offset
    }
}

impl fmt::Display for StateFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            offset,
            expected,
            found,
        } = self;
        write!(
            f,
            "not a state file of the Pushgateway, or a damaged one: byte {offset}: "
        )?;
        write!(f, "expected {expected}, found {found}")
    }
}

impl Error for StateFileError {}
