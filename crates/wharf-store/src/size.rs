//! How much is stored.

/// How much a family, or the whole store, holds.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Size {
    /// Lines.
    pub(crate) series: u64,
    /// Bytes of text, and of the protobuf form where it is kept.
    pub(crate) bytes: u64,
    /// Families of groups with histograms that contradict themselves.
    pub(crate) contradicting: u64,
}

impl Size {
    /// This size after a part of it went from `before` to `after`.
    pub(crate) fn moved(self, before: Self, after: Self) -> Self {
        Self {
            series: self.series + after.series - before.series,
            bytes: self.bytes + after.bytes - before.bytes,
            contradicting: self.contradicting + after.contradicting - before.contradicting,
        }
    }
}
