//! `/api/v1/admin/wipe`.

use std::net::IpAddr;
use std::sync::Arc;

use http::{Response, StatusCode};
use wharf_gateway::Caller;

use crate::answer::{receipt, respond, status};
use crate::service::Service;
use crate::transport::chunks::ResponseBody;

/// `PUT /api/v1/admin/wipe`: all groups go.
pub(crate) async fn wipe(
    service: Arc<Service>,
    caller: &Caller,
    address: Option<IpAddr>,
) -> Response<ResponseBody> {
    match service.gateway.wipe(caller, address).await {
        Ok(undo) => receipt::put_headers(respond::empty(StatusCode::ACCEPTED), undo.as_ref()),
        Err(refusal) => status::answer(refusal),
    }
}
