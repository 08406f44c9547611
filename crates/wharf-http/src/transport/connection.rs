//! One connection: its requests, its deadlines, its end.

use std::convert::Infallible;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use http::header::{CONNECTION, EXPECT};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Version};
use hyper::body::{Body as _, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use wharf_gateway::Peer;

use crate::service::Service;
use crate::transport::door::Door;
use crate::transport::progress::Overdue;
use crate::transport::room::Seat;
use crate::transport::socket::Socket;
use crate::transport::stream::Stream;
use crate::transport::targets::Targets;
use crate::transport::watched::Watched;

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

/// Serves a connection until either side ends it, a deadline passes, it has to give way, or the gateway stops.
pub(crate) async fn serve(
    service: Arc<Service>,
    door: Arc<Door>,
    stream: Socket,
    peer: Peer,
    seat: Arc<Seat>,
) {
    let stopping = service.shutdown.wait();
    tokio::pin!(stopping);
    let progress = &seat.progress;
    progress.begin_handshake();
    let stream = tokio::select! {
        // What is open may have brought something, which is answered, also if the gateway stops.
        biased;
        stream = Stream::open(stream, peer, door.front()) => stream,
        () = unwanted(&seat) => None,
        () = &mut stopping => None,
    };
    let Some((stream, names)) = stream else { return };
    let is_http2 = stream.is_http2();
    progress.open(is_http2);
    let stream = Watched::new(stream, Arc::clone(&seat));
    let (stream, framing) = if is_http2 {
        Targets::of_http2(stream)
    } else {
        Targets::new(stream)
    };
    let names = (!names.is_empty()).then(|| ClientNames(names.into()));
    let timeouts = service.settings.timeouts();
    let keep_alive = timeouts
        .announced()
        .and_then(|seconds| HeaderValue::from_str(&format!("timeout={seconds}")).ok());
    let answering = service_fn(|mut request: Request<Incoming>| {
        framing.tell(request.body().size_hint().exact());
        let (service, door, seat) = (Arc::clone(&service), Arc::clone(&door), Arc::clone(&seat));
        request.extensions_mut().insert(peer);
        if let Some(names) = &names {
            request.extensions_mut().insert(names.clone());
        }
        let may_stay = |_: &HeaderValue| stays_open(request.version(), request.headers());
        let keep_alive = keep_alive.clone().filter(may_stay);
        async move {
            let _request = seat.progress.begin(request.version());
            let asks_first = request.headers().contains_key(EXPECT);
            let is_http1 = request.version() < Version::HTTP_2;
            let mut response = service.handle(request, &door).await;
            // If its body has not been asked for, it does not come, and nothing can come after it.
            let is_last = asks_first && !response.status().is_success();
            let headers = response.headers_mut();
            if is_http1 && (is_last || seat.is_ending() || seat.is_pressed()) {
                headers.insert(CONNECTION, HeaderValue::from_static("close"));
            } else if let Some(keep_alive) = keep_alive
                && !headers.contains_key(CONNECTION)
            {
                headers.insert(CONNECTION, HeaderValue::from_static("keep-alive"));
                headers.insert(KEEP_ALIVE, keep_alive);
            }
            Ok::<_, Infallible>(response.map(|body| body.sending(&seat.progress)))
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
    // What was agreed on is what the stream reads.
    if is_http2 {
        builder = builder.http2_only();
    }
    let connection = builder.serve_connection(TokioIo::new(stream), answering);
    tokio::pin!(connection);

    let mut is_stopping = false;
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
                seat.set_ending(true);
                // Where nothing is under way over HTTP/1 the stream ends the connection, once it has been read.
                if progress.is_http2() || progress.is_busy() {
                    connection.as_mut().graceful_shutdown();
                }
            }
            () = seat.called() => {
                if seat.is_cut() {
                    return;
                }
                let overdue = progress.overdue(timeouts);
                if let Some(what @ (Overdue::Reader | Overdue::Head)) = overdue {
                    tracing::debug!(source = %peer, what = what.as_str(), "connection closed");
                    return;
                }
                let gives_way = seat.is_asked() && progress.idle().is_some();
                if is_stopping || seat.has_left() || !(gives_way || overdue.is_some()) {
                    seat.answer();
                    continue;
                }
                if progress.is_http2() {
                    seat.set_ending(true);
                    seat.leave();
                    connection.as_mut().graceful_shutdown();
                } else if progress.is_reading_head() {
                    seat.leave();
                } else {
                    seat.set_ending(true);
                    let ended = poll_fn(|cx| Poll::Ready(connection.as_mut().poll(cx))).await;
                    if ended.is_ready() {
                        return;
                    }
                    // If something has come meanwhile, it goes on as if it had not been asked.
                    seat.set_ending(seat.has_left());
                }
                seat.answer();
                if gives_way && seat.has_left() {
                    service.gateway.telemetry().record_gave_way();
                    tracing::debug!(source = %peer, "connection gave way to another one");
                }
                if !seat.is_ending() && seat.has_left() {
                    // Half a head is nothing that could be answered.
                    return;
                }
            }
        }
    }
}

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

/// Returns when a connection is not to go on that has not begun yet.
async fn unwanted(seat: &Seat) {
    loop {
        seat.called().await;
        let gives_way = seat.is_asked() && seat.progress.idle().is_some();
        if gives_way || seat.is_cut() {
            return;
        }
        seat.answer();
    }
}

/// Whether a client means to send another request over the connection.
fn stays_open(version: Version, headers: &HeaderMap) -> bool {
    let says = |word: &str| {
        let values = headers.get_all(CONNECTION).into_iter();
        let words = values.filter_map(|value| value.to_str().ok());
        words
            .flat_map(|value| value.split(','))
            .any(|found| found.trim().eq_ignore_ascii_case(word))
    };
    match version {
        Version::HTTP_11 => !says("close"),
        Version::HTTP_10 => says("keep-alive"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_says_whether_it_stays() {
        let stays = |version, value: &'static str| {
            let value = HeaderValue::from_static(value);
            stays_open(version, &HeaderMap::from_iter([(CONNECTION, value)]))
        };
        assert!(stays_open(Version::HTTP_11, &HeaderMap::new()));
        assert!(!stays_open(Version::HTTP_10, &HeaderMap::new()));
        assert!(stays(Version::HTTP_11, "TE, upgrade"));
        assert!(!stays(Version::HTTP_11, "TE, Close"));
        assert!(stays(Version::HTTP_10, "Keep-Alive"));
        assert!(!stays(Version::HTTP_2, "keep-alive"));
    }
}
