//! Which families keep their types, for the names that go with them.
//!
//! A family has names of its own: those of its lines, which it keeps whatever its type is. Its type takes further ones:
//! the counter `a_total` has the names `a` and `a_created` besides, the info `a_info` has `a`, the histogram `a` has `a`
//! and `a_created`, the summary `a` has `a_created`. No name may be that of two families, so a family whose further names
//! are taken loses its type. Histograms and summaries choose first, then infos, then counters.

use std::collections::{HashMap, HashSet};

use wharf_exposition::openmetrics::name_and_type;
use wharf_model::{Metric, MetricType, Value};
use wharf_store::{FamilyView, FragmentView};

use crate::plain::lines_of;
use crate::shown::Shown;

/// How a family is exposed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Under this type, if its values allow that.
    Typed {
        metric_type: MetricType,
        /// The index of the family that has its `_created` samples.
        created: Option<usize>,
    },
    /// Under a type without rules.
    Untyped,
    /// It is written together with another one.
    PartOfAnother,
}

/// The type without rules of a family whose metrics are one line each.
pub(crate) fn without_rules(metric_type: MetricType) -> Option<MetricType> {
    match metric_type {
        MetricType::Counter | MetricType::Untyped => Some(MetricType::Untyped),
        MetricType::Gauge | MetricType::Info | MetricType::StateSet => Some(MetricType::Gauge),
        MetricType::Summary | MetricType::Histogram | MetricType::GaugeHistogram => None,
    }
}

/// The roles of all families, in their order.
pub(crate) struct Roles<'f, 'a> {
    families: &'f [Shown<'a>],
    /// Whose name each name of a line is.
    lines: HashMap<String, usize>,
    /// What types have taken.
    taken: HashSet<String>,
    chosen: Vec<Role>,
}

impl<'f, 'a> Roles<'f, 'a> {
    pub(crate) fn of(families: &'f [Shown<'a>]) -> Self {
        let mut lines = HashMap::new();
        for (index, family) in families.iter().enumerate() {
            for (name, _) in lines_of(&family.name, family.metric_type) {
                lines.insert(name, index);
            }
        }
        let mut roles = Self {
            families,
            lines,
            taken: HashSet::new(),
            chosen: vec![Role::Untyped; families.len()],
        };
        let types: Vec<_> = families.iter().map(type_of).collect();
        let rank = |metric_type| match metric_type {
            MetricType::Histogram | MetricType::GaugeHistogram | MetricType::Summary => 0,
            MetricType::Info => 1,
            MetricType::Counter => 2,
            MetricType::StateSet | MetricType::Gauge | MetricType::Untyped => 3,
        };
        for round in 0..=3 {
            for (index, (family, metric_type)) in families.iter().zip(&types).enumerate() {
                if rank(*metric_type) == round {
                    roles.choose(index, family, *metric_type);
                }
            }
        }
        roles
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Role> {
        self.chosen.iter()
    }

    fn choose(&mut self, index: usize, family: &Shown<'_>, metric_type: MetricType) {
        if self.chosen.get(index) == Some(&Role::PartOfAnother) {
            return;
        }
        let (short, typed) = name_and_type(&family.name, metric_type);
        let created_name = format!("{short}_created");
        let further = match typed {
            MetricType::Counter | MetricType::Histogram => vec![short.to_owned(), created_name.clone()],
            MetricType::Info => vec![short.to_owned()],
            MetricType::Summary => vec![created_name.clone()],
            MetricType::GaugeHistogram => vec![
                short.to_owned(),
                format!("{short}_gsum"),
                format!("{short}_gcount"),
            ],
            MetricType::StateSet | MetricType::Gauge | MetricType::Untyped => Vec::new(),
        };
        let mut created = None;
        for name in &further {
            let other = self.lines.get(name).copied();
            if other.is_some() && *name == created_name && self.can_absorb(family, other) {
                created = other;
            } else if other.is_some() || self.taken.contains(name) {
                return;
            }
        }
        self.taken.extend(further);
        if let Some(role) = created.and_then(|created| self.chosen.get_mut(created)) {
            *role = Role::PartOfAnother;
        }
        if let Some(role) = self.chosen.get_mut(index) {
            *role = Role::Typed {
                metric_type: typed,
                created,
            };
        }
    }

    /// Whether the family at `index` is one of plain numbers, each of which says when a metric of `family` was created.
    fn can_absorb(&self, family: &Shown<'_>, index: Option<usize>) -> bool {
        let Some(created) = index.and_then(|index| self.families.get(index)) else {
            return false;
        };
        if without_rules(created.metric_type).is_none() {
            return false;
        }
        let (Some(family), Some(created)) = (family.alone(), created.alone()) else {
            return false;
        };
        match (family.pushed, created.pushed, created.own) {
            (Some(family), Some(created), None) => stand_together(family, created),
            _ => false,
        }
    }
}

/// Groups may disagree on gauge, info and state set. Only if all say so are the metrics what the latter two have to be.
fn type_of(family: &Shown<'_>) -> MetricType {
    let is_strict = matches!(family.metric_type, MetricType::Info | MetricType::StateSet);
    let views = family.sources().filter_map(|source| source.merged.pushed);
    let mut fragments = views.flat_map(|view| view.fragments());
    if is_strict && !fragments.all(|fragment| fragment.meta().metric_type == family.metric_type) {
        return MetricType::Gauge;
    }
    family.metric_type
}

/// Whether each `_created` series is a time, and stands beside a metric of its group with its labels.
fn stand_together(family: FamilyView<'_>, created: FamilyView<'_>) -> bool {
    let mut fragments = family.fragments().peekable();
    let mut created = created.fragments().filter(|created| created.series() > 0);
    created.all(|created| {
        while fragments
            .next_if(|fragment| fragment.key() < created.key())
            .is_some()
        {}
        let fragment = fragments
            .peek()
            .filter(|fragment| fragment.key() == created.key());
        fragment.is_some_and(|fragment| belongs_to(&created, fragment))
    })
}

fn belongs_to(created: &FragmentView<'_>, fragment: &FragmentView<'_>) -> bool {
    fragment.decode(|exposition, family| {
        let labels = family
            .metrics
            .iter()
            .map(|metric| exposition.labels(metric.labels).collect::<Vec<_>>());
        let labels: HashSet<_> = labels.collect();
        created.decode(|exposition, family| {
            let mut metrics = family.metrics.iter();
            metrics.all(|metric| {
                is_time(metric) && labels.contains(&exposition.labels(metric.labels).collect::<Vec<_>>())
            })
        })
    })
}

/// Whether the value is a time in seconds, which 64 bits hold.
fn is_time(metric: &Metric) -> bool {
    matches!(metric.value, Value::Number(seconds) if seconds.abs() < 9e18)
}
