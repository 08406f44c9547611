//! What replicas remove, put back by any of them.

use std::fmt::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use wharf_shared_log::{Faults, Timer};
use wharf_store::{
    Author, PushMode, Receipt, RemovalKind, RemovalState, Revision, Store, Ttl, UndoError, WhyLost,
};

use super::replicas::{Answer, Replica, UNDO_MAX_BYTES, World};
use super::steps::{good, run};
use super::worlds::each_seed;
use crate::key;

fn author(what: &str) -> Author {
    Author {
        by: "user `alice`".to_owned(),
        address: "192.0.2.1".to_owned(),
        what: what.to_owned(),
    }
}

fn kept(receipt: Option<Receipt>) -> Revision {
    match receipt {
        Some(Receipt::Kept { id, .. }) => id,
        other => unreachable!("expected a removal that is kept, found {other:?}"),
    }
}

async fn remove(replica: &Replica, path: &str) -> (Answer, Option<Receipt>) {
    let path = path.to_owned();
    replica
        .remove(move |store| store.remove(&key(&path), &author(&path)))
        .await
}

async fn wipe(replica: &Replica) -> (Answer, Option<Receipt>) {
    replica
        .remove(|store: &Store| store.remove_all(&author("")))
        .await
}

#[test]
fn a_group_that_one_replica_has_removed_comes_back_by_another_as_it_was() {
    let world = good(2);
    let (a, b) = (world.replicas[0].clone(), world.replicas[1].clone());
    let ttl = Ttl {
        after: Duration::from_secs(3000),
        keep_times: false,
    };
    let before = run(&world, {
        let a = a.clone();
        async move {
            let body = "# HELP m Some help.\n# TYPE m counter\nm{l=\"1\"} 1\n";
            let answer = a.push("job/a", PushMode::ReplaceGroup, body, Some(ttl)).await;
            assert_eq!(answer, Answer::Done);
            a.seen()
        }
    });
    let id = run(&world, {
        let a = a.clone();
        async move {
            let (answer, receipt) = remove(&a, "job/a").await;
            assert_eq!(answer, Answer::Done);
            // The same once more: there is nothing.
            assert_eq!(remove(&a, "job/a").await, (Answer::Done, None));
            kept(receipt)
        }
    });
    world.settle();
    assert_eq!(world.exposition(), "");
    let listed = b.store().removals(None, 10);
    assert_eq!(listed, a.store().removals(None, 10));
    assert_eq!(listed.len(), 1);
    let removal = &listed[0];
    assert_eq!((removal.id, removal.kind), (id, RemovalKind::Group));
    assert_eq!(
        (removal.groups, removal.series, &removal.author),
        (1, 3, &author("job/a"))
    );
    assert_eq!(removal.state, RemovalState::Kept);
    assert_eq!(a.store().removed_status().unwrap().removals, 1);
    let told = run(&world, {
        let b = b.clone();
        async move {
            let keys = b.store().shared_removed_keys(id).await.unwrap();
            assert_eq!(keys, [key("job/a")]);
            let dry = b.undo(id, true).await.unwrap();
            assert_eq!(b.seen(), "", "a dry run changes nothing");
            let undone = b.undo(id, false).await.unwrap();
            // With its times.
            assert_eq!((dry.groups, dry.series), (1, 3));
            assert_eq!((undone.groups, undone.series), (1, 3));
            b.undo(id, false).await
        }
    });
    assert!(matches!(told, Err(UndoError::Undone(_))), "{told:?}");
    world.settle();
    assert_eq!(world.exposition(), before);
    let lifetime = b.store().snapshot().lifetime(&key("job/a"));
    assert_eq!(lifetime.map(|lifetime| lifetime.ttl), Some(ttl));
    let state = a.store().removal(id).unwrap().state;
    assert!(matches!(state, RemovalState::Undone(_)), "{state:?}");
    assert_eq!(
        a.store().removed_status().unwrap().bytes,
        0,
        "its images are gone"
    );
}

