//! `wharf run`: runs a command, and tells the gateway how that went.
//!
//! The job comes first. Its streams are its own, signals reach it, its exit code is ours, and nothing that happens to
//! a push changes any of that.

mod descendants;
mod heartbeat;
mod inbox;
mod job;
mod listener;
mod patience;
mod report;
mod script;

use std::ffi::OsString;
use std::io;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use rustix::io::Errno;
use wharf_client::{Counters, How, Push};
use wharf_model::name::is_legacy_metric_name;
use wharf_model::{GroupingKey, duration};
use wharf_store::{Clock as _, SystemClock};

use self::heartbeat::Heartbeat;
use self::inbox::{Inbox, snapshot};
use self::job::{Ending, Events, Job, Limit};
use self::patience::Patience;
use self::report::{Report, Seconds};
use super::command::{complain, parse};
use super::counters::counters;
use super::delivery::{Delivery, DeliveryFlags, Failure, Outcome};
use super::expecting::ExpectFlags;
use super::families::Families;
use super::gateway::{GatewayFlags, positive_duration};
use super::group::GroupFlags;
use super::voice::{Voice, VoiceFlags};

const NAME: &str = "run";

/// The exit code when the command was not even tried, as with `env` and `timeout`.
const NOT_TRIED: u8 = 125;

const EXAMPLES: &str = "\
Examples:
  wharf run --job backup -- /usr/local/bin/backup --full
  wharf run --job backup --label instance=db1 --timeout 2h --heartbeat 1m -- backup
  wharf run --job report --spool /var/spool/wharf -- sh -c 'echo \"rows 7\" > \"$WHARF_METRICS_FILE\"'

The command can add metrics of its own to those of the run: in the text format in the file that $WHARF_METRICS_FILE
names, or by pushing to $WHARF_PUSH_URL, with curl or any client library, as if that were the gateway.

Exit codes: that of the command, whatever becomes of the push; 128 and the number of the signal if one ended it; 127 if
it was not found, 126 if it could not be started, 125 for a mistake on this command line.";

/// Run a command and tell a gateway how that went.
///
/// Pushes start, end, duration, exit code, success, processor time, memory and more. Works with Wharf and with the
/// original Pushgateway. The command has the terminal, pipes and signals as if it ran alone, and a gateway that is down
/// does not change its exit code.
#[derive(Debug, Parser)]
#[command(
    name = "run",
    after_help = EXAMPLES,
    override_usage = "wharf run --job <NAME> [OPTIONS] [--] <COMMAND> [ARGUMENTS]..."
)]
pub(super) struct Arguments {
    #[command(flatten)]
    group: GroupFlags,

    /// The command and its arguments
    #[arg(value_name = "COMMAND", required = true, trailing_var_arg = true)]
    command: Vec<OsString>,

    /// Push a sign of life so often while the command runs
    #[arg(long, value_name = "DURATION", value_parser = positive_duration)]
    heartbeat: Option<Duration>,

    /// End the command (SIGTERM) if it takes longer, with all processes that it has started, in the background too
    #[arg(long, value_name = "DURATION", value_parser = positive_duration)]
    timeout: Option<Duration>,

    /// How long after --timeout the command, and what it has started, is killed (SIGKILL) if it is still there
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration::parse)]
    kill_after: Duration,

    /// How the names of the run's metrics begin
    #[arg(long, default_value = "job_run_", value_parser = prefix)]
    prefix: String,

    /// For how long the gateway is to keep the group after the last push, such as 7d; the Pushgateway
    /// keeps it for ever
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    ttl: Option<Duration>,

    #[command(flatten)]
    expect: ExpectFlags,

    /// What counters, histograms and summaries of the command count: with run, what this run has counted, so that Prometheus
    /// can add runs up, see docs/counters.md; heartbeats leave them out then
    #[arg(long, value_name = "run", value_parser = counters)]
    counters: Option<Counters>,

    #[command(flatten)]
    voice: VoiceFlags,
    #[command(flatten)]
    delivery: DeliveryFlags,
    #[command(flatten)]
    gateway: GatewayFlags,
}

