//! What a push says of those that are to come after it.

use std::sync::Arc;

use wharf_model::GroupingKey;
use wharf_schedule::{LineError, Timing};
use wharf_store::{EXPECT_LABEL, Note};

use crate::refusal::Refusal;

/// The word for nothing.
const NONE: &str = "none";

/// What a push says of those that are to come after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// Nothing is expected, whatever pushes before have said.
    Nothing,
    /// They are expected by this timing: a line that [`Timing::from_line`] reads.
    Line(Arc<str>),
}

impl Said {
    /// From what stands in a header or a parameter: `none`, or a timing on one line.
    ///
    /// # Errors
    /// If it is neither, with the column of the mistake.
    pub fn read(text: &str) -> Result<Self, LineError> {
        if text.trim() == NONE {
            return Ok(Self::Nothing);
        }
        Ok(Self::Line(Timing::from_line(text)?.to_line().into()))
    }

    /// What is to stand in the group.
    pub fn note(&self) -> Note<'_> {
        Note::Expected(match self {
            Self::Nothing => None,
            Self::Line(line) => Some(line),
        })
    }

    /// A group must not have a label of the name that its expectation has.
    ///
    /// # Errors
    /// If it has.
    pub fn check_key(&self, key: &GroupingKey) -> Result<(), Refusal> {
        if key.labels().any(|(name, _)| name == EXPECT_LABEL) {
            let text = format!(
                "expected a group without the label `{EXPECT_LABEL}`, which says when its pushes are expected, found {key}"
            );
            return Err(Refusal::parameter(&text));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_push_says_when_the_next_one_is_expected_or_that_none_is() {
        assert_eq!(Said::read(" none "), Ok(Said::Nothing));
        assert_eq!(
            Said::read("grace=60m; every=24h"),
            Ok(Said::Line("every=1d; grace=1h".into()))
        );
        let error = Said::read("never").unwrap_err().to_string();
        assert_eq!(
            error,
            "column 1: expected every=, schedule=, timezone= or grace=, found `never`"
        );
        let key = |label| GroupingKey::new([("job", "a"), (label, "b")]).unwrap();
        assert!(Said::Nothing.check_key(&key("instance")).is_ok());
        assert!(Said::Nothing.check_key(&key("expect")).is_err());
    }
}
