//! Wall time, from one place.

use std::time::{Instant, SystemTime};

/// Wall time in nanoseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct UnixNanos(pub i64);

impl UnixNanos {
    /// Seconds since the Unix epoch, as the push time families show them.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a double keeps a microsecond, which the original shows too"
    )]
    pub fn as_seconds(self) -> f64 {
        self.0 as f64 / 1e9
    }
}

/// Where the store's users read wall time, so that tests can set it.
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> UnixNanos;

    /// A time that never goes back, for what lasts.
    fn instant(&self) -> Instant {
        Instant::now()
    }
}

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    fn now(&self) -> UnixNanos {
        let since_epoch = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        UnixNanos(i64::try_from(since_epoch.as_nanos()).unwrap_or(i64::MAX))
    }
}
