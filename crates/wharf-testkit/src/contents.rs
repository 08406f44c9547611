//! What a gateway holds, in a form in which two gateways can be compared.
//!
//! Times differ from run to run: of push times, created timestamps and the times of exemplars only whether there is one
//! is compared. The gateway's own metrics are left out.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use crate::http::get;
use crate::schema::{Bucket, Exemplar, Histogram, Metric, MetricFamily, Timestamp};
use crate::{Gateway, Kind, Scrape, protobuf, schema};

/// How long the real Pushgateway may stay busy with deletes that it has already answered.
const PATIENCE: Duration = Duration::from_secs(2);

/// Compares two gateways: their scrapes in text and in protobuf, and the JSON API.
///
/// # Errors
/// A text with one line for each difference.
#[track_caller]
pub fn same_contents(left: &Gateway, right: &Gateway) -> Result<(), String> {
    let start = Instant::now();
    loop {
        let verdict = differences("text", [left, right], exposed)
            .and_then(|()| differences("protobuf", [left, right], delimited))
            .and_then(|()| differences("JSON", [left, right], listed));
        if verdict.is_ok() || start.elapsed() > PATIENCE {
            return verdict;
        }
    }
}

fn differences(
    what: &str,
    gateways: [&Gateway; 2],
    read: impl Fn(&Gateway) -> BTreeMap<String, String>,
) -> Result<(), String> {
    let [left, right] = gateways.map(&read);
    let [left_name, right_name] = gateways.map(|gateway| match gateway.kind() {
        Kind::Real => "real: ",
        Kind::Wharf => "Wharf:",
    });
    let mut text = String::new();
    for (key, value) in left.iter().filter(|(key, value)| right.get(*key) != Some(value)) {
        writeln!(text, "  {left_name} {key} {value}").expect("a string takes every character");
    }
    for (key, value) in right.iter().filter(|(key, value)| left.get(*key) != Some(value)) {
        writeln!(text, "  {right_name} {key} {value}").expect("a string takes every character");
    }
    if text.is_empty() {
        Ok(())
    } else {
        Err(format!("{what} differs\n{text}"))
    }
}

/// The pushed series and the types of their families.
#[track_caller]
fn exposed(gateway: &Gateway) -> BTreeMap<String, String> {
    let Scrape { families, samples } = gateway.scrape();
    let types = families
        .iter()
        .map(|(name, family)| (format!("TYPE {name}"), family.metric_type.clone()));
    let series = samples.iter().map(|sample| {
        let value = if is_time(&sample.name) {
            (sample.number() > 0.0).to_string()
        } else {
            sample.value.clone()
        };
        (sample.series(), value)
    });
    types
        .chain(series)
        .filter(|(key, _)| !is_own(key.trim_start_matches("TYPE ")))
        .collect()
}

/// The same as protobuf has it, which says more: native histograms, exemplars, created timestamps.
#[track_caller]
fn delimited(gateway: &Gateway) -> BTreeMap<String, String> {
    let response = gateway.send(&get("/metrics").header("Accept", protobuf::CONTENT_TYPE));
    let families = match schema::read(&response.body) {
        Ok(families) => families,
        Err(error) => panic!("{error}, in the protobuf scrape"),
    };
    let pushed = families.into_iter().filter(|family| !is_own(family.name()));
    pushed.flat_map(metrics).collect()
}

/// One entry a metric, and one for the type and unit of the family.
fn metrics(family: MetricFamily) -> Vec<(String, String)> {
    let name = family.name().to_owned();
    let mut entries = vec![(
        format!("TYPE {name}"),
        format!("{:?} {:?}", family.metric_type, family.unit),
    )];
    for mut metric in family.metric {
        let labels: Vec<_> = std::mem::take(&mut metric.label)
            .iter()
            .map(|label| format!("{}={:?}", label.name(), label.value()))
            .collect();
        if is_time(&name) {
            for number in [&mut metric.gauge, &mut metric.untyped].into_iter().flatten() {
                number.value = number.value.map(|value| f64::from(u8::from(value > 0.0)));
            }
        }
        forget_times(&mut metric);
        write_zeros(&mut metric);
        if let Some(histogram) = metric
            .histogram
            .as_mut()
            .filter(|histogram| histogram.schema.is_none())
        {
            mend(histogram);
        }
        entries.push((format!("{name}{{{}}}", labels.join(",")), format!("{metric:?}")));
    }
    entries
}

