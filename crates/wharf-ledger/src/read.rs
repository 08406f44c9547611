//! Reading files back, with a window that keeps memory bounded.

use std::io;

use crate::{
    disk::DiskFile,
    format::{
        self, ALIGNMENT, BLOCK_HEADER_BYTES, BLOCK_MAGIC, BlockHeader, BlockKind, FILE_HEADER_BYTES, Records,
        Unreadable,
    },
};

/// How much is read ahead.
const WINDOW_BYTES: usize = 1 << 20;

/// A block whose checksums match.
#[derive(Debug)]
pub(crate) struct Block<'a> {
    pub(crate) header: BlockHeader,
    payload: &'a [u8],
    records: Records<'a>,
}

impl<'a> Block<'a> {
    /// The records and where they stand, given where the block stands.
    pub(crate) fn records(&self, offset: u64) -> impl Iterator<Item = (u64, &'a [u8])> {
        let mut end = offset + BLOCK_HEADER_BYTES as u64;
        self.records.clone().map(move |record| {
            end += format::framed_bytes(record.len()) as u64;
            (end - record.len() as u64, record)
        })
    }

    /// What an end mark says beside its header.
    pub(crate) fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

/// A file and the part of it that is in memory.
#[derive(Debug)]
pub(crate) struct Reader {
    file: Box<dyn DiskFile>,
    length: u64,
    /// The buffer holds the bytes of the file from `start` on; only the first `filled` of it count.
    buffer: Vec<u8>,
    start: u64,
    filled: usize,
}

impl Reader {
    /// Reads a file as long as it is now.
    pub(crate) fn new(file: Box<dyn DiskFile>) -> io::Result<Self> {
        let length = file.length()?;
        Ok(Self {
            file,
            length,
            buffer: Vec::new(),
            start: 0,
            filled: 0,
        })
    }

    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// The bytes of the file header, fewer if the file is shorter.
    pub(crate) fn file_header(&mut self) -> io::Result<&[u8]> {
        let length = usize::try_from(self.length).map_or(FILE_HEADER_BYTES, |all| all.min(FILE_HEADER_BYTES));
        Ok(self.bytes(0, length)?.unwrap_or_default())
    }

    /// `length` bytes from `offset` on; `None` if the file ends before.
    pub(crate) fn bytes(&mut self, offset: u64, length: usize) -> io::Result<Option<&[u8]>> {
        let Some(end) = offset
            .checked_add(length as u64)
            .filter(|end| *end <= self.length)
        else {
            return Ok(None);
        };
        if offset < self.start || end > self.start + self.filled as u64 {
            self.fill(offset, length)?;
        }
        let Ok(skip) = usize::try_from(offset - self.start) else {
            return Ok(None);
        };
        Ok(self
            .buffer
            .get(..self.filled)
            .and_then(|filled| filled.get(skip..)?.get(..length)))
    }

    /// What is in memory from `offset` on, after reading ahead if that is less than a block header.
    fn ahead(&mut self, offset: u64) -> io::Result<&[u8]> {
        let end = self.start + self.filled as u64;
        let length = match end.checked_sub(offset) {
            Some(left) if offset >= self.start && left >= BLOCK_HEADER_BYTES as u64 => left,
            _ => self.length.saturating_sub(offset).min(WINDOW_BYTES as u64),
        };
        Ok(self
            .bytes(offset, usize::try_from(length).unwrap_or(WINDOW_BYTES))?
            .unwrap_or_default())
    }

    fn fill(&mut self, offset: u64, length: usize) -> io::Result<()> {
        let left = usize::try_from(self.length - offset).unwrap_or(usize::MAX);
        let wanted = length.max(WINDOW_BYTES).min(left);
        self.start = offset;
        self.filled = 0;
        if self.buffer.len() < wanted {
            self.buffer.resize(wanted, 0);
        }
        while self.filled < wanted {
            let room = self.buffer.get_mut(self.filled..wanted).unwrap_or_default();
            match self.file.read_at(offset + self.filled as u64, room)? {
                // The file has become shorter since its length was asked for.
                0 => break,
                read => self.filled += read,
            }
        }
        Ok(())
    }

    /// The block at `offset`.
    pub(crate) fn block(&mut self, stamp: u64, offset: u64) -> io::Result<Result<Block<'_>, Unreadable>> {
        let header = match self.block_header(stamp, offset)? {
            Ok(header) => header,
            Err(why) => return Ok(Err(why)),
        };
        let Ok(length) = usize::try_from(header.payload_bytes) else {
            return Ok(Err(Unreadable::Short));
        };
        let Some(payload) = self.bytes(offset.saturating_add(BLOCK_HEADER_BYTES as u64), length)? else {
            return Ok(Err(Unreadable::Short));
        };
        if !format::matches(header.payload_checksum, payload) {
            return Ok(Err(Unreadable::Payload));
        }
        let records = match header.kind {
            BlockKind::Records => Records::new(payload, header.count),
            BlockKind::End => Records::new(&[], 0),
        };
        Ok(records
            .map(|records| Block {
                header,
                payload,
                records,
            })
            .ok_or(Unreadable::Payload))
    }

    /// The header of the block at `offset`, whatever its payload looks like.
    pub(crate) fn block_header(
        &mut self,
        stamp: u64,
        offset: u64,
    ) -> io::Result<Result<BlockHeader, Unreadable>> {
        let bytes = self.bytes(offset, BLOCK_HEADER_BYTES)?;
        Ok(bytes.map_or(Err(Unreadable::Nothing), |bytes| {
            BlockHeader::decode(bytes, stamp)
        }))
    }

    /// The first place from `offset` on where an intact block header of this file stands.
    pub(crate) fn find_header(&mut self, stamp: u64, offset: u64) -> io::Result<Option<(u64, BlockHeader)>> {
        let mut at = format::padded(offset);
        loop {
            let window = self.ahead(at)?;
            if window.len() < BLOCK_HEADER_BYTES {
                return Ok(None);
            }
            let length = window.len();
            let candidate = window
                .chunks_exact(ALIGNMENT)
                .position(|place| place.starts_with(&BLOCK_MAGIC))
                .map(|place| at + (place * ALIGNMENT) as u64);
            let Some(candidate) = candidate else {
                at += (length - length % ALIGNMENT) as u64;
                continue;
            };
            if let Ok(header) = self.block_header(stamp, candidate)? {
                return Ok(Some((candidate, header)));
            }
            at = candidate + ALIGNMENT as u64;
        }
    }

    /// The stamp of the block at `offset`, for files whose header cannot tell it.
    pub(crate) fn guess_stamp(&mut self, offset: u64) -> io::Result<Option<u64>> {
        Ok(self
            .bytes(offset, BLOCK_HEADER_BYTES)?
            .and_then(BlockHeader::stamp_of))
    }
}
