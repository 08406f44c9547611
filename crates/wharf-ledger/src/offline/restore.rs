//! The state as it was before some record, in a folder of its own.

use thiserror::Error;

use super::backup::files_of_a_ledger;
use super::overtaken::until_not_overtaken;
use crate::{
    BoxError, CheckpointError, OpenError, Sequence,
    checkpoint::CheckpointWriter,
    disk::Disk,
    error::DiskError,
    recover::{self, LocatedRecord, Stopped, Survey},
};

/// What [`restore`] has written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restored {
    /// The last record that it has.
    pub last: Sequence,
    /// Records, those of the checkpoint among them.
    pub records: u64,
}

/// Why nothing was restored. There is no file of a ledger in the target then.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// The disk failed.
    #[error(transparent)]
    Io(#[from] DiskError),
    /// The target has files in it.
    #[error("expected an empty folder to restore into, found `{file}` in `{folder}`")]
    NotEmpty {
        /// The target.
        folder: String,
        /// One of the files.
        file: String,
    },
    /// A checkpoint has taken what was before.
    #[error(
        "expected a record from {earliest} on, found {before}: a checkpoint has taken the place of what was before"
    )]
    TooEarly {
        /// What was asked for.
        before: Sequence,
        /// The first record before which the state is still known.
        earliest: Sequence,
    },
    /// There is no such record yet.
    #[error("expected a record up to {latest}, found {before}: the last one is {last}", latest = last.0.saturating_add(1))]
    TooLate {
        /// What was asked for.
        before: Sequence,
        /// The last record that there is.
        last: Sequence,
    },
    /// The ledger is damaged before that record, or was written by a newer version.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The new folder could not be written.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}

/// Writes what a ledger had just before a record into an empty folder. The ledger is only read, and may be in use. What is
/// damaged behind that record does not matter.
///
/// # Errors
/// [`RestoreError::TooEarly`] if the checkpoint has effects of that record or of later ones, [`RestoreError::TooLate`] if the
/// ledger does not have the one before it. Or a disk fails, the target is not empty, or the ledger is damaged.
pub fn restore(disk: &dyn Disk, into: &dyn Disk, before: Sequence) -> Result<Restored, RestoreError> {
    if let Some(file) = files_of_a_ledger(into)?.into_iter().next() {
        return Err(RestoreError::NotEmpty {
            folder: into.describe(),
            file,
        });
    }
    until_not_overtaken(|| match copy_until(disk, into, before) {
        Err(RestoreError::Open(error)) => Err(error),
        Err(RestoreError::Io(error)) => Err(OpenError::Io(error)),
        outcome => Ok(outcome),
    })?
}

/// What ends a walk that has gone far enough.
#[derive(Debug, Error)]
#[error("far enough")]
struct Enough;

fn copy_until(disk: &dyn Disk, into: &dyn Disk, before: Sequence) -> Result<Restored, RestoreError> {
    let last = Sequence(before.0.saturating_sub(1));
    // Number 0 is no checkpoint.
    let mut writer = CheckpointWriter::create(into, last.max(Sequence(1)))?;
    let mut survey = Survey::of(disk)?;
    let (mut records, mut settled, mut failed) = (0, None, None);
    let mut visit = |found: LocatedRecord<'_>| -> Result<(), BoxError> {
        if !found.checkpoint {
            settled = Some(found.settled);
            if found.sequence > last.0 || found.settled > last.0 {
                return Err(Enough.into());
            }
        }
        records += 1;
        writer.push(found.record).map_err(|error| {
            failed = Some(error);
            Enough.into()
        })
    };
    let walked = recover::recover(disk, &mut survey, &mut visit);
    if let Some(error) = failed {
        return Err(error.into());
    }
    let settled = match walked {
        Ok(recovery) if recovery.last < last => {
            return Err(RestoreError::TooLate {
                before,
                last: recovery.last,
            });
        }
        Ok(recovery) => recovery.settled.0,
        // Stopped by the visit above.
        Err(Stopped::Refused { .. }) => settled.unwrap_or_default(),
        Err(stopped) => return Err(stopped.at(disk).into()),
    };
    if last.0 < settled {
        return Err(RestoreError::TooEarly {
            before,
            earliest: Sequence(settled.saturating_add(1)),
        });
    }
    writer.finish(last)?;
    writer.publish()?;
    Ok(Restored { last, records })
}
