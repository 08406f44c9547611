//! `wharf import`: bringing groups over from another gateway, a state file of the Pushgateway, or an export.
//!
//! A Wharf with its admin API takes groups as an export has them, many at once, with all their times. Other gateways
//! get a push each.

mod batch;
mod pushes;
mod source;
mod target;

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::{self, IsTerminal as _, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::Duration;

use serde_json::json;
use wharf_client::Retry;
use wharf_model::{GroupingKey, duration};

use self::batch::Batch;
use self::pushes::Pushes;
use self::source::Source;
use self::target::{Tally, Target};
use super::backup::Told;
use super::contents;
use super::gateway::GatewayFlags;
use super::output::{self, Format};
use super::remote::{Query, Remote, Sort};

/// How many requests are under way at once: a gateway that syncs each push to disk shares a sync among them.
const WORKERS: usize = 8;

/// Bring groups over from another gateway, from a state file of the Pushgateway, or from `wharf export`.
///
/// Groups that the target has with a push as late, or later, are left alone: it can be run again, and after jobs have begun
/// to push to the target. A Wharf that runs with --web.enable-admin-api keeps all times.
#[derive(Debug, clap::Parser)]
#[command(after_help = "Exit codes:
  0  everything was carried over
  1  something was left out, which is named on standard error, or it had to stop

Examples:
  wharf import http://old-gateway:9091
  wharf import /var/lib/prometheus/pushgateway.data --dry-run
  wharf import groups.json --gateway=http://localhost:9091")]
pub(super) struct Arguments {
    /// The URL of a gateway, or a file: a state file of the Pushgateway, or an export; `-` is standard input
    #[arg(value_name = "URL|FILE")]
    source: String,

    /// File with the credentials for the source, of the same form as client.yaml
    #[arg(long, value_name = "FILE")]
    source_settings: Option<PathBuf>,

    /// Replace groups of the target even if they were pushed later
    #[arg(long)]
    overwrite: bool,

    /// Say what would be carried over, and push nothing
    #[arg(long)]
    dry_run: bool,

    /// How long to try again while the target does not answer
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration::parse)]
    retry_for: Duration,

    /// Text for people, or an object for scripts
    #[arg(short, long, value_enum, default_value = "text")]
    output: Format,

    #[command(flatten)]
    gateway: GatewayFlags,
}

/// Runs `wharf import`.
pub(super) fn run(arguments: &[OsString]) -> ExitCode {
    super::command::carry_out("import", arguments, execute)
}

