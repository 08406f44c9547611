//! What becomes of a change, told to whoever waits for it.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::{PushError, Revision};

type Told = Result<Revision, PushError>;

#[derive(Debug, Default)]
struct State {
    told: Option<Told>,
    waker: Option<Waker>,
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What becomes of a change. Dropping it takes nothing back.
#[derive(Debug)]
#[must_use = "a change counts only when this says so"]
pub(crate) struct Outcome(Arc<Mutex<State>>);

/// The promise to tell it. One that is dropped tells that it is not known.
#[derive(Debug)]
pub(crate) struct Promise(Arc<Mutex<State>>);

/// Both ends.
pub(crate) fn promise() -> (Promise, Outcome) {
    let state = Arc::<Mutex<State>>::default();
    (Promise(Arc::clone(&state)), Outcome(state))
}

impl Promise {
    /// Tells it.
    pub(crate) fn tell(self, told: Told) {
        self.tell_first(told);
    }

    fn tell_first(&self, told: Told) {
        let waker = {
            let mut state = lock(&self.0);
            if state.told.is_none() {
                state.told = Some(told);
            }
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        let reason = "the gateway is about to stop".to_owned();
        self.tell_first(Err(PushError::Unavailable { reason }));
    }
}

impl Future for Outcome {
    type Output = Told;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Told> {
        let mut state = lock(&self.0);
        if let Some(told) = &state.told {
            return Poll::Ready(told.clone());
        }
        state.waker = Some(context.waker().clone());
        Poll::Pending
    }
}
