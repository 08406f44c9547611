//! The body in `OpenMetrics`.
//!
//! The standard forbids what the text format allows: a family has more names than those of its samples, and no two
//! families may have one in common. The counter `a_total` has the names `a` and `a_created` besides, and histograms
//! and summaries have `_created` too. Clients push such families nonetheless: Python's has a gauge `a_created` for
//! each counter. So
//!
//! * a family `a_created` of plain numbers is written as part of the counter, histogram or summary `a`, of which it
//!   says when it was created;
//! * a counter whose further names are taken is of unknown type, which has none; an info, likewise, is a gauge;
//! * an info or state set of one group that is a gauge of another is a gauge.
//!
//! Either way each series keeps the name and the value that it has in the text format.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, HashSet};

use wharf_exposition::mend::mended;
use wharf_exposition::{Head, openmetrics};
use wharf_model::name::EscapingScheme;
use wharf_model::{Exposition, Family, MetricType, Value};
use wharf_store::{FamilyView, FragmentView, Snapshot};

use crate::merge::{Merged, head_of, merge};
use crate::sink::Sink;

/// Renders the whole body.
pub(crate) fn render(own: &Exposition<'_>, snapshot: &Snapshot, escaping: EscapingScheme, sink: &mut Sink) {
    let families: Vec<_> = merge(own, snapshot)
        .filter_map(|merged| Some((head_of(own, &merged)?, merged)))
        .collect();
    let names = Names::of(&families, escaping);
    let mut absorbed = HashSet::new();
    let roles: Vec<_> = families
        .iter()
        .map(|family| names.role(family, escaping))
        .map(|role| Role {
            // Two families can have one name once it is escaped; what belongs to it is written once all the same.
            created: role.created.filter(|index| absorbed.insert(*index)),
            ..role
        })
        .collect();
    let mut lines = Vec::new();
    for (index, ((head, merged), role)) in families.iter().zip(&roles).enumerate() {
        if absorbed.contains(&index) {
            continue;
        }
        let metric_type = role.metric_type;
        openmetrics::write_head(&mut lines, &Head { metric_type, ..*head }, escaping);
        if let Some(family) = merged.own {
            openmetrics::write_metrics(&mut lines, own, &of_type(family, metric_type), escaping);
        }
        let created = role.created.and_then(|index| families.get(index)?.1.pushed);
        let mut created = created.iter().flat_map(FamilyView::fragments).peekable();
        for fragment in merged.pushed.iter().flat_map(FamilyView::fragments) {
            while let Some(earlier) = created.next_if(|created| created.key() < fragment.key()) {
                write_alone(&mut lines, &earlier, escaping);
            }
            if let Some(created) = created.next_if(|created| created.key() == fragment.key()) {
                write_together(&mut lines, &fragment, &created, metric_type, escaping);
            } else {
                fragment.decode(|exposition, family| {
                    let (exposition, family) = (mended(exposition, family), of_type(family, metric_type));
                    openmetrics::write_metrics(&mut lines, &exposition, &family, escaping);
                });
            }
            sink.text(&lines);
            lines.clear();
        }
        for later in created {
            write_alone(&mut lines, &later, escaping);
        }
        sink.text(&lines);
        lines.clear();
    }
    openmetrics::write_eof(&mut lines);
    sink.text(&lines);
}

/// Writes a group's metrics, each with its `_created` sample.
fn write_together(
    lines: &mut Vec<u8>,
    fragment: &FragmentView<'_>,
    created: &FragmentView<'_>,
    metric_type: MetricType,
    escaping: EscapingScheme,
) {
    created.decode(|creations, creation_family| {
        let metrics = creation_family.metrics.iter().enumerate();
        let by_labels: HashMap<Vec<_>, _> = metrics
            .map(|(index, metric)| (creations.labels(metric.labels).collect(), (index, metric.value)))
            .collect();
        let mut left: BTreeSet<_> = (0..creation_family.metrics.len()).collect();
        fragment.decode(|exposition, family| {
            let (exposition, family) = (mended(exposition, family), of_type(family, metric_type));
            for metric in &family.metrics {
                let labels: Vec<_> = exposition.labels(metric.labels).collect();
                let created = match by_labels.get(&labels) {
                    Some(&(index, Value::Number(seconds))) if left.remove(&index) => Some(seconds),
                    _ => None,
                };
                openmetrics::write_metric(lines, &exposition, &family, metric, created, escaping);
            }
        });
        let alone = of_type(creation_family, MetricType::Untyped);
        for metric in left.iter().filter_map(|&index| alone.metrics.get(index)) {
            openmetrics::write_metric(lines, creations, &alone, metric, None, escaping);
        }
    });
}

