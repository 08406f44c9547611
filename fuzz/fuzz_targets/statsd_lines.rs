//! Any lines are read or refused, in every dialect: each sample once, with tags that have a key and a value, and a line means the same
//! whatever was read before it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wharf_statsd::{Dialect, Item, Measure, Reader, escape_name};

fuzz_target!(|input: &[u8]| {
    let Some((dialect, input)) = input.split_first() else {
        return;
    };
    let dialect = Dialect {
        dogstatsd: dialect & 1 == 0,
        influxdb: dialect & 2 == 0,
        librato: dialect & 4 == 0,
        signalfx: dialect & 8 == 0,
    };
    let mut reader = Reader::new(dialect);
    for line in input.split(|byte| *byte == b'\n') {
        let before = reader.counts().samples;
        let mut shown = Vec::new();
        reader.read(line, |item| {
            look(&item);
            shown.push(format!("{item:?}"));
        });
        let counted = usize::try_from(reader.counts().samples - before).expect("a line is short");
        let mut fresh = Reader::new(dialect);
        let mut again = Vec::new();
        fresh.read(line, |item| again.push(format!("{item:?}")));
        assert_eq!(shown, again);
        let others = fresh.counts().events + fresh.counts().checks;
        assert!(shown.len() <= counted + usize::try_from(others).expect("a line is short"));
    }
});

fn look(item: &Item<'_>) {
    let tags = match item {
        Item::Sample(sample) => sample.tags,
        Item::Event(event) => event.tags,
        Item::Check(check) => check.tags,
    };
    for tag in tags {
        assert!(!tag.key.is_empty() && !tag.value.is_empty(), "{tag:?}");
        let name = escape_name(tag.key);
        assert!(
            wharf_model::name::is_legacy_label_name(&name),
            "{tag:?} became {name}"
        );
    }
    if let Item::Sample(sample) = item {
        match sample.measure {
            Measure::Observation { times, .. } => assert!((1..=1_000_000).contains(&times)),
            Measure::Member(member) => assert!(!member.is_empty()),
            Measure::Count(_) | Measure::Gauge { .. } => {}
        }
    }
}
