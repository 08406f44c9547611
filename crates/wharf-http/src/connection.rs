//! One connection: its requests, its deadlines, its end.

use std::convert::Infallible;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http::header::{CONNECTION, EXPECT};
use http::{HeaderValue, Request, Version};
use hyper::body::{Body as _, Incoming};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;

use crate::door::Door;
use crate::gateway::Gateway;
use crate::peer::Peer;
use crate::socket::Socket;
use crate::stream::Stream;
use crate::targets::Targets;

/// How often a connection looks at its deadlines.
const TICK: Duration = Duration::from_secs(1);
/// The original's limit on a request's head, and the slack that Go adds.
const MAX_HEAD_BYTES: usize = (1 << 20) + 4096;

/// The same over HTTP/2, where a byte that points into a table can stand for a header: room for a path of 64 KiB, longer ones
/// are none, and half as much for the rest.
const MAX_HEAD_BYTES_HTTP2: u32 = 96 << 10;
/// Requests at once on one HTTP/2 connection. No fewer are recommended, and clients with more open another connection or
/// wait.
const MAX_STREAMS: u32 = 100;

/// In the extensions of a request: the names in the certificate of its client, if that was verified.
#[derive(Debug, Clone)]
pub(crate) struct ClientNames(pub(crate) Arc<[String]>);

/// Serves a connection until either side ends it, a deadline passes, or the gateway stops.
pub(crate) async fn serve(gateway: Arc<Gateway>, door: Arc<Door>, stream: Socket, peer: Peer) {
    let stopping = gateway.shutdown.wait();
    tokio::pin!(stopping);
    let stream = tokio::select! {
        stream = Stream::open(stream, peer, door.front()) => stream,
        () = &mut stopping => None,
    };
    let Some((stream, names)) = stream else { return };
    let names = (!names.is_empty()).then(|| ClientNames(names.into()));
    let progress = Arc::new(Progress::new());
    let (stream, framing) = if stream.is_http2() {
        Targets::of_http2(stream)
    } else {
        Targets::new(stream)
    };
    let io = Watched {
        io: TokioIo::new(stream),
        progress: Arc::clone(&progress),
    };
    let service = service_fn(|mut request: Request<Incoming>| {
        framing.tell(request.body().size_hint().exact());
        let request_progress = Arc::clone(&progress);
        let (gateway, door) = (Arc::clone(&gateway), Arc::clone(&door));
        request.extensions_mut().insert(peer);
        if let Some(names) = &names {
            request.extensions_mut().insert(names.clone());
        }
        async move {
            let _request = request_progress.begin(request.version());
            let asks_first = request.headers().contains_key(EXPECT);
            let mut response = gateway.handle(request, &door).await;
            if asks_first && !response.status().is_success() {
                // Its body may not have been asked for. Then it does not come, and nothing can come after it.
                response
                    .headers_mut()
                    .insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(response.map(|body| body.sending(Sending::new(&request_progress))))
        }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .title_case_headers(true)
        .writev(true)
        .max_buf_size(MAX_HEAD_BYTES)
        // A client that has said all it has to say may still listen.
        .half_close(true);
    builder
        .http2()
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEAD_BYTES_HTTP2);
    // Without TLS there is no HTTP/2, as with the original: no client of it could have begun so.
    if !door.front().is_some_and(|front| front.fixed().speaks_http2()) {
        builder = builder.http1_only();
    }
    let connection = builder.serve_connection(io, service);
    tokio::pin!(connection);

    let mut is_stopping = false;
    let mut tick = tokio::time::interval(TICK);
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(source = %peer, err = %error, "connection ended");
                }
                return;
            }
            () = &mut stopping, if !is_stopping => {
                is_stopping = true;
                if progress.is_waiting() {
                    return;
                }
                connection.as_mut().graceful_shutdown();
            }
            _ = tick.tick() => {
                let settings = &gateway.settings;
                if let Some(what) = progress.overdue(settings.header_timeout, settings.idle_timeout) {
                    tracing::debug!(source = %peer, what, "connection closed");
                    return;
                }
            }
        }
    }
}

