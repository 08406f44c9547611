//! `/api/v1/groups/job/<job>...`: one group with its metrics, its history, its new beginning, and its end.

use std::sync::Arc;
use std::time::Duration;

use http::{Response, StatusCode};
use wharf_gateway::{Caller, Refusal, Right};
use wharf_model::{Exposition, Family, GroupingKey, Histogram, Metric, NativeHistogram, Timestamp, Value};
use wharf_store::{FragmentView, GroupView};

use crate::answer::envelope;
use crate::answer::json::{Members, write_strings};
use crate::answer::numbers;
use crate::answer::receipt;
use crate::answer::status;
use crate::answer::streamed::{self, Flow};
use crate::request::{grouping, parameters, query};
use crate::routes::groups::{self, Look};
use crate::routes::row::Asked;
use crate::service::Service;
use crate::transport::chunks::ResponseBody;
use crate::workers;

const DEFAULT_METRICS: usize = 100;
/// Metrics in one answer, of all its families.
const MAX_METRICS: usize = 10_000;
const EXPIRING_WITHIN: Duration = Duration::from_secs(3600);

/// The group that a path names; `rest` is as in [`grouping::parse`].
pub(crate) fn key(service: &Service, rest: &[u8]) -> Result<GroupingKey, Refusal> {
    Ok(grouping::parse(rest, service.gateway.settings().pushes.names)?)
}

/// `GET` of a group.
pub(crate) async fn show(asked: Asked<'_>) -> Response<ResponseBody> {
    let service = Arc::clone(&asked.service);
    let request = key(&service, asked.path).and_then(|key| {
        asked.caller.demand_for(Right::Read, &key)?;
        Ok((key, ShowRequest::of(asked.query)?))
    });
    let caller = asked.caller.clone();
    let shown = workers::run_in(asked.work(), move |_effort, place| {
        let (key, request) = request?;
        let group = service
            .gateway
            .store()
            .group(&key)
            .ok_or_else(|| Refusal::no_group(&key))?;
        let worker = Arc::clone(&service);
        let body = streamed::body(|flow| async move {
            let mut body = Vec::new();
            let mut envelope = envelope::open(&mut body);
            let look = Look::at(&worker, &caller, EXPIRING_WITHIN);
            request.write(&look, &group, envelope.key("data"), &flow).await;
            envelope.end();
            body
        })?;
        Ok(envelope::streamed_private(body.holding(place)))
    });
    shown.await.unwrap_or_else(status::answer)
}

/// `GET` of a group's history.
pub(crate) async fn history(
    service: Arc<Service>,
    rest: &[u8],
    query: Option<&str>,
    caller: &Caller,
) -> Response<ResponseBody> {
    let rest = rest.strip_suffix(b"/history").unwrap_or(rest);
    let key = key(&service, rest).and_then(|key| {
        caller.demand_for(Right::Read, &key)?;
        match query::parameters(query)?.first() {
            Some((name, _)) => Err(query::unknown(name, "nothing")),
            None => Ok(key),
        }
    });
    let caller = caller.clone();
    let shown = workers::run(move || {
        let key = key?;
        let past = Look::at(&service, &caller, EXPIRING_WITHIN).past(&key);
        if past.is_none() && !service.gateway.store().has_group(&key) {
            return Err(Refusal::no_group(&key));
        }
        Ok(envelope::private(StatusCode::OK, |out| {
            groups::write_history(out, &past.unwrap_or_default());
        }))
    });
    shown.await.unwrap_or_else(status::answer)
}

/// `DELETE` of a group, or of one of its families. Who may delete the group may do so here too.
pub(crate) async fn delete(asked: Asked<'_>) -> Response<ResponseBody> {
    let (service, caller, address) = (&asked.service, asked.caller, asked.sender.address());
    let deleted = async {
        let key = key(service, asked.path)?;
        caller.demand_for(Right::Delete, &key)?;
        let mut family = None;
        for (name, value) in query::parameters(asked.query)? {
            match name.as_str() {
                "family" => family = Some(parameters::family(value)?),
                other => return Err(query::unknown(other, "family")),
            }
        }
        let place = || service.scrape_place(caller);
        let Some(family) = family else {
            return service.gateway.delete(caller, &key, address, place).await;
        };
        let gateway = &service.gateway;
        gateway.delete_family(caller, &key, &family, address, place).await
    };
    match deleted.await {
        Ok(deleted) => envelope::private(StatusCode::OK, |out| {
            let mut data = Members::object(out);
            data.flag("deleted", deleted.existed);
            receipt::write(data.key("undo"), deleted.undo.as_ref());
            data.end();
        }),
        Err(error) => status::answer(error),
    }
}

