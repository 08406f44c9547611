//! What does safety cost?

use std::fs::{self, File};
use std::io::Write as _;
use std::time::Instant;

use anyhow::{Context as _, Result};

use super::{Goal, Headline, Question, ratio};
use crate::bench::{Bench, figure};
use crate::bodies;
use crate::record::{Record, Spread};
use crate::subject::Kind;

/// The question.
pub(super) const QUESTION: Question = Question {
    name: "durability",
    title: "The price of stable storage",
    asks: "pushes/s with every push synced, synced every 100 ms, and in memory",
    timed: "1,000 groups of a batch job, replaced in turn over 256 connections. With sync=always a push is answered when \
            the disk has it; pushes that come while the disk syncs share the next sync. The last row is what the disk \
            does by itself: 4 KB appended to a file and synced, one after another.",
    columns: &[figure::RATE, figure::CPU, figure::P50, figure::P99, SYNC],
    run,
    headlines,
};

const GROUPS: u32 = 1_000;
const CONNECTIONS: u32 = 256;
const SYNC: &str = "one sync, ms";
const SYNCS: usize = 200;

fn run(bench: &Bench, record: &mut Record) {
    let body = bodies::batch_job();
    let groups = bench.scaled(GROUPS);
    let kinds = [Kind::WharfAlways, Kind::Wharf100ms, Kind::WharfMemory];
    let mut lanes = bench.filled(record, &kinds, &body, groups);
    for round in 0..bench.rounds {
        for lane in &mut lanes {
            bench.once(record, "", round, lane, |subject| {
                bench.push(subject, &body, groups, CONNECTIONS)
            });
        }
        match sync_millis(bench) {
            Ok(millis) => record.add("", DISK, round, vec![(SYNC, millis)]),
            Err(error) => record.fail("", DISK, &error),
        }
    }
}

const DISK: &str = "the disk alone";

/// How long the disk takes for one small write that is synced.
fn sync_millis(bench: &Bench) -> Result<f64> {
    let folder = &bench.programs.scratch;
    fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
    let path = folder.join("sync");
    let mut file = File::create(&path).with_context(|| format!("create {}", path.display()))?;
    let mut times = Vec::new();
    for _ in 0..SYNCS {
        let begin = Instant::now();
        file.write_all(&[0; 4096]).context("write a file")?;
        file.sync_data().context("sync a file")?;
        times.push(begin.elapsed().as_secs_f64() * 1e3);
    }
    fs::remove_file(&path).with_context(|| format!("remove {}", path.display()))?;
    Ok(Spread::of(times).context("no sync")?.median)
}

fn headlines() -> Vec<Headline> {
    let over =
        |text, over: Kind, under: Kind, goal| ratio(text, "", figure::RATE, over.name(), under.name(), goal);
    vec![
        over(
            "256 connections: pushes/s with every push synced, over sync=100ms",
            Kind::WharfAlways,
            Kind::Wharf100ms,
            Some(Goal::AtLeast(0.5)),
        ),
        over(
            "256 connections: pushes/s with every push synced, over memory only",
            Kind::WharfAlways,
            Kind::WharfMemory,
            None,
        ),
    ]
}
