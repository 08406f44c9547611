//! `wharf push`: metrics from a file, a pipe or the command line, to the gateway.

mod one_liner;
mod part;
mod patience;

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, IsTerminal as _, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use clap::Parser;
use wharf_client::{Client, Counters, How, Push, Request};
use wharf_model::duration;

use self::one_liner::OneLiner;
use self::part::{Part, bound};
use self::patience::Patience;
use super::command::{USAGE, complain, parse};
use super::counters::counters;
use super::delivery::{Delivery, DeliveryFlags, Outcome};
use super::expecting::ExpectFlags;
use super::families::{Families, Format};
use super::gateway::GatewayFlags;
use super::group::GroupFlags;
use super::voice::{Voice, VoiceFlags};
use crate::encoding;
use crate::lint::GATEWAY_NAMES;
use crate::text_format::TextFormat;

/// More cannot be pushed at once; a gateway takes no more either.
const MAX_BYTES: u64 = 64 << 20;

const NAME: &str = "push";

const EXAMPLES: &str = "\
Examples:
  wharf push --job backup metrics.txt
  backup-report | wharf push --job backup --label instance=db1 --add
  wharf push --job backup --metric backup_size_bytes=1234
  wharf push --job backup --metric 'files{kind=\"new\"}=7,type=gauge,help=Files found.'
  wharf push --job mail --inc emails_sent_total=3 --observe latency_seconds=0.25

The metrics are checked first: if there is a mistake, its line and column are shown and nothing is sent.

Exit codes:
  0  pushed, or kept in the spool folder for later
  1  not pushed: the gateway refused it or could not be reached
  2  a mistake on the command line, in the settings or in the metrics: nothing was sent";

/// Push metrics to a gateway.
///
/// Metrics come from a file, from standard input, or from --metric. Works with Wharf and with the Pushgateway.
#[derive(Debug, Parser)]
#[command(name = "push", after_help = EXAMPLES)]
pub(super) struct Arguments {
    #[command(flatten)]
    group: GroupFlags,

    /// Metrics in the text format or in OpenMetrics; - or nothing is standard input
    #[arg(value_name = "FILE", conflicts_with = "metrics")]
    file: Option<PathBuf>,

    /// What the metrics are in: auto knows OpenMetrics by `# EOF` at the end, or by types and units that only it has
    #[arg(
        long,
        value_enum,
        default_value = "auto",
        hide_possible_values = true,
        value_name = "auto|text|openmetrics"
    )]
    format: TextFormat,

    /// One metric: NAME=VALUE, NAME{LABELS}=VALUE, with ,type=TYPE and at last ,help=TEXT behind it; may be repeated.
    /// Without a type it is a gauge
    #[arg(long = "metric", short = 'm', value_name = "METRIC")]
    metrics: Vec<OneLiner>,

    /// Add this to a counter of the group, NAME=VALUE or NAME{LABELS}=VALUE; may be repeated. As with --aggregate
    #[arg(long, value_name = "METRIC", conflicts_with = "file")]
    inc: Vec<Part>,

    /// Add this observation to a histogram of the group, NAME=VALUE or NAME{LABELS}=VALUE; may be repeated. As with
    /// --aggregate
    #[arg(long, value_name = "METRIC", conflicts_with = "file")]
    observe: Vec<Part>,

    /// Upper bounds of the buckets of --observe, rising
    #[arg(
        long,
        value_name = "BOUND",
        value_delimiter = ',',
        default_value = "0.005,0.01,0.025,0.05,0.1,0.25,0.5,1,2.5,5,10",
        value_parser = bound
    )]
    buckets: Vec<f64>,

    /// Add what is pushed to what the group has, instead of replacing that: counters, histograms and summaries are summed, of
    /// gauges the last value counts; see docs/aggregation.md. Only a Wharf can
    #[arg(long, conflicts_with = "counters")]
    aggregate: bool,

    /// Keep metrics of the group that this push does not have (POST); without it, they leave (PUT)
    #[arg(long)]
    add: bool,

    /// For how long the gateway is to keep the group after this push, such as 36h; the Pushgateway keeps it
    /// for ever
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    ttl: Option<Duration>,

    #[command(flatten)]
    expect: ExpectFlags,

    /// What counters, histograms and summaries count: with run, what this run has counted, so that Prometheus can add runs
    /// up, see docs/counters.md
    #[arg(long, value_name = "run", value_parser = counters, conflicts_with_all = ["inc", "observe"])]
    counters: Option<Counters>,

    /// Show the request and send nothing
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    voice: VoiceFlags,
    #[command(flatten)]
    delivery: DeliveryFlags,
    #[command(flatten)]
    gateway: GatewayFlags,
}

