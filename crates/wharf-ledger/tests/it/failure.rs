//! A ledger on a disk that fails, and comes back.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use wharf_ledger::{
    AppendError, BoxError, CheckpointError, Fault, Health, Ledger, Options, Replay, Replayed, Sequence,
    SimulatedDisk,
};

use crate::{append, open, record, records};

#[test]
fn whoever_looks_after_a_ledger_sees_that_its_thread_has_ended() {
    let disk = SimulatedDisk::new(1);
    let (ledger, ..) = open(&disk).unwrap();
    append(&ledger, 1..=10);
    assert!(!ledger.has_stopped());
    // What is told of a failure runs on that thread.
    ledger.on_failure(Box::new(|_| std::panic::resume_unwind(Box::new("a bug"))));
    disk.fail_after(0, Fault::Lasting(io::ErrorKind::StorageFull));
    let (_, ticket) = ledger.append(&record(11)).unwrap();
    ticket.wait().unwrap_err();
    while !ledger.has_stopped() {
        std::thread::yield_now();
    }
    let refused = ledger.append(&record(12)).map(drop);
    assert!(refused.is_err(), "nobody would write it");
}

#[test]
fn after_a_failed_sync_nothing_is_taken_until_a_restart() {
    let disk = SimulatedDisk::new(1);
    let (ledger, ..) = open(&disk).unwrap();
    append(&ledger, 1..=10);
    disk.fail_after(0, Fault::Lasting(io::ErrorKind::StorageFull));
    let (_, ticket) = ledger.append(&record(11)).unwrap();
    let error = ticket.wait().unwrap_err();
    assert!(error.to_string().contains("write log segment `log-"), "{error}");
    assert!(ledger.failed());
    assert_eq!(ledger.durable(), Sequence(10));
    assert!(matches!(ledger.health(), Health::Failed { .. }));
    assert!(matches!(
        ledger.append(&record(12)).map(drop),
        Err(AppendError::Failed { .. })
    ));
    let checkpoint = ledger.checkpoint(Sequence(10), &mut records(1..=10).into_iter());
    assert!(matches!(checkpoint, Err(CheckpointError::Failed { .. })));

    let restart = ledger.restart(Sequence(10), &mut records(1..=10).into_iter());
    assert!(matches!(restart, Err(CheckpointError::Io(_))));
    assert!(ledger.failed(), "the disk has not come back yet");

    disk.heal();
    ledger
        .restart(Sequence(10), &mut records(1..=10).into_iter())
        .unwrap();
    assert!(!ledger.failed());
    // It waits for no record that was taken back.
    ledger
        .checkpoint(Sequence(10), &mut records(1..=10).into_iter())
        .unwrap();
    assert_eq!(
        append(&ledger, [13]),
        Sequence(12),
        "number 11 was handed out before"
    );
    let stale = ledger.checkpoint(Sequence(11), &mut records([1]).into_iter());
    assert!(
        matches!(stale, Err(CheckpointError::Stale { .. })),
        "record 11 was taken back"
    );

    for found in [disk.copied(), disk.crash()] {
        let expected = records((1..=10).chain([13]));
        assert_eq!(
            open(&found).unwrap().2,
            expected,
            "the record that was refused does not come back"
        );
    }
}

/// A ledger that failed at record 11: its block is whole, and only the sync did not succeed. `None` if a call of the
/// helper thread came between and took the fault.
fn with_failed_sync(seed: u64) -> Option<(SimulatedDisk, Ledger)> {
    let disk = SimulatedDisk::new(seed);
    let (ledger, ..) = open(&disk).unwrap();
    append(&ledger, 1..=10);
    disk.fail_after(1, Fault::Once(io::ErrorKind::Other));
    let error = ledger.append(&record(11)).unwrap().1.wait().err()?;
    error
        .reason
        .starts_with("sync log segment")
        .then_some((disk, ledger))
}

#[test]
fn records_taken_back_by_a_restart_stay_void_even_if_their_segment_comes_back() {
    let (disk, ledger) = (0..100).find_map(with_failed_sync).unwrap();
    let old = disk.contents();
    ledger
        .restart(Sequence(10), &mut records(1..=10).into_iter())
        .unwrap();
    append(&ledger, [13]);
    drop(ledger);

    let found = SimulatedDisk::new(2);
    for (name, bytes) in old
        .iter()
        .chain(&disk.contents())
        .filter(|(name, _)| name.starts_with("log-"))
    {
        found.put(name, bytes);
    }
    assert_eq!(open(&found).unwrap().2, records((1..=10).chain([13])));
}

