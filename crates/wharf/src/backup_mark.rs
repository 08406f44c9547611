//! The mark in the folder of a backup: it is whole, and when it was made. The gateway looks for it to tell how old the
//! newest backup is.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The name of its file.
pub(crate) const MARK: &str = "backup.json";
/// What is longer is no mark.
const MAX_BYTES: u64 = 4 << 10;

/// That a backup is whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mark {
    /// When it was begun: what was acknowledged before is in it.
    pub(crate) made_at: Timestamp,
    /// Whether it was read and compared.
    pub(crate) verified: bool,
    /// The last record that it has.
    pub(crate) record: u64,
}

impl Mark {
    /// Marks a backup, when all else of it is on the disk.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub(crate) fn write(&self, folder: &Path) -> io::Result<()> {
        let text = serde_json::to_string(self).map_err(io::Error::other)?;
        let mut options = OpenOptions::new();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(folder.join(MARK))?;
        file.write_all(text.as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        File::open(folder)?.sync_all()
    }

    /// The mark of a folder; none if it is no whole backup.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub(crate) fn read(folder: &Path) -> io::Result<Option<Self>> {
        let file = match File::open(folder.join(MARK)) {
            Ok(file) => file,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let mut text = String::new();
        match file.take(MAX_BYTES).read_to_string(&mut text) {
            Ok(_) => Ok(serde_json::from_str(&text).ok()),
            Err(error) if error.kind() == ErrorKind::InvalidData => Ok(None),
            Err(error) => Err(error),
        }
    }
}
