//! Connections of clients.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use wharf_model::MetricType;
use wharf_store::ReservedFamily;

use super::assemble::{self, Assembly};
use super::family::own;
use super::in_flight::InFlight;

pub(super) const CONNECTIONS: ReservedFamily =
    own("wharf_http_connections", MetricType::Gauge, "Open connections.");
pub(super) const CONNECTIONS_GAVE_WAY: ReservedFamily = own(
    "wharf_http_connections_gave_way_total",
    MetricType::Counter,
    "Connections without a request that were closed because others wanted to connect.",
);
pub(super) const CONNECTIONS_LIMIT: ReservedFamily = own(
    "wharf_http_connections_limit",
    MetricType::Gauge,
    "How many connections there may be: --limits.max-connections, or fewer if file descriptors allow no more.",
);

/// What was counted of connections.
#[derive(Debug, Default)]
pub(super) struct Connections {
    open: AtomicU64,
    gave_way: AtomicU64,
    limit: AtomicU64,
}

impl Connections {
    pub(super) fn opened(&self) -> InFlight<'_> {
        InFlight::new(&self.open)
    }

    pub(super) fn open(&self) -> u64 {
        self.open.load(Relaxed)
    }

    pub(super) fn gave_way(&self) {
        self.gave_way.fetch_add(1, Relaxed);
    }

    pub(super) fn set_limit(&self, limit: u64) {
        self.limit.store(limit, Relaxed);
    }

    /// Adds the families.
    pub(super) fn assemble(&self, assembly: &mut Assembly) {
        for (family, number) in [
            (CONNECTIONS, &self.open),
            (CONNECTIONS_GAVE_WAY, &self.gave_way),
            (CONNECTIONS_LIMIT, &self.limit),
        ] {
            assembly.single(family, assemble::float(number.load(Relaxed)));
        }
    }
}
