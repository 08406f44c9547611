//! The folder of requests that could not be delivered.
//!
//! Each request is one file, much as HTTP has it, so that a person can read it and send it by hand:
//!
//! ```text
//! POST /metrics/job/backup
//! Gateway: http://localhost:9091
//! Content-Type: text/plain; version=0.0.4; charset=utf-8
//! Content-Length: 21
//!
//! backup_size_bytes 42
//! ```
//!
//! `00000000000000000017.push` waits, `.refused` was refused for good and is kept to be looked at, `lock` says that
//! somebody is sending. Credentials are never in there. Only the owner can read the folder. A file gets its name when
//! all of it is on disk, and numbers only grow, so the order of names is that in which the requests came.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use wharf_client::{Address, Method, Request};

use crate::tools::voice::Voice;

/// More files push the oldest ones out.
const MAX_FILES: usize = 1000;

/// More bytes push the oldest files out; a larger request is not kept at all.
const MAX_BYTES: u64 = 64 << 20;

/// A longer head is none that was written here.
const MAX_HEAD_BYTES: usize = 64 << 10;

/// The headers that a request can have there.
const HEADERS: [&str; 6] = [
    "Content-Type",
    "Wharf-TTL",
    "Wharf-Expect",
    "Wharf-Merge",
    "Wharf-Push-Id",
    "Wharf-Counters",
];

/// A folder of requests.
#[derive(Debug, Clone)]
pub(crate) struct Spool(PathBuf);

/// Why the folder cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("spool folder {}: {problem}", .folder.display())]
pub(crate) struct SpoolError {
    folder: PathBuf,
    problem: io::Error,
}

/// A request that waits.
#[derive(Debug)]
pub(crate) struct Entry {
    spool: Spool,
    path: PathBuf,
    /// What is to be sent.
    pub request: Request,
}

/// A file of the folder.
#[derive(Debug)]
struct Found {
    number: u64,
    is_refused: bool,
    bytes: u64,
    path: PathBuf,
}

impl Spool {
    /// The folder, which is made when it is needed.
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self(folder)
    }

    fn failed(&self, problem: io::Error) -> SpoolError {
        SpoolError {
            folder: self.0.clone(),
            problem,
        }
    }

    /// Keeps others from sending for as long as the file stays open; nothing if somebody else does.
    ///
    /// # Errors
    /// If the folder cannot be made or written to.
    pub(crate) fn lock(&self) -> Result<Option<File>, SpoolError> {
        self.make().map_err(|error| self.failed(error))?;
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true).mode(0o600);
        let file = options
            .open(self.0.join("lock"))
            .map_err(|error| self.failed(error))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(self.failed(error)),
        }
    }

    fn make(&self) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.0)
    }

    /// Puts a request behind the others; when this returns, it is on disk.
    ///
    /// # Errors
    /// If it cannot be written, or is larger than the folder may be.
    pub(crate) fn append(
        &self,
        gateway: &Address,
        request: &Request,
        voice: Voice,
    ) -> Result<(), SpoolError> {
        self.try_append(&encode(gateway, request), voice)
            .map_err(|error| self.failed(error))
    }

    fn try_append(&self, bytes: &[u8], voice: Voice) -> io::Result<()> {
        self.make()?;
        let length = bytes.len() as u64;
        if length > MAX_BYTES {
            let text = format!("expected a request of at most {MAX_BYTES} bytes, found {length}");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
        }
        let mut found = self.list()?;
        let last = found.iter().map(|file| file.number).max().unwrap_or(0);
        make_room(&mut found, length, voice)?;
        let mut file = tempfile::Builder::new().prefix(".wharf-").tempfile_in(&self.0)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        // Another run may take the number first.
        let mut number = last.saturating_add(1);
        while let Err(error) = file.persist_noclobber(self.0.join(format!("{number:020}.push"))) {
            if error.error.kind() != io::ErrorKind::AlreadyExists {
                return Err(error.error);
            }
            file = error.file;
            number = number.saturating_add(1);
        }
        File::open(&self.0)?.sync_all()
    }

    /// The requests for this gateway that wait, from the oldest on. A file that is none is set aside.
    ///
    /// # Errors
    /// If the folder cannot be read, or nothing renamed in it.
    pub(crate) fn entries(&self, gateway: &Address, voice: Voice) -> Result<Vec<Entry>, SpoolError> {
        self.read_entries(gateway, voice)
            .map_err(|error| self.failed(error))
    }

    fn read_entries(&self, gateway: &Address, voice: Voice) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for file in self.list()?.into_iter().filter(|file| !file.is_refused) {
            if file.bytes > MAX_BYTES + MAX_HEAD_BYTES as u64 {
                voice.warn(format_args!("set aside {}: too large", file.path.display()));
                set_aside(&file.path)?;
                continue;
            }
            let bytes = match fs::read(&file.path) {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                // That of another user, say.
                Err(error) => {
                    voice.warn(format_args!("cannot read {}: {error}", file.path.display()));
                    continue;
                }
            };
            match decode(&bytes) {
                Some((base, request)) if base == *gateway => entries.push(Entry {
                    spool: self.clone(),
                    path: file.path,
                    request,
                }),
                // Somebody else's way.
                Some(_) => {}
                None => {
                    voice.warn(format_args!("set aside {}: not a request", file.path.display()));
                    set_aside(&file.path)?;
                }
            }
        }
        Ok(entries)
    }

    /// The files in the order of their numbers.
    fn list(&self) -> io::Result<Vec<Found>> {
        let mut found = Vec::new();
        for file in fs::read_dir(&self.0)? {
            let file = file?;
            let name = file.file_name();
            let Some((number, kind)) = name.to_str().and_then(|name| name.split_once('.')) else {
                continue;
            };
            let (Ok(number), "push" | "refused") = (number.parse(), kind) else {
                continue;
            };
            found.push(Found {
                number,
                is_refused: kind == "refused",
                bytes: file.metadata().map_or(0, |metadata| metadata.len()),
                path: file.path(),
            });
        }
        found.sort_unstable_by_key(|file| file.number);
        Ok(found)
    }
}

