//! How much is done under one hold of the lock: not more for much than for little.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use wharf_exposition::text;
use wharf_ledger::{Fault, Ledger, Options, SimulatedDisk};
use wharf_model::{Exposition, Meter};
use wharf_store::{
    Commit, Counters, Facts, GroupPush, GroupRefused, Limits, PushMode, Quota, Reserved, Restored, Store,
    Ttl, UnixNanos,
};

use crate::durable::block_on;
use crate::{delete, delete_family_matching, delete_matching, key, post, push, put, samples, store, wipe};

/// Much, and four times as much.
const MUCH: [usize; 2] = if cfg!(miri) {
    [2_500, 3_000]
} else {
    [5_000, 20_000]
};

/// The most that may be done under one hold where much is put or removed: a slice of it.
const SLICE: u64 = 1_100;

/// The same where groups change that have little: some lookups, entries and removals for each of a few series.
const LITTLE: u64 = 3 * 2_048 + 100;

/// The same where they have little text.
const TEXT: u64 = 2_048 + 100;

fn series(many: usize, from: usize) -> String {
    let mut body = String::from("# TYPE m gauge\n");
    for number in from..from + many {
        writeln!(body, "m{{n=\"{number}\"}} 1").unwrap();
    }
    body
}

fn families(many: usize) -> String {
    let mut body = String::new();
    for number in 0..many {
        writeln!(body, "m{number} 1").unwrap();
    }
    body
}

fn decode(body: &str) -> Exposition<'_> {
    text::decode(body.as_bytes(), text::Options::default()).unwrap()
}

fn seconds(seconds: i64) -> UnixNanos {
    UnixNanos(seconds * 1_000_000_000)
}

/// Groups of some families each.
fn groups(bodies: &[String]) -> Vec<GroupPush<'_>> {
    let pushes = bodies.iter().enumerate().map(|(number, body)| GroupPush {
        note: None,
        key: key(&format!("job/g{number}")),
        exposition: decode(body),
        ttl: None,
        aggregation: None,
        counters: Counters::Total,
        once: None,
        facts: Facts::default(),
    });
    pushes.collect()
}

