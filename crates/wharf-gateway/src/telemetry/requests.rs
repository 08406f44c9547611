//! Requests: those that were answered, turned away, denied and given up, and those under way.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use wharf_model::MetricType;
use wharf_store::ReservedFamily;

use super::assemble::{self, Assembly};
use super::counts::Counts;
use super::family::{own, with_fixed_help};
use super::in_flight::InFlight;
use crate::access::right::Right;
use crate::lock::lock;

pub(super) const REQUESTS: ReservedFamily = with_fixed_help(
    "pushgateway_http_requests_total",
    MetricType::Counter,
    "Total HTTP requests processed by the Pushgateway, excluding scrapes.",
);
pub(super) const REQUESTS_IN_FLIGHT: ReservedFamily = own(
    "wharf_http_requests_in_flight",
    MetricType::Gauge,
    "Requests being answered.",
);
pub(super) const TURNED_AWAY: ReservedFamily = own(
    "wharf_http_requests_turned_away_total",
    MetricType::Counter,
    "Requests that were not looked at, for their credentials, their origin or their rate, by reason.",
);
pub(super) const DENIED: ReservedFamily = own(
    "wharf_http_requests_denied_total",
    MetricType::Counter,
    "Requests that the access rules do not allow, by the right that they lack.",
);
pub(super) const STOPPED: ReservedFamily = own(
    "wharf_requests_stopped_total",
    MetricType::Counter,
    "Requests that were given up after they had begun, by reason: the client had gone, or they were too costly or took too \
     long.",
);

/// What was counted of requests.
#[derive(Debug, Default)]
pub(super) struct Requests {
    answered: Mutex<BTreeMap<RequestLabels, u64>>,
    /// By reason.
    pub(super) turned_away: Counts<&'static str>,
    /// By the right that was missing.
    pub(super) denied: Counts<Right>,
    /// By reason.
    pub(super) stopped: Counts<&'static str>,
    in_flight: AtomicU64,
}

/// The order is that of an exposition: by label name, then value.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct RequestLabels {
    code: u16,
    handler: &'static str,
    method: &'static str,
}

impl Requests {
    pub(super) fn answered(&self, code: u16, handler: &'static str, method: &'static str) {
        let labels = RequestLabels {
            code,
            handler,
            method,
        };
        *lock(&self.answered).entry(labels).or_default() += 1;
    }

    pub(super) fn started(&self) -> InFlight<'_> {
        InFlight::new(&self.in_flight)
    }

    /// Adds the families.
    pub(super) fn assemble(&self, assembly: &mut Assembly) {
        self.assemble_answered(assembly);
        let in_flight = self.in_flight.load(Relaxed);
        assembly.single(REQUESTS_IN_FLIGHT, assemble::float(in_flight));
        self.turned_away
            .assemble(assembly, TURNED_AWAY, ("reason", |reason| reason));
        self.denied
            .assemble(assembly, DENIED, ("right", |right| right.as_str()));
        self.stopped
            .assemble(assembly, STOPPED, ("reason", |reason| reason));
    }

    fn assemble_answered(&self, assembly: &mut Assembly) {
        let mut metrics = Vec::new();
        for (
            RequestLabels {
                code,
                handler,
                method,
            },
            count,
        ) in lock(&self.answered).iter()
        {
            let code = code.to_string();
            let labels = [("code", code.as_str()), ("handler", handler), ("method", method)];
            metrics.push(assembly.number(&labels, assemble::float(*count)));
        }
        assembly.family(REQUESTS, metrics);
    }
}
