use proptest::prelude::*;
use wharf_schedule::Timing;

use super::super::rules::ExpectRule;
use super::*;

const MINUTE: i64 = 60_000_000_000;
const NOT_BLIND: Blind = Blind {
    from: UnixNanos(0),
    start: UnixNanos(0),
    until: UnixNanos(0),
};

fn key(job: &str) -> GroupingKey {
    GroupingKey::new([("job", job)]).unwrap()
}

fn minute(minute: i64) -> UnixNanos {
    UnixNanos(minute * MINUTE)
}

/// Every ten minutes, with a grace of five.
fn rule() -> ExpectRule {
    ExpectRule {
        selector: None,
        always: Vec::new(),
        timing: Timing::parse(Some("10m"), None, None, Some("5m")).unwrap(),
        since: None,
        paused_until: None,
    }
}

/// In whole minutes.
fn expect(book: &mut Book, job: &str, rule: &ExpectRule, last: Option<i64>, now: i64) {
    let last = last.map(minute);
    book.expect(
        &key(job),
        &Wanted::by_rule((0, rule)),
        last,
        minute(now),
        minute(now),
    );
}

fn state(book: &Book, job: &str, now: i64) -> State {
    book.get(&key(job)).unwrap().state(minute(now))
}

/// What has changed: the job, whether it is overdue, and the minute at which it is due.
fn changed(book: &mut Book) -> Vec<(String, Option<(bool, i64)>)> {
    let changed = book.take_changed().into_iter().map(|(key, shown)| {
        let shown = shown.map(|shown| (shown.is_overdue, shown.due.unwrap().0 / MINUTE));
        (key.job().to_owned(), shown)
    });
    changed.collect()
}

#[test]
fn a_group_is_due_then_overdue_and_comes_back() {
    let mut book = Book::new(9, NOT_BLIND);
    expect(&mut book, "a", &rule(), Some(100), 101);
    assert_eq!(changed(&mut book), [("a".to_owned(), Some((false, 110)))]);
    for (now, expected) in [
        (109, State::Waiting),
        (110, State::Due),
        (114, State::Due),
        (115, State::Overdue),
        (500, State::Overdue),
    ] {
        book.pass(minute(now));
        assert_eq!(state(&book, "a", now), expected, "{now}");
    }
    assert_eq!(changed(&mut book), [("a".to_owned(), Some((true, 110)))]);
    assert_eq!(book.overdue(), 1);
    expect(&mut book, "a", &rule(), Some(501), 501);
    assert_eq!(changed(&mut book), [("a".to_owned(), Some((false, 511)))]);
    assert_eq!((book.overdue(), state(&book, "a", 501)), (0, State::Waiting));
}

#[test]
fn a_group_that_has_never_come_is_expected_since_it_was_named() {
    let mut book = Book::new(9, NOT_BLIND);
    expect(&mut book, "a", &rule(), None, 100);
    expect(&mut book, "a", &rule(), None, 107);
    assert_eq!(changed(&mut book), [("a".to_owned(), Some((false, 110)))]);
    let since_long = ExpectRule {
        since: Some(minute(50)),
        ..rule()
    };
    expect(&mut book, "a", &since_long, None, 108);
    assert_eq!(changed(&mut book), [("a".to_owned(), Some((true, 60)))]);
}

#[test]
fn what_is_due_in_a_pause_is_not_missed_and_what_was_overdue_is_so_no_more() {
    let mut book = Book::new(9, NOT_BLIND);
    expect(&mut book, "a", &rule(), Some(100), 120);
    assert_eq!(changed(&mut book), [("a".to_owned(), Some((true, 110)))]);
    let paused = ExpectRule {
        paused_until: Some(minute(200)),
        ..rule()
    };
    expect(&mut book, "a", &paused, Some(100), 121);
    assert_eq!(changed(&mut book), [("a".to_owned(), Some((false, 210)))]);
    for (now, expected) in [(199, State::Paused), (200, State::Waiting), (215, State::Overdue)] {
        book.pass(minute(now));
        assert_eq!(state(&book, "a", now), expected, "{now}");
    }
}

