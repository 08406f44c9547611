//! The store: one lock around the state, and snapshots for readers.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, TryLockError};
use std::time::Duration;

use imbl::OrdMap;
use wharf_ledger::{CheckpointError, Health, Ledger, Sequence, Ticket};
use wharf_model::{Exposition, GroupingKey};

use crate::checks::Incoming;
use crate::family::Family;
use crate::images::Images;
use crate::lifetime::{Lifetime, Ttl};
use crate::limits::{Limits, Usage};
use crate::prepare::{InstanceLabel, Prepared, Preparer};
use crate::record;
use crate::state::{State, Undo};
use crate::stencil::{Gist, Stencils, TextBody};
use crate::{FamilyView, PUSH_TIME, PushError, RecordError, Reserved, UnixNanos};

/// What a push replaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PushMode {
    /// The whole group (PUT).
    ReplaceGroup,
    /// The families it brings (POST); others of the group stay.
    ReplaceFamilies,
    /// The series it brings; others of these families, and other families of the group, stay.
    ReplaceSeries,
}

/// The pause of whoever takes the lock again and again. The lock is not fair: taken again at once, it would keep those
/// waiting who are only just being woken.
const GIVE_WAY: Duration = Duration::from_micros(50);

/// Groups that are counted under one hold of the lock.
const COUNTED_AT_ONCE: usize = 512;

/// Groups in memory, and in a ledger if there is one. Shared between threads by reference.
#[derive(Debug)]
pub struct Store {
    pub(crate) preparer: Preparer,
    stencils: Stencils,
    /// A plain lock: it is held for some microseconds a push, and for a clone of a pointer a scrape.
    guarded: Mutex<Guarded>,
    journal: OnceLock<Journal>,
}

#[derive(Debug, Default)]
pub(crate) struct Guarded {
    pub(crate) state: State,
    /// The last change that went to the ledger.
    last: Sequence,
    /// How to take back the changes that are not on stable storage yet, oldest first.
    undos: VecDeque<(Sequence, Undo)>,
}

impl Guarded {
    /// Checks a push against what is stored, and against the limits.
    pub(crate) fn admit(
        &mut self,
        preparer: &Preparer,
        key: &GroupingKey,
        mode: PushMode,
        prepared: &Prepared<'_>,
    ) -> Result<(), PushError> {
        self.state.admit(preparer, key, mode, prepared)?;
        self.state.enlist(key);
        Ok(self.state.check_limits(preparer, key, mode, prepared)?)
    }
}

/// The ledger, and how changes depend on it.
#[derive(Debug)]
struct Journal {
    ledger: Ledger,
    /// Whether a change counts only when it is on stable storage, so that one which does not get there is taken
    /// back.
    waits: bool,
}

/// A change that is visible, and about to be on stable storage.
#[derive(Debug)]
#[must_use = "a change is safe only when this has been waited for"]
pub struct Commit {
    ticket: Option<Ticket>,
}

impl Commit {
    /// Waits until the change is as safe as the ledger's mode promises.
    ///
    /// # Errors
    /// [`PushError::Unavailable`] if it did not get to stable storage; it has been taken back then.
    pub async fn wait(self) -> Result<(), PushError> {
        match self.ticket {
            None => Ok(()),
            Some(ticket) => ticket.await.map_err(|error| unavailable(&error)),
        }
    }
}

