//! Routes about the process: whether it is ready, new rules, and its end.

use http::{Response, StatusCode};
use wharf_gateway::{Actor, Refusal};

use crate::answer::{respond, status};
use crate::routes::row::Asked;
use crate::service::Service;
use crate::transport::chunks::ResponseBody;

/// `GET /-/ready`.
pub(crate) fn ready(service: &Service) -> Response<ResponseBody> {
    match service.gateway.not_ready_to_tell() {
        None => respond::plain("OK"),
        Some(why) => status::answer(Refusal::unavailable(&why)),
    }
}

/// `PUT` or `POST` of `/-/reload`.
pub(crate) async fn reload(asked: Asked<'_>) -> Response<ResponseBody> {
    let (service, actor) = (asked.service, Actor::of(asked.caller, asked.sender.address()));
    match tokio::task::spawn_blocking(move || service.gateway.reload(actor)).await {
        Ok(Ok(())) => respond::empty(StatusCode::OK),
        Ok(Err(error)) => status::answer(Refusal::from(&error)),
        Err(_) => status::answer(Refusal::internal()),
    }
}

/// `PUT` or `POST` of `/-/quit`.
pub(crate) async fn quit(asked: Asked<'_>) -> Response<ResponseBody> {
    let service = asked.service;
    if !service.settings.routes.lifecycle {
        let text = "Lifecycle API is not enabled.";
        return respond::with_type(StatusCode::FORBIDDEN, "text/plain; charset=utf-8", text);
    }
    let actor = Actor::of(asked.caller, asked.sender.address());
    service.gateway.quit(actor, &service.shutdown).await;
    respond::plain("Requesting termination... Goodbye!")
}

/// `GET /-/quit`, which the Pushgateway answers so.
pub(crate) fn quit_by_get() -> Response<ResponseBody> {
    let text = "Only POST or PUT requests allowed.";
    respond::with_type(StatusCode::METHOD_NOT_ALLOWED, "text/plain; charset=utf-8", text)
}
