use std::fs;
use std::path::PathBuf;

use super::entry::MAX_TEXT_BYTES;
use super::*;

const SECOND: i64 = 1_000_000_000;

fn action(kind: ActionKind, who: &str, what: &str) -> Action {
    Action {
        kind,
        actor: Actor {
            who: who.to_owned(),
            address: Some([10, 0, 0, 1].into()),
        },
        what: what.to_owned(),
        groups: 1,
        error: None,
    }
}

fn at(seconds: i64) -> UnixNanos {
    UnixNanos(seconds * SECOND)
}

fn all(audit: &Audit) -> Vec<AuditEntry> {
    audit.list(&AuditFilter {
        limit: usize::MAX,
        ..AuditFilter::default()
    })
}

fn opened(folder: &Path) -> (Audit, Option<PathBuf>) {
    let audit = Audit::default();
    let opened = audit.open(folder).unwrap();
    (audit, opened.set_aside)
}

#[test]
fn what_one_client_does_again_within_a_minute_is_one_entry() {
    let audit = Audit::default();
    for (seconds, what) in [(0, "a"), (1, "b"), (2, "a"), (59, "c")] {
        audit.add(action(ActionKind::Delete, "x", what), at(seconds));
    }
    audit.add(action(ActionKind::Delete, "y", "d"), at(59));
    audit.add(action(ActionKind::Delete, "x", "e"), at(60));
    // What is rare is never one with what was before.
    audit.add(action(ActionKind::Wipe, "x", ""), at(61));
    audit.add(action(ActionKind::Wipe, "x", ""), at(61));
    let found = all(&audit);
    let found = found.iter().map(|entry| {
        let action = &entry.action;
        (
            action.kind.as_str(),
            action.what.as_str(),
            entry.times,
            action.groups,
        )
    });
    let expected = [
        ("wipe", "", 1, 1),
        ("wipe", "", 1, 1),
        ("delete", "e", 1, 1),
        ("delete", "d", 1, 1),
        ("delete", "a, b, c", 4, 4),
    ];
    assert_eq!(found.collect::<Vec<_>>(), expected);
}

#[test]
fn a_filter_chooses_by_kind_time_and_number() {
    let audit = Audit::default();
    audit.add(action(ActionKind::Delete, "x", "a"), at(1));
    audit.add(action(ActionKind::Wipe, "x", ""), at(2));
    audit.add(action(ActionKind::Reload, "x", ""), at(3));
    let kinds = |filter: &AuditFilter| -> Vec<_> {
        let found = audit.list(filter).into_iter();
        found.map(|entry| entry.action.kind.as_str()).collect()
    };
    let filter = AuditFilter {
        limit: 10,
        ..AuditFilter::default()
    };
    assert_eq!(kinds(&filter), ["reload", "wipe", "delete"]);
    let newest = AuditFilter {
        limit: 1,
        ..filter.clone()
    };
    assert_eq!(kinds(&newest), ["reload"]);
    let late = AuditFilter {
        since: Some(at(2)),
        ..filter.clone()
    };
    assert_eq!(kinds(&late), ["reload", "wipe"]);
    let of_kinds = AuditFilter {
        kinds: vec![ActionKind::Delete, ActionKind::Wipe],
        ..filter
    };
    assert_eq!(kinds(&of_kinds), ["wipe", "delete"]);
}

#[test]
fn what_is_frequent_does_not_push_out_what_is_rare_and_both_are_bounded() {
    let audit = Audit::default();
    audit.add(action(ActionKind::Wipe, "x", "the first"), at(0));
    let minutes = i64::try_from(MAX_ENTRIES).unwrap() + 10;
    for minute in 0..minutes {
        audit.add(action(ActionKind::Delete, "x", "a"), at(60 * minute));
    }
    let found = all(&audit);
    assert_eq!(found.len(), MAX_ENTRIES + 1);
    assert_eq!(found.last().unwrap().action.what, "the first");
    // By bytes too, whatever the texts.
    let long = "é".repeat(10_000);
    for minute in 0..minutes {
        audit.add(action(ActionKind::DeleteBySelector, &long, &long), at(minute));
    }
    let found = all(&audit);
    let rare = found.iter().filter(|entry| !entry.action.kind.is_frequent());
    let bytes: usize = rare.map(AuditEntry::bytes).sum();
    assert!((MAX_BYTES - 10_000..=MAX_BYTES).contains(&bytes), "{bytes}");
    assert!(
        found
            .iter()
            .all(|entry| entry.action.what.len() <= MAX_TEXT_BYTES + 3)
    );
}

