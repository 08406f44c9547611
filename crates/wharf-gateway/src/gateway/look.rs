//! What the gateway shows of itself.

use wharf_model::Exposition;
use wharf_store::Snapshot;

use crate::gateway::Gateway;
use crate::lock::lock;
use crate::telemetry::{BackupTimes, ConfigGauge, MemoryGauge, StoreGauges, WebConfigGauge};

impl Gateway {
    /// How old the newest backups are. Until this is called nothing is said of them.
    pub fn set_backups(&self, times: BackupTimes) {
        *lock(&self.backups) = Some(times);
    }

    /// The gateway's own families beside those of a snapshot.
    pub fn own_families(&self, snapshot: &Snapshot) -> Exposition<'static> {
        let totals = snapshot.totals();
        let conditions = self.settings_files.iter().map(|file| file.condition());
        let web_configs = conditions.map(|condition| WebConfigGauge {
            users: condition.users.map(|users| users as u64),
            certificate_expiry_seconds: condition.certificate_expiry_seconds,
            is_in_force: condition.problems.is_empty(),
            flag: condition.flag,
        });
        let gauges = StoreGauges {
            groups: totals.groups as u64,
            expiring: snapshot.expiring() as u64,
            series: totals.series,
            bytes: totals.bytes,
            cold: self.store.cold(),
            forms_bytes: self.store.shelf().bytes() as u64,
            push_ids: self.store.push_ids(),
            contradicting: totals.contradicting,
            pushes_waiting: self.queue.waiting() as u64,
            quotas: self.policy().quota_gauges(&self.store.quota_usage()),
            removed: self.store.removed_status(),
            ledger: self.store.writer_statistics(),
            replicas: self.replica_gauges(),
            memory: MemoryGauge {
                in_use: self.memory.in_use(),
                limit: self.memory.limit(),
                refused: self.memory.refused(),
            },
            config: self.reading().map(|reading| ConfigGauge {
                is_used: reading.last_reload.is_none_or(|reload| reload.error.is_none()),
                in_force_since: reading.in_force_since,
            }),
            backups: *lock(&self.backups),
            expectations: self.expectations.gauges(),
            alerting: self.alerting_report(),
            traces: self.traces.counts(),
            statsd: self.settings.statsd.as_ref().map(|statsd| statsd.counts()),
            web_configs: web_configs.collect(),
        };
        self.telemetry.exposition(self.instant(), &gauges)
    }
}
