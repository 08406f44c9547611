//! The gateway: store, settings, telemetry and limits, shared by all connections.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use http::header::{CONTENT_LENGTH, EXPECT, ORIGIN};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use tokio::sync::Semaphore;
use wharf_gateway::{
    Active, Caller, Lifespan, Loader, Peer, Permit, Places, Policies, Policy, PushLimits, Readiness, Reading,
    Refusal, ReloadError, Remote, Shutdown, identify,
};
use wharf_model::GroupingKey;
use wharf_model::name::NameRule;
use wharf_store::{Clock, Expired, InstanceLabel, Limits, Reserved, Store, UnixNanos};

use crate::activity::hour::Level;
use crate::activity::refused::RefusedPush;
use crate::activity::{Activity, Pushed};
use crate::ahead::Ahead;
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
use crate::routes::events;
use crate::routes::families;
use crate::routes::group;
use crate::routes::groups;
use crate::routes::page;
use crate::routes::problems;
use crate::routes::push;
use crate::routes::router::{Route, Routed, Router};
use crate::routes::scrape;
use crate::routes::stats;
use crate::routes::visitor;
use crate::telemetry::{self, Telemetry};
use crate::transport::access::{Access, Front, TurnedAway};
use crate::transport::chunks::ResponseBody;
use crate::transport::connection::ClientNames;
use crate::transport::door::{Door, Purpose};
use crate::transport::progress::Timeouts;

/// What the flags decide about the HTTP side. Paths are checked and normalised by who makes them.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct Settings {
    /// In front of every route: empty, or with a slash in front and none behind.
    pub route_prefix: String,
    /// In front of the page's links, as users see the gateway: empty, or as above.
    pub external_prefix: String,
    /// The scrape path, with a slash in front.
    pub telemetry_path: String,
    /// Whether `/-/quit` ends the process.
    pub lifecycle: bool,
    /// Whether everything may be wiped, and groups deleted by selector.
    pub admin_api: bool,
    /// Whether pushes are answered 202 even if they are inconsistent (and then dropped).
    pub unchecked: bool,
    /// Which names pushes may use.
    pub names: NameRule,
    /// Whether the text format is read as strictly as the original reads it.
    pub strict_text: bool,
    /// Whether timestamps are left out of pushes, instead of the push being refused.
    pub strip_timestamps: bool,
    /// What series without an `instance` label get.
    pub instance_label: InstanceLabel,
    /// How long groups stay for which neither the push nor a rule says it.
    pub default_ttl: Lifespan,
    /// The longest time to live that a push may ask for; none: any.
    pub max_ttl: Option<Duration>,
    /// Limits on the labels of a push.
    pub push_limits: PushLimits,
    /// Limits on what is stored, without quotas.
    pub store_limits: Limits,
    /// How much memory the history of pushes may take; 0: there is none.
    pub history_bytes: usize,
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

impl Settings {
    /// What a connection may take its time for.
    pub(crate) fn timeouts(&self) -> Timeouts {
        Timeouts {
            head: self.header_timeout,
            idle: self.idle_timeout,
        }
    }

    /// How many may follow events: each has a connection for itself.
    fn max_readers(&self) -> usize {
        (self.max_connections / READER_SHARE).clamp(1, MAX_READERS)
    }
}

/// Readers of events at once: each is a connection and a timer.
const MAX_READERS: usize = 100;
/// And one of so many connections.
const READER_SHARE: usize = 8;

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
    /// What stands before the gateway at its doors, each once.
    pub fronts: Vec<Arc<Front>>,
}

/// Why the groups are in memory only although nobody has asked for that.
#[derive(Debug, Clone)]
pub struct NotDurable {
    /// The folder that there should be.
    pub folder: String,
    /// Why there is none.
    pub reason: String,
}

impl NotDurable {
    /// What has gone wrong.
    pub(crate) fn cause(&self) -> String {
        format!("cannot make the folder {}: {}", self.folder, self.reason)
    }

