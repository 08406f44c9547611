//! A program whose clock the test sets.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use crate::{Spawn, peers};

/// A clock that leads or follows that of the machine by as many seconds as the test says, by `libfaketime`.
#[derive(Debug)]
pub struct LedClock {
    library: PathBuf,
    file: PathBuf,
}

impl LedClock {
    /// A clock that is right so far. It is told by a file in `folder`. None without the library.
    pub fn new(folder: &Path) -> Option<Self> {
        let clock = Self {
            library: peers::faketime()?,
            file: folder.join("clock"),
        };
        clock.set(0);
        Some(clock)
    }

    /// Sets how many seconds the clock is ahead; behind, if there are fewer than none.
    #[track_caller]
    pub fn set(&self, ahead_seconds: i64) {
        // A file that is read while it is written must not be read half.
        let new = self.file.with_extension("new");
        fs::write(&new, format!("{ahead_seconds:+}\n")).expect("write the clock");
        fs::rename(&new, &self.file).expect("replace the clock");
    }

    /// Wharf, from the given executable, with this clock. `also_monotonic` leads the clock too that measures how long things
    /// take, which cannot be led back beyond the start of the machine.
    pub fn wharf(&self, program: impl AsRef<OsStr>, also_monotonic: bool) -> Spawn {
        let wall_alone = u8::from(!also_monotonic);
        Spawn::wharf("env")
            .arg(format!("LD_PRELOAD={}", self.library.display()))
            .arg(format!("FAKETIME_TIMESTAMP_FILE={}", self.file.display()))
            .arg("FAKETIME_NO_CACHE=1")
            .arg(format!("FAKETIME_DONT_FAKE_MONOTONIC={wall_alone}"))
            .arg(program.as_ref())
    }
}
