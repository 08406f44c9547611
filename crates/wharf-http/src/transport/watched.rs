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
        self.poll_linger(cx)
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

    fn wrote(&mut self, polled: &Poll<io::Result<usize>>) {
        self.is_blocked = polled.is_pending();
        if let Poll::Ready(written) = polled {
            self.progress().wrote(written.as_ref().map_or(0, |bytes| *bytes));
        }
    }
}

impl AsyncRead for Watched {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let polled = Pin::new(&mut this.stream).poll_read(cx, buf);
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
        let this = self.get_mut();
        this.is_open()?;
        let polled = Pin::new(&mut this.stream).poll_write(cx, buf);
        this.wrote(&polled);
        polled
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
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
        let this = self.get_mut();
        this.is_open()?;
        let polled = Pin::new(&mut this.stream).poll_write_vectored(cx, bufs);
        this.wrote(&polled);
        polled
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::io::Write as _;
    use std::net::{TcpListener, TcpStream};
    use std::pin::pin;

    use tokio::io::AsyncWriteExt as _;

    use super::*;
    use crate::transport::room::Room;
    use crate::transport::socket::Socket;

    /// Sends as much as goes without somebody who reads it.
    fn fill(client: &mut TcpStream) -> usize {
        let mut sent = 0;
        while let Ok(bytes) = client.write(&[0; 16 << 10]) {
            sent += bytes;
        }
        sent
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_never_stops_sending_is_left_when_the_time_is_over() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _address) = listener.accept().unwrap();
        client.set_nonblocking(true).unwrap();
        server.set_nonblocking(true).unwrap();
        let server = tokio::net::TcpStream::from_std(server).unwrap();
        fill(&mut client);
        server.readable().await.unwrap();
        let seated = Room::new(1, 1, false).try_seat(true).unwrap();
        let mut watched = Watched::new(Stream::Plain(Socket::Tcp(server)), Arc::clone(&seated.0));
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
