//! Messages about groups that are overdue. What Prometheus counts of its own has its names, types and helps.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use wharf_model::MetricType;
use wharf_store::ReservedFamily;

use super::assemble::{self, Assembly};
use super::family::own;
use super::window::WindowedSummary;
use crate::alerting::AlertingReport;
use crate::lock::lock;

/// As Prometheus shows them.
const QUANTILES: [f64; 3] = [0.5, 0.9, 0.99];

const DISCOVERED: ReservedFamily = own(
    "prometheus_notifications_alertmanagers_discovered",
    MetricType::Gauge,
    "The number of alertmanagers discovered and active.",
);
const DROPPED: ReservedFamily = own(
    "prometheus_notifications_dropped_total",
    MetricType::Counter,
    "Total number of alerts dropped due to errors when sending to Alertmanager.",
);
const ERRORS: ReservedFamily = own(
    "prometheus_notifications_errors_total",
    MetricType::Counter,
    "Total number of sent alerts affected by errors.",
);
const LATENCY: ReservedFamily = own(
    "prometheus_notifications_latency_seconds",
    MetricType::Summary,
    "Latency quantiles for sending alert notifications.",
);
const CAPACITY: ReservedFamily = own(
    "prometheus_notifications_queue_capacity",
    MetricType::Gauge,
    "The capacity of the alert notifications queue.",
);
const LENGTH: ReservedFamily = own(
    "prometheus_notifications_queue_length",
    MetricType::Gauge,
    "The number of alert notifications in the queue.",
);
const SENT: ReservedFamily = own(
    "prometheus_notifications_sent_total",
    MetricType::Counter,
    "Total number of alerts sent.",
);
const WEBHOOK_ERRORS: ReservedFamily = own(
    "wharf_webhook_messages_failed_total",
    MetricType::Counter,
    "Messages to webhooks that were not taken, each attempt, by receiver.",
);
const WEBHOOK_GIVEN_UP: ReservedFamily = own(
    "wharf_webhook_messages_given_up_total",
    MetricType::Counter,
    "Messages to webhooks that are not tried again, by receiver; the next one says how it is then.",
);
const WEBHOOK_SENT: ReservedFamily = own(
    "wharf_webhook_messages_sent_total",
    MetricType::Counter,
    "Messages that were sent to webhooks, each attempt, by receiver.",
);
const WEBHOOK_WAITING: ReservedFamily = own(
    "wharf_webhook_messages_waiting",
    MetricType::Gauge,
    "Messages that are to be sent to webhooks, by receiver.",
);

/// All of them, sorted by name.
pub(super) static RESERVED: [ReservedFamily; 11] = [
    DISCOVERED,
    DROPPED,
    ERRORS,
    LATENCY,
    CAPACITY,
    LENGTH,
    SENT,
    WEBHOOK_ERRORS,
    WEBHOOK_GIVEN_UP,
    WEBHOOK_SENT,
    WEBHOOK_WAITING,
];

/// What was counted of messages.
#[derive(Debug, Default)]
pub(crate) struct Notifications {
    alertmanagers: Mutex<BTreeMap<String, ToAlertmanager>>,
    webhooks: Mutex<BTreeMap<String, ToWebhook>>,
    dropped: AtomicU64,
}

#[derive(Debug, Default)]
struct ToAlertmanager {
    sent: u64,
    errors: u64,
    latency: Option<WindowedSummary>,
}

#[derive(Debug, Default)]
struct ToWebhook {
    sent: u64,
    errors: u64,
    given_up: u64,
}

impl Notifications {
    /// There is something to count of this one.
    pub(crate) fn add_alertmanager(&self, name: &str) {
        lock(&self.alertmanagers).entry(name.to_owned()).or_default();
    }

    /// The same of a webhook.
    pub(crate) fn add_webhook(&self, name: &str) {
        lock(&self.webhooks).entry(name.to_owned()).or_default();
    }

    /// So many alerts were sent to an Alertmanager, which has taken them or not.
    pub(crate) fn record_sent(
        &self,
        name: &str,
        (alerts, is_error): (u64, bool),
        took: Duration,
        now: Instant,
    ) {
        let mut alertmanagers = lock(&self.alertmanagers);
        let to = alertmanagers.entry(name.to_owned()).or_default();
        // As in Prometheus: what was not taken was sent, too.
        to.sent += alerts;
        to.errors += if is_error { alerts } else { 0 };
        let latency = to.latency.get_or_insert_with(|| WindowedSummary::new(now));
        latency.observe(now, took.as_secs_f64());
    }

    /// An Alertmanager was not told of the end of an alert before that was let go.
    pub(crate) fn record_dropped(&self) {
        self.dropped.fetch_add(1, Relaxed);
    }

    /// A message was sent to a webhook, which has taken it or not.
    pub(crate) fn record_webhook(&self, name: &str, is_error: bool) {
        let mut webhooks = lock(&self.webhooks);
        let to = webhooks.entry(name.to_owned()).or_default();
        to.sent += 1;
        to.errors += u64::from(is_error);
    }

    /// A message to a webhook is not tried again.
    pub(crate) fn record_given_up(&self, name: &str) {
        lock(&self.webhooks).entry(name.to_owned()).or_default().given_up += 1;
    }

    /// Adds the families.
    pub(super) fn assemble(&self, assembly: &mut Assembly, now: Instant, report: &AlertingReport) {
        let all = &report.alertmanagers;
        assembly.single(DISCOVERED, assemble::float(all.len() as u64));
        assembly.single(DROPPED, assemble::float(self.dropped.load(Relaxed)));
        if let Some(capacity) = report.capacity {
            assembly.single(CAPACITY, assemble::float(capacity));
        }
        // Of several the longest: each may have so many.
        let waiting = all.iter().map(|status| status.waiting).max();
        assembly.single(LENGTH, assemble::float(waiting.unwrap_or(0)));
        let (mut sent, mut errors, mut latencies) = (Vec::new(), Vec::new(), Vec::new());
        for (name, to) in lock(&self.alertmanagers).iter_mut() {
            let labels = [("alertmanager", name.as_str())];
            sent.push(assembly.number(&labels, assemble::float(to.sent)));
            errors.push(assembly.number(&labels, assemble::float(to.errors)));
            if let Some(latency) = &mut to.latency {
                latencies.push(assembly.summary(&labels, &latency.read(now, QUANTILES)));
            }
        }
        assembly.family(SENT, sent);
        assembly.family(ERRORS, errors);
        assembly.family(LATENCY, latencies);
        let (mut sent, mut errors, mut given_up) = (Vec::new(), Vec::new(), Vec::new());
        for (name, to) in lock(&self.webhooks).iter() {
            let labels = [("receiver", name.as_str())];
            sent.push(assembly.number(&labels, assemble::float(to.sent)));
            errors.push(assembly.number(&labels, assemble::float(to.errors)));
            given_up.push(assembly.number(&labels, assemble::float(to.given_up)));
        }
        assembly.family(WEBHOOK_SENT, sent);
        assembly.family(WEBHOOK_ERRORS, errors);
        assembly.family(WEBHOOK_GIVEN_UP, given_up);
        let waiting = report.webhooks.iter().map(|status| {
            let labels = [("receiver", status.name.as_str())];
            assembly.number(&labels, assemble::float(status.waiting))
        });
        let waiting = waiting.collect();
        assembly.family(WEBHOOK_WAITING, waiting);
    }
}
