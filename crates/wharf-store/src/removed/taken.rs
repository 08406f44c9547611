//! What a removal takes away, as it was right before.

use std::sync::Arc;

use wharf_model::GroupingKey;

use super::summary::Counts;
use crate::lifetime::Lifetime;
use crate::memory::family_names::Names;
use crate::memory::leaf::FragmentView;
use crate::memory::state::{Held, State};
use crate::mode::PushMode;
use crate::parts::FamilyParts;
use crate::read::snapshot::{Snapshot, snapshot_of};
use crate::record;

/// What a fragment takes in a record beside name, text and exact form, with a help text of usual length.
const ABOUT_A_FRAGMENT: u64 = 64;
/// And a group beside these.
const ABOUT_A_GROUP: u64 = 128;

/// What a removal takes away. It shares leaves with what is stored, so it is not held for long: whoever changes one of these
/// has to copy it.
#[derive(Debug)]
pub(crate) enum Taken {
    /// All groups.
    All(Snapshot),
    /// These groups, or families of them, sorted by key.
    Groups {
        seen: Snapshot,
        goes: Goes,
        groups: Vec<(GroupingKey, Names)>,
    },
    /// Little: these fragments.
    Held { goes: Goes, groups: Vec<HeldGroup> },
}

/// What goes of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Goes {
    Group,
    Families,
}

/// What goes of a group that has little.
#[derive(Debug)]
pub(crate) struct HeldGroup {
    key: GroupingKey,
    lifetime: Option<Lifetime>,
    held: Held,
}

/// What goes of a group as a record, and how much it is.
pub(crate) struct Image {
    pub(crate) record: Vec<u8>,
    pub(crate) counts: Counts,
}

impl Taken {
    /// All groups. Costs nothing.
    pub(crate) fn all(state: &State) -> Self {
        Self::All(snapshot_of(state))
    }

    /// Of these groups the families of these names. Costs nothing.
    pub(crate) fn of(state: &State, goes: Goes, groups: Vec<(GroupingKey, Names)>) -> Self {
        let seen = snapshot_of(state);
        Self::Groups { seen, goes, groups }
    }

    /// Of groups that have little, those families that go. Costs a look at each.
    pub(crate) fn held<'k>(
        state: &State,
        goes: Goes,
        keys: impl Iterator<Item = &'k GroupingKey>,
        has: impl Fn(&str) -> bool,
    ) -> Self {
        let groups = keys.filter_map(|key| {
            let names = state.family_names(key)?;
            let mut names = names
                .iter()
                .map(|name| &**name)
                .filter(|name| has(name))
                .peekable();
            names.peek()?;
            Some(HeldGroup {
                key: key.clone(),
                lifetime: state.lifetimes().get(key),
                held: state.hold(key, names),
            })
        });
        let groups = groups.collect();
        Self::Held { goes, groups }
    }

    /// How many groups there are of which something goes.
    pub(crate) fn groups(&self) -> u64 {
        let groups = match self {
            Self::All(seen) => seen.totals().groups,
            Self::Groups { groups, .. } => groups.len(),
            Self::Held { groups, .. } => groups.len(),
        };
        groups as u64
    }

    /// About how many bytes its records are going to have. Costs a look at each family, or at each group.
    pub(crate) fn about_bytes(&self) -> u64 {
        match self {
            Self::All(seen) => {
                let families = seen.families().map(|family| {
                    let each = family.name().len() as u64 + ABOUT_A_FRAGMENT;
                    family.bytes() + u64::from(family.groups()) * each
                });
                families.sum::<u64>() + seen.totals().groups as u64 * ABOUT_A_GROUP
            }
            Self::Groups { seen, groups, .. } => {
                let groups = groups.iter().map(|(key, names)| {
                    let fragments = names.iter().filter_map(|name| seen.fragment(name, key));
                    fragments
                        .map(|fragment| fragment.record_bytes() as u64)
                        .sum::<u64>()
                        + ABOUT_A_GROUP
                });
                groups.sum()
            }
            Self::Held { groups, .. } => {
                let groups = groups.iter().map(|group| {
                    let fragments = group.held.fragments();
                    fragments
                        .map(|fragment| fragment.record_bytes() as u64)
                        .sum::<u64>()
                        + ABOUT_A_GROUP
                });
                groups.sum()
            }
        }
    }

    /// What goes, group by group.
    pub(crate) fn images(&self) -> Box<dyn Iterator<Item = Image> + '_> {
        match self {
            Self::All(seen) => Box::new(seen.groups_in_turn().map(|group| {
                let fragments: Vec<_> = group.fragments().collect();
                let parts: Vec<_> = fragments.iter().map(FragmentView::parts).collect();
                image(group.key(), Goes::Group, seen.lifetime(group.key()), &parts)
            })),
            Self::Groups { seen, goes, groups } => Box::new(groups.iter().map(|(key, names)| {
                let fragments: Vec<_> = names.iter().filter_map(|name| seen.fragment(name, key)).collect();
                let parts: Vec<_> = fragments.iter().map(FragmentView::parts).collect();
                image(key, *goes, seen.lifetime(key), &parts)
            })),
            Self::Held { goes, groups } => Box::new(groups.iter().map(|group| {
                let fragments: Vec<_> = group.held.fragments().collect();
                let parts: Vec<_> = fragments.iter().map(FragmentView::parts).collect();
                image(&group.key, *goes, group.lifetime, &parts)
            })),
        }
    }
}

/// A family that comes back leaves the lifetime of its group as it is then, so it has none itself.
fn image(key: &GroupingKey, goes: Goes, lifetime: Option<Lifetime>, parts: &[FamilyParts<'_>]) -> Image {
    let (mode, lifetime) = match goes {
        Goes::Group => (PushMode::ReplaceGroup, lifetime),
        Goes::Families => (PushMode::ReplaceFamilies, None),
    };
    let mut counts = Counts {
        groups: 1,
        ..Counts::default()
    };
    for family in parts {
        let exact = family.exact.map_or(0, <[u8]>::len);
        counts.series += memchr::memchr_iter(b'\n', family.text).count() as u64;
        counts.bytes += (family.text.len() + exact) as u64;
    }
    Image {
        record: record::put(key, mode, lifetime, parts.iter().copied()),
        counts,
    }
}

/// The names of families that go, of all that a group has.
pub(crate) fn going(names: &[Arc<str>], has: impl Fn(&str) -> bool) -> Names {
    names.iter().filter(|name| has(name)).cloned().collect()
}
