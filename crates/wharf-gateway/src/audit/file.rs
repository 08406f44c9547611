//! The file of the list: a line an entry. A later line of the same number takes the place of an earlier one.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::entry::AuditEntry;
use super::line;

/// The list could not be read or written.
#[derive(Debug, Error)]
#[error("{action} {path}: {cause}", path = .path.display())]
pub struct AuditError {
    action: &'static str,
    path: PathBuf,
    cause: io::Error,
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> AuditError {
    let path = path.to_owned();
    move |cause| AuditError { action, path, cause }
}

const NAME: &str = "audit";
/// What is being written, and takes the place of the file when it is on the disk.
const NEW_NAME: &str = "audit.new";
/// The last file of which something could not be read.
const DAMAGED_NAME: &str = "audit.damaged";
/// The first line.
const HEADER: &str = "wharf audit 1\n";
/// The file may grow by this, or by what it had when it was written, before it is written anew.
const GROWTH_BYTES: u64 = 1 << 20;
/// What is longer is no line of ours.
const MAX_LINE_BYTES: u64 = 16 << 10;
/// What is longer is no file of ours: with all that it may grow, it has less.
const MAX_FILE_BYTES: u64 = 64 << 20;

/// What came of reading the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Opened {
    /// Where it was put because a part of it could not be read; what could be has been read.
    pub(crate) set_aside: Option<PathBuf>,
}

/// The file, open for more.
#[derive(Debug)]
pub(super) struct Log {
    folder: PathBuf,
    /// None until it has been written for the first time, and after a failure: then only a new file will do.
    file: Option<File>,
    bytes: u64,
    /// From these on it is to be written anew.
    max_bytes: u64,
    has_failed: bool,
}

impl Log {
    /// Reads what the folder has. A file of which something cannot be read is set aside.
    ///
    /// # Errors
    /// If the disk fails.
    pub(super) fn open(folder: &Path) -> Result<(Self, Vec<AuditEntry>, Opened), AuditError> {
        let mut log = Self {
            folder: folder.to_owned(),
            file: None,
            bytes: 0,
            max_bytes: 0,
            has_failed: false,
        };
        let path = log.path(NAME);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Ok((log, Vec::new(), Opened::default()));
            }
            Err(cause) => return Err(failed("open", &path)(cause)),
        };
        let (entries, is_damaged) = read(file).map_err(failed("read", &path))?;
        let mut opened = Opened::default();
        if is_damaged {
            let aside = log.path(DAMAGED_NAME);
            fs::rename(&path, &aside).map_err(failed("set aside", &path))?;
            opened.set_aside = Some(aside);
            // What could be read is to be in a file again.
            log.has_failed = true;
        }
        Ok((log, entries, opened))
    }

    /// Whether it is time for [`Self::replace`].
    pub(super) fn is_grown(&self) -> bool {
        self.file.is_none() || self.bytes >= self.max_bytes
    }

    /// Whether the file lacks something that was to be in it.
    pub(super) fn is_broken(&self) -> bool {
        self.has_failed
    }

    /// Appends lines, and waits until they are on the disk.
    pub(super) fn append(&mut self, lines: &[u8]) -> Result<(), AuditError> {
        let path = self.path(NAME);
        let Some(file) = self.file.as_mut() else {
            return Ok(());
        };
        // In one write, so that a process that is killed leaves whole lines or none.
        if let Err(cause) = file.write_all(lines).and_then(|()| file.sync_data()) {
            self.file = None;
            self.has_failed = true;
            return Err(failed("append to", &path)(cause));
        }
        self.bytes += lines.len() as u64;
        Ok(())
    }

    /// Puts a new file with these lines in the place of the old one.
    pub(super) fn replace(&mut self, lines: &[u8]) -> Result<(), AuditError> {
        let new = self.path(NEW_NAME);
        let written = self.write_new(&new, lines);
        match written {
            Ok(file) => {
                self.bytes = (HEADER.len() + lines.len()) as u64;
                self.max_bytes = self.bytes + self.bytes.max(GROWTH_BYTES);
                self.file = Some(file);
                self.has_failed = false;
                Ok(())
            }
            Err(cause) => {
                self.has_failed = true;
                // On a full disk others need its room. There may be none.
                let _removed = fs::remove_file(&new);
                Err(failed("write", &new)(cause))
            }
        }
    }

    fn write_new(&self, path: &Path, lines: &[u8]) -> io::Result<File> {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path)?;
        file.write_all(HEADER.as_bytes())?;
        file.write_all(lines)?;
        file.sync_data()?;
        fs::rename(path, self.path(NAME))?;
        File::open(&self.folder)?.sync_all()?;
        Ok(file)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// The entries that can be read, and whether there is anything else. An end that was being written when the machine stopped
/// is no damage.
fn read(file: File) -> io::Result<(Vec<AuditEntry>, bool)> {
    let mut input = BufReader::new(file.take(MAX_FILE_BYTES));
    let mut entries = BTreeMap::new();
    let (mut is_damaged, mut is_first) = (false, true);
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        let read = input
            .by_ref()
            .take(MAX_LINE_BYTES)
            .read_until(b'\n', &mut bytes)?;
        let is_last = input.fill_buf()?.is_empty();
        if read == 0 {
            break;
        }
        if std::mem::take(&mut is_first) {
            is_damaged |= bytes != HEADER.as_bytes();
            continue;
        }
        let whole = bytes.strip_suffix(b"\n");
        let text = whole.and_then(|line| std::str::from_utf8(line).ok());
        match text.and_then(line::read) {
            Some(entry) => {
                entries.insert(entry.id, entry);
            }
            None if is_last && (whole.is_none() || bytes.iter().all(|byte| *byte == 0)) => {}
            None => is_damaged = true,
        }
    }
    let is_cut = input.get_ref().limit() == 0;
    Ok((entries.into_values().collect(), is_damaged || is_cut))
}
