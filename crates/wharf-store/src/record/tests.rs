use expect_test::expect;

use super::layout::type_code;
use super::*;

#[test]
fn every_type_has_a_code_of_its_own() {
    for code in 0..8 {
        assert_eq!(type_of(code).map(type_code), Some(code));
    }
    assert_eq!(type_of(8), None);
}

#[test]
fn a_record_of_a_later_version_or_with_bytes_behind_it_is_refused() {
    let preparer = Preparer::new(Reserved::default(), 1 << 20);
    let mut record = wipe();
    assert!(decode(&record, &preparer).is_ok());
    record.push(0);
    let refused = decode(&record, &preparer).unwrap_err();
    assert_eq!(
        refused,
        RecordError::Malformed {
            at: 2,
            expected: "the end"
        }
    );
    let refused = decode(&[WITH_IDS + 1, WIPE], &preparer).unwrap_err();
    assert_eq!(refused, RecordError::Version(WITH_IDS + 1));
}

fn key(job: &str) -> GroupingKey {
    GroupingKey::new([("job", job)]).unwrap()
}

fn lifetime(keep_times: bool) -> Lifetime {
    Lifetime {
        ttl: Ttl {
            after: Duration::from_secs(90),
            keep_times,
        },
        expires_at: UnixNanos(190_500_000_000),
    }
}

/// A record of each change there is.
fn of_everything() -> Vec<u8> {
    let preparer = Preparer::new(Reserved::default(), 1 << 20);
    let (a, b, c) = (key("a"), key("b"), key("c"));
    let (of_a, of_b) = (
        preparer.times(&a, Some(100.5), None, UnixNanos(1)),
        preparer.times(&b, Some(2.0), Some(1.0), UnixNanos(2)),
    );
    let mut several = Several::new();
    several.put(&a, PushMode::ReplaceGroup, Some(lifetime(false)), of_a.parts());
    several.put(&b, PushMode::ReplaceFamilies, Some(lifetime(true)), of_b.parts());
    several.put(&c, PushMode::ReplaceFamilies, None, of_b.parts());
    several.delete_families(&a, ["m", "n"].into_iter());
    several.delete(&b);
    several.finish()
}

#[test]
fn several_changes_are_told_one_after_the_other() {
    expect![[r#"
        put group {job="a"} (lives 1m30s, until 190.5): push_time_seconds (gauge, 1 lines)
        put families of {job="b"} (lives 1m30s, until 190.5, keeps its times): push_failure_time_seconds (gauge, 1 lines), push_time_seconds (gauge, 1 lines)
        put families of {job="c"}: push_failure_time_seconds (gauge, 1 lines), push_time_seconds (gauge, 1 lines)
        delete families of {job="a"}: m, n
        delete {job="b"}
    "#]]
    .assert_eq(&(describe_record(&of_everything()).unwrap().replace("; ", "\n") + "\n"));
}

#[test]
fn a_lifetime_is_read_as_it_was_written() {
    let preparer = Preparer::new(Reserved::default(), 1 << 20);
    for expected in [None, Some(lifetime(false)), Some(lifetime(true))] {
        let families = Prepared::empty(Cow::Borrowed(&[]));
        let record = put(&key("a"), PushMode::ReplaceGroup, expected, families.parts());
        let changes = decode(&record, &preparer).unwrap();
        assert!(
            matches!(changes.as_slice(), [Change::Put { lifetime, .. }] if *lifetime == expected),
            "{changes:?}"
        );
    }
}

#[test]
fn what_version_1_can_say_is_said_in_version_1() {
    let families = Prepared::empty(Cow::Borrowed(&[]));
    let plain = put(&key("a"), PushMode::ReplaceGroup, None, families.parts());
    for record in [plain, delete(&key("a")), wipe()] {
        assert_eq!(record.first(), Some(&SINGLE));
    }
}

#[test]
#[cfg_attr(miri, ignore = "too large for an interpreter")]
fn no_part_of_a_record_is_a_record_unless_it_ends_between_changes() {
    let preparer = Preparer::new(Reserved::default(), 1 << 20);
    let record = of_everything();
    let whole = (0..=record.len()).filter(|end| decode(&record[..*end], &preparer).is_ok());
    // After the version, and after each of the five changes.
    assert_eq!(whole.count(), 6);
}