    /// The sentence for whoever asks: where things lie is for those who look after the gateway.
    pub(crate) fn to_tell(&self, is_admin: bool) -> String {
        if is_admin {
            self.to_string()
        } else {
            "all groups are in memory only, and gone after a restart".to_owned()
        }
    }
}

/// One sentence for people.
impl fmt::Display for NotDurable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "all groups are in memory only, and gone after a restart: {}",
            self.cause()
        )
    }
}

/// The gateway behind all connections.
pub struct Gateway {
    pub(crate) settings: Settings,
    pub(crate) status: Status,
    pub(crate) store: Arc<Store>,
    /// Whether the store has what its ledger has.
    is_loaded: AtomicBool,
    /// Why the groups are in memory only, if nobody has asked for that.
    not_durable: OnceLock<NotDurable>,
    /// Whether what runs beside requests is ready.
    readiness: Readiness,
    pub(crate) clock: Box<dyn Clock>,
    pub(crate) started_at: UnixNanos,
    pub(crate) telemetry: Telemetry,
    pub(crate) activity: Activity,
    pub(crate) ahead: Ahead,
    pub(crate) shutdown: Shutdown,
    pub(crate) scrapes: Arc<Places>,
    /// Places for large bodies being received, and for bodies being dealt with that are large or have to be expanded.
    pub(crate) receiving: Arc<Places>,
    pub(crate) large: Arc<Semaphore>,
    requests: Semaphore,
    /// For addresses that take no pushes, beside those.
    kept_requests: Semaphore,
    turned_away: Semaphore,
    router: Router,
    policies: Policies,
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// How many times the history is not written after that has failed.
const HISTORY_PAUSE: u32 = 10;

/// Requests that go no further and whose bodies are taken, at once.
const MAX_TURNED_AWAY: usize = 256;

/// Requests at addresses that take no pushes which are served although there are too many.
const KEPT_REQUESTS: usize = 16;

/// How much larger than its body a push may become with the labels of its group on every line.
const LABEL_GROWTH: usize = 8;

impl Gateway {
    /// A gateway with an empty store, under these rules until `loader` gives others. It answers 503 to pushes and scrapes until [`Self::set_loaded`].
    pub fn new(
        settings: Settings,
        status: Status,
        telemetry: Telemetry,
        clock: Box<dyn Clock>,
        shutdown: Shutdown,
        (policy, loader): (Policy, Option<Loader>),
    ) -> Self {
        let reserved = Reserved::new(telemetry::reserved());
        let max_push_bytes = settings.max_body_bytes.saturating_mul(LABEL_GROWTH).min(1 << 31);
        let store = Store::new(reserved, max_push_bytes).with_instance_label(settings.instance_label.clone());
        telemetry.set_connections_limit(settings.max_connections as u64);
        let policies = Policies::new(policy, loader, clock.now());
        store.set_limits(policies.current().limits(&settings.store_limits));
        Self {
            store: Arc::new(store),
            is_loaded: AtomicBool::new(false),
            not_durable: OnceLock::new(),
            readiness: Readiness::default(),
            activity: Activity::new(
                settings.history_bytes,
                settings.names,
                settings.max_readers(),
                clock.now(),
            ),
            ahead: Ahead::default(),
            started_at: clock.now(),
            clock,
            telemetry,
            shutdown,
            scrapes: Places::new(settings.max_scrapes_in_flight),
            receiving: body::places(settings.max_body_bytes),
            large: Arc::new(Semaphore::new(body::MAX_LARGE)),
            turned_away: Semaphore::new(MAX_TURNED_AWAY),
            kept_requests: Semaphore::new(KEPT_REQUESTS),
            requests: Semaphore::new(settings.max_requests_in_flight.min(Semaphore::MAX_PERMITS)),
            router: Router {
                prefix: settings.route_prefix.clone(),
                telemetry_path: settings.telemetry_path.clone(),
                admin_api: settings.admin_api,
                lifecycle: settings.lifecycle,
            },
            policies,
            settings,
            status,
        }
    }

