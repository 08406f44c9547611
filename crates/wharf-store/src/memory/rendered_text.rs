//! Text that is compressed at most once, and may be there in its compressed form alone: it is *cold* then.
//!
//! Whoever reads need not know. Cold text is expanded for its readers, who share what was expanded lately, and it stays cold. Text
//! that is changed is expanded first, and stays expanded.

use std::ops::{Deref, Range};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use crate::memory::compressed::{Compressed, compress, expand};
use crate::memory::expanded;

/// A part of the exposition: lines of text, and their compressed form once a scrape has needed it.
#[derive(Debug, Default)]
pub struct RenderedText {
    /// Empty, if it is cold.
    text: Vec<u8>,
    /// Elsewhere, since most pieces are so small that they never have one.
    compressed: OnceLock<Box<Kept>>,
}

/// The compressed form that is kept.
#[derive(Debug)]
struct Kept {
    compressed: Compressed,
    /// Whether it was expanded once, and gave the text again.
    is_proven: AtomicBool,
}

/// Some bytes of a piece, as long as somebody reads them.
#[derive(Debug, Clone)]
pub struct Lines<'a>(Source<'a>);

#[derive(Debug, Clone)]
enum Source<'a> {
    Kept(&'a [u8]),
    Cold {
        compressed: &'a Compressed,
        range: Range<usize>,
        /// The whole text, when somebody has read some of it.
        expanded: OnceLock<Arc<Vec<u8>>>,
    },
}

impl RenderedText {
    /// Of these lines.
    pub fn new(text: Vec<u8>) -> Self {
        Self {
            text,
            compressed: OnceLock::new(),
        }
    }

    /// The text.
    pub fn text(&self) -> Lines<'_> {
        self.lines(0..self.len()).unwrap_or_default()
    }

    /// The text, if it is not cold.
    pub fn warm_text(&self) -> Option<&[u8]> {
        (!self.is_cold()).then_some(&*self.text)
    }

    /// Some of the text; none, if it ends before that.
    pub(crate) fn lines(&self, range: Range<usize>) -> Option<Lines<'_>> {
        let source = match self.cold() {
            None => Source::Kept(self.text.get(range)?),
            Some(compressed) if range.start <= range.end && range.end <= compressed.len => Source::Cold {
                compressed,
                range,
                expanded: OnceLock::new(),
            },
            Some(_) => return None,
        };
        Some(Lines(source))
    }

    /// The bytes of the text.
    pub fn len(&self) -> usize {
        self.cold().map_or(self.text.len(), |compressed| compressed.len)
    }

    /// Whether there is no text.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether only the compressed form is there.
    pub fn is_cold(&self) -> bool {
        self.cold().is_some()
    }

    /// The compressed form, if that is all there is.
    fn cold(&self) -> Option<&Compressed> {
        if !self.text.is_empty() {
            return None;
        }
        let kept = self.compressed.get()?;
        Some(&kept.compressed).filter(|compressed| compressed.len > 0)
    }

    /// The compressed form, made now if no scrape has asked before; whether it was made now.
    ///
    /// Of those who ask at once, one does the work and the others wait.
    pub fn compressed(&self) -> (&Compressed, bool) {
        let mut is_new = false;
        let kept = self.compressed.get_or_init(|| {
            is_new = true;
            Box::new(Kept {
                compressed: compress(&self.text),
                is_proven: AtomicBool::new(false),
            })
        });
        (&kept.compressed, is_new)
    }

    /// Whether it can become cold.
    pub(crate) fn is_proven(&self) -> bool {
        let kept = self.compressed.get();
        kept.is_some_and(|kept| kept.is_proven.load(Relaxed))
    }

    /// Makes sure that the compressed form is there, and that it gives the text again: what is stored must not depend on
    /// compressors having no faults.
    pub(crate) fn prove(&self) {
        self.compressed();
        if let Some(kept) = self.compressed.get()
            && !self.is_cold()
        {
            let is_same = expand(&kept.compressed).is_some_and(|text| text == self.text);
            kept.is_proven.store(is_same, Relaxed);
        }
    }

    /// Drops the text, if the compressed form has been proven.
    pub(crate) fn cool(&mut self) {
        if self.is_proven() {
            self.text = Vec::new();
        }
    }

    /// The text, to change it; the compressed form is forgotten.
    pub(crate) fn text_mut(&mut self) -> &mut Vec<u8> {
        self.text = self.take_text();
        self.compressed = OnceLock::new();
        &mut self.text
    }

    fn take_text(&mut self) -> Vec<u8> {
        match self.cold() {
            None => std::mem::take(&mut self.text),
            Some(compressed) => roomy_copy(&expanded::recent_or_expand(compressed)),
        }
    }
}

/// A copy is made to be changed, so it starts without the compressed form.
impl Clone for RenderedText {
    fn clone(&self) -> Self {
        Self::new(roomy_copy(&self.text()))
    }
}

fn roomy_copy(text: &[u8]) -> Vec<u8> {
    let mut copy = Vec::with_capacity(roomy(text.len()));
    copy.extend_from_slice(text);
    copy
}

impl Default for Lines<'_> {
    fn default() -> Self {
        Self(Source::Kept(&[]))
    }
}

impl<'a> Lines<'a> {
    /// Those of text that is not cold.
    pub(crate) fn kept(text: &'a [u8]) -> Self {
        Self(Source::Kept(text))
    }

