//! Archives: what is kept of what was removed.

use std::io;
use std::sync::Arc;

use wharf_ledger::{
    Archive, ArchiveDamage, ArchiveError, Disk, Fault, MemoryDisk, Place, Sequence, SimulatedDisk,
};

const ROOM: u64 = 1 << 30;

/// An entry as it was found: its number, where it is, its records, and the last one.
type Found = (u64, Place, u64, Vec<u8>);

fn open(disk: &dyn Fn() -> Arc<dyn Disk>, max_bytes: u64) -> (Archive, Vec<ArchiveDamage>, Vec<Found>) {
    let mut found = Vec::new();
    let (archive, damage) = Archive::open(disk(), max_bytes, &mut |entry| {
        found.push((entry.id.0, entry.place, entry.records, entry.last_record.to_vec()));
    })
    .unwrap();
    (archive, damage, found)
}

fn of(disk: &SimulatedDisk) -> impl Fn() -> Arc<dyn Disk> {
    let disk = disk.clone();
    move || Arc::new(disk.clone())
}

/// The records of an entry: so many, of some length, and a last one that says which it is.
fn records(id: u64, count: usize, bytes: usize) -> Vec<Vec<u8>> {
    let mut records: Vec<Vec<u8>> = (0..count)
        .map(|at| vec![u8::try_from((id + at as u64) % 251).unwrap(); bytes])
        .collect();
    records.push(id.to_le_bytes().to_vec());
    records
}

fn append(archive: &mut Archive, id: u64, records: &[Vec<u8>]) -> Result<Place, ArchiveError> {
    let bytes = records.iter().map(|record| record.len() as u64 + 4).sum();
    archive.append(Sequence(id), bytes, &mut records.iter().cloned())
}

fn read(archive: &Archive, place: Place) -> Result<Vec<Vec<u8>>, ArchiveError> {
    let mut reader = archive.read(place)?;
    let mut all = Vec::new();
    while let Some(records) = reader.next_records()? {
        all.extend(records);
    }
    Ok(all)
}

fn ids(found: &[Found]) -> Vec<u64> {
    found.iter().map(|(id, ..)| *id).collect()
}

#[test]
fn entries_are_found_in_their_order_and_read_as_they_were_written() {
    let disk = SimulatedDisk::new(1);
    // One of several blocks, one of many small records, one of a single record.
    let entries = [records(3, 40, 100_000), records(9, 5_000, 10), records(12, 0, 0)];
    {
        let (mut archive, damage, found) = open(&of(&disk), ROOM);
        assert!(damage.is_empty() && found.is_empty());
        for (id, records) in [3, 9, 12].iter().zip(&entries) {
            append(&mut archive, *id, records).unwrap();
        }
        archive.sync().unwrap();
        assert_eq!(archive.last(), Sequence(12));
    }
    for _ in 0..2 {
        let (mut archive, damage, found) = open(&of(&disk), ROOM);
        assert_eq!(damage, []);
        assert_eq!(ids(&found)[..3], [3, 9, 12]);
        for ((id, place, count, last), records) in found.iter().zip(&entries) {
            assert_eq!(*count, records.len() as u64);
            assert_eq!(last, &id.to_le_bytes());
            assert_eq!(&read(&archive, *place).unwrap(), records);
        }
        // What is appended later goes to a file of its own.
        let place = append(&mut archive, 12, &entries[2]).unwrap();
        assert!(found.iter().all(|(_, before, ..)| before.file < place.file));
    }
}

#[test]
fn the_oldest_files_go_first_and_all_together_are_never_longer_than_they_may_be() {
    let disk = SimulatedDisk::new(2);
    let max_bytes = 300_000;
    let (mut archive, ..) = open(&of(&disk), max_bytes);
    let mut places = Vec::new();
    for id in 1..=40 {
        places.push(append(&mut archive, id, &records(id, 2, 10_000)).unwrap());
        assert!(archive.bytes() <= max_bytes, "{}", archive.bytes());
    }
    archive.sync().unwrap();
    let kept: Vec<bool> = places
        .iter()
        .map(|place| read(&archive, *place).is_ok())
        .collect();
    assert!(kept.is_sorted() && !kept[0] && kept[39], "{kept:?}");
    assert!(kept.iter().filter(|kept| **kept).count() >= 10, "{kept:?}");
    let gone = read(&archive, places[0]);
    assert!(matches!(gone, Err(ArchiveError::Gone)), "{gone:?}");
    // A smaller bound counts from the next start on.
    let (archive, damage, _) = open(&of(&disk), 100_000);
    assert!(archive.bytes() <= 100_000);
    assert_eq!(damage, []);
}

