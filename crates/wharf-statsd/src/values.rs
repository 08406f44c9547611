//! What observations become: summaries over a sliding window, and histograms.
//!
//! Both count as the Go client of Prometheus does, on which `statsd_exporter` rests: the same errors of quantiles, the same native
//! buckets. Time is what the caller says, as the time since some fixed moment.

mod histogram;
mod quantiles;
mod summary;

pub use histogram::{HistogramValue, NativeValue};
pub use summary::SummaryValue;

#[cfg(test)]
mod tests {
    /// Numbers that look like chance, the same ones each time.
    pub(super) fn numbers(count: usize) -> Vec<f64> {
        let next = |before: &u64| {
            let next = before.wrapping_mul(6_364_136_223_846_793_005);
            Some(next.wrapping_add(1_442_695_040_888_963_407))
        };
        let states = std::iter::successors(next(&1), next);
        states
            .take(count)
            .map(|state| f64::from(u32::try_from(state >> 40).unwrap()) / 1000.0)
            .collect()
    }
}