impl Arguments {
    /// Whether what is pushed is added to what the group has.
    fn aggregates(&self) -> bool {
        self.aggregate || !self.inc.is_empty() || !self.observe.is_empty()
    }

    /// Whether metrics of the group that are not pushed stay.
    fn keeps_others(&self) -> bool {
        self.add || self.aggregates()
    }
}

/// Runs `wharf push` with the arguments behind it.
pub(super) fn run(arguments: &[OsString]) -> ExitCode {
    let arguments = match parse::<Arguments>(NAME, arguments, USAGE) {
        Ok(arguments) => arguments,
        Err(code) => return code,
    };
    let prepared = prepare(&arguments);
    let (request, delivery) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => {
            complain(NAME, &error);
            return ExitCode::from(USAGE);
        }
    };
    if arguments.dry_run {
        // Whoever closed the output does not want it.
        let _unwritten = show(&request, &delivery, &mut io::stdout().lock());
        return ExitCode::SUCCESS;
    }
    let voice = Voice::new(NAME, arguments.voice);
    // What could not be kept is not worth more than an end at once.
    let patience = arguments
        .delivery
        .spool
        .as_ref()
        .map(|_| Patience::until_asked_to_end());
    let patience = match patience.transpose() {
        Ok(patience) => patience.unwrap_or_default(),
        Err(error) => {
            complain(NAME, &error.into());
            return ExitCode::FAILURE;
        }
    };
    if !arguments.keeps_others() {
        warn_of_a_run(&arguments, &request, voice);
    }
    let length = request.body.len();
    match delivery.deliver(request, &patience) {
        Outcome::Delivered => {
            voice.tell(format_args!(
                "pushed {length} bytes to {}",
                delivery.client().address()
            ));
            ExitCode::SUCCESS
        }
        Outcome::Spooled(failure) => {
            voice.warn(format_args!("kept for later: {failure}"));
            ExitCode::SUCCESS
        }
        Outcome::Lost(failure) => {
            voice.warn(format_args!("error: not pushed: {failure}"));
            ExitCode::FAILURE
        }
    }
}

/// The media type of `OpenMetrics`.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What helps if a text was taken for what it is not.
const GUESSED: &str = "\nhint: `# EOF`, or a type or unit in it, says that it is OpenMetrics; --format=text reads it as the text \
                       format of Prometheus";

/// Whether the gateway is a Wharf, which reads `OpenMetrics`. One that does not answer may be anything.
fn is_wharf(arguments: &Arguments) -> bool {
    let answer = quick_client(arguments)
        .map(|client| client.send(&Request::get("/api/v1/groups?limit=1&fields=labels")));
    match answer {
        Some(Ok(_)) => true,
        // Whoever may push need not be one who may read; a Pushgateway knows no such thing.
        Some(Err(error)) => error.status() == Some(403),
        None => false,
    }
}

/// A Pushgateway would put a part in the place of all that was counted. One that does not answer may be a Wharf: the push
/// itself will tell.
fn demand_a_wharf(arguments: &Arguments) -> anyhow::Result<()> {
    let client = quick_client(arguments);
    let answer = client.map(|client| client.send(&Request::get("/api/v1/groups?limit=1&fields=labels")));
    if matches!(&answer, Some(Err(error)) if error.status() == Some(404)) {
        bail!(
            "expected a Wharf, which can add up, found a gateway that cannot\n\
             hint: a Pushgateway would put this in the place of what it has; without --aggregate, --inc and --observe it can"
        );
    }
    Ok(())
}

/// A client that waits for a short time only.
fn quick_client(arguments: &Arguments) -> Option<Client> {
    let mut settings = arguments.gateway.settings().ok()?;
    settings.timeout = Some(settings.timeout.unwrap_or(LOOK_TIMEOUT).min(LOOK_TIMEOUT));
    Client::new(&settings.target().ok()?).ok()
}

/// For how long the gateway is asked what the group has: a push must not be late for a warning.
const LOOK_TIMEOUT: Duration = Duration::from_secs(2);

/// Warns if the group has what `wharf run` told, which leaves with this push. A Pushgateway could tell only with all that
/// it holds, so it is not asked: the path is one that it does not know.
fn warn_of_a_run(arguments: &Arguments, request: &Request, voice: Voice) {
    let family = "job_run_start_timestamp_seconds";
    let look = || {
        let client = quick_client(arguments)?;
        let group = request.path.strip_prefix("/metrics/")?;
        let path = format!("/api/v1/groups/{group}?family={family}&metrics=1");
        // A gateway that does not answer, or not this, is no reason not to push.
        let answer = client.send(&Request::get(path)).ok()?;
        serde_json::from_slice::<serde_json::Value>(&answer.body).ok()
    };
    if !voice.is_quiet() && look().is_some_and(|found| !found["data"]["families"][0].is_null()) {
        voice.warn(
            "warning: this takes the metrics of `wharf run` (job_run_*) out of the group\n\
             hint: with --add they stay",
        );
    }
}