#[test]
fn what_was_pushed_since_stays_and_a_group_that_only_failed_since_does_not_stand_in_the_way() {
    let world = good(2);
    let (a, b) = (world.replicas[0].clone(), world.replicas[1].clone());
    run(&world, async move {
        for path in ["job/a", "job/b"] {
            a.push(path, PushMode::ReplaceGroup, "m 1\n", None).await;
        }
        let removed = a.remove(|store| {
            let keys = vec![key("job/a"), key("job/b")];
            store.remove_groups(keys, None, &author("{}"))
        });
        let id = kept(removed.await.1);
        b.clock_runs(100).await;
        b.push("job/a", PushMode::ReplaceGroup, "m 2\n", None).await;
        let contradiction = "m 1\nm 1 5\n";
        let refused = b.push("job/b", PushMode::ReplaceGroup, contradiction, None).await;
        assert_eq!(refused, Answer::Refused);
        b.clock_runs(2000).await;
        assert!(
            b.seen()
                .contains("push_failure_time_seconds{instance=\"\",job=\"b\"}")
        );
        let undone = b.undo(id, false).await.unwrap();
        assert_eq!(undone.groups, 1);
        assert_eq!(undone.kept.keys, [key("job/a")]);
        assert!(undone.is_complete());
        let seen = b.seen();
        assert!(seen.contains("m{instance=\"\",job=\"a\"} 2\n"), "{seen}");
        assert!(seen.contains("m{instance=\"\",job=\"b\"} 1\n"), "{seen}");
        assert!(!seen.contains("push_failure_time_seconds{instance=\"\",job=\"b\"} 0\n"));
    });
    world.settle();
    world.exposition();
}

#[test]
fn a_family_comes_back_into_its_group_and_not_without_it() {
    let world = good(2);
    let (a, b) = (world.replicas[0].clone(), world.replicas[1].clone());
    run(&world, async move {
        for path in ["job/a", "job/b", "job/c"] {
            a.push(path, PushMode::ReplaceGroup, "m 1\nn 1\n", None).await;
        }
        let removed = a.remove(|store| {
            let keys = ["a", "b", "c"].map(|job| key(&format!("job/{job}")));
            store.remove_family_of(keys.into(), None, "m", &author("m of {}"))
        });
        let id = kept(removed.await.1);
        b.clock_runs(100).await;
        b.push("job/b", PushMode::ReplaceFamilies, "m 2\n", None).await;
        b.delete("job/c").await;
        assert_eq!(b.store().removal(id).unwrap().kind, RemovalKind::Family);
        let undone = b.undo(id, false).await.unwrap();
        assert_eq!((undone.groups, undone.series), (1, 1));
        assert_eq!(undone.kept.keys, [key("job/b")]);
        assert_eq!(undone.missing.keys, [key("job/c")]);
        let seen = b.seen();
        for line in ["m{instance=\"\",job=\"a\"} 1\n", "m{instance=\"\",job=\"b\"} 2\n"] {
            assert!(seen.contains(line), "{seen}");
        }
    });
}

#[test]
fn what_contradicts_by_now_is_refused_and_the_removal_stays() {
    let world = good(1);
    let a = world.replicas[0].clone();
    run(&world, async move {
        a.push("job/a", PushMode::ReplaceGroup, "# TYPE m gauge\nm 1\n", None)
            .await;
        let id = kept(remove(&a, "job/a").await.1);
        a.push("job/b", PushMode::ReplaceGroup, "# TYPE m counter\nm 1\n", None)
            .await;
        for dry_run in [true, false] {
            let undone = a.undo(id, dry_run).await.unwrap();
            assert!(!undone.is_complete());
            assert_eq!(
                (undone.groups, undone.refused.len()),
                (0, 1),
                "dry run: {dry_run}"
            );
        }
        a.delete("job/b").await;
        assert_eq!(a.undo(id, false).await.unwrap().groups, 1);
    });
}

