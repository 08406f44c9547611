//! A start on several processors, and one that leaves out what a later record replaces, are as one that makes one change after
//! the other.

use std::fmt::Write;
use std::sync::Arc;

use wharf_exposition::text;
use wharf_ledger::{Disk, Ledger, MemoryDisk, OpenError, Options, Recovery, Sequence, SimulatedDisk};
use wharf_store::{Listing, PushMode, Reserved, Revision, Store, UnixNanos};

use crate::durable::block_on;
use crate::{key, list};

/// Loads what a disk has, on so many processors.
pub(crate) fn load<D: Disk + Clone + 'static>(
    store: &Store,
    disk: &D,
    options: Options,
    processors: usize,
) -> Result<(Ledger, Recovery), OpenError> {
    store.load(processors, |loading| {
        // So that each processor has something to do.
        loading.set_batch_records(3);
        Ledger::open_looking_ahead(Arc::new(disk.clone()), options, loading)
    })
}

/// The same, and holds it against what comes of making one change after the other.
pub(crate) fn open<D: Disk + Clone + 'static>(
    store: &Store,
    disk: &D,
    options: Options,
) -> (Ledger, Recovery) {
    let step_by_step = Store::new(Reserved::default(), 1 << 24);
    let scanned = wharf_ledger::scan(disk, &mut |found| {
        Ok(step_by_step.replay_at(Revision(found.sequence.0), found.record)?)
    });
    let processors = [1, 2, 4][usize::try_from(scanned.unwrap().last.0 % 3).unwrap()];
    let opened = load(store, disk, options, processors).unwrap();
    assert_eq!(all_of(store), all_of(&step_by_step));
    store.audit(true).unwrap();
    opened
}

/// Everything that a store has, with all times and revisions.
fn all_of(store: &Store) -> String {
    let mut all = format!("{:?}\n", store.totals());
    let snapshot = store.snapshot();
    for family in snapshot.families() {
        for fragment in family.fragments() {
            let (key, name) = (fragment.key(), fragment.name());
            let (meta, at, lines) = (fragment.meta(), fragment.pushed_at(), fragment.text());
            let lines = String::from_utf8_lossy(lines);
            let decoded = fragment.decode(|exposition, family| format!("{exposition:?} {family:?}"));
            writeln!(all, "{name} {key} {meta:?} {at:?}\n{lines}{decoded}").unwrap();
        }
    }
    let listing = Listing {
        limit: usize::MAX,
        ..Listing::default()
    };
    for group in list(store, &listing).groups {
        let revision = store.revision_of(&group.key);
        writeln!(all, "{} {revision:?} {:?}", group.key, group.lifetime).unwrap();
    }
    all
}

fn push(store: &Store, mode: PushMode, path: &str, body: &str, seconds: i64) {
    let decoded = text::decode(body.as_bytes(), text::Options::default()).unwrap();
    let at = UnixNanos(seconds * 1_000_000_000);
    block_on(store.push(&key(path), mode, &decoded, at).unwrap()).unwrap();
}

/// A store over a disk, and how many changes its start has left out.
fn opened(disk: &MemoryDisk) -> (Arc<Store>, u64) {
    let store = Arc::new(Store::new(Reserved::default(), 1 << 24));
    let (opened, replaced) = store.load(2, |loading| {
        let opened = Ledger::open_looking_ahead(Arc::new(disk.clone()), Options::default(), loading);
        (opened, loading.replaced())
    });
    let (ledger, recovery) = opened.unwrap();
    store.attach(ledger, recovery.last, true);
    (store, replaced)
}

#[test]
fn what_a_later_record_replaces_is_left_out_and_its_failure_time_is_not() {
    let disk = MemoryDisk::default();
    let before = {
        let (store, _) = opened(&disk);
        push(&store, PushMode::ReplaceGroup, "job/a", "m 1\nn 1\n", 1);
        push(&store, PushMode::ReplaceFamilies, "job/b", "m 1\n", 2);
        store.checkpoint(false).unwrap();
        store.record_failure_time(&key("job/a"), None, UnixNanos(3_000_000_000));
        push(&store, PushMode::ReplaceGroup, "job/a", "m 2\n", 4);
        push(&store, PushMode::ReplaceFamilies, "job/b", "m 2\n", 5);
        push(&store, PushMode::ReplaceGroup, "job/gone", "m 1\n", 6);
        block_on(store.delete(&key("job/gone")).unwrap().1).unwrap();
        push(&store, PushMode::ReplaceGroup, "job/a", "m 3\n", 7);
        push(&store, PushMode::ReplaceFamilies, "job/b", "m 3\n", 8);
        all_of(&store)
    };
    let (store, replaced) = opened(&disk);
    assert_eq!(all_of(&store), before);
    assert!(before.contains("push_failure_time_seconds{instance=\"\",job=\"a\"} 3\n"));
    // Both groups of the checkpoint, the failure, one push of each group, and the one that is gone.
    assert_eq!(replaced, 6);
}

