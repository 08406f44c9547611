//! How many jobs can push once each, and how long do they wait?

use std::time::Duration;

use anyhow::Result;

use super::{Goal, Headline, Question, ratio};
use crate::bench::{Bench, figure, push_figures};
use crate::bodies::{self, Body, Format};
use crate::load::{Groups, Load};
use crate::record::{At, Figures, Record};
use crate::subject::{Kind, Subject};

/// The question.
pub(super) const QUESTION: Question = Question {
    name: "cron",
    title: "A new connection for each push",
    asks: "pushes/s and latency if every push comes over a connection of its own, as from jobs started by cron",
    timed: "As above, but each push connects, from another address than the one before, pushes and closes; connecting \
            counts as part of it. First 16 and 64 at once; then as many pushes a second as half of what the unchecked \
            Pushgateway took of 64 at once, each begun when its time has come, whatever became of the others.",
    columns: &[
        figure::RATE,
        figure::CPU,
        figure::P50,
        figure::P99,
        figure::P999,
        figure::OWN_CPU,
    ],
    run,
    headlines,
};

const GROUPS: u32 = 1_000;
const FEW: (&str, u32) = ("16 at once", 16);
const MANY: (&str, u32) = ("64 at once", 64);
const HALF: &str = "half of the Pushgateway's rate";
/// How many pushes may be under way at half of the rate. Those that come later wait, and that counts.
const HALF_CONNECTIONS: u32 = 512;

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
    for (case, connections) in [FEW, MANY] {
        bench.rounds(record, case, &mut lanes, |subject| {
            measure(bench, subject, &body, groups, connections, None)
        });
    }
    let top = At::new(MANY.0, Kind::RealUnchecked.name(), figure::RATE);
    // Without the original there is no half of its rate.
    if let Some(top) = record.spread(&top) {
        let pace = Duration::from_secs_f64(2.0 / top.median);
        bench.rounds(record, HALF, &mut lanes, |subject| {
            measure(bench, subject, &body, groups, HALF_CONNECTIONS, Some(pace))
        });
    }
}

fn measure(
    bench: &Bench,
    subject: &mut Subject,
    body: &Body,
    groups: u32,
    connections: u32,
    pace: Option<Duration>,
) -> Result<Figures> {
    subject.server.settle()?;
    let request = subject.kind.request(body, Format::Text);
    let outcome = subject.load(&Load {
        fresh_connections: true,
        pace,
        ..Load::new(&request, Groups::all(groups), connections, bench.length())
    })?;
    subject.check(body)?;
    Ok(push_figures(&outcome))
}

fn headlines() -> Vec<Headline> {
    let over = |text, case, figure, other: Kind, goal| {
        let wharf = Kind::WharfAlways.name();
        ratio(text, case, figure, wharf, other.name(), goal)
    };
    let as_good = Some(Goal::AtMost(1.0));
    vec![
        over(
            "Pushes/s of 64 at once with every push synced, over the unchecked Pushgateway",
            MANY.0,
            figure::RATE,
            Kind::RealUnchecked,
            None,
        ),
        over(
            "The same, over the empty handler",
            MANY.0,
            figure::RATE,
            Kind::Empty,
            None,
        ),
        over(
            "p99 of 64 at once with every push synced, over the unchecked Pushgateway",
            MANY.0,
            figure::P99,
            Kind::RealUnchecked,
            as_good,
        ),
        over(
            "p99 at half of the rate with every push synced, over the unchecked Pushgateway",
            HALF,
            figure::P99,
            Kind::RealUnchecked,
            as_good,
        ),
        over(
            "p99.9 at half of the rate with every push synced, over the unchecked Pushgateway",
            HALF,
            figure::P999,
            Kind::RealUnchecked,
            as_good,
        ),
    ]
}
