//! The HTTP service: which requests get in, how they are routed, and what all answers have.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::header::{CONTENT_LENGTH, EXPECT, ORIGIN};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use tokio::sync::Semaphore;
use wharf_gateway::{Caller, Gateway, Peer, Permit, Places, Refusal, Remote, Shutdown, identify};

use crate::answer::api;
use crate::answer::api::Shareable;
use crate::answer::respond;
use crate::answer::status::{self, Denied};
use crate::request::body;
use crate::request::claim;
use crate::request::origin::Origins;
use crate::request::path::{clean, percent_decode, percent_encode};
use crate::request::shape;
use crate::routes::backup;
use crate::routes::description;
use crate::routes::events::{self, NoticeTexts};
use crate::routes::families;
use crate::routes::group;
use crate::routes::groups;
use crate::routes::page;
use crate::routes::push;
use crate::routes::router::{Route, Routed, Router};
use crate::routes::scrape;
use crate::routes::stats;
use crate::routes::visitor;
use crate::transport::access::{Access, Front, TurnedAway};
use crate::transport::chunks::ResponseBody;
use crate::transport::connection::ClientNames;
use crate::transport::door::{Door, Purpose};
use crate::transport::progress::Timeouts;

/// What the flags decide about the HTTP side. Paths are checked and normalised by who makes them.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// In front of every route: empty, or with a slash in front and none behind.
    pub route_prefix: String,
    /// In front of the page's links, as users see the gateway: empty, or as above.
    pub external_prefix: String,
    /// The scrape path, with a slash in front.
    pub telemetry_path: String,
    /// Whether `/-/quit` ends the process.
    pub lifecycle: bool,
    /// Whether the text format is read as strictly as the original reads it.
    pub strict_text: bool,
    /// The status of an accepted push: 200, or 202 for clients that know no other.
    pub success_status: StatusCode,
    /// Whether scrapers that prefer `OpenMetrics` get it.
    pub openmetrics: bool,
    /// Whose pages may ask for changes, and read answers.
    pub origins: Origins,
    /// Limit on a pushed body, as sent and expanded.
    pub max_body_bytes: usize,
    /// Limit on requests being served at once; more get 503.
    pub max_requests_in_flight: usize,
    /// Limit on scrapes, and on requests for all metrics as JSON, being rendered or sent at once; more get 503. So do those
    /// of a client that has half of them.
    pub max_scrapes_in_flight: usize,
    /// Limit on connections. For one more, the one gives way that has been idle for the longest time, if one is; others wait in the
    /// listener's queue.
    pub max_connections: usize,
    /// How many connections may be ending, beside those.
    pub max_ending: usize,
    /// For a request's head, from its first byte on.
    pub header_timeout: Duration,
    /// For a request's body.
    pub body_timeout: Duration,
    /// For a connection without a request; none: for ever.
    pub idle_timeout: Option<Duration>,
}

impl HttpSettings {
    /// What a connection may take its time for.
    pub(crate) fn timeouts(&self) -> Timeouts {
        Timeouts {
            head: self.header_timeout,
            idle: self.idle_timeout,
        }
    }
}

/// How the binary was built.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "the fields are the keys of the JSON API")]
pub struct BuildInformation {
    pub branch: String,
    pub build_date: String,
    pub build_user: String,
    pub go_version: String,
    pub revision: String,
    pub version: String,
}

/// What `/api/v1/status` and `/api/v1/stats` show of the process.
#[derive(Debug, Clone, Default)]
pub struct Status {
    /// How the binary was built.
    pub build_information: BuildInformation,
    /// Every flag with its value.
    pub flags: BTreeMap<String, String>,
    /// The folder in which groups are to be kept; none: they are in memory only.
    pub storage_path: Option<String>,
    /// The configuration file.
    pub config_file: Option<String>,
}

/// The HTTP side of a gateway, behind all connections.
pub struct Service {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) settings: HttpSettings,
    pub(crate) status: Status,
    pub(crate) shutdown: Shutdown,
    pub(crate) scrapes: Arc<Places>,
    /// Places for large bodies being received, and for bodies being dealt with that are large or have to be expanded.
    pub(crate) receiving: Arc<Places>,
    pub(crate) large: Arc<Semaphore>,
    pub(crate) notice_texts: Arc<NoticeTexts>,
    requests: Semaphore,
    /// For addresses that take no pushes, beside those.
    kept_requests: Semaphore,
    turned_away: Semaphore,
    router: Router,
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// Requests that go no further and whose bodies are taken, at once.
const MAX_TURNED_AWAY: usize = 256;

