//! What is going on, counted while it does.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counts something that is going on, until it is dropped.
#[derive(Debug)]
#[must_use = "it counts until it is dropped"]
pub struct InFlight<'a>(&'a AtomicU64);

impl<'a> InFlight<'a> {
    pub(super) fn new(gauge: &'a AtomicU64) -> Self {
        gauge.fetch_add(1, Relaxed);
        Self(gauge)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}
