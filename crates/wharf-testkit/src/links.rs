//! The network between processes: each connection to an address goes through a link, which can be cut, silenced, slowed, or made deaf, for
//! all who use it or for one of them.

use std::fmt;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;
use std::time::Duration;

/// What a link does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkMode {
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

impl LinkMode {
    const ALL: [Self; 5] = [Self::Open, Self::Cut, Self::Silent, Self::Deaf, Self::Slow];

    fn of(number: u8) -> Self {
        *Self::ALL.get(usize::from(number)).unwrap_or(&Self::Open)
    }

    fn number(self) -> u8 {
        let place = Self::ALL.iter().position(|mode| *mode == self);
        u8::try_from(place.unwrap_or(0)).unwrap_or(0)
    }
}

/// Which of its users has opened a connection, by the address at the other end.
type Whose = dyn Fn(SocketAddr) -> Option<usize> + Send + Sync;

/// A link to one address.
#[derive(Clone)]
pub struct Link {
    address: SocketAddr,
    /// One for each who uses it.
    modes: Arc<[AtomicU8]>,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// How long a silent link waits until it looks again.
const PAUSE: Duration = Duration::from_millis(10);
/// By how much a slow one is late, each time.
const DELAY: Duration = Duration::from_millis(40);

impl Link {
    /// A link that is open. It is there as long as the process.
    #[must_use]
    pub fn to(target: SocketAddr) -> Self {
        Self::of_several(target, 1, |_| Some(0))
    }

    /// A link that so many use, of whom this tells who has opened a connection. A connection of nobody ends when it is cut for anybody.
    #[must_use]
    pub fn of_several(
        target: SocketAddr,
        users: usize,
        whose: impl Fn(SocketAddr) -> Option<usize> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("listen on loopback");
        let link = Self {
            address: listener.local_addr().expect("the address of a listener"),
            modes: (0..users).map(|_| AtomicU8::default()).collect(),
        };
        let (own, whose): (_, Arc<Whose>) = (link.clone(), Arc::new(whose));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (link, whose) = (own.clone(), Arc::clone(&whose));
                // It may take a while to find out whose it is.
                thread::spawn(move || link.connect(stream, target, &*whose));
            }
        });
        link
    }

    /// Where to connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it does from now on, for all.
    pub fn set(&self, mode: LinkMode) {
        for user in 0..self.modes.len() {
            self.set_for(user, mode);
        }
    }

    /// What it does from now on, for one of those who use it.
    pub fn set_for(&self, user: usize, mode: LinkMode) {
        if let Some(own) = self.modes.get(user) {
            own.store(mode.number(), Ordering::Relaxed);
        }
    }

    fn mode(&self, user: Option<usize>) -> LinkMode {
        let mut modes = self
            .modes
            .iter()
            .map(|mode| LinkMode::of(mode.load(Ordering::Relaxed)));
        match user {
            Some(user) => modes.nth(user).unwrap_or(LinkMode::Open),
            None if modes.any(|mode| mode == LinkMode::Cut) => LinkMode::Cut,
            None => LinkMode::Open,
        }
    }

    fn connect(&self, stream: TcpStream, target: SocketAddr, whose: &Whose) {
        let user = stream.peer_addr().ok().and_then(whose);
        if self.mode(user) == LinkMode::Cut {
            return;
        }
        let Ok(other) = TcpStream::connect(target) else {
            return;
        };
        let (Ok(back_from), Ok(back_to)) = (other.try_clone(), stream.try_clone()) else {
            return;
        };
        let back = self.clone();
        thread::spawn(move || back.carry(back_from, back_to, (user, true)));
        self.carry(stream, other, (user, false));
    }

    fn carry(&self, mut from: TcpStream, mut to: TcpStream, (user, is_answer): (Option<usize>, bool)) {
        // So that a cut is seen although nothing comes.
        if from.set_read_timeout(Some(PAUSE)).is_err() {
            return;
        }
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
                    if self.mode(user) == LinkMode::Cut {
                        break;
                    }
                    continue;
                }
                Err(_) => break,
            };
            loop {
                match self.mode(user) {
                    LinkMode::Silent => thread::sleep(PAUSE),
                    LinkMode::Deaf if is_answer => thread::sleep(PAUSE),
                    LinkMode::Slow => {
                        thread::sleep(DELAY);
                        break;
                    }
                    _ => break,
                }
            }
            let rest = buffer.get(..read).unwrap_or_default();
            if self.mode(user) == LinkMode::Cut || to.write_all(rest).is_err() {
                break;
            }
        }
        // The other direction ends as well. Both may have ended already.
        drop(from.shutdown(Shutdown::Both));
        drop(to.shutdown(Shutdown::Both));
    }
}
