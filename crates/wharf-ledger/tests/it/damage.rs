//! Bits that flip, files that go missing, and versions that do not fit.

use std::time::Duration;

use wharf_ledger::{Disk as _, OpenError, Sequence, SimulatedDisk, Stake, SyncMode};

use crate::{append, open, open_with, options, record, records};

/// A ledger with a checkpoint of two records, a log of some segments after it, and an orderly end.
fn closed() -> (SimulatedDisk, Vec<Vec<u8>>) {
    let disk = SimulatedDisk::new(1);
    let (ledger, ..) = open(&disk).unwrap();
    let at = append(&ledger, 1..=30);
    ledger
        .checkpoint(at, &mut records([900, 901]).into_iter())
        .unwrap();
    append(&ledger, 31..=80);
    ledger.close().unwrap();
    (disk, records([900, 901].into_iter().chain(31..=80)))
}

fn segments(disk: &SimulatedDisk) -> Vec<String> {
    disk.contents()
        .into_keys()
        .filter(|name| name.starts_with("log-"))
        .collect()
}

/// The blocks of the log in order: file and offset. When the log moves on from its first, growing segment depends on
/// the helper thread.
fn blocks(disk: &SimulatedDisk) -> Vec<(String, usize)> {
    let mut blocks = Vec::new();
    for (name, bytes) in disk
        .contents()
        .into_iter()
        .filter(|(name, _)| name.starts_with("log-"))
    {
        let places = (64..bytes.len())
            .step_by(8)
            .filter(|at| bytes[*at..].starts_with(b"WBLK"));
        blocks.extend(places.map(|at| (name.clone(), at)));
    }
    blocks
}

