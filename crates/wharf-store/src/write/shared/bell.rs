//! Wakes tasks that wait for something to do.

use std::future::poll_fn;
use std::sync::{Mutex, PoisonError};
use std::task::{Poll, Waker};

/// A bell. Who has seen it ring so many times waits for the next time.
#[derive(Debug, Default)]
pub(super) struct Bell(Mutex<(u64, Vec<Waker>)>);

impl Bell {
    /// How often it has rung.
    pub(super) fn rung(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    /// Wakes everybody.
    pub(super) fn ring(&self) {
        let wakers = {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            state.0 += 1;
            std::mem::take(&mut state.1)
        };
        for waker in wakers {
            waker.wake();
        }
    }

    /// Waits until it has rung more often.
    pub(super) async fn wait(&self, rung: u64) {
        poll_fn(|context| {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if state.0 > rung {
                return Poll::Ready(());
            }
            if !state.1.iter().any(|waker| waker.will_wake(context.waker())) {
                state.1.push(context.waker().clone());
            }
            Poll::Pending
        })
        .await;
    }
}
