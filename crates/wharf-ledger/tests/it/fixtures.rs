//! Ledgers that released versions have written. They are read by every later version, and never written again.

use std::{fs, path::Path, sync::Arc};

use wharf_ledger::{Archive, Ledger, RealDisk, Recovery, Sequence, SimulatedDisk};

use crate::{append, open, options, records};

/// The fixtures of format version 1: folders of files.
fn version_1() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/v1")
}

fn read(name: &str) -> (Recovery, Vec<Vec<u8>>) {
    let disk = SimulatedDisk::new(1);
    for file in fs::read_dir(version_1().join(name)).unwrap() {
        let file = file.unwrap();
        disk.put(
            file.file_name().to_str().unwrap(),
            &fs::read(file.path()).unwrap(),
        );
    }
    let (_, recovery, found) = open(&disk).unwrap();
    (recovery, found)
}

#[test]
fn version_1_closed_in_order_is_read() {
    let (recovery, found) = read("closed");
    assert_eq!(found, records([900, 901].into_iter().chain(31..=50)));
    assert_eq!((recovery.checkpoint, recovery.last), (Sequence(30), Sequence(50)));
    assert!(recovery.clean);
}

#[test]
fn version_1_with_a_torn_tail_is_read() {
    let (recovery, found) = read("torn");
    assert_eq!(found, records(1..=9));
    assert!(recovery.torn.is_some());
}

/// An archive of format version 1.
fn archive_1() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/archive-v1")
}

/// The entries of the archive: their numbers, and their records.
fn entries() -> [(u64, Vec<Vec<u8>>); 4] {
    [
        (3, vec![vec![7; 300], b"the last of 3".to_vec()]),
        // More than one block.
        (9, (0..4).map(|at| vec![at; 40_000]).collect()),
        (9, vec![b"said of 9 later".to_vec()]),
        (12, vec![Vec::new()]),
    ]
}

#[test]
fn an_archive_of_version_1_is_read() {
    let disk = SimulatedDisk::new(1);
    for file in fs::read_dir(archive_1()).unwrap() {
        let file = file.unwrap();
        disk.put(
            file.file_name().to_str().unwrap(),
            &fs::read(file.path()).unwrap(),
        );
    }
    let mut found = Vec::new();
    let (archive, damage) = Archive::open(Arc::new(disk), 1 << 20, &mut |entry| {
        found.push((entry.id.0, entry.place));
    })
    .unwrap();
    assert_eq!(damage, []);
    assert_eq!(archive.last(), Sequence(12));
    let read = found.into_iter().map(|(id, place)| {
        let mut reader = archive.read(place).unwrap();
        let mut records = Vec::new();
        while let Some(more) = reader.next_records().unwrap() {
            records.extend(more);
        }
        (id, records)
    });
    assert_eq!(read.collect::<Vec<_>>(), entries());
}

#[test]
#[ignore = "writes the fixture; run it once for a format version, before its release"]
fn write_archive_version_1() {
    let path = archive_1();
    assert!(!path.exists(), "the fixture is there and must not change");
    let disk = Arc::new(RealDisk::new(&path).unwrap());
    let mut archive = Archive::new(disk, 1 << 20);
    for (id, records) in entries() {
        if id == 12 {
            archive.begin_file();
        }
        let bytes = records.iter().map(|record| record.len() as u64 + 4).sum();
        archive
            .append(Sequence(id), bytes, &mut records.into_iter())
            .unwrap();
    }
    archive.sync().unwrap();
}

#[test]
#[ignore = "writes the fixtures; run it once for a format version, before its release"]
fn write_version_1() {
    let create = |name: &str| {
        let path = version_1().join(name);
        assert!(!path.exists(), "the fixtures are there and must not change");
        let disk = Arc::new(RealDisk::new(&path).unwrap());
        let small = wharf_ledger::Options {
            segment_bytes: 4 << 10,
            ..options(wharf_ledger::SyncMode::Always)
        };
        (path, Ledger::open(disk, small, &mut |_| Ok(())).unwrap().0)
    };
    let (path, ledger) = create("closed");
    let at = append(&ledger, 1..=30);
    ledger
        .checkpoint(at, &mut records([900, 901]).into_iter())
        .unwrap();
    append(&ledger, 31..=50);
    ledger.close().unwrap();
    fs::remove_file(path.join("lock")).unwrap();

    let (path, ledger) = create("torn");
    append(&ledger, 1..=10);
    ledger.close().unwrap();
    fs::remove_file(path.join("lock")).unwrap();
    let mut names: Vec<_> = fs::read_dir(&path)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    names.sort();
    let (file, bytes) = names
        .iter()
        .rev()
        .map(|file| (file, fs::read(file).unwrap()))
        .find(|(_, bytes)| bytes[64..].starts_with(b"WBLK"))
        .unwrap();
    // Within the last record: neither the end mark nor the block before it is whole.
    let blocks: Vec<_> = (64..bytes.len())
        .step_by(8)
        .filter(|at| bytes[*at..].starts_with(b"WBLK"))
        .collect();
    fs::write(file, &bytes[..blocks[blocks.len() - 2] + 60]).unwrap();
}
