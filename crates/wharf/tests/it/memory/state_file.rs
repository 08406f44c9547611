//! A state file of the Pushgateway, brought over at a start or by `wharf import`: the memory that this takes follows from what
//! the file has, and no group of it takes more than a push may.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;
use wharf_testkit::gob::{Gob, NOON};
use wharf_testkit::protobuf::{Message, Type, family, gauge, labelled};
use wharf_testkit::{Gateway, Process, Spawn};

use crate::operators::admin;
use crate::{WHARF, loaded, wharf};

const MIB: u64 = 1 << 20;

/// A group: its job, its other label, and its families by name.
type Group = (String, String, Vec<(String, Message)>);

/// A file with these groups.
fn state_file(groups: &[Group]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let mut value = Gob::value(groups.len() as u64);
    for (job, label, families) in groups {
        let labels: [(&[u8], &[u8]); 2] = [(b"job", job.as_bytes()), (b"l", label.as_bytes())];
        let families: Vec<Gob> = families
            .iter()
            .map(|(name, message)| Gob::family(name, NOON, message.as_bytes()))
            .collect();
        value = value.group(&labels, &families);
    }
    std::fs::write(&path, Gob::stream(&value)).unwrap();
    (folder, path)
}

/// What a machine with many jobs leaves: small groups of some families, each with help and some metrics.
fn ordinary(groups: usize) -> Vec<Group> {
    let family_of = |job: &str, n: usize| {
        let name = format!("batch_records_processed_{n}");
        let metrics: Vec<_> = ["read", "written", "failed"]
            .into_iter()
            .map(|kind| {
                gauge(
                    labelled(&[("instance", ""), ("job", job), ("kind", kind), ("l", "x")]),
                    42.0,
                )
            })
            .collect();
        let message = family(&name, Type::Gauge, &metrics).bytes(2, "How many records of a kind there were.");
        (name, message)
    };
    let group = |number: usize| {
        let job = format!("job-{number}");
        let mut families: Vec<_> = (0..5).map(|n| family_of(&job, n)).collect();
        let labels = labelled(&[("instance", ""), ("job", &job), ("l", "x")]);
        let time = "push_time_seconds";
        let pushed = family(time, Type::Gauge, &[gauge(labels, 1.7e9)]);
        families.push((time.to_owned(), pushed));
        (job, "x".to_owned(), families)
    };
    (0..groups).map(group).collect()
}

/// Groups whose few bytes come to very much: quantiles of two bytes each, long labels on many lines, histograms whose labels
/// stand on each line.
fn growing() -> Vec<Group> {
    let quantiles = Message::new().bytes(3, "").repeat(1 << 19);
    let summary = family("q", Type::Summary, &[Message::new().message(4, &quantiles)]);
    let metric = |n: usize| gauge(labelled(&[("n", &n.to_string())]), 1.0);
    let gauges: Vec<_> = (0..600).map(metric).collect();
    let bucket = Message::new().bytes(3, "");
    let buckets = Message::new().message(7, &bucket.repeat(1_000));
    let histogram = labelled(&[("long", &"l".repeat(50_000))]).append(&buckets);
    let group = |name: &str, label: &str, message| {
        let families = vec![(name.to_owned(), message)];
        (format!("of-{name}"), label.to_owned(), families)
    };
    vec![
        group("q", "x", summary),
        group("g", &"x".repeat(60_000), family("g", Type::Gauge, &gauges)),
        group("h", "x", family("h", Type::Histogram, &[histogram])),
    ]
}

fn importing(file: &Path) -> Spawn {
    // Whatever the defaults are.
    wharf()
        .args([
            "--push.max-decoded-bytes=32MiB",
            "--limits.max-decoded-bytes=128MiB",
        ])
        .arg(format!("--persistence.file={}", file.display()))
}

fn groups_of(gateway: &Gateway) -> String {
    let scrape = gateway.scrape();
    scrape.value("wharf_groups", &[]).unwrap().to_owned()
}

fn peak_without_groups() -> u64 {
    loaded(wharf()).peak_memory_bytes()
}

