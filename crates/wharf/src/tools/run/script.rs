//! Scripts whose first line names no interpreter, which the system does not start: they belong to the shell.
//!
//! So it is from crontab lines, shells, `nohup`, `timeout` and `env`. These hand everything to the shell that the system
//! does not start; shells themselves look first whether it is text, and so is done here: what a program for another
//! machine makes the shell do is anybody's guess.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

/// What runs a script.
pub(super) const SHELL: &str = "/bin/sh";

/// Where programs are if nothing says so.
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// Longer first lines are not looked through.
const FIRST_LINE_BYTES: u64 = 256;

/// The file of a program that the system found and could not start, as the shell is to be told it; none if it is not a
/// script.
pub(super) fn of_program(program: &OsStr) -> Option<PathBuf> {
    let file = find(program)?;
    let line = first_line(&file).ok()?;
    if line.contains(&0) {
        return None;
    }
    // The shell must not take a file for an option.
    let is_like_option = file.as_os_str().as_bytes().starts_with(b"-");
    Some(if is_like_option {
        Path::new(".").join(file)
    } else {
        file
    })
}

/// The interpreter that the first line of a file names, if it is not there.
pub(super) fn missing_interpreter(program: &OsStr) -> Option<String> {
    let line = first_line(&find(program)?).ok()?;
    let named = line.strip_prefix(b"#!")?.trim_ascii_start();
    let end = named.iter().position(|byte| matches!(byte, b' ' | b'\t'));
    let name = named.get(..end.unwrap_or(named.len()))?;
    let is_missing = !Path::new(OsStr::from_bytes(name)).exists();
    is_missing.then(|| String::from_utf8_lossy(name).escape_debug().to_string())
}

/// The file that the system takes a program for.
fn find(program: &OsStr) -> Option<PathBuf> {
    if program.as_bytes().contains(&b'/') {
        return Some(program.into());
    }
    let candidates = search_path();
    let mut candidates = std::env::split_paths(&candidates).map(|folder| folder.join(program));
    candidates.find(|file| file.is_file() && access(file, Access::EXEC_OK).is_ok())
}

#[expect(
    clippy::disallowed_methods,
    reason = "where programs are found is said by a variable"
)]
fn search_path() -> OsString {
    std::env::var_os("PATH").unwrap_or_else(|| DEFAULT_PATH.into())
}

/// The first line of a file without its end, or the beginning of it.
fn first_line(file: &Path) -> io::Result<Vec<u8>> {
    let mut beginning = Vec::new();
    File::open(file)?
        .take(FIRST_LINE_BYTES)
        .read_to_end(&mut beginning)?;
    let end = beginning.iter().position(|byte| *byte == b'\n');
    beginning.truncate(end.unwrap_or(beginning.len()));
    Ok(beginning)
}