    /// It is ready when these parts are as well.
    #[must_use]
    pub fn with_readiness(self, readiness: Readiness) -> Self {
        Self { readiness, ..self }
    }

    /// The store, to load it and to look after its ledger.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// The store has what its ledger has: pushes and scrapes are welcome.
    pub fn set_loaded(&self) {
        self.is_loaded.store(true, Ordering::Release);
    }

    /// The groups are in memory only, although nobody has asked for that. To be called before [`Self::set_loaded`].
    pub fn set_not_durable(&self, why: NotDurable) {
        // Once is enough.
        let _said = self.not_durable.set(why);
    }

    /// Why they are, if they are.
    pub(crate) fn not_durable(&self) -> Option<&NotDurable> {
        self.not_durable.get()
    }

    /// The rules in force.
    pub(crate) fn policy(&self) -> Arc<Active> {
        self.policies.current()
    }

    /// How the rules in force were read; none without a configuration file.
    pub(crate) fn reading(&self) -> Option<Reading> {
        self.policies.reading()
    }

    /// Reads the rules again. What a reload has made of them is in the log, in the metrics, and on the page. Blocks.
    ///
    /// # Errors
    /// If there is nothing to read, or it cannot be read; the old rules stay in force.
    pub fn reload(&self) -> Result<(), ReloadError> {
        let reloaded = self.policies.reload(self.clock.now(), |rules| {
            self.store.set_limits(rules.limits(&self.settings.store_limits));
        });
        match &reloaded {
            Ok(()) => tracing::info!("configuration file read again"),
            Err(ReloadError::NoFile) => tracing::info!("there is nothing to reload without --config.file"),
            Err(ReloadError::Refused(why)) => {
                tracing::error!(
                    err = why,
                    "the configuration file is not used, the old rules stay"
                );
            }
        }
        reloaded
    }

    /// Takes groups away whose time is over. To be called many times a second, from one thread, once the store is
    /// loaded; costs what expires.
    pub fn expire(&self) {
        let now = self.clock.now();
        self.ahead.watch(&self.store, now);
        match self.store.expire(now) {
            Ok(expired) if expired == Expired::default() => {}
            Ok(Expired { deleted, kept_times }) => {
                let gone = deleted.len();
                self.telemetry.record_expired(gone as u64, kept_times as u64);
                tracing::info!(groups = gone + kept_times, kept_times, "groups expired");
                self.activity.deleted(deleted);
            }
            // The disk takes nothing; that is in the log already, and they expire when it does again.
            Err(error) => tracing::debug!(err = %error, "groups cannot expire now"),
        }
    }

    /// Looks at what goes on, for those who want to know: takes the history down, and tells readers of changes. To be
    /// called a few times a second, from one thread; costs what has happened.
    pub fn observe(&self) {
        if let Some(history) = self.activity.history() {
            history.settle();
        }
        self.activity.tell_problems(problems::of(self));
        self.activity.changes.publish();
        let now = self.clock.now();
        if let Some(statistics) = self.store.writer_statistics() {
            let mut disk = self.activity.disk();
            if disk.syncs != statistics.commits {
                disk.syncs = statistics.commits;
                disk.last_sync = Some(now);
            }
            if !statistics.is_up
                && let Some(reason) = self.store.failure()
            {
                disk.last_error = Some((now, reason));
            }
        }
    }

    /// Writes down how much there is now. To be called every second; a look at `/proc` is among it.
    pub fn measure(&self) {
        let totals = self.store.totals();
        let level = Level {
            groups: totals.groups as u64,
            series: totals.series,
            bytes: totals.bytes,
            memory_bytes: telemetry::resident_bytes().unwrap_or_default(),
        };
        let now = Instant::now();
        self.activity.hour.level(now, level);
        self.activity.hour.set_clock(now, self.clock.now());
    }

