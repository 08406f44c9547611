//! Tools for a ledger that nobody has open, and for reading or copying one that somebody has.

mod backup;
mod overtaken;
mod repair;
mod restore;

pub use backup::{BackupError, backup, files_of_a_ledger};
pub use overtaken::{is_overtaken, until_not_overtaken};
pub use repair::{RepairError, Repaired, repair};
pub use restore::{RestoreError, Restored, restore};

use std::io;

use crate::{
    BoxError, Damage, OpenError, Recovery, Sequence,
    disk::Disk,
    error::{DiskError, During},
    format::{FILE_HEADER_BYTES, FileKind},
    recover::{self, LocatedRecord, Stopped, Survey},
};

/// What [`check`] has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Every file of the ledger, in the order of their names.
    pub files: Vec<FileReport>,
    /// What opening the ledger would find, if it can be opened.
    pub recovery: Option<Recovery>,
    /// Why it cannot be opened: the first damaged place.
    pub damage: Option<Damage>,
}

/// A file of a ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileReport {
    /// Its name.
    pub name: String,
    /// What it is: `log segment`, `checkpoint`, `spare segment`, `leftover`, `lock`, `not part of the ledger`.
    pub kind: &'static str,
    /// Its length.
    pub bytes: u64,
}

/// A record that [`scan`] has found.
#[derive(Debug, Clone, Copy)]
pub struct FoundRecord<'a> {
    /// The file.
    pub file: &'a str,
    /// Where in the file the record begins, in bytes.
    pub offset: u64,
    /// Whether it is part of a checkpoint.
    pub checkpoint: bool,
    /// Its number; for a record of a checkpoint, that of the checkpoint.
    pub sequence: Sequence,
    /// For a record of the log, [`Recovery::settled`]; 0 for one of a checkpoint.
    pub settled: Sequence,
    /// What was appended.
    pub record: &'a [u8],
}

/// Reads everything that opening the ledger would read, changes nothing, and says what is there. The ledger may be in use.
///
/// # Errors
/// The disk fails, or a newer version has written a file. Damage is not an error but in the report.
pub fn check(disk: &dyn Disk) -> Result<Report, OpenError> {
    let scanned = until_not_overtaken(|| scan(disk, &mut |_| Ok(())));
    let (recovery, damage) = match scanned {
        Ok(recovery) => (Some(recovery), None),
        Err(OpenError::Damaged { damage, .. }) => (None, Some(damage)),
        Err(error) => return Err(error),
    };
    let files = files(disk)?;
    Ok(Report {
        files,
        recovery,
        damage,
    })
}

/// The files of the folder. Of a ledger that is in use some may go away before they are looked at; those are left out.
fn files(disk: &dyn Disk) -> Result<Vec<FileReport>, DiskError> {
    let mut files = Vec::new();
    let mut names = disk.list().during("list ledger folder", &disk.describe())?;
    names.sort_unstable();
    for name in names {
        let kind = match FileKind::of(&name) {
            FileKind::Segment(_) => "log segment",
            FileKind::Checkpoint(_) => "checkpoint",
            FileKind::Spare => "spare segment",
            FileKind::Temporary => "leftover",
            FileKind::Other if name == "lock" => "lock",
            FileKind::Other => "not part of the ledger",
        };
        match disk.open(&name).and_then(|file| file.length()) {
            Ok(bytes) => files.push(FileReport { name, kind, bytes }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            failed => drop(failed.during("look at", &name)?),
        }
    }
    Ok(files)
}

/// Calls `visit` with each record that opening the ledger would replay, and changes nothing.
///
/// # Errors
/// As [`Ledger::open`](crate::Ledger::open), without the lock; the records before a damaged place are visited first.
pub fn scan(
    disk: &dyn Disk,
    visit: &mut dyn FnMut(FoundRecord<'_>) -> Result<(), BoxError>,
) -> Result<Recovery, OpenError> {
    let mut survey = Survey::of(disk)?;
    let mut visit = |found: LocatedRecord<'_>| {
        visit(FoundRecord {
            file: found.file,
            offset: found.offset,
            checkpoint: found.checkpoint,
            sequence: Sequence(found.sequence),
            settled: Sequence(found.settled),
            record: found.record,
        })
    };
    recover::recover(disk, &mut survey, &mut visit).map_err(|stopped| stopped.at(disk))
}

/// The first block of a file.
const FIRST_BLOCK: u64 = FILE_HEADER_BYTES as u64;

/// What is damaged, or `None` if all is well.
fn damage(disk: &dyn Disk) -> Result<Option<Damage>, OpenError> {
    let mut survey = Survey::of(disk)?;
    match recover::recover(disk, &mut survey, &mut |_| Ok(())) {
        Ok(_) => Ok(None),
        Err(Stopped::Damaged(damage)) => Ok(Some(damage)),
        Err(stopped) => Err(stopped.at(disk)),
    }
}
