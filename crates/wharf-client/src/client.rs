//! Requests to a gateway, and its answers.

use std::fmt;
use std::io::{self, Read, Write as _};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use ureq::http;
use ureq::{Agent, AsSendBody, Body};
use wharf_model::GroupingKey;

use crate::error::presentable;
use crate::push::{AGGREGATE, MERGE, PUSH_ID};
use crate::{Address, ClientError, Credentials, Push, Retry, Secret, Target, TargetError, group_path, tls};

/// From this size on compression pays: a smaller body fits into one packet anyway.
const COMPRESS_FROM_BYTES: usize = 1400;

/// So many connections are kept for the next requests, for as many threads that share a client.
const KEPT_CONNECTIONS: usize = 16;

/// More of a refusal is not read.
const MAX_REFUSAL_BYTES: u64 = 64 << 10;

/// Talks to one gateway. Connections are kept and used again; clones share them.
#[derive(Debug, Clone)]
pub struct Client {
    agent: Agent,
    address: Address,
    authorization: Option<http::HeaderValue>,
    headers: http::HeaderMap,
    timeout: Duration,
}

/// The method of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Reads.
    Get,
    /// Adds, or does something.
    Post,
    /// Replaces.
    Put,
    /// Removes.
    Delete,
}

impl Method {
    /// As it is sent.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One request, before it is known whom it goes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The path below the gateway's URL, with the query: begins with a slash and is percent-encoded.
    pub path: String,
    /// Headers beside those that every request has.
    pub headers: Vec<(&'static str, String)>,
    /// The body; empty for none.
    pub body: Vec<u8>,
    /// Whether the body may be sent compressed (gzip), where that pays.
    pub compress: bool,
    /// Whether the answer has to end within the target's timeout. If not, each wait has to: for the connection, for the
    /// beginning of the answer, and for more of it. That is for answers that are long for a good reason.
    pub whole_answer_in_time: bool,
    /// Whether an answer with success counts although it is a page for people. A gateway has none, others that are sent something
    /// may have.
    pub takes_pages: bool,
    /// A longer answer is an error.
    pub max_answer_bytes: u64,
}

impl Request {
    /// A request without a body, whose answer may have 64 MiB.
    pub fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            headers: Vec::new(),
            body: Vec::new(),
            compress: false,
            whole_answer_in_time: true,
            takes_pages: false,
            max_answer_bytes: 64 << 20,
        }
    }

    /// Whether it is a push that is added to what the group has.
    pub fn adds(&self) -> bool {
        let adds = |(name, value): &(&str, String)| *name == MERGE && value == AGGREGATE;
        self.headers.iter().any(adds)
    }

    /// Whether it comes to the same if it is made again soon. A push that is added up does if it has an id, which a gateway knows for
    /// an hour unless it is told otherwise; without one it must not be made again if it [may have been
    /// done](ClientError::may_be_done).
    pub fn is_repeatable(&self) -> bool {
        !self.adds() || self.headers.iter().any(|(name, _)| *name == PUSH_ID)
    }

    /// `GET path`.
    pub fn get(path: impl Into<String>) -> Self {
        Self::new(Method::Get, path)
    }
}

/// An answer with success: a status from 200 to 299.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
    /// Whether the gateway says that it has added what was pushed to what the group had, as a rule of it may want.
    pub is_added_up: bool,
}

/// An answer with success that is still to be read ([`Client::open`]).
///
/// What goes wrong while it is read comes as an [`io::Error`] around a [`ClientError`]. Its end is the end of the answer:
/// one that was cut short is an error, where the gateway says how long it is or sends it in chunks.
#[derive(Debug)]
pub struct Opened<R> {
    headers: http::HeaderMap,
    body: R,
    url: String,
    timeout: Duration,
}

impl<R> Opened<R> {
    /// The value of a header, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl<R: Read> Read for Opened<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.body.read(buffer).map_err(|error| {
            // Not with the kind of the error inside: one that a reader of ours takes for its own would be misread.
            io::Error::other(ClientError::while_reading(&self.url, self.timeout, error.into()))
        })
    }
}

