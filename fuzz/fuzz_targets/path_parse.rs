//! Any path behind `/metrics/job` names a group or is refused; the path that is made of the group names it again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wharf_fuzz::within_times;
use wharf_http::fuzzing::{grouping_key, grouping_path};
use wharf_model::GroupingKey;
use wharf_model::name::NameRule;

fuzz_target!(|rest: &str| {
    for names in [NameRule::Legacy, NameRule::Utf8] {
        let parsed = within_times(rest.len(), 64, 16 << 10, || grouping_key(rest, names));
        let Ok(key) = parsed else {
            continue;
        };
        assert_eq!(GroupingKey::from_bytes(key.as_bytes()).as_ref(), Ok(&key));
        assert_eq!(
            grouping_key(&grouping_path(&key, names), names).as_ref(),
            Ok(&key),
            "{key}"
        );
    }
});
