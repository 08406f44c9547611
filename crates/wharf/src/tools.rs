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
    outline: Outline,
}

/// What completion scripts and manual pages say of a tool's command line.
#[derive(Debug)]
enum Outline {
    /// What it is read by.
    Clap(fn() -> clap::Command),
    /// The help of a tool that reads it by hand.
    Text(&'static str),
}

/// All tools, in the order of the help.
pub const TOOLS: [Tool; 15] = [
    Tool {
        name: "run",
        about: "Run a command and push how that went.",
        run: run::run,
        outline: Outline::Clap(run::Arguments::command),
    },
    Tool {
        name: "push",
        about: "Push metrics from a file, a pipe or the command line.",
        run: push::run,
        outline: Outline::Clap(push::Arguments::command),
    },
    Tool {
        name: "check",
        about: "Look for mistakes in a text of metrics.",
        run: check::run,
        outline: Outline::Clap(check::Arguments::command),
    },
    Tool {
        name: "ls",
        about: "List the groups of a gateway.",
        run: ls::run,
        outline: Outline::Clap(ls::Arguments::command),
    },
    Tool {
        name: "get",
        about: "Print the metrics of groups.",
        run: get::run,
        outline: Outline::Clap(get::Arguments::command),
    },
    Tool {
        name: "rm",
        about: "Remove groups, after having shown which.",
        run: rm::run,
        outline: Outline::Clap(rm::Arguments::command),
    },
    Tool {
        name: "wipe",
        about: "Remove all groups.",
        run: wipe::run,
        outline: Outline::Clap(wipe::Arguments::command),
    },
    Tool {
        name: "top",
        about: "Watch a gateway.",
        run: top::run,
        outline: Outline::Clap(top::Arguments::command),
    },
    Tool {
        name: "import",
        about: "Bring groups over from another gateway or from a file.",
        run: import::run,
        outline: Outline::Clap(import::Arguments::command),
    },
    Tool {
        name: "export",
        about: "Write groups to standard output, for import and push.",
        run: export::run,
        outline: Outline::Clap(export::Arguments::command),
    },
    Tool {
        name: "ledger",
        about: "Look into the storage folder, copy it, mend it.",
        run: |arguments| crate::ledger_tool::run(&lossy(arguments)),
        outline: Outline::Text(crate::ledger_tool::USAGE),
    },
    Tool {
        name: "config",
        about: "Check a file for --config.file, make tokens.",
        run: |arguments| crate::config_file::run_tool(&lossy(arguments)),
        outline: Outline::Text(crate::config_file::TOOL_USAGE),
    },
    Tool {
        name: "completions",
        about: "Print a completion script for a shell.",
        run: completions::run,
        outline: Outline::Clap(completions::Arguments::command),
    },
    Tool {
        name: "man",
        about: "Print the manual pages, or write them into a folder.",
        run: man::run,
        outline: Outline::Clap(man::Arguments::command),
    },
    Tool {
        name: "help",
        about: "Show this help, or that of a tool.",
        run: help::run,
        outline: Outline::Text("usage: wharf help [<tool>]\n"),
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
        match self.outline {
            Outline::Clap(command) => command().name(self.name),
            Outline::Text(text) => {
                let about = self.about.trim_end_matches('.');
                clap::Command::new(self.name).about(about).after_help(text)
            }
        }
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
