//! What does it cost to add a push to what is stored?

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};

use super::{Goal, Headline, Measure, Question, ratio};
use crate::bench::{Bench, Lane, figure, push_figures};
use crate::bodies::{self, Body, Format, PARTS, part_plus};
use crate::http::{Client, get_request};
use crate::load::{Acknowledged, Groups, Length, Load};
use crate::record::{At, Figures, Record};
use crate::subject::{Kind, Subject};
use crate::table::count;
use crate::template::Request;

/// The question.
pub(super) const QUESTION: Question = Question {
    name: "aggregation",
    title: "Parts that are added up",
    asks: "pushes/s of parts that are added up, beside pushes that replace series; one hot series; memory a series",
    timed: "64 connections push 10 counters of one family to one group, in turn with `merge=series` and with `merge=aggregate`; the group has 10 \
            label sets of the family, or 10,000. Then a single counter is added up: by all connections in one group, and in 1,000 groups in turn. At the end \
            every sum has to be that of all parts that were acknowledged. Memory is resident memory without that of the idle process, after each group \
            was pushed twice with the 13 series of a batch job. Every push is synced.",
    columns: &[figure::RATE, figure::CPU, figure::P50, figure::P99, BYTES_SERIES],
    run,
    headlines,
};

const CONNECTIONS: u32 = 64;
/// Series of a push.
const PUSHED: usize = 10;
const FEW: u32 = 10;
const MANY: u32 = 10_000;
const GROUPS: u32 = 1_000;
const MEMORY_SERIES: u32 = 1_000_000;

const SERIES: &str = "merge=series";
const AGGREGATE: &str = "merge=aggregate";
const ONE: &str = "one counter a push";
const HOT: &str = "one hot series";
const SPREAD: &str = "a series in each of 1,000 groups";
const MEMORY: &str = "memory";
const PLAIN: &str = "PUT";
const BYTES_SERIES: &str = "bytes/series";

const SCRAPE_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(60);
/// Whole numbers are exact in a double up to here.
const EXACT: u64 = 1 << 53;

fn run(bench: &Bench, record: &mut Record) {
    for stored in [FEW, MANY] {
        of_one_group(bench, record, stored);
    }
    one_counter(bench, record);
    for (name, request) in [
        (
            PLAIN,
            Request::of("PUT", "", "", TEXT, &bodies::batch_job().text()),
        ),
        (AGGREGATE, adding(&bodies::batch_job())),
    ] {
        // What a process has once taken it may keep, so each has its own.
        let mut lane = bench.lane(record, Kind::WharfAlways, |_| Ok(()));
        lane.name = name;
        bench.once(record, MEMORY, 0, &mut lane, |subject| {
            memory(subject, &request, bench.scaled(MEMORY_SERIES))
        });
    }
}

const TEXT: &str = "text/plain";

fn adding(body: &Body) -> Request {
    Request::of("POST", "", "?merge=aggregate", TEXT, &body.text())
}

fn stored_case(stored: u32) -> String {
    format!("{} label sets stored", count(u64::from(stored)))
}

/// Pushes of some series of a family that has so many, all to one group, added up and replaced in turn.
fn of_one_group(bench: &Bench, record: &mut Record, stored: u32) {
    let stored = bench.scaled(stored);
    let (all, body) = (bodies::parts(stored as usize), bodies::parts(PUSHED));
    let replacing = Request::of("POST", "", "?merge=series", TEXT, &body.text());
    let adding = adding(&body);
    let mut lane = filled(bench, record, &all, 1);
    for round in 0..bench.rounds {
        for (name, request) in [(SERIES, &replacing), (AGGREGATE, &adding)] {
            lane.name = name;
            bench.once(record, &stored_case(stored), round, &mut lane, |subject| {
                let groups = Groups::shared(CONNECTIONS);
                let (figures, counted) = load(bench, subject, request, groups)?;
                if name == SERIES {
                    counted.are_of_a_last_push(PUSHED)?;
                } else {
                    counted.are_sums(PUSHED)?;
                }
                Ok(figures)
            });
        }
    }
}

/// One counter, added up by all connections, and one in each of many groups.
fn one_counter(bench: &Bench, record: &mut Record) {
    let (body, groups) = (bodies::parts(1), bench.scaled(GROUPS));
    let request = adding(&body);
    let mut lane = filled(bench, record, &body, groups);
    for round in 0..bench.rounds {
        for (name, groups) in [(HOT, Groups::shared(CONNECTIONS)), (SPREAD, Groups::all(groups))] {
            lane.name = name;
            bench.once(record, ONE, round, &mut lane, |subject| {
                let (figures, counted) = load(bench, subject, &request, groups)?;
                counted.are_together_the_sum()?;
                Ok(figures)
            });
        }
    }
}

