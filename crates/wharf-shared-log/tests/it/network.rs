//! What the simulated network does beyond what the checks of a log need.

use std::time::Duration;

use wharf_shared_log::{
    Bytes, Committed, Expect, Faults, Lane, LogError, Put, Revision, Settled, SharedLog, SimulatedLog,
    Simulation, Timer, Txn, Watch, WatchError, timeout,
};

const LONG: Duration = Duration::from_secs(600);

fn put(key: &'static str, value: &'static str) -> Txn {
    Txn {
        puts: vec![Put {
            key: Bytes::from_static(key.as_bytes()),
            value: Bytes::from_static(value.as_bytes()),
            expect: Expect::Any,
            lease: None,
        }],
        ..Txn::default()
    }
}

#[test]
fn a_seed_gives_the_same_world_again_and_another_one_another() {
    let world = |seed| {
        let simulation = Simulation::new(seed);
        let log = SimulatedLog::new(&simulation, Faults::bad());
        for writer in 0..3 {
            let (log, timer) = (log.replica(), simulation.clone());
            simulation.spawn(async move {
                let marker = Bytes::from(format!("marker{writer}"));
                let mut lane = Lane::new(marker, writer, 0, Duration::from_secs(1));
                for _ in 0..20 {
                    lane.commit(&log, &timer, put("x", "1")).await;
                }
            });
        }
        simulation.run_for(LONG);
        log.contents()
    };
    assert_eq!(world(7), world(7));
    assert_ne!(world(7), world(8));
}

#[test]
fn a_replica_that_is_cut_off_gets_no_answer_and_changes_nothing() {
    let simulation = Simulation::new(1);
    let log = SimulatedLog::new(&simulation, Faults::default());
    let (cut, timer) = (log.replica(), simulation.clone());
    cut.set_cut(true);
    let answer = simulation.run(LONG, async move {
        let early = timeout(&timer, Duration::from_micros(1), cut.commit(put("x", "1"))).await;
        assert_eq!(early, None);
        cut.commit(put("x", "1")).await
    });
    assert!(
        matches!(answer, Some(Err(LogError::Unknown { .. }))),
        "{answer:?}"
    );
    assert_eq!(log.contents().entries, []);
}

#[test]
fn a_replica_whose_answers_are_lost_has_changed_something() {
    let simulation = Simulation::new(1);
    let log = SimulatedLog::new(&simulation, Faults::default());
    let deaf = log.replica();
    deaf.set_deaf(true);
    let answer = simulation.run(LONG, async move { deaf.commit(put("x", "1")).await });
    assert!(
        matches!(answer, Some(Err(LogError::Unknown { .. }))),
        "{answer:?}"
    );
    assert_eq!(log.contents().entries.len(), 1);
}

#[test]
fn a_late_request_is_made_after_its_sender_has_given_up() {
    let late = |seed| {
        let simulation = Simulation::new(seed);
        let faults = Faults {
            late_requests: 1000,
            ..Faults::default()
        };
        let log = SimulatedLog::new(&simulation, faults);
        let (sender, timer) = (log.replica(), simulation.clone());
        let answer = simulation.run(LONG, async move {
            timeout(&timer, Duration::from_millis(10), sender.commit(put("x", "1"))).await
        });
        let before = log.contents().entries.len();
        simulation.run_for(Duration::from_secs(4));
        answer == Some(None) && before == 0 && log.contents().entries.len() == 1
    };
    assert!((0..5).any(late));
}

#[test]
fn a_fence_keeps_late_requests_out() {
    // Every request may come late, so every fence has something to keep out.
    for seed in 0..200 {
        let simulation = Simulation::new(seed);
        let faults = Faults {
            late_requests: 500,
            lost_answers: 200,
            ..Faults::default()
        };
        let log = SimulatedLog::new(&simulation, faults);
        let (sender, timer) = (log.replica(), simulation.clone());
        let settled = simulation.run(LONG, async move {
            let mut lane = Lane::new(Bytes::from_static(b"marker"), 1, 0, Duration::from_millis(100));
            lane.commit(&sender, &timer, put("x", "1")).await
        });
        let at_once = log.read_now("x");
        simulation.run_for(LONG);
        let is_there = match settled {
            Some(Settled::Committed(_)) => true,
            Some(Settled::Failed(LogError::Unreachable { .. })) => false,
            other => panic!("seed {seed}: {other:?}"),
        };
        assert_eq!((at_once, log.read_now("x")), (is_there, is_there), "seed {seed}");
    }
}

