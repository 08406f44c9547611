//! What several fuzz targets need.

use std::cell::Cell;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use peak_alloc::PeakAlloc;
use wharf_model::{Denied, Lender, Meter};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// What a decoder may take without asking a meter, as each push has it without asking: errors, and lists before they grow.
pub const DECODING: usize = 64 << 10;
/// What expanding a body takes without asking: what a decompressor has, and small bodies.
pub const EXPANDING: usize = 512 << 10;

/// Lends what is asked for, and counts.
#[derive(Default)]
struct Counting(Cell<usize>);

impl Lender for Counting {
    fn lend(&self, bytes: usize) -> Result<usize, Denied> {
        self.0.set(self.0.get() + bytes);
        Ok(bytes)
    }
}

/// What `read` makes of a body of so many bytes: once within little memory, and once within what it asks for. It may take so many
/// bytes `unasked`.
///
/// # Panics
/// If it allocates more than that.
pub fn within_memory<T>(body_bytes: usize, unasked: usize, read: impl Fn(&Meter<'_>) -> T) -> T {
    let limit = body_bytes.saturating_mul(2);
    let ((), peak) = counted(|| drop(read(&Meter::up_to(limit))));
    assert!(peak <= limit + unasked, "allocated {peak} bytes of {limit}");
    let lender = Counting::default();
    let (done, peak) = counted(|| read(&Meter::of_lender(&lender, 0)));
    let asked = lender.0.get();
    assert!(
        peak <= asked + unasked,
        "allocated {peak} bytes, asked for {asked}"
    );
    done
}

fn counted<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    let done = work();
    (done, ALLOCATOR.peak_usage().saturating_sub(before))
}

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