fn execute(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let target = Remote {
        client: arguments.gateway.client()?,
    };
    let source = Source::open(
        &arguments.source,
        arguments.source_settings.as_deref(),
        &target.client,
    )?;
    let restores = !arguments.dry_run && batch::is_taken_by(&target.client)?;
    let pushes = Pushes {
        // A target that takes whole groups compares times itself, and so later.
        there: if arguments.overwrite || restores {
            HashMap::new()
        } else {
            push_times(&target)?
        },
        keep_times: (!target.is_original()?).into(),
    };
    let import = Import {
        pushes: (!restores).then_some(pushes),
        target: Target {
            client: target.client,
            retry: Retry::within(arguments.retry_for),
            overwrite: arguments.overwrite,
            dry_run: arguments.dry_run,
            tally: Mutex::default(),
        },
        progress: io::stderr().is_terminal(),
    };
    let finished = import.all(source);
    let is_whole = import.conclude(arguments)?;
    finished?;
    Ok(if is_whole {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// When each group of the target was last pushed.
fn push_times(target: &Remote) -> anyhow::Result<HashMap<GroupingKey, f64>> {
    let query = Query {
        selectors: Vec::new(),
        sort: Sort::Labels,
        descending: false,
    };
    let groups = target.list(&query, usize::MAX, |_| true)?;
    Ok(groups
        .into_iter()
        .map(|group| (group.key, group.pushed_at))
        .collect())
}

/// An import that is under way.
struct Import {
    target: Target,
    /// How groups are pushed one by one, if the target takes no whole ones.
    pushes: Option<Pushes>,
    progress: bool,
}

impl Import {
    /// Carries everything over, several requests at once.
    fn all(&self, source: Source) -> anyhow::Result<()> {
        let (sender, receiver) = mpsc::sync_channel::<Batch>(WORKERS);
        let receiver = Mutex::new(receiver);
        let mut batch = Batch::default();
        std::thread::scope(|scope| {
            for _ in 0..WORKERS {
                scope.spawn(|| {
                    while let Some(batch) = next(&receiver) {
                        self.carry_over(batch);
                    }
                });
            }
            let read = source.read(|told| {
                match told {
                    Ok(told) => {
                        self.name_left_out(&told);
                        batch.add(told.line)?;
                    }
                    Err((what, reason)) => self.target.leave_out(what, reason),
                }
                // The workers stay until this side is closed.
                if batch.is_full() || self.pushes.is_some() {
                    sender.send(std::mem::take(&mut batch))?;
                }
                if self.target.tally().stopped.is_some() {
                    anyhow::bail!("stopped");
                }
                Ok(())
            });
            let sent = sender.send(batch);
            drop(sender);
            let without_scrape = read?;
            sent?;
            if let Some(reason) = without_scrape {
                self.target.leave_out(contents::NOT_IN_JSON.to_owned(), reason);
            }
            Ok(())
        })
        .or_else(|error| {
            if self.target.tally().stopped.is_some() {
                Ok(())
            } else {
                Err(error)
            }
        })
    }

    fn carry_over(&self, batch: Batch) {
        let done = match &self.pushes {
            None => batch.restore(&self.target),
            Some(pushes) => batch
                .lines()
                .try_for_each(|line| pushes.carry_over(line, &self.target)),
        };
        if let Err(error) = done {
            self.target.tally().stopped.get_or_insert(error);
        }
        let tally = self.target.tally();
        if self.progress {
            // The line is overwritten by the next one, and lost if nobody reads it.
            let _unwritten = write!(io::stderr(), "\r{} groups ", tally.groups);
        }
    }

    fn name_left_out(&self, told: &Told) {
        for (family, reason) in &told.left_out {
            // It was made of a key.
            if let Ok(key) = told.line.key() {
                self.target
                    .leave_out(contents::left_out_of(&key, family), reason.clone());
            }
        }
    }

    /// Says what has become of the groups; whether all were carried over.
    fn conclude(&self, arguments: &Arguments) -> anyhow::Result<bool> {
        let mut tally = self.target.tally();
        let times_kept = self.pushes.as_ref().is_none_or(Pushes::keep_times);
        if self.progress {
            write!(io::stderr(), "\r")?;
        }
        let mut out = io::stdout().lock();
        if arguments.output == Format::Json {
            let left_out: Vec<_> = tally
                .left_out
                .iter()
                .map(|(what, reason)| json!({"what": what, "reason": reason}))
                .collect();
            let document = json!({
                "dry_run": self.target.dry_run,
                "groups": tally.groups,
                "series": tally.series,
                "already_there": tally.already_there,
                "times_kept": times_kept,
                "left_out": left_out,
            });
            writeln!(out, "{document}")?;
        } else {
            let done = if self.target.dry_run {
                "would import"
            } else {
                "imported"
            };
            let Tally {
                groups,
                series,
                already_there,
                failed_at_source,
                ..
            } = &*tally;
            let groups_done = output::counted(*groups, "group", "groups");
            writeln!(out, "{done} {groups_done} with {series} series")?;
            if *already_there > 0 {
                let alone = output::counted(*already_there, "group", "groups");
                writeln!(out, "left alone {alone} that the target has as late or later")?;
            }
            if *failed_at_source > 0 {
                writeln!(
                    out,
                    "refused pushes after the last successful one are not carried over: {failed_at_source} of the groups had one"
                )?;
            }
            if !tally.left_out.is_empty() {
                writeln!(out, "left out {}", tally.left_out.len())?;
            }
            if !times_kept && *groups > 0 && !self.target.dry_run {
                writeln!(
                    out,
                    "the groups count as pushed now\nhint: a Wharf with --web.enable-admin-api keeps the times"
                )?;
            }
        }
        match tally.stopped.take() {
            Some(error) => {
                Err(anyhow::Error::from(error).context("stopped; run it again to go on where it was"))
            }
            None => Ok(tally.left_out.is_empty()),
        }
    }
}

fn next(receiver: &Mutex<mpsc::Receiver<Batch>>) -> Option<Batch> {
    receiver
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .recv()
        .ok()
}
