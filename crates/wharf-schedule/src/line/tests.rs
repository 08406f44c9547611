use proptest::prelude::*;

use super::*;

fn line_of(line: &str) -> String {
    Timing::from_line(line).unwrap().to_line()
}

fn refused(line: &str) -> String {
    Timing::from_line(line).unwrap_err().to_string()
}

#[test]
fn a_line_says_what_the_keys_of_a_rule_say() {
    let timing = Timing::from_line("schedule=0 3 1,15 * MON,WED; timezone=Europe/Berlin; grace=90m").unwrap();
    let keys = Timing::parse(
        None,
        Some("0 3 1,15 * MON,WED"),
        Some("Europe/Berlin"),
        Some("90m"),
    );
    assert_eq!(Ok(timing), keys);
    let timing = Timing::from_line("every=24h;grace=1h").unwrap();
    assert_eq!(Ok(timing), Timing::parse(Some("1d"), None, None, Some("1h")));
}

#[test]
fn the_same_is_always_written_the_same() {
    assert_eq!(line_of(" grace = 60m ;every= 24h "), "every=1d; grace=1h");
    assert_eq!(line_of("every=90s; grace=0s"), "every=1m30s");
    assert_eq!(line_of("schedule=@daily"), "schedule=@daily; timezone=UTC");
}

#[test]
fn mistakes_are_refused_with_their_column() {
    for (line, text) in [
        (
            "",
            "column 1: expected every=, schedule=, timezone= or grace=, found nothing",
        ),
        (
            "every=1h;",
            "column 10: expected every=, schedule=, timezone= or grace=, found nothing",
        ),
        (
            "every=1h; wait=1h",
            "column 11: expected every=, schedule=, timezone= or grace=, found `wait`",
        ),
        (
            "every=24h, grace=1h",
            "column 17: expected `;` between two parts, found another `=`",
        ),
        (
            "every=1h; every=2h",
            "column 11: expected `every=` once, found it again",
        ),
        (
            "grace=1h; every=",
            "column 17: expected a value behind `every=`, found nothing",
        ),
        ("grace=1h", "expected `every` or `schedule`, found neither"),
        (
            "every=1h; schedule=0 3 * * *",
            "expected `every` or `schedule`, found both",
        ),
        (
            "every=1h; timezone=Europe/Berlin",
            "column 20: expected `schedule` beside it, found `every`, which is the same in all time zones",
        ),
        (
            "schedule=0 3 * * *; timezone=Mars/Olympus",
            "column 30: expected the name of a time zone such as `Europe/Berlin` or `UTC`, found `Mars/Olympus`",
        ),
    ] {
        assert_eq!(refused(line), text, "{line}");
    }
    assert!(refused("schedule=0 3 30 2 *").starts_with("column 10: expected a date that comes some day"));
    assert!(refused("grace=1h;  every=soon").starts_with("column 18: "));
    assert!(refused(&"é".repeat(257)).starts_with("expected at most 512 bytes, found 514"));
}

proptest! {
    #[test]
    fn what_is_written_is_read_as_the_same(seconds in 1_u64..1 << 33, grace in 0_u64..1 << 33, hour in 0..24, day in 1..29) {
        let every = format!("{seconds}s");
        let grace = format!("{grace}s");
        let schedule = format!("5 {hour} {day},29 * *");
        for timing in [
            Timing::parse(Some(&every), None, None, Some(&grace)),
            Timing::parse(None, Some(&schedule), Some("America/New_York"), Some(&grace)),
        ] {
            let timing = timing.unwrap();
            prop_assert_eq!(Timing::from_line(&timing.to_line()), Ok(timing));
        }
    }

    #[test]
    fn no_line_breaks_the_reader(line in "[ ;=,a-z0-9*é]{0,60}") {
        if let Ok(timing) = Timing::from_line(&line) {
            prop_assert_eq!(Timing::from_line(&timing.to_line()), Ok(timing));
        }
    }
}