#[test]
fn an_entry_that_is_longer_than_all_may_be_is_refused_and_leaves_nothing_behind() {
    let disk = SimulatedDisk::new(3);
    let (mut archive, ..) = open(&of(&disk), 200_000);
    let small = records(1, 1, 100);
    let place = append(&mut archive, 1, &small).unwrap();
    let large = records(2, 30, 10_000);
    // Known before.
    let refused = append(&mut archive, 2, &large);
    assert!(matches!(
        refused,
        Err(ArchiveError::TooLarge { max_bytes: 200_000 })
    ));
    assert_eq!(read(&archive, place).unwrap(), small);
    // Found out while it is written.
    let refused = archive.append(Sequence(2), 0, &mut large.iter().cloned());
    assert!(
        matches!(refused, Err(ArchiveError::TooLarge { .. })),
        "{refused:?}"
    );
    assert_eq!(archive.last(), Sequence(1));
    let place = append(&mut archive, 3, &records(3, 1, 100)).unwrap();
    archive.sync().unwrap();
    assert_eq!(read(&archive, place).unwrap(), records(3, 1, 100));
    let (_, damage, found) = open(&of(&disk), 200_000);
    assert_eq!((damage, *ids(&found).last().unwrap()), (Vec::new(), 3));
}

#[test]
fn when_all_entries_have_gone_it_is_still_known_which_was_the_last() {
    let disk = SimulatedDisk::new(4);
    let (mut archive, ..) = open(&of(&disk), ROOM);
    append(&mut archive, 7, &records(7, 3, 100)).unwrap();
    archive.drop_all().unwrap();
    assert_eq!(archive.bytes(), 64);
    let (mut archive, _, found) = open(&of(&disk), ROOM);
    assert_eq!((ids(&found), archive.last()), (Vec::new(), Sequence(7)));
    archive.clear().unwrap();
    let (archive, ..) = open(&of(&disk), ROOM);
    assert_eq!(archive.last(), Sequence(0));
}

#[test]
fn what_was_synced_survives_a_power_cut_at_any_call_and_nothing_is_found_in_part() {
    for seed in 0..3 {
        for calls in 0.. {
            let disk = SimulatedDisk::new(seed * 1000 + calls);
            disk.fail_after(calls, Fault::PowerCut);
            let mut synced = 0;
            let done = (|| -> Result<(), ArchiveError> {
                let (mut archive, _) = Archive::open(Arc::new(disk.clone()), 400_000, &mut |_| {})?;
                for id in 1..=14 {
                    append(&mut archive, id, &records(id, 3, 6_000))?;
                    if id % 2 == 0 {
                        archive.sync()?;
                        synced = id;
                    }
                    if id == 9 {
                        archive.begin_file();
                    }
                }
                Ok(())
            })();
            let found_disk = disk.crash();
            let (archive, damage, found) = open(&of(&found_disk), 400_000);
            let found_ids = ids(&found);
            assert!(found_ids.is_sorted(), "seed {seed}, call {calls}: {found_ids:?}");
            // Of a batch that was not synced, a later entry may be whole and an earlier one torn: that looks like damage.
            if damage.is_empty() {
                assert!(
                    found_ids.len() as u64 >= synced,
                    "seed {seed}, call {calls}: {found_ids:?}, {synced}"
                );
            }
            assert!(found_ids.iter().take_while(|id| **id <= synced).count() as u64 == synced);
            assert!(archive.last().0 >= synced);
            for (id, place, ..) in &found {
                assert_eq!(read(&archive, *place).unwrap(), records(*id, 3, 6_000));
            }
            if done.is_ok() {
                break;
            }
        }
    }
}

