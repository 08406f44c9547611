//! How much a replica does under one hold of the lock, and what its writer says of itself.

use std::time::Duration;

use wharf_shared_log::Faults;
use wharf_store::{Batch, Detail, PushMode, What};

use super::replicas::{Answer, World};

/// A slice, and the change that goes beyond it: some groups that go together, or a group of few families and series.
const SLICE: u64 = 1024 + 3 * 2048;

/// A world whose log has so many groups.
fn full(replicas: usize, groups: usize) -> World {
    let world = World::new(1, replicas, Faults::default());
    world.settle();
    for group in 0..groups {
        let replica = world.replicas[0].clone();
        world.simulation.spawn(async move {
            let path = format!("job/{group}");
            let body = "m 1\nn{l=\"1\"} 1\nn{l=\"2\"} 1\n";
            let pushed = replica.push(&path, PushMode::ReplaceGroup, body, None);
            assert_eq!(pushed.await, Answer::Done);
        });
    }
    world.settle();
    world
}

#[test]
fn a_replica_that_loads_very_many_groups_holds_nobody_up() {
    let world = full(2, 800);
    let replica = &world.replicas[1];
    let before = replica.seen();
    world.restart(replica);
    world.settle();
    let store = replica.store();
    assert_eq!(store.totals().groups, 800);
    let longest = store.longest_hold();
    assert!(longest <= SLICE, "{longest} at once");
    assert_eq!(replica.seen(), before);
    // It finds out that most of them are gone when history is forgotten.
    replica.log.set_cut(true);
    world.simulation.spawn({
        let other = world.replicas[0].clone();
        async move {
            for group in 0..700 {
                assert_eq!(other.delete(&format!("job/{group}")).await, Answer::Done);
            }
        }
    });
    world.simulation.run_for(Duration::from_secs(60));
    world.log.forget_history();
    replica.log.set_cut(false);
    world.settle();
    assert_eq!(store.totals().groups, 100);
    let longest = store.longest_hold();
    assert!(longest <= SLICE, "{longest} at once");
    world.exposition();
}

#[test]
fn a_wipe_of_many_groups_is_one_short_change() {
    let world = full(2, 300);
    let store = world.replicas[1].store();
    let mut follower = store.follow();
    store.longest_hold();
    let wiped = world.replicas[0].clone();
    let limit = Duration::from_secs(60);
    let wiped = world.simulation.run(limit, async move { wiped.wipe().await });
    assert_eq!(wiped, Some(Answer::Done));
    world.settle();
    assert_eq!(store.totals().groups, 0);
    let longest = store.longest_hold();
    assert!(longest <= 100, "{longest} at once");
    match follower.read() {
        Batch::Effects(effects) => {
            let what: Vec<&What> = effects.iter().map(|effect| &effect.what).collect();
            assert_eq!(what, [&What::Wiped { groups: 300 }]);
        }
        Batch::Lagged { .. } => panic!("one effect is not much"),
    }
    world.exposition();
}

/// A body of so many series.
fn series(many: usize) -> String {
    let lines = (0..many).map(|number| format!("s{{n=\"{number}\"}} 1\n"));
    lines.collect()
}

#[test]
fn a_group_of_very_many_series_holds_nobody_up() {
    let world = full(2, 3);
    let stores = [0, 1].map(|replica| world.replicas[replica].store());
    let limit = Duration::from_secs(60);
    let push = |body: String, mode: PushMode| {
        let replica = world.replicas[0].clone();
        let pushed = async move { replica.push("job/0", mode, &body, None).await };
        assert_eq!(world.simulation.run(limit, pushed), Some(Answer::Done));
        world.settle();
        for store in &stores {
            let longest = store.longest_hold();
            assert!(longest <= SLICE, "{longest} at once");
        }
    };
    push(series(10_000), PushMode::ReplaceGroup);
    push(series(12_000), PushMode::ReplaceFamilies);
    push("s{n=\"x\"} 1\n".to_owned(), PushMode::ReplaceSeries);
    push("m 1\n".to_owned(), PushMode::ReplaceGroup);
    push(series(10_000), PushMode::ReplaceGroup);
    let replica = world.replicas[1].clone();
    let deleted = async move { replica.delete("job/0").await };
    assert_eq!(world.simulation.run(limit, deleted), Some(Answer::Done));
    world.settle();
    for store in &stores {
        let longest = store.longest_hold();
        assert!(longest <= SLICE, "{longest} at once");
        assert_eq!(store.totals().groups, 2);
    }
    world.exposition();
}

#[test]
fn the_writer_says_what_it_has_sent() {
    let world = full(2, 10);
    let statistics = world.replicas[0].store().writer_statistics().unwrap();
    assert!(statistics.is_up);
    assert_eq!((statistics.records, statistics.failures), (10, 0));
    assert!((1..=10).contains(&statistics.commits));
    assert!(statistics.commit_time > Duration::ZERO);
    let Detail::Shared(counts) = statistics.detail else {
        panic!("it has no files");
    };
    assert_eq!((counts.changes, counts.loads), (10, 1));
    // Others have sent nothing.
    let other = world.replicas[1].store().writer_statistics().unwrap();
    assert_eq!(
        (other.records, other.commits, other.commit_time),
        (0, 0, Duration::ZERO)
    );
    world.replicas[0].log.set_cut(true);
    world.simulation.run_for(Duration::from_secs(30));
    let statistics = world.replicas[0].store().writer_statistics().unwrap();
    assert!(!statistics.is_up, "it has not heard of the log for too long");
}
