//! Any text is a selector or is refused at a place in it; what is one prints as itself, and matches without panic. Expressions take little
//! memory however short they are.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wharf_fuzz::within_times;
use wharf_model::{GroupingKey, Selector};

/// What expressions may be compiled to, and what that takes.
const COMPILED: usize = 32 << 20;

fuzz_target!(|text: &str| {
    let selector: Selector = match within_times(text.len(), 64, COMPILED, || text.parse::<Selector>()) {
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
