//! Undoing a removal that the log keeps, by whichever replica.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use wharf_model::GroupingKey;
use wharf_shared_log::Committed;

use super::book::Waiting;
use super::intent::{Made, Op};
use super::keeping::become_txn;
use super::outcome::Outcome;
use super::proposal::propose;
use super::queue::Shared;
use super::removal::{Became, Name, decode_images, image_key};
use crate::record;
use crate::removed::summary::Removed;
use crate::removed::{Removal, RemovalKind, RemovalState, RemovedStatus};
use crate::store::Store;
use crate::write::commit::unavailable;
use crate::write::fate::Fate;
use crate::write::put_back::{UndoError, Undone, unreadable};
use crate::write::writer::Writer;
use crate::{Revision, UnixNanos};

/// Groups that come back together: so many changes wait at a time.
const AT_ONCE: usize = 512;
/// How often it is asked for something that the log does not give.
const ATTEMPTS: usize = 5;
/// The pause before it is asked again.
const PAUSE: Duration = Duration::from_millis(100);
/// How often it is looked whether all is written that a wipe took: a minute in all.
const MOST_LOOKS: usize = 600;

/// A removal that is being undone here: nobody else does so at the same time.
struct Busy<'s> {
    shared: &'s Shared,
    name: Name,
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.shared.kept().set_busy(&self.name, false);
    }
}

impl Shared {
    /// How removals are kept; none if they are not.
    pub(crate) fn removed_status(&self) -> Option<RemovedStatus> {
        let (max_age, max_bytes) = (self.sharing.undo_max_age, self.sharing.undo_max_bytes);
        if max_age.is_zero() || max_bytes == 0 {
            return None;
        }
        let kept = self.kept();
        Some(RemovedStatus {
            max_age,
            max_bytes,
            bytes: kept.bytes(),
            removals: kept.count(self.sharing.clock.now()) as u64,
            is_durable: true,
            failures: 0,
        })
    }

    /// Up to so many removals, newest first, from before this one on.
    pub(crate) fn removals(&self, before: Option<Revision>, limit: usize) -> Vec<Removal> {
        let (now, max_bytes) = (self.sharing.clock.now(), self.sharing.undo_max_bytes);
        self.kept().list(before, limit, now, max_bytes)
    }

    /// A removal, if it is known and its time is not over.
    pub(crate) fn removal(&self, id: Revision) -> Option<Removal> {
        let (now, max_bytes) = (self.sharing.clock.now(), self.sharing.undo_max_bytes);
        self.kept().removal(id, now, max_bytes)
    }

    /// The name and the parts of a removal that can be undone, if all of it is written. Whoever is about to undo it is the only one from then
    /// on.
    fn open(&self, id: Revision, to_undo: bool) -> Result<Option<(Name, Vec<String>)>, UndoError> {
        let now = self.sharing.clock.now();
        let mut kept = self.kept();
        let (name, entry) = kept.by_id(id, now).ok_or(UndoError::Unknown)?;
        match entry.state(self.sharing.undo_max_bytes) {
            RemovalState::Undone(at) => return Err(UndoError::Undone(at)),
            RemovalState::Lost(why) => return Err(UndoError::Lost(why)),
            RemovalState::Kept if entry.is_busy && to_undo => return Err(UndoError::Busy),
            RemovalState::Kept if entry.is_unfinished() => return Ok(None),
            // Another part of it may be on its way.
            RemovalState::Kept if to_undo && !self.has_all_parts(&entry.removed, now) => return Ok(None),
            RemovalState::Kept => {}
        }
        let (name, parts) = (name.clone(), entry.parts());
        if to_undo {
            kept.set_busy(&name, true);
        }
        Ok(Some((name, parts)))
    }

    /// Whether all parts of a removal are there: one of many groups goes in several transactions, none of which begins later than this.
    fn has_all_parts(&self, removed: &Removed, now: UnixNanos) -> bool {
        let sharing = &self.sharing;
        let limit = sharing.change_limit + 2 * sharing.answer_limit;
        let limit = i64::try_from(limit.as_nanos()).unwrap_or(i64::MAX);
        matches!(removed.kind, RemovalKind::Group | RemovalKind::Wipe)
            || now.0.saturating_sub(removed.at.0).unsigned_abs() > limit.unsigned_abs()
    }

    /// The same, when all of it is written.
    async fn when_written(&self, id: Revision, to_undo: bool) -> Result<(Name, Vec<String>), UndoError> {
        for _ in 0..MOST_LOOKS {
            if let Some(opened) = self.open(id, to_undo)? {
                return Ok(opened);
            }
            let reach = self.reach().ok_or(UndoError::Unknown)?;
            reach.sleep(PAUSE).await;
        }
        let reason = "what was removed is not written yet";
        Err(UndoError::Unavailable(unavailable(&reason)))
    }

    /// The records of a part.
    async fn records(&self, name: &Name, part: &str) -> Result<Vec<Vec<u8>>, UndoError> {
        let reach = self.reach().ok_or(UndoError::Unknown)?;
        let max_bytes = self.sharing.undo_max_bytes;
        let key = image_key(name, part);
        let mut attempts = 1;
        loop {
            match reach.read(&key).await {
                Ok(Some(entry)) => {
                    let records = decode_images(&entry.value);
                    return records.ok_or_else(|| unreadable(&"a later version of Wharf has written it"));
                }
                // It had to go meanwhile: why, the watch may not have said yet.
                Ok(None) => match self.kept().get(name).map(|entry| entry.state(max_bytes)) {
                    Some(RemovalState::Lost(why)) => return Err(UndoError::Lost(why)),
                    Some(RemovalState::Undone(at)) => return Err(UndoError::Undone(at)),
                    Some(RemovalState::Kept) if attempts < ATTEMPTS => attempts += 1,
                    // Its time was over.
                    Some(RemovalState::Kept) | None => return Err(UndoError::Unknown),
                },
                Err(error) if attempts == ATTEMPTS => {
                    return Err(UndoError::Unavailable(unavailable(&error)));
                }
                Err(_) => attempts += 1,
            }
            reach.sleep(PAUSE).await;
        }
    }

