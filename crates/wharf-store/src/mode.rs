//! What a push replaces, what its counters count, and how long it may take.

use crate::aggregation::Aggregation;

/// What a push replaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PushMode {
    /// The whole group (PUT).
    ReplaceGroup,
    /// The families it brings (POST); others of the group stay.
    ReplaceFamilies,
    /// The series it brings; others of these families, and other families of the group, stay.
    ReplaceSeries,
    /// Nothing: what it brings is added to the series that are there; others of these families, and other families of the
    /// group, stay.
    Aggregate(Aggregation),
}

impl PushMode {
    /// Whether what a push brings is added to what is stored, so that it matters how often it is made.
    pub(crate) fn adds(self) -> bool {
        matches!(self, Self::Aggregate(_))
    }

    /// Whether what becomes of the families that a push brings depends on what is stored of them.
    pub(crate) fn folds(self) -> bool {
        match self {
            Self::ReplaceGroup | Self::ReplaceFamilies => false,
            Self::ReplaceSeries | Self::Aggregate(_) => true,
        }
    }
}

/// What the counters, histograms and summaries of a push count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Counters {
    /// All since a start, which the push may name: a later push goes on from an earlier one.
    #[default]
    Total,
    /// What one run has counted: they begin anew with each push, and their start is the time of the push. It is at least a
    /// millisecond after the one that is stored.
    Run,
}

/// How long whoever pushes can wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Patience {
    /// As long as it takes.
    #[default]
    Unlimited,
    /// Some milliseconds, since others wait for the thread. A push that takes longer, for what is stored or since somebody else is
    /// changing the group, is refused with [`PushError::TakesLong`](crate::PushError::TakesLong) before anything is done about it.
    Little,
}
