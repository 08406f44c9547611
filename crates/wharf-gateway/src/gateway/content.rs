//! What limits and rules make of a push that has been read, and when it is to be read at all.

use std::time::Duration;

use tokio::time::Instant;
use wharf_model::{Exposition, GroupingKey, Meter};

use crate::gateway::Gateway;
use crate::policy::Active;
use crate::refusal::{Reason, Refusal};

/// How often a push lets its thread do something else while the store is busy. Then it waits in line.
const TURNS: u32 = 4;

/// Records of large pushes wait until they take less than so many quarters of the room that there is for those that wait for
/// the disk. The rest is for those that are under way already, and for small ones.
const LARGE_BACKLOG: u8 = 1;
/// The same for small pushes.
const SMALL_BACKLOG: u8 = 3;
/// How often it is looked whether the disk has caught up.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

impl Gateway {
    /// Holds a push against the limits, as it came, and takes its timestamps away if those are to be left out.
    pub(super) fn limit(&self, exposition: &mut Exposition<'_>) -> Result<(), Refusal> {
        self.settings.push_limits.check(exposition)?;
        if self.settings.pushes.strip_timestamps {
            let metrics = exposition
                .families
                .iter_mut()
                .flat_map(|family| &mut family.metrics);
            metrics
                .filter_map(|metric| metric.extra.as_deref_mut())
                .for_each(|extra| extra.timestamp_ms = None);
        }
        Ok(())
    }

    /// Lets the relabelling rules work on a push. How many metrics they drop, which is to be booked.
    pub(super) fn relabel(
        &self,
        rules: &Active,
        key: &GroupingKey,
        exposition: &mut Exposition<'_>,
        memory: &Meter<'_>,
    ) -> Result<u64, Refusal> {
        let names = self.settings.pushes.names;
        let relabelled = wharf_relabel::relabel_within(rules.relabelling(), key, exposition, names, memory)
            .map_err(|error| Refusal::from(&error))?;
        Ok(relabelled.dropped)
    }

    /// Lets other requests go on until the store is free, or for some turns. A thread that waits for a lock serves nobody.
    pub async fn yield_while_busy(&self) {
        let mut turns = 0;
        while turns < TURNS && self.store.is_busy() {
            tokio::task::yield_now().await;
            turns += 1;
        }
    }

    /// Waits as long as the disk is behind with what was pushed before, with large pushes or with small ones. Whoever pushes a large
    /// body is asked to before most of it is read, and again when it is to be stored: so a client sends as fast as the disk takes it,
    /// and is not refused.
    ///
    /// # Errors
    /// The disk has not caught up in that time.
    #[inline]
    pub async fn until_disk_keeps_up(&self, is_large: bool, within: Duration) -> Result<(), Refusal> {
        let most = if is_large { LARGE_BACKLOG } else { SMALL_BACKLOG };
        if self.store.backlog() < most {
            return Ok(());
        }
        // Rare, and large beside what is not.
        Box::pin(self.until_backlog_is_below(most, within)).await
    }

    async fn until_backlog_is_below(&self, most: u8, within: Duration) -> Result<(), Refusal> {
        let began = Instant::now();
        loop {
            tokio::time::sleep(LOOK_AGAIN).await;
            // After a failure whoever pushes is told more than that.
            if self.store.backlog() < most || self.store.failure().is_some() {
                return Ok(());
            }
            if began.elapsed() >= within {
                let text = format!(
                    "expected the disk to take what was pushed before within {} seconds, it is still behind\n\
                     hint: push less at once, or raise --web.body-timeout",
                    within.as_secs()
                );
                return Err(Refusal::new(Reason::Unavailable, text));
            }
        }
    }
}
