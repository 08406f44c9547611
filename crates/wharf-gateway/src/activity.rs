//! What goes on at the gateway, for those who look at it: the history of groups, the last hour in numbers, pushes that
//! were refused, who scrapes, and notices of changes.
//!
//! All of it is bounded, and a push pays for it with some short locks that nobody holds for long.

pub(crate) mod changes;
pub(crate) mod hour;
mod refusal_log;
pub(crate) mod refused;
pub(crate) mod scrapers;
mod visible;

use std::sync::{Mutex, MutexGuard};
use std::time::Instant;

use wharf_exposition::number;

use wharf_history::{History, Method, Push};
use wharf_model::{Exposition, GroupingKey, MetricType, Value};
use wharf_store::{Effect, Facts, KnownBody, PushMode, Stored, UnixNanos, What};

use self::changes::{Change, Changes};
use self::hour::Hour;
pub(crate) use self::refusal_log::RefusalLog;
use self::refused::RefusedPushes;
use self::scrapers::Scrapers;
use crate::lock::lock;
use crate::problem::Problem;
use crate::refusal::Refusal;

/// What goes on.
#[derive(Debug)]
pub struct Activity {
    /// None if it is switched off.
    history: Option<History>,
    /// The last hour in numbers.
    pub hour: Hour,
    /// The last pushes that were refused.
    pub refused: RefusedPushes,
    /// Those that could not be read, in the log.
    pub(crate) unreadable_log: RefusalLog,
    /// The others, in the log; who sends nonsense does not take their place.
    pub(crate) refusal_log: RefusalLog,
    /// Who scrapes.
    pub scrapers: Scrapers,
    /// Notices of changes.
    pub changes: Changes,
    disk: Mutex<Disk>,
    /// What followers have been told is wrong with the gateway.
    told_problems: Mutex<Vec<Problem>>,
}

/// What was seen of the storage.
#[derive(Debug, Clone, Default)]
pub struct Disk {
    /// How many syncs there were when it was looked at last.
    pub(crate) syncs: u64,
    /// When the number of syncs was last seen to grow.
    pub last_sync: Option<UnixNanos>,
    /// The last failure, also if it is over.
    pub last_error: Option<(UnixNanos, String)>,
    /// Why the history cannot be kept, if it cannot.
    pub history_failure: Option<String>,
    /// Whether the history is kept beyond the process.
    pub keeps_history: bool,
    /// How many times the history is not to be written, after that has failed.
    pub(crate) pause: u32,
}

/// A push to one group that was answered.
#[derive(Debug, Clone)]
pub struct Pushed {
    /// The group.
    pub key: GroupingKey,
    /// What it was to replace.
    pub mode: PushMode,
    /// What it had, as far as it was read.
    pub content: Content,
}

/// What a push has, as far as it was read.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Content {
    /// Bytes of its body, as they were sent.
    pub body_bytes: u64,
    /// Lines of samples.
    pub series: u64,
    /// How long the job took, in seconds, if it says so.
    pub duration_seconds: Option<f64>,
}

impl Content {
    /// Adds what the decoded body says.
    pub fn read(&mut self, exposition: &Exposition<'_>) {
        self.series = series(exposition);
        self.duration_seconds = duration_seconds(exposition);
    }

    /// Adds what is known of a body that was not decoded.
    pub fn read_known(&mut self, known: &KnownBody<'_>) {
        self.series = known.series();
        let gauges = known.families().filter_map(|family| {
            let value = family
                .text
                .strip_suffix(b"\n")?
                .rsplit(|byte| *byte == b' ')
                .next()?;
            let is_one = family.lines == 1;
            Some((
                family.name,
                family.metric_type,
                is_one.then(|| number::parse_f64(value))??,
            ))
        });
        self.duration_seconds = most_general_duration(gauges);
    }
}

