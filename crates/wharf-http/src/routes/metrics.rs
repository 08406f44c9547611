//! `/api/v1/metrics` as the Pushgateway has it: all groups with their families.

use std::sync::Arc;

use http::Response;
use wharf_exposition::number;
use wharf_gateway::{Right, rfc3339};
use wharf_model::{Count, Exposition, Family, Histogram, Metric, Summary, Value};
use wharf_store::{FragmentView, GroupFragments, PUSH_FAILURE_TIME, PUSH_TIME, Snapshot};

use crate::answer::json::{Members, write_strings};
use crate::answer::numbers::{write_count, write_native_buckets, write_number};
use crate::answer::streamed::{self, Flow};
use crate::answer::{envelope, status};
use crate::routes::row::Asked;
use crate::transport::chunks::ResponseBody;
use crate::workers;

/// `GET /api/v1/metrics`: those groups that whoever asks may see.
pub(crate) async fn show(asked: Asked<'_>) -> Response<ResponseBody> {
    let service = Arc::clone(&asked.service);
    let choice = asked.caller.scope(Right::Read).groups();
    let answered = workers::run_in(asked.work(), move |effort, place| {
        let snapshot = service.gateway.store().snapshot().matching(&choice, effort)?;
        let body = streamed::body(|flow| write(snapshot, flow))?;
        Ok(envelope::streamed(body.holding(place)))
    });
    answered.await.unwrap_or_else(status::answer)
}

async fn write(snapshot: Snapshot, flow: Flow) -> Vec<u8> {
    let mut body = Vec::new();
    let mut envelope = envelope::open(&mut body);
    write_groups(envelope.key("data"), &snapshot, &flow).await;
    envelope.end();
    body
}

async fn write_groups(out: &mut Vec<u8>, snapshot: &Snapshot, flow: &Flow) {
    let mut groups = Members::array(out);
    for stored in snapshot.groups_in_turn() {
        let mut group = Members::object(groups.next());
        // The keys of the object are sorted, families and the group's own two together. A family named like one
        // of those two takes its place.
        let mut own: Vec<&str> = vec!["labels", "last_push_successful"];
        own.retain(|name| stored.fragment(name).is_none());
        let mut own = own.into_iter().peekable();
        for fragment in stored.fragments() {
            while let Some(name) = own.next_if(|name| *name < fragment.name()) {
                write_own(name, &mut group, &stored);
            }
            write_family(group.key(fragment.name()), &fragment, flow).await;
        }
        for name in own {
            write_own(name, &mut group, &stored);
        }
        group.end();
        flow.pass(groups.written()).await;
    }
    groups.end();
}

/// What the Pushgateway says of a group beside its families.
fn write_own(name: &str, group: &mut Members<'_>, stored: &GroupFragments<'_>) {
    if name == "labels" {
        write_strings(group.key("labels"), stored.key().labels());
        return;
    }
    let time = |name: &str| stored.fragment(name)?.number();
    let [failed, pushed] = [PUSH_FAILURE_TIME, PUSH_TIME].map(|name| time(name).unwrap_or(0.0));
    group.flag(name, failed <= pushed);
}

async fn write_family(out: &mut Vec<u8>, fragment: &FragmentView<'_>, flow: &Flow) {
    let mut object = Members::object(out);
    object.string("time_stamp", &rfc3339(fragment.pushed_at()));
    object.string("type", fragment.meta().metric_type.as_protobuf());
    if let Some(help) = fragment.meta().help.as_deref().filter(|help| !help.is_empty()) {
        object.string("help", help);
    }
    let mut metrics = Members::array(object.key("metrics"));
    for piece in fragment.pieces() {
        piece.decode(|exposition, family| write_metrics(&mut metrics, exposition, family));
        flow.pass(metrics.written()).await;
    }
    metrics.end();
    object.end();
}

fn write_metrics(metrics: &mut Members<'_>, exposition: &Exposition<'_>, family: &Family) {
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

#[cfg(test)]
mod tests {
    use wharf_store::Store;

    use super::*;
    use crate::answer::streamed::tests::{held_for_a_stalled_reader, text_of};
    use crate::routes::stored::stored;

    async fn held(store: &Store) -> usize {
        let mut body = streamed::body(|flow| write(store.snapshot(), flow)).unwrap();
        held_for_a_stalled_reader(&mut body).await
    }

    #[tokio::test]
    async fn a_stalled_reader_costs_the_same_however_much_is_stored() {
        let groups = |n| stored((0..n).map(|n| (format!("j{n}"), "m{a=\"b\"} 1\n".to_owned())));
        let series = |n: u32| {
            let lines = (0..n)
                .map(|n| format!("m{{a=\"{n}\"}} 1\n"))
                .collect::<Vec<_>>()
                .concat();
            stored([("j".to_owned(), lines)])
        };
        let histograms = |n: u32| {
            let lines = (0..n).map(|n| {
                format!("h_bucket{{a=\"{n}\",le=\"+Inf\"}} 1\nh_count{{a=\"{n}\"}} 1\nh_sum{{a=\"{n}\"}} 1\n")
            });
            let lines = lines.collect::<Vec<_>>().concat();
            stored([("j".to_owned(), format!("# TYPE h histogram\n{lines}"))])
        };
        for (store, larger) in [
            (groups(500), groups(2000)),
            (series(6000), series(24_000)),
            (histograms(3000), histograms(12_000)),
        ] {
            let (held, held_of_larger) = (held(&store).await, held(&larger).await);
            assert!(held < 200 << 10, "{held}");
            assert!(held_of_larger < 200 << 10, "{held_of_larger}");
        }
    }

    #[tokio::test]
    async fn an_answer_in_pieces_is_the_answer() {
        let lines = (0..9000)
            .map(|n| format!("m{{a=\"{n:04}\"}} {n}\n"))
            .collect::<Vec<_>>()
            .concat();
        let snapshot = stored([("j".to_owned(), lines)]).snapshot();
        let body = streamed::body(|flow| write(snapshot, flow));
        let text = text_of(body.unwrap()).await;
        let document: serde_json::Value = serde_json::from_str(&text).unwrap();
        let metrics = document["data"][0]["m"]["metrics"].as_array().unwrap();
        assert_eq!(metrics.len(), 9000);
        for (n, metric) in metrics.iter().enumerate() {
            assert_eq!(metric["labels"]["a"], format!("{n:04}"));
            assert_eq!(metric["value"], n.to_string());
        }
    }
}
