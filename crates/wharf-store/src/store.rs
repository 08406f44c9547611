//! The store: one lock around the state, and snapshots for readers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use imbl::OrdMap;
use wharf_model::{Exposition, GroupingKey};

use crate::family::Family;
use crate::prepare::Preparer;
use crate::state::{Incoming, State};
use crate::{FamilyView, FragmentView, PUSH_TIME, PushError, Reserved, UnixNanos};

/// What a push replaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PushMode {
    /// The whole group (PUT).
    ReplaceGroup,
    /// The families it brings (POST); others of the group stay.
    ReplaceFamilies,
}

/// Groups in memory. Shared between threads by reference.
#[derive(Debug)]
pub struct Store {
    preparer: Preparer,
    /// A plain lock: it is held for some microseconds a push, and for a clone of a pointer a scrape.
    state: Mutex<State>,
}

/// How much is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Number of groups.
    pub groups: usize,
    /// Number of series: the lines of samples a text scrape shows, the gateway's own aside.
    pub series: u64,
    /// Bytes of their text, and of the protobuf form of what text cannot say.
    pub bytes: u64,
}

impl Store {
    /// An empty store beside these families of the gateway itself. `max_push_bytes` bounds the text of one push
    /// once the group's labels stand on each of its lines.
    pub fn new(reserved: Reserved, max_push_bytes: usize) -> Self {
        Self {
            preparer: Preparer::new(reserved, max_push_bytes),
            state: Mutex::default(),
        }
    }

    /// Replaces the group `key`, or the pushed families in it, by `exposition`.
    ///
    /// A snapshot taken after this returns has the whole push, one taken before has nothing of it. `now` becomes
    /// the group's push time.
    ///
    /// # Errors
    /// [`PushError`] if the push contradicts itself or what other groups hold. Nothing of it is stored then; the
    /// group's failure time becomes `now`, and a group that does not exist is made for it where its times clash
    /// with no other group's.
    pub fn push(
        &self,
        key: &GroupingKey,
        mode: PushMode,
        exposition: &Exposition<'_>,
        now: UnixNanos,
    ) -> Result<(), PushError> {
        let pushed = self.preparer.prepare(key, exposition, now).and_then(|prepared| {
            let incoming = Incoming {
                key,
                mode,
                prepared,
                now,
            };
            Ok(self.lock().push(&self.preparer, incoming)?)
        });
        if matches!(pushed, Err(PushError::Timestamps | PushError::Inconsistent(_))) {
            self.lock().record_failure(&self.preparer, key, now);
        }
        pushed
    }

    /// Removes the group of exactly this key; whether there was one.
    pub fn delete(&self, key: &GroupingKey) -> bool {
        self.lock().delete(&self.preparer, key)
    }

    /// Removes all groups at once; how many there were.
    pub fn wipe(&self) -> usize {
        // Dropped after the lock is released: freeing a million series takes a while.
        let old = std::mem::take(&mut *self.lock());
        old.groups()
    }

    /// What is stored now. Takes no time, and keeps nobody waiting however long it is held; memory of what is
    /// pushed meanwhile adds to it.
    pub fn snapshot(&self) -> Snapshot {
        let state = self.lock();
        Snapshot {
            families: state.families().clone(),
            totals: totals_of(&state),
        }
    }

    /// How much is stored now.
    pub fn totals(&self) -> Totals {
        totals_of(&self.lock())
    }

    /// A panic under the lock is a bug that may have left a push half stored. The panic's message is in the log;
    /// going on would show that half to every scrape, so the process ends.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|_| std::process::abort())
    }
}

fn totals_of(state: &State) -> Totals {
    Totals {
        groups: state.groups(),
        series: state.size().series,
        bytes: state.size().bytes,
    }
}

/// What was stored at one moment: whole pushes only.
#[derive(Debug, Clone)]
pub struct Snapshot {
    families: OrdMap<Arc<str>, Arc<Family>>,
    totals: Totals,
}

impl Snapshot {
    /// The families, sorted by name.
    pub fn families(&self) -> impl Iterator<Item = FamilyView<'_>> {
        self.families.values().map(|family| FamilyView::new(family))
    }

    /// The family of that name.
    pub fn family(&self, name: &str) -> Option<FamilyView<'_>> {
        self.families.get(name).map(|family| FamilyView::new(family))
    }

    /// How much was stored.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// All groups, ordered by key, each with its families, sorted by name.
    pub fn groups(&self) -> Vec<(&GroupingKey, Vec<FragmentView<'_>>)> {
        // Every group has a push time.
        let times = self.family(PUSH_TIME);
        let keys = times
            .iter()
            .flat_map(FamilyView::fragments)
            .map(|fragment| fragment.key());
        let mut groups: Vec<_> = keys.map(|key| (key, Vec::new())).collect();
        let positions: HashMap<_, _> = groups
            .iter()
            .enumerate()
            .map(|(at, (key, _))| (*key, at))
            .collect();
        for fragment in self
            .families()
            .flat_map(|family| family.fragments().collect::<Vec<_>>())
        {
            if let Some((_, fragments)) = positions.get(fragment.key()).and_then(|at| groups.get_mut(*at)) {
                fragments.push(fragment);
            }
        }
        groups
    }
}