#[test]
fn the_list_is_kept_in_a_folder_and_goes_on_there() {
    let folder = tempfile::tempdir().unwrap();
    let (audit, _) = opened(folder.path());
    assert!(audit.is_kept());
    let mut failed = action(ActionKind::Undo, "user `a\tb`", "line\nline\\");
    failed.error = Some("no\rroom".to_owned());
    failed.actor.address = None;
    audit.add(action(ActionKind::Delete, "x", "a"), at(0));
    assert_eq!(audit.save().unwrap(), Saved::Written);
    audit.add(action(ActionKind::Delete, "x", "b"), at(1));
    audit.add(failed, at(2));
    assert_eq!(audit.save().unwrap(), Saved::Written);
    assert_eq!(audit.save().unwrap(), Saved::Nothing);
    let before = all(&audit);
    // As after a kill: nothing is said at the end.
    drop(audit);
    let (again, set_aside) = opened(folder.path());
    assert_eq!((all(&again), set_aside), (before.clone(), None));
    again.add(action(ActionKind::Wipe, "x", ""), at(3));
    let ids: Vec<_> = all(&again).iter().map(|entry| entry.id).collect();
    assert_eq!(ids, [3, 2, 1]);
}

#[test]
fn what_was_done_before_the_folder_was_read_comes_behind_what_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let (audit, _) = opened(folder.path());
    audit.add(action(ActionKind::Wipe, "x", "old"), at(0));
    audit.save().unwrap();
    let early = Audit::default();
    early.add(action(ActionKind::Reload, "x", "new"), at(1));
    assert!(!early.is_kept());
    early.save().unwrap();
    early.open(folder.path()).unwrap();
    early.save().unwrap();
    let whats = |audit: &Audit| -> Vec<_> {
        let found = all(audit).into_iter();
        found.map(|entry| (entry.id, entry.action.what)).collect()
    };
    let expected = [(2, "new".to_owned()), (1, "old".to_owned())];
    assert_eq!(whats(&early), expected);
    assert_eq!(whats(&opened(folder.path()).0), expected);
}

#[test]
fn a_torn_end_is_no_damage_and_a_damaged_line_costs_itself_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit");
    let (audit, _) = opened(folder.path());
    for what in ["a", "b", "c"] {
        audit.add(action(ActionKind::Wipe, "x", what), at(0));
    }
    audit.save().unwrap();
    let whole = fs::read(&path).unwrap();
    let read = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let (audit, set_aside) = opened(folder.path());
        let found = all(&audit).into_iter().map(|entry| entry.action.what);
        (found.collect::<String>(), set_aside.is_some())
    };
    assert_eq!(read(&whole), ("cba".to_owned(), false));
    assert_eq!(read(&whole[..whole.len() - 3]), ("ba".to_owned(), false));
    let mut flipped = whole.clone();
    let at_b = whole.windows(3).position(|bytes| bytes == b"\tb\n").unwrap();
    flipped[at_b + 1] = b'B';
    assert_eq!(read(&flipped), ("ca".to_owned(), true));
    assert_eq!(fs::read(folder.path().join("audit.damaged")).unwrap(), flipped);
    // What is left gets into a file again, without anything new.
    let (audit, _) = {
        fs::write(&path, &flipped).unwrap();
        opened(folder.path())
    };
    assert_eq!(audit.save().unwrap(), Saved::Written);
    assert_eq!(all(&opened(folder.path()).0).len(), 2);
    for nonsense in [
        b"".as_slice(),
        b"\xff\xfe",
        b"something else\n",
        &b"x".repeat(100_000),
    ] {
        let is_nothing = nonsense.is_empty();
        assert_eq!(read(nonsense), (String::new(), !is_nothing));
    }
}

#[test]
fn a_disk_that_takes_nothing_is_said_once_and_all_is_written_when_it_does() {
    let folder = tempfile::tempdir().unwrap();
    let (audit, _) = opened(folder.path());
    // The new file cannot take its place: there is a folder of its name.
    let obstacle = folder.path().join("audit.new");
    fs::create_dir(&obstacle).unwrap();
    audit.add(action(ActionKind::Wipe, "x", "a"), at(0));
    audit.save().unwrap_err();
    assert!(!audit.is_kept());
    for _ in 0..=PAUSE {
        assert_eq!(audit.save().unwrap(), Saved::Nothing);
    }
    fs::remove_dir(&obstacle).unwrap();
    audit.add(action(ActionKind::Wipe, "x", "b"), at(0));
    let again = (0..=PAUSE)
        .map(|_| audit.save().unwrap())
        .find(|saved| *saved != Saved::Nothing);
    assert_eq!(again, Some(Saved::Again));
    assert!(audit.is_kept());
    assert_eq!(all(&opened(folder.path()).0).len(), 2);
}

#[test]
fn the_file_is_written_anew_when_it_has_grown() {
    let folder = tempfile::tempdir().unwrap();
    let (audit, _) = opened(folder.path());
    let long = "x".repeat(MAX_TEXT_BYTES);
    for second in 0..6_000 {
        audit.add(action(ActionKind::Wipe, "x", &long), at(second));
        if second % 100 == 0 {
            audit.save().unwrap();
        }
    }
    audit.save().unwrap();
    let bytes = fs::metadata(folder.path().join("audit")).unwrap().len();
    assert!(bytes < 2 * (MAX_BYTES as u64) + (2 << 20), "{bytes}");
    assert_eq!(all(&opened(folder.path()).0), all(&audit));
}
