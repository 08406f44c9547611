//! Any body expands to no more than the limit or is refused, in every encoding. The first byte chooses the encoding.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wharf_fuzz::choice;
use wharf_http::fuzzing::expand;

const ENCODINGS: [&str; 5] = ["gzip", "snappy", "zstd", "deflate", "identity"];

fuzz_target!(|bytes: &[u8]| {
    let (first, body) = choice(bytes);
    let encoding = ENCODINGS[usize::from(first) % ENCODINGS.len()];
    let limit = 1 << 20;
    let expanded = expand(encoding, body, limit);
    match &expanded {
        Ok(whole) => assert!(whole.len() <= limit),
        Err(text) => assert!(!text.is_empty()),
    }
    // A smaller limit changes nothing but that what is larger is refused.
    let (small, expanded) = (expand(encoding, body, 100), expanded.ok());
    if encoding != "identity" {
        assert_eq!(small.ok(), expanded.filter(|whole| whole.len() <= 100));
    }
});
