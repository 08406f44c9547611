//! Do scrapes and pushes get in each other's way?

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};

use super::{Headline, Measure, Question};
use crate::bench::{Bench, figure, push_figures};
use crate::bodies::{self, Body, Format};
use crate::http::{Client, get_request};
use crate::load::{Groups, Load};
use crate::record::{At, Figures, Record, Spread};
use crate::subject::{Kind, Subject};

/// The question.
pub(super) const QUESTION: Question = Question {
    name: "mixed",
    title: "Pushes and scrapes at once",
    asks: "latency of pushes and of scrapes while both go on",
    timed: "64 connections push batch jobs to 1,000 groups; meanwhile one connection scrapes with gzip: never, every \
            second, or again as soon as the last scrape has ended. In a second all groups change many times, so that \
            nothing compressed can be kept from one scrape to the next.",
    columns: &[
        figure::RATE,
        figure::P50,
        figure::P99,
        SCRAPES,
        SCRAPE_MEDIAN,
        SCRAPE_MAX,
    ],
    run,
    headlines,
};

const GROUPS: u32 = 1_000;
const CONNECTIONS: u32 = 64;
const SCRAPES: &str = "scrapes/s";
const SCRAPE_MEDIAN: &str = "scrape median, ms";
const SCRAPE_MAX: &str = "slowest scrape, ms";
const SCRAPE_TIMEOUT: Duration = Duration::from_secs(120);

const NEVER: &str = "no scrapes";
const EVERY_SECOND: &str = "a scrape every second";
const WITHOUT_PAUSE: &str = "scrapes without pause";

fn run(bench: &Bench, record: &mut Record) {
    let body = bodies::batch_job();
    let groups = bench.scaled(GROUPS);
    let kinds = [Kind::Wharf100ms, Kind::RealUnchecked];
    let mut lanes = bench.filled(record, &kinds, &body, groups);
    let cases = [
        (NEVER, None),
        (EVERY_SECOND, Some(Duration::from_secs(1))),
        (WITHOUT_PAUSE, Some(Duration::ZERO)),
    ];
    // The cases take turns within a round, because they are held against each other.
    for round in 0..bench.rounds {
        for (case, pause) in cases {
            for lane in &mut lanes {
                bench.once(record, case, round, lane, |subject| {
                    measure(bench, subject, &body, groups, pause)
                });
            }
        }
    }
}

fn measure(
    bench: &Bench,
    subject: &mut Subject,
    body: &Body,
    groups: u32,
    pause: Option<Duration>,
) -> Result<Figures> {
    subject.server.settle()?;
    let mut scraper = Client::connect(subject.server.endpoint(), SCRAPE_TIMEOUT)?;
    let stop = AtomicBool::new(false);
    let request = subject.kind.request(body, Format::Text);
    let load = Load::new(&request, Groups::all(groups), CONNECTIONS, bench.length());
    let begin = Instant::now();
    let (outcome, scrapes) = thread::scope(|scope| {
        let (scraper, stop) = (&mut scraper, &stop);
        let scraping = pause.map(|pause| scope.spawn(move || scrape(scraper, pause, stop)));
        let outcome = subject.load(&load);
        stop.store(true, Ordering::Relaxed);
        let scrapes = match scraping.map(thread::ScopedJoinHandle::join) {
            None => Ok(Vec::new()),
            Some(Ok(scrapes)) => scrapes,
            Some(Err(_)) => Err(anyhow!("the scraping thread panicked")),
        };
        (outcome, scrapes)
    });
    let elapsed = begin.elapsed().as_secs_f64();
    let (outcome, scrapes) = (outcome?, scrapes?);
    subject.check(body)?;
    let mut figures = push_figures(&outcome);
    if pause.is_some() {
        figures.push((SCRAPES, scrapes.len() as f64 / elapsed));
        let scrapes = Spread::of(scrapes).context("no scrape was answered")?;
        figures.push((SCRAPE_MEDIAN, scrapes.median));
        figures.push((SCRAPE_MAX, scrapes.max));
    }
    Ok(figures)
}

/// Scrapes until it is told to stop; returns how long each took, in milliseconds.
fn scrape(client: &mut Client, pause: Duration, stop: &AtomicBool) -> Result<Vec<f64>> {
    let request = get_request("/metrics", &[("Accept-Encoding", "gzip")]);
    let mut times = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let fetched = client.send(&request)?;
        ensure!(
            fetched.status == 200,
            "the scrape was answered with {}",
            fetched.status
        );
        times.push(fetched.elapsed.as_secs_f64() * 1e3);
        let wake = Instant::now() + pause.saturating_sub(fetched.elapsed);
        while let Some(left) = wake.checked_duration_since(Instant::now()) {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            thread::sleep(left.min(Duration::from_millis(50)));
        }
    }
    Ok(times)
}

fn headlines() -> Vec<Headline> {
    let kept = |text, kind: Kind, case| Headline {
        text,
        measure: Measure::Ratio(
            At::new(case, kind.name(), figure::RATE),
            At::new(NEVER, kind.name(), figure::RATE),
        ),
        goal: None,
    };
    vec![
        kept(
            "Wharf: pushes/s with a scrape every second, over those without scrapes",
            Kind::Wharf100ms,
            EVERY_SECOND,
        ),
        kept(
            "Unchecked Pushgateway: the same",
            Kind::RealUnchecked,
            EVERY_SECOND,
        ),
        kept(
            "Wharf: pushes/s with scrapes without pause, over those without scrapes",
            Kind::Wharf100ms,
            WITHOUT_PAUSE,
        ),
        kept(
            "Unchecked Pushgateway: the same",
            Kind::RealUnchecked,
            WITHOUT_PAUSE,
        ),
    ]
}
