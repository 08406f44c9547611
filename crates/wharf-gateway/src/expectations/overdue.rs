//! Which groups are overdue, for those who tell others of it: what has changed since they asked last.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use wharf_model::GroupingKey;
use wharf_store::UnixNanos;

use super::basis::Origin;
use super::book::Expected;
use super::overdue_after;
use super::rules::ExpectRules;
use crate::lock::lock;

/// A group that is overdue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OverdueGroup {
    /// When it was pushed to last; none if it never was.
    pub(crate) last: Option<UnixNanos>,
    /// When it was due.
    pub(crate) due: Option<UnixNanos>,
    /// Since when it is overdue: when its grace was over. What a gateway does not say after its start, since pushes may have come
    /// meanwhile, has no part in that, so this is the same before and after.
    pub(crate) since: UnixNanos,
    /// When it is expected, for people.
    pub(crate) expected: String,
}

/// What has become of a group: whether it is overdue now.
pub(crate) type OverdueChange = (GroupingKey, Option<OverdueGroup>);

/// The groups that are overdue, while somebody follows. Bounded by the number of groups that are expected.
#[derive(Debug, Default)]
pub(crate) struct Overdue {
    is_followed: AtomicBool,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    groups: BTreeMap<GroupingKey, OverdueGroup>,
    changed: BTreeSet<GroupingKey>,
}

impl Overdue {
    /// Somebody wants to know, from the first look at all groups on.
    pub(crate) fn follow(&self) {
        self.is_followed.store(true, Ordering::Relaxed);
    }

    /// What has changed since the last time.
    pub(crate) fn take_changed(&self) -> Vec<OverdueChange> {
        let mut known = lock(&self.known);
        let changed = std::mem::take(&mut known.changed).into_iter();
        changed
            .map(|key| {
                let group = known.groups.get(&key).cloned();
                (key, group)
            })
            .collect()
    }

    /// This is what the book says of a group; none: it is not expected.
    pub(super) fn note(&self, key: &GroupingKey, expected: Option<&Expected>, rules: &ExpectRules) {
        if !self.is_followed.load(Ordering::Relaxed) {
            return;
        }
        let group = expected.filter(|expected| expected.is_overdue);
        let group = group.and_then(|expected| overdue(expected, rules));
        let mut known = lock(&self.known);
        let before = match group.clone() {
            Some(group) => known.groups.insert(key.clone(), group),
            None => known.groups.remove(key),
        };
        if before != group {
            known.changed.insert(key.clone());
        }
    }

    /// None but these is expected.
    pub(super) fn retain(&self, is_expected: impl Fn(&GroupingKey) -> bool) {
        let mut known = lock(&self.known);
        let Known { groups, changed } = &mut *known;
        groups.retain(|key, _| {
            let stays = is_expected(key);
            if !stays {
                changed.insert(key.clone());
            }
            stays
        });
    }
}

fn overdue(expected: &Expected, rules: &ExpectRules) -> Option<OverdueGroup> {
    let timing = match &expected.origin {
        Origin::Rule(index) => &rules.get(*index)?.timing,
        Origin::Push(pushed) => pushed.timing(),
    };
    let since = expected.due.and_then(|due| overdue_after(timing, due));
    Some(OverdueGroup {
        last: expected.last,
        due: expected.due,
        since: since.or(expected.overdue_at)?,
        expected: timing.to_string(),
    })
}
