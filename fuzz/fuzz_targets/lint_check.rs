//! Whatever metrics are, what is unwise about them stands at a place in them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wharf::lint::{Options, Place, Syntax, check_as};

fuzz_target!(|body: &[u8]| {
    for syntax in [Syntax::Text, Syntax::OpenMetrics, Syntax::Protobuf] {
        let report = check_as(syntax, body, Options::default());
        for finding in &report.findings {
            match finding.place {
                Place::Text { line, column } => {
                    assert!(line > 0 && column > 0, "{finding:?}");
                    assert!(line <= body.split(|byte| *byte == b'\n').count(), "{finding:?}");
                }
                Place::Byte(at) => assert!(at <= body.len(), "{finding:?}"),
                Place::Family | Place::Metric(_) => assert!(finding.family.is_some(), "{finding:?}"),
            }
        }
    }
});
