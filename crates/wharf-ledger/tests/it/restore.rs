//! The state as it was before some record, in a folder of its own.

use wharf_ledger::{OpenError, RestoreError, Sequence, SimulatedDisk, restore, scan};

use crate::{append, open, record, records};

/// What a start on a copy of the state before a record has.
fn before(disk: &SimulatedDisk, number: u64) -> Result<Vec<Vec<u8>>, RestoreError> {
    let into = SimulatedDisk::new(2);
    restore(disk, &into, Sequence(number))?;
    Ok(open(&into).unwrap().2)
}

fn earliest(disk: &SimulatedDisk, number: u64) -> u64 {
    match before(disk, number).unwrap_err() {
        RestoreError::TooEarly { earliest, .. } => earliest.0,
        other => panic!("{other}"),
    }
}

#[test]
fn a_ledger_without_a_checkpoint_is_known_before_each_of_its_records() {
    let disk = SimulatedDisk::new(1);
    let (ledger, ..) = open(&disk).unwrap();
    append(&ledger, 1..=10);
    // While it is open it makes the next segment, beside what is read here.
    drop(ledger);
    let unchanged = disk.contents();
    for number in 1..=11 {
        assert_eq!(before(&disk, number).unwrap(), records(1..number));
    }
    assert!(disk.contents() == unchanged, "it is only read");
    let error = before(&disk, 12).unwrap_err();
    assert!(matches!(error, RestoreError::TooLate { .. }));
    assert_eq!(
        error.to_string(),
        "expected a record up to 11, found 12: the last one is 10"
    );
}

#[test]
fn what_a_checkpoint_has_taken_the_place_of_is_gone_and_it_is_said_what_is_left() {
    let disk = SimulatedDisk::new(1);
    let (ledger, ..) = open(&disk).unwrap();
    let at = append(&ledger, 1..=10);
    ledger.checkpoint(at, &mut records([900]).into_iter()).unwrap();
    assert_eq!(earliest(&disk, 10), 11);
    append(&ledger, 11..=15);
    for number in [0, 1, 5, 10] {
        assert_eq!(earliest(&disk, number), 11, "{number}");
    }
    assert_eq!(before(&disk, 11).unwrap(), records([900]));
    assert_eq!(before(&disk, 14).unwrap(), records([900, 11, 12, 13]));
}

#[test]
fn a_checkpoint_that_was_written_while_others_went_on_counts_from_its_end() {
    let disk = SimulatedDisk::new(1);
    let (ledger, ..) = open(&disk).unwrap();
    let at = append(&ledger, 1..=10);
    // Records 11 to 13 come while it is written: nobody knows which of their effects it has.
    let mut image = records([900]).into_iter().inspect(|_| {
        append(&ledger, 11..=13);
    });
    ledger.checkpoint(at, &mut image).unwrap();
    append(&ledger, 14..=15);
    for number in [11, 13] {
        assert_eq!(earliest(&disk, number), 14, "{number}");
    }
    assert_eq!(before(&disk, 14).unwrap(), records([900, 11, 12, 13]));
}

#[test]
fn what_is_damaged_counts_only_before_the_record() {
    let disk = SimulatedDisk::new(1);
    let (ledger, ..) = open(&disk).unwrap();
    append(&ledger, 1..=10);
    ledger.close().unwrap();
    let mut place = None;
    scan(&disk, &mut |found| {
        if found.sequence == Sequence(8) {
            place = Some((found.file.to_owned(), usize::try_from(found.offset).unwrap()));
        }
        Ok(())
    })
    .unwrap();
    let (file, offset) = place.unwrap();
    assert!(disk.flip_bit(&file, offset, 0));
    assert_eq!(before(&disk, 6).unwrap(), records(1..6));
    let error = before(&disk, 9).unwrap_err();
    assert!(
        matches!(error, RestoreError::Open(OpenError::Damaged { .. })),
        "{error}"
    );
}

#[test]
fn a_restored_ledger_goes_on() {
    let (disk, into) = (SimulatedDisk::new(1), SimulatedDisk::new(2));
    let (ledger, ..) = open(&disk).unwrap();
    append(&ledger, 1..=10);
    let restored = restore(&disk, &into, Sequence(6)).unwrap();
    assert_eq!((restored.last, restored.records), (Sequence(5), 5));
    let (ledger, recovery, _) = open(&into).unwrap();
    assert_eq!(recovery.last, Sequence(5));
    append(&ledger, [77]);
    drop(ledger);
    let (_, recovery, found) = open(&into).unwrap();
    assert_eq!(found, records((1..=5).chain([77])));
    assert_eq!(recovery.last, Sequence(6));
}

#[test]
fn it_goes_only_into_an_empty_folder_and_leaves_nothing_behind_when_it_cannot() {
    let disk = SimulatedDisk::new(1);
    let (ledger, ..) = open(&disk).unwrap();
    append(&ledger, [1]);
    let error = restore(&disk, &disk.copied(), Sequence(1)).unwrap_err();
    assert!(matches!(error, RestoreError::NotEmpty { .. }), "{error}");
    let into = SimulatedDisk::new(2);
    restore(&disk, &into, Sequence(9)).unwrap_err();
    assert!(into.contents().is_empty(), "{:?}", into.contents().keys());
    restore(&disk, &into, Sequence(2)).unwrap();
    assert_eq!(open(&into).unwrap().2, [record(1)]);
}
