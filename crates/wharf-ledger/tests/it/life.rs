//! A ledger on a disk that works.

use std::{
    os::unix::fs::PermissionsExt,
    pin::pin,
    sync::Arc,
    task::{Context, Wake, Waker},
    thread,
    time::Duration,
};

use wharf_ledger::{
    AppendError, CheckpointError, Ledger, OpenError, Options, RealDisk, Sequence, SimulatedDisk, SyncMode,
};

use crate::{append, open, open_with, options, record, records};

#[test]
fn a_new_ledger_is_empty() {
    let disk = SimulatedDisk::new(1);
    let (ledger, recovery, found) = open(&disk).unwrap();
    assert!(found.is_empty());
    assert_eq!(recovery.last, Sequence(0));
    assert_eq!(ledger.durable(), Sequence(0));
    assert!(!ledger.failed());
}

#[test]
fn what_was_appended_is_replayed_in_order() {
    let disk = SimulatedDisk::new(1);
    let (ledger, ..) = open(&disk).unwrap();
    assert_eq!(append(&ledger, 1..=100), Sequence(100));
    assert_eq!(ledger.durable(), Sequence(100));
    ledger.close().unwrap();
    let (ledger, recovery, found) = open(&disk).unwrap();
    assert_eq!(found, records(1..=100));
    assert!(recovery.clean);
    assert_eq!(recovery.torn, None);
    assert_eq!(append(&ledger, [101]), Sequence(101));
}

#[test]
fn records_of_many_threads_share_syncs_and_keep_their_order() {
    let disk = SimulatedDisk::new(1);
    let (ledger, ..) = open(&disk).unwrap();
    thread::scope(|scope| {
        for writer in 0..8 {
            let ledger = ledger.clone();
            scope.spawn(move || append(&ledger, (0..100).map(|number| writer * 100 + number)));
        }
    });
    let statistics = ledger.statistics();
    assert_eq!(statistics.records, 800);
    assert!(statistics.commits <= 800);
    drop(ledger);
    let (_, _, found) = open(&disk).unwrap();
    for writer in 0..8 {
        let own = (writer * 100..writer * 100 + 100).collect::<Vec<u64>>();
        let of_writer = |record: &Vec<u8>| {
            let number = u64::from_le_bytes(record[..8].try_into().unwrap());
            own.contains(&number).then_some(number)
        };
        assert_eq!(found.iter().filter_map(of_writer).collect::<Vec<_>>(), own);
    }
}

#[test]
fn a_record_longer_than_a_segment_is_kept() {
    let disk = SimulatedDisk::new(1);
    let (ledger, ..) = open(&disk).unwrap();
    let long = vec![7; 3 << 20];
    append(&ledger, [1]);
    ledger.append(&long).unwrap().1.wait().unwrap();
    append(&ledger, [2]);
    drop(ledger);
    assert_eq!(open(&disk).unwrap().2, [record(1), long, record(2)]);
}

#[test]
fn an_empty_record_is_a_record() {
    let disk = SimulatedDisk::new(1);
    let (ledger, ..) = open(&disk).unwrap();
    ledger.append(b"").unwrap().1.wait().unwrap();
    drop(ledger);
    assert_eq!(open(&disk).unwrap().2, [b""]);
}

#[test]
fn limits_refuse_with_their_reasons() {
    let disk = SimulatedDisk::new(1);
    let limited = Options {
        max_record_bytes: 100,
        max_queued_bytes: 150,
        ..options(SyncMode::Every(Duration::from_secs(3600)))
    };
    let (ledger, ..) = open_with(&disk, limited).unwrap();
    let refused = ledger.append(&[0; 101]).map(drop).unwrap_err();
    assert_eq!(
        refused,
        AppendError::TooLarge {
            length: 101,
            limit: 100
        }
    );
    let _first = ledger.append(&[0; 100]).unwrap();
    let refused = ledger.append(&[0; 100]).map(drop).unwrap_err();
    assert_eq!(
        refused,
        AppendError::Full {
            queued: 104,
            limit: 150
        }
    );
    ledger.close().unwrap();
    assert_eq!(ledger.append(&[0]).map(drop).unwrap_err(), AppendError::Closed);
    assert_eq!(
        open(&disk).unwrap().2,
        [vec![0; 100]],
        "what is queued when the ledger is closed is written"
    );
}