    /// The removal was undone: nobody has to do so again, and its images go. If the log does not take that, undoing it once more does no
    /// harm.
    async fn set_undone(&self, name: &Name) {
        let at = self.sharing.clock.now();
        let txn = {
            let kept = self.kept();
            let witness = kept.get(name).and_then(|entry| entry.witness());
            let Some(witness) = witness else { return };
            become_txn(name, witness, Became::Undone(at))
        };
        let Some(reach) = self.reach() else { return };
        for _ in 0..ATTEMPTS {
            match reach.commit(txn.clone()).await {
                Ok(Committed::At(at)) => {
                    // Whoever was answered sees it.
                    while self.book().applied() < at {
                        if self.failure().is_some() {
                            return;
                        }
                        reach.sleep(Duration::from_millis(1)).await;
                    }
                    return;
                }
                Ok(Committed::Stale { .. }) => return,
                Err(_) => reach.sleep(PAUSE).await,
            }
        }
    }
}

impl Store {
    fn shared(&self) -> Option<&Shared> {
        match &self.writer {
            Writer::Local(_) => None,
            Writer::Shared(shared) => Some(shared),
        }
    }

    /// [`Self::removed_keys`], if the log is shared.
    ///
    /// # Errors
    /// Why it cannot be undone.
    pub async fn shared_removed_keys(&self, id: Revision) -> Result<Vec<GroupingKey>, UndoError> {
        let shared = self.shared().ok_or(UndoError::Unknown)?;
        let (name, parts) = shared.when_written(id, false).await?;
        let mut keys = Vec::new();
        for part in parts {
            let records = shared.records(&name, &part).await?;
            keys.extend(records.iter().filter_map(|record| record::record_key(record)));
        }
        Ok(keys)
    }

    /// [`Self::undo`], if the log is shared: what came back is committed when this returns, and the removal counts as undone if nothing
    /// was refused.
    ///
    /// # Errors
    /// Why it cannot be undone. [`UndoError::Unavailable`] if the log takes nothing: some groups may have come back then, and are left as
    /// they are the next time.
    pub async fn shared_undo(
        &self,
        id: Revision,
        dry_run: bool,
        now: UnixNanos,
    ) -> Result<Undone, UndoError> {
        let shared = self.shared().ok_or(UndoError::Unknown)?;
        let (name, parts) = shared.when_written(id, true).await?;
        let busy = Busy { shared, name };
        let mut putting = PuttingBack {
            store: self,
            shared,
            now,
            dry_run,
            undone: Undone::default(),
            under_way: VecDeque::new(),
        };
        for part in parts {
            for record in shared.records(&busy.name, &part).await? {
                putting.put_back(record).await?;
            }
        }
        let undone = putting.finish().await?;
        if !dry_run && undone.is_complete() {
            shared.set_undone(&busy.name).await;
        }
        Ok(undone)
    }
}

/// What becomes of a group.
type Cell = Arc<Mutex<Option<Made>>>;

/// Puts groups back, some at a time.
struct PuttingBack<'s> {
    store: &'s Store,
    shared: &'s Shared,
    now: UnixNanos,
    dry_run: bool,
    undone: Undone,
    under_way: VecDeque<(GroupingKey, Outcome, Cell)>,
}

impl PuttingBack<'_> {
    async fn put_back(&mut self, record: Vec<u8>) -> Result<(), UndoError> {
        let Some(key) = record::record_key(&record) else {
            return Ok(());
        };
        let made = Cell::default();
        let op = Op::PutBack {
            record,
            now: self.now,
            made: Arc::clone(&made),
        };
        if self.dry_run {
            self.look(&key, op, &made);
            return Ok(());
        }
        if self.under_way.len() >= AT_ONCE {
            self.settle_first().await?;
        }
        let outcome = self.shared.change(&key, op).map_err(UndoError::Unavailable)?;
        self.under_way.push_back((key, outcome, made));
        Ok(())
    }

    /// What would become of it by now.
    fn look(&mut self, key: &GroupingKey, op: Op, made: &Cell) {
        let waiting = vec![Waiting::new(op, None, Duration::MAX)];
        let proposal = propose(self.store, key, waiting, usize::MAX);
        match proposal.refused.into_iter().next() {
            Some((_, error)) => self.undone.refuse(key, error),
            None => self.note(key, made),
        }
    }

    fn note(&mut self, key: &GroupingKey, made: &Cell) {
        match *made.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(Made {
                fate: Fate::Put { .. },
                counts,
            }) => self.undone.restored(counts),
            Some(Made { fate, .. }) => self.undone.leave(key, fate),
            None => {}
        }
    }

    async fn settle_first(&mut self) -> Result<(), UndoError> {
        let Some((key, outcome, made)) = self.under_way.pop_front() else {
            return Ok(());
        };
        match outcome.await {
            Ok(_) => self.note(&key, &made),
            Err(error @ crate::PushError::Unavailable { .. }) => return Err(UndoError::Unavailable(error)),
            Err(error) => self.undone.refuse(&key, error),
        }
        Ok(())
    }

    async fn finish(mut self) -> Result<Undone, UndoError> {
        while !self.under_way.is_empty() {
            self.settle_first().await?;
        }
        Ok(self.undone)
    }
}
