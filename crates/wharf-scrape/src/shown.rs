//! The families as the scrape shows them: one of each name, whatever escaping makes of the names.
//!
//! Names that differ in the store may be equal once they are escaped: `a.b` and `a_b` for a scraper of legacy names. Then
//!
//! * families of one name and one type are one family;
//! * families of one name and several types, and such as are named like a line of another (`a.b`, a histogram, and
//!   `a_b_count`), are shown line by line: as untyped families of the names of their lines;
//! * of metrics with the same labels the first one is shown, the others are left out. The gateway's own families are
//!   before families with legacy names, these before others, and those in the order of their names.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use wharf_exposition::Head;
use wharf_model::name::EscapingScheme;
use wharf_model::{Exposition, MetricType};
use wharf_store::{FamilyView, Leaf, Snapshot};

use crate::forms::Forms;
use crate::merge::{Merged, head_of, merge, pushed};
use crate::metrics::{Metrics, Reader, Whole, metrics_of, metrics_of_fragment, own_metrics};
use crate::plain::{Part, lines_of};

/// A family as the scrape shows it.
pub(crate) struct Shown<'a> {
    /// Its name, escaped.
    pub(crate) name: Cow<'a, str>,
    help: Option<&'a str>,
    unit: &'a str,
    pub(crate) metric_type: MetricType,
    pub(crate) first: Source<'a>,
    more: Vec<Source<'a>>,
    /// Whether two of its metrics may have the same labels, escaped.
    may_repeat: bool,
}

/// Some neighbouring metrics of a shown family.
pub(crate) enum Unit<'a> {
    Metrics(Metrics<'a>),
    /// All those of a leaf of a family, which are shown as they are stored.
    Leaf(FamilyView<'a>, &'a Arc<Leaf>),
}

/// What the metrics of a shown family are made of.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) merged: Merged<'a>,
    pub(crate) part: Part,
}

/// All families of the scrape, in the order of their names before they are escaped.
pub(crate) fn families<'a>(
    own: &'a Exposition<'a>,
    snapshot: &'a Snapshot,
    escaping: EscapingScheme,
) -> Box<dyn Iterator<Item = Shown<'a>> + Send + 'a> {
    let families = merge(own, snapshot).filter_map(move |merged| Shown::of(own, merged, escaping));
    if names_may_clash(snapshot, escaping) {
        Box::new(without_clashes(families.collect()).into_iter())
    } else {
        Box::new(families)
    }
}

/// Whether families may have names that are equal once they are escaped.
pub(crate) fn names_may_clash(snapshot: &Snapshot, escaping: EscapingScheme) -> bool {
    escaping != EscapingScheme::AllowUtf8 && pushed(snapshot).any(|family| family.has_utf8_name())
}

/// Whether series of one family may be equal once their labels are escaped.
pub(crate) fn labels_may_clash(family: FamilyView<'_>, escaping: EscapingScheme) -> bool {
    escaping != EscapingScheme::AllowUtf8 && family.leaves().any(|leaf| leaf.has_utf8_names())
}

impl<'a> Shown<'a> {
    /// A family that has its name for itself; none, if it has no metrics.
    pub(crate) fn of(own: &'a Exposition<'a>, merged: Merged<'a>, escaping: EscapingScheme) -> Option<Self> {
        let head = head_of(own, &merged)?;
        Some(Self {
            name: escaping.escape_metric_name(head.name),
            help: head.help,
            unit: head.unit,
            metric_type: head.metric_type,
            first: Source {
                merged,
                part: Part::Whole,
            },
            more: Vec::new(),
            may_repeat: merged.pushed.is_some_and(|view| labels_may_clash(view, escaping)),
        })
    }

    /// Name, help, unit and this type.
    pub(crate) fn head(&self, metric_type: MetricType) -> Head<'_> {
        Head {
            name: &self.name,
            help: self.help,
            unit: self.unit,
            metric_type,
        }
    }

    pub(crate) fn sources(&self) -> impl Iterator<Item = &Source<'a>> {
        std::iter::once(&self.first).chain(&self.more)
    }

    /// The family behind it, if there is one only, which is shown as it is.
    pub(crate) fn alone(&self) -> Option<&Merged<'a>> {
        let is_alone = self.more.is_empty() && !self.may_repeat && self.first.part == Part::Whole;
        is_alone.then_some(&self.first.merged)
    }

    /// Its metrics a few at a time, those of each group together.
    pub(crate) fn metrics<'m>(
        &'m self,
        own: &'m Exposition<'m>,
        whole: Whole,
    ) -> impl Iterator<Item = Metrics<'m>> + Send {
        let sources = self.sources().copied();
        sources.flat_map(move |Source { merged, part }| metrics_of(own, merged, part, whole))
    }

    /// The same, but leaves that have forms as a whole, if forms are wanted.
    pub(crate) fn units<'m>(
        &'m self,
        own: &'m Exposition<'m>,
        whole: Whole,
        forms: Option<&'m Forms>,
    ) -> Box<dyn Iterator<Item = Unit<'m>> + Send + 'm> {
        let alone = self.alone().zip(forms);
        let Some((merged, view, forms)) =
            alone.and_then(|(merged, forms)| Some((merged, merged.pushed?, forms)))
        else {
            return Box::new(self.metrics(own, whole).map(Unit::Metrics));
        };
        let of_gateway = merged.own.map(|family| own_metrics(own, family));
        let units = view.leaves().flat_map(move |leaf| {
            let has_form = forms.has(leaf);
            let fragments = (!has_form).then(|| leaf.fragments(view.name()));
            let metrics = fragments.into_iter().flatten();
            let metrics = metrics.flat_map(move |fragment| metrics_of_fragment(&fragment, whole));
            let leaf = has_form.then_some(Unit::Leaf(view, leaf));
            leaf.into_iter().chain(metrics.map(Unit::Metrics))
        });
        Box::new(of_gateway.into_iter().map(Unit::Metrics).chain(units))
    }

    /// What reads them.
    pub(crate) fn reader(&self, escaping: EscapingScheme) -> Reader<'_> {
        Reader::new(&self.name, self.may_repeat, escaping)
    }

    /// The same line by line: a family of plain numbers for each name that its lines have.
    pub(crate) fn line_by_line(&self) -> Vec<Self> {
        line_by_line(std::slice::from_ref(self))
    }
}

