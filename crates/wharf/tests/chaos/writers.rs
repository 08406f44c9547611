//! Clients that push, merge, add and delete through whichever replica answers.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use wharf_testkit::Random;
use wharf_testkit::http::{Connection, Request, delete, post, put};

use crate::book::Book;

/// Where the replicas listen; none while one is not there.
pub(crate) type Addresses = Arc<Mutex<Vec<Option<SocketAddr>>>>;

const WRITERS: u64 = 6;
/// Groups of each writer.
const GROUPS: usize = 12;

/// Writers that go on until they are stopped.
#[derive(Debug)]
pub(crate) struct Writers {
    ends: Arc<AtomicBool>,
    running: Vec<JoinHandle<()>>,
}

impl Writers {
    /// Some push groups that expire, if these are to: a clock that is ahead makes them live longer.
    pub(crate) fn start(
        addresses: &Addresses,
        book: &Arc<Book>,
        seed: u64,
        (round, expires): (usize, bool),
    ) -> Self {
        let ends = Arc::new(AtomicBool::new(false));
        let value = Arc::new(AtomicU64::new(1 + ((round as u64) << 32)));
        let writer = |number: u64| {
            let writer = Writer {
                number,
                round,
                expires,
                addresses: Arc::clone(addresses),
                book: Arc::clone(book),
                random: Random::new(seed ^ number),
                value: Arc::clone(&value),
            };
            let ends = Arc::clone(&ends);
            thread::spawn(move || writer.run(&ends))
        };
        let running = (0..WRITERS).map(writer).collect();
        Self { ends, running }
    }

    /// Waits until all have ended.
    pub(crate) fn stop(self) {
        self.ends.store(true, Ordering::Relaxed);
        for writer in self.running {
            writer.join().unwrap();
        }
    }
}

struct Writer {
    number: u64,
    round: usize,
    expires: bool,
    addresses: Addresses,
    book: Arc<Book>,
    random: Random,
    value: Arc<AtomicU64>,
}

impl Writer {
    fn run(mut self, ends: &AtomicBool) {
        let mut kept: Option<(SocketAddr, Connection)> = None;
        while !ends.load(Ordering::Relaxed) {
            let address = {
                let addresses = self.addresses.lock().unwrap();
                *self.random.pick(&addresses)
            };
            let Some(address) = address else {
                thread::sleep(Duration::from_millis(5));
                continue;
            };
            if kept.as_ref().is_none_or(|(at, _)| *at != address) {
                kept = Connection::open(address)
                    .ok()
                    .map(|connection| (address, connection));
            }
            let Some((_, connection)) = &mut kept else {
                continue;
            };
            if !self.act(connection) {
                kept = None;
            }
        }
    }

    /// Does one thing. Whether the connection is of use still.
    #[expect(clippy::cast_precision_loss, reason = "there are far less than 2^53 pushes")]
    fn act(&mut self, connection: &mut Connection) -> bool {
        let value = self.value.fetch_add(1, Ordering::Relaxed);
        if self.random.one_in(10) {
            let series = format!("merge-{} {value}", self.round);
            let path = format!("/metrics/job/merge-{}?merge=series", self.round);
            let outcome = send(
                connection,
                &post(&path).body(format!("merged{{n=\"{value}\"}} 1\n")),
            );
            self.book.merged(&series, outcome == Outcome::Done);
            return outcome != Outcome::Broken;
        }
        if self.random.one_in(10) {
            let group = format!("sum-{}", self.round);
            let path = format!("/metrics/job/{group}?merge=aggregate");
            let body = format!("# TYPE added counter\nadded{{n=\"all\"}} 1\nadded{{n=\"{value}\"}} 1\n");
            let outcome = send(connection, &post(&path).body(body));
            self.book.added(&group, value, outcome == Outcome::Done);
            return outcome != Outcome::Broken;
        }
        if self.expires && self.random.one_in(10) {
            let path = format!("/metrics/job/ttl-{value}?ttl=1s");
            let outcome = send(connection, &put(&path).body("expires 1\n"));
            self.book.count(outcome == Outcome::Done);
            return outcome != Outcome::Broken;
        }
        let group = format!("g-{}-{}", self.number, self.random.below(GROUPS));
        if self.book.is_doubtful(&group) {
            return true;
        }
        let path = format!("/metrics/job/{group}");
        let (state, request) = if self.random.one_in(5) {
            (None, delete(&path))
        } else {
            let body = format!("left {value}\n# TYPE right gauge\nright {value}\n");
            let push = if self.random.one_in(2) {
                put(&path)
            } else {
                post(&path)
            };
            (Some(value as f64), push.body(body))
        };
        let outcome = send(connection, &request);
        self.book.note(&group, state, outcome == Outcome::Done);
        outcome != Outcome::Broken
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Done,
    /// It may have been done.
    Refused,
    Broken,
}

fn send(connection: &mut Connection, request: &Request) -> Outcome {
    match connection.send(request) {
        Ok(response) if matches!(response.status, 200 | 202) => Outcome::Done,
        Ok(response) if response.status == 503 => Outcome::Refused,
        Ok(response) => panic!("{request}: {} {}", response.status, response.text()),
        Err(_) => Outcome::Broken,
    }
}
