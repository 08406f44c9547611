//! The last hour in numbers: a ring of short spans of time.

use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use wharf_store::UnixNanos;

use crate::lock::lock;

/// How long a span is.
pub const SPAN: Duration = Duration::from_secs(10);
const SPANS: usize = 360;
/// Durations are counted by their magnitude in nanoseconds: four classes for each power of two, from 1 µs to 64 s.
const CLASSES: usize = 4 * 26;
const FIRST_POWER: u32 = 10;
/// A wall clock that is off by so much was set. What it is corrected by from second to second is less.
const CLOCK_WAS_SET: Duration = Duration::from_secs(1);

/// What happened in a span of time, and how much there was at its end.
#[derive(Debug, Clone, Default)]
pub struct Span {
    /// Its number since the start of the process; none if it has not come yet.
    number: Option<u64>,
    /// Pushes that were stored.
    pub pushes: u64,
    /// Pushes that were not.
    pub refused: u64,
    /// Bytes of the requests of all of them.
    pub push_bytes: u64,
    durations: Durations,
    /// Scrapes that were rendered.
    pub scrapes: u64,
    /// Bytes of their bodies.
    pub scrape_bytes: u64,
    /// How long the longest of them took.
    pub longest_scrape: Option<Duration>,
    /// How much there was at its end.
    pub level: Level,
}

/// How much there is at a moment.
#[derive(Debug, Clone, Copy, Default)]
pub struct Level {
    /// Groups that are stored.
    pub groups: u64,
    /// Their series.
    pub series: u64,
    /// Bytes of their text.
    pub bytes: u64,
    /// Memory of the process.
    pub memory_bytes: u64,
}

/// What happened since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sums {
    /// Pushes that were stored.
    pub pushes: u64,
    /// Pushes that were not.
    pub refused: u64,
    /// Scrapes that were rendered.
    pub scrapes: u64,
}

#[derive(Debug, Clone, Default)]
struct Durations(Vec<u32>);

impl Durations {
    fn count(&mut self, duration: Duration) {
        if self.0.is_empty() {
            self.0 = vec![0; CLASSES];
        }
        let nanos = u64::try_from(duration.as_nanos())
            .unwrap_or(u64::MAX)
            .max(1 << FIRST_POWER);
        let power = nanos.ilog2();
        let quarter = (nanos >> (power - 2)) & 3;
        let class = 4 * (power - FIRST_POWER) as usize + usize::try_from(quarter).unwrap_or(0);
        if let Some(count) = self.0.get_mut(class.min(CLASSES - 1)) {
            *count = count.saturating_add(1);
        }
    }

    /// The middle of the class of the value at a rank (0 to 100); none without values.
    fn percentile(&self, rank: u64) -> Option<f64> {
        let total: u64 = self.0.iter().map(|count| u64::from(*count)).sum();
        let wanted = (total * rank).div_ceil(100).max(1);
        let mut before = 0;
        let class = self.0.iter().position(|count| {
            before += u64::from(*count);
            before >= wanted
        })?;
        let power = i32::try_from(class / 4).ok()? + i32::try_from(FIRST_POWER).ok()?;
        let quarter = f64::from(u32::try_from(class % 4).ok()?);
        Some((1.0 + (quarter + 0.5) / 4.0) * 2f64.powi(power) / 1e9)
    }
}

impl Span {
    /// A percentile of how long pushes took, in seconds; none if there were none.
    pub fn push_seconds(&self, rank: u64) -> Option<f64> {
        self.durations.percentile(rank)
    }
}

/// The last hour.
#[derive(Debug)]
pub struct Hour {
    started: Instant,
    /// When that was, by the wall clock as it is now, in nanoseconds since the Unix epoch.
    started_at: AtomicI64,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    sums: Sums,
    /// The span `n` is at `n % SPANS`, if it is not another one that is older.
    spans: Vec<Span>,
}

impl Inner {
    fn span(&mut self, number: u64) -> Option<&mut Span> {
        if self.spans.is_empty() {
            self.spans = vec![Span::default(); SPANS];
        }
        let at = usize::try_from(number % SPANS as u64).ok()?;
        // How much there is does not change because time goes by.
        let before = number.checked_sub(1).and_then(|before| {
            let span = self.spans.get(usize::try_from(before % SPANS as u64).ok()?)?;
            (span.number == Some(before)).then_some(span.level)
        });
        let span = self.spans.get_mut(at)?;
        if span.number < Some(number) {
            *span = Span {
                number: Some(number),
                level: before.unwrap_or_default(),
                ..Span::default()
            };
        }
        // A thread that comes an hour late counts for nothing.
        (span.number == Some(number)).then_some(span)
    }
}

impl Hour {
    pub fn new(started_at: UnixNanos, started: Instant) -> Self {
        Self {
            started,
            started_at: AtomicI64::new(started_at.0),
            inner: Mutex::default(),
        }
    }

    /// A push was answered.
    pub fn push(&self, is_stored: bool, size_bytes: u64, ended: Instant, duration: Duration) {
        let number = self.number(ended);
        let mut inner = lock(&self.inner);
        if is_stored {
            inner.sums.pushes += 1;
        } else {
            inner.sums.refused += 1;
        }
        let Some(span) = inner.span(number) else { return };
        if is_stored {
            span.pushes += 1;
        } else {
            span.refused += 1;
        }
        span.push_bytes += size_bytes;
        span.durations.count(duration);
    }

