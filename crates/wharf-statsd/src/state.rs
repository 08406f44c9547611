//! What all lines have come to: the value of each series, what of it has changed since it was last asked, and what was refused.
//!
//! ```text
//! line -> memo: name and tail are known -> series                                  (one look into a hash table)
//!      or -> reader -> mapping -> table of families, jobs and series -> memo
//! now and then: changes -> whoever keeps series; what could not be kept comes back
//! ```
//!
//! * A series belongs to a **job**: that of its label `job`, or a given one. Series of one job are kept together, and its label is
//!   not among theirs.
//! * A name of a metric has one kind, whatever the job, as in `statsd_exporter`, until the last series of the name is gone.
//! * Nothing here asks for the time: it is what the caller says, as the time since some fixed moment.

mod changes;
mod created;
mod inherited;
mod labels;
mod memo;
mod native;
mod set;
mod table;
#[cfg(test)]
mod tests;
mod value;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use memchr::memchr_iter;

pub use self::changes::{Changes, Gathered};
pub use self::inherited::Inherited;
use self::memo::{Known, Memo};
pub use self::table::SeriesId;
use self::table::{NoSeries, Table, Wanted};
pub use self::value::SeriesKind;
use crate::line::known::{Parts, Tail};
use crate::line::{Dialect, Item, LineCounts, Measure, Reader, Sample};
use crate::mapping::{Mapping, MetricKind};
use crate::resolve::{EventError, Outcome, Resolved};

/// Names of metrics that are told apart among those that contradict others. Further ones count under the empty name.
const MAX_CONFLICTING: usize = 100;

/// The name that says which job a series belongs to.
const JOB: &str = "job";

/// How lines are taken.
#[derive(Debug, Clone)]
pub struct StateSettings {
    /// Which ways to write tags are understood.
    pub dialect: Dialect,
    /// The job of series that have no label `job`.
    pub job: Arc<str>,
    /// The most series there may be; lines for further ones are refused.
    pub max_series: usize,
    /// For how long members of a set are gathered, until it is shown how many there were.
    pub set_interval: Duration,
    /// When the time was 0 that everything is counted from, as the time since the Unix epoch.
    pub began: Duration,
}

/// Says what is stored of a job already, which is asked when its first series comes.
pub type ReadBack = dyn Fn(&str) -> Inherited + Send;

/// As how many events a sample counts: as in the exporter, an observation with a rate is one for each time that it was made.
fn events(measure: &Measure<'_>) -> u64 {
    match measure {
        Measure::Observation { times, .. } => u64::from(*times),
        _ => 1,
    }
}

/// What was done with samples, in numbers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Counts {
    /// Lines, empty ones too.
    pub lines: u64,
    /// Events and samples that counted, by their kind.
    pub events: [u64; MetricKind::ALL.len()],
    /// Samples that no rule is about.
    pub unmapped: u64,
    /// Samples that a rule is about.
    pub mapped: u64,
    /// Samples that a rule has dropped.
    pub dropped: u64,
    /// Tags that are no labels, since Prometheus keeps their names for itself.
    pub reserved_tags: u64,
    /// Samples for a name that has another kind, by name and kind.
    pub conflicts: BTreeMap<(Box<str>, MetricKind), u64>,
    errors: [u64; EventError::ALL.len()],
}

impl Counts {
    /// How often a sample could not count for this reason.
    pub fn errors(&self, error: EventError) -> u64 {
        self.errors.get(error as usize).copied().unwrap_or_default()
    }

    fn error(&mut self, error: EventError, times: u64) {
        if let Some(count) = self.errors.get_mut(error as usize) {
            *count += times;
        }
    }

    fn event(&mut self, kind: MetricKind, times: u64) {
        if let Some(count) = self.events.get_mut(kind as usize) {
            *count += times;
        }
    }

    fn rule(&mut self, is_mapped: bool, times: u64) {
        *(if is_mapped {
            &mut self.mapped
        } else {
            &mut self.unmapped
        }) += times;
    }

    fn conflict(&mut self, name: &str, kind: MetricKind, times: u64) {
        let is_known = self.conflicts.keys().any(|(known, _)| **known == *name);
        let name = if is_known || self.conflicts.len() < MAX_CONFLICTING {
            name
        } else {
            ""
        };
        *self.conflicts.entry((name.into(), kind)).or_default() += times;
    }
}

