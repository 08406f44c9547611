//! A folder in the memory of the process, gone with it.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex},
};

use super::{Disk, DiskFile, DiskLock, LockError};
use crate::lock;

/// A folder in memory. Clones are handles to the same folder. A file that is removed is there for those who have it open.
#[derive(Debug, Clone, Default)]
pub struct MemoryDisk {
    files: Arc<Mutex<BTreeMap<String, Contents>>>,
}

/// Shared by those who have the file open.
type Contents = Arc<Mutex<Vec<u8>>>;

#[derive(Debug)]
struct MemoryFile(Contents);

#[derive(Debug)]
struct NoLock;

impl DiskLock for NoLock {}

fn not_found() -> io::Error {
    io::ErrorKind::NotFound.into()
}

fn position(offset: u64) -> io::Result<usize> {
    usize::try_from(offset).map_err(|_| io::ErrorKind::FileTooLarge.into())
}

impl Disk for MemoryDisk {
    fn describe(&self) -> String {
        "memory".to_owned()
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let file = Contents::default();
        lock(&self.files).insert(name.to_owned(), Arc::clone(&file));
        Ok(Box::new(MemoryFile(file)))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let file = lock(&self.files).get(name).cloned().ok_or_else(not_found)?;
        Ok(Box::new(MemoryFile(file)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut files = lock(&self.files);
        let file = files.remove(from).ok_or_else(not_found)?;
        files.insert(to.to_owned(), file);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        lock(&self.files).remove(name).map(drop).ok_or_else(not_found)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(lock(&self.files).keys().cloned().collect())
    }

    fn sync_dir(&self) -> io::Result<()> {
        Ok(())
    }

    /// Nobody else can have it.
    fn lock(&self) -> Result<Box<dyn DiskLock>, LockError> {
        Ok(Box::new(NoLock))
    }
}

impl DiskFile for MemoryFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = lock(&self.0);
        let rest = bytes.get(position(offset)?..).unwrap_or_default();
        let length = rest.len().min(buffer.len());
        if let (Some(room), Some(found)) = (buffer.get_mut(..length), rest.get(..length)) {
            room.copy_from_slice(found);
        }
        Ok(length)
    }

    fn write_at(&self, offset: u64, written: &[u8]) -> io::Result<()> {
        let mut bytes = lock(&self.0);
        let begin = position(offset)?;
        let end = begin
            .checked_add(written.len())
            .ok_or(io::ErrorKind::FileTooLarge)?;
        if bytes.len() < end {
            // A quarter at a time: with twice as much each time, half of the memory would stand idle.
            let (more, quarter) = (end - bytes.len(), bytes.len() / 4);
            if bytes.capacity() < end {
                bytes
                    .try_reserve_exact(more.max(quarter))
                    .map_err(|_| io::ErrorKind::OutOfMemory)?;
            }
            bytes.resize(end, 0);
        }
        if let Some(room) = bytes.get_mut(begin..end) {
            room.copy_from_slice(written);
        }
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        lock(&self.0).resize(position(length)?, 0);
        Ok(())
    }

    fn length(&self) -> io::Result<u64> {
        Ok(lock(&self.0).len() as u64)
    }
}