/// Requests at addresses that take no pushes which are served although there are too many.
const KEPT_REQUESTS: usize = 16;

impl Service {
    /// Serves what this gateway does. A request may ask to stop everything.
    pub fn new(gateway: Arc<Gateway>, settings: HttpSettings, status: Status, shutdown: Shutdown) -> Self {
        gateway
            .telemetry()
            .set_connections_limit(settings.max_connections as u64);
        let names = gateway.settings().names;
        Self {
            shutdown,
            scrapes: Places::new(settings.max_scrapes_in_flight),
            receiving: body::places(settings.max_body_bytes),
            large: Arc::new(Semaphore::new(body::MAX_LARGE)),
            notice_texts: Arc::new(NoticeTexts::new(names)),
            turned_away: Semaphore::new(MAX_TURNED_AWAY),
            kept_requests: Semaphore::new(KEPT_REQUESTS),
            requests: Semaphore::new(settings.max_requests_in_flight.min(Semaphore::MAX_PERMITS)),
            router: Router {
                prefix: settings.route_prefix.clone(),
                telemetry_path: settings.telemetry_path.clone(),
                admin_api: gateway.settings().admin_api,
                lifecycle: settings.lifecycle,
            },
            gateway,
            settings,
            status,
        }
    }

    /// The gateway that it serves.
    pub fn gateway(&self) -> &Arc<Gateway> {
        &self.gateway
    }

    /// A place among the scrapes, to be held until the answer has been sent.
    ///
    /// # Errors
    /// If there is none for whoever asks.
    pub(crate) fn scrape_place(&self, caller: &Caller) -> Result<Permit, Refusal> {
        let taken = self.scrapes.take(&caller.client());
        taken.map_err(|full| full.refusal("scrapes", self.scrapes.all()))
    }

    /// The status of an accepted push.
    pub(crate) fn success_status(&self) -> StatusCode {
        if self.gateway.settings().unchecked {
            StatusCode::ACCEPTED
        } else {
            self.settings.success_status
        }
    }

    /// How many requests are being served.
    pub(crate) fn requests_in_flight(&self) -> usize {
        self.settings
            .max_requests_in_flight
            .saturating_sub(self.requests.available_permits())
    }

    /// Answers one request that has come through a door.
    pub(crate) async fn handle(
        self: Arc<Self>,
        request: Request<Incoming>,
        door: &Door,
    ) -> Response<ResponseBody> {
        let _counted = self.gateway.telemetry().request_started();
        if let Err(unreadable) = shape::check(&request) {
            return unreadable.into_response();
        }
        let Some(path) = percent_decode(request.uri().path()) else {
            return respond::unreadable("400 Bad Request");
        };
        if *request.method() == Method::OPTIONS && request.uri().path() == "*" {
            // A question to the server as such, which it answers to everybody.
            self.turn_away(request).await;
            return respond::empty(StatusCode::OK);
        }
        let routed = self.router.route(request.method(), &path);
        let origin = request.headers().get(ORIGIN).cloned();
        let (access, passed) = match door.front().map(Front::pass).transpose() {
            Ok(access) => (access, Ok(())),
            Err(turned) => (None, Err(turned)),
        };
        let admitted = match passed {
            Ok(()) => self.admit(&request, &routed, access.as_deref()).await,
            Err(turned) => Err(turned),
        };
        let mut response = match admitted {
            Ok(caller) => self.handle_admitted(&path, routed, request, &caller, door).await,
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
            self.settings
                .origins
                .share(origin.as_ref(), response.headers_mut());
        }
        if let Some(access) = access {
            access.put_headers(&mut response);
        }
        respond::guard(&mut response);
        response
    }