fn prefix(text: &str) -> Result<String, String> {
    if is_legacy_metric_name(text) {
        Ok(text.to_owned())
    } else {
        Err("expected the beginning of a metric name: letters, digits, `_` and `:`".to_owned())
    }
}

/// Runs `wharf run` with the arguments behind it.
pub(super) fn run(arguments: &[OsString]) -> ExitCode {
    let arguments = match parse::<Arguments>(NAME, arguments, NOT_TRIED) {
        Ok(arguments) => arguments,
        Err(code) => return code,
    };
    let key = match arguments.group.key() {
        Ok(key) => key,
        Err(error) => {
            complain(NAME, &error.into());
            return ExitCode::from(NOT_TRIED);
        }
    };
    let expect = match arguments.expect.line() {
        Ok(expect) => expect,
        Err(error) => {
            complain(NAME, &anyhow::Error::msg(error));
            return ExitCode::from(NOT_TRIED);
        }
    };
    ExitCode::from(Run::new(arguments, key, expect).execute())
}

/// One run.
struct Run {
    arguments: Arguments,
    key: GroupingKey,
    /// When the next run is expected, as pushes say it.
    expect: Option<String>,
    voice: Voice,
    /// None if the settings have a mistake: the job runs all the same.
    delivery: Option<Delivery>,
}

impl Run {
    fn new(arguments: Arguments, key: GroupingKey, expect: Option<String>) -> Self {
        let voice = Voice::new(NAME, arguments.voice);
        let client = arguments.gateway.client();
        let delivery = client
            .map(|client| Delivery::new(client, &arguments.delivery, voice))
            .inspect_err(|error| voice.warn(format_args!("nothing will be pushed: {error:#}")));
        Self {
            delivery: delivery.ok(),
            arguments,
            key,
            expect,
            voice,
        }
    }

    fn execute(&self) -> u8 {
        match self.try_execute() {
            Ok(code) => code,
            Err(error) => {
                complain(NAME, &error);
                NOT_TRIED
            }
        }
    }

    /// Runs the command, and returns the exit code that it leaves.
    fn try_execute(&self) -> anyhow::Result<u8> {
        let events = Events::listen()?;
        let inbox = Inbox::open(self.voice);
        let mut report = Report::new(&self.arguments.prefix);
        let (started, clock) = (now(), Instant::now());
        report.started(started);
        let command = &self.arguments.command;
        let is_limited = self.arguments.timeout.is_some();
        let (ending, heartbeat) = match Job::start(command, &inbox.variables(), is_limited) {
            Ok(job) => {
                let heartbeat = self.heartbeat(started, &inbox);
                (job.wait(&events, self.limit())?, heartbeat)
            }
            Err(error) => {
                // Not a matter of pushes, so never quiet: a shell would say it too.
                complain(NAME, &not_started(command, &error));
                (Ending::not_started(&error), None)
            }
        };
        report.ended(now(), clock.elapsed().as_secs_f64(), &ending);
        let patience = Patience::new(&events, ending.was_asked_to_end);
        // A heartbeat that is under way must not arrive behind the report.
        if let Some(heartbeat) = heartbeat {
            patience.wait_for(move || heartbeat.stop());
        }
        self.tell_the_gateway(report, &inbox, &patience);
        Ok(ending.code)
    }

    fn limit(&self) -> Option<Limit> {
        Some(Limit {
            timeout: self.arguments.timeout?,
            grace: self.arguments.kill_after,
        })
    }

    fn heartbeat(&self, started: Seconds, inbox: &Inbox) -> Option<Heartbeat> {
        let interval = self.arguments.heartbeat?;
        let delivery = self.delivery.clone()?;
        let (prefix, pushed) = (self.arguments.prefix.clone(), inbox.pushed());
        let is_of_run = self.arguments.counters == Some(Counters::Run);
        let families = move |with_others: bool| {
            let mut report = Report::new(&prefix);
            report.started(started);
            report.running(now());
            // What the job has pushed so far goes along.
            let mut families = if with_others {
                snapshot(&pushed)
            } else {
                Families::default()
            };
            if is_of_run {
                // The report begins them anew, so what a heartbeat says of them would be added to it.
                families.leave_counters();
            }
            families.replace_by(report.families().unwrap_or_default());
            families
        };
        let push = self.push_of(Vec::new(), Counters::AsConfigured);
        Some(Heartbeat::start(interval, delivery, push, self.voice, families))
    }

