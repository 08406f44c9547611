//! What is said of pushes that are still to come is the same for all replicas, whichever was told.

use std::sync::Arc;
use std::time::Duration;

use wharf_store::{Author, Note, PushMode, Receipt, Ttl, UnixNanos};

use super::replicas::Answer;
use super::steps::{good, run};

const EXPECTED: &str = r#"wharf_group_expected_info{expect="every=1d",instance="",job="a"} 1"#;

fn has(exposition: &str, line: &str) -> bool {
    exposition.lines().any(|shown| shown == line)
}

#[test]
fn what_one_replica_was_told_stays_whatever_another_one_takes() {
    let world = good(2);
    let [first, second] = [0, 1].map(|at| Arc::clone(&world.replicas[at]));
    run(&world, async move {
        let every = Note::Expected(Some("every=1d"));
        let until = Note::PausedUntil(UnixNanos(500_000_000_000));
        assert_eq!(first.note("job/a", every).await, Answer::Done);
        assert_eq!(
            second.push("job/a", PushMode::ReplaceGroup, "m 1\n", None).await,
            Answer::Done
        );
        assert_eq!(second.note("job/a", until).await, Answer::Done);
        assert_eq!(
            first.push("job/a", PushMode::ReplaceGroup, "n 2\n", None).await,
            Answer::Done
        );
    });
    world.settle();
    let exposition = world.exposition();
    assert!(has(&exposition, EXPECTED), "{exposition}");
    assert!(
        has(
            &exposition,
            r#"wharf_group_paused_until_timestamp_seconds{instance="",job="a"} 500"#
        ),
        "{exposition}"
    );
    assert!(has(&exposition, r#"n{instance="",job="a"} 2"#), "{exposition}");
    assert!(!exposition.contains("m{"), "{exposition}");
    // A replica that is killed and started finds it.
    world.restart(&world.replicas[0]);
    world.settle();
    assert_eq!(world.exposition(), exposition);
}

#[test]
fn a_wipe_and_the_end_of_the_time_leave_it_and_a_deletion_takes_it() {
    let world = good(2);
    let [first, second] = [0, 1].map(|at| Arc::clone(&world.replicas[at]));
    let ttl = Some(Ttl {
        after: Duration::from_secs(2),
        keep_times: false,
    });
    let (a, b) = (Arc::clone(&first), Arc::clone(&second));
    run(&world, async move {
        let every = Note::Expected(Some("every=1d"));
        assert_eq!(
            a.push("job/a", PushMode::ReplaceGroup, "m 1\n", ttl).await,
            Answer::Done
        );
        assert_eq!(a.note("job/a", every).await, Answer::Done);
        assert_eq!(
            a.push("job/gone", PushMode::ReplaceGroup, "m 1\n", ttl).await,
            Answer::Done
        );
    });
    world.simulation.run_for(Duration::from_secs(60));
    let expired = world.exposition();
    assert!(
        has(&expired, EXPECTED) && expired.contains("push_time_seconds{instance=\"\",job=\"a\"} 1.7"),
        "{expired}"
    );
    assert!(!expired.contains("m{") && !expired.contains("gone"), "{expired}");
    let (a, b2) = (Arc::clone(&first), Arc::clone(&b));
    run(&world, async move {
        assert_eq!(
            a.push("job/b", PushMode::ReplaceGroup, "m 1\n", None).await,
            Answer::Done
        );
        assert_eq!(
            a.push("job/a", PushMode::ReplaceGroup, "m 1\n", None).await,
            Answer::Done
        );
        assert_eq!(b2.wipe().await, Answer::Done);
    });
    world.settle();
    let wiped = world.exposition();
    assert!(
        has(&wiped, EXPECTED) && !wiped.contains("m{") && !wiped.contains("job=\"b\""),
        "{wiped}"
    );
    run(&world, async move {
        assert_eq!(second.delete("job/a").await, Answer::Done);
    });
    world.settle();
    assert_eq!(world.exposition(), "");
}

#[test]
fn a_wipe_that_has_left_it_is_undone_with_its_metrics() {
    let world = good(2);
    let [first, second] = [0, 1].map(|at| Arc::clone(&world.replicas[at]));
    let before = run(&world, async move {
        let every = Note::Expected(Some("every=1d"));
        assert_eq!(
            first.push("job/a", PushMode::ReplaceGroup, "m 1\n", None).await,
            Answer::Done
        );
        assert_eq!(first.note("job/a", every).await, Answer::Done);
        first.seen()
    });
    world.settle();
    run(&world, async move {
        let (answer, receipt) = second.remove(|store| store.remove_all(&Author::default())).await;
        assert_eq!(answer, Answer::Done);
        let Some(Receipt::Kept { id, .. }) = receipt else {
            panic!("expected a wipe that is kept, found {receipt:?}");
        };
        assert!(!second.seen().contains("m{") && second.seen().contains(EXPECTED));
        let undone = second.undo(id, false).await.unwrap();
        assert!(undone.is_complete());
    });
    world.settle();
    assert_eq!(world.exposition(), before);
}
