//! `wharf expect`: which groups are expected to be pushed to, how that stands, and pauses.

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Parser, Subcommand, ValueEnum};
use wharf_client::{Method, Request, group_path, percent_encode};
use wharf_model::GroupingKey;

use super::gateway::GatewayFlags;
use super::output::{self, Format, confirm};
use super::remote::{self, Remote};

/// So many groups are named before it is asked.
const SHOWN: usize = 20;

/// The command line of `wharf expect`.
#[derive(Debug, Parser)]
#[command(about = "Show which groups are expected to be pushed to, pause that, or end it")]
#[command(after_help = "Examples:
  wharf expect ls
  wharf expect ls backup --state=overdue
  wharf expect ls '{team=\"web\"}' -o json
  wharf expect pause backup --until=2h
  wharf expect resume backup
  wharf expect rm '{job=\"backup\",instance=\"db1\"}'")]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the groups that are expected, and who says so
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
    /// Expect nothing of groups until a time, whoever expects them
    Pause {
        /// Which groups: selectors such as '{job=~"ci-.*"}', or names of jobs
        #[arg(value_name = "SELECTOR|JOB", required = true)]
        selectors: Vec<String>,

        /// Until when: a time such as 2026-12-24T18:00:00Z, or how long from now, such as 2h
        #[arg(long, value_name = "TIME|DURATION")]
        until: String,

        #[command(flatten)]
        gateway: GatewayFlags,
    },
    /// End such pauses: groups are expected as if they had been pushed now
    Resume {
        /// Which groups: selectors such as '{job=~"ci-.*"}', or names of jobs
        #[arg(value_name = "SELECTOR|JOB", required = true)]
        selectors: Vec<String>,

        #[command(flatten)]
        gateway: GatewayFlags,
    },
    /// Take away what pushes have said of the next ones
    Rm {
        /// Which groups: selectors such as '{job=~"ci-.*"}', or names of jobs
        #[arg(value_name = "SELECTOR|JOB", required = true)]
        selectors: Vec<String>,

        /// Show which groups are not expected any more then, and change nothing
        #[arg(long)]
        dry_run: bool,

        /// Do not ask
        #[arg(long, short)]
        yes: bool,

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
    match &arguments.command {
        Command::Ls {
            selectors,
            state,
            limit,
            output,
            gateway,
        } => {
            let remote = remote(gateway)?;
            let selectors = remote::selectors(selectors)?;
            let state = state.map(State::parameter);
            let expectations = remote.expectations(&selectors, state, limit.unwrap_or(usize::MAX))?;
            let now = remote.status()?.now();
            let names = ("wharf expect", "no group that is expected matches");
            expectations.write(*output, names, now)?;
        }
        Command::Pause {
            selectors,
            until,
            gateway,
        } => {
            let groups = Groups::find(gateway, selectors, None)?;
            let behind = format!("/pause?until={}", percent_encode(until));
            groups.each("paused", Method::Put, &behind)?;
        }
        Command::Resume { selectors, gateway } => {
            let groups = Groups::find(gateway, selectors, Some(State::Paused))?;
            groups.each("resumed", Method::Put, "/resume")?;
        }
        Command::Rm {
            selectors,
            dry_run,
            yes,
            gateway,
        } => {
            let groups = Groups::find(gateway, selectors, None)?.without_rules()?;
            remove(&groups, *dry_run, *yes)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn remote(gateway: &GatewayFlags) -> anyhow::Result<Remote> {
    Ok(Remote {
        client: gateway.client()?,
    })
}

fn remove(groups: &Groups, dry_run: bool, yes: bool) -> anyhow::Result<()> {
    if groups.keys.is_empty() || dry_run {
        let mut out = io::stdout().lock();
        for key in &groups.keys {
            writeln!(out, "{}", output::clean(&key.to_string()))?;
        }
        writeln!(out, "would not expect {} any more", groups.count())?;
        return Ok(());
    }
    if !yes {
        groups.show()?;
        if !confirm(
            &format!("Stop expecting {}? [y/N]", groups.count()),
            &["y", "yes"],
        )? {
            bail!("nothing was changed");
        }
    }
    groups.each("removed", Method::Delete, "")
}

/// Groups that are expected.
struct Groups {
    remote: Remote,
    keys: Vec<GroupingKey>,
    /// Those that rules expect.
    by_rules: Vec<GroupingKey>,
}

impl Groups {
    fn find(gateway: &GatewayFlags, selectors: &[String], state: Option<State>) -> anyhow::Result<Self> {
        let remote = remote(gateway)?;
        let selectors = remote::selectors(selectors)?;
        let found = remote.expectations(&selectors, state.map(State::parameter), usize::MAX)?;
        let (mut keys, mut by_rules) = (Vec::new(), Vec::new());
        for expectation in found.each()? {
            let key = expectation.key()?;
            if !expectation.is_from_push() {
                by_rules.push(key.clone());
            }
            keys.push(key);
        }
        Ok(Self {
            remote,
            keys,
            by_rules,
        })
    }

    /// Those that only pushes expect.
    fn without_rules(mut self) -> anyhow::Result<Self> {
        if self.keys.len() == self.by_rules.len()
            && let Some(key) = self.by_rules.first()
        {
            let key = output::clean(&key.to_string());
            bail!(
                "rules of the configuration file expect all of these groups, such as {key}\n\
                 hint: take them out of the file and reload, or use `wharf expect pause`"
            );
        }
        self.keys.retain(|key| !self.by_rules.contains(key));
        Ok(self)
    }

    fn count(&self) -> String {
        output::counted(self.keys.len() as u64, "group", "groups")
    }

    fn show(&self) -> anyhow::Result<()> {
        let mut out = io::stdout().lock();
        for key in self.keys.iter().take(SHOWN) {
            writeln!(out, "{}", output::clean(&key.to_string()))?;
        }
        if let Some(more) = self.keys.len().checked_sub(SHOWN).filter(|more| *more > 0) {
            writeln!(out, "... and {more} more")?;
        }
        Ok(())
    }

    /// Does the same with each.
    fn each(&self, done: &str, method: Method, behind: &str) -> anyhow::Result<()> {
        for (before, key) in self.keys.iter().enumerate() {
            let path = group_path(key).replacen("/metrics", "/api/v1/expectations", 1);
            let answer = self
                .remote
                .client
                .send(&Request::new(method, format!("{path}{behind}")));
            answer.with_context(|| {
                let key = output::clean(&key.to_string());
                format!(
                    "{key}, after {}",
                    output::counted(before as u64, "group", "groups")
                )
            })?;
        }
        if self.keys.is_empty() {
            bail!("no group that is expected matches");
        }
        writeln!(io::stdout(), "{done} {}", self.count())?;
        Ok(())
    }
}
