//! Lines in datagrams over UDP: many datagrams with one system call.

use std::io::{self, IoSliceMut};
use std::pin::pin;
use std::sync::Arc;

use quinn_udp::{BATCH_SIZE, RecvMeta, UdpSocketState};
use tokio::io::Interest;
use tokio::net::UdpSocket;

use super::intake::{Intake, Way};

/// No datagram has more, nor have several of one sender that the system has put together.
const MAX_BYTES: usize = 1 << 16;
/// So many times datagrams are taken, before others have their turn.
const TURNS: usize = 16;
/// And this often after the socket is to be closed: what has come before counts.
const LAST_TURNS: usize = 1 << 16;

/// Takes datagrams until it is to stop.
///
/// # Errors
/// If the system does not let us.
pub(super) async fn receive(
    socket: std::net::UdpSocket,
    intake: Arc<Intake>,
    stopping: impl Future<Output = ()>,
) -> io::Result<()> {
    let mut receiver = Receiver::new(socket, intake)?;
    let mut stopping = pin!(stopping);
    loop {
        tokio::select! {
            () = &mut stopping => break,
            ready = receiver.socket.readable() => ready?,
        }
        receiver.take(TURNS);
        tokio::task::yield_now().await;
    }
    receiver.take(LAST_TURNS);
    Ok(())
}

struct Receiver {
    socket: UdpSocket,
    state: UdpSocketState,
    buffers: Vec<u8>,
    metas: [RecvMeta; BATCH_SIZE],
    intake: Arc<Intake>,
}

impl Receiver {
    fn new(socket: std::net::UdpSocket, intake: Arc<Intake>) -> io::Result<Self> {
        // It does not block any more then, and gives datagrams of one sender together where the system can.
        let state = UdpSocketState::new((&socket).into())?;
        Ok(Self {
            socket: UdpSocket::from_std(socket)?,
            state,
            // Only what is used of it takes memory.
            buffers: vec![0; BATCH_SIZE * MAX_BYTES],
            metas: std::array::from_fn(|_| RecvMeta::default()),
            intake,
        })
    }

    /// Takes what waits, but not for ever.
    fn take(&mut self, turns: usize) {
        for _ in 0..turns {
            let Self {
                socket,
                state,
                buffers,
                metas,
                ..
            } = self;
            let received = socket.try_io(Interest::READABLE, || {
                let mut chunks = buffers.chunks_mut(MAX_BYTES);
                let mut slices: [IoSliceMut<'_>; BATCH_SIZE] =
                    std::array::from_fn(|_| IoSliceMut::new(chunks.next().unwrap_or_default()));
                state.recv((&*socket).into(), &mut slices, metas)
            });
            match received {
                Ok(messages) => self.read(messages),
                // None waits, or an earlier error of the network was told: none of it is lost.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => tracing::debug!(err = %error, "cannot take StatsD datagrams"),
            }
        }
    }

    fn read(&self, messages: usize) {
        if self.intake.relay().is_some() {
            // Before the state is taken, which others wait for.
            self.datagrams(messages)
                .for_each(|datagram| self.intake.copy(datagram));
        }
        let (mut datagrams, mut bytes) = (0, 0);
        let now = self.intake.now();
        let mut state = self.intake.state();
        for datagram in self.datagrams(messages) {
            datagrams += 1;
            bytes += datagram.len();
            state.read(datagram, now);
        }
        drop(state);
        self.intake.received.came(Way::Udp, datagrams);
        self.intake.received.bytes(Way::Udp, bytes);
    }

    /// The datagrams of so many messages, in which the system may have put several of one sender together.
    fn datagrams(&self, messages: usize) -> impl Iterator<Item = &[u8]> {
        let messages = self.buffers.chunks(MAX_BYTES).zip(&self.metas).take(messages);
        messages.flat_map(|(buffer, meta)| {
            let message = buffer.get(..meta.len).unwrap_or_default();
            let empty = message.is_empty().then_some(message);
            empty.into_iter().chain(message.chunks(meta.stride.max(1)))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use wharf_gateway::Statsd as _;
    use wharf_store::SystemClock;

    use super::*;
    use crate::parts::statsd::relay::Relay;
    use crate::parts::statsd::settings::Statsd;

    #[tokio::test]
    async fn datagrams_that_the_system_has_put_together_are_apart_here_and_in_copies() {
        let socket = || std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let target = socket();
        target.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let settings = Statsd {
            relay_addresses: vec![target.local_addr().unwrap().to_string()],
            ..Statsd::default()
        };
        let intake = Intake::new(&settings, None, Arc::new(SystemClock)).unwrap();
        let intake = Arc::new(intake.with_relay(Relay::open(&settings).unwrap()));
        let mut receiver = Receiver::new(socket(), Arc::clone(&intake)).unwrap();
        receiver.buffers[..12].copy_from_slice(b"a:1|cb:2|cno");
        (receiver.metas[0].len, receiver.metas[0].stride) = (12, 5);
        receiver.read(1);
        let counts = intake.counts();
        assert_eq!((counts.udp_packets, counts.lines, counts.samples), (3, 3, 2));
        intake.relay().unwrap().flush();
        let mut copies = [0; 100];
        let length = target.recv(&mut copies).unwrap();
        assert_eq!(&copies[..length], b"a:1|c\nb:2|c\nno\n");
    }
}
