//! What is wanted of a group, in a form that outlives the request.

use std::sync::{Arc, Mutex};

use wharf_model::GroupingKey;

use super::removing::Removing;
use crate::effect::{By, Facts};
use crate::fold::{Anew, Intent};
use crate::lifetime::Lifetime;
use crate::mode::{Counters, PushMode};
use crate::record;
use crate::removed::WhyLost;
use crate::removed::summary::Counts;
use crate::write::fate::Fate;
use crate::{PushId, UnixNanos};

/// What is wanted of one group.
#[derive(Debug)]
pub(crate) enum Op {
    /// A push of the families of a record.
    Push {
        mode: PushMode,
        counters: Counters,
        once: Option<PushId>,
        facts: Facts,
        record: Vec<u8>,
    },
    /// The group as another gateway had it, as a record.
    Restore { record: Vec<u8> },
    /// The trace of a refused push. Without `makes`, a group that is not there is not made for that.
    Failed {
        makes: bool,
        lifetime: Option<Lifetime>,
        at: UnixNanos,
    },
    /// What is to stand in the group beside what is pushed, as a record with the time of a group that was never pushed.
    Note { record: Vec<u8> },
    /// The end of the group, which is kept as this removal.
    Delete { by: By, removing: Option<Arc<Removing>> },
    /// The end of families of it, which are kept likewise.
    DeleteFamilies {
        names: Vec<String>,
        removing: Option<Arc<Removing>>,
    },
    /// What the group has counted begins anew.
    Reset { anew: Anew },
    /// The end of families of it whose time is over, and of the group with the last of them.
    ExpireFamilies { names: Vec<String> },
    /// The end of series of it whose time is over by then.
    ExpireSeries { now: UnixNanos },
    /// The end of the group, if its time is over by then.
    Expire { now: UnixNanos },
    /// Everything is to go: of all groups.
    Wipe { removing: Option<Arc<Removing>> },
    /// A group, or families of it, that was removed, as a record; what becomes of it is told there.
    PutBack {
        record: Vec<u8>,
        now: UnixNanos,
        made: Arc<Mutex<Option<Made>>>,
    },
}

/// What has become of a group that was to come back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Made {
    pub(crate) fate: Fate,
    pub(crate) counts: Counts,
}

impl Op {
    /// A push, as it was prepared.
    pub(crate) fn push(intent: &Intent<'_>) -> Self {
        Self::Push {
            mode: intent.mode,
            counters: intent.counters,
            once: intent.once,
            facts: *intent.facts,
            record: record_of(intent.key, intent),
        }
    }

    /// A group as another gateway had it, as it was prepared.
    pub(crate) fn restore(intent: &Intent<'_>) -> Self {
        Self::Restore {
            record: record_of(intent.key, intent),
        }
    }

    /// The id by which it is known when it comes again.
    pub(super) fn once(&self) -> Option<PushId> {
        match self {
            Self::Push { once, .. } => *once,
            _ => None,
        }
    }

    /// Memory that it takes.
    pub(super) fn bytes(&self) -> usize {
        let more = match self {
            Self::Push { record, .. }
            | Self::Restore { record }
            | Self::Note { record }
            | Self::PutBack { record, .. } => record.len(),
            Self::DeleteFamilies { names, .. } | Self::ExpireFamilies { names } => {
                names.iter().map(String::len).sum()
            }
            Self::Failed { .. }
            | Self::Delete { .. }
            | Self::Reset { .. }
            | Self::ExpireSeries { .. }
            | Self::Expire { .. }
            | Self::Wipe { .. } => 0,
        };
        size_of::<Self>() + more
    }

    /// Whether what it makes of a group depends on what the group holds; that may keep more than its push time when a push
    /// replaces it.
    pub(super) fn depends(&self, keeps_more: bool) -> bool {
        match self {
            Self::Push { mode, counters, .. } => {
                keeps_more || *mode != PushMode::ReplaceGroup || *counters == Counters::Run
            }
            Self::Failed { .. }
            | Self::Note { .. }
            | Self::DeleteFamilies { .. }
            | Self::ExpireFamilies { .. }
            | Self::Reset { .. }
            | Self::ExpireSeries { .. }
            | Self::Expire { .. }
            | Self::PutBack { .. } => true,
            // What is kept is to be what goes.
            Self::Delete { removing, .. } => removing.is_some(),
            // It keeps what it does not say.
            Self::Restore { .. } => keeps_more,
            Self::Wipe { .. } => false,
        }
    }

    /// The removal that it is, if that is kept.
    pub(super) fn removing(&self) -> Option<&Arc<Removing>> {
        match self {
            Self::Delete { removing, .. }
            | Self::DeleteFamilies { removing, .. }
            | Self::Wipe { removing } => removing.as_ref(),
            _ => None,
        }
    }

    /// What it takes away is not kept, for this reason.
    pub(super) fn lose(&mut self, why: WhyLost) {
        if let Self::Delete { removing, .. } = self
            && let Some(removing) = removing.take()
        {
            removing.lose(why);
        }
    }
}

/// The record of what an intent brings.
fn record_of(key: &GroupingKey, intent: &Intent<'_>) -> Vec<u8> {
    record::put(key, intent.mode, intent.lifetime, intent.delta.parts())
}
