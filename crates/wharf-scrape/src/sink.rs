//! What takes the text of a body in order and makes its parts.
//!
//! A body need not be there as a whole: whoever wants it says how many bytes may be made and not yet taken, and the
//! rendering waits while there are as many. Bytes that are the store's own do not count.

use std::io::Write;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use wharf_store::{Compressed, Leaf, RenderedText};

use crate::format::Compression;
use crate::gzip::Gzip;
use crate::output::{Output, PART_BYTES, SHARE_BYTES};
use crate::pause::pause;

/// A piece of text that the store shares with this body.
pub(crate) enum SharedPiece {
    Header(Arc<RenderedText>),
    Leaf(Arc<Leaf>),
}

impl SharedPiece {
    fn piece(&self) -> &RenderedText {
        match self {
            Self::Header(piece) => piece,
            Self::Leaf(leaf) => leaf.piece(),
        }
    }

    fn share(&self) -> Self {
        match self {
            Self::Header(piece) => Self::Header(Arc::clone(piece)),
            Self::Leaf(leaf) => Self::Leaf(Arc::clone(leaf)),
        }
    }
}

/// Text that the store keeps as it is.
struct Warm(SharedPiece);

impl AsRef<[u8]> for Warm {
    fn as_ref(&self) -> &[u8] {
        self.0.piece().warm_text().unwrap_or_default()
    }
}

/// Text that was expanded, for the store keeps it compressed.
struct Expanded(Arc<Vec<u8>>);

impl AsRef<[u8]> for Expanded {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// What goes between a rendering that waits and whoever makes it go on.
#[derive(Debug, Default)]
pub(crate) struct Handing {
    /// What has been made and not been taken.
    pub(crate) parts: Vec<Bytes>,
    /// How many bytes of these had to be made.
    pub(crate) made: usize,
    /// How many there may be.
    pub(crate) room: usize,
}

/// [`Handing`], for both sides.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hands(Arc<Mutex<Handing>>);

impl Hands {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Handing> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A body as far as it is.
pub(crate) struct Sink {
    coding: Coding,
    hands: Hands,
    /// Made bytes that have been handed over and not been taken.
    handed: usize,
    room: usize,
}

enum Coding {
    Identity(Output),
    Gzip(Gzip),
    Zstd(Zstd),
}

struct Zstd {
    encoder: Box<zstd::stream::write::Encoder<'static, Vec<u8>>>,
    output: Output,
}

impl Zstd {
    fn text(&mut self, text: &[u8]) {
        self.encoder.write_all(text).expect("writing to memory succeeds");
        if self.encoder.get_ref().len() >= PART_BYTES {
            self.flush();
        }
    }

    fn flush(&mut self) {
        self.output.own(mem::take(self.encoder.get_mut()));
    }
}

impl Sink {
    /// An empty body, of which so many bytes may be made at first.
    pub(crate) fn new(compression: Compression, hands: Hands) -> Self {
        let zstd = || zstd::stream::write::Encoder::new(Vec::new(), 1).map(Box::new);
        let coding = match compression {
            Compression::Identity => Coding::Identity(Output::default()),
            Compression::Gzip => Coding::Gzip(Gzip::new()),
            Compression::Zstd => Coding::Zstd(Zstd {
                encoder: zstd().expect("the level is one that the library has"),
                output: Output::default(),
            }),
        };
        let room = hands.lock().room;
        Self {
            coding,
            hands,
            handed: 0,
            room,
        }
    }

    /// Appends text that is made for this body.
    pub(crate) fn text(&mut self, text: &[u8]) {
        match &mut self.coding {
            Coding::Identity(output) => output.copy(text),
            Coding::Gzip(gzip) => gzip.text(text),
            Coding::Zstd(zstd) => zstd.text(text),
        }
    }

    /// The same, copying nothing that need not be copied.
    pub(crate) fn own(&mut self, text: Vec<u8>) {
        match &mut self.coding {
            Coding::Identity(output) if text.len() >= SHARE_BYTES => output.own(text),
            _ => text.chunks(PART_BYTES).for_each(|part| self.text(part)),
        }
    }

