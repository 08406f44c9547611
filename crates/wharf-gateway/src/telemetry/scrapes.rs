//! Scrapes: how many, how long they took, and what they came to.

use std::sync::Mutex;
use std::time::Duration;

use wharf_model::MetricType;
use wharf_store::ReservedFamily;

use super::assemble::{self, Assembly};
use super::family::own;
use super::histogram::Histogram;
use crate::lock::lock;

const SCRAPE_DURATION_BOUNDS: [f64; 12] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0,
];

/// Powers of four from 4 KiB to 1 GiB.
const SCRAPE_SIZE_BOUNDS: [f64; 10] = [
    4096.0,
    16_384.0,
    65_536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
    268_435_456.0,
    1_073_741_824.0,
];

pub(super) const SCRAPES: ReservedFamily = own(
    "wharf_scrapes_total",
    MetricType::Counter,
    "Scrapes that were answered.",
);
pub(super) const SCRAPE_DURATION: ReservedFamily = own(
    "wharf_scrape_duration_seconds",
    MetricType::Histogram,
    "How long scrapes took to render, without their way to the scraper.",
);
pub(super) const SCRAPE_FORMS: ReservedFamily = own(
    "wharf_scrape_forms_bytes",
    MetricType::Gauge,
    "Memory of what is kept in protobuf and OpenMetrics, compressed, while somebody scrapes these.",
);
pub(super) const SCRAPE_SIZE: ReservedFamily = own(
    "wharf_scrape_size_bytes",
    MetricType::Histogram,
    "How many bytes the bodies of scrapes had, compressed if the scraper asked for it.",
);
pub(super) const SCRAPE_LEFT_OUT: ReservedFamily = own(
    "wharf_scrape_metrics_left_out_total",
    MetricType::Counter,
    "Metrics that scrapes left out, because others had the same names and labels once these were escaped.",
);
pub(super) const LEAVES_RECOMPRESSED: ReservedFamily = own(
    "wharf_leaves_recompressed_total",
    MetricType::Counter,
    "Parts of the exposition that had changed and were compressed anew for a scrape.",
);

/// What was counted and measured of scrapes.
#[derive(Debug, Default)]
pub(super) struct Scrapes(Mutex<Measured>);

#[derive(Debug)]
struct Measured {
    count: u64,
    left_out: u64,
    leaves_recompressed: u64,
    duration_seconds: Histogram,
    size_bytes: Histogram,
}

impl Default for Measured {
    fn default() -> Self {
        Self {
            count: 0,
            left_out: 0,
            leaves_recompressed: 0,
            duration_seconds: Histogram::new(&SCRAPE_DURATION_BOUNDS),
            size_bytes: Histogram::new(&SCRAPE_SIZE_BOUNDS),
        }
    }
}

impl Scrapes {
    #[expect(clippy::cast_precision_loss, reason = "a size above 2^53 may be rounded")]
    pub(super) fn rendered(&self, duration: Duration, size_bytes: u64, leaves_recompressed: u64) {
        let mut scrapes = lock(&self.0);
        scrapes.count += 1;
        scrapes.leaves_recompressed += leaves_recompressed;
        scrapes.duration_seconds.observe(duration.as_secs_f64());
        scrapes.size_bytes.observe(size_bytes as f64);
    }

    pub(super) fn left_out(&self, metrics: u64) {
        if metrics > 0 {
            lock(&self.0).left_out += metrics;
        }
    }

    pub(super) fn recompressed(&self, leaves: u64) {
        lock(&self.0).leaves_recompressed += leaves;
    }

    /// Adds the families.
    pub(super) fn assemble(&self, assembly: &mut Assembly, forms_bytes: u64) {
        let scrapes = lock(&self.0);
        for (family, number) in [
            (SCRAPES, scrapes.count),
            (SCRAPE_FORMS, forms_bytes),
            (SCRAPE_LEFT_OUT, scrapes.left_out),
            (LEAVES_RECOMPRESSED, scrapes.leaves_recompressed),
        ] {
            assembly.single(family, assemble::float(number));
        }
        let duration = assembly.histogram(&scrapes.duration_seconds);
        assembly.family(SCRAPE_DURATION, vec![duration]);
        let size = assembly.histogram(&scrapes.size_bytes);
        assembly.family(SCRAPE_SIZE, vec![size]);
    }
}
