use std::fmt::Write as _;
use std::fs;
use std::io::{self, Cursor, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use expect_test::{Expect, expect, expect_file};
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::Value;
use wharf_testkit::gob::{Gob, NOON};
use wharf_testkit::http::{Request, get, post};
use wharf_testkit::protobuf::{self, Message, Type, delimited, family, gauge, labelled, native_histogram};
use wharf_testkit::{Gateway, Random, Spawn, until};

use super::*;

/// Written by the real Pushgateway 1.11.2 after [`pushes`], see [`write_the_fixture`].
const REAL: &[u8] = include_bytes!("../../tests/fixtures/pushgateway-state/1.11.2.gob");

/// Written by Go's own encoder: the shape of a state file with fields of every kind around the known ones.
const MORE_FIELDS: &[u8] = include_bytes!("../../tests/fixtures/pushgateway-state/more-fields.gob");

/// What a group is filed under, and what is pushed to it.
struct Push {
    path: &'static str,
    key: &'static str,
    body: Vec<u8>,
    protobuf: bool,
}

fn pushes() -> Vec<Push> {
    let text = |path, key, body: &str| Push {
        path,
        key,
        body: body.as_bytes().to_owned(),
        protobuf: false,
    };
    let messages = |path, key, messages: &[Message]| Push {
        path,
        key,
        body: delimited(messages),
        protobuf: true,
    };
    vec![
        text(
            "/metrics/job/backup",
            r#"{job="backup"}"#,
            "# HELP files_total Files, \\\"all\\\" of\\nthem.\n# TYPE files_total counter\n\
             files_total{disk=\"a\\\\b\"} 3\nfiles_total{disk=\"é\"} NaN\nplain -1e300\n",
        ),
        text(
            "/metrics/job/backup/instance/host%201",
            r#"{instance="host 1",job="backup"}"#,
            "# TYPE seconds histogram\nseconds_bucket{le=\"0.5\"} 1\nseconds_bucket{le=\"+Inf\"} 3\n\
             seconds_sum 7.5\nseconds_count 3\n# TYPE sizes summary\nsizes{quantile=\"0.9\"} 12\n\
             sizes_sum 20\nsizes_count 2\n",
        ),
        text(
            "/metrics/job@base64/YS_DnCDwn5iK/path@base64/L3Zhci90bXA",
            r#"{job="a/Ü 😊",path="/var/tmp"}"#,
            "m 1\n",
        ),
        text(
            "/metrics/job/utf8/U__a_2e_b/c",
            r#"{a.b="c",job="utf8"}"#,
            "{\"my.metric\",\"x y\"=\"z\"} 42\n",
        ),
        messages(
            "/metrics/job/native/zone@base64/=",
            r#"{job="native",zone=""}"#,
            &[
                native_histogram("latency"),
                family(
                    "temperature",
                    Type::Gauge,
                    &[gauge(labelled(&[("room", "attic")]), 31.5)],
                ),
            ],
        ),
        text("/metrics/job/empty", r#"{job="empty"}"#, ""),
        // Refused for its timestamp, which leaves a group with the time of the failure.
        text("/metrics/job/refused", r#"{job="refused"}"#, "m 1 5\n"),
        text("/metrics/job/not%FFtext", r#"{job="not�text"}"#, "m 1\n"),
    ]
}

fn push(path: &str, protobuf: bool, body: impl Into<Vec<u8>>) -> Request {
    let content_type = if protobuf {
        protobuf::CONTENT_TYPE
    } else {
        "text/plain"
    };
    post(path).header("Content-Type", content_type).body(body)
}

/// What the API of a gateway shows.
fn groups(gateway: &Gateway) -> Vec<Value> {
    let mut response = gateway.send(&get("/api/v1/metrics")).json();
    match response["data"].take() {
        Value::Array(groups) => groups,
        other => panic!("expected an array of groups, found {other}"),
    }
}

/// Pushes everything to the real Pushgateway, stops it, and returns what it showed, and its state.
fn push_and_stop(file: &Path) -> Option<(Vec<Value>, Vec<u8>)> {
    let spawn = Spawn::real()?.args([
        "--push.enable-utf8-names",
        // Without its check it also keeps groups that Wharf cannot.
        "--push.disable-consistency-check",
    ]);
    let mut gateway = spawn
        .arg(format!("--persistence.file={}", file.display()))
        .start();
    let pushes = pushes();
    for case in &pushes {
        let response = gateway.send(&push(case.path, case.protobuf, case.body.as_slice()));
        assert_eq!(response.status, 202, "{}: {}", case.path, response.text());
    }
    // Unchecked pushes are done in the background, one after the other.
    let shown = until("the last group", || {
        Some(groups(&gateway)).filter(|groups| groups.len() == pushes.len())
    });
    gateway.terminate();
    assert_eq!(gateway.wait().code, Some(0), "{}", gateway.log());
    Some((shown, fs::read(file).unwrap()))
}

#[test]
#[ignore = "writes the fixture anew: afterwards run the tests with UPDATE_EXPECT=1"]
fn write_the_fixture() {
    let folder = tempfile::tempdir().unwrap();
    let (_, state) = push_and_stop(&folder.path().join("state")).expect("the real Pushgateway");
    fs::write(fixture("1.11.2.gob"), state).unwrap();
}

fn fixture(name: &str) -> PathBuf {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_folder.join("tests/fixtures/pushgateway-state").join(name)
}

fn dump(imported: &StateFile<'_>) -> String {
    let mut text = String::new();
    for group in &imported.groups {
        writeln!(text, "{}", group.key).unwrap();
        for family in &group.families {
            writeln!(text, "  {} at {}", family.name, time(family)).unwrap();
            writeln!(text, "    {}", family.message.escape_ascii()).unwrap();
        }
    }
    for skipped in &imported.skipped {
        writeln!(text, "skipped {skipped}").unwrap();
    }
    text
}

fn time(family: &Family<'_>) -> Timestamp {
    Timestamp::from_nanosecond(family.pushed_at.0.into()).unwrap()
}

#[track_caller]
fn check(bytes: &[u8], expected: &Expect) {
    expected.assert_eq(&match read(bytes) {
        Ok(imported) => dump(&imported),
        Err(error) => error.to_string(),
    });
}

/// Checks the part of the error that differs.
#[track_caller]
fn refuse(bytes: &[u8], expected: &Expect) {
    let error = read(bytes).expect_err("no state file").to_string();
    let told = error.strip_prefix("not a state file of the Pushgateway, or a damaged one: ");
    expected.assert_eq(told.unwrap());
}

#[test]
fn a_file_of_the_real_pushgateway_is_read() {
    let imported = read(REAL).unwrap();
    expect_file![fixture("1.11.2.dump")].assert_eq(&dump(&imported));
}

#[test]
fn what_is_read_is_what_the_real_pushgateway_showed() {
    let folder = tempfile::tempdir().unwrap();
    let Some((shown, state)) = push_and_stop(&folder.path().join("state")) else {
        return;
    };
    let imported = read(&state).unwrap();
    assert_eq!(imported.groups.len() + imported.skipped.len(), shown.len());

    // The families, pushed to a second one, must look the same there.
    let copy = Spawn::real().unwrap().arg("--push.enable-utf8-names").start();
    let cases = pushes();
    for group in &imported.groups {
        let key = group.key.to_string();
        let case = cases.iter().find(|case| case.key == key).expect(&key);
        for family in &group.families {
            let mut body = protobuf::varint(u64::try_from(family.message.len()).unwrap());
            body.extend_from_slice(family.message);
            let response = copy.send(&push(case.path, true, body));
            assert_eq!(response.status, 200, "{key}: {}", response.text());
        }
    }
    let copied = groups(&copy);
    let mut compared = 0;
    for before in &shown {
        let labels = before["labels"].as_object().unwrap();
        let labels = labels
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str().unwrap()));
        let key = GroupingKey::new(labels).unwrap();
        let Some(group) = imported.groups.iter().find(|group| group.key == key) else {
            assert_eq!(key.job(), "not\u{FFFD}text", "the only group that is left out");
            continue;
        };
        let after = copied
            .iter()
            .find(|after| after["labels"] == before["labels"])
            .unwrap();
        let families = before.as_object().unwrap().iter();
        let families =
            families.filter(|(name, _)| !["labels", "last_push_successful"].contains(&name.as_str()));
        assert_eq!(families.clone().count(), group.families.len(), "{key}");
        for (name, before) in families {
            let family = group.families.iter().find(|family| family.name == name).unwrap();
            assert_eq!(before["time_stamp"], time(family).to_string(), "{name} of {key}");
            // The gateways write these themselves.
            if !["push_time_seconds", "push_failure_time_seconds"].contains(&name.as_str()) {
                for field in ["type", "help", "metrics"] {
                    assert_eq!(before[field], after[name][field], "{name} of {key}");
                    compared += 1;
                }
            }
        }
    }
    assert_eq!(compared, 3 * 8);
}

#[test]
fn fields_that_are_not_known_are_passed_over() {
    check(
        MORE_FIELDS,
        &expect![[r#"
        {job="later",zone=""}
          m at 2031-02-03T00:39:21.000000789Z
            \n\x01m
    "#]],
    );
}

/// The stream of the contract: one group `{job="imp"}` with the gauge `m` of 42.
fn seven_definitions() -> Vec<u8> {
    let message = family(
        "m",
        Type::Gauge,
        &[gauge(labelled(&[("instance", ""), ("job", "imp")]), 42.0)],
    );
    let family = Gob::family("m", NOON, message.as_bytes());
    let value = Gob::value(1).group(&[(b"job", b"imp")], &[family]);
    Gob::stream(&value)
}

#[test]
fn seven_definitions_are_enough() {
    check(
        &seven_definitions(),
        &expect![[r#"
            {job="imp"}
              m at 2026-01-01T12:00:00.000000007Z
                \n\x01m\x18\x01\"%\n\x0c\n\x08instance\x12\x00\n\n\n\x03job\x12\x03imp\x12\t\t\x00\x00\x00\x00\x00\x00E@
        "#]],
    );
}

#[test]
fn case_130_the_real_pushgateway_reads_the_stream_of_these_tests_too() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state");
    // It ignores what is behind the state, too.
    fs::write(&file, [&seven_definitions(), &b"anything"[..]].concat()).unwrap();
    if let Some(spawn) = Spawn::real() {
        let gateway = spawn
            .arg(format!("--persistence.file={}", file.display()))
            .start();
        let scrape = gateway.scrape();
        assert_eq!(scrape.value("m", &[("instance", ""), ("job", "imp")]), Some("42"));
    }
}

#[test]
fn missing_parts_are_empty() {
    let no_time = Gob::default().bytes("m").unsigned(2).bytes("message").unsigned(0);
    let no_message = Gob::default().bytes("n").unsigned(1).bytes(NOON).unsigned(0);
    let value = Gob::value(2)
        .group(&[(b"job", b"a")], &[no_time, no_message])
        .append(&Gob::default().bytes("a key").unsigned(0));
    check(
        &Gob::stream(&value),
        &expect![[r#"
        {job="a"}
          m at 1970-01-01T00:00:00Z
            message
        skipped family "n" of group {job="a"}: expected a metric family, found none
        skipped group {}: job name is required
    "#]],
    );
}

#[test]
fn a_state_without_groups_is_read() {
    assert_eq!(read(&Gob::stream(&Gob::value(0))), Ok(StateFile::default()));
}

#[test]
fn what_wharf_cannot_hold_is_left_out_and_listed() {
    let family = || [Gob::family("m", NOON, ""), Gob::family(b"m\xff\n", NOON, "")];
    let long = "ü".repeat(1000);
    let many: Vec<String> = (0..20).map(|index| format!("label{index:02}")).collect();
    let many: Vec<(&[u8], &[u8])> = many.iter().map(|name| (name.as_bytes(), &b"x"[..])).collect();
    let value = Gob::value(7)
        .group(&[(b"job", b"a")], &family())
        .group(&[(b"job", b"a\xff")], &family())
        .group(&[(b"job", b"a"), (b"\xff", b"\n\"")], &family())
        .group(&[(b"job", long.as_bytes()), (b"__x", b"")], &[])
        .group(&[], &[])
        .group(&many, &[])
        .group(&[(b"job", b"a")], &[]);
    check(
        &Gob::stream(&value),
        &expect![[r#"
        {job="a"}
        skipped family "m\xff\n" of group {job="a"}: expected a name in UTF-8, found other bytes
        skipped group {job="a\xff"}: expected grouping labels in UTF-8, found other bytes
        skipped group {job="a",\xff="\n\""}: expected grouping labels in UTF-8, found other bytes
        skipped group {__x="",job="üüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüü..."}: improper label name "__x"
        skipped group {}: job name is required
        skipped group {label00="x",label01="x",label02="x",label03="x",label04="x",label05="x",label06="x",label07="x",...}: job name is required
        skipped group {job="a"}: expected each group once, found it again; the last one is kept
    "#]],
    );
}

#[test]
fn of_very_much_that_is_left_out_the_first_thousand_are_listed() {
    let families: Vec<Gob> = (0..1500_u32)
        .map(|number| Gob::default().bytes(number.to_be_bytes()).unsigned(0))
        .collect();
    let state = Gob::stream(&Gob::value(1).group(&[(b"job", b"a")], &families));
    let imported = read(&state).unwrap();
    assert_eq!((imported.skipped.len(), imported.more_skipped), (1000, 500));
}

#[test]
fn times_are_read_in_both_versions_and_kept_in_range() {
    let time = |version: u8, seconds: i64, nanos: u32, zone: &[u8]| {
        let mut payload = vec![version];
        payload.extend_from_slice(&seconds.to_be_bytes());
        payload.extend_from_slice(&nanos.to_be_bytes());
        payload.extend_from_slice(zone);
        unix_nanos(&payload).map(|time| time.0)
    };
    let epoch = 62_135_596_800;
    assert_eq!(time(1, epoch, 0, &[0xff, 0xff]), Some(0));
    assert_eq!(time(1, epoch + 1, 5, &[0, 60]), Some(1_000_000_005));
    assert_eq!(time(2, epoch + 1, 5, &[0, 60, 30]), Some(1_000_000_005));
    assert_eq!(time(1, 0, 0, &[0xff, 0xff]), Some(0));
    assert_eq!(time(1, i64::MIN, 0, &[0xff, 0xff]), Some(0));
    assert_eq!(time(1, i64::MAX, u32::MAX, &[0xff, 0xff]), Some(i64::MAX));
    assert_eq!(time(1, epoch, 0, &[0, 60, 30]), None);
    assert_eq!(time(2, epoch, 0, &[0, 60]), None);
    assert_eq!(time(3, epoch, 0, &[0, 60]), None);
    assert_eq!(unix_nanos(b""), None);
}

#[test]
fn an_empty_file_has_no_groups() {
    assert_eq!(read(b""), Ok(StateFile::default()));
}

#[test]
fn a_file_of_something_else_is_refused() {
    refuse(
        b"# TYPE m counter\nm 1\n",
        &expect!["byte 0: expected a message of 35 bytes, found 20 bytes"],
    );
    refuse(
        b"\n",
        &expect!["byte 0: expected a message of 10 bytes, found 0 bytes"],
    );
    refuse(
        b"{\"status\":\"success\",\"data\":[]}",
        &expect!["byte 0: expected a message of 123 bytes, found 29 bytes"],
    );
    refuse(
        &[0; 64],
        &expect!["byte 1: expected the number of a type, found the end of the message"],
    );
    refuse(
        &[0xff; 64],
        &expect!["byte 0: expected a message of 255 bytes, found 62 bytes"],
    );
    refuse(
        &[0x80; 64],
        &expect!["byte 0: expected a message, an integer of up to 8 bytes, found one of 128 bytes"],
    );
}

#[test]
fn a_stream_of_something_else_is_refused() {
    // A string instead of the map.
    refuse(
        &Gob::stream(&Gob::default().signed(6).unsigned(0).bytes("text")),
        &expect!["byte 164: expected a map of groups, found a string"],
    );
    // A struct, which has no zero byte in front.
    refuse(
        &Gob::stream(&Gob::default().signed(66).unsigned(0)),
        &expect!["byte 164: expected a map of groups, found a struct"],
    );
    // A map of strings.
    let labels = Gob::default().signed(67).unsigned(0).unsigned(1);
    refuse(
        &Gob::stream(&labels.bytes("a").bytes("b")),
        &expect!["byte 168: expected a group, found a string"],
    );
    // A type that nobody defined.
    refuse(
        &Gob::stream(&Gob::default().signed(99).unsigned(0)),
        &expect!["byte 162: expected a type that is defined, found type 99"],
    );
    // Definitions and no value.
    refuse(
        Gob::with_definitions().as_bytes(),
        &expect!["byte 161: expected the groups, found the end of the file"],
    );
    // A time that is none.
    let value = Gob::value(1).group(&[(b"job", b"a")], &[Gob::family("m", b"now", "")]);
    refuse(
        &Gob::stream(&value),
        &expect!["byte 185: expected a time of version 1 or 2, found `now`"],
    );
}

#[test]
fn every_shorter_file_is_refused_unless_it_is_empty() {
    for whole in [REAL, MORE_FIELDS, &seven_definitions()] {
        for length in 1..whole.len() {
            let error = read(&whole[..length]).expect_err("a part is not the whole");
            assert!(error.offset() <= length, "{length}: {error}");
        }
    }
}

#[test]
fn bytes_behind_the_state_are_ignored() {
    let bytes = seven_definitions();
    let more = [&bytes[..], b"anything"].concat();
    assert_eq!(read(&more), read(&bytes));
}

/// A damaged state is refused at a place that is in it, or what it has is no more than it is.
#[track_caller]
fn check_damaged(bytes: &[u8]) {
    match read(bytes) {
        Ok(imported) => {
            let families = imported.groups.iter().flat_map(|group| &group.families);
            let length: usize = families.map(|family| family.message.len()).sum();
            assert!(length <= bytes.len(), "{length}");
        }
        Err(error) => {
            assert!(error.offset() <= bytes.len(), "{error}");
            let text = error.to_string();
            assert!((1..500).contains(&text.len()), "{text}");
        }
    }
}

#[test]
fn no_flipped_bit_causes_a_panic() {
    let mut random = Random::new(1);
    for whole in [REAL, MORE_FIELDS, &seven_definitions()] {
        let mut bytes = whole.to_owned();
        for index in 0..whole.len() {
            let other = random.below(whole.len());
            bytes[index] ^= 1 << random.below(8);
            check_damaged(&bytes);
            bytes[other] ^= 1 << random.below(8);
            check_damaged(&bytes);
            bytes[index] = whole[index];
            bytes[other] = whole[other];
        }
    }
}

#[test]
fn no_other_byte_in_the_shortest_stream_causes_a_panic() {
    let whole = seven_definitions();
    let mut bytes = whole.clone();
    for index in 0..whole.len() {
        for value in 0..=u8::MAX {
            bytes[index] = value;
            check_damaged(&bytes);
        }
        bytes[index] = whole[index];
    }
}

// ---- writing -----------------------------------------------------------------------------------------------

fn written(groups: &[Group<'_>]) -> Vec<u8> {
    let mut writer = Writer::new(Cursor::new(Vec::new())).unwrap();
    for group in groups {
        writer.group(group).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn group<'b>(labels: &[(&str, &str)], families: Vec<Family<'b>>) -> Group<'b> {
    Group {
        key: GroupingKey::new(labels.iter().copied()).unwrap(),
        families,
    }
}

#[test]
fn what_is_written_is_the_stream_of_the_contract() {
    let family = Family {
        name: "m",
        pushed_at: UnixNanos(1_767_268_800_000_000_007),
        message: b"message",
    };
    let ours = written(&[group(&[("job", "a"), ("x", "")], vec![family])]);
    // Lengths and counts that are known late have all nine bytes.
    let value = Gob::default().signed(65).unsigned(0);
    let entry = Gob::default()
        .bytes(b"job\xffa\xffx\xff")
        .unsigned(1)
        .unsigned(2)
        .bytes("job")
        .bytes("a")
        .bytes("x")
        .bytes("")
        .unsigned(1)
        .unsigned(1)
        .append(&Gob::family("m", NOON, "message"))
        .unsigned(0);
    let count = b"\xf8\0\0\0\0\0\0\0\x01";
    let length = value.as_bytes().len() + count.len() + entry.as_bytes().len();
    let definitions = Gob::with_definitions();
    let expected = [
        definitions.as_bytes(),
        b"\xf8",
        &u64::try_from(length).unwrap().to_be_bytes(),
        value.as_bytes(),
        count,
        entry.as_bytes(),
    ];
    assert_eq!(
        ours.escape_ascii().to_string(),
        expected.concat().escape_ascii().to_string()
    );
}

#[test]
fn a_file_of_the_real_pushgateway_is_the_same_once_it_is_written_again() {
    let read_once = read(REAL).unwrap();
    let again = written(&read_once.groups);
    assert_eq!(read(&again).unwrap().groups, read_once.groups);
}

#[test]
fn a_file_may_begin_behind_something_else_and_have_no_groups() {
    let mut out = Cursor::new(b"before".to_vec());
    out.set_position(6);
    let mut bytes = Writer::new(out).unwrap().finish().unwrap().into_inner();
    assert_eq!(bytes.drain(..6).as_slice(), b"before");
    assert_eq!(read(&bytes), Ok(StateFile::default()));
}

/// Takes everything, and keeps nothing.
struct Nowhere(u64);

impl Write for Nowhere {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += u64::try_from(bytes.len()).unwrap();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Nowhere {
    fn seek(&mut self, _to: SeekFrom) -> io::Result<u64> {
        Ok(self.0)
    }
}

#[test]
fn no_more_is_written_than_is_read() {
    let message = vec![0; 64 << 20];
    let names: Vec<String> = (0..32).map(|number| format!("m{number:02}")).collect();
    let families = names.iter().map(|name| Family {
        name,
        pushed_at: UnixNanos(0),
        message: &message,
    });
    let half = group(&[("job", "a")], families.collect());
    let mut writer = Writer::new(Nowhere(0)).unwrap();
    writer.group(&half).unwrap();
    let error = writer.group(&half).unwrap_err();
    assert_eq!(
        error.to_string(),
        "expected a state file of at most 4294967296 bytes, found more groups"
    );
}

/// Text that is often empty or beyond ASCII.
fn texts() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{0,3}", ".{0,40}", "[a-z]{127,130}", Just(String::new())]
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        groups in prop::collection::btree_map(
            prop::collection::btree_map("[a-z.é ]{1,6}", texts(), 0..4),
            prop::collection::btree_map(
                texts(),
                (0..i64::MAX, prop::collection::vec(any::<u8>(), 0..300)),
                0..5,
            ),
            0..6,
        )
    ) {
        let groups: Vec<_> = groups
            .iter()
            .map(|(labels, families)| {
                let labels = labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
                let labels = labels.filter(|(name, _)| *name != "job").chain([("job", "j")]);
                let families = families.iter().map(|(name, (at, message))| Family {
                    name,
                    pushed_at: UnixNanos(*at),
                    message,
                });
                Group {
                    key: GroupingKey::new(labels).unwrap(),
                    families: families.collect(),
                }
            })
            .collect();
        let mut sorted = groups.clone();
        sorted.sort_by(|a, b| a.key.cmp(&b.key));
        sorted.dedup_by(|a, b| a.key == b.key);
        let bytes = written(&sorted);
        prop_assert_eq!(read(&bytes).unwrap().groups, sorted);
    }
}
