//! `wharf ledger restore`: the groups as they were before something went wrong, in a folder of their own.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context as _, anyhow, bail};
use jiff::{SignedDuration, Timestamp};
use wharf_ledger::{FoundRecord, RealDisk, RestoreError, Sequence};
use wharf_model::duration;
use wharf_store::{RecordChange, UnixNanos, record_changes};

use super::records::{described, latest, time_text};
use super::scanned::load;
use crate::tools::output;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  wharf ledger show wharf-data --records
  wharf ledger restore wharf-data --before 1234 --to restored
  wharf ledger restore wharf-data --before 2026-01-02T15:04:05Z --to restored
  wharf ledger restore wharf-data --before 15m --to restored")]
pub(super) struct Arguments {
    /// The folder
    #[arg(value_hint = clap::ValueHint::DirPath)]
    folder: PathBuf,

    /// The number of a record, see show --records; a time in RFC 3339; or how long ago, such as 15m
    #[arg(long, value_name = "TIME|RECORD")]
    before: Moment,

    /// Where the groups go: an empty folder, made if it is not there
    #[arg(long, value_name = "FOLDER", value_hint = clap::ValueHint::DirPath)]
    to: PathBuf,
}

/// Before what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    Record(Sequence),
    Time(UnixNanos),
}

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            let number = text
                .parse()
                .map_err(|_| "expected a smaller number of a record")?;
            return Ok(Self::Record(Sequence(number)));
        }
        if let Ok(time) = text.parse::<Timestamp>() {
            return nanos(time);
        }
        let ago = duration::parse(text)
            .ok()
            .and_then(|ago| SignedDuration::try_from(ago).ok());
        let time = ago.and_then(|ago| Timestamp::now().checked_sub(ago).ok());
        time.map_or_else(
            || {
                Err("expected the number of a record, a time such as 2026-01-02T15:04:05Z, or a duration such as 15m, which is \
                     so long ago"
                    .to_owned())
            },
            nanos,
        )
    }
}

fn nanos(time: Timestamp) -> Result<Moment, String> {
    let nanos = i64::try_from(time.as_nanosecond()).map_err(|_| "expected a time between 1678 and 2261")?;
    Ok(Moment::Time(UnixNanos(nanos)))
}

pub(super) fn restore(arguments: &Arguments, out: &mut dyn Write) -> anyhow::Result<()> {
    let disk = super::folder::open(&arguments.folder)?;
    let place = match arguments.before {
        Moment::Record(number) => Place {
            before: number,
            what: None,
            undated: Vec::new(),
        },
        Moment::Time(time) => find(&disk, time)?,
    };
    let shown = arguments.to.display();
    let was_there = arguments.to.exists();
    let into = RealDisk::new(&arguments.to).with_context(|| format!("make {shown}"))?;
    let restored = wharf_ledger::restore(&disk, &into, place.before).map_err(|error| {
        if !was_there {
            // It is empty. What cannot be removed stays.
            let _removed = std::fs::remove_dir(&arguments.to);
        }
        explained(error, &arguments.folder)
    })?;
    let (store, _) = load(&into, None)?;
    let totals = store.totals();
    let groups = output::counted(totals.groups as u64, "group", "groups");
    writeln!(
        out,
        "restored into {shown}: {groups} with {} series, as they were after record {}",
        totals.series, restored.last
    )?;
    match &place.what {
        Some(what) => writeln!(out, "left out: record {} and what follows: {what}", place.before)?,
        None if arguments.before == Moment::Record(place.before) => {}
        None => writeln!(out, "left out: nothing, there is no later record")?,
    }
    for undated in &place.undated {
        writeln!(out, "not known when, and left out: {undated}")?;
    }
    if !place.undated.is_empty() {
        writeln!(
            out,
            "deletes and wipes have no times: to have one of them in, name the record after it with --before"
        )?;
    }
    Ok(())
}

