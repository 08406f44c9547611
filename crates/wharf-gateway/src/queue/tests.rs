use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use super::*;
use crate::refusal::Reason;

/// What may wait.
const MAX_WAITING: usize = 256;

type Waiting = Pin<Box<dyn Future<Output = Result<Turn, Refusal>>>>;

fn client(name: &str) -> Client {
    Client::Known(name.to_owned())
}

fn ask(queue: &Arc<Queue>, name: &str) -> Waiting {
    let (queue, client) = (Arc::clone(queue), client(name));
    Box::pin(async move { queue.turn(&client).await })
}

/// What has become of it so far.
fn look(waiting: &mut Waiting) -> Poll<Result<Turn, Refusal>> {
    waiting.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

/// Asks, and has a turn at once.
#[track_caller]
fn take(queue: &Arc<Queue>, name: &str) -> Turn {
    match look(&mut ask(queue, name)) {
        Poll::Ready(turn) => turn.unwrap(),
        Poll::Pending => panic!("{name} has to wait"),
    }
}

/// Asks, and has to wait.
#[track_caller]
fn wait(queue: &Arc<Queue>, name: &str) -> Waiting {
    let mut waiting = ask(queue, name);
    assert!(look(&mut waiting).is_pending(), "{name} has a turn");
    waiting
}

/// The next one of these that has a turn.
fn next(waiting: &mut Vec<(&'static str, Waiting)>) -> Option<(&'static str, Turn)> {
    for at in 0..waiting.len() {
        if let Poll::Ready(turn) = look(&mut waiting[at].1) {
            return Some((waiting.remove(at).0, turn.unwrap()));
        }
    }
    None
}

#[test]
fn a_client_leaves_as_many_turns_as_it_has() {
    let queue = Queue::new(4, "pushes waiting for their turn", MAX_WAITING);
    let _first = [take(&queue, "a"), take(&queue, "a")];
    let _waits = wait(&queue, "a");
    let _others = [take(&queue, "b"), take(&queue, "c")];
    let _waits_too = wait(&queue, "d");
    assert_eq!((queue.taken(), queue.waiting()), (4, 2));
}

#[test]
fn with_one_turn_everybody_gets_it_some_time() {
    let queue = Queue::new(1, "pushes waiting for their turn", MAX_WAITING);
    let turn = take(&queue, "a");
    let mut waiting = wait(&queue, "a");
    drop(turn);
    assert!(look(&mut waiting).is_ready());
}

#[test]
fn one_waits_behind_one_turn_of_each_other_client_however_much_that_has_sent() {
    let queue = Queue::new(1, "pushes waiting for their turn", MAX_WAITING);
    let mut turn = take(&queue, "a");
    let mut waiting = Vec::new();
    for name in ["a", "a", "a", "a", "b", "b", "honest"] {
        waiting.push((name, wait(&queue, name)));
    }
    let mut order = Vec::new();
    while !waiting.is_empty() {
        drop(turn);
        let (name, next) = next(&mut waiting).unwrap();
        order.push(name);
        turn = next;
    }
    assert_eq!(order, ["a", "b", "honest", "a", "b", "a", "a"]);
    drop(turn);
    assert_eq!((queue.taken(), queue.waiting()), (0, 0));
    assert!(lock(&queue.state).running.by_client.is_empty());
}

#[test]
fn who_has_many_turns_waits_while_others_go_past() {
    let queue = Queue::new(4, "pushes waiting for their turn", MAX_WAITING);
    let [first, _second] = [take(&queue, "a"), take(&queue, "a")];
    let mut waiting = wait(&queue, "a");
    let other = take(&queue, "b");
    // Three turns are taken, so that it may not have the last one.
    drop(other);
    assert!(look(&mut waiting).is_pending());
    drop(first);
    assert!(look(&mut waiting).is_ready());
}

#[test]
fn who_has_left_gets_no_turn() {
    let queue = Queue::new(1, "pushes waiting for their turn", MAX_WAITING);
    let turn = take(&queue, "a");
    let (left, mut stays) = (wait(&queue, "b"), wait(&queue, "c"));
    drop(left);
    drop(turn);
    assert!(look(&mut stays).is_ready());
    assert_eq!((queue.taken(), queue.waiting()), (0, 0));
}

#[test]
fn who_has_left_after_it_was_called_gives_the_turn_to_the_next() {
    let queue = Queue::new(1, "pushes waiting for their turn", MAX_WAITING);
    let turn = take(&queue, "a");
    let (called, mut next) = (wait(&queue, "b"), wait(&queue, "c"));
    drop(turn);
    assert!(look(&mut next).is_pending());
    drop(called);
    assert!(look(&mut next).is_ready());
}

#[test]
fn if_very_many_wait_the_client_with_most_of_them_makes_room() {
    let queue = Queue::new(1, "pushes waiting for their turn", MAX_WAITING);
    let _turn = take(&queue, "a");
    let mut many: Vec<_> = (0..MAX_WAITING).map(|_| wait(&queue, "a")).collect();
    let refused = look(&mut ask(&queue, "a"));
    assert!(matches!(refused, Poll::Ready(Err(refusal)) if refusal.reason == Reason::Overload));
    let _honest = wait(&queue, "honest");
    // The one that came last.
    let left = look(many.last_mut().unwrap());
    assert!(matches!(left, Poll::Ready(Err(refusal)) if refusal.reason == Reason::Overload));
    assert!(look(&mut many[0]).is_pending());
    assert_eq!((queue.taken(), queue.waiting()), (1, MAX_WAITING));
    // Those who have gone are no reason to send anybody away.
    many.truncate(10);
    let _waits = wait(&queue, "a");
    assert_eq!((queue.taken(), queue.waiting()), (1, 12));
}
