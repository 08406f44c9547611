//! Records that released versions have written. They are replayed by every later version, and never written again.
//!
//! A fixture is a file of records, each behind its length in four bytes, little endian.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

use expect_test::{Expect, expect};
use wharf_exposition::text;
use wharf_ledger::{Ledger, Options, SimulatedDisk};
use wharf_model::Meter;
use wharf_store::{
    Aggregation, Counters, Facts, Gauges, GroupPush, Patience, PushId, PushIdCounts, PushMode, PushOptions,
    RecordError, Store, Ttl, UnixNanos, describe_record,
};

use crate::{delete_matching, exposition, key, store};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

fn records(name: &str) -> Vec<Vec<u8>> {
    let bytes = std::fs::read(fixture(name)).unwrap();
    let (mut rest, mut records) = (bytes.as_slice(), Vec::new());
    while let Some((length, after)) = rest.split_first_chunk() {
        let (record, after) = after.split_at(u32::from_le_bytes(*length) as usize);
        records.push(record.to_vec());
        rest = after;
    }
    records
}

#[track_caller]
fn check(name: &str, described: &Expect, replayed: &Expect) {
    let store = store();
    let mut lines = String::new();
    for record in records(name) {
        lines.push_str(&describe_record(&record).unwrap().replace("; ", "\n  "));
        lines.push('\n');
        store.replay(&record).unwrap();
    }
    described.assert_eq(&lines);
    let snapshot = store.snapshot();
    let lifetimes = snapshot.keys().into_iter().filter_map(|key| {
        let lifetime = snapshot.lifetime(&key)?;
        Some(format!("{key} {lifetime:?}\n"))
    });
    replayed.assert_eq(&(exposition(&snapshot) + &lifetimes.collect::<String>()));
}

#[test]
fn what_records_delete_is_freed_while_they_are_replayed() {
    let store = store();
    let mut seen = Vec::new();
    for record in records("records-v1") {
        store.replay(&record).unwrap();
        let snapshot = store.snapshot();
        let leaves = snapshot.families().flat_map(|family| family.leaves());
        seen.extend(leaves.map(Arc::downgrade));
    }
    let snapshot = store.snapshot();
    let stored = snapshot.families().flat_map(|family| family.leaves()).count();
    let alive = seen.iter().filter_map(Weak::upgrade);
    let alive: BTreeSet<_> = alive.map(|leaf| Arc::as_ptr(&leaf)).collect();
    assert!(seen.len() > stored, "the records delete something");
    assert_eq!(alive.len(), stored);
}

