//! What changes have done, told to those who follow: who books pushes, who tells pages of changes, who sends samples on.
//!
//! # Order
//! Effects come in the order in which changes were made, whoever made them: a push, a deletion, a wipe, the end of a
//! group's time, a refusal that was booked, a group that was restored. What a start reads from the ledger is not told.
//!
//! # When
//! An effect is told when its change is settled: where changes wait for stable storage, when it has got there, which is
//! before its sender is answered. So a push that was answered is seen by whoever reads after that, and what was refused
//! with 503 is never told as done. A change that is taken back was visible to scrapes for a moment, and who has asked for
//! a group in that moment may have seen it; so [`What::TakenBack`] is told of each such group: look again.
//!
//! # How much
//! A push leaves one entry in a ring, or nothing while nobody follows. A follower has no queue: it has a place in the
//! ring, and pulls. What all followers have read is dropped, so that only what is still to be read takes memory.
//! A follower that is so slow that the ring has gone over its place is told that it [has
//! lagged](Batch::Lagged): it then takes a [snapshot](crate::Store::snapshot), which has all that it has missed, and goes
//! on reading. Effects that the snapshot has already are told again; none is lost. A change of very many groups is told
//! that way, too.
//!
//! ```
//! use wharf_store::{Batch, Reserved, Store};
//!
//! let store = Store::new(Reserved::default(), 1 << 20);
//! let mut follower = store.follow();
//! store.wipe().unwrap();
//! match follower.read() {
//!     Batch::Effects(effects) => assert_eq!(effects.len(), 1),
//!     Batch::Lagged { missed } => println!("{missed} effects are lost: look at all groups"),
//! }
//! // A thread waits with `follower.wait(1000, timeout)`, a task with `follower.changed(1000).await`.
//! ```

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use crate::Revision;
use crate::effect::{Effect, Effects, What};

/// Effects that are kept for those who are slow: more than one change is told of.
pub(crate) const KEPT: usize = 16 * 1024;
/// Effects that are read at a time.
const READ_AT_ONCE: usize = 512;
/// Room for so many is kept when all are read.
const USUAL_ROOM: usize = 2 * 1024;

/// The ring of effects, and who follows it.
pub(crate) struct Feed {
    ring: Mutex<Ring>,
    followers: AtomicUsize,
    /// Up to which revision changes are settled; not set where each is as soon as it is made.
    settled: OnceLock<Settled>,
    bell: Bell,
}

type Settled = Box<dyn Fn() -> Revision + Send + Sync>;

#[derive(Debug, Default)]
struct Ring {
    /// The number of the first effect that is kept; effects are numbered as they come.
    first: u64,
    effects: VecDeque<Entry>,
    /// Who follows.
    places: Vec<Place>,
    /// The name of the next follower.
    names: u64,
    /// The last change whose effects were too many to be told.
    forgot: Revision,
}

/// How far a follower has read.
#[derive(Debug)]
struct Place {
    name: u64,
    /// The number of the next effect.
    next: u64,
}

#[derive(Debug)]
struct Entry {
    effect: Effect,
    /// Whether it is told only when its revision is settled.
    waits: bool,
}

impl Entry {
    fn is_settled(&self, settled: Option<Revision>) -> bool {
        !self.waits || settled.is_none_or(|settled| self.effect.revision <= settled)
    }
}

impl std::fmt::Debug for Feed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Feed")
            .field("followers", &self.followers)
            .finish_non_exhaustive()
    }
}

impl Default for Feed {
    fn default() -> Self {
        Self {
            ring: Mutex::default(),
            followers: AtomicUsize::new(0),
            settled: OnceLock::new(),
            bell: Bell::default(),
        }
    }
}

impl Feed {
    /// Whether anybody wants to be told.
    pub(crate) fn is_followed(&self) -> bool {
        self.followers.load(Ordering::Acquire) > 0
    }

    /// From now on changes wait until this function says that they are settled.
    pub(crate) fn settled_by(&self, settled: Settled) {
        // There is one writer; a second one would be a mistake of the caller's.
        let _first_stays = self.settled.set(settled);
    }

