//! Which groups a listing is about, beside the selectors: words, and how groups are.

use std::time::Duration;

use wharf_model::{Effort, Stopped};
use wharf_store::Candidate;

use super::shown::Look;
use super::state::{Condition, State};
use crate::request::words::Words;

/// To find out how a group is.
const STATE_STEPS: u64 = 1000;

/// What expires within that is expiring, unless the request says otherwise.
const EXPIRING_WITHIN: Duration = Duration::from_secs(3600);

/// What a group has to be to be listed.
#[derive(Debug)]
pub(super) struct Filter {
    pub(super) words: Words,
    /// One of these has to hold; any group passes if there are none.
    pub(super) states: Vec<State>,
    pub(super) expiring_within: Duration,
}

impl Default for Filter {
    fn default() -> Self {
        Self {
            words: Words::default(),
            states: Vec::new(),
            expiring_within: EXPIRING_WITHIN,
        }
    }
}

impl Filter {
    /// Whether every group passes.
    pub(super) fn is_empty(&self) -> bool {
        self.words.is_empty() && self.states.is_empty()
    }

    /// Whether a group passes.
    ///
    /// # Errors
    /// If the effort ends.
    pub(super) fn passes(
        &self,
        look: &Look<'_>,
        candidate: &Candidate<'_>,
        effort: &Effort,
    ) -> Result<bool, Stopped> {
        if !self.words.occur_in_key(candidate.key(), effort)? {
            return Ok(false);
        }
        if self.states.is_empty() {
            return Ok(true);
        }
        effort.spend(STATE_STEPS)?;
        let condition = Condition {
            push_time: candidate.push_time(),
            failure_time: candidate.failure_time(),
            lifetime: candidate.lifetime(),
        };
        let mut states = self.states.iter();
        let key = candidate.key();
        let is =
            |state: &State| condition.is(*state, look.moment, || look.pulse(key), || look.is_overdue(key));
        Ok(states.any(is))
    }
}

#[cfg(test)]
mod tests {
    use super::super::state::states;
    use super::*;

    #[test]
    fn states_are_known() {
        assert_eq!(
            states("stale,failed").ok().unwrap(),
            [State::Stale, State::Failed]
        );
        let error = states("failed,").err().unwrap();
        assert_eq!(
            error.text,
            "state: expected some of failed, overdue, stale, expiring, future, found ``"
        );
    }
}
