//! Who sends lines: one thread on a processor of its own, as fast as it can or at a pace.

use std::io::{ErrorKind, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rustix::thread::{CpuSet, sched_setaffinity};

use super::MAKING;

/// How lines come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Over one connection.
    Tcp,
    /// In datagrams.
    Udp,
}

/// Bytes that go to a connection with one system call.
const CHUNK: usize = 1 << 16;
/// Datagrams between two looks at the clock.
const BURST: u64 = 16;

/// A thread that sends the same datagrams over and over.
#[derive(Debug)]
pub(crate) struct Sender<'d> {
    pub(crate) way: Way,
    pub(crate) to: SocketAddr,
    pub(crate) datagrams: &'d [Vec<u8>],
    /// Lines of each.
    pub(crate) lines: usize,
    /// Datagrams a second; as many as go without it.
    pub(crate) pace: Option<f64>,
}

impl Sender<'_> {
    /// Sends for this long, whole turns through the datagrams if `is_whole`. How many lines were sent.
    ///
    /// # Errors
    /// If the network does not take them.
    pub(crate) fn send(&self, window: Duration, is_whole: bool) -> Result<u64> {
        let mut processors = CpuSet::new();
        processors.set(MAKING);
        sched_setaffinity(None, &processors).context("stay on one processor")?;
        let sent = match self.way {
            Way::Tcp => self.over_tcp(window, is_whole),
            Way::Udp => self.over_udp(window, is_whole),
        };
        Ok(sent? * self.lines as u64)
    }

    fn over_tcp(&self, window: Duration, is_whole: bool) -> Result<u64> {
        let mut stream = TcpStream::connect(self.to).context("connect for lines")?;
        let begin = Instant::now();
        let mut sent = 0;
        let mut chunk = Vec::with_capacity(2 * CHUNK);
        'turns: loop {
            for datagram in self.datagrams {
                chunk.extend_from_slice(datagram);
                sent += 1;
                if chunk.len() >= CHUNK {
                    stream.write_all(&chunk).context("send lines")?;
                    chunk.clear();
                    if !is_whole && begin.elapsed() >= window {
                        break 'turns;
                    }
                }
            }
            if begin.elapsed() >= window {
                break;
            }
        }
        stream.write_all(&chunk).context("send lines")?;
        Ok(sent)
    }

    fn over_udp(&self, window: Duration, is_whole: bool) -> Result<u64> {
        let socket = UdpSocket::bind("127.0.0.1:0").context("open a socket for lines")?;
        socket.connect(self.to).context("set up a socket for lines")?;
        let begin = Instant::now();
        let mut sent = 0;
        'turns: loop {
            for datagram in self.datagrams {
                match socket.send(datagram) {
                    Ok(_) => sent += 1,
                    // Nobody listens any more: whoever looks at the receiver will see it.
                    Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
                    Err(error) => return Err(error).context("send lines"),
                }
                if sent % BURST == 0 {
                    if let Some(pace) = self.pace {
                        let due = Duration::from_secs_f64(sent as f64 / pace);
                        // Shorter than a sleep could be.
                        while begin.elapsed() < due {
                            std::hint::spin_loop();
                        }
                    }
                    if !is_whole && begin.elapsed() >= window {
                        break 'turns;
                    }
                }
            }
            if begin.elapsed() >= window {
                break;
            }
        }
        Ok(sent)
    }
}