impl Client {
    /// Gets ready to talk to a gateway; does not connect yet.
    ///
    /// Redirects are not followed, for a push that went elsewhere would look like one that arrived, and proxies
    /// named in the environment are not asked, for a gateway is not on the other side of one.
    ///
    /// # Errors
    /// If the certificates, the key or the credentials cannot be used.
    pub fn new(target: &Target) -> Result<Self, TargetError> {
        let authorization = target.credentials.as_ref().map(authorization).transpose()?;
        let headers = target.headers.iter().map(header);
        let config = Agent::config_builder()
            .tls_config(tls::config(&target.tls, target.address.is_https())?)
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .max_idle_connections(KEPT_CONNECTIONS)
            .max_idle_connections_per_host(KEPT_CONNECTIONS)
            .user_agent(concat!("wharf/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Self {
            agent: Agent::new_with_config(config),
            address: target.address.clone(),
            authorization,
            headers: headers.collect::<Result<_, _>>()?,
            timeout: target.timeout.unwrap_or(Target::TIMEOUT),
        })
    }

    /// Where the gateway is.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The same with less time for each attempt, if this is less than what it has.
    #[must_use]
    pub fn within(&self, time: Duration) -> Self {
        Self {
            timeout: self.timeout.min(time),
            ..self.clone()
        }
    }

    /// How requests prove who sends them: `Basic` or `Bearer`, if at all.
    pub fn authorization_scheme(&self) -> Option<&str> {
        let value = self.authorization.as_ref()?.to_str().ok()?;
        value.split(' ').next()
    }

    /// Pushes once.
    ///
    /// When this returns, every scrape from now on shows the push.
    ///
    /// # Errors
    /// If the gateway refuses it or cannot be reached.
    pub fn push(&self, push: &Push) -> Result<(), ClientError> {
        self.send(&push.request()).map(drop)
    }

    /// Pushes, again and again as long as `retry` allows and an attempt can help. A push that is added up has the same id in all
    /// attempts, so a Wharf counts it once.
    ///
    /// # Errors
    /// That of the last attempt.
    pub fn push_retrying(&self, push: &Push, retry: Retry) -> Result<(), ClientError> {
        let request = push.request();
        let mut schedule = retry.start();
        loop {
            let Err(error) = self.send(&request) else {
                return Ok(());
            };
            if !request.is_repeatable() && error.may_be_done() {
                return Err(error);
            }
            match schedule.pause_after(&error) {
                Some(pause) => std::thread::sleep(pause),
                None => return Err(error),
            }
        }
    }

