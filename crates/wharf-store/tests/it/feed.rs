//! The feed of changes.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use expect_test::expect;
use wharf_exposition::text;
use wharf_ledger::{Fault, Ledger, Options, SimulatedDisk};
use wharf_model::{Exposition, GroupingKey, Meter};
use wharf_store::{
    Batch, Counters, Facts, Follower, GroupPush, Kept, Lifetime, Patience, PushMode, PushOptions, Reserved,
    Restored, Store, Ttl, UnixNanos, What,
};

use crate::durable::block_on;
use crate::{delete, delete_family_matching, delete_matching, key, post, push, put, store, wipe};

const LONG: Duration = Duration::from_secs(60);

/// All that there is to read, a line for each effect.
fn told(follower: &mut Follower) -> String {
    let mut lines = String::new();
    loop {
        match follower.read() {
            Batch::Lagged { missed } => writeln!(lines, "missed {missed}").unwrap(),
            Batch::Effects(effects) if effects.is_empty() => return lines,
            Batch::Effects(effects) => {
                for effect in effects {
                    let key = effect.key.map_or("all".to_owned(), |key| key.to_string());
                    let what = match effect.what {
                        What::Pushed(stored) => format!(
                            "Pushed {:?} created={} families={} series={} bytes={}",
                            stored.mode, stored.created, stored.families, stored.series, stored.bytes
                        ),
                        What::Restored(stored) => format!("Restored created={}", stored.created),
                        what => format!("{what:?}"),
                    };
                    writeln!(lines, "{} {key} {what}", effect.revision).unwrap();
                }
            }
        }
    }
}

