//! What every [`SharedLog`] has to pass, whatever it is made of and however bad the way to it is.
//!
//! A crate with an engine implements [`Fixture`] in a test, and writes [`conformance!`](crate::conformance!). Losses are allowed
//! while the checks run: answers may get lost, watches may end. History must not be forgotten but by the checks themselves.

#![expect(
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "these are the bodies of tests: they end by panics"
)]

mod client;

use std::time::Duration;

use bytes::Bytes;

pub use self::client::Replicas;
use self::client::{Client, PATIENCE, clients, delete, gone, has, key, names, put, put_of};
use crate::{
    Change, Committed, Expect, Expected, Key, LeaseId, LogError, Put, Revision, Settled, SharedLog, Timer,
    Txn, WatchError, timeout,
};

/// The shortest lease that any engine grants.
const TTL: Duration = Duration::from_secs(2);

/// What the checks run on.
pub trait Fixture {
    /// The log.
    type Log: SharedLog;
    /// Time.
    type Timer: Timer;

    /// Runs a check against an empty log, to its end, once or with several.
    fn run<F>(check: impl Fn(Replicas<Self::Log, Self::Timer>) -> F)
    where
        F: Future<Output = ()> + Send + 'static;
}

/// Makes a test of each check, for a [`Fixture`].
#[macro_export]
macro_rules! conformance {
    ($fixture:ty) => {
        $crate::conformance! { @tests $fixture,
            an_empty_log_has_nothing,
            a_transaction_is_one_revision_and_one_batch,
            what_is_expected_decides,
            what_is_expected_of_other_keys_decides,
            a_key_is_changed_once_in_a_transaction,
            limits_are_kept,
            the_largest_value_comes_back,
            all_keys_of_a_prefix_go_at_once,
            deleting_nothing_is_no_error,
            a_load_leaves_out_what_is_not_asked_for,
            what_was_there_is_read_until_it_is_forgotten,
            a_watch_from_a_load_misses_nothing,
            all_watches_see_the_same,
            a_watch_begins_where_it_is_told,
            a_quiet_watch_says_how_far_it_is,
            forgotten_history_is_an_error_and_never_a_gap,
            keys_go_with_their_lease_in_one_revision,
            a_lease_lives_while_it_is_kept_alive,
            an_ended_lease_takes_nothing,
            a_put_without_a_lease_stays,
            a_transaction_happens_once_whatever_is_lost,
        }
    };
    (@tests $fixture:ty, $($check:ident,)*) => {
        $(
            #[test]
            fn $check() {
                <$fixture as $crate::conformance::Fixture>::run($crate::conformance::$check);
            }
        )*
    };
}

/// An empty log has no keys, and its revision is one from which a watch can begin.
pub async fn an_empty_log_has_nothing<L: SharedLog, T: Timer>(replicas: Replicas<L, T>) {
    let (mut a, b) = clients(replicas);
    let loaded = b.load().await;
    assert_eq!(loaded.entries, []);
    assert_eq!(b.read(&key("x")).await, None);
    let at = a.commit(put("x", "1", Expect::Any)).await;
    assert!(at > loaded.at, "{at} after {}", loaded.at);
    let batch = b.follow(loaded.at).next().await;
    assert_eq!((batch.at, batch.changes), (at, vec![has("x", "1")]));
}

/// All that a transaction does has one revision, in a load, when read, and in a watch.
pub async fn a_transaction_is_one_revision_and_one_batch<L: SharedLog, T: Timer>(replicas: Replicas<L, T>) {
    let (mut a, b) = clients(replicas);
    let start = a.load().await.at;
    a.commit(put("old", "1", Expect::Any)).await;
    let txn = Txn {
        puts: vec![
            put_of("x", "1", Expect::Any),
            put_of("y", "2", Expect::Any),
            // The same value again is a change, and so are the empty value and bytes that are no text.
            put_of("empty", "", Expect::Absent),
        ],
        deletes: delete("old", Expect::Any).deletes,
        ..Txn::default()
    };
    let at = a.commit(txn).await;
    let loaded = b.load().await;
    assert_eq!(names(&loaded), [&b"empty"[..], b"x", b"y"]);
    assert!(loaded.entries.iter().all(|entry| entry.at == at), "{loaded:?}");
    assert_eq!(b.read(&key("y")).await.map(|entry| entry.at), Some(at));
    let mut follower = b.follow(start);
    assert_eq!(follower.next().await.changes, [has("old", "1")]);
    let batch = follower.next().await;
    let expected = vec![has("empty", ""), gone("old"), has("x", "1"), has("y", "2")];
    assert_eq!((batch.at, batch.changes), (at, expected));
    let again = a.commit(put("x", "1", Expect::At(at))).await;
    let batch = follower.next().await;
    assert_eq!((batch.at, batch.changes), (again, vec![has("x", "1")]));
}

