//! `wharf rm`: removing groups by selector.

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use wharf_client::{ClientError, Method, Request, group_path};
use wharf_model::{GroupingKey, duration};

use super::gateway::GatewayFlags;
use super::output::{self, confirm};
use super::receipt::{self, Receipt};
use super::remote::{self, Query, Remote, Sort};

/// So many groups are named before it is asked.
const SHOWN: usize = 20;

/// Remove groups, after having shown which.
///
/// Wharf with --web.enable-admin-api removes all of them at once; another Wharf, and the Pushgateway, one by one.
#[derive(Debug, clap::Parser)]
#[command(after_help = "Examples:
  wharf rm '{job=~\"ci-.*\"}' --older-than=7d --dry-run
  wharf rm backup --family=backup_old_bytes
  wharf rm '{env=\"test\"}' --yes")]
pub(super) struct Arguments {
    /// Which groups: selectors such as '{job=~"ci-.*"}', or names of jobs
    #[arg(value_name = "SELECTOR|JOB", required = true)]
    selectors: Vec<String>,

    /// Only groups whose last successful push is so long ago, or never was
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    older_than: Option<Duration>,

    /// Only this family of each group (Wharf with --web.enable-admin-api)
    #[arg(long, value_name = "NAME")]
    family: Option<String>,

    /// Show what would go, and remove nothing
    #[arg(long)]
    dry_run: bool,

    /// Do not ask
    #[arg(long, short)]
    yes: bool,

    #[command(flatten)]
    gateway: GatewayFlags,
}

/// Runs `wharf rm`.
pub(super) fn run(arguments: &[OsString]) -> ExitCode {
    super::command::carry_out("rm", arguments, execute)
}

fn execute(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let remote = Remote {
        client: arguments.gateway.client()?,
    };
    let selectors = remote::selectors(&arguments.selectors)?;
    let older_than = arguments.older_than.map(duration::format);
    let delete = |dry_run| {
        remote.delete_matching(
            &selectors,
            older_than.as_deref(),
            arguments.family.as_deref(),
            dry_run,
        )
    };
    let keys = match &arguments.family {
        Some(_) => match delete(true)? {
            Ok(found) => found.keys()?,
            Err(error) => return Err(cannot(&error)),
        },
        None => list(&remote, &selectors, arguments.older_than)?,
    };
    let mut out = io::stdout().lock();
    let what = match &arguments.family {
        Some(family) => format!("family {} of ", output::clean(family)),
        None => String::new(),
    };
    if keys.is_empty() {
        writeln!(out, "no group matches")?;
        return Ok(ExitCode::SUCCESS);
    }
    for key in keys.iter().take(SHOWN) {
        writeln!(out, "{}", output::clean(&key.to_string()))?;
    }
    if let Some(more) = keys.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        writeln!(out, "... and {more} more")?;
    }
    let groups = groups_of(keys.len() as u64);
    if arguments.dry_run {
        writeln!(out, "would remove {what}{groups}")?;
        return Ok(ExitCode::SUCCESS);
    }
    if !arguments.yes && !confirm(&format!("Remove {what}{groups}? [y/N]"), &["y", "yes"])? {
        bail!("nothing was removed");
    }
    let (removed, receipts) = match delete(false)? {
        Ok(deleted) => (deleted.count, deleted.undo.into_iter().collect()),
        Err(error) if arguments.family.is_some() => return Err(cannot(&error)),
        Err(_) => one_by_one(&remote, &keys)?,
    };
    writeln!(out, "removed {what}{}", groups_of(removed))?;
    receipt::write_hint(&mut out, &receipts, &arguments.gateway)?;
    Ok(ExitCode::SUCCESS)
}

fn list(
    remote: &Remote,
    selectors: &[String],
    older_than: Option<Duration>,
) -> anyhow::Result<Vec<GroupingKey>> {
    let query = Query {
        selectors: selectors.to_vec(),
        sort: Sort::Labels,
        descending: false,
    };
    let now = output::now();
    let groups = remote.list(&query, usize::MAX, |group| {
        older_than.is_none_or(|age| super::ls::is_older(group, age, now))
    })?;
    Ok(groups.into_iter().map(|group| group.key).collect())
}

fn one_by_one(remote: &Remote, keys: &[GroupingKey]) -> anyhow::Result<(u64, Vec<Receipt>)> {
    let (mut removed, mut receipts) = (0, Vec::new());
    for key in keys {
        let request = Request::new(Method::Delete, group_path(key));
        let receipt = receipt::remove(&remote.client, &request).with_context(|| {
            format!(
                "remove {}, after {removed} others",
                output::clean(&key.to_string())
            )
        })?;
        receipts.extend(receipt);
        removed += 1;
    }
    Ok((removed, receipts))
}

fn cannot(error: &ClientError) -> anyhow::Error {
    let reason = match error.status() {
        Some(403) => "hint: it takes a Wharf with --web.enable-admin-api, or credentials that may do this",
        _ => "hint: this gateway cannot remove a family; it seems to be the original",
    };
    anyhow::anyhow!("{error}\n{reason}")
}

fn groups_of(count: u64) -> String {
    output::counted(count, "group", "groups")
}
