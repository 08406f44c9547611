//! Work that is given up: its place comes back, and it is counted.

use std::future::pending;
use std::time::Duration;

use wharf_gateway::{Client, MAX_STEPS, MAX_TIME, Places, Reason, Refusal, Work};
use wharf_model::Effort;

use crate::support::{World, anybody, eventually, place, plain, work};

/// Goes on until it is given up.
fn endless(effort: &Effort) -> Result<(), Refusal> {
    loop {
        // Without the steps that would end it.
        effort.look()?;
    }
}

async fn reason(work: impl Future<Output = Result<(), Refusal>>) -> Reason {
    work.await.unwrap_err().reason
}

#[tokio::test]
async fn work_whose_client_leaves_gives_its_place_back() {
    let (world, places) = (plain(), Places::new(1));
    let place = places.take(&anybody().client()).unwrap();
    let work = Work::new(&world.gateway, place, Box::pin(pending()));
    let (begins, mut begun) = tokio::sync::mpsc::channel(1);
    let request = tokio::spawn(work.run(move |effort, _place| {
        begins.blocking_send(()).unwrap();
        endless(effort)
    }));
    begun.recv().await.unwrap();
    assert_eq!(places.taken(), 1);
    request.abort();
    eventually((0, 1), || (places.taken(), world.stopped("gone"))).await;
}

#[tokio::test]
async fn work_that_has_not_begun_when_its_client_leaves_does_not_begin() {
    let world = plain();
    let gone = work(&world).run(|_, _| -> Result<(), Refusal> { unreachable!("nobody waits for it") });
    drop(gone);
    // Dropped before it had a thread: there is nothing to give up.
    assert_eq!(world.stopped("gone"), 0);
}

#[tokio::test]
async fn a_client_that_has_closed_its_side_is_told_why_there_is_no_answer() {
    let (world, places) = (plain(), Places::new(1));
    let place = places.take(&anybody().client()).unwrap();
    let work = Work::new(&world.gateway, place, Box::pin(async {}));
    let ended = reason(work.run(|effort, _place| endless(effort))).await;
    assert_eq!(
        (ended, places.taken(), world.stopped("gone")),
        (Reason::Gone, 0, 1)
    );
}

#[tokio::test]
async fn work_that_costs_too_much_is_refused() {
    let world = plain();
    let costly = work(&world).run(|effort, _place| {
        effort.spend(MAX_STEPS)?;
        Ok(effort.spend(1)?)
    });
    let refusal = costly.await.unwrap_err();
    assert_eq!(refusal.reason, Reason::Costly);
    assert_eq!(
        refusal.text,
        "expected selectors that take at most 2,000,000,000 steps over the stored groups, found more\n\
         hint: use `=` where a value is known, shorter regular expressions, no counted repetitions such as `{0,400}`, \
         and fewer match[]"
    );
    assert_eq!(world.stopped("costly"), 1);
}

#[tokio::test]
async fn work_that_takes_too_long_is_refused() {
    let world = plain();
    let clock = world.clock.clone();
    let late = work(&world).run(move |effort, _place| {
        clock.later(MAX_TIME);
        effort.look()?;
        clock.later(Duration::from_nanos(1));
        endless(effort)
    });
    assert_eq!(reason(late).await, Reason::Late);
    assert_eq!(world.stopped("late"), 1);
}

#[tokio::test]
async fn other_refusals_of_work_are_none_that_were_given_up() {
    let world = plain();
    let refused = work(&world).run(|_, _| Err(Refusal::parameter(&"wrong")));
    assert_eq!(reason(refused).await, Reason::Parameter);
    let bug = work(&world).run(|_, _| std::panic::resume_unwind(Box::new("a bug")));
    assert_eq!(reason(bug).await, Reason::Internal);
    let all = |world: &World| ["gone", "costly", "late"].map(|reason| world.stopped(reason));
    assert_eq!(all(&world), [0; 3]);
}

#[tokio::test]
async fn whoever_looks_at_groups_one_by_one_waits_for_a_turn_and_others_do_not() {
    let world = plain();
    let looks = world.gateway.looks();
    let (begins, mut begun) = tokio::sync::mpsc::channel(1);
    let look = |name: &str| {
        let begins = begins.clone();
        let looking = work(&world).in_turn(Client::Known(name.to_owned()));
        tokio::spawn(looking.run(move |effort, _place| {
            begins.blocking_send(()).unwrap();
            endless(effort)
        }))
    };
    let all: Vec<_> = (0..looks.all()).map(|_| look("a")).collect();
    let (half, rest) = (looks.all() / 2, looks.all().div_ceil(2));
    for _ in 0..half {
        begun.recv().await.unwrap();
    }
    eventually((half, rest), || (looks.taken(), looks.waiting())).await;
    let other = look("b");
    begun.recv().await.unwrap();
    assert_eq!((looks.taken(), looks.waiting()), (half + 1, rest));
    for request in all.iter().chain([&other]) {
        request.abort();
    }
    // Those who have waited in vain have not begun.
    eventually(0, || looks.taken()).await;
    assert!(begun.try_recv().is_err());
    assert_eq!(world.stopped("gone"), half as u64 + 1);
}

#[tokio::test]
async fn a_client_that_closes_its_side_while_it_waits_for_a_turn_is_gone() {
    let world = plain();
    let client = Client::Known("a".to_owned());
    let looks = world.gateway.looks();
    let mut turns = Vec::new();
    while looks.taken() < looks.all() {
        let others = Client::Known(turns.len().to_string());
        turns.push(looks.turn(&others).await.unwrap());
    }
    let work = Work::new(&world.gateway, place(), Box::pin(async {})).in_turn(client);
    assert_eq!(
        reason(work.run(|effort, _place| endless(effort))).await,
        Reason::Gone
    );
    assert_eq!(world.stopped("gone"), 1);
}
