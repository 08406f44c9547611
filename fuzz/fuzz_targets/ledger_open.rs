//! Whatever the files of a ledger say, it is opened or refused, looking at it finds the same, and what `repair` leaves
//! can be opened.
//!
//! The input is files: the kind and number of each in a byte, its length in two (little endian), its content. Checksums
//! are right unless they are zero.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use wharf_ledger::{Ledger, OpenError, Options, Replayed, Sequence, SimulatedDisk, check, repair, scan};

type Records = Vec<(Sequence, Vec<u8>)>;

fuzz_target!(|input: &[u8]| {
    let disk = SimulatedDisk::new(1);
    let mut rest = input;
    while let Some(([file, low, high], after)) = rest.split_first_chunk() {
        let length = usize::from(u16::from_le_bytes([*low, *high]));
        let (content, after) = after.split_at(length.min(after.len()));
        let kind = ["log", "checkpoint", "spare"][usize::from(file % 3)];
        disk.put(&format!("{kind}-{:020}", file / 3), content);
        rest = after;
    }

    let before = disk.contents();
    let mut seen = Records::new();
    let looked = scan(&disk, &mut |found| {
        seen.push((found.sequence, found.record.to_vec()));
        Ok(())
    });
    let report = check(&disk);
    assert_eq!(disk.contents(), before, "looking changes nothing");
    let (opened, records) = open(&disk.copied());
    assert_eq!(records, seen);
    assert_eq!(opened.is_ok(), looked.is_ok());
    assert_eq!(opened.is_ok(), report.is_ok_and(|report| report.damage.is_none()));
    if let Err(OpenError::Damaged { .. }) = opened
        && repair(&disk).is_ok()
    {
        let (opened, _) = open(&disk);
        opened.expect("a repaired ledger opens");
    }
});

fn open(disk: &SimulatedDisk) -> (Result<(), OpenError>, Records) {
    let mut records = Records::new();
    let options = Options {
        segment_bytes: 4096,
        ..Options::default()
    };
    let mut visit = |replayed: Replayed<'_>| {
        records.push((replayed.sequence, replayed.record.to_vec()));
        Ok(())
    };
    let opened = Ledger::open(Arc::new(disk.clone()), options, &mut visit);
    let opened = opened.map(|(ledger, _)| ledger.close().expect("the disk does not fail"));
    (opened, records)
}
