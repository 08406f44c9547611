//! Many groups at once: deletion by selector, families of a group, pushes to several groups, parts of a snapshot.

use std::sync::Arc;

use expect_test::expect;
use wharf_exposition::text;

use wharf_ledger::{Ledger, Options, SimulatedDisk};
use wharf_model::{Effort, GroupingKey, Meter, Selector, Stopped};
use wharf_store::{
    Candidate, Counters, Cursor, Facts, GroupPush, InstanceLabel, Listing, PushMode, Reserved, SortBy, Store,
    UnixNanos, split,
};

use crate::{
    choice, delete_matching, exposition, key, list, matching, part, post, push, put, samples, store,
};

fn selectors(texts: &[&str]) -> Vec<Selector> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn seconds(seconds: i64) -> UnixNanos {
    UnixNanos(seconds * 1_000_000_000)
}

fn jobs(keys: &[GroupingKey]) -> Vec<&str> {
    keys.iter().map(GroupingKey::job).collect()
}

#[test]
#[cfg_attr(miri, ignore = "compiling expressions takes an interpreter minutes")]
fn groups_are_deleted_by_selector_and_age() {
    let store = store();
    for (path, now) in [
        ("job/ci-1", 100),
        ("job/ci-2", 200),
        ("job/ci-3/env/prod", 100),
        ("job/other", 100),
    ] {
        push(&store, PushMode::ReplaceGroup, path, "m 1\n", now).unwrap();
    }
    let ci = selectors(&[r#"{job=~"ci-.*",env!="prod"}"#]);
    assert_eq!(jobs(&matching(&store, &ci, Some(seconds(200)))), ["ci-1"]);
    assert_eq!(jobs(&matching(&store, &ci, None)), ["ci-1", "ci-2"]);
    assert_eq!(jobs(&matching(&store, &[], None)), [""; 0]);
    let (deleted, commit) = delete_matching(&store, &ci, Some(seconds(200))).unwrap();
    drop(commit);
    assert_eq!(jobs(&deleted), ["ci-1"]);
    let either = selectors(&[r#"{job="ci-2"}"#, r#"{env="prod"}"#]);
    let (deleted, commit) = delete_matching(&store, &either, None).unwrap();
    drop(commit);
    assert_eq!(jobs(&deleted), ["ci-3", "ci-2"], "in the order of keys");
    assert_eq!(samples(&store), [r#"m{instance="",job="other"} 1"#]);
}

#[test]
fn families_of_a_group_are_deleted_but_not_its_times() {
    let store = store();
    put(&store, "job/a", "m 1\nn 1\nk 1\n").unwrap();
    put(&store, "job/b", "m 1\n").unwrap();
    let delete = |path, names: &[&str]| {
        let (deleted, commit) = store.delete_families(&key(path), names).unwrap();
        drop(commit);
        deleted
    };
    assert!(store.snapshot().has_family(&key("job/a"), "m"));
    assert_eq!(delete("job/a", &["m", "n", "m", "x", "push_time_seconds"]), 2);
    assert!(!store.snapshot().has_family(&key("job/a"), "m"));
    assert_eq!(delete("job/c", &["m"]), 0);
    assert_eq!(
        samples(&store),
        [r#"k{instance="",job="a"} 1"#, r#"m{instance="",job="b"} 1"#]
    );
    assert_eq!(delete("job/a", &["k"]), 1);
    assert_eq!(
        store.totals().groups,
        2,
        "a group without families is still there"
    );
}

fn push_all(store: &Store, body: &str, labels: &[&str]) -> Result<(), String> {
    let exposition = text::decode(body.as_bytes(), text::Options::default()).unwrap();
    let memory = Meter::unlimited();
    let groups = split(&exposition, labels, 100, &memory).map_err(|error| error.to_string())?;
    let pushes: Vec<_> = groups
        .into_iter()
        .map(|(key, exposition)| GroupPush {
            note: None,
            key,
            exposition,
            ttl: None,
            aggregation: None,
            counters: Counters::Total,
            once: None,
            facts: Facts::default(),
        })
        .collect();
    let pushed = store.push_all(&pushes, PushMode::ReplaceFamilies, seconds(100), &memory);
    pushed.map(drop).map_err(|error| error.to_string())
}

#[test]
fn one_push_brings_the_series_of_several_groups() {
    let store = store();
    let body = "\
# HELP m help
# TYPE m gauge
m{job=\"a\",instance=\"1\",x=\"1\"} 1
m{job=\"b\",x=\"2\"} 2
m{job=\"a\",instance=\"1\",x=\"3\"} 3
# TYPE h histogram
h_bucket{job=\"b\",instance=\"\",le=\"1\"} 1
h_sum{job=\"b\",instance=\"\"} 1
h_count{job=\"b\",instance=\"\"} 1
";
    push_all(&store, body, &["job", "instance"]).unwrap();
    expect![[r#"
        # TYPE h histogram
        h_bucket{instance="",job="b",le="1"} 1
        h_bucket{instance="",job="b",le="+Inf"} 1
        h_sum{instance="",job="b"} 1
        h_count{instance="",job="b"} 1
        # HELP m help
        # TYPE m gauge
        m{instance="1",job="a",x="1"} 1
        m{instance="1",job="a",x="3"} 3
        m{instance="",job="b",x="2"} 2
        # HELP push_failure_time_seconds Last Unix time when changing this group in the Pushgateway failed.
        # TYPE push_failure_time_seconds gauge
        push_failure_time_seconds{instance="1",job="a"} 0
        push_failure_time_seconds{instance="",job="b"} 0
        # HELP push_time_seconds Last Unix time when changing this group in the Pushgateway succeeded.
        # TYPE push_time_seconds gauge
        push_time_seconds{instance="1",job="a"} 100
        push_time_seconds{instance="",job="b"} 100
    "#]]
    .assert_eq(&exposition(&store.snapshot()));
}

#[test]
fn a_push_of_several_groups_is_stored_whole_or_not_at_all() {
    let store = store();
    put(&store, "job/z", "# TYPE m gauge\nm 1\n").unwrap();
    put(&store, "job/a", "k 1\n").unwrap();
    let before = samples(&store);
    let body = "k{job=\"a\"} 2\nk{job=\"b\"} 2\n# TYPE m counter\nm{job=\"c\"} 1\n";
    let refused = push_all(&store, body, &["job"]).unwrap_err();
    expect![[r#"group {job="c"}: pushed metrics are invalid or inconsistent with existing metrics: collected metric "m" is not a GAUGE: it was pushed as COUNTER (stored in group {job="z"})"#]].assert_eq(&refused);
    assert_eq!(samples(&store), before);
    let exposed = exposition(&store.snapshot());
    assert!(exposed.contains("push_failure_time_seconds{instance=\"\",job=\"c\"} 100\n"));
    assert!(exposed.contains("push_failure_time_seconds{instance=\"\",job=\"a\"} 0\n"));
    assert!(!exposed.contains("job=\"b\""), "{exposed}");
}

#[test]
fn all_groups_of_a_push_that_contradict_something_are_named() {
    let store = store();
    put(&store, "job/z", "# TYPE m gauge\nm 1\n# TYPE n gauge\nn 1\n").unwrap();
    let body =
        "m{job=\"b\"} 1\nm{job=\"d\"} 1\nn{job=\"b\"} 1\nk{job=\"c\"} 1\nk{job=\"e\"} 1\nk{job=\"e\"} 1\n";
    let refused = push_all(&store, body, &["job"]).unwrap_err();
    expect![[r#"
        group {job="b"}: pushed metrics are invalid or inconsistent with existing metrics: 2 error(s) occurred:
        * collected metric "m" is not a GAUGE: it was pushed as UNTYPED (stored in group {job="z"})
        * collected metric "n" is not a GAUGE: it was pushed as UNTYPED (stored in group {job="z"})
        group {job="d"}: collected metric "m" is not a GAUGE: it was pushed as UNTYPED (stored in group {job="z"})
        group {job="e"}: collected metric "k" {instance="",job="e"} was collected before with the same name and label values"#]].assert_eq(&refused);
}

#[test]
fn every_series_of_a_push_of_several_groups_needs_a_job() {
    let store = store();
    let refused = |body, labels: &[&str]| push_all(&store, body, labels).unwrap_err();
    expect![[r#"metric `m` {x="1"}: job name is required"#]]
        .assert_eq(&refused("m{job=\"a\"} 1\nm{x=\"1\"} 1\n", &["job"]));
    expect![[r#"metric `m` {job="a"}: job name is required"#]]
        .assert_eq(&refused("m{job=\"a\"} 1\n", &["x"]));
    let many: Vec<String> = (0..101).map(|n| format!("m{{job=\"{n}\"}} 1\n")).collect();
    expect!["expected at most 100 groups in one push, found more"]
        .assert_eq(&refused(&many.concat(), &["job"]));
    assert_eq!(store.totals().groups, 0);
}

#[test]
fn a_part_of_a_snapshot_is_what_the_selected_groups_hold() {
    let store = store();
    put(&store, "job/a", "# HELP m one\n# TYPE m gauge\nm 1\nn 1\n").unwrap();
    put(&store, "job/b", "# HELP m two\n# TYPE m gauge\nm 2\n").unwrap();
    let some = part(&store.snapshot(), &selectors(&[r#"{job="b"}"#]));
    assert!(
        exposition(&some)
            .starts_with("# HELP m two\n# TYPE m gauge\nm{instance=\"\",job=\"b\"} 2\n# HELP push")
    );
    assert_eq!((some.totals().groups, some.totals().series), (1, 3));
    let none = part(&store.snapshot(), &selectors(&[r#"{job="c"}"#]));
    assert_eq!((exposition(&none).as_str(), none.totals().groups), ("", 0));
}

#[test]
fn families_of_another_store_stand_in_the_place_of_those_of_the_same_name() {
    let (store, other) = (store(), store());
    put(&store, "job/a", "m 1\nn 1\no 1\n").unwrap();
    put(&other, "job/b", "n 2\n").unwrap();
    let both = store.snapshot().with_families_of(&other.snapshot(), &["n", "o"]);
    assert!(exposition(&both).starts_with(
        "# TYPE m untyped\nm{instance=\"\",job=\"a\"} 1\n# TYPE n untyped\nn{instance=\"\",job=\"b\"} 2\n# HELP push"
    ));
    assert_eq!(both.totals(), store.snapshot().totals());
}

#[test]
#[cfg_attr(miri, ignore = "too large for an interpreter")]
fn whole_leaves_are_shared_with_the_part_of_a_snapshot() {
    let store = store();
    for n in 0..2000 {
        let env = if n < 1000 { "dev" } else { "prod" };
        post(&store, &format!("env/{env}/job/j/n/{n:04}"), "m 1\n").unwrap();
    }
    let snapshot = store.snapshot();
    let part = part(&snapshot, &selectors(&[r#"{env="dev"}"#]));
    assert_eq!(part.totals().groups, 1000);
    let leaves = |snapshot: &wharf_store::Snapshot| {
        let family = snapshot.family("m").unwrap();
        family.leaves().cloned().collect::<Vec<_>>()
    };
    let (all, part) = (leaves(&snapshot), leaves(&part));
    let shared = part
        .iter()
        .filter(|leaf| all.iter().any(|other| Arc::ptr_eq(leaf, other)));
    assert!(part.len() > 3 && shared.count() >= part.len() - 1);
}

#[test]
#[cfg_attr(miri, ignore = "compiling expressions takes an interpreter minutes")]
fn a_page_goes_on_where_the_last_one_ended_whatever_has_gone_meanwhile() {
    let store = store();
    for n in 0..10 {
        put(&store, &format!("job/j{n}"), "m 1\n").unwrap();
    }
    let mut listing = Listing {
        limit: 3,
        ..Listing::default()
    };
    let names = |page: &wharf_store::Page| {
        let keys = page.groups.iter().map(|group| group.key.job().to_owned());
        keys.collect::<Vec<_>>()
    };
    let page = list(&store, &listing);
    assert_eq!(
        (names(&page), page.total),
        (vec!["j0".into(), "j1".into(), "j2".into()], Some(10))
    );
    assert_eq!(
        page.next,
        Some(Cursor {
            rank: 0,
            key: key("job/j2")
        })
    );
    crate::delete(&store, "job/j2");
    crate::delete(&store, "job/j3");
    listing.after = page.next;
    let page = list(&store, &listing);
    assert_eq!(names(&page), ["j4", "j5", "j6"]);
    listing.after = page.next;
    let page = list(&store, &listing);
    assert_eq!(
        (names(&page), page.next),
        (vec!["j7".into(), "j8".into(), "j9".into()], None)
    );

    listing = Listing {
        choice: choice(&selectors(&[r#"{job=~"j[5-9]"}"#])),
        sort: SortBy::Key,
        descending: true,
        after: None,
        limit: 2,
    };
    let page = list(&store, &listing);
    assert_eq!((names(&page), page.total), (vec!["j9".into(), "j8".into()], None));
}

#[test]
#[cfg_attr(miri, ignore = "compiling expressions takes an interpreter minutes")]
fn a_filtered_list_has_a_total_and_pages_in_both_directions() {
    let store = store();
    for (at, job) in (0..).zip(["a", "b", "c", "d", "e"]) {
        push(
            &store,
            PushMode::ReplaceGroup,
            &format!("job/{job}"),
            "m{x=\"1\"} 1\n",
            100 + at,
        )
        .unwrap();
    }
    post(&store, "job/c", "m{x=\"2\"} 1 1\n").unwrap_err();
    let list = |sort, descending| {
        let (mut jobs, mut after) = (Vec::new(), None);
        loop {
            let listing = Listing {
                sort,
                descending,
                after,
                limit: 2,
                ..Listing::default()
            };
            let passes = |group: &Candidate<'_>| {
                // Whatever is asked is there.
                let has_failed = group.failure_time() > 0.0;
                assert_eq!(has_failed, group.key().job() == "c");
                Ok(group.push_time() >= 102.0)
            };
            let page = store.list_where(&listing, &passes, &Effort::unlimited()).unwrap();
            assert_eq!(page.total, Some(3));
            jobs.extend(page.groups.iter().map(|group| group.key.job().to_owned()));
            after = page.next;
            if after.is_none() {
                return jobs.concat();
            }
        }
    };
    assert_eq!(list(SortBy::Key, false), "cde");
    assert_eq!(list(SortBy::Key, true), "edc");
    assert_eq!(list(SortBy::PushTime, true), "edc");
    assert_eq!(list(SortBy::FailureTime, true), "cde");
}

#[test]
fn a_group_is_shown_whole_or_not_at_all() {
    let store = store();
    put(&store, "job/a", "m 1\nn 1\n").unwrap();
    let group = store.group(&key("job/a")).unwrap();
    store.delete(&key("job/a")).map(drop).unwrap();
    let names: Vec<_> = group.fragments().map(|family| family.name().to_owned()).collect();
    assert_eq!(
        names,
        ["m", "n", "push_failure_time_seconds", "push_time_seconds"]
    );
    assert_eq!((group.info().families, group.info().series), (4, 4));
    assert!(store.group(&key("job/a")).is_none() && !store.has_group(&key("job/a")));
}

#[test]
fn the_instance_label_is_as_it_is_asked_for() {
    let all = |label: InstanceLabel| {
        let store = Store::new(Reserved::default(), 1 << 20).with_instance_label(label);
        put(&store, "job/a", "m 1\n").unwrap();
        put(&store, "job/b/instance/i", "m 1\n").unwrap();
        put(&store, "job/c", "m{instance=\"own\"} 1\nm{instance=\"\"} 1\n").unwrap();
        let clash = put(&store, "job/a/instance/", "m 1\n");
        assert!(clash.is_err(), "scrapers take both for one series");
        let exposed = exposition(&store.snapshot());
        assert!(exposed.contains(&format!("push_time_seconds{} 100\n", of_group(&store, "a"))));
        samples(&store)
    };
    assert_eq!(
        all(InstanceLabel::Omit),
        [
            r#"m{instance="i",job="b"} 1"#,
            r#"m{job="a"} 1"#,
            r#"m{job="c"} 1"#,
            r#"m{instance="own",job="c"} 1"#
        ]
    );
    assert_eq!(
        all(InstanceLabel::Value("none".into())),
        [
            r#"m{instance="i",job="b"} 1"#,
            r#"m{instance="none",job="a"} 1"#,
            r#"m{instance="none",job="c"} 1"#,
            r#"m{instance="own",job="c"} 1"#
        ]
    );
}

/// The labels of the only series of `m` in a group.
fn of_group(store: &Store, job: &str) -> String {
    let lines = samples(store);
    let mut lines = lines
        .iter()
        .filter(|line| line.contains(&format!("job=\"{job}\"")));
    let line = lines.next().unwrap();
    line[1..line.rfind(' ').unwrap()].to_owned()
}

#[test]
#[cfg_attr(miri, ignore = "too large for an interpreter")]
fn groups_that_go_together_leave_what_they_leave_when_they_go_one_by_one() {
    let bodies = [
        "m{x=\"1\"} 1\nm{x=\"2\"} 1\nn 1\n",
        "# HELP m other\nm 1\n",
        "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_sum 1\nh_count 1\n# TYPE empty gauge\n",
    ];
    let filled = || {
        let store = store();
        for n in 0..1500 {
            put(&store, &format!("job/{}/n/{n}", n % 7), bodies[n % 3]).unwrap();
        }
        // Families of one group.
        put(&store, "job/3/own/1", "only 1\nonly_too 1\n").unwrap();
        store
    };
    let (together, alone) = (filled(), filled());
    // A snapshot that shares the leaves stays as it is.
    let before = together.snapshot();
    let text_before = exposition(&before);
    let selectors = selectors(&[r#"{job=~"[13]"}"#, r#"{n=~"[0-9]*7"}"#]);
    let (deleted, commit) = delete_matching(&together, &selectors, None).unwrap();
    drop(commit);
    assert!(deleted.len() > 500, "{}", deleted.len());
    for key in &deleted {
        drop(alone.delete(key).unwrap());
    }
    assert_eq!(exposition(&together.snapshot()), exposition(&alone.snapshot()));
    assert_eq!(together.totals(), alone.totals());
    assert_eq!(exposition(&before), text_before);
    // The index has forgotten them: other groups may have their series now.
    let taken_over = "m{n=\"3\",x=\"1\"} 1\nonly{own=\"1\"} 1\n";
    put(&filled(), "job/3", taken_over).unwrap_err();
    for store in [&together, &alone] {
        put(store, "job/3", taken_over).unwrap();
    }
    assert_eq!(exposition(&together.snapshot()), exposition(&alone.snapshot()));
}

/// The steps that a piece of work takes, and what becomes of it with one step less.
fn steps<T>(work: impl Fn(&Effort) -> Result<T, Stopped>) -> (u64, Option<Stopped>) {
    let effort = Effort::unlimited();
    assert!(work(&effort).is_ok());
    let steps = effort.steps();
    assert!(work(&Effort::new(steps, u64::MAX)).is_ok());
    (steps, work(&Effort::new(steps - 1, u64::MAX)).err())
}

#[test]
#[cfg_attr(miri, ignore = "compiling expressions takes an interpreter minutes")]
fn whatever_looks_at_groups_is_paid_for_by_each_of_them() {
    let store = store();
    let fill = |count: u32| {
        for n in 0..count {
            put(&store, &format!("job/j{n:03}"), "m 1\nn 1\n").unwrap();
        }
    };
    let some = choice(&selectors(&[r#"{job=~"j.*[02468]"}"#]));
    let listing = |sort| Listing {
        choice: some.clone(),
        sort,
        limit: 1000,
        ..Listing::default()
    };
    let all = || {
        let list = |sort| steps(|effort| store.list(&listing(sort), effort));
        [
            steps(|effort| store.matching(&some, None, effort)),
            steps(|effort| store.matching_with_family(&some, None, "m", effort)),
            steps(|effort| store.snapshot().matching(&some, effort)),
            list(SortBy::Key),
            list(SortBy::Job),
            list(SortBy::PushTime),
            list(SortBy::Bytes),
        ]
    };
    fill(100);
    let few = all();
    fill(400);
    for ((few, _), (many, stopped)) in few.into_iter().zip(all()) {
        assert!(many > few + 300 * 64 && many < 5 * few, "{few} and {many}");
        assert_eq!(stopped, Some(Stopped::TooCostly { max_steps: many - 1 }));
    }
}

#[test]
fn a_page_in_the_order_of_keys_costs_what_is_on_it() {
    let store = store();
    for n in 0..200 {
        put(&store, &format!("job/j{n:03}"), "m 1\n").unwrap();
    }
    let page = |limit| Listing {
        limit,
        ..Listing::default()
    };
    let (few, _) = steps(|effort| store.list(&page(10), effort));
    let (all, _) = steps(|effort| store.list(&page(200), effort));
    assert!(few < all / 15, "{few} of {all}");
}

#[test]
#[cfg_attr(miri, ignore = "too large for an interpreter")]
fn a_push_to_many_groups_takes_its_lines_three_times() {
    const GROUPS: usize = 1_000;
    const LABEL_BYTES: usize = 4_000;
    let options = Options::default();
    let (ledger, recovery) = Ledger::open(Arc::new(SimulatedDisk::new(1)), options, &mut |_| Ok(())).unwrap();
    let store = Arc::new(store());
    store.attach(ledger, recovery.last, true);
    let long = "x".repeat(LABEL_BYTES);
    let pushes: Vec<_> = (0..GROUPS)
        .map(|number| GroupPush {
            note: None,
            key: key(&format!("job/g{number}/long/{long}")),
            exposition: text::decode(b"m 1\n", text::Options::default()).unwrap(),
            ttl: None,
            aggregation: None,
            counters: Counters::Total,
            once: None,
            facts: Facts::default(),
        })
        .collect();
    // The sample and the time of the push: two lines, ready to be stored, in the record, and in the block of the log.
    let lines = GROUPS * 2 * LABEL_BYTES;
    let memory = Meter::up_to(lines * 3 + lines / 2);
    let pushed = store.push_all(&pushes, PushMode::ReplaceGroup, seconds(100), &memory);
    drop(pushed.unwrap());
    assert_eq!(store.totals().groups, GROUPS);
}