    /// Reads the history of a folder, in which it is kept from now on. To be called once the store is loaded. Blocks.
    pub fn open_history(&self, folder: &Path) {
        let Some(history) = self.activity.history() else {
            return;
        };
        match history.open(folder) {
            Ok(opened) => {
                history.retain(|key| self.store.has_group(key));
                self.activity.disk().keeps_history = true;
                if let (Some(aside), Some(damage)) = (opened.set_aside, opened.damage) {
                    let file = aside.display();
                    tracing::warn!(%file, err = damage, "a part of the history of pushes cannot be read; its file was set aside");
                }
            }
            Err(error) => {
                self.activity.disk().history_failure = Some(error.to_string());
                tracing::warn!(err = %error, "the history of pushes is in memory only");
            }
        }
    }

    /// Writes the history down, if it is kept. To be called about once a second, and at the end. Blocks.
    pub fn save_history(&self) {
        let Some(history) = self.activity.history() else {
            return;
        };
        {
            let mut disk = self.activity.disk();
            if !disk.keeps_history || disk.pause > 0 {
                disk.pause = disk.pause.saturating_sub(1);
                return;
            }
        }
        let failure = history.save().err().map(|error| error.to_string());
        let mut disk = self.activity.disk();
        match (&disk.history_failure, &failure) {
            (None, Some(error)) => tracing::warn!(err = error, "the history of pushes cannot be written"),
            (Some(_), None) => tracing::info!("the history of pushes is written again"),
            _ => {}
        }
        // All of it is to be written then, and a disk that fails has other worries.
        disk.pause = if failure.is_some() { HISTORY_PAUSE } else { 0 };
        disk.history_failure = failure;
    }

    /// Books a push that was not stored; without a group if it names none.
    pub(crate) fn record_refusal(&self, error: &Refusal, push: Option<Pushed>, address: Option<IpAddr>) {
        self.telemetry.record_refusal(error.reason.label());
        let now = self.clock.now();
        if error.reason.is_of_body() {
            self.log_unreadable(error, push.as_ref(), address, now);
        }
        let key = push.as_ref().map(|push| &push.key);
        self.activity
            .refused
            .add(RefusedPush::new(now, error, address, key));
        if let Some(push) = push {
            self.record_refusal_of(push, error);
        }
    }

    /// Books what a refused push means for one group.
    ///
    /// A group that does not exist gets no history: whoever pushes nonsense to ever new groups would push that of others
    /// out. Nor does one that the sender had no right to push to: its history is not theirs to write.
    pub(crate) fn record_refusal_of(&self, push: Pushed, error: &Refusal) {
        if error.reason.lacks().is_none() && self.store.has_group(&push.key) {
            self.activity.refused(push, error, self.clock.now());
        }
    }

    /// Logs that a body could not be read. Pushes that contradict something are logged where that is found.
    fn log_unreadable(
        &self,
        error: &Refusal,
        push: Option<&Pushed>,
        address: Option<IpAddr>,
        now: UnixNanos,
    ) {
        let Some(left_out) = self.activity.refusal_log.turn(now) else {
            return;
        };
        let err = error.text.lines().next().unwrap_or_default();
        let group = push.map(|push| push.key.brief());
        let method = push.map(|push| push.method.as_str());
        let source = address.map(|address| address.to_string());
        let not_logged = (left_out > 0).then_some(left_out);
        tracing::warn!(
            method,
            source,
            group,
            err,
            not_logged,
            "a pushed body could not be read"
        );
    }

    /// A place among the scrapes, to be held until the answer has been sent.
    ///
    /// # Errors
    /// 503 if there is none for whoever asks.
    pub(crate) fn scrape_place(&self, caller: &Caller) -> Result<Permit, Refusal> {
        let taken = self.scrapes.take(&caller.client());
        taken.map_err(|full| full.refusal("scrapes", self.scrapes.all()))
    }

