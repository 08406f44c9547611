//! Two executables of Wharf beside each other: is the one as good as the other?
//!
//! Both run at once and take turns, and who begins changes from round to round, so that what the machine does meanwhile
//! meets both. Each round gives one ratio. The answer is their median, with the interval in which it lies in 19 of 20
//! such runs: only if all of that is below the limit, something has become worse.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};

use crate::bench::{Bench, figure};
use crate::bodies;
use crate::questions::scrape;
use crate::record::{Figures, Spread};
use crate::subject::{Kind, Subject};
use crate::table;

/// What is as good as before, at least.
pub const LIMIT: f64 = 0.97;

const GROUPS: u32 = 1_000;
const SCRAPED_GROUPS: u32 = 10_000;
const CONNECTIONS: u32 = 64;
const MEMORY: &str = "MB after pushes";

/// Something that is measured of both.
struct Case {
    name: String,
    kind: Kind,
    /// How many groups are there from the beginning.
    groups: u32,
    what: What,
    /// Whether a fresh process is measured each time.
    afresh: bool,
}

#[derive(Clone, Copy)]
enum What {
    Pushes,
    Scrapes(&'static str),
    Memory,
}

/// Whether more of a figure is better.
fn is_gain(figure: &str) -> bool {
    figure == figure::RATE
}

/// Which figures count. Latencies of a busy server are its rate said in another way.
fn counts(figure: &str) -> bool {
    [figure::RATE, figure::CPU, scrape::TIME, scrape::CPU, MEMORY].contains(&figure)
}

/// How good the later executable is beside the earlier one: above 1 is better.
#[derive(Debug, Clone, PartialEq)]
struct Verdict {
    case: String,
    figure: &'static str,
    before: f64,
    after: f64,
    median: f64,
    interval: (f64, f64),
}

impl Verdict {
    /// The ratios are those of single rounds.
    fn of(case: &str, figure: &'static str, rounds: &[(f64, f64)]) -> Option<Self> {
        let gain = is_gain(figure);
        let mut ratios: Vec<f64> = rounds
            .iter()
            .map(|(before, after)| if gain { after / before } else { before / after })
            .collect();
        ratios.sort_by(f64::total_cmp);
        let (low, high) = ranks(ratios.len());
        let values = |pick: fn(&(f64, f64)) -> f64| Spread::of(rounds.iter().map(pick));
        Some(Self {
            case: case.to_owned(),
            figure,
            before: values(|pair| pair.0)?.median,
            after: values(|pair| pair.1)?.median,
            interval: (*ratios.get(low)?, *ratios.get(high)?),
            median: Spread::of(ratios)?.median,
        })
    }

