//! Any line of a backup is read within the memory that is asked for, or refused; as it is written again, it says the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wharf_fuzz::within_memory;
use wharf_http::fuzzing::backup_line;
use wharf_model::Meter;

fuzz_target!(|bytes: &[u8]| {
    let line = match within_memory(bytes.len(), |memory| backup_line(bytes, memory)) {
        Ok(line) => line,
        Err(text) => {
            assert!(!text.is_empty());
            return;
        }
    };
    let written = serde_json::to_vec(&line).expect("what was read can be written");
    let again = backup_line(&written, &Meter::unlimited());
    assert_eq!(again, Ok(line));
});
