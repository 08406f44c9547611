//! Quantiles with a bounded relative error, in bounded memory.
//!
//! Observations are counted in buckets whose bounds grow by [`GROWTH`], so that the middle of a bucket is at most one
//! percent away from whatever lies in it. Sketches can be added up, which the sliding window is built on.

/// The ratio of neighbouring bounds. The largest relative error is `(GROWTH - 1) / (GROWTH + 1)`.
const GROWTH: f64 = 1.02;

/// The natural logarithm of [`GROWTH`], which no constant expression can take yet.
const LN_GROWTH: f64 = 0.019_802_627_296_179_712;

/// What is smaller counts as this small: a nanosecond, if it is a duration in seconds.
const SMALLEST: f64 = 1e-9;

/// What is larger counts as this large: ten terabytes, if it is a size in bytes.
const LARGEST: f64 = 1e13;

/// A count of observations by magnitude.
#[derive(Debug, Clone, Default)]
pub(super) struct Sketch {
    /// The bucket that `counts` starts with.
    first: i32,
    /// At most the 2,558 buckets from [`SMALLEST`] to [`LARGEST`], and in practice those few that occur.
    counts: Vec<u64>,
    total: u64,
    /// The range of the observations, by which estimates are bounded: a single observation comes out exactly.
    range: Option<(f64, f64)>,
}

impl Sketch {
    /// Counts a value.
    pub(super) fn observe(&mut self, value: f64) {
        let value = if value.is_nan() { SMALLEST } else { value };
        self.count(bucket_of(value), 1);
        self.widen(value, value);
    }

    /// Adds the observations of another sketch.
    pub(super) fn add(&mut self, other: &Self) {
        if let Some(last) = other.counts.len().checked_sub(1) {
            let first = self.place(other.first);
            let last = i32::try_from(last).unwrap_or(i32::MAX);
            self.place(other.first.saturating_add(last));
            // In one go: between them may be many that are empty.
            let sums = self.counts.get_mut(first..).unwrap_or_default();
            for (sum, count) in sums.iter_mut().zip(&other.counts) {
                *sum += count;
            }
            self.total += other.total;
        }
        if let Some((low, high)) = other.range {
            self.widen(low, high);
        }
    }

    /// Forgets every observation, and keeps the memory for the next ones.
    pub(super) fn clear(&mut self) {
        self.counts.clear();
        self.total = 0;
        self.range = None;
    }

    /// The value at `rank` (0 to 1) of the sorted observations; NaN if there are none.
    #[expect(clippy::cast_precision_loss, reason = "a rank above 2^53 may be rounded")]
    pub(super) fn quantile(&self, rank: f64) -> f64 {
        let Some((low, high)) = self.range else {
            return f64::NAN;
        };
        let wanted = (rank * self.total as f64).max(1.0);
        let mut seen = 0;
        for (bucket, count) in (self.first..).zip(&self.counts) {
            seen += count;
            if seen as f64 >= wanted {
                return middle_of(bucket).clamp(low, high);
            }
        }
        high
    }

    fn count(&mut self, bucket: i32, count: u64) {
        let place = self.place(bucket);
        if let Some(place) = self.counts.get_mut(place) {
            *place += count;
        }
        self.total += count;
    }

    /// Where in `counts` a bucket is, for which room is made there.
    fn place(&mut self, bucket: i32) -> usize {
        if self.counts.is_empty() {
            self.first = bucket;
        }
        let below = usize::try_from(self.first - bucket).unwrap_or(0);
        if below > 0 {
            self.counts.splice(0..0, std::iter::repeat_n(0, below));
            self.first = bucket;
        }
        let index = usize::try_from(bucket - self.first).unwrap_or(0);
        if index >= self.counts.len() {
            self.counts.resize(index + 1, 0);
        }
        index
    }

    fn widen(&mut self, low: f64, high: f64) {
        let (lowest, highest) = self.range.unwrap_or((low, high));
        self.range = Some((lowest.min(low), highest.max(high)));
    }
}

/// Bucket `n` holds what lies above `GROWTH^(n-1)`, up to `GROWTH^n`.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the logarithm of a clamped value lies between -1047 and 1512"
)]
fn bucket_of(value: f64) -> i32 {
    (value.clamp(SMALLEST, LARGEST).ln() / LN_GROWTH).ceil() as i32
}

/// The value that is relatively as far from the lower as from the upper bound.
fn middle_of(bucket: i32) -> f64 {
    2.0 * GROWTH.powi(bucket) / (GROWTH + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_close(found: f64, expected: f64) {
        let error = (found / expected - 1.0).abs();
        assert!(error <= 0.01, "expected {expected}, found {found}");
    }

    #[test]
    fn quantiles_are_one_percent_exact() {
        for scale in [1e-6, 1.0, 1e9] {
            let mut sketch = Sketch::default();
            // Not in order, so that the buckets grow at both ends.
            for step in 0..10_000_u32 {
                sketch.observe(f64::from(step * 7919 % 10_000 + 1) * scale);
            }
            for rank in [0.001, 0.1, 0.5, 0.9, 0.999, 1.0] {
                assert_close(sketch.quantile(rank), rank * 10_000.0 * scale);
            }
        }
    }

    #[test]
    fn the_logarithm_is_that_of_the_growth() {
        assert!((LN_GROWTH - GROWTH.ln()).abs() < 1e-15);
    }

    #[test]
    fn a_single_observation_comes_out_exactly() {
        for value in [146.0_f64, 0.000_133_872, 0.0, 1e20] {
            let mut sketch = Sketch::default();
            sketch.observe(value);
            let quantiles = [0.1, 0.5, 0.9].map(|rank| sketch.quantile(rank).to_bits());
            assert_eq!(quantiles, [value.to_bits(); 3], "{value}");
        }
    }

    #[test]
    fn the_nearest_rank_is_taken() {
        let mut sketch = Sketch::default();
        for value in [1.0, 1000.0] {
            sketch.observe(value);
        }
        assert_close(sketch.quantile(0.5), 1.0);
        assert_close(sketch.quantile(0.51), 1000.0);
    }

    #[test]
    fn nothing_observed_is_nan() {
        let mut sketch = Sketch::default();
        assert!(sketch.quantile(0.5).is_nan());
        sketch.observe(1.0);
        sketch.clear();
        assert!(sketch.quantile(0.5).is_nan());
    }

    #[test]
    fn memory_is_bounded() {
        let mut sketch = Sketch::default();
        for value in [
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            0.0,
            -1.0,
            1e300,
            1e-300,
        ] {
            sketch.observe(value);
        }
        assert_eq!(sketch.total, 7);
        assert!(sketch.counts.len() <= 2560, "{}", sketch.counts.len());
    }

    #[test]
    fn sketches_add_up() {
        let mut sum = Sketch::default();
        for values in [0..500, 500..1000_u32] {
            let mut part = Sketch::default();
            values.for_each(|value| part.observe(f64::from(value + 1)));
            sum.add(&part);
        }
        sum.add(&Sketch::default());
        assert_eq!(sum.total, 1000);
        assert_close(sum.quantile(0.9), 900.0);
    }
}
