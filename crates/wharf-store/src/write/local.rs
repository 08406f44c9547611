//! The writer of a gateway that is alone: changes are in its memory, and in a ledger of its own if it has one.
//!
//! A change is queued for the ledger and made visible under one lock, so the ledger's order is that of visibility. Its
//! sender is answered when the record is on stable storage. Where changes wait for that, what it takes to take them back
//! is kept until they are there: when the disk fails, they are taken back from the last one on, before anybody is
//! answered. That is right only because nobody else writes: no change of another can have come in between.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use wharf_ledger::{AppendError, CheckpointError, Framed, Health, Ledger, Sequence, Ticket};

use crate::change::Change;
use crate::effect::Effects;
use crate::feed::Feed;
use crate::memory::state::{Applied, Before, Former, Leftovers, Ready, State, Tell};
use crate::prepare::Preparer;
use crate::push_ids::Known;
use crate::read::images::{IdImages, Images};
use crate::removed::keeper::Keeper;
use crate::write::clear::clear_up;
use crate::write::commit::{Commit, unavailable};
use crate::write::lock::{Guarded, Lock, let_others};
use crate::write::statistics::{Detail, Files, WriterStatistics};
use crate::write::undo::Undo;
use crate::{PushError, PushId, Revision, record};

/// So much is taken back under one hold of the lock, and one change more.
const TAKEN_BACK_AT_ONCE: u64 = 1024;

/// How long it takes until it is looked again whether the ledger has something on stable storage.
const PAUSE: Duration = Duration::from_millis(1);

/// Changes in memory, and in a ledger once it has been attached.
#[derive(Debug, Default)]
pub(crate) struct Local {
    journal: OnceLock<Journal>,
    feed: Arc<Feed>,
    /// Keeps what was removed, if somebody does.
    keeper: OnceLock<Box<Keeper>>,
}

/// What came of a change, for whoever made it.
#[derive(Debug)]
pub(crate) struct Done {
    /// How many groups there were of those that it took away, or that lost families by it.
    pub(crate) groups: usize,
    /// How many families they lost.
    pub(crate) families: usize,
}

/// The ledger, and how changes depend on it.
#[derive(Debug)]
struct Journal {
    ledger: Ledger,
    /// Whether a change counts only when it is on stable storage, so that one which does not get there is taken
    /// back.
    waits: bool,
}

impl Local {
    /// What changes have done.
    pub(crate) fn feed(&self) -> &Arc<Feed> {
        &self.feed
    }

    /// What was removed.
    pub(crate) fn keeper(&self) -> Option<&Keeper> {
        self.keeper.get().map(|keeper| &**keeper)
    }

    /// From now on what is removed goes there.
    pub(crate) fn set_keeper(&self, keeper: Keeper) {
        // A second one would be a mistake of the caller's; the first one stays.
        let _first_stays = self.keeper.set(Box::new(keeper));
    }

    /// The last change on stable storage; none if there is no ledger, so that it does not matter.
    pub(crate) fn durable(&self) -> Option<Revision> {
        let journal = self.journal.get()?;
        Some(Revision(journal.ledger.durable().0))
    }

    /// Whether changes have to have a record.
    pub(crate) fn has_ledger(&self) -> bool {
        self.journal.get().is_some()
    }

    fn waits(&self) -> bool {
        self.journal.get().is_some_and(|journal| journal.waits)
    }

    fn tell(&self) -> Tell {
        Tell {
            before: self.waits(),
            effects: self.feed.is_followed(),
        }
    }

