//! Groups of very many families.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use wharf_exposition::text;
use wharf_store::{PushMode, Store, Ttl, UnixNanos};

use crate::{delete, delete_matching, exposition, key, part, post, put, samples, store, wipe};

/// Families of the large group. Ten times as many as are removed at once.
const MANY: usize = if cfg!(miri) { 700 } else { 6_000 };
/// The most that may be done under one hold of the lock.
const SHORT: u64 = 1_100;

fn body(prefix: &str) -> String {
    let mut body = String::new();
    for number in 0..MANY {
        writeln!(body, "{prefix}{number:05}{{instance=\"i\"}} {number}").unwrap();
    }
    body
}

/// A store with one large group; every 300th of its families is also in a small one.
fn with_large() -> Store {
    let store = store();
    put(&store, "job/large", &body("m")).unwrap();
    for number in (0..MANY).step_by(300) {
        let body = format!("m{number:05} 1\n");
        put(&store, &format!("job/small/n/{number}"), &body).unwrap();
    }
    store.longest_hold();
    store
}

#[test]
fn deleting_a_group_of_very_many_families_holds_others_up_for_a_moment_only() {
    let store = with_large();
    let small = part(&store.snapshot(), &[r#"{job="small"}"#.parse().unwrap()]);
    assert!(delete(&store, "job/large"));
    assert!(store.longest_hold() <= SHORT);
    assert_eq!(exposition(&store.snapshot()), exposition(&small));
    assert_eq!(store.snapshot().totals(), small.totals());
    // The series are free: another group may have them now.
    put(&store, "job/large/instance/i", &body("m")).unwrap();
    assert!(!delete(&store, "job/large"));
    put(&store, "job/large", "m00001{instance=\"i\"} 1\n").unwrap_err();
}

#[test]
fn a_push_of_few_families_in_the_place_of_very_many_holds_others_up_for_a_moment_only() {
    let store = with_large();
    put(&store, "job/large/instance/i", "m00002 1\n").unwrap_err();
    put(&store, "job/large", "m00001 1\nx 1\n").unwrap();
    assert!(store.longest_hold() <= SHORT);
    put(&store, "job/large/instance/i", "m00002 1\n").unwrap();
    delete(&store, "job/large/instance/i");
    let of_large: Vec<String> = samples(&store)
        .into_iter()
        .filter(|line| line.contains("job=\"large\""))
        .collect();
    assert_eq!(
        of_large,
        [
            r#"m00001{instance="",job="large"} 1"#,
            r#"x{instance="",job="large"} 1"#
        ]
    );
    let info = store.group(&key("job/large")).unwrap();
    assert_eq!((info.info().families, info.info().series), (4, 4));
}

#[test]
fn groups_of_very_many_families_that_a_selector_selects_or_that_expire_hold_nobody_up() {
    let store = with_large();
    let selectors = [r#"{job=~"large|small"}"#.parse().unwrap()];
    let (keys, _) = delete_matching(&store, &selectors, None).unwrap();
    assert_eq!(keys.len(), 1 + MANY.div_ceil(300));
    assert!(store.longest_hold() <= SHORT);
    assert_eq!(store.totals().series, 0);
    for keep_times in [true, false] {
        let body = body("m");
        let exposition = text::decode(body.as_bytes(), text::Options::default()).unwrap();
        let ttl = Ttl {
            after: Duration::from_secs(1),
            keep_times,
        };
        let (key, mode) = (key("job/large"), PushMode::ReplaceGroup);
        drop(
            store
                .push_with_ttl(&key, mode, &exposition, Some(ttl), UnixNanos(0))
                .unwrap(),
        );
        store.longest_hold();
        store.expire(UnixNanos(2_000_000_000)).unwrap();
        assert!(store.longest_hold() <= SHORT);
        assert_eq!(store.totals().series, if keep_times { 2 } else { 0 });
    }
}

#[test]
#[cfg_attr(miri, ignore = "too large for an interpreter")]
fn a_scrape_has_all_of_a_group_that_is_being_deleted_or_nothing_and_pushes_go_on() {
    let store = with_large();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (store, is_over) = (&store, &is_over);
        scope.spawn(move || {
            while !is_over.load(Ordering::Acquire) {
                let snapshot = store.snapshot();
                let large = part(&snapshot, &[r#"{job="large",instance=""}"#.parse().unwrap()]);
                let series = large.totals().series;
                let whole = [0, MANY as u64 + 2, MANY as u64 + 3, 3];
                assert!(whole.contains(&series), "{series} series");
            }
        });
        scope.spawn(move || {
            let mut round = 0;
            while !is_over.load(Ordering::Acquire) {
                round += 1;
                // Families of the large group, by turns, and one that it gets only now.
                let name = format!("m{:05}", round * 7 % MANY);
                put(store, "job/other", &format!("{name} 1\nown{} 1\n", round % 700)).unwrap();
                post(store, "job/large", "late 1\n").unwrap();
            }
        });
        for _ in 0..6 {
            assert!(delete(store, "job/large"));
            put(store, "job/large/instance/i", "m00000 1\nm05999 1\n").unwrap();
            assert!(delete(store, "job/large/instance/i"));
            put(store, "job/large", &body("m")).unwrap();
        }
        is_over.store(true, Ordering::Release);
    });
    // Nothing is left of those that are gone, and nothing is missing of the others.
    let sum = |store: &Store| {
        let families = store.snapshot();
        families
            .families()
            .map(|family| (family.series(), family.bytes()))
            .fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    };
    let totals = store.totals();
    assert_eq!(sum(&store), (totals.series, totals.bytes));
    delete(&store, "job/large");
    delete(&store, "job/other");
    put(&store, "job/large/instance/i", &body("m")).unwrap();
    wipe(&store);
    assert_eq!(sum(&store), (0, 0));
}
