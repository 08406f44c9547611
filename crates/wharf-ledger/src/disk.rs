//! The folder a ledger lives in, as a trait, so that tests can pull the plug.

use std::{fmt::Debug, io};

mod memory;
mod real;
#[cfg(any(test, feature = "testing"))]
mod simulated;

pub use memory::MemoryDisk;
pub use real::RealDisk;
#[cfg(any(test, feature = "testing"))]
pub use simulated::{Fault, SimulatedDisk};

/// A folder with files in it and none below.
///
/// What a ledger relies on: after [`DiskFile::sync_data`] has returned without an error, what was written to the
/// file before, and its length, survive a power cut; after [`Disk::sync_dir`] has, so do the names. Everything else
/// may be lost, or survive in part and in any order.
pub trait Disk: Debug + Send + Sync {
    /// What to call the folder in messages.
    fn describe(&self) -> String;

    /// Creates an empty file for reading and writing; one that exists is emptied.
    ///
    /// # Errors
    /// Whatever the disk says.
    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>>;

    /// Opens a file for reading and writing, or only for reading where the disk allows no more.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] if there is none.
    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>>;

    /// Gives a file another name, in one step; a file that had the name is gone.
    ///
    /// # Errors
    /// Whatever the disk says.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// Whatever the disk says.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// The names of all files, in any order.
    ///
    /// # Errors
    /// Whatever the disk says.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Waits until all names are on stable storage.
    ///
    /// # Errors
    /// Whatever the disk says.
    fn sync_dir(&self) -> io::Result<()>;

    /// Takes the folder for this process until the result is dropped.
    ///
    /// # Errors
    /// [`LockError::Held`] if another process has it.
    fn lock(&self) -> Result<Box<dyn DiskLock>, LockError>;
}

/// An open file of a [`Disk`].
pub trait DiskFile: Debug + Send + Sync {
    /// Reads at most `buffer.len()` bytes; 0 means the end of the file.
    ///
    /// # Errors
    /// Whatever the disk says.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;

    /// Writes all of `bytes`.
    ///
    /// # Errors
    /// Whatever the disk says; part of the bytes may have been written.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Waits until what was written is on stable storage, and the length with it.
    ///
    /// # Errors
    /// Whatever the disk says. What was written since the last success is then in an unknown state for ever.
    fn sync_data(&self) -> io::Result<()>;

    /// Cuts the file, or extends it with zeros.
    ///
    /// # Errors
    /// Whatever the disk says.
    fn set_len(&self, length: u64) -> io::Result<()>;

    /// The length in bytes.
    ///
    /// # Errors
    /// Whatever the disk says.
    fn length(&self) -> io::Result<u64>;
}

/// A taken folder; dropping it gives the folder back.
pub trait DiskLock: Debug + Send + Sync {}

/// Why a folder could not be taken.
#[derive(Debug)]
pub enum LockError {
    /// Another process has it; who, as far as is known.
    Held {
        /// For people: `process 4711`.
        holder: String,
    },
    /// The disk failed.
    Io(io::Error),
}
