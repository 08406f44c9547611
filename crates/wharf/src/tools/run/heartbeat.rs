//! Signs of life while a job runs.

use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use wharf_client::Push;

use crate::tools::delivery::Delivery;
use crate::tools::families::Families;
use crate::tools::voice::Voice;

/// A thread that pushes from time to time.
#[derive(Debug)]
pub(super) struct Heartbeat {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Heartbeat {
    /// Pushes `push` with what `families` says, now and after each interval, each time with one attempt.
    ///
    /// `families` gets false until the gateway has said how it takes a heartbeat, and when it refused what the job has pushed, so that it
    /// can do without; and for ever where the gateway adds up: what the job has counted so far would be added with each heartbeat.
    pub(super) fn start(
        interval: Duration,
        delivery: Delivery,
        push: Push,
        voice: Voice,
        families: impl Fn(bool) -> Families + Send + 'static,
    ) -> Self {
        let (stop, stopped) = mpsc::channel();
        let thread = thread::spawn(move || {
            let (mut has_failed, mut with_others) = (false, false);
            loop {
                let push = Push {
                    text: families(with_others).text(),
                    ..push.clone()
                };
                match delivery.attempt_answered(&push.request()) {
                    Ok(answer) => {
                        has_failed = false;
                        with_others = !answer.is_added_up;
                    }
                    // Said once until it has worked again.
                    Err(failure) => {
                        if !has_failed {
                            voice.warn(format_args!("no heartbeat: {failure}"));
                        }
                        has_failed = true;
                        with_others &= !failure.is_for_good();
                    }
                }
                if stopped.recv_timeout(interval) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
            }
        });
        Self { stop, thread }
    }

    /// Ends it. When this returns, no push is under way that could arrive behind a later one.
    pub(super) fn stop(self) {
        drop(self.stop);
        // A thread that panicked has said so.
        let _panicked = self.thread.join();
    }
}
