//! Why a push is refused.

use thiserror::Error;
use wharf_model::{Denied, Stopped};

use crate::aggregation::NotAdded;
use crate::clashes::Clashes;
use crate::inconsistency::Inconsistency;
use crate::limits::Exceeded;

/// Why a decoded push is refused. Nothing of it is stored; the group's failure time moves.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PushError {
    /// Metrics carry timestamps.
    #[error(
        "pushed metrics are invalid or inconsistent with existing metrics: pushed metrics must not have timestamps"
    )]
    Timestamps(Timestamps),
    /// The push, with the labels of its group on each line, takes more memory than one push may. Only this
    /// refusal leaves no failure time.
    #[error(
        "expected a push of at most {limit_bytes} bytes with the group's labels on each line, found more"
    )]
    TooLarge {
        /// The limit on the rendered text.
        limit_bytes: usize,
    },
    /// There is no more memory for the push. It leaves no failure time either.
    #[error("{0}")]
    Memory(Denied),
    /// The push would pass a limit. A group that is there gets its failure time moved; none is made.
    #[error("{0}")]
    Limit(Exceeded),
    /// The ledger takes nothing: the disk is full, or fails.
    #[error("cannot store this now: {reason}")]
    Unavailable {
        /// What the ledger said.
        reason: String,
    },
    /// It takes long, and whoever pushes has [little patience](crate::Patience::Little). Nothing has changed.
    #[error("expected a push that takes some milliseconds, found one that takes longer")]
    TakesLong,
    /// To merge it with what is stored takes more steps or time than a push may, or nobody waits for it any more. Nothing has changed.
    #[error("merging was given up")]
    Stopped(Stopped),
    /// A push with the same id has brought another body. Nothing has changed.
    #[error("expected the body that came with this push id before, found another one")]
    OtherBody,
    /// What is pushed cannot be added to what is stored.
    #[error("{0}")]
    NotAdded(Box<NotAdded>),
    /// The push contradicts itself or what is stored.
    #[error("pushed metrics are invalid or inconsistent with existing metrics: {0}")]
    Inconsistent(Clashes),
}

impl PushError {
    /// Whether the trace of such a refusal makes the group, if it is not there; none if it leaves no trace.
    pub(crate) fn makes_group(&self) -> Option<bool> {
        match self {
            Self::Timestamps(_) | Self::NotAdded(_) | Self::Inconsistent(_) => Some(true),
            Self::Limit(_) => Some(false),
            Self::TooLarge { .. }
            | Self::Memory(_)
            | Self::Unavailable { .. }
            | Self::TakesLong
            | Self::OtherBody
            | Self::Stopped(_) => None,
        }
    }
}

impl From<Denied> for PushError {
    fn from(denied: Denied) -> Self {
        Self::Memory(denied)
    }
}

impl From<Stopped> for PushError {
    fn from(stopped: Stopped) -> Self {
        Self::Stopped(stopped)
    }
}

impl From<Inconsistency> for PushError {
    fn from(inconsistency: Inconsistency) -> Self {
        Self::Inconsistent(inconsistency.into())
    }
}

impl From<Clashes> for PushError {
    fn from(clashes: Clashes) -> Self {
        Self::Inconsistent(clashes)
    }
}

impl From<Exceeded> for PushError {
    fn from(exceeded: Exceeded) -> Self {
        Self::Limit(exceeded)
    }
}

/// Metrics with timestamps: the first of them, and how many there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timestamps {
    /// The family of the first one.
    pub family: String,
    /// Its labels as they were pushed, in braces.
    pub series: String,
    /// The line that it stands in, if the body has lines.
    pub line: Option<u32>,
    /// Which metric of its family it is, counted from 1.
    pub position: usize,
    /// How many metrics have one.
    pub count: usize,
}
