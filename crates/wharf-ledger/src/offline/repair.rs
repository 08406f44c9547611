//! Saving what can be read of a damaged ledger.

use std::io;

use thiserror::Error;

use super::{FIRST_BLOCK, damage};
use crate::{
    CheckpointError, Damage, OpenError, Sequence,
    checkpoint::CheckpointWriter,
    disk::Disk,
    error::{DiskError, During},
    format::{
        ALIGNMENT, BlockHeader, BlockKind, CheckpointHeader, FileKind, HeaderError, SegmentHeader, Start,
    },
    read::{Block, Reader},
};

/// What [`repair`] has done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Repaired {
    /// What was damaged; `None` means that nothing was, and that nothing was changed.
    pub damage: Option<Damage>,
    /// Records of checkpoint and log that were saved.
    pub records: u64,
    /// Acknowledged records of the log that are lost, as ranges.
    pub lost: Vec<(Sequence, Sequence)>,
    /// Part of the checkpoint is lost as well.
    pub checkpoint_damaged: bool,
    /// The checkpoint that now has everything.
    pub checkpoint: Sequence,
    /// Damaged files, by the names under which they are kept.
    pub kept: Vec<String>,
}

/// Why a ledger could not be repaired. The damaged files are still there, under one name or the other.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RepairError {
    /// The ledger is in use, the disk fails, or a newer version has written a file.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The disk failed.
    #[error(transparent)]
    Io(#[from] DiskError),
    /// The new checkpoint could not be written.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}

/// Saves all acknowledged records that can be read into a new checkpoint, and keeps the damaged files beside it, with
/// `.damaged` after their names. Changes nothing if nothing is damaged.
///
/// # Errors
/// The ledger is in use, or the disk fails.
pub fn repair(disk: &dyn Disk) -> Result<Repaired, RepairError> {
    let folder = disk.describe();
    let _lock = disk
        .lock()
        .map_err(|error| OpenError::not_locked(&folder, error))?;
    let Some(damage) = damage(disk)? else {
        return Ok(Repaired::default());
    };

    let mut sources = Source::all(disk)?;
    let acknowledged = highest_synced(&mut sources)?;
    let mut salvage = Salvage::new(acknowledged);
    salvage.read(&mut sources, &mut |_| Ok(()))?;
    // A number of its own, so that no file of the damaged ledger has the same name.
    let sequence = Sequence(salvage.position.max(acknowledged).saturating_add(1));

    let mut writer = CheckpointWriter::create(disk, sequence)?;
    let mut salvage = Salvage::new(acknowledged);
    salvage.read(&mut sources, &mut |record| writer.push(record))?;
    writer.finish(sequence)?;
    writer.publish()?;

    let mut kept = Vec::new();
    for source in &sources {
        let Source { name, .. } = source;
        if source.damaged || *name == damage.file {
            let aside = format!("{name}.damaged");
            disk.rename(name, &aside).during("keep damaged file", name)?;
            kept.push(aside);
        } else {
            disk.remove(name).during("remove", name)?;
        }
    }
    disk.sync_dir().during("sync ledger folder", &folder)?;
    let Salvage {
        records,
        lost,
        checkpoint_damaged,
        ..
    } = salvage;
    Ok(Repaired {
        damage: Some(damage),
        records,
        lost,
        checkpoint_damaged,
        checkpoint: sequence,
        kept,
    })
}

/// A file to save records from.
struct Source {
    name: String,
    kind: FileKind,
    stamp: u64,
    start: Option<Start>,
    limit: u64,
    reader: Reader,
    damaged: bool,
}

impl Source {
    /// Checkpoints first, the newest of them first, then segments in order.
    fn all(disk: &dyn Disk) -> Result<Vec<Self>, DiskError> {
        let mut names = disk.list().during("list ledger folder", &disk.describe())?;
        names.sort_unstable();
        let mut checkpoints = Vec::new();
        let mut segments = Vec::new();
        for name in names {
            match FileKind::of(&name) {
                kind @ FileKind::Checkpoint(_) => checkpoints.push(Self::open(disk, name, kind)?),
                kind @ FileKind::Segment(_) => segments.push(Self::open(disk, name, kind)?),
                _ => {}
            }
        }
        let mut limit = u64::MAX;
        for segment in segments.iter_mut().rev() {
            segment.limit = limit;
            limit = segment.start.map_or(limit, |start| limit.min(start.follows));
        }
        checkpoints.reverse();
        checkpoints.append(&mut segments);
        Ok(checkpoints)
    }

    fn open(disk: &dyn Disk, name: String, kind: FileKind) -> Result<Self, DiskError> {
        const ACTION: &str = "read damaged file";
        let mut reader = disk.open(&name).and_then(Reader::new).during(ACTION, &name)?;
        let head = reader.file_header().during(ACTION, &name)?;
        let (stamp, start, damaged) = match Self::header(kind, head) {
            Ok((stamp, start)) => (stamp, start, false),
            // Without the header, only the first block can tell which blocks belong to the file.
            Err(_) => (
                reader
                    .guess_stamp(FIRST_BLOCK)
                    .during(ACTION, &name)?
                    .unwrap_or_default(),
                None,
                true,
            ),
        };
        Ok(Self {
            name,
            kind,
            stamp,
            start,
            limit: u64::MAX,
            reader,
            damaged,
        })
    }

    fn header(kind: FileKind, head: &[u8]) -> Result<(u64, Option<Start>), HeaderError> {
        match kind {
            FileKind::Segment(id) => match SegmentHeader::decode(head)? {
                header if header.id == id => Ok((header.stamp, header.start)),
                _ => Err(HeaderError::Damaged(
                    "the header says another number than the name",
                )),
            },
            _ => CheckpointHeader::decode(head).map(|header| (header.stamp, None)),
        }
    }

    fn block(&mut self, offset: u64) -> Result<Option<Block<'_>>, DiskError> {
        Ok(self
            .reader
            .block(self.stamp, offset)
            .during("read damaged file", &self.name)?
            .ok())
    }

    /// The next block from `offset` on that is wanted: where it stands.
    fn next_block(
        &mut self,
        mut offset: u64,
        wanted: impl Fn(&BlockHeader) -> bool,
    ) -> io::Result<Option<u64>> {
        loop {
            match self.reader.block(self.stamp, offset)? {
                Ok(block) if wanted(&block.header) => return Ok(Some(offset)),
                _ => {}
            }
            // Something of this file stands further on, or nothing does and this was the end.
            let Some((found, _)) = self.reader.find_header(self.stamp, offset + ALIGNMENT as u64)? else {
                return Ok(None);
            };
            offset = found;
        }
    }
}

