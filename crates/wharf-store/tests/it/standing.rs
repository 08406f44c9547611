//! What is said of the pushes that are still to come stands in a group, whatever becomes of its metrics.

use std::time::Duration;

use wharf_exposition::text;
use wharf_ledger::{Options, SimulatedDisk};
use wharf_model::Meter;
use wharf_store::{
    Aggregation, Batch, Counters, Facts, Note, Patience, PushMode, PushOptions, Restored, Store, Ttl,
    UnixNanos, What,
};

use crate::durable::block_on;
use crate::{delete, exposition, key, post, put, samples, start, store, wipe};

const EXPECTED: &str = r#"wharf_group_expected_info{expect="every=1d",instance="",job="a"} 1"#;
const PAUSED: &str = r#"wharf_group_paused_until_timestamp_seconds{instance="",job="a"} 500"#;

fn at(seconds: i64) -> UnixNanos {
    UnixNanos(seconds * 1_000_000_000)
}

/// A push that says something of the next ones.
fn push_with(store: &Store, mode: PushMode, body: &str, note: Note<'_>, ttl: Option<Ttl>) {
    let decoded = text::decode(body.as_bytes(), text::Options::default()).unwrap();
    let options = PushOptions {
        mode,
        counters: Counters::Total,
        ttl,
        now: at(100),
        once: None,
        note: Some(note),
        facts: Facts::default(),
        memory: &Meter::unlimited(),
        patience: Patience::Unlimited,
    };
    drop(store.push_with(&key("job/a"), &decoded, &options).unwrap());
}

fn expect(store: &Store, mode: PushMode, body: &str) {
    push_with(store, mode, body, Note::Expected(Some("every=1d")), None);
}

fn pause(store: &Store, path: &str, until: i64) {
    drop(
        store
            .set_note(&key(path), Note::PausedUntil(at(until)), at(90))
            .unwrap(),
    );
}