/// `POST` of a group's reset: what it has counted begins from nothing.
pub(crate) async fn reset(asked: Asked<'_>) -> Response<ResponseBody> {
    let rest = asked.path.strip_suffix(b"/reset").unwrap_or(asked.path);
    let (caller, address) = (asked.caller, asked.sender.address());
    let reset = async {
        let key = key(&asked.service, rest)?;
        caller.demand_for(Right::Delete, &key)?;
        let mut gauges = None;
        for (name, value) in query::parameters(asked.query)? {
            match name.as_str() {
                "gauge" => gauges = Some(parameters::gauges(&value)?),
                other => return Err(query::unknown(other, "gauge")),
            }
        }
        let gateway = &asked.service.gateway;
        gateway.reset(asked.work()?, caller, &key, gauges, address).await
    };
    match reset.await {
        Ok(()) => envelope::private(StatusCode::OK, |out| {
            let mut data = Members::object(out);
            data.flag("reset", true);
            data.end();
        }),
        Err(error) => status::answer(error),
    }
}

#[derive(Debug)]
struct ShowRequest {
    family: Option<String>,
    /// Most metrics of a family.
    metrics: usize,
    /// Metrics of the family that are passed over.
    offset: usize,
    limit: usize,
    /// The last family of the page before.
    cursor: Option<String>,
}

impl ShowRequest {
    fn of(query: Option<&str>) -> Result<Self, Refusal> {
        let mut request = Self {
            family: None,
            metrics: DEFAULT_METRICS,
            offset: 0,
            limit: parameters::DEFAULT_LIMIT,
            cursor: None,
        };
        for (name, value) in query::parameters(query)? {
            match name.as_str() {
                "family" => request.family = Some(value),
                "metrics" => request.metrics = number("metrics", &value, MAX_METRICS)?,
                "offset" => request.offset = number("offset", &value, usize::MAX)?,
                "limit" => request.limit = parameters::limit(&value)?,
                "cursor" => request.cursor = Some(value),
                other => return Err(query::unknown(other, "family, metrics, offset, limit, cursor")),
            }
        }
        if request.offset > 0 && request.family.is_none() {
            let text = "offset: expected a `family` whose metrics are passed over, found none";
            return Err(Refusal::parameter(&text));
        }
        Ok(request)
    }

    async fn write(&self, look: &Look<'_>, group: &GroupView, out: &mut Vec<u8>, flow: &Flow) {
        let mut data = Members::object(out);
        groups::write_fields(&mut data, &look.group(group.info()));
        let wanted = |fragment: &FragmentView<'_>| match (&self.family, &self.cursor) {
            (Some(family), _) => fragment.name() == family,
            (None, Some(cursor)) => fragment.name() > cursor.as_str(),
            (None, None) => true,
        };
        let mut fragments = group.fragments().filter(wanted);
        let mut families = Members::array(data.key("families"));
        let (mut left, mut last) = (MAX_METRICS, None);
        for fragment in fragments.by_ref().take(self.limit) {
            left -= self.write_family(families.next(), &fragment, left, flow).await;
            last = Some(fragment.name());
        }
        families.end();
        if let Some(last) = last.filter(|_| fragments.next().is_some()) {
            data.string("next_cursor", last);
        }
        data.end();
    }

    /// Writes a family with at most so many metrics; how many it has written.
    async fn write_family(
        &self,
        out: &mut Vec<u8>,
        fragment: &FragmentView<'_>,
        left: usize,
        flow: &Flow,
    ) -> usize {
        let meta = fragment.meta();
        let mut object = Members::object(out);
        object.string("name", fragment.name());
        object.string("type", meta.metric_type.as_word());
        object.text("help", meta.help.as_deref().filter(|help| !help.is_empty()));
        object.text("unit", Some(&*meta.unit).filter(|unit| !unit.is_empty()));
        object.number("pushed_at_seconds", Some(fragment.pushed_at().as_seconds()));
        object.integer("series", fragment.series().into());
        object.integer("bytes", fragment.bytes());
        object.integer("metrics_total", fragment.metrics() as u64);
        let count = left.min(self.metrics);
        let mut metrics = Members::array(object.key("metrics"));
        let (mut passed, mut written) = (0, 0);
        let mut pieces = fragment.pieces();
        // Without metrics to show there is nothing to read back.
        while written < count
            && let Some(piece) = pieces.next()
        {
            piece.decode(|exposition, family: &Family| {
                let before = self.offset.saturating_sub(passed);
                for metric in family.metrics.iter().skip(before).take(count - written) {
                    write_metric(metrics.next(), exposition, metric);
                    written += 1;
                }
                passed += family.metrics.len();
            });
            flow.pass(metrics.written()).await;
        }
        metrics.end();
        object.end();
        written
    }
}

