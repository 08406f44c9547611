//! The second address of prom-aggregation-gateway: whether it lives, and its own metrics, under its names.

use std::sync::Arc;

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use wharf_exposition::text;
use wharf_gateway::{Right, Scope};
use wharf_model::MetricType;
use wharf_model::name::EscapingScheme;
use wharf_store::FragmentView;

use super::show::visible;
use crate::answer::json::Members;
use crate::answer::{respond, status, streamed};
use crate::routes::row::Asked;
use crate::transport::chunks::ResponseBody;
use crate::workers;

pub(super) fn healthy(asked: &Asked<'_>) -> Response<ResponseBody> {
    state(asked, StatusCode::OK)
}

pub(super) fn ready(asked: &Asked<'_>) -> Response<ResponseBody> {
    let is_ready = crate::routes::process::ready(&asked.service).status();
    state(asked, is_ready)
}

fn state(asked: &Asked<'_>, status: StatusCode) -> Response<ResponseBody> {
    let build = &asked.service.status.build_information;
    let mut body = Vec::new();
    let mut object = Members::object(&mut body);
    object.string("name", "wharf");
    object.flag("alive", true);
    object.string("version", &build.version);
    object.string("commitSHA", &build.revision);
    object.end();
    respond::with_type(status, "application/json; charset=utf-8", body)
}

/// How many families are added up, with their series, and the pushes.
pub(super) async fn metrics(asked: Asked<'_>) -> Response<ResponseBody> {
    let service = Arc::clone(&asked.service);
    let scope = asked.caller.scope(Right::Read);
    let sees_all = matches!(scope, Scope::Everything);
    let shown = workers::run_in(asked.long_work(), move |effort, place| {
        let snapshot = visible(&service.gateway, &scope, effort)?;
        let groups = snapshot.families().map(|family| u64::from(family.groups())).sum();
        effort.spend(groups)?;
        let families = snapshot.families().filter_map(|family| {
            let added = family.fragments().filter(FragmentView::is_added_up);
            let series: Vec<u64> = added.map(|fragment| u64::from(fragment.series())).collect();
            (!series.is_empty()).then(|| (family.name().to_owned(), series.iter().sum::<u64>()))
        });
        let families: Vec<(String, u64)> = families.collect();
        let body = streamed::body(|flow| async move {
            let mut out = Vec::new();
            header(
                &mut out,
                PUSHES,
                "Pushes that were added up, by the job in their path.",
                MetricType::Counter,
            );
            // Which jobs push is for those who may read all of them.
            if sees_all {
                for (job, pushes) in service.aggregated.all() {
                    line(&mut out, PUSHES, Some(("push_job", &job)), pushes);
                }
            }
            header(
                &mut out,
                BY_FAMILY,
                "Lines of series that are added up.",
                MetricType::Gauge,
            );
            for (family, series) in &families {
                line(&mut out, BY_FAMILY, Some(("family", family)), *series);
                flow.pass(&mut out).await;
            }
            header(
                &mut out,
                FAMILIES,
                "Families that are added up.",
                MetricType::Gauge,
            );
            line(&mut out, FAMILIES, None, families.len() as u64);
            out
        })?;
        Ok(body.holding(place))
    });
    match shown.await {
        Ok(body) => {
            let mut response = Response::new(body);
            let plain = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
            response.headers_mut().insert(CONTENT_TYPE, plain);
            response
        }
        Err(refusal) => status::answer(refusal),
    }
}

const PUSHES: &str = "prom_agg_gateway_metric_pushes";
const BY_FAMILY: &str = "prom_agg_gateway_metrics_by_family";
const FAMILIES: &str = "prom_agg_gateway_total_families";

fn header(out: &mut Vec<u8>, name: &str, help: &str, metric_type: MetricType) {
    text::write_header(out, name, Some(help), metric_type, EscapingScheme::AllowUtf8);
}

fn line(out: &mut Vec<u8>, name: &str, label: Option<(&str, &str)>, value: u64) {
    out.extend_from_slice(name.as_bytes());
    if let Some((label, of)) = label {
        out.extend_from_slice(format!("{{{label}=\"").as_bytes());
        text::write_label_value(out, of);
        out.extend_from_slice(b"\"}");
    }
    out.extend_from_slice(format!(" {value}\n").as_bytes());
}
