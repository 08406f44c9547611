//! Any file of histories is read as far as it can be; what was read is written, and then read as it is, undamaged. That
//! takes little more than histories may.
//!
//! The first byte chooses whether the bytes are the whole file, or the records of a frame: checksums are what a fuzzer
//! cannot guess.
#![no_main]

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use wharf_fuzz::{choice, within_times};
use wharf_history::History;

static FOLDER: LazyLock<PathBuf> = LazyLock::new(wharf_fuzz::folder);
const MAX_BYTES: usize = 1 << 16;

fuzz_target!(|bytes: &[u8]| {
    let (first, rest) = choice(bytes);
    let file = if first % 8 == 0 {
        rest.to_vec()
    } else {
        framed(rest)
    };
    fs::write(FOLDER.join("history"), file).expect("write the file");
    let history = History::new(MAX_BYTES);
    let opened = within_times(bytes.len(), 64, 1 << 20, || history.open(&FOLDER));
    opened.expect("whatever it says, the file can be read");
    let statistics = history.statistics();
    assert!(
        statistics.bytes <= MAX_BYTES || statistics.pushes <= 1,
        "{statistics:?}"
    );
    history.save().expect("write the file anew");
    let again = History::new(MAX_BYTES);
    let opened = again.open(&FOLDER).expect("read the file again");
    assert_eq!(opened.damage, None);
    assert_eq!(again.statistics(), statistics);
});

fn framed(records: &[u8]) -> Vec<u8> {
    let mut file = b"WHARFHIS\x01\0\0\0".to_vec();
    let length = u32::try_from(records.len()).expect("a fuzzer's bytes are few");
    let mut header = [length.to_le_bytes(), crc32fast::hash(records).to_le_bytes()].concat();
    header.extend_from_slice(&crc32fast::hash(&header).to_le_bytes());
    file.extend_from_slice(&header);
    file.extend_from_slice(records);
    file
}