fn prepare(arguments: &Arguments) -> anyhow::Result<(Request, Delivery)> {
    let key = arguments.group.key()?;
    let (source, body) = read(arguments)?;
    let body = encoding::to_utf8(&body).with_context(|| source.clone())?;
    let (format, body) = if arguments.format.is_openmetrics(&body) {
        (Format::OpenMetrics, encoding::with_line_feeds(body))
    } else {
        (Format::Text, body)
    };
    let (families, unsaid) = Families::read_and_compare(&body, format).map_err(|error| {
        let is_guessed = format == Format::OpenMetrics && arguments.format == TextFormat::Auto;
        let hint = if is_guessed { GUESSED } else { "" };
        anyhow!("{source}: {error}{hint}")
    })?;
    let voice = Voice::new(NAME, arguments.voice);
    for name in families.names().filter(|name| GATEWAY_NAMES.contains(name)) {
        voice.warn(format_args!(
            "warning: `{name}` does not arrive: the gateway has its own in each group"
        ));
    }
    if families.is_empty() && !arguments.keeps_others() {
        bail!(
            "{source}: expected metrics, found none\n\
             hint: an empty push would leave the group without metrics; to delete it, use `wharf rm`"
        );
    }
    let how = if arguments.aggregates() {
        How::Aggregate
    } else if arguments.add {
        How::ReplaceFamilies
    } else {
        How::ReplaceGroup
    };
    let push = Push {
        key,
        how,
        text: families.text(),
        ttl: arguments.ttl,
        expect: arguments.expect.line().map_err(anyhow::Error::msg)?,
        counters: arguments.counters.unwrap_or_default(),
    };
    if how == How::Aggregate && !arguments.dry_run {
        demand_a_wharf(arguments)?;
    }
    let client = arguments.gateway.client()?;
    let mut request = push.request();
    if !unsaid.is_empty() {
        if !arguments.dry_run && is_wharf(arguments) {
            request.headers.retain(|(name, _)| *name != "Content-Type");
            request.headers.push(("Content-Type", OPENMETRICS.to_owned()));
            request.body = body.into_owned();
        } else {
            let unsaid = unsaid.join(", ");
            voice.warn(format_args!(
                "warning: pushed in the text format, which has no {unsaid}\n\
                 hint: a Wharf that answers gets OpenMetrics as it is; a Pushgateway cannot read it"
            ));
        }
    }
    Ok((request, Delivery::new(client, &arguments.delivery, voice)))
}

/// The metrics, and what to call the place that they come from.
fn read(arguments: &Arguments) -> anyhow::Result<(String, Vec<u8>)> {
    if !arguments.metrics.is_empty() || !arguments.inc.is_empty() || !arguments.observe.is_empty() {
        let mut text = one_liner::text(&arguments.metrics)?;
        part::write_counters(&mut text, &arguments.inc)?;
        part::write_histograms(&mut text, &arguments.observe, &arguments.buckets)?;
        return Ok(("the command line".to_owned(), text));
    }
    let (source, reader): (String, Box<dyn Read>) = match &arguments.file {
        Some(path) if path.as_os_str() != "-" => {
            let source = path.display().to_string();
            let file = File::open(path).with_context(|| source.clone())?;
            (source, Box::new(file))
        }
        None if io::stdin().is_terminal() => {
            bail!("expected a file, --metric, or metrics on standard input, found none of them")
        }
        _ => ("standard input".to_owned(), Box::new(io::stdin().lock())),
    };
    let mut body = Vec::new();
    // Counted while it is read, for a pipe does not say its size.
    let count = reader.take(MAX_BYTES + 1).read_to_end(&mut body);
    if count.with_context(|| source.clone())? as u64 > MAX_BYTES {
        bail!("{source}: expected at most {MAX_BYTES} bytes, found more");
    }
    Ok((source, body))
}

/// Shows the request as it would be sent, but with its body before compression, and without secrets.
fn show(request: &Request, delivery: &Delivery, out: &mut dyn Write) -> io::Result<()> {
    let url = delivery.client().address().url(&request.path);
    writeln!(out, "{} {url}", request.method)?;
    if let Some(scheme) = delivery.client().authorization_scheme() {
        writeln!(out, "Authorization: {scheme} <hidden>")?;
    }
    for (name, value) in &request.headers {
        writeln!(out, "{name}: {value}")?;
    }
    writeln!(out)?;
    out.write_all(&request.body)
}
