//! When the metrics of a group were created, where that came as a family of its own.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};

use wharf_model::Value;
use wharf_store::FragmentView;

use crate::metrics::{Whole, metrics_of_fragment};

/// Hashes of label sets, whose key nobody knows: of a million two are the same once in ten million scrapes.
#[derive(Default)]
pub(crate) struct LabelHasher(RandomState);

impl LabelHasher {
    pub(crate) fn hash<'l>(&self, labels: impl Iterator<Item = (&'l str, &'l str)>) -> u64 {
        let mut hasher = self.0.build_hasher();
        labels.for_each(|label| label.hash(&mut hasher));
        hasher.finish()
    }
}

/// Seconds, by the hashes of labels.
#[derive(Default)]
pub(crate) struct Creations {
    hasher: LabelHasher,
    seconds: HashMap<u64, f64>,
}

impl Creations {
    /// Of one group.
    pub(crate) fn of(created: &FragmentView<'_>) -> Self {
        let mut creations = Self::default();
        for metrics in metrics_of_fragment(created, Whole::SMALL) {
            metrics.read(|exposition, family| {
                for metric in &family.metrics {
                    if let Value::Number(seconds) = metric.value {
                        let labels = creations.hasher.hash(exposition.labels(metric.labels));
                        creations.seconds.insert(labels, seconds);
                    }
                }
            });
        }
        creations
    }

    /// Of the metric with these labels.
    pub(crate) fn get<'l>(&self, labels: impl Iterator<Item = (&'l str, &'l str)>) -> Option<f64> {
        if self.seconds.is_empty() {
            return None;
        }
        self.seconds.get(&self.hasher.hash(labels)).copied()
    }
}
