//! No bytes make the OpenMetrics decoder panic or allocate more than it asks for. What it accepts it accepts again as it is encoded, and that is the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wharf_exposition::openmetrics::{Options, decode, decode_within, encode};
use wharf_fuzz::{DECODING, within_memory};
use wharf_model::Exposition;
use wharf_model::name::{EscapingScheme, NameRule};

fuzz_target!(|body: &[u8]| {
    let options = Options {
        names: NameRule::Utf8,
    };
    let decoded = within_memory(body.len(), DECODING, |memory| {
        decode_within(body, options, memory)
    });
    let Ok(exposition) = decoded else { return };
    let encoded = encode(&exposition, EscapingScheme::AllowUtf8);
    let again = match decode(&encoded, options) {
        Ok(again) => again,
        Err(error) => panic!(
            "what is encoded can be decoded: {error}\n{}",
            String::from_utf8_lossy(&encoded)
        ),
    };
    assert_eq!(shown(&exposition), shown(&again));
    let encoded_again = encode(&again, EscapingScheme::AllowUtf8);
    assert_eq!(String::from_utf8(encoded), String::from_utf8(encoded_again));
});

/// The families with their types and how many metrics they have. Values are compared as they are encoded.
fn shown(exposition: &Exposition<'_>) -> Vec<String> {
    let families = exposition.families.iter().map(|family| {
        let (name, metrics) = (exposition.text(family.name), family.metrics.len());
        format!("{name:?} {:?} {metrics}", family.metric_type)
    });
    families.collect()
}
