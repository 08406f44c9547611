//! The store: what it is made of, how it is asked, and how it stands to its ledger.
//!
//! What changes it is in the files of `write`, what lists it in those of `read`.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use wharf_ledger::{CheckpointError, Ledger, Sequence};
use wharf_model::GroupingKey;

use crate::feed::Follower;
use crate::limits::{Limits, Usage};
use crate::memory::cold::Cold;
use crate::memory::expanded;
use crate::memory::state::Cooling;
use crate::prepare::Preparer;
use crate::prepare::instance::InstanceLabel;
use crate::prepare::stencil::Stencils;
use crate::read::images::Images;
use crate::read::snapshot::{Snapshot, Totals, snapshot_of, totals_of};
use crate::record::{self, RecordError};
use crate::write::claims::Claims;
use crate::write::local::{Kept, Local};
use crate::write::lock::{Hold, Lock, let_others};
use crate::write::statistics::WriterStatistics;
use crate::write::writer::Writer;
use crate::{PushIdCounts, PushIdLimits, Reserved, Revision, Shelf, UnixNanos};

/// Groups times quotas that are looked at under one hold of the lock.
const COUNTED_AT_ONCE: usize = 2048;

/// Leaves with less text never become cold: there is little to be saved.
const MIN_COLD_BYTES: usize = 1024;

/// Leaves that are looked at under one hold of the lock: some ten microseconds.
const LOOKED_AT_ONCE: usize = 256;

/// So many families and series are put under the lock, and as many are taken out: that is a millisecond.
const FEW: u64 = 2048;

/// Groups in memory, and in a ledger if there is one. Shared between threads by reference.
#[derive(Debug)]
pub struct Store {
    pub(crate) preparer: Preparer,
    pub(crate) stencils: Stencils,
    pub(crate) lock: Lock,
    pub(crate) writer: Writer,
    pub(crate) claims: Claims,
    /// Whose turn it is to make a change aside.
    pub(crate) turn: Mutex<()>,
    /// So many families and series are put, or taken out, under the lock.
    pub(crate) few: u64,
    /// Leaves with less text never become cold.
    min_cold_bytes: usize,
    shelf: Arc<Shelf>,
}

impl Store {
    /// An empty store beside these families of the gateway itself. `max_push_bytes` bounds the text of one push
    /// once the group's labels stand on each of its lines.
    pub fn new(reserved: Reserved, max_push_bytes: usize) -> Self {
        Self {
            preparer: Preparer::new(reserved, max_push_bytes),
            stencils: Stencils::default(),
            lock: Lock::default(),
            writer: Writer::Local(Local::default()),
            claims: Claims::default(),
            turn: Mutex::default(),
            few: FEW,
            min_cold_bytes: MIN_COLD_BYTES,
            shelf: Arc::default(),
        }
    }

    /// Writes another `instance` label to pushed series that have none.
    pub fn with_instance_label(mut self, label: InstanceLabel) -> Self {
        self.preparer.instance = label;
        self
    }

    /// Keeps ids of pushes for so long, and so many.
    pub fn with_push_ids(self, limits: PushIdLimits) -> Self {
        self.lock().push_ids.set_limits(limits);
        self
    }

    /// Makes changes of more families and series than this aside from what is stored, for tests.
    #[doc(hidden)]
    pub fn with_few_families(mut self, few: usize) -> Self {
        self.few = few as u64;
        self
    }

    /// Keeps leaves of so little text in their compressed form alone, for tests.
    #[doc(hidden)]
    pub fn with_cold_leaves_of(mut self, bytes: usize) -> Self {
        self.min_cold_bytes = bytes;
        self
    }

    /// Whether the group has so much that it takes some time to delete it, or to put something in the place of it. Others go
    /// on meanwhile; but whoever has something else to do should let another thread do it. Costs a look at a number where
    /// there was never such a group.
    pub fn is_large(&self, key: &GroupingKey) -> bool {
        self.lock.heaviest() > self.few && self.lock().state.is_heavy(key, self.few)
    }

    /// Tells of all changes from now on; see [`Effect`](crate::Effect) for what is told, and [`Follower`] for how.
    ///
    /// Who keeps a picture of what is stored follows first and takes a [snapshot](Self::snapshot) then: the snapshot has
    /// what was changed before, and some of what is told.
    pub fn follow(&self) -> Follower {
        Follower::of(self.writer.feed())
    }

