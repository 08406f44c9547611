//! Reading an entry back.

use super::entry::{ArchiveDamage, ArchiveError};
use crate::{disk::Disk, error::During, format::BlockKind, read::Reader};

/// The records of an entry. It goes on to read what has gone meanwhile.
#[derive(Debug)]
pub struct EntryReader {
    reader: Reader,
    name: String,
    stamp: u64,
    offset: u64,
    /// The number of the entry, and of records that were read.
    id: Option<u64>,
    read: u64,
}

impl EntryReader {
    pub(super) fn open(disk: &dyn Disk, name: &str, stamp: u64, offset: u64) -> Result<Self, ArchiveError> {
        let file = disk.open(name).during("read archive", name)?;
        let reader = Reader::new(file).during("read archive", name)?;
        Ok(Self {
            reader,
            name: name.to_owned(),
            stamp,
            offset,
            id: None,
            read: 0,
        })
    }

    /// The next records, some at a time, about a mebibyte; none at the end.
    ///
    /// # Errors
    /// If the disk fails, or what it gives is damaged.
    pub fn next_records(&mut self) -> Result<Option<Vec<Vec<u8>>>, ArchiveError> {
        let (stamp, offset) = (self.stamp, self.offset);
        let damage = |what| ArchiveDamage {
            file: self.name.clone(),
            offset,
            what,
        };
        let block = self
            .reader
            .block(stamp, offset)
            .during("read archive", &self.name)?;
        let block = block.map_err(|why| damage(why.describe()))?;
        let header = block.header;
        if self.id.is_some_and(|id| id != header.synced) || header.first != self.read + 1 {
            return Err(damage("expected the next block of an entry, found another one").into());
        }
        self.id = Some(header.synced);
        if header.kind == BlockKind::End {
            return Ok(None);
        }
        let records: Vec<Vec<u8>> = block.records(offset).map(|(_, record)| record.to_vec()).collect();
        self.read += records.len() as u64;
        self.offset = offset + header.stride();
        Ok(Some(records))
    }
}
