//! `wharf check`: what is wrong, or unwise, with a text of metrics.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::json;
use wharf_model::name::NameRule;

use super::command::{USAGE, complain, parse};
use super::output::{self, Format, Pushed};
use crate::lint::{self, Finding, Options, Report, Severity};
use crate::text_format::TextFormat;

/// A larger text is refused: no gateway would take it in one push either.
const MAX_BYTES: u64 = 64 << 20;

/// Look for mistakes in a text of metrics before it is pushed.
///
/// Reports what `promtool check metrics` reports and more, each with line and column. Errors are what a gateway would
/// refuse or nobody could use; everything else is a warning.
#[derive(Debug, clap::Parser)]
#[command(after_help = "Exit codes:
  0  no errors; with --strict no warnings either
  1  findings
  2  the text could not be read, or the command line

Examples:
  wharf check metrics.prom
  ./export-metrics | wharf check --strict -")]
pub(super) struct Arguments {
    /// The text; `-` is standard input
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,

    /// What the text is in: auto knows OpenMetrics by `# EOF` at the end, or by types and units that only it has
    #[arg(
        long,
        value_enum,
        default_value = "auto",
        hide_possible_values = true,
        value_name = "auto|text|openmetrics"
    )]
    format: TextFormat,

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
    output: Format,
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
    let report = lint::check_as(arguments.format, &body, options);
    let shown = match arguments.output {
        Format::Json => show_json(&report),
        Format::Text => show_text(&report, &output::clean(&name), &mut io::stdout().lock()),
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
            line,
            column,
            rule,
            message,
            hint,
            ..
        } = finding;
        let severity = rule.severity();
        let word = output::red(&severity.to_string(), colours && severity == Severity::Error);
        let (message, hint) = (output::clean(message), output::clean(hint));
        writeln!(
            out,
            "{name}:{line}:{column}: {word}: {message} [{rule}]\n  hint: {hint}"
        )?;
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
            json!({
                "line": finding.line,
                "column": finding.column,
                "severity": finding.rule.severity().to_string(),
                "rule": finding.rule.name(),
                "family": finding.family,
                "message": finding.message,
                "hint": finding.hint,
            })
        })
        .collect();
    let document = json!({"families": report.families, "series": report.series, "findings": findings});
    Pushed::stdout().write(format!("{document}\n").as_bytes())
}