    /// The most that was done under one hold of the lock since the last time that this was asked: fragments that were put
    /// or removed, series that were looked up in the index, went into it or out of it, groups that changed, and text that was
    /// copied, each 4 KiB. Whoever comes meanwhile waits for that, half a microsecond or so for each.
    pub fn longest_hold(&self) -> u64 {
        std::mem::take(&mut self.lock().longest)
    }

    /// Holds all that is kept beside the fragments against them, for tests: what each group has, totals, quotas, the index.
    /// With `is_settled` nothing may be on its way, and nothing may be left to be taken back.
    ///
    /// # Errors
    /// What does not fit.
    #[doc(hidden)]
    pub fn audit(&self, is_settled: bool) -> Result<(), String> {
        self.lock().state.audit(&self.preparer, is_settled)
    }

    /// The last change of a group; none if there is no such group.
    pub fn revision_of(&self, key: &GroupingKey) -> Option<Revision> {
        self.lock.hold().state.revision_of(key)
    }

    /// Whether a change is being made just now: a hint, for those who can do something else meanwhile. It is cheaper than to
    /// wait in line, which costs a thread two system calls and its place on a processor.
    pub fn is_busy(&self) -> bool {
        self.lock.is_held()
    }

    /// What is stored now. Takes no time, and keeps nobody waiting however long it is held; memory of what is
    /// pushed meanwhile adds to it.
    pub fn snapshot(&self) -> Snapshot {
        let snapshot = snapshot_of(&self.lock().state);
        Snapshot {
            shelf: Some(Arc::clone(&self.shelf)),
            ..snapshot
        }
    }

    /// Lets go of the further forms of leaves that nobody has asked for during the last minutes, see [`Shelf`]. To be called
    /// every now and then.
    pub fn forget_unasked_forms(&self, now: Instant) {
        self.shelf.forget_unasked(now);
    }

    /// Looks at all leaves, and keeps the text of those in its compressed form alone that nobody has changed since the last
    /// few times. To be called a few times a minute, from one thread; takes as long as there are leaves, and gives the lock away
    /// every some hundred.
    pub fn cool(&self) {
        let mut pass = Cooling::new(self.min_cold_bytes);
        loop {
            let mut quiet = Vec::new();
            let has_ended = self.lock().state.cool(&mut pass, LOOKED_AT_ONCE, &mut quiet);
            for leaf in quiet {
                leaf.piece().prove();
            }
            if has_ended {
                break;
            }
            let_others();
        }
        expanded::forget_some();
    }

    /// What is kept in its compressed form alone.
    pub fn cold(&self) -> Cold {
        self.lock().state.cold()
    }

    /// The further forms of leaves that are kept.
    pub fn shelf(&self) -> &Shelf {
        &self.shelf
    }

    /// How much is stored now.
    pub fn totals(&self) -> Totals {
        totals_of(&self.lock().state)
    }

    /// Sets the limits, in place of those before. They hold for pushes that come after this; what is stored stays,
    /// even if there is more of it than they allow.
    ///
    /// Returns when all groups are counted. Until then the quotas count some of the groups only, and others from
    /// their next push on. The lock is given away all the time.
    pub fn set_limits(&self, limits: Limits) {
        let quotas = limits.quotas.len();
        let (snapshot, generation) = {
            let mut guarded = self.lock();
            guarded.state.set_limits(limits);
            (snapshot_of(&guarded.state), guarded.state.accounts().generation())
        };
        if quotas == 0 {
            return;
        }
        let keys = snapshot.keys();
        // Nobody should have to copy what he changes because of this.
        drop(snapshot);
        for keys in keys.chunks((COUNTED_AT_ONCE / quotas).max(1)) {
            let mut guarded = self.lock();
            if guarded.state.accounts().generation() != generation {
                // Others have set other limits, and count on their own.
                return;
            }
            for key in keys {
                guarded.state.enlist(key);
            }
            drop(guarded);
            let_others();
        }
    }

    /// What has become of ids of pushes.
    pub fn push_ids(&self) -> PushIdCounts {
        let counts = self.lock().push_ids.counts();
        match &self.writer {
            Writer::Local(_) => counts,
            Writer::Shared(shared) => PushIdCounts {
                repeated: shared.repeated(),
                ..counts
            },
        }
    }

    /// Forgets the ids of pushes whose time is over. To be called every now and then; the lock is given away every thousand.
    pub fn forget_push_ids(&self, now: UnixNanos) {
        while self.lock().push_ids.forget_over(now) {
            let_others();
        }
    }

