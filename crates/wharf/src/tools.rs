//! What `wharf` does when its first argument names a tool: one table, and what all tools have in common.
//!
//! A tool begins at once: no runtime is started for it, and nothing of the gateway's settings is read.

mod backup;
mod check;
mod completions;
mod config;
mod contents;
mod delivery;
mod export;
mod families;
pub mod gateway;
mod get;
mod group;
mod help;
mod import;
mod ledger;
mod ls;
mod man;
mod output;
mod push;
mod remote;
mod rm;
mod run;
mod top;
mod version;
mod voice;
mod wipe;

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser};

use crate::args;
use crate::version::BUILD;

/// A tool: `wharf NAME ARGUMENTS`.
#[derive(Debug)]
pub struct Tool {
    /// The first argument that names it.
    pub name: &'static str,
    /// One sentence for the list of tools.
    pub about: &'static str,
    run: fn(&[OsString]) -> ExitCode,
    /// Its command line, for completion scripts and manual pages.
    command: fn() -> clap::Command,
}

/// All tools, in the order of the help.
pub const TOOLS: [Tool; 16] = [
    Tool {
        name: "run",
        about: "Run a command and push how that went.",
        run: run::run,
        command: run::Arguments::command,
    },
    Tool {
        name: "push",
        about: "Push metrics from a file, a pipe or the command line.",
        run: push::run,
        command: push::Arguments::command,
    },
    Tool {
        name: "check",
        about: "Look for mistakes in a text of metrics.",
        run: check::run,
        command: check::Arguments::command,
    },
    Tool {
        name: "ls",
        about: "List the groups of a gateway.",
        run: ls::run,
        command: ls::Arguments::command,
    },
    Tool {
        name: "get",
        about: "Print the metrics of groups.",
        run: get::run,
        command: get::Arguments::command,
    },
    Tool {
        name: "rm",
        about: "Remove groups, after having shown which.",
        run: rm::run,
        command: rm::Arguments::command,
    },
    Tool {
        name: "wipe",
        about: "Remove all groups.",
        run: wipe::run,
        command: wipe::Arguments::command,
    },
    Tool {
        name: "top",
        about: "Watch a gateway.",
        run: top::run,
        command: top::Arguments::command,
    },
    Tool {
        name: "import",
        about: "Bring groups over from another gateway or from a file.",
        run: import::run,
        command: import::Arguments::command,
    },
    Tool {
        name: "export",
        about: "Write groups to standard output, for import and push.",
        run: export::run,
        command: export::Arguments::command,
    },
    Tool {
        name: "ledger",
        about: "Look into the storage folder, copy it, mend it.",
        run: ledger::run,
        command: ledger::Arguments::command,
    },
    Tool {
        name: "config",
        about: "Check a file for --config.file, make tokens.",
        run: config::run,
        command: config::Arguments::command,
    },
    Tool {
        name: "completions",
        about: "Print a completion script for a shell.",
        run: completions::run,
        command: completions::Arguments::command,
    },
    Tool {
        name: "man",
        about: "Print the manual pages, or write them into a folder.",
        run: man::run,
        command: man::Arguments::command,
    },
    Tool {
        name: "help",
        about: "Show this help, or that of a tool.",
        run: help::run,
        command: help::Arguments::command,
    },
    Tool {
        name: "version",
        about: "Say which build this is.",
        run: version::run,
        command: version::Arguments::command,
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

    /// Its command line, for completion scripts and manual pages.
    fn outline(&self) -> clap::Command {
        (self.command)().name(self.name)
    }
}

/// Says that there is no such tool, and which one may have been meant.
pub fn unknown(name: &OsStr) -> ExitCode {
    let name = name.to_string_lossy();
    let hint = match args::nearest(&name, TOOLS.iter().map(|tool| tool.name)) {
        Some(tool) => format!("did you mean `wharf {tool}`?"),
        None => "`wharf help` lists the tools".to_owned(),
    };
    // If standard error is closed, the exit code says it alone.
    let _unwritten = writeln!(
        io::stderr(),
        "wharf: error: expected the name of a tool or a flag, found `{}`\nhint: {hint}",
        output::clean(&name)
    );
    ExitCode::from(USAGE)
}

/// A mistake on the command line that is found after it was read.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct UsageError(String);

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
fn carry_out<T: Parser>(
    name: &str,
    arguments: &[OsString],
    work: impl FnOnce(&T) -> anyhow::Result<ExitCode>,
) -> ExitCode {
    match parse(name, arguments, USAGE).map(|arguments| work(&arguments)) {
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
pub fn complain(name: &str, error: &anyhow::Error) {
    // If standard error is closed, the exit code says it alone.
    let _unwritten = writeln!(io::stderr(), "wharf {name}: error: {error:#}");
}
