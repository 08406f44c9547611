//! Servers that do less than Wharf does: floors under its pushes.
//!
//! Connections are set up as `wharf-http` sets up its own, on the same runtime.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use wharf_exposition::text;
use wharf_model::{Exposition, GroupingKey, Meter};
use wharf_store::{KnownBody, PushMode, Reserved, Store, TextBody, UnixNanos};

/// How little is done.
#[derive(Debug, Clone)]
pub enum Floor {
    /// The body is read to its end, and the answer is 200 without a body: what HTTP costs.
    Empty,
    /// The body is pushed to a store in memory, and GET answers with what it holds: what Wharf does for a push without
    /// routes, rights, limits, counters, history and log.
    Store(Arc<Store>),
}

impl Floor {
    /// The floor that is called so on the command line.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "empty-handler" => Some(Self::Empty),
            "bare-store" => Some(Self::Store(Arc::new(Store::new(Reserved::default(), 1 << 26)))),
            _ => None,
        }
    }
}

/// Serves until the process is killed.
///
/// # Errors
/// If the address cannot be listened on.
pub fn serve(address: SocketAddr, floor: &Floor) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("start the runtime")?;
    runtime.block_on(async {
        let listener = TcpListener::bind(address).await.context("listen")?;
        loop {
            let (stream, _) = listener.accept().await.context("accept a connection")?;
            stream.set_nodelay(true).context("set up a connection")?;
            tokio::spawn(connection(stream, floor.clone()));
        }
    })
}

async fn connection(stream: TcpStream, floor: Floor) {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .title_case_headers(true)
        .writev(true)
        .max_buf_size((1 << 20) + 4096)
        .half_close(true);
    let service = service_fn(|request| answer(request, floor.clone()));
    // How a connection ends says nothing here.
    drop(builder.serve_connection(TokioIo::new(stream), service).await);
}

async fn answer(request: Request<Incoming>, floor: Floor) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, mut body) = request.into_parts();
    let store = match floor {
        Floor::Empty => {
            while let Some(Ok(_frame)) = body.frame().await {}
            return Ok(Response::default());
        }
        Floor::Store(store) => store,
    };
    let body = body.collect().await.map(http_body_util::Collected::to_bytes);
    let answer = match (parts.method, body) {
        (Method::GET, _) => Some(scrape(&store)),
        (_, Ok(body)) => push(&store, parts.uri.path(), &body).map(|()| Bytes::new()),
        (_, Err(_)) => None,
    };
    let mut response = Response::new(Full::default());
    match answer {
        Some(body) => *response.body_mut() = Full::new(body),
        None => *response.status_mut() = StatusCode::BAD_REQUEST,
    }
    Ok(response)
}

/// Pushes a body to the group of a path without escapes; nothing, if either is wrong.
fn push(store: &Store, path: &str, body: &[u8]) -> Option<()> {
    let mut words = path.strip_prefix("/metrics/")?.split('/');
    let mut labels = Vec::new();
    while let Some(name) = words.next() {
        labels.push((name, words.next()?));
    }
    let key = GroupingKey::new(labels).ok()?;
    let now = jiff::Timestamp::now().as_nanosecond();
    let now = UnixNanos(i64::try_from(now).ok()?);
    let pushed = store.push_text(
        &key,
        PushMode::ReplaceGroup,
        &Body(body, Meter::unlimited()),
        None,
        now,
    );
    pushed.ok()?.ok().map(drop)
}

fn scrape(store: &Store) -> Bytes {
    let mut text = Vec::new();
    for family in store.snapshot().families() {
        text.extend_from_slice(&family.header().text());
        for leaf in family.leaves() {
            text.extend_from_slice(&leaf.piece().text());
        }
    }
    text.into()
}

struct Body<'b>(&'b [u8], Meter<'static>);

impl TextBody for Body<'_> {
    type Error = text::DecodeError;

    fn text(&self) -> &[u8] {
        self.0
    }

    fn decode<'t>(&self, text: &'t [u8], memory: &Meter<'_>) -> Result<Exposition<'t>, Self::Error> {
        text::decode_within(text, text::Options::default(), memory)
    }

    fn memory(&self) -> &Meter<'_> {
        &self.1
    }

    fn was_read(&self, _: &Exposition<'_>) {}

    fn was_known(&self, _: &KnownBody<'_>) {}
}
