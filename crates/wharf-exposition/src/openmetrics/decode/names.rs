//! Which names the families of an exposition have taken.
//!
//! A family takes its own name and those of all samples that its type can have, whether it has them or not: a reader
//! has to know from its name alone which family a sample belongs to.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};
use wharf_model::{Exposition, Meter, MetricType, Text, TooLarge};

use crate::memory;
use crate::openmetrics::error::ErrorKind;

/// The names of the families that are closed.
#[derive(Default)]
pub(super) struct Names {
    families: Vec<(Text, MetricType)>,
    taken: HashTable<Taken>,
    /// A name that is being looked up.
    buffer: String,
}

/// A name: that of a family, and one of the suffixes of its type.
#[derive(Clone, Copy)]
struct Taken {
    hash: u64,
    family: u32,
    suffix: u32,
}

impl Names {
    /// Takes all names of a family. Returns why not, if another one has one of them.
    pub(super) fn take(
        &mut self,
        (exposition, memory): (&Exposition<'_>, &Meter<'_>),
        hasher: &DefaultHashBuilder,
        name: Text,
        metric_type: MetricType,
    ) -> Result<Option<ErrorKind>, TooLarge> {
        let family = u32::try_from(self.families.len()).map_err(|_| TooLarge::Indices)?;
        memory.push(&mut self.families, (name, metric_type))?;
        let name = exposition.text(name);
        for (suffix, text) in (0..).zip(suffixes(metric_type)) {
            self.buffer.clear();
            memory.append(&mut self.buffer, name)?;
            memory.append(&mut self.buffer, text)?;
            let hash = hasher.hash_one(self.buffer.as_str());
            let new = Taken { hash, family, suffix };
            let found = self
                .taken
                .find(hash, |other| self.is_in_the_way(exposition, *other, new));
            if let Some(found) = found.copied() {
                return Ok(Some(self.objection(exposition, name, found)));
            }
            memory::reserve(memory, &mut self.taken, 1, |taken| taken.hash)?;
            self.taken.insert_unique(hash, new, |taken| taken.hash);
        }
        Ok(None)
    }

    /// All names have been taken.
    pub(super) fn finish(self, memory: &Meter<'_>) {
        let families = self.families.capacity() * size_of::<(Text, MetricType)>();
        memory.give_back(families + self.taken.allocation_size() + self.buffer.capacity());
    }

    /// Whether `other` is the name in the buffer, which is `new`, and may not be.
    fn is_in_the_way(&self, exposition: &Exposition<'_>, other: Taken, new: Taken) -> bool {
        let (family, metric_type) = self.family(other);
        let suffix = suffixes(metric_type).get(other.suffix as usize).copied();
        let is_same = self.buffer.strip_prefix(exposition.text(family)) == Some(suffix.unwrap_or_default());
        let are_families = other.suffix == 0 && new.suffix == 0;
        is_same && !(are_families && may_share_name(metric_type, self.family(new).1))
    }

    fn objection(&self, exposition: &Exposition<'_>, name: &str, found: Taken) -> ErrorKind {
        let (family, metric_type) = self.family(found);
        let family = exposition.text(family).to_owned();
        if family == name {
            return ErrorKind::SecondFamily { family };
        }
        ErrorKind::TakenName {
            name: self.buffer.clone(),
            family,
            metric_type,
        }
    }

    fn family(&self, of: Taken) -> (Text, MetricType) {
        self.families.get(of.family as usize).copied().unwrap_or(NONE)
    }
}

const NONE: (Text, MetricType) = (Text::EMPTY, MetricType::Untyped);

/// Go's client has a gauge `m` beside a counter `m` wherever a program has metrics `m` and `m_total`, as each one has
/// with `go_memstats_alloc_bytes`. No sample of the two has the same name.
fn may_share_name(a: MetricType, b: MetricType) -> bool {
    matches!(
        (a, b),
        (MetricType::Gauge, MetricType::Counter) | (MetricType::Counter, MetricType::Gauge)
    )
}

/// The suffixes of the samples that a type can have, behind that of the family itself.
fn suffixes(metric_type: MetricType) -> &'static [&'static str] {
    match metric_type {
        MetricType::Counter => &["", "_total", "_created"],
        MetricType::Summary => &["", "_count", "_sum", "_created"],
        MetricType::Histogram => &["", "_count", "_sum", "_bucket", "_created"],
        MetricType::GaugeHistogram => &["", "_gcount", "_gsum", "_bucket"],
        MetricType::Info => &["", "_info"],
        MetricType::Gauge | MetricType::Untyped | MetricType::StateSet => &[""],
    }
}
