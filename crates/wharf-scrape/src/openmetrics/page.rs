//! The lines of one family before it is certain that they stay.

use std::mem;

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
            self.full.push(mem::take(&mut self.lines));
        }
    }

    /// Bytes of all lines.
    pub(crate) fn len(&self) -> usize {
        self.full.iter().map(Vec::len).sum::<usize>() + self.lines.len()
    }

    /// Throws the lines away.
    pub(crate) fn clear(&mut self) {
        self.full = Vec::new();
        self.lines.clear();
    }

    /// Appends full pages to a body, if there is one that is full.
    pub(crate) async fn pass(&mut self, sink: &mut Sink) {
        self.turn();
        if !self.full.is_empty() {
            self.full.drain(..).for_each(|page| sink.own(page));
            sink.pass().await;
        }
    }

    /// Appends the lines to a body.
    pub(crate) async fn flush(&mut self, sink: &mut Sink) {
        self.full.drain(..).for_each(|page| sink.own(page));
        sink.text(&self.lines);
        self.lines.clear();
        sink.pass().await;
    }
}
