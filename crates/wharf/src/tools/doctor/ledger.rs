//! Whether a start could read what is stored, and who uses it now. Nothing is changed: the lock is looked up in the list of the
//! system, and not tried.

use std::fs;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::fs::{major, minor};
use wharf_ledger::{BoxError, OpenError, RealDisk};
use wharf_store::{UnixNanos, record_changes};

use super::finding::Report;
use crate::config::StorageKind;
use crate::state_file;
use crate::tools::output::counted;

const LEDGER: &str = "ledger";
const LOCK: &str = "lock";
const STATE_FILE: &str = "state-file";

/// What others want to know of it.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// When the newest push was, by what is stored.
    pub(super) newest: Option<UnixNanos>,
    /// Who has the folder open.
    pub(super) holder: Option<Holder>,
}

/// A process that has the folder open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Holder {
    /// Its number; none if it is not one of ours, as in another container.
    pub(super) process: Option<u32>,
}

/// Looks at the ledger.
pub(super) fn examine(place: &StorageKind, report: &mut Report) -> Ledger {
    let StorageKind::Folder { path, import, .. } = place else {
        return Ledger::default();
    };
    let holder = holder(path);
    // What cannot be got at has been said of the folder.
    let Ok(disk) = RealDisk::existing(path) else {
        examine_state_file(import.as_deref(), report);
        return Ledger { newest: None, holder };
    };
    match &holder {
        None => report.ok(LOCK, "no gateway has the folder open"),
        Some(Holder { process }) => {
            let who = process.map_or_else(|| "another process".to_owned(), |id| format!("process {id}"));
            report.ok(LOCK, format!("{who} has the folder open"));
        }
    }
    let is_empty = wharf_ledger::files_of_a_ledger(&disk).is_ok_and(|files| files.is_empty());
    if is_empty {
        report.ok(LEDGER, "nothing is stored yet");
        examine_state_file(import.as_deref(), report);
        return Ledger { newest: None, holder };
    }
    Ledger {
        newest: examine_records(&disk, path, report),
        holder,
    }
}

/// Reads all records, as a start would.
fn examine_records(disk: &RealDisk, path: &Path, report: &mut Report) -> Option<UnixNanos> {
    let scanned = wharf_ledger::until_not_overtaken(|| {
        let mut newest = None;
        wharf_ledger::scan(disk, &mut |found| {
            let changes = record_changes(found.record).map_err(BoxError::from)?;
            newest = newest.max(changes.iter().filter_map(|change| change.time).max());
            Ok(())
        })
        .map(|recovery| (recovery, newest))
    });
    let shown = path.display();
    match scanned {
        Ok((recovery, newest)) => {
            let records = recovery.checkpoint_records.saturating_add(recovery.log_records);
            let torn = recovery
                .torn
                .map(|torn| format!("; the end of {} was never acknowledged, and is cut", torn.file));
            report.ok(
                LEDGER,
                format!(
                    "sound: {}{}",
                    counted(records, "record", "records"),
                    torn.unwrap_or_default()
                ),
            );
            newest
        }
        Err(OpenError::Damaged { damage, .. }) => {
            report.fail(
                LEDGER,
                format!("records in {shown} as they were acknowledged"),
                damage.to_string(),
                "restore a backup, or see what `wharf ledger repair` leaves; docs/storage.md says how",
            );
            None
        }
        Err(error) => {
            report.fail(
                LEDGER,
                format!("to read what is stored in {shown}"),
                error.to_string(),
                "a start would fail with the same; the text says what is in the way",
            );
            None
        }
    }
}

/// The file of a Pushgateway that the next start is going to read.
fn examine_state_file(file: Option<&Path>, report: &mut Report) {
    let Some(file) = file else { return };
    let shown = file.display();
    let read = || {
        let mut bytes = Vec::new();
        let taken = fs::File::open(file)?
            .take(state_file::MAX_BYTES + 1)
            .read_to_end(&mut bytes)?;
        if taken as u64 > state_file::MAX_BYTES {
            return Err(io::Error::other(format!(
                "expected at most {} bytes, found more",
                state_file::MAX_BYTES
            )));
        }
        Ok(bytes)
    };
    let bytes = match read() {
        Ok(bytes) => bytes,
        // Then there is nothing to bring over.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return,
        Err(error) => {
            let hint = "let the user of the gateway read it, or move it away to start without what is in it";
            report.fail(STATE_FILE, format!("to read {shown}"), error.to_string(), hint);
            return;
        }
    };
    match state_file::read(&bytes) {
        Ok(found) => {
            let left_out = found.skipped.len() + found.more_skipped;
            let groups = counted(found.groups.len() as u64, "group", "groups");
            if left_out == 0 {
                report.ok(STATE_FILE, format!("the next start reads {groups} from {shown}"));
                return;
            }
            let first = found.skipped.first().map(ToString::to_string).unwrap_or_default();
            report.warn(
                STATE_FILE,
                format!("groups in {shown} that Wharf can hold"),
                format!("{groups}, and {left_out} groups or families that are left out: {first}"),
                "`wharf import FILE --dry-run` names them",
            );
        }
        Err(error) => report.fail(
            STATE_FILE,
            format!("a state file of a Pushgateway at {shown}"),
            error.to_string(),
            "move it away to start without what is in it",
        ),
    }
}

/// Who holds the lock of a folder, by the system's list of locks.
fn holder(folder: &Path) -> Option<Holder> {
    let lock = fs::metadata(folder.join("lock")).ok()?;
    let locks = fs::read_to_string("/proc/locks").ok()?;
    let file = format!(
        "{:02x}:{:02x}:{}",
        major(lock.dev()),
        minor(lock.dev()),
        lock.ino()
    );
    let noted = fs::read_to_string(folder.join("lock")).ok();
    let noted = noted.and_then(|text| text.trim().parse().ok());
    locked(&locks, &file, lock.ino(), noted)
}

/// Looks for a lock of the whole file in lines such as `1: FLOCK  ADVISORY  WRITE 1234 fd:01:5678 0 EOF`.
///
/// Some file systems have one number for their files and another one for themselves. Then the process is the same that has noted
/// its number in the file.
fn locked(locks: &str, file: &str, inode: u64, noted: Option<u32>) -> Option<Holder> {
    locks.lines().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, "FLOCK", _, "WRITE", process, place, ..] = words.as_slice() else {
            return None;
        };
        let process = process.parse().ok().filter(|process| *process > 0);
        let is_same_inode = place.rsplit(':').next() == Some(inode.to_string().as_str());
        let is_it = *place == file || (is_same_inode && process.is_some() && process == noted);
        is_it.then_some(Holder { process })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_found_by_file_or_by_process() {
        let locks = "\
1: POSIX  ADVISORY  WRITE 11 fd:01:500 0 EOF
2: FLOCK  ADVISORY  READ  12 fd:01:500 0 EOF
2: -> FLOCK  ADVISORY  WRITE 13 fd:01:500 0 EOF
3: FLOCK  ADVISORY  WRITE 14 fd:01:501 0 EOF
4: FLOCK  ADVISORY  WRITE -1 fd:01:502 0 EOF
";
        let process =
            |file: &str, inode, noted| locked(locks, file, inode, noted).map(|holder| holder.process);
        assert_eq!(process("fd:01:500", 500, Some(12)), None);
        assert_eq!(process("fd:01:501", 501, None), Some(Some(14)));
        assert_eq!(process("00:1f:501", 501, Some(14)), Some(Some(14)));
        assert_eq!(process("00:1f:501", 501, Some(15)), None);
        assert_eq!(process("fd:01:502", 502, None), Some(None));
    }
}
