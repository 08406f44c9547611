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
//! * an info or state set of one group that is a gauge of another is a gauge, and so is a state set that has more than a
//!   mebibyte in one group: the states of a set stand together, so these are held at once.
//!
//! Either way each series keeps the name and the value that it has in the text format, but for histograms that contradict
//! themselves, which are mended.

mod created;
mod fits;
mod roles;

use std::borrow::Cow;
use std::sync::Arc;

use wharf_exposition::mend::mended;
use wharf_exposition::openmetrics;
use wharf_model::name::EscapingScheme;
use wharf_model::{Exposition, Family, MetricType};
use wharf_store::{FamilyView, FragmentView, Leaf, Snapshot};

use crate::format::Wanted;
use crate::forms::{Form, Forms, How, PARTS, Task, Unfit};
use crate::helpers::Helpers;
use crate::merge::Merged;
use crate::metrics::{Metrics, Whole, metrics_of_fragment};
use crate::output::PART_BYTES;
use crate::pages::Pages;
use crate::shown::{self, Shown, Unit};
use crate::sink::Sink;

use self::created::Creations;
use self::fits::fits;
use self::roles::{Role, Roles};

/// What the states of one group may have.
const MAX_STATES_BYTES: u64 = 1 << 20;

/// Renders the whole body. Returns how many metrics were left out.
pub(crate) async fn render(
    own: &Exposition<'_>,
    snapshot: &Snapshot,
    wanted: Wanted,
    sink: &mut Sink,
    helpers: Helpers<'_>,
) -> u64 {
    let escaping = wanted.escaping;
    // The roles are what is kept of all families: a byte of each.
    let roles = {
        let families: Vec<_> = shown::families(own, snapshot, escaping).collect();
        Roles::of(&families)
    };
    let mut body = Body {
        own,
        snapshot,
        escaping,
        roles: &roles,
        forms: Forms::of(snapshot, wanted),
        helpers,
        sink,
        pages: Pages::default(),
        left_out: 0,
    };
    for (index, family) in shown::families(own, snapshot, escaping).enumerate() {
        body.family(&family, roles.get(index)).await;
    }
    openmetrics::write_eof(&mut body.pages.last);
    body.pages.flush(body.sink).await;
    body.left_out
}

struct Body<'b, 's> {
    own: &'b Exposition<'b>,
    snapshot: &'b Snapshot,
    escaping: EscapingScheme,
    roles: &'b Roles<'b>,
    forms: Option<Arc<Forms>>,
    helpers: Helpers<'s>,
    sink: &'b mut Sink,
    pages: Pages,
    left_out: u64,
}

/// A family under a type that has rules.
struct Typed<'t, 'a> {
    family: &'t Shown<'a>,
    metric_type: MetricType,
    created: Option<FamilyView<'a>>,
}

/// What becomes of the lines of a family.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lines {
    /// They are held until it is certain that all fit, or that there is no room for them.
    Held,
    /// They go into the body.
    Written,
}

impl Body<'_, '_> {
    async fn family(&mut self, family: &Shown<'_>, role: Role<'_>) {
        match role {
            Role::Typed { metric_type, created } => {
                let typed = Typed {
                    family,
                    metric_type,
                    created,
                };
                if let Ok(are_there) = self.typed(&typed, Lines::Held).await {
                    if !are_there {
                        // All fit, but there was no room for them.
                        drop(self.typed(&typed, Lines::Written).await);
                    }
                    self.pages.flush(self.sink).await;
                    return;
                }
                self.pages.clear();
                let merged = Merged {
                    own: None,
                    pushed: created,
                };
                if let Some(created) = Shown::of(self.own, merged, self.escaping) {
                    self.untyped(&created).await;
                }
                self.untyped(family).await;
            }
            Role::Untyped => self.untyped(family).await,
            Role::PartOfAnother => {}
        }
    }

