//! PUT, POST and DELETE of a group, and a push to many groups at once.

mod many;

use std::cell::Cell;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use tokio::sync::OwnedSemaphorePermit;
use wharf_exposition::{openmetrics, protobuf, text};
use wharf_gateway::{Active, Caller, Content, Need, Peer, Permit, Pushed, Refusal, Right};
use wharf_model::{Exposition, GroupingKey};
use wharf_store::{Commit, Gist, PushError, PushMode, Store, TextBody};

use crate::answer::respond;
use crate::answer::status;
use crate::request::advice;
use crate::request::body::{self, ContentEncoding};
use crate::request::content::{self, BodyFormat};
use crate::request::grouping::{self, UrlError};
use crate::request::options::{PushOptions, replaced_by};
use crate::service::Service;
use crate::transport::chunks::ResponseBody;

pub(crate) use self::many::handle as handle_many;

/// Bodies from this size on are decoded away from the threads that serve connections.
const LARGE_BODY_BYTES: usize = 64 * 1024;
/// The same for compressed ones, which may expand a thousand times.
const LARGE_COMPRESSED_BYTES: usize = 4 * 1024;
/// How often a push lets its thread do something else while the store is busy. Then it waits in line.
const GIVES_WAY: u32 = 4;

/// Books a push that does not get as far as [`handle`], with the path that this would get.
pub(crate) fn refused_before(
    service: &Service,
    rest: &[u8],
    request: &Request<Incoming>,
    caller: &Caller,
    error: &Refusal,
) {
    let pushed = grouping::parse(rest, service.gateway.settings().names)
        .ok()
        .map(|key| Pushed {
            key,
            mode: replaced_by(request.method()),
            content: Content::default(),
        });
    // Who may not push there is none whose push was refused.
    let pushed = pushed.filter(|pushed| caller.demand_for(Right::Push, &pushed.key).is_ok());
    let address = peer(request).and_then(Peer::ip);
    service.gateway.record_refusal(error, pushed, address);
}

/// Answers a request for the group whose key is `rest`, the path behind `/metrics/job`.
pub(crate) async fn handle(
    service: Arc<Service>,
    rest: &[u8],
    request: Request<Incoming>,
    caller: &Caller,
) -> Response<ResponseBody> {
    let key = grouping::parse(rest, service.gateway.settings().names);
    if *request.method() == Method::DELETE {
        let deleted = delete(&service, key, request, caller).await;
        return deleted.unwrap_or_else(status::answer);
    }
    let address = peer(&request).and_then(Peer::ip);
    let key = match key {
        Ok(key) => key,
        Err(error) => {
            tracing::debug!(url = %grouping::GoQuoted(rest), err = %error, "failed to parse URL");
            service.without_body(request).await;
            let error = Refusal::from(error);
            service.gateway.record_refusal(&error, None, address);
            return status::answer(error);
        }
    };
    let mut pushed = Pushed {
        key: key.clone(),
        mode: replaced_by(request.method()),
        content: Content::default(),
    };
    let answered = match admit(&service, key, &request, caller) {
        Ok(admitted) => push(Arc::clone(&service), admitted, request, &mut pushed.content).await,
        Err(error) => {
            service.without_body(request).await;
            Err(error)
        }
    };
    match &answered {
        Ok(None) => service.gateway.activity().stored(pushed, service.gateway.now()),
        Ok(Some(error)) | Err(error) => service.gateway.record_refusal(error, Some(pushed), address),
    }
    match answered {
        Ok(_) => respond::empty(service.success_status()),
        Err(error) => status::answer(error),
    }
}

fn peer(request: &Request<Incoming>) -> Option<Peer> {
    request.extensions().get::<Peer>().copied()
}

