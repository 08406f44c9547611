//! What hostile clients do, one kind each. All of it is within the limits of default flags: nothing here is malformed.

use std::fmt;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use wharf_testkit::body;
use wharf_testkit::http::{Request, get, open_from, post, put};

/// What a client does after it has sent its request.
#[derive(Debug, Clone, Copy)]
enum Then {
    /// Reads the whole answer.
    Read,
    /// Leaves at once.
    Leave,
    /// Takes a little now and then, until the end.
    Stall,
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

/// Uncompressed, just below what a body may have.
const BODY: usize = 60 << 20;
/// The last numbers of their addresses.
const ADDRESSES: [u8; 4] = [3, 4, 5, 6];

/// So many lines.
fn lines(count: usize, line: impl Fn(usize) -> String) -> Vec<u8> {
    let mut text = Vec::new();
    for number in 0..count {
        text.extend_from_slice(line(number).as_bytes());
    }
    text
}

/// Lines up to the size of a body.
fn full(line: impl Fn(usize) -> String) -> Vec<u8> {
    let length = line(100_000).len();
    lines(BODY / length, line)
}

fn gzip(request: Request, text: &[u8]) -> Request {
    request.header("Content-Encoding", "gzip").body(body::gzip(text))
}

fn zstd(request: Request, text: &[u8]) -> Request {
    request.header("Content-Encoding", "zstd").body(body::zstd(text))
}

/// An expression that costs much on a long text, different for each number.
fn costly(number: usize) -> String {
    // {x=~"(?:[ab]*a[ab]{0,N}){2}[cd]"}
    format!(
        "%7Bx%3D~%22(%3F%3A%5Bab%5D*a%5Bab%5D%7B0%2C{}%7D)%7B2%7D%5Bcd%5D%22%7D",
        400 - number
    )
}

fn costly_selectors(count: usize) -> String {
    let selectors: Vec<String> = (0..count)
        .map(|number| format!("match[]={}", costly(number)))
        .collect();
    selectors.join("&")
}

const DELIMITED: &str =
    "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited";

impl Attack {
    /// All kinds; the first is none.
    pub(crate) fn all() -> Vec<Self> {
        let new = |name, clients, requests: &[Request], then| Self {
            name,
            clients,
            requests: requests
                .iter()
                .map(|request| request.clone().header("Connection", "close").to_bytes())
                .collect(),
            then,
        };
        let families = full(|number| format!("# TYPE a{number:x} gauge\n"));
        let same = vec![b'#'; BODY];
        let series = full(|number| format!("s{{k=\"{number}\"}} 1\n"));
        let attack = || put("/metrics/job/attack");
        let long_label = format!("/metrics/job/attack/x/{}", "y".repeat(15_000));
        let many = lines(240, |family| {
            let head = format!("# TYPE f{family} gauge\n");
            let body = lines(1_000, |group| format!("f{family}{{job=\"z{group}\"}} 1\n"));
            head + &String::from_utf8_lossy(&body)
        });
        let contradiction = b"# TYPE honest counter\nhonest{job=\"z999\"} 1\n";
        let wide = lines(200_000, |number| format!("w{number} 1\n"));
        let small_merge = post("/api/v1/push?group_by=job&merge=series").body("m{k=\"5\",job=\"big\"} 2\n");
        let selectors = costly_selectors(32);
        vec![
            new("none", 0, &[], Then::Read),
            new(
                "zstd that grows, families",
                16,
                &[zstd(attack(), &families)],
                Then::Read,
            ),
            new(
                "zstd that grows, one comment",
                16,
                &[zstd(attack(), &same)],
                Then::Leave,
            ),
            new("gzip that grows", 60, &[gzip(attack(), &families)], Then::Read),
            new("a million series", 4, &[gzip(attack(), &series)], Then::Read),
            new(
                "a long label on every line",
                16,
                &[put(&long_label).body(lines(4_000, |n| format!("l{{k=\"{n}\"}} 1\n")))],
                Then::Read,
            ),
            new("small merges into much, many", 40, &[small_merge], Then::Leave),
            new(
                "small merges into much",
                40,
                &[post("/metrics/job/big?merge=series").body("m{k=\"5\"} 2\n")],
                Then::Leave,
            ),
            new(
                "many groups, refused in the end",
                8,
                &[gzip(
                    put("/api/v1/push?group_by=job"),
                    &[&many[..], contradiction].concat(),
                )],
                Then::Read,
            ),
            new(
                "many groups",
                4,
                &[gzip(put("/api/v1/push?group_by=job"), &many)],
                Then::Read,
            ),
            new(
                "very many families",
                4,
                &[gzip(attack(), &wide), attack().body("m 1\n")],
                Then::Read,
            ),
            new(
                "costly expressions, scrapes",
                40,
                &[get(&format!("/metrics?{selectors}"))],
                Then::Leave,
            ),
            new(
                "costly expressions, lists",
                40,
                &[get(&format!("/api/v1/groups?{selectors}"))],
                Then::Leave,
            ),
            new(
                "costly expressions, export",
                40,
                &[get(&format!("/api/v1/export?{selectors}"))],
                Then::Leave,
            ),
            new("slow readers of JSON", 40, &[get("/api/v1/metrics")], Then::Stall),
            new(
                "slow readers of protobuf",
                40,
                &[get("/metrics").header("Accept", DELIMITED)],
                Then::Stall,
            ),
            new("slow readers of text", 40, &[get("/metrics")], Then::Stall),
            new(
                "slow readers of a backup",
                40,
                &[get("/api/v1/export")],
                Then::Stall,
            ),
            new(
                "readers of everything, compressed",
                8,
                &[
                    get("/metrics").header("Accept-Encoding", "gzip"),
                    get("/api/v1/families"),
                ],
                Then::Read,
            ),
        ]
    }

    /// Goes on until the end.
    pub(crate) fn go_on(&self, address: SocketAddr, client: usize, ends: &AtomicBool) -> Damage {
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
        stream.write_all(request)?;
        match self.then {
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
                while status && !ends.load(Ordering::Acquire) {
                    thread::sleep(Duration::from_millis(200));
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