#[test]
fn every_change_is_told_in_order_whoever_made_it() {
    let store = store();
    put(&store, "job/before", "b 1\n").unwrap();
    let mut follower = store.follow();
    put(&store, "job/a", "m{x=\"1\"} 1\nn 2\n").unwrap();
    push(&store, PushMode::ReplaceSeries, "job/a", "m{x=\"2\"} 1\n", 101).unwrap();
    post(&store, "job/b", "m{x=\"1\",job=\"b\"} 1\n").unwrap();
    post(&store, "job/b", "# TYPE m gauge\nm 1\n").unwrap_err();
    post(&store, "job/c", "# TYPE m gauge\nm 1\n").unwrap_err();
    drop(store.delete_families(&key("job/a"), &["n", "nothing"]).unwrap());
    drop(store.delete_families(&key("job/a"), &["nothing"]).unwrap());
    let selectors = [r#"{job=~"a|b"}"#.parse().unwrap()];
    drop(delete_family_matching(&store, &selectors, None, "m").unwrap());
    assert!(delete(&store, "job/c"));
    assert!(!delete(&store, "job/c"));
    drop(delete_matching(&store, &selectors, None).unwrap());
    let ttl = |path: &str, keep_times| {
        let exposition = text::decode(b"t 1\n", text::Options::default()).unwrap();
        let ttl = Some(Ttl {
            after: Duration::from_secs(1),
            keep_times,
        });
        let pushed = store.push_with_ttl(&key(path), PushMode::ReplaceGroup, &exposition, ttl, UnixNanos(0));
        drop(pushed.unwrap());
    };
    ttl("job/d", true);
    ttl("job/e/x/1", false);
    store
        .live_from(UnixNanos(-5_000_000_000), Duration::ZERO)
        .unwrap();
    store.expire(UnixNanos(2_000_000_000)).unwrap();
    let exposition = text::decode(b"r 1\n", text::Options::default()).unwrap();
    let restored = Restored {
        notes: &[],
        key: &key("job/r"),
        exposition: &exposition,
        push_time: 1.0,
        failure_time: 0.0,
        pushed_at: &|_| UnixNanos(1),
        ttl: None,
        memory: &Meter::unlimited(),
    };
    drop(store.restore(&restored, true).unwrap());
    assert_eq!(wipe(&store), 3);
    expect![[r#"
        2 {job="a"} Pushed ReplaceGroup created=true families=2 series=2 bytes=56
        3 {job="a"} Pushed ReplaceSeries created=false families=1 series=2 bytes=62
        4 {job="b"} Pushed ReplaceFamilies created=true families=1 series=1 bytes=31
        5 {job="b"} Failed { created: false }
        6 {job="c"} Failed { created: true }
        7 {job="a"} FamiliesDeleted { families: 1, by: Request }
        9 {job="a"} FamiliesDeleted { families: 1, by: Selector }
        9 {job="b"} FamiliesDeleted { families: 1, by: Selector }
        10 {job="c"} Deleted { by: Request }
        12 {job="a"} Deleted { by: Selector }
        12 {job="b"} Deleted { by: Selector }
        13 {job="d"} Pushed ReplaceGroup created=true families=1 series=1 bytes=25
        14 {job="e",x="1"} Pushed ReplaceGroup created=true families=1 series=1 bytes=31
        15 {job="d"} LifetimeSet { lifetime: Some(Lifetime { ttl: Ttl { after: 1s, keep_times: true }, expires_at: UnixNanos(-4000000000) }) }
        15 {job="e",x="1"} LifetimeSet { lifetime: Some(Lifetime { ttl: Ttl { after: 1s, keep_times: false }, expires_at: UnixNanos(-4000000000) }) }
        16 {job="d"} Emptied
        16 {job="e",x="1"} Deleted { by: Expiry }
        17 {job="r"} Restored created=true
        18 all Wiped { groups: 3 }
    "#]]
    .assert_eq(&told(&mut follower));
}

/// What a follower knows of all groups: how it looks at everything when it has to, and else at what it is told.
pub(crate) struct Picture {
    follower: Follower,
    /// The groups, and when they expire.
    pub(crate) groups: BTreeMap<GroupingKey, Option<UnixNanos>>,
}

impl Picture {
    pub(crate) fn of(store: &Store) -> Self {
        let mut picture = Self {
            follower: store.follow(),
            groups: BTreeMap::new(),
        };
        picture.look(store);
        picture
    }

    fn look(&mut self, store: &Store) {
        let snapshot = store.snapshot();
        let expiry = |key: &GroupingKey| snapshot.lifetime(key).map(|lifetime| lifetime.expires_at);
        let keys = snapshot.keys().into_iter();
        self.groups = keys.map(|key| (key.clone(), expiry(&key))).collect();
    }

    /// Reads all there is; how often it had to look at everything.
    pub(crate) fn catch_up(&mut self, store: &Store) -> usize {
        let mut looks = 0;
        loop {
            match self.follower.read() {
                Batch::Lagged { .. } => {
                    looks += 1;
                    self.look(store);
                }
                Batch::Effects(effects) if effects.is_empty() => return looks,
                Batch::Effects(effects) => {
                    for effect in effects {
                        self.take(effect.key, effect.what, store);
                    }
                }
            }
        }
    }

    fn take(&mut self, key: Option<GroupingKey>, what: What, store: &Store) {
        let Some(key) = key else {
            match what {
                What::Wiped { .. } => self.groups.clear(),
                _ => self.look(store),
            }
            return;
        };
        let expires = |lifetime: Option<Lifetime>| lifetime.map(|lifetime| lifetime.expires_at);
        match what {
            What::Deleted { .. } => drop(self.groups.remove(&key)),
            What::Emptied => drop(self.groups.insert(key, None)),
            What::LifetimeSet { lifetime } => drop(self.groups.insert(key, expires(lifetime))),
            What::Pushed(stored) | What::Restored(stored) => {
                self.groups.insert(key, expires(stored.lifetime));
            }
            // Whoever has looked at the group may know already that it has gone since.
            What::FamiliesDeleted { .. } => {}
            // A group that is made by a refused push has the lifetime that the push wanted: it is looked up.
            _ => match store.group(&key) {
                Some(group) => drop(self.groups.insert(key, expires(group.info().lifetime))),
                None => drop(self.groups.remove(&key)),
            },
        }
    }
}

#[test]
fn a_follower_that_is_slow_is_told_so_and_has_everything_with_a_snapshot() {
    let store = store();
    let mut picture = Picture::of(&store);
    let change = |number: usize| {
        let path = format!("job/j{}", number % 50);
        if number.is_multiple_of(3) {
            delete(&store, &path);
        } else {
            put(&store, &path, "").unwrap();
        }
    };
    for number in 0..1000 {
        change(number);
        if number.is_multiple_of(77) {
            assert_eq!(picture.catch_up(&store), 0);
        }
    }
    for number in 0..40_000 {
        change(number);
    }
    assert_eq!(picture.catch_up(&store), 1);
    assert_eq!(picture.groups, Picture::of(&store).groups);
}

#[test]
fn a_change_of_very_many_groups_is_told_as_a_loss() {
    let store = store();
    let pushes = (0..13_000).map(|number| GroupPush {
        note: None,
        key: key(&format!("job/j{number}")),
        exposition: Exposition::default(),
        ttl: None,
        aggregation: None,
        counters: Counters::Total,
        once: None,
        facts: Facts::default(),
    });
    let pushes: Vec<_> = pushes.collect();
    let mut follower = store.follow();
    drop(
        store
            .push_all(&pushes, PushMode::ReplaceGroup, UnixNanos(1), &Meter::unlimited())
            .unwrap(),
    );
    put(&store, "job/after", "").unwrap();
    expect![[r#"
        missed 1
        2 {job="after"} Pushed ReplaceGroup created=true families=0 series=0 bytes=0
    "#]]
    .assert_eq(&told(&mut follower));
}

#[test]
fn what_the_pusher_wants_booked_comes_with_the_effect() {
    let store = store();
    let mut follower = store.follow();
    let facts = Facts {
        received_at: UnixNanos(7),
        input: "push",
        method: Some("PUT"),
        address: Some([127, 0, 0, 1].into()),
        body_bytes: 4,
        series: 1,
        duration_seconds: Some(1.5),
    };
    let exposition = text::decode(b"m 1\n", text::Options::default()).unwrap();
    let options = PushOptions {
        note: None,
        mode: PushMode::ReplaceGroup,
        ttl: None,
        counters: Counters::Total,
        now: UnixNanos(7),
        once: None,
        facts,
        memory: &Meter::unlimited(),
        patience: Patience::Unlimited,
    };
    drop(store.push_with(&key("job/a"), &exposition, &options).unwrap());
    let Batch::Effects(effects) = follower.read() else {
        panic!("nothing is lost");
    };
    let [effect] = effects.as_slice() else {
        panic!("one effect: {effects:?}");
    };
    let What::Pushed(stored) = &effect.what else {
        panic!("a push: {effect:?}");
    };
    assert_eq!((stored.facts, stored.pushed_at), (facts, UnixNanos(7)));
    assert_eq!(store.revision_of(&key("job/a")), Some(effect.revision));
}

#[test]
fn nobody_is_told_of_what_was_before() {
    let store = store();
    put(&store, "job/a", "m 1\n").unwrap();
    let mut early = store.follow();
    put(&store, "job/b", "m 1\n").unwrap();
    let mut late = store.follow();
    assert_eq!(told(&mut late), "");
    assert!(told(&mut early).starts_with("2 {job=\"b\"} Pushed"));
    drop((early, late));
    let mut again = store.follow();
    assert_eq!(told(&mut again), "");
    put(&store, "job/c", "m 1\n").unwrap();
    assert!(told(&mut again).starts_with("3 {job=\"c\"} Pushed"));
}

#[test]
fn threads_and_tasks_are_woken_when_there_is_as_much_as_they_wait_for() {
    let store = Arc::new(store());
    let follower = store.follow();
    assert!(!follower.wait(1, Duration::ZERO));
    let waiting = std::thread::spawn(move || follower.wait(3, LONG));
    let task = store.follow();
    let mut changed = pin!(task.changed(2));
    let mut context = Context::from_waker(Waker::noop());
    assert!(changed.as_mut().poll(&mut context).is_pending());
    put(&store, "job/a", "").unwrap();
    assert!(changed.as_mut().poll(&mut context).is_pending());
    put(&store, "job/b", "").unwrap();
    assert_eq!(changed.as_mut().poll(&mut context), Poll::Ready(()));
    // The thread may have begun later than the pushes: it waits for three from when it followed.
    put(&store, "job/c", "").unwrap();
    assert!(waiting.join().unwrap());
}

/// A store over a disk, where changes wait for that.
fn durable(disk: &SimulatedDisk) -> Arc<Store> {
    durable_and_followed(disk).0
}

/// The same, followed from before it has read what the disk has.
fn durable_and_followed(disk: &SimulatedDisk) -> (Arc<Store>, Follower) {
    let store = Arc::new(Store::new(Reserved::default(), 1 << 24));
    let follower = store.follow();
    let mut replay = |replayed: wharf_ledger::Replayed<'_>| Ok(store.replay(replayed.record)?);
    let opened = Ledger::open(Arc::new(disk.clone()), Options::default(), &mut replay);
    let (ledger, recovery) = opened.unwrap();
    store.attach(ledger, recovery.last, true);
    (store, follower)
}

#[test]
fn what_a_start_reads_is_not_told() {
    let disk = SimulatedDisk::new(3);
    {
        let store = durable(&disk);
        let exposition = text::decode(b"m 1\n", text::Options::default()).unwrap();
        let push = |path: &str| {
            let mode = PushMode::ReplaceGroup;
            let pushed = store.push(&key(path), mode, &exposition, UnixNanos(1));
            pushed.and_then(block_on).unwrap();
        };
        push("job/a");
        block_on(store.delete(&key("job/a")).unwrap().1).unwrap();
        push("job/b");
        block_on(store.delete_families(&key("job/b"), &["m"]).unwrap().1).unwrap();
        block_on(store.wipe().unwrap().1).unwrap();
        push("job/a");
    }
    let (store, mut follower) = durable_and_followed(&disk);
    assert!(store.has_group(&key("job/a")));
    assert_eq!(told(&mut follower), "");
}

#[test]
fn a_push_is_told_when_it_is_answered_and_not_told_when_it_is_taken_back() {
    let disk = SimulatedDisk::new(3);
    let store = durable(&disk);
    let mut follower = store.follow();
    let exposition = text::decode(b"m 1\n", text::Options::default()).unwrap();
    let push = |path: &str| {
        let mode = PushMode::ReplaceGroup;
        let pushed = store.push(&key(path), mode, &exposition, UnixNanos(1));
        pushed.and_then(block_on)
    };
    push("job/a").unwrap();
    expect![[r#"
        1 {job="a"} Pushed ReplaceGroup created=true families=1 series=1 bytes=25
    "#]]
    .assert_eq(&told(&mut follower));
    disk.fail_after(0, Fault::Lasting(std::io::ErrorKind::StorageFull));
    push("job/b").unwrap_err();
    push("job/c").unwrap_err();
    disk.heal();
    assert_eq!(store.keep(u64::MAX).unwrap(), Kept::Restarted);
    push("job/d").unwrap();
    expect![[r#"
        2 {job="b"} TakenBack
        3 {job="d"} Pushed ReplaceGroup created=true families=1 series=1 bytes=25
    "#]]
    .assert_eq(&told(&mut follower));
}

#[test]
fn who_sleeps_is_woken_when_a_change_is_on_the_disk() {
    let disk = SimulatedDisk::new(3);
    let store = durable(&disk);
    let follower = store.follow();
    let waiting = std::thread::spawn(move || follower.wait(1, LONG));
    let exposition = text::decode(b"m 1\n", text::Options::default()).unwrap();
    let mode = PushMode::ReplaceGroup;
    let commit = store
        .push(&key("job/a"), mode, &exposition, UnixNanos(1))
        .unwrap();
    block_on(commit).unwrap();
    assert!(waiting.join().unwrap());
}
