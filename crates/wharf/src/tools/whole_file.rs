//! A file that is there as a whole, or not at all.

use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::io::{self, BufWriter, ErrorKind, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use tempfile::NamedTempFile;

use super::output;

/// For a new file, of which the system takes what the user's mask says.
const MODE: u32 = 0o666;

/// A file under another name beside its own, which it takes once it is whole. If it never is, it goes, and whatever has its
/// name stays.
#[derive(Debug)]
pub(super) struct WholeFile {
    begun: BufWriter<NamedTempFile>,
    target: PathBuf,
}

impl WholeFile {
    /// Begins a file; `target` may be there already, as a file.
    ///
    /// # Errors
    /// If something else is there, or the folder takes no file.
    pub(super) fn begin(target: &Path) -> anyhow::Result<Self> {
        Self::try_begin(target).with_context(|| format!("write {}", output::clean(&target.to_string_lossy())))
    }

    fn try_begin(target: &Path) -> anyhow::Result<Self> {
        let (target, before) = match fs::metadata(target) {
            Ok(found) if found.is_file() => {
                // Behind a link, so that the link stays.
                (fs::canonicalize(target)?, Some(found))
            }
            Ok(_) => bail!("expected a file or a name that is free, found something else"),
            Err(error) if error.kind() == ErrorKind::NotFound => (target.to_owned(), None),
            Err(error) => return Err(error.into()),
        };
        let name = target
            .file_name()
            .context("expected the name of a file, found none")?;
        let mut prefix = OsString::from(".");
        prefix.push(name);
        let begun = tempfile::Builder::new()
            .prefix(&prefix)
            .suffix(".part")
            .permissions(
                before
                    .as_ref()
                    .map_or_else(|| Permissions::from_mode(MODE), fs::Metadata::permissions),
            )
            .tempfile_in(folder(&target))?;
        if let Some(before) = before {
            keep_owner(begun.as_file(), &before)
                .context("keep its owner (write to another file, or run this as that user)")?;
            // The mask does not count for what was there.
            begun.as_file().set_permissions(before.permissions())?;
        }
        Ok(Self {
            begun: BufWriter::new(begun),
            target,
        })
    }

    /// Lets it take its name, when all of it is on the disk.
    ///
    /// # Errors
    /// Whatever the disk says; then whatever had its name has it still.
    pub(super) fn finish(self) -> anyhow::Result<()> {
        let Self { begun, target } = self;
        let finished = begun.into_inner().map_err(io::IntoInnerError::into_error);
        finished
            .and_then(|whole| {
                whole.as_file().sync_all()?;
                whole.persist(&target).map_err(|error| error.error)?;
                File::open(folder(&target))?.sync_all()
            })
            .with_context(|| format!("write {}", output::clean(&target.to_string_lossy())))
    }
}

impl Write for WholeFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.begun.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.begun.flush()
    }
}

impl Seek for WholeFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.begun.seek(to)
    }
}

/// Lets those read the file who could read the one before: the gateway that reads it may run as another user.
fn keep_owner(new: &File, before: &fs::Metadata) -> io::Result<()> {
    let own = new.metadata()?;
    if (own.uid(), own.gid()) == (before.uid(), before.gid()) {
        return Ok(());
    }
    fchown(new, Some(before.uid()), Some(before.gid()))
}

fn folder(target: &Path) -> &Path {
    match target.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<OsString> {
        let entries = fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name()).collect()
    }

    #[test]
    fn a_file_takes_its_name_when_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("file");
        for text in ["first", "second"] {
            let before = fs::read(&target).ok();
            let mut file = WholeFile::begin(&target).unwrap();
            file.write_all(text.as_bytes()).unwrap();
            file.flush().unwrap();
            assert_eq!(fs::read(&target).ok(), before);
            file.finish().unwrap();
            assert_eq!(fs::read_to_string(&target).unwrap(), text);
        }
        assert_eq!(names(folder.path()), ["file"]);
    }

    #[test]
    fn what_was_not_finished_leaves_nothing_and_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("file");
        let begin = || WholeFile::begin(&target).unwrap().write_all(b"half").unwrap();
        begin();
        assert_eq!(names(folder.path()), [""; 0]);
        fs::write(&target, "before").unwrap();
        begin();
        assert_eq!(names(folder.path()), ["file"]);
        assert_eq!(fs::read_to_string(&target).unwrap(), "before");
    }

    #[test]
    fn links_and_modes_stay() {
        let folder = tempfile::tempdir().unwrap();
        let (target, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&target, "before").unwrap();
        fs::set_permissions(&target, Permissions::from_mode(0o626)).unwrap();
        std::os::unix::fs::symlink("file", &link).unwrap();
        let mut file = WholeFile::begin(&link).unwrap();
        file.write_all(b"after").unwrap();
        file.finish().unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&target).unwrap(), "after");
        assert_eq!(fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o626);
    }

    #[test]
    fn the_owner_stays() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("file");
        fs::write(&target, "before").unwrap();
        // Only root may give a file away.
        let uid = if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(&target, Some(65_534), None).unwrap();
            65_534
        } else {
            fs::metadata(&target).unwrap().uid()
        };
        WholeFile::begin(&target).unwrap().finish().unwrap();
        assert_eq!(fs::metadata(&target).unwrap().uid(), uid);
    }

    #[test]
    fn what_is_no_file_is_left_alone() {
        for target in ["/dev/null", "/", ".", "/nonexistent/file"] {
            let error = format!("{:#}", WholeFile::begin(Path::new(target)).unwrap_err());
            assert!(error.starts_with(&format!("write {target}: ")), "{error}");
        }
    }
}
