//! The bytes of a connection, watched: [`Progress`] is told when some move, and the end is one after which nothing is lost.
//!
//! A client may send its next request at the moment at which we close the connection. If nobody takes what it sends, its
//! system gets a reset, which may take the last answer along as well. So the end has three steps. What has come until now is
//! looked for first, and is a request like others. Then the client is told that nothing will be sent any more: over HTTP/1 by
//! closing one half of the connection, over HTTP/2 by a frame, which is the library's matter. And what was on its way then is
//! still taken for a moment. Over HTTP/1 it cannot be answered any more, but a push is stored.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use crate::transport::progress::Progress;
use crate::transport::room::Seat;
use crate::transport::stream::Stream;

/// For what was on its way when the client was told that the connection ends: there and back around the world.
const LINGER: Duration = Duration::from_millis(500);

/// What is read at once. The library makes its buffer twice as large whenever one is filled, up to the longest head there may be, and
/// holds two of them: a megabyte or two for each of many who send large bodies, of which nobody would know.
const MOST_AT_ONCE: usize = 64 << 10;

/// A stream that belongs to a seat.
pub(crate) struct Watched {
    stream: Stream,
    seat: Arc<Seat>,
    /// Nothing more will come.
    has_ended: bool,
    /// Something could not be written yet.
    is_blocked: bool,
    writing: Writing,
    /// The end of the time in which something may come, once the connection is to end.
    linger: Option<Pin<Box<Sleep>>>,
}

/// Our half of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writing {
    Open,
    /// The other side is being told that nothing more will come.
    Closing,
    Closed,
}

impl Watched {
    pub(crate) fn new(stream: Stream, seat: Arc<Seat>) -> Self {
        Self {
            stream,
            seat,
            has_ended: false,
            is_blocked: false,
            writing: Writing::Open,
            linger: None,
        }
    }

    fn progress(&self) -> &Progress {
        &self.seat.progress
    }

