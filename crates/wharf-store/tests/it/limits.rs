//! Limits on what is stored.

use expect_test::{Expect, expect};
use wharf_store::{Limits, PushError, Quota, Store, Usage};

use crate::{delete, exposition, post, put, store, wipe};

fn with(limits: Limits) -> Store {
    let store = store();
    store.set_limits(limits);
    store
}

fn quota(selector: &str) -> Quota {
    Quota {
        selector: selector.parse().unwrap(),
        max_groups: None,
        max_series: None,
        max_bytes: None,
    }
}

#[track_caller]
fn refused(pushed: Result<(), PushError>, expected: &Expect) {
    let error = pushed.unwrap_err();
    assert!(matches!(error, PushError::Limit(_)), "{error}");
    expected.assert_eq(&error.to_string());
}

#[test]
fn a_limit_on_groups_keeps_new_ones_out_and_lets_old_ones_push() {
    let store = with(Limits {
        max_groups: Some(2),
        ..Limits::default()
    });
    put(&store, "job/a", "m 1\n").unwrap();
    put(&store, "job/b", "m 1\n").unwrap();
    let before = exposition(&store.snapshot());
    refused(
        put(&store, "job/c", "m 1\n"),
        &expect!["expected at most 2 groups, found 3 with this push"],
    );
    assert_eq!(
        exposition(&store.snapshot()),
        before,
        "no group is made for the failure"
    );
    put(&store, "job/b", "m 1\nn 1\n").unwrap();
    assert!(delete(&store, "job/a"));
    put(&store, "job/c", "m 1\n").unwrap();
    wipe(&store);
    put(&store, "job/a", "m 1\n").unwrap();
}

#[test]
fn a_limit_on_series_counts_what_would_be_there() {
    let store = with(Limits {
        max_series: Some(8),
        ..Limits::default()
    });
    // Two lines are those of the push times.
    put(&store, "job/a", "m 1\nn{x=\"1\"} 1\nn{x=\"2\"} 1\n").unwrap();
    refused(
        put(&store, "job/b", "m 1\nn 1\n"),
        &expect!["expected at most 8 series in all groups, found 9 with this push"],
    );
    put(&store, "job/b", "m 1\n").unwrap();
    // It is full, and replacing still works.
    post(&store, "job/a", "n{x=\"3\"} 1\nn{x=\"4\"} 1\n").unwrap();
    refused(
        post(&store, "job/a", "k 1\n"),
        &expect!["expected at most 8 series in all groups, found 9 with this push"],
    );
    put(&store, "job/a", "k 1\nm 1\nn 1\n").unwrap();
}

#[test]
fn a_refused_push_shows_in_the_failure_time_of_its_group() {
    let store = with(Limits {
        max_series: Some(3),
        ..Limits::default()
    });
    put(&store, "job/a", "m 1\n").unwrap();
    put(&store, "job/a", "m 1\nn 1\n").unwrap_err();
    let exposed = exposition(&store.snapshot());
    assert!(
        exposed.contains("push_failure_time_seconds{instance=\"\",job=\"a\"} 100\n"),
        "{exposed}"
    );
}

#[test]
fn a_lower_limit_refuses_only_what_adds() {
    let store = store();
    put(&store, "job/a", "m 1\nn 1\n").unwrap();
    store.set_limits(Limits {
        max_groups: Some(0),
        max_series: Some(1),
        ..Limits::default()
    });
    put(&store, "job/a", "m 2\nk 2\n").unwrap();
    put(&store, "job/a", "m 2\n").unwrap();
    refused(
        put(&store, "job/a", "m 2\nn 2\n"),
        &expect!["expected at most 1 series in all groups, found 4 with this push"],
    );
    store.set_limits(Limits::default());
    put(&store, "job/a", "m 2\nn 2\n").unwrap();
}

#[test]
fn a_limit_on_one_push_counts_what_it_brings() {
    let store = with(Limits {
        max_push_series: Some(2),
        ..Limits::default()
    });
    put(&store, "job/a", "m 1\nn 1\n").unwrap();
    refused(
        put(&store, "job/b", "m{x=\"1\"} 1\nm{x=\"2\"} 1\nn 1\n"),
        &expect!["expected at most 2 series in one push, found 3 with this push"],
    );
    let body = "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_sum 1\nh_count 1\n";
    refused(
        put(&store, "job/b", body),
        &expect!["expected at most 2 series in one push, found 4 with this push"],
    );
}

#[test]
#[cfg_attr(miri, ignore = "compiling expressions takes an interpreter minutes")]
fn a_quota_is_for_the_groups_it_selects_all_of_them_together() {
    let store = with(Limits {
        quotas: vec![
            Quota {
                max_groups: Some(2),
                max_series: Some(7),
                ..quota(r#"{job=~"ci-.*"}"#)
            },
            Quota {
                max_bytes: Some(300),
                ..quota(r#"{env="dev"}"#)
            },
        ],
        ..Limits::default()
    });
    put(&store, "job/ci-1", "m 1\n").unwrap();
    put(&store, "job/ci-2", "m 1\n").unwrap();
    refused(
        put(&store, "job/ci-3", "m 1\n"),
        &expect![[r#"expected at most 2 groups of `{job=~"ci-.*"}`, found 3 with this push"#]],
    );
    put(&store, "job/ci-2", "m 1\nn 1\n").unwrap();
    refused(
        put(&store, "job/ci-1", "m 1\nn 1\n"),
        &expect![[r#"expected at most 7 series in the groups of `{job=~"ci-.*"}`, found 8 with this push"#]],
    );
    for n in 0..5 {
        put(&store, &format!("job/other/n/{n}"), "m 1\nn 1\n").unwrap();
    }
    put(&store, "job/a/env/dev", "m 1\n").unwrap();
    let long = format!("m{{x=\"{}\"}} 1\n", "x".repeat(150));
    refused(
        put(&store, "job/a/env/dev", &long),
        &expect![[r#"expected at most 300 bytes in the groups of `{env="dev"}`, found 302 with this push"#]],
    );
    let usage = store.quota_usage();
    let [ci, dev] = usage.as_slice() else {
        panic!("{usage:?}")
    };
    assert_eq!((ci.groups, ci.series), (2, 7));
    assert_eq!((dev.groups, dev.series), (1, 3));
}

#[test]
#[cfg_attr(miri, ignore = "too large for an interpreter")]
fn new_quotas_count_what_is_there() {
    let store = store();
    for n in 0..1500 {
        put(&store, &format!("job/a/n/{n}"), "m 1\n").unwrap();
        put(&store, &format!("job/b/n/{n}"), "m 1\n").unwrap();
    }
    store.set_limits(Limits {
        quotas: vec![quota(r#"{job="a"}"#), quota("{}")],
        ..Limits::default()
    });
    let usage = store.quota_usage();
    let counts: Vec<_> = usage.iter().map(|usage| (usage.groups, usage.series)).collect();
    assert_eq!(counts, [(1500, 4500), (3000, 9000)]);
    assert_eq!(usage.get(1).map(|usage| usage.bytes), Some(store.totals().bytes));
    wipe(&store);
    assert_eq!(store.quota_usage(), [Usage::default(); 2]);
}