/// What all lines have come to.
///
/// ```
/// use std::time::Duration;
/// use wharf_statsd::{Dialect, Gathered, Inherited, Mapping, State, StateSettings};
///
/// let settings = StateSettings {
///     dialect: Dialect::default(),
///     job: "statsd".into(),
///     max_series: 1000,
///     set_interval: Duration::from_secs(10),
///     began: Duration::ZERO,
/// };
/// let mut state = State::new(settings, Mapping::default(), Box::new(|_job| Inherited::default()));
/// state.read(b"orders:1|c\norders:2|c|#job:shop", Duration::ZERO);
/// let mut gathered = Gathered::default();
/// assert!(!state.gather(&mut gathered, Duration::ZERO, 1000));
/// let changes = gathered.into_changes();
/// let jobs: Vec<&str> = changes.iter().map(|changes| &*changes.job).collect();
/// assert_eq!(jobs, ["shop", "statsd"]);
/// ```
pub struct State {
    settings: StateSettings,
    mapping: Mapping,
    reader: Reader,
    memo: Memo,
    table: Table,
    counts: Counts,
    read_back: Box<ReadBack>,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("settings", &self.settings)
            .field("counts", &self.counts)
            .finish_non_exhaustive()
    }
}

impl State {
    /// No line has come yet.
    pub fn new(settings: StateSettings, mapping: Mapping, read_back: Box<ReadBack>) -> Self {
        Self {
            reader: Reader::new(settings.dialect),
            table: Table::new(settings.max_series, settings.began),
            settings,
            mapping,
            memo: Memo::default(),
            counts: Counts::default(),
            read_back,
        }
    }

    /// The rules in force.
    pub fn mapping(&self) -> &Mapping {
        &self.mapping
    }

    /// Other rules are in force from now on. Series that are there stay, with the time to live and the kind that they have.
    pub fn set_mapping(&mut self, mapping: Mapping) {
        self.mapping = mapping;
        self.memo.clear();
    }

    /// What was read.
    pub fn line_counts(&self) -> &LineCounts {
        self.reader.counts()
    }

    /// What was done with it.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// How many metrics there are of a kind.
    pub fn metrics(&self, kind: SeriesKind) -> u64 {
        self.table.metrics(kind)
    }

    /// Reads lines with line feeds between them: a datagram, for instance.
    pub fn read(&mut self, lines: &[u8], now: Duration) {
        let mut rest = lines;
        let mut start = 0;
        for end in memchr_iter(b'\n', lines) {
            self.read_line(lines.get(start..end).unwrap_or_default(), now);
            start = end + 1;
            rest = lines.get(start..).unwrap_or_default();
        }
        self.read_line(rest, now);
    }

    /// Reads a line, which has no line feed any more.
    #[inline]
    pub fn read_line(&mut self, line: &[u8], now: Duration) {
        self.counts.lines += 1;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            return;
        }
        let parts = Parts::of(line);
        if let Some(parts) = parts
            && let Some(known) = self.memo.get(parts)
            && self.count(known, parts.value, now)
        {
            return;
        }
        self.read_anew(line, parts, now);
    }

    /// Counts a line that was read before with another value. Whether it has: its series may be gone, or the value none.
    #[inline]
    fn count(&mut self, known: Known, value: &[u8], now: Duration) -> bool {
        let Some(measure) = known.tail.measure(value) else {
            return false;
        };
        let rule = known
            .rule
            .and_then(|rule| self.mapping.rules().get(rule as usize));
        let times = events(&measure);
        let Some(id) = known.series else {
            self.counts.dropped += times;
            self.reader.counts_mut().add(known.is_tagged, known.tag_errors);
            return true;
        };
        if !self.table.has(id) {
            return false;
        }
        self.reader.counts_mut().add(known.is_tagged, known.tag_errors);
        self.counts.reserved_tags += u64::from(known.reserved_tags);
        self.counts.rule(rule.is_some(), times);
        let done = self
            .mapping
            .update(&measure, rule)
            .and_then(|update| self.table.update(id, &update, now, self.settings.set_interval));
        match done {
            Ok(()) => self.counts.event(measure.kind(), times),
            Err(error) => self.counts.error(error, times),
        }
        true
    }

    /// Reads a line that is not known.
    fn read_anew(&mut self, line: &[u8], parts: Option<Parts<'_>>, now: Duration) {
        let Self {
            settings,
            mapping,
            reader,
            table,
            counts,
            read_back,
            ..
        } = self;
        let before = *reader.counts();
        let mut taking = Taking {
            settings,
            mapping,
            table,
            counts,
            read_back,
            now,
        };
        let mut learned = None;
        reader.read(line, |item| {
            if let Item::Sample(sample) = item {
                learned = taking.take(&sample);
            }
        });
        let after = reader.counts();
        let is_one = after.samples == before.samples + 1 && after.has_errors_of(&before);
        if let (Some(parts), Some(learned), true) = (parts, learned, is_one)
            && let Some(tail) = Tail::of(parts.tail)
        {
            let known = Known {
                tail,
                rule: learned.rule,
                series: learned.series,
                reserved_tags: learned.reserved_tags,
                is_tagged: after.tagged > before.tagged,
                tag_errors: u32::try_from(after.tag_errors - before.tag_errors).unwrap_or(u32::MAX),
            };
            self.memo.learn(parts, known, self.table.len());
        }
    }

    /// Takes over what is stored of a job, as if lines had brought it now: of one whose group is ours alone. Those of the families
    /// that a rule makes live as long as it says.
    pub fn take_over(&mut self, job: &str, now: Duration) {
        let inherited = (self.read_back)(job);
        let dropped = self.table.take_over(job, inherited, &self.mapping, now);
        if dropped > 0 {
            self.counts.error(EventError::TooManySeries, dropped);
        }
    }

    /// Gathers what has changed since this was last asked, at most so many series of it; and families that have lost series, which are
    /// whole. Whether there is more. What changes after the first look of those who gather is for the next ones to gather.
    ///
    /// Each of the changes is to be [kept](Self::kept), [brought back](Self::bring_back) or [refused](Self::refused).
    pub fn gather(&mut self, gathered: &mut Gathered, now: Duration, at_most: usize) -> bool {
        self.table.gather(gathered, now, at_most)
    }

    /// What has changed is kept now, but for these of its families, of which nothing was: the places of their names in the exposition.
    pub fn kept(&mut self, changes: &Changes, refused: &BTreeSet<usize>) {
        self.table.kept(changes, refused);
    }

    /// It could not be kept this time: it has changed still.
    pub fn bring_back(&mut self, changes: &Changes) {
        self.table.bring_back(changes);
    }

    /// These series contradict something: they are tried again at that time.
    pub fn refused(&mut self, series: &[SeriesId], again_at: Duration) {
        self.table.refused(series, again_at);
    }

    /// This family of a job, which had lost series, contradicts something: it is tried again at that time.
    pub fn refused_family(&mut self, job: &str, family: &str, again_at: Duration) {
        self.table.refused_family(job, family, again_at);
    }

    /// How many series there are.
    pub fn series(&self) -> usize {
        self.table.len()
    }

    /// How many of them were refused, and wait.
    pub fn refused_series(&self) -> usize {
        self.table.refused
    }

    /// The jobs that there are.
    pub fn jobs(&self) -> Vec<Arc<str>> {
        self.table.jobs()
    }

    /// The names of a job's families that were kept once, or are stored from before.
    pub fn stored_families(&self, job: &str) -> Vec<Arc<str>> {
        self.table.stored_families(job)
    }

    /// Somebody has deleted what was kept of a job, or of one family of it: its series begin anew.
    pub fn forget(&mut self, job: &str, family: Option<&str>) {
        self.table.forget(job, family);
    }
}

