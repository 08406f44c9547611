//! Random work, a power cut at some call to the disk, and a look at what is left.

use std::{
    io,
    num::NonZeroUsize,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use wharf_ledger::{AppendError, Fault, Ledger, OpenError, Sequence, SimulatedDisk, SyncMode, Ticket, check};

use crate::{open_with, options};

/// Numbers for tests: xorshift.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// A record that says which one it is, of a length between a few bytes and more than a segment.
fn record(number: u64, random: &mut Random) -> Vec<u8> {
    let length = match random.below(20) {
        0 => random.below(12 << 10),
        1..=5 => random.below(2000),
        _ => random.below(100),
    };
    let mut record = number.to_le_bytes().to_vec();
    record.extend((0..length).map(|at| u8::try_from((at + number) % 251).unwrap()));
    record
}

/// A state that is a list of all records: the checkpoint is all of them. Numbers inside the records count the records
/// ever offered, so that lost, doubled and swapped ones show.
#[derive(Default)]
struct Model {
    /// The records whose effect is in the state, in order, with their sequence numbers.
    state: Vec<(Sequence, Vec<u8>)>,
    /// How many of them are acknowledged.
    acknowledged: usize,
    tickets: Vec<(usize, Ticket)>,
    /// Whether a resolved ticket means that the record is on stable storage.
    tickets_promise: bool,
    offered: u64,
}

impl Model {
    fn settle(&mut self) -> bool {
        for (length, ticket) in self.tickets.drain(..) {
            if ticket.wait().is_err() {
                return false;
            }
            if self.tickets_promise {
                self.acknowledged = self.acknowledged.max(length);
            }
        }
        true
    }

    fn last(&self) -> Sequence {
        self.state.last().map_or(Sequence(0), |(sequence, _)| *sequence)
    }

    fn records(&self) -> impl Iterator<Item = Vec<u8>> + use<> {
        self.state
            .iter()
            .map(|(_, record)| record.clone())
            .collect::<Vec<_>>()
            .into_iter()
    }

    /// Works until the disk is dead or the steps are done.
    fn work(&mut self, ledger: &Ledger, disk: &SimulatedDisk, steps: u64, random: &mut Random) {
        for _ in 0..steps {
            match random.below(24) {
                0 => {
                    let at = self.last();
                    let mut records = self.records();
                    drop(ledger.checkpoint(at, &mut records));
                }
                1..=4 => drop(self.settle()),
                5 if random.below(4) == 0 => {
                    disk.fail_after(random.below(6), Fault::Once(io::ErrorKind::Other));
                }
                _ => self.append(ledger, random),
            }
            if ledger.failed() && !self.restart(ledger) {
                return;
            }
        }
        self.settle();
    }

    fn append(&mut self, ledger: &Ledger, random: &mut Random) {
        self.offered += 1;
        let record = record(self.offered, random);
        match ledger.append(&record) {
            Ok((sequence, ticket)) => {
                self.state.push((sequence, record));
                self.tickets.push((self.state.len(), ticket));
            }
            Err(AppendError::Failed { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }

    /// Rolls back to what is durable, and restarts. Until the restart has succeeded, a record that was refused may
    /// still be found after a power cut.
    fn restart(&mut self, ledger: &Ledger) -> bool {
        self.settle();
        let durable = ledger.durable();
        let kept = self
            .state
            .iter()
            .take_while(|(sequence, _)| *sequence <= durable)
            .count();
        assert!(
            kept >= self.acknowledged,
            "an acknowledged record was rolled back"
        );
        self.acknowledged = kept;
        let records: Vec<_> = self.records().take(kept).collect();
        for _ in 0..20 {
            if ledger.restart(durable, &mut records.clone().into_iter()).is_ok() {
                self.state.truncate(kept);
                return true;
            }
        }
        false
    }

    /// What was found must be a prefix of the state, and contain what was acknowledged.
    #[track_caller]
    fn verify(&mut self, found: &[Vec<u8>], seed: u64) {
        assert!(
            found.len() >= self.acknowledged,
            "seed {seed}: {} records found, {} acknowledged",
            found.len(),
            self.acknowledged
        );
        for (index, record) in found.iter().enumerate() {
            let expected = self.state.get(index).map(|(_, record)| record);
            assert_eq!(expected, Some(record), "seed {seed}: record {index}");
        }
        self.state.truncate(found.len());
        self.acknowledged = found.len();
        self.tickets.clear();
    }
}

/// One life of a ledger with several power cuts. Returns how many.
fn live(seed: u64, sync: SyncMode) -> u64 {
    let mut random = Random::new(seed);
    let mut disk = SimulatedDisk::new(seed);
    let mut model = Model {
        tickets_promise: sync == SyncMode::Always,
        ..Model::default()
    };
    let cuts = 1 + random.below(4);
    for _ in 0..cuts {
        disk.fail_after(random.below(120), Fault::PowerCut);
        match open_with(&disk, options(sync)) {
            Ok((ledger, recovery, found)) => {
                model.verify(&found, seed);
                // Numbers of the state in memory, which a checkpoint may have renumbered on disk.
                model.renumber(recovery.last);
                let steps = random.below(60);
                model.work(&ledger, &disk, steps, &mut random);
                model.note_durable(&ledger);
                drop(ledger);
            }
            Err(OpenError::Io(_)) => {}
            Err(error) => panic!("seed {seed}: {error}"),
        }
        disk = disk.crash();
    }
    let report = check(&disk).unwrap();
    assert_eq!(report.damage, None, "seed {seed}");
    let (ledger, _, found) = open_with(&disk, options(sync)).unwrap();
    model.verify(&found, seed);
    ledger.close().unwrap();
    cuts
}

impl Model {
    /// What the ledger says is on stable storage counts as acknowledged in every mode.
    fn note_durable(&mut self, ledger: &Ledger) {
        let durable = ledger.durable();
        let kept = self
            .state
            .iter()
            .take_while(|(sequence, _)| *sequence <= durable)
            .count();
        self.acknowledged = self.acknowledged.max(kept);
    }

    fn renumber(&mut self, last: Sequence) {
        for (sequence, _) in &mut self.state {
            *sequence = last;
        }
    }
}

/// The same work each time: appends, a checkpoint in the middle, and an orderly end. Returns whether the disk lasted.
fn script(disk: &SimulatedDisk, model: &mut Model, random: &mut Random) -> bool {
    let Ok((ledger, ..)) = open_with(disk, options(SyncMode::Always)) else {
        return false;
    };
    for step in 0..40 {
        model.append(&ledger, random);
        if step % 3 == 0 {
            model.settle();
        }
        if step == 20 {
            drop(ledger.checkpoint(model.last(), &mut model.records()));
        }
        if ledger.failed() && !model.restart(&ledger) {
            return false;
        }
    }
    model.settle();
    model.note_durable(&ledger);
    ledger.close().is_ok()
}

#[test]
fn a_fault_at_any_call_to_the_disk_loses_nothing() {
    let faults = [
        Fault::PowerCut,
        Fault::Once(io::ErrorKind::Other),
        Fault::Lasting(io::ErrorKind::StorageFull),
        Fault::Lasting(io::ErrorKind::ReadOnlyFilesystem),
    ];
    for fault in faults {
        let mut lasted = 0;
        for call in 0.. {
            let disk = SimulatedDisk::new(call);
            let mut model = Model {
                tickets_promise: true,
                ..Model::default()
            };
            disk.fail_after(call, fault);
            lasted += u32::from(script(&disk, &mut model, &mut Random::new(3)));
            let found = disk.crash();
            let (_, _, records) = open_with(&found, options(SyncMode::Always)).unwrap();
            model.verify(&records, call);
            // Threads may make some calls more or fewer each time, and a single fault can be outlived.
            if call > 400 {
                break;
            }
        }
        assert!(lasted > 0, "{fault:?}");
    }
}

/// A number from the environment, with which `cargo xtask crash` makes more of these tests.
#[expect(clippy::disallowed_methods, reason = "tests have no flags")]
fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable)
        .ok()
        .and_then(|number| number.parse().ok())
        .unwrap_or(default)
}

/// So many lives, or those of so many seconds if the environment says that; some at a time, each with a seed of its own.
fn lives(sync: SyncMode, count: u64) {
    let first = number("WHARF_SEED", 1);
    let seconds = number("WHARF_CRASH_SECONDS", 0);
    let end = Instant::now() + Duration::from_secs(seconds);
    let next = AtomicU64::new(first);
    let cuts = AtomicU64::new(0);
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            let is_over = match seconds {
                0 => seed >= first + count,
                _ => Instant::now() >= end,
            };
            if is_over {
                return;
            }
            cuts.fetch_add(live(seed, sync), Ordering::Relaxed);
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    println!("{} power cuts", cuts.into_inner());
}

/// As many as a slow machine has managed in eight seconds.
#[test]
fn what_was_acknowledged_survives_every_power_cut() {
    lives(SyncMode::Always, 4_000);
}

/// As many as it has managed in four.
#[test]
fn without_a_sync_before_each_answer_only_the_newest_records_are_lost() {
    lives(SyncMode::Every(Duration::from_millis(1)), 1_600);
}
