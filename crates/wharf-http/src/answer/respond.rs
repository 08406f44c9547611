//! Small responses, byte for byte those of the Pushgateway.

use http::header::{ALLOW, CONTENT_TYPE, LOCATION, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS};
use http::{HeaderValue, Method, Response, StatusCode};

use crate::transport::chunks::ResponseBody;
use crate::transport::purpose::Purpose;

/// A status without a body.
pub(crate) fn empty(status: StatusCode) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::default());
    *response.status_mut() = status;
    response
}

/// 200 with plain text.
pub(crate) fn plain(text: &'static str) -> Response<ResponseBody> {
    with_type(StatusCode::OK, "text/plain; charset=utf-8", text)
}

/// A status with a body of a type.
pub(crate) fn with_type(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<ResponseBody>,
) -> Response<ResponseBody> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// An error with its text, which browsers must not take for anything else.
pub(crate) fn error_text(status: StatusCode, text: &str) -> Response<ResponseBody> {
    let mut response = with_type(status, "text/plain; charset=utf-8", text.as_bytes().to_vec());
    response
        .headers_mut()
        .insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

pub(crate) fn not_found() -> Response<ResponseBody> {
    error_text(StatusCode::NOT_FOUND, "404 page not found\n")
}

/// 404 for a route that other listeners have. Which ones is in the help, so it may be said.
pub(crate) fn at_another_address(purposes: &[Purpose]) -> Response<ResponseBody> {
    let flags: Vec<String> = purposes
        .iter()
        .map(|purpose| format!("--web.{purpose}-address"))
        .collect();
    let flags = flags.join(" or ");
    let text = format!("404 page not found\nhint: this is served at another address, see {flags}\n");
    error_text(StatusCode::NOT_FOUND, &text)
}

/// What every answer with content says to browsers: it is what its type says, it is not for the frames of other sites,
/// and where it links to learns nothing of where it was. What the web config file says of these goes first.
///
/// Not `no-referrer`: with that, older browsers do not tell our own page from others either.
pub(crate) fn guard(response: &mut Response<ResponseBody>) {
    if !response.headers().contains_key(CONTENT_TYPE) {
        return;
    }
    for (name, value) in [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "SAMEORIGIN"),
        (REFERRER_POLICY, "same-origin"),
    ] {
        let headers = response.headers_mut();
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}

/// `hint` is a line of its own behind what the Pushgateway says.
pub(crate) fn method_not_allowed(allow: &str, hint: Option<&str>) -> Response<ResponseBody> {
    let text = format!("Method Not Allowed\n{}", hint.unwrap_or_default());
    let mut response = error_text(StatusCode::METHOD_NOT_ALLOWED, &text);
    put_allow(&mut response, allow);
    response
}

pub(crate) fn options(allow: &str) -> Response<ResponseBody> {
    let mut response = empty(StatusCode::OK);
    put_allow(&mut response, allow);
    response
}

/// The methods of a path.
fn put_allow(response: &mut Response<ResponseBody>, allow: &str) {
    if let Ok(allow) = HeaderValue::from_str(allow) {
        response.headers_mut().insert(ALLOW, allow);
    }
}

/// What Go's HTTP library says to a request that it cannot read; the connection is closed.
pub(crate) fn unreadable(why: &'static str) -> Response<ResponseBody> {
    closing(StatusCode::BAD_REQUEST, why)
}

/// A refusal after which nothing that comes over the connection can be trusted to be a request.
pub(crate) fn closing(status: StatusCode, why: &'static str) -> Response<ResponseBody> {
    let mut response = with_type(status, "text/plain; charset=utf-8", why);
    response
        .headers_mut()
        .insert(http::header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// A redirect with the body that Go gives it: a link for GET, nothing for other methods.
pub(crate) fn redirect(status: StatusCode, method: &Method, target: &str) -> Response<ResponseBody> {
    let Ok(location) = HeaderValue::from_str(target) else {
        return not_found();
    };
    let mut response = if *method == Method::GET || *method == Method::HEAD {
        let reason = status.canonical_reason().unwrap_or_default();
        let escaped = target
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('"', "&#34;")
            .replace('\'', "&#39;");
        let body = format!("<a href=\"{escaped}\">{reason}</a>.\n\n");
        with_type(status, "text/html; charset=utf-8", body.into_bytes())
    } else {
        empty(status)
    };
    response.headers_mut().insert(LOCATION, location);
    response
}
