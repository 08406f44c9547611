//! `wharf version`: which build this is.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::process::ExitCode;

use crate::version::BUILD;

/// Say which build this is, as `wharf --version` does.
#[derive(Debug, clap::Parser)]
pub(super) struct Arguments {}

/// Runs `wharf version`.
pub(super) fn run(arguments: &[OsString]) -> ExitCode {
    super::command::carry_out("version", arguments, |_: &Arguments| {
        io::stdout().lock().write_all(BUILD.report().as_bytes())?;
        Ok(ExitCode::SUCCESS)
    })
}
