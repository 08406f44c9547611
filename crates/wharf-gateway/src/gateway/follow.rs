//! What the store says that has changed, booked: histories, and notices for those who follow.
//!
//! Nobody who changes something does this by hand, so what expires or comes in by another way is seen as well.

use std::time::Duration;

use wharf_store::{Batch, By, Effect, What};

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

    /// Counts what this replica has let expire: where groups are shared, that comes back as any other change. Why a group is gone
    /// that another replica let expire is not known here.
    fn count_expired(&self, effects: &[Effect]) {
        let count =
            |is_so: fn(&What) -> bool| effects.iter().filter(|effect| is_so(&effect.what)).count() as u64;
        let gone = count(|what| matches!(what, What::Deleted { by: By::Expiry }));
        let kept_times = count(|what| matches!(what, What::Emptied));
        if gone + kept_times > 0 {
            self.telemetry.record_expired(gone, kept_times);
        }
    }

    /// Hands on what has changed since the last time.
    pub(super) fn follow(&self) {
        // One at a time, so that the order stays.
        let mut feed = lock(&self.feed);
        loop {
            match feed.read() {
                Batch::Effects(effects) if effects.is_empty() => return,
                Batch::Effects(effects) => {
                    if self.store.is_shared() {
                        self.count_expired(&effects);
                    }
                    for effect in effects {
                        self.activity.changed(effect);
                    }
                }
                Batch::Lagged { missed } => {
                    tracing::warn!(missed, "more was pushed than the history could take");
                    self.activity.missed(|key| self.store.has_group(key));
                }
            }
        }
    }
}
