//! The questions, one file each.

mod aggregation;
mod bodies;
mod connections;
mod cron;
mod durability;
mod groups;
mod growth;
mod handshakes;
mod hour;
mod idle;
mod memory;
mod mixed;
mod push;
mod replicas;
mod scale;
pub(crate) mod scrape;
mod start;
mod statsd;
mod wipe;

use crate::bench::Bench;
use crate::record::{At, Record, Spread};

/// One question.
#[derive(Debug, Clone, Copy)]
pub struct Question {
    /// Its name on the command line.
    pub name: &'static str,
    /// Title in the report.
    pub title: &'static str,
    /// One line for `list`.
    pub asks: &'static str,
    /// What exactly is timed, for the report.
    pub timed: &'static str,
    /// Columns of its table in the report; all if there are none.
    pub columns: &'static [&'static str],
    /// Measures. What fails is noted in the record.
    pub run: fn(&Bench, &mut Record),
    /// What matters among the figures.
    pub headlines: fn() -> Vec<Headline>,
}

/// A figure that matters, or a ratio of two.
#[derive(Debug, Clone)]
pub struct Headline {
    /// What it says, as the start of a sentence.
    pub text: &'static str,
    /// How it is found.
    pub measure: Measure,
    /// What Wharf promises.
    pub goal: Option<Goal>,
}

/// How a headline is found.
#[derive(Debug, Clone)]
pub enum Measure {
    /// A figure as it is, with its unit.
    Value(At, &'static str),
    /// One figure over another.
    Ratio(At, At),
}

/// A promise.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Goal {
    /// Not less than this.
    AtLeast(f64),
    /// Not more than this.
    AtMost(f64),
}

impl Headline {
    /// Its value in a record, if that has the figures.
    pub fn value(&self, record: &Record) -> Option<Spread> {
        match &self.measure {
            Measure::Value(at, _) => record.spread(at),
            Measure::Ratio(over, under) => record.ratio(over, under),
        }
    }

    /// What stands behind its number.
    pub fn unit(&self) -> &'static str {
        match self.measure {
            Measure::Value(_, unit) => unit,
            Measure::Ratio(..) => "x",
        }
    }
}

impl Goal {
    /// Whether a value keeps the promise.
    pub fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtLeast(least) => value >= least,
            Self::AtMost(most) => value <= most,
        }
    }
}

/// All questions, in the order in which they are asked.
pub const ALL: &[Question] = &[
    push::QUESTION,
    connections::QUESTION,
    cron::QUESTION,
    handshakes::QUESTION,
    idle::QUESTION,
    bodies::QUESTION,
    groups::QUESTION,
    durability::QUESTION,
    scrape::QUESTION,
    mixed::QUESTION,
    hour::QUESTION,
    memory::QUESTION,
    growth::QUESTION,
    scale::QUESTION,
    start::QUESTION,
    replicas::QUESTION,
    statsd::QUESTION,
    aggregation::QUESTION,
    wipe::QUESTION,
];

/// How the question about groups calls so many groups with this body.
#[cfg(test)]
pub(crate) use groups::case as groups_case;

/// A ratio of the same figure of two subjects in one case.
fn ratio(
    text: &'static str,
    case: &str,
    figure: &str,
    over: &str,
    under: &str,
    goal: Option<Goal>,
) -> Headline {
    Headline {
        text,
        measure: Measure::Ratio(At::new(case, over, figure), At::new(case, under, figure)),
        goal,
    }
}