    /// Finds out who asks.
    fn admit<'r>(
        &'r self,
        request: &'r Request<Incoming>,
        routed: &Routed,
        access: Option<&'r Access>,
    ) -> impl Future<Output = Result<Caller, TurnedAway>> + Send + 'r {
        let (method, headers) = (request.method(), request.headers());
        let is_foreign = self
            .settings
            .origins
            .is_foreign(method, headers, request.uri().authority());
        let needs_right = matches!(routed, Routed::To(route) if route.terms(method).need.is_some());
        let users = access.map(|access| &access.users);
        // Every connection puts its peer into its requests.
        let peer = request.extensions().get::<Peer>();
        let from = peer.map_or(Remote::User(None), |peer| Remote::from(*peer));
        let names = request
            .extensions()
            .get()
            .map_or(&[][..], |ClientNames(names)| names);
        async move {
            if is_foreign {
                return Err(TurnedAway::Foreign);
            }
            let policy = self.gateway.policy();
            let claims = || claim::of(headers);
            identify((policy.access(), users), needs_right, claims, from, names)
                .await
                .map_err(TurnedAway::Refused)
        }
    }

    async fn handle_admitted(
        self: &Arc<Self>,
        path: &[u8],
        routed: Routed,
        request: Request<Incoming>,
        caller: &Caller,
        door: &Door,
    ) -> Response<ResponseBody> {
        let permit = self.requests.try_acquire().or_else(|none| {
            // Whoever looks after the gateway has an address where no pushes come, if they want one.
            let keeps = !door.serves(&[Purpose::Push]);
            if keeps {
                self.kept_requests.try_acquire()
            } else {
                Err(none)
            }
        });
        let Ok(_permit) = permit else {
            let error = Refusal::overloaded("requests", self.settings.max_requests_in_flight);
            match routed {
                Routed::To(route @ Route::Group { key_at })
                    if request.method() != Method::DELETE
                        && door.serves(route.terms(request.method()).at) =>
                {
                    let rest = path.get(self.settings.route_prefix.len() + key_at..);
                    push::refused_before(self, rest.unwrap_or_default(), &request, caller, &error);
                }
                _ => self.gateway.telemetry().record_refusal(error.reason.label()),
            }
            return status::answer(error);
        };
        let asked = request.uri().path();
        let cleaned = clean(asked);
        // CONNECT asks for a host and not for a path.
        if cleaned != asked && !matches!(asked, "" | "*") {
            let request = self.without_body(request).await;
            return redirect(StatusCode::MOVED_PERMANENTLY, &request, &cleaned);
        }
        let started = self.gateway.instant();
        let summary = RequestSummary::of(&request);
        let Routed::To(route) = routed else {
            let request = self.without_body(request).await;
            return unrouted(routed, &request);
        };
        let purposes = route.terms(&summary.method).at;
        if !door.serves(purposes) {
            self.without_body(request).await;
            return respond::at_another_address(purposes);
        }
        let response = Arc::clone(self)
            .dispatch(route, path, request, caller, door)
            .await;
        if let Some(handler) = handler_label(route, &summary.method) {
            self.gateway.telemetry().record_request(
                response.status().as_u16(),
                handler,
                method_label(&summary.method),
            );
        }
        if let Route::Group { .. } | Route::ApiPush = route
            && summary.method != Method::DELETE
        {
            let ended = self.gateway.instant();
            let duration = ended.saturating_duration_since(started);
            self.gateway.telemetry().record_push(
                ended,
                method_label(&summary.method),
                summary.size_bytes,
                duration,
            );
            let is_stored = response.status().is_success();
            self.gateway
                .activity()
                .hour
                .push(is_stored, summary.size_bytes, ended, duration);
        }
        response
    }

    /// Takes the rest of a request that goes no further. It is none of those in flight, and whoever sent it may be nobody: there
    /// is little room for such, and none for their heads. Those beyond may see a broken connection instead of an answer.
    async fn turn_away(&self, request: Request<Incoming>) {
        let (parts, body) = request.into_parts();
        let is_asked_for = !parts.headers.contains_key(EXPECT);
        drop(parts);
        if is_asked_for && let Ok(_permit) = self.turned_away.try_acquire() {
            body::discard(&HeaderMap::new(), body, self.settings.body_timeout).await;
        }
    }

    /// The request without its body, which nobody looks at.
    pub(crate) async fn without_body(&self, request: Request<Incoming>) -> Request<()> {
        let (parts, body) = request.into_parts();
        body::discard(&parts.headers, body, self.settings.body_timeout).await;
        Request::from_parts(parts, ())
    }

    async fn dispatch(
        self: Arc<Self>,
        route: Route,
        path: &[u8],
        request: Request<Incoming>,
        caller: &Caller,
        door: &Door,
    ) -> Response<ResponseBody> {
        let need = route.terms(request.method()).need;
        if let Some(Err(error)) = need.map(|need| caller.demand(need)) {
            self.without_body(request).await;
            return status::answer(error);
        }
        let needs_store = matches!(
            route,
            Route::Group { .. }
                | Route::Scrape
                | Route::ApiMetrics
                | Route::ApiWipe
                | Route::ApiExport
                | Route::ApiImport
                | Route::ApiGroups
                | Route::ApiDeleteGroups
                | Route::ApiPush
                | Route::ApiGroup { .. }
                | Route::ApiDeleteGroup { .. }
                | Route::ApiGroupHistory { .. }
                | Route::ApiFamilies
        );
        if needs_store && let Some(loading) = self.gateway.loading() {
            return status::answer(Refusal::unavailable(&loading));
        }
        if let Route::Group { key_at } = route {
            let key_at = self.settings.route_prefix.len() + key_at;
            return push::handle(self, path.get(key_at..).unwrap_or_default(), request, caller).await;
        }
        if route == Route::ApiPush {
            return push::handle_many(self, request, caller).await;
        }
        if route == Route::ApiImport {
            return backup::import(self, request, caller).await;
        }
        let headers = request.headers().clone();
        let peer = request.extensions().get::<Peer>().and_then(|peer| peer.ip());
        let query = request.uri().query().map(str::to_owned);
        self.without_body(request).await;
        if route == Route::ApiAccess {
            return visitor::show(&self, caller, door);
        }
        if route == Route::ApiEvents {
            return events::follow(&self, caller, door);
        }
        if route == Route::Scrape {
            return scrape::handle(self, query.as_deref(), &headers, caller, peer).await;
        }
        self.answer(route, path, query.as_deref(), &headers, caller, peer)
            .await
    }

    /// Routes whose body does not matter.
    async fn answer(
        self: Arc<Self>,
        route: Route,
        path: &[u8],
        query: Option<&str>,
        headers: &HeaderMap,
        caller: &Caller,
        peer: Option<IpAddr>,
    ) -> Response<ResponseBody> {
        let key = |key_at: usize| {
            let key_at = self.settings.route_prefix.len() + key_at;
            path.get(key_at..).unwrap_or_default().to_vec()
        };
        match route {
            // `dispatch` has sent them elsewhere.
            Route::Group { .. }
            | Route::ApiPush
            | Route::ApiImport
            | Route::Scrape
            | Route::ApiAccess
            | Route::ApiEvents => respond::not_found(),
            Route::Healthy => respond::plain("OK"),
            Route::Ready => match self.gateway.not_ready_to_tell() {
                None => respond::plain("OK"),
                Some(why) => status::answer(Refusal::unavailable(&why)),
            },
            Route::Page => page::page(&self.settings.external_prefix),
            Route::Static => {
                let path = path.get(self.settings.route_prefix.len()..);
                page::static_file(path.unwrap_or_default(), headers)
            }
            Route::Quit => self.quit(caller),
            Route::QuitByGet => {
                let text = "Only POST or PUT requests allowed.";
                respond::with_type(StatusCode::METHOD_NOT_ALLOWED, "text/plain; charset=utf-8", text)
            }
            Route::ApiStatus => api::status(&self, caller),
            Route::ApiMetrics => api::metrics(self, caller).await,
            Route::ApiOptions => api::options(),
            Route::ApiGroups => groups::list(self, query, caller).await,
            Route::ApiDeleteGroups => groups::delete(self, query, caller, peer).await,
            Route::ApiGroup { key_at } => {
                let key = key(key_at);
                group::show(self, &key, query, caller).await
            }
            Route::ApiGroupHistory { key_at } => {
                let key = key(key_at);
                group::history(self, &key, query, caller).await
            }
            Route::ApiDeleteGroup { key_at } => {
                let key = key(key_at);
                group::delete(&self, &key, query, caller).await
            }
            Route::ApiExport => backup::export(self, query, caller).await,
            Route::ApiFamilies => families::list(self, query, caller).await,
            Route::ApiStats => stats::show(self, query, caller).await,
            Route::ApiDescription => description::show(),
            Route::Reload => self.reload_by_request().await,
            Route::ApiWipe => self.wipe(caller, peer).await,
        }
    }

    async fn wipe(&self, caller: &Caller, address: Option<IpAddr>) -> Response<ResponseBody> {
        match self.gateway.wipe(caller, address).await {
            Ok(()) => respond::empty(StatusCode::ACCEPTED),
            Err(refusal) => status::answer(refusal),
        }
    }

    async fn reload_by_request(self: Arc<Self>) -> Response<ResponseBody> {
        match tokio::task::spawn_blocking(move || self.gateway.reload()).await {
            Ok(Ok(())) => respond::empty(StatusCode::OK),
            Ok(Err(error)) => status::answer(Refusal::from(&error)),
            Err(_) => status::answer(Refusal::internal()),
        }
    }

    fn quit(&self, caller: &Caller) -> Response<ResponseBody> {
        if !self.settings.lifecycle {
            let text = "Lifecycle API is not enabled.";
            return respond::with_type(StatusCode::FORBIDDEN, "text/plain; charset=utf-8", text);
        }
        let by = caller.who();
        tracing::warn!(
            by,
            "received termination request via web service, exiting gracefully..."
        );
        self.shutdown.trigger();
        respond::plain("Requesting termination... Goodbye!")
    }
}

