//! Deletion: of groups by key or by selector, of families, of everything.

use std::borrow::Cow;

use wharf_model::{Choice, Effort, GroupingKey, Stopped};

use crate::change::Change;
use crate::effect::By;
use crate::memory::state::State;
use crate::record::{self, Several};
use crate::store::Store;
use crate::write::commit::Commit;
use crate::write::shared::Op;
use crate::write::writer::Writer;
use crate::{PushError, UnixNanos};

/// To find a family of a group.
const FIND_STEPS: u64 = 256;

impl Store {
    /// Removes the group of exactly this key; whether there was one.
    ///
    /// # Errors
    /// [`PushError::Unavailable`] if the ledger takes nothing.
    pub fn delete(&self, key: &GroupingKey) -> Result<(bool, Commit), PushError> {
        let local = match &self.writer {
            Writer::Local(local) => local,
            Writer::Shared(shared) => {
                let existed = self.lock().state.whole(key).revision.is_some();
                let by = By::Request;
                return Ok((existed, shared.change_all([key], || Op::Delete { by })?));
            }
        };
        // Also for a group that is not there: its end may still be on the way to the disk, and this answer must not
        // overtake it.
        let record = local.has_ledger().then(|| record::delete(key));
        let keys = std::slice::from_ref(key);
        let (without, mut guarded) = self.hold_without(keys, None);
        let change = Change::Delete {
            keys: Cow::Borrowed(keys),
            by: By::Request,
            without,
        };
        let (applied, commit) = local.change_one(&mut guarded, &self.preparer, record, change)?;
        drop(guarded);
        self.forget_series(applied.taken);
        Ok((applied.groups > 0, commit))
    }

    /// Removes all groups at once; how many there were.
    ///
    /// # Errors
    /// [`PushError::Unavailable`] if the ledger takes nothing.
    pub fn wipe(&self) -> Result<(usize, Commit), PushError> {
        let local = match &self.writer {
            Writer::Local(local) => local,
            Writer::Shared(shared) => {
                let groups = self.lock().state.groups();
                return Ok((groups, Commit::shared([shared.wipe()?])));
            }
        };
        let record = local.has_ledger().then(record::wipe);
        let mut guarded = self.lock();
        let (applied, commit) = local.change_one(&mut guarded, &self.preparer, record, Change::Wipe)?;
        Ok((applied.groups, commit))
    }

    /// Removes families of a group; how many there were. The group and its push times stay.
    ///
    /// # Errors
    /// [`PushError::Unavailable`] if the ledger takes nothing.
    pub fn delete_families(&self, key: &GroupingKey, names: &[&str]) -> Result<(usize, Commit), PushError> {
        let local = match &self.writer {
            Writer::Local(local) => local,
            Writer::Shared(shared) => {
                let family_names = self.lock().state.family_names(key).unwrap_or_default();
                let has = |name: &&&str| !crate::is_time(name) && family_names.has(name);
                let removed = names.iter().filter(has).count();
                let names = || names.iter().map(|name| (*name).to_owned()).collect();
                let commit = shared.change_all([key], || Op::DeleteFamilies { names: names() })?;
                return Ok((removed, commit));
            }
        };
        let record = local.has_ledger().then(|| {
            let mut record = Several::new();
            record.delete_families(key, names.iter().copied());
            record.finish()
        });
        let change = Change::DeleteFamilies {
            keys: Cow::Borrowed(std::slice::from_ref(key)),
            names: names.to_vec(),
            by: By::Request,
        };
        let mut guarded = self.lock();
        let (applied, commit) = local.change_one(&mut guarded, &self.preparer, record, change)?;
        Ok((applied.families, commit))
    }

