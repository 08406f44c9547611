//! What is done a few times a second for those who look at the gateway.

use crate::activity::hour::Level;
use crate::gateway::Gateway;
use crate::telemetry;

impl Gateway {
    /// Publishes pending change notices and records the state of the disk; what was pushed goes into the history. To be
    /// called a few times a second, from one thread; costs what has happened.
    pub fn observe(&self) {
        self.catch_up();
        self.activity.tell_problems(self.problems());
        self.activity.changes.publish();
        let now = self.now();
        if let Some(statistics) = self.store.writer_statistics() {
            let mut disk = self.activity.disk();
            if disk.syncs != statistics.commits {
                disk.syncs = statistics.commits;
                disk.last_sync = Some(now);
            }
            if !statistics.is_up
                && let Some(reason) = self.store.failure()
            {
                disk.last_error = Some((now, reason));
            }
        }
    }

    /// Records how much there is now. To be called every second; a look at `/proc` is among it.
    pub fn measure(&self) {
        let totals = self.store.totals();
        let level = Level {
            groups: totals.groups as u64,
            series: totals.series,
            bytes: totals.bytes,
            memory_bytes: telemetry::resident_bytes().unwrap_or_default(),
        };
        let now = self.instant();
        self.activity.hour.level(now, level);
        self.activity.hour.set_clock(now, self.now());
    }
}
