//! Sockets: of TCP, and Unix ones, which a service manager hands over.

use std::future::poll_fn;
use std::io;
use std::net::TcpListener as StdTcpListener;
use std::os::unix::net::UnixListener as StdUnixListener;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv, sockopt};
use tokio::io::Interest;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use wharf_gateway::Peer;

use crate::transport::pass_on::pass_on;
use crate::transport::presence::OtherSide;

/// A socket that listens, before there is a runtime.
#[derive(Debug)]
pub enum Listener {
    /// At an address of TCP.
    Tcp(StdTcpListener),
    /// At a path, or at a name that is no path.
    Unix(StdUnixListener),
}

impl Listener {
    /// Where it listens, in Go's notation: `host:port`, a path, or `@` and a name that is none.
    pub fn address(&self) -> String {
        match self {
            Self::Tcp(listener) => listener.local_addr().map(|address| address.to_string()),
            Self::Unix(listener) => listener.local_addr().map(|address| unix_address(&address)),
        }
        .unwrap_or_default()
    }
}

fn unix_address(address: &std::os::unix::net::SocketAddr) -> String {
    use std::os::linux::net::SocketAddrExt as _;
    match (address.as_pathname(), address.as_abstract_name()) {
        (Some(path), _) => path.display().to_string(),
        (None, Some(name)) => format!("@{}", String::from_utf8_lossy(name)),
        (None, None) => "@".to_owned(),
    }
}

/// A socket that connections are accepted from.
#[derive(Debug)]
pub(crate) enum Accepting {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Accepting {
    /// Registers a socket with the runtime.
    pub(crate) fn new(listener: Listener) -> io::Result<Self> {
        Ok(match listener {
            Listener::Tcp(listener) => {
                listener.set_nonblocking(true)?;
                Self::Tcp(TcpListener::from_std(listener)?)
            }
            Listener::Unix(listener) => {
                listener.set_nonblocking(true)?;
                Self::Unix(UnixListener::from_std(listener)?)
            }
        })
    }

    /// The next connection, and whose it is.
    ///
    /// # Cancel safety
    /// No connection is lost.
    pub(crate) async fn accept(&self) -> io::Result<(Socket, Peer)> {
        poll_fn(|cx| self.poll_accept(cx)).await
    }

    /// The next connection, if one waits.
    pub(crate) fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(Socket, Peer)>> {
        Poll::Ready(match self {
            Self::Tcp(listener) => {
                let (stream, address) = ready!(listener.poll_accept(cx))?;
                let peer = Peer::from(address);
                if let Err(error) = stream.set_nodelay(true).and_then(|()| find_dead_peer(&stream)) {
                    tracing::debug!(source = %peer, err = %error, "cannot set up a connection");
                }
                Ok((Socket::Tcp(stream), peer))
            }
            Self::Unix(listener) => {
                let (stream, _unnamed) = ready!(listener.poll_accept(cx))?;
                let user = stream.peer_cred().ok().map(|credentials| credentials.uid());
                Ok((Socket::Unix(stream), Peer::Local(user)))
            }
        })
    }
}

/// A connection.
#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Socket {
    /// The first byte, which stays to be read; none at the end.
    pub(crate) async fn peek(&self) -> io::Result<Option<u8>> {
        let mut first = [0];
        let bytes = match self {
            Self::Tcp(stream) => stream.peek(&mut first).await?,
            Self::Unix(stream) => {
                let peek = || Ok(recv(stream, &mut first[..], RecvFlags::PEEK)?.0);
                stream.async_io(Interest::READABLE, peek).await?
            }
        };
        Ok((bytes > 0).then_some(first[0]))
    }
}

impl Socket {
    /// Whether nothing has come that nobody has read yet, the end of the other side included. Asks the system: the runtime
    /// may not know yet.
    pub(crate) fn is_silent(&self) -> bool {
        let mut first = [0];
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        let peeked = match self {
            Self::Tcp(stream) => recv(stream, &mut first[..], flags),
            Self::Unix(stream) => recv(stream, &mut first[..], flags),
        };
        peeked.is_err_and(|error| error == Errno::WOULDBLOCK)
    }

    /// How the other side is, whether or not it has sent something that nobody has read yet.
    pub(crate) fn other_side(&self) -> OtherSide {
        let wanted = PollFlags::RDHUP;
        let mut polled = [match self {
            Self::Tcp(stream) => PollFd::new(stream, wanted),
            Self::Unix(stream) => PollFd::new(stream, wanted),
        }];
        let at_once = Timespec::default();
        if poll(&mut polled, Some(&at_once)).is_err() {
            return OtherSide::Open;
        }
        let found = polled.each_ref().map(PollFd::revents);
        if found
            .iter()
            .any(|found| found.intersects(PollFlags::HUP | PollFlags::ERR))
        {
            OtherSide::Closed
        } else if found.iter().any(|found| found.contains(PollFlags::RDHUP)) {
            OtherSide::HalfClosed
        } else {
            OtherSide::Open
        }
    }
}

/// When a peer that says nothing is asked whether it is still there, how often, and how many times: the values of Go's servers.
const PROBE_AFTER: Duration = Duration::from_secs(15);
const PROBE_AGAIN: Duration = Duration::from_secs(15);
const PROBES: u32 = 9;

/// Lets the system end a connection whose peer is gone without a word.
fn find_dead_peer(stream: &TcpStream) -> io::Result<()> {
    sockopt::set_tcp_keepidle(stream, PROBE_AFTER)?;
    sockopt::set_tcp_keepintvl(stream, PROBE_AGAIN)?;
    sockopt::set_tcp_keepcnt(stream, PROBES)?;
    Ok(sockopt::set_socket_keepalive(stream, true)?)
}

pass_on!(Socket: Tcp, Unix);