    /// There is nothing to read now. If the connection is to end, it may do so.
    fn poll_ending(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.seat.is_ending() {
            self.linger = None;
            return Poll::Pending;
        }
        if self.progress().is_busy() || self.is_blocked {
            return Poll::Pending;
        }
        let (is_http2, is_reading_head) = (self.progress().is_http2(), self.progress().is_reading_head());
        if self.writing == Writing::Open && !is_http2 && !is_reading_head && self.stream.is_silent() {
            self.writing = Writing::Closing;
            self.seat.leave();
        }
        if self.writing == Writing::Closing && self.poll_close_half(cx).is_ready() {
            // If that fails, the other side has gone.
            self.writing = Writing::Closed;
        }
        ready!(self.poll_linger(cx));
        // Something may have come that the runtime does not know of yet. It will, and wakes whoever has just read nothing.
        if self.stream.is_silent() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    fn poll_close_half(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.writing == Writing::Closed {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let linger = self.linger.get_or_insert_with(|| Box::pin(sleep(LINGER)));
        linger.as_mut().poll(cx)
    }

    /// Reads until the other side ends, and throws away what comes.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut sink = [0; 4096];
        loop {
            let mut buf = ReadBuf::new(&mut sink);
            let read = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buf));
            if read.is_err() || buf.filled().is_empty() {
                return Poll::Ready(());
            }
        }
    }

    fn is_open(&self) -> io::Result<()> {
        match self.writing {
            Writing::Open => Ok(()),
            Writing::Closing | Writing::Closed => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    /// Writes what there is, if that is still allowed.
    fn poll_to_write(
        &mut self,
        write: impl FnOnce(Pin<&mut Stream>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        self.is_open()?;
        // Before the client can have read anything: so of two connections, the one that it used first is the older one.
        let now = self.progress().now();
        let polled = write(Pin::new(&mut self.stream));
        self.is_blocked = polled.is_pending();
        if let Poll::Ready(written) = &polled {
            self.progress()
                .wrote(written.as_ref().map_or(0, |bytes| *bytes), now);
        }
        polled
    }
}

impl AsyncRead for Watched {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let polled = if buf.remaining() > MOST_AT_ONCE {
            let mut some = ReadBuf::new(buf.initialize_unfilled_to(MOST_AT_ONCE));
            let polled = Pin::new(&mut this.stream).poll_read(cx, &mut some);
            let read = some.filled().len();
            buf.advance(read);
            polled
        } else {
            Pin::new(&mut this.stream).poll_read(cx, buf)
        };
        match &polled {
            Poll::Ready(Ok(())) if buf.filled().len() > before => this.progress().bytes_read(),
            Poll::Ready(_) => this.has_ended = true,
            Poll::Pending => {
                // As if the other side had ended.
                ready!(this.poll_ending(cx));
                this.has_ended = true;
                return Poll::Ready(Ok(()));
            }
        }
        polled
    }
}

impl AsyncWrite for Watched {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().poll_to_write(|stream| stream.poll_write(cx, buf))
    }

    /// Is called whenever the connection is looked after, also where nothing is read.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let presence = &this.seat.presence;
        if presence.is_watched() {
            presence.note(this.stream.other_side(), this.progress().now());
        }
        Pin::new(&mut this.stream).poll_flush(cx)
    }

    /// Is called when HTTP is done with the connection.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.seat.leave();
        ready!(this.poll_close_half(cx))?;
        this.writing = Writing::Closed;
        if !this.has_ended {
            // The time first: whoever sends faster than this reads leaves the task no turn to look at it afterwards.
            let is_over = this.poll_linger(cx).is_ready();
            let is_drained = this.poll_drain(cx).is_ready();
            if !is_over && !is_drained {
                return Poll::Pending;
            }
        }
        this.has_ended = true;
        Poll::Ready(Ok(()))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut()
            .poll_to_write(|stream| stream.poll_write_vectored(cx, bufs))
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};
    use std::pin::pin;

    use tokio::io::AsyncWriteExt as _;

    use super::*;
    use crate::transport::room::{Room, Seated};
    use crate::transport::socket::Socket;

    /// Sends as much as goes without somebody who reads it.
    fn fill(client: &mut TcpStream) -> usize {
        let mut sent = 0;
        while let Ok(bytes) = client.write(&[0; 16 << 10]) {
            sent += bytes;
        }
        sent
    }

    /// A client, and its connection.
    fn connect() -> (TcpStream, Watched, Seated) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _address) = listener.accept().unwrap();
        client.set_nonblocking(true).unwrap();
        server.set_nonblocking(true).unwrap();
        let server = Socket::Tcp(tokio::net::TcpStream::from_std(server).unwrap());
        let seated = Room::new(1, 1, false).try_seat(true).unwrap();
        let watched = Watched::new(Stream::Plain(server), Arc::clone(&seated.0));
        (client, watched, seated)
    }

    /// Waits until the runtime knows that something has come.
    async fn readable(watched: &Watched) {
        let Stream::Plain(Socket::Tcp(stream)) = &watched.stream else {
            panic!("expected TCP");
        };
        stream.readable().await.unwrap();
    }

    /// Reads once: what has come, or whether the connection waits for more.
    async fn read_once(watched: &mut Watched) -> Poll<Vec<u8>> {
        let mut buffer = [0; 64];
        let mut buf = ReadBuf::new(&mut buffer);
        let read = poll_fn(|cx| Poll::Ready(Pin::new(&mut *watched).poll_read(cx, &mut buf))).await;
        read.map(|read| {
            read.unwrap();
            buf.filled().to_vec()
        })
    }

    #[tokio::test]
    async fn a_buffer_is_not_filled_at_once_however_large_it_is() {
        use tokio::io::AsyncReadExt as _;

        let (mut client, mut watched, _seated) = connect();
        client.set_nonblocking(false).unwrap();
        let sent: Vec<u8> = (0..=250).cycle().take(4 * MOST_AT_ONCE).collect();
        let writing = std::thread::spawn({
            let sent = sent.clone();
            move || client.write_all(&sent)
        });
        let mut buffer = vec![0; sent.len()];
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            let read = watched.read(rest).await.unwrap();
            assert!((1..=MOST_AT_ONCE).contains(&read), "{read}");
            filled += read;
        }
        assert_eq!(buffer, sent);
        writing.join().unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn what_crosses_the_end_is_read_however_late_the_process_is() {
        let (mut client, mut watched, seated) = connect();
        assert_eq!(read_once(&mut watched).await, Poll::Pending);
        seated.0.set_ending(true);
        assert_eq!(read_once(&mut watched).await, Poll::Pending);
        assert!(seated.0.has_left());
        client.set_nonblocking(false).unwrap();
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
        tokio::time::advance(LINGER * 2).await;
        client.write_all(b"late").unwrap();
        // The time is over, and the runtime has not heard of what has come.
        assert_eq!(read_once(&mut watched).await, Poll::Pending);
        readable(&watched).await;
        assert_eq!(read_once(&mut watched).await, Poll::Ready(b"late".to_vec()));
        assert_eq!(read_once(&mut watched).await, Poll::Ready(Vec::new()));
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_never_stops_sending_is_left_when_the_time_is_over() {
        let (mut client, mut watched, _seated) = connect();
        fill(&mut client);
        readable(&watched).await;
        let mut end = pin!(watched.shutdown());
        let now = poll_fn(|cx| Poll::Ready(end.as_mut().poll(cx))).await;
        assert!(now.is_pending());
        tokio::time::advance(LINGER * 2).await;
        // There is more than is read in one turn.
        fill(&mut client);
        let later = poll_fn(|cx| Poll::Ready(end.as_mut().poll(cx))).await;
        assert!(later.is_ready());
    }
}
