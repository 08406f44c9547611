//! A file that is there as a whole, or not at all.

use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::io::{self, BufWriter, ErrorKind, Seek, SeekFrom, Write};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;
use tempfile::{Builder, NamedTempFile};

use super::output;

/// For a new file, of which the system takes what the user's mask says.
const MODE: u32 = 0o666;

/// A file without a name, which takes its own once it is whole. If it never is, it goes, whatever ends this process, and whatever
/// has its name stays.
#[derive(Debug)]
pub(super) struct WholeFile {
    begun: BufWriter<File>,
    /// Its name until then, where the file system has no files without one. It goes unless the process is killed.
    named: Option<tempfile::TempPath>,
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
        let prefix = prefix(&target).context("expected the name of a file, found none")?;
        let permissions = before
            .as_ref()
            .map_or_else(|| Permissions::from_mode(MODE), fs::Metadata::permissions);
        let (begun, named) = if let Some(begun) = without_name(folder(&target), &permissions)? {
            (begun, None)
        } else {
            let named = beside(&prefix)
                .permissions(permissions)
                .tempfile_in(folder(&target))?;
            let (begun, named) = named.into_parts();
            (begun, Some(named))
        };
        if let Some(before) = before {
            keep_owner(&begun, &before)
                .context("keep its owner (write to another file, or run this as that user)")?;
            // The mask does not count for what was there.
            begun.set_permissions(before.permissions())?;
        }
        Ok(Self {
            begun: BufWriter::new(begun),
            named,
            target,
        })
    }

    /// Lets it take its name, when all of it is on the disk.
    ///
    /// # Errors
    /// Whatever the disk says; then whatever had its name has it still.
    pub(super) fn finish(self) -> anyhow::Result<()> {
        let Self { begun, named, target } = self;
        let finished = begun.into_inner().map_err(io::IntoInnerError::into_error);
        finished
            .and_then(|whole| {
                whole.sync_all()?;
                let whole = match named {
                    Some(named) => NamedTempFile::from_parts(whole, named),
                    None => with_name(whole, &target)?,
                };
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

/// Where a process finds its own open files.
const OPEN_FILES: &str = "/proc/self/fd";

/// A new file without a name. None where there is no such thing: on some file systems, such as that of a network, and where nobody
/// could give it a name later.
fn without_name(folder: &Path, permissions: &Permissions) -> io::Result<Option<File>> {
    if !Path::new(OPEN_FILES).exists() {
        return Ok(None);
    }
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    match rustix::fs::open(folder, flags, Mode::from_raw_mode(permissions.mode() & 0o777)) {
        Ok(file) => Ok(Some(file.into())),
        // An old kernel takes it for a folder that is to be written.
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Gives a file a name beside its target. In one step it takes a name only if nobody has it.
fn with_name(file: File, target: &Path) -> io::Result<NamedTempFile> {
    let open = format!("{OPEN_FILES}/{}", file.as_fd().as_raw_fd());
    let prefix = prefix(target).unwrap_or_default();
    let named = beside(&prefix).make_in(folder(target), |name| {
        Ok(rustix::fs::linkat(
            CWD,
            &open,
            CWD,
            name,
            AtFlags::SYMLINK_FOLLOW,
        )?)
    })?;
    let ((), name) = named.into_parts();
    Ok(NamedTempFile::from_parts(file, name))
}

/// A name beside the target.
fn beside(prefix: &OsString) -> Builder<'_, 'static> {
    let mut builder = Builder::new();
    builder.prefix(prefix).suffix(".part");
    builder
}

/// How such a name begins.
fn prefix(target: &Path) -> Option<OsString> {
    let mut prefix = OsString::from(".");
    prefix.push(target.file_name()?);
    Some(prefix)
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
            // Nothing that stays if the process is killed now.
            assert_eq!(names(folder.path()).len(), usize::from(before.is_some()));
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
    fn where_files_have_names_from_their_beginning_they_are_whole_as_well() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("file");
        let begin = || {
            let named = beside(&prefix(&target).unwrap()).tempfile_in(folder.path());
            let (begun, name) = named.unwrap().into_parts();
            let mut file = WholeFile {
                begun: BufWriter::new(begun),
                named: Some(name),
                target: target.clone(),
            };
            file.write_all(b"text").unwrap();
            file
        };
        drop(begin());
        assert_eq!(names(folder.path()), [""; 0]);
        begin().finish().unwrap();
        assert_eq!(names(folder.path()), ["file"]);
        assert_eq!(fs::read_to_string(&target).unwrap(), "text");
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
