//! What was expected of a group in the last weeks, and what came: from the rule that expects it now and the pushes that are
//! remembered.

use std::time::Duration;

use jiff::Timestamp;
use wharf_schedule::{Cadence, Occasion, Outcome, Timing};
use wharf_store::UnixNanos;

use super::book::{Expected, State};
use super::{ours, theirs};

const MILLISECOND: i64 = 1_000_000;

/// What was expected of a group, and what came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Past {
    /// From when on that is known.
    pub since: UnixNanos,
    /// In the order of time.
    pub occasions: Vec<Occasion>,
}

impl Past {
    /// What was expected within so long before now, by the times of the stored pushes that are remembered, to the millisecond.
    pub(crate) fn of(
        (expected, timing): (&Expected, &Timing),
        remembered: impl Iterator<Item = UnixNanos>,
        within: Duration,
        now: UnixNanos,
    ) -> Self {
        let mut came: Vec<UnixNanos> = remembered.filter(|at| *at <= now).collect();
        // The history may be off, or lost, and the time of the last push is stored with the group.
        let is_forgotten =
            |last: &UnixNanos| came.iter().all(|at| at.0.saturating_add(MILLISECOND) <= last.0);
        came.extend(expected.last.filter(is_forgotten));
        came.sort_unstable();
        came.dedup();
        let within = i64::try_from(within.as_nanos()).unwrap_or(i64::MAX);
        let begin = UnixNanos(now.0.saturating_sub(within));
        // What came last before that time says what was due first after it.
        let before = came.iter().rev().find(|at| **at <= begin);
        let from = before.or(came.first()).copied().unwrap_or(expected.since);
        let mut occasions = occasions(timing, near(timing, from, begin), &came, now);
        occasions.retain(|occasion| is_since(occasion, begin));
        if let Some(until) = expected.paused_until {
            forgive(&mut occasions, until);
        }
        // After a start it is waited for longer.
        if expected.state(now) == State::Due
            && let Some(last) = occasions.last_mut().filter(|last| last.came.is_none())
        {
            last.outcome = Outcome::Due;
        }
        Self {
            since: from.max(begin),
            occasions,
        }
    }
}

/// What counts as the last time that something came before `begin`, if it came at `from`, or is expected since then: that may be
/// long ago.
fn near(timing: &Timing, from: UnixNanos, begin: UnixNanos) -> UnixNanos {
    if from >= begin {
        return from;
    }
    match timing.cadence() {
        Cadence::At(_) => begin,
        Cadence::Every(interval) => {
            let interval = i64::try_from(interval.as_nanos()).unwrap_or(i64::MAX);
            let since = begin.0.saturating_sub(from.0).checked_rem(interval).unwrap_or(0);
            UnixNanos(begin.0.saturating_sub(since))
        }
    }
}

fn occasions(timing: &Timing, from: UnixNanos, came: &[UnixNanos], now: UnixNanos) -> Vec<Occasion> {
    let (Some(from), Some(now)) = (theirs(from), theirs(now)) else {
        return Vec::new();
    };
    let came: Vec<Timestamp> = came.iter().copied().filter_map(theirs).collect();
    let mut occasions = timing.occasions(from, &came, now);
    if came.contains(&from) {
        let first = Occasion {
            due: None,
            came: Some(from),
            outcome: Outcome::Extra,
        };
        occasions.insert(0, first);
    }
    occasions
}

fn is_since(occasion: &Occasion, begin: UnixNanos) -> bool {
    let at = occasion.came.max(occasion.due);
    at.and_then(ours).is_some_and(|at| at >= begin)
}

