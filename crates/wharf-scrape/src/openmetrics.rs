//! The body in `OpenMetrics`.
//!
//! Strict readers refuse a whole body over one family. The standard forbids what the text format allows: a family has
//! more names than those of its samples, no two families may have one in common, and not every value goes with every
//! type. So
//!
//! * a family keeps its type if its further names are free, see [`roles`], and its values are such as the type has, see
//!   [`mod@fits`];
//! * otherwise a counter is of unknown type, an info or state set is a gauge, and a histogram or summary is written line by
//!   line, each of its names as a family of unknown type;
//! * plain numbers `a_created` are written as part of the counter, histogram or summary `a`, of which they say when it was
//!   created: Python's client pushes such gauges;
//! * an info or state set of one group that is a gauge of another is a gauge.
//!
//! Either way each series keeps the name and the value that it has in the text format, but for histograms that contradict
//! themselves, which are mended.

mod fits;
mod page;
mod roles;

use std::borrow::Cow;
use std::collections::HashMap;
use std::convert::Infallible;

use wharf_exposition::mend::mended;
use wharf_exposition::openmetrics;
use wharf_model::name::EscapingScheme;
use wharf_model::{Exposition, Family, Metric, MetricType, Value};
use wharf_store::{FamilyView, FragmentView, Snapshot};

use crate::shown::{self, Shown};
use crate::sink::Sink;

use self::fits::fits;
use self::page::Page;
use self::roles::{Role, Roles};

/// The values of a family are not such as its type has.
struct Unfit;

/// Renders the whole body. Returns how many metrics were left out.
pub(crate) fn render(
    own: &Exposition<'_>,
    snapshot: &Snapshot,
    escaping: EscapingScheme,
    sink: &mut Sink,
) -> u64 {
    let families: Vec<_> = shown::families(own, snapshot, escaping).collect();
    let roles = Roles::of(&families);
    let body = Body {
        own,
        escaping,
        families: &families,
    };
    let mut left_out = 0;
    let mut page = Page::default();
    for (family, role) in families.iter().zip(roles.iter()) {
        left_out += match role {
            Role::Typed { metric_type, created } => body
                .typed(&mut page, family, *metric_type, *created)
                .unwrap_or_else(|Unfit| {
                    page.clear();
                    let created = created.and_then(|index| families.get(index));
                    let created = created.map_or(0, |created| body.untyped(&mut page, created));
                    created + body.untyped(&mut page, family)
                }),
            Role::Untyped => body.untyped(&mut page, family),
            Role::PartOfAnother => 0,
        };
        page.flush(sink);
    }
    openmetrics::write_eof(&mut page.lines);
    page.flush(sink);
    left_out
}

/// What all families of a body have in common.
struct Body<'b, 'a> {
    own: &'b Exposition<'b>,
    escaping: EscapingScheme,
    families: &'b [Shown<'a>],
}

impl Body<'_, '_> {
    /// A family under this type, if its values allow that.
    fn typed(
        &self,
        page: &mut Page,
        family: &Shown<'_>,
        metric_type: MetricType,
        created: Option<usize>,
    ) -> Result<u64, Unfit> {
        let escaping = self.escaping;
        openmetrics::write_head(&mut page.lines, &family.head(metric_type), escaping);
        let created = created.and_then(|index| self.families.get(index)?.first.merged.pushed);
        let created = created.iter().flat_map(FamilyView::fragments);
        let mut created = created.filter(|fragment| fragment.series() > 0).peekable();
        if created.peek().is_none() {
            return family.each(self.own, escaping, |exposition, family| {
                let (exposition, family) = fitting(exposition, family, metric_type, escaping)?;
                openmetrics::write_metrics(&mut page.lines, &exposition, &family, escaping);
                page.turn();
                Ok(())
            });
        }
        if let Some(own) = family.first.merged.own {
            let (exposition, own) = fitting(self.own, own, metric_type, escaping)?;
            openmetrics::write_metrics(&mut page.lines, &exposition, &own, escaping);
        }
        for fragment in family.first.merged.pushed.iter().flat_map(FamilyView::fragments) {
            let created = created.next_if(|created| created.key() == fragment.key());
            let created = created.as_ref().map(creations).unwrap_or_default();
            fragment.decode(|exposition, family| {
                let (exposition, family) = fitting(exposition, family, metric_type, escaping)?;
                for metric in &family.metrics {
                    let labels: Vec<_> = exposition
                        .labels(metric.labels)
                        .map(|(name, value)| (name.into(), value.into()))
                        .collect();
                    let created = created.get(&labels).copied();
                    openmetrics::write_metric(
                        &mut page.lines,
                        &exposition,
                        &family,
                        metric,
                        created,
                        escaping,
                    );
                }
                Ok(())
            })?;
            page.turn();
        }
        Ok(0)
    }

    /// A family under a type that has no rules.
    fn untyped(&self, page: &mut Page, family: &Shown<'_>) -> u64 {
        if let Some(metric_type) = roles::without_rules(family.metric_type) {
            return self.numbers(page, family, metric_type);
        }
        let lines = family.line_by_line();
        let left_out = lines
            .iter()
            .map(|line| self.numbers(page, line, MetricType::Untyped));
        left_out.sum()
    }

    /// A family of plain numbers.
    fn numbers(&self, page: &mut Page, family: &Shown<'_>, metric_type: MetricType) -> u64 {
        openmetrics::write_head(&mut page.lines, &family.head(metric_type), self.escaping);
        let written = family.each::<Infallible>(self.own, self.escaping, |exposition, family| {
            let family = of_type(family, metric_type);
            openmetrics::write_metrics(&mut page.lines, exposition, &family, self.escaping);
            page.turn();
            Ok(())
        });
        written.unwrap_or_default()
    }
}

/// The family under this type, mended, if its values are such as the type has.
fn fitting<'e, 'a, 'f>(
    exposition: &'e Exposition<'a>,
    family: &'f Family,
    metric_type: MetricType,
    escaping: EscapingScheme,
) -> Result<(Cow<'e, Exposition<'a>>, Cow<'f, Family>), Unfit> {
    let (exposition, family) = (mended(exposition, family), of_type(family, metric_type));
    if fits(&exposition, &family, escaping) {
        Ok((exposition, family))
    } else {
        Err(Unfit)
    }
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

/// When the metrics of a group were created, by their labels.
type Creations = HashMap<Vec<(String, String)>, f64>;

fn creations(created: &FragmentView<'_>) -> Creations {
    created.decode(|exposition, family| {
        let of = |metric: &Metric| match metric.value {
            Value::Number(seconds) => {
                let labels = exposition.labels(metric.labels);
                Some((
                    labels
                        .map(|(name, value)| (name.to_owned(), value.to_owned()))
                        .collect(),
                    seconds,
                ))
            }
            _ => None,
        };
        family.metrics.iter().filter_map(of).collect()
    })
}
