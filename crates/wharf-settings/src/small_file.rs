//! Files that settings name, read as a whole.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// What is in a file of at most so many bytes. They are counted while it is read, for a pipe or a device does not say its size.
///
/// # Errors
/// If it cannot be read, or has more.
pub fn read(path: &Path, max_bytes: u64) -> io::Result<Vec<u8>> {
    let mut contents = Vec::new();
    File::open(path)?
        .take(max_bytes.saturating_add(1))
        .read_to_end(&mut contents)?;
    if contents.len() as u64 > max_bytes {
        return Err(io::Error::other(format!(
            "expected at most {max_bytes} bytes, found more"
        )));
    }
    Ok(contents)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_more_bytes_is_refused_whether_it_says_its_size_or_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "four").unwrap();
        assert_eq!(read(&path, 4).unwrap(), b"four");
        for (path, max) in [(path.as_path(), 3), (Path::new("/dev/zero"), 3)] {
            let error = read(path, max).unwrap_err();
            assert_eq!(error.to_string(), "expected at most 3 bytes, found more");
        }
    }
}
