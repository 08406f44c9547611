//! How long groups stay.

use std::time::Duration;

/// For how long a group stays after its last successful push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifespan {
    /// For ever.
    Unlimited,
    /// For so long.
    Limited(Duration),
}

impl From<Duration> for Lifespan {
    /// Zero means for ever.
    fn from(duration: Duration) -> Self {
        if duration.is_zero() {
            Self::Unlimited
        } else {
            Self::Limited(duration)
        }
    }
}
