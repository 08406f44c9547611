//! How much is stored.

/// How much a family, or the whole store, holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Size {
    /// Lines.
    pub(crate) series: u64,
    /// Bytes of text, and of the protobuf form where it is kept.
    pub(crate) bytes: u64,
    /// Families of groups with histograms that contradict themselves.
    pub(crate) contradicting: u64,
}

/// So many bytes of text take as long to be copied as a series takes to go into the index.
const BYTES_A_SERIES: u64 = 4096;

/// How much there is to do under the lock to put so much, or to take it out, in the units of
/// [`Store::longest_hold`](crate::Store::longest_hold).
pub(crate) fn weight(families: usize, size: Size) -> u64 {
    families as u64 + size.series + size.bytes / BYTES_A_SERIES
}

/// So many bytes of cold text take as long to be expanded as a series takes to go into the index.
const EXPANDED_BYTES_A_SERIES: u64 = 1024;

/// How much there is to do to expand so many bytes of text, in the same units.
pub(crate) fn weight_of_expanding(bytes: usize) -> u64 {
    bytes as u64 / EXPANDED_BYTES_A_SERIES
}

impl Size {
    /// The sum of both.
    pub(crate) fn plus(self, more: Self) -> Self {
        self.moved(Self::default(), more)
    }

    /// This size after a part of it went from `before` to `after`.
    pub(crate) fn moved(self, before: Self, after: Self) -> Self {
        Self {
            series: self.series + after.series - before.series,
            bytes: self.bytes + after.bytes - before.bytes,
            contradicting: self.contradicting + after.contradicting - before.contradicting,
        }
    }
}
