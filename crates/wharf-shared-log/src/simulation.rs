//! Tasks and time for tests: one thread, no clock, every run of a seed the same.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use crate::Timer;

/// The number of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(u64);

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;
type Event = Box<dyn FnOnce() + Send>;

/// A world with a time of its own. Time stands still while any task has something to do, and then jumps to what comes next.
///
/// The seed decides which of the tasks that are ready goes first, and all random numbers. Clones are handles to the same world.
#[derive(Clone)]
pub struct Simulation {
    world: Arc<Mutex<World>>,
    ready: Arc<Mutex<BTreeSet<TaskId>>>,
}

struct World {
    now: Duration,
    random: u64,
    /// What happens when; what was planned first, first.
    events: BTreeMap<(Duration, u64), Event>,
    tasks: BTreeMap<TaskId, Option<Task>>,
    /// Counts events and tasks.
    count: u64,
}

impl fmt::Debug for Simulation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let world = lock(&self.world);
        out.debug_struct("Simulation")
            .field("now", &world.now)
            .field("tasks", &world.tasks.len())
            .finish_non_exhaustive()
    }
}

struct Alarm {
    task: TaskId,
    ready: Arc<Mutex<BTreeSet<TaskId>>>,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        lock(&self.ready).insert(self.task);
    }
}

impl Simulation {
    /// A world in which nothing has happened yet.
    pub fn new(seed: u64) -> Self {
        // Neighbouring seeds have to give different numbers from the first on.
        let random = seed.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let world = World {
            now: Duration::ZERO,
            random,
            events: BTreeMap::new(),
            tasks: BTreeMap::new(),
            count: 0,
        };
        let simulation = Self {
            world: Arc::new(Mutex::new(world)),
            ready: Arc::default(),
        };
        for _ in 0..8 {
            simulation.below(2);
        }
        simulation
    }

    /// A random number below a bound; 0 if that is 0.
    pub fn below(&self, bound: u64) -> u64 {
        let random = &mut lock(&self.world).random;
        *random ^= *random << 13;
        *random ^= *random >> 7;
        *random ^= *random << 17;
        (*random >> 11) % bound.max(1)
    }

    /// Whether something happens that happens so many times of a thousand.
    pub fn happens(&self, of_thousand: u64) -> bool {
        of_thousand > 0 && self.below(1000) < of_thousand
    }

    /// A random time below a bound.
    pub fn time_below(&self, bound: Duration) -> Duration {
        let micros = u64::try_from(bound.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(self.below(micros))
    }

    /// Starts a task.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> TaskId {
        let id = {
            let mut world = lock(&self.world);
            world.count += 1;
            let id = TaskId(world.count);
            world.tasks.insert(id, Some(Box::pin(task)));
            id
        };
        lock(&self.ready).insert(id);
        id
    }

    /// Ends a task wherever it is, as the end of its process does.
    pub fn kill(&self, id: TaskId) {
        let task = lock(&self.world).tasks.remove(&id);
        lock(&self.ready).remove(&id);
        // What it drops may ask for the world.
        drop(task);
    }

    /// Does something later.
    pub fn after(&self, time: Duration, event: impl FnOnce() + Send + 'static) {
        let mut world = lock(&self.world);
        world.count += 1;
        let at = (world.now + time, world.count);
        world.events.insert(at, Box::new(event));
    }

    /// Runs all tasks for so much time.
    pub fn run_for(&self, time: Duration) {
        let end = self.now() + time;
        while self.step(Some(end)) {}
        lock(&self.world).now = end;
    }

    /// Runs all tasks until this one is done, and gives what it gives; none if nothing can happen any more, or not within so
    /// much time.
    pub fn run<T: Send + 'static>(
        &self,
        limit: Duration,
        task: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let output = Arc::new(Mutex::new(None));
        let result = Arc::clone(&output);
        let id = self.spawn(async move {
            let done = task.await;
            *lock(&result) = Some(done);
        });
        let end = self.now() + limit;
        while lock(&output).is_none() {
            if !self.step(Some(end)) {
                break;
            }
        }
        self.kill(id);
        lock(&output).take()
    }

    /// Polls a task, or lets time jump to the next event; whether there was any before `end`.
    fn step(&self, end: Option<Duration>) -> bool {
        if let Some(id) = self.next_ready() {
            self.poll(id);
            return true;
        }
        let event = {
            let mut world = lock(&self.world);
            let Some(next) = world.events.first_entry() else {
                return false;
            };
            let (at, _) = *next.key();
            if end.is_some_and(|end| at > end) {
                return false;
            }
            let event = next.remove();
            world.now = at;
            event
        };
        event();
        true
    }

    fn next_ready(&self) -> Option<TaskId> {
        let count = lock(&self.ready).len();
        let position = usize::try_from(self.below(count as u64)).unwrap_or(0);
        let mut ready = lock(&self.ready);
        let id = ready.iter().nth(position).copied()?;
        ready.remove(&id);
        Some(id)
    }

    fn poll(&self, id: TaskId) {
        let slot = lock(&self.world).tasks.get_mut(&id).map(Option::take);
        let Some(mut task) = slot.flatten() else { return };
        let waker = Waker::from(Arc::new(Alarm {
            task: id,
            ready: Arc::clone(&self.ready),
        }));
        let polled = task.as_mut().poll(&mut Context::from_waker(&waker));
        let mut world = lock(&self.world);
        match polled {
            Poll::Ready(()) => drop(world.tasks.remove(&id)),
            Poll::Pending => {
                if let Some(slot) = world.tasks.get_mut(&id) {
                    *slot = Some(task);
                    return;
                }
            }
        }
        drop(world);
    }
}

impl Timer for Simulation {
    fn now(&self) -> Duration {
        lock(&self.world).now
    }

    async fn sleep(&self, time: Duration) {
        let slot = Slot::default();
        let alarm = slot.clone();
        self.after(time, move || alarm.fill(()));
        slot.await;
    }
}

/// A value that comes one day.
#[derive(Debug)]
pub(crate) struct Slot<T>(Arc<Mutex<(Option<T>, Option<Waker>)>>);

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self(Arc::new(Mutex::new((None, None))))
    }
}

impl<T> Clone for Slot<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Slot<T> {
    /// Sets the value, unless it has one already.
    pub(crate) fn fill(&self, value: T) {
        let waker = {
            let mut slot = lock(&self.0);
            if slot.0.is_none() {
                slot.0 = Some(value);
            }
            slot.1.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> Future for Slot<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let mut slot = lock(&self.0);
        if let Some(value) = slot.0.take() {
            return Poll::Ready(value);
        }
        slot.1 = Some(context.waker().clone());
        Poll::Pending
    }
}

/// Locks. Nothing behind these locks is left half changed by a panic, so a poisoned one is as good as any.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
