//! Any body expands to no more than the limit or is refused, in every encoding; whatever it is, advice on it is made of
//! hints. The first byte chooses the encoding, and which format the body is said to be in.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wharf_fuzz::{EXPANDING, choice, within_memory};
use wharf_http::fuzzing::{advice_on_body, expand, expand_quickly, expand_within};

const ENCODINGS: [&str; 5] = ["gzip", "snappy", "zstd", "deflate", "identity"];

const TYPES: [&str; 5] = [
    "text/plain",
    "application/openmetrics-text",
    "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited",
    "application/x-www-form-urlencoded",
    "multipart/form-data",
];

fuzz_target!(|bytes: &[u8]| {
    let (first, body) = choice(bytes);
    let encoding = ENCODINGS[usize::from(first) % ENCODINGS.len()];
    let content_type = TYPES[usize::from(first) / ENCODINGS.len() % TYPES.len()];
    let limit = 1 << 20;
    let expanded = within_memory(body.len(), EXPANDING, |memory| {
        expand_within(encoding, body, limit, memory)
    });
    match &expanded {
        Ok(whole) => assert!(whole.len() <= limit),
        Err(text) => assert!(!text.is_empty()),
    }
    let advice = advice_on_body(encoding, content_type, expanded.as_deref().unwrap_or(body));
    assert!(
        advice.lines().skip(1).all(|line| line.starts_with("hint: ")),
        "{advice}"
    );
    // What is quick comes to the same.
    match expand_quickly(encoding, body, limit) {
        Ok(Some(quick)) => assert_eq!(expanded.as_deref().ok(), Some(&*quick)),
        Ok(None) => {}
        Err(text) => assert!(expanded.as_ref().is_err_and(|whole| whole.starts_with(&text))),
    }
    // A smaller limit changes nothing but that what is larger is refused.
    let (small, expanded) = (expand(encoding, body, 100), expanded.ok());
    if encoding != "identity" {
        assert_eq!(small.ok(), expanded.filter(|whole| whole.len() <= 100));
    }
});