/// What a reader has to take of an answer, on average. Who takes less holds a place that others wait for, with an answer in
/// memory that may be large.
const MIN_READ_BYTES_PER_SECOND: u64 = 64 << 10;
/// From this time on.
const MIN_READ_AFTER: Duration = Duration::from_secs(30);

/// What a connection is doing, and since when.
#[derive(Debug)]
struct Progress {
    epoch: Instant,
    /// Requests being handled.
    in_flight: AtomicUsize,
    /// Bodies of responses on their way.
    sending: AtomicUsize,
    /// Milliseconds from the epoch to the beginning of that, and the bytes that have gone out since then.
    sending_since_ms: AtomicU64,
    sent_bytes: AtomicU64,
    /// Some bytes of a request's head have come.
    reading_head: AtomicBool,
    /// Milliseconds from the epoch to the last byte that moved; while a head is read, to its first byte.
    since_ms: AtomicU64,
    /// HTTP/2 connections have frames without requests, so heads are not timed there.
    is_http2: AtomicBool,
}

impl Progress {
    fn new() -> Self {
        Self {
            epoch: Instant::now(),
            in_flight: AtomicUsize::new(0),
            sending: AtomicUsize::new(0),
            sending_since_ms: AtomicU64::new(0),
            sent_bytes: AtomicU64::new(0),
            reading_head: AtomicBool::new(false),
            since_ms: AtomicU64::new(0),
            is_http2: AtomicBool::new(false),
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn touch(&self) {
        self.since_ms.store(self.now_ms(), Ordering::Relaxed);
    }

    fn bytes_read(&self) {
        if self.in_flight.load(Ordering::Relaxed) == 0 && !self.reading_head.swap(true, Ordering::Relaxed) {
            self.touch();
        }
    }

    fn begin(self: &Arc<Self>, version: Version) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        self.reading_head.store(false, Ordering::Relaxed);
        if version == Version::HTTP_2 {
            self.is_http2.store(true, Ordering::Relaxed);
        }
        InFlight(Arc::clone(self))
    }

    /// Whether the connection waits for a request, or for the rest of one's head.
    fn is_waiting(&self) -> bool {
        self.in_flight.load(Ordering::Relaxed) == 0
            && self.sending.load(Ordering::Relaxed) == 0
            && !self.is_http2.load(Ordering::Relaxed)
    }

    /// Some bytes have gone out.
    fn wrote(&self, bytes: usize) {
        self.touch();
        self.sent_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// How long ago a time is that was kept in milliseconds from the epoch.
    fn elapsed(&self, since_ms: &AtomicU64) -> Duration {
        Duration::from_millis(self.now_ms().saturating_sub(since_ms.load(Ordering::Relaxed)))
    }

    /// Whether an answer goes out too slowly, be it that its reader takes nothing or a byte now and then.
    fn is_read_too_slowly(&self, patience: Duration) -> bool {
        if self.sending.load(Ordering::Relaxed) == 0 {
            return false;
        }
        let elapsed = self.elapsed(&self.sending_since_ms);
        let expected = elapsed.as_secs().saturating_mul(MIN_READ_BYTES_PER_SECOND);
        elapsed > patience && self.sent_bytes.load(Ordering::Relaxed) < expected
    }

    fn overdue(&self, header_timeout: Duration, idle_timeout: Duration) -> Option<&'static str> {
        // Whatever else goes on: over HTTP/2 there may always be another request.
        if self.is_read_too_slowly(idle_timeout.min(MIN_READ_AFTER)) {
            return Some("an answer is read too slowly");
        }
        if self.in_flight.load(Ordering::Relaxed) > 0 {
            return None;
        }
        let since = self.elapsed(&self.since_ms);
        let reads_head = self.reading_head.load(Ordering::Relaxed) && !self.is_http2.load(Ordering::Relaxed);
        if reads_head && since > header_timeout {
            Some("request head took too long")
        } else if since > idle_timeout {
            Some("idle for too long")
        } else {
            None
        }
    }
}

/// A request being handled, until it is dropped.
struct InFlight(Arc<Progress>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.0.touch();
    }
}

