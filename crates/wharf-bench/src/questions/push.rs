//! How many pushes a second?

use super::{Goal, Headline, Question, ratio};
use crate::bench::{Bench, figure};
use crate::bodies;
use crate::record::Record;
use crate::subject::Kind;

/// The question.
pub(super) const QUESTION: Question = Question {
    name: "push",
    title: "Pushes",
    asks: "pushes/s and CPU time a push at 1,000 groups over 64 connections, beside all peers",
    timed: "1,000 groups with the 13 series of a batch job are there already; 64 connections replace them in turn \
            (`PUT`, 1.2 KB of text), each sending the next push when the last one is answered.",
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
        Kind::Wharf100ms,
        Kind::WharfMemory,
        Kind::Real,
        Kind::RealUnchecked,
        Kind::Victoria,
        Kind::Empty,
        Kind::Store,
    ];
    let mut lanes = bench.filled(record, &kinds, &body, groups);
    bench.rounds(record, "", &mut lanes, |subject| {
        bench.push(subject, &body, groups, CONNECTIONS)
    });
}

fn headlines() -> Vec<Headline> {
    let faster = |text, wharf: Kind, other: Kind, goal| {
        ratio(text, "", figure::RATE, wharf.name(), other.name(), goal)
    };
    let cheaper = |text, other: Kind| {
        let wharf = Kind::WharfAlways.name();
        ratio(text, "", figure::CPU, other.name(), wharf, None)
    };
    let (always, buffered, memory) = (Kind::WharfAlways, Kind::Wharf100ms, Kind::WharfMemory);
    vec![
        faster(
            "Pushes/s with every push synced, over the Pushgateway",
            always,
            Kind::Real,
            Some(Goal::AtLeast(1_000.0)),
        ),
        faster(
            "Pushes/s with every push synced, over the unchecked Pushgateway",
            always,
            Kind::RealUnchecked,
            Some(Goal::AtLeast(6.0)),
        ),
        faster(
            "Pushes/s with every push synced, over VictoriaMetrics",
            always,
            Kind::Victoria,
            Some(Goal::AtLeast(3.0)),
        ),
        faster(
            "Pushes/s with sync=100ms, over the empty handler",
            buffered,
            Kind::Empty,
            Some(Goal::AtLeast(0.6)),
        ),
        faster(
            "Pushes/s of the store without a gateway around it, over the empty handler",
            Kind::Store,
            Kind::Empty,
            None,
        ),
        faster(
            "Pushes/s with sync=100ms, over the Pushgateway",
            buffered,
            Kind::Real,
            None,
        ),
        faster(
            "Pushes/s with sync=100ms, over VictoriaMetrics, which syncs every few seconds",
            buffered,
            Kind::Victoria,
            None,
        ),
        faster(
            "Pushes/s in memory, over the unchecked Pushgateway, which has nothing on disk either",
            memory,
            Kind::RealUnchecked,
            None,
        ),
        cheaper(
            "CPU time a push: the Pushgateway over Wharf with every push synced",
            Kind::Real,
        ),
        cheaper(
            "CPU time a push: the unchecked Pushgateway over Wharf with every push synced",
            Kind::RealUnchecked,
        ),
        cheaper(
            "CPU time a push: VictoriaMetrics over Wharf with every push synced",
            Kind::Victoria,
        ),
    ]
}