/// A transaction whose expectations do not hold changes nothing, and names the keys.
pub async fn what_is_expected_decides<L: SharedLog, T: Timer>(replicas: Replicas<L, T>) {
    let (mut a, mut b) = clients(replicas);
    let first = a.commit(put("x", "1", Expect::Absent)).await;
    assert_eq!(b.stale(put("x", "2", Expect::Absent)).await, [key("x")]);
    assert_eq!(b.stale(delete("x", Expect::Absent)).await, [key("x")]);
    assert_eq!(b.stale(delete("none", Expect::At(first))).await, [key("none")]);
    let second = b.commit(put("x", "2", Expect::At(first))).await;
    assert!(second > first);
    let mut txn = put("x", "3", Expect::At(first));
    txn.puts.push(put_of("y", "3", Expect::Absent));
    assert_eq!(a.stale(txn).await, [key("x")]);
    assert_eq!(a.read(&key("y")).await, None);
    a.commit(delete("x", Expect::At(second))).await;
    // A key that was deleted and put again is another.
    let third = a.commit(put("x", "2", Expect::Absent)).await;
    assert_eq!(b.stale(put("x", "4", Expect::At(second))).await, [key("x")]);
    b.commit(put("x", "4", Expect::At(third))).await;
    let found = a.read(&key("x")).await;
    assert_eq!(found.map(|entry| entry.value), Some(key("4")));
}

/// Keys that are not changed can be expected something of.
pub async fn what_is_expected_of_other_keys_decides<L: SharedLog, T: Timer>(replicas: Replicas<L, T>) {
    let (mut a, mut b) = clients(replicas);
    let at = a.commit(put("guard", "1", Expect::Any)).await;
    let guarded = |expect| Txn {
        expected: vec![Expected {
            key: key("guard"),
            expect,
        }],
        ..put("x", "1", Expect::Any)
    };
    assert_eq!(b.stale(guarded(Expect::Absent)).await, [key("guard")]);
    b.commit(guarded(Expect::At(at))).await;
    a.commit(put("guard", "2", Expect::Any)).await;
    assert_eq!(b.stale(guarded(Expect::At(at))).await, [key("guard")]);
}

/// A transaction in which a key stands twice, or one without operations, is refused, and changes nothing.
pub async fn a_key_is_changed_once_in_a_transaction<L: SharedLog, T: Timer>(replicas: Replicas<L, T>) {
    let (mut a, b) = clients(replicas);
    let mut twice = put("x", "1", Expect::Any);
    twice.puts.push(put_of("x", "2", Expect::Any));
    let mut both = put("x", "1", Expect::Any);
    both.deletes = delete("x", Expect::Any).deletes;
    let mut below = put("xy", "1", Expect::Any);
    below.delete_prefixes.push(key("x"));
    for txn in [twice, both, below] {
        let settled = a.settle(txn).await;
        assert!(
            matches!(settled, Settled::Failed(LogError::Refused { .. })),
            "{settled:?}"
        );
    }
    // Not by way of a lane, which adds an operation.
    loop {
        match timeout(&b.timer, PATIENCE, b.log.commit(Txn::default())).await {
            Some(Err(LogError::Refused { .. })) => break,
            Some(Ok(committed)) => panic!("expected a refusal, found {committed:?}"),
            _ => b.pause().await,
        }
    }
    assert_eq!(b.load().await.entries, []);
}