    /// A scrape was rendered.
    pub fn scrape(&self, size_bytes: u64, now: Instant, duration: Duration) {
        let number = self.number(now);
        let mut inner = lock(&self.inner);
        inner.sums.scrapes += 1;
        let Some(span) = inner.span(number) else { return };
        span.scrapes += 1;
        span.scrape_bytes += size_bytes;
        span.longest_scrape = span.longest_scrape.max(Some(duration));
    }

    /// So much is there now.
    pub fn level(&self, now: Instant, level: Level) {
        let number = self.number(now);
        if let Some(span) = lock(&self.inner).span(number) {
            span.level = level;
        }
    }

    /// The spans of the last hour, the oldest first, and what happened since the start.
    pub fn read(&self, now: Instant) -> (Vec<Span>, Sums) {
        let last = self.number(now);
        let inner = lock(&self.inner);
        let first = last.saturating_sub(SPANS as u64 - 1);
        let mut spans: Vec<Span> = inner
            .spans
            .iter()
            .filter(|span| (Some(first)..=Some(last)).contains(&span.number))
            .cloned()
            .collect();
        let sums = inner.sums;
        drop(inner);
        spans.sort_unstable_by_key(|span| span.number);
        (spans, sums)
    }

    /// What time it is by the wall clock. If it has been set since, all spans began at other times by it; smaller
    /// corrections change nothing, so that a span has the same time whenever it is read.
    pub fn set_clock(&self, now: Instant, wall: UnixNanos) {
        let elapsed = now.saturating_duration_since(self.started);
        let elapsed = i64::try_from(elapsed.as_nanos()).unwrap_or(i64::MAX);
        let started_at = wall.0.saturating_sub(elapsed);
        let off = started_at.abs_diff(self.started_at.load(Relaxed));
        if Duration::from_nanos(off) >= CLOCK_WAS_SET {
            self.started_at.store(started_at, Relaxed);
        }
    }

    /// When a span began.
    pub fn began(&self, span: &Span) -> f64 {
        let nanos =
            i64::try_from(u128::from(span.number.unwrap_or_default()) * SPAN.as_nanos()).unwrap_or(i64::MAX);
        UnixNanos(self.started_at.load(Relaxed).saturating_add(nanos)).as_seconds()
    }

    fn number(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.started).as_secs() / SPAN.as_secs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn the_last_hour_is_there_and_nothing_before() {
        let hour = Hour::new(UnixNanos(0), Instant::now());
        let after = |seconds| hour.started + Duration::from_secs(seconds);
        hour.push(true, 100, after(0), MS);
        hour.push(false, 1, after(3), 2 * MS);
        hour.scrape(500, after(9), MS);
        hour.level(
            after(9),
            Level {
                groups: 3,
                ..Level::default()
            },
        );
        hour.push(true, 7, after(10), MS);
        let (spans, sums) = hour.read(after(11));
        assert_eq!(spans.len(), 2);
        assert_eq!(
            (spans[0].pushes, spans[0].refused, spans[0].push_bytes),
            (1, 1, 101)
        );
        assert_eq!((spans[0].scrapes, spans[0].longest_scrape), (1, Some(MS)));
        assert_eq!((spans[1].pushes, spans[1].level.groups), (1, 3));
        assert_eq!(
            sums,
            Sums {
                pushes: 2,
                refused: 1,
                scrapes: 1
            }
        );
        assert!((hour.began(&spans[1]) - 10.0).abs() < 1e-6);
        // A clock that is corrected a bit, and one that is set.
        hour.set_clock(after(11), UnixNanos(11_900_000_000));
        assert!((hour.began(&spans[1]) - 10.0).abs() < 1e-6);
        hour.set_clock(after(11), UnixNanos(5_000_011_000_000_000));
        assert!((hour.began(&spans[1]) - 5_000_010.0).abs() < 1e-6);
        hour.push(true, 1, after(3605), MS);
        let numbers: Vec<u64> = hour
            .read(after(3605))
            .0
            .iter()
            .filter_map(|span| span.number)
            .collect();
        assert_eq!(numbers, [1, 360]);
        assert!(hour.read(after(100_000)).0.is_empty());
        // Late, but not too late to be counted since the start.
        hour.push(true, 1, after(5), MS);
        assert_eq!(hour.read(after(3605)).1.pushes, 4);
    }

    #[test]
    fn percentiles_are_near() {
        let mut durations = Durations::default();
        assert_eq!(durations.percentile(50), None);
        for n in 1..=1000 {
            durations.count(n * MS);
        }
        for (rank, expected) in [(50, 0.5), (99, 0.99), (0, 0.001)] {
            let found = durations.percentile(rank).unwrap();
            assert!((found / expected - 1.0).abs() < 0.15, "{rank}: {found}");
        }
        durations.count(Duration::ZERO);
        durations.count(Duration::MAX);
        assert!(durations.percentile(100).unwrap() > 30.0);
    }
}
