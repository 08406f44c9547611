use proptest::prelude::*;

use super::*;

fn key(job: u8) -> GroupingKey {
    GroupingKey::new([("job", format!("job-{job}").as_str())]).unwrap()
}

fn at(at_ms: i64) -> Push {
    Push {
        at_ms,
        method: Method::Put,
        body_bytes: 1,
        series: 1,
        duration_seconds: None,
        refusal: None,
    }
}

fn times(book: &mut Book, job: u8) -> Vec<i64> {
    let group = book.group(&key(job)).unwrap_or_default();
    group.pushes.iter().map(|push| push.at_ms).collect()
}

/// What a book has to be, checked from the outside and the inside.
fn check(book: &Book) {
    let pushes: usize = book.slots.iter().map(|slot| slot.pushes.len()).sum();
    assert_eq!(book.pushes, pushes);
    let bytes: usize = book.slots.iter().map(Slot::bytes).sum();
    assert_eq!(book.bytes, bytes);
    assert_eq!(book.by_key.len() + book.free.len(), book.slots.len());
    for (at, slot) in book.slots.iter().enumerate() {
        let places = book.queue.iter().filter(|place| **place as usize == at).count();
        assert_eq!(places, slot.pushes.len() + slot.gone as usize);
        let found = slot.key.as_ref().map(|key| book.find(key));
        assert!(found.is_none_or(|found| found == Some(at)));
        assert_eq!(slot.key.is_some(), !slot.pushes.is_empty());
    }
}

#[test]
fn a_group_keeps_its_last_pushes() {
    let mut book = Book::new(1 << 20);
    for n in 0..100 {
        book.push(&key(1), &at(n));
    }
    assert_eq!(times(&mut book, 1), (40..100).collect::<Vec<_>>());
    check(&book);
}

#[test]
fn stored_pushes_that_are_added_up_are_counted_until_something_takes_their_place() {
    let mut book = Book::new(1 << 20);
    let mut now = 0;
    let mut push = |book: &mut Book, method, refusal: Option<&'static str>| {
        now += 1;
        let refusal = refusal.map(|reason| {
            Box::new(Refusal {
                reason: reason.into(),
                error: String::new(),
            })
        });
        let push = Push {
            method,
            refusal,
            ..at(now)
        };
        book.push(&key(1), &push);
        check(book);
        book.group(&key(1))
            .unwrap()
            .added
            .map(|added| (added.pushes, added.since_ms))
    };
    assert_eq!(push(&mut book, Method::Post, None), None);
    book.reset(&key(1), 1);
    assert_eq!(push(&mut book, Method::Add, Some("syntax")), None);
    assert_eq!(push(&mut book, Method::Add, None), Some((1, 3)));
    assert_eq!(push(&mut book, Method::Post, None), Some((1, 3)));
    for n in 2..100 {
        assert_eq!(push(&mut book, Method::Add, None), Some((n, 3)));
    }
    assert_eq!(push(&mut book, Method::Put, Some("syntax")), Some((99, 3)));
    book.reset(&key(1), 500);
    book.reset(&key(2), 500);
    assert_eq!(push(&mut book, Method::Add, None), Some((1, 500)));
    assert_eq!(push(&mut book, Method::Put, None), None);
    assert!(book.group(&key(2)).is_none());
}

#[test]
fn the_oldest_pushes_go_first_whichever_group_they_are_of() {
    let mut book = Book::new(1200);
    for n in 0..30 {
        book.push(&key(u8::try_from(n % 3).unwrap()), &at(n));
    }
    assert!(book.bytes() <= 1200);
    let mut left: Vec<i64> = (0..3).flat_map(|job| times(&mut book, job)).collect();
    left.sort_unstable();
    assert!(left.len() > 3 && left.len() < 30);
    assert_eq!(
        left,
        (30 - i64::try_from(left.len()).unwrap()..30).collect::<Vec<_>>()
    );
    check(&book);
}

#[test]
#[cfg_attr(miri, ignore = "too large for an interpreter")]
fn a_group_that_is_pushed_all_the_time_takes_no_more_than_its_share() {
    let mut book = Book::new(1 << 20);
    book.push(&key(1), &at(0));
    for n in 1..100_000 {
        book.push(&key(2), &at(n));
    }
    assert_eq!(times(&mut book, 1), [0]);
    assert!(book.queue.len() < 2000);
    check(&book);
}