    /// What is stored under each quota, in the order of [`Limits::quotas`].
    pub fn quota_usage(&self) -> Vec<Usage> {
        self.lock().state.accounts().usage().to_vec()
    }

    // ---- the ledger ---------------------------------------------------------------------------------------

    /// [`Self::replay_at`] of a record whose number does not matter.
    ///
    /// # Errors
    /// As there.
    pub fn replay(&self, record: &[u8]) -> Result<(), RecordError> {
        let next = self.lock.hold().last.next();
        self.replay_at(next, record)
    }

    /// Applies a record that a ledger has kept under this number. Nothing is checked: it was, when it was written.
    ///
    /// # Errors
    /// If the bytes are no record, or one of a later version.
    pub fn replay_at(&self, at: Revision, record: &[u8]) -> Result<(), RecordError> {
        let (changes, ids) = record::decode_with_ids(record, &self.preparer)?;
        let Writer::Local(local) = &self.writer else {
            return Ok(());
        };
        // What a long log has deleted must not pile up until the first change after the start: the lock frees it.
        let mut guarded = self.lock();
        let recovered = self.recover_removed(local, &guarded, at, &changes);
        local.load(&mut guarded, &self.preparer, at, changes, false);
        for id in ids {
            guarded.push_ids.add(id, at);
        }
        drop(guarded);
        if recovered && let Some(keeper) = local.keeper() {
            // It is on stable storage, since it was read from there.
            keeper.write(None);
        }
        Ok(())
    }

    /// From now on every change goes to this ledger; `last` is the last record that was replayed from it. With
    /// `waits`, a change counts only when it is on stable storage, and is taken back if it does not get there.
    ///
    /// Says what is wrong with what was removed and is kept, if it does not belong to this ledger.
    pub fn attach(self: &Arc<Self>, ledger: Ledger, last: Sequence, waits: bool) -> Option<String> {
        if waits {
            let store = Arc::downgrade(self);
            ledger.on_failure(Box::new(move |_| {
                if let Some(store) = store.upgrade()
                    && let Writer::Local(local) = &store.writer
                {
                    local.take_back(&store.lock, &store.preparer);
                }
            }));
        }
        let Writer::Local(local) = &self.writer else {
            return None;
        };
        local.attach(&self.lock, ledger, last, waits);
        local.keeper()?.begin(Revision(last.0))
    }

    /// How many quarters of the room for records that wait for the disk are taken, 4 at most: with 4, a change may be refused.
    /// Costs a look at a number.
    pub fn backlog(&self) -> u8 {
        match &self.writer {
            Writer::Local(local) => local.backlog(),
            Writer::Shared(_) => 0,
        }
    }

    /// Why the ledger takes nothing, if it does not.
    pub fn failure(&self) -> Option<String> {
        match &self.writer {
            Writer::Local(local) => local.failure(),
            Writer::Shared(shared) => shared.failure(),
        }
    }

    /// What the ledger has done since the start, or the way to a shared log, and how it is; none if all is in memory only.
    pub fn writer_statistics(&self) -> Option<WriterStatistics> {
        match &self.writer {
            Writer::Local(local) => local.statistics(),
            Writer::Shared(shared) => Some(shared.statistics()),
        }
    }

    /// Looks after the ledger, once: forgets how to take settled changes back, begins the ledger anew after a
    /// failure, or writes a checkpoint when `log_bytes` have been logged since the last one, or as much as is
    /// stored if that is more. Blocks while it writes; call it from a thread of its own, many times a second.
    ///
    /// Says what was done of the last two.
    ///
    /// # Errors
    /// If the disk still fails.
    pub fn keep(&self, log_bytes: u64) -> Result<Kept, CheckpointError> {
        match &self.writer {
            Writer::Local(local) => local.keep(&self.lock, &self.preparer, log_bytes),
            Writer::Shared(_) => Ok(Kept::Nothing),
        }
    }

    /// Writes a checkpoint now.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn checkpoint(&self, restart: bool) -> Result<Kept, CheckpointError> {
        match &self.writer {
            Writer::Local(local) => local.checkpoint(&self.lock, &self.preparer, restart),
            Writer::Shared(_) => Ok(Kept::Nothing),
        }
    }

    /// Records of all groups. Replayed into an empty store, and after them those of the changes that were made since this
    /// was called, they give what is stored. Nothing is held meanwhile but a few groups at a time.
    pub fn images(&self) -> impl Iterator<Item = Vec<u8>> {
        Images::of(&self.lock)
    }

    pub(crate) fn lock(&self) -> Hold<'_> {
        self.lock.hold()
    }
}
