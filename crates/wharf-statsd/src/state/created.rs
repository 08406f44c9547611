//! When a series has begun to count.

use std::num::NonZeroU64;
use std::time::Duration;

use wharf_model::Timestamp;

const NANOS: u64 = 1_000_000_000;

/// When a series has begun to count, in nanoseconds since the Unix epoch; none if that is not known, as of one that an earlier version
/// has stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Created(Option<NonZeroU64>);

impl Created {
    /// So long after a moment.
    pub(super) fn after(began: Duration, now: Duration) -> Self {
        let nanos = u64::try_from(began.saturating_add(now).as_nanos()).unwrap_or(u64::MAX);
        Self(NonZeroU64::new(nanos))
    }

    /// As it is stored.
    pub(super) fn of(stored: Option<Timestamp>) -> Self {
        let nanos = stored.and_then(|stored| {
            let seconds = u64::try_from(stored.seconds).ok()?.checked_mul(NANOS)?;
            seconds.checked_add(u64::try_from(stored.nanos).ok()?)
        });
        Self(nanos.and_then(NonZeroU64::new))
    }

    /// As it is shown.
    pub(super) fn shown(self) -> Option<Timestamp> {
        let nanos = self.0?.get();
        Some(Timestamp {
            seconds: i64::try_from(nanos / NANOS).ok()?,
            nanos: i32::try_from(nanos % NANOS).ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_read_back() {
        let created = Created::after(Duration::from_secs(1_700_000_000), Duration::from_millis(1_500));
        let shown = created.shown().unwrap();
        assert_eq!((shown.seconds, shown.nanos), (1_700_000_001, 500_000_000));
        assert_eq!(Created::of(Some(shown)), created);
        let unknown = Created::of(None);
        assert_eq!(
            (unknown.shown(), Created::after(Duration::ZERO, Duration::ZERO)),
            (None, unknown)
        );
        let before = Timestamp {
            seconds: -1,
            nanos: 0,
        };
        assert_eq!(Created::of(Some(before)), unknown);
    }
}
