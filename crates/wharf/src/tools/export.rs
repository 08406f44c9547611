//! `wharf export`: groups in a form that `wharf import` and `wharf push` understand.

use std::ffi::OsString;
use std::io::{self, StdoutLock, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use super::backup::{self, Told};
use super::contents;
use super::gateway::GatewayFlags;
use super::output::{Format, Pushed};
use super::remote;
use super::whole_file::WholeFile;

/// Write groups to standard output or a file, for `wharf import` or `wharf push`.
///
/// As JSON, the default, each line is one group with all that is known of it: its labels, the times of its pushes, its time
/// to live, and its metrics as text; native histograms, exemplars and what else text cannot say stand beside it. As text
/// it is the metrics of one group, without the labels of the group.
#[derive(Debug, clap::Parser)]
#[command(after_help = "Exit codes:
  0  everything was written
  1  something was left out, which is named on standard error, or it had to stop

Examples:
  wharf export --out groups.json
  wharf export -o text '{job=\"a\"}' | wharf push --job=b -")]
pub(super) struct Arguments {
    /// Only these groups: selectors such as '{job=~"ci-.*"}', or names of jobs
    #[arg(value_name = "SELECTOR|JOB")]
    selectors: Vec<String>,

    /// One line a group, or the text of a single group
    #[arg(short, long, value_enum, default_value = "json")]
    output: Format,

    /// Write this file. It is there once it is whole; until then, or if the export has to stop, one of that name stays as
    /// it is
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    out: Option<PathBuf>,

    #[command(flatten)]
    gateway: GatewayFlags,
}

/// Runs `wharf export`.
pub(super) fn run(arguments: &[OsString]) -> ExitCode {
    super::command::carry_out("export", arguments, execute)
}

fn execute(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let client = arguments.gateway.client()?;
    let selectors = remote::selectors(&arguments.selectors)?;
    let mut out = match &arguments.out {
        Some(file) => Out::File(WholeFile::begin(file)?),
        None => Out::Stdout(Pushed::stdout()),
    };
    let (mut found, mut is_whole) = (0_u64, true);
    let mut single = None;
    let mut leave_out = |what: &str, reason: &str| {
        is_whole = false;
        // If standard error is closed, the exit code says it alone.
        let _unwritten = writeln!(io::stderr(), "wharf export: left out: {what}: {reason}");
    };
    let without_scrape = backup::read(&client, &selectors, |group| {
        let Told { line, left_out } = group?;
        found += 1;
        for (family, reason) in &left_out {
            leave_out(&contents::left_out_of(&line.key()?, family), reason);
        }
        match arguments.output {
            Format::Json => {
                let mut line = serde_json::to_vec(&line)?;
                line.push(b'\n');
                out.write(&line)?;
            }
            Format::Text => {
                if !line.protobuf.is_empty() {
                    let what = format!("group {}", super::output::clean(&line.key()?.to_string()));
                    leave_out(&what, "what text cannot say; -o json has it");
                }
                single = Some(line.text);
            }
        }
        Ok(())
    })?;
    if let Some(reason) = without_scrape {
        leave_out(contents::NOT_IN_JSON, &reason);
    }
    if arguments.output == Format::Text {
        match single.filter(|_| found == 1) {
            Some(text) => out.write(text.as_bytes())?,
            None => anyhow::bail!(
                "expected one group for the text of it, found {found}\nhint: name all of its labels, or use -o json"
            ),
        }
    }
    out.finish()?;
    Ok(if is_whole {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Where it goes.
enum Out {
    Stdout(Pushed<StdoutLock<'static>>),
    File(WholeFile),
}

impl Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Stdout(stdout) => stdout.write(bytes),
            Self::File(file) => file.write_all(bytes),
        }
    }

    fn finish(self) -> anyhow::Result<()> {
        match self {
            Self::Stdout(mut stdout) => Ok(stdout.flush()?),
            Self::File(file) => file.finish(),
        }
    }
}
