//! Copies of lines for others: as they have come, bad ones too, packed into datagrams. As `statsd_exporter` does it, but to several
//! places, and never waiting for the network.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _, UdpSocket};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use wharf_gateway::StatsdRelayed;

use super::settings::Statsd;

/// For so long lines wait until a datagram is full.
const FLUSH_EVERY: Duration = Duration::from_secs(1);
/// After so many flushes it is looked whether names have got other addresses.
const LOOK_EVERY: u32 = 60;

/// Where copies of lines go.
pub(crate) struct Relay {
    max_bytes: usize,
    /// Lines that go with the next datagram.
    waiting: Mutex<Vec<u8>>,
    targets: Vec<Target>,
    lines: AtomicU64,
    long_lines: AtomicU64,
}

struct Target {
    /// The address as the operator has written it.
    name: String,
    way: Mutex<Way>,
    packets: AtomicU64,
    lost: AtomicU64,
}

/// How a target is reached.
struct Way {
    socket: UdpSocket,
    to: SocketAddr,
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.targets.iter().map(|target| &target.name);
        f.debug_list().entries(names).finish()
    }
}

impl Relay {
    /// One to the targets of the settings, if there are some. Blocks.
    ///
    /// # Errors
    /// If a name has no address, or there is no socket.
    pub(crate) fn open(settings: &Statsd) -> Result<Option<Self>, String> {
        let targets = settings.relay_addresses.iter().map(|name| {
            let way = look_up(name).and_then(Way::to);
            Ok(Target {
                name: name.clone(),
                way: Mutex::new(way.map_err(|error| format!("--statsd.relay.address {name}: {error}"))?),
                packets: AtomicU64::new(0),
                lost: AtomicU64::new(0),
            })
        });
        let targets: Vec<Target> = targets.collect::<Result<_, String>>()?;
        Ok((!targets.is_empty()).then(|| Self {
            max_bytes: settings.relay_packet_length.get(),
            waiting: Mutex::default(),
            targets,
            lines: AtomicU64::new(0),
            long_lines: AtomicU64::new(0),
        }))
    }

    /// The name of a target that is one of these sockets: lines would go around for ever.
    pub(super) fn returns_to(&self, sockets: &[UdpSocket]) -> Option<&str> {
        let own: Vec<SocketAddr> = sockets
            .iter()
            .filter_map(|socket| socket.local_addr().ok())
            .collect();
        let returns = |target: &&Target| {
            let to = target.way().to;
            let mut own = own.iter().filter(|own| own.port() == to.port());
            own.any(|own| is_same_place(own.ip().to_canonical(), to.ip().to_canonical()))
        };
        self.targets
            .iter()
            .find(returns)
            .map(|target| target.name.as_str())
    }

    /// Takes a copy of these lines.
    pub(super) fn take(&self, lines: &[u8]) {
        let mut waiting = self.waiting();
        for line in lines.split(|byte| *byte == b'\n') {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.is_empty() {
                continue;
            }
            if line.len() >= self.max_bytes {
                self.long_lines.fetch_add(1, Relaxed);
                continue;
            }
            if waiting.len() + line.len() >= self.max_bytes {
                self.send(&mut waiting);
            }
            waiting.extend_from_slice(line);
            waiting.push(b'\n');
            self.lines.fetch_add(1, Relaxed);
        }
    }

    /// Sends what waits.
    pub(super) fn flush(&self) {
        let mut waiting = self.waiting();
        if !waiting.is_empty() {
            self.send(&mut waiting);
        }
    }

    fn send(&self, waiting: &mut Vec<u8>) {
        for target in &self.targets {
            let way = target.way();
            // A socket that does not block takes all of a datagram, or nothing of it.
            let count = match way.socket.send_to(waiting, way.to) {
                Ok(_) => &target.packets,
                Err(error) => {
                    tracing::debug!(err = %error, target = target.name, "cannot relay StatsD lines");
                    &target.lost
                }
            };
            count.fetch_add(1, Relaxed);
        }
        waiting.clear();
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<u8>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks whether names have got other addresses. Blocks.
    fn look_again(&self) {
        for target in &self.targets {
            // Of a name that is not known for a while the old address stays.
            let Ok(to) = look_up(&target.name) else { continue };
            if to == target.way().to {
                continue;
            }
            match Way::to(to) {
                Ok(way) => *target.way() = way,
                Err(error) => {
                    tracing::debug!(err = %error, target = target.name, "cannot relay StatsD lines");
                }
            }
        }
    }

    pub(super) fn counts(&self) -> Vec<StatsdRelayed> {
        let counts = self.targets.iter().map(|target| StatsdRelayed {
            target: target.name.clone(),
            packets: target.packets.load(Relaxed),
            lost_packets: target.lost.load(Relaxed),
            lines: self.lines.load(Relaxed),
            long_lines: self.long_lines.load(Relaxed),
        });
        counts.collect()
    }
}

impl Target {
    fn way(&self) -> MutexGuard<'_, Way> {
        self.way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Way {
    fn to(to: SocketAddr) -> io::Result<Self> {
        let any: SocketAddr = if to.is_ipv4() {
            (Ipv4Addr::UNSPECIFIED, 0).into()
        } else {
            (Ipv6Addr::UNSPECIFIED, 0).into()
        };
        let socket = UdpSocket::bind(any)?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, to })
    }
}

