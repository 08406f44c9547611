//! Whatever a text is, what is unwise about it stands at a place in it, and is found within a small multiple of its length.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wharf::lint::{Options, check};
use wharf_fuzz::within_times;

fuzz_target!(|body: &[u8]| {
    let report = within_times(body.len(), 256, 1 << 20, || check(body, Options::default()));
    for finding in &report.findings {
        assert!(finding.line > 0 && finding.column > 0, "{finding:?}");
        assert!(
            finding.line <= body.split(|byte| *byte == b'\n').count(),
            "{finding:?}"
        );
    }
});
