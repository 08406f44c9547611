//! What is known of each part, and the way to wait for a change of it: for threads and for tasks.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

/// A part that was started, for those that come after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Started(pub(super) usize);

/// What says when it is time for what a part does again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// Pauses of the length that the part names.
    Clock,
    /// A test.
    Hand,
}

/// The state of all parts.
#[derive(Debug)]
pub(super) struct Board {
    pace: Pace,
    states: Mutex<States>,
    /// For threads.
    changed: Condvar,
    /// For tasks.
    notify: Notify,
}

#[derive(Debug, Default)]
pub(super) struct States(Vec<State>);

#[derive(Debug, Default)]
struct State {
    name: &'static str,
    is_ready: bool,
    is_stopping: bool,
    has_ended: bool,
    turns: Turns,
}

/// The turns of a part under [`Pace::Hand`].
#[derive(Debug, Default)]
struct Turns {
    asked: u64,
    begun: u64,
    /// Whether it waits for the next one.
    waits: bool,
}

impl States {
    fn of(&mut self, part: Started) -> Option<&mut State> {
        self.0.get_mut(part.0)
    }

    fn is(&self, part: Started, so: impl Fn(&State) -> bool) -> bool {
        self.0.get(part.0).is_some_and(so)
    }

    pub(super) fn is_ready(&self, part: Started) -> bool {
        self.is(part, |state| state.is_ready)
    }

    pub(super) fn is_stopping(&self, part: Started) -> bool {
        self.is(part, |state| state.is_stopping)
    }

    /// Whether it is ready, or is never going to be.
    pub(super) fn is_settled(&self, part: Started) -> bool {
        self.is(part, |state| state.is_ready || state.has_ended)
    }

    /// Whether all are ready, or one is never going to be.
    pub(super) fn are_settled(&self) -> bool {
        let are_ready = self.0.iter().all(|state| state.is_ready);
        are_ready || self.0.iter().any(|state| state.has_ended && !state.is_ready)
    }
}

impl Board {
    pub(super) fn new(pace: Pace) -> Self {
        Self {
            pace,
            states: Mutex::default(),
            changed: Condvar::new(),
            notify: Notify::new(),
        }
    }

    pub(super) fn add(&self, name: &'static str) -> Started {
        let states = &mut self.lock().0;
        states.push(State {
            name,
            ..State::default()
        });
        Started(states.len() - 1)
    }

    pub(super) fn set_ready(&self, part: Started) {
        self.change(part, |state| state.is_ready = true);
    }

    pub(super) fn stop(&self, part: Started) {
        self.change(part, |state| state.is_stopping = true);
    }

    pub(super) fn set_ended(&self, part: Started) {
        self.change(part, |state| state.has_ended = true);
    }

    /// The first part that is not ready yet.
    pub(super) fn unready(&self) -> Option<&'static str> {
        let states = self.lock();
        let unready = states.0.iter().find(|state| !state.is_ready);
        unready.map(|state| state.name)
    }

    pub(super) fn is_stopping(&self, part: Started) -> bool {
        self.lock().is_stopping(part)
    }

    /// Waits as a task.
    pub(super) async fn until(&self, is_so: impl Fn(&States) -> bool) {
        loop {
            // Before the look: what changes after it is not missed.
            let changed = self.notify.notified();
            if is_so(&self.lock()) {
                return;
            }
            changed.await;
        }
    }

    /// Waits as a thread.
    pub(super) fn block_until(&self, is_so: impl Fn(&States) -> bool) {
        drop(self.wait_while(self.lock(), |states| !is_so(states)));
    }

    /// Waits as a thread for the next turn of a part; false if it is to stop instead.
    pub(super) fn wait_turn(&self, part: Started, pause: Duration) -> bool {
        match self.pace {
            Pace::Clock => {
                let waited = self
                    .changed
                    .wait_timeout_while(self.lock(), pause, |states| !states.is_stopping(part));
                let (states, _) = waited.unwrap_or_else(PoisonError::into_inner);
                !states.is_stopping(part)
            }
            Pace::Hand => {
                self.change(part, |state| state.turns.waits = true);
                let mut states = self.wait_while(self.lock(), |states| {
                    states.is(part, |state| {
                        !state.is_stopping && state.turns.asked == state.turns.begun
                    })
                });
                let Some(state) = states.of(part) else {
                    return false;
                };
                state.turns.waits = false;
                state.turns.begun += 1;
                !state.is_stopping
            }
        }
    }

    /// Lets a part have a turn, and waits until it has had it.
    pub(super) fn turn(&self, part: Started) {
        self.change(part, |state| state.turns.asked += 1);
        self.block_until(|states| {
            states.is(part, |State { has_ended, turns, .. }| {
                *has_ended || (turns.waits && turns.begun == turns.asked)
            })
        });
    }

    fn change(&self, part: Started, change: impl FnOnce(&mut State)) {
        if let Some(state) = self.lock().of(part) {
            change(state);
        }
        self.changed.notify_all();
        self.notify.notify_waiters();
    }

    fn wait_while<'b>(
        &self,
        states: MutexGuard<'b, States>,
        is_so: impl Fn(&States) -> bool,
    ) -> MutexGuard<'b, States> {
        let waited = self.changed.wait_while(states, |states| is_so(states));
        waited.unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing panics while it is held.
    fn lock(&self) -> MutexGuard<'_, States> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
