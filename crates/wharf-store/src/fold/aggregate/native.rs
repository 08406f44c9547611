//! Native histograms that are added up, as Prometheus does it: with the wider zero bucket, and at the lower resolution.

use std::collections::BTreeMap;

use wharf_model::{BucketSpan, Count, NativeBuckets, NativeHistogram, Run};

use super::count::{add_counts, is_count};
use crate::aggregation::WhyNotAdded;

/// The resolutions that there are. Others stand for bounds of another kind.
const SCHEMAS: std::ops::RangeInclusive<i32> = -4..=8;

/// A native histogram by its buckets.
#[derive(Debug, Clone)]
struct Sparse {
    schema: i32,
    threshold: f64,
    zero: Count,
    positive: BTreeMap<i32, Count>,
    negative: BTreeMap<i32, Count>,
    is_float: bool,
}

/// A histogram as it is, if its buckets do not contradict each other.
pub(super) fn checked(native: NativeHistogram) -> Result<NativeHistogram, WhyNotAdded> {
    read(&native).ok_or(WhyNotAdded::NativeBuckets)?;
    Ok(native)
}

/// The sum of both.
pub(super) fn add(
    stored: &NativeHistogram,
    pushed: &NativeHistogram,
) -> Result<NativeHistogram, WhyNotAdded> {
    let exemplars = if pushed.exemplars.is_empty() {
        stored.exemplars
    } else {
        pushed.exemplars
    };
    let mut sum = read(stored).ok_or(WhyNotAdded::Stored)?;
    let mut other = read(pushed).ok_or(WhyNotAdded::NativeBuckets)?;
    // At the resolution of each, where the least is lost. A widening may end at a bucket's end, which widens the other in its turn.
    while sum.threshold.total_cmp(&other.threshold).is_ne() {
        let (narrow, wide) = if sum.threshold < other.threshold {
            (&mut sum, &other)
        } else {
            (&mut other, &sum)
        };
        narrow.widen(wide.threshold)?;
    }
    let schema = sum.schema.min(other.schema);
    sum.coarsen(schema)?;
    other.coarsen(schema)?;
    sum.zero = add_counts(sum.zero, other.zero)?;
    for (side, other) in [
        (&mut sum.positive, other.positive),
        (&mut sum.negative, other.negative),
    ] {
        for (index, count) in other {
            put(side, index, count)?;
        }
    }
    sum.is_float |= other.is_float;
    if !sum.threshold.is_finite() {
        return Err(WhyNotAdded::NativeBuckets);
    }
    sum.write(exemplars)
}

/// Adds to a bucket.
fn put(side: &mut BTreeMap<i32, Count>, index: i32, count: Count) -> Result<(), WhyNotAdded> {
    let sum = side
        .get(&index)
        .map_or(Ok(count), |before| add_counts(*before, count))?;
    side.insert(index, sum);
    Ok(())
}

fn read(native: &NativeHistogram) -> Option<Sparse> {
    let is_float = matches!(native.zero_count, Count::Float(_))
        || !native.positive.counts.is_empty()
        || !native.negative.counts.is_empty();
    let is_sound = SCHEMAS.contains(&native.schema)
        && native.zero_threshold.is_finite()
        && native.zero_threshold >= 0.0
        && is_count(native.zero_count);
    is_sound.then_some(())?;
    Some(Sparse {
        schema: native.schema,
        // Of both zeros the positive one, so that equal thresholds are the same.
        threshold: native.zero_threshold + 0.0,
        zero: native.zero_count,
        positive: read_side(&native.positive)?,
        negative: read_side(&native.negative)?,
        is_float,
    })
}

/// The buckets of a side by their indices; none if there are fewer or more of them than its spans say, or one is negative.
fn read_side(side: &NativeBuckets) -> Option<BTreeMap<i32, Count>> {
    let (mut buckets, mut index, mut count, mut position) = (BTreeMap::new(), 0i32, 0i64, 0usize);
    let is_float = !side.counts.is_empty();
    for (number, span) in side.spans.iter().enumerate() {
        if number > 0 && span.offset < 0 {
            return None;
        }
        index = index.checked_add(span.offset)?;
        for _ in 0..span.length {
            let bucket = if is_float {
                Count::Float(*side.counts.get(position)?)
            } else {
                count = count.checked_add(*side.deltas.get(position)?)?;
                Count::Int(u64::try_from(count).ok()?)
            };
            if !is_count(bucket) {
                return None;
            }
            if bucket.as_f64() > 0.0 {
                buckets.insert(index, bucket);
            }
            position += 1;
            index = index.checked_add(1)?;
        }
    }
    let all = if is_float {
        side.counts.len()
    } else {
        side.deltas.len()
    };
    (position == all).then_some(buckets)
}

impl Sparse {
    /// Takes the resolution back: some buckets become one.
    fn coarsen(&mut self, schema: i32) -> Result<(), WhyNotAdded> {
        let steps = self.schema - schema;
        if steps > 0 {
            for side in [&mut self.positive, &mut self.negative] {
                let mut coarse = BTreeMap::new();
                for (index, count) in std::mem::take(side) {
                    let index = ((i64::from(index) - 1) >> steps) + 1;
                    put(&mut coarse, i32::try_from(index).unwrap_or(i32::MAX), count)?;
                }
                *side = coarse;
            }
            self.schema = schema;
        }
        Ok(())
    }

    /// Widens the zero bucket up to this threshold, or to the upper bound of a bucket that it would cut.
    fn widen(&mut self, threshold: f64) -> Result<(), WhyNotAdded> {
        self.threshold = self.threshold.max(threshold);
        loop {
            let (before, schema) = (self.threshold, self.schema);
            for side in [&mut self.positive, &mut self.negative] {
                while let Some(first) = side.first_entry() {
                    if bound(*first.key() - 1, schema) >= self.threshold {
                        break;
                    }
                    self.threshold = self.threshold.max(bound(*first.key(), schema));
                    self.zero = add_counts(self.zero, first.remove())?;
                }
            }
            if self.threshold.total_cmp(&before).is_eq() {
                return Ok(());
            }
        }
    }

    fn write(self, exemplars: Run) -> Result<NativeHistogram, WhyNotAdded> {
        let zero_count = if self.is_float {
            Count::Float(self.zero.as_f64())
        } else {
            self.zero
        };
        Ok(NativeHistogram {
            schema: self.schema,
            zero_threshold: self.threshold,
            zero_count,
            negative: write_side(&self.negative, self.is_float)?,
            positive: write_side(&self.positive, self.is_float)?,
            exemplars,
        })
    }
}

/// The upper bound of a bucket.
fn bound(index: i32, schema: i32) -> f64 {
    (f64::from(index) * f64::from(-schema).exp2()).exp2()
}

fn write_side(buckets: &BTreeMap<i32, Count>, is_float: bool) -> Result<NativeBuckets, WhyNotAdded> {
    let mut side = NativeBuckets::default();
    let (mut next, mut before) = (None, 0i64);
    for (index, count) in buckets {
        match (side.spans.last_mut(), next) {
            (Some(span), Some(next)) if next == *index => span.length += 1,
            _ => side.spans.push(BucketSpan {
                offset: index.saturating_sub(next.unwrap_or(0)),
                length: 1,
            }),
        }
        next = index.checked_add(1);
        match count {
            Count::Int(count) if !is_float => {
                let count = i64::try_from(*count).map_err(|_| WhyNotAdded::Overflow)?;
                side.deltas.push(count - before);
                before = count;
            }
            count => side.counts.push(count.as_f64()),
        }
    }
    Ok(side)
}

#[cfg(test)]
mod tests;
