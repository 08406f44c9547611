//! Any bytes are a state file of the original or are refused at a place in them, and keys come once and in order.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wharf::state_file::read;

fuzz_target!(|bytes: &[u8]| {
    match read(bytes) {
        Ok(imported) => {
            let keys: Vec<_> = imported.groups.iter().map(|group| &group.key).collect();
            assert!(keys.is_sorted_by(|a, b| a < b), "{keys:?}");
            for skipped in &imported.skipped {
                assert!(skipped.to_string().len() < 8192, "{skipped}");
            }
        }
        Err(error) => assert!(error.offset() <= bytes.len(), "{error}"),
    }
});
