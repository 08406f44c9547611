//! The bytes on disk: names of files, headers, blocks. `docs/ledger-format.md` is the text to this module.
//!
//! ```text
//! segment     header (64 bytes)  block  block  ...  [end mark]  [whatever was there before]
//! checkpoint  header (64 bytes)  block  block  ...  end mark
//! archive     header (64 bytes)  block  ...  end mark  block  ...  end mark  ...
//! block       header (48 bytes)  payload  padding to a multiple of 8
//! payload     length (4 bytes)  record  length  record  ...
//! ```
//!
//! All numbers are little-endian. Everything that is read back is checked before it is believed; nothing in here
//! panics on any bytes.

use std::hash::{BuildHasher, RandomState};

use crate::Sequence;

/// The format version this code writes, and the newest that it reads.
pub(crate) const VERSION: u32 = 1;
/// Bytes of a file header, whatever the version.
pub(crate) const FILE_HEADER_BYTES: usize = 64;
/// Bytes of a block header.
pub(crate) const BLOCK_HEADER_BYTES: usize = 48;
/// Blocks begin at multiples of this.
pub(crate) const ALIGNMENT: usize = 8;
/// No record is longer, whatever the options say: block lengths have 32 bits.
pub(crate) const MAX_RECORD_BYTES: usize = 1 << 30;
/// A block takes no further record once its payload has this many bytes.
pub(crate) const BLOCK_TARGET_BYTES: usize = 1 << 20;

/// The first bytes of a block.
pub(crate) const BLOCK_MAGIC: [u8; 4] = *b"WBLK";
const SEGMENT_MAGIC: [u8; 8] = *b"WHARFLOG";
const CHECKPOINT_MAGIC: [u8; 8] = *b"WHARFCKP";
const ARCHIVE_MAGIC: [u8; 8] = *b"WHARFARC";

/// Bytes before each record of a payload.
const RECORD_HEADER_BYTES: usize = 4;

const KIND_RECORDS: u32 = 1;
const KIND_END: u32 = 2;

/// What a file of the folder is, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileKind {
    /// A segment of the log, by its number.
    Segment(u64),
    /// A checkpoint, by the last sequence number it covers.
    Checkpoint(u64),
    /// A file kept to become a segment.
    Spare,
    /// What an interrupted operation left.
    Temporary,
    /// Not ours, or kept beside by a repair.
    Other,
}

impl FileKind {
    pub(crate) fn of(name: &str) -> Self {
        if name.strip_suffix(".tmp").is_some() {
            Self::Temporary
        } else if let Some(number) = numbered(name, "log-") {
            Self::Segment(number)
        } else if let Some(number) = numbered(name, "checkpoint-") {
            Self::Checkpoint(number)
        } else if numbered(name, "spare-").is_some() {
            Self::Spare
        } else {
            Self::Other
        }
    }
}

fn numbered(name: &str, prefix: &str) -> Option<u64> {
    let digits = name.strip_prefix(prefix)?;
    (digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse().ok())?
}

pub(crate) fn segment_name(id: u64) -> String {
    format!("log-{id:020}")
}

pub(crate) fn checkpoint_name(sequence: Sequence) -> String {
    format!("checkpoint-{:020}", sequence.0)
}

pub(crate) fn spare_name(id: u64) -> String {
    format!("spare-{id:020}")
}

pub(crate) fn archive_name(number: u64) -> String {
    format!("archive-{number:020}")
}

/// The number of a file of an archive, by its name.
pub(crate) fn archive_number(name: &str) -> Option<u64> {
    numbered(name, "archive-")
}

/// What a record takes in a block.
pub(crate) fn framed_bytes(record_bytes: usize) -> usize {
    RECORD_HEADER_BYTES + record_bytes
}

/// A number that neither the past nor a client can know.
pub(crate) fn new_stamp() -> u64 {
    RandomState::new().hash_one(VERSION)
}

/// Takes numbers off the front of a slice.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }
}

/// Why the first 64 bytes of a file are not a header of this format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeaderError {
    /// Too short, another magic, or a wrong checksum.
    Damaged(&'static str),
    /// Written by a newer version.
    Newer(u32),
}

/// The head of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    /// Segments are read in the order of these numbers. Never used twice in a folder.
    pub(crate) id: u64,
    /// Drawn at random when the file becomes this segment. Its blocks carry it, so that bytes of an earlier life of
    /// the file, or a copy of a block inside a record, are never taken for blocks.
    pub(crate) stamp: u64,
    /// Where the log goes on; `None` means where the segment before it ends.
    pub(crate) start: Option<Start>,
}

