//! Room for connections: how many there may be, and which of them gives way when there is no room for another.
//!
//! A connection has a [`Seat`] while requests may come over it. When there are none left and somebody has connected, the
//! connection that has been without a request for the longest time is asked to give way. It looks whether anything has come
//! meanwhile, ends in peace, and needs its file descriptor for a moment more; there are some for such.
//!
//! What a connection is doing costs no lock: it says so by [`Progress`], and is looked at when there is no room.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::transport::presence::Presence;
use crate::transport::progress::{Idle, Progress, Timeouts};

/// Seats for addresses that take no pushes, at most.
const MAX_KEPT: usize = 16;
/// How often somebody who waits for a seat looks whether another connection can be asked to give way.
const ASK_AGAIN: Duration = Duration::from_millis(10);
/// For how long nobody else is asked while the one that was has not answered: it may have to wait for a processor.
const ANSWER_TIME: Duration = Duration::from_millis(200);
/// After so long, with none that could give way, answers end their connections.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often the log may say that.
const WARN_AGAIN: Duration = Duration::from_secs(60);
/// How many of the oldest idle connections are looked for at once: looking takes time in proportion to all of them.
const OLDEST: usize = 64;
/// If none was found, nobody looks again before this.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Room for so many connections.
#[derive(Debug)]
pub(crate) struct Room {
    epoch: Instant,
    /// For everybody.
    common: Arc<Semaphore>,
    /// For addresses that take no pushes, so that whoever looks at the gateway finds a seat.
    kept: Arc<Semaphore>,
    /// How many may be ending, beside those that have a seat.
    max_leaving: usize,
    /// How many wait for a seat and have done so for long.
    pressing: AtomicUsize,
    seats: Mutex<Seats>,
}

#[derive(Debug, Default)]
struct Seats {
    next_id: u64,
    all: HashMap<u64, Arc<Seat>>,
    /// Those who have given their seat back, the first one in front.
    leaving: VecDeque<Arc<Seat>>,
    /// Those without a request since so long that they are next to be asked, the oldest one last.
    oldest: Vec<(Idle, Arc<Seat>)>,
    /// When nothing was found for that.
    found_none_at: Option<Instant>,
    warned_at: Option<Instant>,
}

/// What the room knows of a connection.
#[derive(Debug)]
pub(crate) struct Seat {
    id: u64,
    room: Arc<Room>,
    pub(crate) progress: Arc<Progress>,
    pub(crate) presence: Arc<Presence>,
    permit: Mutex<Option<OwnedSemaphorePermit>>,
    /// Whether this is one of the seats that are not for pushes.
    is_kept: bool,
    called: Notify,
    is_asked: AtomicBool,
    is_cut: AtomicBool,
    is_ending: AtomicBool,
    has_left: AtomicBool,
}

/// A seat, until this is dropped.
#[derive(Debug)]
pub(crate) struct Seated(pub(crate) Arc<Seat>);

impl Drop for Seated {
    fn drop(&mut self) {
        let Self(seat) = self;
        let gone = {
            let mut seats = seat.room.lock();
            if seat.has_left() {
                seats.leaving.retain(|leaving| leaving.id != seat.id);
            }
            seats.all.remove(&seat.id)
        };
        // Whoever still has it in mind need not ask it.
        seat.has_left.store(true, Ordering::Relaxed);
        drop((gone, seat.permit().take()));
        seat.answer();
    }
}

