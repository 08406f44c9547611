//! Looking after the ledger while pushes go on.

use std::time::Instant;

use wharf_store::{Kept, Store};

/// What is known of a ledger that is looked after.
pub(super) struct Upkeep<N> {
    /// Length of the log after which a checkpoint is written.
    checkpoint_bytes: u64,
    now: N,
    /// Pushes are refused, and that is in the log.
    is_failing: bool,
    /// The last checkpoint could not be written, and that is in the log.
    is_behind: bool,
    /// After a failure: nothing is tried before.
    not_before: Option<Instant>,
}

/// How much longer than an attempt that has failed it takes until the next one. Each costs what is stored, so those that fail must
/// not cost a processor.
const PAUSE_AFTER_FAILURE: u32 = 10;

impl<N: Fn() -> Instant> Upkeep<N> {
    pub(super) fn new(checkpoint_bytes: u64, now: N) -> Self {
        Self {
            checkpoint_bytes,
            now,
            is_failing: false,
            is_behind: false,
            not_before: None,
        }
    }

    /// To be called many times a second.
    pub(super) fn turn(&mut self, store: &Store) {
        if let Some(reason) = store.failure()
            && !self.is_failing
        {
            self.is_failing = true;
            tracing::error!(
                err = reason,
                "pushes cannot be stored and are refused until they can"
            );
        }
        if let Some(reason) = store.take_removed_failure() {
            tracing::error!(
                err = reason,
                "what was removed cannot be undone: it could not be written"
            );
        }
        let began = (self.now)();
        if self.not_before.is_some_and(|not_before| began < not_before) {
            return;
        }
        match store.keep(self.checkpoint_bytes) {
            Ok(Kept::Nothing) => {}
            Ok(Kept::Checkpointed) => {
                self.is_behind = false;
                tracing::debug!(groups = store.totals().groups, "checkpoint written");
            }
            Ok(Kept::Restarted) => {
                (self.is_failing, self.is_behind) = (false, false);
                tracing::info!("pushes are stored again");
            }
            Err(error) => {
                let ended = (self.now)();
                self.not_before = Some(ended + (ended - began) * PAUSE_AFTER_FAILURE);
                if self.is_failing || self.is_behind {
                    tracing::debug!(err = %error, "the disk still fails");
                } else {
                    self.is_behind = true;
                    tracing::error!(err = %error, "cannot write a checkpoint; the log grows until it can");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
