//! Which groups are expected to be pushed to, when, and which are overdue.
//!
//! ```text
//! rules (configuration file) ------------\
//! what stands in groups: said by pushes, |
//! pauses, times of the last pushes ------+--> book: due, overdue, of each group --> shown: two gauges of each
//! clock ---------------------------------/
//! ```
//!
//! What is due is not stored: it follows from the rules, from what stands in each group and from the time of its last push, which
//! every replica has and every start finds again. What is shown stands in a store of its own, which a scrape reads beside the other one: so the
//! gauges of a group cost what two pushed ones would, and only groups whose state changes are rendered anew.

mod basis;
mod book;
mod overdue;
mod past;
mod rules;
mod said;
mod watch;

pub use self::basis::Origin;
pub use self::book::{Expected, State};
pub(crate) use self::overdue::{OverdueChange, OverdueGroup};
pub use self::past::Past;
pub use self::rules::{ExpectRule, ExpectRules};
pub use self::said::Said;
pub(crate) use self::watch::{Expectations, Listed};

use jiff::Timestamp;
use wharf_schedule::Timing;
use wharf_store::UnixNanos;

/// When something is due that came last at this time, by our times.
fn due_after(timing: &Timing, reference: UnixNanos) -> Option<UnixNanos> {
    ours(timing.due_after(theirs(reference)?)?)
}

fn overdue_after(timing: &Timing, due: UnixNanos) -> Option<UnixNanos> {
    ours(timing.overdue_after(theirs(due)?)?)
}

fn theirs(time: UnixNanos) -> Option<Timestamp> {
    Timestamp::from_nanosecond(i128::from(time.0)).ok()
}

/// Our times end in the year 2262.
fn ours(time: Timestamp) -> Option<UnixNanos> {
    i64::try_from(time.as_nanosecond()).ok().map(UnixNanos)
}
