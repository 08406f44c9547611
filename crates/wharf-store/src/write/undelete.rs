//! What was removed, to be looked at and to be undone.

use std::collections::VecDeque;
use std::time::Duration;

use wharf_ledger::{ArchiveError, EntryReader};
use wharf_model::GroupingKey;

use crate::record;
use crate::removed::book::NotNow;
use crate::removed::keeper::{Keeper, Opened, Unread};
use crate::removed::{Removal, RemovedSettings, RemovedStatus};
use crate::store::Store;
use crate::write::commit::{Commit, unavailable};
use crate::write::local::Local;
use crate::write::put_back::{PuttingBack, UndoError, Undone, unreadable};
use crate::write::writer::Writer;
use crate::{Revision, UnixNanos};

/// For how long it is waited until a removal that has just been made is on stable storage.
const MOST_PAUSES: usize = 5_000;
const PAUSE: Duration = Duration::from_millis(1);

/// A removal that is being undone.
///
/// As long as it is there, nobody else can undo the removal.
#[derive(Debug)]
pub struct Undoing<'s> {
    keeper: &'s Keeper,
    opened: Opened<'s>,
    /// What has come of it.
    pub undone: Undone,
}

impl Undoing<'_> {
    /// All that came back is on stable storage: the removal is not undone again. One of which something may come back later
    /// stays as it is.
    pub fn settle(self) -> Undone {
        if self.undone.is_complete() {
            self.keeper.set_undone(self.opened.id(), self.keeper.now());
        }
        self.undone
    }
}

impl Store {
    // ---- what was removed ---------------------------------------------------------------------------------

    /// Keeps what is removed from now on, and what earlier processes have kept; says what is wrong with that. To be called
    /// before the ledger is read. Does nothing for groups that replicas share: [`Sharing`](crate::Sharing) says how much these keep.
    pub fn keep_removed(&self, settings: &RemovedSettings) -> Vec<String> {
        let Writer::Local(local) = &self.writer else {
            return Vec::new();
        };
        let (keeper, problems) = Keeper::open(settings);
        local.set_keeper(keeper);
        problems
    }

    /// How removals are kept; none if they are not.
    pub fn removed_status(&self) -> Option<RemovedStatus> {
        if let Writer::Shared(shared) = &self.writer {
            return shared.removed_status();
        }
        Some(self.keeper()?.1.status())
    }

    /// Why something that was removed could not be written, if that has happened since this was asked last.
    pub fn take_removed_failure(&self) -> Option<String> {
        self.keeper()?.1.take_failure()
    }

    /// Up to so many removals, newest first, from before this one on.
    pub fn removals(&self, before: Option<Revision>, limit: usize) -> Vec<Removal> {
        if let Writer::Shared(shared) = &self.writer {
            return shared.removals(before, limit);
        }
        let Some((local, keeper)) = self.keeper() else {
            return Vec::new();
        };
        keeper.write(local.durable());
        keeper.list(before, limit)
    }

    /// A removal, if it is known and its time is not over.
    pub fn removal(&self, id: Revision) -> Option<Removal> {
        if let Writer::Shared(shared) = &self.writer {
            return shared.removal(id);
        }
        let (local, keeper) = self.keeper()?;
        keeper.write(local.durable());
        keeper.get(id)
    }

    /// The keys of the groups of a removal that can be undone, or an error where they cannot be read any more. Blocks while
    /// it reads. For groups that replicas share there is [`Self::shared_removed_keys`].
    ///
    /// # Errors
    /// Why it cannot be undone.
    pub fn removed_keys(
        &self,
        id: Revision,
    ) -> Result<impl Iterator<Item = Result<GroupingKey, UndoError>>, UndoError> {
        let (local, keeper) = self.keeper().ok_or(UndoError::Unknown)?;
        let parts = self.when_written(local, keeper, || keeper.read(id))?;
        let mut reading = Reading::new(parts);
        Ok(
            std::iter::from_fn(move || reading.next().map_err(|error| unreadable(&error)).transpose())
                .flat_map(|records| {
                    let (records, error) = match records {
                        Ok(records) => (records, None),
                        Err(error) => (Vec::new(), Some(Err(error))),
                    };
                    let keys = records
                        .into_iter()
                        .filter_map(|record| record::record_key(&record).map(Ok));
                    keys.chain(error)
                }),
        )
    }

