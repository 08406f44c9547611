//! The lines of one family before it is certain that they stay.

use crate::output::PART_BYTES;
use crate::sink::Sink;

/// Lines in pages, so that a large family does not move as it grows.
#[derive(Default)]
pub(crate) struct Page {
    full: Vec<Vec<u8>>,
    /// Where the next line goes.
    pub(crate) lines: Vec<u8>,
}

impl Page {
    /// Begins another page, if this one is full.
    pub(crate) fn turn(&mut self) {
        if self.lines.len() >= PART_BYTES {
            self.full.push(std::mem::take(&mut self.lines));
        }
    }

    /// Throws the lines away.
    pub(crate) fn clear(&mut self) {
        self.full.clear();
        self.lines.clear();
    }

    /// Appends the lines to a body.
    pub(crate) fn flush(&mut self, sink: &mut Sink) {
        for page in self.full.drain(..) {
            sink.text(&page);
        }
        sink.text(&self.lines);
        self.lines.clear();
    }
}
