//! `wharf completions`: scripts that let a shell complete the command line.

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

use clap::Command;
use clap_complete::Shell as Known;

use super::command::carry_out;
use super::tool::Tool;

/// Print a script that lets a shell complete flags and tools.
#[derive(Debug, clap::Parser)]
#[command(after_help = "Examples:
  wharf completions bash > /etc/bash_completion.d/wharf
  wharf completions zsh > /usr/local/share/zsh/site-functions/_wharf
  wharf completions fish > ~/.config/fish/completions/wharf.fish")]
pub(super) struct Arguments {
    /// Which shell
    #[arg(value_enum)]
    shell: Shell,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// Runs `wharf completions`.
pub(super) fn run(tools: &[Tool], arguments: &[OsString]) -> ExitCode {
    carry_out("completions", arguments, |arguments: &Arguments| {
        let shell = match arguments.shell {
            Shell::Bash => Known::Bash,
            Shell::Zsh => Known::Zsh,
            Shell::Fish => Known::Fish,
        };
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut whole(tools), "wharf", &mut script);
        std::io::stdout().lock().write_all(&script)?;
        Ok(ExitCode::SUCCESS)
    })
}

/// The gateway's command line with every tool below it.
fn whole(tools: &[Tool]) -> Command {
    crate::args::outline().subcommands(tools.iter().map(Tool::outline))
}
