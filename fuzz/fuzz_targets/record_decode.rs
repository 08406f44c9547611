//! Any bytes from the disk are a record or are refused, and what is one is replayed without panic, within a small multiple of their
//! number.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wharf_fuzz::within_times;
use wharf_store::{Reserved, Store, describe_record};

fuzz_target!(|bytes: &[u8]| {
    let store = Store::new(Reserved::default(), 1 << 20);
    let is_described = within_times(bytes.len(), 256, 64 << 10, || describe_record(bytes).is_ok());
    let is_replayed = within_times(bytes.len(), 256, 64 << 10, || store.replay(bytes).is_ok());
    assert_eq!(is_replayed, is_described);
    store.snapshot().fragments_in_turn().for_each(drop);
});
