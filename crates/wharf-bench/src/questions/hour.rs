//! What stands out when everything goes on at once?

use std::fmt::Write as _;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use hdrhistogram::Histogram;

use super::scrape::{PROTOBUF, TEXT};
use super::{Headline, Measure, Question};
use crate::bench::{Bench, figure};
use crate::bodies::{self, Body, Format};
use crate::endpoint::Endpoint;
use crate::http::{Client, get_request};
use crate::load::{Groups, Load, millis_at, new_histogram};
use crate::record::{At, Figures, Record};
use crate::subject::{Kind, Subject};

/// The question.
pub(super) const QUESTION: Question = Question {
    name: "hour",
    title: "Everything at once",
    asks: "the slowest pushes and scrapes while everything goes on that an hour brings, and without each of it",
    timed: "64 kept connections push batch jobs to 10,000 groups, half as many a second as this machine takes with \
            every push synced. Beside them, six times as often as in real life: two Prometheus scrape every 2.5 s, one in \
            text and one in protobuf, with gzip; 20 groups a second are pushed that expire after 5 s; every 5 s 500 \
            groups are pushed at once and deleted by selector; the page is open, which reads events and asks for \
            groups and figures; and checkpoints are written when the log has grown by 128 MiB, every few seconds. Then without \
            each of it. A case takes 30 times as long as one measurement: `--seconds 20` makes it ten minutes.",
    columns: &[
        figure::RATE,
        figure::P50,
        figure::P99,
        figure::P999,
        MAX,
        TEXT_MEDIAN,
        TEXT_P99,
        PROTOBUF_MEDIAN,
        PROTOBUF_P99,
    ],
    run,
    headlines,
};

const GROUPS: u32 = 10_000;
const CONNECTIONS: u32 = 64;
/// A case is so much longer than a measurement of other questions.
const LONGER: u32 = 30;
const SCRAPE_PAUSE: Duration = Duration::from_millis(2500);
const DELETE_PAUSE: Duration = Duration::from_secs(5);
const EXPIRING_PAUSE: Duration = Duration::from_millis(50);
const DOOMED: usize = 500;
const PAGE_PAUSE: Duration = Duration::from_secs(2);
const TIMEOUT: Duration = Duration::from_secs(60);

const MAX: &str = "slowest, ms";
const TEXT_MEDIAN: &str = "text: p50, ms";
const TEXT_P99: &str = "text: p99, ms";
const PROTOBUF_MEDIAN: &str = "protobuf: p50, ms";
const PROTOBUF_P99: &str = "protobuf: p99, ms";

/// What goes on beside the pushes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Scrapes,
    Expiry,
    Deletes,
    Page,
    Checkpoints,
}

use Part::{Checkpoints, Deletes, Expiry, Page, Scrapes};

const EVERYTHING: &str = "everything";
const ALONE: &str = "pushes alone";

const CASES: &[(&str, &[Part])] = &[
    (EVERYTHING, &[Scrapes, Expiry, Deletes, Page, Checkpoints]),
    ("without scrapes", &[Expiry, Deletes, Page, Checkpoints]),
    ("without expiry", &[Scrapes, Deletes, Page, Checkpoints]),
    ("without bulk deletes", &[Scrapes, Expiry, Page, Checkpoints]),
    ("without the page", &[Scrapes, Expiry, Deletes, Checkpoints]),
    ("without checkpoints", &[Scrapes, Expiry, Deletes, Page]),
    (ALONE, &[]),
];

fn run(bench: &Bench, record: &mut Record) {
    let body = bodies::batch_job();
    let groups = bench.scaled(GROUPS);
    let mut lanes = bench.filled(record, &[Kind::WharfAlways, Kind::WharfLog], &body, groups);
    let [with, without] = lanes.as_mut_slice() else {
        return;
    };
    // Both are measured by the same name: they differ in what the case says.
    without.name = with.name;
    let pace = match top_pace(bench, with.subject.as_mut(), &body, groups) {
        Ok(pace) => pace * 2,
        Err(error) => return record.fail("", with.name, &error),
    };
    for round in 0..bench.rounds {
        for (case, beside) in CASES {
            let lane = if beside.contains(&Checkpoints) {
                &mut *with
            } else {
                &mut *without
            };
            bench.once(record, case, round, lane, |subject| {
                measure(bench, subject, &body, groups, pace, beside)
            });
        }
    }
}

