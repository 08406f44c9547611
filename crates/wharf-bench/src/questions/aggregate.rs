//! What does adding up cost?

use std::fmt::Write as _;

use anyhow::Result;

use super::{Goal, Headline, Measure, Question};
use crate::bench::{Bench, figure, push_figures};
use crate::load::{Groups, Length, Load};
use crate::record::{At, Figures, Record};
use crate::subject::{Kind, Subject};
use crate::table::count;
use crate::template::{Content, Request};

/// The question.
pub(super) const QUESTION: Question = Question {
    name: "aggregate",
    title: "Adding up",
    asks: "pushes/s that are added to what is stored, beside pushes of the same series that replace it; memory of both",
    timed: "64 connections push the same 10 counters of one family again and again, each to a group of its own, with every push synced: \
            once with `merge=series`, once with `merge=aggregate`, in turn and into the same family, which has 10 or 10,000 label sets \
            before. Hot: all connections push one counter of one group. Memory: 20,000 groups of 10 counters, each pushed once, in a process of its own.",
    columns: &[figure::RATE, figure::CPU, figure::P50, figure::P99, BYTES],
    run,
    headlines,
};

const CONNECTIONS: u32 = 64;
/// Label sets that a push brings.
const PUSHED: u32 = 10;
const STORED: [u32; 2] = [10, 10_000];
const GROUPS: u32 = 20_000;
const HOT: &str = "one hot series";
const MEMORY: &str = "memory";
const BYTES: &str = "bytes/series";

/// How the pushes go, and what the report calls that.
const WAYS: [(&str, &str); 2] = [("series", "merge=series"), ("aggregate", "merge=aggregate")];

fn case(of: &str, way: &str) -> String {
    format!("{of}, {way}")
}

fn label_sets(stored: u32) -> String {
    format!("{} label sets", count(u64::from(stored)))
}

/// One counter for each of these label sets.
fn counters(label_sets: u32) -> Content {
    let mut text = "# HELP orders_total Orders.\n# TYPE orders_total counter\n".to_owned();
    for number in 0..label_sets {
        let _infallible = writeln!(text, "orders_total{{route=\"/route/{number:05}\"}} <0>");
    }
    Content::text(&text)
}

fn run(bench: &Bench, record: &mut Record) {
    for stored in STORED {
        let stored = bench.scaled(stored).max(PUSHED);
        // Large bodies: the family as it is before.
        let mut lane = bench.lane(record, Kind::WharfAlways, |subject| {
            let request = Request::new("", "text/plain", &counters(stored));
            subject.load(&Load::new(
                &request,
                Groups::all(CONNECTIONS),
                4,
                Length::Turns(1),
            ))?;
            Ok(())
        });
        for round in 0..bench.rounds {
            for (merge, way) in WAYS {
                let request = Request::merging(merge, &counters(PUSHED));
                let case = case(&label_sets(stored), way);
                bench.once(record, &case, round, &mut lane, |subject| {
                    push(bench, subject, &request, Groups::all(CONNECTIONS))
                });
            }
        }
    }
    let mut lane = bench.lane(record, Kind::WharfAlways, |_| Ok(()));
    for round in 0..bench.rounds {
        for (merge, way) in WAYS {
            let request = Request::merging(merge, &counters(1));
            bench.once(record, &case(HOT, way), round, &mut lane, |subject| {
                push(bench, subject, &request, Groups::same(CONNECTIONS))
            });
        }
    }
    for (merge, way) in WAYS {
        // What a process has once taken it may keep.
        let mut lane = bench.lane(record, Kind::WharfAlways, |_| Ok(()));
        bench.once(record, &case(MEMORY, way), 0, &mut lane, |subject| {
            memory(subject, merge, bench.scaled(GROUPS))
        });
    }
}

fn push(bench: &Bench, subject: &mut Subject, request: &Request, groups: Groups) -> Result<Figures> {
    subject.server.settle()?;
    let outcome = subject.load(&Load::new(request, groups, CONNECTIONS, bench.length()))?;
    Ok(push_figures(&outcome))
}

fn memory(subject: &mut Subject, merge: &str, groups: u32) -> Result<Figures> {
    let request = Request::merging(merge, &counters(PUSHED));
    subject.server.settle()?;
    let idle = subject.server.resident_bytes()? as f64;
    subject.load(&Load::new(
        &request,
        Groups::all(groups),
        CONNECTIONS,
        Length::Turns(1),
    ))?;
    subject.server.settle()?;
    let series = f64::from(groups * PUSHED);
    Ok(vec![(
        BYTES,
        (subject.server.resident_bytes()? as f64 - idle) / series,
    )])
}

fn headlines() -> Vec<Headline> {
    let over = |text, of: &str, figure: &str, goal| {
        let [series, aggregate] =
            WAYS.map(|(_, way)| At::new(&case(of, way), Kind::WharfAlways.name(), figure));
        Headline {
            text,
            measure: Measure::Ratio(aggregate, series),
            goal: Some(goal),
        }
    };
    vec![
        over(
            "Pushes/s that add up, over those that replace series, in a family of 10 label sets",
            &label_sets(10),
            figure::RATE,
            Goal::AtLeast(0.8),
        ),
        over(
            "The same in a family of 10,000 label sets",
            &label_sets(10_000),
            figure::RATE,
            Goal::AtLeast(0.8),
        ),
        over(
            "The same of one series that all connections push",
            HOT,
            figure::RATE,
            Goal::AtLeast(0.5),
        ),
        over(
            "Memory of a series that is added up, over one that is replaced",
            MEMORY,
            BYTES,
            Goal::AtMost(1.5),
        ),
    ]
}
