//! What was measured: figures by case, subject and round, kept as JSON between runs.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::bench::Bench;
use crate::machine::Machine;

/// All that one question has brought to light.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    /// Name of the question.
    pub question: String,
    /// When it was asked, in UTC.
    pub date: String,
    /// For how long one measurement went on.
    pub seconds: f64,
    /// What large numbers of groups, series and pushes were divided by.
    pub divisor: u32,
    /// Where.
    pub machine: Machine,
    /// In the order in which they came.
    pub rows: Vec<Row>,
    /// What could not be measured, and why.
    pub failures: Vec<Failure>,
}

/// The figures of one subject in one case.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Row {
    /// The circumstances, such as the number of connections. Empty if there is only one case.
    pub case: String,
    /// The program.
    pub subject: String,
    /// Its figures.
    pub figures: Vec<Figure>,
}

/// One figure, measured in several rounds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Figure {
    /// Name, with the unit.
    pub name: String,
    /// One value a round; none where the round failed.
    pub rounds: Vec<Option<f64>>,
}

/// A measurement that failed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Failure {
    /// The case, likewise.
    pub case: String,
    /// The program.
    pub subject: String,
    /// Why.
    pub error: String,
}

/// Names of figures and their values, as one measurement gives them.
pub type Figures = Vec<(&'static str, f64)>;

/// The middle of several rounds, and how far they lie apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// The middle one, or the mean of the two in the middle.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
}

impl Spread {
    /// Of these values; `None` if there are none.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
        values.sort_by(f64::total_cmp);
        let (min, max) = (*values.first()?, *values.last()?);
        let upper = *values.get(values.len() / 2)?;
        let lower = *values.get((values.len() - 1) / 2)?;
        Some(Self {
            median: f64::midpoint(lower, upper),
            min,
            max,
        })
    }
}

/// Names one figure of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct At {
    /// The case.
    pub case: String,
    /// The program.
    pub subject: String,
    /// The figure.
    pub figure: String,
}

impl At {
    /// The figure of that name.
    pub fn new(case: &str, subject: &str, figure: &str) -> Self {
        Self {
            case: case.to_owned(),
            subject: subject.to_owned(),
            figure: figure.to_owned(),
        }
    }
}

impl Record {
    /// Of a question that is about to be asked.
    pub fn new(question: &str, machine: &Machine, bench: &Bench) -> Self {
        Self {
            question: question.to_owned(),
            date: jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M").to_string(),
            seconds: bench.window.as_secs_f64(),
            divisor: bench.divisor,
            machine: machine.clone(),
            rows: Vec::new(),
            failures: Vec::new(),
        }
    }

    /// Adds the figures of one round.
    pub fn add(&mut self, case: &str, subject: &str, round: usize, figures: Figures) {
        let index = self.row_index(case, subject).unwrap_or_else(|| {
            self.rows.push(Row {
                case: case.to_owned(),
                subject: subject.to_owned(),
                figures: Vec::new(),
            });
            self.rows.len() - 1
        });
        let row = &mut self.rows[index];
        for (name, value) in figures {
            let index = row.figures.iter().position(|figure| figure.name == name);
            let index = index.unwrap_or_else(|| {
                row.figures.push(Figure {
                    name: name.to_owned(),
                    rounds: Vec::new(),
                });
                row.figures.len() - 1
            });
            let rounds = &mut row.figures[index].rounds;
            if rounds.len() <= round {
                rounds.resize(round + 1, None);
            }
            rounds[round] = Some(value);
        }
    }

    /// Notes that something could not be measured.
    pub fn fail(&mut self, case: &str, subject: &str, error: &anyhow::Error) {
        self.failures.push(Failure {
            case: case.to_owned(),
            subject: subject.to_owned(),
            error: format!("{error:#}"),
        });
    }

    /// How often a measurement was repeated, at most.
    pub fn most_rounds(&self) -> usize {
        let figures = self.rows.iter().flat_map(|row| &row.figures);
        figures.map(|figure| figure.rounds.len()).max().unwrap_or(0)
    }

