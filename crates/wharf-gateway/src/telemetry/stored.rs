//! What is stored: groups and how they go, series, bytes, and how much of each quota is taken.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use wharf_model::{Metric, MetricType};
use wharf_store::ReservedFamily;

use super::assemble::{self, Assembly};
use super::family::own;
use super::gauges::StoreGauges;
use crate::policy::QuotaGauge;

pub(super) const GROUPS: ReservedFamily = own("wharf_groups", MetricType::Gauge, "Groups that are stored.");
pub(super) const GROUPS_DELETED: ReservedFamily = own(
    "wharf_groups_deleted_total",
    MetricType::Counter,
    "Groups that were deleted by selector.",
);
pub(super) const GROUPS_EXPIRED: ReservedFamily = own(
    "wharf_groups_expired_total",
    MetricType::Counter,
    "Groups whose time to live was over, by whether their push times stayed.",
);
pub(super) const GROUPS_EXPIRING: ReservedFamily = own(
    "wharf_groups_expiring",
    MetricType::Gauge,
    "Groups that are stored and have a time to live.",
);
pub(super) const HISTOGRAMS_CONTRADICTING: ReservedFamily = own(
    "wharf_histograms_contradicting",
    MetricType::Gauge,
    "Stored histograms whose buckets contradict each other or their count, one for each family of a group.",
);
pub(super) const SERIES: ReservedFamily = own(
    "wharf_series",
    MetricType::Gauge,
    "Series that are stored: sample lines of a scrape, own metrics aside.",
);
pub(super) const STORED_BYTES: ReservedFamily = own(
    "wharf_stored_bytes",
    MetricType::Gauge,
    "Bytes of the text of everything that is stored.",
);
pub(super) const COLD_BYTES: ReservedFamily = own(
    "wharf_stored_cold_bytes",
    MetricType::Gauge,
    "Bytes of the stored text that nobody has changed for a minute, of which only the compressed form is in memory.",
);
pub(super) const COLD_COMPRESSED_BYTES: ReservedFamily = own(
    "wharf_stored_cold_compressed_bytes",
    MetricType::Gauge,
    "Memory of the compressed form of that.",
);
pub(super) const DURABLE: ReservedFamily = own(
    "wharf_storage_durable",
    MetricType::Gauge,
    "1 if what is pushed is kept in a folder, 0 if it is in memory only and gone after a restart.",
);
pub(super) const QUOTA_LIMIT: ReservedFamily = own(
    "wharf_quota_limit",
    MetricType::Gauge,
    "How much a quota allows. Quotas are numbered as in the configuration file.",
);
pub(super) const QUOTA_USED: ReservedFamily = own(
    "wharf_quota_used",
    MetricType::Gauge,
    "How much of a quota is taken.",
);

/// Groups that have gone.
#[derive(Debug, Default)]
pub(super) struct Gone {
    deleted: AtomicU64,
    /// Those that are gone altogether, and those whose push times stay.
    expired: [AtomicU64; 2],
}

impl Gone {
    pub(super) fn deleted(&self, groups: u64) {
        self.deleted.fetch_add(groups, Relaxed);
    }

    pub(super) fn expired(&self, gone: u64, kept_times: u64) {
        let [all, but_times] = &self.expired;
        all.fetch_add(gone, Relaxed);
        but_times.fetch_add(kept_times, Relaxed);
    }

    /// Adds the families of what is stored.
    pub(super) fn assemble(&self, assembly: &mut Assembly, gauges: &StoreGauges) {
        for (family, number) in [
            (GROUPS, gauges.groups),
            (GROUPS_DELETED, self.deleted.load(Relaxed)),
            (GROUPS_EXPIRING, gauges.expiring),
            (HISTOGRAMS_CONTRADICTING, gauges.contradicting),
            (SERIES, gauges.series),
            (STORED_BYTES, gauges.bytes),
            (COLD_BYTES, gauges.cold.text_bytes),
            (COLD_COMPRESSED_BYTES, gauges.cold.compressed_bytes),
        ] {
            assembly.single(family, assemble::float(number));
        }
        assembly.single(DURABLE, assemble::truth(gauges.ledger.is_some()));
        let [gone, kept_times] = &self.expired;
        let expired = [("false", gone), ("true", kept_times)].map(|(kept, count)| {
            assembly.number(&[("kept_times", kept)], assemble::float(count.load(Relaxed)))
        });
        assembly.family(GROUPS_EXPIRED, expired.into());
        let limits = quota_metrics(assembly, &gauges.quotas, |quota| quota.limit);
        assembly.family(QUOTA_LIMIT, limits);
        let used = quota_metrics(assembly, &gauges.quotas, |quota| quota.used);
        assembly.family(QUOTA_USED, used);
    }
}

fn quota_metrics(
    assembly: &mut Assembly,
    quotas: &[QuotaGauge],
    value: impl Fn(&QuotaGauge) -> u64,
) -> Vec<Metric> {
    let metrics = quotas.iter().map(|quota| {
        let labels = [
            ("match", quota.selector.as_str()),
            ("quota", quota.number.as_str()),
            ("resource", quota.resource),
        ];
        assembly.number(&labels, assemble::float(value(quota)))
    });
    metrics.collect()
}
