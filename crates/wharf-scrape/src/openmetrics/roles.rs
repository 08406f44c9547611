//! Which families keep their types, for the names that go with them.
//!
//! A family has names of its own: those of its lines, which it keeps whatever its type is. Its type takes further ones:
//! the counter `a_total` has the names `a` and `a_created` besides, the info `a_info` has `a`, the histogram `a` has `a`
//! and `a_created`, the summary `a` has `a_created`. No name may be that of two families, so a family whose further names
//! are taken loses its type. Histograms and summaries choose first, then infos, then counters.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};

use wharf_exposition::openmetrics::name_and_type;
use wharf_model::{Metric, MetricType, Value};
use wharf_store::{FamilyView, FragmentView};

use crate::metrics::{Whole, metrics_of_fragment};
use crate::openmetrics::created::LabelHasher;
use crate::plain::lines_of;
use crate::shown::Shown;

/// How a family is exposed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Role<'a> {
    /// Under this type, if its values allow that.
    Typed {
        metric_type: MetricType,
        /// The family that has its `_created` samples.
        created: Option<FamilyView<'a>>,
    },
    /// Under a type without rules.
    Untyped,
    /// It is written together with another one.
    PartOfAnother,
}

/// The same in a byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Typed(MetricType),
    Untyped,
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

/// The roles of all families, by their index. They are held as long as the body is on its way, so they are small.
pub(crate) struct Roles<'a> {
    kinds: Vec<Kind>,
    /// The families that have `_created` samples of others, by the index of those.
    created: HashMap<usize, FamilyView<'a>>,
}

impl<'a> Roles<'a> {
    /// Those of these families.
    pub(crate) fn of(families: &[Shown<'a>]) -> Self {
        let mut choosing = Choosing::among(families);
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
                    choosing.choose(index, family, *metric_type);
                }
            }
        }
        choosing.chosen
    }

    /// That of the family at this index.
    pub(crate) fn get(&self, index: usize) -> Role<'a> {
        match self.kinds.get(index) {
            Some(Kind::Typed(metric_type)) => Role::Typed {
                metric_type: *metric_type,
                created: self.created.get(&index).copied(),
            },
            Some(Kind::PartOfAnother) => Role::PartOfAnother,
            Some(Kind::Untyped) | None => Role::Untyped,
        }
    }
}

/// Hashes of names, whose key nobody knows, stand for them: of a million two are the same once in ten million scrapes.
struct Choosing<'f, 'a> {
    families: &'f [Shown<'a>],
    hasher: RandomState,
    /// Whose name each name of a line is.
    lines: HashMap<u64, usize>,
    /// What types have taken.
    taken: HashSet<u64>,
    chosen: Roles<'a>,
}

impl<'f, 'a> Choosing<'f, 'a> {
    fn among(families: &'f [Shown<'a>]) -> Self {
        let hasher = RandomState::new();
        let mut lines = HashMap::with_capacity(families.len());
        for (index, family) in families.iter().enumerate() {
            for (name, _) in lines_of(&family.name, family.metric_type) {
                lines.insert(hasher.hash_one(name.as_str()), index);
            }
        }
        Self {
            families,
            hasher,
            lines,
            taken: HashSet::new(),
            chosen: Roles {
                kinds: vec![Kind::Untyped; families.len()],
                created: HashMap::new(),
            },
        }
    }

    fn choose(&mut self, index: usize, family: &Shown<'a>, metric_type: MetricType) {
        if self.chosen.kinds.get(index) == Some(&Kind::PartOfAnother) {
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
            let hash = self.hasher.hash_one(name.as_str());
            let other = self.lines.get(&hash).copied();
            let absorbed = other
                .filter(|_| *name == created_name)
                .and_then(|other| Some((other, self.absorbed(family, other)?)));
            if absorbed.is_some() {
                created = absorbed;
            } else if other.is_some() || self.taken.contains(&hash) {
                return;
            }
        }
        let hashes = further.iter().map(|name| self.hasher.hash_one(name.as_str()));
        self.taken.extend(hashes);
        let Roles {
            kinds,
            created: by_index,
        } = &mut self.chosen;
        if let Some((other, view)) = created {
            if let Some(kind) = kinds.get_mut(other) {
                *kind = Kind::PartOfAnother;
            }
            by_index.insert(index, view);
        }
        if let Some(kind) = kinds.get_mut(index) {
            *kind = Kind::Typed(typed);
        }
    }

    /// The family at `index`, if it is one of plain numbers, each of which says when a metric of `family` was created.
    fn absorbed(&self, family: &Shown<'a>, index: usize) -> Option<FamilyView<'a>> {
        let created = self.families.get(index)?;
        without_rules(created.metric_type)?;
        let (family, created) = (family.alone()?, created.alone()?);
        match (family.pushed, created.pushed, created.own) {
            (Some(family), Some(created), None) => stand_together(family, created).then_some(created),
            _ => None,
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
    let hasher = LabelHasher::default();
    let mut found = HashSet::new();
    for metrics in metrics_of_fragment(fragment, Whole::SMALL) {
        metrics.read(|exposition, family| {
            let labels = family
                .metrics
                .iter()
                .map(|metric| exposition.labels(metric.labels));
            found.extend(labels.map(|labels| hasher.hash(labels)));
        });
    }
    metrics_of_fragment(created, Whole::SMALL).all(|metrics| {
        metrics.read(|exposition, family| {
            let mut metrics = family.metrics.iter();
            metrics.all(|metric| {
                is_time(metric) && found.contains(&hasher.hash(exposition.labels(metric.labels)))
            })
        })
    })
}

/// Whether the value is a time in seconds, which 64 bits hold.
fn is_time(metric: &Metric) -> bool {
    matches!(metric.value, Value::Number(seconds) if seconds.abs() < 9e18)
}