/// What was due in a pause was not expected.
fn forgive(occasions: &mut Vec<Occasion>, until: UnixNanos) {
    let was_paused = |occasion: &Occasion| occasion.due.and_then(ours).is_some_and(|due| due < until);
    occasions.retain(|occasion| occasion.came.is_some() || !was_paused(occasion));
    for occasion in occasions.iter_mut().filter(|occasion| was_paused(occasion)) {
        occasion.outcome = Outcome::Came;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expectations::Origin;

    const HOUR: i64 = 3600 * 1_000_000_000;
    const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);

    fn hour(hour: i64) -> UnixNanos {
        UnixNanos(1_796_083_200_000_000_000 + hour * HOUR)
    }

    fn expected(last: Option<i64>) -> Expected {
        Expected {
            origin: Origin::Rule(0),
            last: last.map(hour),
            since: hour(0),
            due: None,
            overdue_at: None,
            paused_until: None,
            is_overdue: false,
        }
    }

    /// The outcomes of a group that is expected every 24 hours, with a grace of one.
    fn outcomes(expected: &Expected, pushes: &[i64], now: i64) -> Vec<(Outcome, Option<i64>, Option<i64>)> {
        let timing = Timing::parse(Some("24h"), None, None, Some("1h")).unwrap();
        let remembered = pushes.iter().copied().map(hour);
        let past = Past::of((expected, &timing), remembered, WEEK, hour(now));
        let hours = |time: Option<Timestamp>| Some((ours(time?)?.0 - hour(0).0) / HOUR);
        let occasions = past.occasions.iter();
        occasions
            .map(|occasion| (occasion.outcome, hours(occasion.due), hours(occasion.came)))
            .collect()
    }

    #[test]
    fn the_first_push_that_is_remembered_was_expected_by_nobody() {
        assert_eq!(
            outcomes(&expected(Some(24)), &[0, 24], 60),
            [
                (Outcome::Extra, None, Some(0)),
                (Outcome::Came, Some(24), Some(24)),
                (Outcome::Missed, Some(48), None),
            ]
        );
    }

    #[test]
    fn without_a_history_the_last_push_is_known() {
        assert_eq!(
            outcomes(&expected(Some(0)), &[], 26),
            [(Outcome::Extra, None, Some(0)), (Outcome::Missed, Some(24), None)]
        );
        // The history has milliseconds only, and of a push that is ahead nothing is said.
        let mut exact = expected(Some(0));
        exact.last = Some(UnixNanos(hour(0).0 + 999_999));
        assert_eq!(outcomes(&exact, &[0, 30], 1), [(Outcome::Extra, None, Some(0))]);
    }

    #[test]
    fn what_never_came_was_expected_since_then() {
        assert_eq!(
            outcomes(&expected(None), &[], 50),
            [
                (Outcome::Missed, Some(24), None),
                (Outcome::Missed, Some(48), None)
            ]
        );
    }

    #[test]
    fn what_came_long_ago_says_at_which_time_of_the_day_the_next_is_due() {
        let ten_years = 3_652 * 24;
        let told = outcomes(&expected(Some(0)), &[], ten_years + 30);
        let missed = |day: i64| (Outcome::Missed, Some(ten_years + 24 * day), None);
        assert_eq!(told, [-5, -4, -3, -2, -1, 0, 1].map(missed));
        assert_eq!(told, outcomes(&expected(None), &[], ten_years + 30));
    }

    #[test]
    fn what_was_due_in_a_pause_is_not_missed() {
        let mut expected = expected(Some(80));
        expected.paused_until = Some(hour(75));
        assert_eq!(
            outcomes(&expected, &[0, 80], 107),
            [
                (Outcome::Extra, None, Some(0)),
                (Outcome::Came, Some(72), Some(80)),
                (Outcome::Missed, Some(104), None)
            ]
        );
    }

    #[test]
    fn in_the_grace_of_a_start_it_is_still_waited_for() {
        let mut expected = expected(Some(0));
        expected.due = Some(hour(24));
        assert_eq!(outcomes(&expected, &[0], 26)[1].0, Outcome::Due);
        expected.is_overdue = true;
        assert_eq!(outcomes(&expected, &[0], 26)[1].0, Outcome::Missed);
    }

    #[test]
    fn only_what_is_new_enough_is_told_and_what_came_before_counts() {
        let pushes: Vec<i64> = (0..20).map(|day| day * 24).collect();
        let told = outcomes(&expected(Some(19 * 24)), &pushes, 19 * 24 + 1);
        assert_eq!(told.len(), 7);
        assert_eq!(told[0], (Outcome::Came, Some(13 * 24), Some(13 * 24)));
    }
}
