//! Lines that were read before, but for their values.

use std::hash::{BuildHasher, Hasher};

use hashbrown::{DefaultHashBuilder, HashTable};

use super::table::SeriesId;
use crate::line::known::{Parts, Tail};

/// So many lines are remembered whatever there is, and this many more for each series: one for each way in which clients write it.
const LEAST: usize = 4096;
const PER_SERIES: usize = 4;
/// Longer ones are not remembered.
const MAX_BYTES: usize = 1024;

/// What a line comes to, but for its value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    pub(super) tail: Tail,
    pub(super) rule: Option<u32>,
    /// None if a rule drops it.
    pub(super) series: Option<SeriesId>,
    pub(super) reserved_tags: u32,
    pub(super) tag_errors: u32,
    pub(super) is_tagged: bool,
}

/// What is known.
#[derive(Debug, Default)]
pub(super) struct Memo {
    lines: HashTable<Line>,
    hasher: DefaultHashBuilder,
}

#[derive(Debug)]
struct Line {
    /// Name and tail, with a colon between them: names have none.
    text: Box<[u8]>,
    known: Known,
}

impl Line {
    #[inline]
    fn is(&self, parts: Parts<'_>) -> bool {
        let Parts { name, tail, .. } = parts;
        self.text.len() == name.len() + 1 + tail.len()
            && self.text.starts_with(name)
            && self.text.ends_with(tail)
            && self.text.get(name.len()) == Some(&b':')
    }
}

impl Memo {
    #[inline]
    fn hash(hasher: &DefaultHashBuilder, name: &[u8], tail: &[u8]) -> u64 {
        let mut hash = hasher.build_hasher();
        hash.write(name);
        hash.write(tail);
        hash.finish()
    }

    #[inline]
    pub(super) fn get(&self, parts: Parts<'_>) -> Option<Known> {
        let hash = Self::hash(&self.hasher, parts.name, parts.tail);
        self.lines
            .find(hash, |line| line.is(parts))
            .map(|line| line.known)
    }

    /// Remembers a line, in place of what was known of it. If there are too many for so many series, all others are forgotten: those
    /// that still come are soon learned again.
    pub(super) fn learn(&mut self, parts: Parts<'_>, known: Known, series: usize) {
        if parts.name.len() + parts.tail.len() > MAX_BYTES {
            return;
        }
        let hash = Self::hash(&self.hasher, parts.name, parts.tail);
        if let Some(line) = self.lines.find_mut(hash, |line| line.is(parts)) {
            line.known = known;
            return;
        }
        if self.lines.len() >= LEAST + PER_SERIES * series {
            self.clear();
        }
        let line = Line {
            text: [parts.name, b":", parts.tail].concat().into(),
            known,
        };
        let hasher = &self.hasher;
        self.lines.insert_unique(hash, line, |line| {
            let at = line.text.iter().position(|byte| *byte == b':').unwrap_or(0);
            let (name, tail) = line.text.split_at(at);
            Self::hash(hasher, name, tail.get(1..).unwrap_or_default())
        });
    }

    pub(super) fn clear(&mut self) {
        self.lines = HashTable::new();
    }
}