#[test]
fn a_wipe_comes_back_as_it_was_also_when_its_replica_has_gone_right_after_it() {
    for kills in [false, true] {
        let world = good(3);
        let a = world.replicas[0].clone();
        run(&world, async move {
            for number in 0..300 {
                let body = format!("m {number}\nn{{l=\"{}\"}} 1\n", "x".repeat(500));
                a.push(&format!("job/{number}"), PushMode::ReplaceGroup, &body, None)
                    .await;
            }
        });
        world.settle();
        let before = world.exposition();
        let a = world.replicas[0].clone();
        let id = if kills {
            let wiping = a.clone();
            world.simulation.spawn(async move {
                wiping.wipe().await;
            });
            // Up to where the wipe is committed.
            for _ in 0..10_000 {
                world.simulation.run_for(Duration::from_millis(1));
                if world
                    .log
                    .contents()
                    .entries
                    .iter()
                    .all(|entry| !entry.key.starts_with(b"g/"))
                {
                    break;
                }
            }
            world.restart(&a);
            // Somebody has to find out that it has gone, and that takes as long as its lease lives on.
            world.simulation.run_for(Duration::from_secs(60));
            let removals = world.replicas[1].store().removals(None, 10);
            assert_eq!(removals.len(), 1);
            removals[0].id
        } else {
            let (answer, receipt) = run(&world, async move { wipe(&a).await });
            assert_eq!(answer, Answer::Done);
            kept(receipt)
        };
        world.settle();
        assert_eq!(world.exposition(), "");
        let b = world.replicas[1].clone();
        let removal = b.store().removal(id).unwrap();
        assert_eq!((removal.kind, removal.groups), (RemovalKind::Wipe, 300));
        let undone = run(&world, async move { b.undo(id, false).await.unwrap() });
        assert_eq!(undone.groups, 300);
        assert!(undone.is_complete(), "{undone:?}");
        world.settle();
        assert_eq!(world.exposition(), before);
    }
}

#[test]
fn a_wipe_of_nothing_is_no_removal() {
    let world = good(1);
    let a = world.replicas[0].clone();
    run(&world, async move {
        assert_eq!(wipe(&a).await, (Answer::Done, None));
        assert_eq!(a.store().removals(None, 10), []);
    });
}

#[test]
fn of_two_who_undo_the_same_at_once_one_does() {
    let world = good(1);
    let a = world.replicas[0].clone();
    let outcomes = Arc::new(Mutex::new(Vec::new()));
    let id = run(&world, {
        let a = a.clone();
        async move {
            a.push("job/a", PushMode::ReplaceGroup, "m 1\n", None).await;
            kept(remove(&a, "job/a").await.1)
        }
    });
    for _ in 0..2 {
        let (a, outcomes) = (a.clone(), Arc::clone(&outcomes));
        world.simulation.spawn(async move {
            let undone = a.undo(id, false).await.map(|undone| undone.groups);
            outcomes.lock().unwrap().push(undone);
        });
    }
    world.settle();
    let outcomes = outcomes.lock().unwrap();
    let done = outcomes.iter().filter(|outcome| matches!(outcome, Ok(1)));
    let busy = outcomes
        .iter()
        .filter(|outcome| matches!(outcome, Err(UndoError::Busy)));
    assert_eq!((done.count(), busy.count()), (1, 1), "{outcomes:?}");
}

#[test]
fn removals_are_let_go_when_they_are_too_old_too_many_bytes_or_too_large() {
    let world = good(2);
    let (a, b) = (world.replicas[0].clone(), world.replicas[1].clone());
    // It hardly becomes shorter.
    let body = |bytes: u64| {
        (0..bytes / 32).fold(String::new(), |mut body, number| {
            let hash = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            writeln!(body, "m{{l=\"{hash:016x}\"}} {}", hash >> 40).unwrap();
            body
        })
    };
    let (first, last) = run(&world, async move {
        let mut ids = Vec::new();
        for _ in 0..8 {
            a.push("job/a", PushMode::ReplaceGroup, &body(UNDO_MAX_BYTES / 2), None)
                .await;
            ids.push(kept(remove(&a, "job/a").await.1));
        }
        a.push("job/a", PushMode::ReplaceGroup, &body(4 * UNDO_MAX_BYTES), None)
            .await;
        let lost = remove(&a, "job/a").await;
        let too_large = Receipt::Lost(WhyLost::TooLarge {
            max_bytes: UNDO_MAX_BYTES,
        });
        assert_eq!(lost, (Answer::Done, Some(too_large)));
        (ids[0], *ids.last().unwrap())
    });
    world.simulation.run_for(Duration::from_secs(5));
    let status = b.store().removed_status().unwrap();
    assert!(
        status.bytes > 0 && status.bytes <= UNDO_MAX_BYTES,
        "{} bytes are kept",
        status.bytes
    );
    let state = |id| b.store().removal(id).map(|removal| removal.state);
    assert_eq!(state(first), Some(RemovalState::Lost(WhyLost::MadeRoom)));
    assert_eq!(state(last), Some(RemovalState::Kept));
    world.simulation.run_for(Duration::from_secs(3610));
    assert_eq!(b.store().removals(None, 10), []);
    let left = world.log.contents().entries;
    let left = left.iter().filter(|entry| entry.key.starts_with(b"u/"));
    assert_eq!(left.count(), 0);
}