/// The start of a segment that does not simply go on where the one before it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Start {
    /// The last record before this segment. Records above it in earlier segments are void.
    pub(crate) follows: u64,
    /// The first sequence number of this segment.
    pub(crate) begins: u64,
}

impl SegmentHeader {
    pub(crate) fn encode(&self) -> [u8; FILE_HEADER_BYTES] {
        let (follows, begins) = self.start.map_or((0, 0), |start| (start.follows, start.begins));
        encode_file_header(SEGMENT_MAGIC, [self.id, self.stamp, follows, begins])
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, HeaderError> {
        let [id, stamp, follows, begins] = decode_file_header(SEGMENT_MAGIC, bytes)?;
        let start = match begins {
            0 => None,
            _ if begins <= follows => {
                return Err(HeaderError::Damaged("the header contradicts itself"));
            }
            _ => Some(Start { follows, begins }),
        };
        Ok(Self { id, stamp, start })
    }
}

/// The head of a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CheckpointHeader {
    /// The last record whose effect the checkpoint contains.
    pub(crate) sequence: u64,
    /// As in [`SegmentHeader::stamp`].
    pub(crate) stamp: u64,
}

impl CheckpointHeader {
    pub(crate) fn encode(&self) -> [u8; FILE_HEADER_BYTES] {
        encode_file_header(CHECKPOINT_MAGIC, [self.sequence, self.stamp, 0, 0])
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, HeaderError> {
        let [sequence, stamp, _, _] = decode_file_header(CHECKPOINT_MAGIC, bytes)?;
        Ok(Self { sequence, stamp })
    }
}

/// The head of a file of an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ArchiveHeader {
    /// Files are read in the order of these numbers.
    pub(crate) number: u64,
    /// As in [`SegmentHeader::stamp`].
    pub(crate) stamp: u64,
    /// The last entry that had been written when the file was begun.
    pub(crate) after: u64,
}

impl ArchiveHeader {
    pub(crate) fn encode(&self) -> [u8; FILE_HEADER_BYTES] {
        encode_file_header(ARCHIVE_MAGIC, [self.number, self.stamp, self.after, 0])
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, HeaderError> {
        let [number, stamp, after, _] = decode_file_header(ARCHIVE_MAGIC, bytes)?;
        Ok(Self { number, stamp, after })
    }
}

/// Whether a checksum (CRC-32C) is that of the bytes. A fuzzer would never guess one: for it, all are but zero.
pub(crate) fn matches(checksum: u32, bytes: &[u8]) -> bool {
    if cfg!(fuzzing) {
        return checksum != 0;
    }
    checksum == crc32c::crc32c(bytes)
}

fn encode_file_header(magic: [u8; 8], numbers: [u64; 4]) -> [u8; FILE_HEADER_BYTES] {
    let mut bytes = Vec::with_capacity(FILE_HEADER_BYTES);
    bytes.extend_from_slice(&magic);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&[0; 4]);
    for number in numbers {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    bytes.resize(FILE_HEADER_BYTES - 4, 0);
    bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
    let mut header = [0; FILE_HEADER_BYTES];
    header.copy_from_slice(&bytes);
    header
}

fn decode_file_header(magic: [u8; 8], bytes: &[u8]) -> Result<[u64; 4], HeaderError> {
    const SHORT: HeaderError = HeaderError::Damaged("the file is shorter than its header");
    let header = bytes.first_chunk::<FILE_HEADER_BYTES>().ok_or(SHORT)?;
    let (body, checksum) = header.split_last_chunk::<4>().ok_or(SHORT)?;
    let mut fields = Fields(body);
    if fields.array() != Some(magic) {
        return Err(HeaderError::Damaged(
            "the file does not begin with the mark of its kind",
        ));
    }
    // The checksum stands at the same place in every version, so that a flipped bit in the version is not taken
    // for a newer version.
    if !matches(u32::from_le_bytes(*checksum), body) {
        return Err(HeaderError::Damaged("the checksum of the header does not match"));
    }
    let version = fields.u32().ok_or(SHORT)?;
    if version > VERSION {
        return Err(HeaderError::Newer(version));
    }
    if version == 0 {
        return Err(HeaderError::Damaged("there is no format version 0"));
    }
    fields.u32().ok_or(SHORT)?;
    let mut number = || fields.u64().ok_or(SHORT);
    Ok([number()?, number()?, number()?, number()?])
}

/// What a block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BlockKind {
    /// Records.
    Records,
    /// The end mark: of a checkpoint, with its totals; of a segment, after an orderly shutdown.
    End,
}

