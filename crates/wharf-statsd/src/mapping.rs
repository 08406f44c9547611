//! Mapping rules: which metric a name of `StatsD` becomes, in the YAML of `statsd_exporter`.
//!
//! ```yaml
//! defaults:
//!   observer_type: histogram
//!   ttl: 1h
//! mappings:
//!   - match: "shop.*.orders"
//!     name: shop_orders_total
//!     labels:
//!       country: "$1"
//!   - match: "^debug\\."
//!     match_type: regex
//!     action: drop
//! ```
//!
//! Globs come first, and of those that match the one that stands first in the file; then regular expressions, in their order.
//! `glob_disable_ordering` lets the glob win that has the name's own parts, from the left on.
//!
//! A file with mistakes makes no rules: each is told with its line and column. What is no mistake, but surely not meant, is a
//! [warning](Mapping::warnings): a rule that can never apply, say.

mod check;
mod duration;
mod glob;
mod source;
mod template;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use regex::Regex;

use self::glob::Globs;
use self::template::Template;

/// What kind of thing a sample is, as rules tell them apart by `match_metric_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MetricKind {
    /// `c` and `m`.
    Counter,
    /// `g`, and the number of members of a set.
    Gauge,
    /// `ms`, `h` and `d`.
    Observer,
}

impl MetricKind {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::Counter, Self::Gauge, Self::Observer];

    /// The word of the exporter.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Observer => "observer",
        }
    }
}

impl fmt::Display for MetricKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What becomes of observations.
#[derive(Debug, Clone, PartialEq)]
pub enum Observer {
    /// Quantiles over a sliding window.
    Summary(Arc<SummaryOptions>),
    /// Buckets, classic and native.
    Histogram(Arc<HistogramOptions>),
}

/// What the sign in front of a gauge's value means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum GaugeSigns {
    /// So much more or less than before, as in `StatsD`.
    #[default]
    Relative,
    /// Nothing but the value's sign, as in `DogStatsD`.
    Absolute,
}

/// How a summary is made.
#[derive(Debug, Clone, PartialEq)]
pub struct SummaryOptions {
    /// Which quantiles, each with the error that is allowed: both from 0 to 1.
    pub quantiles: Vec<Objective>,
    /// How old observations may be that count.
    pub max_age: Duration,
    /// In how many steps they are forgotten.
    pub age_buckets: u32,
}

impl Default for SummaryOptions {
    fn default() -> Self {
        let quantiles = [(0.5, 0.05), (0.9, 0.01), (0.99, 0.001)];
        Self {
            quantiles: quantiles
                .map(|(quantile, error)| Objective { quantile, error })
                .to_vec(),
            max_age: Duration::from_secs(600),
            age_buckets: 5,
        }
    }
}

/// A quantile that a summary shows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Objective {
    /// The rank.
    pub quantile: f64,
    /// How far from it the value may be that is shown.
    pub error: f64,
}

/// How a histogram is made.
#[derive(Debug, Clone, PartialEq)]
pub struct HistogramOptions {
    /// Upper bounds of the classic buckets, rising; the last one, `+Inf`, is not among them.
    pub buckets: Vec<f64>,
    /// By how much a native bucket may be larger than the one below it; none at 1 or less.
    pub native_factor: f64,
    /// How many native buckets there may be.
    pub native_max_buckets: u32,
}

impl Default for HistogramOptions {
    fn default() -> Self {
        Self {
            buckets: vec![0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0],
            native_factor: 1.1,
            native_max_buckets: 256,
        }
    }
}

/// Where something stands in a file, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: u64,
    /// The column.
    pub column: u64,
}

/// Something about a file: a mistake or a warning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Where; none if it is no single place.
    pub at: Option<Place>,
    /// What. Advice stands on lines of its own, behind `hint:`.
    pub text: String,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Place { line, column }) = self.at {
            write!(f, "line {line}, column {column}: ")?;
        }
        f.write_str(&self.text)
    }
}

/// Why a text makes no rules: every mistake that was found, in the order of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappingError(Vec<Note>);

impl MappingError {
    /// The mistakes; there is at least one.
    pub fn mistakes(&self) -> &[Note] {
        &self.0
    }
}

/// One line a mistake, and the lines of its hint below it.
impl fmt::Display for MappingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.0.iter().enumerate() {
            let between = if index == 0 { "" } else { "\n" };
            write!(f, "{between}{mistake}")?;
        }
        Ok(())
    }
}

impl std::error::Error for MappingError {}

/// Rules, ready to be asked.
#[derive(Debug, Clone, Default)]
pub struct Mapping {
    rules: Vec<Rule>,
    globs: Globs,
    /// Rules that are regular expressions, by their index.
    regexes: Vec<(Regex, usize)>,
    defaults: Defaults,
    warnings: Vec<Note>,
}

/// What holds for names that no rule is about.
#[derive(Debug, Clone, PartialEq)]
struct Defaults {
    observer: Observer,
    gauge_signs: GaugeSigns,
    ttl: Option<Duration>,
}

