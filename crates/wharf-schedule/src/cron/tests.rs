use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;

fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

/// The next times of a schedule, one a line, by UTC.
#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "reads better where it is called")]
fn check(schedule: &str, zone: &str, from: &str, times: usize, expected: Expect) {
    let schedule = Schedule::parse(schedule, time_zone(zone).unwrap()).unwrap();
    let mut time = at(from);
    let mut lines = Vec::new();
    for _ in 0..times {
        time = schedule.after(time).unwrap();
        lines.push(time.to_string());
    }
    expected.assert_eq(&lines.join("\n"));
}

#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "reads better where it is called")]
fn refused(schedule: &str, expected: Expect) {
    expected.assert_eq(&schedule.parse::<Schedule>().unwrap_err().to_string());
}

#[test]
fn a_time_comes_after_its_reference_never_at_it() {
    check(
        "0 3 * * *",
        "UTC",
        "2026-12-01T03:00:00Z",
        2,
        expect![[r"
            2026-12-02T03:00:00Z
            2026-12-03T03:00:00Z"]],
    );
    let from = "2026-12-01T02:59:59.999999999Z";
    check("0 3 * * *", "UTC", from, 1, expect!["2026-12-01T03:00:00Z"]);
}

#[test]
fn weekdays_are_days_of_the_week() {
    // 4 December 2026 is a Friday.
    check(
        "0 3 * * 1-5",
        "UTC",
        "2026-12-04T03:00:00Z",
        2,
        expect![[r"
            2026-12-07T03:00:00Z
            2026-12-08T03:00:00Z"]],
    );
    for sunday in ["0 3 * * 0", "0 3 * * 7", "0 3 * * sun", "@weekly"] {
        let schedule: Schedule = sunday.parse().unwrap();
        let next = schedule.after(at("2026-12-01T00:00:00Z")).unwrap();
        assert!(next.to_string().starts_with("2026-12-06T"), "{sunday}: {next}");
    }
}

#[test]
fn a_day_or_a_weekday_is_enough() {
    // The 13th, and all Fridays.
    check(
        "0 0 13 * 5",
        "UTC",
        "2026-12-09T00:00:00Z",
        3,
        expect![[r"
            2026-12-11T00:00:00Z
            2026-12-13T00:00:00Z
            2026-12-18T00:00:00Z"]],
    );
}

#[test]
fn the_29th_of_february_comes_in_leap_years() {
    check(
        "0 12 29 2 *",
        "UTC",
        "2026-01-01T00:00:00Z",
        3,
        expect![[r"
            2028-02-29T12:00:00Z
            2032-02-29T12:00:00Z
            2036-02-29T12:00:00Z"]],
    );
    // 2100 is no leap year.
    check(
        "0 12 29 2 *",
        "UTC",
        "2096-03-01T00:00:00Z",
        1,
        expect!["2104-02-29T12:00:00Z"],
    );
}

#[test]
fn the_31st_leaves_short_months_out_and_the_last_day_does_not() {
    check(
        "30 23 31 * *",
        "UTC",
        "2026-01-31T23:30:00Z",
        3,
        expect![[r"
            2026-03-31T23:30:00Z
            2026-05-31T23:30:00Z
            2026-07-31T23:30:00Z"]],
    );
    check(
        "30 23 L * *",
        "UTC",
        "2027-12-31T23:30:00Z",
        3,
        expect![[r"
            2028-01-31T23:30:00Z
            2028-02-29T23:30:00Z
            2028-03-31T23:30:00Z"]],
    );
}

#[test]
fn by_the_clock_of_a_time_zone_a_day_may_have_23_or_25_hours() {
    check(
        "0 3 * * *",
        "Europe/Berlin",
        "2026-03-28T02:00:00Z",
        2,
        expect![[r"
            2026-03-29T01:00:00Z
            2026-03-30T01:00:00Z"]],
    );
    check(
        "0 3 * * *",
        "Europe/Berlin",
        "2026-10-24T01:00:00Z",
        2,
        expect![[r"
            2026-10-25T02:00:00Z
            2026-10-26T02:00:00Z"]],
    );
}

#[test]
fn a_time_that_clocks_leave_out_is_due_when_they_have_been_set() {
    // In Berlin there was no 02:30 on 29 March 2026: 01:59 was followed by 03:00.
    check(
        "30 2 * * *",
        "Europe/Berlin",
        "2026-03-28T01:30:00Z",
        2,
        expect![[r"
            2026-03-29T01:00:00Z
            2026-03-30T00:30:00Z"]],
    );
}

#[test]
fn a_time_that_comes_twice_is_due_once_and_every_hour_is_every_hour() {
    // In Berlin 02:30 came twice on 25 October 2026, at 00:30 and 01:30 by UTC.
    check(
        "30 2 * * *",
        "Europe/Berlin",
        "2026-10-24T00:30:00Z",
        2,
        expect![[r"
            2026-10-25T00:30:00Z
            2026-10-26T01:30:00Z"]],
    );
    check(
        "0 * * * *",
        "Europe/Berlin",
        "2026-10-24T23:30:00Z",
        4,
        expect![[r"
            2026-10-25T00:00:00Z
            2026-10-25T01:00:00Z
            2026-10-25T02:00:00Z
            2026-10-25T03:00:00Z"]],
    );
}

#[test]
fn zones_differ_by_half_an_hour_too() {
    check(
        "0 3 * * *",
        "Australia/Lord_Howe",
        "2026-04-03T00:00:00Z",
        3,
        expect![[r"
            2026-04-03T16:00:00Z
            2026-04-04T16:30:00Z
            2026-04-05T16:30:00Z"]],
    );
}

#[test]
fn refusals_say_where_and_what_was_expected() {
    refused(
        "0 3 * *",
        expect!["expected five fields, minute, hour, day of the month, month, day of the week, found 4"],
    );
    refused(
        "0 3 * * * 2026",
        expect!["expected five fields, minute, hour, day of the month, month, day of the week, found 6"],
    );
    refused(
        "0  25 * * *",
        expect!["column 4 of the schedule: expected the hour (0-23), found `25`"],
    );
    refused(
        "60 3 * * *",
        expect!["column 1 of the schedule: expected the minute (0-59), found `60`"],
    );
    refused(
        "0 3 0 * *",
        expect!["column 5 of the schedule: expected the day of the month (1-31), found `0`"],
    );
    refused(
        "0 3 * JANUARY *",
        expect!["column 7 of the schedule: expected the month (1-12 or JAN-DEC), found `JANUARY`"],
    );
    refused(
        "0 3 * * MON,,TUE",
        expect!["column 9 of the schedule: expected the day of the week (0-7 or SUN-SAT), found `MON,,TUE`"],
    );
    refused(
        "0 3 * * ä",
        expect!["column 9 of the schedule: expected the day of the week (0-7 or SUN-SAT), found `ä`"],
    );
    refused(
        "@reboot",
        expect![
            "expected one of @hourly, @daily, @midnight, @weekly, @monthly, @yearly, @annually, found `@reboot`"
        ],
    );
    refused(
        "",
        expect!["expected five fields, minute, hour, day of the month, month, day of the week, found 0"],
    );
    refused(
        &"0 ".repeat(200),
        expect!["expected a schedule of at most 256 bytes, found 400"],
    );
}

#[test]
fn a_date_that_never_comes_is_refused() {
    refused(
        "0 0 30 2 *",
        expect!["expected a date that comes some day, found `0 0 30 2 *`"],
    );
    refused(
        "0 0 31 4,6,9,11 *",
        expect!["expected a date that comes some day, found `0 0 31 4,6,9,11 *`"],
    );
}

#[test]
fn a_time_zone_that_is_not_known_is_refused() {
    let error = time_zone("Europe/Berln").unwrap_err();
    expect!["expected the name of a time zone such as `Europe/Berlin` or `UTC`, found `Europe/Berln`"]
        .assert_eq(&error);
    assert_eq!(time_zone("../../etc/passwd").ok(), None);
}

/// Texts that look like schedules.
fn like_a_schedule() -> impl Strategy<Value = String> {
    prop_oneof![
        "[-0-9*,/#?LW@A-Za-z ]{0,24}",
        r"([0-9*]{1,2}([-/,][0-9]{1,2})? ){4}[0-9*]",
        r"\PC{0,24}",
    ]
}

proptest! {
    #[test]
    fn any_text_is_a_schedule_or_refused(text in like_a_schedule()) {
        if let Ok(schedule) = text.parse::<Schedule>() {
            let from = at("2026-12-01T00:00:00Z");
            let next = schedule.after(from).unwrap();
            prop_assert!(next > from);
            let back = schedule.as_str().parse::<Schedule>();
            prop_assert_eq!(back, Ok(schedule));
        }
    }

    #[test]
    fn times_of_a_schedule_go_on_and_match_its_clock(
        minute in 0i8..60,
        hour in 0i8..24,
        from in 0i64..4_000_000_000,
    ) {
        let zone = time_zone("Europe/Berlin").unwrap();
        let schedule = Schedule::parse(&format!("{minute} {hour} * * *"), zone.clone()).unwrap();
        let from = Timestamp::from_second(from).unwrap();
        let next = schedule.after(from).unwrap();
        prop_assert!(next > from);
        prop_assert!(next.duration_since(from).as_hours() <= 25);
        let local = next.to_zoned_datetime(zone);
        // But for the hour that is left out once a year.
        let is_there = (local.hour(), local.minute()) == (hour, minute);
        prop_assert!(is_there || (hour == 2 && (local.hour(), local.minute()) == (3, 0)));
    }
}
