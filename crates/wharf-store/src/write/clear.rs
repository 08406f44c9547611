//! What is left of changes that were made in a draft, or given up.

use crate::memory::state::Leftovers;
use crate::write::lock::{Lock, let_others};

/// What is cleared up under one hold of the lock, in the units of [`Store::longest_hold`](crate::Store::longest_hold).
const AT_ONCE: usize = 1024;

/// Clears up what drafts have left, some at a time.
pub(crate) fn clear_up(lock: &Lock, mut leftovers: Leftovers) {
    loop {
        let is_over = lock.hold().clear_up(&mut leftovers, AT_ONCE);
        if is_over {
            return;
        }
        let_others();
    }
}