/// Whether what is sent to an address comes to a socket at another one.
fn is_same_place(socket: IpAddr, to: IpAddr) -> bool {
    // An address of this machine is one that a socket can have.
    let is_ours = || UdpSocket::bind((to, 0)).is_ok();
    socket == to || (socket.is_unspecified() || to.is_unspecified()) && is_ours()
}

/// The first address of a target.
fn look_up(name: &str) -> io::Result<SocketAddr> {
    let mut found = name.to_socket_addrs()?;
    found
        .next()
        .ok_or_else(|| io::Error::other("the name has no address"))
}

/// Sends what does not fill a datagram, until it is to stop.
pub(super) async fn keep_sending(relay: Arc<Relay>, stopping: impl Future<Output = ()>) {
    let mut stopping = pin!(stopping);
    let mut flushes = 0;
    loop {
        tokio::select! {
            () = &mut stopping => return,
            () = tokio::time::sleep(FLUSH_EVERY) => {}
        }
        relay.flush();
        flushes += 1;
        if flushes == LOOK_EVERY {
            flushes = 0;
            let relay = Arc::clone(&relay);
            // Nobody waits for a slow name server.
            drop(tokio::task::spawn_blocking(move || relay.look_again()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;

    fn receiver() -> (UdpSocket, String) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let address = socket.local_addr().unwrap().to_string();
        (socket, address)
    }

    fn relay(targets: &[&String], max_bytes: usize) -> Relay {
        let settings = Statsd {
            relay_addresses: targets.iter().map(|target| (*target).clone()).collect(),
            relay_packet_length: NonZeroUsize::new(max_bytes).unwrap(),
            ..Statsd::default()
        };
        Relay::open(&settings).unwrap().unwrap()
    }

    fn received(socket: &UdpSocket) -> String {
        let mut buffer = [0; 100];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    #[test]
    fn lines_are_packed_as_they_are_for_each_target() {
        let ((first, a), (second, b)) = (receiver(), receiver());
        let relay = relay(&[&a, &b], 10);
        relay.take(b"a:1|c\r\n\nbad\nb:2|c");
        relay.take(b"123456789\n1234567890\n");
        relay.flush();
        relay.flush();
        for socket in [first, second] {
            assert_eq!(received(&socket), "a:1|c\nbad\n", "ten bytes are ten");
            assert_eq!(received(&socket), "b:2|c\n");
            assert_eq!(received(&socket), "123456789\n");
        }
        let counts = relay.counts();
        assert_eq!(counts.len(), 2);
        for (counts, name) in counts.iter().zip([a, b]) {
            assert_eq!(counts.target, name);
            assert_eq!((counts.packets, counts.lost_packets), (3, 0));
            assert_eq!((counts.lines, counts.long_lines), (4, 1));
        }
    }

    #[test]
    fn a_target_that_is_not_there_keeps_nothing_from_the_others() {
        let (there, address) = receiver();
        let (gone, nobody) = receiver();
        drop(gone);
        let relay = relay(&[&nobody, &address], 100);
        for _ in 0..3 {
            relay.take(b"a:1|c");
            relay.flush();
            assert_eq!(received(&there), "a:1|c\n");
        }
    }

    #[test]
    fn a_relay_to_ourselves_is_found() {
        let (own, address) = receiver();
        let (_other, elsewhere) = receiver();
        let everywhere = UdpSocket::bind("0.0.0.0:0").unwrap();
        let by_loopback = format!("127.0.0.1:{}", everywhere.local_addr().unwrap().port());
        assert_eq!(
            relay(&[&elsewhere, &address], 9).returns_to(&[own]),
            Some(&*address)
        );
        let everywhere_port = everywhere.local_addr().unwrap().port();
        let sockets = [everywhere];
        assert_eq!(
            relay(&[&by_loopback], 9).returns_to(&sockets),
            Some(&*by_loopback)
        );
        assert_eq!(relay(&[&elsewhere], 9).returns_to(&sockets), None);
        let port = everywhere_port;
        for (host, returns) in [
            ("0.0.0.0", true),
            ("[::ffff:127.0.0.1]", true),
            ("127.9.9.9", true),
            ("192.0.2.1", false),
        ] {
            let target = format!("{host}:{port}");
            assert_eq!(
                relay(&[&target], 9).returns_to(&sockets).is_some(),
                returns,
                "{target}"
            );
        }
    }
}