    /// Appends text of the store.
    pub(crate) fn piece(&mut self, shared: &SharedPiece) {
        match &mut self.coding {
            Coding::Identity(output) => identical(output, shared),
            Coding::Gzip(gzip) => gzip.piece(shared.piece()),
            Coding::Zstd(zstd) => zstd.text(&shared.piece().text()),
        }
    }

    /// Appends a leaf, and waits if there is no room for more.
    pub(crate) async fn leaf(&mut self, leaf: &Arc<Leaf>) {
        if matches!(self.coding, Coding::Zstd(_)) {
            // A group may fill one alone, whatever its size.
            for part in leaf.piece().text().chunks(PART_BYTES) {
                self.text(part);
                self.pass().await;
            }
            return;
        }
        self.piece(&SharedPiece::Leaf(Arc::clone(leaf)));
        self.pass().await;
    }

    /// Appends blocks that were made for this body or were there. Only for bodies in gzip.
    pub(crate) fn compressed(&mut self, compressed: &Compressed, is_new: bool) {
        match &mut self.coding {
            Coding::Gzip(gzip) => gzip.compressed(compressed, is_new),
            Coding::Identity(_) | Coding::Zstd(_) => unreachable!("these bodies have no forms of leaves"),
        }
    }

    /// A leaf had to be compressed for this body, whose blocks come later.
    pub(crate) fn count_recompressed(&mut self) {
        if let Coding::Gzip(gzip) = &mut self.coding {
            gzip.count_recompressed();
        }
    }

    /// How many leaves were compressed for this body, as far as it is.
    pub(crate) fn recompressed(&self) -> u64 {
        match &self.coding {
            Coding::Gzip(gzip) => gzip.recompressed(),
            Coding::Identity(_) | Coding::Zstd(_) => 0,
        }
    }

    /// Whether there is no room for more, with so many bytes that are to be appended.
    pub(crate) fn is_full(&self, pending: usize) -> bool {
        let made = match &self.coding {
            Coding::Identity(output) => output.made(),
            Coding::Gzip(gzip) => gzip.made(),
            Coding::Zstd(zstd) => zstd.output.made() + zstd.encoder.get_ref().len(),
        };
        self.handed + made + pending >= self.room
    }

    /// Waits, if there is no room for more. To be called wherever more may follow than fits into a part.
    pub(crate) async fn pass(&mut self) {
        if self.is_full(0) {
            self.rest().await;
        }
    }

    /// Hands over what there is, and waits until whoever wants the body says that it goes on.
    pub(crate) async fn rest(&mut self) {
        let parts = match &mut self.coding {
            Coding::Identity(output) => output.take(),
            Coding::Gzip(gzip) => gzip.take(),
            Coding::Zstd(zstd) => {
                zstd.flush();
                zstd.output.take()
            }
        };
        {
            let mut handing = self.hands.lock();
            handing.made += parts.made;
            handing.parts.extend(parts.parts);
        }
        pause().await;
        let handing = self.hands.lock();
        (self.handed, self.room) = (handing.made, handing.room);
    }

    /// All that has not been taken; no part is empty.
    pub(crate) fn finish(self) -> Vec<Bytes> {
        let last = match self.coding {
            Coding::Identity(mut output) => output.take(),
            Coding::Gzip(gzip) => gzip.finish(),
            Coding::Zstd(Zstd { encoder, mut output }) => {
                output.own(encoder.finish().expect("writing to memory succeeds"));
                output.take()
            }
        };
        let mut parts = mem::take(&mut self.hands.lock().parts);
        if parts.is_empty() {
            return last.parts;
        }
        parts.extend(last.parts);
        parts
    }
}

/// Appends text of the store as it is.
fn identical(output: &mut Output, shared: &SharedPiece) {
    let piece = shared.piece();
    if piece.len() < SHARE_BYTES {
        output.copy(&piece.text());
        return;
    }
    match piece.text().expanded() {
        None => output.share(Bytes::from_owner(Warm(shared.share()))),
        Some(text) => {
            output.count(text.len());
            output.share(Bytes::from_owner(Expanded(text)));
        }
    }
}
