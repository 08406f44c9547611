//! From a request to its answer: who gets in, which route it is, and what all answers have.

use std::sync::Arc;

use http::header::{CONTENT_LENGTH, ORIGIN, TRANSFER_ENCODING};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use wharf_gateway::{Caller, Input, Refusal, Remote, Source, identify};

use crate::answer::envelope::Shareable;
use crate::answer::respond;
use crate::answer::status::{self, Denied};
use crate::request::called::Called;
use crate::request::path::{clean, percent_decode, percent_encode};
use crate::request::{body, claim, shape};
use crate::routes::router::{Routed, Router};
use crate::routes::row::{Asked, Handler, Path, Row};
use crate::routes::table::{PUSH, ROWS};
use crate::routes::{aggregate, push};
use crate::service::Service;
use crate::transport::access::{Access, AccessControl, TurnedAway};
use crate::transport::arrived::{Arrived, Sender};
use crate::transport::chunks::ResponseBody;
use crate::transport::entry_point::EntryPoint;

impl Service {
    /// Answers one request that has come through an entry point.
    pub(crate) async fn handle(
        self: Arc<Self>,
        request: Arrived,
        sender: &Sender,
        entry_point: &EntryPoint,
    ) -> Response<ResponseBody> {
        let _counted = self.gateway.telemetry().request_started();
        let mut called = Called::of(&request, sender, &self.gateway);
        if let Err(unreadable) = shape::check(&request) {
            return called.tell(unreadable.into_response());
        }
        let Some(path) = percent_decode(request.uri().path()) else {
            return called.tell(respond::unreadable("400 Bad Request"));
        };
        if *request.method() == Method::OPTIONS && request.uri().path() == "*" {
            // A question to the server as such, which it answers to everybody.
            self.turn_away(request).await;
            return called.tell(respond::empty(StatusCode::OK));
        }
        let routed = if entry_point.is_aggregate() {
            aggregate::route(entry_point, request.method(), &path, &self.route_prefix)
        } else {
            self.router().route(request.method(), &path)
        };
        if let Routed::To(row, _) = &routed {
            called.is_for(row.path, &self.route_prefix, &self.settings.routes.telemetry_path);
        }
        let origin = request.headers().get(ORIGIN).cloned();
        let (access, passed) = match entry_point.access_control().map(AccessControl::pass).transpose() {
            Ok(access) => (access, Ok(())),
            Err(turned) => (None, Err(turned)),
        };
        let authorizing = called.step("authorize");
        let admitted = match passed {
            Ok(()) => self.admit((&request, sender), &routed, access.as_deref()).await,
            Err(turned) => Err(turned),
        };
        drop(authorizing);
        let mut response = match admitted {
            Ok(caller) => {
                self.handle_admitted(&path, routed, (request, sender), (&caller, &called), entry_point)
                    .await
            }
            Err(turned) => {
                self.gateway.telemetry().record_turned_away(turned.reason());
                self.turn_away(request).await;
                status::answer_turned_away(turned)
            }
        };
        if let Some(Denied(right)) = response.extensions().get() {
            self.gateway.telemetry().record_denial(*right);
        }
        if response.extensions().get::<Shareable>().is_some() {
            self.origins.share(origin.as_ref(), response.headers_mut());
        }
        if let Some(access) = access {
            access.put_headers(&mut response);
        }
        respond::guard(&mut response);
        called.tell(response)
    }

