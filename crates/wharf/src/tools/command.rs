//! What the command lines of all tools have in common.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Command, Parser};

use super::output;
use crate::version::BUILD;

/// A mistake on the command line that is found after it was read.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct UsageError(pub(super) String);

/// The exit code after a mistake on the command line.
pub(super) const USAGE: u8 = 2;

/// Reads the command line of a tool.
///
/// # Errors
/// The exit code, when all is said: after `--help`, which is no mistake, or after what was wrong, which ends with
/// `usage_code`.
pub(super) fn parse<T: Parser>(name: &str, arguments: &[OsString], usage_code: u8) -> Result<T, ExitCode> {
    parse_with(name, |command| command, arguments, usage_code)
}

/// The same, with a command line that has been made to fit.
fn parse_with<T: Parser>(
    name: &str,
    fit: impl FnOnce(Command) -> Command,
    arguments: &[OsString],
    usage_code: u8,
) -> Result<T, ExitCode> {
    let program = format!("wharf {name}");
    let mut command = fit(T::command())
        .bin_name(&program)
        // That there is one is what counts: the text of all of them is the same.
        .version(BUILD.version)
        .propagate_version(true)
        .term_width(100)
        .max_term_width(100);
    command.set_bin_name(&program);
    let matches = command.try_get_matches_from_mut([OsString::from(&program)].iter().chain(arguments));
    matches
        .and_then(|matches| T::from_arg_matches(&matches))
        .map_err(|error| {
            // Whoever closed the output does not want it.
            let _unwritten = match error.kind() {
                ErrorKind::DisplayVersion => io::stdout().lock().write_all(BUILD.report().as_bytes()),
                _ => error.print(),
            };
            match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
                _ => ExitCode::from(usage_code),
            }
        })
}

/// Runs a tool that has nothing to say beyond done, with 0, or failed, with 1 and a reason on standard error; 2 if the
/// reason is a [`UsageError`]. Whoever closes the output has had enough, which is no failure.
pub(super) fn carry_out<T: Parser>(
    name: &str,
    arguments: &[OsString],
    work: impl FnOnce(&T) -> anyhow::Result<ExitCode>,
) -> ExitCode {
    carry_out_with(name, |command| command, arguments, work)
}

/// The same, with a command line that has been made to fit.
pub(super) fn carry_out_with<T: Parser>(
    name: &str,
    fit: impl FnOnce(Command) -> Command,
    arguments: &[OsString],
    work: impl FnOnce(&T) -> anyhow::Result<ExitCode>,
) -> ExitCode {
    match parse_with(name, fit, arguments, USAGE).map(|arguments| work(&arguments)) {
        Ok(Ok(code)) | Err(code) => code,
        Ok(Err(error)) if output::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Ok(Err(error)) => {
            complain(name, &error);
            if error.is::<UsageError>() {
                ExitCode::from(USAGE)
            } else {
                ExitCode::FAILURE
            }
        }
    }
}

/// Says on standard error what went wrong: `wharf push: error: ...`, with its causes.
pub(super) fn complain(name: &str, error: &anyhow::Error) {
    // If standard error is closed, the exit code says it alone.
    let _unwritten = writeln!(io::stderr(), "wharf {name}: error: {error:#}");
}
