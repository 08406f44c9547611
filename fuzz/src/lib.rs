//! What several fuzz targets need.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

/// Folders that were made.
static COUNT: AtomicU32 = AtomicU32::new(0);

/// An empty folder for what reads files, which nobody else is given.
///
/// # Panics
/// If the folder cannot be made.
pub fn folder() -> PathBuf {
    // A file system in memory, if there is one: some write to the disk whenever a file is written anew.
    let memory = Some(PathBuf::from("/dev/shm")).filter(|folder| folder.is_dir());
    let parent = memory.unwrap_or_else(std::env::temp_dir);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let folder = parent.join(format!("wharf-fuzz-{}-{count}", std::process::id()));
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => panic!("{}: {error}", folder.display()),
        _ => fs::create_dir_all(&folder).expect("make a folder for temporary files"),
    }
    folder
}

/// The first byte, which chooses what is tried, and the rest. Zero for no bytes at all.
pub fn choice(bytes: &[u8]) -> (u8, &[u8]) {
    bytes
        .split_first()
        .map_or((0, bytes), |(first, rest)| (*first, rest))
}
