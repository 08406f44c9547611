//! Pushes with ids, sent to one replica and then to another.

use std::sync::Arc;
use std::time::Duration;

use wharf_shared_log::{Faults, SharedLog, Timer};
use wharf_store::{Aggregation, Clock, PushId, PushMode};

use super::replicas::{Answer, Replica, World};
use super::worlds::{below, break_things, each_seed, few_operations};

/// A push with this number for an id, which is counted by itself and with all others.
async fn add(replica: &Replica, path: &str, number: u64, body: u8) -> Answer {
    let mut name = [0; 16];
    name[..8].copy_from_slice(&number.to_le_bytes());
    name[8..16].copy_from_slice(&path.bytes().map(u64::from).sum::<u64>().to_le_bytes());
    let id = PushId {
        name,
        body: [body; 8],
        at: replica.clock.now(),
    };
    let text = format!("# TYPE all counter\nall 1\n# TYPE each counter\neach{{number=\"{number}\"}} 1\n");
    let mode = PushMode::Aggregate(Aggregation::default());
    replica.push_once((path, mode, &text), None, Some(id)).await
}

fn counted(exposition: &str, path: &str) -> (u64, Vec<u64>) {
    let of_group = format!("job=\"{}\"", path.trim_start_matches("job/"));
    let values = |family: &str| {
        let lines = exposition
            .lines()
            .filter(|line| line.starts_with(&format!("{family}{{")));
        let lines = lines.filter(|line| line.contains(&of_group));
        let values = lines.map(|line| line.rsplit_once(' ').unwrap().1.parse().unwrap());
        values.collect::<Vec<u64>>()
    };
    (values("all").first().copied().unwrap_or_default(), values("each"))
}

fn good(replicas: usize) -> World {
    let world = World::new(1, replicas, Faults::default());
    world.settle();
    world
}

#[test]
fn a_push_that_comes_again_to_another_replica_is_not_counted_again() {
    let world = good(2);
    for number in 0..20 {
        for replica in [0, 1, 0] {
            let replica = Arc::clone(&world.replicas[replica]);
            // At the same time, and again.
            world.simulation.spawn(async move {
                assert_eq!(add(&replica, "job/a", number, 1).await, Answer::Done);
                assert_eq!(add(&replica, "job/a", number, 1).await, Answer::Done);
                assert_eq!(add(&replica, "job/a", number, 2).await, Answer::Refused);
            });
        }
    }
    world.settle();
    assert_eq!(counted(&world.exposition(), "job/a"), (20, vec![1; 20]));
    let counts = world.replicas.iter().map(|replica| replica.store().push_ids());
    let counts: Vec<_> = counts.collect();
    assert_eq!(counts.iter().map(|counts| counts.repeated).sum::<u64>(), 100);
    assert_eq!(counts.iter().map(|counts| counts.refused).sum::<u64>(), 60);
    assert!(counts.iter().all(|counts| counts.kept == 20));
}

#[test]
fn a_replica_that_starts_later_knows_the_ids() {
    let world = good(2);
    let (a, b) = (Arc::clone(&world.replicas[0]), Arc::clone(&world.replicas[1]));
    let first = Arc::clone(&a);
    world.simulation.spawn(async move {
        assert_eq!(add(&first, "job/a", 7, 1).await, Answer::Done);
    });
    world.settle();
    world.restart(&a);
    world.restart(&b);
    world.settle();
    world.simulation.spawn(async move {
        assert_eq!(add(&b, "job/a", 7, 1).await, Answer::Done);
        assert_eq!(b.delete("job/a").await, Answer::Done);
        assert_eq!(add(&b, "job/a", 7, 1).await, Answer::Done);
    });
    world.settle();
    assert_eq!(counted(&world.exposition(), "job/a"), (0, Vec::new()));
}

#[test]
fn ids_leave_the_log_when_their_time_is_over() {
    let world = good(2);
    let replica = Arc::clone(&world.replicas[0]);
    let asked = Arc::clone(&replica);
    world.simulation.spawn(async move {
        for number in 0..5 {
            assert_eq!(add(&asked, "job/a", number, 1).await, Answer::Done);
        }
    });
    world.settle();
    let ids = || {
        let log = world.log.clone();
        let load = async move {
            let entries = log.load(None).await.unwrap().entries;
            entries
                .iter()
                .filter(|entry| entry.key.starts_with(b"i/"))
                .count()
        };
        world.simulation.run(Duration::from_secs(5), load).unwrap()
    };
    assert_eq!(ids(), 5);
    world.simulation.run_for(Duration::from_secs(3600));
    assert_eq!(ids(), 5, "the minute is not over before its last second is");
    world.simulation.run_for(Duration::from_secs(120));
    assert_eq!(ids(), 0);
    world.simulation.spawn(async move {
        assert_eq!(add(&replica, "job/a", 0, 1).await, Answer::Done);
    });
    world.settle();
    assert_eq!(counted(&world.exposition(), "job/a").0, 6);
}

#[test]
fn every_push_is_counted_once_while_replicas_are_cut_off_and_killed() {
    each_seed(12, |seed| {
        let world = World::new(seed, 2 + usize::try_from(seed % 2).unwrap(), Faults::bad());
        let simulation = &world.simulation;
        few_operations(&world, seed);
        for number in 0..40 {
            let (world, timer) = (world.clone(), simulation.clone());
            let path = ["job/0", "job/1"][below(simulation, 2)];
            let after = Duration::from_secs(5) + simulation.time_below(Duration::from_secs(20));
            // Some are impatient, and ask again though they have the answer.
            let more = simulation.below(3);
            simulation.spawn(async move {
                timer.sleep(after).await;
                let mut answers = 0;
                while answers <= more {
                    let replica = Arc::clone(&world.replicas[below(&timer, world.replicas.len())]);
                    match add(&replica, path, number, 1).await {
                        Answer::Done => answers += 1,
                        Answer::Unavailable => timer.sleep(timer.time_below(Duration::from_secs(1))).await,
                        Answer::Refused => panic!("seed {seed}: {number} is refused"),
                    }
                }
            });
        }
        simulation.spawn(break_things(world.clone(), 12));
        simulation.run_for(Duration::from_secs(45));
        world.calm();
        let exposition = world.exposition();
        let of_all = ["job/0", "job/1"].map(|path| counted(&exposition, path));
        for (all, each) in &of_all {
            assert_eq!(*all, each.len() as u64, "seed {seed}");
            assert!(each.iter().all(|count| *count == 1), "seed {seed}: {each:?}");
        }
        let all: u64 = of_all.iter().map(|(all, _)| all).sum();
        assert_eq!(all, 40, "seed {seed}");
    });
}
