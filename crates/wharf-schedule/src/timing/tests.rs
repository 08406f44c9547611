use expect_test::{Expect, expect};

use super::*;

fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "reads better where it is called")]
fn refused(
    every: Option<&str>,
    schedule: Option<&str>,
    timezone: Option<&str>,
    grace: Option<&str>,
    expected: Expect,
) {
    let error = Timing::parse(every, schedule, timezone, grace).unwrap_err();
    expected.assert_eq(&error.to_string());
}

#[test]
fn an_interval_counts_from_the_last_time() {
    let timing = Timing::parse(Some("1d"), None, None, Some("1h")).unwrap();
    let due = timing.due_after(at("2026-12-01T03:12:00Z")).unwrap();
    assert_eq!(due, at("2026-12-02T03:12:00Z"));
    assert_eq!(timing.overdue_after(due), Some(at("2026-12-02T04:12:00Z")));
    assert_eq!(timing.to_string(), "every 1d, grace 1h");
}

#[test]
fn a_schedule_counts_from_its_own_times() {
    let timing = Timing::parse(None, Some("0 3 * * *"), Some("Europe/Berlin"), Some("90m")).unwrap();
    let due = timing.due_after(at("2026-07-01T03:12:00Z")).unwrap();
    assert_eq!(due, at("2026-07-02T01:00:00Z"));
    assert_eq!(timing.overdue_after(due), Some(at("2026-07-02T02:30:00Z")));
    assert_eq!(timing.to_string(), "0 3 * * * by Europe/Berlin, grace 1h30m");
}

#[test]
fn without_grace_what_is_due_is_overdue() {
    let timing = Timing::parse(Some("10s"), None, None, None).unwrap();
    let due = at("2026-12-01T00:00:10Z");
    assert_eq!(timing.overdue_after(due), Some(due));
}

#[test]
fn what_is_due_after_the_end_of_the_calendar_is_never_due() {
    let timing = Timing::parse(Some("292y"), None, None, Some("292y")).unwrap();
    let due = timing.due_after(at("9700-01-01T00:00:00Z")).unwrap();
    assert_eq!(timing.overdue_after(due), None);
    assert_eq!(timing.due_after(Timestamp::MAX), None);
}

#[test]
fn refusals_name_the_key() {
    refused(
        None,
        None,
        None,
        None,
        expect!["expected `every` or `schedule`, found neither"],
    );
    refused(
        Some("1d"),
        Some("0 3 * * *"),
        None,
        None,
        expect!["expected `every` or `schedule`, found both"],
    );
    refused(
        Some("0"),
        None,
        None,
        None,
        expect!["every: expected at least 1s, found `0s`"],
    );
    refused(
        Some("daily"),
        None,
        None,
        None,
        expect!["every: expected a duration such as `1h30m` or `2d`, found `daily`"],
    );
    refused(
        Some("1d"),
        None,
        Some("UTC"),
        None,
        expect![
            "timezone: expected `schedule` beside it, found `every`, which is the same in all time zones"
        ],
    );
    refused(
        None,
        Some("0 3 * * *"),
        Some("Mars"),
        None,
        expect!["timezone: expected the name of a time zone such as `Europe/Berlin` or `UTC`, found `Mars`"],
    );
    refused(
        None,
        Some("0 33 * * *"),
        None,
        None,
        expect!["schedule: column 3 of the schedule: expected the hour (0-23), found `33`"],
    );
    refused(
        Some("1d"),
        None,
        None,
        Some("soon"),
        expect!["grace: expected a duration such as `1h30m` or `2d`, found `soon`"],
    );
}
