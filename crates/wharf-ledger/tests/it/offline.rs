//! Check, scan, repair and backup.

use std::{
    io,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use wharf_ledger::{
    BackupError, Disk, DiskFile, DiskLock, LockError, Sequence, SimulatedDisk, backup, check, repair, scan,
};

use crate::{append, open, record, records};

/// A disk that lists, one a listing, files which are gone when they are opened: a gateway has removed them in between.
#[derive(Debug)]
struct Vanishing {
    disk: SimulatedDisk,
    names: Mutex<Vec<&'static str>>,
}

impl Disk for Vanishing {
    fn describe(&self) -> String {
        self.disk.describe()
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        self.disk.create(name)
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        self.disk.open(name)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(name)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = self.disk.list()?;
        names.extend(self.names.lock().unwrap().pop().map(str::to_owned));
        Ok(names)
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.disk.sync_dir()
    }

    fn lock(&self) -> Result<Box<dyn DiskLock>, LockError> {
        self.disk.lock()
    }
}

/// The file and place of the block with the record, as `scan` says.
fn find(disk: &SimulatedDisk, sequence: u64) -> (String, usize) {
    let mut place = None;
    scan(disk, &mut |found| {
        if found.sequence == Sequence(sequence) {
            place = Some((found.file.to_owned(), usize::try_from(found.offset).unwrap()));
        }
        Ok(())
    })
    .unwrap();
    place.unwrap()
}

#[test]
fn scan_says_where_each_record_stands() {
    let disk = SimulatedDisk::new(1);
    let (ledger, ..) = open(&disk).unwrap();
    let at = append(&ledger, 1..=5);
    ledger.checkpoint(at, &mut records([900]).into_iter()).unwrap();
    append(&ledger, 6..=9);
    drop(ledger);
    let contents = disk.contents();
    let mut found = Vec::new();
    scan(&disk, &mut |place| {
        let at = usize::try_from(place.offset).unwrap();
        assert!(contents[place.file][at..].starts_with(place.record));
        found.push((place.checkpoint, place.sequence.0));
        Ok(())
    })
    .unwrap();
    assert_eq!(found, [(true, 5), (false, 6), (false, 7), (false, 8), (false, 9)]);
}

#[test]
fn check_finds_nothing_to_say_about_a_ledger_in_use() {
    let disk = SimulatedDisk::new(1);
    let (ledger, ..) = open(&disk).unwrap();
    append(&ledger, 1..=100);
    let report = check(&disk).unwrap();
    assert_eq!(report.damage, None);
    assert_eq!(report.recovery.unwrap().log_records, 100);
    assert!(report.files.iter().any(|file| file.kind == "log segment"));
}

#[test]
fn check_leaves_out_what_goes_away_while_it_looks() {
    let (disk, names) = (SimulatedDisk::new(1), Mutex::default());
    let (ledger, ..) = open(&disk).unwrap();
    append(&ledger, 1..=100);
    let disk = Vanishing { disk, names };
    disk.names
        .lock()
        .unwrap()
        .extend(["log-00000000000000000002.tmp"; 2]);
    let report = check(&disk).unwrap();
    assert_eq!(report.recovery.unwrap().log_records, 100);
    assert!(report.files.iter().all(|file| file.kind != "leftover"));
}

#[test]
fn check_and_backup_read_again_what_a_checkpoint_has_taken_away() {
    let (disk, names) = (SimulatedDisk::new(1), Mutex::default());
    let (ledger, ..) = open(&disk).unwrap();
    append(&ledger, 1..=100);
    let disk = Vanishing { disk, names };
    let segment = "log-00000000000000000099";
    disk.names.lock().unwrap().push(segment);
    let report = check(&disk).unwrap();
    assert_eq!(report.damage, None);
    assert_eq!(report.recovery.unwrap().log_records, 100);
    disk.names.lock().unwrap().push(segment);
    let copy = SimulatedDisk::new(2);
    assert_eq!(backup(&disk, &copy).unwrap().log_records, 100);
}

#[test]
fn repair_leaves_a_sound_ledger_alone() {
    let disk = SimulatedDisk::new(1);
    let (ledger, ..) = open(&disk).unwrap();
    append(&ledger, 1..=100);
    repair(&disk).unwrap_err();
    drop(ledger);
    let before = disk.contents();
    let repaired = repair(&disk).unwrap();
    assert_eq!(repaired.damage, None);
    assert_eq!(disk.contents(), before);
}

#[test]
fn repair_saves_everything_but_the_damaged_block() {
    let disk = SimulatedDisk::new(1);
    let (ledger, ..) = open(&disk).unwrap();
    append(&ledger, 1..=100);
    ledger.close().unwrap();
    let (file, offset) = find(&disk, 50);
    assert!(disk.flip_bit(&file, offset, 0));
    let damaged = disk.contents()[&file].clone();
    let repaired = repair(&disk).unwrap();
    assert_eq!(repaired.lost, [(Sequence(50), Sequence(50))]);
    assert_eq!(repaired.records, 99);
    assert_eq!(repaired.kept, [format!("{file}.damaged")]);
    assert_eq!(disk.contents()[&repaired.kept[0]], damaged);
    let (ledger, recovery, found) = open(&disk).unwrap();
    assert_eq!(found, records((1..=49).chain(51..=100)));
    assert_eq!(recovery.last, repaired.checkpoint);
    append(&ledger, [101]);
    drop(ledger);
    assert_eq!(open(&disk).unwrap().2.len(), 100);
}

#[test]
fn repair_saves_what_follows_a_damaged_header() {
    let disk = SimulatedDisk::new(1);
    let (ledger, ..) = open(&disk).unwrap();
    append(&ledger, 1..=100);
    ledger.close().unwrap();
    let (file, _) = find(&disk, 50);
    assert!(disk.flip_bit(&file, 20, 0));
    let repaired = repair(&disk).unwrap();
    assert_eq!((repaired.records, repaired.lost.len()), (100, 0), "{repaired:?}");
    assert_eq!(open(&disk).unwrap().2, records(1..=100));
}

#[test]
fn repair_saves_the_readable_part_of_a_checkpoint() {
    let disk = SimulatedDisk::new(1);
    let (ledger, ..) = open(&disk).unwrap();
    let at = append(&ledger, 1..=10);
    let large = |fill: u8| vec![fill; 1 << 20];
    ledger.checkpoint(at, &mut (0..4).map(large)).unwrap();
    append(&ledger, 11..=12);
    ledger.close().unwrap();
    assert!(disk.flip_bit("checkpoint-00000000000000000010", 1_500_000, 0));
    let error = open(&disk).unwrap_err().to_string();
    assert!(
        error.contains("beyond the first 1 records of this checkpoint"),
        "{error}"
    );
    let repaired = repair(&disk).unwrap();
    assert!(repaired.checkpoint_damaged);
    let found = open(&disk).unwrap().2;
    assert_eq!(found, [large(0), large(2), large(3), record(11), record(12)]);
}

#[test]
fn a_backup_of_a_ledger_in_use_has_all_that_was_acknowledged() {
    let disk = SimulatedDisk::new(1);
    let (ledger, ..) = open(&disk).unwrap();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut number = 0;
            while !done.load(Ordering::Relaxed) {
                let at = append(&ledger, number..number + 20);
                number += 20;
                if number % 100 == 0 {
                    ledger
                        .checkpoint(at, &mut records(0..number).into_iter())
                        .unwrap();
                }
            }
        });
        for _ in 0..10 {
            let durable = ledger.durable();
            let into = SimulatedDisk::new(2);
            let recovery = backup(&disk, &into).unwrap();
            assert!(recovery.last >= durable);
            let found = open(&into).unwrap().2;
            assert_eq!(found, records(0..recovery.last.0));
        }
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_backup_goes_only_into_an_empty_folder() {
    let disk = SimulatedDisk::new(1);
    drop(open(&disk).unwrap());
    let error = backup(&disk, &disk.copied()).unwrap_err();
    assert!(matches!(error, BackupError::NotEmpty { .. }), "{error}");
}
