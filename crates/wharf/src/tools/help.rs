//! `wharf help`, and `wharf help TOOL`.

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use super::command::carry_out;
use super::tool::{Tool, find, listed, unknown};
use crate::args::Invocation;

/// Show the help of the gateway, or that of the tool that is named.
#[derive(Debug, clap::Parser)]
pub(super) struct Arguments {
    /// The tool, and perhaps one of its commands
    #[arg(value_name = "TOOL")]
    tool: Vec<OsString>,
}

/// Runs `wharf help`.
pub(super) fn run(tools: &[Tool], arguments: &[OsString]) -> ExitCode {
    carry_out("help", arguments, |arguments: &Arguments| {
        Ok(match arguments.tool.split_first() {
            None => help_of_gateway(tools),
            Some((name, commands)) => match name.to_str().and_then(|name| find(tools, name)) {
                Some(tool) => tool.run(&[commands, &["--help".into()]].concat()),
                None => unknown(tools, name),
            },
        })
    })
}

fn help_of_gateway(tools: &[Tool]) -> ExitCode {
    let invocation = Invocation::parse("wharf", &listed(tools), [OsString::from("--help")], |_| None);
    let text = match invocation {
        Ok(Invocation::Print(text)) => text,
        _ => String::new(),
    };
    // Whoever closed the output does not want it.
    let _unwritten = io::stdout().lock().write_all(text.as_bytes());
    ExitCode::SUCCESS
}