/// A transaction of as many operations as the limit says is taken, and one more is refused; so is a longer value.
pub async fn limits_are_kept<L: SharedLog, T: Timer>(replicas: Replicas<L, T>) {
    let (mut a, b) = clients(replicas);
    let limits = a.log.limits();
    let keys = |count: usize| Txn {
        puts: (0..count)
            .map(|index| put_of(&format!("k{index:04}"), "", Expect::Absent))
            .collect(),
        ..Txn::default()
    };
    // The marker is one.
    let settled = a.settle(keys(limits.operations)).await;
    assert!(
        matches!(settled, Settled::Failed(LogError::Refused { .. })),
        "{settled:?}"
    );
    a.commit(keys(limits.operations - 1)).await;
    assert_eq!(b.load().await.entries.len(), limits.operations - 1);
    let mut large = put("large", "", Expect::Any);
    for put in &mut large.puts {
        put.value = vec![7; limits.value_bytes + 1].into();
    }
    let settled = a.settle(large).await;
    assert!(
        matches!(settled, Settled::Failed(LogError::TooLarge { .. })),
        "{settled:?}"
    );
    assert_eq!(b.read(&key("large")).await, None);
}

/// A value of the largest length is taken, and comes back by load, read and watch, for several keys at once too.
pub async fn the_largest_value_comes_back<L: SharedLog, T: Timer>(replicas: Replicas<L, T>) {
    let (mut a, b) = clients(replicas);
    let start = b.load().await.at;
    let length = a.log.limits().value_bytes;
    let values = [1_u8, 2, 3].map(|byte| Bytes::from(vec![byte; length]));
    for (index, value) in values.iter().enumerate() {
        let mut txn = put(&format!("large{index}"), "", Expect::Absent);
        for put in &mut txn.puts {
            put.value = value.clone();
        }
        a.commit(txn).await;
    }
    let loaded = b.load().await;
    let found: Vec<&Bytes> = loaded.entries.iter().map(|entry| &entry.value).collect();
    assert!(found.iter().copied().eq(&values), "the values that were loaded");
    let mut follower = b.follow(start);
    for expected in &values {
        let batch = follower.next().await;
        let is_same = matches!(batch.changes.as_slice(), [Change::Put { value, .. }] if value == expected);
        assert!(is_same, "a value that was watched");
    }
}

/// All keys that begin in some way go in one transaction, however many they are, and no others.
pub async fn all_keys_of_a_prefix_go_at_once<L: SharedLog, T: Timer>(replicas: Replicas<L, T>) {
    let (mut a, mut b) = clients(replicas);
    let count = a.log.limits().operations * 2;
    let start = a.load().await.at;
    for part in 0..4 {
        let keys = (0..count / 4).map(|index| put_of(&format!("g/{part}/{index}"), "v", Expect::Any));
        a.commit(Txn {
            puts: keys.collect(),
            ..Txn::default()
        })
        .await;
    }
    let mut others = put("f/z", "1", Expect::Any);
    others.puts.push(put_of("g", "1", Expect::Any));
    others.puts.push(put_of("h", "1", Expect::Any));
    a.commit(others).await;
    let old = b.read(&key("g/0/0")).await.map(|entry| entry.at);
    let wipe = Txn {
        delete_prefixes: vec![key("g/")],
        ..Txn::default()
    };
    let at = b.commit(wipe).await;
    assert_eq!(names(&a.load().await), [&b"f/z"[..], b"g", b"h"]);
    // What was folded from before cannot come back.
    let stale = a.stale(put("g/0/0", "back", Expect::found(old))).await;
    assert_eq!(stale, [key("g/0/0")]);
    let mut follower = a.follow(start);
    for _ in 0..5 {
        follower.next().await;
    }
    let batch = follower.next().await;
    assert_eq!((batch.at, batch.changes.len()), (at, count));
    let are_gone = batch.changes.iter().all(|change| {
        let is_below = change.key().starts_with(b"g/");
        is_below && matches!(change, Change::Delete { .. })
    });
    assert!(are_gone, "{:?}", batch.changes);
}

