//! Single steps, on a good network.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use wharf_shared_log::{Bytes, Expect, Faults, Limits, Put, SharedLog, Timer, Txn};
use wharf_store::{Aggregation, Batch, Gauges, PushMode, Ttl, What};

use super::replicas::{Answer, Replica, World};
const LIMIT: Duration = Duration::from_secs(120);

/// Runs a step to its end.
pub(super) fn run<T: Send + 'static>(world: &World, step: impl Future<Output = T> + Send + 'static) -> T {
    world.simulation.run(LIMIT, step).expect("the step ends")
}

pub(super) fn good(replicas: usize) -> World {
    let world = World::new(1, replicas, Faults::default());
    world.settle();
    world
}

fn has(world: &World, replica: usize, line: &str) -> bool {
    world.replicas[replica].seen().lines().any(|seen| seen == line)
}

#[test]
fn a_push_is_seen_by_its_sender_at_once_and_by_others_soon() {
    let world = good(2);
    let replica = world.replicas[0].clone();
    let (answer, seen) = run(&world, async move {
        let answer = replica.push("job/a", PushMode::ReplaceGroup, "m 1\n", None).await;
        (answer, replica.seen())
    });
    assert_eq!(answer, Answer::Done);
    assert!(seen.contains("m{instance=\"\",job=\"a\"} 1\n"), "{seen}");
    world.simulation.run_for(Duration::from_millis(200));
    assert!(has(&world, 1, "m{instance=\"\",job=\"a\"} 1"));
    world.exposition();
}