/// The time between two pushes at full speed.
fn top_pace(bench: &Bench, subject: Option<&mut Subject>, body: &Body, groups: u32) -> Result<Duration> {
    let subject = subject.context("Wharf did not start")?;
    let outcome = subject.load(&Load::new(
        &subject.kind.request(body, Format::Text),
        Groups::all(groups),
        CONNECTIONS,
        bench.length(),
    ))?;
    Ok(Duration::from_secs_f64(1.0 / outcome.rate()))
}

fn measure(
    bench: &Bench,
    subject: &mut Subject,
    body: &Body,
    groups: u32,
    pace: Duration,
    beside: &[Part],
) -> Result<Figures> {
    subject.server.settle()?;
    let server = subject.server.endpoint().clone();
    let request = subject.kind.request(body, Format::Text);
    let length = bench.length_of(bench.window * LONGER);
    let load = Load {
        pace: Some(pace),
        ..Load::new(&request, Groups::all(groups), CONNECTIONS, length)
    };
    let stop = Stop::default();
    let (outcome, text, protobuf, others) = thread::scope(|scope| {
        let (server, stop) = (&server, &stop);
        let scraping = |accept: &'static str| {
            let scrapes = beside.contains(&Scrapes);
            scope.spawn(move || scrapes.then(|| scrape(server, accept, stop)).transpose())
        };
        let (text, protobuf) = (scraping(TEXT), scraping(PROTOBUF));
        let mut others = Vec::new();
        if beside.contains(&Expiry) {
            others.push(scope.spawn(|| push_expiring(server, stop)));
        }
        if beside.contains(&Deletes) {
            others.push(scope.spawn(|| push_and_delete(server, stop)));
        }
        if beside.contains(&Page) {
            others.push(scope.spawn(|| read_events(server, stop)));
            others.push(scope.spawn(|| look_at_the_page(server, stop)));
        }
        let outcome = subject.load(&load);
        stop.0.store(true, Ordering::Relaxed);
        let others: Result<()> = others.into_iter().try_for_each(joined);
        (outcome, joined(text), joined(protobuf), others)
    });
    let (outcome, text, protobuf) = (outcome?, text?, protobuf?);
    others?;
    subject.check(body)?;
    let mut figures = crate::bench::push_figures(&outcome);
    figures.push((MAX, outcome.millis_at(100.0)));
    let scrapes = [
        (text, TEXT_MEDIAN, TEXT_P99),
        (protobuf, PROTOBUF_MEDIAN, PROTOBUF_P99),
    ];
    for (times, median, p99) in scrapes {
        if let Some(times) = times {
            figures.push((median, millis_at(&times, 50.0)));
            figures.push((p99, millis_at(&times, 99.0)));
        }
    }
    Ok(figures)
}

fn joined<T>(thread: ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    thread
        .join()
        .unwrap_or_else(|_| Err(anyhow!("a thread beside the pushes panicked")))
}

/// Tells what goes on beside the pushes that it is over.
#[derive(Debug, Default)]
struct Stop(AtomicBool);

impl Stop {
    /// Waits until some time after `begin`. Whether to go on then.
    fn pause(&self, begin: Instant, pause: Duration) -> bool {
        while let Some(left) = (begin + pause).checked_duration_since(Instant::now()) {
            if self.0.load(Ordering::Relaxed) {
                return false;
            }
            thread::sleep(left.min(Duration::from_millis(50)));
        }
        !self.0.load(Ordering::Relaxed)
    }
}

