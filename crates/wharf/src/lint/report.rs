//! What to look at, and what was found.

use wharf_model::name::NameRule;

use super::rule::{Rule, Severity};

/// What to look at.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Which names may stand in quotes.
    pub names: NameRule,
    /// How many series one push should have at most.
    pub max_series: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            names: NameRule::Legacy,
            max_series: 1_000,
        }
    }
}

/// Where something was found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// In a text.
    Text {
        /// The line, from 1.
        line: usize,
        /// The column in characters, from 1.
        column: usize,
    },
    /// In protobuf that cannot be read from there on: so many bytes from the beginning.
    Byte(usize),
    /// In protobuf, at a family as a whole.
    Family,
    /// In protobuf, at the metric of its family with these labels.
    Metric(String),
}

/// One thing to mend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Where.
    pub place: Place,
    /// Which rule is broken.
    pub rule: Rule,
    /// The metric family; none if it is about none, or could not be read.
    pub family: Option<String>,
    /// What was expected and what was found.
    pub message: String,
    /// What to do.
    pub hint: String,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// In the order of the body.
    pub findings: Vec<Finding>,
    /// The families with samples.
    pub families: usize,
    /// The sample lines.
    pub series: usize,
}

impl Report {
    /// How many findings there are of a severity.
    pub fn count(&self, severity: Severity) -> usize {
        let is_it = |finding: &&Finding| finding.rule.severity() == severity;
        self.findings.iter().filter(is_it).count()
    }
}
