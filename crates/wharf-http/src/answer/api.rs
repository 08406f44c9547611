//! The JSON API of the original: `/api/v1/status` and `/api/v1/metrics`.

use std::sync::Arc;

use http::header::CACHE_CONTROL;
use http::{HeaderValue, Response, StatusCode};
use wharf_exposition::number;
use wharf_gateway::{Caller, Right, rfc3339};
use wharf_model::{
    Count, Exposition, Family, Histogram, Metric, NativeBuckets, NativeHistogram, Summary, Value,
};
use wharf_store::{FragmentView, PUSH_FAILURE_TIME, PUSH_TIME, Snapshot};

use crate::answer::bounds;
use crate::answer::json::{Members, write_strings};
use crate::answer::problems;
use crate::answer::respond;
use crate::answer::status;
use crate::service::Service;
use crate::transport::chunks::ResponseBody;
use crate::workers;

/// `GET /api/v1/status`. How the gateway is set up is for those who look after it.
pub(crate) fn status(service: &Service, caller: &Caller) -> Response<ResponseBody> {
    let build = &service.status.build_information;
    let is_admin = caller.have(Right::Admin);
    success(|out| {
        let mut data = Members::object(out);
        let information = [
            ("branch", build.branch.as_str()),
            ("buildDate", &build.build_date),
            ("buildUser", &build.build_user),
            ("goVersion", &build.go_version),
            ("revision", &build.revision),
            ("version", &build.version),
        ];
        write_strings(data.key("build_information"), information);
        let flags = service
            .status
            .flags
            .iter()
            .filter(|_| is_admin)
            .map(|(key, value)| (key.as_str(), value.as_str()));
        write_strings(data.key("flags"), flags);
        data.string("start_time", &rfc3339(service.gateway.started_at()));
        // Beyond the original: whether pushes can be stored, and what else is wrong; and the time, as the clock of
        // whoever reads may be another.
        let failure = service.gateway.store().failure();
        let state = match (&failure, service.gateway.store().writer_statistics()) {
            (Some(_), _) => "failed",
            (None, Some(_)) => "ok",
            (None, None) => "memory only",
        };
        let not_durable = service.gateway.not_durable();
        let not_durable = not_durable.map(|why| why.to_tell(is_admin));
        let reason = failure.filter(|_| is_admin).or(not_durable).unwrap_or_default();
        write_strings(
            data.key("storage"),
            [("reason", reason.as_str()), ("state", state)],
        );
        problems::write(data.key("problems"), &service.gateway.problems(), is_admin);
        data.number("now_seconds", Some(service.gateway.now().as_seconds()));
        data.end();
    })
}

/// `GET /api/v1/metrics`: those groups that whoever asks may see.
pub(crate) async fn metrics(service: Arc<Service>, caller: &Caller) -> Response<ResponseBody> {
    let place = service.scrape_place(caller);
    let selectors = caller.scope(Right::Read).narrow(Vec::new());
    let rendered = workers::run_in(place, move |place| {
        let mut snapshot = service.gateway.store().snapshot();
        if !selectors.is_empty() {
            snapshot = snapshot.matching(&selectors);
        }
        Ok(success(|out| write_groups(out, &snapshot)).map(|body| body.holding(place)))
    });
    rendered.await.unwrap_or_else(status::answer)
}

/// `OPTIONS` on anything below `/api/v1/`.
pub(crate) fn options() -> Response<ResponseBody> {
    let mut response = respond::empty(StatusCode::OK);
    finish(&mut response);
    response
}

fn success(write_data: impl FnOnce(&mut Vec<u8>)) -> Response<ResponseBody> {
    answer(StatusCode::OK, write_data)
}

/// An answer of the API: the data in its envelope.
pub(crate) fn answer(status: StatusCode, write_data: impl FnOnce(&mut Vec<u8>)) -> Response<ResponseBody> {
    let mut response = enveloped(status, write_data);
    finish(&mut response);
    response
}

/// The same for the gateway's own page only: no other may read what the original would not show it.
pub(crate) fn private(status: StatusCode, write_data: impl FnOnce(&mut Vec<u8>)) -> Response<ResponseBody> {
    let mut response = enveloped(status, write_data);
    let no_store = HeaderValue::from_static("no-store");
    response.headers_mut().insert(CACHE_CONTROL, no_store);
    response
}

