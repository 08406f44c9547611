//! Histograms, classic and native.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use crate::mapping::HistogramOptions;

/// Below it a value is in the native bucket for zero: 2^-128.
const ZERO_THRESHOLD: f64 = 2.938_735_877_055_719e-39;

const MAX_SCHEMA: i32 = 8;
const MIN_SCHEMA: i32 = -4;

/// Upper bounds of the native buckets between 0.5 and 1, for the schemas from 1 on.
static BOUNDS: LazyLock<Vec<Vec<f64>>> = LazyLock::new(|| {
    let of_schema = |schema: i32| {
        let buckets = 1_u32 << schema;
        let bound = |index| (f64::from(index) / f64::from(buckets) - 1.0).exp2();
        (0..buckets).map(bound).collect()
    };
    (1..=MAX_SCHEMA).map(of_schema).collect()
});

/// Counts of what was observed, by size.
#[derive(Debug, Clone)]
pub struct HistogramValue {
    options: Arc<HistogramOptions>,
    /// For each bound, what is at or below it, and above the one before.
    buckets: Vec<u64>,
    native: Option<NativeValue>,
    sum: f64,
    count: u64,
}

/// The native buckets of a histogram. A bucket's index says where it lies, as in Prometheus: its upper bound is
/// `2^(index * 2^-schema)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NativeValue {
    schema: i32,
    zero_count: u64,
    positive: BTreeMap<i32, u64>,
    negative: BTreeMap<i32, u64>,
}

impl HistogramValue {
    /// A histogram of nothing.
    pub fn new(options: Arc<HistogramOptions>) -> Self {
        Self {
            buckets: vec![0; options.buckets.len()],
            native: NativeValue::new(options.native_factor),
            sum: 0.0,
            count: 0,
            options,
        }
    }

    /// A histogram that has counted this already. `cumulative` says for each bound how much is at or below it, and is not to fall; nothing
    /// if it does. How the native buckets grow is not known; see [`Self::adopt`].
    pub(crate) fn restore(
        cumulative: &[(f64, u64)],
        native: Option<NativeValue>,
        sum: f64,
        count: u64,
    ) -> Option<Self> {
        let mut below = 0;
        let of_bucket = |(_, cumulative): &(f64, u64)| {
            let of_bucket = cumulative.checked_sub(below)?;
            below = *cumulative;
            Some(of_bucket)
        };
        let buckets: Option<Vec<u64>> = cumulative.iter().map(of_bucket).collect();
        let rises = cumulative.is_sorted_by(|(bound, _), (next, _)| bound < next);
        (rises && below <= count).then_some(())?;
        let options = HistogramOptions {
            buckets: cumulative.iter().map(|(bound, _)| *bound).collect(),
            ..HistogramOptions::default()
        };
        Some(Self {
            options: Arc::new(options),
            buckets: buckets?,
            native,
            sum,
            count,
        })
    }

    /// From now on it counts by these options, if it has counted with the same bounds so far.
    pub(crate) fn adopt(&mut self, options: &Arc<HistogramOptions>) {
        if self.options.buckets == options.buckets {
            self.options = Arc::clone(options);
        }
    }