/// Writes `_created` samples that have no metric to stand beside.
fn write_alone(lines: &mut Vec<u8>, created: &FragmentView<'_>, escaping: EscapingScheme) {
    created.decode(|exposition, family| {
        let family = of_type(family, MetricType::Untyped);
        openmetrics::write_metrics(lines, exposition, &family, escaping);
    });
}

/// The family under another type: groups may disagree on gauge, info and state set, but a family has one type.
fn of_type(family: &Family, metric_type: MetricType) -> Cow<'_, Family> {
    if family.metric_type == metric_type {
        return Cow::Borrowed(family);
    }
    Cow::Owned(Family {
        metric_type,
        ..family.clone()
    })
}

/// Groups may disagree on gauge, info and state set. Only if all say so are the metrics what the latter two have to be.
fn common_type(metric_type: MetricType, merged: &Merged<'_>) -> MetricType {
    let mut fragments = merged.pushed.iter().flat_map(FamilyView::fragments);
    let is_strict = matches!(metric_type, MetricType::Info | MetricType::StateSet);
    if is_strict && !fragments.all(|fragment| fragment.meta().metric_type == metric_type) {
        return MetricType::Gauge;
    }
    metric_type
}

/// How a family is exposed.
struct Role {
    metric_type: MetricType,
    /// The index of the family that has its `_created` samples.
    created: Option<usize>,
}

/// Which family has which name, escaped.
struct Names<'a> {
    families: &'a [(Head<'a>, Merged<'a>)],
    by_name: HashMap<Cow<'a, str>, usize>,
}

impl<'a> Names<'a> {
    fn of(families: &'a [(Head<'a>, Merged<'a>)], escaping: EscapingScheme) -> Self {
        let names = families
            .iter()
            .map(|(head, _)| escaping.escape_metric_name(head.name));
        Self {
            families,
            by_name: names.zip(0..).collect(),
        }
    }

    fn role(&self, (head, merged): &(Head<'_>, Merged<'_>), escaping: EscapingScheme) -> Role {
        let name = escaping.escape_metric_name(head.name);
        let (short, metric_type) = openmetrics::name_and_type(&name, common_type(head.metric_type, merged));
        let as_it_is = |metric_type| Role {
            metric_type,
            created: None,
        };
        match metric_type {
            MetricType::Info if self.is_taken(short) => return as_it_is(MetricType::Gauge),
            MetricType::Counter
                if self.is_taken(short)
                    || self.type_of(&format!("{short}_info")) == Some(MetricType::Info) =>
            {
                return as_it_is(MetricType::Untyped);
            }
            MetricType::Counter | MetricType::Histogram | MetricType::Summary => {}
            _ => return as_it_is(metric_type),
        }
        let created = self.by_name.get(format!("{short}_created").as_str()).copied();
        let is_absorbed = |index: usize| {
            let other = self.families.get(index);
            other.is_some_and(|(head, merged)| {
                matches!(head.metric_type, MetricType::Gauge | MetricType::Untyped) && merged.own.is_none()
            })
        };
        match created {
            Some(index) if is_absorbed(index) => Role { metric_type, created },
            Some(_) if metric_type == MetricType::Counter => as_it_is(MetricType::Untyped),
            _ => as_it_is(metric_type),
        }
    }

    /// Whether a family or one of its samples has the name.
    fn is_taken(&self, name: &str) -> bool {
        let of_type = |suffix, metric_type| {
            let base = name.strip_suffix(suffix);
            base.is_some_and(|base| self.type_of(base) == Some(metric_type))
        };
        self.by_name.contains_key(name)
            || ["_sum", "_count"]
                .iter()
                .any(|suffix| of_type(suffix, MetricType::Summary))
            || ["_sum", "_count", "_bucket"]
                .iter()
                .any(|suffix| of_type(suffix, MetricType::Histogram))
            || ["_gsum", "_gcount", "_bucket"]
                .iter()
                .any(|suffix| of_type(suffix, MetricType::GaugeHistogram))
    }

    fn type_of(&self, name: &str) -> Option<MetricType> {
        let index = *self.by_name.get(name)?;
        Some(self.families.get(index)?.0.metric_type)
    }
}
