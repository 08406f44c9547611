//! A push of text goes through a stencil or through the decoder, and nobody can tell which.

use std::cell::Cell;

use proptest::prelude::*;
use wharf_exposition::text::{self, DecodeError};
use wharf_model::name::NameRule;
use wharf_model::{Exposition, Meter};
use wharf_store::{KnownBody, PushMode, Reserved, Store, TextBody, UnixNanos};

use crate::{exposition, key, store};

const OPTIONS: text::Options = text::Options {
    names: NameRule::Utf8,
    strict: false,
};

/// A body that counts how often anything was decoded for it, and how many series it was seen to have.
struct Counted<'a> {
    text: &'a str,
    decoded: Cell<usize>,
    series: Cell<Option<u64>>,
    memory: Meter<'static>,
}

impl TextBody for Counted<'_> {
    type Error = DecodeError;

    fn text(&self) -> &[u8] {
        self.text.as_bytes()
    }

    fn decode<'t>(&self, text: &'t [u8], memory: &Meter<'_>) -> Result<Exposition<'t>, DecodeError> {
        self.decoded.set(self.decoded.get() + 1);
        text::decode_within(text, OPTIONS, memory)
    }

    fn memory(&self) -> &Meter<'_> {
        &self.memory
    }

    fn was_read(&self, _: &Exposition<'_>) {}

    fn was_known(&self, known: &KnownBody<'_>) {
        assert_eq!(self.series.replace(Some(known.series())), None);
    }
}

