//! Two lists of leaves become one.

use std::sync::Arc;
use std::vec::IntoIter;

use wharf_model::GroupingKey;

use super::marks::Tag;
use super::{Fragment, Leaf, MAX_FRAGMENTS, MAX_TEXT_BYTES};
use crate::memory::rendered_text::roomy;

/// A leaf that is made of others is filled to three quarters, as leaves that have grown are in the middle: so the next push does not
/// divide it.
const FILL_TEXT_BYTES: usize = MAX_TEXT_BYTES / 4 * 3;
const FILL_FRAGMENTS: usize = MAX_FRAGMENTS / 4 * 3;

/// Makes one list of two, which have no group in common; each is in the order of keys, and so is what is handed to `push`. Leaves go one
/// by one, so that there is hardly more memory in use than before.
pub(in crate::memory) fn merge(
    first: Vec<Arc<Leaf>>,
    second: Vec<Arc<Leaf>>,
    mut push: impl FnMut(Arc<Leaf>),
) {
    let (mut first, mut second) = (Source::new(first), Source::new(second));
    let mut filling = Leaf::default();
    loop {
        let (source, other) = match (first.key(), second.key()) {
            (Some(one), Some(other)) if one < other => (&mut first, &second),
            (Some(_), None) => (&mut first, &second),
            (_, Some(_)) => (&mut second, &first),
            (None, None) => break,
        };
        if let Some(whole) = source.take_whole(other.key()) {
            if !filling.is_empty() {
                push(Arc::new(std::mem::take(&mut filling).fitted()));
            }
            push(whole);
            continue;
        }
        if !source.put_next_into(&mut filling) {
            push(Arc::new(std::mem::take(&mut filling).fitted()));
            source.put_next_into(&mut filling);
        }
    }
    if !filling.is_empty() {
        push(Arc::new(filling.fitted()));
    }
}

/// The fragments of leaves, one after the other.
struct Source {
    leaves: IntoIter<Arc<Leaf>>,
    fragments: IntoIter<Fragment>,
    /// Bytes of text of each fragment of the leaf, and those that have gone.
    lengths: Vec<usize>,
    gone: usize,
    text: Vec<u8>,
    start: usize,
    /// The leaf without its fragments and its text.
    rest: Leaf,
}

impl Source {
    fn new(leaves: Vec<Arc<Leaf>>) -> Self {
        let mut source = Self {
            leaves: leaves.into_iter(),
            fragments: Vec::new().into_iter(),
            lengths: Vec::new(),
            gone: 0,
            text: Vec::new(),
            start: 0,
            rest: Leaf::default(),
        };
        source.fetch();
        source
    }

    fn fetch(&mut self) {
        while self.fragments.len() == 0
            && let Some(leaf) = self.leaves.next()
        {
            let mut leaf = Arc::unwrap_or_clone(leaf);
            self.text = std::mem::take(leaf.piece.text_mut());
            self.lengths = leaf.marks.lengths().collect();
            self.fragments = std::mem::take(&mut leaf.fragments).into_iter();
            (self.gone, self.start) = (0, 0);
            self.rest = leaf;
        }
    }

    fn key(&self) -> Option<&GroupingKey> {
        self.fragments.as_slice().first().map(|fragment| &fragment.key)
    }

    /// The leaf as it is, if none of it has gone and all of it comes before this key of the other list: so it need not be copied.
    fn take_whole(&mut self, other: Option<&GroupingKey>) -> Option<Arc<Leaf>> {
        let last = self.fragments.as_slice().last()?;
        if self.gone > 0 || other.is_some_and(|other| *other < last.key) {
            return None;
        }
        let mut leaf = std::mem::take(&mut self.rest);
        *leaf.piece.text_mut() = std::mem::take(&mut self.text);
        leaf.fragments = std::mem::take(&mut self.fragments).collect();
        self.fetch();
        Some(Arc::new(leaf.fitted()))
    }

    /// Puts the next fragment behind those of the leaf, unless that is full.
    fn put_next_into(&mut self, leaf: &mut Leaf) -> bool {
        let length = self.lengths.get(self.gone).copied().unwrap_or(0);
        let is_full = leaf.text_len() + length > FILL_TEXT_BYTES || leaf.len() >= FILL_FRAGMENTS;
        if is_full && !leaf.is_empty() {
            return false;
        }
        if let Some(fragment) = self.fragments.next() {
            let text = self.text.get(self.start..self.start + length);
            leaf.piece.text_mut().extend_from_slice(text.unwrap_or_default());
            leaf.marks.push(Tag::of(&fragment.key), length);
            leaf.utf8_names |= fragment.shape.utf8_names;
            leaf.fragments.push(fragment);
            self.gone += 1;
            self.start += length;
        }
        self.fetch();
        true
    }
}

impl Leaf {
    /// Without the room that it has grown by, but for what the next push needs.
    fn fitted(mut self) -> Self {
        let text = self.piece.text_mut();
        text.shrink_to(roomy(text.len()));
        self.fragments.shrink_to_fit();
        self.marks.shrink_to_fit();
        self
    }
}
