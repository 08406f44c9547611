//! The ledger as its users see it, on disks that fail.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on fails, and a random one says how far it came"
)]

mod archive;
mod crash;
mod damage;
mod failure;
mod fixtures;
mod life;
mod offline;
mod restore;

use std::sync::Arc;

use wharf_ledger::{Ledger, OpenError, Options, Recovery, Sequence, SimulatedDisk, SyncMode};

/// Small segments, so that little work fills several.
fn options(sync: SyncMode) -> Options {
    Options {
        segment_bytes: 8 << 10,
        sync,
        ..Options::default()
    }
}

/// Opens a ledger and gives what was replayed.
fn open_with(disk: &SimulatedDisk, options: Options) -> Result<(Ledger, Recovery, Vec<Vec<u8>>), OpenError> {
    let mut replayed = Vec::new();
    let (ledger, recovery) = Ledger::open(Arc::new(disk.clone()), options, &mut |found| {
        replayed.push(found.record.to_vec());
        Ok(())
    })?;
    Ok((ledger, recovery, replayed))
}

fn open(disk: &SimulatedDisk) -> Result<(Ledger, Recovery, Vec<Vec<u8>>), OpenError> {
    open_with(disk, options(SyncMode::Always))
}

/// The record with this number, of some hundred bytes.
fn record(number: u64) -> Vec<u8> {
    let mut record = number.to_le_bytes().to_vec();
    record.resize(
        8 + usize::try_from(number * 37 % 500).unwrap(),
        u8::try_from(number % 256).unwrap(),
    );
    record
}

fn records(numbers: impl IntoIterator<Item = u64>) -> Vec<Vec<u8>> {
    numbers.into_iter().map(record).collect()
}

/// Appends records, each in a commit of its own.
fn append(ledger: &Ledger, numbers: impl IntoIterator<Item = u64>) -> Sequence {
    let mut last = Sequence(0);
    for number in numbers {
        let (sequence, ticket) = ledger.append(&record(number)).unwrap();
        ticket.wait().unwrap();
        last = sequence;
    }
    last
}