fn refused(at_ms: i64) -> Push {
    Push {
        refusal: Some(Box::new(Refusal {
            reason: "syntax".into(),
            error: String::new(),
        })),
        ..at(at_ms)
    }
}

/// The pace of a group that was pushed at these seconds.
fn pace(seconds: &[i64]) -> Option<Pace> {
    let mut book = Book::new(1 << 20);
    for seconds in seconds {
        book.push(&key(1), &at(seconds.saturating_mul(1000)));
    }
    book.pulse(&key(1)).pace
}

/// The usual pause and the one from which on such a group is stale, in seconds.
fn habit(seconds: &[i64]) -> Option<(u64, u64)> {
    pace(seconds).map(|pace| (pace.usual.as_secs(), pace.stale_after().as_secs()))
}

#[test]
fn a_pace_needs_three_stored_pushes_and_is_the_median() {
    let mut book = Book::new(1 << 20);
    for push in [at(0), refused(15_000), at(20_000)] {
        book.push(&key(1), &push);
        assert_eq!(book.pulse(&key(1)).pace, None);
    }
    // Two pauses of 20 s and 30 s: an even pace, but nobody looks after jobs by the second.
    assert_eq!(habit(&[0, 20, 50]), Some((30, 60)));
    assert_eq!(habit(&[0, 20, 50, 1000]), Some((30, 950)));
    // An even pace, and one that rests now and then.
    assert_eq!(habit(&[0, 100, 200, 300]), Some((100, 110)));
    assert_eq!(habit(&[0, 100, 200, 300, 500]), Some((100, 300)));
}

#[test]
fn pushes_of_a_burst_count_as_one() {
    let mut book = Book::new(1 << 20);
    for at_ms in [0, 1, 2, 700, 9_999] {
        book.push(&key(1), &at(at_ms));
        assert_eq!(book.pulse(&key(1)).pace, None);
    }
    // Each night, in three steps.
    let night = 86_400;
    assert_eq!(
        habit(&[0, 3, 6, night, night + 9, 2 * night, 2 * night + 1]),
        Some((86_400, 95_040))
    );
    // A job that never rests has a pace all the same: a burst is not longer than ten seconds.
    assert_eq!(habit(&(0..60).collect::<Vec<_>>()), Some((10, 60)));
}

#[test]
fn times_of_a_clock_that_was_set_back_say_nothing_about_the_pace() {
    let mut book = Book::new(1 << 20);
    for at_ms in [i64::MAX, i64::MIN, 0] {
        book.push(&key(1), &at(at_ms));
    }
    assert_eq!(book.pulse(&key(1)).pace, None);
    book.push(&key(1), &at(i64::MAX));
    assert_eq!(
        book.pulse(&key(1)).pace.unwrap().usual,
        Duration::from_millis(i64::MAX.unsigned_abs())
    );
    let later = 126_230_400;
    assert_eq!(
        habit(&[0, 100, 200, later, later + 100, 300, 400]),
        Some((100, 110))
    );
}

#[test]
fn a_pulse_tells_whether_the_last_push_was_refused() {
    let mut book = Book::new(1 << 20);
    for (push, expected) in [
        (at(5), None),
        (refused(7), Some(7)),
        (at(8), None),
        // Whatever the clock says.
        (refused(3), Some(3)),
        (at(2), None),
    ] {
        book.push(&key(1), &push);
        assert_eq!(book.pulse(&key(1)).refused_at_ms, expected);
        assert_eq!(book.group(&key(1)).unwrap().pulse(), book.pulse(&key(1)));
    }
}

#[test]
#[cfg_attr(miri, ignore = "too large for an interpreter")]
fn errors_are_cut_between_characters_and_reasons_are_few() {
    let mut book = Book::new(1 << 20);
    for n in 0..300 {
        let refusal = Refusal {
            reason: format!("reason-{n}").into(),
            error: "ü".repeat(MAX_ERROR_BYTES),
        };
        let push = Push {
            refusal: Some(Box::new(refusal)),
            ..at(n)
        };
        book.push(&key(1), &push);
    }
    let group = book.group(&key(1)).unwrap();
    let last = group.last_error.unwrap();
    assert_eq!((last.error.len(), &*last.reason), (MAX_ERROR_BYTES, "other"));
    assert_eq!(group.pushes[59].refused.as_deref(), Some("other"));
    assert_eq!(cut("üü", 3), "ü");
}

