//! What was done by those who may do more than push and read.

use std::collections::BTreeMap;

use wharf_model::MetricType;
use wharf_store::ReservedFamily;

use super::assemble::{self, Assembly};
use super::family::own;

pub(super) const ACTIONS: ReservedFamily = own(
    "wharf_audit_actions_total",
    MetricType::Counter,
    "Deletes, wipes, undos, imports, reloads and quits, by kind and outcome.",
);

/// How often what was done, with which outcome.
pub(super) type Actions = BTreeMap<(&'static str, &'static str), u64>;

/// Adds the family.
pub(super) fn assemble(assembly: &mut Assembly, actions: &Actions) {
    let metrics = actions.iter().map(|((kind, outcome), count)| {
        assembly.number(&[("kind", kind), ("outcome", outcome)], assemble::float(*count))
    });
    let metrics = metrics.collect();
    assembly.family(ACTIONS, metrics);
}
