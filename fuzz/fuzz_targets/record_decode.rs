//! Any bytes from the disk are a record or are refused, and what is one is replayed without panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wharf_store::{Reserved, Store, describe_record};

fuzz_target!(|bytes: &[u8]| {
    let store = Store::new(Reserved::default(), 1 << 20);
    assert_eq!(store.replay(bytes).is_ok(), describe_record(bytes).is_ok());
    let snapshot = store.snapshot();
    for group in snapshot.groups_in_turn() {
        group.fragments().for_each(drop);
    }
});