/// Pushes text; how often it was decoded for that.
pub(crate) fn push_text(
    store: &Store,
    mode: PushMode,
    path: &str,
    text: &str,
    now: UnixNanos,
) -> (Result<(), String>, usize) {
    let body = Counted {
        text,
        decoded: Cell::new(0),
        series: Cell::new(None),
        memory: Meter::unlimited(),
    };
    let pushed = match store.push_text(&key(path), mode, &body, None, now) {
        Ok(pushed) => pushed.map(drop).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    // A line may say again what another has said, and a bucket that is added makes a body that has no stencil.
    let lines = text
        .lines()
        .filter(|line| !line.trim_start().starts_with('#') && !line.is_empty());
    let own = lines
        .filter(|line| !line.starts_with("push_time_seconds"))
        .count() as u64;
    assert!(
        body.series.get().is_none_or(|series| (1..=own).contains(&series)),
        "{text:?}"
    );
    (pushed, body.decoded.get())
}

/// Pushes text in the way that reads every body.
fn push_decoded(store: &Store, mode: PushMode, path: &str, body: &str, now: UnixNanos) -> Result<(), String> {
    let exposition = text::decode(body.as_bytes(), OPTIONS).map_err(|error| error.to_string())?;
    let pushed = store.push(&key(path), mode, &exposition, now);
    pushed.map(drop).map_err(|error| error.to_string())
}

/// Bodies with holes for values. Some are refused, some have no stencil.
const BODIES: &[&str] = &[
    "m _\n",
    "# HELP m Is 5.\n# TYPE m counter\nm{a=\"1\"} _\nm{a=\"2\"} _\n",
    "m{b=\"x\",a=\"y\"} _\nm{a=\"x\",b=\"z\"} _\n# odd 7\n\nn _\n",
    "# TYPE h histogram\nh_bucket{le=\"1\"} _\nh_bucket{le=\"+Inf\"} _\nh_sum _\nh_count _\n",
    "# TYPE h histogram\nh_bucket{le=\"0.50\",x=\"a\"} _\nh_bucket{x=\"b\",le=\"+Inf\"} _\nh_count{x=\"b\"} _\nh_sum{x=\"a\"} _\n",
    "# TYPE h histogram\nh_bucket{le=\"1\"} _\nh_sum _\nh_count _\n",
    "# TYPE s summary\ns{quantile=\"0.5\"} _\ns{quantile=\"0.9\"} _\ns_sum _\ns_count _\n",
    "# TYPE s summary\ns_count _\ns_count _\ns_sum _\n",
    "m{job=\"other\",instance=\"q\"} _\n",
    "m{a=\"\"} _\nm{b=\"\"} _\nm _\n",
    "m{text=\"a b \\\"c\\\" \\\\ \\n d\"} _\n",
    "{\"odd.name\",\"l.x\"=\"1\"} _\n",
    "m _ 1700000000000\n",
    "m 5 _\n",
    "  # TYPE m _\nm _\n",
    "push_time_seconds _\nm _\n",
    "m _\nm _\n",
    "m{a=\"1\"} _\nm{a=\"1\"} _\n",
    "# TYPE m gauge\n# TYPE m gauge\nm _\n",
    "m  _\n n _\n",
    " \nm _\n",
    " _\nm _\n",
    "m _\r\n",
    "m _",
    "# TYPE m counter\nm{a=\"9\"} _\n",
    "reserved _\n",
];

const GROUPS: &[&str] = &[
    "job/a",
    "job/a/instance/1",
    "job/a/instance/b c",
    "job/a/instance/",
    "job/a/b/\"q\"\\/a/x",
    "job/zz/b//a/x",
];

const VALUES: &[&str] = &[
    "0",
    "1",
    "7",
    "007",
    "123456",
    "1234567",
    "999999999999999",
    "1000000000000000",
    "18446744073709551616",
    "1.5",
    "-0",
    "-0.0",
    "-3",
    "+4",
    "1e3",
    "1e-7",
    "1e400",
    "NaN",
    "+Inf",
    "-Inf",
    "0.1",
    "x",
    "",
];

fn fill(body: &str, values: &[usize]) -> String {
    let mut values = values.iter().cycle();
    body.chars()
        .map(|char| match char {
            '_' => VALUES[*values.next().unwrap()].to_owned(),
            other => other.to_string(),
        })
        .collect()
}

/// The names with an underscore in them, which [`fill`] would take for a hole.
fn body_of(index: usize, values: &[usize]) -> String {
    let spelled = BODIES[index]
        .replace("h_", "h\u{1}")
        .replace("s_", "s\u{1}")
        .replace("push_time_seconds", "push\u{1}time\u{1}seconds");
    fill(&spelled, values).replace('\u{1}', "_")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    #[cfg_attr(miri, ignore = "too large for an interpreter")]
    fn nobody_can_tell_whether_a_body_was_decoded(
        pushes in prop::collection::vec(
            (0..BODIES.len(), 0..GROUPS.len(), prop::collection::vec(0..VALUES.len() + 30, 1..6), any::<bool>(), 2..5_usize),
            1..12,
        ),
    ) {
        let (fast, plain) = (store(), store());
        let mut now = 0;
        for (body, group, values, replaces, times) in pushes {
            // Most values are plain numbers: a body that nobody takes teaches nothing.
            let values: Vec<usize> = values.into_iter().map(|value| if value < VALUES.len() { value } else { value % 5 }).collect();
            let mode = if replaces { PushMode::ReplaceGroup } else { PushMode::ReplaceFamilies };
            for again in 0..times {
                now += 1;
                let values: Vec<usize> = values.iter().map(|value| if again + 1 == times { *value } else { again }).collect();
                let text = body_of(body, &values);
                let at = UnixNanos(now * 1_500_000_000);
                let (by_text, _) = push_text(&fast, mode, GROUPS[group], &text, at);
                let decoded = push_decoded(&plain, mode, GROUPS[group], &text, at);
                prop_assert_eq!(by_text, decoded, "{:?}", text);
                prop_assert_eq!(exposition(&fast.snapshot()), exposition(&plain.snapshot()), "{:?}", text);
            }
        }
    }
}

#[test]
fn a_body_that_comes_often_is_decoded_no_more() {
    let store = store();
    let body = |value: u32| format!("# TYPE m gauge\nm{{a=\"1\"}} {value}\nm{{a=\"2\"}} {value}.5\n");
    let mut decoded = Vec::new();
    for value in 0..5 {
        // Each goes to another group; the names of their labels are the same.
        let group = format!("job/j/instance/{value}");
        let now = UnixNanos(i64::from(value) * 1_000_000_000);
        let (pushed, times) = push_text(&store, PushMode::ReplaceGroup, &group, &body(value), now);
        pushed.unwrap();
        decoded.push(times);
    }
    // Once as it came; once more with marks, to learn from.
    assert_eq!(decoded, [1, 2, 0, 0, 0]);
    let (_, other_labels) = push_text(&store, PushMode::ReplaceGroup, "job/k", &body(9), UnixNanos(9));
    assert_eq!(other_labels, 1);
    let text = exposition(&store.snapshot());
    assert!(
        text.contains("m{a=\"2\",instance=\"4\",job=\"j\"} 4.5\n"),
        "{text}"
    );
}

#[test]
fn a_body_that_cannot_be_learned_is_tried_once() {
    let store = store();
    // The order of these two depends on the group.
    let body = "m{a=\"x\"} 1\nm{z=\"x\"} 2\n";
    let decoded: Vec<usize> = (0..4)
        .map(|_| push_text(&store, PushMode::ReplaceGroup, "job/j", body, UnixNanos(1)).1)
        .collect();
    assert_eq!(decoded, [1, 2, 1, 1]);
}

#[test]
#[cfg_attr(miri, ignore = "too large for an interpreter")]
fn a_stencil_that_would_be_large_is_not_kept() {
    let store = store();
    let lines: Vec<String> = (0..500).map(|n| format!("m{{n=\"{n}\"}} 1\n")).collect();
    let body = lines.concat();
    let path = format!("job/j/{}/x", "label".repeat(100));
    let decoded: Vec<usize> = (0..4)
        .map(|_| push_text(&store, PushMode::ReplaceGroup, &path, &body, UnixNanos(1)).1)
        .collect();
    assert_eq!(decoded, [1, 2, 1, 1]);
}

#[test]
fn what_a_value_decides_is_still_decided() {
    let store = store();
    let body = |count: &str| {
        format!("# TYPE h histogram\nh_bucket{{le=\"+Inf\"}} {count}\nh_sum 1\nh_count {count}\n")
    };
    for count in ["1", "2", "3"] {
        push_text(
            &store,
            PushMode::ReplaceGroup,
            "job/j",
            &body(count),
            UnixNanos(1),
        )
        .0
        .unwrap();
    }
    let (refused, _) = push_text(&store, PushMode::ReplaceGroup, "job/j", &body("-1"), UnixNanos(1));
    assert!(refused.is_err_and(|error| error.contains("no less than 0")));
    // A fraction of an observation is kept exactly, beside the text.
    push_text(
        &store,
        PushMode::ReplaceGroup,
        "job/j",
        &body("1.5"),
        UnixNanos(1),
    )
    .0
    .unwrap();
    let snapshot = store.snapshot();
    let family = snapshot.families().find(|family| family.name() == "h").unwrap();
    let counts = family.fragments().next().unwrap().decode(|exposition, family| {
        let wharf_model::Value::Histogram(index) = family.metrics[0].value else {
            return None;
        };
        exposition.histogram(index).map(|histogram| histogram.count)
    });
    assert_eq!(counts, Some(wharf_model::Count::Float(1.5)));
}

#[test]
fn a_value_without_a_series_is_not_taken_for_a_blank_line() {
    let store = store();
    let push = |body| push_text(&store, PushMode::ReplaceGroup, "job/j", body, UnixNanos(1)).0;
    for _ in 0..3 {
        push(" \nm 1\n").unwrap();
    }
    assert!(push(" 5\nm 2\n").is_err());
    let text = exposition(&store.snapshot());
    assert!(text.contains("m{instance=\"\",job=\"j\"} 1\n"), "{text}");
}

#[test]
fn all_labels_of_a_group_are_holes() {
    let store = store();
    let mut decoded = Vec::new();
    for value in 0..4 {
        let labels: Vec<String> = (0..60).map(|n| format!("/l{n}/{value}-{n}")).collect();
        let path = format!("job/j{}", labels.concat());
        let (pushed, times) = push_text(
            &store,
            PushMode::ReplaceGroup,
            &path,
            "m{l=\"0\"} 1\n",
            UnixNanos(1),
        );
        pushed.unwrap();
        decoded.push(times);
    }
    assert_eq!(decoded, [1, 2, 0, 0]);
    let text = exposition(&store.snapshot());
    assert!(
        text.contains("l=\"0\",l0=\"3-0\",l1=\"3-1\",l10=\"3-10\""),
        "{text}"
    );
    assert!(text.contains(",l9=\"3-9\"} 1\n"), "{text}");
}

#[test]
fn the_limit_on_one_push_holds() {
    let store = Store::new(Reserved::default(), 200);
    let body = "m{a=\"1\"} 1\nm{a=\"2\"} 1\n";
    for instance in ["1", "2", "3"] {
        let path = format!("job/j/instance/{instance}");
        push_text(&store, PushMode::ReplaceGroup, &path, body, UnixNanos(1))
            .0
            .unwrap();
    }
    let long = format!("job/j/instance/{}", "x".repeat(100));
    let (refused, _) = push_text(&store, PushMode::ReplaceGroup, &long, body, UnixNanos(1));
    assert!(refused.is_err());
    assert!(!exposition(&store.snapshot()).contains("xxx"));
}
