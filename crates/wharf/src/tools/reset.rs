//! `wharf reset`: groups that begin anew.

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Context, bail};
use wharf_client::{ClientError, Method, Request, group_path};
use wharf_model::GroupingKey;

use super::gateway::GatewayFlags;
use super::output::{self, confirm};
use super::remote::{self, Query, Remote, Sort};

/// So many groups are named before it is asked.
const SHOWN: usize = 20;

/// How gauges are added up.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Gauge {
    Last,
    Sum,
    Min,
    Max,
    Average,
    Count,
}

/// Let what groups have counted begin from nothing.
///
/// Their label sets stay, with counters, histograms and summaries at 0. It cannot be undone.
#[derive(Debug, clap::Parser)]
#[command(after_help = "Examples:
  wharf reset shop
  wharf reset '{job=~\"fn-.*\"}' --gauge=sum --yes")]
pub(super) struct Arguments {
    /// Which groups: selectors such as '{job=~"fn-.*"}', or names of jobs
    #[arg(value_name = "SELECTOR|JOB", required = true)]
    selectors: Vec<String>,

    /// How gauges are added up, if not as a rule says: last values stay
    #[arg(long, value_name = "HOW")]
    gauge: Option<Gauge>,

    /// Show which groups begin anew, and change nothing
    #[arg(long)]
    dry_run: bool,

    /// Do not ask
    #[arg(long, short)]
    yes: bool,

    #[command(flatten)]
    gateway: GatewayFlags,
}

/// Runs `wharf reset`.
pub(super) fn run(arguments: &[OsString]) -> ExitCode {
    super::command::carry_out("reset", arguments, execute)
}

fn execute(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let remote = Remote {
        client: arguments.gateway.client()?,
    };
    let query = Query {
        selectors: remote::selectors(&arguments.selectors)?,
        sort: Sort::Labels,
        descending: false,
    };
    let groups = remote.list(&query, usize::MAX, |_| true)?;
    let mut out = io::stdout().lock();
    if groups.is_empty() {
        writeln!(out, "no group matches")?;
        return Ok(ExitCode::SUCCESS);
    }
    for group in groups.iter().take(SHOWN) {
        writeln!(out, "{}", output::clean(&group.key.to_string()))?;
    }
    if let Some(more) = groups.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        writeln!(out, "... and {more} more")?;
    }
    let count = groups_of(groups.len());
    if arguments.dry_run {
        writeln!(out, "would reset {count}")?;
        return Ok(ExitCode::SUCCESS);
    }
    if !arguments.yes && !confirm(&format!("Reset {count}? [y/N]"), &["y", "yes"])? {
        bail!("nothing was reset");
    }
    for (done, group) in groups.iter().enumerate() {
        let reset = remote.client.send(&request(&group.key, arguments.gauge));
        reset.map_err(cannot).with_context(|| {
            let key = group.key.to_string();
            format!("reset {}, after {}", output::clean(&key), groups_of(done))
        })?;
    }
    writeln!(out, "reset {count}")?;
    Ok(ExitCode::SUCCESS)
}

fn request(key: &GroupingKey, gauge: Option<Gauge>) -> Request {
    let path = group_path(key).replacen("/metrics", "/api/v1/groups", 1);
    let gauge = match gauge {
        None => "",
        Some(Gauge::Last) => "?gauge=last",
        Some(Gauge::Sum) => "?gauge=sum",
        Some(Gauge::Min) => "?gauge=min",
        Some(Gauge::Max) => "?gauge=max",
        Some(Gauge::Average) => "?gauge=average",
        Some(Gauge::Count) => "?gauge=count",
    };
    Request::new(Method::Post, format!("{path}/reset{gauge}"))
}

fn cannot(error: ClientError) -> anyhow::Error {
    match error.status() {
        Some(404 | 405) => anyhow::anyhow!(
            "{error}\nhint: the group has gone, or the gateway is a Pushgateway, which cannot reset"
        ),
        _ => error.into(),
    }
}

fn groups_of(count: usize) -> String {
    output::counted(count as u64, "group", "groups")
}