#[test]
fn before_a_wipe_nothing_is_made() {
    let disk = MemoryDisk::default();
    {
        let (store, _) = opened(&disk);
        for group in 0..9 {
            push(
                &store,
                PushMode::ReplaceGroup,
                &format!("job/{group}"),
                "m 1\n",
                1,
            );
        }
        block_on(store.wipe().unwrap().1).unwrap();
        push(&store, PushMode::ReplaceGroup, "job/a", "m 1\n", 2);
    }
    let (store, replaced) = opened(&disk);
    assert_eq!((store.totals().groups, replaced), (1, 9));
}

#[test]
fn a_record_that_cannot_be_read_is_named_and_stops_the_start() {
    let disk = MemoryDisk::default();
    {
        let (store, _) = opened(&disk);
        push(&store, PushMode::ReplaceGroup, "job/a", "m 1\n", 1);
    }
    let (ledger, _) = Ledger::open(Arc::new(disk.clone()), Options::default(), &mut |_| Ok(())).unwrap();
    ledger.append(b"\x04later").unwrap().1.wait().unwrap();
    for _ in 0..10 {
        ledger.append(b"\x01\x03").unwrap().1.wait().unwrap();
    }
    drop(ledger);
    let segments = disk.list().unwrap();
    for processors in [1, 2, 5] {
        let store = Store::new(Reserved::default(), 1 << 24);
        let refused = load(&store, &disk, Options::default(), processors).unwrap_err();
        let OpenError::Refused { sequence, cause, .. } = refused else {
            panic!("{refused}")
        };
        assert_eq!(sequence, Sequence(2));
        assert!(cause.to_string().contains("version 4"), "{cause}");
    }
    assert_eq!(disk.list().unwrap(), segments);
}

#[test]
#[cfg_attr(miri, ignore = "too large for an interpreter")]
fn a_record_that_cannot_be_made_is_named_before_damage_behind_it() {
    let disk = SimulatedDisk::new(1);
    let options = || Options {
        segment_bytes: 64 << 10,
        ..Options::default()
    };
    let (ledger, _) = Ledger::open(Arc::new(disk.clone()), options(), &mut |_| Ok(())).unwrap();
    for record in [b"\x04later".as_slice(), b"\x01\x03", b"\x01\x03", b"\x01\x03"] {
        ledger.append(record).unwrap().1.wait().unwrap();
    }
    drop(ledger);
    // The ledger may have gone on in the next segment at any time.
    let (mut first, mut places) = (None, Vec::new());
    for (name, bytes) in disk.contents() {
        let last = bytes.iter().rposition(|byte| *byte != 0).unwrap_or(0);
        let from = match bytes.windows(5).position(|bytes| bytes == b"later") {
            Some(at) => first.insert((name.clone(), at + 5)).1,
            // Damage to a header is found before anything is replayed.
            None if first.is_some() && name.starts_with("log-") => 64,
            None => continue,
        };
        places.extend((from..=last).step_by(7).map(|offset| (name.clone(), offset)));
    }
    let (first, behind) = first.unwrap();
    let mut damaged = 0;
    for (name, offset) in places {
        let disk = disk.copied();
        assert!(disk.flip_bit(&name, offset, 3));
        let opened = Ledger::open(Arc::new(disk.copied()), options(), &mut |_| Ok(()));
        damaged += usize::from(matches!(opened, Err(OpenError::Damaged { .. })));
        let store = Store::new(Reserved::default(), 1 << 24);
        let refused = load(&store, &disk, options(), 2).unwrap_err();
        match refused {
            OpenError::Refused { sequence, .. } => assert_eq!(sequence, Sequence(1), "{name} {offset}"),
            // The block of the record itself.
            OpenError::Damaged { damage, .. } => {
                assert!(
                    damage.file == first && damage.offset < behind as u64,
                    "{damage:?}"
                );
            }
            other => panic!("{other}"),
        }
    }
    assert!(damaged > 5, "{damaged}");
}

#[test]
#[cfg_attr(miri, ignore = "too large for an interpreter")]
fn many_groups_and_large_ones_become_one_store() {
    let disk = MemoryDisk::default();
    {
        let (store, _) = opened(&disk);
        let lines = |count: u32, value: u32| {
            let lines = (0..count).map(|line| format!("m{{n=\"{line:04}\"}} {value}\n"));
            lines.collect::<String>()
        };
        for round in 0..3 {
            for group in (0..700).map(|group| (group * 31) % 700) {
                // Some fill a leaf alone, and some families have few groups.
                let count = if group % 100 == 7 { 900 } else { 3 };
                let body = format!("{}of_{} {round}\n", lines(count, round), group % 90);
                let path = format!("job/j{}/instance/i{group}", group % 5);
                push(&store, PushMode::ReplaceGroup, &path, &body, i64::from(group));
            }
            if round == 0 {
                store.checkpoint(false).unwrap();
            }
        }
    }
    let store = Arc::new(Store::new(Reserved::default(), 1 << 24));
    let (ledger, recovery) = open(&store, &disk, Options::default());
    store.attach(ledger, recovery.last, true);
    // It goes on as any other.
    for group in 0..700 {
        let path = format!("job/j{}/instance/i{group}", group % 5);
        push(&store, PushMode::ReplaceFamilies, &path, "m{n=\"x\"} 1\n", 1);
    }
    block_on(store.delete(&key("job/j0/instance/i0")).unwrap().1).unwrap();
    store.keep(u64::MAX).unwrap();
    store.audit(true).unwrap();
}
