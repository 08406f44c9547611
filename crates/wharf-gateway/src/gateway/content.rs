//! What limits and rules make of a push that has been read.

use wharf_model::{Exposition, GroupingKey, Meter};

use crate::gateway::Gateway;
use crate::policy::Active;
use crate::refusal::Refusal;

/// How often a push lets its thread do something else while the store is busy. Then it waits in line.
const TURNS: u32 = 4;

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
}