/// Removes files until one more of that size fits: first what was refused anyway, then what waits, always the oldest.
fn make_room(found: &mut Vec<Found>, length: u64, voice: Voice) -> io::Result<()> {
    found.sort_unstable_by_key(|file| (!file.is_refused, file.number));
    let mut bytes: u64 = found.iter().map(|file| file.bytes).sum();
    let mut count = found.len();
    let mut dropped = Vec::new();
    for file in found {
        if count < MAX_FILES && bytes.saturating_add(length) <= MAX_BYTES {
            break;
        }
        remove(&file.path)?;
        dropped.push(&file.path);
        count -= 1;
        bytes = bytes.saturating_sub(file.bytes);
    }
    match dropped.as_slice() {
        [] => {}
        [file] => voice.warn(format_args!("spool folder is full: dropped {}", file.display())),
        [first, .., last] => voice.warn(format_args!(
            "spool folder is full: dropped {} files, from {} to {}",
            dropped.len(),
            first.display(),
            last.display()
        )),
    }
    Ok(())
}

fn set_aside(path: &Path) -> io::Result<()> {
    fs::rename(path, path.with_extension("refused"))
}

impl Entry {
    /// The name of its file.
    pub(crate) fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// Forgets it: it has been delivered.
    ///
    /// # Errors
    /// If the file cannot be removed.
    pub(crate) fn remove(&self) -> Result<(), SpoolError> {
        remove(&self.path).map_err(|error| self.spool.failed(error))
    }

    /// Keeps it to be looked at, and never sends it again.
    ///
    /// # Errors
    /// If the file cannot be renamed.
    pub(crate) fn set_aside(&self) -> Result<(), SpoolError> {
        set_aside(&self.path).map_err(|error| self.spool.failed(error))
    }
}

fn encode(gateway: &Address, request: &Request) -> Vec<u8> {
    let mut head = format!("{} {}\nGateway: {gateway}\n", request.method, request.path);
    for (name, value) in &request.headers {
        head.extend([name, ": ", value, "\n"]);
    }
    head.extend(["Content-Length: ", &request.body.len().to_string(), "\n\n"]);
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(&request.body);
    bytes
}

/// Reads what [`encode`] wrote; nothing if it is something else, or not all of it.
fn decode(bytes: &[u8]) -> Option<(Address, Request)> {
    let near = bytes.get(..MAX_HEAD_BYTES).unwrap_or(bytes);
    let end = near.windows(2).position(|two| two == b"\n\n")?;
    let (head, body) = bytes.split_at_checked(end)?;
    let mut lines = std::str::from_utf8(head).ok()?.lines();
    let (method, path) = lines.next()?.split_once(' ')?;
    let method = [Method::Put, Method::Post, Method::Delete]
        .into_iter()
        .find(|known| known.as_str() == method)?;
    let mut request = Request::new(method, path);
    request.body = body.get(2..)?.to_vec();
    request.compress = true;
    let (mut gateway, mut length) = (None, None);
    for line in lines {
        let (name, value) = line.split_once(": ")?;
        match name {
            "Gateway" => gateway = Some(value.parse().ok()?),
            "Content-Length" => length = Some(value.parse().ok()?),
            _ => {
                let name = HEADERS.into_iter().find(|known| *known == name)?;
                request.headers.push((name, value.to_owned()));
            }
        }
    }
    (length == Some(request.body.len())).then_some(())?;
    Some((gateway?, request))
}

/// Another run may have removed a file first.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
