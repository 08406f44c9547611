//! Clients that want to do harm, and what they get.

use std::fmt;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::setpriority_process;
use wharf_testkit::http::{Request, open_from};

/// What a client does with its request, and then.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Then {
    /// Reads the whole answer.
    Read,
    /// Leaves at once.
    Leave,
    /// Takes a little now and then, until the end.
    Stall,
    /// Sends the request byte by byte.
    Trickle,
    /// Sends nothing, over many connections.
    Hold,
}

/// One kind of attack.
pub(crate) struct Attack {
    pub(crate) name: &'static str,
    /// How many clients, at four addresses.
    pub(crate) clients: usize,
    requests: Vec<Vec<u8>>,
    then: Then,
}

/// What the attackers got.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Damage {
    sent: u64,
    /// Answers with success.
    taken: u64,
    /// Other answers.
    refused: u64,
}

impl Damage {
    pub(crate) fn add(&mut self, other: Self) {
        self.sent += other.sent;
        self.taken += other.taken;
        self.refused += other.refused;
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sent, taken, refused } = self;
        write!(f, " sent {sent:>6} taken {taken:>6} refused {refused:>6}")
    }
}

/// The least priority.
const LEAST: i32 = 19;
/// The last numbers of their addresses.
const ADDRESSES: [u8; 4] = [3, 4, 5, 6];
/// How often a client that is slow does something.
const SLOW: Duration = Duration::from_millis(200);
/// How many connections a client holds that holds some.
const HELD: usize = 150;

impl Attack {
    pub(crate) fn new(name: &'static str, clients: usize, requests: &[Request], then: Then) -> Self {
        let bytes = |request: &Request| request.clone().header("Connection", "close").to_bytes();
        Self {
            name,
            clients,
            requests: requests.iter().map(bytes).collect(),
            then,
        }
    }

    /// Goes on until the end.
    pub(crate) fn go_on(&self, address: SocketAddr, client: usize, ends: &AtomicBool) -> Damage {
        // Elsewhere hostile clients have processors of their own. Here they get what the gateway and honest clients leave, or
        // the answers would be late for want of a processor to take them. This is the priority of one thread.
        setpriority_process(None, LEAST).unwrap();
        let mut damage = Damage::default();
        let from = ADDRESSES[client % ADDRESSES.len()];
        for request in self.requests.iter().cycle() {
            if ends.load(Ordering::Acquire) {
                break;
            }
            damage.sent += 1;
            match self.once(address, from, request, ends) {
                Ok(Some(true)) => damage.taken += 1,
                Ok(Some(false)) => damage.refused += 1,
                Ok(None) => {}
                // There is no connection for it, or it was cut.
                Err(_) => thread::sleep(Duration::from_millis(5)),
            }
        }
        damage
    }

    /// Whether an answer that was waited for is one of success.
    fn once(
        &self,
        address: SocketAddr,
        from: u8,
        request: &[u8],
        ends: &AtomicBool,
    ) -> std::io::Result<Option<bool>> {
        let mut stream = open_from(address, from)?;
        let goes_on = || !ends.load(Ordering::Acquire);
        match self.then {
            Then::Trickle => {
                let mut bytes = request.iter();
                while let Some(byte) = bytes.next().filter(|_| goes_on()) {
                    stream.write_all(&[*byte])?;
                    thread::sleep(SLOW);
                }
                return Ok(None);
            }
            Then::Hold => {
                let mut held = vec![stream];
                while held.len() < HELD && goes_on() {
                    held.push(open_from(address, from)?);
                }
                while goes_on() {
                    thread::sleep(SLOW);
                }
                return Ok(None);
            }
            Then::Read | Then::Leave | Then::Stall => stream.write_all(request)?,
        }
        match self.then {
            Then::Trickle | Then::Hold => Ok(None),
            Then::Leave => {
                // Not so fast that the request is lost with its connection.
                thread::sleep(Duration::from_millis(50));
                Ok(None)
            }
            Then::Read => {
                let status = status(&mut stream)?;
                std::io::copy(&mut stream, &mut std::io::sink())?;
                Ok(Some(status))
            }
            Then::Stall => {
                let status = status(&mut stream)?;
                while status && goes_on() {
                    thread::sleep(SLOW);
                    let _little = stream.read(&mut [0; 512])?;
                }
                Ok(Some(status))
            }
        }
    }
}

/// Whether the status of the answer is one of success.
fn status(stream: &mut TcpStream) -> std::io::Result<bool> {
    let mut line = [0; 12];
    stream.read_exact(&mut line)?;
    Ok(&line == b"HTTP/1.1 200")
}
