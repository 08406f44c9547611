//! Summaries.

use std::sync::Arc;
use std::time::Duration;

use super::quantiles::Stream;
use crate::mapping::SummaryOptions;

/// Quantiles of what was observed not long ago, and sum and count of everything.
///
/// There are several streams. Each observation goes into all of them, the oldest is shown, and one after the other is emptied: so what is
/// shown is at most `max_age` old, and not much younger.
#[derive(Debug, Clone)]
pub struct SummaryValue {
    options: Arc<SummaryOptions>,
    streams: Vec<Stream>,
    /// The oldest.
    head: usize,
    /// When it is emptied.
    head_ends: Duration,
    sum: f64,
    count: u64,
}

impl SummaryValue {
    /// A summary of nothing, which begins now.
    pub fn new(options: Arc<SummaryOptions>, now: Duration) -> Self {
        let streams = options.age_buckets.max(1);
        Self {
            head_ends: now + step(&options),
            streams: (0..streams).map(|_| Stream::default()).collect(),
            head: 0,
            sum: 0.0,
            count: 0,
            options,
        }
    }

    /// A summary that has counted this already, and knows no quantiles.
    pub(crate) fn restore(options: Arc<SummaryOptions>, sum: f64, count: u64, now: Duration) -> Self {
        Self {
            sum,
            count,
            ..Self::new(options, now)
        }
    }

    /// When quantiles may change although nothing is observed; never, if there are none.
    pub(crate) fn next_change(&mut self, now: Duration) -> Option<Duration> {
        self.forget(now);
        let has_some = self.streams.iter().any(|stream| !stream.is_empty());
        // An observation is forgotten after the end of a step, not at it.
        has_some.then(|| self.head_ends + Duration::from_nanos(1))
    }

    /// Adds a value, so many times.
    pub fn observe(&mut self, value: f64, times: u32, now: Duration) {
        self.forget(now);
        for stream in &mut self.streams {
            stream.insert(value, times, &self.options.quantiles);
        }
        self.sum += value * f64::from(times);
        self.count += u64::from(times);
    }

    /// The sum of everything that was observed.
    pub fn sum(&self) -> f64 {
        self.sum
    }

    /// How often something was observed.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Each quantile with its value, from the lowest on; it is no number if nothing was observed for long.
    pub fn quantiles(&mut self, now: Duration) -> Vec<(f64, f64)> {
        self.forget(now);
        let mut ranks: Vec<_> = self
            .options
            .quantiles
            .iter()
            .map(|objective| objective.quantile)
            .collect();
        ranks.sort_by(f64::total_cmp);
        ranks.dedup();
        let Some(stream) = self.streams.get_mut(self.head) else {
            return Vec::new();
        };
        let mut value = |quantile| {
            if stream.is_empty() {
                f64::NAN
            } else {
                stream.query(quantile, &self.options.quantiles)
            }
        };
        ranks
            .into_iter()
            .map(|quantile| (quantile, value(quantile)))
            .collect()
    }

    /// Empties the streams whose time is over.
    fn forget(&mut self, now: Duration) {
        let step = step(&self.options);
        for _ in 0..self.streams.len() {
            if now <= self.head_ends {
                return;
            }
            if let Some(stream) = self.streams.get_mut(self.head) {
                stream.reset();
            }
            self.head = (self.head + 1) % self.streams.len();
            self.head_ends += step;
        }
        // All of them are empty, so it does not matter which is the next.
        let late = now.saturating_sub(self.head_ends);
        if !late.is_zero() {
            let steps = late.as_nanos().div_ceil(step.as_nanos());
            let nanos = u64::try_from(steps * step.as_nanos()).unwrap_or(u64::MAX);
            self.head_ends += Duration::from_nanos(nanos);
        }
    }
}

/// How long it takes from one stream to the next.
fn step(options: &SummaryOptions) -> Duration {
    (options.max_age / options.age_buckets.max(1)).max(Duration::from_nanos(1))
}

#[cfg(test)]
mod tests;