    /// Makes changes, which are one: in memory, and in the ledger as this record.
    ///
    /// # Errors
    /// [`PushError::Unavailable`] if the ledger takes nothing; nothing has changed then.
    pub(crate) fn change<'c>(
        &self,
        guarded: &mut Guarded,
        preparer: &Preparer,
        record: Option<&[u8]>,
        changes: impl IntoIterator<Item = Change<'c>>,
    ) -> Result<(Done, Commit), PushError> {
        let commit = self.append(guarded, record)?;
        let applied = guarded.state.apply(preparer, guarded.last, changes, self.tell());
        Ok((self.book(guarded, applied), commit))
    }

    /// The same of one change. What a push pays for is mostly to be moved about.
    pub(crate) fn change_one(
        &self,
        guarded: &mut Guarded,
        preparer: &Preparer,
        record: Option<&[u8]>,
        change: Change<'_>,
    ) -> Result<(Done, Commit), PushError> {
        let commit = self.append(guarded, record)?;
        let mut applied = Applied::default();
        let (at, tell) = (guarded.last, self.tell());
        guarded.state.apply_one(preparer, at, change, tell, &mut applied);
        Ok((self.book(guarded, applied), commit))
    }

    /// Makes changes that are in no record: what a start has read, which nobody is told of since it is not new, or what a
    /// checkpoint is going to have.
    pub(crate) fn load<'c>(
        &self,
        guarded: &mut Guarded,
        preparer: &Preparer,
        at: Revision,
        changes: impl IntoIterator<Item = Change<'c>>,
        is_new: bool,
    ) {
        guarded.last = at.max(guarded.last);
        let tell = Tell {
            before: false,
            effects: is_new && self.feed.is_followed(),
        };
        let applied = guarded.state.apply(preparer, at, changes, tell);
        self.feed.publish(applied.effects, false);
    }

    /// Puts a draft in the place of what is stored, when [`Self::append_framed`] has taken the record of it. What it has taken the
    /// place of, unless that is kept to take it back.
    pub(crate) fn switch(&self, guarded: &mut Guarded, ready: Ready) -> Option<Former> {
        let at = guarded.last;
        let (former, effects) = guarded.state.switch(at, ready);
        let waits = self.waits();
        let former = if waits {
            let before = Before::Switched(Box::new(former));
            guarded.undos.push_back((at, Undo::from(before)));
            None
        } else {
            Some(former)
        };
        self.feed.publish(effects, waits);
        former
    }

    /// Begins several changes that become one, or none.
    pub(crate) fn begin<'g>(&'g self, guarded: &'g mut Guarded, preparer: &'g Preparer) -> Together<'g> {
        let at = match self.journal.get() {
            Some(journal) => Revision(journal.ledger.next().0),
            None => guarded.last.next(),
        };
        Together {
            local: self,
            guarded,
            preparer,
            at,
            before: Before::default(),
            effects: Effects::default(),
        }
    }

    /// Hands a change to the ledger, before it is made. Under the lock, so that the ledger's order is that in
    /// which changes become visible.
    fn append(&self, guarded: &mut Guarded, record: Option<&[u8]>) -> Result<Commit, PushError> {
        self.queue(guarded, record, Ledger::append)
    }

    /// The same of a record that was made ready, so that nobody waits while it is copied.
    pub(crate) fn append_framed(
        &self,
        guarded: &mut Guarded,
        record: Option<Framed>,
    ) -> Result<Commit, PushError> {
        self.queue(guarded, record, Ledger::append_framed)
    }

    fn queue<R>(
        &self,
        guarded: &mut Guarded,
        record: Option<R>,
        append: impl FnOnce(&Ledger, R) -> Result<(Sequence, Ticket), AppendError>,
    ) -> Result<Commit, PushError> {
        let Some(journal) = self.journal.get() else {
            guarded.last = guarded.last.next();
            return Ok(Commit::done());
        };
        let Some(record) = record else {
            return Ok(Commit::done());
        };
        let (sequence, ticket) = append(&journal.ledger, record).map_err(|error| unavailable(&error))?;
        guarded.last = Revision(sequence.0);
        let feed = journal.waits.then(|| Arc::clone(&self.feed));
        Ok(Commit::waiting(ticket, feed))
    }

    /// What to answer to a push that has been made already, by its id: when the change that made it is safe, this is. None if
    /// nothing is known of it.
    ///
    /// # Errors
    /// [`PushError::OtherBody`] if it came with another body; [`PushError::Unavailable`] if the ledger takes nothing, so that the
    /// first one may be taken back.
    pub(crate) fn repeated(
        &self,
        guarded: &mut Guarded,
        once: Option<PushId>,
    ) -> Result<Option<Commit>, PushError> {
        let Some(known) = once.and_then(|id| guarded.push_ids.look(&id)) else {
            return Ok(None);
        };
        guarded.push_ids.count(known);
        match known {
            Known::OtherBody => Err(PushError::OtherBody),
            Known::Made(at) => self.made(guarded, at).map(Some),
        }
    }

    /// What to wait for until a change that has been made is safe.
    ///
    /// # Errors
    /// [`PushError::Unavailable`] if the ledger takes nothing, so that it may be taken back.
    pub(crate) fn made(&self, guarded: &mut Guarded, at: Revision) -> Result<Commit, PushError> {
        if self.durable().is_none_or(|durable| at <= durable) {
            return Ok(Commit::done());
        }
        self.append(guarded, Some(&record::nothing()))
    }

    /// Keeps how to take the last change back, if changes wait for the ledger, and tells those who follow.
    fn book(&self, guarded: &mut Guarded, applied: Applied) -> Done {
        let waits = self.waits();
        if waits {
            guarded
                .undos
                .push_back((guarded.last, Undo::from(applied.before)));
        }
        if !matches!(applied.effects, Effects::None) {
            self.feed.publish(applied.effects, waits);
        }
        Done {
            groups: applied.groups,
            families: applied.families,
        }
    }

    // ---- the ledger ---------------------------------------------------------------------------------------

    /// From now on every change goes to this ledger; `last` is the last record that was read from it.
    pub(crate) fn attach(&self, lock: &Lock, ledger: Ledger, last: Sequence, waits: bool) {
        lock.hold().last = Revision(last.0);
        if waits {
            let settled = ledger.clone();
            self.feed
                .settled_by(Box::new(move || Revision(settled.durable().0)));
        }
        // A second ledger would be a mistake of the caller's; the first one stays.
        let _first_stays = self.journal.set(Journal { ledger, waits });
    }

    /// How many quarters of the room for records that wait for the disk are taken.
    pub(crate) fn backlog(&self) -> u8 {
        self.journal.get().map_or(0, |journal| journal.ledger.backlog())
    }

    /// Why the ledger takes nothing, if it does not.
    pub(crate) fn failure(&self) -> Option<String> {
        let journal = self.journal.get()?;
        match journal.ledger.health() {
            Health::Ok => None,
            Health::Failed { reason, .. } => Some(reason.to_string()),
        }
    }

    /// What the ledger has done since the start, and how it is.
    pub(crate) fn statistics(&self) -> Option<WriterStatistics> {
        let Journal { ledger, .. } = self.journal.get()?;
        let statistics = ledger.statistics();
        Some(WriterStatistics {
            is_up: !ledger.failed(),
            records: statistics.records,
            commits: statistics.commits,
            commit_time: statistics.sync_time,
            failures: statistics.failures,
            detail: Detail::Files(Files {
                written_bytes: statistics.bytes + statistics.checkpoint_bytes,
                log_bytes: ledger.log_bytes(),
                segments: statistics.segments,
                checkpoints: statistics.checkpoints,
            }),
        })
    }

    /// See [`crate::Store::keep`].
    pub(crate) fn keep(
        &self,
        lock: &Lock,
        preparer: &Preparer,
        log_bytes: u64,
    ) -> Result<Kept, CheckpointError> {
        if let Some(keeper) = self.keeper() {
            keeper.write(self.durable());
            keeper.expire();
        }
        let Some(Journal { ledger, .. }) = self.journal.get() else {
            return Ok(Kept::Nothing);
        };
        // Dropped here, outside the lock: one of them may be all that was wiped.
        let mut leftovers = Vec::new();
        for (_, undo) in take_settled(lock, Revision(ledger.durable().0)) {
            undo.settle(&mut leftovers);
        }
        for leftovers in leftovers {
            clear_up(lock, leftovers);
        }
        self.feed.wake();
        let failed = ledger.failed();
        let stored = lock.hold().state.size().bytes;
        // A checkpoint, the log, and the next checkpoint while it is written: together below four
        // checkpoints, if that is much.
        if !failed && ledger.log_bytes() < log_bytes.max(stored) {
            return Ok(Kept::Nothing);
        }
        self.checkpoint(lock, preparer, failed)
    }

    /// See [`crate::Store::checkpoint`].
    pub(crate) fn checkpoint(
        &self,
        lock: &Lock,
        preparer: &Preparer,
        restart: bool,
    ) -> Result<Kept, CheckpointError> {
        let Some(Journal { ledger, .. }) = self.journal.get() else {
            return Ok(Kept::Nothing);
        };
        if restart {
            // The committer is about to do the same; what it would take back must not get into the checkpoint.
            self.take_back(lock, preparer);
        }
        let last = Sequence(lock.hold().last.0);
        let mut images = Images::of(lock);
        // Behind all images: a push whose id is here and which is in no image is in the log, which is safe before the checkpoint counts.
        let mut ids = IdImages::of(lock);
        let mut records = images.by_ref().chain(ids.by_ref());
        if restart {
            ledger.restart(last, &mut records)?;
            return Ok(Kept::Restarted);
        }
        // Behind the last image: what was removed before it is in no image and, when the checkpoint is named, in no log.
        let mut removed = std::iter::from_fn(|| {
            self.write_removed(ledger, Revision(lock.hold().last.0));
            None
        });
        ledger.checkpoint(last, &mut records.by_ref().chain(removed.by_ref()))?;
        Ok(Kept::Checkpointed)
    }

    /// Waits until all is written that was removed up to this change. It is written when the ledger has that on stable
    /// storage, which is at once, or within the time that it may take.
    fn write_removed(&self, ledger: &Ledger, through: Revision) {
        let Some(keeper) = self.keeper() else { return };
        while keeper.has_waiting(through) && !ledger.failed() && !ledger.has_stopped() {
            keeper.write(self.durable());
            if keeper.has_waiting(through) {
                std::thread::sleep(PAUSE);
            }
        }
    }

    /// Takes every change back that is not on stable storage, from the last one on, where changes wait for it. The
    /// ledger has failed and takes no more, so nobody changes anything; some are taken back under each hold of the lock, and
    /// readers see in between what was stored some changes ago.
    pub(crate) fn take_back(&self, lock: &Lock, preparer: &Preparer) {
        let Some(Journal { ledger, waits: true }) = self.journal.get() else {
            return;
        };
        loop {
            let mut guarded = lock.hold();
            if !ledger.failed() {
                // The ledger has been begun anew before its committer got here, and has new changes already.
                return;
            }
            let durable = Revision(ledger.durable().0);
            let Some(leftovers) = take_some_back(&mut guarded, preparer, durable) else {
                guarded.last = durable;
                guarded.push_ids.forget_after(durable);
                guarded.state.forget_unused_names();
                self.feed.take_back(durable);
                if let Some(keeper) = self.keeper() {
                    keeper.take_back(durable);
                }
                return;
            };
            drop(guarded);
            for leftovers in leftovers {
                clear_up(lock, leftovers);
            }
            let_others();
        }
    }
}

