//! `GET /metrics`: what is asked for, who may see it, and what is booked of it. [`wharf_scrape`] makes the body.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use http::header::{CONTENT_ENCODING, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Response};
use wharf_gateway::{Caller, Right};
use wharf_model::{Exposition, Selector};
use wharf_scrape::{Help, Rendered, Wanted};

use crate::answer::status;
use crate::request::{negotiate, parameters};
use crate::service::Service;
use crate::transport::chunks::{Chunks, ResponseBody};
use crate::workers;
use wharf_gateway::Scraper;

/// Answers a scrape; with `match[]` in the query, one of the groups that match, without the gateway's own metrics. So it
/// is for those who may not see all groups.
pub(crate) async fn handle(
    service: Arc<Service>,
    query: Option<&str>,
    headers: &HeaderMap,
    caller: &Caller,
    address: Option<IpAddr>,
) -> Response<ResponseBody> {
    let started = Instant::now();
    let wanted = negotiate::wanted(headers, service.settings.routes.openmetrics);
    let place = service.scrape_place(caller);
    let worker = Arc::clone(&service);
    let (query, scope) = (query.map(str::to_owned), caller.scope(Right::Read));
    let rendered = workers::run_in(place, move |place| {
        let selectors = scope.narrow(parameters::selectors(query.as_deref())?);
        let rendered = render(&worker, &selectors, wanted);
        worker.gateway.telemetry().record_left_out(rendered.left_out);
        let body = ResponseBody::from(Chunks::from(rendered.parts)).holding(place);
        Ok((body, rendered.recompressed))
    });
    let (body, recompressed) = match rendered.await {
        Ok(rendered) => rendered,
        Err(refusal) => return status::answer(refusal),
    };
    let (duration, bytes) = (started.elapsed(), body.len() as u64);
    service
        .gateway
        .telemetry()
        .record_scrape(duration, bytes, recompressed);
    service
        .gateway
        .activity()
        .hour
        .scrape(bytes, Instant::now(), duration);
    let user_agent = headers.get(USER_AGENT).map_or(&b""[..], HeaderValue::as_bytes);
    service.gateway.activity().scrapers.add(Scraper {
        format: wanted.format.name(),
        compression: wanted.compression.name(),
        bytes,
        duration,
        ..Scraper::named(user_agent, address, service.gateway.now())
    });
    respond_with(body, wanted)
}

fn respond_with(body: ResponseBody, wanted: Wanted) -> Response<ResponseBody> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    if let Ok(content_type) = HeaderValue::from_str(&wanted.format.content_type(wanted.escaping)) {
        headers.insert(CONTENT_TYPE, content_type);
    }
    if let Some(encoding) = wanted.compression.name() {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    response
}

fn render(service: &Arc<Service>, selectors: &[Selector], wanted: Wanted) -> Rendered {
    let mut snapshot = service.gateway.store().snapshot();
    let own = if selectors.is_empty() {
        service.gateway.own_families(&snapshot)
    } else {
        snapshot = snapshot.matching(selectors);
        Exposition::default()
    };
    wharf_scrape::render_with_help(&own, &snapshot, wanted, &|help: Help| {
        let gateway = Arc::clone(&service.gateway);
        tokio::task::spawn_blocking(move || gateway.telemetry().record_recompressed(help()));
    })
}
