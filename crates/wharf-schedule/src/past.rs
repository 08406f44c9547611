//! What was expected in the past, and what came of it.

use std::time::Duration;

use jiff::Timestamp;

use crate::timing::{Cadence, Timing, later};

/// What was expected at one time, or what came at one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Occasion {
    /// When it was due; none if something came that was not expected then.
    pub due: Option<Timestamp>,
    /// When it came.
    pub came: Option<Timestamp>,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of an expectation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It came before it was overdue.
    Came,
    /// It came, but was overdue before.
    Late,
    /// It has not come, and the next one was due, or nobody waits for it any longer.
    Missed,
    /// It has not come, and is waited for.
    Due,
    /// It came, and was not expected then: beside a schedule, or as the first one.
    Extra,
}

impl Outcome {
    /// The word of the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Came => "came",
            Self::Late => "late",
            Self::Missed => "missed",
            Self::Due => "due",
            Self::Extra => "extra",
        }
    }
}

/// Of a gap so many missed occasions are told one by one.
const TOLD_ONE_BY_ONE: usize = 24;
/// After that, one in six hours, which is more than so long after the one before: enough to see on which days nothing came.
const TOLD_EVERY: Duration = Duration::from_secs(6 * 3600 - 1);
/// The newest of so many are told.
const MOST: usize = 500;

impl Timing {
    /// What was expected after `from`, when it came or began to be expected, up to now, by what came since: times in their order.
    /// What was missed counts as if it had come when it was due, so that each day has its own.
    pub fn occasions(&self, from: Timestamp, came: &[Timestamp], now: Timestamp) -> Vec<Occasion> {
        let mut occasions = Vec::new();
        let mut reference = from;
        for came in came.iter().copied().filter(|came| *came > from) {
            occasions.extend(self.gap(&mut reference, came));
            occasions.push(self.arrival(reference, came));
            reference = came;
        }
        occasions.extend(self.gap(&mut reference, now));
        if let Some(due) = self.due_after(reference).filter(|due| *due <= now) {
            let is_overdue = self.overdue_after(due).is_some_and(|at| at <= now);
            let outcome = if is_overdue { Outcome::Missed } else { Outcome::Due };
            occasions.push(unmet(due, outcome));
        }
        occasions.drain(..occasions.len().saturating_sub(MOST));
        occasions
    }

    /// What was missed before something came at this time, so much before it that the next one was due too. `reference` becomes
    /// the last of these.
    fn gap(&self, reference: &mut Timestamp, came: Timestamp) -> Vec<Occasion> {
        let mut missed = Vec::new();
        while let Some(due) = self.due_after(*reference)
            && self.overdue_after(due).is_some_and(|at| at <= came)
            && self.due_after(due).is_some_and(|next| next <= came)
        {
            missed.push(unmet(due, Outcome::Missed));
            *reference = due;
            // Where much is missed, some of it is passed over, but not what may have come at last.
            if missed.len() >= TOLD_ONE_BY_ONE
                && let Some(later) = later(due, TOLD_EVERY)
                && self.due_after(later).is_some_and(|next| next <= came)
            {
                *reference = later;
            } else if missed.len() >= TOLD_ONE_BY_ONE {
                break;
            }
        }
        missed
    }

    /// What came, when it was expected since `reference`.
    fn arrival(&self, reference: Timestamp, came: Timestamp) -> Occasion {
        let due = self.due_after(reference);
        let is_early = due.is_none_or(|due| came < due);
        let outcome = match self.cadence() {
            Cadence::At(_) if is_early => Outcome::Extra,
            _ if is_early || due == Some(came) => Outcome::Came,
            _ => {
                let overdue_at = due.and_then(|due| self.overdue_after(due));
                if overdue_at.is_none_or(|at| came < at) {
                    Outcome::Came
                } else {
                    Outcome::Late
                }
            }
        };
        Occasion {
            due: due.filter(|_| outcome != Outcome::Extra),
            came: Some(came),
            outcome,
        }
    }
}

fn unmet(due: Timestamp, outcome: Outcome) -> Occasion {
    Occasion {
        due: Some(due),
        came: None,
        outcome,
    }
}

#[cfg(test)]
mod tests;
