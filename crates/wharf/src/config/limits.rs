//! How much at once, and how much in all.

use std::num::NonZeroUsize;

use wharf_settings::{kinds, settings};

/// A number that is not 0.
const fn count(number: usize) -> NonZeroUsize {
    match NonZeroUsize::new(number) {
        Some(count) => count,
        None => NonZeroUsize::MIN,
    }
}

settings! {
    /// How much at once, and how much in all. Requests beyond a limit are refused, not queued; connections wait to be
    /// accepted.
    #[derive(Copy)]
    pub struct Limits {
        /// Open connections.
        pub max_connections: NonZeroUsize = count(8192),
            "limits.max-connections" as kinds::COUNT,
            "Open connections; fewer if the system allows fewer open files. For one more, the one is closed that has \
             been idle for the longest time.";
        /// Requests being answered, scrapes included.
        pub max_requests_in_flight: NonZeroUsize = count(1024),
            "limits.max-requests-in-flight" as kinds::COUNT,
            "Requests being answered, scrapes included.";
        /// Scrapes, and requests for all metrics as JSON, being answered.
        pub max_scrapes_in_flight: NonZeroUsize = count(40),
            "limits.max-scrapes-in-flight" as kinds::COUNT,
            "Scrapes, and requests for all metrics as JSON, being answered.";
        /// Groups that are stored; none: any number.
        pub max_groups: Option<u64> = Some(10_000_000),
            "limits.max-groups" as kinds::LIMIT,
            "Groups that are stored.";
        /// Series that are stored; none: any number.
        pub max_series: Option<u64> = Some(100_000_000),
            "limits.max-series" as kinds::LIMIT,
            "Series that are stored.";
        /// Series of one push; none: any number.
        pub max_series_per_push: Option<u64> = Some(10_000_000),
            "limits.max-series-per-push" as kinds::LIMIT,
            "Series of one push.";
    }
}
