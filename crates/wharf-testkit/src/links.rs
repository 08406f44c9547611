//! The network between a replica and a member of etcd: a stream for each connection, which can be cut, silenced, slowed, or made deaf.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;
use std::time::Duration;

/// What a link does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// It carries everything.
    Open,
    /// Connections end, and no new ones are made.
    Cut,
    /// Nothing arrives, in neither direction, and nobody is told.
    Silent,
    /// Requests arrive, answers do not.
    Deaf,
    /// Everything arrives late.
    Slow,
}

impl Mode {
    const ALL: [Self; 5] = [Self::Open, Self::Cut, Self::Silent, Self::Deaf, Self::Slow];

    fn of(number: u8) -> Self {
        *Self::ALL.get(usize::from(number)).unwrap_or(&Self::Open)
    }

    fn number(self) -> u8 {
        let place = Self::ALL.iter().position(|mode| *mode == self);
        u8::try_from(place.unwrap_or(0)).unwrap_or(0)
    }
}

/// A link to one address.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    pub(crate) address: SocketAddr,
    mode: Arc<AtomicU8>,
}

/// How long a silent link waits until it looks again.
const PAUSE: Duration = Duration::from_millis(10);
/// By how much a slow one is late, each time.
const DELAY: Duration = Duration::from_millis(40);

impl Link {
    /// A link that is open. It is there as long as the process.
    pub(crate) fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let link = Self {
            address: listener.local_addr().unwrap(),
            mode: Arc::default(),
        };
        let own = link.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if own.mode() == Mode::Cut {
                    continue;
                }
                let Ok(other) = TcpStream::connect(target) else {
                    continue;
                };
                let (back_from, back_to) = (other.try_clone().unwrap(), stream.try_clone().unwrap());
                let (there, back) = (own.clone(), own.clone());
                thread::spawn(move || there.carry(stream, other, false));
                thread::spawn(move || back.carry(back_from, back_to, true));
            }
        });
        link
    }

    pub(crate) fn set(&self, mode: Mode) {
        self.mode.store(mode.number(), Ordering::Relaxed);
    }

    fn mode(&self) -> Mode {
        Mode::of(self.mode.load(Ordering::Relaxed))
    }

    fn carry(&self, mut from: TcpStream, mut to: TcpStream, is_answer: bool) {
        // So that a cut is seen although nothing comes.
        from.set_read_timeout(Some(PAUSE)).unwrap();
        let mut buffer = vec![0; 64 << 10];
        loop {
            let read = match from.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error)
                    if matches!(
                        error.kind(),
                        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
                    ) =>
                {
                    if self.mode() == Mode::Cut {
                        break;
                    }
                    continue;
                }
                Err(_) => break,
            };
            loop {
                match self.mode() {
                    Mode::Silent => thread::sleep(PAUSE),
                    Mode::Deaf if is_answer => thread::sleep(PAUSE),
                    Mode::Slow => {
                        thread::sleep(DELAY);
                        break;
                    }
                    _ => break,
                }
            }
            if self.mode() == Mode::Cut || to.write_all(&buffer[..read]).is_err() {
                break;
            }
        }
        // The other direction ends as well. Both may have ended already.
        drop(from.shutdown(Shutdown::Both));
        drop(to.shutdown(Shutdown::Both));
    }
}
