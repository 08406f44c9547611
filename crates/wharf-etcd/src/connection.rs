//! A connection to a member: HTTP/2, with TLS or without.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper::rt::{Read, Write};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsConnector;
use tonic::body::Body;

use crate::settings::{EtcdSettings, Member};
use crate::tls;

/// How long it may take until a connection is made.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// How often a connection on which something waits is asked whether it is there: not more often than etcd allows.
const PING_EVERY: Duration = Duration::from_secs(10);
/// How long it may take to say so.
const PING_LIMIT: Duration = Duration::from_secs(5);
/// How much a member may send of one answer that nobody takes, and of all answers on one connection.
const STREAM_WINDOW: u32 = 4 << 20;
const CONNECTION_WINDOW: u32 = 32 << 20;

/// Why there is no connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NotConnected {
    /// Nobody is there, or nobody answers.
    Unreachable(String),
    /// One of the two does not trust the other, or a file is not as it has to be. Trying again does not help.
    Refused(String),
}

/// How long a request that was not answered waits to learn why its connection has ended.
const REASON_LIMIT: Duration = Duration::from_millis(100);

/// A connection to a member. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    sender: SendRequest<Body>,
    /// Why it has ended, once it has.
    end: watch::Receiver<Option<String>>,
}

impl Connection {
    /// Makes one.
    pub(crate) async fn open(member: &Member, settings: &EtcdSettings) -> Result<Self, NotConnected> {
        let opened = tokio::time::timeout(CONNECT_LIMIT, open(member, settings)).await;
        opened.unwrap_or_else(|_| {
            let seconds = CONNECT_LIMIT.as_secs();
            Err(NotConnected::Unreachable(format!(
                "{member}: no connection after {seconds} seconds"
            )))
        })
    }

    /// Whether it has ended.
    pub(crate) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }
}

async fn open(member: &Member, settings: &EtcdSettings) -> Result<Connection, NotConnected> {
    let unreachable = |error: std::io::Error| NotConnected::Unreachable(format!("{member}: {error}"));
    let stream = TcpStream::connect((member.host(), member.port()))
        .await
        .map_err(unreachable)?;
    stream.set_nodelay(true).map_err(unreachable)?;
    if !member.is_encrypted() {
        return handshake(member, TokioIo::new(stream)).await;
    }
    let refused = |reason| NotConnected::Refused(format!("{member}: {reason}"));
    let config = tls::config(settings).map_err(refused)?;
    let name = ServerName::try_from(member.host().to_owned())
        .map_err(|_| refused("it is no name that a certificate can have".to_owned()))?;
    let stream = TlsConnector::from(config).connect(name, stream).await;
    let stream = stream.map_err(|error| {
        let is_tls = error
            .get_ref()
            .is_some_and(<dyn std::error::Error + Send + Sync>::is::<rustls::Error>);
        if is_tls {
            refused(error.to_string())
        } else {
            unreachable(error)
        }
    })?;
    handshake(member, TokioIo::new(stream)).await
}

async fn handshake<S>(member: &Member, stream: S) -> Result<Connection, NotConnected>
where
    S: Read + Write + Unpin + Send + 'static,
{
    let handshake = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_LIMIT)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .handshake(stream)
        .await;
    let (sender, connection) =
        handshake.map_err(|error| NotConnected::Unreachable(format!("{member}: {error}")))?;
    let (told, end) = watch::channel(None);
    tokio::spawn(async move {
        let outcome = connection.await;
        let reason = outcome.map_or_else(
            |error| explained(&error),
            |()| "the member has ended it".to_owned(),
        );
        // If nobody has it any more, nobody wants to know.
        told.send_replace(Some(reason));
    });
    Ok(Connection { sender, end })
}

/// An error with its causes.
fn explained(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

/// The answer to a request.
type Answer = Pin<Box<dyn Future<Output = Result<Response<Incoming>, NotAnswered>> + Send>>;

/// A connection has ended before the answer came.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct NotAnswered(String);

impl tower_service::Service<Request<Body>> for Connection {
    type Response = Response<Incoming>;
    type Error = NotAnswered;
    type Future = Answer;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), NotAnswered>> {
        let ready = self.sender.poll_ready(context);
        ready.map_err(|error| {
            let reason = self.end.borrow().clone();
            NotAnswered(reason.unwrap_or_else(|| explained(&error)))
        })
    }

    fn call(&mut self, request: Request<Body>) -> Answer {
        let answer = self.sender.send_request(request);
        let mut end = self.end.clone();
        Box::pin(async move {
            let error = match answer.await {
                Ok(answer) => return Ok(answer),
                Err(error) => explained(&error),
            };
            // Of what has ended the connection the request itself is told nothing: a refused certificate, say.
            let reason = end.wait_for(Option::is_some);
            let reason = tokio::time::timeout(REASON_LIMIT, reason).await;
            let reason = reason.ok().and_then(Result::ok).and_then(|reason| reason.clone());
            Err(NotAnswered(reason.unwrap_or(error)))
        })
    }
}
