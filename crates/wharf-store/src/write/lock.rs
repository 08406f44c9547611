//! The one lock of the store.

use std::collections::VecDeque;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, TryLockError};
use std::time::Duration;

use crate::Revision;
use crate::memory::state::{Leftovers, State};
use crate::push_ids::PushIds;
use crate::write::undo::Undo;

/// The pause of whoever takes the lock again and again. The lock is not fair: taken again at once, it would keep those
/// waiting who are only just being woken.
const PAUSE: Duration = Duration::from_micros(50);

/// What the lock guards.
#[derive(Debug, Default)]
pub(crate) struct Guarded {
    pub(crate) state: State,
    /// The last change.
    pub(crate) last: Revision,
    /// How to take back the changes that are not on stable storage yet, oldest first.
    pub(crate) undos: VecDeque<(Revision, Undo)>,
    /// Ids of pushes that were added up.
    pub(crate) push_ids: PushIds,
    /// The most that was done under one hold.
    pub(crate) longest: u64,
}

impl Guarded {
    /// Clears some of what drafts have left up, see [`State::clear_up`]. Whether that was all.
    pub(crate) fn clear_up(&mut self, leftovers: &mut Leftovers, most: usize) -> bool {
        let undos = self.undos.iter_mut().rev();
        let mut states = std::iter::once(&mut self.state).chain(undos.filter_map(|(_, undo)| undo.wiped()));
        // After a wipe, that may still be taken back, it is the state that was wiped which has them; or nobody any more.
        let state = states.find(|state| state.is(&leftovers.of));
        state.is_none_or(|state| state.clear_up(leftovers, most))
    }
}

/// A plain lock: it is held for some microseconds a push, and for a clone of a pointer a scrape.
#[derive(Debug, Default)]
pub(crate) struct Lock {
    guarded: Mutex<Guarded>,
    /// The weight of the heaviest group that there has been when it was given away.
    heaviest: AtomicU64,
}

impl Lock {
    /// Waits in line.
    ///
    /// A panic under the lock is a bug that may have left a push half stored. The panic's message is in the log;
    /// going on would show that half to every scrape, so the process ends.
    pub(crate) fn hold(&self) -> Hold<'_> {
        let guard = self.guarded.lock().unwrap_or_else(|_| std::process::abort());
        let began = guard.state.work();
        Hold {
            guard: Some(guard),
            heaviest: &self.heaviest,
            began,
        }
    }

    /// The weight of the heaviest group that there has been.
    pub(crate) fn heaviest(&self) -> u64 {
        self.heaviest.load(Ordering::Relaxed)
    }

    /// Whether somebody holds it just now.
    pub(crate) fn is_held(&self) -> bool {
        matches!(self.guarded.try_lock(), Err(TryLockError::WouldBlock))
    }
}

/// The lock, held. When it is given away, what changes have left is freed, while others have the lock already.
#[derive(Debug)]
pub(crate) struct Hold<'l> {
    /// None only while it is being dropped.
    guard: Option<MutexGuard<'l, Guarded>>,
    heaviest: &'l AtomicU64,
    /// What had been done when it began.
    began: u64,
}

const HELD: &str = "the lock is held until this is dropped";

impl Deref for Hold<'_> {
    type Target = Guarded;

    fn deref(&self) -> &Guarded {
        self.guard.as_ref().expect(HELD)
    }
}

impl DerefMut for Hold<'_> {
    fn deref_mut(&mut self) -> &mut Guarded {
        self.guard.as_mut().expect(HELD)
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        let Some(mut guard) = self.guard.take() else {
            return;
        };
        let done = guard.state.work() - self.began;
        guard.longest = guard.longest.max(done);
        self.heaviest.store(guard.state.heaviest(), Ordering::Relaxed);
        let litter = guard.state.take_litter();
        drop(guard);
        drop(litter);
    }
}

/// Lets others have the lock before it is taken again.
pub(crate) fn let_others() {
    std::thread::sleep(PAUSE);
}
