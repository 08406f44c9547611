//! `wharf statsd`: looking at rules for `StatsD` names before they count, and at what lines come to by them.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::anyhow;
use clap::{Parser, Subcommand};
use wharf_statsd::{Dialect, Item, Mapping, Observer, Outcome, Reader, SampleError, SeriesUpdate, Update};

use super::output;
use wharf_settings::small_file;

/// A file larger than this is none that a person has written.
const MAX_FILE_BYTES: u64 = 4 << 20;

/// The command line of `wharf statsd`.
#[derive(Debug, Parser)]
#[command(about = "Check the mapping rules of a statsd_exporter, and try lines on them")]
#[command(after_help = "Examples:
  wharf statsd check mapping.yml
  wharf statsd test mapping.yml 'shop.fr.orders:1|c|#channel:web'
  wharf statsd test - 'shop.fr.orders:1|c' < mapping.yml")]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Read a file of mapping rules, and say whether it is sound
    ///
    /// Every mistake is shown with its line and column, and so is every rule that can never apply.
    Check {
        /// The file, or - for standard input
        file: PathBuf,

        /// End with 1 if there are warnings, too
        #[arg(long)]
        strict: bool,
    },
    /// Say what becomes of lines: which rule takes each sample, and what it does to which series
    ///
    /// Ends with 1 if anything in a line is refused.
    Test {
        /// The file, or - for standard input
        file: PathBuf,

        /// Lines as clients send them
        #[arg(required = true)]
        lines: Vec<String>,
    },
}

/// Runs `wharf statsd`.
pub(super) fn run(arguments: &[OsString]) -> ExitCode {
    super::command::carry_out("statsd", arguments, |arguments: &Arguments| {
        let mut out = io::stdout().lock();
        let is_fine = match &arguments.command {
            Command::Check { file, strict } => check(file, &mut out)? || !strict,
            Command::Test { file, lines } => {
                let mapping = read(file)?;
                let mut is_fine = true;
                for line in lines {
                    is_fine &= test(&mapping, line, &mut out)?;
                }
                is_fine
            }
        };
        Ok(ExitCode::from(u8::from(!is_fine)))
    })
}

fn read(file: &Path) -> anyhow::Result<Mapping> {
    let shown = shown(file);
    let path = if file == Path::new("-") {
        Path::new("/dev/stdin")
    } else {
        file
    };
    let text = small_file::read(path, MAX_FILE_BYTES).map_err(|error| anyhow!("{shown}: {error}"))?;
    let text = String::from_utf8(text).map_err(|error| anyhow!("{shown}: {error}"))?;
    Mapping::read(&text).map_err(|error| {
        let mistakes = error
            .mistakes()
            .iter()
            .map(|mistake| format!("{shown}: {mistake}"));
        anyhow!("{}", mistakes.collect::<Vec<_>>().join("\n"))
    })
}

fn shown(file: &Path) -> String {
    if file == Path::new("-") {
        "standard input".to_owned()
    } else {
        file.display().to_string()
    }
}

/// Whether there is nothing to warn of.
fn check(file: &Path, out: &mut dyn Write) -> anyhow::Result<bool> {
    let mapping = read(file)?;
    for warning in mapping.warnings() {
        writeln!(out, "{}: warning: {warning}", shown(file))?;
    }
    let counted = |count: usize, one, many| output::counted(count as u64, one, many);
    writeln!(
        out,
        "sound: {}, {}",
        counted(mapping.rules().len(), "rule", "rules"),
        counted(mapping.warnings().len(), "warning", "warnings"),
    )?;
    Ok(mapping.warnings().is_empty())
}

/// Prints what becomes of a line. Whether all of it counts.
fn test(mapping: &Mapping, line: &str, out: &mut dyn Write) -> io::Result<bool> {
    writeln!(out, "{}", output::clean(line.trim_end()))?;
    let mut reader = Reader::new(Dialect::default());
    let mut written = Ok(true);
    // Clients end lines, and put several into a datagram.
    for line in line.lines() {
        reader.read(line.as_bytes(), |item| {
            if let Ok(is_fine) = written {
                written = test_item(mapping, &item, out).map(|counts| counts && is_fine);
            }
        });
    }
    let mut is_fine = written?;
    let counts = reader.counts();
    for error in SampleError::ALL {
        let times = counts.errors(error);
        if times > 0 {
            is_fine = false;
            writeln!(
                out,
                "  refused: {error}{}",
                if times == 1 {
                    String::new()
                } else {
                    format!(", {times} times")
                }
            )?;
        }
    }
    if counts.tag_errors > 0 {
        is_fine = false;
        let tags = output::counted(counts.tag_errors, "tag", "tags");
        writeln!(out, "  left out: {tags} without a key or a value")?;
    }
    Ok(is_fine)
}

fn test_item(mapping: &Mapping, item: &Item<'_>, out: &mut dyn Write) -> io::Result<bool> {
    let sample = match item {
        Item::Sample(sample) => sample,
        Item::Event(_) => {
            writeln!(out, "  an event, which is no series")?;
            return Ok(true);
        }
        Item::Check(_) => {
            writeln!(out, "  a service check, which is no series")?;
            return Ok(true);
        }
    };
    let resolved = mapping.resolve(sample);
    match resolved.rule.and_then(|index| mapping.rules().get(index)) {
        Some(rule) => write!(
            out,
            "  line {}, `{}`: ",
            rule.place().line,
            output::clean(rule.pattern())
        )?,
        None => write!(out, "  no rule: ")?,
    }
    match &resolved.outcome {
        Outcome::Dropped => writeln!(out, "dropped")?,
        Outcome::Refused(error) => {
            writeln!(out, "refused: {error}")?;
            return Ok(false);
        }
        Outcome::Series(series) => write_series(series, out)?,
    }
    if resolved.reserved_tags > 0 {
        let tags = output::counted(resolved.reserved_tags, "tag", "tags");
        writeln!(out, "  left out: {tags} with the name of a reserved label")?;
    }
    Ok(resolved.reserved_tags == 0)
}

fn write_series(series: &SeriesUpdate<'_, '_>, out: &mut dyn Write) -> io::Result<()> {
    let kind = match series.update {
        Update::Add(_) => "counter",
        Update::Set(_) | Update::Shift(_) | Update::Member(_) => "gauge",
        Update::Observe {
            observer: Observer::Summary(_),
            ..
        } => "summary",
        Update::Observe {
            observer: Observer::Histogram(_),
            ..
        } => "histogram",
    };
    write!(out, "{kind} {}", series.name)?;
    for (index, (name, value)) in series.labels.iter().enumerate() {
        let between = if index == 0 { '{' } else { ',' };
        write!(out, "{between}{name}={value:?}")?;
    }
    write!(out, "{} ", if series.labels.is_empty() { "" } else { "}" })?;
    match series.update {
        Update::Add(value) => writeln!(out, "+{value}"),
        Update::Set(value) => writeln!(out, "= {value}"),
        Update::Shift(value) => writeln!(out, "{value:+}"),
        Update::Observe { value, times: 1, .. } => writeln!(out, "observes {value}"),
        Update::Observe { value, times, .. } => writeln!(out, "observes {value}, {times} times"),
        Update::Member(member) => writeln!(out, "counts the member {member:?}"),
    }
}
