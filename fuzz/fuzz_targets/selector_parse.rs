//! Any text is a selector or is refused at a place in it; what is one prints as itself, and matches without panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wharf_model::{GroupingKey, Selector};

fuzz_target!(|text: &str| {
    let selector: Selector = match text.parse() {
        Ok(selector) => selector,
        Err(error) => {
            assert!(
                (1..=text.chars().count() + 1).contains(&error.column()),
                "{error}"
            );
            return;
        }
    };
    let printed = selector.to_string();
    // Escapes may be longer than what they stand for.
    if printed.len() <= wharf_model::MAX_SELECTOR_BYTES {
        assert_eq!(printed.parse(), Ok(selector.clone()));
    }
    let key = GroupingKey::new([("job", text), ("env", "dev")]);
    for key in key.into_iter().chain(GroupingKey::new([("job", "ci-1")])) {
        selector.matches(&key);
    }
});