/// Deleting what is not there is no error, and nobody sees it.
pub async fn deleting_nothing_is_no_error<L: SharedLog, T: Timer>(replicas: Replicas<L, T>) {
    let (mut a, b) = clients(replicas);
    let start = b.load().await.at;
    a.commit(delete("none", Expect::Any)).await;
    a.commit(delete("none", Expect::Absent)).await;
    let nothing = Txn {
        delete_prefixes: vec![key("g/")],
        ..Txn::default()
    };
    a.commit(nothing).await;
    let at = a.commit(put("x", "1", Expect::Any)).await;
    assert_eq!(b.follow(start).next().await.at, at);
}

/// Whoever loads and watches from there has what is there in the end, while others write.
pub async fn a_watch_from_a_load_misses_nothing<L: SharedLog, T: Timer>(replicas: Replicas<L, T>) {
    let (mut a, mut b) = clients(replicas);
    for round in 0..10 {
        a.commit(put(&format!("k{}", round % 3), &round.to_string(), Expect::Any))
            .await;
    }
    let loaded = b.load().await;
    let mut state: Vec<(Key, Bytes)> = loaded
        .entries
        .into_iter()
        .map(|entry| (entry.key, entry.value))
        .collect();
    for round in 10..20 {
        let name = format!("k{}", round % 4);
        if round % 5 == 0 {
            b.commit(delete(&name, Expect::Any)).await;
        } else {
            a.commit(put(&name, &round.to_string(), Expect::Any)).await;
        }
    }
    let last = a.commit(put("last", "1", Expect::Any)).await;
    let mut follower = b.follow(loaded.at);
    while follower.last < last {
        for change in follower.next().await.changes {
            state.retain(|(key, _)| key != change.key());
            if let Change::Put { key, value } = change {
                state.push((key, value));
            }
        }
    }
    state.sort();
    let expected = a.load().await.entries.into_iter();
    assert_eq!(
        state,
        expected.map(|entry| (entry.key, entry.value)).collect::<Vec<_>>()
    );
}

/// Two replicas that write at the same time see the same batches in the same order.
pub async fn all_watches_see_the_same<L: SharedLog, T: Timer>(replicas: Replicas<L, T>) {
    let (mut a, mut b) = clients(replicas);
    let start = a.load().await.at;
    let writes = async |client: &mut Client<L, T>, name: &str| {
        for round in 0..10 {
            client.commit(put(name, &round.to_string(), Expect::Any)).await;
        }
    };
    join(writes(&mut a, "x"), writes(&mut b, "x")).await;
    let mut seen = Vec::new();
    for client in [&a, &b] {
        let mut follower = client.follow(start);
        let mut batches = Vec::new();
        for _ in 0..20 {
            batches.push(follower.next().await);
        }
        seen.push(batches);
    }
    assert_eq!(seen.first(), seen.last());
}

/// A watch shows what was after the revision that it is given, and nothing before.
pub async fn a_watch_begins_where_it_is_told<L: SharedLog, T: Timer>(replicas: Replicas<L, T>) {
    let (mut a, b) = clients(replicas);
    let mut revisions = Vec::new();
    for round in 0..4 {
        revisions.push(a.commit(put("x", &round.to_string(), Expect::Any)).await);
    }
    for pair in revisions.windows(2) {
        if let [before, next] = pair {
            assert_eq!(b.follow(*before).next().await.at, *next);
        }
    }
}

/// A load without the keys that begin so has all others.
pub async fn a_load_leaves_out_what_is_not_asked_for<L: SharedLog, T: Timer>(replicas: Replicas<L, T>) {
    let (mut a, b) = clients(replicas);
    let puts = ["e", "f", "f/a", "f/b", "f0", "g"];
    for name in puts {
        a.commit(put(name, "1", Expect::Any)).await;
    }
    let loaded = b.load_without(Some(&key("f/"))).await;
    assert_eq!(names(&loaded), [&b"e"[..], b"f", b"f0", b"g"]);
    assert_eq!(b.load().await.entries.len(), puts.len());
}

