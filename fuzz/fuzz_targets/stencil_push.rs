//! Nobody can tell whether a body of text was decoded or went through a stencil.
//!
//! The input is lines of bodies, separated by lines with `--`. Each is pushed some times, with other numbers, to groups of
//! one shape, by both ways.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wharf_exposition::text::{DecodeError, Options, decode, decode_within};
use wharf_model::name::NameRule;
use wharf_model::{Exposition, GroupingKey, Meter};
use wharf_store::{KnownBody, PushMode, Reserved, Snapshot, Store, TextBody, UnixNanos};

const OPTIONS: Options = Options {
    names: NameRule::Utf8,
    strict: false,
};

struct Body<'a>(&'a str, Meter<'static>);

impl TextBody for Body<'_> {
    type Error = DecodeError;

    fn text(&self) -> &[u8] {
        self.0.as_bytes()
    }

    fn decode<'t>(&self, text: &'t [u8], memory: &Meter<'_>) -> Result<Exposition<'t>, DecodeError> {
        decode_within(text, OPTIONS, memory)
    }

    fn memory(&self) -> &Meter<'_> {
        &self.1
    }

    fn was_read(&self, _: &Exposition<'_>) {}

    fn was_known(&self, _: &KnownBody<'_>) {}
}

fuzz_target!(|input: &str| {
    let store = || Store::new(Reserved::default(), 1 << 20);
    let (fast, plain) = (store(), store());
    let mut seconds = 0;
    for body in input.split("--\n").take(4) {
        // The first two teach, others are what was learned for.
        for (turn, digit) in ["1", "2", "", "907"].into_iter().enumerate() {
            seconds += 1;
            let now = UnixNanos(seconds * 1_000_000_000);
            let instance = ["a", "b \"q\"\\", "", "a"][turn];
            let key = GroupingKey::new([("job", "j"), ("instance", instance)]).expect("constants");
            // The last digit of each line, which is part of its value, becomes another one.
            let text: String = body
                .split_inclusive('\n')
                .map(
                    |line| match line.trim_end().strip_suffix(|c: char| c.is_ascii_digit()) {
                        Some(rest) if !digit.is_empty() => format!("{rest}{digit}\n"),
                        _ => line.to_owned(),
                    },
                )
                .collect();
            for mode in [PushMode::ReplaceGroup, PushMode::ReplaceFamilies] {
                let by_text = match fast.push_text(&key, mode, &Body(&text, Meter::unlimited()), None, now) {
                    Ok(pushed) => pushed.map(drop).map_err(|error| error.to_string()),
                    Err(error) => Err(error.to_string()),
                };
                let decoded = match decode(text.as_bytes(), OPTIONS) {
                    Ok(exposition) => plain
                        .push(&key, mode, &exposition, now)
                        .map(drop)
                        .map_err(|error| error.to_string()),
                    Err(error) => Err(error.to_string()),
                };
                assert_eq!(by_text, decoded, "{text:?}");
                assert_eq!(shown(&fast.snapshot()), shown(&plain.snapshot()), "{text:?}");
            }
        }
    }
});

fn shown(snapshot: &Snapshot) -> Vec<u8> {
    let mut all = Vec::new();
    for family in snapshot.families() {
        all.extend_from_slice(&family.header().text());
        for leaf in family.leaves() {
            all.extend_from_slice(&leaf.piece().text());
        }
    }
    all
}
