//! `wharf check`: what is wrong, or unwise, with metrics.

mod format;

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::json;
use wharf_model::name::NameRule;

use self::format::Format;
use super::command::{USAGE, complain, parse};
use super::output::{self, Pushed};
use crate::lint::{self, Finding, Options, Place, Report, Severity};

/// A larger body is refused: no gateway would take it in one push either.
const MAX_BYTES: u64 = 64 << 20;

/// Look for mistakes in metrics before they are pushed.
///
/// Reads the text format, OpenMetrics and protobuf. Reports what `promtool check metrics` reports and more, each with line and
/// column, or in protobuf with family and metric. Errors are what a gateway would refuse or nobody could use; everything else
/// is a warning.
#[derive(Debug, clap::Parser)]
#[command(after_help = "Exit codes:
  0  no errors; with --strict no warnings either
  1  findings
  2  the file could not be read, or the command line

Examples:
  wharf check metrics.prom
  wharf check --format protobuf scrape.bin
  ./export-metrics | wharf check --strict -")]
pub(super) struct Arguments {
    /// The metrics; `-` is standard input
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,

    /// What the metrics are in: auto knows protobuf by how it begins, and OpenMetrics by `# EOF` at the end, or by types and
    /// units that only it has; and both by the end of the file's name: .pb, .binpb, .protobuf; .om, .openmetrics
    #[arg(
        long,
        value_enum,
        default_value = "auto",
        hide_possible_values = true,
        value_name = "auto|text|openmetrics|protobuf"
    )]
    format: Format,

    /// Warnings count like errors
    #[arg(long)]
    strict: bool,

    /// From how many series on one push is too large
    #[arg(long, value_name = "COUNT", default_value_t = Options::default().max_series)]
    max_series: usize,

    /// Allow names with any characters, in quotes
    #[arg(long)]
    utf8_names: bool,

    /// Text for people, or an object for scripts
    #[arg(short, long, value_enum, default_value = "text")]
    output: output::Format,
}

/// Runs `wharf check`.
pub(super) fn run(arguments: &[OsString]) -> ExitCode {
    match parse::<Arguments>("check", arguments, USAGE) {
        Ok(arguments) => execute(&arguments).unwrap_or_else(|error| {
            complain("check", &error);
            ExitCode::from(USAGE)
        }),
        Err(code) => code,
    }
}

fn execute(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let (name, body) = read(&arguments.file)?;
    let options = Options {
        names: if arguments.utf8_names {
            NameRule::Utf8
        } else {
            NameRule::Legacy
        },
        max_series: arguments.max_series,
    };
    let syntax = arguments.format.syntax(&arguments.file, &body);
    let report = lint::check_as(syntax, &body, options);
    let shown = match arguments.output {
        output::Format::Json => show_json(&report),
        output::Format::Text => show_text(&report, &output::clean(&name), &mut io::stdout().lock()),
    };
    match shown {
        // Whoever closed the output still gets the exit code.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(error.into()),
        _ => {}
    }
    let (errors, warnings) = (report.count(Severity::Error), report.count(Severity::Warning));
    let is_fine = errors == 0 && (warnings == 0 || !arguments.strict);
    Ok(if is_fine {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn read(file: &Path) -> anyhow::Result<(String, Vec<u8>)> {
    use anyhow::Context as _;

    let name = if file == Path::new("-") {
        "stdin".into()
    } else {
        file.display().to_string()
    };
    let mut body = Vec::new();
    let count = if file == Path::new("-") {
        io::stdin().lock().take(MAX_BYTES + 1).read_to_end(&mut body)
    } else {
        File::open(file).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut body))
    };
    let count = count.with_context(|| format!("read {}", output::clean(&name)))?;
    if count as u64 > MAX_BYTES {
        anyhow::bail!(
            "read {}: expected at most {MAX_BYTES} bytes, found more",
            output::clean(&name)
        );
    }
    Ok((name, body))
}

fn show_text(report: &Report, name: &str, out: &mut impl Write) -> io::Result<()> {
    let colours = output::has_colours();
    for finding in &report.findings {
        let Finding {
            place,
            rule,
            family,
            message,
            hint,
        } = finding;
        let family = output::clean(family.as_deref().unwrap_or_default());
        let place = match place {
            Place::Text { line, column } => format!("{line}:{column}"),
            Place::Byte(at) => format!(" byte {at}"),
            Place::Family => format!(" family {family}"),
            Place::Metric(labels) => format!(" family {family}, metric {}", output::clean(labels)),
        };
        let severity = rule.severity();
        let word = output::red(&severity.to_string(), colours && severity == Severity::Error);
        let (message, hint) = (output::clean(message), output::clean(hint));
        writeln!(out, "{name}:{place}: {word}: {message} [{rule}]\n  hint: {hint}")?;
    }
    let (errors, warnings) = (report.count(Severity::Error), report.count(Severity::Warning));
    let Report { families, series, .. } = report;
    let counted = |count: usize, one, many| output::counted(count as u64, one, many);
    writeln!(
        out,
        "{}, {series} series: {}, {}",
        counted(*families, "family", "families"),
        counted(errors, "error", "errors"),
        counted(warnings, "warning", "warnings")
    )
}

fn show_json(report: &Report) -> io::Result<()> {
    let findings: Vec<_> = report
        .findings
        .iter()
        .map(|finding| {
            let (line, column, byte, metric) = match &finding.place {
                Place::Text { line, column } => (Some(line), Some(column), None, None),
                Place::Byte(at) => (None, None, Some(at), None),
                Place::Family => (None, None, None, None),
                Place::Metric(labels) => (None, None, None, Some(labels)),
            };
            json!({
                "line": line,
                "column": column,
                "byte": byte,
                "severity": finding.rule.severity().to_string(),
                "rule": finding.rule.name(),
                "family": finding.family,
                "metric": metric,
                "message": finding.message,
                "hint": finding.hint,
            })
        })
        .collect();
    let document = json!({"families": report.families, "series": report.series, "findings": findings});
    Pushed::stdout().write(format!("{document}\n").as_bytes())
}
