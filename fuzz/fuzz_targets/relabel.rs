//! Any rule is made or refused, and what is left of a push has valid names and no empty family. All of it is made within the memory
//! that is asked for.
//!
//! The input has lines: action, source labels, separator, regular expression, target label, replacement. The rest is the
//! push.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wharf_exposition::text::{Options, decode_within};
use wharf_fuzz::within_memory;
use wharf_model::GroupingKey;
use wharf_model::name::NameRule;
use wharf_relabel::{Rule, RuleSource, relabel_within};

fuzz_target!(|input: &str| {
    let mut lines = input.splitn(7, '\n');
    let mut next = || lines.next().filter(|line| !line.is_empty()).map(str::to_owned);
    let action = next().and_then(|action| action.parse().ok());
    let source = RuleSource {
        action,
        source_labels: next().map(|labels| labels.split(',').map(str::to_owned).collect()),
        separator: next(),
        regex: next(),
        modulus: Some(7),
        target_label: next(),
        replacement: next(),
    };
    let body = next().unwrap_or_default();
    let key = GroupingKey::new([("job", "a"), ("instance", "1")]).expect("a constant");
    for names in [NameRule::Legacy, NameRule::Utf8] {
        let Ok(rule) = Rule::new(source.clone(), names) else {
            continue;
        };
        let options = Options { names, strict: false };
        let rules = [rule];
        let relabelled = within_memory(body.len(), |memory| {
            let mut exposition = decode_within(body.as_bytes(), options, memory).ok()?;
            relabel_within(&rules, &key, &mut exposition, names, memory).ok()?;
            Some(exposition)
        });
        let Some(exposition) = relabelled else {
            continue;
        };
        for family in &exposition.families {
            let name = exposition.text(family.name);
            assert!(names.allows_metric_name(name), "{name}");
            assert!(!family.metrics.is_empty(), "{name}");
        }
    }
});