impl Room {
    /// Room for `max` connections and `max_leaving` that are ending. With `keeps_some`, a few are not for pushes.
    pub(crate) fn new(max: usize, max_leaving: usize, keeps_some: bool) -> Arc<Self> {
        let max = max.clamp(1, Semaphore::MAX_PERMITS);
        let kept = if keeps_some && max > 1 {
            (max / 8).clamp(1, MAX_KEPT)
        } else {
            0
        };
        Arc::new(Self {
            epoch: Instant::now(),
            common: Arc::new(Semaphore::new(max - kept)),
            kept: Arc::new(Semaphore::new(kept)),
            max_leaving,
            pressing: AtomicUsize::new(0),
            seats: Mutex::default(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Seats> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many connections there are, those that are ending included.
    pub(crate) fn connections(&self) -> usize {
        self.lock().all.len()
    }

    /// A seat, if one is free.
    pub(crate) fn try_seat(self: &Arc<Self>, takes_pushes: bool) -> Option<Seated> {
        if let Ok(permit) = Arc::clone(&self.common).try_acquire_owned() {
            return Some(self.seat(permit, false));
        }
        if takes_pushes {
            return None;
        }
        let permit = Arc::clone(&self.kept).try_acquire_owned().ok()?;
        Some(self.seat(permit, true))
    }

    /// A seat, be it that another connection has to give way. Waits if none can.
    pub(crate) async fn make_seat(self: &Arc<Self>, takes_pushes: bool) -> Seated {
        let began = tokio::time::Instant::now();
        let mut pressing = None;
        let mut asked = Asked::default();
        loop {
            if let Some(seated) = self.try_seat(takes_pushes) {
                return seated;
            }
            asked.ask(self, takes_pushes);
            let (permit, is_kept) = tokio::select! {
                permit = Arc::clone(&self.common).acquire_owned() => (permit.ok(), false),
                permit = Arc::clone(&self.kept).acquire_owned(), if !takes_pushes => (permit.ok(), true),
                () = tokio::time::sleep(ASK_AGAIN) => (None, false),
            };
            if let Some(permit) = permit {
                return self.seat(permit, is_kept);
            }
            if pressing.is_none() && began.elapsed() > PATIENCE {
                pressing = Some(Pressing::new(self));
            }
        }
    }

    fn seat(self: &Arc<Self>, permit: OwnedSemaphorePermit, is_kept: bool) -> Seated {
        let mut seats = self.lock();
        let id = seats.next_id;
        seats.next_id += 1;
        let seat = Arc::new(Seat {
            id,
            room: Arc::clone(self),
            progress: Arc::new(Progress::new(self.epoch)),
            presence: Arc::default(),
            permit: Mutex::new(Some(permit)),
            is_kept,
            called: Notify::new(),
            is_asked: AtomicBool::new(false),
            is_cut: AtomicBool::new(false),
            is_ending: AtomicBool::new(false),
            has_left: AtomicBool::new(false),
        });
        seats.all.insert(id, Arc::clone(&seat));
        Seated(seat)
    }

    /// Whether somebody has waited long for a seat, and no connection could give way.
    pub(crate) fn is_pressed(&self) -> bool {
        self.pressing.load(Ordering::Relaxed) > 0
    }

    /// Asks the connection to give way that has been without a request for the longest time, if there is one.
    ///
    /// With `for_pushes`, the seats that are not for pushes are left alone: they would help nobody.
    pub(crate) fn ask_oldest(&self, for_pushes: bool) -> Option<Arc<Seat>> {
        let mut seats = self.lock();
        if let Some(asked) = seats.ask_found(for_pushes) {
            return Some(asked);
        }
        let now = Instant::now();
        let is_early = |at: Instant| now.saturating_duration_since(at) < LOOK_AGAIN;
        if seats.found_none_at.is_some_and(is_early) {
            return None;
        }
        seats.oldest = seats.find_oldest();
        let asked = seats.ask_found(for_pushes);
        seats.found_none_at = asked.is_none().then_some(now);
        asked
    }

    /// Wakes those connections that have taken too long for something, and those whose clients may have gone. To be called
    /// every second.
    pub(crate) fn call_overdue(&self, timeouts: Timeouts) {
        for seat in self.lock().all.values() {
            if seat.progress.overdue(timeouts).is_some() || seat.presence.is_watched() {
                seat.called.notify_one();
            }
        }
    }
}

impl Seats {
    /// Asks the oldest one of those that were found, unless it has had a request since.
    fn ask_found(&mut self, for_pushes: bool) -> Option<Arc<Seat>> {
        while let Some((idle, seat)) = self.oldest.pop() {
            let is_no_help = seat.has_left() || (for_pushes && seat.is_kept);
            if !is_no_help && seat.progress.idle() == Some(idle) {
                seat.is_asked.store(true, Ordering::Relaxed);
                seat.called.notify_one();
                return Some(seat);
            }
        }
        None
    }

    /// Those that have been without a request for the longest time, the oldest one last.
    fn find_oldest(&self) -> Vec<(Idle, Arc<Seat>)> {
        let idle = self.all.values().filter(|seat| !seat.has_left());
        let mut idle: Vec<(Idle, u64)> = idle
            .filter_map(|seat| Some((seat.progress.idle()?, seat.id)))
            .collect();
        // Those that have had one are left alone while most have not: then somebody connects to no purpose.
        if idle.iter().any(|(idle, _)| !idle.was_used()) {
            idle.retain(|(idle, _)| !idle.was_used());
        } else {
            let seated = || self.all.values().filter(|seat| !seat.has_left());
            let new = seated().filter(|seat| seat.progress.is_new()).count();
            if new > seated().count() / 2 {
                return Vec::new();
            }
        }
        if idle.len() > OLDEST {
            idle.select_nth_unstable(OLDEST);
            idle.truncate(OLDEST);
        }
        idle.sort_unstable_by(|a, b| b.cmp(a));
        let seats = idle.into_iter();
        seats
            .filter_map(|(idle, id)| Some((idle, Arc::clone(self.all.get(&id)?))))
            .collect()
    }
}

/// Whom somebody has asked who waits for a seat.
#[derive(Default)]
struct Asked(Option<(Arc<Seat>, Instant)>);

impl Asked {
    /// Asks somebody, unless the one asked before still thinks about it.
    fn ask(&mut self, room: &Room, for_pushes: bool) {
        if let Some((seat, at)) = &self.0
            && seat.is_asked.load(Ordering::Relaxed)
            && at.elapsed() < ANSWER_TIME
        {
            return;
        }
        self.0 = room.ask_oldest(for_pushes).map(|seat| (seat, Instant::now()));
    }
}

/// Somebody who has waited long for a seat.
struct Pressing<'r>(&'r Room);

impl<'r> Pressing<'r> {
    fn new(room: &'r Room) -> Self {
        room.pressing.fetch_add(1, Ordering::Relaxed);
        let now = Instant::now();
        let mut seats = room.lock();
        let is_late = |at: Instant| now.saturating_duration_since(at) > WARN_AGAIN;
        if seats.warned_at.is_none_or(is_late) {
            seats.warned_at = Some(now);
            tracing::warn!("new connections wait: all that are allowed have a request under way");
        }
        Self(room)
    }
}

impl Drop for Pressing<'_> {
    fn drop(&mut self) {
        self.0.pressing.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Seat {
    fn permit(&self) -> MutexGuard<'_, Option<OwnedSemaphorePermit>> {
        self.permit.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns when the connection should look at what it is to do.
    pub(crate) async fn called(&self) {
        self.called.notified().await;
    }

    /// Whether the connection was asked to give way, and has not said whether it does.
    pub(crate) fn is_asked(&self) -> bool {
        self.is_asked.load(Ordering::Relaxed)
    }

    /// It has left, or goes on.
    pub(crate) fn answer(&self) {
        self.is_asked.store(false, Ordering::Relaxed);
    }

    /// Whether the connection has to end at once.
    pub(crate) fn is_cut(&self) -> bool {
        self.is_cut.load(Ordering::Relaxed)
    }

    /// Whether the connection is to end as soon as no request is under way.
    pub(crate) fn is_ending(&self) -> bool {
        self.is_ending.load(Ordering::Relaxed)
    }

    /// The connection is to end, or after all not.
    pub(crate) fn set_ending(&self, is_ending: bool) {
        self.is_ending.store(is_ending, Ordering::Relaxed);
    }

    /// Whether the seat is free again.
    pub(crate) fn has_left(&self) -> bool {
        self.has_left.load(Ordering::Relaxed)
    }

    /// Gives the seat to others: nothing more is expected of this connection. If too many are ending, the one that
    /// has been longest about it has to hurry.
    pub(crate) fn leave(self: &Arc<Self>) {
        if self.has_left.swap(true, Ordering::Relaxed) {
            return;
        }
        {
            let mut seats = self.room.lock();
            if seats.all.contains_key(&self.id) {
                seats.leaving.push_back(Arc::clone(self));
            }
            if seats.leaving.len() > self.room.max_leaving
                && let Some(first) = seats.leaving.pop_front()
            {
                first.is_cut.store(true, Ordering::Relaxed);
                first.called.notify_one();
            }
        }
        drop(self.permit().take());
    }

    /// Whether somebody waits for the seat of any connection.
    pub(crate) fn is_pressed(&self) -> bool {
        self.room.is_pressed()
    }
}

#[cfg(test)]
mod tests {
    use http::Version;

    use super::*;

    /// A room whose time began long ago, so that connections can be of any age.
    fn room(max: usize, max_leaving: usize, keeps_some: bool) -> Arc<Room> {
        let room = Arc::into_inner(Room::new(max, max_leaving, keeps_some)).unwrap();
        Arc::new(Room {
            epoch: Instant::now().checked_sub(Duration::from_secs(1000)).unwrap(),
            ..room
        })
    }

    fn fill(room: &Arc<Room>) -> Vec<Seated> {
        std::iter::from_fn(|| room.try_seat(true)).collect()
    }

    /// The connection has been without a request from this second on.
    fn idle_from(seated: &Seated, second: u64) {
        seated.0.progress.set_idle_since(second * 1_000_000);
    }

    /// Those that were asked, which say that they go on.
    fn asked(seats: &[Seated]) -> Vec<usize> {
        let asked = seats.iter().enumerate();
        let asked: Vec<usize> = asked
            .filter(|(_, seated)| seated.0.is_asked())
            .map(|(at, _)| at)
            .collect();
        for seated in seats {
            seated.0.answer();
        }
        asked
    }

    #[test]
    fn the_oldest_idle_connection_is_asked_first() {
        let room = room(5, 1, false);
        let seats = fill(&room);
        assert_eq!(seats.len(), 5);
        // All have just come.
        assert!(room.ask_oldest(true).is_none());
        for (at, second) in [(0, 300), (1, 100), (2, 200), (3, 400)] {
            idle_from(&seats[at], second);
        }
        let busy = seats[1].0.progress.begin(Version::HTTP_11);
        room.lock().found_none_at = None;
        for expected in [2, 0, 3] {
            assert!(room.ask_oldest(true).is_some());
            assert_eq!(asked(&seats), [expected]);
            seats[expected].0.leave();
        }
        assert!(room.ask_oldest(true).is_none());
        drop(busy);
        idle_from(&seats[1], 500);
        room.lock().found_none_at = None;
        assert!(room.ask_oldest(true).is_some());
        assert_eq!(asked(&seats), [1]);
    }

    #[test]
    fn who_had_a_request_since_it_was_found_is_passed_over() {
        let room = room(3, 1, false);
        let seats = fill(&room);
        for (at, seated) in seats.iter().enumerate() {
            idle_from(seated, 100 + at as u64);
        }
        assert!(room.ask_oldest(true).is_some());
        assert_eq!(asked(&seats), [0]);
        drop(seats[1].0.progress.begin(Version::HTTP_11));
        assert!(room.ask_oldest(true).is_some());
        assert_eq!(asked(&seats), [2]);
    }

    #[test]
    fn very_many_are_asked_in_their_order() {
        let room = room(1000, 1000, false);
        let seats = fill(&room);
        for (at, seated) in seats.iter().enumerate() {
            idle_from(seated, (at * 7 % 1000) as u64 / 2);
        }
        let mut order = Vec::new();
        while room.ask_oldest(true).is_some() {
            for at in asked(&seats) {
                seats[at].0.leave();
                order.push(at * 7 % 1000 / 2);
            }
        }
        assert_eq!(order.len(), 1000);
        assert!(order.is_sorted());
    }

    #[test]
    fn a_seat_is_free_once_its_connection_is_leaving_and_few_leave_at_once() {
        let room = room(3, 2, false);
        let seats = fill(&room);
        for seated in &seats {
            seated.0.leave();
            seated.0.leave();
        }
        let cut: Vec<bool> = seats.iter().map(|seated| seated.0.is_cut()).collect();
        assert_eq!(cut, [true, false, false]);
        let others = fill(&room);
        assert_eq!(others.len(), 3);
        drop((seats, others));
        let seats = room.lock();
        assert!(seats.all.is_empty() && seats.leaving.is_empty());
        assert_eq!(room.common.available_permits(), 3);
    }

    #[test]
    fn some_seats_are_not_for_pushes() {
        for (max, kept) in [(1, 0), (2, 1), (8, 1), (16, 2), (1000, 16)] {
            let room = room(max, 1, true);
            assert_eq!(fill(&room).len(), max - kept, "{max}");
            let seats = fill(&room);
            let others: Vec<_> = std::iter::from_fn(|| room.try_seat(false)).collect();
            assert_eq!((seats.len(), others.len()), (max - kept, kept), "{max}");
            for seated in &others {
                idle_from(seated, 100);
            }
            assert!(room.ask_oldest(true).is_none(), "{max}");
            room.lock().found_none_at = None;
            assert_eq!(room.ask_oldest(false).is_some(), kept > 0, "{max}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_long_presses() {
        let room = room(1, 1, false);
        let mut seats = fill(&room);
        let request = seats[0].0.progress.begin(Version::HTTP_11);
        let waiting = tokio::spawn({
            let room = Arc::clone(&room);
            async move { room.make_seat(true).await }
        });
        while !room.is_pressed() {
            tokio::time::sleep(ASK_AGAIN).await;
        }
        drop(request);
        seats.clear();
        let _seated = waiting.await.unwrap();
        assert!(!room.is_pressed());
    }
}
