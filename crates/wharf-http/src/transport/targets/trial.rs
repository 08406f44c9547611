//! A connection without a network, for tests and fuzz targets: what the library makes of bytes, as they are or by way of
//! [`Targets`].

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body as _;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Targets;

/// A request, as the library shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Names and values, in order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// None if it ends in the middle, or breaks the rules for chunks.
    pub body: Option<Vec<u8>>,
}

/// How the bytes of a connection are served.
#[derive(Debug, Clone, Copy)]
pub struct Trial {
    /// Whether targets are escaped.
    pub escapes: bool,
    /// The most bytes of one read.
    pub read_bytes: usize,
    /// Whether bodies are read. If not, the library reads them away, or closes.
    pub reads_bodies: bool,
}

impl Trial {
    /// The requests in what comes over a connection, in these pieces.
    ///
    /// # Panics
    /// If there is no runtime to be had.
    pub fn run(self, pieces: &[&[u8]]) -> Vec<Seen> {
        let seen = self.run_all(pieces).into_iter();
        seen.map(|(request, _)| request).collect()
    }

    /// The targets of requests with bodies in chunks whose heads have a length all the same.
    #[cfg(test)]
    pub(super) fn with_both(self, pieces: &[&[u8]]) -> Vec<String> {
        let seen = self.run_all(pieces).into_iter();
        let both = seen.filter(|(_, has_length)| *has_length);
        both.map(|(request, _)| request.target).collect()
    }

    #[expect(clippy::expect_used, reason = "a test that cannot run has failed")]
    fn run_all(self, pieces: &[&[u8]]) -> Vec<(Seen, bool)> {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime
            .expect("a runtime of one thread")
            .block_on(self.serve(pieces))
    }

    /// Each request with whether it has a length beside its chunks.
    async fn serve(self, pieces: &[&[u8]]) -> Vec<(Seen, bool)> {
        let script = Script {
            pieces: pieces
                .iter()
                .map(|piece| VecDeque::from(piece.to_vec()))
                .collect(),
            read_bytes: self.read_bytes.max(1),
        };
        let (stream, framing) = if self.escapes {
            Targets::new(script)
        } else {
            Targets::unchanged(script)
        };
        let seen = Arc::new(Mutex::new(Vec::new()));
        let service = service_fn(|request: Request<Incoming>| {
            let body_bytes = request.body().size_hint().exact();
            framing.tell(body_bytes);
            let has_both = body_bytes.is_none() && framing.has_length();
            let seen = Arc::clone(&seen);
            async move {
                let (parts, body) = request.into_parts();
                let body = if self.reads_bodies {
                    body.collect().await.ok().map(|body| body.to_bytes().to_vec())
                } else {
                    None
                };
                let target = parts.uri.path_and_query().map(ToString::to_string);
                let headers = parts.headers.iter();
                let headers = headers.map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()));
                let request = Seen {
                    method: parts.method.to_string(),
                    target: target.unwrap_or_default(),
                    headers: headers.collect(),
                    body,
                };
                let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                seen.push((request, has_both));
                Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
            }
        });
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder.http1().half_close(true);
        let builder = builder.http1_only();
        // A connection that ends with a refusal ends with an error.
        let _ended = builder.serve_connection(TokioIo::new(stream), service).await;
        let seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.clone()
    }
}

/// Gives bytes in pieces, then says that there are no more; takes everything.
struct Script {
    pieces: VecDeque<VecDeque<u8>>,
    read_bytes: usize,
}

impl AsyncRead for Script {
    fn poll_read(self: Pin<&mut Self>, _cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while let Some(piece) = this.pieces.front_mut() {
            if !piece.is_empty() {
                let bytes = piece.len().min(buf.remaining()).min(this.read_bytes);
                let bytes: Vec<u8> = piece.drain(..bytes).collect();
                buf.put_slice(&bytes);
                break;
            }
            this.pieces.pop_front();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Script {
    fn poll_write(self: Pin<&mut Self>, _cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
