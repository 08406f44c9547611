//! How much is stored in its compressed form alone.

use crate::memory::rendered_text::RenderedText;

/// What is stored in its compressed form alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cold {
    /// Leaves.
    pub leaves: u64,
    /// Bytes of their text.
    pub text_bytes: u64,
    /// Bytes of its compressed form.
    pub compressed_bytes: u64,
}

impl Cold {
    /// Counts a piece that is cold.
    pub(crate) fn add(&mut self, piece: &RenderedText) {
        let (compressed, _) = piece.compressed();
        self.leaves += 1;
        self.text_bytes += compressed.len as u64;
        self.compressed_bytes += compressed.bytes.len() as u64;
    }
}
