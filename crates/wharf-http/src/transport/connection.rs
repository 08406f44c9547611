//! One connection: its requests, its deadlines, its end.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Version};
use hyper::body::{Body as _, Incoming};
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use wharf_gateway::Peer;

use crate::transport::arrived::{Arrived, Sender};
use crate::transport::chunks::ResponseBody;
use crate::transport::entry_point::EntryPoint;
use crate::transport::progress::{Overdue, Timeouts};
use crate::transport::room::Seat;
use crate::transport::socket::Socket;
use crate::transport::stream::Stream;
use crate::transport::targets::Targets;
use crate::transport::watched::Watched;

/// The Pushgateway's limit on a request's head, and the slack that Go adds.
const MAX_HEAD_BYTES: usize = (1 << 20) + 4096;

/// The same over HTTP/2, where a byte that points into a table can stand for a header: room for a path of 64 KiB, longer ones
/// are none, and half as much for the rest.
const MAX_HEAD_BYTES_HTTP2: u32 = 96 << 10;
/// Requests at once on one HTTP/2 connection. No fewer are recommended, and clients with more open another connection or
/// wait.
const MAX_STREAMS: u32 = 100;

/// What answers requests. Connections know nothing else of it.
pub(crate) trait Handler: Send + Sync + 'static {
    /// Answers one request that has come through an entry point.
    fn answer(
        self: Arc<Self>,
        request: Arrived,
        sender: &Sender,
        entry_point: &EntryPoint,
    ) -> impl Future<Output = Response<ResponseBody>> + Send;

    /// Returns when it is time to stop.
    fn stopping(&self) -> impl Future<Output = ()> + Send + 'static;

    /// Counts a connection until the result is dropped.
    fn connection_opened(&self) -> impl Send;

    /// Counts a connection that has made room for another one.
    fn gave_way(&self);
}

/// What the connections of a listener have in common.
pub(crate) struct Connections<H> {
    handler: Arc<H>,
    entry_point: Arc<EntryPoint>,
    timeouts: Timeouts,
    /// What clients are told of the time for which connections stay open, if that is not for ever.
    keep_alive: Option<HeaderValue>,
}

/// The bytes below the library.
type Io = TokioIo<Targets<Watched>>;

impl<H: Handler> Connections<H> {
    pub(crate) fn new(handler: Arc<H>, entry_point: Arc<EntryPoint>, timeouts: Timeouts) -> Self {
        let keep_alive = timeouts
            .announced()
            .and_then(|seconds| HeaderValue::from_str(&format!("timeout={seconds}")).ok());
        Self {
            handler,
            entry_point,
            timeouts,
            keep_alive,
        }
    }

    pub(crate) fn entry_point(&self) -> &EntryPoint {
        &self.entry_point
    }