/// Keys are read as they were at a revision, whatever has become of them, until history is forgotten.
pub async fn what_was_there_is_read_until_it_is_forgotten<L: SharedLog, T: Timer>(replicas: Replicas<L, T>) {
    let (mut a, b) = clients(replicas);
    let mut last = Revision::default();
    for number in 0..10 {
        last = a.commit(put(&format!("f/{number}"), "1", Expect::Any)).await;
    }
    a.commit(put("f/3", "2", Expect::Any)).await;
    a.commit(put("g", "2", Expect::Any)).await;
    let gone = Txn {
        delete_prefixes: vec![key("f/")],
        ..Txn::default()
    };
    let at = a.commit(gone).await;
    a.commit(put("f/new", "3", Expect::Any)).await;
    assert_eq!(b.at("f/", at).await, Some(Vec::new()));
    let before = b.at("f/", last).await.unwrap_or_default();
    let expected: Vec<Key> = (0..10).map(|number| key(&format!("f/{number}"))).collect();
    let found: Vec<Key> = before.iter().map(|entry| entry.key.clone()).collect();
    assert_eq!(found, expected);
    assert!(before.iter().all(|entry| &*entry.value == b"1"), "{before:?}");
    b.compact(at).await;
    assert_eq!(b.at("f/", last).await, None);
    // What is not older than that is still there.
    assert_eq!(b.at("f/", at).await, Some(Vec::new()));
}

/// A watch without changes tells its revision, at least as far as a change that is known to have happened.
pub async fn a_quiet_watch_says_how_far_it_is<L: SharedLog, T: Timer>(replicas: Replicas<L, T>) {
    let (mut a, b) = clients(replicas);
    let at = a.commit(put("x", "1", Expect::Any)).await;
    let mut follower = b.follow(at);
    let mut quiet = 0;
    while quiet < 3 {
        let batch = follower.step().await;
        assert!(
            matches!(&batch, Ok(batch) if batch.changes.is_empty() && batch.at >= at),
            "{batch:?}"
        );
        quiet += 1;
    }
}

/// A watch from what is forgotten is told so; one from a load or from the revision of the compaction misses nothing.
pub async fn forgotten_history_is_an_error_and_never_a_gap<L: SharedLog, T: Timer>(replicas: Replicas<L, T>) {
    let (mut a, b) = clients(replicas);
    let start = a.load().await.at;
    for round in 0..5 {
        a.commit(put("x", &round.to_string(), Expect::Any)).await;
    }
    let at = a.commit(delete("x", Expect::Any)).await;
    let next = a.commit(put("y", "1", Expect::Any)).await;
    a.compact(at).await;
    a.compact(at).await;
    a.compact(start).await;
    let found = b.follow(start).step().await;
    assert!(matches!(found, Err(WatchError::Compacted { .. })), "{found:?}");
    assert_eq!(b.follow(at).next().await.at, next);
    let loaded = b.load().await;
    assert_eq!(names(&loaded), [b"y"]);
    let last = a.commit(put("z", "1", Expect::Any)).await;
    assert_eq!(b.follow(loaded.at).next().await.at, last);
}

/// When a lease ends, its keys go together, and everybody sees it.
pub async fn keys_go_with_their_lease_in_one_revision<L: SharedLog, T: Timer>(replicas: Replicas<L, T>) {
    let (mut a, b) = clients(replicas);
    let lease = a.grant(TTL).await;
    let txn = under(lease, &["r/1", "r/2"]);
    let at = match a.settle(txn).await {
        Settled::Committed(at) => at,
        // The way may be so bad that the lease is over before.
        Settled::Failed(LogError::NoLease) => return,
        other => panic!("expected a commit, found {other:?}"),
    };
    let batch = b.follow(at).next().await;
    assert_eq!(batch.changes, [gone("r/1"), gone("r/2")]);
    assert_eq!(b.load().await.entries, []);
    assert!(!a.keep_alive(lease).await, "the lease is over");
}

fn under(lease: LeaseId, keys: &[&str]) -> Txn {
    let puts = keys.iter().map(|key| Put {
        lease: Some(lease),
        ..put_of(key, "", Expect::Absent)
    });
    Txn {
        puts: puts.collect(),
        ..Txn::default()
    }
}