#[test]
fn what_a_checkpoint_has_effects_of_is_there_or_missed() {
    for sync in [SyncMode::Always, SyncMode::Every(Duration::from_secs(3600))] {
        let disk = SimulatedDisk::new(1);
        let (ledger, ..) = open_with(&disk, options(sync)).unwrap();
        let at = append(&ledger, 1..=10);
        // The state changes while it is written.
        let mut images = (11..=15).map(|number| {
            drop(ledger.append(&record(number)).unwrap());
            record(900)
        });
        ledger.checkpoint(at, &mut images).unwrap();
        let disk = disk.crash();
        let expected: Vec<_> = records([900; 5]).into_iter().chain(records(11..=15)).collect();
        let mut found = Vec::new();
        wharf_ledger::scan(&disk, &mut |place| {
            found.push(place.record.to_vec());
            Ok(())
        })
        .unwrap();
        assert_eq!(found, expected);

        // Without the end of the log, or all of it, the state would be one that never was.
        let last = blocks(&disk).pop().unwrap();
        let cut = disk.copied();
        cut.put(&last.0, &disk.contents()[&last.0][..last.1]);
        let gone = disk.copied();
        for name in segments(&disk) {
            gone.remove(&name).unwrap();
        }
        for (disk, file) in [(cut, "log-"), (gone, "checkpoint-")] {
            match wharf_ledger::scan(&disk, &mut |_| Ok(())) {
                Err(OpenError::Damaged { damage, .. }) => {
                    assert!(damage.file.starts_with(file), "{damage:?}");
                    let Stake::Records { to, .. } = damage.stake else {
                        panic!("{damage:?}");
                    };
                    assert_eq!(to, Sequence(15));
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn a_flipped_bit_is_detected_or_harmless() {
    let (disk, expected) = closed();
    let mut detected = 0;
    for (name, bytes) in disk.contents() {
        for (offset, byte) in bytes.iter().enumerate() {
            // Every bit of headers and of every 16th byte, one bit of the others; long runs of zeros are thinned out.
            let thorough = offset < 64 || *byte != 0 && offset % 16 == 0;
            if *byte == 0 && offset >= 64 && offset % 61 != 0 {
                continue;
            }
            let bits = if thorough { 0..8 } else { 0..1 };
            for bit in bits {
                let copy = disk.copied();
                assert!(copy.flip_bit(&name, offset, bit));
                match wharf_ledger::scan(&copy, &mut |_| Ok(())) {
                    Err(OpenError::Damaged { .. }) => detected += 1,
                    Err(error) => panic!("{name} {offset} {bit}: {error}"),
                    Ok(_) => assert_eq!(replayed(&copy), expected, "{name} {offset} {bit}"),
                }
            }
        }
    }
    assert!(detected > 10_000, "{detected}");
}

fn replayed(disk: &SimulatedDisk) -> Vec<Vec<u8>> {
    let mut replayed = Vec::new();
    wharf_ledger::scan(disk, &mut |found| {
        replayed.push(found.record.to_vec());
        Ok(())
    })
    .unwrap();
    replayed
}

#[test]
fn a_tail_that_was_never_acknowledged_is_cut() {
    let disk = SimulatedDisk::new(1);
    let (ledger, ..) = open(&disk).unwrap();
    append(&ledger, 1..=10);
    let cut = disk.crash();
    let (file, offset) = blocks(&cut)[9].clone();
    assert!(cut.flip_bit(&file, offset + 50, 3));
    let (ledger, recovery, found) = open(&cut).unwrap();
    assert_eq!(found, records(1..=9));
    let torn = recovery.torn.unwrap();
    assert_eq!((torn.file, torn.offset), (file, offset as u64));
    // What follows the cut takes its numbers, and the cut part never comes back.
    assert_eq!(append(&ledger, [20]), Sequence(10));
    drop(ledger);
    assert_eq!(open(&cut).unwrap().2, records((1..=9).chain([20])));
}

#[test]
fn damage_before_acknowledged_records_stops_the_start_and_says_what_is_at_stake() {
    let disk = SimulatedDisk::new(1);
    let (ledger, ..) = open(&disk).unwrap();
    append(&ledger, 1..=10);
    let cut = disk.crash();
    let (file, offset) = blocks(&cut)[4].clone();
    assert!(cut.flip_bit(&file, offset + 50, 3));
    let error = open(&cut).unwrap_err();
    let OpenError::Damaged { damage, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!((&damage.file, damage.offset), (&file, offset as u64));
    // The block of record 10 says that the nine before it were on stable storage.
    assert_eq!(
        damage.stake,
        Stake::Records {
            from: Sequence(5),
            to: Sequence(9)
        }
    );
    let text = error.to_string();
    assert!(
        text.contains("at stake are the acknowledged records 5 to 9 or later"),
        "{text}"
    );
    assert!(text.contains("\nhint: "), "{text}");
}

#[test]
fn a_missing_segment_stops_the_start() {
    let (disk, _) = closed();
    let (disk, files) = (disk.copied(), segments(&disk));
    let contents = disk.contents();
    assert!(files.len() >= 3);
    for missing in &files {
        let partial = SimulatedDisk::new(1);
        for (name, bytes) in contents.iter().filter(|(name, _)| *name != missing) {
            partial.put(name, bytes);
        }
        match open(&partial) {
            Err(OpenError::Damaged { .. }) => {}
            Err(error) => panic!("{error}"),
            Ok((.., found)) => {
                let last = blocks(&disk).pop().unwrap().0;
                assert!(
                    *missing >= last || found.len() == 52,
                    "without {missing}: {} records",
                    found.len()
                );
            }
        }
    }
}

#[test]
fn a_missing_checkpoint_stops_the_start() {
    let (disk, _) = closed();
    let partial = SimulatedDisk::new(1);
    for (name, bytes) in disk
        .contents()
        .iter()
        .filter(|(name, _)| !name.starts_with("checkpoint-"))
    {
        partial.put(name, bytes);
    }
    let error = open(&partial).unwrap_err();
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
}

#[test]
fn files_of_a_newer_version_are_refused() {
    for kind in ["log-", "checkpoint-"] {
        let (disk, _) = closed();
        let (name, mut bytes) = disk
            .contents()
            .into_iter()
            .rev()
            .find(|(name, _)| name.starts_with(kind))
            .unwrap();
        bytes[8] = 2;
        let checksum = crc32c(&bytes[..60]).to_le_bytes();
        bytes[60..64].copy_from_slice(&checksum);
        disk.put(&name, &bytes);
        let text = open(&disk).unwrap_err().to_string();
        let expected = format!("expected format version 1 or older, found version 2 in `{name}`");
        assert!(text.contains(&expected), "{text}");
    }
}

/// The slow way, so that the checksum in use is held against another.
fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            if crc & 1 == 1 {
                (crc >> 1) ^ 0x82F6_3B78
            } else {
                crc >> 1
            }
        })
    };
    !bytes.iter().fold(!0, step)
}

#[test]
fn any_bytes_in_a_file_are_survived() {
    let mut state = 1_u64;
    for round in 0..300_usize {
        let mut noise = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            state.to_be_bytes()[0]
        };
        let (disk, _) = closed();
        for (name, mut bytes) in disk.contents() {
            let from = if round % 2 == 0 { 64 } else { 0 };
            bytes
                .iter_mut()
                .skip(from)
                .step_by(1 + round % 97)
                .for_each(|byte| *byte = noise());
            disk.put(&name, &bytes);
        }
        drop(open(&disk));
        drop(wharf_ledger::repair(&disk));
    }
}

#[test]
fn a_record_that_looks_like_a_block_is_a_record() {
    let disk = SimulatedDisk::new(1);
    let (ledger, ..) = open(&disk).unwrap();
    append(&ledger, 1..=3);
    let (file, offset) = blocks(&disk)[1].clone();
    let mut block = disk.contents()[&file][offset..].to_vec();
    block.truncate(2000);
    ledger.append(&block).unwrap().1.wait().unwrap();
    append(&ledger, [4]);
    drop(ledger);
    assert_eq!(
        open(&disk).unwrap().2,
        [record(1), record(2), record(3), block, record(4)]
    );
}