    /// The values of a figure, by round.
    pub fn rounds(&self, at: &At) -> Option<&[Option<f64>]> {
        let row = self.rows.get(self.row_index(&at.case, &at.subject)?)?;
        let figure = row.figures.iter().find(|figure| figure.name == at.figure)?;
        Some(&figure.rounds)
    }

    /// A figure over all rounds.
    pub fn spread(&self, at: &At) -> Option<Spread> {
        Spread::of(self.rounds(at)?.iter().copied().flatten())
    }

    /// A figure over another one, round by round: both of a round were measured within seconds of one another, so
    /// that a machine that is sometimes slower matters less than it does to either figure.
    pub fn ratio(&self, over: &At, under: &At) -> Option<Spread> {
        let pairs = self.rounds(over)?.iter().zip(self.rounds(under)?);
        Spread::of(pairs.filter_map(|(over, under)| Some((*over)? / (*under)?)))
    }

    fn row_index(&self, case: &str, subject: &str) -> Option<usize> {
        self.rows
            .iter()
            .position(|row| row.case == case && row.subject == subject)
    }

    /// Writes it to a file of the question's name in `folder`.
    ///
    /// # Errors
    /// If that cannot be written.
    pub fn save(&self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
        let path = folder.join(format!("{}.json", self.question));
        let json = serde_json::to_vec_pretty(self).context("write the record as JSON")?;
        fs::write(&path, json).with_context(|| format!("write {}", path.display()))
    }

    /// Reads the record of a question, if there is one.
    ///
    /// # Errors
    /// If there is one that cannot be read.
    pub fn load(folder: &Path, question: &str) -> Result<Option<Self>> {
        let path = folder.join(format!("{question}.json"));
        let json = match fs::read(&path) {
            Ok(json) => json,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("read {}", path.display())),
        };
        let record = serde_json::from_slice(&json).with_context(|| format!("read {}", path.display()))?;
        Ok(Some(record))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        let mut record = Record {
            question: "push".to_owned(),
            date: String::new(),
            seconds: 1.0,
            divisor: 1,
            machine: Machine::default(),
            rows: Vec::new(),
            failures: Vec::new(),
        };
        for (round, (ours, theirs)) in [(100.0, 10.0), (50.0, 10.0), (300.0, 20.0)]
            .into_iter()
            .enumerate()
        {
            record.add("c", "ours", round, vec![("pushes/s", ours)]);
            record.add("c", "theirs", round, vec![("pushes/s", theirs)]);
        }
        record
    }

    #[test]
    fn the_median_is_in_the_middle() {
        let spread = Spread::of([3.0, 1.0, 2.0]).unwrap();
        assert_eq!((spread.min, spread.median, spread.max), (1.0, 2.0, 3.0));
        let even = Spread::of([1.0, 2.0, 3.0, 10.0]);
        assert_eq!(even.map(|spread| spread.median), Some(2.5));
        assert_eq!(Spread::of([f64::NAN]), None);
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        let ratio = record()
            .ratio(
                &At::new("c", "ours", "pushes/s"),
                &At::new("c", "theirs", "pushes/s"),
            )
            .unwrap();
        assert_eq!((ratio.min, ratio.median, ratio.max), (5.0, 10.0, 15.0));
    }

    #[test]
    fn a_round_that_failed_on_one_side_has_no_ratio() {
        let mut record = record();
        record.add("c", "ours", 4, vec![("pushes/s", 1.0)]);
        let at = At::new("c", "ours", "pushes/s");
        assert_eq!(record.rounds(&at).unwrap()[3], None);
        let ratio = record.ratio(&at, &At::new("c", "theirs", "pushes/s")).unwrap();
        assert_eq!((ratio.min, ratio.median, ratio.max), (5.0, 10.0, 15.0));
        assert_eq!(record.ratio(&at, &At::new("c", "nobody", "pushes/s")), None);
    }

    #[test]
    fn records_survive_being_saved() {
        let folder = tempfile::tempdir().unwrap();
        record().save(folder.path()).unwrap();
        let read = Record::load(folder.path(), "push").unwrap().unwrap();
        assert_eq!(format!("{read:?}"), format!("{:?}", record()));
        assert!(Record::load(folder.path(), "other").unwrap().is_none());
    }
}
