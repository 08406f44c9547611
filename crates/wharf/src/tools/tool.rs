//! A tool, and how one is found by its name.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write as _};
use std::process::ExitCode;

use super::command::USAGE;
use super::output;
use crate::args;

/// A tool: `wharf NAME ARGUMENTS`.
#[derive(Debug)]
pub struct Tool {
    /// The first argument that names it.
    pub name: &'static str,
    /// One sentence for the list of tools.
    pub about: &'static str,
    pub(super) run: fn(&[OsString]) -> ExitCode,
    /// Its command line, for completion scripts and manual pages.
    pub(super) command: fn() -> clap::Command,
}

impl Tool {
    /// Runs it to its end with the arguments behind its name.
    pub fn run(&self, arguments: &[OsString]) -> ExitCode {
        (self.run)(arguments)
    }

    /// Its command line, for completion scripts and manual pages.
    pub(super) fn outline(&self) -> clap::Command {
        (self.command)().name(self.name)
    }
}

/// The one of that name.
pub(super) fn find<'t>(tools: &'t [Tool], name: &str) -> Option<&'t Tool> {
    tools.iter().find(|tool| tool.name == name)
}

/// The names with what they do, for the help.
pub(super) fn listed(tools: &[Tool]) -> Vec<(&str, &str)> {
    tools.iter().map(|tool| (tool.name, tool.about)).collect()
}

/// Says that there is no such tool, and which one may have been meant.
pub(super) fn unknown(tools: &[Tool], name: &OsStr) -> ExitCode {
    let name = name.to_string_lossy();
    let hint = match args::nearest(&name, tools.iter().map(|tool| tool.name)) {
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