/// Takes some changes back, under one hold of the lock. What is to be cleared up then; none if there were no changes.
fn take_some_back(guarded: &mut Guarded, preparer: &Preparer, durable: Revision) -> Option<Vec<Leftovers>> {
    let began = guarded.state.work();
    let mut leftovers = None;
    while guarded.state.work() - began < TAKEN_BACK_AT_ONCE
        && guarded
            .undos
            .back()
            .is_some_and(|(revision, _)| *revision > durable)
        && let Some((_, undo)) = guarded.undos.pop_back()
    {
        let left = undo.run(&mut guarded.state, preparer);
        leftovers.get_or_insert_with(Vec::new).extend(left);
    }
    leftovers
}

/// The undos of changes up to `durable`, which nobody is going to take back.
fn take_settled(lock: &Lock, durable: Revision) -> Vec<(Revision, Undo)> {
    let undos = &mut lock.hold().undos;
    let settled = undos.partition_point(|(revision, _)| *revision <= durable);
    undos.drain(..settled).collect()
}

/// Changes that are made one after the other, each checked against those before, and are one in the end.
pub(crate) struct Together<'g> {
    local: &'g Local,
    guarded: &'g mut Guarded,
    preparer: &'g Preparer,
    at: Revision,
    before: Before,
    effects: Effects,
}

