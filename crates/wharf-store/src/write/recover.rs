//! Removals that a start meets in the ledger, and of which nothing was written before the process ended.

use std::collections::BTreeSet;

use wharf_model::GroupingKey;

use crate::change::Change;
use crate::memory::state::State;
use crate::removed::keeper::{About, Keeper};
use crate::removed::taken::{Goes, Taken, going};
use crate::removed::{Author, RemovalKind};
use crate::store::Store;
use crate::write::local::Local;
use crate::write::lock::Guarded;
use crate::{Revision, is_standing};

/// Little removals that wait until they are written together.
const MOST_WAITING: usize = 256;

impl Store {
    /// Takes what a change is about to remove that a start has read, if it was never written. Whether it should be written
    /// now, so that memory does not have too much of it.
    pub(crate) fn recover_removed(
        &self,
        local: &Local,
        guarded: &Guarded,
        at: Revision,
        changes: &[Change<'_>],
    ) -> bool {
        let Some(keeper) = local.keeper().filter(|keeper| keeper.misses(at)) else {
            return false;
        };
        let state = &guarded.state;
        if changes.iter().any(|change| matches!(change, Change::Wipe)) {
            keeper.take(at, Taken::all(state), about(RemovalKind::Wipe));
            return true;
        }
        let removed = Deleted::of(keeper, state, changes);
        let Some((goes, keys)) = removed.what() else {
            return false;
        };
        let kind = match (goes, keys.len()) {
            (Goes::Families, _) => RemovalKind::Family,
            (Goes::Group, 1) => RemovalKind::Group,
            (Goes::Group, _) => RemovalKind::Selector,
        };
        let has = |name: &str| goes == Goes::Group || !is_standing(name) && removed.names.contains(name);
        if keys.len() as u64 <= self.few && state.weight_of(keys.iter()) <= self.few {
            keeper.take(at, Taken::held(state, goes, keys.iter(), has), about(kind));
            return keeper.waiting() >= MOST_WAITING;
        }
        let groups = keys.iter().filter_map(|key| {
            let names = going(&state.family_names(key)?, has);
            (!names.is_empty()).then(|| (key.clone(), names))
        });
        let groups = groups.collect();
        keeper.take(at, Taken::of(state, goes, groups), about(kind));
        true
    }
}

/// Who it was is not in the ledger.
fn about(kind: RemovalKind) -> About {
    About {
        is_recovered: true,
        ..About::new(kind, &Author::default())
    }
}

/// What the changes of a record delete. They are all of one kind.
#[derive(Default)]
struct Deleted<'c> {
    groups: Vec<GroupingKey>,
    losing: Vec<GroupingKey>,
    names: BTreeSet<&'c str>,
}

impl<'c> Deleted<'c> {
    fn of(keeper: &Keeper, state: &State, changes: &'c [Change<'_>]) -> Self {
        let now = keeper.now();
        // Deleted because its time was over, or it would be over by now: it does not come back.
        let is_over = |key: &GroupingKey| {
            let lifetime = state.lifetimes().get(key);
            lifetime.is_some_and(|lifetime| lifetime.expires_at <= now)
        };
        // Likewise of families whose series leave one by one: the first of them has.
        let has_ended = |keys: &[GroupingKey], name: &str| {
            let mut held = keys.iter().map(|key| state.hold(key, std::iter::once(name)));
            held.any(|held| {
                let mut ends = held.fragments().filter_map(|fragment| fragment.first_end());
                ends.any(|end| end <= now)
            })
        };
        let mut deleted = Self::default();
        for change in changes {
            match change {
                Change::Delete { keys, .. } => {
                    deleted
                        .groups
                        .extend(keys.iter().filter(|key| !is_over(key)).cloned());
                }
                Change::DeleteFamilies { keys, names, .. } => {
                    let names = names.iter().copied();
                    let names: Vec<&str> = names.filter(|name| !has_ended(keys, name)).collect();
                    if !names.is_empty() {
                        deleted.losing.extend(keys.iter().cloned());
                        deleted.names.extend(names);
                    }
                }
                Change::Put { .. } | Change::Wipe => {}
            }
        }
        deleted
    }

    fn what(&self) -> Option<(Goes, &[GroupingKey])> {
        match (&*self.groups, &*self.losing) {
            ([], []) => None,
            ([], losing) => Some((Goes::Families, losing)),
            (groups, _) => Some((Goes::Group, groups)),
        }
    }
}