    /// How many bytes they are.
    pub(crate) fn len(&self) -> usize {
        match &self.0 {
            Source::Kept(text) => text.len(),
            Source::Cold { range, .. } => range.len(),
        }
    }

    /// So many bytes of them, and the others.
    pub(crate) fn split_at(&self, bytes: usize) -> (Self, Self) {
        let (source, others) = match &self.0 {
            Source::Kept(text) => {
                let (first, others) = text.split_at_checked(bytes).unwrap_or((text, &[]));
                (Source::Kept(first), Source::Kept(others))
            }
            Source::Cold {
                compressed,
                range,
                expanded,
            } => {
                let middle = range.start.saturating_add(bytes).min(range.end);
                let part = |range| Source::Cold {
                    compressed,
                    range,
                    expanded: expanded.clone(),
                };
                (part(range.start..middle), part(middle..range.end))
            }
        };
        (Self(source), Self(others))
    }

    /// All text that these are some of, for those who keep it; none, if the store keeps it.
    pub fn expanded(&self) -> Option<Arc<Vec<u8>>> {
        match &self.0 {
            Source::Kept(_) => None,
            Source::Cold {
                compressed, expanded, ..
            } => {
                let text = expanded.get_or_init(|| expanded::share(compressed));
                Some(Arc::clone(text))
            }
        }
    }
}

impl Deref for Lines<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Source::Kept(text) => text,
            Source::Cold {
                compressed,
                range,
                expanded,
            } => {
                let text = expanded.get_or_init(|| expanded::share(compressed));
                text.get(range.clone()).unwrap_or_default()
            }
        }
    }
}

/// The capacity for so many bytes: as much as allocators set aside for them anyway, which is the next quarter of a
/// power of two.
pub(crate) fn roomy(length: usize) -> usize {
    length.next_multiple_of((length.next_power_of_two() / 8).max(64))
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::DeflateDecoder;
    use proptest::prelude::*;

    use super::*;

    fn inflate_joined(pieces: &[&RenderedText]) -> Vec<u8> {
        let mut stream = Vec::new();
        for piece in pieces {
            stream.extend_from_slice(&piece.compressed().0.bytes);
        }
        stream.extend_from_slice(&[0x03, 0x00]); // an empty last block
        let mut text = Vec::new();
        DeflateDecoder::new(stream.as_slice())
            .read_to_end(&mut text)
            .unwrap();
        text
    }

    proptest! {
        #[test]
        #[cfg_attr(miri, ignore = "too large for an interpreter")]
        fn joined_pieces_inflate_to_the_joined_text(
            texts in prop::collection::vec("[a-c]{0,4000}|\\PC{0,300}", 0..5)
        ) {
            let pieces: Vec<RenderedText> = texts.iter().map(|text| RenderedText::new(text.clone().into_bytes())).collect();
            // In another order than they are joined in: none may refer to what was compressed before it.
            for piece in pieces.iter().rev() {
                piece.compressed();
            }
            let inflated = inflate_joined(&pieces.iter().collect::<Vec<_>>());
            prop_assert_eq!(inflated, texts.concat().into_bytes());
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "too large for an interpreter")]
    fn text_that_does_not_compress_is_complete() {
        let mut seed = 1u64;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            seed.to_le_bytes()[7]
        })
        .take(300_000)
        .collect();
        let piece = RenderedText::new(noise.clone());
        assert_eq!(inflate_joined(&[&piece]), noise);
    }

    #[test]
    fn a_changed_piece_forgets_its_compressed_form() {
        let mut piece = RenderedText::new(b"one".to_vec());
        assert!(piece.compressed().1);
        assert!(!piece.compressed().1);
        piece.text_mut().extend_from_slice(b" two");
        assert!(piece.compressed().1);
        assert_eq!(inflate_joined(&[&piece]), b"one two");
    }

    fn cold(text: &[u8]) -> RenderedText {
        let mut piece = RenderedText::new(text.to_vec());
        piece.prove();
        piece.cool();
        assert!(piece.is_cold() || text.is_empty());
        piece
    }

    #[test]
    fn cold_text_reads_as_it_was_and_is_there_when_it_is_changed() {
        let mut piece = cold(b"one\ntwo\nthree\n");
        assert_eq!((piece.len(), piece.warm_text()), (14, None));
        assert_eq!(&*piece.text(), b"one\ntwo\nthree\n");
        assert_eq!(&*piece.lines(4..8).unwrap(), b"two\n");
        assert!(piece.lines(4..15).is_none());
        let (first, rest) = piece.lines(4..14).unwrap().split_at(4);
        assert_eq!((&*first, &*rest), (&b"two\n"[..], &b"three\n"[..]));
        assert!(piece.is_cold(), "whoever reads leaves it as it is");
        assert_eq!(inflate_joined(&[&piece]), b"one\ntwo\nthree\n");
        let copy = piece.clone();
        assert_eq!(copy.warm_text().unwrap(), b"one\ntwo\nthree\n");
        piece.text_mut().truncate(4);
        assert_eq!(piece.warm_text().unwrap(), b"one\n");
        assert_eq!(inflate_joined(&[&piece]), b"one\n");
    }

    #[test]
    fn text_becomes_cold_only_when_it_is_known_that_it_comes_back() {
        let mut piece = RenderedText::new(b"one\n".to_vec());
        piece.cool();
        piece.compressed();
        piece.cool();
        assert!(!piece.is_cold());
        piece.prove();
        piece.cool();
        assert!(piece.is_cold());
        assert!(!cold(b"").is_cold());
    }
}
