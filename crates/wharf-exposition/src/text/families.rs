//! Which family a sample, HELP or TYPE line belongs to.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};
use wharf_model::{Exposition, Family, Meter, MetricType, Text, TooLarge};

use crate::memory;

/// What a line speaks of: a family, and which part of its metrics.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target {
    /// Index into [`Exposition::families`].
    pub(super) family: usize,
    pub(super) part: Part,
}

/// The part of a metric that a sample sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// The value, a bucket or a quantile.
    Value,
    /// The sum of a histogram or summary.
    Sum,
    /// The count of a histogram or summary.
    Count,
}

/// Finds families by name.
///
/// The hash is seeded at random, so that no body can make its names collide.
#[derive(Debug, Default)]
pub(super) struct Families {
    by_name: HashTable<usize>,
    hasher: DefaultHashBuilder,
    /// For each family whether its type is settled, by a TYPE line or by a sample.
    is_typed: Vec<bool>,
}

impl Families {
    /// What `name` stands for: the family of that name; or else a histogram or summary of which it is a series,
    /// such as `h_bucket` of `h`.
    pub(super) fn find(&self, exposition: &Exposition<'_>, name: &[u8]) -> Option<Target> {
        if let Some(family) = self.find_exactly(exposition, name) {
            return Some(Target {
                family,
                part: Part::Value,
            });
        }
        let (base, part) = [
            (&b"_bucket"[..], Part::Value),
            (b"_sum", Part::Sum),
            (b"_count", Part::Count),
        ]
        .into_iter()
        .find_map(|(suffix, part)| Some((name.strip_suffix(suffix)?, part)))
        .filter(|(base, _)| !base.is_empty())?;
        let family = self.find_exactly(exposition, base)?;
        let has_part = match exposition.families.get(family)?.metric_type {
            MetricType::Histogram | MetricType::GaugeHistogram => true,
            MetricType::Summary => part != Part::Value,
            _ => false,
        };
        has_part.then_some(Target { family, part })
    }

    fn find_exactly(&self, exposition: &Exposition<'_>, name: &[u8]) -> Option<usize> {
        let is_it = |family: &usize| name_of(exposition, *family).as_bytes() == name;
        self.by_name.find(self.hasher.hash_one(name), is_it).copied()
    }

    /// Adds a family without a type.
    pub(super) fn add(
        &mut self,
        exposition: &mut Exposition<'_>,
        memory: &Meter<'_>,
        name: Text,
    ) -> Result<Target, TooLarge> {
        let family = exposition.families.len();
        let untyped = Family {
            name,
            help: None,
            unit: Text::EMPTY,
            metric_type: MetricType::Untyped,
            metrics: Vec::new(),
        };
        memory.push(&mut exposition.families, untyped)?;
        memory.push(&mut self.is_typed, false)?;
        let hash = |family: &usize| self.hasher.hash_one(name_of(exposition, *family).as_bytes());
        memory::reserve(memory, &mut self.by_name, 1, hash)?;
        self.by_name.insert_unique(hash(&family), family, hash);
        Ok(Target {
            family,
            part: Part::Value,
        })
    }

    /// All families have been added.
    pub(super) fn finish(self, memory: &Meter<'_>) {
        memory.give_back(self.by_name.allocation_size() + self.is_typed.capacity());
    }

    /// Settles the type of a family; says whether it was settled before.
    pub(super) fn settle_type(&mut self, family: usize) -> bool {
        self.is_typed
            .get_mut(family)
            .is_some_and(|is_typed| std::mem::replace(is_typed, true))
    }
}

/// The name of the family at an index.
pub(super) fn name_of<'e>(exposition: &'e Exposition<'_>, family: usize) -> &'e str {
    exposition
        .families
        .get(family)
        .map_or("", |family| exposition.text(family.name))
}