impl Together<'_> {
    /// What is stored, with the changes so far.
    pub(crate) fn state(&mut self) -> &mut State {
        &mut self.guarded.state
    }

    /// Makes one of them.
    pub(crate) fn apply(&mut self, change: Change<'_>) {
        let tell = Tell {
            before: true,
            ..self.local.tell()
        };
        let applied = self.guarded.state.apply(self.preparer, self.at, [change], tell);
        self.before.add(applied.before);
        self.effects.extend(applied.effects);
    }

    /// That was all, and this is the record of it.
    ///
    /// # Errors
    /// [`PushError::Unavailable`] if the ledger takes nothing; nothing has changed then.
    pub(crate) fn finish(self, record: Option<&[u8]>) -> Result<Commit, PushError> {
        match self.local.append(self.guarded, record) {
            Ok(commit) => {
                let applied = Applied {
                    before: self.before,
                    effects: self.effects,
                    ..Applied::default()
                };
                self.local.book(self.guarded, applied);
                Ok(commit)
            }
            Err(error) => {
                self.give_up();
                Err(error)
            }
        }
    }

    /// Takes back what was done.
    pub(crate) fn give_up(self) {
        // None of the changes is a draft.
        drop(Undo::from(self.before).run(&mut self.guarded.state, self.preparer));
    }
}

/// What [`crate::Store::keep`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// There was nothing to do.
    Nothing,
    /// It wrote a checkpoint.
    Checkpointed,
    /// It began the ledger anew after a failure.
    Restarted,
}
