//! How much memory does a series take?

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use super::{Goal, Headline, Measure, Question};
use crate::bench::Bench;
use crate::bodies;
use crate::http::{Client, get_request};
use crate::record::{At, Figures, Record};
use crate::subject::{Kind, Subject};
use crate::table::count;

/// The question.
pub(super) const QUESTION: Question = Question {
    name: "memory",
    title: "Memory and size",
    asks: "bytes a series at 1,000,000 series, idle memory, size of the binary",
    timed: "Resident memory of the process: just started; after each group was pushed once (13 series a group); and \
            after the first gzip scrape, of which Wharf keeps the compressed form; and when nobody has pushed for so long that \
            Wharf keeps that form alone. The memory of the idle process is \
            taken off before it is divided by the number of pushed series. The two series that a gateway adds to \
            each group are not counted.",
    columns: &[],
    run,
    headlines,
};

const SERIES: u32 = 1_000_000;
/// The Pushgateway takes its time to scrape a million series.
const REAL_SERIES: u32 = 100_000;
const IDLE: &str = "idle, MB";
const PUSHED: &str = "after pushes, MB";
const PUSHED_SERIES: &str = "bytes/series";
const SCRAPED: &str = "after a gzip scrape, MB";
const SCRAPED_SERIES: &str = "bytes/series, scraped";
const COLD: &str = "cold, MB";
const COLD_SERIES: &str = "bytes/series, cold";
const BINARY: &str = "binary, MB";
const BUILT: &str = "as built";
const DISTRIBUTED: &str = "as distributed";
/// Fewer stand in leaves of which some are too small to become cold.
pub(super) const MIN_COLD: f64 = 10_000.0;
const COLD_PAUSE: Duration = Duration::from_secs(5);
const COLD_TRIES: usize = 40;
/// What was freed goes back to the system when the threads notice, which they are asked to after each look at all leaves.
const GIVEN_BACK: Duration = Duration::from_secs(35);
const SCRAPE_TIMEOUT: Duration = Duration::from_secs(300);

fn run(bench: &Bench, record: &mut Record) {
    for (series, kinds) in [
        (SERIES, [Kind::WharfAlways, Kind::WharfMemory].as_slice()),
        (REAL_SERIES, &[Kind::WharfAlways, Kind::RealUnchecked]),
    ] {
        let series = bench.scaled(series);
        for &kind in kinds {
            // What a process has once taken it may keep, so each has its own.
            let mut lane = bench.lane(record, kind, |_| Ok(()));
            bench.once(record, &series_case(series), 0, &mut lane, |subject| {
                measure(subject, series)
            });
        }
    }
    let binaries = [
        (BUILT, Some(&bench.programs.wharf)),
        (DISTRIBUTED, bench.distributed.as_ref()),
    ];
    for (case, path) in binaries {
        let Some(path) = path else { continue };
        match megabytes_of(path) {
            Ok(megabytes) => record.add(case, WHARF, 0, vec![(BINARY, megabytes)]),
            Err(error) => record.fail(case, WHARF, &error),
        }
    }
}

const WHARF: &str = "Wharf";

fn series_case(series: u32) -> String {
    format!("{} series", count(u64::from(series)))
}

fn measure(subject: &mut Subject, series: u32) -> Result<Figures> {
    let body = bodies::batch_job();
    let per_group = u32::try_from(body.series).unwrap_or(u32::MAX);
    let groups = series.div_ceil(per_group);
    let series = f64::from(groups * per_group);
    subject.server.settle()?;
    let idle = subject.server.resident_bytes()? as f64;
    subject.fill(&body, groups)?;
    let pushed = subject.server.resident_bytes()? as f64;
    let mut client = Client::connect(subject.server.endpoint(), SCRAPE_TIMEOUT)?;
    let fetched = client.send(&get_request("/metrics", &[("Accept-Encoding", "gzip")]))?;
    ensure!(
        fetched.status == 200,
        "the scrape was answered with {}",
        fetched.status
    );
    subject.server.settle()?;
    let scraped = subject.server.resident_bytes()? as f64;
    let mut cold = None;
    if matches!(subject.kind, Kind::WharfAlways | Kind::WharfMemory) && series >= MIN_COLD {
        wait_until_cold(&mut client)?;
        subject.server.settle()?;
        cold = Some(subject.server.resident_bytes()? as f64);
    }
    subject.check(&body)?;
    let cold = cold.map(|cold| [(COLD, cold / 1e6), (COLD_SERIES, (cold - idle) / series)]);
    let figures = [
        (IDLE, idle / 1e6),
        (PUSHED, pushed / 1e6),
        (PUSHED_SERIES, (pushed - idle) / series),
        (SCRAPED, scraped / 1e6),
        (SCRAPED_SERIES, (scraped - idle) / series),
    ];
    Ok(figures.into_iter().chain(cold.into_iter().flatten()).collect())
}

/// Waits until nearly all text is there in its compressed form alone.
pub(super) fn wait_until_cold(client: &mut Client) -> Result<()> {
    for _ in 0..COLD_TRIES {
        thread::sleep(COLD_PAUSE);
        let fetched = client.send(&get_request("/api/v1/stats", &[]))?;
        ensure!(
            fetched.status == 200,
            "the stats were answered with {}",
            fetched.status
        );
        let stats: serde_json::Value = serde_json::from_slice(&client.body()).context("read the stats")?;
        let number = |name: &str| stats["data"]["totals"][name].as_u64();
        let (all, cold) = number("bytes")
            .zip(number("cold_bytes"))
            .context("find how much is cold")?;
        if cold * 20 > all * 19 {
            thread::sleep(GIVEN_BACK);
            return Ok(());
        }
    }
    bail!("the text did not become cold")
}

fn megabytes_of(path: &Path) -> Result<f64> {
    let metadata = fs::metadata(path).with_context(|| format!("look at {}", path.display()))?;
    Ok(metadata.len() as f64 / 1e6)
}

fn headlines() -> Vec<Headline> {
    let many = series_case(SERIES);
    let wharf = Kind::WharfAlways.name();
    let value = |text, case: &str, subject, figure, unit, goal| Headline {
        text,
        measure: Measure::Value(At::new(case, subject, figure), unit),
        goal,
    };
    vec![
        value(
            "Memory for each of 1,000,000 series",
            &many,
            wharf,
            PUSHED_SERIES,
            " B",
            Some(Goal::AtMost(200.0)),
        ),
        value(
            "The same after a gzip scrape",
            &many,
            wharf,
            SCRAPED_SERIES,
            " B",
            None,
        ),
        value("Idle memory", &many, wharf, IDLE, " MB", Some(Goal::AtMost(15.0))),
        value(
            "Binary, built with `--profile dist`",
            DISTRIBUTED,
            WHARF,
            BINARY,
            " MB",
            Some(Goal::AtMost(15.0)),
        ),
        value(
            "Binary, built with `--release`",
            BUILT,
            WHARF,
            BINARY,
            " MB",
            None,
        ),
    ]
}
