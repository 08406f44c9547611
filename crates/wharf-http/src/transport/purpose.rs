//! What a listener is for.

use std::fmt;

/// What a listener is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Pushes, and deleting the group that a push would go to.
    Push,
    /// Scrapes, and everything else that shows what is stored.
    Scrape,
    /// What people do who look after the gateway: the page, deleting, wiping, reloading, ending it.
    Admin,
    /// Parts for prom-aggregation-gateway, and what they add up to.
    Aggregate,
    /// Whether that lives, and its metrics.
    AggregateLifecycle,
}

impl Purpose {
    /// What there is at the usual addresses. The others have addresses of their own, with other routes.
    pub const ALL: [Self; 3] = [Self::Push, Self::Scrape, Self::Admin];
}

/// For an error text.
impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Push => "push",
            Self::Scrape => "scrape",
            Self::Admin => "admin",
            Self::Aggregate => "aggregate",
            Self::AggregateLifecycle => "aggregate-lifecycle",
        })
    }
}