#[test]
fn a_checkpoint_takes_the_place_of_the_log_before_it() {
    let disk = SimulatedDisk::new(1);
    let (ledger, ..) = open(&disk).unwrap();
    let at = append(&ledger, 1..=200);
    let before = ledger.log_bytes();
    let report = ledger
        .checkpoint(at, &mut records([900, 901]).into_iter())
        .unwrap();
    assert_eq!((report.sequence, report.records), (at, 2));
    assert!(report.released_segments > 2, "{report:?}");
    assert_eq!(ledger.log_bytes(), 0, "{before} bytes before");
    append(&ledger, 201..=210);
    assert!(ledger.log_bytes() > 0);
    ledger.close().unwrap();
    let (ledger, recovery, found) = open(&disk).unwrap();
    assert_eq!(found, records([900, 901].into_iter().chain(201..=210)));
    assert_eq!(
        (
            recovery.checkpoint,
            recovery.checkpoint_records,
            recovery.log_records
        ),
        (at, 2, 10)
    );
    assert_eq!(ledger.log_bytes(), recovery.log_bytes);
}

#[test]
fn disk_use_stays_bounded_by_checkpoints() {
    let disk = SimulatedDisk::new(1);
    let (ledger, ..) = open(&disk).unwrap();
    for round in 0..50 {
        let at = append(&ledger, round * 40..round * 40 + 40);
        ledger.checkpoint(at, &mut records([1]).into_iter()).unwrap();
    }
    ledger.close().unwrap();
    let bytes: usize = disk.contents().values().map(Vec::len).sum();
    assert!(
        bytes < 6 * (8 << 10),
        "{bytes} bytes after a log of about half a megabyte"
    );
}

#[test]
fn a_checkpoint_of_the_past_or_the_future_is_refused() {
    let disk = SimulatedDisk::new(1);
    let (ledger, ..) = open(&disk).unwrap();
    let at = append(&ledger, 1..=10);
    ledger.checkpoint(at, &mut std::iter::empty()).unwrap();
    let stale = ledger.checkpoint(Sequence(9), &mut std::iter::empty());
    assert!(matches!(stale, Err(CheckpointError::Stale { .. })));
    let ahead = ledger.checkpoint(Sequence(11), &mut std::iter::empty());
    assert!(matches!(ahead, Err(CheckpointError::Ahead { .. })));
    let needless = ledger.restart(at, &mut std::iter::empty());
    assert!(matches!(needless, Err(CheckpointError::NotFailed)));
}

#[test]
fn a_second_opener_is_refused_and_told_who_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data");
    let open = || {
        let disk = Arc::new(RealDisk::new(&path).unwrap());
        Ledger::open(disk, options(SyncMode::Always), &mut |_| Ok(()))
    };
    let (ledger, _) = open().unwrap();
    let refused = open().unwrap_err();
    assert!(matches!(refused, OpenError::InUse { .. }));
    let text = refused.to_string();
    assert!(
        text.ends_with(&format!("it is in use by process {}", std::process::id())),
        "{text}"
    );
    ledger.close().unwrap();
    open().unwrap();
}

