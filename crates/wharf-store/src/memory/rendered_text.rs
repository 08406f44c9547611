//! Text that is compressed at most once.

use std::cell::RefCell;
use std::sync::OnceLock;

use bytes::Bytes;
use flate2::{Compress, Compression, FlushCompress, Status};

use crate::memory::checksum::Checksum;

/// A part of the exposition: lines of text, and their compressed form once a scrape has needed it.
#[derive(Debug, Default)]
pub struct RenderedText {
    text: Vec<u8>,
    /// Elsewhere, since most pieces are so small that they never have one.
    compressed: OnceLock<Box<Compressed>>,
}

/// Raw DEFLATE blocks (RFC 1951) that need nothing from what stands before them and end on a byte boundary,
/// none of them marked as the last. Joined ones are one stream again.
#[derive(Debug, Clone)]
pub struct Compressed {
    /// The blocks.
    pub bytes: Bytes,
    /// The checksum of the text.
    pub checksum: Checksum,
}

impl RenderedText {
    /// Of these lines.
    pub fn new(text: Vec<u8>) -> Self {
        Self {
            text,
            compressed: OnceLock::new(),
        }
    }

    /// The text.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// The compressed form, made now if no scrape has asked before; whether it was made now.
    ///
    /// Of those who ask at once, one does the work and the others wait.
    pub fn compressed(&self) -> (&Compressed, bool) {
        let mut is_new = false;
        let compressed = self.compressed.get_or_init(|| {
            is_new = true;
            Box::new(compress(&self.text))
        });
        (compressed, is_new)
    }

    /// The text, to change it; the compressed form is forgotten.
    pub(crate) fn text_mut(&mut self) -> &mut Vec<u8> {
        self.compressed = OnceLock::new();
        &mut self.text
    }
}

/// A copy is made to be changed, so it starts without the compressed form.
impl Clone for RenderedText {
    fn clone(&self) -> Self {
        let mut text = Vec::with_capacity(roomy(self.text.len()));
        text.extend_from_slice(&self.text);
        Self::new(text)
    }
}

/// Level 1 is half the work of the default level for a few per cent more bytes on such repetitive text.
const LEVEL: u32 = 1;

thread_local! {
    /// Setting a compressor up costs more than compressing a leaf with it, so each thread keeps one. It goes on from
    /// leaf to leaf as in one long stream: at the end of each it forgets what it has seen.
    static COMPRESSOR: RefCell<Compress> = RefCell::new(Compress::new(Compression::new(LEVEL), false));
}

/// Compresses `text` into blocks as [`Compressed`] describes them.
pub(crate) fn compress(text: &[u8]) -> Compressed {
    let checksum = Checksum::of(text);
    let bytes = COMPRESSOR.with_borrow_mut(|compressor| deflate(compressor, text));
    Compressed {
        bytes: bytes.into(),
        checksum,
    }
}

fn deflate(compressor: &mut Compress, mut text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() / 6 + 64);
    loop {
        let before = compressor.total_in();
        // Full: the window is empty afterwards, and the output ends on a byte boundary.
        let status = compressor.compress_vec(text, &mut out, FlushCompress::Full);
        let consumed = usize::try_from(compressor.total_in() - before).unwrap_or(usize::MAX);
        text = text.get(consumed..).unwrap_or_default();
        let room_left = out.len() < out.capacity();
        if matches!(status, Ok(Status::Ok | Status::BufError)) && text.is_empty() && room_left {
            break;
        }
        out.reserve(out.len().max(64));
    }
    out.shrink_to_fit();
    out
}

/// The capacity for so many bytes: as much as allocators set aside for them anyway, which is the next quarter of a
/// power of two.
pub(crate) fn roomy(length: usize) -> usize {
    length.next_multiple_of((length.next_power_of_two() / 8).max(64))
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::DeflateDecoder;
    use proptest::prelude::*;

    use super::*;

    fn inflate_joined(pieces: &[&RenderedText]) -> Vec<u8> {
        let mut stream = Vec::new();
        for piece in pieces {
            stream.extend_from_slice(&piece.compressed().0.bytes);
        }
        stream.extend_from_slice(&[0x03, 0x00]); // an empty last block
        let mut text = Vec::new();
        DeflateDecoder::new(stream.as_slice())
            .read_to_end(&mut text)
            .unwrap();
        text
    }

    proptest! {
        #[test]
        #[cfg_attr(miri, ignore = "too large for an interpreter")]
        fn joined_pieces_inflate_to_the_joined_text(
            texts in prop::collection::vec("[a-c]{0,4000}|\\PC{0,300}", 0..5)
        ) {
            let pieces: Vec<RenderedText> = texts.iter().map(|text| RenderedText::new(text.clone().into_bytes())).collect();
            // In another order than they are joined in: none may refer to what was compressed before it.
            for piece in pieces.iter().rev() {
                piece.compressed();
            }
            let inflated = inflate_joined(&pieces.iter().collect::<Vec<_>>());
            prop_assert_eq!(inflated, texts.concat().into_bytes());
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "too large for an interpreter")]
    fn text_that_does_not_compress_is_complete() {
        let mut seed = 1u64;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            seed.to_le_bytes()[7]
        })
        .take(300_000)
        .collect();
        let piece = RenderedText::new(noise.clone());
        assert_eq!(inflate_joined(&[&piece]), noise);
    }

    #[test]
    fn a_changed_piece_forgets_its_compressed_form() {
        let mut piece = RenderedText::new(b"one".to_vec());
        assert!(piece.compressed().1);
        assert!(!piece.compressed().1);
        piece.text_mut().extend_from_slice(b" two");
        assert!(piece.compressed().1);
        assert_eq!(inflate_joined(&[&piece]), b"one two");
    }
}
