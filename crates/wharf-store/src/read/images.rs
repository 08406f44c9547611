//! All groups, to be written down while pushes go on.
//!
//! Groups are taken a few at a time, each as it is then. So little is held, and not for long: whoever holds a leaf makes
//! the next push to it copy the leaf, and copies of all leaves would be twice the memory. The leaves of a few neighbours
//! are held, not a snapshot, for which a push would have to copy the lists that lead to its leaves as well.
//!
//! An image of a group may have effects of later changes than that of another. After the records of the changes have been
//! replayed that were made since the first image was taken, it does not matter any more: a record says what becomes of
//! the families that it names whatever they were before, and the records of a group are in order.

use std::collections::HashMap;
use std::iter::Peekable;
use std::sync::Arc;
use std::vec;

use wharf_model::GroupingKey;

use crate::lifetime::Lifetime;
use crate::memory::family_names::FamilyNames;
use crate::memory::leaf::FragmentView;
use crate::memory::leaves::Leaves;
use crate::memory::state::{Families, State};
use crate::mode::PushMode;
use crate::record;
use crate::write::lock::Lock;

/// Groups that are taken at a time.
const AT_A_TIME: usize = 64;
/// And families of all of them, unless one group has more.
const MOST_FAMILIES: usize = 1024;
/// When the records of those have so many bytes, the others are left for the next time.
const ENOUGH_BYTES: usize = 1 << 20;

/// The records of all groups, in the order of their keys.
#[derive(Debug)]
pub(crate) struct Images<'s> {
    lock: &'s Lock,
    /// The last group of which a record was made.
    last: Option<GroupingKey>,
    records: vec::IntoIter<Vec<u8>>,
}

impl<'s> Images<'s> {
    /// Begins before the first group.
    pub(crate) fn of(lock: &'s Lock) -> Self {
        Self {
            lock,
            last: None,
            records: Vec::new().into_iter(),
        }
    }
}

impl Iterator for Images<'_> {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        if self.records.len() == 0 {
            let taken = Taken::of(self.lock, self.last.take());
            let records = taken.records();
            let last = records
                .len()
                .checked_sub(1)
                .and_then(|last| taken.groups.get(last));
            self.last = last.map(|group| group.key.clone());
            self.records = records.into_iter();
        }
        self.records.next()
    }
}

/// Ids that are taken at a time.
const IDS_AT_A_TIME: usize = 4096;

/// The records of the ids of pushes, oldest first.
#[derive(Debug)]
pub(crate) struct IdImages<'s> {
    lock: &'s Lock,
    next: u64,
}

impl<'s> IdImages<'s> {
    /// Begins before the oldest.
    pub(crate) fn of(lock: &'s Lock) -> Self {
        Self { lock, next: 0 }
    }
}

impl Iterator for IdImages<'_> {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        let (ids, next) = self.lock.hold().push_ids.some(self.next, IDS_AT_A_TIME)?;
        self.next = next;
        Some(record::push_ids(&ids))
    }
}

/// Neighbouring groups, and what they have.
#[derive(Debug, Default)]
struct Taken {
    groups: Vec<Group>,
    has: Has,
}

/// What groups have.
#[derive(Debug)]
enum Has {
    /// Parts of these families.
    Leaves(HashMap<Arc<str>, Leaves>),
    /// A group with very many families, of which each part would take more memory than what the group has of it.
    All(Families),
}

impl Default for Has {
    fn default() -> Self {
        Self::Leaves(HashMap::new())
    }
}

#[derive(Debug)]
struct Group {
    key: GroupingKey,
    lifetime: Option<Lifetime>,
    /// Names of its families, sorted.
    names: Arc<[Arc<str>]>,
}

impl Taken {
    /// The first groups beyond a key.
    fn of(lock: &Lock, last: Option<GroupingKey>) -> Self {
        let guarded = lock.hold();
        let mut taken = Self::groups_of(&guarded.state, last);
        if taken
            .groups
            .first()
            .is_none_or(|first| first.names.len() <= MOST_FAMILIES)
        {
            guarded
                .state
                .looked_at(taken.groups.iter().map(|group| group.names.len()).sum());
            taken.find_leaves(guarded.state.families());
            return taken;
        }
        // Too many to be looked up while others wait. Who changes something of them meanwhile has to copy it.
        taken.has = Has::All(guarded.state.families().clone());
        taken
    }