#[test]
fn a_start_with_a_state_file_takes_memory_in_proportion_to_the_file() {
    let nothing = peak_without_groups();
    let (_folder, file) = state_file(&ordinary(1_000));
    let length = std::fs::metadata(&file).unwrap().len();
    let gateway = loaded(importing(&file));
    assert_eq!(groups_of(&gateway), "1000");
    let more = gateway.peak_memory_bytes().saturating_sub(nothing);
    eprintln!(
        "a file of {length} bytes took {more}, {} times as much",
        more / length
    );
    assert!(more < 8 * length, "{more} of {length}");
}

#[test]
fn a_group_of_a_state_file_that_takes_more_than_a_push_may_is_left_out_of_a_start() {
    let nothing = peak_without_groups();
    let (_folder, file) = state_file(&[growing(), ordinary(1)].concat());
    let length = std::fs::metadata(&file).unwrap().len();
    let gateway = loaded(importing(&file));
    assert_eq!(groups_of(&gateway), "1");
    let more = gateway.peak_memory_bytes().saturating_sub(nothing);
    assert!(more < 32 * MIB + 4 * length + 16 * MIB, "{more} of {length}");
    for job in ["of-q", "of-g", "of-h"] {
        let line = gateway.log_line(&format!("job=\\\"{job}\\\""));
        for part in [
            "left out of the import",
            "33554432 bytes of memory",
            "--push.max-decoded-bytes",
        ] {
            assert!(line.contains(part), "{line}");
        }
    }
}

/// The most that a tool has had of memory, as far as it was seen before it ended, which it does well.
#[track_caller]
fn peak_of_tool(arguments: &[&str]) -> u64 {
    let mut command = Command::new(WHARF);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null());
    let mut process = Process::start(command);
    let mut peak = 0;
    loop {
        peak = peak.max(process.peak_memory_so_far().unwrap_or(0));
        if let Some(exit) = process.exited() {
            assert_eq!(exit.code, Some(0), "{}", process.log());
            return peak;
        }
    }
}

#[test]
fn the_tool_takes_memory_in_proportion_to_a_state_file() {
    let (_nothing, empty) = state_file(&[]);
    let (_folder, file) = state_file(&ordinary(1_000));
    let length = std::fs::metadata(&file).unwrap().len();
    let target = admin(wharf()).start();
    let url = format!("--gateway=http://{}", target.address());
    let nothing = peak_of_tool(&["import", empty.to_str().unwrap(), &url]);
    let peak = peak_of_tool(&["import", file.to_str().unwrap(), &url]);
    assert_eq!(groups_of(&target), "1000");
    // What it has read, and some requests on their way.
    let more = peak.saturating_sub(nothing);
    eprintln!(
        "a file of {length} bytes took {more}, {} times as much",
        more / length
    );
    assert!(more < 4 * length + 64 * MIB, "{more} of {length}");
}

#[test]
fn the_tool_names_groups_of_a_state_file_that_a_push_may_not_have() {
    let (_folder, file) = state_file(&[growing(), ordinary(1)].concat());
    let limits = [
        "--push.max-decoded-bytes=32MiB",
        "--limits.max-decoded-bytes=128MiB",
    ];
    let target = admin(wharf().args(limits)).start();
    let output = crate::operators::tool_at(&target, &["import", file.to_str().unwrap()]);
    let said = crate::operators::fails(&output, 1);
    for job in ["of-q", "of-g", "of-h"] {
        assert!(said.contains(job), "{said}");
    }
    assert_eq!(groups_of(&target), "1", "{said}");
}

#[test]
fn the_tool_writes_a_state_file_in_the_memory_of_its_groups_one_by_one() {
    let peak = |groups| {
        let (folder, file) = state_file(&ordinary(groups));
        let source = loaded(importing(&file));
        assert_eq!(groups_of(&source), groups.to_string());
        let out = folder.path().join("out").display().to_string();
        let url = format!("--gateway=http://{}", source.address());
        let peak = peak_of_tool(&["export", "-o", "state", "--out", &out, &url]);
        (peak, std::fs::metadata(out).unwrap().len())
    };
    let ((few, _), (many, length)) = (peak(10), peak(2_000));
    let more = many.saturating_sub(few);
    eprintln!("a file of {length} bytes took {more}");
    assert!(length > 3 * MIB, "{length}");
    assert!(more < MIB, "{more} for a file of {length}");
}
