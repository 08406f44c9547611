//! `wharf expect`: which groups are expected to be pushed to, and how that stands.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

use super::gateway::GatewayFlags;
use super::output::Format;
use super::remote::{self, Remote};

/// The command line of `wharf expect`.
#[derive(Debug, Parser)]
#[command(about = "Show which groups are expected to be pushed to, and when")]
#[command(after_help = "Examples:
  wharf expect ls
  wharf expect ls backup --state=overdue
  wharf expect ls '{team=\"web\"}' -o json")]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the groups that rules of the configuration file expect
    Ls {
        /// Only these groups: selectors such as '{job=~"ci-.*",env!="prod"}', or names of jobs
        #[arg(value_name = "SELECTOR|JOB")]
        selectors: Vec<String>,

        /// Only those that stand so
        #[arg(long, value_enum)]
        state: Option<State>,

        /// At most so many
        #[arg(long, value_name = "COUNT")]
        limit: Option<usize>,

        /// Text for people, or an array of objects for scripts
        #[arg(short, long, value_enum, default_value = "text")]
        output: Format,

        #[command(flatten)]
        gateway: GatewayFlags,
    },
}

/// How an expectation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum State {
    Waiting,
    Due,
    Overdue,
    Paused,
}

impl State {
    fn parameter(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Due => "due",
            Self::Overdue => "overdue",
            Self::Paused => "paused",
        }
    }
}

/// Runs `wharf expect`.
pub(super) fn run(arguments: &[OsString]) -> ExitCode {
    super::command::carry_out("expect", arguments, execute)
}

fn execute(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let Command::Ls {
        selectors,
        state,
        limit,
        output,
        gateway,
    } = &arguments.command;
    let remote = Remote {
        client: gateway.client()?,
    };
    let selectors = remote::selectors(selectors)?;
    let state = state.map(State::parameter);
    let expectations = remote.expectations(&selectors, state, limit.unwrap_or(usize::MAX))?;
    let now = remote.status()?.now();
    expectations.write(
        *output,
        ("wharf expect", "no group that is expected matches"),
        now,
    )?;
    Ok(ExitCode::SUCCESS)
}