#[derive(Debug, Clone)]
enum Step {
    Push(u8),
    Refuse(u8, usize),
    Add(u8),
    Reset(u8),
    Forget(u8),
    Restore(u8, u8),
    Clear,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => (0..6u8).prop_map(Step::Push),
        4 => (0..6u8, 0..400usize).prop_map(|(job, length)| Step::Refuse(job, length)),
        4 => (0..6u8).prop_map(Step::Add),
        1 => (0..6u8).prop_map(Step::Reset),
        2 => (0..6u8).prop_map(Step::Forget),
        1 => (0..6u8, 0..80u8).prop_map(|(job, count)| Step::Restore(job, count)),
        1 => Just(Step::Clear),
    ]
}

/// An interpreter is some hundred times slower.
const MOST_STEPS: usize = if cfg!(miri) { 12 } else { 400 };

proptest! {
    #[test]
    fn a_book_keeps_to_its_bytes_and_its_order(max_bytes in 0..6000usize, steps in prop::collection::vec(step(), 1..MOST_STEPS)) {
        let mut book = Book::new(max_bytes);
        // What a book without a limit would have.
        let mut all: Vec<Vec<i64>> = vec![Vec::new(); 6];
        for (now, step) in (0..).zip(steps) {
            match step {
                Step::Push(job) => {
                    book.push(&key(job), &at(now));
                    all[usize::from(job)].push(now);
                }
                Step::Refuse(job, length) => {
                    let refusal = Refusal { reason: "x".into(), error: "e".repeat(length) };
                    book.push(&key(job), &Push { refusal: Some(Box::new(refusal)), ..at(now) });
                    all[usize::from(job)].push(now);
                }
                Step::Add(job) => {
                    book.push(&key(job), &Push { method: Method::Add, ..at(now) });
                    all[usize::from(job)].push(now);
                }
                Step::Reset(job) => book.reset(&key(job), now),
                Step::Forget(job) => {
                    book.forget(&key(job));
                    all[usize::from(job)].clear();
                }
                Step::Restore(job, count) => {
                    let pushes: Vec<Push> = (0..count).map(|_| at(now)).collect();
                    book.restore(&key(job), None, &pushes);
                    book.restored();
                    all[usize::from(job)] = vec![now; usize::from(count)];
                }
                Step::Clear => {
                    book.clear();
                    all = vec![Vec::new(); 6];
                }
            }
            check(&book);
            prop_assert!(book.bytes() <= max_bytes || book.queue.is_empty());
            let mut oldest_kept = i64::MAX;
            let mut newest_gone = i64::MIN;
            for job in 0..6u8 {
                let kept = times(&mut book, job);
                let pushed = &all[usize::from(job)];
                prop_assert!(pushed.ends_with(&kept));
                let last: Vec<i64> = pushed.iter().rev().take(MAX_PUSHES).rev().copied().collect();
                oldest_kept = oldest_kept.min(kept.first().copied().unwrap_or(i64::MAX));
                if let Some(gone) = last.len().checked_sub(kept.len() + 1) {
                    newest_gone = newest_gone.max(last[gone]);
                }
            }
            prop_assert!(newest_gone <= oldest_kept);
        }
    }

    /// Pushes that follow others within a burst change nothing about how often a group is pushed.
    #[test]
    fn steps_of_a_run_do_not_change_its_pace(
        runs in prop::collection::vec((20_000..100_000_000i64, prop::collection::vec(0..10_000i64, 0..3)), 1..15)
    ) {
        let (mut once, mut in_steps) = (Book::new(1 << 20), Book::new(1 << 20));
        let mut began = 0;
        for (pause, mut steps) in runs {
            began += pause;
            once.push(&key(1), &at(began));
            steps.push(0);
            steps.sort_unstable();
            for step in steps {
                in_steps.push(&key(1), &at(began + step));
            }
        }
        prop_assert_eq!(once.pulse(&key(1)).pace, in_steps.pulse(&key(1)).pace);
    }
}