fn number(name: &str, text: &str, max: usize) -> Result<usize, Refusal> {
    let number = text.parse().ok().filter(|number| *number <= max);
    number.ok_or_else(|| {
        Refusal::parameter(&format!(
            "{name}: expected a number from 0 to {max}, found `{}`",
            query::shown(text)
        ))
    })
}

fn write_metric(out: &mut Vec<u8>, exposition: &Exposition<'_>, metric: &Metric) {
    let mut object = Members::object(out);
    write_strings(object.key("labels"), exposition.labels(metric.labels));
    match metric.value {
        Value::Number(value) => numbers::write_number(object.key("value"), value),
        Value::Summary(index) => {
            let summary = exposition.summary(index);
            numbers::write_count(object.key("count"), wharf_model::Count::Int(summary.count));
            numbers::write_number(object.key("sum"), summary.sum);
            let mut quantiles = Members::array(object.key("quantiles"));
            for quantile in exposition.quantiles(summary.quantiles) {
                let mut pair = Members::array(quantiles.next());
                numbers::write_number(pair.next(), quantile.quantile);
                numbers::write_number(pair.next(), quantile.value);
                pair.end();
            }
            quantiles.end();
        }
        Value::Histogram(index) => {
            if let Some(histogram) = exposition.histogram(index) {
                write_histogram(&mut object, exposition, histogram);
            }
        }
        Value::Missing => {}
    }
    if let Some(extra) = metric.extra.as_deref() {
        if let Some(exemplar) = extra.exemplar {
            write_exemplar(&mut object, exposition, exemplar);
        }
        if let Some(created) = extra.created {
            object.number("created_seconds", Some(seconds(created)));
        }
    }
    object.end();
}

fn write_histogram(object: &mut Members<'_>, exposition: &Exposition<'_>, histogram: &Histogram) {
    numbers::write_count(object.key("count"), histogram.count);
    numbers::write_number(object.key("sum"), histogram.sum);
    // They are stored in the order in which they came.
    let mut ascending: Vec<_> = exposition.buckets(histogram.buckets).iter().collect();
    ascending.sort_by(|a, b| a.upper_bound.total_cmp(&b.upper_bound));
    let mut buckets = Members::array(object.key("buckets"));
    for bucket in ascending {
        let mut pair = Members::array(buckets.next());
        numbers::write_number(pair.next(), bucket.upper_bound);
        numbers::write_count(pair.next(), bucket.cumulative_count);
        pair.end();
    }
    buckets.end();
    if let Some(native) = histogram.native.as_deref() {
        write_native(object.key("native"), native);
    }
}

fn write_native(out: &mut Vec<u8>, native: &NativeHistogram) {
    let mut object = Members::object(out);
    object
        .key("schema")
        .extend_from_slice(native.schema.to_string().as_bytes());
    numbers::write_number(object.key("zero_threshold"), native.zero_threshold);
    numbers::write_count(object.key("zero_count"), native.zero_count);
    numbers::write_native_buckets(object.key("buckets"), native);
    object.end();
}

fn write_exemplar(object: &mut Members<'_>, exposition: &Exposition<'_>, index: u32) {
    let Some(exemplar) = exposition.exemplar(index) else {
        return;
    };
    let mut member = Members::object(object.key("exemplar"));
    write_strings(member.key("labels"), exposition.labels(exemplar.labels));
    numbers::write_number(member.key("value"), exemplar.value);
    member.number("time_seconds", exemplar.timestamp.map(seconds));
    member.end();
}

#[expect(clippy::cast_precision_loss, reason = "a double keeps a microsecond")]
fn seconds(time: Timestamp) -> f64 {
    time.seconds as f64 + f64::from(time.nanos) / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_refused() {
        let refused = |query| ShowRequest::of(Some(query)).unwrap_err().text;
        assert_eq!(
            refused("metrics=10001"),
            "metrics: expected a number from 0 to 10000, found `10001`"
        );
        assert_eq!(
            refused("offset=1"),
            "offset: expected a `family` whose metrics are passed over, found none"
        );
        assert_eq!(
            refused("match[]=x"),
            "expected a parameter of family, metrics, offset, limit, cursor, found `match[]`"
        );
        assert!(refused("limit=0").starts_with("limit: "));
        assert!(ShowRequest::of(Some("family=a&offset=7&metrics=0")).is_ok());
    }
}
