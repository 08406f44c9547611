//! Does ten times as much still work?

use std::time::Instant;

use anyhow::Result;

use super::memory::{MIN_COLD, wait_until_cold};
use super::scrape::{self, GZIP, PLAIN, PROTOBUF_GZIP};
use super::{Goal, Headline, Measure, Question};
use crate::bench::{Bench, figure};
use crate::bodies::{self, Body};
use crate::http::Client;
use crate::process::folder_bytes;
use crate::record::{At, Figures, Record};
use crate::subject::{Kind, Subject};
use crate::table::count;

/// The question.
pub(super) const QUESTION: Question = Question {
    name: "scale",
    title: "Ten million series",
    asks: "pushes, scrapes, memory and starts with 10,000,000 series",
    timed: "Gauges of one family, in 100,000 groups of 100 series and in 1,000,000 groups of 10, each group pushed once \
            over 64 connections with every push synced. Then: memory; pushes to these groups at full speed over 64 \
            connections; scrapes in which nothing has changed; the start after `kill -9`; memory when nobody has pushed \
            for so long that Wharf keeps the compressed form alone; the clean end, at which a checkpoint is written, and the \
            start from that. What is scraped is compared with what was pushed each time.",
    columns: &[],
    run,
    headlines,
};

const SERIES: u32 = 10_000_000;
const LARGE: u32 = 100;
const SMALL: u32 = 10;
const CONNECTIONS: u32 = 64;

const FILL: &str = "filled in, s";
const MEMORY: &str = "MB after pushes";
const SCRAPED: &str = "MB after a gzip scrape";
const COLD: &str = "MB cold";
const GZIP_TIME: &str = "gzip scrape, ms";
const PLAIN_TIME: &str = "plain scrape, ms";
const PROTOBUF_TIME: &str = "protobuf scrape, gzip, ms";
const KILLED: &str = "start after kill -9, s";
const ENDED: &str = "end with a checkpoint, s";
const STARTED: &str = "start from a checkpoint, s";
const FOLDER: &str = "folder, MB";

fn run(bench: &Bench, record: &mut Record) {
    for per_group in [LARGE, SMALL] {
        let body = bodies::one_family(per_group as usize);
        let groups = bench.scaled(SERIES / per_group);
        let mut lane = bench.lane(record, Kind::WharfAlways, |_| Ok(()));
        bench.once(record, &case(groups, per_group), 0, &mut lane, |subject| {
            measure(bench, subject, &body, groups)
        });
    }
}

fn case(groups: u32, per_group: u32) -> String {
    format!("{} groups of {per_group}", count(u64::from(groups)))
}

fn measure(bench: &Bench, subject: &mut Subject, body: &Body, groups: u32) -> Result<Figures> {
    let megabytes = |subject: &Subject| anyhow::Ok(subject.server.resident_bytes()? as f64 / 1e6);
    let time_of = |figures: Figures| {
        let found = figures.into_iter().find(|(name, _)| *name == scrape::TIME);
        found.map_or(f64::NAN, |(_, value)| value)
    };
    let mut figures = Figures::new();

    let filled = subject.fill(body, groups)?;
    figures.push((FILL, filled.elapsed.as_secs_f64()));
    figures.push((MEMORY, megabytes(subject)?));
    for (name, figure) in [
        (GZIP, GZIP_TIME),
        (PLAIN, PLAIN_TIME),
        (PROTOBUF_GZIP, PROTOBUF_TIME),
    ] {
        figures.push((
            figure,
            time_of(scrape::measure_named(bench, name, subject, body, groups)?),
        ));
        if name == GZIP {
            figures.push((SCRAPED, megabytes(subject)?));
        }
    }
    let pushed = bench.push(subject, body, groups, CONNECTIONS)?;
    let kept = [figure::RATE, figure::P50, figure::P99, figure::P999];
    figures.extend(pushed.into_iter().filter(|(name, _)| kept.contains(name)));
    figures.push((FOLDER, folder_bytes(&subject.data())? as f64 / 1e6));
    figures.push((KILLED, subject.restart()?.as_secs_f64()));
    subject.check(body)?;
    if f64::from(groups) * body.series as f64 >= MIN_COLD {
        let mut client = Client::connect(subject.server.endpoint(), scrape::SCRAPE_TIMEOUT)?;
        wait_until_cold(&mut client)?;
        figures.push((COLD, megabytes(subject)?));
    }
    let begin = Instant::now();
    subject.server.terminate()?;
    figures.push((ENDED, begin.elapsed().as_secs_f64()));
    figures.push((STARTED, subject.restart()?.as_secs_f64()));
    subject.check(body)?;
    Ok(figures)
}

fn headlines() -> Vec<Headline> {
    let small = case(SERIES / SMALL, SMALL);
    let value = |text, figure, unit, goal| Headline {
        text,
        measure: Measure::Value(At::new(&small, Kind::WharfAlways.name(), figure), unit),
        goal: Some(Goal::AtMost(goal)),
    };
    vec![
        value(
            "Memory of 1,000,000 groups of 10 series, cold",
            COLD,
            " MB",
            800.0,
        ),
        value("Their start after kill -9", KILLED, " s", 4.0),
    ]
}
