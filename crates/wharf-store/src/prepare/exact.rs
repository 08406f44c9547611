//! What the text form says all of.

use wharf_model::{Count, Exposition, Extra, Histogram, Metric, Unseen, Value};

/// Whether the text form of a metric says all there is to know about it; added `+Inf` buckets aside.
pub(super) fn text_keeps(exposition: &Exposition<'_>, metric: &Metric) -> bool {
    let extra = |extra: &Extra| {
        extra.created.is_none() && extra.exemplar.is_none() && extra.unseen == Unseen::default()
    };
    if !metric.extra.as_deref().is_none_or(extra) {
        return false;
    }
    match metric.value {
        Value::Number(value) => text_keeps_number(value),
        Value::Missing => false,
        Value::Summary(index) => {
            let summary = exposition.summary(index);
            let mut quantiles = exposition.quantiles(summary.quantiles).iter();
            text_keeps_number(summary.sum)
                && text_keeps_count(Count::Int(summary.count))
                && quantiles.all(|q| {
                    !q.quantile.is_nan() && text_keeps_number(q.quantile) && text_keeps_number(q.value)
                })
        }
        Value::Histogram(index) => exposition
            .histogram(index)
            .is_some_and(|histogram| text_keeps_histogram(exposition, histogram)),
    }
}

fn text_keeps_histogram(exposition: &Exposition<'_>, histogram: &Histogram) -> bool {
    let buckets = exposition.buckets(histogram.buckets);
    let mut counts = buckets
        .iter()
        .map(|bucket| bucket.cumulative_count)
        .chain([histogram.count]);
    let all_int = counts.clone().all(|count| matches!(count, Count::Int(_)));
    histogram.native.is_none()
        && text_keeps_number(histogram.sum)
        && all_int
        && counts.all(text_keeps_count)
        && buckets.iter().all(|bucket| {
            bucket.exemplar.is_none() && !bucket.upper_bound.is_nan() && text_keeps_number(bucket.upper_bound)
        })
}

/// The text formats print -0 as `0`.
fn text_keeps_number(value: f64) -> bool {
    !(value == 0.0 && value.is_sign_negative())
}

/// Integer counts above 2^53 are rounded. Float counts are always kept beside the text: a whole number among
/// them would read back as an integer.
fn text_keeps_count(count: Count) -> bool {
    matches!(count, Count::Int(count) if count <= 1 << 53)
}