    /// Puts back what a removal has taken away, as it was: text, exact forms, times, and how long each group has still to live.
    ///
    /// A group that is there again stays as it is, unless no push has succeeded since. What comes back is checked as a push is.
    /// It comes back in steps, some hundred groups at a time; others go on in between. A dry run only says what would come of it.
    /// For groups that replicas share there is [`Self::shared_undo`].
    ///
    /// # Durability
    /// What came back is safe when each returned [`Commit`] has been waited for, and the removal counts as undone when
    /// [`Undoing::settle`] is called then.
    ///
    /// # Errors
    /// Why it cannot be undone. [`UndoError::Unavailable`] if the ledger takes nothing: some groups may have come back then, and
    /// are left as they are the next time.
    pub fn undo(
        &self,
        id: Revision,
        dry_run: bool,
        now: UnixNanos,
    ) -> Result<(Undoing<'_>, Vec<Commit>), UndoError> {
        let (local, keeper) = self.keeper().ok_or(UndoError::Unknown)?;
        let mut opened = self.when_written(local, keeper, || keeper.begin_undo(id))?;
        let mut reading = Reading::new(std::mem::take(&mut opened.parts));
        let mut putting = PuttingBack::new(self, local, now, dry_run);
        while let Some(records) = reading.next().map_err(|error| unreadable(&error))? {
            putting.put_back(&records)?;
        }
        let (undone, commits) = putting.finish();
        let undoing = Undoing {
            keeper,
            opened,
            undone,
        };
        Ok((undoing, commits))
    }

    /// Who keeps what is removed, if somebody does, and the writer that it belongs to.
    pub(crate) fn keeper(&self) -> Option<(&Local, &Keeper)> {
        match &self.writer {
            Writer::Local(local) => Some((local, local.keeper()?)),
            Writer::Shared(_) => None,
        }
    }

    /// Does something with a removal when it is written. One that has just been answered is, within a moment.
    fn when_written<T>(
        &self,
        local: &Local,
        keeper: &Keeper,
        mut what: impl FnMut() -> Result<T, Unread>,
    ) -> Result<T, UndoError> {
        for _ in 0..MOST_PAUSES {
            keeper.write(local.durable());
            match what() {
                Ok(done) => return Ok(done),
                Err(Unread::NotNow(NotNow::Waiting)) => {}
                Err(Unread::NotNow(NotNow::Unknown)) => return Err(UndoError::Unknown),
                Err(Unread::NotNow(NotNow::Undone(at))) => return Err(UndoError::Undone(at)),
                Err(Unread::NotNow(NotNow::Lost(why))) => return Err(UndoError::Lost(why)),
                Err(Unread::NotNow(NotNow::Busy)) => return Err(UndoError::Busy),
                Err(Unread::Archive(error)) => return Err(unreadable(&error)),
            }
            if let Some(reason) = self.failure() {
                return Err(UndoError::Unavailable(unavailable(&reason)));
            }
            std::thread::sleep(PAUSE);
        }
        let reason = "the removal is not on stable storage yet";
        Err(UndoError::Unavailable(unavailable(&reason)))
    }
}

/// Reads the parts of a removal, one after the other. The last record of each says something of it, and is no image.
struct Reading {
    parts: VecDeque<EntryReader>,
}

impl Reading {
    fn new(parts: VecDeque<EntryReader>) -> Self {
        Self { parts }
    }

    fn next(&mut self) -> Result<Option<Vec<Vec<u8>>>, ArchiveError> {
        while let Some(part) = self.parts.front_mut() {
            match part.next_records() {
                Ok(Some(records)) => return Ok(Some(records)),
                Ok(None) => drop(self.parts.pop_front()),
                Err(error) => {
                    self.parts.clear();
                    return Err(error);
                }
            }
        }
        Ok(None)
    }
}
