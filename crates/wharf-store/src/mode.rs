//! What a push replaces.

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
