//! What do few and many connections get?

use super::{Headline, Question, ratio};
use crate::bench::{Bench, figure};
use crate::bodies;
use crate::record::Record;
use crate::subject::Kind;

/// The question.
pub(super) const QUESTION: Question = Question {
    name: "connections",
    title: "Few and many connections",
    asks: "pushes/s and latency at 1, 8, 64 and 512 connections",
    timed: "As above, over as many connections as the table says. One connection shows what a single push costs from \
            end to end; many show how latency grows when the machine is busy.",
    columns: &[figure::RATE, figure::P50, figure::P99, figure::P999, figure::CPU],
    run,
    headlines,
};

const GROUPS: u32 = 1_000;
const CONNECTIONS: [u32; 4] = [1, 8, 64, 512];

fn run(bench: &Bench, record: &mut Record) {
    let body = bodies::batch_job();
    let groups = bench.scaled(GROUPS);
    let kinds = [
        Kind::WharfAlways,
        Kind::Wharf100ms,
        Kind::WharfMemory,
        Kind::RealUnchecked,
        Kind::Victoria,
    ];
    let mut lanes = bench.filled(record, &kinds, &body, groups);
    for connections in CONNECTIONS {
        bench.rounds(record, &case(connections), &mut lanes, |subject| {
            bench.push(subject, &body, groups, connections)
        });
    }
}

fn case(connections: u32) -> String {
    match connections {
        1 => "1 connection".to_owned(),
        _ => format!("{connections} connections"),
    }
}

fn headlines() -> Vec<Headline> {
    let (wharf, real) = (Kind::WharfAlways.name(), Kind::RealUnchecked.name());
    vec![
        ratio(
            "One connection: pushes/s with every push synced, over the unchecked Pushgateway",
            &case(1),
            figure::RATE,
            wharf,
            real,
            None,
        ),
        ratio(
            "512 connections: p99 of the unchecked Pushgateway over that of Wharf with every push synced",
            &case(512),
            figure::P99,
            real,
            wharf,
            None,
        ),
    ]
}
