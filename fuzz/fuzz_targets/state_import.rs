//! Any bytes are a state file of the original or are refused at a place in them, and keys come once and in order. Either way
//! that takes a small multiple of their number.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wharf::import::read;
use wharf_fuzz::within_times;

/// What is left out is listed, up to a limit.
const LISTED: usize = 4 << 20;

fuzz_target!(|bytes: &[u8]| {
    match within_times(bytes.len(), 64, LISTED, || read(bytes)) {
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