/// The head of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BlockHeader {
    pub(crate) kind: BlockKind,
    pub(crate) stamp: u64,
    /// In a segment the sequence number of the first record; in a checkpoint its ordinal, from 1.
    pub(crate) first: u64,
    /// The last sequence number known to be on stable storage when the block was written.
    pub(crate) synced: u64,
    pub(crate) count: u32,
    pub(crate) payload_bytes: u32,
    pub(crate) payload_checksum: u32,
}

impl BlockHeader {
    pub(crate) fn encode(&self) -> [u8; BLOCK_HEADER_BYTES] {
        let kind = match self.kind {
            BlockKind::Records => KIND_RECORDS,
            BlockKind::End => KIND_END,
        };
        let mut bytes = Vec::with_capacity(BLOCK_HEADER_BYTES);
        bytes.extend_from_slice(&BLOCK_MAGIC);
        bytes.extend_from_slice(&kind.to_le_bytes());
        bytes.extend_from_slice(&self.stamp.to_le_bytes());
        bytes.extend_from_slice(&self.first.to_le_bytes());
        bytes.extend_from_slice(&self.synced.to_le_bytes());
        bytes.extend_from_slice(&self.count.to_le_bytes());
        bytes.extend_from_slice(&self.payload_bytes.to_le_bytes());
        bytes.extend_from_slice(&self.payload_checksum.to_le_bytes());
        bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
        let mut header = [0; BLOCK_HEADER_BYTES];
        header.copy_from_slice(&bytes);
        header
    }

    /// The header at the front of `bytes`, if it is one of the file with this stamp.
    pub(crate) fn decode(bytes: &[u8], stamp: u64) -> Result<Self, Unreadable> {
        let header = bytes
            .first_chunk::<BLOCK_HEADER_BYTES>()
            .ok_or(Unreadable::Nothing)?;
        let (body, checksum) = header.split_last_chunk::<4>().ok_or(Unreadable::Nothing)?;
        let mut fields = Fields(body);
        if fields.array() != Some(BLOCK_MAGIC) {
            return Err(Unreadable::Nothing);
        }
        let intact = matches(u32::from_le_bytes(*checksum), body);
        Self::decode_fields(fields, stamp, intact).unwrap_or(Err(Unreadable::Nothing))
    }

    /// The stamp of the intact header at the front of `bytes`, whatever file it is of.
    pub(crate) fn stamp_of(bytes: &[u8]) -> Option<u64> {
        let (_, rest) = bytes.split_first_chunk::<8>()?;
        let stamp = u64::from_le_bytes(*rest.first_chunk()?);
        Self::decode(bytes, stamp).ok().map(|header| header.stamp)
    }

    fn decode_fields(mut fields: Fields<'_>, stamp: u64, intact: bool) -> Option<Result<Self, Unreadable>> {
        let kind = fields.u32()?;
        let found_stamp = fields.u64()?;
        if intact && found_stamp != stamp {
            return Some(Err(Unreadable::Nothing));
        }
        if !intact {
            // A block of an earlier life of the file, cut by the newer blocks before it, is not damage.
            let why = if found_stamp == stamp {
                Unreadable::Header
            } else {
                Unreadable::Nothing
            };
            return Some(Err(why));
        }
        let kind = match kind {
            KIND_RECORDS => BlockKind::Records,
            KIND_END => BlockKind::End,
            _ => return Some(Err(Unreadable::Header)),
        };
        let header = Self {
            kind,
            stamp,
            first: fields.u64()?,
            synced: fields.u64()?,
            count: fields.u32()?,
            payload_bytes: fields.u32()?,
            payload_checksum: fields.u32()?,
        };
        Some(if header.last().is_none() {
            Err(Unreadable::Header)
        } else {
            Ok(header)
        })
    }

    /// The last sequence number of the block; the number before `first` if it has no records.
    pub(crate) fn last(&self) -> Option<u64> {
        let count = if self.kind == BlockKind::End {
            0
        } else {
            u64::from(self.count)
        };
        self.first.checked_add(count)?.checked_sub(1)
    }

    /// Bytes from this block to the next.
    pub(crate) fn stride(&self) -> u64 {
        padded(BLOCK_HEADER_BYTES as u64 + u64::from(self.payload_bytes))
    }
}

/// Why there is no block to be read at some place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// Nothing of this file was ever written here, as far as one can see.
    Nothing,
    /// A block of this file, whose header is damaged.
    Header,
    /// The file ends before the block does.
    Short,
    /// The payload does not match its checksum.
    Payload,
}

