//! Counts by one label.

use std::collections::BTreeMap;
use std::sync::Mutex;

use wharf_store::ReservedFamily;

use super::assemble::{self, Assembly};
use crate::lock::lock;

/// How often something was, for each value of a label. There must be few different values: each is a series for ever.
#[derive(Debug)]
pub(super) struct Counts<V>(Mutex<BTreeMap<V, u64>>);

impl<V> Default for Counts<V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<V: Ord> Counts<V> {
    pub(super) fn add(&self, value: V) {
        *lock(&self.0).entry(value).or_default() += 1;
    }

    /// Adds a family with a metric for each value that there was.
    pub(super) fn assemble(
        &self,
        assembly: &mut Assembly,
        family: ReservedFamily,
        (label, text): (&str, impl Fn(&V) -> &str),
    ) {
        let counts = lock(&self.0);
        let metrics = counts
            .iter()
            .map(|(value, count)| assembly.number(&[(label, text(value))], assemble::float(*count)));
        let metrics = metrics.collect();
        assembly.family(family, metrics);
    }
}
