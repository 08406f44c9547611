//! How long does a start take?

use super::{Goal, Headline, Measure, Question};
use crate::bench::Bench;
use crate::bodies;
use crate::process::folder_bytes;
use crate::record::{At, Record};
use crate::subject::{Kind, Subject};
use crate::table::count;

/// The question.
pub(super) const QUESTION: Question = Question {
    name: "start",
    title: "Starting with a million series",
    asks: "time from starting the process to its first 200 on /-/ready, after kill -9 with 1,000,000 series",
    timed: "Batch jobs of 13 series each are pushed, the process is killed without warning, and started again on its \
            folder; from before the start of the process to the answer 200 of `/-/ready`. The files are in the page \
            cache. Afterwards all groups are there with their last values. The second case has a checkpoint of all groups, and \
            a log in which each of them is pushed again.",
    columns: &[],
    run,
    headlines,
};

const SERIES: u32 = 1_000_000;
const TIME: &str = "s until ready";
const FOLDER: &str = "folder, MB";

fn run(bench: &Bench, record: &mut Record) {
    let body = bodies::batch_job();
    let series = bench.scaled(SERIES);
    let groups = series.div_ceil(u32::try_from(body.series).unwrap_or(u32::MAX));
    let restart = |subject: &mut Subject| {
        let folder = folder_bytes(&subject.data())? as f64 / 1e6;
        let time = subject.restart()?.as_secs_f64();
        subject.check(&body)?;
        Ok(vec![(TIME, time), (FOLDER, folder)])
    };
    let mut lanes = bench.filled(record, &[Kind::WharfAlways], &body, groups);
    bench.rounds(record, &case(series), &mut lanes, restart);
    drop(lanes);
    let with_log = bench.lane(record, Kind::WharfLog, |subject| {
        subject.fill(&body, groups)?;
        // A clean end leaves a checkpoint.
        subject.end_and_start()?;
        subject.fill(&body, groups).map(drop)
    });
    bench.rounds(record, &case_with_log(series), &mut [with_log], restart);
}

fn case(series: u32) -> String {
    format!("{} series", count(u64::from(series)))
}

fn case_with_log(series: u32) -> String {
    format!("{}, as much log as checkpoint", case(series))
}

fn headlines() -> Vec<Headline> {
    let start = |text, case: &str, kind: Kind| Headline {
        text,
        measure: Measure::Value(At::new(case, kind.name(), TIME), " s"),
        goal: Some(Goal::AtMost(1.0)),
    };
    vec![
        start("Start with 1,000,000 series", &case(SERIES), Kind::WharfAlways),
        start(
            "The same with as much log as checkpoint",
            &case_with_log(SERIES),
            Kind::WharfLog,
        ),
    ]
}