fn enveloped(status: StatusCode, write_data: impl FnOnce(&mut Vec<u8>)) -> Response<ResponseBody> {
    let mut body = Vec::new();
    let mut envelope = Members::object(&mut body);
    let is_success = status.is_success();
    envelope.string("status", if is_success { "success" } else { "error" });
    write_data(envelope.key("data"));
    envelope.end();
    respond::with_type(status, "application/json", body)
}

/// On a response: pages of other origins may read it, if they may read anything.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shareable;

fn finish(response: &mut Response<ResponseBody>) {
    let no_cache = HeaderValue::from_static("no-cache, no-store, must-revalidate");
    response.headers_mut().insert(CACHE_CONTROL, no_cache);
    response.extensions_mut().insert(Shareable);
}

fn write_groups(out: &mut Vec<u8>, snapshot: &Snapshot) {
    let mut groups = Members::array(out);
    for (key, fragments) in snapshot.groups_in_turn() {
        let mut group = Members::object(groups.next());
        // The keys of the object are sorted, families and the group's own two together. A family named like one
        // of those two takes its place.
        let named = |name: &str| fragments.iter().find(|fragment| fragment.name() == name);
        let time = |name: &str| named(name).and_then(FragmentView::number).unwrap_or(0.0);
        let successful = time(PUSH_FAILURE_TIME) <= time(PUSH_TIME);
        let mut own: Vec<&str> = vec!["labels", "last_push_successful"];
        own.retain(|name| named(name).is_none());
        let mut own = own.into_iter().peekable();
        let write_own = |name: &str, group: &mut Members<'_>| match name {
            "labels" => write_strings(group.key("labels"), key.labels()),
            _ => group
                .key(name)
                .extend_from_slice(if successful { b"true" } else { b"false" }),
        };
        for fragment in &fragments {
            while let Some(name) = own.next_if(|name| *name < fragment.name()) {
                write_own(name, &mut group);
            }
            write_family(group.key(fragment.name()), fragment);
        }
        for name in own {
            write_own(name, &mut group);
        }
        group.end();
    }
    groups.end();
}

fn write_family(out: &mut Vec<u8>, fragment: &FragmentView<'_>) {
    let mut object = Members::object(out);
    object.string("time_stamp", &rfc3339(fragment.pushed_at()));
    object.string("type", fragment.meta().metric_type.as_protobuf());
    if let Some(help) = fragment.meta().help.as_deref().filter(|help| !help.is_empty()) {
        object.string("help", help);
    }
    fragment.decode(|exposition, family| write_metrics(object.key("metrics"), exposition, family));
    object.end();
}

fn write_metrics(out: &mut Vec<u8>, exposition: &Exposition<'_>, family: &Family) {
    let mut metrics = Members::array(out);
    for metric in &family.metrics {
        let mut object = Members::object(metrics.next());
        match metric.value {
            Value::Number(value) => {
                write_labels(&mut object, exposition, metric);
                write_number(object.key("value"), value);
            }
            Value::Summary(index) => {
                write_summary(&mut object, exposition, metric, exposition.summary(index));
            }
            Value::Histogram(index) => {
                if let Some(histogram) = exposition.histogram(index) {
                    write_histogram(&mut object, exposition, metric, histogram);
                }
            }
            Value::Missing => {}
        }
        object.end();
    }
    metrics.end();
}

fn write_labels(object: &mut Members<'_>, exposition: &Exposition<'_>, metric: &Metric) {
    write_strings(object.key("labels"), exposition.labels(metric.labels));
}

fn write_summary(object: &mut Members<'_>, exposition: &Exposition<'_>, metric: &Metric, summary: Summary) {
    write_count(object.key("count"), Count::Int(summary.count));
    write_labels(object, exposition, metric);
    let quantiles = exposition
        .quantiles(summary.quantiles)
        .iter()
        .map(|q| (q.quantile, Count::Float(q.value)));
    write_by_bound(object.key("quantiles"), quantiles);
    write_number(object.key("sum"), summary.sum);
}

fn write_histogram(
    object: &mut Members<'_>,
    exposition: &Exposition<'_>,
    metric: &Metric,
    histogram: &Histogram,
) {
    if let Some(native) = &histogram.native {
        write_native_buckets(object.key("buckets"), native);
    } else {
        let buckets = exposition.buckets(histogram.buckets).iter();
        write_by_bound(
            object.key("buckets"),
            buckets.map(|bucket| (bucket.upper_bound, bucket.cumulative_count)),
        );
    }
    // The original takes a float count only if it is above 0, and its integer count is 0 then.
    let is_positive = histogram.count.as_f64() > 0.0;
    write_count(
        object.key("count"),
        if is_positive {
            histogram.count
        } else {
            Count::Int(0)
        },
    );
    write_labels(object, exposition, metric);
    write_number(object.key("sum"), histogram.sum);
}

