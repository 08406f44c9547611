//! A reader of lines that throws them away: what it costs to receive them.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;

use anyhow::{Context as _, Result};
use memchr::memchr_iter;

/// Bytes of the largest datagram, and of what is read at once.
const MAX_BYTES: usize = 1 << 16;

/// Takes lines at `udp` and `tcp`, and answers with how many came at `http`, until the process is killed.
///
/// # Errors
/// If an address cannot be listened on.
pub fn serve(http: SocketAddr, udp: SocketAddr, tcp: SocketAddr) -> Result<()> {
    let lines = AtomicU64::new(0);
    let socket = UdpSocket::bind(udp).context("listen for datagrams")?;
    let connections = TcpListener::bind(tcp).context("listen for lines")?;
    let scrapes = TcpListener::bind(http).context("listen for scrapes")?;
    let count = |bytes: &[u8]| {
        lines.fetch_add(memchr_iter(b'\n', bytes).count() as u64, Relaxed);
    };
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut buffer = vec![0; MAX_BYTES];
            while let Ok(length) = socket.recv(&mut buffer) {
                count(buffer.get(..length).unwrap_or_default());
            }
        });
        scope.spawn(|| {
            let mut buffer = vec![0; MAX_BYTES];
            for mut stream in connections.incoming().flatten() {
                while let Ok(length @ 1..) = stream.read(&mut buffer) {
                    count(buffer.get(..length).unwrap_or_default());
                }
            }
        });
        for mut stream in scrapes.incoming().flatten() {
            // Whoever asks waits for the answer before it asks again.
            let head = BufReader::new(&stream).lines().map_while(Result::ok);
            let _lines_of_the_head = head.take_while(|line| !line.is_empty()).count();
            let body = format!("statsd_exporter_lines_total {}\n", lines.load(Relaxed));
            let length = body.len();
            let answer =
                format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
            // The next one may get through.
            drop(stream.write_all(answer.as_bytes()));
        }
    });
    Ok(())
}
