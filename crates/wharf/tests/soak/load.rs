//! Those who push, delete and scrape, and those who only pretend to.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use wharf_testkit::http::{Connection, Request, delete, get, post, put};
use wharf_testkit::{Random, Scrape};

use crate::book::{Answer, Book, GROUPS, HALF, PUSHERS, State};

/// Clients that begin a push and never end it.
const HALF_OPEN: usize = 20;
/// Before somebody who got no answer tries again.
const PAUSE: Duration = Duration::from_millis(10);

/// What has been done.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    pub(crate) tried: u64,
    pub(crate) acknowledged: u64,
    pub(crate) refused: u64,
    /// The longest that a request took which was acknowledged.
    pub(crate) worst: Duration,
    pub(crate) scrapes: u64,
    /// The longest that a scrape took.
    pub(crate) worst_scrape: Duration,
}

impl Tally {
    pub(crate) fn add(&mut self, other: &Self) {
        self.tried += other.tried;
        self.acknowledged += other.acknowledged;
        self.refused += other.refused;
        self.worst = self.worst.max(other.worst);
        self.scrapes += other.scrapes;
        self.worst_scrape = self.worst_scrape.max(other.worst_scrape);
    }
}

/// The load on one process.
pub(crate) struct Load {
    ends: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Tally>>,
    half_open: Vec<Connection>,
}

impl Load {
    pub(crate) fn start(address: SocketAddr, book: &Arc<Book>, seed: u64) -> Self {
        let ends = Arc::new(AtomicBool::new(false));
        let mut threads: Vec<_> = (0..PUSHERS)
            .map(|pusher| {
                let (ends, book) = (Arc::clone(&ends), Arc::clone(book));
                let mut random = Random::new(seed.wrapping_add(pusher as u64));
                thread::spawn(move || {
                    let mut tally = Tally::default();
                    each_connection(address, &ends, |connection| {
                        let group = pusher * GROUPS + random.below(GROUPS);
                        request(connection, group, &book, &mut random, &mut tally)
                    });
                    tally
                })
            })
            .collect();
        threads.push({
            let (ends, book) = (Arc::clone(&ends), Arc::clone(book));
            thread::spawn(move || {
                let mut tally = Tally::default();
                each_connection(address, &ends, |connection| {
                    thread::sleep(PAUSE);
                    scrape(connection, &book, &mut tally)
                });
                tally
            })
        });
        let half_open = (0..HALF_OPEN).filter_map(|_| half_open(address).ok()).collect();
        Self {
            ends,
            threads,
            half_open,
        }
    }

    /// Ends the load on a process that is gone.
    pub(crate) fn stop(self) -> Tally {
        self.ends.store(true, Ordering::Relaxed);
        drop(self.half_open);
        let mut tally = Tally::default();
        for thread in self.threads {
            tally.add(&thread.join().expect("those who make the load do not panic"));
        }
        tally
    }
}

/// Does `step` again and again, on a new connection after each error.
fn each_connection(
    address: SocketAddr,
    ends: &AtomicBool,
    mut step: impl FnMut(&mut Connection) -> io::Result<()>,
) {
    while !ends.load(Ordering::Relaxed) {
        if let Ok(mut connection) = Connection::open(address) {
            while !ends.load(Ordering::Relaxed) && step(&mut connection).is_ok() {}
        }
        thread::sleep(PAUSE);
    }
}

/// One request to a group, and what has become of it.
fn request(
    connection: &mut Connection,
    group: usize,
    book: &Book,
    random: &mut Random,
    tally: &mut Tally,
) -> io::Result<()> {
    let state = if random.one_in(10) {
        State::Absent
    } else {
        State::Pushed
    };
    let Some(turn) = book.send(group, state) else {
        // The group is left alone until the next start; soon all may be.
        thread::sleep(PAUSE);
        return Ok(());
    };
    let request = match state {
        State::Absent => delete(&Book::path(group)),
        State::Pushed => push(group, turn, random),
    };
    tally.tried += 1;
    let start = Instant::now();
    let answer = connection.send(&request);
    let outcome = match &answer {
        Err(_) => Answer::None,
        Ok(answer) => match answer.status {
            200 | 202 => Answer::Acknowledged,
            503 => Answer::Failed,
            _ => Answer::Refused,
        },
    };
    book.answered(group, turn, state, outcome);
    match outcome {
        Answer::Acknowledged => {
            tally.acknowledged += 1;
            tally.worst = tally.worst.max(start.elapsed());
        }
        Answer::Refused | Answer::Failed => {
            tally.refused += 1;
            thread::sleep(PAUSE);
        }
        Answer::None => {}
    }
    answer.map(drop)
}

/// A push with its turn as value, in two families, and now and then a large or a bad one.
fn push(group: usize, turn: u64, random: &mut Random) -> Request {
    let mut body = format!("turn {turn}\nturn_again{{turn=\"{turn}\"}} {turn}\n");
    match random.below(40) {
        // What nobody accepts, behind what anybody would.
        0 => body.push_str("late 1 1700000000000\n"),
        1 => body.push_str("# TYPE turn histogram\n"),
        2..=5 => body.extend(["pad{text=\"", &"x".repeat(random.below(20_000)), "\"} 1\n"]),
        _ => {}
    }
    let path = Book::path(group);
    if random.one_in(2) { put(&path) } else { post(&path) }.body(body)
}

fn scrape(connection: &mut Connection, book: &Book, tally: &mut Tally) -> io::Result<()> {
    let before = book.page();
    let start = Instant::now();
    let answer = connection.send(&get("/metrics"))?;
    if answer.status == 200 {
        tally.worst_scrape = tally.worst_scrape.max(start.elapsed());
        let scrape = Scrape::parse(&answer.text()).map_err(io::Error::other);
        book.compare(&before, &scrape.expect("every scrape can be read"));
        tally.scrapes += 1;
    }
    Ok(())
}

/// Begins a push whose body never ends.
fn half_open(address: SocketAddr) -> io::Result<Connection> {
    let mut connection = Connection::open(address)?;
    let head =
        format!("PUT /metrics/job/{HALF} HTTP/1.1\r\nHost: gateway.test\r\nContent-Length: 100\r\n\r\n");
    connection.write(format!("{head}turn 1\n").as_bytes())?;
    Ok(connection)
}
