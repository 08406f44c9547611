//! What a push replaces, and how long it may take.

/// What a push replaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PushMode {
    /// The whole group (PUT).
    ReplaceGroup,
    /// The families it brings (POST); others of the group stay.
    ReplaceFamilies,
    /// The series it brings; others of these families, and other families of the group, stay.
    ReplaceSeries,
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
