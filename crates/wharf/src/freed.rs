//! Memory that one thread has freed for another goes back to the system.
//!
//! The allocator, mimalloc 3, gives each thread pages of its own. What others free in them is noticed by their thread, and when that
//! thread asks for little it notices nothing: of 100 MB of text that became cold, 7 were given back, and the others after it had
//! served some thousand pushes. Every 10,000 requests for more than a kibibyte it looks through all of its pages
//! (`generic_collect`). So each thread that serves makes as many, now and then, which takes it half a millisecond. There is no
//! other way without `unsafe`; one that the allocator offers to C is `mi_collect`.

use std::cell::Cell;
use std::hint::black_box;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use tokio::runtime::Handle;

const REQUESTS: usize = 10_000;
const REQUEST_BYTES: usize = 2 << 10;

/// How often somebody has asked for it.
static ASKED: AtomicU32 = AtomicU32::new(0);

thread_local! {
    /// How often this thread has noticed.
    static NOTICED: Cell<u32> = const { Cell::new(0) };
}

/// Asks the threads that serve to give back what was freed, and wakes some of those that sleep. A thread that nothing wakes
/// does it when it is woken.
pub(crate) fn ask_for(runtime: &Handle) {
    ASKED.fetch_add(1, Relaxed);
    for _ in 0..2 * runtime.metrics().num_workers() {
        drop(runtime.spawn(async {}));
    }
}

/// Gives back what was freed, if somebody has asked for it. To be called by a thread that has nothing else to do just now.
pub(crate) fn give_back_if_asked() {
    let asked = ASKED.load(Relaxed);
    if NOTICED.replace(asked) != asked {
        for _ in 0..REQUESTS {
            drop(black_box(Vec::<u8>::with_capacity(REQUEST_BYTES)));
        }
    }
}
