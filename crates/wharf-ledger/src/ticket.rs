//! The promise to tell when a record is on stable storage.

use std::{
    pin::Pin,
    sync::{Arc, Condvar, Mutex},
    task::{Context, Poll, Waker},
};

use crate::{CommitError, lock, wait};

/// Tells when a record is on stable storage. Wait for it with [`Ticket::wait`], or await it.
///
/// Dropping a ticket does not take the record back.
#[derive(Debug)]
#[must_use = "a record is only safe once its ticket says so"]
pub struct Ticket {
    /// `None`: resolved from the start.
    outcome: Option<Arc<Outcome>>,
    /// Where this ticket's waker stands in the outcome.
    waker: Option<usize>,
}

impl Ticket {
    pub(crate) fn resolved() -> Self {
        Self {
            outcome: None,
            waker: None,
        }
    }

    pub(crate) fn pending(outcome: Arc<Outcome>) -> Self {
        Self {
            outcome: Some(outcome),
            waker: None,
        }
    }

    /// Blocks until the record is on stable storage.
    ///
    /// # Errors
    /// The ledger failed first; the record may or may not be found after a restart of the process.
    pub fn wait(self) -> Result<(), CommitError> {
        self.outcome.map_or(Ok(()), |outcome| outcome.wait())
    }
}

impl Future for Ticket {
    type Output = Result<(), CommitError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { outcome, waker } = &mut *self;
        outcome.as_ref().map_or(Poll::Ready(Ok(())), |outcome| {
            outcome.poll(waker, context.waker())
        })
    }
}

/// What becomes of one block of records; all their tickets share it.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    state: Mutex<State>,
    resolved: Condvar,
}

/// That the tickets of an outcome will be resolved. Nobody waits for ever: dropped, it tells them that their records are lost.
#[derive(Debug, Default)]
pub(crate) struct Promise(Arc<Outcome>);

impl Promise {
    /// What the tickets wait for.
    pub(crate) fn outcome(&self) -> Arc<Outcome> {
        Arc::clone(&self.0)
    }

    /// Tells them.
    pub(crate) fn keep(self, result: Result<(), CommitError>) {
        self.0.resolve(result);
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        self.0.resolve(Err(CommitError {
            reason: "the thread that writes to the ledger has ended".into(),
        }));
    }
}

#[derive(Debug, Default)]
struct State {
    result: Option<Result<(), CommitError>>,
    wakers: Vec<Waker>,
}

impl Outcome {
    /// Tells everybody. The first result counts.
    fn resolve(&self, result: Result<(), CommitError>) {
        let wakers = {
            let mut state = lock(&self.state);
            if state.result.is_some() {
                return;
            }
            state.result = Some(result);
            std::mem::take(&mut state.wakers)
        };
        self.resolved.notify_all();
        for waker in wakers {
            waker.wake();
        }
    }

    fn wait(&self) -> Result<(), CommitError> {
        let mut state = lock(&self.state);
        loop {
            if let Some(result) = &state.result {
                return result.clone();
            }
            state = wait(&self.resolved, state);
        }
    }

    fn poll(&self, slot: &mut Option<usize>, waker: &Waker) -> Poll<Result<(), CommitError>> {
        let mut state = lock(&self.state);
        if let Some(result) = &state.result {
            return Poll::Ready(result.clone());
        }
        // Each ticket has one place, so that polling it often does not make the list longer.
        if let Some(known) = slot.and_then(|slot| state.wakers.get_mut(slot)) {
            known.clone_from(waker);
        } else {
            *slot = Some(state.wakers.len());
            state.wakers.push(waker.clone());
        }
        Poll::Pending
    }
}