#[test]
fn files_are_private() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("some/data");
    let disk = Arc::new(RealDisk::new(&path).unwrap());
    let (ledger, _) = Ledger::open(disk, options(SyncMode::Always), &mut |_| Ok(())).unwrap();
    let at = append(&ledger, 1..=100);
    ledger.checkpoint(at, &mut records([1]).into_iter()).unwrap();
    ledger.close().unwrap();
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o700);
    for file in path.read_dir().unwrap() {
        let path = file.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

#[test]
fn a_ticket_can_be_awaited() {
    struct Unpark(thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let disk = SimulatedDisk::new(1);
    let (ledger, ..) = open(&disk).unwrap();
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut ticket = pin!(ledger.append(b"record").unwrap().1);
    while ticket
        .as_mut()
        .poll(&mut Context::from_waker(&waker))
        .is_pending()
    {
        thread::park();
    }
    assert_eq!(ledger.durable(), Sequence(1));
}

#[test]
fn with_an_interval_a_record_is_durable_soon_after() {
    let disk = SimulatedDisk::new(1);
    let (ledger, ..) = open_with(&disk, options(SyncMode::Every(Duration::from_millis(5)))).unwrap();
    append(&ledger, 1..=10);
    while ledger.durable() < Sequence(10) {
        thread::yield_now();
    }
    assert_eq!(open(&disk.crash()).unwrap().2, records(1..=10));
}

#[test]
fn segments_are_filled_in_advance_only_if_every_record_waits_for_a_sync() {
    for (sync, in_advance) in [
        (SyncMode::Always, true),
        (SyncMode::Every(Duration::from_secs(3600)), false),
    ] {
        let disk = SimulatedDisk::new(1);
        let options = options(sync);
        let (_ledger, ..) = open_with(&disk, options).unwrap();
        // A segment has its name when it is ready; the second one is the helper's.
        let is_segment = |name: &str| name.starts_with("log-") && !name.contains(".tmp");
        let segments = || disk.contents().into_iter().filter(|(name, _)| is_segment(name));
        while segments().count() < 2 {
            thread::yield_now();
        }
        let is_full = |bytes: &Vec<u8>| bytes.len() as u64 >= options.segment_bytes;
        assert_eq!(segments().any(|(_, bytes)| is_full(&bytes)), in_advance);
    }
}

#[test]
fn segments_that_a_checkpoint_covers_are_kept_to_be_written_again() {
    let disk = SimulatedDisk::new(1);
    let (ledger, ..) = open(&disk).unwrap();
    let covered = append(&ledger, 1..=200);
    let spares = || {
        disk.contents()
            .into_keys()
            .filter(|name| name.starts_with("spare-"))
            .count()
    };
    assert_eq!(spares(), 0);
    ledger.checkpoint(covered, &mut records([1]).into_iter()).unwrap();
    // The first segment has grown to its length, and one may be on its way to become the next.
    while spares() < 3 {
        thread::yield_now();
    }
    // A later life goes on with them.
    append(&ledger, 201..=210);
    drop(ledger);
    let (ledger, _, found) = open(&disk).unwrap();
    assert_eq!(found, records([1].into_iter().chain(201..=210)));
    assert!(spares() >= 1);
    append(&ledger, 211..=600);
    drop(ledger);
    assert_eq!(spares(), 0);
    assert_eq!(open(&disk).unwrap().2, records([1].into_iter().chain(201..=600)));
}

#[test]
fn one_commit_over_several_segments_is_durable_in_all_of_them() {
    let disk = SimulatedDisk::new(1);
    let (ledger, ..) = open_with(&disk, options(SyncMode::Every(Duration::from_millis(50)))).unwrap();
    let large = [vec![1; 2 << 20], vec![2; 2 << 20], vec![3; 2 << 20]];
    for record in &large {
        ledger.append(record).unwrap().1.wait().unwrap();
    }
    while ledger.durable() < Sequence(3) {
        thread::yield_now();
    }
    assert_eq!(ledger.statistics().commits, 1);
    for _ in 0..8 {
        assert_eq!(open(&disk.crash()).unwrap().2, large);
    }
}

#[test]
fn a_refused_record_stops_the_replay_and_is_named() {
    let disk = SimulatedDisk::new(1);
    let (ledger, ..) = open(&disk).unwrap();
    append(&ledger, 1..=3);
    drop(ledger);
    let refused = Ledger::open(Arc::new(disk), options(SyncMode::Always), &mut |found| {
        if found.sequence == Sequence(2) {
            Err("not one of ours".into())
        } else {
            Ok(())
        }
    });
    let text = refused.unwrap_err().to_string();
    assert_eq!(
        text,
        "open ledger `simulated disk`: record 2 cannot be replayed: not one of ours"
    );
}