    /// The report, with what the job left in the inbox.
    fn tell_the_gateway(&self, mut report: Report<'_>, inbox: &Inbox, patience: &Patience<'_>) {
        let Some(delivery) = &self.delivery else {
            return;
        };
        let (mut theirs, read) = inbox.read();
        if let Err(error) = &read {
            self.voice
                .warn(format_args!("metrics of the command left out: {error:#}"));
        }
        let taken = theirs.leave_to(&report.families().unwrap_or_default());
        if !taken.is_empty() {
            let taken = taken.join(", ");
            self.voice.warn(format_args!(
                "metrics of the command left out, for the run has them: {taken}"
            ));
        }
        let is_complete = read.is_ok() && taken.is_empty();
        if theirs.is_empty() {
            if !is_complete {
                report.accepted(false);
            }
            self.deliver(delivery, &report, &Families::default(), patience);
            return;
        }
        let mut both = Report::clone(&report);
        both.accepted(is_complete);
        if let Some(failure) = self
            .deliver(delivery, &both, &theirs, patience)
            .filter(Failure::is_for_good)
        {
            // The gateway takes all or nothing, and how the run went matters more.
            self.voice
                .warn(format_args!("metrics of the command left out: {failure}"));
            report.accepted(false);
            self.deliver(delivery, &report, &Families::default(), patience);
        }
    }

    /// A push of the run.
    fn push_of(&self, text: Vec<u8>, counters: Counters) -> Push {
        Push {
            key: self.key.clone(),
            how: How::ReplaceFamilies,
            text,
            ttl: self.arguments.ttl,
            expect: self.expect.clone(),
            counters,
        }
    }

    /// Delivers the families of a report with others. Returns why nobody has them.
    fn deliver(
        &self,
        delivery: &Delivery,
        report: &Report<'_>,
        others: &Families,
        patience: &Patience<'_>,
    ) -> Option<Failure> {
        let mut families = others.clone();
        families.replace_by(report.families().unwrap_or_default());
        let push = self.push_of(families.text(), self.arguments.counters.unwrap_or_default());
        match delivery.deliver(push.request(), patience) {
            Outcome::Delivered => {
                self.voice
                    .tell(format_args!("pushed to {}", delivery.client().address()));
                None
            }
            Outcome::Spooled(failure) => {
                self.voice.warn(format_args!("push kept for later: {failure}"));
                None
            }
            Outcome::Lost(failure) => {
                // Otherwise there will be another attempt, without them.
                if !failure.is_for_good() || others.is_empty() {
                    self.voice.warn(format_args!("push lost: {failure}"));
                }
                Some(failure)
            }
        }
    }
}

/// Why the command could not be started, where the system says less than is known.
fn not_started(command: &[OsString], error: &io::Error) -> anyhow::Error {
    let program = command.first().map(OsString::as_os_str).unwrap_or_default();
    let name = program.to_string_lossy();
    if error.raw_os_error() == Some(Errno::NOEXEC.raw_os_error()) {
        return anyhow::anyhow!(
            "{name}: {error}\nhint: it is neither a program for this machine nor a script"
        );
    }
    match script::missing_interpreter(program).filter(|_| error.kind() == io::ErrorKind::NotFound) {
        Some(interpreter) => {
            anyhow::anyhow!(
                "{name}: {error}\nhint: the interpreter of its first line, `{interpreter}`, is missing"
            )
        }
        None => anyhow::anyhow!("{name}: {error}"),
    }
}

fn now() -> Seconds {
    SystemClock.now().as_seconds()
}
