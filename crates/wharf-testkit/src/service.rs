//! One address for several gateways, as a service of Kubernetes or a load balancer has it: each connection goes to the next one that is
//! there.

use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// The address. It is there as long as the process.
#[derive(Debug, Clone, Copy)]
pub struct ServiceAddress(SocketAddr);

impl ServiceAddress {
    /// One address for these. Connections go to each in turn; one that does not answer is passed over.
    #[must_use]
    pub fn of(targets: Vec<SocketAddr>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("listen on loopback");
        let address = listener.local_addr().expect("the address of a listener");
        let next = AtomicUsize::new(0);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let first = next.fetch_add(1, Ordering::Relaxed);
                let in_turn = targets.iter().cycle().skip(first % targets.len().max(1));
                let there = in_turn
                    .take(targets.len())
                    .find_map(|target| TcpStream::connect(target).ok());
                if let Some(other) = there {
                    carry(&stream, &other);
                }
            }
        });
        Self(address)
    }

    /// Where to connect to.
    pub fn address(self) -> SocketAddr {
        self.0
    }
}

/// Carries what comes from either side to the other, until one of them ends.
fn carry(one: &TcpStream, other: &TcpStream) {
    for (from, to) in [(one, other), (other, one)] {
        let (Ok(mut from), Ok(mut to)) = (from.try_clone(), to.try_clone()) else {
            return;
        };
        thread::spawn(move || {
            // Both ends may have gone already.
            drop(std::io::copy(&mut from, &mut to));
            drop(to.shutdown(Shutdown::Both));
            drop(from.shutdown(Shutdown::Both));
        });
    }
}