fn unavailable(reason: &impl ToString) -> PushError {
    PushError::Unavailable {
        reason: reason.to_string(),
    }
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
            stencils: Stencils::default(),
            guarded: Mutex::default(),
            journal: OnceLock::new(),
        }
    }

    /// Writes another `instance` label to pushed series that have none.
    pub fn with_instance_label(mut self, label: InstanceLabel) -> Self {
        self.preparer.instance = label;
        self
    }

    /// [`Self::push_with_ttl`] without a time to live: the group stays until it is deleted.
    ///
    /// # Errors
    /// As there.
    pub fn push(
        &self,
        key: &GroupingKey,
        mode: PushMode,
        exposition: &Exposition<'_>,
        now: UnixNanos,
    ) -> Result<Commit, PushError> {
        self.push_with_ttl(key, mode, exposition, None, now)
    }

    /// Replaces the group `key`, or the pushed families or series in it, by `exposition`.
    ///
    /// A snapshot taken after this returns has the whole push, one taken before has nothing of it. `now` becomes
    /// the group's push time, and `ttl` says how long the group lives from then on; what earlier pushes said of
    /// that does not count any more.
    ///
    /// # Durability
    /// With a ledger, the push is safe when the returned [`Commit`] has been waited for.
    ///
    /// # Errors
    /// [`PushError`] if the push contradicts itself or what other groups hold, or would pass a limit. Nothing of it
    /// is stored then; the group's failure time becomes `now`. A group that does not exist is made for that where
    /// its times clash with no other group's, unless it is a limit that was passed, and lives as long as the push
    /// said. [`PushError::Unavailable`] if the ledger takes nothing: then nothing changes at all.
    pub fn push_with_ttl(
        &self,
        key: &GroupingKey,
        mode: PushMode,
        exposition: &Exposition<'_>,
        ttl: Option<Ttl>,
        now: UnixNanos,
    ) -> Result<Commit, PushError> {
        let lifetime = ttl.map(|ttl| ttl.from(now));
        let pushed = if mode == PushMode::ReplaceSeries {
            self.merge(key, exposition, lifetime, now)
        } else {
            let prepared = self.preparer.prepare(key, exposition, now);
            prepared
                .map_err(|unfit| self.explain_unfit(key, mode, unfit))
                .and_then(|prepared| self.push_prepared(key, mode, lifetime, prepared))
        };
        pushed.inspect_err(|error| self.record_failure(key, error, lifetime, now))
    }

    /// [`Self::push_with_ttl`] of a body in the text format. One that is like earlier ones but for the values costs less
    /// this way, since it need not be read.
    ///
    /// # Errors
    /// Those of [`TextBody::decode`]; then nothing changes. Within, those of [`Self::push_with_ttl`].
    pub fn push_text<B: TextBody>(
        &self,
        key: &GroupingKey,
        mode: PushMode,
        body: &B,
        ttl: Option<Ttl>,
        now: UnixNanos,
    ) -> Result<Result<Commit, PushError>, B::Error> {
        let candidate = match mode {
            PushMode::ReplaceSeries => None,
            _ => self.stencils.candidate(key, body.text()),
        };
        let Some(candidate) = candidate else {
            let exposition = body.decode(body.text())?;
            body.was_read(&exposition);
            return Ok(self.push_with_ttl(key, mode, &exposition, ttl, now));
        };
        let lifetime = ttl.map(|ttl| ttl.from(now));
        let stencil = self.stencils.get(key, &candidate);
        let prepared = stencil
            .as_deref()
            .and_then(|stencil| candidate.prepare(stencil, &self.preparer, key, now));
        let pushed = if let Some(prepared) = prepared {
            body.was_known(&Gist::of(&prepared));
            self.push_prepared(key, mode, lifetime, prepared)
        } else {
            let exposition = body.decode(body.text())?;
            body.was_read(&exposition);
            let prepared = self.preparer.prepare(key, &exposition, now);
            let prepared = prepared.map_err(|unfit| self.explain_unfit(key, mode, unfit));
            prepared.and_then(|prepared| {
                self.stencils
                    .learn(&self.preparer, key, &candidate, &prepared, body, now);
                self.push_prepared(key, mode, lifetime, prepared)
            })
        };
        Ok(pushed.inspect_err(|error| self.record_failure(key, error, lifetime, now)))
    }

    fn push_prepared(
        &self,
        key: &GroupingKey,
        mode: PushMode,
        lifetime: Option<Lifetime>,
        prepared: Prepared<'_>,
    ) -> Result<Commit, PushError> {
        let record = self.record_of(key, mode, lifetime, &prepared);
        let mut guarded = self.lock();
        guarded.state.check_push(&prepared)?;
        if let Err(error) = guarded.admit(&self.preparer, key, mode, &prepared) {
            drop(guarded);
            let prepared = &prepared;
            return Err(self.explain(Incoming { key, mode, prepared }, error));
        }
        let commit = self.put(&mut guarded, key, mode, lifetime, prepared, record)?;
        Self::unlock(guarded);
        Ok(commit)
    }

    /// Books a refused push.
    pub(crate) fn record_failure(
        &self,
        key: &GroupingKey,
        error: &PushError,
        lifetime: Option<Lifetime>,
        now: UnixNanos,
    ) {
        let makes = match error {
            PushError::Timestamps(_) | PushError::Inconsistent(_) => true,
            PushError::Limit(_) => false,
            PushError::TooLarge { .. } | PushError::Unavailable { .. } => return,
        };
        let mut guarded = self.lock();
        let mode = PushMode::ReplaceFamilies;
        if let Some(prepared) = guarded.state.failure(&self.preparer, key, makes, now) {
            let is_new = guarded.state.roster(key).is_none();
            let lifetime = if is_new {
                lifetime
            } else {
                guarded.state.lifetimes().get(key)
            };
            let record = self.record_of(key, mode, lifetime, &prepared);
            // The refusal is the answer; nobody waits for its trace, and a ledger that takes nothing loses it.
            drop(self.put(&mut guarded, key, mode, lifetime, prepared, record));
        }
    }

    pub(crate) fn put(
        &self,
        guarded: &mut Guarded,
        key: &GroupingKey,
        mode: PushMode,
        lifetime: Option<Lifetime>,
        prepared: Prepared<'_>,
        record: Option<Vec<u8>>,
    ) -> Result<Commit, PushError> {
        let commit = self.append(guarded, record)?;
        let undo = guarded
            .state
            .put(&self.preparer, key, mode, lifetime, prepared, self.waits());
        self.book_undo(guarded, undo);
        Ok(commit)
    }

    /// The record of a push, if there is a ledger for it.
    pub(crate) fn record_of(
        &self,
        key: &GroupingKey,
        mode: PushMode,
        lifetime: Option<Lifetime>,
        prepared: &Prepared<'_>,
    ) -> Option<Vec<u8>> {
        self.has_ledger()
            .then(|| record::put(key, mode, lifetime, prepared.parts()))
    }

    /// Removes the group of exactly this key; whether there was one.
    ///
    /// # Errors
    /// [`PushError::Unavailable`] if the ledger takes nothing.
    pub fn delete(&self, key: &GroupingKey) -> Result<(bool, Commit), PushError> {
        let mut guarded = self.lock();
        // Also for a group that is not there: its end may still be on the way to the disk, and this answer must not
        // overtake it.
        let record = self.journal.get().map(|_| record::delete(key));
        let commit = self.append(&mut guarded, record)?;
        let undo = guarded.state.delete(&self.preparer, key, self.waits());
        let existed = undo.is_some();
        self.book_undo(&mut guarded, undo.unwrap_or(Undo::Nothing));
        Self::unlock(guarded);
        Ok((existed, commit))
    }

    /// Removes all groups at once; how many there were.
    ///
    /// # Errors
    /// [`PushError::Unavailable`] if the ledger takes nothing.
    pub fn wipe(&self) -> Result<(usize, Commit), PushError> {
        let mut guarded = self.lock();
        let record = self.journal.get().map(|_| record::wipe());
        let commit = self.append(&mut guarded, record)?;
        let old = guarded.state.wipe();
        let groups = old.groups();
        if self.waits() {
            self.book_undo(&mut guarded, Undo::Unwipe { state: Box::new(old) });
            return Ok((groups, commit));
        }
        // Dropped after the lock is released: freeing a million series takes a while.
        drop(guarded);
        drop(old);
        Ok((groups, commit))
    }

    /// Whether a change is being made just now: a hint, for those who can do something else meanwhile. It is cheaper than to
    /// wait in line, which costs a thread two system calls and its place on a processor.
    pub fn is_busy(&self) -> bool {
        matches!(self.guarded.try_lock(), Err(TryLockError::WouldBlock))
    }

    /// What is stored now. Takes no time, and keeps nobody waiting however long it is held; memory of what is
    /// pushed meanwhile adds to it.
    pub fn snapshot(&self) -> Snapshot {
        snapshot_of(&self.lock().state)
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
        let has_quotas = !limits.quotas.is_empty();
        let (snapshot, generation) = {
            let mut guarded = self.lock();
            guarded.state.set_limits(limits);
            (snapshot_of(&guarded.state), guarded.state.accounts().generation())
        };
        if !has_quotas {
            return;
        }
        let keys = snapshot.keys();
        // Nobody should have to copy what he changes because of this.
        drop(snapshot);
        for keys in keys.chunks(COUNTED_AT_ONCE) {
            let mut guarded = self.lock();
            if guarded.state.accounts().generation() != generation {
                // Others have set other limits, and count on their own.
                return;
            }
            for key in keys {
                guarded.state.enlist(key);
            }
            drop(guarded);
            Self::give_way();
        }
    }

    /// What is stored under each quota, in the order of [`Limits::quotas`].
    pub fn quota_usage(&self) -> Vec<Usage> {
        self.lock().state.accounts().usage().to_vec()
    }

    // ---- the ledger ---------------------------------------------------------------------------------------

    /// Applies a record that a ledger has kept. Nothing is checked: it was, when it was written.
    ///
    /// # Errors
    /// If the bytes are no record, or one of a later version.
    pub fn replay(&self, record: &[u8]) -> Result<(), RecordError> {
        let changes = record::decode(record, &self.preparer)?;
        let mut guarded = self.lock();
        for change in changes {
            guarded.state.replay(&self.preparer, change);
        }
        // What a long log has deleted must not pile up until the first change after the start.
        Self::unlock(guarded);
        Ok(())
    }

    /// From now on every change goes to this ledger; `last` is the last record that was replayed from it. With
    /// `waits`, a change counts only when it is on stable storage, and is taken back if it does not get there.
    pub fn attach(self: &Arc<Self>, ledger: Ledger, last: Sequence, waits: bool) {
        if waits {
            let store = Arc::downgrade(self);
            ledger.on_failure(Box::new(move |_| {
                if let Some(store) = store.upgrade() {
                    store.take_back(&mut store.lock());
                }
            }));
        }
        self.lock().last = last;
        // A second ledger would be a mistake of the caller's; the first one stays.
        let _first_stays = self.journal.set(Journal { ledger, waits });
    }

    /// Why the ledger takes nothing, if it does not.
    pub fn failure(&self) -> Option<String> {
        let journal = self.journal.get()?;
        match journal.ledger.health() {
            Health::Ok => None,
            Health::Failed { reason, .. } => Some(reason.to_string()),
        }
    }

    /// What the ledger has done since the start, and how it is.
    pub fn ledger_statistics(&self) -> Option<LedgerStatistics> {
        let Journal { ledger, .. } = self.journal.get()?;
        let statistics = ledger.statistics();
        Some(LedgerStatistics {
            is_up: !ledger.failed(),
            records: statistics.records,
            syncs: statistics.commits,
            sync_time: statistics.sync_time,
            written_bytes: statistics.bytes + statistics.checkpoint_bytes,
            log_bytes: ledger.log_bytes(),
            segments: statistics.segments,
            failures: statistics.failures,
            checkpoints: statistics.checkpoints,
        })
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
        let Some(Journal { ledger, .. }) = self.journal.get() else {
            return Ok(Kept::Nothing);
        };
        // Dropped here, outside the lock: one of them may be all that was wiped.
        drop(self.take_settled(ledger.durable()));
        let failed = ledger.failed();
        let stored = self.totals().bytes;
        // A checkpoint, the log, and the next checkpoint while it is written: together below four
        // checkpoints, if that is much.
        if !failed && ledger.log_bytes() < log_bytes.max(stored) {
            return Ok(Kept::Nothing);
        }
        self.checkpoint(failed)
    }

    /// Writes a checkpoint now.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn checkpoint(&self, restart: bool) -> Result<Kept, CheckpointError> {
        let Some(Journal { ledger, .. }) = self.journal.get() else {
            return Ok(Kept::Nothing);
        };
        let last = {
            let mut guarded = self.lock();
            if restart {
                // The committer is about to do the same; what it would take back must not get into the checkpoint.
                self.take_back(&mut guarded);
            }
            guarded.last
        };
        let mut records = self.images();
        if restart {
            ledger.restart(last, &mut records)?;
            return Ok(Kept::Restarted);
        }
        ledger.checkpoint(last, &mut records)?;
        Ok(Kept::Checkpointed)
    }

    /// Records of all groups. Replayed into an empty store, and after them those of the changes that were made since this
    /// was called, they give what is stored. Nothing is held meanwhile but a few groups at a time.
    pub fn images(&self) -> impl Iterator<Item = Vec<u8>> {
        Images::of(self)
    }

    /// The undos of changes up to `durable`, which nobody is going to take back.
    fn take_settled(&self, durable: Sequence) -> Vec<(Sequence, Undo)> {
        let undos = &mut self.lock().undos;
        let settled = undos.partition_point(|(sequence, _)| *sequence <= durable);
        undos.drain(..settled).collect()
    }

    pub(crate) fn has_ledger(&self) -> bool {
        self.journal.get().is_some()
    }

    pub(crate) fn waits(&self) -> bool {
        self.journal.get().is_some_and(|journal| journal.waits)
    }

    /// Hands a change to the ledger, before it is made. Under the lock, so that the ledger's order is that in
    /// which changes become visible. [`Self::book_undo`] has to follow.
    pub(crate) fn append(&self, guarded: &mut Guarded, record: Option<Vec<u8>>) -> Result<Commit, PushError> {
        let (Some(journal), Some(record)) = (self.journal.get(), record) else {
            return Ok(Commit { ticket: None });
        };
        let (sequence, ticket) = journal
            .ledger
            .append(&record)
            .map_err(|error| unavailable(&error))?;
        guarded.last = sequence;
        Ok(Commit { ticket: Some(ticket) })
    }

    /// Keeps how to take the last change back, if changes wait for the ledger. It is known when the change has been made.
    pub(crate) fn book_undo(&self, guarded: &mut Guarded, undo: Undo) {
        if self.waits() {
            guarded.undos.push_back((guarded.last, undo));
        }
    }

    /// Takes every change back that is not on stable storage, from the last one on, where changes wait for it. The
    /// ledger has failed and takes no more.
    fn take_back(&self, guarded: &mut Guarded) {
        let Some(Journal { ledger, waits: true }) = self.journal.get() else {
            return;
        };
        if !ledger.failed() {
            // The ledger has been begun anew before its committer got here, and has new changes already.
            return;
        }
        let durable = ledger.durable();
        while guarded
            .undos
            .back()
            .is_some_and(|(sequence, _)| *sequence > durable)
        {
            if let Some((_, undo)) = guarded.undos.pop_back() {
                guarded.state.undo(&self.preparer, undo);
            }
        }
        guarded.last = durable;
    }

    /// Gives the lock away, and then frees what the change has left.
    pub(crate) fn unlock(mut guarded: MutexGuard<'_, Guarded>) {
        let litter = guarded.state.take_litter();
        drop(guarded);
        drop(litter);
    }

    /// Lets others have the lock before it is taken again.
    pub(crate) fn give_way() {
        std::thread::sleep(GIVE_WAY);
    }

    /// A panic under the lock is a bug that may have left a push half stored. The panic's message is in the log;
    /// going on would show that half to every scrape, so the process ends.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Guarded> {
        self.guarded.lock().unwrap_or_else(|_| std::process::abort())
    }
}

