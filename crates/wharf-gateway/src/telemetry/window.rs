//! A summary whose quantiles look back some minutes, while its sum and count go back to the start.

use std::time::{Duration, Instant};

use super::sketch::Sketch;

/// The window is made of this many parts, the oldest of which is forgotten at a time.
const PARTS: usize = 5;

/// How long one part lasts. Quantiles look back four to five parts: eight to ten minutes, as the Pushgateway's do.
const PART: Duration = Duration::from_secs(2 * 60);

/// A summary over a sliding window.
#[derive(Debug)]
pub(super) struct WindowedSummary {
    count: u64,
    sum: f64,
    started: Instant,
    /// The number of the newest part, counted from `started` on.
    newest: u64,
    /// Part `n` is at `n % PARTS`.
    parts: [Sketch; PARTS],
}

/// The values of a summary at one moment.
#[derive(Debug, PartialEq)]
pub(super) struct SummaryReading {
    pub(super) count: u64,
    pub(super) sum: f64,
    /// Ranks and values; the values are NaN if the window is empty.
    pub(super) quantiles: [(f64, f64); 3],
}

impl WindowedSummary {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            count: 0,
            sum: 0.0,
            started: now,
            newest: 0,
            parts: Default::default(),
        }
    }

    pub(super) fn observe(&mut self, now: Instant, value: f64) {
        self.advance(now);
        self.part(self.newest).observe(value);
        self.count += 1;
        self.sum += value;
    }

    pub(super) fn read(&mut self, now: Instant, ranks: [f64; 3]) -> SummaryReading {
        self.advance(now);
        let mut window = Sketch::default();
        for part in &self.parts {
            window.add(part);
        }
        let quantiles = ranks.map(|rank| (rank, window.quantile(rank)));
        SummaryReading {
            count: self.count,
            sum: self.sum,
            quantiles,
        }
    }

    /// Forgets the parts that have left the window. A thread that comes late with an older `now` changes nothing.
    fn advance(&mut self, now: Instant) {
        let part = now.saturating_duration_since(self.started).as_secs() / PART.as_secs();
        // After a long rest every part is cleared once.
        let passed = part.saturating_sub(self.newest).min(PARTS as u64);
        for step in 1..=passed {
            self.part(self.newest + step).clear();
        }
        self.newest = self.newest.max(part);
    }

    fn part(&mut self, number: u64) -> &mut Sketch {
        let index = usize::try_from(number % PARTS as u64).unwrap_or_default();
        // A remainder is always inside.
        #[expect(clippy::indexing_slicing, reason = "the index is a remainder of the length")]
        &mut self.parts[index]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANKS: [f64; 3] = [0.1, 0.5, 0.9];

    /// The quantiles with one decimal place.
    fn quantiles(summary: &mut WindowedSummary, now: Instant) -> String {
        format!(
            "{:.1?}",
            summary.read(now, RANKS).quantiles.map(|(_, value)| value)
        )
    }

    #[test]
    fn quantiles_slide_and_sums_stay() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut summary = WindowedSummary::new(start);
        summary.observe(start, 1.0);
        summary.observe(after(300), 5.0);

        assert_eq!(quantiles(&mut summary, after(599)), "[1.0, 1.0, 5.0]");
        assert_eq!(quantiles(&mut summary, after(600)), "[5.0, 5.0, 5.0]");
        assert_eq!(quantiles(&mut summary, after(901)), "[NaN, NaN, NaN]");
        let reading = summary.read(after(901), RANKS);
        assert_eq!((reading.count, reading.sum), (2, 6.0));
    }

    #[test]
    fn a_long_rest_empties_the_window() {
        let start = Instant::now();
        let mut summary = WindowedSummary::new(start);
        for minute in 0..10 {
            summary.observe(start + Duration::from_secs(minute * 60), 1.0);
        }
        let later = start + Duration::from_secs(365 * 24 * 60 * 60);
        assert_eq!(quantiles(&mut summary, later), "[NaN, NaN, NaN]");
        summary.observe(later, 2.0);
        assert_eq!(quantiles(&mut summary, later), "[2.0, 2.0, 2.0]");
    }

    #[test]
    fn time_may_seem_to_go_back_between_threads() {
        let start = Instant::now();
        let later = start + Duration::from_secs(500);
        let mut summary = WindowedSummary::new(start);
        summary.observe(later, 1.0);
        summary.observe(start, 1.0);
        assert_eq!(quantiles(&mut summary, start), "[1.0, 1.0, 1.0]");
        assert_eq!(summary.read(later, RANKS).count, 2);
    }
}
