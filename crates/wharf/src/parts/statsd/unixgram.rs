//! Lines in datagrams over a Unix socket. Whoever sends waits while nobody reads, so none is lost.

use std::io;
use std::os::unix::net::UnixDatagram as StdDatagram;
use std::pin::pin;
use std::sync::Arc;

use tokio::net::UnixDatagram;

use super::intake::{Intake, Way};

/// Longer datagrams are cut.
const MAX_BYTES: usize = 1 << 16;
/// So many datagrams are taken, before others have their turn.
const TURNS: usize = 64;
/// And this many after the socket is to be closed.
const LAST_TURNS: usize = 1 << 16;

/// Takes datagrams until it is to stop.
///
/// # Errors
/// If the system does not let us.
pub(super) async fn receive(
    socket: StdDatagram,
    intake: Arc<Intake>,
    stopping: impl Future<Output = ()>,
) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    let socket = UnixDatagram::from_std(socket)?;
    let mut buffer = vec![0; MAX_BYTES];
    let mut stopping = pin!(stopping);
    loop {
        tokio::select! {
            () = &mut stopping => break,
            ready = socket.readable() => ready?,
        }
        take(&socket, &mut buffer, &intake, TURNS);
        tokio::task::yield_now().await;
    }
    take(&socket, &mut buffer, &intake, LAST_TURNS);
    Ok(())
}

fn take(socket: &UnixDatagram, buffer: &mut [u8], intake: &Intake, turns: usize) {
    for _ in 0..turns {
        match socket.try_recv(buffer) {
            Ok(bytes) => {
                let datagram = buffer.get(..bytes).unwrap_or_default();
                intake.read(datagram);
                intake.received.came(Way::Unixgram, 1);
                intake.received.bytes(Way::Unixgram, bytes);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            Err(error) => {
                tracing::debug!(err = %error, "cannot take StatsD datagrams");
                return;
            }
        }
    }
}
