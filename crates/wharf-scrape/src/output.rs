//! The parts of a body: small ones copied together, large ones shared.

use std::mem;

use bytes::Bytes;

/// Text is compressed, and output sent off, in parts of about this size.
pub(crate) const PART_BYTES: usize = 64 * 1024;
/// Parts of output below this are copied together: a write of few large parts is faster than one of many small.
pub(crate) const SHARE_BYTES: usize = 4 * 1024;

/// A body as far as it is.
#[derive(Default)]
pub(crate) struct Output {
    parts: Vec<Bytes>,
    /// What was copied and is no part yet.
    small: Vec<u8>,
    /// How many bytes of the parts were made.
    made: usize,
}

/// Parts of a body, none of them empty.
pub(crate) struct Parts {
    pub(crate) parts: Vec<Bytes>,
    /// How many bytes of them were made; the others are shared.
    pub(crate) made: usize,
}

impl Output {
    /// Appends a copy.
    pub(crate) fn copy(&mut self, bytes: &[u8]) {
        self.small.extend_from_slice(bytes);
        if self.small.len() >= PART_BYTES {
            self.flush();
        }
    }

    /// Appends what was made for this body.
    pub(crate) fn own(&mut self, bytes: Vec<u8>) {
        self.made += bytes.len();
        self.share(bytes.into());
    }

    /// Appends a part that is not copied.
    pub(crate) fn share(&mut self, bytes: Bytes) {
        self.flush();
        if !bytes.is_empty() {
            self.parts.push(bytes);
        }
    }

    fn flush(&mut self) {
        if !self.small.is_empty() {
            self.made += self.small.len();
            self.parts.push(mem::take(&mut self.small).into());
        }
    }

    /// How many bytes were made.
    pub(crate) fn made(&self) -> usize {
        self.made + self.small.len()
    }

    /// Counts bytes as made for this body that are shared.
    pub(crate) fn count(&mut self, made: usize) {
        self.made += made;
    }

    /// All parts since the last time.
    pub(crate) fn take(&mut self) -> Parts {
        self.flush();
        Parts {
            parts: mem::take(&mut self.parts),
            made: mem::take(&mut self.made),
        }
    }
}
