//! How long does it take to remove everything, or every tenth group?

use std::time::Duration;

use anyhow::{Result, ensure};

use super::{Goal, Headline, Measure, Question};
use crate::bench::Bench;
use crate::bodies;
use crate::http::Client;
use crate::record::{At, Figures, Record};
use crate::subject::{Kind, Subject};
use crate::table::count;

/// The question.
pub(super) const QUESTION: Question = Question {
    name: "wipe",
    title: "Removing groups",
    asks: "time to remove 100,000 groups, and to delete 10,000 of them by a selector",
    timed: "100,000 groups of a batch job are there (1.3 million series). First every tenth is deleted by `DELETE \
            /api/v1/groups` with a regular expression for their `instance`, and pushed again; then all are removed by \
            `PUT /api/v1/admin/wipe`. From sending the request to the end of its answer; a scrape afterwards finds \
            the other groups and no more.",
    columns: &[],
    run,
    headlines,
};

const GROUPS: u32 = 100_000;
const TIME: &str = "ms";
const WIPE: &str = "PUT /api/v1/admin/wipe";
/// `match[]={instance=~"worker-[0-9]{6}0"}`
const DELETE: &str = "DELETE /api/v1/groups?match%5B%5D=%7Binstance%3D~%22worker-%5B0-9%5D%7B6%7D0%22%7D";

fn run(bench: &Bench, record: &mut Record) {
    let body = bodies::batch_job();
    let groups = bench.scaled(GROUPS);
    let kinds = [Kind::WharfAlways, Kind::WharfMemory];
    let mut lanes = bench.filled(record, &kinds, &body, 1);
    for round in 0..bench.rounds {
        for lane in &mut lanes {
            bench.once(record, &deleted(groups), round, lane, |subject| {
                subject.fill(&body, groups)?;
                subject.check(&body)?;
                let figures = remove(subject, DELETE, 200, |group| group % 10 == 0)?;
                subject.check(&body)?;
                Ok(figures)
            });
            bench.once(record, &wiped(groups), round, lane, |subject| {
                subject.fill(&body, groups)?;
                let figures = remove(subject, WIPE, 202, |_| true)?;
                subject.check(&body)?;
                Ok(figures)
            });
        }
    }
}

/// Sends a request by which groups go.
fn remove(subject: &mut Subject, request: &str, status: u16, goes: impl Fn(u32) -> bool) -> Result<Figures> {
    let mut client = Client::connect(subject.server.endpoint(), Duration::from_secs(60))?;
    let request = format!("{request} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n");
    let fetched = client.send(request.as_bytes())?;
    ensure!(fetched.status == status, "the answer was {}", fetched.status);
    subject.pushed.remove(goes);
    Ok(vec![(TIME, fetched.elapsed.as_secs_f64() * 1e3)])
}

fn wiped(groups: u32) -> String {
    format!("all of {} groups", count(u64::from(groups)))
}

fn deleted(groups: u32) -> String {
    let (some, all) = (count(u64::from(groups / 10)), count(u64::from(groups)));
    format!("{some} of {all} groups by selector")
}

fn headlines() -> Vec<Headline> {
    let wharf = Kind::WharfAlways.name();
    vec![
        Headline {
            text: "Wipe of 100,000 groups",
            measure: Measure::Value(At::new(&wiped(GROUPS), wharf, TIME), " ms"),
            goal: Some(Goal::AtMost(50.0)),
        },
        Headline {
            text: "Deleting 10,000 of 100,000 groups by a selector",
            measure: Measure::Value(At::new(&deleted(GROUPS), wharf, TIME), " ms"),
            goal: Some(Goal::AtMost(200.0)),
        },
    ]
}
