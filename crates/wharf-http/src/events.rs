//! `/api/v1/events`: changes as they happen, as server-sent events.

use http::header::CACHE_CONTROL;
use http::{HeaderValue, Response, StatusCode};

use crate::chunks::ResponseBody;
use crate::error::ApiError;
use crate::gateway::Gateway;
use crate::respond;
use crate::rights::{Right, Rights, Scope};

/// `GET /api/v1/events`.
///
/// The answer does not end before the gateway does. It counts as no request in flight: those who wait must not keep
/// those out who push.
pub(crate) fn follow(gateway: &Gateway, rights: &Rights) -> Response<ResponseBody> {
    // Who may not see all groups gets to know that something has changed, and finds out what by asking.
    let names_groups = rights.scope(Right::Read) == Scope::Everything;
    let changes = &gateway.activity.changes;
    let idle_timeout = gateway.settings.idle_timeout;
    let reader = match changes.read(&rights.client(), &gateway.shutdown, idle_timeout, names_groups) {
        Ok(reader) => reader,
        Err(full) => return ApiError::too_many_readers(full, &changes.places).into_response(),
    };
    let mut response = respond::with_type(StatusCode::OK, "text/event-stream", ResponseBody::events(reader));
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Proxies that gather answers would gather for ever.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}