async fn delete(
    service: &Service,
    key: Result<GroupingKey, UrlError>,
    request: Request<Incoming>,
    caller: &Caller,
) -> Result<Response<ResponseBody>, Refusal> {
    service.without_body(request).await;
    match key {
        Ok(key) => {
            caller.demand_for(Right::Delete, &key)?;
            service.gateway.delete(&key).await?;
        }
        // Such a group cannot exist, and deleting what does not exist succeeds.
        Err(UrlError::NotUtf8 { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(respond::empty(StatusCode::ACCEPTED))
}

/// A push that may go on: what can be known before its body comes is in order.
struct Admitted {
    key: GroupingKey,
    options: PushOptions,
    rules: Arc<Active>,
    caller: Caller,
}

/// The key is that of the group as it is stored: nothing that comes later, relabelling neither, can change it.
fn admit(
    service: &Service,
    key: GroupingKey,
    request: &Request<Incoming>,
    caller: &Caller,
) -> Result<Admitted, Refusal> {
    caller.demand_for(Right::Push, &key)?;
    let settings = service.gateway.settings();
    let options = PushOptions::of(
        request.method(),
        request.uri().query(),
        request.headers(),
        settings.max_ttl,
        settings.admin_api,
    )?;
    demand_date(&options, caller)?;
    settings.push_limits.check_key(&key)?;
    let rules = service.gateway.policy();
    rules
        .admit(&key, Instant::now)
        .map_err(|error| Refusal::from(&error))?;
    Ok(Admitted {
        key,
        options,
        rules,
        caller: caller.clone(),
    })
}

/// Who sets the time of a push can make a job that has failed look sound: that is not for everybody who may push.
fn demand_date(options: &PushOptions, caller: &Caller) -> Result<(), Refusal> {
    if options.is_dated() {
        caller.demand(Need::ForEvery(Right::Admin))?;
    }
    Ok(())
}

/// The error is that of a push that is dropped although it is answered with success.
async fn push(
    service: Arc<Service>,
    admitted: Admitted,
    request: Request<Incoming>,
    content: &mut Content,
) -> Result<Option<Refusal>, Refusal> {
    let received = Received::read(&service, request, &admitted.caller).await?;
    content.body_bytes = received.body.len() as u64;
    let worker = Arc::clone(&service);
    // Also a small one takes long that replaces very many families.
    let replaces_many =
        admitted.options.mode == PushMode::ReplaceGroup && service.gateway.store().is_large(&admitted.key);
    let run = if received.is_large() || replaces_many {
        let mut read = *content;
        let run = tokio::task::spawn_blocking(move || {
            let run = admitted.run(&received, &worker, &mut read);
            (run, read)
        });
        let (run, read) = run.await.unwrap_or((Err(Refusal::internal()), *content));
        *content = read;
        run
    } else {
        give_way(service.gateway.store()).await;
        let run = admitted.run(&received, &worker, content);
        // Its places are not for those who wait for the disk.
        drop(received);
        run
    };
    match run? {
        Ran::Stored(commit) => commit.wait().await.map(|()| None).map_err(Refusal::from),
        Ran::Dropped(error) => Ok(Some(error)),
    }
}

/// Lets other requests go on until the store is free, or for some turns. A thread that waits for a lock serves nobody.
async fn give_way(store: &Store) {
    let mut turns = 0;
    while turns < GIVES_WAY && store.is_busy() {
        tokio::task::yield_now().await;
        turns += 1;
    }
}

/// What has become of a push that is answered with success.
enum Ran {
    /// It is stored when this has been waited for.
    Stored(Commit),
    /// It was dropped all the same.
    Dropped(Refusal),
}

impl Admitted {
    fn run(&self, received: &Received, service: &Service, content: &mut Content) -> Result<Ran, Refusal> {
        let Self {
            key,
            options,
            rules,
            caller,
        } = self;
        let settings = service.gateway.settings();
        let body = received.expand(service.settings.max_body_bytes)?;
        let ttl = rules.ttl(key, options.ttl, settings.default_ttl);
        let (store, mode) = (&service.gateway.store(), options.mode);
        let now = options.time(service.gateway.now());
        let pushed = if received.format == BodyFormat::Text && rules.relabelling().is_empty() {
            let text = PushedText {
                service,
                received,
                text: &body,
                content: Cell::new(*content),
            };
            let pushed = store.push_text(key, mode, &text, ttl, now);
            *content = text.content.get();
            pushed?
        } else {
            let mut exposition = received.decode(service, &body)?;
            content.read(&exposition);
            let relabelled =
                wharf_relabel::relabel(rules.relabelling(), key, &mut exposition, settings.names)
                    .map_err(|error| Refusal::from(&error))?;
            service.gateway.telemetry().record_dropped(relabelled.dropped);
            store.push_with_ttl(key, mode, &exposition, ttl, now)
        };
        let error = match pushed {
            Ok(commit) => return Ok(Ran::Stored(commit)),
            Err(error) => error,
        };
        let is_inconsistent = received.log_inconsistent(key, &error);
        let refused = wharf_gateway::of_push(error, caller);
        if settings.unchecked && is_inconsistent {
            // Who switched the check off expects 202; what would break scrapes is dropped all the same.
            return Ok(Ran::Dropped(refused));
        }
        Err(refused)
    }
}

/// Whether a refusal is due to what was pushed.
fn is_inconsistent(error: &PushError) -> bool {
    matches!(error, PushError::Timestamps(_) | PushError::Inconsistent(_))
}

/// A body in the text format, for a store that may know it already.
struct PushedText<'a> {
    service: &'a Service,
    received: &'a Received,
    text: &'a [u8],
    content: Cell<Content>,
}

impl PushedText<'_> {
    fn add(&self, what: impl FnOnce(&mut Content)) {
        let mut content = self.content.get();
        what(&mut content);
        self.content.set(content);
    }
}

impl TextBody for PushedText<'_> {
    type Error = Refusal;

    fn text(&self) -> &[u8] {
        self.text
    }

    fn decode<'t>(&self, text: &'t [u8]) -> Result<Exposition<'t>, Refusal> {
        self.received.decode(self.service, text)
    }

    fn was_read(&self, exposition: &Exposition<'_>) {
        self.add(|content| content.read(exposition));
    }

    fn was_known(&self, gist: &Gist<'_>) {
        self.add(|content| content.read_gist(gist));
    }
}