    /// Adds the effects of a change. Under the store's lock, so that their order is that of changes. With `waits`, they
    /// are told when their revision is settled.
    pub(crate) fn publish(&self, effects: Effects, waits: bool) {
        let mut ring = lock(&self.ring);
        match effects {
            Effects::None => return,
            Effects::Told(effects) => {
                for effect in effects {
                    ring.push(Entry { effect, waits });
                }
            }
            Effects::TooMany(revision) => ring.forget_all(revision),
        }
        let end = ring.end();
        drop(ring);
        if !waits {
            self.bell.ring(end);
        }
    }

    /// The changes after this revision were taken back, and have not been told.
    pub(crate) fn take_back(&self, after: Revision) {
        let mut ring = lock(&self.ring);
        let is_lost = |entry: &Entry| entry.waits && entry.effect.revision > after;
        for entry in ring.effects.iter_mut().rev().take_while(|entry| is_lost(entry)) {
            // A number that was not read is not read as something else.
            entry.effect.what = What::TakenBack;
            entry.waits = false;
        }
        if ring.forgot > after {
            ring.forget_all(after);
        }
        let end = ring.end();
        drop(ring);
        self.bell.ring(end);
    }

    /// Changes may be settled that were not before: tells those who wait to look.
    pub(crate) fn wake(&self) {
        if self.bell.wanted.load(Ordering::SeqCst) != u64::MAX {
            let end = lock(&self.ring).end();
            self.bell.ring(end);
        }
    }

    fn settled(&self) -> Option<Revision> {
        self.settled.get().map(|settled| settled())
    }
}

impl Ring {
    fn push(&mut self, entry: Entry) {
        if self.effects.len() == KEPT {
            // If it is taken back, nobody can be told so of it alone any more.
            if let Some(entry) = self.effects.pop_front().filter(|entry| entry.waits) {
                self.forgot = self.forgot.max(entry.effect.revision);
            }
            self.first += 1;
        }
        self.effects.push_back(entry);
    }

    /// Whoever reads next has missed something, wherever he is.
    fn forget_all(&mut self, revision: Revision) {
        self.first += self.effects.len() as u64 + 1;
        self.effects.clear();
        self.forgot = revision;
    }

    fn end(&self) -> u64 {
        self.first + self.effects.len() as u64
    }

    /// Takes up a new follower, which has nothing to read yet.
    fn enter(&mut self) -> Place {
        let (name, next) = (self.names, self.end());
        self.names += 1;
        self.places.push(Place { name, next });
        Place { name, next }
    }

    /// A follower goes on to this number. What nobody has still to read is dropped.
    fn advance(&mut self, name: u64, next: u64) {
        if let Some(place) = self.places.iter_mut().find(|place| place.name == name) {
            place.next = next;
        }
        self.drop_read();
    }

    fn leave(&mut self, name: u64) {
        self.places.retain(|place| place.name != name);
        self.drop_read();
    }

    /// How many of the first effects nobody but this follower has still to read.
    fn only_for(&self, name: u64) -> usize {
        let others = self.places.iter().filter(|place| place.name != name);
        let lowest = others.map(|place| place.next).min().unwrap_or(u64::MAX);
        usize::try_from(lowest.saturating_sub(self.first)).unwrap_or(usize::MAX)
    }

    fn drop_read(&mut self) {
        let lowest = self.places.iter().map(|place| place.next).min();
        let lowest = lowest.unwrap_or(u64::MAX).min(self.end());
        let read = lowest.saturating_sub(self.first);
        self.effects.drain(..usize::try_from(read).unwrap_or(0));
        self.first += read;
        self.give_back_room();
    }

    /// A burst may have made the ring long.
    fn give_back_room(&mut self) {
        if self.effects.is_empty() && self.effects.capacity() > USUAL_ROOM {
            self.effects = VecDeque::new();
        }
    }
}

/// What a follower reads.
#[derive(Debug, Clone, PartialEq)]
pub enum Batch {
    /// The next effects; none if nothing has happened.
    Effects(Vec<Effect>),
    /// So many effects at least are lost: a snapshot that is taken now has them all.
    Lagged {
        /// How many.
        missed: u64,
    },
}

/// Somebody who follows the changes from some moment on.
#[derive(Debug)]
pub struct Follower {
    feed: Arc<Feed>,
    /// The same as the ring knows, for those who wait without its lock.
    place: Place,
}

impl Follower {
    pub(crate) fn of(feed: &Arc<Feed>) -> Self {
        feed.followers.fetch_add(1, Ordering::AcqRel);
        let place = lock(&feed.ring).enter();
        Self {
            feed: Arc::clone(feed),
            place,
        }
    }

