//! Large bodies lie in memory of the system, not of the allocator.
//!
//! The allocator keeps what was freed for a second, and a list that grows frees itself again and again: bodies that came
//! to 60 MiB each held twice what was in use. The pages of a mapping go back at once. Those that nobody has written to take no
//! memory, so a mapping can have room for much more than there is, and is rarely moved.

use std::fmt::{self, Debug, Formatter};
use std::io;

use bytes::Bytes;
use memmap2::{MmapMut, MmapOptions};

/// The room of the first mapping, and how many times more the next one has.
const FIRST_ROOM: usize = 16 << 20;
const GROWTH: usize = 16;

/// A list of bytes that is only ever appended to.
pub(crate) struct LargeBody {
    pages: MmapMut,
    len: usize,
}

impl LargeBody {
    /// One that begins with these bytes.
    ///
    /// # Errors
    /// If the system has no memory for it.
    pub(crate) fn beginning_with(bytes: &[u8]) -> io::Result<Self> {
        Self::with_room(FIRST_ROOM, bytes)
    }

    fn with_room(room: usize, bytes: &[u8]) -> io::Result<Self> {
        // Not reserved: nobody knows yet how much will come.
        let pages = MmapOptions::new()
            .len(room.max(bytes.len()))
            .no_reserve_swap()
            .map_anon()?;
        let mut large = Self { pages, len: 0 };
        large.append(bytes)?;
        Ok(large)
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Appends these bytes.
    ///
    /// # Errors
    /// As [`Self::room`].
    pub(crate) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.room(bytes.len())?.copy_from_slice(bytes);
        self.wrote(bytes.len());
        Ok(())
    }

    /// A place for so many bytes, behind those there are. They count when [`Self::wrote`] says so.
    ///
    /// # Errors
    /// If the system has no memory for them.
    pub(crate) fn room(&mut self, bytes: usize) -> io::Result<&mut [u8]> {
        let end = self.len.saturating_add(bytes);
        if end > self.pages.len() {
            *self = Self::with_room(self.pages.len().saturating_mul(GROWTH).max(end), self.as_ref())?;
        }
        let room = self.pages.get_mut(self.len..end);
        room.ok_or_else(|| io::ErrorKind::OutOfMemory.into())
    }

    /// So many bytes have been written to the place that [`Self::room`] gave.
    pub(crate) fn wrote(&mut self, bytes: usize) {
        self.len = self.len.saturating_add(bytes).min(self.pages.len());
    }

    pub(crate) fn freeze(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for LargeBody {
    fn as_ref(&self) -> &[u8] {
        self.pages.get(..self.len).unwrap_or_default()
    }
}

impl Debug for LargeBody {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("LargeBody")
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_that_needs_more_than_its_first_room_stays_what_it_is() {
        let piece: Vec<u8> = (0..u8::MAX).cycle().take(5 << 20).collect();
        let mut large = LargeBody::beginning_with(&piece).unwrap();
        for _ in 0..4 {
            large.append(&piece).unwrap();
        }
        assert!(large.len() > FIRST_ROOM);
        assert!(large.freeze() == piece.repeat(5));
    }

    #[test]
    fn what_was_not_written_does_not_count() {
        let mut large = LargeBody::beginning_with(b"m ").unwrap();
        let room = large.room(100).unwrap();
        room[..2].copy_from_slice(b"1\n");
        large.wrote(2);
        assert_eq!(&*large.freeze(), b"m 1\n");
    }

    #[test]
    fn memory_that_nobody_has_is_an_error() {
        let mut large = LargeBody::beginning_with(b"m 1\n").unwrap();
        assert!(large.room(usize::MAX).is_err());
        assert_eq!(large.as_ref(), b"m 1\n");
    }
}
