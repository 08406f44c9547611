//! Work that takes long, on threads that let others go first.
//!
//! Threads that serve connections do what is quick. When all processors are busy with what takes long, they are to get one
//! as soon as they need it: health checks and small pushes would wait for tens of milliseconds otherwise.

use std::cell::Cell;

use tokio::task::{JoinHandle, spawn_blocking};

/// By how much the threads step back, in the steps of `nice`: under load they get a third of what others get.
const STEPS: i32 = 5;

thread_local! {
    static HAS_STEPPED_BACK: Cell<bool> = const { Cell::new(false) };
}

/// Does work on a thread that may block. No thread that has done such work serves connections later.
pub fn spawn<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    spawn_blocking(|| {
        step_back();
        work()
    })
}

fn step_back() {
    if !HAS_STEPPED_BACK.replace(true) {
        // Where it is not allowed, all threads are alike.
        let _allowed = rustix::process::nice(STEPS);
    }
}
