//! What was stored at one moment.

use std::sync::Arc;

use imbl::OrdMap;
use wharf_model::GroupingKey;

use crate::PUSH_TIME;
use crate::lifetime::Lifetime;
use crate::memory::family::{Family, FamilyView};
use crate::memory::leaf::FragmentView;
use crate::memory::state::State;
use crate::shelf::Shelf;

/// How much is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Number of groups.
    pub groups: usize,
    /// Number of series: the lines of samples a text scrape shows, the gateway's own aside.
    pub series: u64,
    /// Bytes of their text, and of the protobuf form of what text cannot say.
    pub bytes: u64,
    /// Families of groups with histograms whose buckets contradict each other or their count.
    pub contradicting: u64,
}

pub(crate) fn snapshot_of(state: &State) -> Snapshot {
    Snapshot {
        families: state.families().clone(),
        lifetimes: state.lifetimes().by_key().clone(),
        totals: totals_of(state),
        shelf: None,
    }
}

pub(crate) fn totals_of(state: &State) -> Totals {
    Totals {
        groups: state.groups(),
        series: state.size().series,
        bytes: state.size().bytes,
        contradicting: state.size().contradicting,
    }
}

/// What was stored at one moment: whole pushes only.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub(crate) families: OrdMap<Arc<str>, Arc<Family>>,
    pub(crate) lifetimes: OrdMap<GroupingKey, Lifetime>,
    pub(crate) totals: Totals,
    pub(crate) shelf: Option<Arc<Shelf>>,
}

impl Snapshot {
    /// What keeps further forms of its leaves; none, if it is a part of what was stored.
    pub fn shelf(&self) -> Option<&Arc<Shelf>> {
        self.shelf.as_ref()
    }

    /// The same, of whose leaves no further forms are kept.
    #[must_use]
    pub fn without_shelf(self) -> Self {
        Self { shelf: None, ..self }
    }

    /// The same with these families of another store, in the place of its own of these names. Totals, and what is said of
    /// groups, stay as they are.
    #[must_use]
    pub fn with_families_of(mut self, other: &Self, names: &[&str]) -> Self {
        for name in names {
            match other.families.get_key_value(*name) {
                Some((name, family)) => self.families.insert(Arc::clone(name), Arc::clone(family)),
                None => self.families.remove(*name),
            };
        }
        self
    }

    /// The families, sorted by name.
    pub fn families(&self) -> impl Iterator<Item = FamilyView<'_>> {
        self.families.values().map(|family| FamilyView::new(family))
    }

    /// The family of that name.
    pub fn family(&self, name: &str) -> Option<FamilyView<'_>> {
        self.families.get(name).map(|family| FamilyView::new(family))
    }

    /// When a group expires; none if it does not.
    pub fn lifetime(&self, key: &GroupingKey) -> Option<Lifetime> {
        self.lifetimes.get(key).copied()
    }

    /// How many groups expire some day.
    pub fn expiring(&self) -> usize {
        self.lifetimes.len()
    }

    /// Whether a group had a family of that name.
    pub fn has_family(&self, key: &GroupingKey, name: &str) -> bool {
        self.fragment(name, key).is_some()
    }

    /// The family of that name of a group.
    pub fn fragment(&self, name: &str, key: &GroupingKey) -> Option<FragmentView<'_>> {
        self.families.get(name)?.view_of(key)
    }

    /// How much was stored.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// The keys of all groups, in their order.
    pub fn keys(&self) -> Vec<GroupingKey> {
        // Every group has a push time.
        let times = self.family(PUSH_TIME);
        let times = times.iter().flat_map(FamilyView::fragments);
        times.map(|time| time.key().clone()).collect()
    }
}