    /// What has happened since the last time, up to some hundred effects. Never waits.
    pub fn read(&mut self) -> Batch {
        let name = self.place.name;
        let mut ring = lock(&self.feed.ring);
        let Some(skipped) = self.place.next.checked_sub(ring.first) else {
            let missed = ring.first - self.place.next;
            self.place.next = ring.first;
            ring.advance(name, self.place.next);
            return Batch::Lagged { missed };
        };
        // Asked under the lock of the ring: what is taken back meanwhile is marked before or after this.
        let settled = self.feed.settled();
        let skipped = usize::try_from(skipped).unwrap_or(usize::MAX);
        let entries = ring.effects.iter().skip(skipped).take(READ_AT_ONCE);
        let count = entries.take_while(|entry| entry.is_settled(settled)).count();
        self.place.next += count as u64;
        let effects = if skipped == 0 && ring.only_for(name) >= count {
            ring.first = self.place.next;
            let entries = ring.effects.drain(..count);
            entries.map(|entry| entry.effect).collect()
        } else {
            let entries = ring.effects.iter().skip(skipped).take(count);
            entries.map(|entry| entry.effect.clone()).collect()
        };
        ring.advance(name, self.place.next);
        Batch::Effects(effects)
    }

    /// Whether there are so many effects to read, or the loss of some to be told.
    fn has(&self, many: usize) -> bool {
        let ring = lock(&self.feed.ring);
        let Some(skipped) = self.place.next.checked_sub(ring.first) else {
            return true;
        };
        let settled = self.feed.settled();
        let last = usize::try_from(skipped)
            .unwrap_or(usize::MAX)
            .saturating_add(many.max(1) - 1);
        ring.effects
            .get(last)
            .is_some_and(|entry| entry.is_settled(settled))
    }

    /// Blocks until there are so many effects to read, or for so long; whether there are.
    ///
    /// To wake a thread costs as much as a push. So who books pushes, and need not know each at once, waits for some
    /// thousand of them, and not for long: then a push does not pay for it, and nothing is lost.
    pub fn wait(&self, many: usize, timeout: Duration) -> bool {
        let many = many.min(KEPT / 2);
        let sleeper = Sleeper::new(&self.feed.bell, self.place.next + many as u64);
        let sleepers = lock(&sleeper.bell.sleepers);
        // Who rings takes the lock first, so nothing comes between the look and the sleep.
        let slept = sleeper
            .bell
            .rung
            .wait_timeout_while(sleepers, timeout, |_| !self.has(many));
        let (sleepers, outcome) = slept.unwrap_or_else(PoisonError::into_inner);
        drop(sleepers);
        !outcome.timed_out()
    }

    /// Waits until there are so many effects to read.
    ///
    /// # Cancel safety
    /// Nothing is lost if it is dropped.
    pub async fn changed(&self, many: usize) {
        let many = many.min(KEPT / 2);
        let sleeper = Sleeper::new(&self.feed.bell, self.place.next + many as u64);
        poll_fn(|context| {
            sleeper.listen(context.waker());
            if self.has(many) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        // Once nobody is left, all that is there goes. Those who come meanwhile begin after it.
        self.feed.followers.fetch_sub(1, Ordering::AcqRel);
        lock(&self.feed.ring).leave(self.place.name);
    }
}

/// Wakes threads and tasks that wait for an effect of some number. Costs one look at a number while there is none.
#[derive(Debug)]
struct Bell {
    /// The lowest number that somebody waits for.
    wanted: AtomicU64,
    sleepers: Mutex<Sleepers>,
    rung: Condvar,
}

impl Default for Bell {
    fn default() -> Self {
        Self {
            wanted: AtomicU64::new(u64::MAX),
            sleepers: Mutex::default(),
            rung: Condvar::new(),
        }
    }
}

#[derive(Debug, Default)]
struct Sleepers {
    /// The name of the next one.
    next: u64,
    all: Vec<Asleep>,
}

#[derive(Debug)]
struct Asleep {
    name: u64,
    /// The number of effects that there have to be.
    wants: u64,
    waker: Option<Waker>,
}

impl Bell {
    /// Wakes those who wait for no more than so many effects.
    fn ring(&self, end: u64) {
        // After the effects were written, and whoever sleeps looks at these after he has said what he wants: so one of
        // the two sees the other.
        if end < self.wanted.load(Ordering::SeqCst) {
            return;
        }
        let wakers: Vec<Waker> = {
            let mut sleepers = lock(&self.sleepers);
            let woken = sleepers.all.iter_mut().filter(|sleeper| sleeper.wants <= end);
            woken.filter_map(|sleeper| sleeper.waker.take()).collect()
        };
        self.rung.notify_all();
        wakers.into_iter().for_each(Waker::wake);
    }

    fn set_wanted(&self, sleepers: &Sleepers) {
        let wanted = sleepers.all.iter().map(|sleeper| sleeper.wants).min();
        self.wanted.store(wanted.unwrap_or(u64::MAX), Ordering::SeqCst);
    }
}

/// Somebody who waits, until this is dropped.
struct Sleeper<'b> {
    bell: &'b Bell,
    name: u64,
}

impl<'b> Sleeper<'b> {
    fn new(bell: &'b Bell, wants: u64) -> Self {
        let mut sleepers = lock(&bell.sleepers);
        let name = sleepers.next;
        sleepers.next += 1;
        let waker = None;
        sleepers.all.push(Asleep { name, wants, waker });
        bell.set_wanted(&sleepers);
        Self { bell, name }
    }

