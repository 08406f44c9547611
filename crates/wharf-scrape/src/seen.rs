//! Which label sets a family has shown already, for names that may have become equal.

use std::borrow::Cow;
use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use wharf_model::name::EscapingScheme;
use wharf_model::{Exposition, Family, Metric};

/// The label sets of one family, escaped.
///
/// Hashes of 64 bits stand for them, whose key nobody knows: of a million metrics two have the same once in ten million
/// scrapes.
pub(crate) struct Seen {
    escaping: EscapingScheme,
    hasher: RandomState,
    hashes: HashSet<u64>,
    left_out: u64,
}

impl Seen {
    /// Nothing yet.
    pub(crate) fn new(escaping: EscapingScheme) -> Self {
        Self {
            escaping,
            hasher: RandomState::new(),
            hashes: HashSet::new(),
            left_out: 0,
        }
    }

    /// The family without those metrics whose labels have been seen.
    pub(crate) fn once<'f>(&mut self, exposition: &Exposition<'_>, family: &'f Family) -> Cow<'f, Family> {
        let mut is_new = |metric: &Metric| {
            let labels = exposition.labels(metric.labels);
            let mut labels: Vec<_> = labels
                .map(|(name, value)| (self.escaping.escape_label_name(name), value))
                .collect();
            labels.sort_unstable();
            self.hashes.insert(self.hasher.hash_one(&labels))
        };
        let are_new: Vec<bool> = family.metrics.iter().map(&mut is_new).collect();
        if are_new.iter().all(|is_new| *is_new) {
            return Cow::Borrowed(family);
        }
        let metrics = family.metrics.iter().zip(are_new);
        let once: Vec<_> = metrics
            .filter(|(_, is_new)| *is_new)
            .map(|(metric, _)| metric.clone())
            .collect();
        self.left_out += (family.metrics.len() - once.len()) as u64;
        Cow::Owned(Family {
            metrics: once,
            ..family.clone()
        })
    }

    /// Begins anew. The same metrics will be left out.
    pub(crate) fn forget(&mut self) {
        self.hashes.clear();
        self.left_out = 0;
    }

    /// How many metrics were left out.
    pub(crate) fn left_out(&self) -> u64 {
        self.left_out
    }
}
