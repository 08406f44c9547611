//! Locks whose data a panic leaves good enough to go on with: counts, and what is looked at.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks, whatever became of a thread that held the lock before.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
