//! Text in its compressed form, there and back.

use std::cell::RefCell;

use bytes::Bytes;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use crate::memory::checksum::Checksum;

/// Raw DEFLATE blocks (RFC 1951) that need nothing from what stands before them and end on a byte boundary,
/// none of them marked as the last. Joined ones are one stream again.
#[derive(Debug, Clone)]
pub struct Compressed {
    /// The blocks.
    pub bytes: Bytes,
    /// The checksum of the text.
    pub checksum: Checksum,
    /// The bytes of the text.
    pub len: usize,
}

/// Level 1 is half the work of the default level for a few per cent more bytes on such repetitive text.
const LEVEL: u32 = 1;

thread_local! {
    /// Setting a compressor up costs more than compressing a leaf with it, so each thread keeps one. It goes on from
    /// leaf to leaf as in one long stream: at the end of each it forgets what it has seen.
    static COMPRESSOR: RefCell<Compress> = RefCell::new(Compress::new(Compression::new(LEVEL), false));
}

/// Compresses `text` into blocks as [`Compressed`] describes them.
pub fn compress(text: &[u8]) -> Compressed {
    let checksum = Checksum::of(text);
    let bytes = COMPRESSOR.with_borrow_mut(|compressor| deflate(compressor, text));
    Compressed {
        bytes: bytes.into(),
        checksum,
        len: text.len(),
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

thread_local! {
    static DECOMPRESSOR: RefCell<Decompress> = RefCell::new(Decompress::new(false));
}

/// The text of these blocks, if they have as much.
pub(crate) fn expand(compressed: &Compressed) -> Option<Vec<u8>> {
    DECOMPRESSOR.with_borrow_mut(|decompressor| {
        decompressor.reset(false);
        let mut text = Vec::with_capacity(compressed.len);
        // Nothing follows, so nothing is kept to go on with.
        let ended = decompressor.decompress_vec(&compressed.bytes, &mut text, FlushDecompress::Finish);
        (ended.is_ok() && text.len() == compressed.len).then_some(text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_that_end_early_are_no_text() {
        let mut compressed = compress(b"one two three");
        assert_eq!(expand(&compressed).unwrap(), b"one two three");
        compressed.len += 1;
        assert_eq!(expand(&compressed), None);
        compressed = compress(b"one two three");
        compressed.bytes = compressed.bytes.slice(..compressed.bytes.len() / 2);
        assert_eq!(expand(&compressed), None);
    }
}