#[test]
fn a_full_disk_costs_the_entry_and_nothing_else() {
    let disk = SimulatedDisk::new(5);
    let (mut archive, ..) = open(&of(&disk), ROOM);
    let first = append(&mut archive, 1, &records(1, 2, 1_000)).unwrap();
    archive.sync().unwrap();
    disk.set_capacity(Some(4_000));
    let refused = append(&mut archive, 2, &records(2, 2, 10_000));
    assert!(matches!(refused, Err(ArchiveError::Io(_))), "{refused:?}");
    assert_eq!(archive.last(), Sequence(1));
    disk.set_capacity(None);
    let third = append(&mut archive, 3, &records(3, 2, 10_000)).unwrap();
    archive.sync().unwrap();
    for (id, place, bytes) in [(1, first, 1_000), (3, third, 10_000)] {
        assert_eq!(read(&archive, place).unwrap(), records(id, 2, bytes));
    }
    // Nobody knows what a failed sync has left, so the next entry goes to another file.
    let fourth = append(&mut archive, 4, &records(4, 2, 10)).unwrap();
    disk.fail_after(0, Fault::Once(io::ErrorKind::Other));
    assert!(archive.sync().is_err());
    let fifth = append(&mut archive, 5, &records(5, 2, 10)).unwrap();
    assert!(fourth.file < fifth.file);
    archive.sync().unwrap();
    let (_, damage, found) = open(&of(&disk.crash()), ROOM);
    let known = ids(&found).into_iter().filter(|id| *id != 4);
    assert_eq!((damage, known.collect::<Vec<_>>()), (Vec::new(), vec![1, 3, 5]));
}

/// A disk with three entries in one file, whose byte at this place is another one.
fn tampered(at: u64) -> (SimulatedDisk, Vec<Place>, String) {
    let disk = SimulatedDisk::new(6);
    let (mut archive, ..) = open(&of(&disk), ROOM);
    let places = (1..=3).map(|id| append(&mut archive, id, &records(id, 2, 1_000)).unwrap());
    let places = places.collect();
    archive.sync().unwrap();
    let name = disk
        .list()
        .unwrap()
        .into_iter()
        .find(|name| name.starts_with("archive-"))
        .unwrap();
    let file = disk.open(&name).unwrap();
    let mut byte = [0];
    file.read_at(at, &mut byte).unwrap();
    file.write_at(at, &[byte[0] ^ 4]).unwrap();
    file.sync_data().unwrap();
    (disk, places, name)
}

#[test]
fn damage_is_told_and_costs_what_is_behind_it_in_its_file() {
    // In the second entry.
    let (disk, places, name) = tampered(64 + 2_200 + 200);
    for _ in 0..2 {
        let (archive, damage, found) = open(&of(&disk), ROOM);
        assert_eq!(ids(&found), [1]);
        assert_eq!(damage.len(), 1);
        assert_eq!(damage[0].file, name);
        assert!(read(&archive, places[0]).is_ok());
        assert!(matches!(read(&archive, places[1]), Err(ArchiveError::Damaged(_))));
    }
    // In the header: nothing can be read, and the file is set aside.
    let (disk, _, name) = tampered(17);
    let (_, damage, found) = open(&of(&disk), ROOM);
    assert_eq!((ids(&found), damage.len()), (Vec::new(), 1));
    assert_eq!(disk.list().unwrap(), [format!("{name}.damaged")]);
    let (_, damage, _) = open(&of(&disk), ROOM);
    assert_eq!(damage, []);
}

#[test]
fn no_flipped_bit_is_believed() {
    let whole = tampered(63)
        .0
        .open("archive-00000000000000000001")
        .map(|file| file.length().unwrap());
    for at in (0..whole.unwrap()).step_by(7) {
        let (disk, ..) = tampered(at);
        let (archive, _, found) = open(&of(&disk), ROOM);
        for (id, place, ..) in &found {
            assert_eq!(
                read(&archive, *place).unwrap(),
                records(*id, 2, 1_000),
                "byte {at}"
            );
        }
    }
}

#[test]
fn memory_is_a_folder_as_well() {
    let disk = MemoryDisk::default();
    let folder = || -> Arc<dyn Disk> { Arc::new(disk.clone()) };
    let (mut archive, ..) = open(&folder, 500_000);
    for id in 1..=30 {
        append(&mut archive, id, &records(id, 3, 9_000)).unwrap();
    }
    archive.sync().unwrap();
    // Whoever reads goes on to read what has gone.
    let (archive_of_later, _, found) = open(&folder, 500_000);
    let (id, place, ..) = found[0].clone();
    let mut reader = archive_of_later.read(place).unwrap();
    archive.drop_all().unwrap();
    assert_eq!(reader.next_records().unwrap().unwrap(), records(id, 3, 9_000));
}