    /// The groups, before it is known where their fragments are.
    fn groups_of(state: &State, last: Option<GroupingKey>) -> Self {
        let mut taken = Self::default();
        let mut families = 0;
        for (key, family_names) in state.groups_above(last).take(AT_A_TIME) {
            families += family_names.len();
            if families > MOST_FAMILIES && !taken.groups.is_empty() {
                break;
            }
            let before = taken.groups.last().map(|group| &group.names);
            let names = match before {
                Some(names) if is_same(names, family_names) => Arc::clone(names),
                // A copy, for names are forgotten by the count of those who share them.
                _ => family_names.names(),
            };
            taken.groups.push(Group {
                key: key.clone(),
                lifetime: state.lifetimes().get(key),
                names,
            });
        }
        taken
    }

    fn find_leaves(&mut self, families: &Families) {
        let ends = self.groups.first().zip(self.groups.last());
        let Some((first, last)) = ends.map(|(first, last)| (&first.key, &last.key)) else {
            return;
        };
        let mut found = HashMap::new();
        for group in self.groups.chunk_by(has_same_families) {
            for name in group.iter().take(1).flat_map(|group| &*group.names) {
                if let Some(family) = families.get(name)
                    && !found.contains_key(name)
                {
                    let leaves = family.leaves_of(first, last);
                    found.insert(Arc::clone(name), leaves);
                }
            }
        }
        self.has = Has::Leaves(found);
    }

    /// The records of the first of these groups, one at least.
    fn records(&self) -> Vec<Vec<u8>> {
        match &self.has {
            Has::Leaves(families) => self.records_of(families),
            Has::All(families) => self.groups.iter().map(|group| group.record(families)).collect(),
        }
    }

    fn records_of(&self, families: &HashMap<Arc<str>, Leaves>) -> Vec<Vec<u8>> {
        let mut records = Vec::with_capacity(self.groups.len());
        let mut bytes = 0;
        for groups in self.groups.chunk_by(has_same_families) {
            let Some(Group {
                key: first, names, ..
            }) = groups.first()
            else {
                continue;
            };
            // What one of these families has of the next group comes right behind what it has of this one.
            let next = names.iter().filter_map(|name| {
                let fragments = families.get(name)?.fragments_from(name, Some(first));
                Some(fragments.peekable())
            });
            let mut next: Vec<_> = next.collect();
            for Group { key, lifetime, .. } in groups {
                let fragments: Vec<_> = next.iter_mut().filter_map(|family| of(key, family)).collect();
                let parts = fragments.iter().map(FragmentView::parts);
                let record = record::put(key, PushMode::ReplaceGroup, *lifetime, parts);
                bytes += record.len();
                records.push(record);
                if bytes >= ENOUGH_BYTES {
                    return records;
                }
            }
        }
        records
    }
}

impl Group {
    fn record(&self, families: &Families) -> Vec<u8> {
        let names = self.names.iter();
        let fragments = names.filter_map(|name| families.get(name)?.view_of(&self.key));
        let fragments: Vec<_> = fragments.collect();
        let parts = fragments.iter().map(FragmentView::parts);
        record::put(&self.key, PushMode::ReplaceGroup, self.lifetime, parts)
    }
}

/// The fragment of a group, of those that are left of a family.
fn of<'f>(
    key: &GroupingKey,
    family: &mut Peekable<impl Iterator<Item = FragmentView<'f>>>,
) -> Option<FragmentView<'f>> {
    loop {
        if let Some(found) = family.next_if(|fragment| fragment.key() == key) {
            return Some(found);
        }
        family.next_if(|fragment| fragment.key() < key)?;
    }
}

fn has_same_families(a: &Group, b: &Group) -> bool {
    Arc::ptr_eq(&a.names, &b.names)
}

/// Whether these are the names of a group. Names are shared, so no text is compared.
fn is_same(names: &[Arc<str>], family_names: &FamilyNames) -> bool {
    let mut pairs = names.iter().zip(family_names.iter());
    names.len() == family_names.len() && pairs.all(|(a, b)| Arc::ptr_eq(a, b))
}
