//! Who waits for the handshakes of those who come only once?

use std::thread;
use std::time::Duration;

use anyhow::{Result, anyhow};

use super::{Goal, Headline, Question, ratio};
use crate::bench::Bench;
use crate::bodies::{self, Body, Format};
use crate::load::{Groups, Load, Pushed};
use crate::record::{Figures, Record};
use crate::subject::{Kind, Subject};

/// The question.
pub(super) const QUESTION: Question = Question {
    name: "handshakes",
    title: "TLS connections for one push each",
    asks: "latency of pushes over new TLS connections, and over kept ones meanwhile",
    timed: "200 pushes a second, each over a TLS connection of its own without a session of before, to 500 groups; \
            meanwhile 1,000 pushes a second over 64 TLS connections that are kept, to 500 others. Each begins when its time \
            has come, whatever became of the others.",
    columns: &[NEW_MEDIAN, NEW_P99, KEPT_MEDIAN, KEPT_P99, CPU],
    run,
    headlines,
};

const GROUPS: u32 = 500;
const NEW_A_SECOND: u32 = 200;
const KEPT_A_SECOND: u32 = 1_000;
/// At most so many of either kind are under way.
const CONNECTIONS: u32 = 64;

const NEW_MEDIAN: &str = "new: p50, ms";
const NEW_P99: &str = "new: p99, ms";
const KEPT_MEDIAN: &str = "kept: p50, ms";
const KEPT_P99: &str = "kept: p99, ms";
const CPU: &str = "server CPU, % of a processor";

fn run(bench: &Bench, record: &mut Record) {
    let body = bodies::batch_job();
    let groups = bench.scaled(GROUPS);
    let mut lanes = bench.filled(record, &[Kind::WharfTls, Kind::RealTls], &body, 2 * groups);
    bench.rounds(record, "", &mut lanes, |subject| {
        measure(bench, subject, &body, groups)
    });
}

fn measure(bench: &Bench, subject: &mut Subject, body: &Body, groups: u32) -> Result<Figures> {
    subject.server.settle()?;
    let request = subject.kind.request(body, Format::Text);
    let load = |first, fresh_connections, a_second| Load {
        fresh_connections,
        pace: Some(Duration::from_secs(1) / a_second),
        ..Load::new(
            &request,
            Groups::spaced(first, groups, 1),
            CONNECTIONS,
            bench.length(),
        )
    };
    let (new, kept) = (load(0, true, NEW_A_SECOND), load(groups, false, KEPT_A_SECOND));
    let server = &subject.server;
    let mut pushed = Pushed::default();
    let (new, kept) = thread::scope(|scope| {
        let others = scope.spawn(|| new.run(server, &mut pushed));
        let kept = kept.run(server, &mut subject.pushed);
        let new = others
            .join()
            .unwrap_or_else(|_| Err(anyhow!("a thread of the load generator panicked")));
        (new, kept)
    });
    let (new, kept) = (new?, kept?);
    subject.pushed.add(pushed);
    for outcome in [&new, &kept] {
        outcome.ensure_clean()?;
    }
    subject.check(body)?;
    Ok(vec![
        (NEW_MEDIAN, new.millis_at(50.0)),
        (NEW_P99, new.millis_at(99.0)),
        (KEPT_MEDIAN, kept.millis_at(50.0)),
        (KEPT_P99, kept.millis_at(99.0)),
        (
            CPU,
            100.0 * kept.server_cpu.as_secs_f64() / kept.elapsed.as_secs_f64(),
        ),
    ])
}

fn headlines() -> Vec<Headline> {
    let over_the_original = |text, figure| {
        let (wharf, original) = (Kind::WharfTls.name(), Kind::RealTls.name());
        ratio(text, "", figure, wharf, original, Some(Goal::AtMost(1.0)))
    };
    vec![
        over_the_original(
            "p99 of pushes over new TLS connections with every push synced, over the unchecked Pushgateway",
            NEW_P99,
        ),
        over_the_original(
            "p99 of pushes over kept connections meanwhile, likewise",
            KEPT_P99,
        ),
    ]
}
