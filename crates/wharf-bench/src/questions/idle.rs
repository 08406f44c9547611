//! What do very many idle connections cost the others?

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use hdrhistogram::Histogram;

use super::{Headline, Question};
use crate::bench::Bench;
use crate::bodies::{self, Format};
use crate::http::{Client, get_request};
use crate::idle::IdleClients;
use crate::record::{Figures, Record};
use crate::subject::{Kind, Subject};
use crate::template::Request;

/// The question.
pub(super) const QUESTION: Question = Question {
    name: "idle",
    title: "Idle connections",
    asks: "latency of a pusher and of a scrape beside 8,000 and 18,000 idle clients",
    timed: "1,000 groups with the 13 series of a batch job are there. Idle clients have had one request answered each, \
            and keep their connections. One client pushes every 5 ms over the same connection, one every 50 ms over a \
            new one, and a third scrapes every 250 ms over a new one, with gzip. A latency is counted from the moment at \
            which the request was due, connecting included.",
    columns: &[
        KEPT_MEDIAN,
        KEPT_P99,
        FRESH_MEDIAN,
        FRESH_P99,
        SCRAPE_MEDIAN,
        SCRAPE_MAX,
        CPU,
        MEMORY,
        CLOSED,
    ],
    run,
    headlines: Vec::<Headline>::new,
};

const GROUPS: u32 = 1_000;
const TIMEOUT: Duration = Duration::from_secs(60);
const KEPT_EVERY: Duration = Duration::from_millis(5);
const FRESH_EVERY: Duration = Duration::from_millis(50);
const SCRAPE_EVERY: Duration = Duration::from_millis(250);

const KEPT_MEDIAN: &str = "kept: p50, ms";
const KEPT_P99: &str = "kept: p99, ms";
const FRESH_MEDIAN: &str = "new: p50, ms";
const FRESH_P99: &str = "new: p99, ms";
const SCRAPE_MEDIAN: &str = "scrape: p50, ms";
const SCRAPE_MAX: &str = "scrape: slowest, ms";
const CPU: &str = "server CPU, % of a core";
const MEMORY: &str = "server memory, MB";
const CLOSED: &str = "idle clients closed";

fn run(bench: &Bench, record: &mut Record) {
    let body = bodies::batch_job();
    let groups = bench.scaled(GROUPS);
    let all = [
        (Kind::WharfAlways, 8_000),
        (Kind::WharfMany, 18_000),
        (Kind::RealUnchecked, 8_000),
    ];
    for (kind, count) in all {
        let count = bench.scaled(count) as usize;
        let mut lanes = bench.filled(record, &[kind], &body, groups);
        for round in 0..bench.rounds {
            for count in [0, count] {
                let case = match count {
                    0 => "no idle clients".to_owned(),
                    count => format!("{count} idle clients"),
                };
                for lane in &mut lanes {
                    let request = kind.request(&body, Format::Text);
                    bench.once(record, &case, round, lane, |subject| {
                        measure(bench, subject, &request, count)
                    });
                }
            }
        }
    }
}

fn measure(bench: &Bench, subject: &Subject, request: &Request, count: usize) -> Result<Figures> {
    let server = &subject.server;
    let address = server.endpoint().address;
    let clients = IdleClients::connect(&bench.programs.bench, address, count)?;
    server.settle()?;
    let (cpu, begin) = (server.cpu()?, Instant::now());
    let scrape = get_request(
        "/metrics",
        &[("Accept-Encoding", "gzip"), ("Connection", "close")],
    );
    let (kept, fresh, scrapes) = thread::scope(|scope| {
        let pace = |every, work| Pace {
            every,
            work,
            address,
            until: begin + bench.window,
        };
        let (kept, fresh, scrapes) = (
            pace(
                KEPT_EVERY,
                Work::Push {
                    request: request.clone(),
                    group: 0,
                    is_kept: true,
                },
            ),
            pace(
                FRESH_EVERY,
                Work::Push {
                    request: request.clone(),
                    group: 1,
                    is_kept: false,
                },
            ),
            pace(SCRAPE_EVERY, Work::Scrape(scrape)),
        );
        let threads = [kept, fresh, scrapes].map(|pace| scope.spawn(move || pace.run()));
        let [kept, fresh, scrapes] = threads.map(|thread| {
            let joined = thread.join();
            joined.unwrap_or_else(|_| Err(anyhow!("a client panicked")))
        });
        anyhow::Ok((kept?, fresh?, scrapes?))
    })?;
    let used = server.cpu()?.since(cpu).as_secs_f64() / begin.elapsed().as_secs_f64();
    let memory = server.resident_bytes()?;
    let open = clients.end()?;
    let millis = |times: &Histogram<u64>, percentile| times.value_at_percentile(percentile) as f64 / 1e3;
    Ok(vec![
        (KEPT_MEDIAN, millis(&kept, 50.0)),
        (KEPT_P99, millis(&kept, 99.0)),
        (FRESH_MEDIAN, millis(&fresh, 50.0)),
        (FRESH_P99, millis(&fresh, 99.0)),
        (SCRAPE_MEDIAN, millis(&scrapes, 50.0)),
        (SCRAPE_MAX, scrapes.max() as f64 / 1e3),
        (CPU, used * 100.0),
        (MEMORY, memory as f64 / 1e6),
        (CLOSED, (count - open) as f64),
    ])
}

/// A client that asks at fixed times.
struct Pace {
    every: Duration,
    work: Work,
    address: SocketAddr,
    until: Instant,
}

enum Work {
    Push {
        request: Request,
        group: u32,
        is_kept: bool,
    },
    Scrape(Vec<u8>),
}

impl Pace {
    /// How long each request took, in microseconds from when it was due.
    fn run(mut self) -> Result<Histogram<u64>> {
        let longest = u64::try_from(TIMEOUT.as_micros()).unwrap_or(u64::MAX);
        let mut times = Histogram::new_with_max(longest, 3).context("set up a histogram")?;
        let mut client = None;
        let mut due = Instant::now();
        let mut value = 0;
        while due < self.until {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            value += 1;
            let (bytes, is_kept) = match &mut self.work {
                Work::Push {
                    request,
                    group,
                    is_kept,
                } => {
                    request.patch(*group, value);
                    (request.as_bytes(), *is_kept)
                }
                Work::Scrape(request) => (request.as_slice(), false),
            };
            let mut connected = match client.take() {
                Some(client) => client,
                None => Client::connect(&self.address.into(), TIMEOUT)?,
            };
            let status = connected.send(bytes)?.status;
            ensure!(
                (200..300).contains(&status),
                "a request was answered with {status}"
            );
            times.saturating_record(u64::try_from(due.elapsed().as_micros()).unwrap_or(u64::MAX));
            client = is_kept.then_some(connected);
            due += self.every;
        }
        ensure!(!times.is_empty(), "no request was answered");
        Ok(times)
    }
}
