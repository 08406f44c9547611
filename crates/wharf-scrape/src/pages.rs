//! What has been made of one family and is held: until it is certain that it stays, or until it is all there.

use std::mem;
use std::sync::Arc;

use crate::forms::Form;
use crate::output::PART_BYTES;
use crate::sink::Sink;

/// Bytes in pages, so that a large family does not move as it grows, and takes no more than it has; and between them forms of
/// leaves.
#[derive(Default)]
pub(crate) struct Pages {
    full: Vec<Page>,
    /// Where the next bytes go.
    pub(crate) last: Vec<u8>,
    /// How many bytes `full` stands for.
    full_len: usize,
    /// How many bytes of memory were made for it.
    full_made: usize,
}

enum Page {
    Bytes(Vec<u8>),
    Form {
        form: Arc<Form>,
        part: usize,
        is_new: bool,
    },
}

/// Room for a page that is full, and for what makes it full.
const ROOM_BYTES: usize = PART_BYTES + PART_BYTES / 4;

impl Pages {
    /// Begins another page, if this one is full.
    pub(crate) fn turn(&mut self) {
        if self.last.len() >= PART_BYTES {
            self.close(Vec::with_capacity(ROOM_BYTES));
        }
    }

    fn close(&mut self, next: Vec<u8>) {
        let last = mem::replace(&mut self.last, next);
        self.full_len += last.len();
        self.full_made += last.len();
        self.full.push(Page::Bytes(last));
    }

    /// Appends this part of a form, if it has it. One that is new is memory that was made for this body, even if somebody
    /// else keeps it.
    pub(crate) fn form(&mut self, form: &Arc<Form>, part: usize, is_new: bool) {
        let Some(piece) = form.part(part).filter(|piece| piece.len > 0) else {
            return;
        };
        if !self.last.is_empty() {
            self.close(Vec::new());
        }
        self.full_len += piece.len;
        if is_new {
            self.full_made += piece.bytes.len();
        }
        let form = Arc::clone(form);
        self.full.push(Page::Form { form, part, is_new });
    }

    /// How many bytes there are.
    pub(crate) fn len(&self) -> usize {
        self.full_len + self.last.len()
    }

    /// How many bytes of memory were made for them.
    pub(crate) fn made(&self) -> usize {
        self.full_made + self.last.len()
    }

    /// Throws them away.
    pub(crate) fn clear(&mut self) {
        self.full = Vec::new();
        (self.full_len, self.full_made) = (0, 0);
        self.last.clear();
    }

    /// Appends full pages to a body, if there is one that is full.
    pub(crate) async fn pass(&mut self, sink: &mut Sink) {
        self.turn();
        if !self.full.is_empty() {
            self.append_full_to(sink);
            sink.pass().await;
        }
    }

    /// Appends them to a body.
    pub(crate) fn append_to(&mut self, sink: &mut Sink) {
        self.append_full_to(sink);
        sink.text(&self.last);
        self.last.clear();
    }

    /// The same, and waits if there is no room for more.
    pub(crate) async fn flush(&mut self, sink: &mut Sink) {
        self.append_to(sink);
        sink.pass().await;
    }

    fn append_full_to(&mut self, sink: &mut Sink) {
        self.drain_full(|page| match page {
            Page::Bytes(bytes) => sink.own(bytes),
            Page::Form { form, part, is_new } => {
                if let Some(piece) = form.part(part) {
                    sink.compressed(piece, is_new);
                }
            }
        });
    }

    /// Hands each page of bytes to `write`, and is empty then.
    pub(crate) fn drain(&mut self, mut write: impl FnMut(&[u8])) {
        self.drain_full(|page| {
            if let Page::Bytes(bytes) = page {
                write(&bytes);
            }
        });
        if !self.last.is_empty() {
            write(&self.last);
            self.last.clear();
        }
    }

    fn drain_full(&mut self, take: impl FnMut(Page)) {
        (self.full_len, self.full_made) = (0, 0);
        self.full.drain(..).for_each(take);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
