//! How many jobs can push once each?

use super::{Headline, Question, ratio};
use crate::bench::{Bench, figure};
use crate::bodies;
use crate::record::Record;
use crate::subject::Kind;

/// The question.
pub(super) const QUESTION: Question = Question {
    name: "cron",
    title: "A new connection for each push",
    asks: "pushes/s if every push comes over a connection of its own, as from jobs started by cron",
    timed: "As above with 64 at once, but each push connects, pushes and closes. Connecting counts as part of the push.",
    columns: &[
        figure::RATE,
        figure::CPU,
        figure::P50,
        figure::P99,
        figure::OWN_CPU,
    ],
    run,
    headlines,
};

const GROUPS: u32 = 1_000;
const CONNECTIONS: u32 = 64;

fn run(bench: &Bench, record: &mut Record) {
    let body = bodies::batch_job();
    let groups = bench.scaled(GROUPS);
    let kinds = [
        Kind::WharfAlways,
        Kind::WharfMemory,
        Kind::RealUnchecked,
        Kind::Victoria,
        Kind::Empty,
    ];
    let mut lanes = bench.filled(record, &kinds, &body, groups);
    bench.rounds(record, "", &mut lanes, |subject| {
        bench.push(subject, &body, groups, CONNECTIONS, true)
    });
}

fn headlines() -> Vec<Headline> {
    let over = |text, other: Kind| {
        let wharf = Kind::WharfAlways.name();
        ratio(text, "", figure::RATE, wharf, other.name(), None)
    };
    vec![
        over(
            "Pushes/s with every push synced, over the unchecked Pushgateway",
            Kind::RealUnchecked,
        ),
        over(
            "Pushes/s with every push synced, over the empty handler",
            Kind::Empty,
        ),
    ]
}