fn highest_synced(sources: &mut [Source]) -> Result<u64, DiskError> {
    let mut highest = 0;
    for source in sources {
        if let FileKind::Checkpoint(sequence) = source.kind {
            highest = highest.max(sequence);
        }
        let mut offset = FIRST_BLOCK;
        while let Some((found, header)) = source
            .reader
            .find_header(source.stamp, offset)
            .during("read damaged file", &source.name)?
        {
            highest = highest.max(header.synced);
            offset = found + ALIGNMENT as u64;
        }
    }
    Ok(highest)
}

/// Takes a saved record.
type Keep<'k> = &'k mut dyn FnMut(&[u8]) -> Result<(), CheckpointError>;

/// The way through the readable parts of a damaged ledger.
struct Salvage {
    /// All records up to here were acknowledged.
    acknowledged: u64,
    position: u64,
    records: u64,
    lost: Vec<(Sequence, Sequence)>,
    checkpoint_damaged: bool,
}

impl Salvage {
    fn new(acknowledged: u64) -> Self {
        Self {
            acknowledged,
            position: 0,
            records: 0,
            lost: Vec::new(),
            checkpoint_damaged: false,
        }
    }

    fn read(&mut self, sources: &mut [Source], keep: Keep<'_>) -> Result<(), RepairError> {
        let mut checkpoint = None;
        for source in sources {
            match source.kind {
                // The state before the newest checkpoint says nothing about the state after it.
                FileKind::Checkpoint(_) if checkpoint.is_some() => {}
                FileKind::Checkpoint(sequence) => {
                    checkpoint = Some(sequence);
                    self.position = sequence;
                    self.read_checkpoint(source, keep)?;
                }
                _ => self.read_segment(source, checkpoint.unwrap_or(0), keep)?,
            }
        }
        self.reach(self.acknowledged);
        Ok(())
    }

    fn read_checkpoint(&mut self, source: &mut Source, keep: Keep<'_>) -> Result<(), RepairError> {
        let mut ordinal = 0;
        let mut offset = FIRST_BLOCK;
        let mut complete = false;
        while let Some(at) = source
            .next_block(offset, |block| block.first > ordinal)
            .during("read damaged file", &source.name)?
        {
            let Some(block) = source.block(at)? else { break };
            complete = block.header.kind == BlockKind::End;
            self.checkpoint_damaged |= block.header.first != ordinal + 1 || at != offset;
            ordinal = block.header.last().unwrap_or(ordinal);
            offset = at + block.header.stride();
            for (_, record) in block.records(at) {
                self.records += 1;
                keep(record)?;
            }
        }
        self.checkpoint_damaged |= !complete;
        source.damaged |= self.checkpoint_damaged;
        Ok(())
    }

    fn read_segment(
        &mut self,
        source: &mut Source,
        checkpoint: u64,
        keep: Keep<'_>,
    ) -> Result<(), RepairError> {
        if let Some(Start { follows, begins }) = source.start {
            self.reach(follows);
            self.position = self.position.max(begins - 1);
        }
        let (acknowledged, limit) = (self.acknowledged, source.limit);
        let mut position = if source.start.is_some() { self.position } else { 0 };
        let mut offset = FIRST_BLOCK;
        loop {
            let known = self.position.max(position);
            // A block after a gap counts only if it was acknowledged: then so was what is missing before it.
            let wanted = |block: &BlockHeader| {
                let Some(last) = block.last() else { return false };
                block.kind == BlockKind::Records
                    && last > position
                    && block.first <= limit
                    && (block.first <= known.saturating_add(1) || last <= acknowledged)
            };
            let Some(at) = source
                .next_block(offset, wanted)
                .during("read damaged file", &source.name)?
            else {
                return Ok(());
            };
            let damaged = at != offset;
            let Some(block) = source.block(at)? else {
                return Ok(());
            };
            let header = block.header;
            for (sequence, (_, record)) in (header.first..).zip(block.records(at)) {
                if sequence > limit || sequence <= checkpoint || sequence <= self.position {
                    continue;
                }
                self.reach(sequence - 1);
                self.position = sequence;
                self.records += 1;
                keep(record)?;
            }
            position = header.last().unwrap_or(position).min(limit);
            offset = at + header.stride();
            source.damaged |= damaged;
        }
    }

    /// Notes that the records up to `to` should have come by now.
    fn reach(&mut self, to: u64) {
        if self.position < to {
            self.lost.push((Sequence(self.position + 1), Sequence(to)));
            self.position = to;
        }
    }
}
