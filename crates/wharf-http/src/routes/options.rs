//! `OPTIONS` of the API, which browsers ask before a request of another origin.

use http::{Response, StatusCode};

use crate::answer::{envelope, respond};
use crate::transport::chunks::ResponseBody;

/// `OPTIONS` on anything below `/api/v1/`.
pub(crate) fn show() -> Response<ResponseBody> {
    let mut response = respond::empty(StatusCode::OK);
    envelope::share(&mut response);
    response
}
