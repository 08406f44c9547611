//! The part of a snapshot that a choice has.

use std::sync::Arc;

use wharf_model::{Choice, Effort, GroupingKey, Stopped};

use crate::memory::family::FamilyView;
use crate::read::snapshot::{Snapshot, Totals};
use crate::{PUSH_TIME, UnixNanos};

impl Snapshot {
    /// The groups of a choice, as if they were all there is.
    ///
    /// Leaves of these groups only are shared with this snapshot, and so is their compressed form. Looks at every
    /// group, so it takes a while where there are very many.
    ///
    /// # Errors
    /// If the effort ends.
    pub fn matching(&self, choice: &Choice, effort: &Effort) -> Result<Self, Stopped> {
        if choice.is_all() {
            return Ok(self.clone());
        }
        let keys = self.keys_matching(choice, None, effort)?;
        let mut totals = Totals {
            groups: keys.len(),
            ..Totals::default()
        };
        let mut families = imbl::OrdMap::new();
        for (name, family) in &self.families {
            if let Some(part) = family.only(&keys, effort)? {
                totals.series += part.size().series;
                totals.bytes += part.size().bytes;
                totals.contradicting += part.size().contradicting;
                families.insert(Arc::clone(name), Arc::new(part));
            }
        }
        let lifetimes = keys
            .iter()
            .filter_map(|key| Some((key.clone(), self.lifetime(key)?)));
        Ok(Self {
            families,
            lifetimes: lifetimes.collect(),
            totals,
            // Many of its leaves are gone with it.
            shelf: None,
        })
    }

    /// See [`crate::Store::matching`].
    pub(crate) fn keys_matching(
        &self,
        choice: &Choice,
        pushed_before: Option<UnixNanos>,
        effort: &Effort,
    ) -> Result<Vec<GroupingKey>, Stopped> {
        let (mut choosing, mut keys) = (choice.begin(effort), Vec::new());
        // Every group has a push time.
        let times = self.family(PUSH_TIME);
        for time in times.iter().flat_map(FamilyView::fragments) {
            let is_old = pushed_before.is_none_or(|before| time.pushed_at() < before);
            if choosing.has(time.key())? && is_old {
                keys.push(time.key().clone());
            }
        }
        Ok(keys)
    }
}
