//! `wharf help`, and `wharf help TOOL`.

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use super::{USAGE, complain, find};
use crate::args::Invocation;

/// Shows the help of the gateway, or that of the tool that is named.
pub(super) fn run(arguments: &[OsString]) -> ExitCode {
    let Some(name) = arguments.first() else {
        let invocation = Invocation::parse("wharf", [OsString::from("--help")], |_| None);
        let text = match invocation {
            Ok(Invocation::Print(text)) => text,
            _ => String::new(),
        };
        // Whoever closed the output does not want it.
        let _unwritten = io::stdout().lock().write_all(text.as_bytes());
        return ExitCode::SUCCESS;
    };
    match name.to_str().and_then(find) {
        // Itself has no other help.
        Some(tool) if tool.name == "help" => run(&[]),
        Some(tool) => tool.run(&["--help".into()]),
        None => {
            let name = name.to_string_lossy();
            let error = anyhow::anyhow!("expected the name of a tool, found `{}`", name.escape_debug());
            complain("help", &error);
            ExitCode::from(USAGE)
        }
    }
}
