//! Pushes of those who have little patience: they are stored if that takes some milliseconds at most, and otherwise nothing is done.

use std::fmt::Write as _;

use wharf_exposition::text;
use wharf_model::Meter;
use wharf_store::{Counters, Facts, Patience, PushError, PushMode, PushOptions, Store, UnixNanos};

use crate::{exposition, key, put, store};

const MODES: [PushMode; 3] = [
    PushMode::ReplaceGroup,
    PushMode::ReplaceFamilies,
    PushMode::ReplaceSeries,
];

fn push(store: &Store, mode: PushMode, path: &str, body: &str, patience: Patience) -> Result<(), PushError> {
    let options = PushOptions {
        note: None,
        mode,
        ttl: None,
        counters: Counters::Total,
        now: UnixNanos(200_000_000_000),
        once: None,
        facts: Facts::default(),
        memory: &Meter::unlimited(),
        patience,
    };
    let exposition = text::decode(body.as_bytes(), text::Options::default()).unwrap();
    store.push_with(&key(path), &exposition, &options).map(drop)
}

fn series(many: usize, labels: &str) -> String {
    let mut body = String::from("# TYPE m gauge\n");
    for number in 0..many {
        writeln!(body, "m{{n=\"{number}\"{labels}}} 1").unwrap();
    }
    body
}

/// Takes long, and leaves no trace; with patience it comes to this.
#[track_caller]
fn check_takes_long(store: &Store, mode: PushMode, path: &str, body: &str, is_stored: bool) {
    let before = exposition(&store.snapshot());
    let pushed = push(store, mode, path, body, Patience::Little);
    assert_eq!(pushed, Err(PushError::TakesLong), "{mode:?}");
    assert_eq!(exposition(&store.snapshot()), before, "{mode:?}");
    let pushed = push(store, mode, path, body, Patience::Unlimited);
    assert_eq!(pushed.is_ok(), is_stored, "{mode:?}: {pushed:?}");
}

#[test]
fn little_in_the_place_of_little_is_stored() {
    for mode in MODES {
        let store = store();
        for body in [series(100, ""), series(3, ""), series(200, "")] {
            assert_eq!(
                push(&store, mode, "job/a", &body, Patience::Little),
                Ok(()),
                "{mode:?}"
            );
        }
    }
}

#[test]
fn little_in_the_place_of_very_many_series_takes_long() {
    for mode in MODES {
        let store = store();
        put(&store, "job/a", &series(5_000, "")).unwrap();
        // Beside them it does not, unless it takes the place of the group.
        if mode != PushMode::ReplaceGroup {
            assert_eq!(
                push(&store, mode, "job/a", "other 1\n", Patience::Little),
                Ok(()),
                "{mode:?}"
            );
        }
        check_takes_long(&store, mode, "job/a", &series(2, ""), true);
        // Nor has it anything to do with other groups.
        assert_eq!(
            push(&store, mode, "job/b", &series(2, ""), Patience::Little),
            Ok(()),
            "{mode:?}"
        );
    }
}

#[test]
fn a_push_that_contradicts_what_is_stored_is_explained_with_patience_if_that_is_much_to_read() {
    let (clashes, plain) = (series(3, ",instance=\"i\""), series(3, ""));
    for mode in MODES {
        let store = store();
        put(&store, "job/a/instance/i", &series(10, "")).unwrap();
        let refused = push(&store, mode, "job/a", &clashes, Patience::Little);
        assert!(
            matches!(refused, Err(PushError::Inconsistent(_))),
            "{mode:?}: {refused:?}"
        );
        put(&store, "job/a/instance/i", &series(5_000, "")).unwrap();
        check_takes_long(&store, mode, "job/a", &clashes, false);
        // One that contradicts itself, too.
        let twice = format!("{plain}m{{n=\"1\"}} 1\n");
        check_takes_long(&store, mode, "job/a", &twice, false);
    }
}

#[test]
fn a_push_of_very_many_series_takes_long() {
    for mode in MODES {
        check_takes_long(&store(), mode, "job/a", &series(5_000, ""), true);
    }
}