    /// Removes a family from those of these groups that have it, as [`Self::matching_with_family`] gives them: from all of
    /// them, or from none. The keys of those that had it.
    ///
    /// A group that was pushed meanwhile, so that it is not old enough any more, keeps it. The lock is held while the
    /// family is removed, and the ledger has it as one record.
    ///
    /// # Errors
    /// [`PushError::Unavailable`] if the ledger takes nothing.
    pub fn delete_family_of(
        &self,
        mut keys: Vec<GroupingKey>,
        pushed_before: Option<UnixNanos>,
        family: &str,
    ) -> Result<(Vec<GroupingKey>, Commit), PushError> {
        let mut guarded = self.lock();
        keys.retain(|key| {
            let state = &guarded.state;
            is_old(state, key, pushed_before)
                && state
                    .family_names(key)
                    .is_some_and(|family_names| family_names.has(family))
        });
        let local = match &self.writer {
            Writer::Local(local) => local,
            Writer::Shared(shared) => {
                drop(guarded);
                let names = || vec![family.to_owned()];
                let commit = shared.change_all(&keys, || Op::DeleteFamilies { names: names() })?;
                return Ok((keys, commit));
            }
        };
        // Also if there are none, see `delete_groups`.
        let record = local.has_ledger().then(|| {
            let mut record = Several::new();
            for key in &keys {
                record.delete_families(key, [family].into_iter());
            }
            record.finish()
        });
        let change = Change::DeleteFamilies {
            keys: Cow::Borrowed(&keys),
            names: vec![family],
            by: By::Selector,
        };
        let (_, commit) = local.change_one(&mut guarded, &self.preparer, record, change)?;
        drop(guarded);
        Ok((keys, commit))
    }

    /// The groups that [`Self::matching`] gives and that have a family, its times aside.
    ///
    /// # Errors
    /// If the effort ends.
    pub fn matching_with_family(
        &self,
        choice: &Choice,
        pushed_before: Option<UnixNanos>,
        family: &str,
        effort: &Effort,
    ) -> Result<Vec<GroupingKey>, Stopped> {
        let snapshot = self.snapshot();
        let mut keys = snapshot.keys_matching(choice, pushed_before, effort)?;
        effort.spend(FIND_STEPS * keys.len() as u64)?;
        keys.retain(|key| !crate::is_time(family) && snapshot.has_family(key, family));
        Ok(keys)
    }

    /// The groups of a choice that were pushed before a time, if one is given, sorted by key. Looks at every group, without
    /// keeping anybody waiting.
    ///
    /// Pushed means the last successful push, or the refused one that made the group.
    ///
    /// # Errors
    /// If the effort ends.
    pub fn matching(
        &self,
        choice: &Choice,
        pushed_before: Option<UnixNanos>,
        effort: &Effort,
    ) -> Result<Vec<GroupingKey>, Stopped> {
        self.snapshot().keys_matching(choice, pushed_before, effort)
    }

    /// Removes these groups, as [`Self::matching`] gives them: all of them, or none. The keys of those that are gone.
    ///
    /// A group that was pushed meanwhile, so that it is not old enough any more, stays. The lock is held while the
    /// groups are removed, and the ledger has it as one record.
    ///
    /// # Errors
    /// [`PushError::Unavailable`] if the ledger takes nothing.
    pub fn delete_groups(
        &self,
        mut keys: Vec<GroupingKey>,
        pushed_before: Option<UnixNanos>,
    ) -> Result<(Vec<GroupingKey>, Commit), PushError> {
        let local = match &self.writer {
            Writer::Local(local) => local,
            Writer::Shared(shared) => {
                let by = By::Selector;
                let commit = shared.change_all(&keys, || Op::Delete { by })?;
                return Ok((keys, commit));
            }
        };
        let (without, mut guarded) = loop {
            let (without, guarded) = self.hold_without(&keys, None);
            let is_old = |key: &GroupingKey| is_old(&guarded.state, key, pushed_before);
            keys.retain(is_old);
            let large = without.iter().flat_map(|without| without.keys());
            // One of them may have been pushed meanwhile, and stays then.
            if large.clone().all(|key| keys.binary_search(key).is_ok()) {
                break (without, guarded);
            }
        };
        // Also if there are none: the end of one may still be on the way to the disk, and this answer must not
        // overtake it.
        let record = local.has_ledger().then(|| {
            let mut record = Several::new();
            for key in &keys {
                record.delete(key);
            }
            record.finish()
        });
        let change = Change::Delete {
            keys: Cow::Borrowed(&keys),
            by: By::Selector,
            without,
        };
        let (applied, commit) = local.change_one(&mut guarded, &self.preparer, record, change)?;
        drop(guarded);
        self.forget_series(applied.taken);
        Ok((keys, commit))
    }
}

/// Whether a group is there and was pushed before a time, if one is given.
fn is_old(state: &State, key: &GroupingKey, pushed_before: Option<UnixNanos>) -> bool {
    let pushed_at = state.pushed_at(key);
    pushed_at.is_some_and(|at| pushed_before.is_none_or(|before| at < before))
}
