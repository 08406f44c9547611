//! How often something may happen: a bucket of tokens that fills at a steady rate.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// So many in a second, on average.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Above 0, and finite.
    pub per_second: f64,
    /// How many at once after a pause; at least 1.
    pub burst: u32,
}

impl Eq for Rate {}

/// Counts by a [`Rate`].
#[derive(Debug)]
pub(crate) struct TokenBucket {
    rate: Rate,
    level: Mutex<Level>,
}

#[derive(Debug)]
struct Level {
    tokens: f64,
    at: Instant,
}

impl TokenBucket {
    /// A full bucket.
    pub(crate) fn new(rate: Rate, now: Instant) -> Self {
        let tokens = f64::from(rate.burst);
        Self {
            rate,
            level: Mutex::new(Level { tokens, at: now }),
        }
    }

    pub(crate) fn rate(&self) -> Rate {
        self.rate
    }

    /// Takes a token, or says after which time there is one.
    pub(crate) fn take(&self, now: Instant) -> Result<(), Duration> {
        let mut level = self.lock();
        let passed = now.saturating_duration_since(level.at).as_secs_f64();
        level.tokens = (level.tokens + passed * self.rate.per_second).min(f64::from(self.rate.burst));
        level.at = level.at.max(now);
        if level.tokens >= 1.0 {
            level.tokens -= 1.0;
            return Ok(());
        }
        let seconds = (1.0 - level.tokens) / self.rate.per_second;
        Err(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
    }

    /// Gives a token back that was taken for nothing.
    pub(crate) fn give_back(&self) {
        let mut level = self.lock();
        level.tokens = (level.tokens + 1.0).min(f64::from(self.rate.burst));
    }

    fn lock(&self) -> MutexGuard<'_, Level> {
        self.level.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_goes_through_and_then_the_rate_holds() {
        let start = Instant::now();
        let after = |ms| start + Duration::from_millis(ms);
        let rate = Rate {
            per_second: 2.0,
            burst: 3,
        };
        let bucket = TokenBucket::new(rate, start);
        let taken = (0..10).filter(|_| bucket.take(start).is_ok()).count();
        assert_eq!(taken, 3);
        assert_eq!(bucket.take(after(100)), Err(Duration::from_millis(400)));
        assert_eq!(bucket.take(after(500)), Ok(()));
        assert!(bucket.take(after(500)).is_err());
        // A pause fills the bucket, and not beyond its rim.
        let taken = (0..10).filter(|_| bucket.take(after(60_000)).is_ok()).count();
        assert_eq!(taken, 3);
    }

    #[test]
    fn a_clock_that_stands_still_gives_nothing() {
        let earlier = Instant::now();
        let start = earlier + Duration::from_secs(10);
        let rate = Rate {
            per_second: 1000.0,
            burst: 1,
        };
        let bucket = TokenBucket::new(rate, start);
        assert_eq!(bucket.take(start), Ok(()));
        assert!(bucket.take(earlier).is_err());
        assert!(bucket.take(start).is_err());
    }
}
