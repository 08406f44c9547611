//! What was done by those who may do more than push and read.

use std::collections::BTreeMap;
use std::sync::Mutex;

use wharf_model::MetricType;
use wharf_store::ReservedFamily;

use super::assemble::{self, Assembly};
use super::family::own;
use crate::lock::lock;

pub(super) const ACTIONS: ReservedFamily = own(
    "wharf_audit_actions_total",
    MetricType::Counter,
    "Deletes, wipes, undos, imports, reloads and quits, by kind and outcome.",
);

/// How often what was done, with which outcome.
#[derive(Debug, Default)]
pub(super) struct Actions(Mutex<BTreeMap<(&'static str, &'static str), u64>>);

impl Actions {
    pub(super) fn add(&self, kind: &'static str, outcome: &'static str) {
        *lock(&self.0).entry((kind, outcome)).or_default() += 1;
    }

    /// Adds the family.
    pub(super) fn assemble(&self, assembly: &mut Assembly) {
        let actions = lock(&self.0);
        let metrics = actions.iter().map(|((kind, outcome), count)| {
            assembly.number(&[("kind", kind), ("outcome", outcome)], assemble::float(*count))
        });
        let metrics = metrics.collect();
        assembly.family(ACTIONS, metrics);
    }
}
