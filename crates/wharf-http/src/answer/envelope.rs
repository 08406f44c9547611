//! The envelope of the JSON API, and who may read what is in it.

use http::header::CACHE_CONTROL;
use http::{HeaderValue, Response, StatusCode};

use crate::answer::json::Members;
use crate::answer::respond;
use crate::transport::chunks::ResponseBody;

/// An answer of the API: the data in its envelope.
pub(crate) fn answer(status: StatusCode, write_data: impl FnOnce(&mut Vec<u8>)) -> Response<ResponseBody> {
    shared(enveloped(status, write_data))
}

/// The same for the gateway's own page only: no other may read what the Pushgateway would not show it.
pub(crate) fn private(status: StatusCode, write_data: impl FnOnce(&mut Vec<u8>)) -> Response<ResponseBody> {
    unshared(enveloped(status, write_data))
}

/// A success as [`answer`] has it, of a body that was begun with [`open`].
pub(crate) fn streamed(body: ResponseBody) -> Response<ResponseBody> {
    shared(respond::with_type(StatusCode::OK, "application/json", body))
}

/// A success as [`private`] has it, of a body that was begun with [`open`].
pub(crate) fn streamed_private(body: ResponseBody) -> Response<ResponseBody> {
    unshared(respond::with_type(StatusCode::OK, "application/json", body))
}

/// The beginning of the envelope of a success; the caller writes `data` and its end.
pub(crate) fn open(body: &mut Vec<u8>) -> Members<'_> {
    let mut envelope = Members::object(body);
    envelope.string("status", "success");
    envelope
}

fn enveloped(status: StatusCode, write_data: impl FnOnce(&mut Vec<u8>)) -> Response<ResponseBody> {
    let mut body = Vec::new();
    let mut envelope = Members::object(&mut body);
    let is_success = status.is_success();
    envelope.string("status", if is_success { "success" } else { "error" });
    write_data(envelope.key("data"));
    envelope.end();
    respond::with_type(status, "application/json", body)
}

fn shared(mut response: Response<ResponseBody>) -> Response<ResponseBody> {
    share(&mut response);
    response
}

fn unshared(mut response: Response<ResponseBody>) -> Response<ResponseBody> {
    let no_store = HeaderValue::from_static("no-store");
    response.headers_mut().insert(CACHE_CONTROL, no_store);
    response
}

/// On a response: pages of other origins may read it, if they may read anything.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shareable;

/// What all shareable answers have.
pub(crate) fn share(response: &mut Response<ResponseBody>) {
    let no_cache = HeaderValue::from_static("no-cache, no-store, must-revalidate");
    response.headers_mut().insert(CACHE_CONTROL, no_cache);
    response.extensions_mut().insert(Shareable);
}