    /// Finds out who asks.
    fn admit<'r>(
        &'r self,
        (request, sender): (&'r Request<Incoming>, &'r Sender),
        routed: &Routed,
        access: Option<&'r Access>,
    ) -> impl Future<Output = Result<Caller, TurnedAway>> + Send + 'r {
        let (method, headers) = (request.method(), request.headers());
        let is_foreign = self
            .origins
            .is_foreign(method, headers, request.uri().authority());
        let needs_right = matches!(routed, Routed::To(row, _) if row.need.is_some());
        let users = access.map(|access| &access.users);
        let from = Remote::from(sender.peer);
        async move {
            if is_foreign {
                return Err(TurnedAway::Foreign);
            }
            let policy = self.gateway.policy();
            let claims = || claim::of(headers);
            identify((policy.access(), users), needs_right, claims, from, &sender.names)
                .await
                .map_err(TurnedAway::Refused)
        }
    }

    async fn handle_admitted(
        self: &Arc<Self>,
        path: &[u8],
        routed: Routed,
        (mut request, sender): (Arrived, &Sender),
        (caller, called): (&Caller, &Called),
        entry_point: &EntryPoint,
    ) -> Response<ResponseBody> {
        let permit = self.requests.try_acquire().or_else(|none| {
            // Whoever looks after the gateway has an address where no pushes come, if they want one. And whoever asks whether it
            // lives kills it if there is no answer.
            let is_probe = matches!(routed, Routed::To(row, _) if row.is_probe());
            let keeps = is_probe || !entry_point.takes_pushes();
            if keeps {
                self.kept_requests.try_acquire()
            } else {
                Err(none)
            }
        });
        let Ok(_permit) = permit else {
            let error = Refusal::overloaded("requests", self.max_requests_in_flight);
            match routed {
                Routed::To(row, key_at) if *row == PUSH && entry_point.serves(row.at) => {
                    let rest = path.get(self.route_prefix.len() + key_at..);
                    let source = self.source((&request, called), sender, Input::Push);
                    let rest = rest.unwrap_or_default();
                    push::refused_before(self, rest, &request, (caller, &source), &error);
                }
                _ => self.gateway.telemetry().record_refusal(error.reason.label()),
            }
            return status::answer(error);
        };
        let asked = request.uri().path();
        // CONNECT asks for a host and not for a path. And labels of a part may be empty.
        if !matches!(asked, "" | "*")
            && !entry_point.is_aggregate()
            && let Some(cleaned) = clean(asked)
        {
            self.without_body(&mut request).await;
            return redirect(StatusCode::MOVED_PERMANENTLY, &request, &cleaned);
        }
        let Routed::To(row, key_at) = routed else {
            self.without_body(&mut request).await;
            return unrouted(routed, &request);
        };
        if !entry_point.serves(row.at) {
            self.without_body(&mut request).await;
            return respond::at_another_address(row.at);
        }
        let method = method_label(request.method());
        let source = row
            .input
            .map(|input| self.source((&request, called), sender, input));
        let push = source.as_ref().map(|source| (source.began, source.request_bytes));
        let response = Arc::clone(self)
            .dispatch(
                (row, key_at),
                path,
                (request, sender),
                caller,
                (entry_point, source),
            )
            .await;
        let telemetry = self.gateway.telemetry();
        if let Some(label) = row.label {
            telemetry.record_request(response.status().as_u16(), label, method);
        }
        if let Some((began, request_bytes)) = push {
            let ended = self.gateway.instant();
            let duration = ended.saturating_duration_since(began);
            telemetry.record_push(ended, method, request_bytes, duration);
        }
        response
    }

    /// Where a push comes from, which begins now.
    fn source(
        &self,
        (request, called): (&Request<Incoming>, &Called),
        sender: &Sender,
        input: Input,
    ) -> Source {
        Source {
            input,
            peer: Some(sender.peer),
            request_id: called.id().clone(),
            trace: called.trace().cloned(),
            began: self.gateway.instant(),
            request_bytes: size_bytes(request),
        }
    }

    fn router(&self) -> Router<'_> {
        Router {
            prefix: &self.route_prefix,
            telemetry_path: &self.settings.routes.telemetry_path,
            admin_api: self.gateway.settings().admin.enabled,
            lifecycle: self.settings.routes.lifecycle,
        }
    }

    /// Takes the rest of a request that goes no further. It is none of those in flight, and whoever sent it may be nobody: there
    /// is little room for such, and none for their heads. Those beyond may see a broken connection instead of an answer.
    async fn turn_away(&self, request: Arrived) {
        let (parts, mut body) = (*request).into_parts();
        let asks_first = body::asks_first(&parts.headers);
        drop(parts);
        if let Ok(_permit) = self.turned_away.try_acquire() {
            body::discard(asks_first, &mut body, self.settings.timeouts.body()).await;
        }
    }

    /// Takes the body of a request, which nobody looks at.
    pub(crate) async fn without_body(&self, request: &mut Request<Incoming>) {
        let asks_first = body::asks_first(request.headers());
        body::discard(asks_first, request.body_mut(), self.settings.timeouts.body()).await;
    }

    /// A push gets no further than its route.
    fn count_unstored(&self, source: Option<&Source>) {
        if let Some(source) = source {
            self.gateway.book_request(source, false);
        }
    }

    async fn dispatch(
        self: Arc<Self>,
        (row, key_at): (&'static Row, usize),
        path: &[u8],
        (mut request, sender): (Arrived, &Sender),
        caller: &Caller,
        (entry_point, source): (&EntryPoint, Option<Source>),
    ) -> Response<ResponseBody> {
        if let Some(Err(refusal)) = row.need.map(|need| caller.demand(need)) {
            self.count_unstored(source.as_ref());
            self.without_body(&mut request).await;
            return status::answer(refusal);
        }
        if row.needs_store
            && let Some(loading) = self.gateway.loading()
        {
            self.count_unstored(source.as_ref());
            return status::answer(Refusal::unavailable(&loading));
        }
        let key_at = self.route_prefix.len() + key_at;
        let mut asked = Asked {
            service: self,
            caller,
            entry_point,
            sender,
            source,
            path: path.get(key_at..).unwrap_or_default(),
            headers: HeaderMap::new(),
            query: None,
            rows: &ROWS,
        };
        if let Handler::WithBody(handler) = row.handler {
            return handler(asked, request).await;
        }
        asked.service.without_body(&mut request).await;
        asked.headers = std::mem::take(request.headers_mut());
        asked.query = request.uri().query();
        match row.handler {
            Handler::Now(handler) => handler(&asked),
            Handler::Later(handler) => handler(asked).await,
            // Has been dealt with.
            Handler::WithBody(_) => respond::not_found(),
        }
    }
}

