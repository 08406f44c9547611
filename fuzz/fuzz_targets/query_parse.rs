//! Any query is read or refused; a selector in it comes to the same as one that was quoted by hand.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wharf_http::fuzzing::{delete_query, list_query, parameters, selectors};

fuzz_target!(|query: &str| {
    let pairs = parameters(query);
    if let Ok(pairs) = &pairs {
        let encode = |text: &str| {
            text.bytes()
                .map(|byte| format!("%{byte:02x}"))
                .collect::<String>()
        };
        let again: Vec<String> = pairs
            .iter()
            .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
            .collect();
        assert_eq!(parameters(&again.join("&")).as_ref(), Ok(pairs));
    }
    let found = selectors(query);
    for accepted in [list_query(query), delete_query(query)] {
        assert!(accepted.is_err() || (pairs.is_ok() && found.is_ok()), "{query:?}");
    }
});