impl Activity {
    pub(crate) fn new(history_bytes: usize, max_followers: usize, now: UnixNanos, instant: Instant) -> Self {
        Self {
            history: (history_bytes > 0).then(|| History::new(history_bytes)),
            hour: Hour::new(now, instant),
            refused: RefusedPushes::default(),
            unreadable_log: RefusalLog::default(),
            refusal_log: RefusalLog::default(),
            scrapers: Scrapers::default(),
            changes: Changes::new(max_followers),
            disk: Mutex::default(),
            told_problems: Mutex::default(),
        }
    }

    /// What has become of the last pushes of each group; none if that is switched off.
    pub fn history(&self) -> Option<&History> {
        self.history.as_ref()
    }

    /// A push to a group that exists was refused, by somebody who may push to it.
    pub(crate) fn refused(&self, push: Pushed, error: &Refusal, now: UnixNanos) {
        self.changes.note(&push.key, Change::Refused);
        let refusal = wharf_history::Refusal {
            reason: error.reason.label().into(),
            error: visible::cut(error.text_for_others(), wharf_history::MAX_ERROR_BYTES),
        };
        self.remember(push, Some(refusal), now);
    }

    /// What is wrong with the gateway now. When that is something else than before, those who follow look again.
    pub(crate) fn tell_problems(&self, problems: Vec<Problem>) {
        let mut told = lock(&self.told_problems);
        if *told != problems {
            *told = problems;
            self.changes.note_many();
        }
    }

    fn remember(&self, push: Pushed, refusal: Option<wharf_history::Refusal>, now: UnixNanos) {
        let Some(history) = &self.history else { return };
        history.push(
            push.key,
            Push {
                at_ms: now.0 / 1_000_000,
                method: method(push.mode),
                body_bytes: push.content.body_bytes,
                series: push.content.series,
                duration_seconds: push.content.duration_seconds,
                refusal: refusal.map(Box::new),
            },
        );
    }

    /// The store has changed.
    pub(crate) fn changed(&self, effect: Effect) {
        let Effect { key, what, .. } = effect;
        match (what, key) {
            (What::Pushed(stored), Some(key)) => self.stored(key, &stored),
            (What::Deleted { .. }, Some(key)) => {
                self.changes.note(&key, Change::Deleted);
                if let Some(history) = &self.history {
                    history.forget(key);
                }
            }
            (What::Restored(_) | What::Noted | What::FamiliesDeleted { .. } | What::TakenBack, Some(key)) => {
                self.changes.note(&key, Change::Changed);
            }
            (What::Reset { at }, Some(key)) => {
                self.changes.note(&key, Change::Changed);
                if let Some(history) = &self.history {
                    history.reset(key, at.0 / 1_000_000);
                }
            }
            (What::Wiped { .. }, _) => {
                self.changes.note_many();
                if let Some(history) = &self.history {
                    history.forget_all();
                }
            }
            (What::TakenBack, None) => self.changes.note_many(),
            // Refusals are booked with their reasons by those who refuse, and the others change nothing that is told.
            _ => {}
        }
    }

    /// Changes were lost: these groups are left.
    pub(crate) fn missed(&self, is_there: impl Fn(&GroupingKey) -> bool) {
        self.changes.note_many();
        if let Some(history) = &self.history {
            history.settle();
            history.retain(is_there);
        }
    }

    fn stored(&self, key: GroupingKey, stored: &Stored) {
        self.changes.note(&key, Change::Pushed);
        let Facts {
            received_at,
            body_bytes,
            series,
            duration_seconds,
            ..
        } = stored.facts;
        let content = Content {
            body_bytes,
            series,
            duration_seconds,
        };
        let mode = stored.mode;
        self.remember(Pushed { key, mode, content }, None, received_at);
    }

    /// What was seen of the storage.
    pub fn disk(&self) -> MutexGuard<'_, Disk> {
        lock(&self.disk)
    }
}

/// The word that the file of histories has had from its beginning for what a push replaces.
pub(crate) fn method(mode: PushMode) -> Method {
    match mode {
        PushMode::ReplaceGroup => Method::Put,
        PushMode::ReplaceFamilies | PushMode::ReplaceSeries => Method::Post,
        PushMode::Aggregate(_) => Method::Add,
    }
}

