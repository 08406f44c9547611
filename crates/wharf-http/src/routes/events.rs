//! `/api/v1/events`: changes as they happen, as server-sent events.

use std::sync::Arc;
use std::time::Duration;

use http::header::CACHE_CONTROL;
use http::{HeaderValue, Response, StatusCode};
use wharf_gateway::{Again, Caller, Full, Places, Refusal, Right, Scope, are_in_force};

use crate::answer::respond;
use crate::answer::status;
use crate::gateway::Gateway;
use crate::transport::access::Front;
use crate::transport::chunks::ResponseBody;
use crate::transport::door::Door;

/// `GET /api/v1/events`.
///
/// The answer has no end. It counts as no request in flight: those who wait must not keep those out who push.
///
/// What the reader may see is found out at the beginning. So when there are other rules, or other users, the answer ends
/// after all, and whoever still may see it asks again.
pub(crate) fn follow(gateway: &Arc<Gateway>, caller: &Caller, door: &Door) -> Response<ResponseBody> {
    // Who may not see all groups gets to know that something has changed, and finds out what by asking.
    let names_groups = caller.scope(Right::Read) == Scope::Everything;
    let is_welcome = {
        let (gateway, caller, front) = (Arc::clone(gateway), caller.clone(), door.share_front());
        move || {
            let users = front.as_deref().and_then(Front::users);
            are_in_force(&caller, gateway.policy().access(), users.as_ref())
        }
    };
    let changes = &gateway.activity.changes;
    let reader = changes.read(
        &caller.client(),
        &gateway.shutdown,
        names_groups,
        Box::new(is_welcome),
    );
    let reader = match reader {
        Ok(reader) => reader,
        Err(full) => return status::answer(too_many(full, &changes.places)),
    };
    let mut response = respond::with_type(StatusCode::OK, "text/event-stream", ResponseBody::events(reader));
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Proxies that gather answers would gather for ever.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// More readers than can be kept informed.
fn too_many(full: Full, places: &Places) -> Refusal {
    Refusal {
        again: Again::After(Duration::from_secs(5)),
        ..full.refusal("readers of events", places.all())
    }
}
