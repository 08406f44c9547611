//! The labels of a large family, without laying out those of each metric.
//!
//! The metrics of most large families have the same label names in the same order. Then the final labels of each are made in
//! one way, and that is found out once: which value stands where. A million metrics take what their lines take, and no list
//! of references to labels that is longer than the lines.

use std::cmp::Ordering;

use wharf_model::{Exposition, Family, Metric};

use super::instance::InstanceLabel;
use super::labels::LabelPair;

/// Families of fewer metrics are laid out: looking whether their labels are alike would cost more.
const LARGE: usize = 1_000;

/// Where the final labels of a metric come from, sorted by name.
pub(super) struct Pattern<'w>(Vec<(&'w str, Source<'w>)>);

#[derive(Clone, Copy)]
enum Source<'w> {
    /// All metrics have this value.
    Same(&'w str),
    /// The label of the metric at this place.
    Own(usize),
}

impl<'w> Pattern<'w> {
    /// That of a family, if it is large and has one.
    pub(super) fn of(
        family: &Family,
        exposition: &'w Exposition<'_>,
        grouping: &[LabelPair<'w>],
        instance: &'w InstanceLabel,
    ) -> Option<Self> {
        let first = family.metrics.first().filter(|_| family.metrics.len() >= LARGE)?;
        let names = |metric: &Metric| exposition.labels(metric.labels).map(|(name, _)| name);
        let has_instance = names(first).any(|name| name == "instance");
        // What becomes of a pushed instance may depend on its value.
        if has_instance && *instance != InstanceLabel::Empty {
            return None;
        }
        if !family.metrics.iter().all(|metric| names(metric).eq(names(first))) {
            return None;
        }
        let mut same = grouping.to_vec();
        if !has_instance {
            instance.complete(&mut same, 0);
        }
        let of_group = |name: &str| grouping.iter().any(|(of_group, _)| *of_group == name);
        let own = names(first).enumerate().filter(|(_, name)| !of_group(name));
        let own = own.map(|(index, name)| (name, Source::Own(index)));
        let same = same.into_iter().map(|(name, value)| (name, Source::Same(value)));
        let mut sources: Vec<_> = own.chain(same).collect();
        sources.sort_by_key(|(name, _)| *name);
        let is_repeated = sources
            .windows(2)
            .any(|pair| matches!(pair, [(a, _), (b, _)] if a == b));
        (!is_repeated).then_some(Self(sources))
    }

    /// Puts the final labels of a metric into a list, and nothing else.
    pub(super) fn fill(
        &self,
        labels: &mut Vec<LabelPair<'w>>,
        exposition: &'w Exposition<'_>,
        metric: &Metric,
    ) {
        labels.clear();
        labels.extend(self.0.iter().map(|(name, source)| match source {
            Source::Same(value) => (*name, *value),
            Source::Own(index) => (*name, value(exposition, metric, *index)),
        }));
    }

    /// The order of two metrics by their final labels, of which only their own can differ.
    pub(super) fn order(&self, exposition: &Exposition<'_>, a: &Metric, b: &Metric) -> Ordering {
        for (_, source) in &self.0 {
            let Source::Own(index) = source else { continue };
            let order = value(exposition, a, *index).cmp(value(exposition, b, *index));
            if order.is_ne() {
                return order;
            }
        }
        Ordering::Equal
    }
}

fn value<'e>(exposition: &'e Exposition<'_>, metric: &Metric, index: usize) -> &'e str {
    let label = exposition.labels.get(metric.labels.range().start + index);
    label.map_or("", |label| exposition.text(label.value))
}

#[cfg(test)]
mod tests;
