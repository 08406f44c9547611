//! `GET /metrics`: what is asked for, who may see it, and what is booked of it. [`wharf_scrape`] makes the body.

use std::sync::Arc;
use std::time::Instant;

use http::header::{CONTENT_ENCODING, CONTENT_TYPE, USER_AGENT};
use http::{HeaderValue, Response};
use wharf_gateway::Right;
use wharf_model::{Choice, Effort, Exposition, Stopped};
use wharf_scrape::{Help, Rendered, Wanted};

use crate::answer::status;
use crate::request::{negotiate, parameters};
use crate::routes::row::Asked;
use crate::service::Service;
use crate::transport::chunks::{Chunks, ResponseBody};
use crate::workers;
use wharf_gateway::Scraper;

/// Answers a scrape; with `match[]` in the query, one of the groups that match, without the gateway's own metrics. So it
/// is for those who may not see all groups.
pub(crate) async fn handle(asked: Asked<'_>) -> Response<ResponseBody> {
    let started = Instant::now();
    let (service, headers) = (&asked.service, &asked.headers);
    let wanted = negotiate::wanted(headers, service.settings.routes.openmetrics);
    let worker = Arc::clone(service);
    let (query, scope) = (asked.query.map(str::to_owned), asked.caller.scope(Right::Read));
    let rendered = workers::run_in(asked.work(), move |effort, place| {
        let selectors = parameters::selectors(query.as_deref(), effort)?;
        // `{}` selects all groups, and the gateway's own metrics belong to none.
        let is_part = !selectors.is_empty();
        let choice = scope.groups().asked(selectors);
        let rendered = render(&worker, &choice, is_part, wanted, effort)?;
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
        ..Scraper::named(user_agent, asked.sender.address(), service.gateway.now())
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

fn render(
    service: &Arc<Service>,
    choice: &Choice,
    is_part: bool,
    wanted: Wanted,
    effort: &Effort,
) -> Result<Rendered, Stopped> {
    let mut snapshot = service.gateway.store().snapshot();
    if !choice.is_all() {
        snapshot = snapshot.matching(choice, effort)?;
    }
    let own = if choice.is_all() && !is_part {
        service.gateway.own_families(&snapshot)
    } else {
        Exposition::default()
    };
    Ok(wharf_scrape::render_with_help(
        &own,
        &snapshot,
        wanted,
        &|help: Help| {
            let gateway = Arc::clone(&service.gateway);
            tokio::task::spawn_blocking(move || gateway.telemetry().record_recompressed(help()));
        },
    ))
}