/// For clients that push with GET: the Go library of `VictoriaMetrics` does, if it is not told otherwise.
const PUSH_BY_GET: &str = "hint: a push is a PUT or a POST: tell your client which\n";

fn brings_body(headers: &HeaderMap) -> bool {
    headers.contains_key(TRANSFER_ENCODING) || headers.get(CONTENT_LENGTH).is_some_and(|length| length != "0")
}

/// Answers a request that no handler takes.
fn unrouted(routed: Routed, request: &Request<Incoming>) -> Response<ResponseBody> {
    match routed {
        Routed::Redirect(target) => {
            let get = matches!(*request.method(), Method::GET | Method::HEAD);
            let status = if get {
                StatusCode::MOVED_PERMANENTLY
            } else {
                StatusCode::TEMPORARY_REDIRECT
            };
            redirect(status, request, &percent_encode(&target))
        }
        Routed::Options(allow) => respond::options(&allow),
        Routed::MethodNotAllowed { allow, path } => {
            let is_push =
                path == Path::Group && *request.method() == Method::GET && brings_body(request.headers());
            respond::method_not_allowed(&allow, is_push.then_some(PUSH_BY_GET))
        }
        // What a handler takes does not come here.
        Routed::NotFound | Routed::To(..) => respond::not_found(),
    }
}

/// To another path, the query kept.
fn redirect(status: StatusCode, request: &Request<Incoming>, path: &str) -> Response<ResponseBody> {
    let target = match request.uri().query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    respond::redirect(status, request.method(), &target)
}

/// The size of a request as the Pushgateway reckons it: URL, method, protocol, headers, host and declared body.
fn size_bytes(request: &Request<Incoming>) -> u64 {
    let url = request.uri().path_and_query().map_or(0, |url| url.as_str().len());
    let protocol = "HTTP/1.1".len();
    let headers = request.headers().iter();
    let headers: usize = headers
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    let body = request
        .headers()
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let size = url + request.method().as_str().len() + protocol + headers;
    size as u64 + body.unwrap_or(0)
}

/// The `method` label of metrics: in lower case, and from a small set, whatever clients invent.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::DELETE => "delete",
        Method::GET => "get",
        Method::OPTIONS => "options",
        Method::POST => "post",
        Method::PUT => "put",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_of_clients_imagination_share_a_label() {
        let label = |name: &str| method_label(&Method::from_bytes(name.as_bytes()).unwrap());
        assert_eq!(
            ["BREW", "put", "PROPFIND", "PUT"].map(label),
            ["other", "other", "other", "put"]
        );
    }
}