#[test]
fn records_of_version_1_are_replayed() {
    check(
        "records-v1",
        &expect![[r#"
        put families of {job="wiped"}: push_time_seconds (gauge, 1 lines), wiped (unknown, 1 lines)
        wipe
        put group {job="one"}: a (gauge, 2 lines, exact), h (histogram, 4 lines), push_time_seconds (gauge, 1 lines)
        put families of {instance="i",job="one"}: b (unknown, 1 lines), push_time_seconds (gauge, 1 lines)
        put families of {job="two"}: push_time_seconds (gauge, 1 lines), s (summary, 3 lines)
        put families of {job="gone"}: gone (unknown, 1 lines), push_time_seconds (gauge, 1 lines)
        delete {job="gone"}
        put families of {job="one"}: push_failure_time_seconds (gauge, 1 lines)
    "#]],
        &expect![[r#"
        # HELP a help
        # TYPE a gauge
        a{instance="",job="one",x="1"} 1
        a{instance="",job="one",x="2"} 0
        # TYPE b untyped
        b{instance="i",job="one"} 1
        # TYPE h histogram
        h_bucket{instance="",job="one",le="1"} 1
        h_bucket{instance="",job="one",le="+Inf"} 1
        h_sum{instance="",job="one"} 1
        h_count{instance="",job="one"} 1
        # HELP push_failure_time_seconds Last Unix time when changing this group in the Pushgateway failed.
        # TYPE push_failure_time_seconds gauge
        push_failure_time_seconds{instance="i",job="one"} 0
        push_failure_time_seconds{instance="",job="one"} 1.7952550345943434e+09
        push_failure_time_seconds{instance="",job="two"} 0
        # HELP push_time_seconds Last Unix time when changing this group in the Pushgateway succeeded.
        # TYPE push_time_seconds gauge
        push_time_seconds{instance="i",job="one"} 1.795255034457876e+09
        push_time_seconds{instance="",job="one"} 1.7952550344258962e+09
        push_time_seconds{instance="",job="two"} 1.7952550344792402e+09
        # TYPE s summary
        s{instance="",job="two",quantile="0.5"} 1
        s_sum{instance="",job="two"} 2
        s_count{instance="",job="two"} 3
    "#]],
    );
}

#[test]
fn records_of_version_2_are_replayed() {
    check(
        "records-v2",
        &expect![[r#"
            put group {job="a"} (lives 1m, until 160): m (gauge, 2 lines, exact), push_time_seconds (gauge, 1 lines)
              put group {job="b"} (lives 5s, until 105, keeps its times): m_b (unknown, 1 lines), n_b (unknown, 1 lines), push_time_seconds (gauge, 1 lines)
              put group {job="c"}: m_c (unknown, 1 lines), n_c (unknown, 1 lines), push_time_seconds (gauge, 1 lines)
              put group {job="d"} (lives 6s, until 106): m_d (unknown, 1 lines), push_time_seconds (gauge, 1 lines)
              put group {job="e"}: m_e (unknown, 1 lines), push_time_seconds (gauge, 1 lines)
            put families of {job="a"} (lives 1m30s, until 191, keeps its times): m (gauge, 2 lines, exact), push_time_seconds (gauge, 1 lines)
            delete families of {job="c"}: n_c
            put group {job="b"}: no families
              delete {job="d"}
            delete {job="e"}
        "#]],
        &expect![[r#"
        # TYPE m gauge
        m{instance="",job="a",x="1"} 0
        m{instance="",job="a",x="2"} 3
        # TYPE m_c untyped
        m_c{instance="",job="c"} 1
        # HELP push_failure_time_seconds Last Unix time when changing this group in the Pushgateway failed.
        # TYPE push_failure_time_seconds gauge
        push_failure_time_seconds{instance="",job="a"} 0
        push_failure_time_seconds{instance="",job="b"} 0
        push_failure_time_seconds{instance="",job="c"} 0
        # HELP push_time_seconds Last Unix time when changing this group in the Pushgateway succeeded.
        # TYPE push_time_seconds gauge
        push_time_seconds{instance="",job="a"} 101
        push_time_seconds{instance="",job="b"} 100
        push_time_seconds{instance="",job="c"} 100
        {job="a"} Lifetime { ttl: Ttl { after: 90s, keep_times: true }, expires_at: UnixNanos(191000000000) }
    "#]],
    );
}

#[test]
fn records_of_version_3_are_replayed() {
    check(
        "records-v3",
        &expect![[r#"
        put group {job="a"} (lives 1m, until 62): c (counter, 1 lines), push_failure_time_seconds (gauge, 1 lines), push_time_seconds (gauge, 1 lines)
        2 push ids
        put families of {job="a"}: c (counter, 1 lines), push_time_seconds (gauge, 1 lines)
          1 push id
    "#]],
        &expect![[r#"
        # TYPE c counter
        c{instance="",job="a"} 6
        # HELP push_failure_time_seconds Last Unix time when changing this group in the Pushgateway failed.
        # TYPE push_failure_time_seconds gauge
        push_failure_time_seconds{instance="",job="a"} 0
        # HELP push_time_seconds Last Unix time when changing this group in the Pushgateway succeeded.
        # TYPE push_time_seconds gauge
        push_time_seconds{instance="",job="a"} 3
    "#]],
    );
    // Who comes again is known.
    let store = store();
    for record in records("records-v3") {
        store.replay(&record).unwrap();
    }
    let before = exposition(&store.snapshot());
    for (number, ttl) in [(1, None), (2, Some(Duration::from_secs(60))), (3, None)] {
        add_once(&store, number, ttl);
    }
    assert_eq!(exposition(&store.snapshot()), before);
    assert_eq!((store.push_ids().kept, store.push_ids().repeated), (3, 3));
}

#[test]
fn records_of_series_that_leave_and_of_means_are_replayed() {
    check(
        "records-unseen",
        &expect![[r#"
        put families of {job="a"}: g (gauge, 2 lines, exact), push_time_seconds (gauge, 1 lines)
        put families of {job="a"}: g (gauge, 2 lines, exact), push_time_seconds (gauge, 1 lines)
    "#]],
        &expect![[r#"
        # TYPE g gauge
        g{instance="",job="a",w="1"} 3
        g{instance="",job="a",w="2"} 3.5
        # HELP push_failure_time_seconds Last Unix time when changing this group in the Pushgateway failed.
        # TYPE push_failure_time_seconds gauge
        push_failure_time_seconds{instance="",job="a"} 0
        # HELP push_time_seconds Last Unix time when changing this group in the Pushgateway succeeded.
        # TYPE push_time_seconds gauge
        push_time_seconds{instance="",job="a"} 100
    "#]],
    );
    let store = store();
    for record in records("records-unseen") {
        store.replay(&record).unwrap();
    }
    store.audit(true).unwrap();
    // The mean goes on from what it is made of, and each series leaves at its time.
    add_mean(&store, &[("2", 8)], 150);
    let shown = |store: &Store| {
        let lines = exposition(&store.snapshot());
        let lines = lines.lines().filter(|line| line.starts_with("g{"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(
        shown(&store),
        [
            r#"g{instance="",job="a",w="1"} 3"#,
            r#"g{instance="",job="a",w="2"} 5"#
        ]
    );
    assert_eq!(store.expire_series(UnixNanos(159_999_999_999)), Ok(0));
    assert_eq!(store.expire_series(UnixNanos(160_000_000_000)), Ok(1));
    assert_eq!(shown(&store), [r#"g{instance="",job="a",w="2"} 5"#]);
}

/// Gauges of workers, of which the mean counts, and which leave after a minute.
fn add_mean(store: &Store, values: &[(&str, u32)], seconds: i64) {
    let lines = values
        .iter()
        .map(|(worker, value)| format!("g{{w=\"{worker}\"}} {value}\n"));
    let body = format!("# TYPE g gauge\n{}", lines.collect::<String>());
    let exposition = text::decode(body.as_bytes(), text::Options::default()).unwrap();
    let mode = PushMode::Aggregate(Aggregation {
        gauges: Gauges::Average,
        series_ttl: Some(Duration::from_secs(60)),
        ..Aggregation::default()
    });
    let now = UnixNanos(seconds * 1_000_000_000);
    drop(store.push(&key("job/a"), mode, &exposition, now).unwrap());
}

#[test]
#[cfg_attr(miri, ignore = "too large for an interpreter")]
fn no_damaged_record_is_replayed_halfway() {
    for name in ["records-v1", "records-v2", "records-v3", "records-unseen"] {
        for record in records(name) {
            let store = store();
            for end in 0..record.len() {
                // A record of several changes is one also if it ends between two of them.
                if store.replay(&record[..end]).is_err() {
                    assert_eq!(
                        store.totals(),
                        wharf_store::Totals::default(),
                        "{name} up to {end}"
                    );
                    assert_eq!(store.push_ids(), PushIdCounts::default());
                } else {
                    store.wipe().map(drop).unwrap();
                }
            }
        }
    }
    assert_eq!(store().replay(&[4, 1]), Err(RecordError::Version(4)));
}

#[test]
#[ignore = "writes the fixture; run it once for a version, before its release"]
fn write_version_2() {
    write("records-v2", change);
}

#[test]
#[ignore = "writes the fixture; run it once for a version, before its release"]
fn write_version_3() {
    write("records-v3", |store| {
        add_once(store, 1, None);
        add_once(store, 2, Some(Duration::from_secs(60)));
        // It has the ids by themselves.
        store.checkpoint(false).unwrap();
        add_once(store, 3, None);
    });
}

/// A push that is added up, and has an id.
fn add_once(store: &Store, number: u8, ttl: Option<Duration>) {
    let exposition = text::decode(b"# TYPE c counter\nc 2\n", text::Options::default()).unwrap();
    let now = UnixNanos(i64::from(number) * 1_000_000_000);
    let options = PushOptions {
        note: None,
        mode: PushMode::Aggregate(Aggregation::default()),
        counters: Counters::Total,
        ttl: ttl.map(|after| Ttl {
            after,
            keep_times: false,
        }),
        now,
        once: Some(PushId {
            name: [number; 16],
            body: [number; 8],
            at: now,
        }),
        facts: Facts::default(),
        memory: &Meter::unlimited(),
        patience: Patience::Unlimited,
    };
    drop(store.push_with(&key("job/a"), &exposition, &options).unwrap());
}

#[test]
#[ignore = "writes the fixture; run it once, before the first release with such records"]
fn write_unseen() {
    write("records-unseen", |store| {
        add_mean(store, &[("1", 2), ("2", 3)], 99);
        add_mean(store, &[("1", 4), ("2", 4)], 100);
    });
}

fn write(name: &str, change: impl FnOnce(&Store)) {
    let path = fixture(name);
    assert!(!path.exists(), "the fixture is there and must not change");
    let disk = SimulatedDisk::new(1);
    let (ledger, recovery) =
        Ledger::open(Arc::new(disk.clone()), Options::default(), &mut |_| Ok(())).unwrap();
    let store = Arc::new(store());
    store.attach(ledger.clone(), recovery.last, true);
    change(&store);
    ledger.close().unwrap();
    let mut bytes = Vec::new();
    let mut collect = |replayed: wharf_ledger::Replayed<'_>| {
        bytes.extend_from_slice(&u32::try_from(replayed.record.len()).unwrap().to_le_bytes());
        bytes.extend_from_slice(replayed.record);
        Ok(())
    };
    drop(Ledger::open(Arc::new(disk.crash()), Options::default(), &mut collect).unwrap());
    std::fs::write(path, bytes).unwrap();
}

/// Every change there is.
fn change(store: &Store) {
    let seconds = |seconds: i64| UnixNanos(seconds * 1_000_000_000);
    let ttl = |seconds, keep_times| {
        Some(Ttl {
            after: Duration::from_secs(seconds),
            keep_times,
        })
    };
    let push = |path: &str, body: &'static str, ttl| GroupPush {
        note: None,
        key: key(path),
        exposition: text::decode(body.as_bytes(), text::Options::default()).unwrap(),
        ttl,
        aggregation: None,
        counters: Counters::Total,
        once: None,
        facts: Facts::default(),
    };
    let pushes = [
        push(
            "job/a",
            "# TYPE m gauge\nm{x=\"1\"} -0\nm{x=\"2\"} 2\n",
            ttl(60, false),
        ),
        push("job/b", "m_b 1\nn_b 2\n", ttl(5, true)),
        push("job/c", "m_c 1\nn_c 2\n", None),
        push("job/d", "m_d 1\n", ttl(6, false)),
        push("job/e", "m_e 1\n", None),
    ];
    drop(
        store
            .push_all(&pushes, PushMode::ReplaceGroup, seconds(100), &Meter::unlimited())
            .unwrap(),
    );
    let merged = text::decode(b"# TYPE m gauge\nm{x=\"2\"} 3\n", text::Options::default()).unwrap();
    let (a, mode) = (key("job/a"), PushMode::ReplaceSeries);
    drop(
        store
            .push_with_ttl(&a, mode, &merged, ttl(90, true), seconds(101))
            .unwrap(),
    );
    drop(store.delete_families(&key("job/c"), &["n_c"]).unwrap());
    store.expire(seconds(110)).unwrap();
    drop(delete_matching(store, &[r#"{job="e"}"#.parse().unwrap()], None).unwrap());
}