#[test]
fn a_full_log_takes_deletes_only_until_there_is_room() {
    let simulation = Simulation::new(1);
    let log = SimulatedLog::new(&simulation, Faults::default());
    let tried = log.clone();
    let done = simulation.run(LONG, async move {
        assert!(matches!(tried.commit(put("x", "1")).await, Ok(Committed::At(_))));
        tried.set_full(true);
        let refused = tried.commit(put("x", "2")).await;
        assert!(matches!(refused, Err(LogError::Full { .. })), "{refused:?}");
        let wipe = Txn {
            delete_prefixes: vec![Bytes::from_static(b"x")],
            ..Txn::default()
        };
        assert!(matches!(tried.commit(wipe).await, Ok(Committed::At(_))));
        tried.set_full(false);
        assert!(matches!(tried.commit(put("x", "3")).await, Ok(Committed::At(_))));
    });
    assert!(done.is_some());
}

#[test]
fn a_slow_watch_is_told_when_history_is_forgotten_and_others_read_on() {
    let simulation = Simulation::new(1);
    let log = SimulatedLog::new(&simulation, Faults::default());
    let slow = log.replica();
    let (writer, timer) = (log.clone(), simulation.clone());
    let done = simulation.run(LONG, async move {
        let mut quick = writer.watch(Revision(0)).await.expect("nothing is forgotten");
        let mut behind = slow.watch(Revision(0)).await.expect("nothing is forgotten");
        // It says at once how far it is.
        behind.next().await.expect("it is in step");
        slow.set_cut(true);
        writer.commit(put("x", "1")).await.expect("the network is good");
        while quick.next().await.expect("it is in step").changes.is_empty() {}
        assert_eq!(
            timeout(&timer, Duration::from_secs(60), behind.next()).await,
            None,
            "silence"
        );
        writer.forget_history();
        writer.commit(put("x", "2")).await.expect("the network is good");
        while quick.next().await.expect("it is in step").changes.is_empty() {}
        slow.set_cut(false);
        let told = behind.next().await;
        assert!(matches!(told, Err(WatchError::Compacted { .. })), "{told:?}");
        writer.end_watches();
        while quick.next().await.is_ok() {}
        timer.sleep(Duration::from_millis(1)).await;
    });
    assert!(done.is_some());
}

trait ReadNow {
    fn read_now(&self, key: &str) -> bool;
}

impl ReadNow for SimulatedLog {
    /// Whether a key is there.
    fn read_now(&self, key: &str) -> bool {
        let contents = self.contents();
        contents.entries.iter().any(|entry| entry.key == key.as_bytes())
    }
}

#[test]
fn a_transaction_that_happened_although_the_log_says_it_is_full_counts() {
    let simulation = Simulation::new(1);
    let log = SimulatedLog::new(&simulation, Faults::default());
    log.fill_with_next();
    let (sender, timer) = (log.replica(), simulation.clone());
    let (first, second) = simulation
        .run(LONG, async move {
            let mut lane = Lane::new(Bytes::from_static(b"marker"), 1, 0, Duration::from_millis(100));
            let first = lane.commit(&sender, &timer, put("x", "1")).await;
            (first, lane.commit(&sender, &timer, put("y", "1")).await)
        })
        .unwrap();
    assert!(matches!(first, Settled::Committed(_)), "{first:?}");
    assert!(
        matches!(second, Settled::Failed(LogError::Full { .. })),
        "{second:?}"
    );
    assert!(log.read_now("x") && !log.read_now("y"));
}

#[test]
fn in_a_full_log_whose_answers_are_lost_a_lane_comes_to_an_end_and_a_removal_is_not_made_twice() {
    for seed in 0..200 {
        let simulation = Simulation::new(seed);
        let log = SimulatedLog::new(&simulation, Faults::default());
        let (sender, other, timer) = (log.replica(), log.replica(), simulation.clone());
        let control = log.clone();
        let (pushed, removed) = simulation
            .run(LONG, async move {
                let mut lane = Lane::new(Bytes::from_static(b"marker"), 1, 0, Duration::from_millis(100));
                lane.commit(&sender, &timer, put("x", "1")).await;
                control.set_full(true);
                sender.set_faults(Faults {
                    lost_answers: 300,
                    lost_requests: 200,
                    late_requests: 200,
                    ..Faults::default()
                });
                let pushed = lane.commit(&sender, &timer, put("y", "1")).await;
                let wipe = Txn {
                    delete_prefixes: vec![Bytes::from_static(b"x")],
                    ..Txn::default()
                };
                let removed = lane.remove(&sender, &timer, wipe).await;
                control.set_full(false);
                if matches!(removed, Settled::Committed(_)) {
                    other.commit(put("x", "2")).await.unwrap();
                }
                (pushed, removed)
            })
            .unwrap();
        simulation.run_for(Duration::from_secs(10));
        assert!(
            !matches!(pushed, Settled::Committed(_)),
            "seed {seed}: {pushed:?}"
        );
        assert!(!log.read_now("y"), "seed {seed}: {pushed:?}");
        if matches!(removed, Settled::Committed(_)) {
            assert!(log.read_now("x"), "seed {seed}: it was made again");
        }
    }
}
