//! `wharf config`: looking at a configuration file before it counts.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::bail;
use wharf_model::name::NameRule;

/// What `wharf config --help` prints.
pub(crate) const USAGE: &str = "\
usage: wharf config check [--push.enable-utf8-names] <file>

Reads a configuration file as --config.file does, and says whether it is sound; otherwise every mistake with
its line and column. Exits with 0 or 1.
";

/// Runs `wharf config` with the arguments behind it.
pub fn run(arguments: &[String]) -> ExitCode {
    match execute(arguments, &mut io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // If standard error is closed, the exit code says it alone.
            let _unwritten = writeln!(io::stderr(), "wharf config: error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn execute(arguments: &[String], out: &mut dyn Write) -> anyhow::Result<()> {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["--help" | "-h" | "help"] => Ok(out.write_all(USAGE.as_bytes())?),
        ["check", "--push.enable-utf8-names", file] => check(file, NameRule::Utf8, out),
        ["check", file] if !file.starts_with('-') => check(file, NameRule::Legacy, out),
        ["check", ..] => bail!("expected one file to check\n\n{USAGE}"),
        [command, ..] => bail!("expected check, found `{command}`\n\n{USAGE}"),
        [] => bail!("expected a command\n\n{USAGE}"),
    }
}

fn check(file: &str, names: NameRule, out: &mut dyn Write) -> anyhow::Result<()> {
    let policy = super::read(Path::new(file), names)?;
    writeln!(
        out,
        "sound: {} expiry rules, {} quotas, {} relabelling rules",
        policy.expiry.len(),
        policy.quotas.len(),
        policy.relabelling.len()
    )?;
    Ok(())
}
