//! All groups, to be written down while pushes go on.
//!
//! Groups are taken a few at a time, each as it is then. So nothing is held for long: whoever holds a leaf makes the next
//! push to it copy the leaf, and copies of all leaves would be twice the memory.
//!
//! An image of a group may have effects of later changes than that of another. After the records of the changes have been
//! replayed that were made since the first image was taken, it does not matter any more: a record says what becomes of
//! the families that it names whatever they were before, and the records of a group are in order.

use std::sync::Arc;
use std::vec;

use imbl::OrdMap;
use wharf_model::GroupingKey;

use crate::family::Family;
use crate::lifetime::Lifetime;
use crate::roster::Roster;
use crate::state::State;
use crate::store::Store;
use crate::{PushMode, record};

/// Groups that are taken at a time.
const AT_A_TIME: usize = 64;

/// The records of all groups, in the order of their keys.
#[derive(Debug)]
pub(crate) struct Images<'s> {
    store: &'s Store,
    /// The last group that was taken.
    last: Option<GroupingKey>,
    taken: vec::IntoIter<Taken>,
    /// What the taken groups have.
    families: OrdMap<Arc<str>, Arc<Family>>,
}

/// A group of which no record has been made yet.
#[derive(Debug)]
struct Taken {
    key: GroupingKey,
    lifetime: Option<Lifetime>,
    /// Names of its families, sorted.
    names: Arc<[Arc<str>]>,
}

impl<'s> Images<'s> {
    /// Begins before the first group.
    pub(crate) fn of(store: &'s Store) -> Self {
        Self {
            store,
            last: None,
            taken: Vec::new().into_iter(),
            families: OrdMap::new(),
        }
    }

    fn take(&mut self) {
        // Given back before the lock is asked for.
        self.families = OrdMap::new();
        let guarded = self.store.lock();
        let taken = next(&guarded.state, self.last.take());
        self.families = guarded.state.families().clone();
        drop(guarded);
        self.last = taken.last().map(|taken| taken.key.clone());
        self.taken = taken.into_iter();
    }

    fn image(&self, taken: &Taken) -> Vec<u8> {
        let fragments = taken.names.iter().filter_map(|name| {
            let (leaf, position) = self.families.get(name)?.find(&taken.key)?;
            Some(leaf.view(name, position).parts())
        });
        let fragments: Vec<_> = fragments.collect();
        record::put(
            &taken.key,
            PushMode::ReplaceGroup,
            taken.lifetime,
            fragments.into_iter(),
        )
    }
}

impl Iterator for Images<'_> {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        if self.taken.len() == 0 {
            self.take();
        }
        let taken = self.taken.next()?;
        Some(self.image(&taken))
    }
}

/// The first groups beyond a key.
fn next(state: &State, last: Option<GroupingKey>) -> Vec<Taken> {
    let mut taken: Vec<Taken> = Vec::with_capacity(AT_A_TIME);
    for (key, roster) in state.groups_above(last).take(AT_A_TIME) {
        let before = taken.last().map(|taken| &taken.names);
        let names = match before {
            Some(names) if is_same(names, roster) => Arc::clone(names),
            // A copy, for a roster is forgotten by the count of those who share it.
            _ => Arc::from(&**roster),
        };
        taken.push(Taken {
            key: key.clone(),
            lifetime: state.lifetimes().get(key),
            names,
        });
    }
    taken
}

/// Whether these are the names of a roster. Names are shared, so no text is compared.
fn is_same(names: &[Arc<str>], roster: &Roster) -> bool {
    let mut pairs = names.iter().zip(roster.iter());
    names.len() == roster.len() && pairs.all(|(a, b)| Arc::ptr_eq(a, b))
}