fn push_all(
    store: &Store,
    pushes: &[GroupPush<'_>],
    mode: PushMode,
    now: UnixNanos,
) -> Result<Commit, GroupRefused> {
    store.push_all(pushes, mode, now, &Meter::unlimited())
}

/// Makes one change, and looks at what was done under one hold meanwhile.
fn held(store: &Store, bound: u64, what: &str, change: impl FnOnce(&Store)) {
    store.longest_hold();
    change(store);
    let longest = store.longest_hold();
    assert!(longest <= bound, "{what}: {longest} at once");
}

#[test]
fn a_family_of_very_many_series_holds_nobody_up_whatever_becomes_of_it() {
    for many in MUCH {
        let store = store();
        let of = |from| series(many, from);
        let step = |what, change: &dyn Fn(&Store)| held(&store, SLICE, what, change);
        step("the first push", &|store| put(store, "job/a", &of(0)).unwrap());
        step("the same again", &|store| put(store, "job/a", &of(0)).unwrap());
        step("others in its place", &|store| {
            put(store, "job/a", &of(many / 2)).unwrap();
        });
        step("one added", &|store| {
            push(
                store,
                PushMode::ReplaceSeries,
                "job/a",
                "# TYPE m gauge\nm{n=\"x\"} 1\n",
                1,
            )
            .unwrap();
        });
        step("a refusal of all", &|store| {
            put(store, "job/a/instance/", &of(many / 2)).unwrap_err();
        });
        step("a refusal of one", &|store| {
            let body = format!("m{{n=\"{many}\"}} 1\n");
            put(store, "job/a/instance/", &body).unwrap_err();
        });
        step("another family beside it", &|store| {
            post(store, "job/a", "other 1\n").unwrap();
        });
        step("one in its place", &|store| {
            post(store, "job/a", "# TYPE m gauge\nm 1\n").unwrap();
        });
        step("many in its place", &|store| {
            post(store, "job/a", &of(0)).unwrap();
        });
        step("a neighbour", &|store| {
            put(store, "job/b", "# TYPE m gauge\nm 1\n").unwrap();
        });
        step("the end of the family", &|store| {
            assert_eq!(store.delete_families(&key("job/a"), &["m"]).unwrap().0, 1);
        });
        step("many again", &|store| put(store, "job/a", &of(0)).unwrap());
        step("a checkpoint", &|store| assert_eq!(store.images().count(), 2));
        step("little in the place of all", &|store| {
            put(store, "job/a", "").unwrap();
        });
        step("many once more", &|store| put(store, "job/a", &of(0)).unwrap());
        step("the end of the group", &|store| assert!(delete(store, "job/a")));
        assert_eq!(samples(&store), ["m{instance=\"\",job=\"b\"} 1"]);
        // The index has nothing of it any more: others may have the series.
        step("the series elsewhere", &|store| {
            put(store, "job/a/instance/", &of(0)).unwrap();
        });
        step("the end of all", &|store| assert_eq!(wipe(store), 2));
    }
}

#[test]
fn a_group_of_very_many_families_holds_nobody_up_whatever_becomes_of_it() {
    for many in MUCH {
        let store = store();
        let step = |what, change: &dyn Fn(&Store)| held(&store, SLICE, what, change);
        step("the first push", &|store| {
            put(store, "job/a", &families(many)).unwrap();
        });
        step("the same again", &|store| {
            put(store, "job/a", &families(many)).unwrap();
        });
        step("one more", &|store| post(store, "job/a", "other 1\n").unwrap());
        step("one of them", &|store| post(store, "job/a", "m7 2\n").unwrap());
        step("a refused push", &|store| {
            post(store, "job/a", "m7 2\nm7 3\n").unwrap_err();
        });
        step("a checkpoint", &|store| assert_eq!(store.images().count(), 1));
        step("one less", &|store| {
            assert_eq!(store.delete_families(&key("job/a"), &["other"]).unwrap().0, 1);
        });
        step("a merge", &|store| {
            push(store, PushMode::ReplaceSeries, "job/a", &families(many), 1).unwrap();
        });
        step("most of them go", &|store| put(store, "job/a", "m1 1\n").unwrap());
        assert_eq!(samples(&store).len(), 1);
    }
}

#[test]
fn a_push_of_long_text_holds_nobody_up() {
    for many in MUCH {
        let store = store();
        let body = format!("m{{n=\"{}\"}} 1\n", "x".repeat(many * 600));
        held(&store, TEXT, "the first push", |store| {
            put(store, "job/a", &body).unwrap();
        });
        held(&store, TEXT, "the same again", |store| {
            put(store, "job/a", &body).unwrap();
        });
        let help = format!("# HELP h {}\n# TYPE h gauge\nh 1\n", "x".repeat(many * 600));
        held(&store, TEXT, "long help", |store| {
            put(store, "job/h", &help).unwrap();
        });
        held(&store, TEXT, "a neighbour", |store| {
            put(store, "job/b", "m 1\n").unwrap();
        });
        held(&store, TEXT, "its end", |store| assert!(delete(store, "job/a")));
    }
}

#[test]
fn a_push_of_many_groups_holds_others_up_for_the_number_of_groups_only() {
    let few = 500;
    for each in MUCH.map(|much| much / few) {
        let store = store();
        let body = families(each);
        let bodies = vec![body; few];
        let pushes = groups(&bodies);
        for mode in [
            PushMode::ReplaceGroup,
            PushMode::ReplaceFamilies,
            PushMode::ReplaceSeries,
        ] {
            held(&store, SLICE + few as u64, "a push", |store| {
                drop(push_all(store, &pushes, mode, seconds(1)).unwrap());
            });
        }
        assert_eq!(samples(&store).len(), few * each);
    }
}

#[test]
fn a_push_of_many_groups_that_is_refused_holds_nobody_up_and_nothing_of_it_was_there() {
    let few = 500;
    for each in MUCH.map(|much| much / few) {
        let store = store();
        put(&store, "job/z", "# TYPE zz counter\nzz 1\n").unwrap();
        let mut bodies = vec![families(each); few];
        bodies.push("# TYPE zz gauge\nzz 1\n".to_owned());
        let pushes = groups(&bodies);
        for mode in [
            PushMode::ReplaceGroup,
            PushMode::ReplaceFamilies,
            PushMode::ReplaceSeries,
        ] {
            held(&store, SLICE, "a refusal", |store| {
                let refused: GroupRefused = push_all(store, &pushes, mode, seconds(1)).unwrap_err();
                assert_eq!(refused.key, Some(key(&format!("job/g{few}"))));
            });
        }
        assert_eq!(samples(&store), ["zz{instance=\"\",job=\"z\"} 1"]);
        // What contradicts another group of the same push is found as well.
        let mut bodies = vec![families(each); few];
        bodies.push("# TYPE m1 counter\nm1 1\n".to_owned());
        let pushes = groups(&bodies);
        held(&store, SLICE, "a refusal", |store| {
            push_all(store, &pushes, PushMode::ReplaceGroup, seconds(1)).unwrap_err();
        });
        assert_eq!(samples(&store).len(), 1);
        // Nothing is left of it in the index either.
        let body = families(each);
        put(&store, "job/g0/instance/", &body).unwrap();
    }
}

#[test]
fn many_groups_that_a_selector_selects_hold_others_up_for_the_number_of_groups_only() {
    let few = 500;
    for each in MUCH.map(|much| much / few) {
        let store = store();
        let bodies = vec![families(each); few];
        drop(push_all(&store, &groups(&bodies), PushMode::ReplaceGroup, seconds(1)).unwrap());
        let selectors = [r#"{job=~"g.*"}"#.parse().unwrap()];
        held(&store, SLICE + few as u64, "a family", |store| {
            let (keys, _) = delete_family_matching(store, &selectors, None, "m1").unwrap();
            assert_eq!(keys.len(), few);
        });
        held(&store, SLICE + few as u64, "the groups", |store| {
            let (keys, _) = delete_matching(store, &selectors, None).unwrap();
            assert_eq!(keys.len(), few);
        });
        assert_eq!(store.totals().groups, 0);
    }
}

#[test]
#[cfg_attr(miri, ignore = "too large for an interpreter")]
fn more_than_10_000_groups_are_deleted_in_steps() {
    let store = store();
    let bodies = vec![String::new(); 25_000];
    drop(push_all(&store, &groups(&bodies), PushMode::ReplaceGroup, seconds(1)).unwrap());
    let selectors = [r#"{job=~"g.*"}"#.parse().unwrap()];
    held(&store, SLICE + 10_000, "the groups", |store| {
        let (keys, _) = delete_matching(store, &selectors, None).unwrap();
        assert_eq!(keys.len(), 25_000);
    });
    assert_eq!(store.totals().groups, 0);
}

#[test]
fn groups_that_expire_hold_others_up_for_a_slice_at_a_time() {
    let few = 500;
    for each in MUCH.map(|much| much / few) {
        for keep_times in [true, false] {
            let store = store();
            let bodies = vec![families(each); few];
            let mut pushes = groups(&bodies);
            for push in &mut pushes {
                let after = Duration::from_secs(1);
                push.ttl = Some(Ttl { after, keep_times });
            }
            drop(push_all(&store, &pushes, PushMode::ReplaceGroup, seconds(1)).unwrap());
            held(&store, SLICE + few as u64, "the end", |store| {
                let expired = store.expire(seconds(10)).unwrap();
                assert_eq!(expired.deleted.len() + expired.kept_times, few);
            });
            assert_eq!(store.totals().series, if keep_times { 2 * few as u64 } else { 0 });
        }
    }
}

#[test]
fn a_large_group_of_a_backup_holds_nobody_up() {
    for many in MUCH {
        let store = store();
        let body = series(many, 0);
        let exposition = decode(&body);
        let key = key("job/a");
        let memory = Meter::unlimited();
        let group = |push_time| Restored {
            notes: &[],
            key: &key,
            exposition: &exposition,
            push_time,
            failure_time: 0.0,
            pushed_at: &|_| seconds(5),
            ttl: None,
            memory: &memory,
        };
        held(&store, SLICE, "a group", |store| {
            assert!(store.restore(&group(5.0), false).unwrap().is_some());
        });
        held(&store, SLICE, "one that is no newer", |store| {
            assert!(store.restore(&group(5.0), false).unwrap().is_none());
        });
        assert_eq!(store.totals().series, many as u64 + 2);
    }
}

#[test]
fn limits_are_looked_at_for_some_groups_at_a_time() {
    let store = store();
    let bodies = vec![String::new(); 3_000];
    drop(push_all(&store, &groups(&bodies), PushMode::ReplaceGroup, seconds(1)).unwrap());
    let quotas = (0..100).map(|number| Quota {
        selector: format!("{{job=~\"g.*{number}\"}}").parse().unwrap(),
        max_groups: Some(10_000),
        max_series: None,
        max_bytes: None,
    });
    let quotas: Vec<Quota> = quotas.collect();
    let limits = Limits {
        quotas,
        ..Limits::default()
    };
    held(&store, LITTLE, "the limits", |store| store.set_limits(limits));
    assert_eq!(
        store.quota_usage().iter().map(|usage| usage.groups).max(),
        Some(300)
    );
}

#[test]
fn what_the_disk_loses_is_taken_back_a_slice_at_a_time() {
    for many in MUCH {
        let disk = SimulatedDisk::new(7);
        let store = Arc::new(Store::new(Reserved::default(), 1 << 24));
        let options = Options::default();
        let (ledger, recovery) = Ledger::open(Arc::new(disk.clone()), options, &mut |_| Ok(())).unwrap();
        store.attach(ledger, recovery.last, true);
        let push = |path: &str, body: &str| {
            let pushed = store.push(&key(path), PushMode::ReplaceGroup, &decode(body), seconds(1));
            block_on(pushed.unwrap())
        };
        push("job/a", &series(many, many)).unwrap();
        push("job/b", "k 1\n").unwrap();
        let before = samples(&store);
        disk.fail_after(0, Fault::Lasting(std::io::ErrorKind::StorageFull));
        held(&store, SLICE, "a push that is lost", |_| {
            push("job/a", &series(many, 0)).unwrap_err();
        });
        assert_eq!(samples(&store), before);
        disk.heal();
        store.checkpoint(true).unwrap();
        // The series that were lost are free, and so are the others when their group is gone.
        held(&store, SLICE, "its end", |_| {
            let (existed, commit) = store.delete(&key("job/a")).unwrap();
            block_on(commit).unwrap();
            assert!(existed);
        });
        push("job/a/instance/", &series(2 * many, 0)).unwrap();
        assert_eq!(samples(&store).len(), 2 * many + 1);
    }
}