/// An object from bounds to values: keys sorted as strings, of equal ones the last.
fn write_by_bound(out: &mut Vec<u8>, values: impl Iterator<Item = (f64, Count)>) {
    let mut keyed = std::collections::BTreeMap::new();
    for (bound, value) in values {
        let mut key = Vec::new();
        number::write_f64_signed_zero(&mut key, bound);
        keyed.insert(String::from_utf8_lossy(&key).into_owned(), value);
    }
    let mut object = Members::object(out);
    for (bound, value) in keyed {
        write_count(object.key(&bound), value);
    }
    object.end();
}

/// `[boundaries, lower, upper, count]` for each bucket that is not empty, from the lowest to the highest.
/// Boundaries: 0 `(lower, upper]`, 1 `[lower, upper)`, 3 `[lower, upper]`.
pub(crate) fn write_native_buckets(out: &mut Vec<u8>, native: &NativeHistogram) {
    let bound = |index: i32| bounds::upper(native.schema, index);
    let mut array = Members::array(out);
    for (index, count) in native_counts(&native.negative).into_iter().rev() {
        write_native_bucket(
            array.next(),
            1,
            -bound(index),
            -bound(index.saturating_sub(1)),
            count,
        );
    }
    if native.zero_count.as_f64() > 0.0 {
        let width = native.zero_threshold;
        write_native_bucket(array.next(), 3, -width, width, native.zero_count);
    }
    for (index, count) in native_counts(&native.positive) {
        write_native_bucket(
            array.next(),
            0,
            bound(index.saturating_sub(1)),
            bound(index),
            count,
        );
    }
    array.end();
}

fn write_native_bucket(out: &mut Vec<u8>, boundaries: u8, lower: f64, upper: f64, count: Count) {
    let mut bucket = Members::array(out);
    bucket.next().push(b'0' + boundaries);
    write_number(bucket.next(), lower);
    write_number(bucket.next(), upper);
    write_count(bucket.next(), count);
    bucket.end();
}

/// Index and count of each bucket that is not empty. The decoder has checked that spans and counts agree.
fn native_counts(side: &NativeBuckets) -> Vec<(i32, Count)> {
    let mut counts = Vec::new();
    let (mut deltas, mut floats) = (side.deltas.iter(), side.counts.iter());
    let (mut index, mut running) = (0i32, 0i64);
    for span in &side.spans {
        index = index.saturating_add(span.offset);
        for _ in 0..span.length {
            let count = if let Some(delta) = deltas.next() {
                running = running.saturating_add(*delta);
                Count::Int(u64::try_from(running).unwrap_or(0))
            } else if let Some(count) = floats.next() {
                Count::Float(*count)
            } else {
                return counts;
            };
            if count.as_f64() != 0.0 {
                counts.push((index, count));
            }
            index = index.saturating_add(1);
        }
    }
    counts
}

pub(crate) fn write_number(out: &mut Vec<u8>, value: f64) {
    out.push(b'"');
    number::write_f64_signed_zero(out, value);
    out.push(b'"');
}

pub(crate) fn write_count(out: &mut Vec<u8>, count: Count) {
    match count {
        Count::Int(count) => {
            out.push(b'"');
            number::write_u64(out, count);
            out.push(b'"');
        }
        Count::Float(count) => write_number(out, count),
    }
}

#[cfg(test)]
mod tests {
    use wharf_model::BucketSpan;

    use super::*;

    #[test]
    fn native_buckets_are_listed_from_the_lowest_to_the_highest() {
        let side = |offset, length, deltas: &[i64]| NativeBuckets {
            spans: vec![BucketSpan { offset, length }],
            deltas: deltas.to_vec(),
            counts: Vec::new(),
        };
        let native = NativeHistogram {
            schema: 3,
            zero_threshold: 2.938_735_877_055_719e-39,
            zero_count: Count::Int(1),
            negative: side(-1, 1, &[2]),
            positive: side(0, 2, &[4, -1]),
            ..NativeHistogram::default()
        };
        let mut out = Vec::new();
        write_native_buckets(&mut out, &native);
        let expected = concat!(
            r#"[[1,"-0.9170040432046711","-0.8408964152537144","2"],"#,
            r#"[3,"-2.938735877055719e-39","2.938735877055719e-39","1"],"#,
            r#"[0,"0.9170040432046711","1","4"],[0,"1","1.0905077326652577","3"]]"#
        );
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