/// Makes one family of those that have become one, and lines of those that cannot.
fn without_clashes(families: Vec<Shown<'_>>) -> Vec<Shown<'_>> {
    let mut clashes = Clashes::default();
    for family in &families {
        clashes.add(family);
    }
    let mut clusters: BTreeMap<usize, Vec<Shown<'_>>> = BTreeMap::new();
    for (index, family) in families.into_iter().enumerate() {
        clusters.entry(clashes.first(index)).or_default().push(family);
    }
    clusters.into_values().flat_map(together).collect()
}

/// Which families have a name in common: each refers to an earlier one, or to itself.
#[derive(Default)]
struct Clashes {
    earlier: Vec<usize>,
    by_name: HashMap<String, usize>,
}

impl Clashes {
    fn add(&mut self, family: &Shown<'_>) {
        let index = self.earlier.len();
        self.earlier.push(index);
        let lines = lines_of(&family.name, family.metric_type)
            .into_iter()
            .map(|(name, _)| name);
        for name in lines.chain([family.name.to_string()]) {
            let other = *self.by_name.entry(name).or_insert(index);
            let (a, b) = (self.first(other), self.first(index));
            if let Some(earlier) = self.earlier.get_mut(a.max(b)) {
                *earlier = a.min(b);
            }
        }
    }

    /// The first of the families that have to do with this one. All on the way to it refer to it from then on, so that no
    /// names make the next ways long.
    fn first(&mut self, index: usize) -> usize {
        let mut first = index;
        while let Some(earlier) = self.earlier.get(first).filter(|earlier| **earlier < first) {
            first = *earlier;
        }
        let mut at = index;
        while let Some(earlier) = self.earlier.get_mut(at).filter(|earlier| **earlier > first) {
            at = std::mem::replace(earlier, first);
        }
        first
    }
}

fn together(mut families: Vec<Shown<'_>>) -> Vec<Shown<'_>> {
    if families.len() < 2 {
        return families;
    }
    families.sort_by_key(|family| {
        let is_escaped = matches!(family.name, Cow::Owned(_));
        (family.first.merged.own.is_none(), is_escaped)
    });
    let Some(first) = families.first() else {
        return families;
    };
    let is_same =
        |other: &Shown<'_>| other.name == first.name && other.metric_type.base() == first.metric_type.base();
    if !families.iter().all(is_same) {
        return line_by_line(&families);
    }
    let all = |is_as_first: fn(&Shown<'_>, &Shown<'_>) -> bool| {
        families.iter().all(|other| is_as_first(other, first))
    };
    let has_type = all(|a, b| a.metric_type == b.metric_type);
    let has_unit = all(|a, b| a.unit == b.unit);
    let one = Shown {
        name: first.name.clone(),
        help: families.iter().find_map(|family| family.help),
        unit: if has_unit { first.unit } else { "" },
        metric_type: if has_type {
            first.metric_type
        } else {
            first.metric_type.base()
        },
        first: first.first,
        more: families.iter().skip(1).map(|family| family.first).collect(),
        may_repeat: true,
    };
    vec![one]
}

fn line_by_line<'a>(families: &[Shown<'a>]) -> Vec<Shown<'a>> {
    let mut by_name: BTreeMap<String, Shown<'a>> = BTreeMap::new();
    for family in families {
        for (name, part) in lines_of(&family.name, family.metric_type) {
            for source in family.sources() {
                let source = Source {
                    merged: source.merged,
                    part,
                };
                if let Some(shown) = by_name.get_mut(&name) {
                    shown.more.push(source);
                    continue;
                }
                let shown = Shown {
                    name: Cow::Owned(name.clone()),
                    help: family.help,
                    unit: "",
                    metric_type: MetricType::Untyped,
                    first: source,
                    more: Vec::new(),
                    may_repeat: true,
                };
                by_name.insert(name.clone(), shown);
            }
        }
    }
    by_name.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_way_to_the_first_family_is_gone_once() {
        let mut clashes = Clashes {
            earlier: (0..1000_usize).map(|index| index.saturating_sub(1)).collect(),
            by_name: HashMap::new(),
        };
        assert_eq!(clashes.first(999), 0);
        assert!(clashes.earlier.iter().all(|earlier| *earlier == 0));
    }
}