/// Lines of samples that an exposition makes.
fn series(exposition: &Exposition<'_>) -> u64 {
    let metrics = exposition.families.iter().flat_map(|family| &family.metrics);
    let lines = metrics.map(|metric| match metric.value {
        Value::Number(_) => 1,
        Value::Summary(index) => 2 + exposition.summary(index).quantiles.len(),
        Value::Histogram(index) => {
            let buckets = exposition.histogram(index).map(|histogram| histogram.buckets);
            let buckets = exposition.buckets(buckets.unwrap_or_default());
            let is_whole = buckets
                .last()
                .is_some_and(|bucket| bucket.upper_bound == f64::INFINITY);
            2 + buckets.len() + usize::from(!is_whole)
        }
        Value::Missing => 0,
    });
    lines.sum::<usize>() as u64
}

/// How long a job says that it took, see [`most_general_duration`].
fn duration_seconds(exposition: &Exposition<'_>) -> Option<f64> {
    let gauges = exposition.families.iter().filter_map(|family| {
        let name = exposition.text(family.name);
        match family.metrics.as_slice() {
            [metric] => match metric.value {
                Value::Number(value) => Some((name, family.metric_type, value)),
                _ => None,
            },
            _ => None,
        }
    });
    most_general_duration(gauges)
}

/// The value of a gauge with one metric whose name ends in `duration_seconds`. Of several, the one with the shortest name,
/// which is the most general: `job_duration_seconds` rather than `job_upload_duration_seconds`.
fn most_general_duration<'a>(singles: impl Iterator<Item = (&'a str, MetricType, f64)>) -> Option<f64> {
    let durations = singles.filter(|(name, metric_type, value)| {
        matches!(metric_type, MetricType::Gauge | MetricType::Untyped)
            && name.ends_with("duration_seconds")
            && value.is_finite()
            && *value >= 0.0
    });
    let shortest = durations.min_by_key(|(name, ..)| (name.len(), *name));
    shortest.map(|(_, _, value)| value)
}

#[cfg(test)]
mod tests {
    use wharf_exposition::text;
    use wharf_model::name::NameRule;

    use super::*;

    fn content(body: &str) -> Content {
        let options = text::Options {
            names: NameRule::Legacy,
            strict: false,
        };
        let mut content = Content::default();
        content.read(&text::decode(body.as_bytes(), options).unwrap());
        content
    }

    #[test]
    fn series_are_lines() {
        let body = "a 1\n# TYPE s summary\ns{quantile=\"0.5\"} 1\ns_sum 1\ns_count 1\n\
                    # TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_sum 1\nh_count 1\n";
        // The last bucket of the histogram is added.
        assert_eq!(content(body).series, 1 + 3 + 4);
        assert_eq!(content("").series, 0);
    }

    #[test]
    fn the_duration_of_a_job_is_its_most_general_gauge_of_that_name() {
        let duration = |body| content(body).duration_seconds;
        assert_eq!(
            duration("backup_upload_duration_seconds 3\nbackup_duration_seconds 5\n"),
            Some(5.0)
        );
        assert_eq!(
            duration("b_duration_seconds 3\na_duration_seconds 5\n"),
            Some(5.0)
        );
        assert_eq!(
            duration("# TYPE duration_seconds gauge\nduration_seconds 5\n"),
            Some(5.0)
        );
        assert_eq!(
            duration("# TYPE duration_seconds counter\nduration_seconds 5\n"),
            None
        );
        assert_eq!(
            duration("duration_seconds{step=\"1\"} 5\nduration_seconds{step=\"2\"} 5\n"),
            None
        );
        assert_eq!(duration("duration_seconds NaN\n"), None);
        assert_eq!(duration("duration_seconds -1\n"), None);
        assert_eq!(duration("duration_seconds_total 1\n"), None);
    }
}
