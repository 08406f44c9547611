//! How groups are: failed, overdue, stale, expiring, or ahead of their time.

use std::time::Duration;

use wharf_gateway::{Refusal, is_ahead};
use wharf_history::Pulse;
use wharf_store::{GroupInfo, Lifetime, UnixNanos};

use crate::request::query;

/// What a group may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Its last push was refused.
    Failed,
    /// It was expected, and did not come.
    Overdue,
    /// It is not pushed as it used to be.
    Stale,
    /// It expires soon.
    Expiring,
    /// It was pushed later than it is now: the clock was wrong then, or is now.
    Future,
}

pub(super) const STATES: [(&str, State); 5] = [
    ("failed", State::Failed),
    ("overdue", State::Overdue),
    ("stale", State::Stale),
    ("expiring", State::Expiring),
    ("future", State::Future),
];

/// States with commas between them.
pub(super) fn states(text: &str) -> Result<Vec<State>, Refusal> {
    let state = |name: &str| {
        let found = STATES.iter().find(|(known, _)| *known == name);
        found.map(|(_, state)| *state).ok_or_else(|| {
            Refusal::parameter(&format!(
                "state: expected some of failed, overdue, stale, expiring, future, found `{}`",
                query::shown(name)
            ))
        })
    };
    text.split(',').map(state).collect()
}

/// When groups are looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) now: UnixNanos,
    /// What expires within that is expiring.
    pub(super) expiring_within: Duration,
}

/// What is to be known of a group to tell its states.
#[derive(Debug, Clone, Copy)]
pub(super) struct Condition {
    pub(super) push_time: f64,
    pub(super) failure_time: f64,
    pub(super) lifetime: Option<Lifetime>,
}

impl Condition {
    pub(super) fn of(info: &GroupInfo) -> Self {
        Self {
            push_time: info.push_time,
            failure_time: info.failure_time,
            lifetime: info.lifetime,
        }
    }

    /// Whether a state holds. The pulse, and whether it is overdue, are asked for only if they matter.
    pub(super) fn is(
        &self,
        state: State,
        moment: Moment,
        pulse: impl FnOnce() -> Pulse,
        is_overdue: impl FnOnce() -> bool,
    ) -> bool {
        match state {
            State::Overdue => is_overdue(),
            // Most refusals move no time of the group, as the Pushgateway has it; but the push failed.
            State::Failed => {
                self.failure_time > self.push_time
                    || pulse().refused_at_ms.is_some_and(|at| {
                        // The order of pushes tells more than their times, which a clock may have told that was wrong.
                        // But the end of the history is lost if the process is killed: then the times are right.
                        self.is_ahead(moment.now) || seconds(at) >= (self.push_time * 1000.0).floor() / 1000.0
                    })
            }
            State::Stale => pulse().pace.is_some_and(|pace| {
                moment.now.as_seconds() - self.push_time > pace.stale_after().as_secs_f64()
            }),
            State::Expiring => self.lifetime.is_some_and(|lifetime| {
                let within = i64::try_from(moment.expiring_within.as_nanos()).unwrap_or(i64::MAX);
                lifetime.expires_at.0 <= moment.now.0.saturating_add(within)
            }),
            State::Future => self.is_ahead(moment.now),
        }
    }

    fn is_ahead(&self, now: UnixNanos) -> bool {
        is_ahead(self.push_time, now)
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a double keeps a millisecond for some hundred thousand years"
)]
pub(super) fn seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}
