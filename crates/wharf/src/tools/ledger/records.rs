//! `wharf ledger show --records`: what each record does, to find the one before which all was well.

use std::collections::BTreeMap;
use std::io::Write;

use wharf_ledger::{FoundRecord, RealDisk, Sequence};
use wharf_model::{GroupingKey, Selector};
use wharf_store::{RecordChange, RecordKind, UnixNanos, record_changes};

use super::scanned::overtaken;
use crate::tools::output;
use crate::tools::remote::selects;

/// Prints a line for each record of the log that does something to one of the groups, or to all of them.
pub(super) fn list(disk: &RealDisk, selectors: &[Selector], out: &mut dyn Write) -> anyhow::Result<()> {
    let mut written = Ok(());
    let mut checkpoint = Checkpoint::default();
    let mut has_begun = false;
    let scanned = wharf_ledger::scan(disk, &mut |found| {
        let changes = record_changes(found.record)?;
        if found.checkpoint {
            checkpoint.add(&found, &changes);
            return Ok(());
        }
        let is_first = !std::mem::replace(&mut has_begun, true);
        let names = |change: &RecordChange| change.key.as_ref().is_none_or(|key| selects(selectors, key));
        let is_shown = changes.iter().any(names);
        if is_first {
            written = checkpoint.write(out);
        }
        if written.is_ok() && is_shown {
            let time = latest(&changes).map(time_text).unwrap_or_default();
            written = writeln!(out, "{:>10}  {time:<24}  {}", found.sequence, described(&changes));
        }
        // It is not the record's fault, so the scan must not say so.
        if written.is_ok() {
            Ok(())
        } else {
            Err("stopped".into())
        }
    });
    written?;
    scanned.map_err(|error| overtaken(error, has_begun))?;
    if !has_begun {
        checkpoint.write(out)?;
    }
    Ok(())
}

/// What the records of the checkpoint come to.
#[derive(Debug, Default)]
struct Checkpoint {
    at: Option<Sequence>,
    groups: u64,
    latest: Option<UnixNanos>,
}

impl Checkpoint {
    fn add(&mut self, found: &FoundRecord<'_>, changes: &[RecordChange]) {
        self.at = Some(found.sequence);
        self.groups += 1;
        self.latest = self.latest.max(latest(changes));
    }

    fn write(&self, out: &mut dyn Write) -> std::io::Result<()> {
        let Some(at) = self.at else { return Ok(()) };
        let time = self.latest.map(time_text).unwrap_or_default();
        let groups = output::counted(self.groups, "group", "groups");
        writeln!(
            out,
            "checkpoint  {time:<24}  {groups}, as of record {at}; what was before is not known any more"
        )
    }
}

/// The latest time that the changes know of.
pub(super) fn latest(changes: &[RecordChange]) -> Option<UnixNanos> {
    changes.iter().filter_map(|change| change.time).max()
}

/// A time as it can be given to `--before`: milliseconds are enough to tell records apart, and the rest is cut off.
pub(super) fn time_text(time: UnixNanos) -> String {
    match jiff::Timestamp::from_nanosecond(i128::from(time.0)) {
        Ok(time) => time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
        Err(_) => String::new(),
    }
}

/// What changes do, on one line.
pub(super) fn described(changes: &[RecordChange]) -> String {
    let mut kinds: BTreeMap<RecordKind, Vec<&RecordChange>> = BTreeMap::new();
    for change in changes {
        kinds.entry(change.kind).or_default().push(change);
    }
    let texts: Vec<String> = kinds
        .iter()
        .map(|(kind, changes)| of_kind(*kind, changes))
        .collect();
    if texts.is_empty() {
        "nothing".to_owned()
    } else {
        texts.join("; ")
    }
}

fn of_kind(kind: RecordKind, changes: &[&RecordChange]) -> String {
    let groups = groups(changes);
    let sum = |of: fn(&RecordChange) -> usize| changes.iter().map(|change| of(change) as u64).sum();
    let families = output::counted(sum(|change| change.families), "family", "families");
    let series = output::counted(sum(|change| change.series), "series", "series");
    match kind {
        RecordKind::Wipe => "wipe".to_owned(),
        RecordKind::Delete => format!("delete {groups}"),
        RecordKind::DeleteFamilies => format!("delete {families} of {groups}"),
        // What a refused push leaves, or a new deadline.
        _ if changes.iter().all(|change| change.families == 0) => format!("times of {groups}"),
        _ => format!("push {groups}: {families}, {series}"),
    }
}

/// The group, or how many there are, with the first.
fn groups(changes: &[&RecordChange]) -> String {
    let first = changes.iter().find_map(|change| change.key.as_ref());
    let first = first.map(GroupingKey::brief).unwrap_or_default();
    let first = output::clean(&first);
    match changes.len() {
        0 | 1 => first,
        count => format!("{count} groups ({first} and so on)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(kind: RecordKind, job: &str, families: usize, series: usize) -> RecordChange {
        let mut change = changes_of_a_wipe().remove(0);
        change.kind = kind;
        change.key = Some(GroupingKey::new([("job", job)]).unwrap());
        change.families = families;
        change.series = series;
        change
    }

    /// A record of version 1 with a wipe.
    fn changes_of_a_wipe() -> Vec<RecordChange> {
        record_changes(&[1, 3]).unwrap()
    }

    #[test]
    fn changes_are_told_by_kind_with_counts() {
        assert_eq!(described(&changes_of_a_wipe()), "wipe");
        let one = [change(RecordKind::Put, "a", 1, 7)];
        assert_eq!(described(&one), "push {job=\"a\"}: 1 family, 7 series");
        let times = [change(RecordKind::Put, "a", 0, 0)];
        assert_eq!(described(&times), "times of {job=\"a\"}");
        let many = [
            change(RecordKind::Delete, "a", 0, 0),
            change(RecordKind::Put, "b\u{1b}", 2, 3),
            change(RecordKind::Delete, "c", 0, 0),
            change(RecordKind::DeleteFamilies, "d", 2, 0),
        ];
        assert_eq!(
            described(&many),
            "push {job=\"b\\u{1b}\"}: 2 families, 3 series; delete 2 groups ({job=\"a\"} and so on); \
             delete 2 families of {job=\"d\"}"
        );
    }

    #[test]
    fn times_are_cut_to_milliseconds() {
        assert_eq!(
            time_text(UnixNanos(1_767_323_045_123_999_999)),
            "2026-01-02T03:04:05.123Z"
        );
    }
}
