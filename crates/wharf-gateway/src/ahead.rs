//! Groups that were pushed later than it is now, by the clock of this machine: it was ahead, or has been set back.
//!
//! They would never be overdue, and would live for as long as the clock was ahead. So their time to live counts from
//! now, and they are told: in the log, among the problems of the gateway, and each by its state.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use wharf_model::Effort;
use wharf_store::{Candidate, Listing, SortBy, Store, UnixNanos};

use crate::time_text::rfc3339;

/// A push time that is ahead by no more than this is none of the future: clocks are corrected by some seconds all the time.
const TOLERANCE: Duration = Duration::from_secs(60);
/// A clock that goes back by so much has been set back.
const SET_BACK: Duration = Duration::from_secs(1);
/// How often the groups are looked at while there are some of the future. That costs a look at every group.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Whether a push time, in seconds, is later than it can be.
pub fn is_ahead(push_time: f64, now: UnixNanos) -> bool {
    push_time > now.as_seconds() + TOLERANCE.as_secs_f64()
}

/// What is known of groups of the future. They come only by a start or by a clock that is set back, so that is when they
/// are looked for.
#[derive(Debug, Default)]
pub(crate) struct Ahead(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    groups: u64,
    /// When the clock was looked at last.
    seen: Option<UnixNanos>,
    /// When the groups were looked at last.
    looked: Option<UnixNanos>,
    /// Whether lifetimes are to be counted from now, which the disk did not allow so far.
    is_due: bool,
}

impl Ahead {
    /// How many groups there are of the future.
    pub(crate) fn groups(&self) -> u64 {
        self.known().groups
    }

    /// Looks at the clock, and at the groups if there is a reason. To be called often, from one thread.
    pub(crate) fn watch(&self, store: &Store, now: UnixNanos) {
        let (is_due, is_new) = {
            let mut known = self.known();
            let is_new = known.seen.is_none_or(|seen| later(now, SET_BACK) < seen);
            known.seen = Some(now);
            known.is_due |= is_new;
            let is_old = known.looked.is_none_or(|looked| now >= later(looked, LOOK_EVERY));
            if !is_new && !(is_old && (known.groups > 0 || known.is_due)) {
                return;
            }
            known.looked = Some(now);
            (known.is_due, is_new)
        };
        let (groups, latest) = look(store, now);
        let reined_in = if is_due {
            store.live_from(now, TOLERANCE)
        } else {
            Ok(0)
        };
        if is_new && groups > 0 {
            let (latest, now) = (rfc3339(latest), rfc3339(now));
            tracing::warn!(
                groups,
                latest,
                now,
                "groups were pushed in the future by this clock: it was ahead, or has been set back; their time to live counts from now"
            );
        }
        let mut known = self.known();
        known.groups = groups;
        match reined_in {
            Ok(_) => known.is_due = false,
            Err(error) => {
                tracing::debug!(err = %error, "the time to live of groups of the future cannot be counted from now yet");
            }
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many groups of the future there are, and when the last one was pushed.
fn look(store: &Store, now: UnixNanos) -> (u64, UnixNanos) {
    let last_first = Listing {
        sort: SortBy::PushTime,
        descending: true,
        limit: 1,
        ..Listing::default()
    };
    let passes = |group: &Candidate<'_>| Ok(is_ahead(group.push_time(), now));
    // Nothing ends it.
    let page = store.list_where(&last_first, &passes, &Effort::unlimited());
    let page = page.unwrap_or_default();
    let latest = page.groups.first().map_or(0.0, |group| group.push_time);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the nearest time that there is will do for the log"
    )]
    let latest = UnixNanos((latest * 1e9) as i64);
    (page.total.unwrap_or_default() as u64, latest)
}

fn later(time: UnixNanos, by: Duration) -> UnixNanos {
    let by = i64::try_from(by.as_nanos()).unwrap_or(i64::MAX);
    UnixNanos(time.0.saturating_add(by))
}