#[test]
fn put_replaces_post_adds_merge_keeps_series_and_delete_ends() {
    let world = good(2);
    let (a, b) = (world.replicas[0].clone(), world.replicas[1].clone());
    run(&world, async move {
        let of = "job/a";
        a.push(of, PushMode::ReplaceGroup, "m{l=\"1\"} 1\nn 1\n", None)
            .await;
        b.push(of, PushMode::ReplaceFamilies, "o 2\n", None).await;
        a.push(of, PushMode::ReplaceSeries, "m{l=\"2\"} 3\n", None).await;
        b.delete_families(of, &["n"]).await;
        b.push("job/b", PushMode::ReplaceGroup, "p 1\n", None).await;
        a.delete("job/b").await;
    });
    let exposition = world.exposition();
    let lines: Vec<&str> = exposition
        .lines()
        .filter(|line| !line.starts_with('#') && !line.starts_with("push_"))
        .collect();
    let expected = [
        "m{instance=\"\",job=\"a\",l=\"1\"} 1",
        "m{instance=\"\",job=\"a\",l=\"2\"} 3",
        "o{instance=\"\",job=\"a\"} 2",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn merges_of_two_replicas_into_one_group_both_survive() {
    let world = good(2);
    for (number, replica) in world.replicas.iter().cloned().enumerate() {
        for push in 0..20 {
            let replica = replica.clone();
            world.simulation.spawn(async move {
                let body = format!("m{{from=\"{number}\",push=\"{push}\"}} 1\n");
                let pushed = replica.push("job/a", PushMode::ReplaceSeries, &body, None);
                assert_eq!(pushed.await, Answer::Done);
            });
        }
    }
    world.settle();
    let exposition = world.exposition();
    assert_eq!(exposition.matches("\nm{").count(), 40, "{exposition}");
    let counts = world
        .replicas
        .iter()
        .map(|replica| replica.store().shared_status().unwrap().counts);
    let (changes, commits) = counts.fold((0, 0), |sum, counts| {
        (sum.0 + counts.changes, sum.1 + counts.commits)
    });
    assert_eq!(changes, 40);
    assert!(
        commits < 40,
        "those that wait are folded together: {commits} commits"
    );
}

#[test]
fn parts_that_two_replicas_add_to_one_series_are_all_in_the_sum() {
    let world = good(2);
    let mode = PushMode::Aggregate(Aggregation::default());
    for replica in &world.replicas {
        for _ in 0..20 {
            let replica = replica.clone();
            world.simulation.spawn(async move {
                let body = "# TYPE c counter\nc 1\n# TYPE g gauge\ng 1\n";
                assert_eq!(replica.push("job/a", mode, body, None).await, Answer::Done);
                let refused = "# TYPE c counter\nc 1\n# TYPE d counter\nd -1\n";
                assert_eq!(replica.push("job/a", mode, refused, None).await, Answer::Refused);
            });
        }
    }
    world.settle();
    let exposition = world.exposition();
    assert!(
        exposition.contains("\nc{instance=\"\",job=\"a\"} 40\n"),
        "{exposition}"
    );
    assert!(
        exposition.contains("\ng{instance=\"\",job=\"a\"} 1\n"),
        "{exposition}"
    );
    assert!(!exposition.contains("\nd{"), "{exposition}");
}

#[test]
fn a_reset_on_one_replica_keeps_what_others_add_after_it_and_nothing_from_before() {
    let world = good(2);
    let mode = PushMode::Aggregate(Aggregation::default());
    let [first, second] = [0, 1].map(|at| Arc::clone(&world.replicas[at]));
    run(&world, async move {
        let body = "# TYPE c counter\nc{x=\"1\"} 5\n# TYPE g gauge\ng 3\n";
        assert_eq!(first.push("job/a", mode, body, None).await, Answer::Done);
        // Whoever was answered is before it, on whatever replica.
        assert_eq!(second.reset("job/a").await, Answer::Done);
        assert_eq!(
            first
                .push("job/a", mode, "# TYPE c counter\nc{x=\"2\"} 1\n", None)
                .await,
            Answer::Done
        );
        assert_eq!(second.reset("job/none").await, Answer::Done);
    });
    world.settle();
    let exposition = world.exposition();
    for line in [
        "c{instance=\"\",job=\"a\",x=\"1\"} 0",
        "c{instance=\"\",job=\"a\",x=\"2\"} 1",
        "g{instance=\"\",job=\"a\"} 0",
    ] {
        assert!(
            exposition.lines().any(|shown| shown == line),
            "{line}: {exposition}"
        );
    }
    assert!(!exposition.contains("none"), "{exposition}");
    for replica in &world.replicas {
        for _ in 0..20 {
            let replica = replica.clone();
            world.simulation.spawn(async move {
                let body = "# TYPE c counter\nc{x=\"1\"} 1\n# TYPE d counter\nd 1\n";
                assert_eq!(replica.push("job/a", mode, body, None).await, Answer::Done);
                assert_eq!(replica.reset("job/a").await, Answer::Done);
            });
        }
    }
    world.settle();
    // The last of all was a reset, and what begins anew does so as a whole.
    assert!(
        world
            .exposition()
            .contains("\nc{instance=\"\",job=\"a\",x=\"1\"} 0\n")
    );
    assert!(world.exposition().contains("\nd{instance=\"\",job=\"a\"} 0\n"));
}

#[test]
fn every_replica_is_told_of_every_push_also_of_those_that_became_one_value() {
    let world = good(2);
    let mut followers: Vec<_> = world
        .replicas
        .iter()
        .map(|replica| replica.store().follow())
        .collect();
    for push in 0..20_u64 {
        let replica = world.replicas[0].clone();
        world.simulation.spawn(async move {
            let body = format!("m{{push=\"{push}\"}} 1\nn{{push=\"{push}\"}} 1\n");
            let pushed = replica.push("job/a", PushMode::ReplaceSeries, &body, None);
            assert_eq!(pushed.await, Answer::Done);
        });
    }
    world.settle();
    let (a, b) = (world.replicas[0].clone(), world.replicas[1].clone());
    run(&world, async move {
        a.delete_families("job/a", &["m"]).await;
        b.push("job/b", PushMode::ReplaceGroup, "m 1\n", None).await;
        b.delete("job/b").await;
        b.wipe().await;
    });
    world.settle();
    for follower in &mut followers {
        let (mut pushes, mut deleted) = (Vec::new(), 0);
        while let Batch::Effects(effects) = follower.read() {
            if effects.is_empty() {
                break;
            }
            for effect in effects {
                match effect.what {
                    What::Pushed(stored) => pushes.push(stored),
                    What::Deleted { .. } => deleted += 1,
                    other => panic!("{other:?}"),
                }
            }
        }
        assert_eq!(pushes.len(), 21);
        assert_eq!(deleted, 2, "each, and those of the wipe");
        let merges = pushes.iter().filter(|push| push.mode == PushMode::ReplaceSeries);
        let (mut created, mut brought) = (0, 0);
        for push in merges {
            created += u32::from(push.created);
            brought += push.series;
            assert_eq!(push.families, 2, "{push:?}");
        }
        assert_eq!((created, brought), (1, 40));
    }
}

#[test]
fn what_contradicts_is_refused_and_leaves_its_trace_on_every_replica() {
    let world = good(2);
    let (a, b) = (world.replicas[0].clone(), world.replicas[1].clone());
    let answers = run(&world, async move {
        let gauge = "# TYPE m gauge\nm 1\n";
        let counter = "# TYPE m counter\nm 1\n";
        let first = a.push("job/a", PushMode::ReplaceGroup, gauge, None).await;
        a.clock_runs(500).await;
        let second = b.push("job/b", PushMode::ReplaceGroup, counter, None).await;
        (first, second)
    });
    assert_eq!(answers, (Answer::Done, Answer::Refused));
    world.settle();
    let exposition = world.exposition();
    assert!(
        exposition.contains("push_time_seconds{instance=\"\",job=\"b\"} 0\n"),
        "{exposition}"
    );
    assert!(!exposition.contains("push_failure_time_seconds{instance=\"\",job=\"b\"} 0\n"));
    assert!(!exposition.contains("m{instance=\"\",job=\"b\"}"));
}

#[test]
fn failure_times_of_a_group_are_written_once_a_second() {
    let world = good(1);
    let replica = world.replicas[0].clone();
    let before = world.log.contents().at;
    run(&world, async move {
        for _ in 0..100 {
            let refused = replica.push("job/a", PushMode::ReplaceGroup, "m 1\nm 1 5\n", None);
            assert_eq!(refused.await, Answer::Refused);
            replica.clock_runs(25).await;
        }
    });
    world.settle();
    let writes = world
        .replicas
        .iter()
        .map(|replica| replica.store().shared_status().unwrap().counts.commits)
        .sum::<u64>();
    assert!((3..=4).contains(&writes), "{writes} writes since {before}");
}

#[test]
fn pushes_of_the_same_instant_that_contradict_are_held_back_alike_and_come_back() {
    let world = good(2);
    let bodies = ["# TYPE m gauge\nm 1\nn 1\n", "# TYPE m counter\nm 2\nn 2\n"];
    for ((replica, path), body) in world.replicas.iter().cloned().zip(["job/b", "job/a"]).zip(bodies) {
        world.simulation.spawn(async move {
            let pushed = replica.push(path, PushMode::ReplaceGroup, body, None);
            assert_eq!(pushed.await, Answer::Done);
        });
    }
    world.settle();
    let exposition = world.exposition();
    assert!(
        exposition.contains("# TYPE m counter\nm{instance=\"\",job=\"a\"} 2\n"),
        "{exposition}"
    );
    assert!(exposition.contains("held m {job=\"b\"} 1\n"), "{exposition}");
    // A push to the loser of something else is no contradiction, and what is held back stays of the group.
    let (winner, loser) = (world.replicas[1].clone(), world.replicas[0].clone());
    run(&world, async move {
        let pushed = loser.push("job/b", PushMode::ReplaceFamilies, "o 3\n", None);
        assert_eq!(pushed.await, Answer::Done);
        assert_eq!(winner.delete("job/a").await, Answer::Done);
    });
    world.settle();
    let exposition = world.exposition();
    for line in [
        "m{instance=\"\",job=\"b\"} 1\n",
        "n{instance=\"\",job=\"b\"} 1\n",
        "o{instance=\"\",job=\"b\"} 3\n",
    ] {
        assert!(exposition.contains(line), "{exposition}");
    }
    assert!(!exposition.contains("held"), "{exposition}");
}

#[test]
fn groups_expire_once_and_a_clock_that_is_ahead_makes_none_expire_early() {
    let world = good(3);
    world.replicas[2].set_wrong_by(3600);
    let ttl = |seconds, keep_times| {
        Some(Ttl {
            after: Duration::from_secs(seconds),
            keep_times,
        })
    };
    let replica = world.replicas[0].clone();
    world.simulation.run_for(Duration::from_secs(30));
    run(&world, async move {
        for (path, ttl) in [
            ("job/a", ttl(20, false)),
            ("job/b", ttl(20, true)),
            ("job/c", ttl(600, false)),
        ] {
            replica.push(path, PushMode::ReplaceGroup, "m 1\n", ttl).await;
        }
    });
    world.simulation.run_for(Duration::from_secs(15));
    assert_eq!(world.replicas[1].seen().matches("\nm{").count(), 3);
    world.simulation.run_for(Duration::from_secs(60));
    let exposition = world.exposition();
    assert_eq!(exposition.matches("\nm{").count(), 1, "{exposition}");
    assert!(
        exposition.contains("push_time_seconds{instance=\"\",job=\"b\"}"),
        "{exposition}"
    );
    assert!(!exposition.contains("job=\"a\""), "{exposition}");
}

#[test]
fn another_replica_lets_groups_expire_when_the_one_that_did_is_gone() {
    let world = good(2);
    let replica = world.replicas[0].clone();
    run(&world, async move {
        let ttl = Ttl {
            after: Duration::from_secs(60),
            keep_times: false,
        };
        replica
            .push("job/a", PushMode::ReplaceGroup, "m 1\n", Some(ttl))
            .await;
    });
    let sweeper = world
        .log
        .contents()
        .entries
        .into_iter()
        .find(|entry| entry.key == Bytes::from_static(b"s/sweeper"));
    let sweeper = sweeper.expect("there is a sweeper").value;
    let gone = world
        .replicas
        .iter()
        .find(|replica| replica.name.as_bytes() == &*sweeper)
        .unwrap();
    gone.log.set_cut(true);
    world.simulation.run_for(Duration::from_secs(150));
    gone.log.set_cut(false);
    world.simulation.run_for(Duration::from_secs(10));
    assert!(!world.exposition().contains("job=\"a\""));
}

#[test]
fn a_series_leaves_at_every_replica_whichever_of_them_is_there() {
    let world = good(2);
    let mode = PushMode::Aggregate(Aggregation {
        gauges: Gauges::Average,
        series_ttl: Some(Duration::from_secs(60)),
        ..Aggregation::default()
    });
    let line = |world: &World, worker: u32| {
        let seen: Vec<String> = world.replicas.iter().map(|replica| replica.seen()).collect();
        assert_eq!(seen[0], seen[1]);
        let exposition = &seen[0];
        let start = format!("g{{instance=\"\",job=\"a\",w=\"{worker}\"}} ");
        let line = exposition.lines().find_map(|line| line.strip_prefix(&start));
        line.map(str::to_owned)
    };
    let push = |replica: usize, worker: u32, value: u32| {
        let replica = world.replicas[replica].clone();
        run(&world, async move {
            let body = format!("# TYPE g gauge\ng{{w=\"{worker}\"}} {value}\n");
            assert_eq!(replica.push("job/a", mode, &body, None).await, Answer::Done);
        });
        world.simulation.run_for(Duration::from_secs(1));
    };
    push(0, 1, 4);
    push(1, 2, 1);
    push(1, 1, 8);
    assert_eq!(line(&world, 1).as_deref(), Some("6"));
    world.simulation.run_for(Duration::from_secs(40));
    push(0, 1, 3);
    assert_eq!(line(&world, 1).as_deref(), Some("5"));
    assert_eq!(line(&world, 2).as_deref(), Some("1"));
    // The one that lets them leave is gone, and both have forgotten what is not in the log.
    let mut entries = world.log.contents().entries.into_iter();
    let sweeper = entries.find(|entry| entry.key == Bytes::from_static(b"s/sweeper"));
    let sweeper = sweeper.expect("there is a sweeper").value;
    let gone = world
        .replicas
        .iter()
        .find(|replica| replica.name.as_bytes() == &*sweeper);
    for replica in &world.replicas {
        world.restart(replica);
    }
    gone.unwrap().log.set_cut(true);
    world.simulation.run_for(Duration::from_secs(45));
    gone.unwrap().log.set_cut(false);
    world.settle();
    assert_eq!(line(&world, 2), None);
    assert_eq!(line(&world, 1).as_deref(), Some("5"));
    world.simulation.run_for(Duration::from_secs(60));
    assert_eq!(line(&world, 1), None);
    assert!(
        world
            .exposition()
            .contains("push_time_seconds{instance=\"\",job=\"a\"}")
    );
}

#[test]
fn a_push_that_makes_a_group_too_large_is_refused_alone() {
    let world = good(1);
    world.log.set_limits(Limits {
        value_bytes: 8_000,
        ..Limits::default()
    });
    world.restart(&world.replicas[0]);
    world.settle();
    // Numbers that do not compress well.
    let numbers = |series: usize, seed: u64| {
        let numbers = std::iter::successors(Some(seed), |number| {
            Some(number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1))
        });
        let lines = numbers
            .take(series)
            .map(|number| format!("m{{l=\"{number}\"}} {number}\n"));
        lines.collect::<String>()
    };
    let answers: Arc<Mutex<Vec<(u64, Answer)>>> = Arc::default();
    for number in 0..20_u64 {
        let (replica, answers) = (world.replicas[0].clone(), Arc::clone(&answers));
        let is_large = number == 5 || number == 13;
        let more = numbers(if is_large { 400 } else { 1 }, number + 1);
        world.simulation.spawn(async move {
            let body = format!("# TYPE c counter\nc 1\n{more}");
            let mode = PushMode::Aggregate(Aggregation::default());
            let answer = replica.push("job/a", mode, &body, None).await;
            answers.lock().unwrap().push((number, answer));
        });
    }
    world.settle();
    let answers = answers.lock().unwrap();
    assert_eq!(answers.len(), 20);
    for (number, answer) in answers.iter() {
        let is_large = *number == 5 || *number == 13;
        let expected = if is_large { Answer::Refused } else { Answer::Done };
        assert_eq!(*answer, expected, "{number}");
    }
    assert!(world.exposition().contains("\nc{instance=\"\",job=\"a\"} 18\n"));
}

#[test]
fn what_processes_that_are_gone_have_left_in_the_log_goes() {
    let world = good(2);
    for _ in 0..3 {
        world.restart(&world.replicas[0]);
        let replica = world.replicas[0].clone();
        run(&world, async move {
            replica.clock_runs(1000).await;
            let pushed = replica.push("job/a", PushMode::ReplaceGroup, "m 1\n", None);
            assert_eq!(pushed.await, Answer::Done);
        });
    }
    let markers = || {
        let entries = world.log.contents().entries;
        entries
            .iter()
            .filter(|entry| entry.key.starts_with(b"t/"))
            .count()
    };
    assert_eq!(markers(), 3);
    world.simulation.run_for(Duration::from_secs(700));
    assert_eq!(markers(), 1);
    let replica = world.replicas[0].clone();
    run(&world, async move {
        let pushed = replica.push("job/a", PushMode::ReplaceGroup, "m 2\n", None);
        assert_eq!(pushed.await, Answer::Done);
    });
}

#[test]
fn a_writer_whose_markers_were_removed_goes_on() {
    let world = good(1);
    let replica = world.replicas[0].clone();
    let other = world.log.replica();
    run(&world, async move {
        replica.push("job/a", PushMode::ReplaceGroup, "m 1\n", None).await;
        let txn = Txn {
            delete_prefixes: vec![Bytes::from_static(b"t/")],
            ..Txn::default()
        };
        other.commit(txn).await.expect("the network is good");
        let pushed = replica.push("job/a", PushMode::ReplaceGroup, "m 2\n", None);
        assert_eq!(pushed.await, Answer::Done);
    });
}

#[test]
fn a_wipe_ends_what_was_there_and_nothing_comes_back() {
    let world = good(2);
    let (a, b) = (world.replicas[0].clone(), world.replicas[1].clone());
    run(&world, async move {
        for number in 0..300 {
            let of = &format!("job/{number}");
            let pushed = a.push(of, PushMode::ReplaceFamilies, "m 1\n", None);
            assert_eq!(pushed.await, Answer::Done);
        }
        assert_eq!(b.wipe().await, Answer::Done);
        assert_eq!(b.store().totals().groups, 0);
        let pushed = b.push("job/1", PushMode::ReplaceFamilies, "n 1\n", None);
        assert_eq!(pushed.await, Answer::Done);
    });
    world.settle();
    let exposition = world.exposition();
    assert!(
        exposition.contains("n{") && !exposition.contains("m{"),
        "{exposition}"
    );
}

#[test]
fn when_the_log_has_no_leader_for_a_while_pushes_wait_and_go_on_soon_after() {
    // As long as etcd takes for another leader.
    let worlds = (1..=4).flat_map(|seed| [1000, 1300, 1800].map(|leaderless| (seed, leaderless)));
    for (seed, leaderless) in worlds {
        let leaderless = Duration::from_millis(leaderless);
        let world = World::new(seed, 1, Faults::default());
        world.settle();
        let begun = world.simulation.now();
        let waits = Arc::new(Mutex::new(Vec::new()));
        for push in 0..100 {
            let (replica, waits) = (world.replicas[0].clone(), Arc::clone(&waits));
            world.simulation.spawn(async move {
                let after = Duration::from_millis(push * 25);
                replica.clock_runs(push * 25).await;
                let path = format!("job/{push}");
                let pushed = replica.push(&path, PushMode::ReplaceGroup, "m 1\n", None);
                assert_eq!(pushed.await, Answer::Done);
                let answered = replica.clock_now().saturating_sub(begun);
                waits.lock().unwrap().push((after, answered));
            });
        }
        let log = world.replicas[0].log.clone();
        world.simulation.run_for(Duration::from_millis(5));
        log.set_cut(true);
        world.simulation.run_for(leaderless);
        log.set_cut(false);
        world.simulation.run_for(Duration::from_secs(20));
        let waits = waits.lock().unwrap();
        assert_eq!(waits.len(), 100);
        // The first that gets through, and the longest wait of all.
        let first = waits
            .iter()
            .map(|(_, answered)| *answered)
            .find(|answered| *answered > leaderless);
        let longest = waits
            .iter()
            .map(|(begun, answered)| answered.saturating_sub(*begun))
            .max();
        let (first, longest) = (first.unwrap(), longest.unwrap());
        assert!(
            first <= leaderless + Duration::from_millis(600),
            "seed {seed}, {leaderless:?}: {first:?}"
        );
        assert!(
            longest <= leaderless + Duration::from_secs(1),
            "seed {seed}, {leaderless:?}: {longest:?}"
        );
    }
}

#[test]
fn a_replica_that_is_cut_off_says_so_shows_what_it_has_and_catches_up() {
    let world = good(2);
    let (a, b) = (world.replicas[0].clone(), world.replicas[1].clone());
    let log = b.log.clone();
    run(&world, async move {
        a.push("job/a", PushMode::ReplaceGroup, "m 1\n", None).await;
        a.clock_runs(500).await;
        log.set_cut(true);
        let begun = a.clock_now();
        let late = b.push("job/b", PushMode::ReplaceGroup, "m 1\n", None).await;
        assert_eq!(late, Answer::Unavailable);
        let took = a.clock_now().saturating_sub(begun);
        assert!(took <= Duration::from_millis(5_200), "{took:?}");
        a.clock_runs(15_000).await;
        // By now it knows that it is cut off, and does not even try.
        let begun = a.clock_now();
        let refused = b.push("job/b", PushMode::ReplaceGroup, "m 1\n", None).await;
        assert_eq!((refused, a.clock_now()), (Answer::Unavailable, begun));
        assert!(b.seen().contains("m{instance=\"\",job=\"a\"} 1\n"));
        a.push("job/a", PushMode::ReplaceGroup, "m 2\n", None).await;
        log.set_cut(false);
    });
    world.settle();
    let exposition = world.exposition();
    assert!(
        exposition.contains("m{instance=\"\",job=\"a\"} 2\n"),
        "{exposition}"
    );
    assert!(!exposition.contains("job=\"b\""), "{exposition}");
}

#[test]
fn a_full_log_refuses_pushes_and_takes_them_again_when_there_is_room() {
    let world = good(1);
    let replica = world.replicas[0].clone();
    let log = world.log.clone();
    run(&world, async move {
        log.set_full(true);
        let full = replica.push("job/a", PushMode::ReplaceGroup, "m 1\n", None).await;
        assert_eq!(full, Answer::Unavailable);
        log.set_full(false);
        let pushed = replica.push("job/a", PushMode::ReplaceGroup, "m 2\n", None).await;
        assert_eq!(pushed, Answer::Done);
    });
}

#[test]
fn a_full_log_takes_deletes_and_wipes_and_says_that_it_is_full() {
    let world = good(2);
    let (replica, other, log) = (
        world.replicas[0].clone(),
        world.replicas[1].clone(),
        world.log.clone(),
    );
    run(&world, async move {
        let full = |replica: &Replica| replica.store().shared_status().unwrap().full;
        for group in ["job/a", "job/b", "job/c"] {
            replica.push(group, PushMode::ReplaceGroup, "m 1\n", None).await;
        }
        log.set_full(true);
        assert_eq!(full(&replica), None);
        assert_eq!(replica.delete("job/a").await, Answer::Done);
        let refused = replica.push("job/a", PushMode::ReplaceGroup, "m 2\n", None).await;
        assert_eq!(refused, Answer::Unavailable);
        assert!(full(&replica).is_some());
        assert_eq!(replica.delete("job/b").await, Answer::Done);
        // Of what is not there, too.
        assert_eq!(replica.delete("job/b").await, Answer::Done);
        assert_eq!(other.wipe().await, Answer::Done);
        log.set_full(false);
        let pushed = replica.push("job/d", PushMode::ReplaceGroup, "m 3\n", None).await;
        assert_eq!(pushed, Answer::Done);
        assert_eq!(full(&replica), None);
    });
    world.settle();
    assert!(
        has(&world, 1, "m{instance=\"\",job=\"d\"} 3"),
        "{}",
        world.exposition()
    );
    assert_eq!(world.exposition().matches("\nm{").count(), 1);
}

#[test]
fn a_group_that_a_later_version_has_written_is_refused_until_it_is_replaced() {
    let world = good(1);
    let (replica, log) = (world.replicas[0].clone(), world.log.replica());
    run(&world, async move {
        let key = wharf_model::GroupingKey::new([("job", "a")]).unwrap();
        let put = Put {
            key: [b"g/", key.as_bytes()].concat().into(),
            value: Bytes::from_static(b"\xff of a later version"),
            expect: Expect::Any,
            lease: None,
        };
        let puts = vec![put];
        log.commit(Txn {
            puts,
            ..Txn::default()
        })
        .await
        .unwrap();
        replica.timer().sleep(Duration::from_secs(1)).await;
        let push = |mode, body: &'static str| {
            let replica = replica.clone();
            async move { replica.push("job/a", mode, body, None).await }
        };
        assert_eq!(
            push(PushMode::ReplaceFamilies, "m 1\n").await,
            Answer::Unavailable
        );
        assert_eq!(push(PushMode::ReplaceGroup, "m 2\n").await, Answer::Done);
        assert_eq!(push(PushMode::ReplaceFamilies, "n 3\n").await, Answer::Done);
        assert_eq!(replica.wipe().await, Answer::Done);
    });
}

