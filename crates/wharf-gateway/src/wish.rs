//! What a push asks for beside its metrics.

use wharf_store::{Bounds, Counters, Gauges, PushMode, UnixNanos};

use crate::expectations::Said;
use crate::lifespan::Lifespan;
use crate::push_id::AskedId;

/// What a push asks for beside its metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// What it replaces, unless it is added up.
    pub mode: PushMode,
    /// Whether it is added to what is stored, and how.
    pub adding: Adding,
    /// What its counters count; none: what rules say.
    pub counters: Option<Counters>,
    /// How long the group is to stay; none: what rules or flags say.
    pub ttl: Option<Lifespan>,
    /// When the next push is expected; none: as pushes before have said.
    pub expect: Option<Said>,
    /// What the push is called, so that it is not counted again when it is repeated; of those that are added up.
    pub id: Option<AskedId>,
    /// When the push happened, if not now: groups that move in from another gateway keep their times.
    pub pushed_at: Option<UnixNanos>,
}

/// Whether a push is added to what is stored, and how. What it does not say, rules say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Adding {
    /// Whether it is.
    pub wanted: Option<bool>,
    /// What becomes of gauges.
    pub gauges: Option<Gauges>,
    /// What becomes of histograms with other bounds.
    pub bounds: Option<Bounds>,
}

impl Wish {
    /// When the push happened. A time that is still to come, by this clock, is now.
    pub fn time(&self, now: UnixNanos) -> UnixNanos {
        self.pushed_at.map_or(now, |at| at.min(now))
    }
}
