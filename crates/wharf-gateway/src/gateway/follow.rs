//! What the store says that has changed, booked: histories, and notices for those who follow.
//!
//! Nobody who changes something does this by hand, so what expires or comes in by another way is seen as well.

use std::time::Duration;

use wharf_store::Batch;

use crate::gateway::Gateway;
use crate::lock::lock;

/// So many changes are worth waking a thread for: then a push does not pay for it, and none is lost.
const MANY: usize = 1000;

impl Gateway {
    /// Books all changes that are settled, so that a push which was answered is seen by whoever looks after this.
    pub fn catch_up(&self) {
        self.follow();
        if let Some(history) = self.activity.history() {
            history.settle();
        }
    }

    /// Waits until there are many changes to book, or for so long, and books them. Blocks. To be called again and again, from
    /// one thread.
    pub fn catch_up_in_time(&self, at_most: Duration) {
        self.store.follow().wait(MANY, at_most);
        self.catch_up();
    }

    /// Hands on what has changed since the last time.
    pub(super) fn follow(&self) {
        // One at a time, so that the order stays.
        let mut feed = lock(&self.feed);
        loop {
            match feed.read() {
                Batch::Effects(effects) if effects.is_empty() => return,
                Batch::Effects(effects) => effects
                    .into_iter()
                    .for_each(|effect| self.activity.changed(effect)),
                Batch::Lagged { missed } => {
                    tracing::warn!(missed, "more was pushed than the history could take");
                    self.activity.missed(|key| self.store.has_group(key));
                }
            }
        }
    }
}
