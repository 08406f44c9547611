//! The families that stand in a group beside what is pushed: its times, and what is expected of it.
//!
//! They are families as all others: in scrapes, records, backups and values that replicas share. But a push that replaces the group
//! leaves them, the end of its time leaves them where the push times stay, and nobody removes them by their names. The whole group
//! takes them along when it is deleted.

use crate::{PUSH_FAILURE_TIME, PUSH_TIME, UnixNanos};

/// The family that says when pushes of a group are expected, as one of them has said: in its label [`EXPECT_LABEL`].
pub const EXPECTED: &str = "wharf_group_expected_info";
/// The label of [`EXPECTED`] that says when.
pub const EXPECT_LABEL: &str = "expect";
/// The family that says until when nothing is expected of a group.
pub const PAUSED_UNTIL: &str = "wharf_group_paused_until_timestamp_seconds";

/// The help of [`EXPECTED`].
pub const EXPECTED_HELP: &str = "When pushes of this group are expected, as one of them has said.";
/// The help of [`PAUSED_UNTIL`].
pub const PAUSED_UNTIL_HELP: &str = "Unix time until which no push of this group is expected.";

/// All of them, sorted by name.
pub(crate) const STANDING: [&str; 4] = [PUSH_FAILURE_TIME, PUSH_TIME, EXPECTED, PAUSED_UNTIL];

/// Whether a family stands beside what is pushed: no push brings it as one of its metrics.
pub fn is_standing(name: &str) -> bool {
    STANDING.contains(&name)
}

/// What is to stand in a group about the pushes that are expected of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Note<'n> {
    /// When pushes are expected, in words that the store knows nothing of; none: nobody has said so.
    Expected(Option<&'n str>),
    /// Until when none is.
    PausedUntil(UnixNanos),
}
