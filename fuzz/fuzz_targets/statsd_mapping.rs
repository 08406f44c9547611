//! Any rules are made or refused with a text, and what they make of lines has valid names.
//!
//! The lines stand in front, up to an empty line; the rest is the file.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wharf_model::name::{is_legacy_label_name, is_legacy_metric_name};
use wharf_statsd::{Dialect, Item, Mapping, Outcome, Reader, Update};

fuzz_target!(|input: &str| {
    let Some((lines, file)) = input.split_once("\n\n") else {
        return;
    };
    let mapping = match Mapping::read(file) {
        Ok(mapping) => mapping,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    let mut reader = Reader::new(Dialect::default());
    for line in lines.lines() {
        reader.read(line.as_bytes(), |item| {
            let Item::Sample(sample) = item else { return };
            let resolved = mapping.resolve(&sample);
            assert!(resolved.rule.is_none_or(|index| index < mapping.rules().len()));
            let Outcome::Series(series) = resolved.outcome else {
                return;
            };
            assert!(is_legacy_metric_name(&series.name), "{series:?}");
            for label in series.labels.keys() {
                assert!(
                    is_legacy_label_name(label) && !label.starts_with("__"),
                    "{series:?}"
                );
            }
            if let Update::Add(value) = series.update {
                assert!(value.is_finite() && value >= 0.0, "{series:?}");
            }
        });
    }
});
