//! `wharf export`: groups in a form that `wharf import`, `wharf push` or a Pushgateway understands.

mod state;

use std::ffi::OsString;
use std::io::{self, IsTerminal as _, StdoutLock, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::bail;
use wharf_http::backup::Line;

use self::state::State;
use super::backup::{self, Told};
use super::contents;
use super::gateway::GatewayFlags;
use super::output::{Pushed, clean};
use super::remote;
use super::whole_file::WholeFile;

/// Write groups to standard output or into a file, for `wharf import`, `wharf push` or a Pushgateway.
///
/// As JSON, the default, each line is one group with all that is known of it: its labels, the times of its pushes, its time
/// to live, and its metrics as text; native histograms, exemplars and what else text cannot say stand beside it. As text
/// it is the metrics of one group, without the labels of the group. As state it is a file that a Pushgateway, 0.10.0 or
/// later, reads at its start if --persistence.file names it.
#[derive(Debug, clap::Parser)]
#[command(after_help = "Exit codes:
  0  everything was written that the form has a place for
  1  something was left out, which is named on standard error, or it had to stop

Examples:
  wharf export --out groups.json
  wharf export -o text '{job=\"a\"}' | wharf push --job=b -
  wharf export -o state --out /var/lib/prometheus/pushgateway.data")]
pub(super) struct Arguments {
    /// Only these groups: selectors such as '{job=~"ci-.*"}', or names of jobs
    #[arg(value_name = "SELECTOR|JOB")]
    selectors: Vec<String>,

    /// The form of what is written
    #[arg(short, long, value_enum, default_value = "json")]
    output: Form,

    /// Write this file. It is there once it is whole; until then, or if the export has to stop, one of that name stays as
    /// it is
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    out: Option<PathBuf>,

    #[command(flatten)]
    gateway: GatewayFlags,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    /// One line a group
    Json,
    /// The text of a single group
    Text,
    /// The state file of a Pushgateway
    State,
}

/// Runs `wharf export`.
pub(super) fn run(arguments: &[OsString]) -> ExitCode {
    super::command::carry_out("export", arguments, execute)
}

fn execute(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let client = arguments.gateway.client()?;
    let selectors = remote::selectors(&arguments.selectors)?;
    let mut export = Export::new(arguments)?;
    let without_scrape = backup::read(&client, &selectors, |group| export.add(group?))?;
    if let Some(reason) = without_scrape {
        export.left_out.name(contents::NOT_IN_JSON, &reason);
    }
    export.finish()
}

/// An export that is under way.
struct Export {
    form: Written,
    groups: u64,
    left_out: LeftOut,
}

enum Written {
    Lines(Lines),
    /// That of the last group, and where it goes if there is but one.
    Text(String, Lines),
    State(State),
}

impl Export {
    fn new(arguments: &Arguments) -> anyhow::Result<Self> {
        let place = arguments.out.as_deref();
        let form = match arguments.output {
            Form::Json => Written::Lines(Lines::new(place)?),
            Form::Text => Written::Text(String::new(), Lines::new(place)?),
            Form::State if place.is_none() && io::stdout().is_terminal() => {
                bail!(
                    "expected a file or a program to write the state to, found a terminal\nhint: --out names a file"
                )
            }
            Form::State => Written::State(State::new(place)?),
        };
        Ok(Self {
            form,
            groups: 0,
            left_out: LeftOut::default(),
        })
    }

    fn add(&mut self, told: Told) -> anyhow::Result<()> {
        let Told { line, left_out } = told;
        self.groups += 1;
        for (family, reason) in &left_out {
            self.left_out
                .name(&contents::left_out_of(&line.key()?, family), reason);
        }
        match &mut self.form {
            Written::Lines(out) => {
                let mut bytes = serde_json::to_vec(&line)?;
                bytes.push(b'\n');
                out.write(&bytes)?;
            }
            Written::Text(text, _) => {
                if !line.protobuf.is_empty() {
                    self.left_out
                        .name(&named(&line)?, "what text cannot say; -o json has it");
                }
                *text = line.text;
            }
            Written::State(state) => {
                if let Err(reason) = state.add(&line)? {
                    self.left_out.name(&named(&line)?, &reason);
                }
            }
        }
        Ok(())
    }

    fn finish(self) -> anyhow::Result<ExitCode> {
        match self.form {
            Written::Lines(out) => out.finish()?,
            Written::Text(text, mut out) => {
                let found = self.groups;
                if found != 1 {
                    bail!(
                        "expected one group for the text of it, found {found}\nhint: name all of its labels, or use -o json"
                    );
                }
                out.write(text.as_bytes())?;
                out.finish()?;
            }
            Written::State(state) => {
                for warning in state.finish()? {
                    say(&format!("warning: {warning}"));
                }
            }
        }
        Ok(if self.left_out.is_empty {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}

fn named(line: &Line) -> anyhow::Result<String> {
    Ok(format!("group {}", clean(&line.key()?.to_string())))
}

/// Whether nothing was left out; what was is named as it is found.
struct LeftOut {
    is_empty: bool,
}

impl Default for LeftOut {
    fn default() -> Self {
        Self { is_empty: true }
    }
}

impl LeftOut {
    fn name(&mut self, what: &str, reason: &str) {
        self.is_empty = false;
        say(&format!("left out: {what}: {reason}"));
    }
}

fn say(text: &str) {
    // If standard error is closed, the exit code says it alone.
    let _unwritten = writeln!(io::stderr(), "wharf export: {text}");
}

/// Where lines go.
enum Lines {
    Stdout(Pushed<StdoutLock<'static>>),
    File(WholeFile),
}

impl Lines {
    fn new(place: Option<&Path>) -> anyhow::Result<Self> {
        Ok(match place {
            None => Self::Stdout(Pushed::stdout()),
            Some(place) => Self::File(WholeFile::begin(place)?),
        })
    }

    fn write(&mut self, text: &[u8]) -> io::Result<()> {
        match self {
            Self::Stdout(out) => out.write(text),
            Self::File(file) => file.write_all(text),
        }
    }

    fn finish(self) -> anyhow::Result<()> {
        match self {
            Self::Stdout(mut out) => Ok(out.flush()?),
            Self::File(file) => file.finish(),
        }
    }
}
