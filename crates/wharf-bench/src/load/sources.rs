//! Addresses that a load connects from.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use mio::net::TcpStream;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, ipproto, socket_with};

/// The hosts of a load: each connection comes from the next of them, as those of jobs do.
///
/// From one address no more than 28,000 ports can connect to a server, and each of them rests for up to two seconds after
/// its connection. With 14,000 new connections a second the kernel searches longer and longer for a port that may be used
/// again: that is time of the generator, and would be measured as if the server had taken it.
#[derive(Debug, Default)]
pub(super) struct Sources {
    next: u16,
}

impl Sources {
    /// Of one of several threads, each of which begins somewhere else.
    pub(super) fn of_thread(thread: u32) -> Self {
        Self {
            next: u16::try_from(thread).unwrap_or(0).wrapping_mul(4096),
        }
    }

    /// Begins to connect. If the server is on this machine, from another address than the last time.
    pub(super) fn connect(&mut self, server: SocketAddr) -> io::Result<TcpStream> {
        let stream = match server {
            SocketAddr::V4(to) if to.ip().is_loopback() => self.connect_here(to)?,
            _ => TcpStream::connect(server)?,
        };
        // As all clients do: what follows a handshake would wait for its acknowledgement.
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    fn connect_here(&mut self, to: SocketAddrV4) -> io::Result<TcpStream> {
        self.next = self.next.wrapping_add(1);
        let [high, low] = self.next.to_be_bytes();
        // All of 127.0.0.0/8 is this machine.
        let from = SocketAddrV4::new(Ipv4Addr::new(127, 1, high, low), 0);
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, Some(ipproto::TCP))?;
        bind(&socket, &from)?;
        match connect(&socket, &to) {
            Ok(()) | Err(rustix::io::Errno::INPROGRESS) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(TcpStream::from_std(std::net::TcpStream::from(socket)))
    }
}
