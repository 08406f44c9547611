//! Groups that leave by themselves.

use std::time::Duration;

use wharf_exposition::text;
use wharf_store::{Expired, PushMode, Store, Ttl, UnixNanos};

use crate::{delete, key, push, samples, store, wipe};

fn ttl(seconds: u64, keep_times: bool) -> Ttl {
    Ttl {
        after: Duration::from_secs(seconds),
        keep_times,
    }
}

/// A push of `m 1` at a time in seconds.
fn push_for(store: &Store, path: &str, ttl: Option<Ttl>, seconds: i64) {
    let exposition = text::decode(b"m 1\n", text::Options::default()).unwrap();
    let mode = PushMode::ReplaceGroup;
    let pushed = store.push_with_ttl(&key(path), mode, &exposition, ttl, at(seconds));
    drop(pushed.unwrap());
}

fn at(seconds: i64) -> UnixNanos {
    UnixNanos(seconds * 1_000_000_000)
}

fn expire(store: &Store, now: UnixNanos) -> (usize, usize) {
    let Expired { deleted, kept_times } = store.expire(now).unwrap();
    (deleted.len(), kept_times)
}

#[test]
fn a_group_leaves_when_its_time_is_over_and_not_before() {
    let store = store();
    push_for(&store, "job/a", Some(ttl(60, false)), 100);
    push_for(&store, "job/b", Some(ttl(61, false)), 100);
    push_for(&store, "job/c", None, 100);
    assert_eq!(store.snapshot().expiring(), 2);
    assert_eq!(expire(&store, UnixNanos(at(160).0 - 1)), (0, 0));
    assert_eq!(expire(&store, at(160)), (1, 0));
    assert_eq!(
        samples(&store),
        [r#"m{instance="",job="b"} 1"#, r#"m{instance="",job="c"} 1"#]
    );
    assert_eq!(expire(&store, at(i64::MAX / 1_000_000_000)), (1, 0));
    assert_eq!(store.snapshot().expiring(), 0);
    assert_eq!(store.totals().groups, 1);
}

#[test]
fn the_last_push_decides_how_long_a_group_lives() {
    let store = store();
    push_for(&store, "job/a", Some(ttl(10, false)), 100);
    push_for(&store, "job/a", Some(ttl(10, false)), 105);
    assert_eq!(
        expire(&store, at(110)),
        (0, 0),
        "the time counts from the last push"
    );
    push_for(&store, "job/a", Some(ttl(5, false)), 106);
    assert_eq!(
        store.snapshot().lifetime(&key("job/a")).unwrap().expires_at,
        at(111)
    );
    push_for(&store, "job/a", None, 107);
    assert_eq!(store.snapshot().lifetime(&key("job/a")), None);
    assert_eq!(expire(&store, at(1000)), (0, 0));
}

#[test]
fn a_refused_push_moves_no_deadline() {
    let store = store();
    push_for(&store, "job/a", Some(ttl(10, false)), 100);
    let body = text::decode(b"m 1 5\n", text::Options::default()).unwrap();
    let refused = |path| {
        let mode = PushMode::ReplaceFamilies;
        store
            .push_with_ttl(&key(path), mode, &body, Some(ttl(50, false)), at(105))
            .unwrap_err();
    };
    refused("job/a");
    assert_eq!(
        store.snapshot().lifetime(&key("job/a")).unwrap().expires_at,
        at(110)
    );
    // Nor is a group left for ever that nobody could push to.
    refused("job/b");
    assert_eq!(
        store.snapshot().lifetime(&key("job/b")).unwrap().expires_at,
        at(155)
    );
    assert_eq!(expire(&store, at(155)), (2, 0));
    assert_eq!(store.totals().groups, 0);
}

#[test]
fn a_group_can_leave_its_times_behind() {
    let store = store();
    push_for(&store, "job/a", Some(ttl(60, true)), 100);
    assert_eq!(expire(&store, at(200)), (0, 1));
    let exposed = crate::exposition(&store.snapshot());
    let lines: Vec<&str> = exposed.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(
        lines,
        [
            r#"push_failure_time_seconds{instance="",job="a"} 0"#,
            r#"push_time_seconds{instance="",job="a"} 100"#
        ]
    );
    assert_eq!(expire(&store, at(1000)), (0, 0), "what is left stays");
}

#[test]
fn who_is_gone_does_not_expire() {
    let store = store();
    push_for(&store, "job/a", Some(ttl(10, false)), 100);
    assert!(delete(&store, "job/a"));
    push_for(&store, "job/a", None, 100);
    push_for(&store, "job/b", Some(ttl(10, false)), 100);
    wipe(&store);
    push_for(&store, "job/b", None, 100);
    assert_eq!(expire(&store, at(200)), (0, 0));
}

#[test]
#[cfg_attr(miri, ignore = "too large for an interpreter")]
fn more_groups_expire_than_go_under_one_hold_of_the_lock() {
    let store = store();
    for n in 0..2000 {
        push_for(&store, &format!("job/a/n/{n}"), Some(ttl(10, n % 2 == 0)), 100);
    }
    assert_eq!(expire(&store, at(110)), (1000, 1000));
    assert_eq!(store.totals().groups, 1000);
}

#[test]
fn a_push_of_the_old_kind_makes_a_group_live_for_ever() {
    let store = store();
    push_for(&store, "job/a", Some(ttl(10, false)), 100);
    push(&store, PushMode::ReplaceFamilies, "job/a", "n 1\n", 105).unwrap();
    assert_eq!(expire(&store, at(1000)), (0, 0));
}

#[test]
fn a_time_to_live_that_began_in_the_future_begins_now() {
    let store = store();
    push_for(&store, "job/a", Some(ttl(60, false)), 5000);
    push_for(&store, "job/b", Some(ttl(60, true)), 5000);
    push_for(&store, "job/nearly", Some(ttl(60, false)), 1010);
    push_for(&store, "job/ever", None, 5000);
    push_for(&store, "job/year", Some(ttl(31_536_000, false)), 900);
    let before = samples(&store);
    let live_from = |seconds| store.live_from(at(seconds), Duration::from_secs(10)).unwrap();
    assert_eq!(live_from(1000), 2);
    assert_eq!(samples(&store), before, "nothing else changes");
    let expires = |path| {
        let lifetime = store.snapshot().lifetime(&key(path));
        lifetime.map(|lifetime| (lifetime.expires_at, lifetime.ttl.keep_times))
    };
    assert_eq!(expires("job/a"), Some((at(1060), false)));
    assert_eq!(expires("job/b"), Some((at(1060), true)));
    assert_eq!(expires("job/nearly"), Some((at(1070), false)));
    assert_eq!(expires("job/ever"), None);
    assert_eq!(expires("job/year"), Some((at(31_536_900), false)));
    assert_eq!(live_from(1001), 0);
    assert_eq!(expire(&store, at(1060)), (1, 1));
}

#[test]
#[cfg_attr(miri, ignore = "too large for an interpreter")]
fn more_lifetimes_are_set_than_go_under_one_hold_of_the_lock() {
    let store = store();
    for n in 0..2000 {
        push_for(&store, &format!("job/a/n/{n}"), Some(ttl(10, n % 2 == 0)), 5000);
    }
    assert_eq!(store.live_from(at(100), Duration::ZERO).unwrap(), 2000);
    assert_eq!(expire(&store, at(110)), (1000, 1000));
}
