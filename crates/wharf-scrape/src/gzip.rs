//! A body in gzip, joined of blocks that the store keeps.

use wharf_store::{Compressed, RenderedText};

use crate::output::{Output, PART_BYTES, Parts, SHARE_BYTES};

/// Texts shorter than this are gathered and compressed together, anew each time: alone they compress badly, and
/// there is little work in them.
const GATHER_BYTES: usize = 1024;

/// Whether a piece is compressed together with others.
pub(crate) fn is_gathered(piece: &RenderedText) -> bool {
    piece.len() < GATHER_BYTES
}

/// A gzip member (RFC 1952) of joined DEFLATE blocks.
#[derive(Default)]
pub(crate) struct Gzip {
    output: Output,
    /// CRC-32 of the text so far.
    crc: u32,
    text_bytes: u64,
    gathered: Vec<u8>,
    recompressed: u64,
}

impl Gzip {
    /// Magic, deflate, no flags, no time, no hint, unknown system.
    const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    /// An empty block that is marked as the last.
    const END: [u8; 2] = [0x03, 0x00];

    /// An empty body.
    pub(crate) fn new() -> Self {
        let mut sink = Self::default();
        sink.output.copy(&Self::HEADER);
        sink
    }

    /// Appends text that nobody keeps compressed.
    pub(crate) fn text(&mut self, text: &[u8]) {
        self.gathered.extend_from_slice(text);
        if self.gathered.len() >= PART_BYTES {
            self.compress_gathered();
        }
    }

    fn compress_gathered(&mut self) {
        if !self.gathered.is_empty() {
            let piece = RenderedText::new(std::mem::take(&mut self.gathered));
            self.append(&piece);
        }
    }

    /// Appends a piece of the store.
    pub(crate) fn piece(&mut self, piece: &RenderedText) {
        if is_gathered(piece) {
            self.text(&piece.text());
            return;
        }
        self.compress_gathered();
        if self.append(piece) {
            self.recompressed += 1;
        }
    }

    /// Appends blocks that were made for this body or were there.
    pub(crate) fn compressed(&mut self, compressed: &Compressed, is_new: bool) {
        self.compress_gathered();
        self.append_blocks(compressed, is_new);
    }

    /// Appends the blocks of a piece; whether they had to be made.
    fn append(&mut self, piece: &RenderedText) -> bool {
        let (compressed, is_new) = piece.compressed();
        self.append_blocks(compressed, is_new);
        is_new
    }

    fn append_blocks(&mut self, compressed: &Compressed, is_new: bool) {
        self.crc = compressed.checksum.after(self.crc);
        self.text_bytes += compressed.len as u64;
        if compressed.bytes.len() < SHARE_BYTES {
            self.output.copy(&compressed.bytes);
        } else {
            self.output.share(compressed.bytes.clone());
            if is_new {
                // The store keeps it, but it took time and memory: whoever wants the body is asked again sooner.
                self.output.count(compressed.bytes.len());
            }
        }
    }

    /// A leaf had to be compressed whose blocks come later.
    pub(crate) fn count_recompressed(&mut self) {
        self.recompressed += 1;
    }

    /// How many pieces had to be compressed for this.
    pub(crate) fn recompressed(&self) -> u64 {
        self.recompressed
    }

    /// How many bytes were made since the last time that parts were taken. What is gathered is never much.
    pub(crate) fn made(&self) -> usize {
        self.output.made()
    }

    /// All parts since the last time.
    pub(crate) fn take(&mut self) -> Parts {
        self.output.take()
    }

    /// The rest of the body.
    pub(crate) fn finish(mut self) -> Parts {
        self.compress_gathered();
        self.output.copy(&Self::END);
        self.output.copy(&self.crc.to_le_bytes());
        // The trailer has the length modulo 2^32.
        let [a, b, c, d, ..] = self.text_bytes.to_le_bytes();
        self.output.copy(&[a, b, c, d]);
        self.output.take()
    }
}
