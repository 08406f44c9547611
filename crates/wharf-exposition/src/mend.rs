//! Histograms and summaries that contradict themselves, as formats show them whose readers check them.
//!
//! Whoever reads protobuf or `OpenMetrics` may refuse a whole scrape over one histogram: Prometheus does, if it converts
//! classic histograms to native ones. The text format shows what was pushed.
//!
//! * Buckets are sorted by their bounds, each bound once; a bound that is no number is left out.
//! * No bucket has less than the one below it. A count that is negative or no number is 0.
//! * The bucket `+Inf` has what the count says, and the count is not below any bucket.
//! * A count of 0, a negative one and one that is no number says nothing: then the highest bucket is the count.
//! * The count of a native histogram is that of its own buckets, so the classic ones end there.
//! * A summary has each quantile once: the first.

use std::borrow::Cow;
use std::collections::HashSet;

use wharf_model::{Bucket, Count, Exposition, Family, Histogram, Quantile, Run, Summary, TooLarge, Value};

/// How many histograms of a family contradict themselves.
pub fn contradictions(exposition: &Exposition<'_>, family: &Family) -> usize {
    let histograms = family.metrics.iter().filter(|metric| match metric.value {
        Value::Histogram(index) => exposition
            .histogram(index)
            .is_some_and(|histogram| !is_sound(exposition, histogram)),
        _ => false,
    });
    histograms.count()
}

/// The exposition with the family's histograms and summaries mended; as it is, if nothing is wrong with them.
pub fn mended<'e, 'a>(exposition: &'e Exposition<'a>, family: &Family) -> Cow<'e, Exposition<'a>> {
    let mut mended = Cow::Borrowed(exposition);
    for metric in &family.metrics {
        let done = match metric.value {
            Value::Histogram(index) => mend_histogram(&mut mended, index),
            Value::Summary(index) => mend_summary(&mut mended, index),
            Value::Number(_) | Value::Missing => Ok(()),
        };
        if done.is_err() {
            // More buckets than an exposition can have, so that there is no room for mended ones.
            break;
        }
    }
    mended
}

fn is_sound(exposition: &Exposition<'_>, histogram: &Histogram) -> bool {
    let buckets = exposition.buckets(histogram.buckets);
    let follows = |[below, above]: [&Bucket; 2]| {
        below.upper_bound < above.upper_bound && !is_less(above.cumulative_count, below.cumulative_count)
    };
    let counts = buckets.iter().map(|bucket| bucket.cumulative_count);
    let ends = buckets.last().is_none_or(|last| {
        let is_below = is_less(last.cumulative_count, histogram.count);
        !(is_less(histogram.count, last.cumulative_count) || last.upper_bound == f64::INFINITY && is_below)
    });
    ends && counts.chain([histogram.count]).all(is_count)
        && buckets.first().is_none_or(|first| !first.upper_bound.is_nan())
        && buckets
            .iter()
            .zip(buckets.iter().skip(1))
            .all(|(below, above)| follows([below, above]))
}

fn mend_histogram(exposition: &mut Cow<'_, Exposition<'_>>, index: u32) -> Result<(), TooLarge> {
    let Some(histogram) = exposition
        .histogram(index)
        .filter(|histogram| !is_sound(exposition, histogram))
    else {
        return Ok(());
    };
    let (buckets, count) = mended_buckets(exposition.buckets(histogram.buckets), histogram);
    let exposition = exposition.to_mut();
    let start = exposition.buckets.len();
    exposition.buckets.extend(buckets);
    let run = Run::new(start, exposition.buckets.len())?;
    if let Some(histogram) = exposition.histograms.get_mut(index as usize) {
        histogram.buckets = run;
        histogram.count = count;
    }
    Ok(())
}

/// The buckets as they should be, `+Inf` among them, and the count.
fn mended_buckets(pushed: &[Bucket], histogram: &Histogram) -> (Vec<Bucket>, Count) {
    let mut buckets: Vec<Bucket> = pushed
        .iter()
        .filter(|bucket| !bucket.upper_bound.is_nan())
        .copied()
        .collect();
    buckets.sort_by(|a, b| a.upper_bound.total_cmp(&b.upper_bound));
    let mut highest = Count::Int(0);
    for bucket in &mut buckets {
        if is_count(bucket.cumulative_count) && is_less(highest, bucket.cumulative_count) {
            highest = bucket.cumulative_count;
        }
        bucket.cumulative_count = highest;
    }
    // Of those with one bound the last has the most; -0 and 0 are one.
    buckets.reverse();
    buckets.dedup_by(|next, kept| next.upper_bound >= kept.upper_bound);
    buckets.reverse();
    let infinity = buckets.pop_if(|last| last.upper_bound == f64::INFINITY);
    let below = buckets.last().map_or(Count::Int(0), |last| last.cumulative_count);
    let says_nothing = !is_count(histogram.count) || histogram.count.as_f64() == 0.0;
    let count = match histogram.count {
        count if histogram.native.is_some() => count,
        _ if says_nothing => highest,
        count if is_less(count, below) => below,
        count => count,
    };
    for bucket in &mut buckets {
        if is_less(count, bucket.cumulative_count) {
            bucket.cumulative_count = count;
        }
    }
    buckets.push(Bucket {
        upper_bound: f64::INFINITY,
        cumulative_count: count,
        exemplar: infinity.and_then(|infinity| infinity.exemplar),
    });
    (buckets, count)
}

fn mend_summary(exposition: &mut Cow<'_, Exposition<'_>>, index: u32) -> Result<(), TooLarge> {
    let quantiles = exposition.quantiles(exposition.summary(index).quantiles);
    if quantiles
        .iter()
        .zip(quantiles.iter().skip(1))
        .all(|(a, b)| a.quantile < b.quantile)
    {
        return Ok(());
    }
    let mut ranks = HashSet::new();
    // -0 and 0 are one rank, and so is all that is no number.
    let bits = |rank: f64| {
        if rank.is_nan() {
            f64::NAN.to_bits()
        } else {
            (rank + 0.0).to_bits()
        }
    };
    let once: Vec<Quantile> = quantiles
        .iter()
        .filter(|quantile| ranks.insert(bits(quantile.quantile)))
        .copied()
        .collect();
    if once.len() == quantiles.len() {
        return Ok(());
    }
    let exposition = exposition.to_mut();
    let start = exposition.quantiles.len();
    exposition.quantiles.extend(once);
    let quantiles = Run::new(start, exposition.quantiles.len())?;
    if let Some(summary) = exposition.summaries.get_mut(index as usize) {
        *summary = Summary {
            quantiles,
            ..*summary
        };
    }
    Ok(())
}

/// Whether it can be a number of observations.
fn is_count(count: Count) -> bool {
    count.as_f64() >= 0.0
}

/// Whether one count is below another; integers are compared as such, since doubles round them.
fn is_less(a: Count, b: Count) -> bool {
    match (a, b) {
        (Count::Int(a), Count::Int(b)) => a < b,
        _ => a.as_f64() < b.as_f64(),
    }
}

#[cfg(test)]
mod tests;
