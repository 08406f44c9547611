//! A copy of a ledger that may be in use.

use thiserror::Error;

use super::FIRST_BLOCK;
use crate::{
    OpenError, Recovery,
    disk::Disk,
    error::{DiskError, During},
    format::{self, FileKind, SegmentHeader},
    read::Reader,
};

/// Why there is no copy.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BackupError {
    /// The disk failed.
    #[error(transparent)]
    Io(#[from] DiskError),
    /// The target has files in it.
    #[error("expected an empty folder for the backup, found `{file}` in `{folder}`")]
    NotEmpty {
        /// The target.
        folder: String,
        /// One of the files.
        file: String,
    },
    /// The ledger is damaged, or was written by a newer version; so is the copy.
    #[error(transparent)]
    Open(#[from] OpenError),
}

/// Copies a ledger, which may be in use meanwhile, into an empty folder. The copy is the ledger as it was at some
/// moment after the call: every record that was acknowledged before is in it.
///
/// # Errors
/// A disk fails, the target is not empty, or the ledger is damaged.
pub fn backup(disk: &dyn Disk, into: &dyn Disk) -> Result<Recovery, BackupError> {
    if let Some(file) = files_of_a_ledger(into)?.into_iter().next() {
        return Err(BackupError::NotEmpty {
            folder: into.describe(),
            file,
        });
    }
    let copied = super::until_not_overtaken(|| {
        // What an earlier attempt has left.
        for name in files_of_a_ledger(into)? {
            into.remove(&name).during("remove", &name)?;
        }
        copy(disk, into)?;
        // Files that went away or were overwritten during the copy leave a gap in it, which this finds.
        super::scan(into, &mut |_| Ok(()))
    });
    copied.map_err(|error| match error {
        OpenError::Io(error) => BackupError::Io(error),
        error => BackupError::Open(error),
    })
}

/// The files of a folder that a ledger would take for its own.
///
/// # Errors
/// If the folder cannot be read.
pub fn files_of_a_ledger(folder: &dyn Disk) -> Result<Vec<String>, DiskError> {
    let mut names = folder.list().during("list folder", &folder.describe())?;
    names.retain(|name| FileKind::of(name) != FileKind::Other);
    Ok(names)
}

fn copy(disk: &dyn Disk, into: &dyn Disk) -> Result<(), DiskError> {
    let mut names = disk.list().during("list ledger folder", &disk.describe())?;
    // Backwards: when a segment has blocks, those before it are complete. Otherwise a record could be missing at the
    // end of one segment whose successors are already in the next.
    names.sort_unstable_by(|left, right| right.cmp(left));
    for name in &names {
        match FileKind::of(name) {
            FileKind::Segment(_) => copy_segment(disk, into, name)?,
            FileKind::Checkpoint(_) => copy_checkpoint(disk, into, name)?,
            _ => {}
        }
    }
    into.sync_dir().during("sync backup folder", &into.describe())
}

fn copy_checkpoint(disk: &dyn Disk, into: &dyn Disk, name: &str) -> Result<(), DiskError> {
    let mut reader = disk
        .open(name)
        .and_then(Reader::new)
        .during("read checkpoint", name)?;
    let length = reader.length();
    copy_bytes(&mut reader, length, into, name)
}

/// Copies the part of a segment that has blocks, so that a backup is not longer than what it holds.
fn copy_segment(disk: &dyn Disk, into: &dyn Disk, name: &str) -> Result<(), DiskError> {
    const ACTION: &str = "read log segment";
    let mut reader = disk.open(name).and_then(Reader::new).during(ACTION, name)?;
    let length = reader.length();
    let header = SegmentHeader::decode(reader.file_header().during(ACTION, name)?);
    let mut end = length;
    if let Ok(header) = header {
        // A damaged block in the middle must be copied too, or the copy would look shorter but whole.
        end = FIRST_BLOCK;
        let mut offset = FIRST_BLOCK;
        while let Some((at, block)) = reader.find_header(header.stamp, offset).during(ACTION, name)? {
            end = end.max(at.saturating_add(block.stride())).min(length);
            offset = at + format::ALIGNMENT as u64;
        }
    }
    copy_bytes(&mut reader, end, into, name)
}

fn copy_bytes(reader: &mut Reader, length: u64, into: &dyn Disk, name: &str) -> Result<(), DiskError> {
    const CHUNK: u64 = 1 << 20;
    let file = into.create(name).during("create", name)?;
    let mut offset = 0;
    while offset < length {
        let chunk = usize::try_from(CHUNK.min(length - offset)).unwrap_or(1);
        let Some(bytes) = reader.bytes(offset, chunk).during("read", name)? else {
            break;
        };
        file.write_at(offset, bytes).during("write backup", name)?;
        offset += chunk as u64;
    }
    file.sync_data().during("sync backup", name)
}
