//! `wharf import`: bringing groups over from another gateway, a state file of the original, or an export.

mod source;

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::{self, IsTerminal as _, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::Duration;

use serde_json::json;
use wharf_client::{Client, ClientError, Method, Request, Retry, group_path};
use wharf_model::{GroupingKey, duration};

use self::source::{Incoming, Source};
use super::gateway::GatewayFlags;
use super::output::{self, Format};
use super::remote::{Query, Remote, Sort};

/// How many pushes are under way at once: a gateway that syncs each push to disk shares a sync among them.
const WORKERS: usize = 8;

/// Two times of one push differ by so much at most, in seconds: gateways tell them as doubles.
const SAME_TIME: f64 = 1e-5;

/// Bring groups over from another gateway, from a state file of the original, or from `wharf export`.
///
/// Groups that the target has with a push as late, or later, are left alone: it can be run again, and after jobs have begun
/// to push to the target. The times of the pushes are kept by a Wharf that runs with --web.enable-admin-api.
#[derive(Debug, clap::Parser)]
#[command(after_help = "Exit codes:
  0  everything was carried over
  1  something was left out, which is named on standard error, or it had to stop

Examples:
  wharf import http://old-gateway:9091
  wharf import /var/lib/prometheus/pushgateway.data --dry-run
  wharf import groups.json --gateway=http://localhost:9091")]
pub(super) struct Arguments {
    /// The URL of a gateway, or a file: a state file of the original, or an export; `-` is standard input
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
    super::carry_out("import", arguments, execute)
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
    let import = Import {
        there: if arguments.overwrite {
            HashMap::new()
        } else {
            push_times(&target)?
        },
        keeps_times: AtomicBool::new(!target.is_original()?),
        client: target.client,
        retry: Retry::within(arguments.retry_for),
        dry_run: arguments.dry_run,
        progress: io::stderr().is_terminal(),
        tally: Mutex::default(),
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
    client: Client,
    retry: Retry,
    dry_run: bool,
    progress: bool,
    /// What the target had before.
    there: HashMap<GroupingKey, f64>,
    /// Whether the target takes times, as far as we know.
    keeps_times: AtomicBool,
    tally: Mutex<Tally>,
}

/// What has become of the groups.
#[derive(Debug, Default)]
struct Tally {
    groups: u64,
    series: u64,
    already_there: u64,
    /// Groups whose last push had failed at the source.
    failed_at_source: u64,
    /// What is not in the target now: group or family, and why.
    left_out: Vec<(String, String)>,
    /// Why it had to stop.
    stopped: Option<ClientError>,
}

impl Import {
    /// Pushes everything, several groups at once.
    fn all(&self, source: Source) -> anyhow::Result<()> {
        let (sender, receiver) = mpsc::sync_channel::<Incoming>(WORKERS);
        let receiver = Mutex::new(receiver);
        std::thread::scope(|scope| {
            for _ in 0..WORKERS {
                scope.spawn(|| {
                    while let Some(group) = next(&receiver) {
                        self.carry_over(&group);
                    }
                });
            }
            let read = source.read(|incoming| {
                match incoming {
                    // The workers stay until this side is closed.
                    Ok(group) => sender.send(group)?,
                    Err((what, reason)) => self.leave_out(what, reason),
                }
                if self.tally().stopped.is_some() {
                    anyhow::bail!("stopped");
                }
                Ok(())
            });
            drop(sender);
            read
        })
        .or_else(|error| {
            if self.tally().stopped.is_some() {
                Ok(())
            } else {
                Err(error)
            }
        })
    }

    fn carry_over(&self, group: &Incoming) {
        let shown = || output::clean(&group.key.to_string());
        for (family, reason) in &group.left_out {
            self.leave_out(
                format!("family {} of group {}", output::clean(family), shown()),
                reason.clone(),
            );
        }
        let Some(pushed_at) = group.pushed_at else {
            let reason = "expected a successful push, found none: only its failure is known";
            return self.leave_out(format!("group {}", shown()), reason.to_owned());
        };
        let seconds = pushed_at.as_duration().as_secs_f64();
        if self
            .there
            .get(&group.key)
            .is_some_and(|there| *there >= seconds - SAME_TIME)
        {
            self.tally().already_there += 1;
            return;
        }
        if !self.dry_run {
            match self.push(group) {
                Ok(()) => {}
                Err(error)
                    if matches!(error.status(), Some(400..=499))
                        && !matches!(error.status(), Some(401 | 403 | 404 | 405)) =>
                {
                    return self.leave_out(format!("group {}", shown()), error.to_string());
                }
                Err(error) => {
                    self.tally().stopped.get_or_insert(error);
                    return;
                }
            }
        }
        let mut tally = self.tally();
        tally.groups += 1;
        tally.series += group.series;
        tally.failed_at_source += u64::from(group.last_push_failed);
        if self.progress && tally.groups.is_multiple_of(100) {
            // The line is overwritten by the next one, and lost if nobody reads it.
            let _unwritten = write!(io::stderr(), "\r{} groups ", tally.groups);
        }
    }

    fn push(&self, group: &Incoming) -> Result<(), ClientError> {
        loop {
            let with_time = self.keeps_times.load(Ordering::Relaxed);
            match self.send(&request(group, with_time)) {
                // Without the admin API the time is refused; whether more is, the same push without it tells.
                Err(error) if with_time && error.status() == Some(403) => {
                    self.keeps_times.store(false, Ordering::Relaxed);
                }
                other => return other,
            }
        }
    }

    fn send(&self, request: &Request) -> Result<(), ClientError> {
        let mut schedule = self.retry.start();
        loop {
            let Err(error) = self.client.send(request) else {
                return Ok(());
            };
            match schedule.pause_after(&error) {
                Some(pause) => std::thread::sleep(pause),
                None => return Err(error),
            }
        }
    }

    fn leave_out(&self, what: String, reason: String) {
        // If standard error is closed, the exit code says it alone.
        let _unwritten = writeln!(io::stderr(), "wharf import: left out: {what}: {reason}");
        self.tally().left_out.push((what, reason));
    }

    fn tally(&self) -> std::sync::MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says what has become of the groups; whether all were carried over.
    fn conclude(&self, arguments: &Arguments) -> anyhow::Result<bool> {
        let mut tally = self.tally();
        let times_kept = self.keeps_times.load(Ordering::Relaxed);
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
                "dry_run": self.dry_run,
                "groups": tally.groups,
                "series": tally.series,
                "already_there": tally.already_there,
                "times_kept": times_kept,
                "left_out": left_out,
            });
            writeln!(out, "{document}")?;
        } else {
            let done = if self.dry_run { "would import" } else { "imported" };
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
            if !times_kept && *groups > 0 && !self.dry_run {
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

fn next(receiver: &Mutex<mpsc::Receiver<Incoming>>) -> Option<Incoming> {
    receiver
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .recv()
        .ok()
}

fn request(group: &Incoming, with_time: bool) -> Request {
    let mut request = Request::new(Method::Put, group_path(&group.key));
    request
        .headers
        .push(("Content-Type", group.content_type.to_owned()));
    if let Some(ttl) = &group.ttl {
        request.headers.push(("Wharf-TTL", ttl.clone()));
    }
    if let Some(pushed_at) = group.pushed_at.filter(|_| with_time) {
        request.headers.push(("Wharf-Push-Time", pushed_at.to_string()));
    }
    request.body.clone_from(&group.body);
    request
}
