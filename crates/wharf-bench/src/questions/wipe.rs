//! How long does it take to remove everything?

use std::time::Duration;

use anyhow::ensure;

use super::{Goal, Headline, Measure, Question};
use crate::bench::Bench;
use crate::bodies;
use crate::http::Client;
use crate::load::Pushed;
use crate::record::{At, Record};
use crate::subject::Kind;
use crate::table::count;

/// The question.
pub(super) const QUESTION: Question = Question {
    name: "wipe",
    title: "Removing everything",
    asks: "time of PUT /api/v1/admin/wipe with 100,000 groups",
    timed: "100,000 groups of a batch job are there (1.3 million series); from sending `PUT /api/v1/admin/wipe` to the \
            end of its answer. A scrape afterwards finds no group.",
    columns: &[],
    run,
    headlines,
};

const GROUPS: u32 = 100_000;
const TIME: &str = "ms";
const REQUEST: &[u8] = b"PUT /api/v1/admin/wipe HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n";

fn run(bench: &Bench, record: &mut Record) {
    let body = bodies::batch_job();
    let groups = bench.scaled(GROUPS);
    let kinds = [Kind::WharfAlways, Kind::WharfMemory];
    let mut lanes = bench.filled(record, &kinds, &body, 1);
    bench.rounds(record, &case(groups), &mut lanes, |subject| {
        subject.fill(&body, groups)?;
        subject.check(&body)?;
        let mut client = Client::connect(subject.server.address(), Duration::from_secs(60))?;
        let fetched = client.send(REQUEST)?;
        ensure!(
            fetched.status == 202,
            "the wipe was answered with {}",
            fetched.status
        );
        subject.pushed = Pushed::default();
        subject.check(&body)?;
        Ok(vec![(TIME, fetched.elapsed.as_secs_f64() * 1e3)])
    });
}

fn case(groups: u32) -> String {
    format!("{} groups", count(u64::from(groups)))
}

fn headlines() -> Vec<Headline> {
    vec![Headline {
        text: "Wipe of 100,000 groups",
        measure: Measure::Value(At::new(&case(GROUPS), Kind::WharfAlways.name(), TIME), " ms"),
        goal: Some(Goal::AtMost(50.0)),
    }]
}
