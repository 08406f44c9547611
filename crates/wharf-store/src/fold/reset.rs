//! The end of what a group has counted: its label sets stay, and what is added up begins from nothing.
//!
//! | type | what it becomes |
//! |---|---|
//! | counter, untyped | 0 |
//! | gauge | what the next part is added to: 0 for sums and how often, NaN for the smallest, the largest and the mean, which are not known of nothing. The last value stays: it is no sum |
//! | histogram | no observations; bounds and resolution stay. One of gauges stays unless gauges are summed |
//! | summary | no observations, and no quantiles |
//! | info, state set | stays: it is no sum |
//!
//! Starts that are known are those of the reset, and exemplars leave.

use wharf_model::{
    BucketSpan, Count, Effort, Exposition, Family, GroupingKey, Histogram, Metric, MetricType, NativeBuckets,
    NativeHistogram, Summary, Timestamp, TooLarge, Value,
};

use super::families::Folding;
use super::series::BYTE_STEPS;
use crate::aggregation::Gauges;
use crate::prepare::{Prepared, PreparedFamily, Preparer};
use crate::{PushError, UnixNanos, is_standing};

/// How a group begins anew.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Anew {
    /// How its gauges are added up.
    pub(crate) gauges: Gauges,
    /// When.
    pub(crate) at: UnixNanos,
}

/// The families of a group that begin anew, as they are then; not those that stay.
///
/// # Errors
/// If it gets too large; if the effort ends.
pub(crate) fn reset<'a>(
    preparer: &Preparer,
    key: &GroupingKey,
    old: &Prepared<'a>,
    anew: Anew,
    effort: Option<&Effort>,
) -> Result<Prepared<'a>, PushError> {
    let mut folding = Folding::new(preparer);
    for family in &old.families {
        if is_standing(family.name) || family.lines == 0 || !begins_anew(family.metric_type, anew.gauges) {
            continue;
        }
        if let Some(effort) = effort {
            effort.spend(BYTE_STEPS.saturating_mul(family.size().bytes))?;
        }
        let begun = begun(old, family, anew).map_err(|_too_large| preparer.too_large())?;
        if let Some(done) = folding.add(key, &begun, family)? {
            done.shape.added_up = family.shape.added_up;
        }
    }
    Ok(folding.finish())
}

/// Whether metrics of the type are added up.
fn begins_anew(metric_type: MetricType, gauges: Gauges) -> bool {
    match metric_type {
        MetricType::Counter | MetricType::Untyped | MetricType::Histogram | MetricType::Summary => true,
        MetricType::Gauge => gauges != Gauges::Last,
        MetricType::GaugeHistogram => gauges == Gauges::Sum,
        MetricType::Info | MetricType::StateSet => false,
    }
}

/// A family without what it has counted.
fn begun(
    old: &Prepared<'_>,
    family: &PreparedFamily<'_>,
    anew: Anew,
) -> Result<Exposition<'static>, TooLarge> {
    let mut begun = Exposition::default();
    let metrics = old.parts_of(family).decode(|exposition, stored| {
        let metrics = stored.metrics.iter().map(|metric| {
            let metric = begun.adopt(exposition, metric)?;
            Ok(without_counts(&mut begun, metric, family.metric_type, anew))
        });
        metrics.collect::<Result<Vec<_>, TooLarge>>()
    })?;
    let help = family.help.as_deref().map(|help| begun.intern(help));
    let family = Family {
        name: begun.intern(family.name)?,
        help: help.transpose()?,
        unit: begun.intern(&family.unit)?,
        metric_type: family.metric_type,
        metrics,
    };
    begun.families.push(family);
    Ok(begun)
}

/// A metric of the exposition, from nothing on.
fn without_counts(
    exposition: &mut Exposition<'_>,
    mut metric: Metric,
    metric_type: MetricType,
    anew: Anew,
) -> Metric {
    match metric.value {
        Value::Number(_) => metric.value = Value::Number(nothing(metric_type, anew.gauges)),
        Value::Summary(index) => {
            if let Some(summary) = exposition.summaries.get_mut(index as usize) {
                *summary = Summary::default();
            }
        }
        Value::Histogram(index) => {
            let Some(histogram) = exposition.histograms.get_mut(index as usize) else {
                return metric;
            };
            let buckets = histogram.buckets;
            *histogram = Histogram {
                sum: 0.0,
                count: Count::Int(0),
                buckets,
                native: histogram.native.as_deref().map(without_observations),
            };
            for bucket in exposition.buckets.get_mut(buckets.range()).unwrap_or_default() {
                bucket.cumulative_count = Count::Int(0);
                bucket.exemplar = None;
            }
        }
        Value::Missing => {}
    }
    if let Some(extra) = &mut metric.extra {
        extra.created = extra.created.map(|_| start(anew.at));
        extra.exemplar = None;
        extra.unseen.mean = None;
    }
    metric
}

/// What a part is added to.
fn nothing(metric_type: MetricType, gauges: Gauges) -> f64 {
    match (metric_type, gauges) {
        (MetricType::Gauge, Gauges::Min | Gauges::Max | Gauges::Average) => f64::NAN,
        _ => 0.0,
    }
}

/// An empty span tells readers that it is native.
fn without_observations(native: &NativeHistogram) -> Box<NativeHistogram> {
    Box::new(NativeHistogram {
        schema: native.schema,
        zero_threshold: native.zero_threshold,
        positive: NativeBuckets {
            spans: vec![BucketSpan { offset: 0, length: 0 }],
            ..NativeBuckets::default()
        },
        ..NativeHistogram::default()
    })
}

fn start(at: UnixNanos) -> Timestamp {
    Timestamp {
        seconds: at.0.div_euclid(1_000_000_000),
        nanos: i32::try_from(at.0.rem_euclid(1_000_000_000)).unwrap_or_default(),
    }
}
