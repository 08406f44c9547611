//! Writing checkpoints.

use std::io;

use crate::{
    Sequence,
    disk::{Disk, DiskFile},
    error::{CheckpointError, During},
    format::{self, BlockBuilder, BlockKind, CheckpointHeader, FILE_HEADER_BYTES, MAX_RECORD_BYTES, Totals},
};

/// How much is written between two syncs, so that commits do not wait behind all of a checkpoint.
const SYNC_EVERY_BYTES: u64 = 16 << 20;
const ACTION: &str = "write checkpoint";

/// A checkpoint in the making, under a temporary name. It is nothing until [`CheckpointWriter::publish`].
#[derive(Debug)]
pub(crate) struct CheckpointWriter<'d> {
    disk: &'d dyn Disk,
    sequence: Sequence,
    stamp: u64,
    temporary: String,
    file: Box<dyn DiskFile>,
    block: BlockBuilder,
    /// Ordinal of the first record in `block`.
    first: u64,
    offset: u64,
    synced: u64,
    totals: Totals,
    published: bool,
}

impl<'d> CheckpointWriter<'d> {
    pub(crate) fn create(disk: &'d dyn Disk, sequence: Sequence) -> Result<Self, CheckpointError> {
        let temporary = format!("{}.tmp", format::checkpoint_name(sequence));
        let stamp = format::new_stamp();
        let file = disk.create(&temporary).during(ACTION, &temporary)?;
        let writer = Self {
            disk,
            sequence,
            stamp,
            temporary,
            file,
            block: BlockBuilder::new(Vec::new()),
            first: 1,
            offset: FILE_HEADER_BYTES as u64,
            synced: 0,
            totals: Totals { records: 0, bytes: 0 },
            published: false,
        };
        let header = CheckpointHeader {
            sequence: sequence.0,
            stamp,
        };
        writer
            .file
            .write_at(0, &header.encode())
            .during(ACTION, &writer.temporary)?;
        Ok(writer)
    }

    pub(crate) fn push(&mut self, record: &[u8]) -> Result<(), CheckpointError> {
        if record.len() > MAX_RECORD_BYTES {
            return Err(CheckpointError::TooLarge {
                length: record.len(),
                limit: MAX_RECORD_BYTES,
            });
        }
        self.block.push(record);
        self.totals.records += 1;
        self.totals.bytes += record.len() as u64;
        if self.block.is_full() {
            self.write(BlockKind::Records, self.sequence)?;
        }
        Ok(())
    }

    /// Writes the end mark, and waits until all is on stable storage. `through` is the last record of the log that may
    /// have had an effect on those here.
    pub(crate) fn finish(&mut self, through: Sequence) -> Result<(), CheckpointError> {
        if self.block.count() > 0 {
            self.write(BlockKind::Records, self.sequence)?;
        }
        self.block.push_raw(&self.totals.encode());
        self.write(BlockKind::End, through)?;
        self.file.sync_data().during("sync checkpoint", &self.temporary)?;
        Ok(())
    }

    /// Gives the finished checkpoint its name: from now on it counts.
    pub(crate) fn publish(mut self) -> Result<(u64, u64), CheckpointError> {
        let name = format::checkpoint_name(self.sequence);
        let named = self.disk.rename(&self.temporary, &name);
        self.published = named.is_ok();
        named
            .and_then(|()| self.disk.sync_dir())
            .during("name checkpoint", &name)?;
        Ok((self.totals.records, self.offset))
    }

    fn write(&mut self, kind: BlockKind, synced: Sequence) -> Result<(), CheckpointError> {
        let count = u64::from(self.block.count());
        let bytes = self.block.seal(kind, self.stamp, self.first, synced.0);
        let length = bytes.len() as u64;
        self.file
            .write_at(self.offset, bytes)
            .during(ACTION, &self.temporary)?;
        self.first += count;
        self.offset += length;
        let buffer = std::mem::replace(&mut self.block, BlockBuilder::new(Vec::new())).into_buffer();
        self.block = BlockBuilder::new(buffer);
        if self.offset - self.synced >= SYNC_EVERY_BYTES {
            self.file.sync_data().during("sync checkpoint", &self.temporary)?;
            self.synced = self.offset;
        }
        Ok(())
    }
}

impl Drop for CheckpointWriter<'_> {
    fn drop(&mut self) {
        if !self.published {
            // What stays is removed at the next start.
            drop(self.disk.remove(&self.temporary));
        }
    }
}

/// Removes the checkpoints before `sequence`; the newer one has all that they have.
pub(crate) fn remove_older(disk: &dyn Disk, sequence: Sequence) -> io::Result<()> {
    for name in disk.list()? {
        if matches!(format::FileKind::of(&name), format::FileKind::Checkpoint(older) if older < sequence.0) {
            disk.remove(&name)?;
        }
    }
    Ok(())
}
