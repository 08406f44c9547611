//! The parts of a body: small ones copied together, large ones shared.

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
}

impl Output {
    /// Appends a copy.
    pub(crate) fn copy(&mut self, bytes: &[u8]) {
        self.small.extend_from_slice(bytes);
        if self.small.len() >= PART_BYTES {
            self.flush();
        }
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
            self.parts.push(std::mem::take(&mut self.small).into());
        }
    }

    /// All parts, none of them empty.
    pub(crate) fn into_parts(mut self) -> Vec<Bytes> {
        self.flush();
        self.parts
    }
}
