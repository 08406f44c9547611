//! `wharf ledger`: looking into the storage folder, copying it, mending it.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, anyhow, bail};
use wharf_ledger::{BoxError, RealDisk, Recovery};
use wharf_store::describe_record;

/// What `wharf ledger --help` prints.
pub(crate) const USAGE: &str = "\
usage: wharf ledger <command> <folder> [<target>]

Looks into the folder in which Wharf keeps its groups.

Commands:
  check FOLDER           Read everything, change nothing, and say whether it is sound.
  dump FOLDER            Print every record that a start would read, one a line.
  backup FOLDER TARGET   Copy the folder into an empty one; also while Wharf uses it.
  repair FOLDER          Make a damaged folder readable again. What is taken away stays beside, under
                         another name. Wharf must not run.
";

/// Runs `wharf ledger` with the arguments behind it.
pub fn run(arguments: &[String]) -> ExitCode {
    let mut out = io::stdout().lock();
    match execute(arguments, &mut out) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads the output has had enough.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // If standard error is closed, the exit code says it alone.
            let _unwritten = writeln!(io::stderr(), "wharf ledger: error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let is_broken = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
    error
        .chain()
        .any(|cause| cause.downcast_ref::<io::Error>().is_some_and(is_broken))
}

fn execute(arguments: &[String], out: &mut dyn Write) -> anyhow::Result<()> {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["--help" | "-h" | "help"] => Ok(out.write_all(USAGE.as_bytes())?),
        ["check", folder] => check(&open(folder)?, out),
        ["dump", folder] => dump(&open(folder)?, out),
        ["backup", folder, target] => backup(&open(folder)?, target, out),
        ["repair", folder] => repair(&open(folder)?, out),
        [command @ ("check" | "dump" | "backup" | "repair"), ..] => {
            bail!("expected the arguments of {command}, found others\n\n{USAGE}")
        }
        [command, ..] => bail!("expected check, dump, backup or repair, found `{command}`\n\n{USAGE}"),
        [] => bail!("expected a command\n\n{USAGE}"),
    }
}

/// The folder, which must be there: looking must not make one.
fn open(folder: &str) -> anyhow::Result<RealDisk> {
    if !Path::new(folder).is_dir() {
        bail!("expected a folder, found nothing of that kind at `{folder}`");
    }
    RealDisk::new(folder).with_context(|| format!("open {folder}"))
}

fn check(disk: &RealDisk, out: &mut dyn Write) -> anyhow::Result<()> {
    let report = wharf_ledger::check(disk)?;
    for file in &report.files {
        writeln!(out, "{:>12} bytes  {:<22} {}", file.bytes, file.kind, file.name)?;
    }
    if let Some(damage) = report.damage {
        bail!("damaged: {damage}\nhint: restore a backup, or see what `wharf ledger repair` leaves");
    }
    // The bytes are sound; are the records ours?
    let recovery = wharf_ledger::scan(disk, &mut |found| {
        describe_record(found.record).map(drop).map_err(BoxError::from)
    })?;
    writeln!(out, "sound: {}", describe(&recovery))?;
    Ok(())
}

fn describe(recovery: &Recovery) -> String {
    let torn = recovery.torn.as_ref().map(|torn| {
        format!(
            "; cut at byte {} of {}, where a write was never acknowledged",
            torn.offset, torn.file
        )
    });
    format!(
        "{} records in the checkpoint, {} after it, the last one is number {}{}",
        recovery.checkpoint_records,
        recovery.log_records,
        recovery.last,
        torn.unwrap_or_default()
    )
}

fn dump(disk: &RealDisk, out: &mut dyn Write) -> anyhow::Result<()> {
    wharf_ledger::scan(disk, &mut |found| {
        let text = describe_record(found.record)?;
        let number = if found.checkpoint {
            "checkpoint".to_owned()
        } else {
            found.sequence.to_string()
        };
        writeln!(out, "{} {} {number} {text}", found.file, found.offset)?;
        Ok(())
    })?;
    Ok(())
}

fn backup(disk: &RealDisk, target: &str, out: &mut dyn Write) -> anyhow::Result<()> {
    let into = RealDisk::new(target).with_context(|| format!("make {target}"))?;
    let recovery = wharf_ledger::backup(disk, &into)?;
    writeln!(out, "copied into {target}: {}", describe(&recovery))?;
    Ok(())
}

fn repair(disk: &RealDisk, out: &mut dyn Write) -> anyhow::Result<()> {
    let repaired = wharf_ledger::repair(disk).map_err(|error| anyhow!("{error}"))?;
    let Some(damage) = &repaired.damage else {
        writeln!(out, "nothing to repair")?;
        return Ok(());
    };
    writeln!(out, "found: {damage}")?;
    writeln!(out, "saved {} records", repaired.records)?;
    if repaired.checkpoint_damaged {
        writeln!(
            out,
            "the checkpoint was damaged: groups that were not pushed after it are lost"
        )?;
    }
    for (first, last) in &repaired.lost {
        writeln!(out, "lost the records from {first} to {last}")?;
    }
    for name in &repaired.kept {
        writeln!(out, "kept beside: {name}")?;
    }
    Ok(())
}
