use std::fmt::Write as _;

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;

fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

/// A time of December 2026, as `day hour:minute`.
fn day(time: &str) -> Timestamp {
    let (day, clock) = time.split_once(' ').unwrap();
    at(&format!("2026-12-{day}T{clock}:00Z"))
}

fn schedule(text: &str, grace: &str) -> Timing {
    Timing::parse(None, Some(text), None, Some(grace)).unwrap()
}

fn every(text: &str, grace: &str) -> Timing {
    Timing::parse(Some(text), None, None, Some(grace)).unwrap()
}

#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "reads better where it is called")]
fn check(timing: &Timing, from: &str, came: &[&str], now: &str, expected: Expect) {
    let came: Vec<Timestamp> = came.iter().map(|time| day(time)).collect();
    let shown = |time: Option<Timestamp>| {
        time.map_or_else(|| "-".to_owned(), |time| time.strftime("%d %H:%M").to_string())
    };
    let mut text = String::new();
    for Occasion { due, came, outcome } in timing.occasions(day(from), &came, day(now)) {
        writeln!(text, "{} {} {}", shown(due), shown(came), outcome.as_str()).unwrap();
    }
    expected.assert_eq(&text);
}

#[test]
fn each_time_of_a_schedule_came_was_late_or_missed() {
    // 1 December 2026 is a Tuesday; nothing is expected at the weekend.
    check(
        &schedule("0 3 * * 1-5", "1h"),
        "01 03:20",
        &["02 03:10", "02 15:00", "03 05:00", "07 03:20", "09 03:59"],
        "10 03:30",
        expect![[r"
            02 03:00 02 03:10 came
            - 02 15:00 extra
            03 03:00 03 05:00 late
            04 03:00 - missed
            07 03:00 07 03:20 came
            08 03:00 - missed
            09 03:00 09 03:59 came
            10 03:00 - due
        "]],
    );
}

#[test]
fn an_interval_counts_from_what_came_and_from_what_was_missed() {
    check(
        &every("1d", "1h"),
        "01 03:00",
        &["02 02:50", "03 03:40", "04 06:00", "07 06:30"],
        "09 07:00",
        expect![[r"
            02 03:00 02 02:50 came
            03 02:50 03 03:40 came
            04 03:40 04 06:00 late
            05 06:00 - missed
            06 06:00 - missed
            07 06:00 07 06:30 came
            08 06:30 - missed
            09 06:30 - due
        "]],
    );
}

#[test]
fn what_never_came_was_missed_since_it_was_expected() {
    check(
        &schedule("0 3 * * *", "1h"),
        "01 10:00",
        &[],
        "03 12:00",
        expect![[r"
            02 03:00 - missed
            03 03:00 - missed
        "]],
    );
}

#[test]
fn without_grace_only_what_comes_on_the_second_is_in_time() {
    check(
        &schedule("0 3 * * *", "0s"),
        "01 03:00",
        &["02 03:00", "03 03:01"],
        "03 03:02",
        expect![[r"
            02 03:00 02 03:00 came
            03 03:00 03 03:01 late
        "]],
    );
}

#[test]
fn a_grace_that_is_longer_than_the_interval_waits_for_one_at_a_time() {
    check(
        &schedule("0 * * * *", "3h"),
        "01 00:10",
        &["01 03:30"],
        "01 06:30",
        expect![[r"
            01 01:00 01 03:30 came
            01 04:00 - due
        "]],
    );
}

#[test]
fn many_that_were_missed_are_told_in_part_and_what_ends_them_is_late() {
    let minutely = schedule("* * * * *", "0s");
    let occasions = minutely.occasions(day("01 00:00"), &[day("20 00:00")], day("20 00:00"));
    let (last, missed) = occasions.split_last().unwrap();
    assert_eq!(last.outcome, Outcome::Late);
    assert!(missed.len() < 24 + 4 * 19, "{}", missed.len());
    for day in 1..20 {
        let is_day =
            |occasion: &&Occasion| occasion.due.unwrap().strftime("%d").to_string() == format!("{day:02}");
        assert!(missed.iter().any(|occasion| is_day(&occasion)), "{day}");
    }
}

/// A second of about three weeks.
fn seconds() -> impl Strategy<Value = i64> {
    0..2_000_000_i64
}

proptest! {
    #[test]
    fn every_push_is_told_once_and_in_order_and_the_number_is_bounded(
        times in prop::collection::btree_set(seconds(), 1..60),
        interval in 1..200_000_u64,
        grace in 0..100_000_u64,
        text in prop::sample::select(vec!["", "* * * * *", "17 */3 * * *", "0 3 * * 1-5", "0 0 1 * *"]),
        more in seconds(),
    ) {
        let grace = format!("{grace}s");
        let timing = if text.is_empty() { every(&format!("{interval}s"), &grace) } else { schedule(text, &grace) };
        let second = |second: i64| Timestamp::from_second(1_796_083_200 + second).unwrap();
        let times: Vec<Timestamp> = times.into_iter().map(second).collect();
        let (from, came) = times.split_first().unwrap();
        let now = *times.last().unwrap() + jiff::SignedDuration::from_secs(more);
        let occasions = timing.occasions(*from, came, now);
        prop_assert!(occasions.len() <= MOST);
        let told: Vec<Timestamp> = occasions.iter().filter_map(|occasion| occasion.came).collect();
        prop_assert_eq!(&told[..], &came[came.len() - told.len()..]);
        if occasions.len() < MOST {
            prop_assert_eq!(told.len(), came.len());
        }
        let due: Vec<Timestamp> = occasions.iter().filter_map(|occasion| occasion.due).collect();
        prop_assert!(due.is_sorted(), "{:?}", occasions);
        for occasion in &occasions {
            let waits = occasion.due.and_then(|due| timing.overdue_after(due));
            let is_told = match occasion.outcome {
                Outcome::Late => waits.unwrap() <= occasion.came.unwrap(),
                Outcome::Came => occasion.came <= occasion.due || occasion.came < waits,
                Outcome::Extra => occasion.due.is_none(),
                Outcome::Missed => occasion.came.is_none() && waits.unwrap() <= now,
                Outcome::Due => occasion.came.is_none() && waits.unwrap() > now,
            };
            prop_assert!(is_told, "{:?}", occasion);
        }
        // What is due now stands as the book has it.
        let last = occasions.last().filter(|last| last.came.is_none());
        let due = timing.due_after(*times.last().unwrap()).filter(|due| *due <= now);
        prop_assert_eq!(last.is_some(), due.is_some());
    }
}
