//! The file: reading it at the start, appending to it, and writing it anew when it has grown.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::format::{self, FRAME_HEADER_BYTES, HEADER, Record};

/// The history could not be written.
#[derive(Debug, Error)]
#[error("{action} {path}: {cause}", path = .path.display())]
pub struct SaveError {
    action: &'static str,
    path: PathBuf,
    cause: io::Error,
}

/// How the file was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Opened {
    /// Where it has been put because a part of it could not be read; what could be has been read.
    pub set_aside: Option<PathBuf>,
    /// Why it could not be read further.
    pub damage: Option<String>,
}

const NAME: &str = "history";
/// What is being written, and takes the place of the file when it is on the disk.
const NEW_NAME: &str = "history.new";
/// The last file that could not be read.
const DAMAGED_NAME: &str = "history.damaged";
/// The file may grow by this, or by what it had when it was written, before it is written anew.
const GROWTH_BYTES: u64 = 1 << 20;

/// The file of the histories, open for more.
#[derive(Debug)]
pub(crate) struct Log {
    folder: PathBuf,
    /// None until it has been written for the first time, and after a failure: then only a new file will do.
    file: Option<File>,
    bytes: u64,
    /// From these on it is to be written anew.
    max_bytes: u64,
}

impl Log {
    /// Reads what the folder has, and hands it on. The file is going to be written anew.
    ///
    /// # Errors
    /// If it cannot be read, or a damaged one cannot be set aside.
    pub(crate) fn open(folder: &Path, take: impl FnMut(Record)) -> Result<(Self, Opened), SaveError> {
        let log = Self {
            folder: folder.to_owned(),
            file: None,
            bytes: 0,
            max_bytes: 0,
        };
        let path = log.path(NAME);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((log, Opened::default())),
            Err(cause) => return Err(failed("open", path)(cause)),
        };
        let found = read(&mut BufReader::new(file), take).map_err(failed("read", path.clone()))?;
        let mut opened = Opened::default();
        if let Err(damage) = found {
            let aside = log.path(DAMAGED_NAME);
            fs::rename(&path, &aside).map_err(failed("set aside", path))?;
            opened = Opened {
                set_aside: Some(aside),
                damage: Some(damage),
            };
        }
        Ok((log, opened))
    }

    /// Whether it is time for [`Self::begin`].
    pub(crate) fn is_grown(&self) -> bool {
        self.file.is_none() || self.bytes >= self.max_bytes
    }

    /// Appends records. They are the system's to write; nobody waits for the disk.
    pub(crate) fn append(&mut self, records: &[u8]) -> Result<(), SaveError> {
        let Some(file) = self.file.as_mut().filter(|_| !records.is_empty()) else {
            return Ok(());
        };
        if let Err(cause) = write_frame(file, records) {
            self.file = None;
            return Err(failed("append to", self.path(NAME))(cause));
        }
        self.bytes += frame_bytes(records);
        Ok(())
    }

    /// Begins a new file beside the old one.
    pub(crate) fn begin(&self) -> Result<NewFile, SaveError> {
        let path = self.path(NEW_NAME);
        let create = || {
            let mut file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&path)?;
            file.write_all(&HEADER)?;
            Ok(file)
        };
        let file = create().map_err(failed("create", path.clone()))?;
        let bytes = HEADER.len() as u64;
        Ok(NewFile { file, path, bytes })
    }

    /// Puts a new file in the place of the old one.
    pub(crate) fn finish(&mut self, new: NewFile) -> Result<(), SaveError> {
        let NewFile { file, path, bytes } = new;
        file.sync_data().map_err(failed("sync", path.clone()))?;
        fs::rename(&path, self.path(NAME)).map_err(failed("rename", path))?;
        let folder = File::open(&self.folder).and_then(|folder| folder.sync_all());
        folder.map_err(failed("sync", self.folder.clone()))?;
        self.max_bytes = bytes + bytes.max(GROWTH_BYTES);
        self.bytes = bytes;
        self.file = Some(file);
        Ok(())
    }

    /// Removes a new file that is not going to be finished: on a full disk, others need its room.
    pub(crate) fn abandon(&self) {
        // There may be none, and if it cannot be removed, the next one takes its place.
        let _removed = fs::remove_file(self.path(NEW_NAME));
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// A file that is being written.
#[derive(Debug)]
pub(crate) struct NewFile {
    file: File,
    path: PathBuf,
    bytes: u64,
}

impl NewFile {
    pub(crate) fn append(&mut self, records: &[u8]) -> Result<(), SaveError> {
        if records.is_empty() {
            return Ok(());
        }
        write_frame(&mut self.file, records).map_err(failed("write", self.path.clone()))?;
        self.bytes += frame_bytes(records);
        Ok(())
    }
}

fn failed(action: &'static str, path: PathBuf) -> impl FnOnce(io::Error) -> SaveError {
    move |cause| SaveError { action, path, cause }
}

fn frame_bytes(records: &[u8]) -> u64 {
    (FRAME_HEADER_BYTES + records.len()) as u64
}

/// In one write, so that a process that is killed leaves a whole frame or none.
fn write_frame(file: &mut File, records: &[u8]) -> io::Result<()> {
    let mut frame = Vec::with_capacity(FRAME_HEADER_BYTES + records.len());
    frame.extend_from_slice(&format::frame_header(records));
    frame.extend_from_slice(records);
    file.write_all(&frame)
}

/// Reads frames as far as they are whole. The inner error says what is wrong with the rest, unless it is an end that
/// was being written when the machine stopped.
fn read(input: &mut impl Read, mut take: impl FnMut(Record)) -> io::Result<Result<(), String>> {
    let mut header = [0; HEADER.len()];
    let length = fill(input, &mut header)?;
    if length < HEADER.len() {
        // A new file takes its name when it is whole, so this is not of our making; but there is nothing in it.
        let is_empty = header.iter().all(|byte| *byte == 0);
        return Ok(if is_empty {
            Ok(())
        } else {
            Err(no_history(&header))
        });
    }
    if header != HEADER {
        return Ok(Err(no_history(&header)));
    }
    let mut offset = HEADER.len() as u64;
    let (mut header, mut records) = ([0; FRAME_HEADER_BYTES], Vec::new());
    loop {
        if fill(input, &mut header)? < FRAME_HEADER_BYTES {
            return Ok(Ok(()));
        }
        if header == [0; FRAME_HEADER_BYTES] {
            // Room that the system had for the file, and nothing written to it yet.
            return Ok(Ok(()));
        }
        let Some((length, checksum)) = format::read_frame_header(header) else {
            return Ok(Err(format!("at byte {offset}: expected the header of a frame")));
        };
        records.clear();
        let found = input.by_ref().take(length as u64).read_to_end(&mut records)?;
        if found < length {
            return Ok(Ok(()));
        }
        if crc32fast::hash(&records) != checksum {
            let is_last = fill(input, &mut [0])? == 0;
            return Ok(if is_last {
                Ok(())
            } else {
                Err(format!("at byte {offset}: the checksum of the frame is wrong"))
            });
        }
        if !format::read_records(&records, &mut take) {
            return Ok(Err(format!("at byte {offset}: a record cannot be read")));
        }
        offset += frame_bytes(&records);
    }
}

fn no_history(header: &[u8]) -> String {
    match header.strip_prefix(b"WHARFHIS") {
        Some(_) => "it is of another version".to_owned(),
        None => "it is no history".to_owned(),
    }
}

/// Reads until the buffer is full or the input ends; how many bytes.
fn fill(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match input.read(rest) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