#[test]
fn the_hook_runs_once_and_before_anybody_learns_of_the_loss() {
    let disk = SimulatedDisk::new(1);
    let (ledger, ..) = open(&disk).unwrap();
    let calls = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&calls);
    ledger.on_failure(Box::new(move |reason| {
        assert!(!reason.is_empty());
        counted.fetch_add(1, Ordering::SeqCst);
    }));
    disk.fail_after(0, Fault::Lasting(io::ErrorKind::Other));
    let tickets: Vec<_> = (0..50)
        .map_while(|number| ledger.append(&record(number)).ok())
        .collect();
    for (_, ticket) in tickets {
        ticket.wait().unwrap_err();
        assert_eq!(calls.load(Ordering::SeqCst), 1);
    }
}

#[test]
fn a_full_disk_refuses_and_goes_on_when_there_is_room() {
    let disk = SimulatedDisk::new(1);
    let (ledger, ..) = open(&disk).unwrap();
    disk.set_capacity(Some(64 << 10));
    let mut kept = Vec::new();
    for number in 0.. {
        let Ok((_, ticket)) = ledger.append(&record(number)) else {
            break;
        };
        if ticket.wait().is_err() {
            break;
        }
        kept.push(number);
    }
    assert!(ledger.failed());
    assert!(kept.len() > 50, "{} records fit", kept.len());
    let durable = ledger.durable();
    ledger
        .restart(durable, &mut records(kept.clone()).into_iter())
        .unwrap_err();
    assert_eq!(open(&disk.copied()).unwrap().2, records(kept.clone()));

    disk.set_capacity(None);
    ledger.restart(durable, &mut records([7]).into_iter()).unwrap();
    append(&ledger, 1000..1100);
    drop(ledger);
    assert_eq!(open(&disk).unwrap().2, records([7].into_iter().chain(1000..1100)));
}

#[test]
fn a_failed_checkpoint_changes_nothing() {
    let disk = SimulatedDisk::new(1);
    let (ledger, ..) = open(&disk).unwrap();
    let at = append(&ledger, 1..=100);
    for call in 0..6 {
        disk.fail_after(call, Fault::Once(io::ErrorKind::Other));
        drop(ledger.checkpoint(at, &mut records(1..=100).into_iter()));
        disk.heal();
        assert!(!ledger.failed());
        assert_eq!(open(&disk.copied()).unwrap().2, records(1..=100));
    }
    append(&ledger, [101]);
    drop(ledger);
    assert_eq!(open(&disk).unwrap().2, records(1..=101));
}

#[test]
fn closing_a_failed_ledger_says_so_and_ends() {
    let disk = SimulatedDisk::new(1);
    let (ledger, ..) = open(&disk).unwrap();
    disk.fail_after(0, Fault::Lasting(io::ErrorKind::Other));
    ledger.append(&record(1)).unwrap().1.wait().unwrap_err();
    ledger.close().unwrap_err();
    disk.heal();
    open(&disk).unwrap();
}

/// Counts what it is given.
#[derive(Default)]
struct Counted {
    ahead: u64,
    replayed: u64,
}

impl Replay for Counted {
    fn look_ahead(&mut self, _record: Replayed<'_>) {
        self.ahead += 1;
    }

    fn replay(&mut self, _record: Replayed<'_>) -> Result<(), BoxError> {
        self.replayed += 1;
        Ok(())
    }

    fn finish(&mut self) -> Result<(), BoxError> {
        Ok(())
    }
}

#[test]
fn a_start_that_has_not_seen_all_of_the_log_ahead_is_refused() {
    let disk = SimulatedDisk::new(3);
    let options = Options {
        segment_bytes: 64 << 10,
        ..Options::default()
    };
    let (ledger, _) = Ledger::open(Arc::new(disk.clone()), options, &mut |_| Ok(())).unwrap();
    for _ in 0..20 {
        ledger.append(&[7; 100]).unwrap().1.wait().unwrap();
    }
    drop(ledger);
    let (mut refused, mut opened) = (0, 0);
    for calls in 0..60 {
        let disk = disk.copied();
        disk.fail_after(calls, Fault::Once(io::ErrorKind::Other));
        let mut counted = Counted::default();
        match Ledger::open_looking_ahead(Arc::new(disk), options, &mut counted) {
            Ok(_) => {
                assert_eq!((counted.ahead, counted.replayed), (20, 20), "{calls}");
                opened += 1;
            }
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 2 && opened > 2, "{refused} {opened}");
}
