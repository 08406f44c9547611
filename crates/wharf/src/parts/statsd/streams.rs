//! Lines over connections, of TCP and of Unix sockets.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use memchr::{memchr, memrchr};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::intake::{Intake, Way};

/// A line with its end has at most so many bytes. The rest of a longer one is passed over.
const MAX_LINE: usize = 1 << 16;
/// After so long without a byte the system asks whether the other side is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(300);
/// The pause after a connection could not be accepted: files may be open that are closed soon.
const PAUSE: Duration = Duration::from_millis(100);

/// So often is read after it is to stop.
const LAST_TURNS: usize = 1 << 10;

/// What accepts connections.
#[derive(Debug)]
pub(super) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

#[derive(Debug)]
enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Listener {
    /// One of TCP.
    ///
    /// # Errors
    /// If the system does not let us.
    pub(super) fn tcp(listener: std::net::TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Self::Tcp(TcpListener::from_std(listener)?))
    }

    /// One of a Unix socket.
    ///
    /// # Errors
    /// If the system does not let us.
    pub(super) fn unix(listener: std::os::unix::net::UnixListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Self::Unix(UnixListener::from_std(listener)?))
    }

    fn way(&self) -> Way {
        match self {
            Self::Tcp(_) => Way::Tcp,
            Self::Unix(_) => Way::Unix,
        }
    }

    async fn accept(&self) -> io::Result<Stream> {
        Ok(match self {
            Self::Tcp(listener) => {
                let (stream, _address) = listener.accept().await?;
                let keep_alive = TcpKeepalive::new().with_time(KEEP_ALIVE);
                SockRef::from(&stream).set_tcp_keepalive(&keep_alive)?;
                Stream::Tcp(stream)
            }
            Self::Unix(listener) => Stream::Unix(listener.accept().await?.0),
        })
    }
}

impl Stream {
    async fn readable(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.readable().await,
            Self::Unix(stream) => stream.readable().await,
        }
    }

    fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_read(buffer),
            Self::Unix(stream) => stream.try_read(buffer),
        }
    }
}

/// Accepts connections until it is to stop, of all ways together at most so many at a time.
pub(super) async fn accept(
    listener: Listener,
    intake: Arc<Intake>,
    max_connections: u64,
    stopping: impl Future<Output = ()>,
) {
    let mut connections = JoinSet::new();
    let mut stopping = pin!(stopping);
    let way = listener.way();
    // Connections see when this end of it goes.
    let (running, is_running) = watch::channel(());
    loop {
        let stream = tokio::select! {
            () = &mut stopping => break,
            Some(_ended) = connections.join_next() => continue,
            accepted = listener.accept() => match accepted {
                Ok(stream) => stream,
                Err(error) => {
                    tracing::debug!(err = %error, "cannot accept a connection with StatsD lines");
                    intake.received.connection_errors.fetch_add(1, Relaxed);
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            },
        };
        if intake.received.open_connections.load(Relaxed) >= max_connections {
            intake.received.connections_refused.fetch_add(1, Relaxed);
            continue;
        }
        intake.received.came(way, 1);
        let open = Open::new(&intake);
        let is_running = is_running.clone();
        connections.spawn(async move {
            let intake = Arc::clone(&open.0);
            if let Err(error) = Lines::new(&intake, way).read(&stream, is_running).await {
                tracing::debug!(err = %error, "a connection with StatsD lines has ended");
                intake.received.connection_errors.fetch_add(1, Relaxed);
            }
            drop(open);
        });
    }
    drop((listener, running));
    while connections.join_next().await.is_some() {}
}

/// A connection counts as open until this is dropped.
struct Open(Arc<Intake>);

impl Open {
    fn new(intake: &Arc<Intake>) -> Self {
        intake.received.open_connections.fetch_add(1, Relaxed);
        Self(Arc::clone(intake))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.received.open_connections.fetch_sub(1, Relaxed);
    }
}

/// Lines of a connection, however it is cut into pieces.
struct Lines<'i> {
    intake: &'i Intake,
    way: Way,
    /// What has come of a line whose end has not.
    buffer: Vec<u8>,
    filled: usize,
    /// Whether the line that comes is too long.
    skips: bool,
}

impl<'i> Lines<'i> {
    fn new(intake: &'i Intake, way: Way) -> Self {
        Self {
            intake,
            way,
            buffer: vec![0; MAX_LINE],
            filled: 0,
            skips: false,
        }
    }

