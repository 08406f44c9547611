//! What a search for a group's lines needs of each fragment of a leaf.
//!
//! A search that went from fragment to fragment, and from there to the keys, would wait for memory at each step. Here a
//! short hash of each key and the length of its lines lie side by side, six bytes a fragment, and many are looked at with
//! one instruction.

use std::iter;

use wharf_model::GroupingKey;

/// So many tags are compared before it is asked whether one of them was the right one.
const TOGETHER: usize = 32;

/// One tag and one length for each fragment, in the order of the fragments.
#[derive(Debug, Clone, Default)]
pub(super) struct Marks {
    tags: Vec<Tag>,
    /// Bytes of text.
    lengths: Vec<u32>,
}

/// Hash of a key: others may have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tag(u16);

impl Tag {
    /// The same in all leaves; who makes keys of equal tags makes a search as slow as the leaf is long.
    #[expect(clippy::cast_possible_truncation, reason = "half of a hash is a hash")]
    pub(super) fn of(key: &GroupingKey) -> Self {
        Self(crc32fast::hash(key.as_bytes()) as u16)
    }
}

impl Marks {
    /// Where this tag stands.
    pub(super) fn positions(&self, tag: Tag) -> impl Iterator<Item = usize> {
        let (blocks, rest) = self.tags.as_chunks::<TOGETHER>();
        // Without an early exit and in numbers as wide as a tag, so that the compiler compares many at once.
        let has = move |tags: &[Tag; TOGETHER]| {
            let found = tags
                .iter()
                .fold(0, |found, other| found | u16::from(*other == tag));
            found != 0
        };
        let blocks_with_it = (0..)
            .step_by(TOGETHER)
            .zip(blocks)
            .filter(move |(_, tags)| has(tags));
        let parts = blocks_with_it.map(|(start, tags)| (start, tags.as_slice()));
        parts
            .chain(iter::once((self.tags.len() - rest.len(), rest)))
            .flat_map(move |(start, tags)| {
                let same = (start..).zip(tags).filter(move |(_, other)| **other == tag);
                same.map(|(position, _)| position)
            })
    }

    /// The bytes of text of each fragment.
    pub(super) fn lengths(&self) -> impl Iterator<Item = usize> {
        self.lengths.iter().map(|length| *length as usize)
    }

    /// The bytes of text of a fragment.
    pub(super) fn length(&self, position: usize) -> usize {
        self.lengths.get(position).map_or(0, |length| *length as usize)
    }

    /// Where the text of a fragment begins, and how long it is.
    pub(super) fn place(&self, position: usize) -> (usize, usize) {
        let (before, rest) = self.lengths.split_at(position);
        let start = before.iter().map(|length| *length as usize).sum();
        (start, rest.first().map_or(0, |length| *length as usize))
    }

    pub(super) fn set_length(&mut self, position: usize, length: usize) {
        self.lengths[position] = u32::try_from(length).unwrap_or(u32::MAX);
    }

    /// Adds a fragment without text.
    pub(super) fn insert(&mut self, position: usize, tag: Tag) {
        self.tags.insert(position, tag);
        self.lengths.insert(position, 0);
    }

    /// Adds the last fragment, with so many bytes of text.
    pub(super) fn push(&mut self, tag: Tag, length: usize) {
        self.tags.push(tag);
        self.lengths.push(u32::try_from(length).unwrap_or(u32::MAX));
    }

    pub(super) fn remove(&mut self, position: usize) {
        self.tags.remove(position);
        self.lengths.remove(position);
    }

    /// Makes room for as many fragments more.
    pub(super) fn reserve_exact(&mut self, more: usize) {
        self.tags.reserve_exact(more);
        self.lengths.reserve_exact(more);
    }

    /// Takes the fragments from a position on away.
    pub(super) fn split_off(&mut self, position: usize) -> Self {
        let upper = Self {
            tags: self.tags.split_off(position),
            lengths: self.lengths.split_off(position),
        };
        self.tags.shrink_to_fit();
        self.lengths.shrink_to_fit();
        upper
    }

    pub(super) fn shrink_to_fit(&mut self) {
        self.tags.shrink_to_fit();
        self.lengths.shrink_to_fit();
    }

    pub(super) fn append(&mut self, upper: &Self) {
        self.tags.extend_from_slice(&upper.tags);
        self.lengths.extend_from_slice(&upper.lengths);
    }

    /// Those of the fragments that are kept.
    pub(super) fn only(&self, is_kept: impl IntoIterator<Item = bool>) -> Self {
        let marks = iter::zip(&self.tags, &self.lengths);
        let kept = marks.zip(is_kept).filter(|(_, is_kept)| *is_kept);
        let (tags, lengths) = kept.map(|((tag, length), _)| (*tag, *length)).unzip();
        Self { tags, lengths }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_of_a_tag_is_found() {
        let mut marks = Marks::default();
        let keys: Vec<_> = (0..100)
            .map(|n| GroupingKey::new([("job", format!("{}", n % 60).as_str())]).unwrap())
            .collect();
        for (position, key) in keys.iter().enumerate() {
            marks.insert(position, Tag::of(key));
            marks.set_length(position, position);
        }
        for (position, key) in keys.iter().enumerate() {
            let found: Vec<_> = marks.positions(Tag::of(key)).collect();
            let same = (0..100).filter(|other| Tag::of(&keys[*other]) == Tag::of(key));
            assert_eq!(found, same.collect::<Vec<_>>());
            assert_eq!(
                marks.place(position),
                (position * position.saturating_sub(1) / 2, position)
            );
        }
    }
}
