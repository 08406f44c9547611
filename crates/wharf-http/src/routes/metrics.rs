//! `/api/v1/metrics` as the Pushgateway has it: all groups with their families.

use std::sync::Arc;

use http::{Response, StatusCode};
use wharf_exposition::number;
use wharf_gateway::{Caller, Right, rfc3339};
use wharf_model::{Count, Exposition, Family, Histogram, Metric, Summary, Value};
use wharf_store::{FragmentView, PUSH_FAILURE_TIME, PUSH_TIME, Snapshot};

use crate::answer::json::{Members, write_strings};
use crate::answer::numbers::{write_count, write_native_buckets, write_number};
use crate::answer::{envelope, status};
use crate::service::Service;
use crate::transport::chunks::ResponseBody;
use crate::workers;

/// `GET /api/v1/metrics`: those groups that whoever asks may see.
pub(crate) async fn show(service: Arc<Service>, caller: &Caller) -> Response<ResponseBody> {
    let place = service.scrape_place(caller);
    let selectors = caller.scope(Right::Read).narrow(Vec::new());
    let rendered = workers::run_in(place, move |place| {
        let mut snapshot = service.gateway.store().snapshot();
        if !selectors.is_empty() {
            snapshot = snapshot.matching(&selectors);
        }
        Ok(
            envelope::answer(StatusCode::OK, |out| write_groups(out, &snapshot))
                .map(|body| body.holding(place)),
        )
    });
    rendered.await.unwrap_or_else(status::answer)
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
    // The Pushgateway takes a float count only if it is above 0, and its integer count is 0 then.
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
