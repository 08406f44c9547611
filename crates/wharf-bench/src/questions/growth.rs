//! Does anything grow while the same groups are pushed again and again?

use super::{Headline, Measure, Question};
use crate::bench::{Bench, figure, push_figures};
use crate::bodies::{self, Format};
use crate::load::{Groups, Length, Load};
use crate::process::folder_bytes;
use crate::record::{At, Record};
use crate::subject::Kind;

/// The question.
pub(super) const QUESTION: Question = Question {
    name: "growth",
    title: "After an hour",
    asks: "memory and disk before and after 3,600,000 pushes to 1,000 groups: an hour of 1,000 pushes/s",
    timed: "1,000 groups of a batch job, each replaced 3,600 times over 64 connections at full speed: as many pushes as \
            an hour of 1,000 pushes/s has, 4.2 GB of bodies. Memory and the size of the folder are taken after the \
            first time and after the last.",
    columns: &[PUSHES, figure::RATE, BEFORE, AFTER, FOLDER_BEFORE, FOLDER_AFTER],
    run,
    headlines,
};

const GROUPS: u32 = 1_000;
const TURNS: u32 = 3_600;
const CONNECTIONS: u32 = 64;
const PUSHES: &str = "pushes";
const BEFORE: &str = "RSS before, MB";
const AFTER: &str = "RSS after, MB";
const FOLDER_BEFORE: &str = "folder before, MB";
const FOLDER_AFTER: &str = "folder after, MB";

fn run(bench: &Bench, record: &mut Record) {
    let body = bodies::batch_job();
    let groups = bench.scaled(GROUPS);
    let mut lane = bench.lane(record, Kind::WharfAlways, |subject| {
        subject.fill(&body, groups).map(drop)
    });
    bench.once(record, "", 0, &mut lane, |subject| {
        let before = subject.server.resident_bytes()? as f64 / 1e6;
        let folder_before = folder_bytes(&subject.data())? as f64 / 1e6;
        let outcome = subject.load(&Load::new(
            &subject.kind.request(&body, Format::Text),
            Groups::all(groups),
            CONNECTIONS,
            Length::Turns(bench.scaled(TURNS)),
        ))?;
        subject.server.settle()?;
        let after = subject.server.resident_bytes()? as f64 / 1e6;
        let folder_after = folder_bytes(&subject.data())? as f64 / 1e6;
        subject.check(&body)?;
        let mut figures = push_figures(&outcome);
        figures.extend([
            (PUSHES, outcome.pushes as f64),
            (BEFORE, before),
            (AFTER, after),
            (FOLDER_BEFORE, folder_before),
            (FOLDER_AFTER, folder_after),
        ]);
        Ok(figures)
    });
}

fn headlines() -> Vec<Headline> {
    let wharf = Kind::WharfAlways.name();
    vec![Headline {
        text: "Memory after the last push over memory after the first thousand",
        measure: Measure::Ratio(At::new("", wharf, AFTER), At::new("", wharf, BEFORE)),
        goal: None,
    }]
}
