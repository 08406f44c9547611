//! What do small and large bodies cost?

use super::{Headline, Question, ratio};
use crate::bench::{Bench, Lane, figure, push_figures};
use crate::bodies::{self, Body, Format};
use crate::load::{Groups, Load};
use crate::record::Record;
use crate::subject::Kind;

/// The question.
pub(super) const QUESTION: Question = Question {
    name: "bodies",
    title: "Small and large bodies",
    asks: "pushes/s and CPU time by size of the body, in text and in protobuf",
    timed: "100 groups (20 of the largest body), replaced in turn over 16 connections, and over 4 where a push has more \
            than 10,000 series. Each body has the same series in text and in protobuf, and every value in it changes \
            from push to push.",
    columns: &[figure::RATE, SERIES, figure::CPU, CPU_SERIES, figure::P99],
    run,
    headlines,
};

const GROUPS: u32 = 100;
const FEW_GROUPS: u32 = 20;
/// A body with more series than this is large.
const LARGE_SERIES: usize = 10_000;
const SERIES: &str = "series/s";
const CPU_SERIES: &str = "server CPU/series, ns";

const SMALL: usize = 1_100;
const LARGE: usize = 15_000;
const LARGEST: usize = 28_000;

/// Each body, and to how many groups it is pushed.
fn sizes(bench: &Bench) -> [(Body, u32); 5] {
    let wide = |series: usize| {
        let series = bench.scaled(u32::try_from(series).unwrap_or(u32::MAX));
        bodies::wide(series as usize)
    };
    [
        (bodies::gauge(), GROUPS),
        (bodies::batch_job(), GROUPS),
        (wide(SMALL), GROUPS),
        (wide(LARGE), GROUPS),
        (wide(LARGEST), FEW_GROUPS),
    ]
}

fn run(bench: &Bench, record: &mut Record) {
    for (body, groups) in sizes(bench) {
        for format in [Format::Text, Format::Protobuf] {
            // VictoriaMetrics does not read protobuf.
            let kinds: &[Kind] = match format {
                Format::Text => &[Kind::Wharf100ms, Kind::RealUnchecked, Kind::Victoria],
                Format::Protobuf => &[Kind::Wharf100ms, Kind::RealUnchecked],
            };
            // New processes for each size, so that none pays for what the one before has left.
            let mut lanes: Vec<Lane> = kinds
                .iter()
                .map(|&kind| {
                    bench.lane(record, kind, |subject| {
                        let groups = Groups::all(groups);
                        subject.push_once(&body, format, groups).map(drop)
                    })
                })
                .collect();
            bench.rounds(record, &case(&body, format), &mut lanes, |subject| {
                subject.server.settle()?;
                let outcome = subject.load(&Load::new(
                    &subject.kind.request(&body, format),
                    Groups::all(groups),
                    if body.series > LARGE_SERIES { 4 } else { 16 },
                    bench.length(),
                ))?;
                subject.check(&body)?;
                let series = body.series as f64;
                let mut figures = push_figures(&outcome);
                figures.push((SERIES, outcome.rate() * series));
                figures.push((CPU_SERIES, outcome.server_micros() * 1e3 / series));
                Ok(figures)
            });
        }
    }
}

fn case(body: &Body, format: Format) -> String {
    match format {
        Format::Text => format!("{}, text", body.name()),
        Format::Protobuf => format!("{}, protobuf", body.name()),
    }
}

fn headlines() -> Vec<Headline> {
    let (job, large) = (bodies::batch_job(), bodies::wide(LARGE));
    let over = |text, body: &Body, format| {
        let (wharf, real) = (Kind::Wharf100ms.name(), Kind::RealUnchecked.name());
        ratio(text, &case(body, format), figure::RATE, wharf, real, None)
    };
    vec![
        over(
            "Batch job in protobuf: pushes/s over the unchecked Pushgateway",
            &job,
            Format::Protobuf,
        ),
        over(
            "15,000 series a push in text: pushes/s over the unchecked Pushgateway",
            &large,
            Format::Text,
        ),
        over(
            "15,000 series a push in protobuf: pushes/s over the unchecked Pushgateway",
            &large,
            Format::Protobuf,
        ),
    ]
}