/// What is learned of a sample, for the next one like it.
struct Learned {
    rule: Option<u32>,
    /// None if a rule has dropped it.
    series: Option<SeriesId>,
    reserved_tags: u32,
}

/// A sample on its way to its series.
struct Taking<'a> {
    settings: &'a StateSettings,
    mapping: &'a Mapping,
    table: &'a mut Table,
    counts: &'a mut Counts,
    read_back: &'a ReadBack,
    now: Duration,
}

impl Taking<'_> {
    fn take(&mut self, sample: &Sample<'_>) -> Option<Learned> {
        let Resolved {
            rule,
            outcome,
            reserved_tags,
        } = self.mapping.resolve(sample);
        let learned = |series| Learned {
            rule: rule.and_then(|rule| u32::try_from(rule).ok()),
            series,
            reserved_tags: u32::try_from(reserved_tags).unwrap_or(u32::MAX),
        };
        let (kind, times) = (sample.measure.kind(), events(&sample.measure));
        let mut update = match outcome {
            Outcome::Dropped => {
                self.counts.dropped += times;
                return Some(learned(None));
            }
            Outcome::Refused(error) => {
                // The rule has done its part, unless it makes no name.
                if error != EventError::EmptyMetricName || rule.is_none() {
                    self.counts.rule(rule.is_some(), times);
                }
                self.counts.error(error, times);
                return None;
            }
            Outcome::Series(update) => update,
        };
        self.counts.rule(rule.is_some(), times);
        self.counts.reserved_tags += reserved_tags;
        let job = update.labels.remove(JOB).filter(|job| !job.is_empty());
        let rule = rule.and_then(|rule| self.mapping.rules().get(rule));
        let wanted = Wanted {
            job: job.as_deref().unwrap_or(&self.settings.job),
            name: &update.name,
            labels: &update.labels,
            update: &update.update,
            ttl: rule.map_or(self.mapping.ttl(), |rule| rule.ttl),
            help: rule.and_then(|rule| rule.help.as_deref()),
        };
        let found = self.table.find(&wanted, self.now, self.read_back);
        let id = match found {
            Ok(id) => id,
            Err(NoSeries::Conflict) => {
                self.counts.conflict(&update.name, kind, times);
                return None;
            }
            Err(NoSeries::TooMany) => {
                self.counts.error(EventError::TooManySeries, times);
                return None;
            }
        };
        let interval = self.settings.set_interval;
        match self.table.update(id, &update.update, self.now, interval) {
            Ok(()) => self.counts.event(kind, times),
            Err(error) => self.counts.error(error, times),
        }
        Some(learned(Some(id)))
    }
}
