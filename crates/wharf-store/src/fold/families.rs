//! Families that stay as they are.

use wharf_model::{Exposition, GroupingKey};

use crate::PushError;
use crate::prepare::{Prepared, PreparedFamily, Preparer};

/// A group in the making.
#[derive(Debug)]
pub(super) struct Folding<'a, 'p> {
    pub(super) preparer: &'p Preparer,
    pub(super) prepared: Prepared<'a>,
}

impl<'a, 'p> Folding<'a, 'p> {
    pub(super) fn new(preparer: &'p Preparer) -> Self {
        Self {
            preparer,
            prepared: Prepared::default(),
        }
    }

    /// Adds a family as it is, and its lines; where it is from has the lines.
    pub(super) fn copy(
        &mut self,
        from: &Prepared<'_>,
        family: &PreparedFamily<'a>,
    ) -> &mut PreparedFamily<'a> {
        let all = &mut self.prepared;
        let (text, first) = (all.text.to_mut(), all.fingerprints.len());
        let start = text.len();
        text.extend_from_slice(from.text(family));
        let text = start..text.len();
        all.fingerprints.extend_from_slice(from.fingerprints(family));
        all.families.push(PreparedFamily {
            text,
            fingerprints: first..all.fingerprints.len(),
            ..family.clone()
        });
        let last = all.families.len() - 1;
        &mut all.families[last]
    }

    /// Adds a family that is the only one of an exposition; what it is called is as in `like`.
    pub(super) fn add(
        &mut self,
        key: &GroupingKey,
        exposition: &Exposition<'_>,
        like: &PreparedFamily<'a>,
    ) -> Result<Option<&mut PreparedFamily<'a>>, PushError> {
        let all = &mut self.prepared;
        let added = self.preparer.add_family(key, exposition, like.pushed_at, all)?;
        let Some(added) = added else { return Ok(None) };
        all.families.push(PreparedFamily {
            name: like.name,
            help: like.help.clone(),
            unit: like.unit.clone(),
            ..added
        });
        Ok(all.families.last_mut())
    }

    pub(super) fn copy_all(&mut self, from: &Prepared<'a>) {
        for family in &from.families {
            self.copy(from, family);
        }
    }

    /// All families that were added, in their order.
    pub(super) fn finish(mut self) -> Prepared<'a> {
        self.prepared.families.sort_by(|a, b| a.name.cmp(b.name));
        self.preparer.set_digest(&mut self.prepared);
        self.prepared
    }
}
