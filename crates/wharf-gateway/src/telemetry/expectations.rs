//! Which groups are overdue, and how many are expected.

use wharf_model::{Exposition, MetricType};
use wharf_store::{ReservedFamily, UnixNanos};

use super::assemble::{self, Assembly};
use super::family::{closed, own};

/// How many groups are expected at the moment of a scrape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpectationGauges {
    /// How many are.
    pub expected: u64,
    /// How many of them are overdue.
    pub overdue: u64,
    /// For how many there was no room.
    pub left_out: u64,
    /// How many there may be; none: any number.
    pub limit: Option<u64>,
    /// From when on what is overdue is known.
    pub known_since: UnixNanos,
    /// Whether families of these names were pushed before, and are not shown.
    pub hides: bool,
}

const DUE: ReservedFamily = closed(
    "wharf_group_due_timestamp_seconds",
    MetricType::Gauge,
    "Unix time at which the next push of this group is due.",
);
const OVERDUE: ReservedFamily = closed(
    "wharf_group_overdue",
    MetricType::Gauge,
    "1 if this group is expected to have been pushed to by now, grace included, and was not.",
);
const EXPECTED: ReservedFamily = own(
    "wharf_groups_expected",
    MetricType::Gauge,
    "Groups that are expected, by rules of the configuration file or by what pushes have said.",
);
const LEFT_OUT: ReservedFamily = own(
    "wharf_groups_expected_left_out",
    MetricType::Gauge,
    "Groups that are expected and not watched, for --expect.max are.",
);
const LIMIT: ReservedFamily = own(
    "wharf_groups_expected_limit",
    MetricType::Gauge,
    "Groups that may be expected, see --expect.max.",
);
const ALL_OVERDUE: ReservedFamily = own(
    "wharf_groups_overdue",
    MetricType::Gauge,
    "Groups that are overdue.",
);
const KNOWN_SINCE: ReservedFamily = own(
    "wharf_groups_overdue_known_since_timestamp_seconds",
    MetricType::Gauge,
    "Unix time from which on all groups that are overdue are known: the start and its grace.",
);

/// What pushes have said stands in the groups, see [`wharf_store::Note`].
const SAID: ReservedFamily = closed(
    wharf_store::EXPECTED,
    MetricType::Gauge,
    wharf_store::EXPECTED_HELP,
);
const PAUSED_UNTIL: ReservedFamily = closed(
    wharf_store::PAUSED_UNTIL,
    MetricType::Gauge,
    wharf_store::PAUSED_UNTIL_HELP,
);

/// All of them, sorted by name.
pub(super) static RESERVED: [ReservedFamily; 9] = [
    DUE,
    SAID,
    OVERDUE,
    PAUSED_UNTIL,
    EXPECTED,
    LEFT_OUT,
    LIMIT,
    ALL_OVERDUE,
    KNOWN_SINCE,
];

/// Those that stand in groups: there they are no names like any other, whether something is expected or not.
pub(super) static STANDING: [ReservedFamily; 2] = [SAID, PAUSED_UNTIL];

/// The names of those that say something of a group.
pub(super) const OF_GROUPS: [&str; 2] = [DUE.name, OVERDUE.name];

/// What is said of a group; its labels are those of the group.
pub(crate) fn gauges_of_group(is_overdue: bool, due: Option<UnixNanos>) -> Exposition<'static> {
    let mut assembly = Assembly::default();
    assembly.single(OVERDUE, assemble::truth(is_overdue));
    if let Some(due) = due {
        assembly.single(DUE, due.as_seconds());
    }
    assembly.finish()
}

/// Adds the families of all groups together.
pub(super) fn assemble(assembly: &mut Assembly, gauges: ExpectationGauges) {
    assembly.single(EXPECTED, assemble::float(gauges.expected));
    assembly.single(LEFT_OUT, assemble::float(gauges.left_out));
    if let Some(limit) = gauges.limit {
        assembly.single(LIMIT, assemble::float(limit));
    }
    assembly.single(ALL_OVERDUE, assemble::float(gauges.overdue));
    assembly.single(KNOWN_SINCE, gauges.known_since.as_seconds());
}
