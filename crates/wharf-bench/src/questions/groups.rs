//! Does a push cost what it carries, or what is stored?

use anyhow::Result;

use super::{Goal, Headline, Measure, Question, ratio};
use crate::bench::{Bench, figure, push_figures};
use crate::bodies::{self, Body, Format};
use crate::load::{Groups, Load};
use crate::record::{At, Figures, Record};
use crate::subject::{Kind, Subject};
use crate::table::count;

/// The question.
pub(super) const QUESTION: Question = Question {
    name: "groups",
    title: "Few and many groups",
    asks: "pushes/s with 100 to 1,000,000 groups stored",
    timed: "64 connections replace groups in turn, of as many as the table says. The body is the batch job of 13 \
            series up to 100,000 groups (1.3 million series); and one gauge in 100 and in 1,000,000 groups. The \
            Pushgateway is measured with few groups only, because filling it takes too long.",
    columns: &[figure::RATE, figure::CPU, figure::P99, MEMORY],
    run,
    headlines,
};

const CONNECTIONS: u32 = 64;
const MEMORY: &str = "RSS, MB";

const FEW: u32 = 100;
const MANY: u32 = 1_000_000;

fn run(bench: &Bench, record: &mut Record) {
    let (job, gauge) = (bodies::batch_job(), bodies::gauge());
    let (wharf, real, unchecked) = (Kind::Wharf100ms, Kind::Real, Kind::RealUnchecked);
    measure(bench, record, &job, FEW, &[wharf, real, unchecked]);
    measure(bench, record, &job, 1_000, &[wharf, real, unchecked]);
    measure(bench, record, &job, 10_000, &[wharf, unchecked]);
    measure(bench, record, &job, 100_000, &[wharf]);
    // The ends of the range take turns within a round, because one is held against the other.
    let small = bench.scaled(FEW);
    let large = bench.scaled(MANY);
    let mut few = bench.filled(record, &[wharf], &gauge, small);
    let mut many = bench.filled(record, &[wharf], &gauge, large);
    for round in 0..bench.rounds {
        for (lanes, groups) in [(&mut few, small), (&mut many, large)] {
            for lane in lanes {
                bench.once(record, &case(&gauge, groups), round, lane, |subject| {
                    load(bench, subject, &gauge, groups)
                });
            }
        }
    }
}

fn measure(bench: &Bench, record: &mut Record, body: &Body, groups: u32, kinds: &[Kind]) {
    let groups = bench.scaled(groups);
    let mut lanes = bench.filled(record, kinds, body, groups);
    bench.rounds(record, &case(body, groups), &mut lanes, |subject| {
        load(bench, subject, body, groups)
    });
}

fn load(bench: &Bench, subject: &mut Subject, body: &Body, groups: u32) -> Result<Figures> {
    subject.server.settle()?;
    let outcome = subject.load(&Load::new(
        &subject.kind.request(body, Format::Text),
        Groups::all(groups),
        CONNECTIONS,
        bench.length(),
    ))?;
    let resident = subject.server.resident_bytes()? as f64 / 1e6;
    subject.check(body)?;
    let mut figures = push_figures(&outcome);
    figures.push((MEMORY, resident));
    Ok(figures)
}

/// How the report calls so many groups with this body.
pub(crate) fn case(body: &Body, groups: u32) -> String {
    format!("{} groups of {}", count(u64::from(groups)), body.name())
}

fn headlines() -> Vec<Headline> {
    let (job, gauge) = (bodies::batch_job(), bodies::gauge());
    let wharf = Kind::Wharf100ms.name();
    let at = |body: &Body, groups| At::new(&case(body, groups), wharf, figure::RATE);
    vec![
        Headline {
            text: "Pushes/s at 1,000,000 groups over pushes/s at 100 groups (one gauge each)",
            measure: Measure::Ratio(at(&gauge, MANY), at(&gauge, FEW)),
            goal: Some(Goal::AtLeast(0.8)),
        },
        Headline {
            text: "Pushes/s at 100,000 groups over pushes/s at 100 groups (13 series each)",
            measure: Measure::Ratio(at(&job, 100_000), at(&job, FEW)),
            goal: None,
        },
        ratio(
            "Pushes/s at 10,000 groups over the unchecked Pushgateway",
            &case(&job, 10_000),
            figure::RATE,
            wharf,
            Kind::RealUnchecked.name(),
            None,
        ),
    ]
}