#[test]
fn what_is_expected_stays_however_the_metrics_are_replaced() {
    let store = store();
    expect(&store, PushMode::ReplaceGroup, "m 1\n");
    assert_eq!(
        store.snapshot().expected(&key("job/a")).as_deref(),
        Some("every=1d")
    );
    pause(&store, "job/a", 500);
    put(&store, "job/a", "n 1\n").unwrap();
    post(&store, "job/a", "k 1\n").unwrap();
    assert_eq!(
        samples(&store),
        [
            r#"k{instance="",job="a"} 1"#,
            r#"n{instance="",job="a"} 1"#,
            EXPECTED,
            PAUSED
        ]
    );
    assert_eq!(store.snapshot().paused_until(&key("job/a")), Some(at(500)));
    // Nobody removes it by its name, and nobody else has it.
    let names = ["wharf_group_expected_info", "n", "k"];
    assert_eq!(store.delete_families(&key("job/a"), &names).unwrap().0, 2);
    put(&store, "job/b", "n 2\n").unwrap();
    assert_eq!(samples(&store), [r#"n{instance="",job="b"} 2"#, EXPECTED, PAUSED]);
    assert_eq!(store.snapshot().expected(&key("job/b")), None);
    store.audit(true).unwrap();
}

#[test]
fn pushes_that_are_added_up_or_replace_series_say_it_once() {
    for mode in [
        PushMode::ReplaceSeries,
        PushMode::Aggregate(Aggregation::default()),
    ] {
        let store = store();
        expect(&store, mode, "# TYPE c counter\nc 1\n");
        let other = Note::Expected(Some("every=1h"));
        push_with(&store, mode, "# TYPE c counter\nc 1\n", other, None);
        assert_eq!(
            store.snapshot().expected(&key("job/a")).as_deref(),
            Some("every=1h")
        );
        assert!(
            samples(&store).contains(&EXPECTED.replace("1d", "1h")),
            "{mode:?}"
        );
        assert_eq!(
            store
                .snapshot()
                .family("wharf_group_expected_info")
                .unwrap()
                .series(),
            1
        );
    }
}

#[test]
fn a_body_that_is_known_by_its_form_says_it_too() {
    // Bodies that come often are not decoded.
    let store = store();
    for round in 0..40 {
        let line = format!("every={}m", round + 1);
        let body = format!("m{{x=\"1\"}} {round}\nn 2\n");
        push_with(
            &store,
            PushMode::ReplaceGroup,
            &body,
            Note::Expected(Some(&line)),
            None,
        );
        assert_eq!(store.snapshot().expected(&key("job/a")), Some(line));
        store.audit(true).unwrap();
    }
}

#[test]
fn it_goes_when_a_push_says_so_and_with_the_group() {
    let store = store();
    expect(&store, PushMode::ReplaceGroup, "m 1\n");
    push_with(
        &store,
        PushMode::ReplaceGroup,
        "m 1\n",
        Note::Expected(None),
        None,
    );
    assert_eq!(store.snapshot().expected(&key("job/a")), None);
    assert_eq!(samples(&store), [r#"m{instance="",job="a"} 1"#]);
    expect(&store, PushMode::ReplaceGroup, "m 1\n");
    pause(&store, "job/a", 500);
    assert!(delete(&store, "job/a"));
    put(&store, "job/a", "m 1\n").unwrap();
    let snapshot = store.snapshot();
    assert_eq!(
        (
            snapshot.expected(&key("job/a")),
            snapshot.paused_until(&key("job/a"))
        ),
        (None, None)
    );
}

#[test]
fn a_group_that_is_expected_keeps_it_and_its_push_times_when_its_time_is_over() {
    let ttl = |seconds| Ttl {
        after: Duration::from_secs(seconds),
        keep_times: false,
    };
    for few in [1, 512] {
        let store = store().with_few_families(few);
        let note = Note::Expected(Some("every=1d"));
        push_with(&store, PushMode::ReplaceGroup, "m 1\nn 1\n", note, Some(ttl(10)));
        // Also when a later push says nothing of it.
        let body = text::decode(b"m 2\nk 1\n", text::Options::default()).unwrap();
        let pushed = store.push_with_ttl(
            &key("job/a"),
            PushMode::ReplaceGroup,
            &body,
            Some(ttl(10)),
            at(101),
        );
        drop(pushed.unwrap());
        let expired = store.expire(at(200)).unwrap();
        assert_eq!((expired.deleted.len(), expired.kept_times), (0, 1));
        assert_eq!(samples(&store), [EXPECTED]);
        assert_eq!(
            store
                .snapshot()
                .fragment("push_time_seconds", &key("job/a"))
                .unwrap()
                .number(),
            Some(101.0)
        );
        // Once nothing is expected, it goes as any other.
        push_with(
            &store,
            PushMode::ReplaceGroup,
            "m 1\n",
            Note::Expected(None),
            Some(ttl(10)),
        );
        assert_eq!(store.expire(at(200)).unwrap().deleted.len(), 1);
    }
}

#[test]
fn a_wipe_leaves_what_pushes_expect_and_their_times() {
    let store = store();
    expect(&store, PushMode::ReplaceGroup, "m 1\n");
    pause(&store, "job/a", 500);
    put(&store, "job/b", "m 1\n").unwrap();
    pause(&store, "job/b", 600);
    assert_eq!(wipe(&store), 2);
    assert_eq!(samples(&store), [EXPECTED, PAUSED]);
    assert_eq!(store.totals().groups, 1);
    assert_eq!(
        store
            .snapshot()
            .fragment("push_time_seconds", &key("job/a"))
            .unwrap()
            .number(),
        Some(100.0)
    );
    store.audit(true).unwrap();
    put(&store, "job/a", "m 2\n").unwrap();
    assert_eq!(samples(&store), [r#"m{instance="",job="a"} 2"#, EXPECTED, PAUSED]);
}

#[test]
fn a_pause_makes_a_group_that_never_came_and_changes_no_times_of_others() {
    let store = store();
    let ttl = Some(Ttl {
        after: Duration::from_secs(10),
        keep_times: false,
    });
    let body = text::decode(b"m 1\n", text::Options::default()).unwrap();
    drop(
        store
            .push_with_ttl(&key("job/a"), PushMode::ReplaceGroup, &body, ttl, at(100))
            .unwrap(),
    );
    let before = store.snapshot().lifetime(&key("job/a"));
    let mut follower = store.follow();
    pause(&store, "job/a", 500);
    pause(&store, "job/new", 600);
    assert_eq!(store.snapshot().lifetime(&key("job/a")), before);
    let time = |path: &str| {
        let snapshot = store.snapshot();
        snapshot
            .fragment("push_time_seconds", &key(path))
            .unwrap()
            .number()
    };
    assert_eq!((time("job/a"), time("job/new")), (Some(100.0), Some(0.0)));
    let Batch::Effects(effects) = follower.read() else {
        panic!("all of it is told");
    };
    let told: Vec<What> = effects.into_iter().map(|effect| effect.what).collect();
    assert_eq!(told, [What::Noted, What::Noted]);
}

#[test]
fn a_restored_group_has_what_is_said_of_it() {
    let store = store();
    let body = text::decode(b"m 1\n", text::Options::default()).unwrap();
    let restored = Restored {
        key: &key("job/a"),
        exposition: &body,
        push_time: 50.0,
        failure_time: 0.0,
        pushed_at: &|_| at(50),
        ttl: None,
        notes: &[Note::Expected(Some("every=1d")), Note::PausedUntil(at(500))],
        memory: &Meter::unlimited(),
    };
    assert!(store.restore(&restored, true).unwrap().is_some());
    assert_eq!(samples(&store), [r#"m{instance="",job="a"} 1"#, EXPECTED, PAUSED]);
}

#[test]
fn a_start_finds_it_whatever_later_records_replace() {
    let disk = SimulatedDisk::new(7);
    let open = |disk: &SimulatedDisk| {
        let store = std::sync::Arc::new(store());
        let (ledger, recovery) = start::open(&store, disk, Options::default());
        store.attach(ledger.clone(), recovery.last, true);
        (store, ledger)
    };
    let settled = |store: &Store| {
        let last = store
            .set_note(&key("job/last"), Note::PausedUntil(at(1)), at(1))
            .unwrap();
        block_on(last).unwrap();
    };
    let (store, ledger) = open(&disk);
    put(&store, "job/a", "old 1\n").unwrap();
    expect(&store, PushMode::ReplaceGroup, "m 1\n");
    pause(&store, "job/a", 500);
    for value in 2..9 {
        put(&store, "job/a", &format!("m {value}\n")).unwrap();
    }
    settled(&store);
    let before = exposition(&store.snapshot());
    drop((store, ledger));
    let (store, ledger) = open(&disk.crash());
    assert_eq!(exposition(&store.snapshot()), before);
    drop((store, ledger));
    // A wipe that leaves it, and pushes after that.
    let disk = disk.crash();
    let (store, ledger) = open(&disk);
    put(&store, "job/b", "m 1\n").unwrap();
    wipe(&store);
    put(&store, "job/b", "m 2\n").unwrap();
    settled(&store);
    let before = exposition(&store.snapshot());
    assert!(before.contains(EXPECTED) && before.contains(PAUSED), "{before}");
    drop((store, ledger));
    let (store, _ledger) = open(&disk.crash());
    assert_eq!(exposition(&store.snapshot()), before);
}