    /// A family under its type, if its values allow that. Whether all lines are there.
    async fn typed(&mut self, typed: &Typed<'_, '_>, lines: Lines) -> Result<bool, Unfit> {
        let Typed {
            family,
            metric_type,
            created,
        } = *typed;
        let (own, escaping) = (self.own, self.escaping);
        openmetrics::write_head(&mut self.pages.last, &family.head(metric_type), escaping);
        let mut thrown_away = None;
        let Some(created) = created else {
            let mut reader = family.reader(escaping);
            let forms = self.forms.clone();
            for unit in family.units(own, whole_of(metric_type), forms.as_deref()) {
                match unit {
                    Unit::Leaf(view, leaf) => {
                        self.leaf(view, leaf, How::Typed(metric_type), lines)?;
                    }
                    Unit::Metrics(metrics) => {
                        let out = &mut self.pages.last;
                        check_states(&metrics, metric_type)?;
                        reader.read(&metrics, |exposition, family| {
                            write_typed(out, exposition, family, metric_type, escaping)
                        })?;
                    }
                }
                self.pass(lines, &mut thrown_away).await;
            }
            if thrown_away.is_none() {
                self.left_out += reader.left_out();
            }
            return Ok(thrown_away.is_none());
        };
        if let Some(family) = family.first.merged.own {
            let (exposition, family) = fitting(own, family, metric_type, escaping)?;
            openmetrics::write_metrics(&mut self.pages.last, &exposition, &family, escaping);
        }
        let mut created = created.fragments().filter(has_series).peekable();
        for fragment in family.first.merged.pushed.iter().flat_map(FamilyView::fragments) {
            let created = created.next_if(|created| created.key() == fragment.key());
            let created = created.as_ref().map(Creations::of).unwrap_or_default();
            for metrics in metrics_of_fragment(&fragment, Whole::SMALL) {
                let out = &mut self.pages.last;
                metrics.read(|exposition, family| -> Result<(), Unfit> {
                    let (exposition, family) = fitting(exposition, family, metric_type, escaping)?;
                    for metric in &family.metrics {
                        let created = created.get(exposition.labels(metric.labels));
                        openmetrics::write_metric(out, &exposition, &family, metric, created, escaping);
                    }
                    Ok(())
                })?;
                self.pass(lines, &mut thrown_away).await;
            }
        }
        Ok(thrown_away.is_none())
    }

    /// All metrics of a leaf.
    fn leaf(&mut self, view: FamilyView<'_>, leaf: &Leaf, how: How, lines: Lines) -> Result<(), Unfit> {
        let Some(forms) = &self.forms else { return Ok(()) };
        if lines == Lines::Held || matches!(how, How::Numbers(_)) {
            let (own, snapshot, escaping, roles) = (self.own, self.snapshot, self.escaping, self.roles);
            self.helpers.pass(self.sink.recompressed(), || {
                let families = shown::families(own, snapshot, escaping).enumerate();
                let tasks = families.flat_map(|(index, family)| tasks(forms, &family, roles.get(index)));
                forms.work(tasks.collect())
            });
        }
        let (form, is_new) = forms.get(leaf, view.name(), how, write_leaf);
        if is_new {
            self.sink.count_recompressed();
        }
        form.parts()?;
        self.pages.form(&form, Form::LINES, is_new);
        Ok(())
    }

    /// More lines of a typed family are there. If they are held and there is no room, they are thrown away from then on: so
    /// many since the last rest.
    async fn pass(&mut self, lines: Lines, thrown_away: &mut Option<usize>) {
        if lines == Lines::Written {
            self.pages.pass(self.sink).await;
            return;
        }
        self.pages.turn();
        if let Some(bytes) = thrown_away {
            *bytes += self.pages.made();
            self.pages.clear();
            if *bytes >= PART_BYTES {
                *bytes = 0;
                self.sink.rest().await;
            }
        } else if self.sink.is_full(self.pages.made()) {
            self.sink.rest().await;
            if self.sink.is_full(self.pages.made()) {
                self.pages.clear();
                *thrown_away = Some(0);
            }
        }
    }

    /// A family under a type that has no rules.
    async fn untyped(&mut self, family: &Shown<'_>) {
        if let Some(metric_type) = roles::without_rules(family.metric_type) {
            self.numbers(family, metric_type).await;
        } else {
            for line in family.line_by_line() {
                self.numbers(&line, MetricType::Untyped).await;
            }
        }
        self.pages.flush(self.sink).await;
    }

