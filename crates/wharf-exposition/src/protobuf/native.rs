//! What Prometheus demands of native histograms.
//!
//! Prometheus checks these rules when it ingests a scrape, and drops the whole scrape over one histogram that
//! breaks them: better to refuse the push that brings it.

use std::fmt;

use wharf_model::{BucketSpan, Count, Histogram, NativeBuckets, NativeHistogram};

/// The rule that a native histogram breaks.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum NativeProblem {
    /// The schema is no resolution that Prometheus knows.
    Schema(i32),
    /// The width of the zero bucket is negative or not a number.
    ZeroThreshold(f64),
    /// A span other than the first begins before the one before it ends.
    SpanOffset(i32),
    /// A span reaches beyond the bucket indices of 32 bits.
    SpanReach,
    /// The spans speak of other buckets than there are counts.
    Buckets {
        /// The sum of the spans' lengths.
        in_spans: u64,
        /// The number of counts.
        counts: usize,
    },
    /// A count is negative.
    NegativeCount,
    /// A count is not a number.
    NoCount,
    /// The counts add up to more than 64 bits hold.
    CountOverflow,
    /// The count is not the sum of all buckets.
    Count {
        /// Observations in all buckets.
        in_buckets: u64,
        /// The count of the histogram.
        count: u64,
    },
}

impl fmt::Display for NativeProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Schema(schema) => write!(f, "expected a schema from -4 to 8, found {schema}"),
            Self::ZeroThreshold(width) => write!(f, "expected a zero threshold of at least 0, found {width}"),
            Self::SpanOffset(offset) => {
                write!(
                    f,
                    "expected a span offset of at least 0 behind the first span, found {offset}"
                )
            }
            Self::SpanReach => f.write_str("expected bucket indices of 32 bits, found a span beyond them"),
            Self::Buckets { in_spans, counts } => {
                write!(
                    f,
                    "expected counts of the {in_spans} buckets in the spans, found {counts} counts"
                )
            }
            Self::NegativeCount => f.write_str("expected counts of at least 0, found a negative one"),
            Self::NoCount => f.write_str("expected counts of at least 0, found NaN"),
            Self::CountOverflow => f.write_str("expected counts of 64 bits in total, found more"),
            Self::Count { in_buckets, count } => {
                write!(
                    f,
                    "expected a count of {in_buckets}, as in the buckets, found {count}"
                )
            }
        }
    }
}

/// Checks the native part of `histogram`.
pub(super) fn check(histogram: &Histogram, native: &NativeHistogram) -> Result<(), NativeProblem> {
    if !(-4..=8).contains(&native.schema) {
        return Err(NativeProblem::Schema(native.schema));
    }
    if native.zero_threshold.is_nan() || native.zero_threshold < 0.0 {
        return Err(NativeProblem::ZeroThreshold(native.zero_threshold));
    }
    match (histogram.count, native.zero_count) {
        (Count::Int(count), Count::Int(zero_count)) => {
            check_integers(histogram.sum, count, zero_count, native)
        }
        (count, zero_count) => check_floats(count.as_f64(), zero_count.as_f64(), native),
    }
}

fn check_integers(
    sum: f64,
    count: u64,
    zero_count: u64,
    native: &NativeHistogram,
) -> Result<(), NativeProblem> {
    let mut in_buckets = zero_count;
    for side in [&native.negative, &native.positive] {
        check_spans(&side.spans, side.deltas.len())?;
        let mut bucket = 0_i64;
        for delta in &side.deltas {
            bucket = bucket.checked_add(*delta).ok_or(NativeProblem::CountOverflow)?;
            let bucket = u64::try_from(bucket).map_err(|_| NativeProblem::NegativeCount)?;
            in_buckets = in_buckets
                .checked_add(bucket)
                .ok_or(NativeProblem::CountOverflow)?;
        }
    }
    // Observations of NaN count, make the sum NaN, and lie in no bucket.
    let fits = if sum.is_nan() {
        in_buckets <= count
    } else {
        in_buckets == count
    };
    if fits {
        Ok(())
    } else {
        Err(NativeProblem::Count { in_buckets, count })
    }
}

/// Float counts are not added up: rounding would raise false alarms, in Prometheus too.
fn check_floats(count: f64, zero_count: f64, native: &NativeHistogram) -> Result<(), NativeProblem> {
    for NativeBuckets { spans, counts, .. } in [&native.negative, &native.positive] {
        check_spans(spans, counts.len())?;
    }
    let in_buckets = native.negative.counts.iter().chain(&native.positive.counts);
    for count in in_buckets.chain([&count, &zero_count]) {
        if count.is_nan() {
            return Err(NativeProblem::NoCount);
        }
        if *count < 0.0 {
            return Err(NativeProblem::NegativeCount);
        }
    }
    Ok(())
}

fn check_spans(spans: &[BucketSpan], counts: usize) -> Result<(), NativeProblem> {
    let mut in_spans = 0_u64;
    let mut reach = 0_i64;
    for (index, span) in spans.iter().enumerate() {
        if index > 0 && span.offset < 0 {
            return Err(NativeProblem::SpanOffset(span.offset));
        }
        // Prometheus looks at the bucket before the first one too.
        if index == 0 && span.offset == i32::MIN {
            return Err(NativeProblem::SpanReach);
        }
        // Each step adds less than 2^33 and stops as soon as 32 bits are left: no sum overflows.
        reach += i64::from(span.offset) + i64::from(span.length);
        if i32::try_from(reach).is_err() {
            return Err(NativeProblem::SpanReach);
        }
        in_spans += u64::from(span.length);
    }
    if usize::try_from(in_spans) != Ok(counts) {
        return Err(NativeProblem::Buckets { in_spans, counts });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