#[test]
fn a_log_that_is_full_takes_removals_and_says_that_they_are_not_kept() {
    let world = good(1);
    let a = world.replicas[0].clone();
    let log = world.log.clone();
    run(&world, async move {
        for path in ["job/a", "job/b"] {
            a.push(path, PushMode::ReplaceGroup, "m 1\n", None).await;
        }
        log.set_full(true);
        let full = Some(Receipt::Lost(WhyLost::Full));
        assert_eq!(remove(&a, "job/a").await, (Answer::Done, full.clone()));
        assert_eq!(wipe(&a).await, (Answer::Done, full));
        log.set_full(false);
        a.clock_runs(5000).await;
        a.push("job/a", PushMode::ReplaceGroup, "m 1\n", None).await;
        kept(remove(&a, "job/a").await.1);
    });
}

#[test]
fn a_wipe_whose_history_is_gone_says_that_it_cannot_be_undone() {
    let world = good(2);
    let (a, log) = (world.replicas[0].clone(), world.log.clone());
    let forgetting = world.log.clone();
    world.simulation.spawn({
        let timer = world.simulation.clone();
        async move {
            loop {
                timer.sleep(Duration::from_millis(1)).await;
                let entries = forgetting.contents().entries;
                let is_wiped = entries.iter().all(|entry| !entry.key.starts_with(b"g/"));
                if is_wiped && entries.iter().any(|entry| entry.key.starts_with(b"u/")) {
                    forgetting.forget_history();
                    return;
                }
            }
        }
    });
    let receipt = run(&world, async move {
        a.push("job/a", PushMode::ReplaceGroup, "m 1\n", None).await;
        wipe(&a).await
    });
    assert_eq!(receipt, (Answer::Done, Some(Receipt::Lost(WhyLost::Forgotten))));
    drop(log);
}

/// Groups that somebody has pushed and then removed, with what they were and under which number that is kept.
type Removed = Arc<Mutex<Vec<(String, u64, Revision)>>>;

#[test]
fn what_was_told_to_be_kept_comes_back_whatever_breaks() {
    let told = Arc::new(Mutex::new(0));
    each_seed(8, |seed| {
        let world = World::new(
            seed,
            3,
            Faults {
                // History is needed for wipes, of which there are none here, but not for long.
                compactions: 30,
                ..Faults::bad()
            },
        );
        let removed = Removed::default();
        for client in 0..6_u64 {
            let replicas = world.replicas.clone();
            let (simulation, removed) = (world.simulation.clone(), Arc::clone(&removed));
            world.simulation.spawn(async move {
                simulation.sleep(Duration::from_secs(5)).await;
                let path = format!("job/{client}");
                for number in 0..8 {
                    let tag = client * 100 + number;
                    let at = |below: u64| usize::try_from(below).unwrap();
                    let pushing = &replicas[at(simulation.below(3))];
                    let body = format!("put {tag}\n");
                    let pushed = pushing.push(&path, PushMode::ReplaceGroup, &body, None).await;
                    let removing = &replicas[at(simulation.below(3))];
                    let (answer, receipt) = remove(removing, &path).await;
                    // Of what was not answered it is not known what was removed.
                    if pushed == Answer::Done
                        && answer == Answer::Done
                        && let Some(Receipt::Kept { id, .. }) = receipt
                    {
                        removed.lock().unwrap().push((path.clone(), tag, id));
                    }
                }
            });
        }
        world
            .simulation
            .spawn(super::worlds::break_things(world.clone(), 8));
        world.simulation.run_for(Duration::from_secs(60));
        world.calm();
        let removed = removed.lock().unwrap().clone();
        *told.lock().unwrap() += removed.len();
        for (path, tag, id) in removed {
            let replica = world.replicas[usize::try_from(tag % 3).unwrap()].clone();
            let seen = run(&world, async move {
                // Whoever was not answered may have left something.
                assert_eq!(replica.delete(&path).await, Answer::Done);
                let undone = replica.undo(id, false).await.unwrap();
                assert_eq!(undone.groups, 1, "seed {seed}: {path} {tag} {undone:?}");
                replica.seen()
            });
            assert!(
                seen.contains(&format!("}} {tag}\n")),
                "seed {seed}: {tag} is not in\n{seen}"
            );
        }
        world.settle();
        world.exposition();
    });
    let told = *told.lock().unwrap();
    assert!(told > 40, "{told} removals were kept");
}