fn forget_times(metric: &mut Metric) {
    let forget = |time: &mut Option<Timestamp>| *time = time.map(|_| Timestamp::default());
    let forget_exemplars = |exemplars: &mut dyn Iterator<Item = &mut Exemplar>| {
        exemplars.for_each(|exemplar| forget(&mut exemplar.timestamp));
    };
    if let Some(counter) = &mut metric.counter {
        forget(&mut counter.created_timestamp);
        forget_exemplars(&mut counter.exemplar.iter_mut());
    }
    if let Some(summary) = &mut metric.summary {
        forget(&mut summary.created_timestamp);
    }
    if let Some(histogram) = &mut metric.histogram {
        forget(&mut histogram.created_timestamp);
        forget_exemplars(&mut histogram.exemplars.iter_mut());
        forget_exemplars(
            &mut histogram
                .bucket
                .iter_mut()
                .filter_map(|bucket| bucket.exemplar.as_mut()),
        );
    }
}

/// Numbers that are absent are zero; the real one leaves out what was not pushed.
fn write_zeros(metric: &mut Metric) {
    if let Some(summary) = &mut metric.summary {
        summary.sample_count = Some(summary.sample_count());
        summary.sample_sum = Some(summary.sample_sum());
    }
    if let Some(histogram) = &mut metric.histogram {
        histogram.sample_count = Some(histogram.sample_count());
        histogram.sample_sum = Some(histogram.sample_sum());
        for bucket in &mut histogram.bucket {
            bucket.cumulative_count = Some(bucket.cumulative_count());
        }
    }
}

/// Wharf mends classic histograms that contradict themselves, the real one does not. All of them are shown in floats, with
/// a bucket `+Inf`.
fn mend(histogram: &mut Histogram) {
    #[expect(clippy::cast_precision_loss, reason = "both sides are rounded alike")]
    let number = |int: u64, float: f64| if float == 0.0 { int as f64 } else { float };
    let count = number(histogram.sample_count(), histogram.sample_count_float());
    let mut buckets = std::mem::take(&mut histogram.bucket);
    buckets.retain(|bucket| !bucket.upper_bound().is_nan());
    buckets.sort_by(|a, b| a.upper_bound().total_cmp(&b.upper_bound()));
    let mut highest = 0.0_f64;
    for bucket in &mut buckets {
        highest = highest.max(number(bucket.cumulative_count(), bucket.cumulative_count_float()));
        bucket.cumulative_count = None;
        bucket.cumulative_count_float = Some(highest);
    }
    buckets.reverse();
    buckets.dedup_by(|next, kept| next.upper_bound() >= kept.upper_bound());
    buckets.reverse();
    let mut infinity = buckets
        .pop_if(|last| last.upper_bound() == f64::INFINITY)
        .unwrap_or_default();
    let below = buckets.last().map_or(0.0, Bucket::cumulative_count_float);
    let total = if count > 0.0 { count.max(below) } else { highest };
    infinity.upper_bound = Some(f64::INFINITY);
    infinity.cumulative_count = None;
    infinity.cumulative_count_float = Some(total);
    buckets.push(infinity);
    histogram.bucket = buckets;
    histogram.sample_count = None;
    histogram.sample_count_float = Some(total);
}

fn is_own(name: &str) -> bool {
    ["go_", "process_", "pushgateway_", "wharf_"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}

fn is_time(name: &str) -> bool {
    name == "push_time_seconds" || name == "push_failure_time_seconds" || name.ends_with("_created")
}

/// The groups of the JSON API, one entry a family.
#[track_caller]
fn listed(gateway: &Gateway) -> BTreeMap<String, String> {
    let answer = gateway.send(&get("/api/v1/metrics")).json();
    let groups = answer["data"].as_array().expect("the API lists groups");
    groups
        .iter()
        .filter_map(Value::as_object)
        .flat_map(entries)
        .collect()
}

fn entries(group: &Map<String, Value>) -> impl Iterator<Item = (String, String)> + '_ {
    let labels = group["labels"].to_string();
    group.iter().map(move |(name, value)| {
        let mut value = value.clone();
        if let Some(family) = value.as_object_mut().filter(|_| name != "labels") {
            assert!(family.remove("time_stamp").is_some(), "{name} has no time stamp");
            let metrics = family["metrics"].as_array_mut().expect("a family has metrics");
            if is_time(name) {
                for metric in &mut *metrics {
                    metric["value"] = (metric["value"] != "0").into();
                }
            }
            // The real one lists them as they were pushed, Wharf as they are scraped.
            metrics.sort_by_key(Value::to_string);
        }
        (format!("{labels} {name}"), value.to_string())
    })
}
