//! Pushes: their sizes and times, those that were refused and those that wait, and what rules dropped of them.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use wharf_model::MetricType;
use wharf_store::{PushIdCounts, ReservedFamily};

use super::assemble::{self, Assembly};
use super::counts::Counts;
use super::family::{own, with_fixed_help};
use super::gauges::StoreGauges;
use super::window::WindowedSummary;
use crate::lock::lock;

/// The quantiles of the push summaries, as the Pushgateway shows them.
const QUANTILES: [f64; 3] = [0.1, 0.5, 0.9];

pub(super) const PUSH_SIZE: ReservedFamily = with_fixed_help(
    "pushgateway_http_push_size_bytes",
    MetricType::Summary,
    "HTTP request size for pushes to the Pushgateway.",
);
pub(super) const PUSH_DURATION: ReservedFamily = with_fixed_help(
    "pushgateway_http_push_duration_seconds",
    MetricType::Summary,
    "HTTP request duration for pushes to the Pushgateway.",
);
pub(super) const REFUSALS: ReservedFamily = own(
    "wharf_pushes_refused_total",
    MetricType::Counter,
    "Pushes that were not stored, by reason.",
);
pub(super) const PUSHES_WAITING: ReservedFamily = own(
    "wharf_pushes_waiting",
    MetricType::Gauge,
    "Pushes that take long and wait for their turn.",
);
pub(super) const IDS: ReservedFamily = own(
    "wharf_push_ids",
    MetricType::Gauge,
    "Ids of pushes that are known, so that these are not counted again: at most --push.max-ids.",
);
pub(super) const IDS_FORGOTTEN: ReservedFamily = own(
    "wharf_push_ids_forgotten_total",
    MetricType::Counter,
    "Ids of pushes that were forgotten before their time, since there were too many.",
);
pub(super) const REPEATED: ReservedFamily = own(
    "wharf_pushes_repeated_total",
    MetricType::Counter,
    "Pushes that came again, by their ids, and were not counted again.",
);
pub(super) const METRICS_DROPPED: ReservedFamily = own(
    "wharf_relabel_metrics_dropped_total",
    MetricType::Counter,
    "Pushed metrics that relabelling rules have dropped.",
);

/// What was counted and measured of pushes.
#[derive(Debug, Default)]
pub(super) struct Pushes {
    /// By method.
    summaries: Mutex<BTreeMap<&'static str, PushSummaries>>,
    /// By reason.
    pub(super) refused: Counts<&'static str>,
    metrics_dropped: AtomicU64,
}

#[derive(Debug)]
struct PushSummaries {
    size_bytes: WindowedSummary,
    duration_seconds: WindowedSummary,
}

impl Pushes {
    #[expect(clippy::cast_precision_loss, reason = "a size above 2^53 may be rounded")]
    pub(super) fn answered(&self, now: Instant, method: &'static str, size_bytes: u64, duration: Duration) {
        let mut pushes = lock(&self.summaries);
        let summaries = pushes.entry(method).or_insert_with(|| PushSummaries {
            size_bytes: WindowedSummary::new(now),
            duration_seconds: WindowedSummary::new(now),
        });
        summaries.size_bytes.observe(now, size_bytes as f64);
        summaries.duration_seconds.observe(now, duration.as_secs_f64());
    }

    pub(super) fn dropped(&self, metrics: u64) {
        if metrics > 0 {
            self.metrics_dropped.fetch_add(metrics, Relaxed);
        }
    }

    /// Adds the families.
    pub(super) fn assemble(&self, assembly: &mut Assembly, now: Instant, gauges: &StoreGauges) {
        self.assemble_summaries(assembly, now);
        self.refused
            .assemble(assembly, REFUSALS, ("reason", |reason| reason));
        assembly.single(PUSHES_WAITING, assemble::float(gauges.pushes_waiting));
        let PushIdCounts {
            kept,
            repeated,
            forgotten,
            ..
        } = gauges.push_ids;
        assembly.single(IDS, assemble::float(kept as u64));
        assembly.single(IDS_FORGOTTEN, assemble::float(forgotten));
        assembly.single(REPEATED, assemble::float(repeated));
        let dropped = self.metrics_dropped.load(Relaxed);
        assembly.single(METRICS_DROPPED, assemble::float(dropped));
    }

    fn assemble_summaries(&self, assembly: &mut Assembly, now: Instant) {
        let mut sizes = Vec::new();
        let mut durations = Vec::new();
        for (method, summaries) in lock(&self.summaries).iter_mut() {
            let labels = [("method", *method)];
            let mut size = summaries.size_bytes.read(now, QUANTILES);
            // Estimates need not be whole; sizes are.
            size.quantiles
                .iter_mut()
                .for_each(|(_, value)| *value = value.round());
            sizes.push(assembly.summary(&labels, &size));
            durations.push(assembly.summary(&labels, &summaries.duration_seconds.read(now, QUANTILES)));
        }
        assembly.family(PUSH_DURATION, durations);
        assembly.family(PUSH_SIZE, sizes);
    }
}
