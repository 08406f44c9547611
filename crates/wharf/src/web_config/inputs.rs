//! The files that settings were read from, to notice when one of them says something else.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use wharf_settings::small_file;

/// No config file, certificate or key is larger.
const MAX_FILE_BYTES: u64 = 4 << 20;

/// What was read from which file.
#[derive(Default)]
pub(super) struct Inputs {
    files: BTreeMap<PathBuf, Contents>,
}

/// An error says why there are no contents: a file that appears is a change as well.
type Contents = Result<Vec<u8>, String>;

/// Contents are secrets.
impl fmt::Debug for Inputs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.files.keys()).finish()
    }
}

impl Inputs {
    /// Reads a file and remembers what it says.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub(super) fn read(&mut self, path: &Path) -> Contents {
        let contents = self.files.entry(path.to_owned());
        contents.or_insert_with(|| read(path)).clone()
    }

    /// Whether some file says something else now. Pipes say what they have to say once.
    pub(super) fn have_changed(&self) -> bool {
        let mut watched = self
            .files
            .iter()
            .filter(|(path, _)| fs::metadata(path).map_or(true, |found| found.is_file()));
        watched.any(|(path, contents)| read(path) != *contents)
    }
}

fn read(path: &Path) -> Contents {
    let read = small_file::read(path, MAX_FILE_BYTES);
    read.map_err(|error| format!("open {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_noticed_whatever_the_file_system_says_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("web.yml");
        let mut inputs = Inputs::default();
        assert!(inputs.read(&path).is_err());
        assert!(!inputs.have_changed());
        fs::write(&path, "one").unwrap();
        assert!(inputs.have_changed());

        let mut inputs = Inputs::default();
        assert_eq!(inputs.read(&path).as_deref(), Ok(b"one".as_slice()));
        let modified = fs::metadata(&path).unwrap().modified().unwrap();
        fs::write(&path, "two").unwrap();
        fs::File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_modified(modified)
            .unwrap();
        assert!(inputs.have_changed());
        fs::write(&path, "one").unwrap();
        assert!(!inputs.have_changed());
        fs::remove_file(&path).unwrap();
        assert!(inputs.have_changed());
    }

    #[test]
    fn a_file_that_is_too_large_is_not_read() {
        let mut inputs = Inputs::default();
        let error = inputs.read(Path::new("/dev/zero")).unwrap_err();
        assert_eq!(
            error,
            "open /dev/zero: expected at most 4194304 bytes, found more"
        );
        // It is no file, so it is not looked at again.
        assert!(!inputs.have_changed());
    }
}