/// Answers a request that no handler takes.
fn unrouted(routed: Routed, request: &Request<()>) -> Response<ResponseBody> {
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
        Routed::Options(allow) => respond::options(allow),
        Routed::MethodNotAllowed(allow) => respond::method_not_allowed(allow),
        // What a handler takes does not come here.
        Routed::NotFound | Routed::To(_) => respond::not_found(),
    }
}

/// To another path, the query kept.
fn redirect(status: StatusCode, request: &Request<()>, path: &str) -> Response<ResponseBody> {
    let target = match request.uri().query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    respond::redirect(status, request.method(), &target)
}

/// What telemetry wants to know of a request after it is gone.
struct RequestSummary {
    method: Method,
    size_bytes: u64,
}

impl RequestSummary {
    /// The size counts what the original counts: URL, method, protocol, headers, host and declared body.
    fn of(request: &Request<Incoming>) -> Self {
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
        Self {
            method: request.method().clone(),
            size_bytes: size as u64 + body.unwrap_or(0),
        }
    }
}

/// The `handler` label of `pushgateway_http_requests_total`; none for requests that are not counted.
fn handler_label(route: Route, method: &Method) -> Option<&'static str> {
    match route {
        Route::Group { .. } if *method == Method::DELETE => Some("delete"),
        Route::Group { .. } => Some("push"),
        Route::Page => Some("status"),
        Route::Static => Some("static"),
        Route::Healthy => Some("healthy"),
        Route::Ready => Some("ready"),
        Route::ApiStatus => Some("api/v1/status"),
        Route::ApiMetrics => Some("api/v1/metrics"),
        Route::ApiOptions => Some("api/v1/options"),
        Route::ApiWipe => Some("wipe"),
        Route::ApiGroups
        | Route::ApiDeleteGroups
        | Route::ApiGroup { .. }
        | Route::ApiDeleteGroup { .. }
        | Route::ApiGroupHistory { .. } => Some("api/v1/groups"),
        Route::ApiFamilies => Some("api/v1/families"),
        Route::ApiExport => Some("api/v1/export"),
        Route::ApiImport => Some("api/v1/admin/import"),
        Route::ApiStats => Some("api/v1/stats"),
        Route::ApiEvents => Some("api/v1/events"),
        Route::ApiAccess => Some("api/v1/access"),
        Route::ApiDescription => Some("api/v1/openapi.json"),
        Route::ApiPush => Some("api/v1/push"),
        Route::Reload => Some("reload"),
        Route::Scrape | Route::Quit | Route::QuitByGet => None,
    }
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