/// Wharf with so many groups of this body.
fn filled(bench: &Bench, record: &mut Record, body: &Body, groups: u32) -> Lane {
    bench.lane(record, Kind::WharfAlways, |subject| {
        let groups = Groups::all(groups);
        subject.push_once(body, Format::Text, groups).map(drop)
    })
}

fn load(
    bench: &Bench,
    subject: &mut Subject,
    request: &Request,
    groups: Groups,
) -> Result<(Figures, Counted)> {
    subject.server.settle()?;
    let before = values(subject)?;
    let outcome = subject.load(&Load::new(request, groups, CONNECTIONS, bench.length()))?;
    let figures = push_figures(&outcome);
    let counted = Counted {
        before,
        after: values(subject)?,
        acknowledged: outcome.acknowledged,
    };
    Ok((figures, counted))
}

/// The counters of a family by their labels.
type Values = BTreeMap<String, u64>;

/// What a family was before a load, what it is afterwards, and what was acknowledged.
#[derive(Debug)]
struct Counted {
    before: Values,
    after: Values,
    acknowledged: Acknowledged,
}

impl Counted {
    /// Whether the first series of a group are what they were and all parts that were acknowledged, and the others what they were.
    fn are_sums(&self, pushed: usize) -> Result<()> {
        self.each(|series, before, after| {
            let part = self.part_of(series, pushed);
            let expected = before + part;
            ensure!(expected <= EXACT, "{expected} is too much to be told from its neighbours");
            ensure!(
                after == expected,
                "the series {series} is {after}, and {before} and the parts that were acknowledged are {expected}"
            );
            Ok(())
        })
    }

    /// What all pushes have added to a series.
    fn part_of(&self, series: usize, pushed: usize) -> u64 {
        if series >= pushed {
            return 0;
        }
        let Acknowledged { pushes, sum, .. } = &self.acknowledged;
        sum + pushes * u64::from(part_plus(series))
    }

    /// Whether the first series of a group are those of the last push of one of the connections, and the others what they were.
    fn are_of_a_last_push(&self, pushed: usize) -> Result<()> {
        let first = *self
            .after
            .values()
            .next()
            .context("expected a series, found none")?;
        let is_one = |value: &u32| u64::from(*value) == first;
        ensure!(
            self.acknowledged.last.iter().any(is_one),
            "the first series is {first}, which no connection has pushed last"
        );
        self.each(|series, before, after| {
            let plus = u64::from(part_plus(series));
            let expected = if series < pushed { first + plus } else { before };
            ensure!(
                after == expected,
                "the series {series} is {after}, and not {expected}"
            );
            Ok(())
        })
    }

    /// Whether all series together have grown by what was acknowledged.
    fn are_together_the_sum(&self) -> Result<()> {
        let sum = |values: &Values| values.values().sum::<u64>();
        let (before, after) = (sum(&self.before), sum(&self.after));
        let expected = before + self.acknowledged.sum;
        ensure!(
            after == expected && self.before.len() == self.after.len(),
            "all series are {after}, and {before} and the parts that were acknowledged are {expected}"
        );
        Ok(())
    }

    /// Visits the series of a group with what each was and is. Their regions are numbered, so their order is that of the numbers.
    fn each(&self, mut visit: impl FnMut(usize, u64, u64) -> Result<()>) -> Result<()> {
        ensure!(
            self.before.keys().eq(self.after.keys()),
            "there were {} series, and there are {} or others",
            self.before.len(),
            self.after.len()
        );
        let values = self.before.values().zip(self.after.values()).enumerate();
        for (series, (before, after)) in values {
            visit(series, *before, *after)?;
        }
        Ok(())
    }
}

/// The counters that parts are pushed to.
fn values(subject: &Subject) -> Result<Values> {
    counters(&scrape(subject)?, &format!("{PARTS}{{"))
}

fn scrape(subject: &Subject) -> Result<Vec<u8>> {
    let mut client = Client::connect(subject.server.endpoint(), SCRAPE_TIMEOUT)?;
    let fetched = client.send(&get_request("/metrics", &[]))?;
    ensure!(
        fetched.status == 200,
        "the scrape was answered with {}",
        fetched.status
    );
    Ok(client.body().into_owned())
}

/// The values of all lines that begin so, by the rest of their labels.
fn counters(exposition: &[u8], begin: &str) -> Result<Values> {
    let text = str::from_utf8(exposition).context("expected text")?;
    let lines = text.lines().filter_map(|line| line.strip_prefix(begin));
    lines
        .map(|line| {
            let (labels, value) = line.rsplit_once(' ').context("expected a value")?;
            Ok((
                labels.to_owned(),
                whole(value).with_context(|| format!("read `{value}`"))?,
            ))
        })
        .collect()
}

