//! `wharf ledger`: looking into the storage folder, copying it, mending it.

mod backup;
mod copy;
mod folder;
mod records;
mod restore;
mod scanned;
mod show;
mod verify;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{anyhow, bail};
use clap::{Parser, Subcommand};
use wharf_ledger::{BoxError, RealDisk};
use wharf_store::describe_record;

use self::folder::open;
use self::scanned::{describe, overtaken};

/// Look into the folder in which Wharf keeps its groups, copy it, mend it.
#[derive(Debug, Parser)]
#[command(after_help = "Examples:
  wharf ledger check wharf-data
  wharf ledger show wharf-data backup
  wharf ledger backup wharf-data /backup/wharf-monday --verify
  wharf ledger restore wharf-data --before 15m --to restored
  wharf ledger copy wharf-data http://10.0.0.1:2379")]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Read everything, change nothing, and say whether it is sound
    Check {
        /// The folder
        #[arg(value_hint = clap::ValueHint::DirPath)]
        folder: PathBuf,
    },
    /// Print the groups that a start would load, as a scrape would; or what each record does
    ///
    /// Changes nothing, needs no gateway, and may be done while Wharf uses the folder. Groups whose time is over are there
    /// until the next start.
    Show(show::Arguments),
    /// Print every record that a start would read, one a line
    Dump {
        /// The folder
        #[arg(value_hint = clap::ValueHint::DirPath)]
        folder: PathBuf,
    },
    /// Copy the folder into an empty one; also while Wharf uses it
    ///
    /// The history of pushes and the audit list come along. With --verify the copy is read as a start would read it, and every
    /// group is compared with the folder: exit code 0 means that all are the same. A gateway with --backup.path tells how old
    /// the newest backup is.
    Backup(backup::Arguments),
    /// Make a new folder with the groups as they were before a record or a time
    ///
    /// Changes nothing in the folder, and may be done while Wharf uses it. It goes back as far as the last checkpoint: one is
    /// written when the log has grown, and at each clean end. So after a mistake do not restart the gateway first. History and
    /// audit list do not come along.
    ///
    /// Pushes have times, deletes and wipes do not. With a time, a delete between the last push before it and the first one
    /// after it is left out, and named: the groups are there.
    Restore(restore::Arguments),
    /// Copy the groups of a folder into etcd, or from there into a new folder
    ///
    /// Both may be in use. Groups that are in etcd already stay as they are. History and audit list do not come along.
    Copy(copy::Arguments),
    /// Make a damaged folder readable again
    ///
    /// What is taken away stays beside, under another name. Wharf must not run.
    Repair {
        /// The folder
        #[arg(value_hint = clap::ValueHint::DirPath)]
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
            Command::Backup(arguments) => backup::backup(arguments, out)?,
            Command::Restore(arguments) => restore::restore(arguments, out)?,
            Command::Copy(arguments) => copy::copy(arguments, out)?,
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
    scanned.map(drop).map_err(|error| overtaken(error, has_begun))
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
