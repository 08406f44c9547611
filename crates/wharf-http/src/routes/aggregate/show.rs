//! `GET /metrics`: what is added up, as prom-aggregation-gateway shows it.

use std::sync::Arc;

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response};
use wharf_exposition::text;
use wharf_gateway::{Gateway, Refusal, Right, Scope};
use wharf_model::name::{EscapingScheme, is_legacy_label_name, is_legacy_metric_name};
use wharf_model::{Effort, Exposition, GroupingKey, Metric};
use wharf_scrape::Format;
use wharf_store::{FamilyView, FragmentView, InstanceLabel, Snapshot};

use crate::answer::{envelope, status, streamed};
use crate::request::labelled::JOB;
use crate::request::negotiate;
use crate::routes::row::Asked;
use crate::transport::chunks::ResponseBody;
use crate::workers;

const INSTANCE: &str = "instance";

/// Answers with the families that are added up, in the order of their names. Within each, groups come in the order of their jobs,
/// and their series in the order of their labels: no more than a group of one family is held at once.
pub(super) async fn handle(asked: Asked<'_>) -> Response<ResponseBody> {
    let service = Arc::clone(&asked.service);
    let scope = asked.caller.scope(Right::Read);
    let escaping = negotiate::wanted(&asked.headers, false).escaping;
    let shown = workers::run_in(asked.long_work(), move |effort, place| {
        let snapshot = visible(&service.gateway, &scope, effort)?;
        let gateway = Arc::clone(&service.gateway);
        let job = Arc::clone(&gateway.settings().aggregate_job);
        let body = streamed::body(|flow| async move {
            let hidden = Hidden {
                job: &job,
                instance: &gateway.settings().pushes.instance_label,
            };
            let (mut out, mut left_out) = (Vec::new(), 0);
            for family in snapshot.families() {
                let mut is_begun = false;
                for fragment in family.fragments().filter(FragmentView::is_added_up) {
                    if !is_begun {
                        write_header(&mut out, family, escaping);
                        is_begun = true;
                    }
                    left_out += hidden.write(&mut out, &fragment, escaping);
                    flow.pass(&mut out).await;
                }
            }
            gateway.telemetry().record_left_out(left_out);
            out
        })?;
        Ok(body.holding(place))
    });
    match shown.await {
        Ok(body) => {
            let mut response = Response::new(body);
            if let Ok(content_type) = HeaderValue::from_str(&content_type(escaping)) {
                response.headers_mut().insert(CONTENT_TYPE, content_type);
            }
            envelope::share(&mut response);
            response
        }
        Err(refusal) => status::answer(refusal),
    }
}

/// Names that need quotes are for those who ask for them.
fn content_type(escaping: EscapingScheme) -> String {
    match escaping {
        EscapingScheme::AllowUtf8 => Format::Text100.content_type(escaping),
        _ => "text/plain; version=0.0.4; charset=utf-8".to_owned(),
    }
}

/// The groups that somebody may see.
pub(super) fn visible(gateway: &Gateway, scope: &Scope, effort: &Effort) -> Result<Snapshot, Refusal> {
    let choice = scope.groups();
    let snapshot = gateway.store().snapshot();
    if choice.is_all() {
        return Ok(snapshot);
    }
    Ok(snapshot.matching(&choice, effort)?)
}

fn write_header(out: &mut Vec<u8>, family: FamilyView<'_>, escaping: EscapingScheme) {
    if let Some(meta) = family.meta().filter(|_| is_readable(family.name(), escaping)) {
        let help = meta.help.as_deref();
        text::write_header(out, family.name(), help, meta.metric_type, escaping);
    }
}

/// Labels that the gateway has added to series.
struct Hidden<'h> {
    /// The job of series that came without.
    job: &'h str,
    instance: &'h InstanceLabel,
}

impl Hidden<'_> {
    /// Writes a family of a group; how many of its metrics have names that the reader could not tell from others.
    fn write(&self, out: &mut Vec<u8>, fragment: &FragmentView<'_>, escaping: EscapingScheme) -> u64 {
        let name = fragment.name();
        fragment.decode(|exposition, family| {
            if !is_readable(name, escaping) {
                return family.metrics.len() as u64;
            }
            let mut left_out = 0;
            let mut shown = Vec::with_capacity(family.metrics.len());
            for metric in &family.metrics {
                let labels = self.labels(exposition, metric, fragment.key());
                if labels
                    .iter()
                    .all(|(name, _)| escaping == EscapingScheme::AllowUtf8 || is_legacy_label_name(name))
                {
                    shown.push((labels, metric.value));
                } else {
                    left_out += 1;
                }
            }
            shown.sort_by(|(a, _), (b, _)| a.cmp(b));
            for (labels, value) in &shown {
                text::write_metric(out, exposition, name, labels, *value, escaping);
            }
            left_out
        })
    }

    /// What the client sent of the labels of a series, sorted.
    fn labels<'e>(
        &self,
        exposition: &'e Exposition<'_>,
        metric: &Metric,
        key: &GroupingKey,
    ) -> Vec<(&'e str, &'e str)> {
        let of_group = key.labels().any(|(name, _)| name == INSTANCE);
        let is_sent = |(name, value): &(&str, &str)| match *name {
            JOB => *value != self.job,
            INSTANCE if of_group => true,
            INSTANCE => match self.instance {
                InstanceLabel::Value(added) => **added != **value,
                InstanceLabel::Empty | InstanceLabel::Omit => !value.is_empty(),
            },
            _ => true,
        };
        let mut labels: Vec<_> = exposition.labels(metric.labels).filter(is_sent).collect();
        labels.sort_unstable();
        labels
    }
}

/// Whether a reader that escapes names can tell this one from others.
fn is_readable(name: &str, escaping: EscapingScheme) -> bool {
    escaping == EscapingScheme::AllowUtf8 || is_legacy_metric_name(name)
}
