//! The families of a scrape in their order: the gateway's own, those of the groups, or both under one name.

use std::cmp::Ordering;

use wharf_exposition::Head;
use wharf_model::{Exposition, Family};
use wharf_store::{FamilyView, Snapshot};

/// A family of the scrape: the gateway's own, a pushed one, or both under one name.
#[derive(Clone, Copy)]
pub(crate) struct Merged<'a> {
    pub(crate) own: Option<&'a Family>,
    pub(crate) pushed: Option<FamilyView<'a>>,
}

/// The pushed families that have metrics.
pub(crate) fn pushed(snapshot: &Snapshot) -> impl Iterator<Item = FamilyView<'_>> {
    snapshot.families().filter(|family| family.meta().is_some())
}

/// Both lists are sorted by name; so is the merged one. Families without metrics are left out.
pub(crate) fn merge<'a>(own: &'a Exposition<'_>, snapshot: &'a Snapshot) -> impl Iterator<Item = Merged<'a>> {
    let mut own_families = own.families.iter().peekable();
    let mut pushed_families = pushed(snapshot).peekable();
    std::iter::from_fn(move || {
        let order = match (own_families.peek(), pushed_families.peek()) {
            (Some(family), Some(view)) => own.text(family.name).cmp(view.name()),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return None,
        };
        Some(Merged {
            own: if order.is_le() { own_families.next() } else { None },
            pushed: if order.is_ge() {
                pushed_families.next()
            } else {
                None
            },
        })
    })
}

/// Name, help, unit and type of a family. What the gateway says of its own counts over what the groups say.
pub(crate) fn head_of<'a>(own: &'a Exposition<'_>, merged: &Merged<'a>) -> Option<Head<'a>> {
    if let Some(family) = merged.own {
        return Some(Head::of(own, family));
    }
    let view = merged.pushed?;
    let meta = view.meta()?;
    Some(Head {
        name: view.name(),
        help: meta.help.as_deref(),
        unit: &meta.unit,
        metric_type: meta.metric_type,
    })
}
