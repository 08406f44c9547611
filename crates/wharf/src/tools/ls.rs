//! `wharf ls`: which groups there are.

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use wharf_model::duration;

use super::gateway::GatewayFlags;
use super::output::{self, Format, Side, Table};
use super::remote::{self, Group, Query, Remote, Sort, Status};

/// List the groups of a gateway.
#[derive(Debug, clap::Parser)]
#[command(after_help = "Examples:
  wharf ls --failed
  wharf ls --overdue
  wharf ls --sort=series --reverse --limit=10
  wharf ls '{job=~\"ci-.*\"}' --older-than=7d -o json")]
pub(super) struct Arguments {
    /// Only these groups: selectors such as '{job=~"ci-.*",env!="prod"}', or names of jobs
    #[arg(value_name = "SELECTOR|JOB")]
    selectors: Vec<String>,

    /// What comes first
    #[arg(long, value_enum, default_value = "job")]
    sort: Sort,

    /// The other way round
    #[arg(long)]
    reverse: bool,

    /// At most so many groups
    #[arg(long, value_name = "COUNT")]
    limit: Option<usize>,

    /// Only groups whose last push was refused, for whatever reason
    #[arg(long)]
    failed: bool,

    /// Only groups whose last successful push is so long ago, or never was
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    older_than: Option<Duration>,

    /// Only groups that are overdue; ends with 3 if there are any
    #[arg(long, conflicts_with_all = ["sort", "reverse", "failed", "older_than"])]
    overdue: bool,

    /// Text for people, or an array of objects for scripts
    #[arg(short, long, value_enum, default_value = "text")]
    output: Format,

    #[command(flatten)]
    gateway: GatewayFlags,
}

/// Runs `wharf ls`.
pub(super) fn run(arguments: &[OsString]) -> ExitCode {
    super::command::carry_out("ls", arguments, execute)
}

fn execute(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let remote = Remote {
        client: arguments.gateway.client()?,
    };
    if arguments.overdue {
        return overdue(&remote, arguments);
    }
    let query = Query {
        selectors: remote::selectors(&arguments.selectors)?,
        sort: arguments.sort,
        descending: arguments.reverse,
    };
    let status = remote.status()?;
    let now = status.now();
    let groups = remote.list(&query, arguments.limit.unwrap_or(usize::MAX), |group| {
        let is_old = |age: Duration| is_older(group, age, now);
        (!arguments.failed || group.is_failed()) && arguments.older_than.is_none_or(is_old)
    })?;
    match arguments.output {
        Format::Json => {
            let groups: Vec<_> = groups.iter().map(remote::json).collect();
            output::write_json(&groups)?;
        }
        Format::Text => {
            let mut out = std::io::stdout().lock();
            let colours = output::has_colours();
            let (headings, lines) = lines(&groups, now);
            writeln!(out, "{headings}")?;
            for (line, group) in lines.iter().zip(&groups) {
                let red = colours && is_alarming(group);
                writeln!(out, "{}", output::red(line, red))?;
            }
            warn(arguments, &groups, &status);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What `wharf ls --overdue` ends with if a group is.
const SOME_ARE_OVERDUE: u8 = 3;

fn overdue(remote: &Remote, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let selectors = remote::selectors(&arguments.selectors)?;
    let limit = arguments.limit.unwrap_or(usize::MAX);
    let overdue = remote.expectations(&selectors, Some("overdue"), limit)?;
    overdue.write(
        arguments.output,
        ("wharf ls", "no group is overdue"),
        remote.status()?.now(),
    )?;
    Ok(if overdue.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(SOME_ARE_OVERDUE)
    })
}

/// Whether somebody should look at a group: its last push was refused, it did not come, or its time cannot be right.
pub(super) fn is_alarming(group: &Group) -> bool {
    group.is_failed() || group.is_overdue() || group.is_of_the_future()
}

/// Says what the table does not.
fn warn(arguments: &Arguments, groups: &[Group], status: &Status) {
    let say = |text: &str| {
        // If standard error is closed, nobody listens.
        let _unwritten = writeln!(std::io::stderr(), "wharf ls: {text}");
    };
    if groups.is_empty() {
        let is_narrowed =
            !arguments.selectors.is_empty() || arguments.failed || arguments.older_than.is_some();
        say(if is_narrowed {
            "no group matches"
        } else {
            "there are no groups"
        });
    }
    for problem in &status.problems {
        say(&format!("warning: {}", output::clean(&problem.summary)));
    }
    let ahead = groups.iter().filter(|group| group.is_of_the_future()).count();
    if ahead > 0 && status.problems.is_empty() {
        let groups = output::counted(ahead as u64, "group has", "groups have");
        say(&format!(
            "warning: {groups} a push time in the future: a clock was ahead, here or there"
        ));
    }
}

/// Whether the last successful push of a group is so long ago; one that never was is.
pub(super) fn is_older(group: &Group, age: Duration, now: f64) -> bool {
    group.pushed_at <= now - age.as_secs_f64()
}

/// The table of groups: headings, and a line a group. Who expects nothing has no column for what is overdue.
pub(super) fn lines(groups: &[Group], now: f64) -> (String, Vec<String>) {
    let some_are_overdue = groups.iter().any(Group::is_overdue);
    let columns = [
        ("JOB", Side::Left),
        ("LABELS", Side::Left),
        ("LAST PUSH", Side::Right),
        (OVERDUE, Side::Right),
        ("FAILED", Side::Right),
        ("SERIES", Side::Right),
        ("BYTES", Side::Right),
        ("EXPIRES", Side::Right),
    ];
    let is_shown = |heading: &str| some_are_overdue || heading != OVERDUE;
    let shown: Vec<_> = columns
        .into_iter()
        .filter(|(heading, _)| is_shown(heading))
        .collect();
    let mut table = Table::new(&shown);
    for group in groups {
        let cells = columns.iter().zip(cells(group, now));
        let cells = cells.filter(|((heading, _), _)| is_shown(heading));
        table.row(cells.map(|(_, cell)| cell));
    }
    let mut lines = table.lines().into_iter();
    (lines.next().unwrap_or_default(), lines.collect())
}

const OVERDUE: &str = "OVERDUE";

fn cells(group: &Group, now: f64) -> [String; 8] {
    let overdue = group.overdue_since().map(|at| output::ago(now, at));
    let refused = group.refused_at().map(|at| output::ago(now, at));
    let expires = group.expires_at.map(|at| {
        let left = at.as_duration().as_secs_f64() - now;
        let left = Duration::try_from_secs_f64(left).unwrap_or_default();
        format!("in {}", output::in_one_unit(left))
    });
    [
        output::clean(group.key.job()),
        output::labels(&group.key),
        output::ago(now, group.pushed_at),
        overdue.unwrap_or_else(|| "-".to_owned()),
        refused.unwrap_or_else(|| "-".to_owned()),
        group.series.to_string(),
        group.bytes.map_or_else(|| "-".to_owned(), output::size),
        expires.unwrap_or_else(|| "-".to_owned()),
    ]
}
