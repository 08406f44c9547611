//! Which values each type may have.

use wharf_model::name::EscapingScheme;
use wharf_model::{Count, Exposition, Family, Histogram, Metric, MetricType, Summary, Value};

/// Whether all metrics of the family, which is mended, are such as its type has.
pub(crate) fn fits(exposition: &Exposition<'_>, family: &Family, escaping: EscapingScheme) -> bool {
    let name = exposition.text(family.name);
    family
        .metrics
        .iter()
        .all(|metric| match (metric.value, family.metric_type) {
            (Value::Number(number), MetricType::Counter) => number >= 0.0,
            (Value::Number(number), MetricType::Info) => is(number, 1.0),
            (Value::Number(number), MetricType::StateSet) => {
                (is(number, 0.0) || is(number, 1.0)) && has_state(exposition, metric, name, escaping)
            }
            (Value::Summary(index), _) => summary_fits(exposition, exposition.summary(index)),
            (Value::Histogram(index), metric_type) => exposition.histogram(index).is_none_or(|histogram| {
                let is_gauge = metric_type == MetricType::GaugeHistogram;
                histogram_fits(exposition, histogram, is_gauge)
            }),
            (Value::Number(_) | Value::Missing, _) => true,
        })
}

#[expect(
    clippy::float_cmp,
    reason = "these are exactly the values that the standard allows"
)]
fn is(number: f64, value: f64) -> bool {
    number == value
}

/// Whether a state has a name: the label that is called as the family is.
fn has_state(exposition: &Exposition<'_>, metric: &Metric, family: &str, escaping: EscapingScheme) -> bool {
    let family = escaping.escape_metric_name(family);
    let mut labels = exposition.labels(metric.labels);
    labels.any(|(name, _)| escaping.escape_label_name(name) == family)
}

fn summary_fits(exposition: &Exposition<'_>, summary: Summary) -> bool {
    let mut quantiles = exposition.quantiles(summary.quantiles).iter();
    summary.sum >= 0.0
        && quantiles.all(|quantile| {
            (0.0..=1.0).contains(&quantile.quantile) && (quantile.value.is_nan() || quantile.value >= 0.0)
        })
}

/// A sum goes with buckets below zero in gauge histograms only, and one below zero with nothing else. Where there are
/// such buckets a sum of zero is not written, for it is what a histogram without a sum is decoded to.
fn histogram_fits(exposition: &Exposition<'_>, histogram: &Histogram, is_gauge: bool) -> bool {
    let buckets = exposition.buckets(histogram.buckets);
    let has_negative = buckets.iter().any(|bucket| bucket.upper_bound < 0.0);
    let sum_fits = match (is_gauge, has_negative) {
        (true, true) => !histogram.sum.is_nan(),
        (false, true) => is(histogram.sum, 0.0),
        (_, false) => histogram.sum >= 0.0,
    };
    let mut counts = buckets
        .iter()
        .map(|bucket| bucket.cumulative_count)
        .chain([histogram.count]);
    sum_fits && counts.all(is_whole)
}

fn is_whole(count: Count) -> bool {
    match count {
        Count::Int(_) => true,
        Count::Float(count) => count.is_finite() && is(count.fract(), 0.0),
    }
}
