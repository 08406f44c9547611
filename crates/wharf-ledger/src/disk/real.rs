//! A folder of the operating system.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
    process,
};

use super::{Disk, DiskFile, DiskLock, LockError};

const LOCK_NAME: &str = "lock";

/// A folder of the operating system. Files that it creates are private (0600), and so is the folder (0700).
#[derive(Debug, Clone)]
pub struct RealDisk {
    folder: PathBuf,
    /// Whether the folder is made with the first file.
    is_made_late: bool,
}

impl RealDisk {
    /// The folder at `path`, created with the folders above it if it is not there.
    ///
    /// # Errors
    /// The folder can neither be found nor created, or `path` is something else.
    pub fn new(path: impl Into<PathBuf>) -> io::Result<Self> {
        let folder = path.into();
        make(&folder)?;
        Ok(Self {
            folder,
            is_made_late: false,
        })
    }

    /// The folder at `path`, which is made with the first file in it. Until then it has none.
    pub fn made_late(path: impl Into<PathBuf>) -> Self {
        Self {
            folder: path.into(),
            is_made_late: true,
        }
    }

    /// The folder at `path`, which must be there: for tools that look at a ledger.
    ///
    /// # Errors
    /// There is no folder at `path`.
    pub fn existing(path: impl Into<PathBuf>) -> io::Result<Self> {
        let folder = path.into();
        if !fs::metadata(&folder)?.is_dir() {
            return Err(io::Error::from(io::ErrorKind::NotADirectory));
        }
        Ok(Self {
            folder,
            is_made_late: false,
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// Makes a folder with those above it, unless it is there.
fn make(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    // The folder's own name must survive a power cut as well.
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

impl Disk for RealDisk {
    fn describe(&self) -> String {
        self.folder.display().to_string()
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        if self.is_made_late {
            make(&self.folder)?;
        }
        let mut options = OpenOptions::new();
        options
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600);
        Ok(Box::new(RealFile(options.open(self.path(name))?)))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let path = self.path(name);
        let file = match OpenOptions::new().read(true).write(true).open(&path) {
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
                ) =>
            {
                File::open(&path)?
            }
            opened => opened?,
        };
        Ok(Box::new(RealFile(file)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from), self.path(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path(name))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if self.is_made_late && error.kind() == io::ErrorKind::NotFound => return Ok(names),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            // A name that is not UTF-8 is not one of ours.
            if let (true, Ok(name)) = (entry.file_type()?.is_file(), entry.file_name().into_string()) {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn sync_dir(&self) -> io::Result<()> {
        File::open(&self.folder)?.sync_all()
    }

    fn lock(&self) -> Result<Box<dyn DiskLock>, LockError> {
        let mut options = OpenOptions::new();
        options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600);
        let mut file = options.open(self.path(LOCK_NAME)).map_err(LockError::Io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(LockError::Held {
                    holder: holder(&mut file),
                });
            }
            Err(TryLockError::Error(error)) => return Err(LockError::Io(error)),
        }
        // The number only tells a second process whom to look for; a full disk is no reason not to start.
        let noted = file.set_len(0).and_then(|()| writeln!(file, "{}", process::id()));
        drop(noted);
        Ok(Box::new(RealLock { _file: file }))
    }
}

/// Who holds the lock, from what it wrote into the file.
fn holder(file: &mut File) -> String {
    let mut text = String::new();
    match file
        .take(32)
        .read_to_string(&mut text)
        .ok()
        .and_then(|_| text.trim().parse::<u32>().ok())
    {
        Some(id) => format!("process {id}"),
        None => "another process".to_owned(),
    }
}

#[derive(Debug)]
struct RealFile(File);

impl DiskFile for RealFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match FileExt::read_at(&self.0, buffer, offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => return done,
            }
        }
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }
}

/// The kernel lets the lock go with the file, also when the process is killed.
#[derive(Debug)]
struct RealLock {
    _file: File,
}

impl DiskLock for RealLock {}
