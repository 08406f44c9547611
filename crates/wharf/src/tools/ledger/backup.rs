//! `wharf ledger backup`: a copy of the folder, and whether it is what it was copied from.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use jiff::Timestamp;
use wharf_ledger::{Disk as _, RealDisk, Recovery};

use super::scanned::describe;
use super::verify::{self, Compared, Contents};
use crate::backup_mark::{MARK, Mark};
use crate::tools::output;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  wharf ledger backup wharf-data /backup/wharf-monday
  wharf ledger backup wharf-data /backup/wharf-monday --verify")]
pub(super) struct Arguments {
    /// The folder
    #[arg(value_hint = clap::ValueHint::DirPath)]
    folder: PathBuf,

    /// Where the copy goes: an empty folder, made if it is not there
    #[arg(value_hint = clap::ValueHint::DirPath)]
    target: PathBuf,

    /// Read the copy as a start would, and compare every group with the folder
    #[arg(long)]
    verify: bool,
}

/// What stands beside the groups, and comes along if it is there.
const BESIDE: [&str; 2] = ["history", "audit"];

/// Copies before it is given up: each checkpoint that comes between copying and comparing asks for another one.
const ATTEMPTS: usize = 10;

pub(super) fn backup(arguments: &Arguments, out: &mut dyn Write) -> anyhow::Result<()> {
    let source = super::folder::open(&arguments.folder)?;
    let shown = arguments.target.display();
    let target = RealDisk::new(&arguments.target).with_context(|| format!("make {shown}"))?;
    if let Some(name) = BESIDE
        .iter()
        .chain([&MARK])
        .find(|name| arguments.target.join(name).exists())
    {
        bail!("expected an empty folder for the backup, found `{name}` in `{shown}`");
    }
    let made_at = Timestamp::now();
    let (recovery, compared) = if arguments.verify {
        let (recovery, contents) = copy_and_compare(&source, &target)?;
        (recovery, Some(contents))
    } else {
        (wharf_ledger::backup(&source, &target)?, None)
    };
    let mut beside = Vec::new();
    for name in BESIDE {
        if copy_beside(&arguments.folder.join(name), &arguments.target.join(name))? {
            beside.push(name);
        }
    }
    let with = match beside.as_slice() {
        [] => String::new(),
        names => format!(", with {}", names.join(" and ")),
    };
    writeln!(out, "copied into {shown}{with}: {}", describe(&recovery))?;
    if let Some(contents) = &compared {
        let history = if beside.contains(&"history") {
            verify::history(&arguments.target)?;
            "; the history can be read"
        } else {
            ""
        };
        writeln!(
            out,
            "verified: {} with {} are the same in both, byte by byte, up to record {}{history}",
            output::counted(contents.groups, "group", "groups"),
            output::size(contents.bytes),
            recovery.last
        )?;
    }
    let mark = Mark {
        made_at,
        verified: compared.is_some(),
        record: recovery.last.0,
    };
    mark.write(&arguments.target)
        .with_context(|| format!("write the mark of a whole backup into {shown}"))
}

/// Copies until copy and source can be compared.
fn copy_and_compare(source: &RealDisk, target: &RealDisk) -> anyhow::Result<(Recovery, Contents)> {
    for _ in 0..ATTEMPTS {
        let recovery = wharf_ledger::backup(source, target)?;
        match verify::compare(source, target, recovery.last)? {
            Compared::Same(contents) => return Ok((recovery, contents)),
            Compared::Different(what) => bail!("the copy is not the same: {what}"),
            // This process has made all of it.
            Compared::Overtaken => {
                for name in wharf_ledger::files_of_a_ledger(target)? {
                    target.remove(&name)?;
                }
            }
        }
    }
    bail!(
        "a checkpoint came each time before the copy could be compared\nhint: try again when fewer pushes come, or without --verify"
    )
}

/// Copies a file to which a gateway may append meanwhile: as long as it is now. Whoever reads it knows that its end may be
/// in the making. Whether there was one.
fn copy_beside(from: &Path, to: &Path) -> anyhow::Result<bool> {
    let file = match File::open(from) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error).with_context(|| format!("open {}", from.display())),
    };
    let copy = || {
        let length = file.metadata()?.len();
        let mut new = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(to)?;
        io::copy(&mut file.take(length), &mut new)?;
        new.sync_all()
    };
    copy().with_context(|| format!("copy {} to {}", from.display(), to.display()))?;
    Ok(true)
}
