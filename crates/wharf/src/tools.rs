//! What `wharf` does when its first argument names a tool: one table, and what all tools have in common.
//!
//! A tool begins at once: no runtime is started for it, and nothing of the gateway's settings is read.

mod check;
mod completions;
mod contents;
mod delivery;
mod export;
mod families;
pub mod gateway;
mod get;
mod group;
mod help;
mod import;
mod ls;
mod man;
mod output;
mod push;
mod remote;
mod rm;
mod run;
mod top;
mod voice;
mod wipe;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser};

/// A tool: `wharf NAME ARGUMENTS`.
#[derive(Debug)]
pub struct Tool {
    /// The first argument that names it.
    pub name: &'static str,
    /// One sentence for the list of tools.
    pub about: &'static str,
    run: fn(&[OsString]) -> ExitCode,
    /// Its command line, for completion scripts and man pages; none for those that read theirs by hand.
    command: Option<fn() -> clap::Command>,
}

/// All tools, in the order of the help.
pub const TOOLS: [Tool; 15] = [
    Tool {
        name: "run",
        about: "Run a command and push how that went.",
        run: run::run,
        command: Some(run::Arguments::command),
    },
    Tool {
        name: "push",
        about: "Push metrics from a file, a pipe or the command line.",
        run: push::run,
        command: Some(push::Arguments::command),
    },
    Tool {
        name: "check",
        about: "Look for mistakes in a text of metrics.",
        run: check::run,
        command: Some(check::Arguments::command),
    },
    Tool {
        name: "ls",
        about: "List the groups of a gateway.",
        run: ls::run,
        command: Some(ls::Arguments::command),
    },
    Tool {
        name: "get",
        about: "Print the metrics of groups.",
        run: get::run,
        command: Some(get::Arguments::command),
    },
    Tool {
        name: "rm",
        about: "Remove groups, after having shown which.",
        run: rm::run,
        command: Some(rm::Arguments::command),
    },
    Tool {
        name: "wipe",
        about: "Remove all groups.",
        run: wipe::run,
        command: Some(wipe::Arguments::command),
    },
    Tool {
        name: "top",
        about: "Watch a gateway.",
        run: top::run,
        command: Some(top::Arguments::command),
    },
    Tool {
        name: "import",
        about: "Bring groups over from another gateway or from a file.",
        run: import::run,
        command: Some(import::Arguments::command),
    },
    Tool {
        name: "export",
        about: "Write groups to standard output, for import and push.",
        run: export::run,
        command: Some(export::Arguments::command),
    },
    Tool {
        name: "ledger",
        about: "Look into the storage folder, copy it, mend it.",
        run: |arguments| crate::ledger_tool::run(&lossy(arguments)),
        command: None,
    },
    Tool {
        name: "config",
        about: "Check a file for --config.file.",
        run: |arguments| crate::config_file::run_tool(&lossy(arguments)),
        command: None,
    },
    Tool {
        name: "completions",
        about: "Print a completion script for a shell.",
        run: completions::run,
        command: Some(completions::Arguments::command),
    },
    Tool {
        name: "man",
        about: "Print the manual pages, or write them into a folder.",
        run: man::run,
        command: Some(man::Arguments::command),
    },
    Tool {
        name: "help",
        about: "Show this help, or that of a tool.",
        run: help::run,
        command: None,
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

    /// Its command line, for completion scripts and manual pages. Tools that read theirs by hand have a line on what
    /// they do, and `--help`.
    fn outline(&self) -> clap::Command {
        let about = self.about.trim_end_matches('.');
        let by_hand = || clap::Command::new(self.name).about(about);
        self.command
            .map_or_else(by_hand, |command| command().name(self.name))
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

/// Runs a tool that has nothing to say beyond done, with 0, or failed, with 1 and a reason on standard error. Whoever
/// closes the output has had enough, which is no failure.
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
            ExitCode::FAILURE
        }
    }
}

/// Says on standard error what went wrong: `wharf push: error: ...`, with its causes.
pub fn complain(name: &str, error: &anyhow::Error) {
    // If standard error is closed, the exit code says it alone.
    let _unwritten = writeln!(io::stderr(), "wharf {name}: error: {error:#}");
}