    /// A family of plain numbers.
    async fn numbers(&mut self, family: &Shown<'_>, metric_type: MetricType) {
        let (own, escaping) = (self.own, self.escaping);
        openmetrics::write_head(&mut self.pages.last, &family.head(metric_type), escaping);
        let mut reader = family.reader(escaping);
        let forms = self.forms.clone();
        for unit in family.units(own, Whole::SMALL, forms.as_deref()) {
            match unit {
                Unit::Leaf(view, leaf) => {
                    // Numbers fit always.
                    drop(self.leaf(view, leaf, How::Numbers(metric_type), Lines::Written));
                }
                Unit::Metrics(metrics) => {
                    let out = &mut self.pages.last;
                    reader.read(&metrics, |exposition, family| {
                        write_numbers(out, exposition, family, metric_type, escaping);
                    });
                }
            }
            self.pages.pass(self.sink).await;
        }
        self.left_out += reader.left_out();
    }
}

/// The lines of a leaf of this family.
fn write_leaf(leaf: &Leaf, family: &str, how: How) -> Result<[Option<Vec<u8>>; PARTS], Unfit> {
    const ESCAPING: EscapingScheme = EscapingScheme::AllowUtf8;
    let mut out = Vec::new();
    match how {
        // It has fewer states than are too many.
        How::Typed(metric_type) => {
            leaf.decode_all(family, whole_of(metric_type).0, |exposition, family| {
                write_typed(&mut out, exposition, family, metric_type, ESCAPING)
            })?;
        }
        How::Numbers(metric_type) => {
            leaf.decode_all(family, Whole::SMALL.0, |exposition, family| {
                write_numbers(&mut out, exposition, family, metric_type, ESCAPING);
                Ok(())
            })?;
        }
        How::Protobuf => {}
    }
    Ok([Some(out), None])
}

/// The leaves of a family in this role that have forms.
fn tasks(forms: &Forms, family: &Shown<'_>, role: Role<'_>) -> Vec<Task> {
    let how = match role {
        Role::Typed {
            metric_type,
            created: None,
        } => Some(How::Typed(metric_type)),
        Role::Untyped => roles::without_rules(family.metric_type).map(How::Numbers),
        Role::Typed { .. } | Role::PartOfAnother => None,
    };
    let view = family.alone().and_then(|merged| merged.pushed);
    let tasks = view
        .zip(how)
        .map(|(view, how)| forms.tasks(view, how, write_leaf));
    tasks.into_iter().flatten().collect()
}

/// How much of a group has to be read at once.
fn whole_of(metric_type: MetricType) -> Whole {
    if metric_type == MetricType::StateSet {
        Whole::ALWAYS
    } else {
        Whole::SMALL
    }
}

/// Whether the states of a group are not too many to be put together.
fn check_states(metrics: &Metrics<'_>, metric_type: MetricType) -> Result<(), Unfit> {
    let are_too_many = metric_type == MetricType::StateSet && metrics.bytes() > MAX_STATES_BYTES;
    if are_too_many { Err(Unfit) } else { Ok(()) }
}

/// Writes metrics under a type, if it has such.
fn write_typed(
    out: &mut Vec<u8>,
    exposition: &Exposition<'_>,
    family: &Family,
    metric_type: MetricType,
    escaping: EscapingScheme,
) -> Result<(), Unfit> {
    let (exposition, family) = fitting(exposition, family, metric_type, escaping)?;
    openmetrics::write_metrics(out, &exposition, &family, escaping);
    Ok(())
}

/// Writes plain numbers.
fn write_numbers(
    out: &mut Vec<u8>,
    exposition: &Exposition<'_>,
    family: &Family,
    metric_type: MetricType,
    escaping: EscapingScheme,
) {
    let family = of_type(family, metric_type);
    openmetrics::write_metrics(out, exposition, &family, escaping);
}

/// A function, since what is held while a body waits must not be a closure over references.
fn has_series(fragment: &FragmentView<'_>) -> bool {
    fragment.series() > 0
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