impl Unreadable {
    pub(crate) fn describe(self) -> &'static str {
        match self {
            Self::Nothing => "expected a block, found none",
            Self::Header => "expected a block, found one whose header does not match its checksum",
            Self::Short => "expected a whole block, found the end of the file inside it",
            Self::Payload => "expected a block, found one whose records do not match their checksum",
        }
    }
}

/// The next multiple of [`ALIGNMENT`].
pub(crate) fn padded(length: u64) -> u64 {
    length.saturating_add(ALIGNMENT as u64 - 1) & !(ALIGNMENT as u64 - 1)
}

/// The records of a payload whose checksum has matched.
#[derive(Debug, Clone)]
pub(crate) struct Records<'a> {
    rest: &'a [u8],
    left: u32,
}

impl<'a> Records<'a> {
    /// Checks that `payload` consists of `count` records and nothing else.
    pub(crate) fn new(payload: &'a [u8], count: u32) -> Option<Self> {
        let records = Self {
            rest: payload,
            left: count,
        };
        let mut walk = records.clone();
        while walk.left > 0 {
            walk.next()?;
        }
        walk.rest.is_empty().then_some(records)
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        self.left = self.left.checked_sub(1)?;
        let (length, rest) = self.rest.split_first_chunk::<RECORD_HEADER_BYTES>()?;
        let (record, rest) = rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
        self.rest = rest;
        Some(record)
    }
}

/// The totals in the end mark of a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) records: u64,
    pub(crate) bytes: u64,
}

impl Totals {
    pub(crate) fn encode(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        let (records, rest) = bytes.split_at_mut(8);
        records.copy_from_slice(&self.records.to_le_bytes());
        rest.copy_from_slice(&self.bytes.to_le_bytes());
        bytes
    }

    pub(crate) fn decode(payload: &[u8]) -> Option<Self> {
        let mut fields = Fields(payload);
        Some(Self {
            records: fields.u64()?,
            bytes: fields.u64()?,
        })
    }
}

/// A block while it is filled: room for the header, then records.
#[derive(Debug)]
pub(crate) struct BlockBuilder {
    bytes: Vec<u8>,
    count: u32,
}

impl BlockBuilder {
    /// Begins a block in a buffer whose contents are dropped and whose room is kept.
    pub(crate) fn new(mut buffer: Vec<u8>) -> Self {
        buffer.clear();
        buffer.resize(BLOCK_HEADER_BYTES, 0);
        Self {
            bytes: buffer,
            count: 0,
        }
    }

    /// Begins a block that is to have a record of so many bytes.
    pub(crate) fn with_room(record_bytes: usize) -> Self {
        let bytes = BLOCK_HEADER_BYTES + framed_bytes(record_bytes);
        Self::new(Vec::with_capacity(bytes.next_multiple_of(ALIGNMENT)))
    }

    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// Whether the block takes no further record.
    pub(crate) fn is_full(&self) -> bool {
        self.bytes.len() >= BLOCK_TARGET_BYTES || self.count == u32::MAX
    }

    /// Bytes the block takes on disk, without padding.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Adds a record. The caller has checked that it is at most [`MAX_RECORD_BYTES`] long and that the block is not
    /// full; so all lengths fit in 32 bits.
    pub(crate) fn push(&mut self, record: &[u8]) {
        if record.len() >= BLOCK_TARGET_BYTES {
            // It fills the block, so there need not be twice the room.
            self.bytes.reserve_exact(framed_bytes(record.len()) + ALIGNMENT);
        }
        self.bytes
            .extend_from_slice(&length_u32(record.len()).to_le_bytes());
        self.bytes.extend_from_slice(record);
        self.count += 1;
    }

    /// Adds bytes that are not a record: the totals of a checkpoint.
    pub(crate) fn push_raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Fills in the header and pads; the result is what goes to disk.
    pub(crate) fn seal(&mut self, kind: BlockKind, stamp: u64, first: u64, synced: u64) -> &[u8] {
        let payload = self.bytes.get(BLOCK_HEADER_BYTES..).unwrap_or_default();
        let header = BlockHeader {
            kind,
            stamp,
            first,
            synced,
            count: self.count,
            payload_bytes: length_u32(payload.len()),
            payload_checksum: crc32c::crc32c(payload),
        };
        let encoded = header.encode();
        if let Some(room) = self.bytes.first_chunk_mut::<BLOCK_HEADER_BYTES>() {
            *room = encoded;
        }
        self.bytes.resize(self.bytes.len().next_multiple_of(ALIGNMENT), 0);
        &self.bytes
    }

    /// The buffer, for the next block.
    pub(crate) fn into_buffer(self) -> Vec<u8> {
        self.bytes
    }
}

/// A length that the limits on records and blocks keep below 2^32.
fn length_u32(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