fn explained(error: RestoreError, folder: &Path) -> anyhow::Error {
    let hint = match &error {
        RestoreError::TooEarly { .. } => format!(
            "`wharf ledger show {} --records` lists what can be named; what is older may be in a backup",
            folder.display()
        ),
        RestoreError::TooLate { .. } => {
            format!(
                "`wharf ledger show {} --records` lists the records",
                folder.display()
            )
        }
        _ => return error.into(),
    };
    anyhow!("{error}\nhint: {hint}")
}

/// The record before which it is to be.
#[derive(Debug, Default, PartialEq, Eq)]
struct Place {
    before: Sequence,
    /// What that record does; nothing if there is none yet.
    what: Option<String>,
    /// Records that have no time, of which it is not known whether they came before.
    undated: Vec<String>,
}

/// Finds the first record of a time or later.
fn find(disk: &RealDisk, time: UnixNanos) -> anyhow::Result<Place> {
    let mut search = Search::of(time);
    let scanned = wharf_ledger::until_not_overtaken(|| {
        search = Search::of(time);
        let scanned = wharf_ledger::scan(disk, &mut |found| {
            search.look(&found, &record_changes(found.record)?);
            // Nothing behind it matters, damage neither.
            if search.found.is_some() {
                Err("found".into())
            } else {
                Ok(())
            }
        });
        match scanned {
            Err(_) if search.found.is_some() => Ok(None),
            scanned => scanned.map(Some),
        }
    })?;
    if let Some(latest) = search.checkpoint.filter(|latest| *latest >= time) {
        bail!(
            "expected a time after {}, found {}: a checkpoint has pushes up to then, and has taken the place of what was before\n\
             hint: the earliest moment that is left is just before record {}; what is older may be in a backup",
            time_text(latest),
            time_text(time),
            search.first
        );
    }
    Ok(search.place(scanned.map(|recovery| recovery.last)))
}

/// The way to the first record of a time or later.
///
/// Times in records are those of pushes, by the clock of the gateway, or as somebody with the right to do so has dated them.
#[derive(Debug)]
struct Search {
    time: UnixNanos,
    /// The latest time of the checkpoint.
    checkpoint: Option<UnixNanos>,
    /// The first record after the checkpoint.
    first: Sequence,
    /// The records without a time since the last one that has an earlier time.
    undated: Vec<(Sequence, String)>,
    found: Option<(Sequence, String)>,
}

/// Undated records that are named one by one.
const MAX_NAMED: usize = 20;

impl Search {
    fn of(time: UnixNanos) -> Self {
        Self {
            time,
            checkpoint: None,
            first: Sequence(1),
            undated: Vec::new(),
            found: None,
        }
    }

    fn look(&mut self, found: &FoundRecord<'_>, changes: &[RecordChange]) {
        let time = latest(changes);
        // What a checkpoint has too early of some groups cannot be taken out of it.
        let known = if found.checkpoint {
            found.sequence
        } else {
            found.settled
        };
        self.first = Sequence(known.0.saturating_add(1));
        if found.checkpoint {
            self.checkpoint = self.checkpoint.max(time);
            return;
        }
        match time {
            None if self.undated.len() <= MAX_NAMED => {
                self.undated.push((found.sequence, described(changes)));
            }
            None => {}
            Some(time) if time < self.time => self.undated.clear(),
            Some(_) => self.found = Some((found.sequence, described(changes))),
        }
    }

    /// The record, given the last one of the log if that was reached.
    fn place(self, last: Option<Sequence>) -> Place {
        let undated = self.undated.first().cloned();
        let mut named: Vec<String> = self
            .undated
            .iter()
            .take(MAX_NAMED)
            .map(|(number, what)| format!("record {number} ({what})"))
            .collect();
        if self.undated.len() > MAX_NAMED {
            named.push("and more".to_owned());
        }
        let end = Sequence(last.unwrap_or_default().0.saturating_add(1));
        match undated.or(self.found) {
            Some((before, what)) => Place {
                before,
                what: Some(what),
                undated: named,
            },
            None => Place {
                before: end,
                what: None,
                undated: named,
            },
        }
    }
}
