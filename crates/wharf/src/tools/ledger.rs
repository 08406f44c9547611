//! `wharf ledger`: looking into the storage folder, copying it, mending it.

mod folder;
mod show;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, anyhow, bail};
use clap::{Parser, Subcommand};
use wharf_ledger::{BoxError, RealDisk, Recovery};
use wharf_store::describe_record;

use self::folder::open;

/// Look into the folder in which Wharf keeps its groups, copy it, mend it.
#[derive(Debug, Parser)]
#[command(after_help = "Examples:
  wharf ledger check wharf-data
  wharf ledger show wharf-data backup
  wharf ledger backup wharf-data /backup/wharf-monday")]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Read everything, change nothing, and say whether it is sound
    Check {
        /// The folder
        folder: PathBuf,
    },
    /// Print the groups that a start would load, as a scrape would
    ///
    /// Changes nothing, needs no gateway, and may be done while Wharf uses the folder. Groups whose time is over are there
    /// until the next start.
    Show(show::Arguments),
    /// Print every record that a start would read, one a line
    Dump {
        /// The folder
        folder: PathBuf,
    },
    /// Copy the folder into an empty one; also while Wharf uses it
    Backup {
        /// The folder
        folder: PathBuf,
        /// Where the copy goes: an empty folder, made if it is not there
        target: PathBuf,
    },
    /// Make a damaged folder readable again
    ///
    /// What is taken away stays beside, under another name. Wharf must not run.
    Repair {
        /// The folder
        folder: PathBuf,
    },
}

/// Runs `wharf ledger`.
pub(super) fn run(arguments: &[OsString]) -> ExitCode {
    super::command::carry_out("ledger", arguments, |arguments: &Arguments| {
        let out = &mut io::stdout().lock();
        match &arguments.command {
            Command::Check { folder } => check(&open(folder)?, out)?,
            Command::Show(arguments) => show::show(arguments)?,
            Command::Dump { folder } => dump(&open(folder)?, out)?,
            Command::Backup { folder, target } => backup(&open(folder)?, target, out)?,
            Command::Repair { folder } => repair(&open(folder)?, out)?,
        }
        Ok(ExitCode::SUCCESS)
    })
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
    let recovery = wharf_ledger::until_not_overtaken(|| {
        wharf_ledger::scan(disk, &mut |found| {
            describe_record(found.record).map(drop).map_err(BoxError::from)
        })
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
    let mut written = Ok(());
    let mut has_begun = false;
    let scanned = wharf_ledger::scan(disk, &mut |found| {
        let text = describe_record(found.record)?;
        let number = if found.checkpoint {
            "checkpoint".to_owned()
        } else {
            found.sequence.to_string()
        };
        has_begun = true;
        written = writeln!(out, "{} {} {number} {text}", found.file, found.offset);
        // It is not the record's fault, so the scan must not say so.
        if written.is_ok() {
            Ok(())
        } else {
            Err("stopped".into())
        }
    });
    written?;
    match scanned {
        Ok(_) => Ok(()),
        // What is printed is printed: another attempt would say it twice.
        Err(error) if has_begun && wharf_ledger::is_overtaken(&error) => Err(anyhow!(
            "{error}\nhint: if Wharf uses the folder, a checkpoint may have overtaken this; run it again, or dump a copy made by \
             `wharf ledger backup`"
        )),
        Err(error) => Err(error.into()),
    }
}

fn backup(disk: &RealDisk, target: &Path, out: &mut dyn Write) -> anyhow::Result<()> {
    let shown = target.display();
    let into = RealDisk::new(target).with_context(|| format!("make {shown}"))?;
    let recovery = wharf_ledger::backup(disk, &into)?;
    writeln!(out, "copied into {shown}: {}", describe(&recovery))?;
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