    /// Returns when it is time to stop.
    pub(crate) fn stopping(&self) -> impl Future<Output = ()> + Send + 'static {
        self.handler.stopping()
    }

    /// Serves a connection until either side ends it, a deadline passes, it has to give way, or it is time to stop.
    pub(crate) async fn serve(self: Arc<Self>, stream: Socket, peer: Peer, seat: Arc<Seat>) {
        let _open = self.handler.connection_opened();
        let mut stopping = pin!(self.stopping());
        seat.progress.begin_handshake();
        let stream = tokio::select! {
            // What is open may have brought something, which is answered, also when it is time to stop.
            biased;
            stream = Stream::open(stream, peer, self.entry_point.access_control()) => stream,
            () = unwanted(&seat) => None,
            () = &mut stopping => None,
        };
        let Some((stream, names)) = stream else { return };
        let is_http2 = stream.is_http2();
        seat.progress.open(is_http2);
        let stream = Watched::new(stream, Arc::clone(&seat));
        let (stream, framing) = if is_http2 {
            Targets::of_http2(stream)
        } else {
            Targets::new(stream)
        };
        let open = Arc::new(Open {
            connections: Arc::clone(&self),
            seat: Arc::clone(&seat),
            sender: Sender {
                peer,
                names,
                presence: Arc::clone(&seat.presence),
            },
        });
        let service = service_fn(|mut request: Request<Incoming>| {
            let body_bytes = request.body().size_hint().exact();
            framing.tell(body_bytes);
            if body_bytes.is_none() && !is_http2 && framing.has_length() {
                // The library leaves out what contradicts the chunks. Whoever looks at the shape of requests sees it again.
                request.headers_mut().insert(CONTENT_LENGTH, LEFT_OUT);
            }
            let (open, request) = (Arc::clone(&open), Box::new(request));
            // The library moves this about before it begins, so that it should be no larger than it has to be.
            async move { Ok::<_, Infallible>(open.answer(request).await) }
        });
        let protocol = self.protocol(is_http2);
        let connection = pin!(protocol.serve_connection(TokioIo::new(stream), service));
        self.drive(connection, stopping, peer, &seat).await;
    }

    /// What is spoken over a connection.
    fn protocol(&self, is_http2: bool) -> auto::Builder<TokioExecutor> {
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
        // Without TLS there is no HTTP/2, as with the Pushgateway: no client of it could have begun so.
        if !self
            .entry_point
            .access_control()
            .is_some_and(|access| access.fixed().speaks_http2())
        {
            builder = builder.http1_only();
        }
        // What was agreed on is what the stream reads.
        if is_http2 {
            builder = builder.http2_only();
        }
        builder
    }

    /// Lets a connection go on until its end.
    async fn drive<S>(
        &self,
        mut connection: Pin<&mut auto::Connection<'_, Io, S, TokioExecutor>>,
        mut stopping: Pin<&mut impl Future<Output = ()>>,
        peer: Peer,
        seat: &Arc<Seat>,
    ) where
        S: Service<Request<Incoming>, Response = Response<ResponseBody>, Error = Infallible>,
        S::Future: Send + 'static,
    {
        let progress = &seat.progress;
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
                    if seat.presence.is_watched() && poll_once(connection.as_mut()).await.is_ready() {
                        return;
                    }
                    let overdue = progress.overdue(self.timeouts);
                    if let Some(what @ (Overdue::Reader | Overdue::Head)) = overdue {
                        tracing::debug!(source = %peer, what = what.as_str(), "connection closed");
                        return;
                    }
                    let gives_way = seat.is_asked() && progress.idle().is_some();
                    if is_stopping || seat.has_left() || !(gives_way || overdue.is_some()) {
                        seat.answer();
                        continue;
                    }
                    if leave(connection.as_mut(), seat).await.is_ready() {
                        return;
                    }
                    seat.answer();
                    if gives_way && seat.has_left() {
                        self.handler.gave_way();
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
}

/// A connection over which requests come.
struct Open<H> {
    connections: Arc<Connections<H>>,
    seat: Arc<Seat>,
    sender: Sender,
}

impl<H: Handler> Open<H> {
    /// Answers one request, and says whether another one may come.
    async fn answer(&self, request: Arrived) -> Response<ResponseBody> {
        let Self {
            connections,
            seat,
            sender,
        } = self;
        let _request = seat.progress.begin(request.version());
        let asks_first = request.headers().contains_key(EXPECT);
        let is_http1 = request.version() < Version::HTTP_2;
        let may_stay = |_: &&HeaderValue| stays_open(request.version(), request.headers());
        let keep_alive = connections.keep_alive.as_ref().filter(may_stay).cloned();
        let handler = Arc::clone(&connections.handler);
        let mut response = handler.answer(request, sender, &connections.entry_point).await;
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
        response.map(|body| body.sending(&seat.progress))
    }
}

/// Begins the end of a connection on which nothing is under way, unless something has come meanwhile. Ready if it has ended already.
async fn leave<S>(
    mut connection: Pin<&mut auto::Connection<'_, Io, S, TokioExecutor>>,
    seat: &Arc<Seat>,
) -> Poll<()>
where
    S: Service<Request<Incoming>, Response = Response<ResponseBody>, Error = Infallible>,
    S::Future: Send + 'static,
{
    if seat.progress.is_http2() {
        seat.set_ending(true);
        seat.leave();
        connection.as_mut().graceful_shutdown();
    } else if seat.progress.is_reading_head() {
        seat.leave();
    } else {
        seat.set_ending(true);
        if poll_once(connection.as_mut()).await.is_ready() {
            return Poll::Ready(());
        }
        // If something has come meanwhile, it goes on as if it had not been asked.
        seat.set_ending(seat.has_left());
    }
    Poll::Pending
}

/// In the place of a length that the library has left out.
const LEFT_OUT: HeaderValue = HeaderValue::from_static("0");

/// Lets a connection look at its stream. Ready if it has ended.
async fn poll_once<S>(mut connection: Pin<&mut auto::Connection<'_, Io, S, TokioExecutor>>) -> Poll<()>
where
    S: Service<Request<Incoming>, Response = Response<ResponseBody>, Error = Infallible>,
    S::Future: Send + 'static,
{
    poll_fn(|cx| Poll::Ready(connection.as_mut().poll(cx).map(drop))).await
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
    use std::io::{ErrorKind, Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use http_body_util::BodyExt as _;
    use tokio::sync::{Semaphore, watch};
    use tokio::task::yield_now;

    use super::*;
    use crate::transport::room::Room;

    /// Answers with the body that came, as often as it may.
    struct Echo {
        /// Requests that may be answered.
        answers: Semaphore,
        is_stopping: watch::Sender<bool>,
        /// Connections that are open, and bytes of bodies that have come.
        open: AtomicUsize,
        body_bytes: AtomicUsize,
    }

    struct Opened<'e>(&'e Echo);

    impl Drop for Opened<'_> {
        fn drop(&mut self) {
            self.0.open.fetch_sub(1, Ordering::Relaxed);
        }
    }

    impl Handler for Echo {
        async fn answer(
            self: Arc<Self>,
            request: Arrived,
            _sender: &Sender,
            _entry_point: &EntryPoint,
        ) -> Response<ResponseBody> {
            let body = request.into_body().collect().await.unwrap().to_bytes();
            self.body_bytes.fetch_add(body.len(), Ordering::Relaxed);
            self.answers.acquire().await.unwrap().forget();
            Response::new(body.into())
        }

        fn stopping(&self) -> impl Future<Output = ()> + Send + 'static {
            let mut is_stopping = self.is_stopping.subscribe();
            async move {
                is_stopping.wait_for(|is_stopping| *is_stopping).await.unwrap();
            }
        }

        fn connection_opened(&self) -> impl Send {
            self.open.fetch_add(1, Ordering::Relaxed);
            Opened(self)
        }

        fn gave_way(&self) {}
    }

    /// A client whose connection is served, and who answers it.
    fn connect(answers: usize) -> (TcpStream, Arc<Echo>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _address) = listener.accept().unwrap();
        client.set_nonblocking(true).unwrap();
        server.set_nonblocking(true).unwrap();
        let server = Socket::Tcp(tokio::net::TcpStream::from_std(server).unwrap());
        let echo = Arc::new(Echo {
            answers: Semaphore::new(answers),
            is_stopping: watch::Sender::new(false),
            open: AtomicUsize::new(0),
            body_bytes: AtomicUsize::new(0),
        });
        let timeouts = Timeouts {
            head: Duration::from_secs(10),
            idle: None,
        };
        let connections = Connections::new(Arc::clone(&echo), Arc::new(EntryPoint::new(None, [])), timeouts);
        tokio::spawn(async move {
            let seated = Room::new(1, 1, false).try_seat(true).unwrap();
            let peer = Peer::Local(None);
            Arc::new(connections)
                .serve(server, peer, Arc::clone(&seated.0))
                .await;
        });
        (client, echo)
    }

    /// What comes next; nothing at the end. The clock stands still meanwhile: somebody has something to do.
    async fn read(client: &mut TcpStream) -> String {
        let mut buffer = [0; 4096];
        loop {
            match client.read(&mut buffer) {
                Ok(bytes) => return String::from_utf8(buffer[..bytes].to_vec()).unwrap(),
                Err(error) if error.kind() == ErrorKind::WouldBlock => yield_now().await,
                Err(error) => panic!("{error}"),
            }
        }
    }

    async fn until(is_true: impl Fn() -> bool) {
        while !is_true() {
            yield_now().await;
        }
    }

    const PUSH: &[u8] = b"PUT /a HTTP/1.1\r\nContent-Length: 4\r\n\r\nm 1\n";

    #[tokio::test(start_paused = true)]
    async fn requests_are_answered_in_their_order_until_the_client_ends_the_connection() {
        let (mut client, echo) = connect(usize::MAX >> 3);
        for request in [PUSH, b"GET /?a=\"b\" HTTP/1.1\r\n\r\n", PUSH] {
            client.write_all(request).unwrap();
            let answer = read(&mut client).await;
            assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
            assert_eq!(answer.ends_with("\r\n\r\nm 1\n"), request == PUSH, "{answer}");
        }
        assert_eq!(echo.open.load(Ordering::Relaxed), 1);
        drop(client);
        until(|| echo.open.load(Ordering::Relaxed) == 0).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_crosses_the_end_is_handled_though_it_cannot_be_answered() {
        let (mut client, echo) = connect(2);
        client.write_all(PUSH).unwrap();
        assert!(read(&mut client).await.starts_with("HTTP/1.1 200 OK\r\n"));
        echo.is_stopping.send_replace(true);
        assert_eq!(read(&mut client).await, "");
        client.write_all(PUSH).unwrap();
        until(|| echo.body_bytes.load(Ordering::Relaxed) == 8).await;
        assert_eq!(read(&mut client).await, "");
        until(|| echo.open.load(Ordering::Relaxed) == 0).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_under_way_at_the_end_is_answered_as_the_last_one() {
        let (mut client, echo) = connect(0);
        client.write_all(PUSH).unwrap();
        until(|| echo.body_bytes.load(Ordering::Relaxed) == 4).await;
        echo.is_stopping.send_replace(true);
        yield_now().await;
        echo.answers.add_permits(1);
        let answer = read(&mut client).await;
        assert!(answer.contains("\r\nConnection: close\r\n"), "{answer}");
        assert_eq!(read(&mut client).await, "");
    }

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
