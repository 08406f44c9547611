//! `/api/v1/openapi.json`: all routes in the words of machines.

use http::{Response, StatusCode};

use crate::chunks::ResponseBody;
use crate::respond;

const DESCRIPTION: &str = include_str!("openapi.json");

/// `GET /api/v1/openapi.json`.
pub(crate) fn show() -> Response<ResponseBody> {
    respond::with_type(StatusCode::OK, "application/json", DESCRIPTION)
}