    /// Adds a value, so many times.
    pub fn observe(&mut self, value: f64, times: u32) {
        let index = self.options.buckets.partition_point(|bound| *bound < value);
        // What is no number is in none but the last, which is the count.
        if let Some(bucket) = self.buckets.get_mut(index).filter(|_| !value.is_nan()) {
            *bucket += u64::from(times);
        }
        if let Some(native) = &mut self.native {
            native.observe(value, times, self.options.native_max_buckets);
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

    /// Each upper bound, with how much is at or below it. The last one, `+Inf`, is not among them.
    pub fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> {
        let mut below = 0;
        self.options
            .buckets
            .iter()
            .zip(&self.buckets)
            .map(move |(bound, count)| {
                below += count;
                (*bound, below)
            })
    }

    /// The native buckets, unless they are switched off.
    pub fn native(&self) -> Option<&NativeValue> {
        self.native.as_ref()
    }
}

impl NativeValue {
    fn new(factor: f64) -> Option<Self> {
        Some(Self {
            schema: schema(factor)?,
            zero_count: 0,
            positive: BTreeMap::new(),
            negative: BTreeMap::new(),
        })
    }

    /// Native buckets that have counted this already; nothing if they are none of ours.
    pub(crate) fn restore(
        schema: i32,
        zero_threshold: f64,
        zero_count: u64,
        positive: BTreeMap<i32, u64>,
        negative: BTreeMap<i32, u64>,
    ) -> Option<Self> {
        let is_ours =
            (MIN_SCHEMA..=MAX_SCHEMA).contains(&schema) && zero_threshold.total_cmp(&ZERO_THRESHOLD).is_eq();
        is_ours.then_some(Self {
            schema,
            zero_count,
            positive,
            negative,
        })
    }

    /// The resolution: bounds grow by `2^(2^-schema)`.
    pub fn schema(&self) -> i32 {
        self.schema
    }

    /// The largest size of what counts as zero.
    pub fn zero_threshold(&self) -> f64 {
        ZERO_THRESHOLD
    }

    /// How much was as small as that.
    pub fn zero_count(&self) -> u64 {
        self.zero_count
    }

    /// Counts of what is above zero, by the index of the bucket.
    pub fn positive(&self) -> &BTreeMap<i32, u64> {
        &self.positive
    }

    /// Counts of what is below zero, by the index of the bucket.
    pub fn negative(&self) -> &BTreeMap<i32, u64> {
        &self.negative
    }

    fn observe(&mut self, value: f64, times: u32, max_buckets: u32) {
        if value.is_nan() {
            return;
        }
        let side = if value > ZERO_THRESHOLD {
            Some(&mut self.positive)
        } else if value < -ZERO_THRESHOLD {
            Some(&mut self.negative)
        } else {
            None
        };
        let count = match side {
            Some(side) => side.entry(index(value.abs(), self.schema)).or_default(),
            None => &mut self.zero_count,
        };
        *count += u64::from(times);
        let max_buckets = usize::try_from(max_buckets).unwrap_or(usize::MAX);
        if self.positive.len() + self.negative.len() > max_buckets && self.schema > MIN_SCHEMA {
            self.schema -= 1;
            for side in [&mut self.positive, &mut self.negative] {
                let mut wider = BTreeMap::new();
                for (index, count) in &*side {
                    // Two neighbours become the one that ends where the upper of them did.
                    *wider.entry((index + 1).div_euclid(2)).or_default() += count;
                }
                *side = wider;
            }
        }
    }
}

/// The coarsest resolution whose buckets grow by no more than the factor.
#[expect(clippy::cast_possible_truncation, reason = "it is between -4 and 8")]
fn schema(factor: f64) -> Option<i32> {
    if factor.is_nan() || factor <= 1.0 {
        return None;
    }
    let schema = -factor.log2().log2().floor();
    Some(schema.clamp(f64::from(MIN_SCHEMA), f64::from(MAX_SCHEMA)) as i32)
}

/// The index of the bucket for a value above zero.
fn index(value: f64, schema: i32) -> i32 {
    let is_infinite = value.is_infinite();
    let (fraction, exponent) = split(if is_infinite { f64::MAX } else { value });
    let bounds = usize::try_from(schema - 1)
        .ok()
        .and_then(|schema| BOUNDS.get(schema));
    let index = if let Some(bounds) = bounds {
        let below = bounds.partition_point(|bound| *bound < fraction);
        i32::try_from(below).unwrap_or(0) + (exponent - 1) * (1 << schema)
    } else {
        let exponent = if fraction > 0.5 { exponent } else { exponent - 1 };
        let width = 1 << -schema;
        (exponent + width - 1).div_euclid(width)
    };
    // Nothing is above the bucket of the largest number but this.
    index + i32::from(is_infinite)
}

/// A number from 0.5 up to, not including, 1, and the power of two by which it is to be multiplied.
fn split(value: f64) -> (f64, i32) {
    const EXPONENT_BITS: u64 = 0x7ff << 52;
    // Those below the normal numbers are brought up first.
    let (value, below) = if value < f64::MIN_POSITIVE {
        (value * 2_f64.powi(64), 64)
    } else {
        (value, 0)
    };
    let bits = value.to_bits();
    let exponent = i32::try_from((bits & EXPONENT_BITS) >> 52).unwrap_or(0) - 1022;
    (
        f64::from_bits(bits & !EXPONENT_BITS | 1022 << 52),
        exponent - below,
    )
}

#[cfg(test)]
mod tests;