    /// Deletes a group; whether there was one.
    ///
    /// # Errors
    /// 503 if that cannot be stored.
    pub(crate) async fn delete(&self, key: &GroupingKey) -> Result<bool, Refusal> {
        let (existed, commit) = self.store.delete(key)?;
        commit.wait().await?;
        if existed {
            self.activity.deleted([key.clone()]);
        } else if let Some(history) = self.activity.history() {
            // A push that was answered while its group was deleted may have left some.
            history.forget(key.clone());
        }
        Ok(existed)
    }

    /// The status of an accepted push.
    pub(crate) fn success_status(&self) -> StatusCode {
        if self.settings.unchecked {
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

    /// What to say while the store does not have yet what its ledger has.
    pub(crate) fn loading(&self) -> Option<&'static str> {
        let is_loaded = self.is_loaded.load(Ordering::Acquire);
        (!is_loaded).then_some("the stored groups are still being loaded")
    }

    /// Why the gateway is not ready, if it is not.
    pub(crate) fn not_ready(&self) -> Option<String> {
        if let Some(loading) = self.loading() {
            return Some(loading.to_owned());
        }
        if let Some(part) = self.readiness.waits_for() {
            return Some(format!("the part `{part}` is still starting"));
        }
        self.store
            .failure()
            .map(|reason| format!("cannot store pushes now: {reason}"))
    }

    /// The same for anybody: where rules say who may see what, the reason, which names files, is not for all.
    fn not_ready_to_tell(&self) -> Option<String> {
        let why = self.not_ready()?;
        let is_starting = self.loading().is_some() || self.readiness.waits_for().is_some();
        let is_secret = !is_starting && self.policy().access().is_some();
        Some(if is_secret {
            "cannot store pushes now".to_owned()
        } else {
            why
        })
    }

    /// Answers one request that has come through a door.
    pub(crate) async fn handle(
        self: Arc<Self>,
        request: Request<Incoming>,
        door: &Door,
    ) -> Response<ResponseBody> {
        let _counted = self.telemetry.request_started();
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
                self.telemetry.record_turned_away(turned.reason());
                self.turn_away(request).await;
                status::answer_turned_away(turned)
            }
        };
        if let Some(Denied(right)) = response.extensions().get() {
            self.telemetry.record_denial(*right);
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
            let policy = self.policy();
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
                _ => self.telemetry.record_refusal(error.reason.label()),
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
        let started = Instant::now();
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
            self.telemetry
                .record_request(response.status().as_u16(), handler, &summary.method);
        }
        if let Route::Group { .. } | Route::ApiPush = route
            && summary.method != Method::DELETE
        {
            let (ended, duration) = (Instant::now(), started.elapsed());
            self.telemetry
                .record_push(&summary.method, summary.size_bytes, duration);
            let is_stored = response.status().is_success();
            self.activity
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
        if needs_store && let Some(loading) = self.loading() {
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
            Route::Ready => match self.not_ready_to_tell() {
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
            Route::ApiWipe => self.wipe(caller, peer).await.unwrap_or_else(status::answer),
        }
    }

    async fn wipe(
        &self,
        caller: &Caller,
        address: Option<IpAddr>,
    ) -> Result<Response<ResponseBody>, Refusal> {
        let (groups, commit) = self.store.wipe()?;
        commit.wait().await?;
        self.activity.wiped();
        let address = address.map(tracing::field::display);
        tracing::info!(groups, by = caller.who(), address, "all groups wiped");
        Ok(respond::empty(StatusCode::ACCEPTED))
    }

    async fn reload_by_request(self: Arc<Self>) -> Response<ResponseBody> {
        match tokio::task::spawn_blocking(move || self.reload()).await {
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