/// A lease that is kept alive outlives its time. On a bad way it may end all the same, and says so.
pub async fn a_lease_lives_while_it_is_kept_alive<L: SharedLog, T: Timer>(replicas: Replicas<L, T>) {
    let (mut a, b) = clients(replicas);
    let begun = a.timer.now();
    let mut last = begun;
    let lease = a.grant(TTL).await;
    if !matches!(a.settle(under(lease, &["r/1"])).await, Settled::Committed(_)) {
        return;
    }
    while a.timer.now() < begun + TTL * 3 {
        let now = a.timer.now();
        let lives = a.keep_alive(lease).await;
        let is_there = b.read(&key("r/1")).await.is_some();
        if a.timer.now() > last + TTL {
            return;
        }
        assert!(lives && is_there, "kept alive: {lives}, there: {is_there}");
        last = now;
        a.timer.sleep(TTL / 4).await;
    }
}

/// A lease that was ended takes its keys along, and nothing can be put under it any more.
pub async fn an_ended_lease_takes_nothing<L: SharedLog, T: Timer>(replicas: Replicas<L, T>) {
    let (mut a, b) = clients(replicas);
    let lease = a.grant(TTL).await;
    a.settle(under(lease, &["r/1"])).await;
    for _ in 0..2 {
        while !matches!(
            timeout(&a.timer, PATIENCE, a.log.revoke(lease)).await,
            Some(Ok(()))
        ) {
            a.pause().await;
        }
    }
    assert_eq!(b.load().await.entries, []);
    let settled = a.settle(under(lease, &["r/2"])).await;
    assert_eq!(settled, Settled::Failed(LogError::NoLease));
    assert!(!a.keep_alive(lease).await);
}

/// A key that is put again without a lease does not go with the one that it had.
pub async fn a_put_without_a_lease_stays<L: SharedLog, T: Timer>(replicas: Replicas<L, T>) {
    let (mut a, b) = clients(replicas);
    let lease = a.grant(TTL).await;
    a.settle(under(lease, &["r/1"])).await;
    let at = b.load().await.at;
    a.commit(put("r/1", "stays", Expect::Any)).await;
    while a.keep_alive(lease).await {
        a.timer.sleep(TTL * 4).await;
    }
    let found = b.read(&key("r/1")).await;
    assert_eq!(found.map(|entry| entry.value), Some(key("stays")), "since {at}");
}

/// Two replicas count up one number, each by compare-and-swap, while the way loses what it loses.
pub async fn a_transaction_happens_once_whatever_is_lost<L: SharedLog, T: Timer>(replicas: Replicas<L, T>) {
    const EACH: u64 = 25;
    let (mut a, mut b) = clients(replicas);
    let count = async |client: &mut Client<L, T>| {
        let mut done = 0;
        while done < EACH {
            let found = client.read(&key("n")).await;
            let number = found.as_ref().map_or(0, |entry| number_of(&entry.value)) + 1;
            let expect = Expect::found(found.map(|entry| entry.at));
            match client.settle(put("n", &number.to_string(), expect)).await {
                Settled::Committed(_) => done += 1,
                Settled::Stale { .. } => {}
                other @ Settled::Failed(_) => panic!("expected an answer, found {other:?}"),
            }
        }
    };
    join(count(&mut a), count(&mut b)).await;
    let found = a.read(&key("n")).await.map(|entry| number_of(&entry.value));
    assert_eq!(found, Some(EACH * 2));
    // Without a lane an answer is one of three.
    match timeout(&b.timer, PATIENCE, b.log.commit(put("m", "", Expect::Absent))).await {
        Some(Ok(Committed::At(_)) | Err(LogError::Unknown { .. })) | None => {}
        Some(other) => panic!("expected a commit, found {other:?}"),
    }
}

fn number_of(value: &Bytes) -> u64 {
    let text = std::str::from_utf8(value).unwrap_or_default();
    text.parse().unwrap_or_default()
}

/// Runs two futures to their ends.
async fn join(a: impl Future<Output = ()>, b: impl Future<Output = ()>) {
    let (mut a, mut b) = (std::pin::pin!(a), std::pin::pin!(b));
    let (mut a_done, mut b_done) = (false, false);
    std::future::poll_fn(|context| {
        a_done = a_done || a.as_mut().poll(context).is_ready();
        b_done = b_done || b.as_mut().poll(context).is_ready();
        if a_done && b_done {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
}
