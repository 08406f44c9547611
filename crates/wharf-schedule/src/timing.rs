//! When something is due, and when it is overdue.

use std::fmt;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use wharf_model::duration;

use crate::cron::{Schedule, ScheduleError, time_zone};

/// What comes more often than this is no job, and its metrics would be no news.
const SHORTEST: Duration = Duration::from_secs(1);

/// How often something comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cadence {
    /// So long after the last time, at the latest.
    Every(Duration),
    /// At these times.
    At(Box<Schedule>),
}

/// When something is due, and for how long it is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timing {
    cadence: Cadence,
    grace: Duration,
}

/// What is wrong with a timing: with which of its keys, and what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimingError {
    /// The key: `every`, `schedule`, `timezone` or `grace`; none if one is missing, or there is one too many.
    pub key: Option<&'static str>,
    /// What is wrong.
    pub text: String,
}

impl fmt::Display for TimingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(key) = self.key {
            write!(f, "{key}: ")?;
        }
        f.write_str(&self.text)
    }
}

impl std::error::Error for TimingError {}

impl TimingError {
    fn of(key: &'static str, error: impl fmt::Display) -> Self {
        Self {
            key: Some(key),
            text: error.to_string(),
        }
    }

    fn missing(text: &str) -> Self {
        Self {
            key: None,
            text: text.to_owned(),
        }
    }
}

impl Timing {
    /// From what people write for each key.
    ///
    /// # Errors
    /// If a text is not what its key wants, or there is not exactly one of `every` and `schedule`.
    pub fn parse(
        every: Option<&str>,
        schedule: Option<&str>,
        timezone: Option<&str>,
        grace: Option<&str>,
    ) -> Result<Self, TimingError> {
        let cadence = match (every, schedule) {
            (Some(every), None) => {
                if timezone.is_some() {
                    let text =
                        "expected `schedule` beside it, found `every`, which is the same in all time zones";
                    return Err(TimingError::of("timezone", text));
                }
                Cadence::Every(interval(every)?)
            }
            (None, Some(text)) => {
                let zone = time_zone(timezone.unwrap_or("UTC"));
                let zone = zone.map_err(|error| TimingError::of("timezone", error))?;
                let schedule = Schedule::parse(text, zone);
                let schedule = schedule.map_err(|error: ScheduleError| TimingError::of("schedule", error))?;
                Cadence::At(Box::new(schedule))
            }
            (Some(_), Some(_)) => {
                return Err(TimingError::missing("expected `every` or `schedule`, found both"));
            }
            (None, None) => {
                return Err(TimingError::missing(
                    "expected `every` or `schedule`, found neither",
                ));
            }
        };
        let grace = grace.map_or(Ok(Duration::ZERO), duration::parse);
        let grace = grace.map_err(|error| TimingError::of("grace", error))?;
        Ok(Self { cadence, grace })
    }

    /// When it is due, if it came last at this time; none if that is after the end of the calendar.
    pub fn due_after(&self, reference: Timestamp) -> Option<Timestamp> {
        match &self.cadence {
            Cadence::Every(interval) => later(reference, *interval),
            Cadence::At(schedule) => schedule.after(reference),
        }
    }

    /// When something is overdue that is due at this time; none if that is after the end of the calendar.
    pub fn overdue_after(&self, due: Timestamp) -> Option<Timestamp> {
        later(due, self.grace)
    }

    /// How often it comes.
    pub fn cadence(&self) -> &Cadence {
        &self.cadence
    }

    /// For how long it is waited for after it was due.
    pub fn grace(&self) -> Duration {
        self.grace
    }
}

/// As people say it: `every 1d, grace 1h`, `0 3 * * * by Europe/Berlin, grace 1h`.
impl fmt::Display for Timing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cadence {
            Cadence::Every(interval) => write!(f, "every {}", duration::format(*interval))?,
            Cadence::At(schedule) => write!(f, "{} by {}", schedule.as_str(), schedule.time_zone())?,
        }
        write!(f, ", grace {}", duration::format(self.grace))
    }
}

fn interval(text: &str) -> Result<Duration, TimingError> {
    let interval = duration::parse(text).map_err(|error| TimingError::of("every", error))?;
    if interval < SHORTEST {
        let found = duration::format(interval);
        return Err(TimingError::of(
            "every",
            format!("expected at least 1s, found `{found}`"),
        ));
    }
    Ok(interval)
}

pub(crate) fn later(time: Timestamp, by: Duration) -> Option<Timestamp> {
    time.checked_add(SignedDuration::try_from(by).ok()?).ok()
}

#[cfg(test)]
mod tests;