/// The body of a response on its way, until it is dropped.
#[derive(Debug)]
pub(crate) struct Sending(Arc<Progress>);

impl Sending {
    fn new(progress: &Arc<Progress>) -> Self {
        if progress.sending.fetch_add(1, Ordering::Relaxed) == 0 {
            progress
                .sending_since_ms
                .store(progress.now_ms(), Ordering::Relaxed);
            progress.sent_bytes.store(0, Ordering::Relaxed);
        }
        Self(Arc::clone(progress))
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.0.sending.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A stream that tells [`Progress`] when bytes move.
struct Watched {
    io: TokioIo<Targets<Stream>>,
    progress: Arc<Progress>,
}

impl Read for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.io).poll_read(cx, buf);
        if polled.is_ready() {
            self.progress.bytes_read();
        }
        polled
    }
}

impl Watched {
    fn wrote(&self, polled: &Poll<io::Result<usize>>) {
        if let Poll::Ready(written) = polled {
            self.progress.wrote(written.as_ref().map_or(0, |bytes| *bytes));
        }
    }
}

impl Write for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write(cx, buf);
        self.wrote(&polled);
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        self.wrote(&polled);
        polled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: Duration = Duration::from_millis(200);
    const IDLE: Duration = Duration::from_secs(500);

    /// A connection that began `ago`.
    fn connection(ago: Duration) -> Arc<Progress> {
        Arc::new(Progress {
            epoch: Instant::now().checked_sub(ago).unwrap(),
            ..Progress::new()
        })
    }

    #[test]
    fn a_head_is_timed_from_its_first_byte_and_a_request_not_at_all() {
        let progress = connection(Duration::from_secs(100));
        assert_eq!(progress.overdue(HEADER, IDLE), None);
        progress.reading_head.store(true, Ordering::Relaxed);
        assert_eq!(progress.overdue(HEADER, IDLE), Some("request head took too long"));
        let request = progress.begin(Version::HTTP_11);
        assert_eq!(progress.overdue(HEADER, IDLE), None);
        drop(request);
        assert_eq!(progress.overdue(HEADER, IDLE), None);
    }

    #[test]
    fn a_silent_connection_is_closed_in_the_end() {
        let progress = connection(Duration::from_secs(600));
        assert_eq!(progress.overdue(HEADER, IDLE), Some("idle for too long"));
        progress.touch();
        assert_eq!(progress.overdue(HEADER, IDLE), None);
    }

    #[test]
    fn an_answer_has_to_be_read_at_a_rate() {
        let progress = connection(Duration::from_secs(100));
        let sending = Sending::new(&progress);
        let began = |seconds_ago: u64| {
            let now = progress.now_ms();
            progress
                .sending_since_ms
                .store(now - 1000 * seconds_ago - 1, Ordering::Relaxed);
            progress.touch();
            progress.overdue(HEADER, IDLE)
        };
        let slow = Some("an answer is read too slowly");
        assert_eq!(began(20), None);
        assert_eq!(began(40), slow);
        progress.wrote((40 * 64) << 10);
        assert_eq!(began(40), None);
        assert_eq!(began(60), slow);
        // Also while there is a request.
        let request = progress.begin(Version::HTTP_2);
        assert_eq!(began(60), slow);
        drop((request, sending));
        assert_eq!(began(60), None);
        let _next = Sending::new(&progress);
        assert_eq!(progress.sent_bytes.load(Ordering::Relaxed), 0);
        assert_eq!(progress.overdue(HEADER, IDLE), None);
    }

    #[test]
    fn frames_of_http2_are_no_request_head() {
        let progress = connection(Duration::from_secs(100));
        drop(progress.begin(Version::HTTP_2));
        progress.since_ms.store(0, Ordering::Relaxed);
        progress.reading_head.store(true, Ordering::Relaxed);
        assert_eq!(progress.overdue(HEADER, IDLE), None);
    }
}
