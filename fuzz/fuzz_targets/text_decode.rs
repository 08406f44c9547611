//! Any bytes decode within the memory that is asked for, or are refused; what decodes is written and decodes to the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wharf_exposition::text::{Options, decode, decode_within, encode};
use wharf_fuzz::{DECODING, within_memory};
use wharf_model::name::{EscapingScheme, NameRule};
use wharf_model::{Exposition, MetricType};

fuzz_target!(|body: &[u8]| {
    let strict = Options {
        names: NameRule::Utf8,
        strict: true,
    };
    let lenient = Options {
        strict: false,
        ..strict
    };
    let decoded = within_memory(body.len(), DECODING, |memory| {
        decode_within(body, lenient, memory)
    });
    let exposition = match decoded {
        Ok(exposition) => exposition,
        Err(error) => {
            assert!(error.line() > 0 && error.column() > 0);
            assert!(
                error
                    .to_string()
                    .starts_with("text format parsing error in line ")
            );
            assert!(decode(body, strict).is_err(), "strict is stricter");
            return;
        }
    };
    if !is_writable(&exposition) {
        return;
    }
    let encoded = encode(&exposition, EscapingScheme::AllowUtf8);
    let again = decode(&encoded, strict).expect("the encoder writes what the strictest decoder reads");
    assert_eq!(encode(&again, EscapingScheme::AllowUtf8), encoded);
});

/// Whether the format can express the exposition: not if a family has the name of a series of another (which the
/// store refuses), nor if a count wrapped around to what rounds to 2^64.
fn is_writable(exposition: &Exposition<'_>) -> bool {
    let names: Vec<&str> = exposition
        .families
        .iter()
        .map(|family| exposition.text(family.name))
        .collect();
    let is_free = exposition.families.iter().all(|family| {
        let name = exposition.text(family.name);
        let is_assembled = matches!(
            family.metric_type,
            MetricType::Summary | MetricType::Histogram | MetricType::GaugeHistogram
        );
        let clashes = |suffix| names.contains(&format!("{name}{suffix}").as_str());
        !is_assembled || !["_bucket", "_sum", "_count"].into_iter().any(clashes)
    });
    is_free
        && exposition
            .summaries
            .iter()
            .all(|summary| summary.count < u64::MAX - 1024)
}
