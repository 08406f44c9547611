//! What `wharf` does when its first argument names a tool: one table, and what all tools have in common.
//!
//! A tool begins at once: no runtime is started for it, and nothing of the gateway's settings is read.

pub mod gateway;
mod help;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

/// A tool: `wharf NAME ARGUMENTS`.
#[derive(Debug)]
pub struct Tool {
    /// The first argument that names it.
    pub name: &'static str,
    /// One sentence for the list of tools.
    pub about: &'static str,
    run: fn(&[OsString]) -> ExitCode,
}

/// All tools, in the order of the help.
pub const TOOLS: [Tool; 3] = [
    Tool {
        name: "ledger",
        about: "Look into the storage folder, copy it, mend it.",
        run: |arguments| crate::ledger_tool::run(&lossy(arguments)),
    },
    Tool {
        name: "config",
        about: "Check a file for --config.file.",
        run: |arguments| crate::config_file::run_tool(&lossy(arguments)),
    },
    Tool {
        name: "help",
        about: "Show this help, or that of a tool.",
        run: help::run,
    },
];

/// The tool of that name.
pub fn find(name: &str) -> Option<&'static Tool> {
    TOOLS.iter().find(|tool| tool.name == name)
}

impl Tool {
    /// Runs it to its end with the arguments behind its name.
    pub fn run(&self, arguments: &[OsString]) -> ExitCode {
        (self.run)(arguments)
    }
}

fn lossy(arguments: &[OsString]) -> Vec<String> {
    let text = |argument: &OsString| argument.to_string_lossy().into_owned();
    arguments.iter().map(text).collect()
}

/// The exit code after a mistake on the command line.
pub const USAGE: u8 = 2;

/// Reads the command line of a tool.
///
/// # Errors
/// The exit code, when all is said: after `--help`, which is no mistake, or after what was wrong, which ends with
/// `usage_code`.
pub fn parse<T: Parser>(name: &str, arguments: &[OsString], usage_code: u8) -> Result<T, ExitCode> {
    let program = format!("wharf {name}");
    let mut command = T::command()
        .bin_name(&program)
        .term_width(100)
        .max_term_width(100);
    command.set_bin_name(&program);
    let matches = command.try_get_matches_from_mut([OsString::from(&program)].iter().chain(arguments));
    matches
        .and_then(|matches| T::from_arg_matches(&matches))
        .map_err(|error| {
            // Whoever closed the output does not want it.
            let _unwritten = error.print();
            match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
                _ => ExitCode::from(usage_code),
            }
        })
}

/// Says on standard error what went wrong: `wharf push: error: ...`, with its causes.
pub fn complain(name: &str, error: &anyhow::Error) {
    // If standard error is closed, the exit code says it alone.
    let _unwritten = writeln!(io::stderr(), "wharf {name}: error: {error:#}");
}