/// What the ledger has done since the start, and how it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LedgerStatistics {
    /// Whether changes can be stored.
    pub is_up: bool,
    /// Changes that were written.
    pub records: u64,
    /// How often the disk was asked to keep what was written.
    pub syncs: u64,
    /// The time that took.
    pub sync_time: Duration,
    /// Bytes of the log and of checkpoints that were written.
    pub written_bytes: u64,
    /// Bytes of the log since the last checkpoint.
    pub log_bytes: u64,
    /// Files of the log that are in use.
    pub segments: u64,
    /// How often the disk has failed.
    pub failures: u64,
    /// Checkpoints that were written.
    pub checkpoints: u64,
}

/// What [`Store::keep`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// There was nothing to do.
    Nothing,
    /// It wrote a checkpoint.
    Checkpointed,
    /// It began the ledger anew after a failure.
    Restarted,
}

pub(crate) fn snapshot_of(state: &State) -> Snapshot {
    Snapshot {
        families: state.families().clone(),
        lifetimes: state.lifetimes().by_key().clone(),
        totals: totals_of(state),
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
    pub(crate) families: OrdMap<Arc<str>, Arc<Family>>,
    pub(crate) lifetimes: OrdMap<GroupingKey, Lifetime>,
    pub(crate) totals: Totals,
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

    /// When a group expires; none if it does not.
    pub fn lifetime(&self, key: &GroupingKey) -> Option<Lifetime> {
        self.lifetimes.get(key).copied()
    }

    /// How many groups expire some day.
    pub fn expiring(&self) -> usize {
        self.lifetimes.len()
    }

    /// Whether a group had a family of that name.
    pub fn has_family(&self, key: &GroupingKey, name: &str) -> bool {
        let family = self.families.get(name);
        family.is_some_and(|family| family.find(key).is_some())
    }

    /// How much was stored.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// The keys of all groups, in their order.
    pub fn keys(&self) -> Vec<GroupingKey> {
        // Every group has a push time.
        let times = self.family(PUSH_TIME);
        let times = times.iter().flat_map(FamilyView::fragments);
        times.map(|time| time.key().clone()).collect()
    }
}