    /// Reads until the other side has sent all; or until it is to stop, and what has come before was read.
    async fn read(&mut self, stream: &Stream, mut is_running: watch::Receiver<()>) -> io::Result<()> {
        loop {
            tokio::select! {
                biased;
                _gone = is_running.changed() => break,
                ready = stream.readable() => ready?,
            }
            if self.read_some(stream)? == Some(0) {
                return Ok(());
            }
            // A sender that never pauses is not to have all turns.
            tokio::task::yield_now().await;
        }
        for _ in 0..LAST_TURNS {
            match self.read_some(stream)? {
                Some(0) => return Ok(()),
                Some(_) => {}
                None => break,
            }
        }
        Ok(())
    }

    /// Reads what has come, and says how many bytes that were: 0 at the end, none if nothing has.
    fn read_some(&mut self, stream: &Stream) -> io::Result<Option<usize>> {
        let room = self.buffer.get_mut(self.filled..).unwrap_or_default();
        match stream.try_read(room) {
            Ok(0) => self.end(),
            Ok(bytes) => {
                self.intake.received.bytes(self.way, bytes);
                self.take(bytes);
                return Ok(Some(bytes));
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
        }
        Ok(Some(0))
    }

    /// So many bytes have come.
    fn take(&mut self, bytes: usize) {
        let came = self.filled + bytes;
        let lines = self.buffer.get(..came).unwrap_or_default();
        let Some(end) = memrchr(b'\n', lines) else {
            self.filled = came;
            if came == self.buffer.len() {
                self.filled = 0;
                let was_skipped = std::mem::replace(&mut self.skips, true);
                let lines = u64::from(!was_skipped);
                self.intake.received.too_long_lines.fetch_add(lines, Relaxed);
            }
            return;
        };
        let mut whole = lines.get(..end).unwrap_or_default();
        if self.skips {
            self.skips = false;
            let rest = memchr(b'\n', whole).and_then(|end| whole.get(end + 1..));
            whole = rest.unwrap_or_default();
            if rest.is_some() {
                self.intake.read(whole);
            }
        } else {
            self.intake.read(whole);
        }
        self.buffer.copy_within(end + 1..came, 0);
        self.filled = came - end - 1;
    }

    /// The last line need not have an end.
    fn end(&mut self) {
        let rest = self.buffer.get(..self.filled).unwrap_or_default();
        if !rest.is_empty() && !self.skips {
            self.intake.read(rest);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;
    use wharf_gateway::Statsd as _;
    use wharf_store::SystemClock;

    use super::*;
    use crate::parts::statsd::settings::Statsd;

    fn intake() -> Intake {
        Intake::new(&Statsd::default(), None, Arc::new(SystemClock)).unwrap()
    }

    /// Lets these bytes come in pieces of these lengths.
    fn come(intake: &Intake, mut bytes: &[u8], pieces: &[usize]) {
        let mut lines = Lines::new(intake, Way::Tcp);
        let mut pieces = pieces.iter().cycle();
        while !bytes.is_empty() {
            let room = &mut lines.buffer[lines.filled..];
            let piece = (*pieces.next().unwrap()).min(bytes.len()).min(room.len());
            room[..piece].copy_from_slice(&bytes[..piece]);
            lines.take(piece);
            bytes = &bytes[piece..];
        }
        lines.end();
    }

    #[test]
    fn a_line_that_is_too_long_is_counted_and_those_around_it_count() {
        let intake = intake();
        let long = "x".repeat(3 * MAX_LINE);
        come(
            &intake,
            format!("a:1|c\n{long}:1|c\nb:1|c\nc:1|c").as_bytes(),
            &[1000],
        );
        let counts = intake.counts();
        assert_eq!((counts.samples, counts.too_long_lines), (3, 1));
        come(&intake, format!("{long}\n").as_bytes(), &[1 << 15]);
        come(&intake, long.as_bytes(), &[1 << 15]);
        let counts = intake.counts();
        assert_eq!((counts.samples, counts.too_long_lines), (3, 3));
    }

    #[test]
    fn the_longest_line_counts() {
        let intake = intake();
        let name = "x".repeat(MAX_LINE - ":1|c\n".len());
        come(&intake, format!("{name}:1|c\n").as_bytes(), &[MAX_LINE]);
        assert_eq!((intake.counts().samples, intake.counts().too_long_lines), (1, 0));
    }

    proptest! {
        /// It does not matter how a connection cuts its lines.
        #[test]
        fn lines_may_be_cut_anywhere(
            lines in prop::collection::vec("[ab]{0,2}(:[1-3]\\|c)?\\r?", 0..20),
            pieces in prop::collection::vec(1..20_usize, 1..5),
            has_end in any::<bool>(),
        ) {
            let mut bytes = lines.join("\n").into_bytes();
            if has_end {
                bytes.push(b'\n');
            }
            let (cut, whole) = (intake(), intake());
            come(&cut, &bytes, &pieces);
            come(&whole, &bytes, &[MAX_LINE]);
            prop_assert_eq!(cut.counts(), whole.counts());
        }
    }
}
