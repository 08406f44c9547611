//! No bytes make the OpenMetrics decoder panic, and what it decodes it decodes again from what is encoded.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wharf_exposition::openmetrics::{ErrorKind, Options, decode, encode};
use wharf_model::name::{EscapingScheme, NameRule};

fuzz_target!(|body: &[u8]| {
    let options = Options {
        names: NameRule::Utf8,
    };
    let Ok(exposition) = decode(body, options) else {
        return;
    };
    let encoded = encode(&exposition, EscapingScheme::AllowUtf8);
    let again = match decode(&encoded, options) {
        Ok(again) => again,
        // A counter without `_total` gets it, and then may have the name of another family.
        Err(error) if matches!(error.kind(), ErrorKind::SecondFamily { .. }) => return,
        Err(error) => panic!("what is encoded can be decoded: {error}"),
    };
    let encoded_again = encode(&again, EscapingScheme::AllowUtf8);
    assert_eq!(String::from_utf8(encoded), String::from_utf8(encoded_again));
});
