//! Where something that is made a piece at a time waits between two pieces.

use std::future::poll_fn;
use std::mem;
use std::task::Poll;

/// Waits once. Nobody is woken: it goes on when it is polled again, which whoever wants the next piece does.
pub async fn pause() {
    let mut has_waited = false;
    poll_fn(|_| {
        if mem::replace(&mut has_waited, true) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}