fn ask(client: &mut Client, request: &[u8], status: u16) -> Result<Duration> {
    let fetched = client.send(request)?;
    ensure!(
        fetched.status == status,
        "expected {status}, found {} for {:.80}: {:.200}",
        fetched.status,
        String::from_utf8_lossy(request),
        String::from_utf8_lossy(&client.body())
    );
    Ok(fetched.elapsed)
}

fn scrape(server: &Endpoint, accept: &str, stop: &Stop) -> Result<Histogram<u64>> {
    let mut client = Client::connect(server, TIMEOUT)?;
    let request = get_request("/metrics", &[("Accept", accept), ("Accept-Encoding", "gzip")]);
    let mut times = new_histogram()?;
    loop {
        let begin = Instant::now();
        let elapsed = ask(&mut client, &request, 200)?;
        times.saturating_record(u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX));
        if !stop.pause(begin, SCRAPE_PAUSE) {
            return Ok(times);
        }
    }
}

/// A push of one gauge.
fn small_push(method: &str, path: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {length}\r\n\r\n{body}")
        .into_bytes()
}

fn push_expiring(server: &Endpoint, stop: &Stop) -> Result<()> {
    let mut client = Client::connect(server, TIMEOUT)?;
    for number in 0_u64.. {
        let begin = Instant::now();
        let path = format!("/metrics/job/short/run/{number}?ttl=5s");
        ask(
            &mut client,
            &small_push("PUT", &path, "short_run_seconds 1\n"),
            200,
        )?;
        if !stop.pause(begin, EXPIRING_PAUSE) {
            break;
        }
    }
    Ok(())
}

/// `match[]={job="doomed"}`
const DELETE: &str = "/api/v1/groups?match%5B%5D=%7Bjob%3D%22doomed%22%7D";

fn push_and_delete(server: &Endpoint, stop: &Stop) -> Result<()> {
    let mut client = Client::connect(server, TIMEOUT)?;
    let mut lines = String::new();
    for run in 0..DOOMED {
        let _infallible = writeln!(lines, "doomed_run_seconds{{job=\"doomed\",run=\"{run}\"}} 1");
    }
    let push = small_push("POST", "/api/v1/push?group_by=job,run", &lines);
    let delete = small_push("DELETE", DELETE, "");
    loop {
        let begin = Instant::now();
        ask(&mut client, &push, 200)?;
        ask(&mut client, &delete, 200)?;
        if !stop.pause(begin, DELETE_PAUSE) {
            return Ok(());
        }
    }
}

/// Events come as long as somebody reads them.
fn read_events(server: &Endpoint, stop: &Stop) -> Result<()> {
    let stream = TcpStream::connect(server.address).context("connect")?;
    stream
        .set_read_timeout(Some(Duration::from_secs(1)))
        .context("set up the connection")?;
    let mut stream = server.open(stream)?;
    stream
        .write_all(&get_request("/api/v1/events", &[]))
        .context("ask for events")?;
    let mut buffer = vec![0; 64 * 1024];
    while !stop.0.load(Ordering::Relaxed) {
        match stream.read(&mut buffer) {
            Ok(0) => return Err(anyhow!("the events have ended")),
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => return Err(error).context("read events"),
        }
    }
    Ok(())
}

fn look_at_the_page(server: &Endpoint, stop: &Stop) -> Result<()> {
    let mut client = Client::connect(server, TIMEOUT)?;
    let requests = ["/api/v1/groups?limit=200", "/api/v1/stats"].map(|path| get_request(path, &[]));
    loop {
        let begin = Instant::now();
        for request in &requests {
            ask(&mut client, request, 200)?;
        }
        if !stop.pause(begin, PAGE_PAUSE) {
            return Ok(());
        }
    }
}

fn headlines() -> Vec<Headline> {
    let wharf = Kind::WharfAlways.name();
    let over = |text, figure| Headline {
        text,
        measure: Measure::Ratio(At::new(EVERYTHING, wharf, figure), At::new(ALONE, wharf, figure)),
        goal: None,
    };
    vec![
        over(
            "p99 of a push with everything beside, over pushes alone",
            figure::P99,
        ),
        over("p99.9 of a push, likewise", figure::P999),
    ]
}