    /// Deletes a group; also succeeds if there is none.
    ///
    /// # Errors
    /// If the gateway refuses it or cannot be reached.
    pub fn delete(&self, key: &GroupingKey) -> Result<(), ClientError> {
        self.send(&Request::new(Method::Delete, group_path(key)))
            .map(drop)
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Errors
    /// If the status of the answer is not one of success, the answer is longer than the request allows, or there is
    /// none.
    pub fn send(&self, request: &Request) -> Result<Answer, ClientError> {
        let (head, body) = self.call(request)?;
        let body = body
            .into_with_config()
            .limit(request.max_answer_bytes)
            .read_to_vec();
        let body = body.map_err(|error| self.failed(error))?;
        Ok(Answer {
            status: head.status.as_u16(),
            is_added_up: head.headers.get(MERGE).is_some_and(|merge| merge == AGGREGATE),
            body,
        })
    }

    /// Sends a request and leaves the answer to be read.
    ///
    /// # Errors
    /// If the status of the answer is not one of success, or there is none.
    pub fn open(&self, request: &Request) -> Result<Opened<impl Read + use<>>, ClientError> {
        let (head, body) = self.call(request)?;
        Ok(Opened {
            headers: head.headers,
            body: body.into_with_config().limit(request.max_answer_bytes).reader(),
            url: self.address.to_string(),
            timeout: self.timeout,
        })
    }

    fn call(&self, request: &Request) -> Result<(http::response::Parts, Body), ClientError> {
        let url = self.address.url(&request.path);
        let mut built = http::Request::builder().method(request.method.as_str()).uri(url);
        for (name, value) in &request.headers {
            built = built.header(*name, value);
        }
        for (name, value) in &self.headers {
            built = built.header(name, value);
        }
        if let Some(authorization) = &self.authorization {
            built = built.header(http::header::AUTHORIZATION, authorization);
        }
        let compressed = request.compress.then(|| compressed(&request.body)).flatten();
        if compressed.is_some() {
            built = built.header(http::header::CONTENT_ENCODING, "gzip");
        }
        let body = compressed.as_ref().unwrap_or(&request.body);
        let answer = if body.is_empty() && matches!(request.method, Method::Get | Method::Delete) {
            // There is to be no `Content-Length` either.
            self.run(built, (), request)
        } else {
            self.run(built, body.as_slice(), request)
        };
        let (head, body) = answer.map_err(|error| self.failed(error))?.into_parts();
        if head.status.is_success() {
            if !request.takes_pages && is_page(&head) {
                return Err(ClientError::Answer {
                    url: self.address.to_string(),
                    message: "expected that of a gateway, found a page for people".to_owned(),
                });
            }
            return Ok((head, body));
        }
        Err(refused(&head, body))
    }

    fn run(
        &self,
        built: http::request::Builder,
        body: impl AsSendBody,
        request: &Request,
    ) -> Result<http::Response<Body>, ureq::Error> {
        let configured = self.agent.configure_request(built.body(body)?);
        let timeout = Some(self.timeout);
        self.agent.run(if request.whole_answer_in_time {
            configured.timeout_global(timeout).build()
        } else {
            configured
                .timeout_connect(timeout)
                .timeout_recv_response(timeout)
                .timeout_per_read(timeout)
                .build()
        })
    }

    fn failed(&self, error: ureq::Error) -> ClientError {
        ClientError::new(self.address.as_str(), self.timeout, error)
    }
}

/// Whether the answer is HTML: that of a proxy or a portal, for no route that is asked has any.
fn is_page(head: &http::response::Parts) -> bool {
    let media_type = head.headers.get(http::header::CONTENT_TYPE);
    media_type.is_some_and(|value| value.as_bytes().starts_with(b"text/html"))
}

fn compressed(body: &[u8]) -> Option<Vec<u8>> {
    if body.len() < COMPRESS_FROM_BYTES {
        return None;
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).ok()?;
    encoder
        .finish()
        .ok()
        .filter(|compressed| compressed.len() < body.len())
}

fn refused(head: &http::response::Parts, body: Body) -> ClientError {
    let mut text = Vec::new();
    // What was read of a text that broke off says more than why it broke off.
    let _incomplete = body
        .into_with_config()
        .limit(u64::MAX)
        .reader()
        .take(MAX_REFUSAL_BYTES)
        .read_to_end(&mut text);
    let mut message = presentable(&text);
    let location = head.headers.get(http::header::LOCATION);
    if let Some(location) = location.filter(|_| head.status.is_redirection()) {
        let location = presentable(location.as_bytes());
        message = format!("it points to {location}\nhint: redirects are not followed, so give that URL");
    }
    match head.status.as_u16() {
        status @ (401 | 403) => ClientError::Unauthorized { status, message },
        status => ClientError::Refused {
            status,
            message,
            retry_after: head.headers.get(http::header::RETRY_AFTER).and_then(seconds),
        },
    }
}

/// `Retry-After` in seconds. The form with a date, which no gateway sends, counts as none.
fn seconds(value: &http::HeaderValue) -> Option<Duration> {
    Some(Duration::from_secs(value.to_str().ok()?.trim().parse().ok()?))
}

fn header((name, value): &(String, Secret)) -> Result<(http::HeaderName, http::HeaderValue), TargetError> {
    let unfit =
        TargetError::Credentials("headers with a name and a value of printable characters, found others");
    let name = http::HeaderName::from_bytes(name.as_bytes()).map_err(|_| unfit.clone())?;
    let mut value = http::HeaderValue::from_str(value.expose()).map_err(|_| unfit)?;
    value.set_sensitive(true);
    Ok((name, value))
}

fn authorization(credentials: &Credentials) -> Result<http::HeaderValue, TargetError> {
    let text = match credentials {
        Credentials::Basic { username, .. } if username.contains(':') => {
            return Err(TargetError::Credentials(
                "a user name without a colon, found one with it",
            ));
        }
        Credentials::Basic { username, password } => {
            let pair = format!("{username}:{}", password.expose());
            format!("Basic {}", STANDARD.encode(pair))
        }
        Credentials::Bearer(token) => format!("Bearer {}", token.expose()),
    };
    let unfit = TargetError::Credentials("a token of printable characters, found others in it");
    let mut value = http::HeaderValue::from_str(&text).map_err(|_| unfit)?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests;