/// A whole number, as Go writes numbers: with an exponent, where that is usual there.
fn whole(text: &str) -> Option<u64> {
    let value: f64 = text.parse().ok()?;
    if value.fract() != 0.0 || !(0.0..=EXACT as f64).contains(&value) {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a whole number in the range, as said above"
    )]
    Some(value as u64)
}

/// Memory after each of many groups was pushed twice.
fn memory(subject: &mut Subject, request: &Request, series: u32) -> Result<Figures> {
    let body = bodies::batch_job();
    let per_group = u32::try_from(body.series).unwrap_or(u32::MAX);
    let groups = series.div_ceil(per_group);
    let series = f64::from(groups * per_group);
    subject.server.settle()?;
    let idle = subject.server.resident_bytes()? as f64;
    let load = Load::new(request, Groups::all(groups), CONNECTIONS, Length::Turns(2));
    let outcome = subject.load(&load)?;
    subject.server.settle()?;
    let pushed = subject.server.resident_bytes()? as f64;
    // A gauge, so the last one in any case.
    subject.check(&body)?;
    if request.as_bytes().starts_with(b"POST ") {
        let begin = "batch_job_records_processed_total{";
        let counters = counters(&scrape(subject)?, begin)?;
        let errors = counters
            .iter()
            .filter(|(labels, _)| labels.contains("status=\"error\""));
        let sum: u64 = errors.map(|(_, value)| value).sum();
        let expected = outcome.acknowledged.sum;
        ensure!(
            sum == expected,
            "all counters are {sum}, and all parts are {expected}"
        );
    }
    Ok(vec![(BYTES_SERIES, (pushed - idle) / series)])
}

fn headlines() -> Vec<Headline> {
    let at_least = |text, case: &str, over, under, goal| {
        ratio(text, case, figure::RATE, over, under, Some(Goal::AtLeast(goal)))
    };
    vec![
        at_least(
            "Pushes/s of 10 series that are added up, over merge=series, 10 label sets stored",
            &stored_case(FEW),
            AGGREGATE,
            SERIES,
            0.8,
        ),
        at_least(
            "The same, 10,000 label sets stored",
            &stored_case(MANY),
            AGGREGATE,
            SERIES,
            0.8,
        ),
        at_least(
            "Pushes/s to one hot series that is added up, over a series in each of 1,000 groups",
            ONE,
            HOT,
            SPREAD,
            0.5,
        ),
        Headline {
            text: "Memory a series that is added up, over a plain one",
            measure: Measure::Ratio(
                At::new(MEMORY, AGGREGATE, BYTES_SERIES),
                At::new(MEMORY, PLAIN, BYTES_SERIES),
            ),
            goal: Some(Goal::AtMost(1.5)),
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bodies::part_region;

    /// Two series of which one is pushed, three times with 6 in all.
    fn counted(after: [u64; 2]) -> Counted {
        let values = |values: [u64; 2]| {
            let values = (0..).zip(values);
            let values =
                values.map(|(series, value)| (format!("region=\"{}\"}}", part_region(series)), value));
            values.collect::<Values>()
        };
        Counted {
            before: values([10, 20]),
            after: values(after),
            acknowledged: Acknowledged {
                pushes: 3,
                sum: 6,
                last: vec![2, 3],
            },
        }
    }

    #[test]
    fn a_part_that_is_missing_or_counted_twice_is_seen() {
        counted([16, 20]).are_sums(1).unwrap();
        counted([16, 29]).are_sums(2).unwrap();
        for wrong in [[15, 20], [18, 20], [16, 21]] {
            counted(wrong).are_sums(1).unwrap_err();
        }
        counted([16, 20]).are_together_the_sum().unwrap();
        counted([16, 21]).are_together_the_sum().unwrap_err();
    }

    #[test]
    fn what_no_connection_has_pushed_last_is_seen() {
        counted([3, 4]).are_of_a_last_push(2).unwrap();
        counted([3, 20]).are_of_a_last_push(1).unwrap();
        for wrong in [[1, 2], [3, 5], [4, 5]] {
            counted(wrong).are_of_a_last_push(2).unwrap_err();
        }
    }

    #[test]
    fn counters_are_read_as_they_are_written() {
        let text = b"# TYPE a counter\na{b=\"c d\"} 2.1e+06\na{b=\"e\"} 7\nab{} 1\n";
        let found = counters(text, "a{").unwrap();
        let found: Vec<_> = found
            .iter()
            .map(|(labels, value)| (labels.as_str(), *value))
            .collect();
        assert_eq!(found, [("b=\"c d\"}", 2_100_000), ("b=\"e\"}", 7)]);
        counters(b"a{} 1.5\n", "a{").unwrap_err();
    }
}