impl Default for Defaults {
    fn default() -> Self {
        Self {
            observer: Observer::Summary(Arc::default()),
            gauge_signs: GaugeSigns::default(),
            ttl: None,
        }
    }
}

/// One rule.
#[derive(Debug, Clone)]
pub struct Rule {
    pattern: String,
    /// Which parts of the pattern are a star; none if it is a regular expression.
    stars: Option<Vec<usize>>,
    at: Place,
    name: Template,
    labels: Vec<(String, Template)>,
    kind: Option<MetricKind>,
    /// Whether what it matches is thrown away.
    pub is_drop: bool,
    /// Whether tags win over its labels.
    pub honor_labels: bool,
    /// What becomes of observations.
    pub observer: Observer,
    /// What the sign in front of a gauge's value means.
    pub gauge_signs: GaugeSigns,
    /// After how long without a sample a series goes away.
    pub ttl: Option<Duration>,
    /// By what values are multiplied.
    pub scale: Option<f64>,
    /// What the family's help is.
    pub help: Option<String>,
}

impl Rule {
    /// What stands behind `match`.
    pub fn pattern(&self) -> &str {
        &self.pattern
    }

    /// Where it begins in the file.
    pub fn place(&self) -> Place {
        self.at
    }

    /// Whether its pattern is a regular expression.
    pub fn is_regex(&self) -> bool {
        self.stars.is_none()
    }

    /// Whether it is about that kind of samples.
    fn takes(&self, kind: MetricKind) -> bool {
        self.kind.is_none_or(|of_rule| of_rule == kind)
    }
}

/// A rule, and what it makes of a name.
#[derive(Debug, Clone)]
pub struct Mapped<'m> {
    /// The rule that has matched.
    pub rule: &'m Rule,
    /// Its index among [`Mapping::rules`].
    pub index: usize,
    /// The name that it makes. It is still to be [escaped](crate::escape_name), and may be empty.
    pub name: String,
    /// The labels that it makes, in the order of the file.
    pub labels: Vec<(&'m str, String)>,
}

impl Mapping {
    /// Reads rules.
    ///
    /// # Errors
    /// If there are mistakes.
    ///
    /// # Examples
    /// ```
    /// use wharf_statsd::{Mapping, MetricKind};
    ///
    /// let mapping = Mapping::read("mappings: [{match: 'shop.*.orders', name: orders, labels: {country: $1}}]")?;
    /// let mapped = mapping.find("shop.fr.orders", MetricKind::Counter).unwrap();
    /// assert_eq!((mapped.name.as_str(), &mapped.labels), ("orders", &vec![("country", "fr".to_owned())]));
    /// # Ok::<(), wharf_statsd::MappingError>(())
    /// ```
    pub fn read(text: &str) -> Result<Self, MappingError> {
        check::read(text).map_err(MappingError)
    }

    /// What is no mistake, but surely not meant; in the order of the file.
    pub fn warnings(&self) -> &[Note] {
        &self.warnings
    }

    /// The rules, in the order of the file.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// What becomes of observations under names that no rule is about.
    pub fn observer(&self) -> &Observer {
        &self.defaults.observer
    }

    /// What the sign in front of a gauge's value means under names that no rule is about.
    pub fn gauge_signs(&self) -> GaugeSigns {
        self.defaults.gauge_signs
    }

    /// When series go away that no rule is about.
    pub fn ttl(&self) -> Option<Duration> {
        self.defaults.ttl
    }

    /// The first rule that may have made the name of this family: what its lines were called is not known any more.
    pub(crate) fn likely_rule(&self, family: &str) -> Option<&Rule> {
        self.rules
            .iter()
            .find(|rule| !rule.is_drop && rule.name.may_give(family))
    }

    /// The rule for samples of this name and kind, if there is one. `name` is what clients sent, without tags.
    pub fn find(&self, name: &str, kind: MetricKind) -> Option<Mapped<'_>> {
        let glob = self.globs.find(name, kind);
        if let Some((index, rule)) = glob.and_then(|index| Some((index, self.rules.get(index)?))) {
            let parts: Vec<_> = name.split('.').collect();
            let stars = rule.stars.as_deref().unwrap_or_default();
            let group = |index: usize| match index.checked_sub(1) {
                None => name,
                Some(index) => stars
                    .get(index)
                    .and_then(|part| parts.get(*part))
                    .copied()
                    .unwrap_or_default(),
            };
            return Some(rule.fill(index, group));
        }
        self.regexes.iter().find_map(|(regex, index)| {
            let rule = self.rules.get(*index).filter(|rule| rule.takes(kind))?;
            let captures = regex.captures(name)?;
            let group = |index| captures.get(index).map_or("", |group| group.as_str());
            Some(rule.fill(*index, group))
        })
    }
}

impl Rule {
    fn fill<'t>(&self, index: usize, group: impl Fn(usize) -> &'t str) -> Mapped<'_> {
        let labels = self.labels.iter();
        Mapped {
            rule: self,
            index,
            name: self.name.fill(&group),
            labels: labels
                .map(|(name, value)| (name.as_str(), value.fill(&group)))
                .collect(),
        }
    }
}
