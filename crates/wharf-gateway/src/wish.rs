//! What a push asks for beside its metrics.

use wharf_store::{Counters, PushMode, UnixNanos};

use crate::lifespan::Lifespan;

/// What a push asks for beside its metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wish {
    /// What it replaces.
    pub mode: PushMode,
    /// What its counters count; none: what rules say.
    pub counters: Option<Counters>,
    /// How long the group is to stay; none: what rules or flags say.
    pub ttl: Option<Lifespan>,
    /// When the push happened, if not now: groups that move in from another gateway keep their times.
    pub pushed_at: Option<UnixNanos>,
}

impl Wish {
    /// When the push happened. A time that is still to come, by this clock, is now.
    pub fn time(&self, now: UnixNanos) -> UnixNanos {
        self.pushed_at.map_or(now, |at| at.min(now))
    }
}
