//! The part of a snapshot that selectors select.

use std::sync::Arc;

use wharf_model::{GroupingKey, Selector};

use crate::memory::family::FamilyView;
use crate::read::snapshot::{Snapshot, Totals};
use crate::{PUSH_TIME, UnixNanos};

impl Snapshot {
    /// The groups that one of the selectors selects, as if they were all there is.
    ///
    /// Leaves of selected groups only are shared with this snapshot, and so is their compressed form. Looks at every
    /// group, so it takes a while where there are very many.
    pub fn matching(&self, selectors: &[Selector]) -> Self {
        let keys = self.keys_matching(selectors, None);
        let mut totals = Totals {
            groups: keys.len(),
            ..Totals::default()
        };
        let mut families = imbl::OrdMap::new();
        for (name, family) in &self.families {
            if let Some(part) = family.only(&keys) {
                totals.series += part.size().series;
                totals.bytes += part.size().bytes;
                totals.contradicting += part.size().contradicting;
                families.insert(Arc::clone(name), Arc::new(part));
            }
        }
        let lifetimes = keys
            .iter()
            .filter_map(|key| Some((key.clone(), self.lifetime(key)?)));
        Self {
            families,
            lifetimes: lifetimes.collect(),
            totals,
        }
    }

    /// See [`crate::Store::matching`].
    pub(crate) fn keys_matching(
        &self,
        selectors: &[Selector],
        pushed_before: Option<UnixNanos>,
    ) -> Vec<GroupingKey> {
        // Every group has a push time.
        let times = self.family(PUSH_TIME);
        let times = times.iter().flat_map(FamilyView::fragments);
        times
            .filter(|time| pushed_before.is_none_or(|before| time.pushed_at() < before))
            .filter(|time| Selector::any(selectors, time.key()))
            .map(|time| time.key().clone())
            .collect()
    }
}
