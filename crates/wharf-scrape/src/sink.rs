//! What takes the text of a body in order and makes its parts.

use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;
use wharf_store::{Leaf, RenderedText};

use crate::format::Compression;
use crate::gzip::Gzip;
use crate::output::{Output, SHARE_BYTES};

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

impl AsRef<[u8]> for SharedPiece {
    fn as_ref(&self) -> &[u8] {
        self.piece().text()
    }
}

/// A body as far as it is.
pub(crate) enum Sink {
    Identity(Output),
    Gzip(Gzip),
    Zstd(Box<zstd::stream::write::Encoder<'static, Vec<u8>>>),
}

impl Sink {
    /// An empty body.
    pub(crate) fn new(compression: Compression) -> Self {
        let zstd = || zstd::stream::write::Encoder::new(Vec::new(), 1).map(Box::new);
        match compression {
            Compression::Identity => Self::Identity(Output::default()),
            Compression::Gzip => Self::Gzip(Gzip::new()),
            Compression::Zstd => Self::Zstd(zstd().expect("the level is one that the library has")),
        }
    }

    /// Appends text that is made for this body.
    pub(crate) fn text(&mut self, text: &[u8]) {
        match self {
            Self::Identity(output) => output.copy(text),
            Self::Gzip(gzip) => gzip.text(text),
            Self::Zstd(encoder) => encoder.write_all(text).expect("writing to memory succeeds"),
        }
    }

    /// Appends text of the store.
    pub(crate) fn piece(&mut self, shared: &SharedPiece) {
        match self {
            Self::Identity(output) if shared.as_ref().len() < SHARE_BYTES => output.copy(shared.as_ref()),
            Self::Identity(output) => output.share(Bytes::from_owner(shared.share())),
            Self::Gzip(gzip) => gzip.piece(shared.piece()),
            Self::Zstd(_) => self.text(shared.as_ref()),
        }
    }

    /// How many leaves were compressed for this body, as far as it is.
    pub(crate) fn recompressed(&self) -> u64 {
        match self {
            Self::Gzip(gzip) => gzip.recompressed(),
            Self::Identity(_) | Self::Zstd(_) => 0,
        }
    }

    /// The whole body; no part is empty.
    pub(crate) fn finish(self) -> Vec<Bytes> {
        match self {
            Self::Identity(output) => output.into_parts(),
            Self::Gzip(gzip) => gzip.finish(),
            Self::Zstd(encoder) => {
                let frame = encoder.finish().expect("writing to memory succeeds");
                vec![frame.into()]
            }
        }
    }
}
