//! What has been made of one family and is held: until it is certain that it stays, or until it is all there.

use std::mem;

use crate::output::PART_BYTES;
use crate::sink::Sink;

/// Bytes in pages, so that a large family does not move as it grows, and takes no more than it has.
#[derive(Default)]
pub(crate) struct Pages {
    full: Vec<Vec<u8>>,
    /// Where the next bytes go.
    pub(crate) last: Vec<u8>,
}

/// Room for a page that is full, and for what makes it full.
const ROOM_BYTES: usize = PART_BYTES + PART_BYTES / 4;

impl Pages {
    /// Begins another page, if this one is full.
    pub(crate) fn turn(&mut self) {
        if self.last.len() >= PART_BYTES {
            let next = Vec::with_capacity(ROOM_BYTES);
            self.full.push(mem::replace(&mut self.last, next));
        }
    }

    /// How many bytes there are.
    pub(crate) fn len(&self) -> usize {
        self.full.iter().map(Vec::len).sum::<usize>() + self.last.len()
    }

    /// Throws them away.
    pub(crate) fn clear(&mut self) {
        self.full = Vec::new();
        self.last.clear();
    }

    /// Appends full pages to a body, if there is one that is full.
    pub(crate) async fn pass(&mut self, sink: &mut Sink) {
        self.turn();
        if !self.full.is_empty() {
            self.full.drain(..).for_each(|page| sink.own(page));
            sink.pass().await;
        }
    }

    /// Appends them to a body.
    pub(crate) fn append_to(&mut self, sink: &mut Sink) {
        self.full.drain(..).for_each(|page| sink.own(page));
        sink.text(&self.last);
        self.last.clear();
    }

    /// The same, and waits if there is no room for more.
    pub(crate) async fn flush(&mut self, sink: &mut Sink) {
        self.append_to(sink);
        sink.pass().await;
    }

    /// Hands each page to `write`, and is empty then.
    pub(crate) fn drain(&mut self, mut write: impl FnMut(&[u8])) {
        self.full.drain(..).for_each(|page| write(&page));
        if !self.last.is_empty() {
            write(&self.last);
            self.last.clear();
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.full.is_empty() && self.last.is_empty()
    }
}
