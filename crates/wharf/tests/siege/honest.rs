//! Clients that want nothing but their answers, at an address of their own.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

use wharf_testkit::body;
use wharf_testkit::http::{Connection, Request, get, open_from, put};

/// The last number of their address.
const HONEST: u8 = 2;

/// How long answers took.
#[derive(Debug, Default)]
pub(crate) struct Times(Vec<Duration>);

impl Times {
    /// The longest, one in a hundred aside.
    pub(crate) fn all_but_one_in_a_hundred(&self) -> Duration {
        let mut times = self.0.clone();
        times.sort_unstable();
        let position = (times.len() * 99 / 100).min(times.len().saturating_sub(1));
        times.get(position).copied().unwrap_or_default()
    }
}

/// Number, the longest but one in a hundred, the longest; in milliseconds.
impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (p99, worst) = (
            self.all_but_one_in_a_hundred(),
            self.0.iter().max().copied().unwrap_or_default(),
        );
        write!(
            f,
            "{:>5} {:>5} {:>5}",
            self.0.len(),
            p99.as_millis(),
            worst.as_millis()
        )
    }
}

/// What honest clients got.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    pub(crate) pushes: Times,
    pub(crate) health: Times,
    scrapes: Times,
    wrong: Vec<String>,
}

impl Answers {
    pub(crate) fn add(&mut self, other: Self) {
        self.pushes.0.extend(other.pushes.0);
        self.health.0.extend(other.health.0);
        self.scrapes.0.extend(other.scrapes.0);
        self.wrong.extend(other.wrong);
    }

    /// Answers that were none, or not those that an honest client may expect, with how often each came.
    pub(crate) fn wrong(&self) -> Vec<(usize, String)> {
        let mut counts = BTreeMap::new();
        for what in &self.wrong {
            *counts.entry(what.clone()).or_default() += 1;
        }
        counts.into_iter().map(|(what, times)| (times, what)).collect()
    }
}

impl fmt::Display for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            pushes,
            health,
            scrapes,
            wrong,
        } = self;
        write!(
            f,
            "pushes {pushes}  health {health}  scrapes {scrapes}  wrong {:>3}",
            wrong.len()
        )
    }
}

/// Starts all of them.
pub(crate) fn all<'s>(
    scope: &'s Scope<'s, '_>,
    (address, attack): (SocketAddr, &'static str),
    ends: &'s AtomicBool,
) -> Vec<ScopedJoinHandle<'s, Answers>> {
    let plain = put("/metrics/job/honest/kind/plain").body("honest{a=\"b\"} 1\n");
    let gzip = put("/metrics/job/honest/kind/gzip")
        .header("Content-Encoding", "gzip")
        .body(body::gzip(b"honest{a=\"b\"} 1\n"));
    let pause = Duration::from_millis(10);
    let client = move |request: Request, pause: Duration, times: fn(&mut Answers) -> &mut Times| {
        scope.spawn(move || {
            let mut answers = Answers::default();
            let mut connection = None;
            while !ends.load(Ordering::Acquire) {
                let began = Instant::now();
                match ask(address, &mut connection, &request) {
                    Ok(()) => times(&mut answers).0.push(began.elapsed()),
                    Err(error) => {
                        connection = None;
                        answers.wrong.push(format!("{attack}: {request}: {error}"));
                    }
                }
                thread::sleep(pause);
            }
            answers
        })
    };
    vec![
        client(plain, pause, |answers| &mut answers.pushes),
        client(gzip, pause, |answers| &mut answers.pushes),
        client(get("/-/healthy"), pause, |answers| &mut answers.health),
        // What others store makes a scrape of everything long; one of the honest group is what can be compared.
        client(
            get("/metrics?match[]=%7Bjob%3D%22honest%22%7D"),
            pause * 20,
            |answers| &mut answers.scrapes,
        ),
    ]
}

fn ask(address: SocketAddr, connection: &mut Option<Connection>, request: &Request) -> io::Result<()> {
    let connection = match connection {
        Some(connection) => connection,
        None => connection.insert(Connection::over(open_from(address, HONEST)?)?),
    };
    let answer = connection.send(request)?;
    if answer.status == 200 {
        return Ok(());
    }
    let text = answer.text();
    let first = text.lines().next().unwrap_or_default();
    Err(io::Error::other(format!("{} {first}", answer.status)))
}
