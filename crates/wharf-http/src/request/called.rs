//! What a request is called: `X-Request-Id`, and its trace if there is one.

use std::borrow::Cow;
use std::sync::Arc;

use http::header::USER_AGENT;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use wharf_gateway::{Ended, Gateway, Parent, RequestId, RequestIds, Step, Trace, Traced};

use crate::routes::row::Path;
use crate::transport::arrived::Sender;

static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
static TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// What a request is called, and whether its client has asked. To be told in its answer.
#[derive(Debug)]
pub(crate) struct Called {
    id: RequestId,
    is_asked: bool,
    /// Rare, and large beside what is not.
    traced: Option<Box<Named>>,
}

/// A trace, and what its request is called in it.
#[derive(Debug)]
struct Named {
    traced: Traced,
    name: String,
}

impl Called {
    /// Of this request, which begins now.
    pub(crate) fn of<B>(request: &Request<B>, sender: &Sender, gateway: &Gateway) -> Self {
        let traced = gateway.begin_trace(|| parent(request.headers()));
        let mut called = Self::by_header(request.headers(), gateway.request_ids());
        if let Some(traced) = traced {
            called.traced = Some(Box::new(called.named(traced, request, sender)));
        }
        called
    }

    /// By the name that the client gives, or by one that is made if it gives none that is fit.
    fn by_header(headers: &HeaderMap, ids: &RequestIds) -> Self {
        let given = headers.get(&X_REQUEST_ID);
        let id = given.and_then(|name| RequestId::given(name.as_bytes()));
        Self {
            id: id.unwrap_or_else(|| ids.make()),
            is_asked: given.is_some(),
            traced: None,
        }
    }

    /// The names of attributes are those of the semantic conventions of `OpenTelemetry`. No query and no header is among them: they may
    /// have secrets.
    #[cold]
    fn named<B>(&self, traced: Traced, request: &Request<B>, sender: &Sender) -> Named {
        let trace = traced.trace();
        let name = request.method().as_str().to_owned();
        trace.note("http.request.method", name.as_str());
        trace.note("url.path", shown(request.uri().path().as_bytes()));
        if let Some(address) = sender.address() {
            trace.note("client.address", address.to_string());
        }
        if let Some(agent) = request.headers().get(USER_AGENT) {
            trace.note("user_agent.original", shown(agent.as_bytes()));
        }
        trace.note("wharf.request_id", self.id.to_string());
        Named { traced, name }
    }

    /// What it is called.
    pub(crate) fn id(&self) -> &RequestId {
        &self.id
    }

    /// Its trace, if there is one.
    pub(crate) fn trace(&self) -> Option<&Arc<Trace>> {
        self.traced.as_ref().map(|named| named.traced.trace())
    }

    /// Begins something that is done for it, and that ends when the result is dropped.
    pub(crate) fn step(&self, name: &'static str) -> Option<Step<'_>> {
        self.trace().map(|trace| trace.step(name))
    }

    /// It is for this route.
    pub(crate) fn is_for(&mut self, path: Path, prefix: &str, scrape_path: &str) {
        if let Some(Named { traced, name }) = self.traced.as_deref_mut() {
            let route = format!("{prefix}{}", pattern(path, scrape_path));
            name.push(' ');
            name.push_str(&route);
            traced.trace().note("http.route", route);
        }
    }

    /// Tells the client: if it has asked, and if it was refused something. Others get the answer of the Pushgateway, and have
    /// nothing to look for in the log.
    pub(crate) fn tell<B>(self, mut response: Response<B>) -> Response<B> {
        let status = response.status();
        let is_refused = status.is_client_error() || status.is_server_error();
        if (self.is_asked || is_refused)
            && let Ok(id) = HeaderValue::try_from(self.id.to_string())
        {
            response.headers_mut().insert(&X_REQUEST_ID, id);
        }
        if let Some(named) = self.traced {
            let Named { traced, name } = *named;
            traced
                .trace()
                .note("http.response.status_code", i64::from(status.as_u16()));
            let ended = if status.is_server_error() {
                Ended::Failed
            } else {
                Ended::Answered
            };
            traced.finish(name, ended);
        }
        response
    }
}

/// The span of the client. Several are none, as the standard says.
fn parent(headers: &HeaderMap) -> Option<Parent> {
    let mut parents = headers.get_all(&TRACEPARENT).iter();
    let parent = parents.next()?;
    let parent = Parent::parse(parent.as_bytes()).filter(|_| parents.next().is_none())?;
    Some(parent.with_state(headers.get_all(&TRACESTATE).iter().map(HeaderValue::as_bytes)))
}

/// Longest text of a request in a trace.
const MAX_TEXT_BYTES: usize = 1024;

/// A text of a request, cut.
fn shown(text: &[u8]) -> String {
    let cut = text.get(..MAX_TEXT_BYTES).unwrap_or(text);
    String::from_utf8_lossy(cut).into_owned()
}

/// A route, with names in the place of what differs from request to request.
fn pattern(path: Path, scrape_path: &str) -> Cow<'_, str> {
    match path {
        Path::Exact(path) | Path::Outside(path) => path.into(),
        Path::Scrape => scrape_path.into(),
        Path::Below(path) => format!("{path}{{path}}").into(),
        Path::Group => "/metrics/job/{group}".into(),
        Path::ApiGroup => "/api/v1/groups/job/{group}".into(),
        Path::Expectation => "/api/v1/expectations/job/{group}".into(),
        Path::ExpectationPause => "/api/v1/expectations/job/{group}/pause".into(),
        Path::ExpectationResume => "/api/v1/expectations/job/{group}/resume".into(),
        Path::ApiGroupReset => "/api/v1/groups/job/{group}/reset".into(),
        Path::ApiGroupHistory => "/api/v1/groups/job/{group}/history".into(),
        Path::ApiGroupBadge => "/api/v1/groups/job/{group}/badge.svg".into(),
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    fn answered(name: Option<&'static str>, status: StatusCode) -> Option<String> {
        let mut headers = HeaderMap::new();
        if let Some(name) = name {
            headers.insert(&X_REQUEST_ID, HeaderValue::from_static(name));
        }
        let mut response = Response::new(());
        *response.status_mut() = status;
        let response = Called::by_header(&headers, &RequestIds::default()).tell(response);
        let id = response.headers().get(&X_REQUEST_ID)?;
        Some(id.to_str().unwrap().to_owned())
    }

    #[test]
    fn who_asks_and_who_is_refused_is_told() {
        assert_eq!(answered(None, StatusCode::OK), None);
        assert_eq!(answered(None, StatusCode::ACCEPTED), None);
        assert_eq!(answered(None, StatusCode::MOVED_PERMANENTLY), None);
        for status in [StatusCode::BAD_REQUEST, StatusCode::SERVICE_UNAVAILABLE] {
            assert_eq!(answered(None, status).unwrap().len(), 16);
            assert_eq!(answered(Some("mine"), status).unwrap(), "mine");
        }
        assert_eq!(answered(Some("mine"), StatusCode::OK).unwrap(), "mine");
    }

    #[test]
    fn a_name_that_is_not_fit_is_replaced() {
        for name in [
            "",
            "with blanks",
            "x-234567890123456789012345678901234567890123456789012345678901234",
        ] {
            let told = answered(Some(name), StatusCode::OK).unwrap();
            assert!(told.len() == 16 && told != name, "{told}");
        }
    }
}