    fn is_worse(&self) -> bool {
        self.interval.1 < LIMIT
    }
}

/// Of so many sorted values, the positions of two between which the median of all that could have been measured lies in 19 of
/// 20 cases. With fewer than six there are none such, so it is the first and the last.
fn ranks(count: usize) -> (usize, usize) {
    // The number of values below the true median is that of heads in `count` throws of a coin.
    let mut below = vec![0.5_f64.powi(i32::try_from(count).unwrap_or(i32::MAX))];
    for heads in 0..count {
        let last = below.last().copied().unwrap_or_default();
        below.push(last * (count - heads) as f64 / (heads + 1) as f64);
    }
    let mut outside = 0.0;
    let mut low = 0;
    for (heads, probability) in below.iter().enumerate() {
        outside += probability;
        if outside > 0.025 {
            low = heads;
            break;
        }
    }
    let low = low.saturating_sub(1);
    (low, count.saturating_sub(1 + low))
}

/// Compares the executable `before` with that of `bench`.
///
/// # Errors
/// If one does not start, does not hold what was pushed to it, or if the later one is worse beyond doubt.
pub fn run(bench: &Bench, before: PathBuf, print: impl Fn(&str) -> Result<()>) -> Result<()> {
    ensure!(before.exists(), "{} is not there", before.display());
    let benches = ["before", "after"].map(|side| {
        let mut bench = bench.clone();
        bench.programs.scratch = bench.programs.scratch.join(side);
        bench
    });
    let [mut earlier, later] = benches;
    earlier.programs.wharf = before;
    let mut verdicts = Vec::new();
    for case in cases(bench) {
        table::progress(&format!("  {}", case.name));
        let rounds = take_turns(&case, &earlier, &later)?;
        let Some((first, _)) = rounds.first() else {
            continue;
        };
        for (figure, _) in first.iter().filter(|(figure, _)| counts(figure)) {
            let of = |figures: &Figures| {
                let found = figures.iter().find(|(name, _)| name == figure);
                found.map_or(f64::NAN, |(_, value)| *value)
            };
            let pairs: Vec<(f64, f64)> = rounds
                .iter()
                .map(|(before, after)| (of(before), of(after)))
                .collect();
            verdicts.extend(Verdict::of(&case.name, figure, &pairs));
        }
        print(&lines(&verdicts, &case.name))?;
    }
    let worse: Vec<String> = verdicts
        .iter()
        .filter(|verdict| verdict.is_worse())
        .map(|verdict| format!("{}: {}", verdict.case, verdict.figure))
        .collect();
    ensure!(worse.is_empty(), "worse beyond doubt: {}", worse.join("; "));
    Ok(())
}

fn cases(bench: &Bench) -> Vec<Case> {
    let pushes = [Kind::WharfAlways, Kind::Wharf100ms, Kind::WharfMemory].map(|kind| Case {
        name: format!("pushes: {}", kind.name()),
        kind,
        groups: bench.scaled(GROUPS),
        what: What::Pushes,
        afresh: false,
    });
    let scrapes = scrape::COMPARED.map(|case| Case {
        name: format!("scrape: {case}"),
        kind: Kind::WharfAlways,
        groups: bench.scaled(SCRAPED_GROUPS),
        what: What::Scrapes(case),
        afresh: false,
    });
    let memory = Case {
        name: "memory".to_owned(),
        kind: Kind::WharfMemory,
        groups: bench.scaled(SCRAPED_GROUPS),
        what: What::Memory,
        afresh: true,
    };
    pushes.into_iter().chain(scrapes).chain([memory]).collect()
}

/// The figures of both in each round.
fn take_turns(case: &Case, earlier: &Bench, later: &Bench) -> Result<Vec<(Figures, Figures)>> {
    let body = bodies::batch_job();
    let start = |bench: &Bench| {
        let mut subject = Subject::start(&bench.programs, case.kind)?;
        subject.fill(&body, case.groups)?;
        anyhow::Ok(subject)
    };
    let measure = |bench: &Bench, running: &mut Option<Subject>| -> Result<Figures> {
        if case.afresh || running.is_none() {
            drop(running.take());
            *running = Some(start(bench)?);
        }
        let subject = running.as_mut().context("nothing was started")?;
        match case.what {
            What::Pushes => bench.push(subject, &body, case.groups, CONNECTIONS),
            What::Scrapes(name) => scrape::measure_named(bench, name, subject, &body, case.groups),
            What::Memory => Ok(vec![(MEMORY, subject.server.resident_bytes()? as f64 / 1e6)]),
        }
    };
    let (mut before, mut after) = (None, None);
    let mut rounds = Vec::new();
    for round in 0..earlier.rounds {
        rounds.push(if round % 2 == 0 {
            let first = measure(earlier, &mut before)?;
            (first, measure(later, &mut after)?)
        } else {
            let first = measure(later, &mut after)?;
            (measure(earlier, &mut before)?, first)
        });
    }
    Ok(rounds)
}

/// The lines about one case.
fn lines(verdicts: &[Verdict], case: &str) -> String {
    let mut text = String::new();
    for verdict in verdicts.iter().filter(|verdict| verdict.case == case) {
        let Verdict {
            figure,
            before,
            after,
            median,
            interval,
            ..
        } = verdict;
        let worse = if verdict.is_worse() { "  WORSE" } else { "" };
        // Writing to a string cannot fail.
        let _infallible = writeln!(
            text,
            "{case:32} {figure:22} {:>10} {:>10}   {median:.3} ({:.3} to {:.3}){worse}",
            table::number(*before),
            table::number(*after),
            interval.0,
            interval.1,
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_lies_between_the_sixth_and_the_fifteenth_of_twenty() {
        assert_eq!(ranks(20), (5, 14));
        assert_eq!(ranks(6), (0, 5));
        assert_eq!(ranks(3), (0, 2));
        assert_eq!(ranks(1), (0, 0));
    }

    #[test]
    fn more_pushes_are_better_and_more_time_is_worse() {
        let rounds = [(100.0, 90.0); 20];
        let rate = Verdict::of("a", figure::RATE, &rounds).unwrap();
        assert!((rate.median - 0.9).abs() < 1e-9 && rate.is_worse());
        let cost = Verdict::of("a", figure::CPU, &rounds).unwrap();
        assert!(cost.median > 1.1 && !cost.is_worse());
    }

    #[test]
    fn a_few_bad_rounds_are_no_proof() {
        let mut rounds = vec![(100.0, 100.0); 14];
        rounds.extend([(100.0, 50.0); 6]);
        let verdict = Verdict::of("a", figure::RATE, &rounds).unwrap();
        assert!(!verdict.is_worse() && (verdict.median - 1.0).abs() < 1e-9);
    }
}
