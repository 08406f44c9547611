//! Looking how old the newest backup is, in the folder where backups are put.

pub(crate) mod settings;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use wharf_gateway::{BackupTimes, Gateway, Part, Parts, Started};
use wharf_store::UnixNanos;

use crate::backup_mark::Mark;

/// How often it looks.
const PAUSE: Duration = Duration::from_secs(10);
/// Folders that it looks at. Where there are more, it is not known which is the newest.
const MAX_FOLDERS: usize = 10_000;

/// Starts it, on a thread that may wait for a slow disk.
pub(crate) fn start(parts: &mut Parts, gateway: Arc<Gateway>, folder: PathBuf) -> io::Result<Started> {
    parts.thread(Part::new("backups"), move |life| {
        life.ready();
        let mut last_error = None;
        while life.turn(PAUSE) {
            let looked = look(&folder);
            let error = looked.as_ref().err().map(ToString::to_string);
            if error.is_some() && error != last_error {
                tracing::warn!(
                    folder = %folder.display(),
                    err = error,
                    "cannot look for backups; see --backup.path"
                );
            }
            last_error = error;
            // Backups that nobody can see are none.
            gateway.set_backups(looked.unwrap_or_default());
        }
        Ok(())
    })
}

/// The newest whole backups in a folder of backups.
fn look(folder: &Path) -> io::Result<BackupTimes> {
    let mut times = BackupTimes::default();
    for (count, entry) in fs::read_dir(folder)?.enumerate() {
        if count >= MAX_FOLDERS {
            return Err(io::Error::other(format!(
                "expected at most {MAX_FOLDERS} entries, found more"
            )));
        }
        // One that goes away, or that belongs to somebody else, does not hide the others.
        let Ok(Some(mark)) = entry.and_then(|entry| Mark::read(&entry.path())) else {
            continue;
        };
        let made_at = i64::try_from(mark.made_at.as_nanosecond()).ok().map(UnixNanos);
        times.newest = times.newest.max(made_at);
        if mark.verified {
            times.newest_verified = times.newest_verified.max(made_at);
        }
    }
    Ok(times)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_whole_backup_counts_and_the_newest_verified_one() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(look(folder.path()).unwrap(), BackupTimes::default());
        for (name, seconds, verified) in [("a", 100, true), ("b", 300, false), ("c", 200, true)] {
            let backup = folder.path().join(name);
            fs::create_dir(&backup).unwrap();
            let mark = Mark {
                made_at: jiff::Timestamp::from_second(seconds).unwrap(),
                verified,
                record: 1,
            };
            mark.write(&backup).unwrap();
        }
        fs::create_dir(folder.path().join("under-way")).unwrap();
        fs::write(folder.path().join("a-file"), "").unwrap();
        let half = folder.path().join("half-a-mark");
        fs::create_dir(&half).unwrap();
        fs::write(half.join("backup.json"), "{\"made_at\":").unwrap();
        let times = look(folder.path()).unwrap();
        let seconds = |seconds: i64| Some(UnixNanos(seconds * 1_000_000_000));
        assert_eq!(
            (times.newest, times.newest_verified),
            (seconds(300), seconds(200))
        );
        look(&folder.path().join("nowhere")).unwrap_err();
    }
}
