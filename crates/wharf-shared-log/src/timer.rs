//! Time, as the caller's runtime has it.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

/// Where time comes from.
pub trait Timer: Clone + Send + Sync + 'static {
    /// The time since some moment, never running back.
    fn now(&self) -> Duration;

    /// Waits.
    fn sleep(&self, time: Duration) -> impl Future<Output = ()> + Send;
}

/// What a future gives, unless that takes longer than the limit; then it is dropped.
pub async fn timeout<F: Future>(timer: &impl Timer, limit: Duration, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut sleep = pin!(timer.sleep(limit));
    poll_fn(|context| {
        // What is there counts, even if it is late.
        if let Poll::Ready(output) = future.as_mut().poll(context) {
            return Poll::Ready(Some(output));
        }
        sleep.as_mut().poll(context).map(|()| None)
    })
    .await
}