#[test]
fn a_group_that_is_too_large_for_the_log_is_refused() {
    let world = good(1);
    world.log.set_limits(Limits {
        value_bytes: 8_000,
        ..Limits::default()
    });
    world.restart(&world.replicas[0]);
    world.settle();
    let replica = world.replicas[0].clone();
    run(&world, async move {
        // Numbers that do not compress well.
        let mut number = 1_u64;
        let lines = (0..1000).map(|line| {
            number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            format!("m{{l=\"{line}\"}} {number}\n")
        });
        let body: String = lines.collect();
        let large = replica.push("job/a", PushMode::ReplaceGroup, &body, None).await;
        assert_eq!(large, Answer::Refused);
        let small = replica.push("job/b", PushMode::ReplaceGroup, "m 1\n", None).await;
        assert_eq!(small, Answer::Done);
    });
}

#[test]
fn a_local_store_holds_nothing_back() {
    let store = crate::store();
    crate::put(&store, "job/b", "# TYPE m gauge\nm 1\n").unwrap();
    assert!(crate::put(&store, "job/a", "# TYPE m counter\nm 1\n").is_err());
    assert_eq!(store.held_back(), []);
    assert!(store.shared_status().is_none());
}

impl Replica {
    pub(super) async fn clock_runs(&self, millis: u64) {
        self.timer().sleep(Duration::from_millis(millis)).await;
    }

    fn clock_now(&self) -> Duration {
        self.timer().now()
    }
}
