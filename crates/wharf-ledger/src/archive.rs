//! Entries of records that are kept for a while, and then go, the oldest first: what was removed and may be wanted back.
//!
//! Each entry has a number, that of the record of the ledger that it belongs to, and is one or more records. Entries are
//! appended to files of a folder of their own. When the files together are longer than they may be, the oldest one goes with
//! all of its entries. `docs/ledger-format.md` has the bytes.
//!
//! What always holds:
//!
//! - An entry that was synced is found after any power cut, unless it has gone; one that was not is found whole or not at all.
//! - Entries are found in the order in which they were appended.
//! - [`Archive::last`] never goes back, also when all entries have gone: so whoever reads a ledger again knows which of its
//!   records had an entry.
//! - Damage costs the entries behind it in the same file. It is told, and stops nothing.

mod entry;
mod find;
mod read;

use std::{collections::VecDeque, io, sync::Arc};

use self::entry::File;
pub use self::entry::{ArchiveDamage, ArchiveError, Place};
pub use self::find::ArchivedEntry;
pub use self::read::EntryReader;
use crate::{
    Sequence,
    disk::{Disk, DiskFile},
    error::{DiskError, During},
    format::{self, ArchiveHeader, BlockBuilder, BlockKind, FILE_HEADER_BYTES, MAX_RECORD_BYTES, Totals},
};

const ACTION: &str = "write archive";

/// So much of the bound has one file: as much may go at once before it would have to.
const FILES: u64 = 16;
/// A file has at least so many bytes before the next one is begun, however small the bound is.
const SMALLEST_FILE_BYTES: u64 = 64 << 10;
/// And at most so many, but for an entry that is longer by itself.
const LARGEST_FILE_BYTES: u64 = 16 << 20;

/// See the head of this file.
#[derive(Debug)]
pub struct Archive {
    disk: Arc<dyn Disk>,
    max_bytes: u64,
    files: VecDeque<File>,
    /// Open, if the last of the files is still written to.
    active: Option<Box<dyn DiskFile>>,
    /// Whether the next entry begins another file.
    is_full: bool,
    /// Whether entries have been appended that are not synced; and whether it is known that some never will be.
    is_dirty: bool,
    has_lost: bool,
    /// The number of the next file.
    next: u64,
    last: Sequence,
    buffer: Vec<u8>,
}