#[test]
fn what_was_to_come_while_nobody_looked_gets_a_grace_and_nothing_else_does() {
    let blind = Blind {
        from: minute(130),
        start: minute(200),
        until: minute(205),
    };
    let mut book = Book::new(9, blind);
    // Overdue before the end, in the time between, in the grace, and after it.
    for (job, last) in [("a", 110), ("b", 120), ("c", 187), ("d", 195)] {
        expect(&mut book, job, &rule(), Some(last), 200);
    }
    let at = |book: &Book, job| book.get(&key(job)).unwrap().overdue_at.unwrap().0 / MINUTE;
    assert_eq!(
        ["a", "b", "c", "d"].map(|job| at(&book, job)),
        [125, 205, 205, 210]
    );
    assert_eq!(book.overdue(), 1);
    // One that came after the start is not waited for any longer.
    let quick = ExpectRule {
        timing: Timing::parse(Some("1m"), None, None, None).unwrap(),
        ..rule()
    };
    expect(&mut book, "e", &quick, Some(201), 201);
    assert_eq!(at(&book, "e"), 202);
    book.pass(minute(205));
    assert_eq!(book.overdue(), 4);
}

#[test]
fn a_push_time_in_the_future_counts_as_now() {
    let mut book = Book::new(9, NOT_BLIND);
    expect(&mut book, "a", &rule(), Some(1_000_000), 100);
    assert_eq!(changed(&mut book), [("a".to_owned(), Some((false, 110)))]);
}

#[test]
fn the_newest_find_no_room_until_another_one_goes() {
    let mut book = Book::new(2, NOT_BLIND);
    for job in ["c", "b", "a"] {
        expect(&mut book, job, &rule(), Some(100), 100);
    }
    assert_eq!((book.len(), book.left_out()), (2, 1));
    assert_eq!(book.get(&key("a")), None);
    assert_eq!(book.next_left_out(), None);
    book.forget(&key("c"));
    assert_eq!(book.next_left_out(), Some(key("a")));
    expect(&mut book, "a", &rule(), Some(100), 100);
    assert_eq!((book.len(), book.left_out()), (2, 0));
    book.forget(&key("nobody"));
    // One that comes itself before it is looked for.
    expect(&mut book, "d", &rule(), Some(100), 100);
    assert_eq!(book.left_out(), 1);
    book.forget(&key("b"));
    expect(&mut book, "d", &rule(), Some(101), 101);
    assert_eq!((book.len(), book.left_out()), (2, 0));
    let jobs: Vec<_> = changed(&mut book).into_iter().map(|(job, _)| job).collect();
    assert_eq!(jobs, ["a", "b", "c", "d"]);
}

#[test]
fn what_is_due_after_the_end_of_the_clock_is_never_overdue() {
    let never = ExpectRule {
        timing: Timing::parse(Some("292y"), None, None, None).unwrap(),
        ..rule()
    };
    let mut book = Book::new(9, NOT_BLIND);
    // In 2025.
    expect(&mut book, "a", &never, Some(29_000_000), 29_000_000);
    book.pass(UnixNanos(i64::MAX));
    assert_eq!(book.overdue(), 0);
}

#[derive(Debug, Clone)]
enum Step {
    Push(u8),
    Forget(u8),
    Pass(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0u8..4).prop_map(Step::Push),
        (0u8..4).prop_map(Step::Forget),
        (0u8..20).prop_map(Step::Pass),
    ]
}

proptest! {
    #[test]
    fn the_book_is_what_the_last_pushes_make_it(steps in prop::collection::vec(step(), 0..40)) {
        let mut book = Book::new(9, NOT_BLIND);
        let (mut now, mut last) = (100, BTreeMap::new());
        let mut seen = BTreeMap::new();
        for step in steps {
            match step {
                Step::Push(job) => {
                    last.insert(job.to_string(), now);
                    expect(&mut book, &job.to_string(), &rule(), Some(now), now);
                }
                Step::Forget(job) => {
                    last.remove(&job.to_string());
                    book.forget(&key(&job.to_string()));
                }
                Step::Pass(minutes) => {
                    now += i64::from(minutes);
                    book.pass(minute(now));
                }
            }
            for (job, shown) in changed(&mut book) {
                match shown {
                    Some(shown) => seen.insert(job, shown),
                    None => seen.remove(&job),
                };
            }
            let shown: BTreeMap<_, _> = last
                .iter()
                .map(|(job, last)| (job.clone(), (last + 15 <= now, last + 10)))
                .collect();
            prop_assert_eq!(&seen, &shown);
            prop_assert_eq!(book.overdue(), shown.values().filter(|(is_overdue, _)| *is_overdue).count());
            prop_assert_eq!(book.ahead.len(), book.len() - book.overdue());
        }
    }
}