    fn listen(&self, waker: &Waker) {
        let mut sleepers = lock(&self.bell.sleepers);
        let own = sleepers.all.iter_mut().find(|sleeper| sleeper.name == self.name);
        if let Some(own) = own {
            own.waker = Some(waker.clone());
        }
    }
}

impl Drop for Sleeper<'_> {
    fn drop(&mut self) {
        let mut sleepers = lock(&self.bell.sleepers);
        sleepers.all.retain(|sleeper| sleeper.name != self.name);
        self.bell.set_wanted(&sleepers);
    }
}

/// What a thread that panicked has left is good enough to look at.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wipe(revision: u64) -> Effect {
        Effect {
            revision: Revision(revision),
            key: None,
            what: What::Wiped { groups: 1 },
        }
    }

    fn kept(feed: &Feed) -> usize {
        lock(&feed.ring).effects.len()
    }

    #[test]
    fn what_all_followers_have_read_is_not_kept() {
        let feed = Arc::new(Feed::default());
        let mut one = Follower::of(&feed);
        let mut other = Follower::of(&feed);
        feed.publish(Effects::Told((1..=3).map(wipe).collect()), false);
        let read = Batch::Effects((1..=3).map(wipe).collect());
        assert_eq!(one.read(), read);
        assert_eq!(kept(&feed), 3, "the other has still to read");
        assert_eq!(other.read(), read);
        assert_eq!(kept(&feed), 0);

        feed.publish(Effects::Told((4..=5).map(wipe).collect()), false);
        assert_eq!(one.read(), Batch::Effects((4..=5).map(wipe).collect()));
        drop(other);
        assert_eq!(kept(&feed), 0, "nobody is left who has to read it");
        assert_eq!(one.read(), Batch::Effects(Vec::new()));
    }

    #[test]
    fn the_room_of_a_burst_is_given_back() {
        let feed = Arc::new(Feed::default());
        let mut follower = Follower::of(&feed);
        feed.publish(Effects::Told((0..KEPT as u64).map(wipe).collect()), false);
        while follower.read() != Batch::Effects(Vec::new()) {}
        assert!(lock(&feed.ring).effects.capacity() <= USUAL_ROOM);
    }

    #[test]
    fn what_is_taken_back_after_the_ring_has_gone_over_it_is_told_as_a_loss() {
        let feed = Arc::new(Feed::default());
        feed.settled_by(Box::new(|| Revision(0)));
        let mut follower = Follower::of(&feed);
        for number in 0..=KEPT as u64 {
            feed.publish(Effects::Told(vec![wipe(number + 1)]), true);
        }
        // It looks at all groups, and there is nothing that it may be told.
        assert_eq!(follower.read(), Batch::Lagged { missed: 1 });
        assert_eq!(follower.read(), Batch::Effects(Vec::new()));
        feed.take_back(Revision(0));
        // What it has seen then is not there any more.
        assert!(matches!(follower.read(), Batch::Lagged { .. }));
        assert_eq!(follower.read(), Batch::Effects(Vec::new()));
    }
}