impl Archive {
    /// Reads the archive of a folder, in which nobody else writes, and tells `visit` of each entry. What is damaged is told
    /// beside it.
    ///
    /// A file that was begun or written to and not finished is cut. One whose header cannot be read is set aside, with
    /// `.damaged` behind its name.
    ///
    /// # Errors
    /// If the disk fails. What was visited then is to be forgotten.
    pub fn open(
        disk: Arc<dyn Disk>,
        max_bytes: u64,
        visit: &mut dyn FnMut(ArchivedEntry<'_>),
    ) -> Result<(Self, Vec<ArchiveDamage>), DiskError> {
        let found = find::all(&*disk, visit)?;
        let mut archive = Self {
            files: found.files.into(),
            next: found.next,
            last: found.last,
            ..Self::new(disk, max_bytes)
        };
        // The bound may be another one than that of before.
        archive.drop_oldest_beyond(0);
        Ok((archive, found.damage))
    }

    /// An archive of a folder in which there is nothing.
    pub fn new(disk: Arc<dyn Disk>, max_bytes: u64) -> Self {
        Self {
            disk,
            max_bytes,
            files: VecDeque::new(),
            active: None,
            is_full: false,
            is_dirty: false,
            has_lost: false,
            next: 1,
            last: Sequence::default(),
            buffer: Vec::new(),
        }
    }

    /// The number of the last entry that was ever appended.
    pub fn last(&self) -> Sequence {
        self.last
    }

    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// The number of the first file that is there: entries of those before it have gone.
    pub fn first_file(&self) -> u64 {
        self.files.front().map_or(self.next, |file| file.number)
    }

    /// Begins another file with the next entry. Files go as a whole, so who wants entries to go by their age does this
    /// once in a while.
    pub fn begin_file(&mut self) {
        self.is_full = true;
    }

    /// Appends an entry, of about so many bytes. It counts only after [`Self::sync`]. The oldest files go if there are too
    /// many bytes.
    ///
    /// # Errors
    /// If it is too long or the disk fails; nothing of it is kept then.
    pub fn append(
        &mut self,
        id: Sequence,
        about_bytes: u64,
        records: &mut dyn Iterator<Item = Vec<u8>>,
    ) -> Result<Place, ArchiveError> {
        if about_bytes > self.max_bytes {
            let max_bytes = self.max_bytes;
            return Err(ArchiveError::TooLarge { max_bytes });
        }
        let limit = (self.max_bytes / FILES).clamp(SMALLEST_FILE_BYTES, LARGEST_FILE_BYTES);
        let is_full = |file: &File| {
            file.bytes > FILE_HEADER_BYTES as u64 && file.bytes.saturating_add(about_bytes) > limit
        };
        if self.active.is_none() || self.is_full || self.files.back().is_some_and(is_full) {
            self.begin()?;
        }
        let written = self.write(id, records);
        if written.is_err() {
            self.give_up();
        }
        let place = written?;
        self.is_dirty = true;
        self.last = self.last.max(id);
        Ok(place)
    }

    /// Waits until all entries are on stable storage.
    ///
    /// # Errors
    /// If the disk fails. Nobody knows then which of those are that were appended since the last time.
    pub fn sync(&mut self) -> Result<(), DiskError> {
        let is_dirty = std::mem::take(&mut self.is_dirty);
        let name = self.files.back().map(File::name).unwrap_or_default();
        let synced = match &self.active {
            _ if std::mem::take(&mut self.has_lost) => Err(io::Error::other("an earlier sync has failed")),
            Some(active) if is_dirty => active.sync_data(),
            _ => Ok(()),
        };
        if synced.is_err() {
            self.active = None;
        }
        synced.during("sync archive", &name)
    }

    /// Reads an entry.
    ///
    /// # Errors
    /// If it has gone, or the disk fails.
    pub fn read(&self, place: Place) -> Result<EntryReader, ArchiveError> {
        let file = self.files.iter().find(|file| file.number == place.file);
        let file = file.ok_or(ArchiveError::Gone)?;
        EntryReader::open(&*self.disk, &file.name(), file.stamp, place.offset)
    }

    /// Lets the files before this one go, with all of their entries.
    pub fn drop_before(&mut self, file: u64) {
        while self.files.len() > 1 && self.files.front().is_some_and(|first| first.number < file) {
            self.drop_oldest();
        }
    }

    /// Lets all entries go. [`Self::last`] stays what it is.
    ///
    /// # Errors
    /// If the disk fails: there has to be a file that says which entry was the last. Nothing has gone then.
    pub fn drop_all(&mut self) -> Result<(), DiskError> {
        if self.files.is_empty() {
            return Ok(());
        }
        self.begin()?;
        let active = self.next.saturating_sub(1);
        self.drop_before(active);
        Ok(())
    }

    /// Lets all files go, and forgets which entry was the last.
    ///
    /// # Errors
    /// If the disk fails. The files are not looked at any more, and may be found again by the next start.
    pub fn clear(&mut self) -> Result<(), DiskError> {
        self.active = None;
        (self.is_dirty, self.has_lost) = (false, false);
        self.last = Sequence::default();
        let files = std::mem::take(&mut self.files);
        let removed = files.iter().map(|file| {
            let name = file.name();
            self.disk.remove(&name).during("remove archive", &name)
        });
        // Each is tried.
        removed.fold(Ok(()), Result::and)
    }

    // ---- writing ------------------------------------------------------------------------------------------

    /// Begins a file. It gets its name when its header is on stable storage.
    fn begin(&mut self) -> Result<(), DiskError> {
        // What was written to the one before may not have been synced yet.
        self.sync()?;
        (self.active, self.is_full) = (None, false);
        let file = File {
            number: self.next,
            stamp: format::new_stamp(),
            bytes: FILE_HEADER_BYTES as u64,
        };
        let header = ArchiveHeader {
            number: file.number,
            stamp: file.stamp,
            after: self.last.0,
        };
        let name = file.name();
        let temporary = format!("{name}.tmp");
        // A number is not used twice, whatever becomes of this one.
        self.next += 1;
        let begun = self.disk.create(&temporary).and_then(|created| {
            created.write_at(0, &header.encode())?;
            created.sync_data()?;
            self.disk.rename(&temporary, &name)?;
            self.disk.sync_dir()?;
            Ok(created)
        });
        if begun.is_err() {
            for name in [&temporary, &name] {
                // What stays is found again at the next start.
                drop(self.disk.remove(name));
            }
        }
        self.active = Some(begun.during("begin archive", &name)?);
        self.files.push_back(file);
        Ok(())
    }

    fn write(
        &mut self,
        id: Sequence,
        records: &mut dyn Iterator<Item = Vec<u8>>,
    ) -> Result<Place, ArchiveError> {
        let Some(File { number, bytes, .. }) = self.files.back().copied() else {
            return Err(ArchiveError::Gone);
        };
        let mut at = bytes;
        let mut block = BlockBuilder::new(std::mem::take(&mut self.buffer));
        let mut first = 1;
        let mut totals = Totals { records: 0, bytes: 0 };
        for record in records {
            if record.len() > MAX_RECORD_BYTES {
                let max_bytes = MAX_RECORD_BYTES as u64;
                return Err(ArchiveError::TooLarge { max_bytes });
            }
            block.push(&record);
            totals.records += 1;
            totals.bytes += record.len() as u64;
            if block.is_full() {
                (block, at) = self.write_block(block, BlockKind::Records, first, id, at)?;
                first = totals.records + 1;
            }
        }
        if block.count() > 0 {
            (block, at) = self.write_block(block, BlockKind::Records, first, id, at)?;
        }
        block.push_raw(&totals.encode());
        (block, at) = self.write_block(block, BlockKind::End, totals.records + 1, id, at)?;
        self.buffer = block.into_buffer();
        if self.buffer.capacity() > 2 * format::BLOCK_TARGET_BYTES {
            self.buffer = Vec::new();
        }
        if let Some(file) = self.files.back_mut() {
            file.bytes = at;
        }
        Ok(Place {
            file: number,
            offset: bytes,
        })
    }

    /// Writes a block at this offset of the last file; the buffer for the next, and where that goes.
    fn write_block(
        &mut self,
        mut block: BlockBuilder,
        kind: BlockKind,
        first: u64,
        id: Sequence,
        at: u64,
    ) -> Result<(BlockBuilder, u64), ArchiveError> {
        let (Some(file), Some(own)) = (self.files.back().copied(), &self.active) else {
            return Err(ArchiveError::Gone);
        };
        let bytes = block.seal(kind, file.stamp, first, id.0);
        let end = at + bytes.len() as u64;
        own.write_at(at, bytes).during(ACTION, &file.name())?;
        self.drop_oldest_beyond(end - file.bytes);
        if self.bytes() + (end - file.bytes) > self.max_bytes {
            let max_bytes = self.max_bytes;
            return Err(ArchiveError::TooLarge { max_bytes });
        }
        Ok((BlockBuilder::new(block.into_buffer()), end))
    }

    /// What was begun of an entry is not going to be finished.
    fn give_up(&mut self) {
        let (Some(active), Some(file)) = (self.active.take(), self.files.back()) else {
            return;
        };
        // A reader would find the end of the entry before by itself, and cut it.
        let _cut = active.set_len(file.bytes);
        if active.sync_data().is_ok() {
            self.active = Some(active);
        } else {
            self.has_lost = std::mem::take(&mut self.is_dirty);
        }
    }

    // ---- the end of entries -------------------------------------------------------------------------------

    /// Lets the oldest files go, but for the last one, until there is room for so many bytes more.
    fn drop_oldest_beyond(&mut self, more: u64) {
        while self.files.len() > 1 && self.bytes() + more > self.max_bytes {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some(file) = self.files.pop_front() {
            // What stays is found again at the next start, and goes then.
            drop(self.disk.remove(&file.name()));
        }
    }
}