/// The body of a push, and what its request says about it.
pub(crate) struct Received {
    headers: HeaderMap,
    encoding: ContentEncoding,
    format: BodyFormat,
    body: Bytes,
    /// Held as long as this is.
    _places: (Option<Permit>, Option<OwnedSemaphorePermit>),
    method: Method,
    peer: Option<Peer>,
}

impl Received {
    /// Reads the body of a request as it was sent.
    pub(crate) async fn read(
        service: &Service,
        request: Request<Incoming>,
        caller: &Caller,
    ) -> Result<Self, Refusal> {
        let (parts, incoming) = request.into_parts();
        let (limit, timeout) = (service.settings.max_body_bytes, service.settings.body_timeout);
        let receiving = (&service.receiving, &caller.client());
        let (body, received) = body::read(&parts.headers, incoming, limit, timeout, receiving).await?;
        let encoding = ContentEncoding::of(&parts.headers);
        // Whoever has a place only computes, so that this does not take long.
        let place = if encoding != ContentEncoding::Identity || body.len() > body::LARGE_BYTES {
            Arc::clone(&service.large).acquire_owned().await.ok()
        } else {
            None
        };
        Ok(Self {
            encoding,
            format: content::format(&parts.headers),
            headers: parts.headers,
            body,
            _places: (received, place),
            method: parts.method,
            peer: parts.extensions.get::<Peer>().copied(),
        })
    }

    /// Whether there is much to do about it.
    fn is_large(&self) -> bool {
        let from = match self.encoding {
            ContentEncoding::Identity => LARGE_BODY_BYTES,
            _ => LARGE_COMPRESSED_BYTES,
        };
        self.body.len() >= from
    }

    pub(crate) fn expand(&self, max_bytes: usize) -> Result<Bytes, Refusal> {
        body::expand(self.encoding, self.body.clone(), max_bytes)
            .map_err(|error| Refusal::from(error).with_advice(&advice::on_coding(&self.headers, &self.body)))
    }

    /// The expanded body as families, within the limits, and without timestamps if those are to be left out.
    fn decode<'b>(&self, service: &Service, body: &'b [u8]) -> Result<Exposition<'b>, Refusal> {
        let settings = service.gateway.settings();
        let names = settings.names;
        let decoded = match self.format {
            BodyFormat::Text => {
                let options = text::Options {
                    names,
                    strict: service.settings.strict_text || advice::is_lost_in_a_comment(body),
                };
                text::decode(body, options).map_err(|error| Refusal::syntax(&error))
            }
            BodyFormat::OpenMetrics => openmetrics::decode(body, openmetrics::Options { names })
                .map_err(|error| Refusal::syntax(&error)),
            BodyFormat::Protobuf => protobuf::decode(body).map_err(|error| Refusal::syntax(&error)),
        };
        let mut exposition = decoded.map_err(|error| {
            let source = self.source();
            let first_line = error.text.lines().next().unwrap_or_default();
            tracing::debug!(source, err = first_line, "failed to parse text");
            error.with_advice(&advice::on_body(&self.headers, self.format, body))
        })?;
        settings.push_limits.check(&exposition)?;
        if settings.strip_timestamps {
            let metrics = exposition
                .families
                .iter_mut()
                .flat_map(|family| &mut family.metrics);
            metrics
                .filter_map(|metric| metric.extra.as_deref_mut())
                .for_each(|extra| extra.timestamp_ms = None);
        }
        Ok(exposition)
    }

    /// Logs a refusal that is due to what was pushed; whether it is.
    fn log_inconsistent(&self, key: &GroupingKey, error: &PushError) -> bool {
        if !is_inconsistent(error) {
            return false;
        }
        let message = "pushed metrics are invalid or inconsistent with existing metrics";
        let (source, method) = (self.source(), &self.method);
        let cause = error.to_string();
        let cause = cause
            .strip_prefix(message)
            .and_then(|cause| cause.strip_prefix(": "))
            .unwrap_or(&cause);
        let group = key.brief();
        tracing::error!(%method, source, err = cause, group, "{message}");
        true
    }

    fn source(&self) -> String {
        self.peer.map(|peer| peer.to_string()).unwrap_or_default()
    }
}
