//! The whole harness with tiny numbers against a real Wharf: that every question can be asked, not what comes out.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::path::{Path, PathBuf};
use std::process::Command;

use wharf_bench::questions;
use wharf_bench::record::Record;
use wharf_bench::report;

const BENCH: &str = env!("CARGO_BIN_EXE_wharf-bench");

/// Questions about Wharf with a peer, which nobody can ask without it.
const OF_PEERS: [&str; 1] = ["replicas"];

/// The executable of Wharf beside ours. A test of the whole workspace has built it; a test of this package alone may
/// have to.
fn wharf() -> PathBuf {
    let wharf = Path::new(BENCH).with_file_name("wharf");
    if !wharf.exists() {
        let target = wharf.parent().and_then(Path::parent).unwrap();
        let status = Command::new(env!("CARGO"))
            .args(["build", "--package", "wharf", "--target-dir"])
            .arg(target)
            .status();
        assert!(status.unwrap().success(), "Wharf cannot be built");
    }
    wharf
}

/// What it says of the one with itself depends on the machine, so only that it says something is looked at.
#[test]
fn two_executables_are_compared() {
    let results = tempfile::tempdir().unwrap();
    let output = Command::new(BENCH)
        .args([
            "compare",
            "--rounds",
            "2",
            "--seconds",
            "0.05",
            "--divide",
            "10000",
        ])
        .arg("--before")
        .arg(wharf())
        .arg("--wharf")
        .arg(wharf())
        .arg("--results")
        .arg(results.path())
        .output()
        .unwrap();
    let (text, log) = (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8_lossy(&output.stderr),
    );
    for what in ["pushes: Wharf, sync=always", "scrape: text, gzip", "memory"] {
        assert!(text.contains(what), "{what}: {text} {log}");
    }
    assert!(
        output.status.success() || log.contains("worse beyond doubt"),
        "{log}"
    );
}

#[test]
fn every_question_has_an_answer_without_peers() {
    let results = tempfile::tempdir().unwrap();
    let output = Command::new(BENCH)
        .args(["--rounds", "1", "--seconds", "0.05", "--divide", "10000"])
        .arg("--wharf")
        .arg(wharf())
        .arg("--results")
        .arg(results.path())
        .arg("--peers")
        .arg(results.path().join("no-peers"))
        .output()
        .unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{log}");
    for question in questions::ALL {
        let record = Record::load(results.path(), question.name).unwrap().unwrap();
        let is_of_peers = OF_PEERS.contains(&question.name);
        assert_eq!(record.rows.is_empty(), is_of_peers, "{}: {log}", question.name);
        for row in &record.rows {
            for figure in &row.figures {
                let all = figure
                    .rounds
                    .iter()
                    .all(|round| round.is_some_and(f64::is_finite));
                assert!(all && !figure.rounds.is_empty(), "{}: {row:?}", question.name);
            }
        }
        for failure in &record.failures {
            assert!(
                failure.error.contains("no-peers") && !failure.subject.starts_with("Wharf"),
                "{}: {failure:?}",
                question.name
            );
        }
        assert!(
            String::from_utf8_lossy(&output.stdout).contains(question.title),
            "{} is not on the terminal",
            question.name
        );
    }

    let root = tempfile::tempdir().unwrap();
    report::write(results.path(), root.path()).unwrap();
    let page = std::fs::read_to_string(root.path().join("docs/benchmarks.md")).unwrap();
    for question in questions::ALL {
        assert!(
            page.contains(&format!("## {}\n", question.title)),
            "{} is not on the page",
            question.name
        );
    }
    for chart in ["pushes.svg", "groups.svg", "scrapes.svg"] {
        let svg = std::fs::read_to_string(root.path().join("docs/benchmarks").join(chart)).unwrap();
        assert!(svg.contains("Wharf"), "{chart}");
    }
}

#[test]
fn what_is_unknown_on_the_command_line_is_named() {
    let output = Command::new(BENCH).arg("speed").output().unwrap();
    assert!(!output.status.success());
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(
        text.contains("expected a question or an option, found `speed`"),
        "{text}"
    );
}

#[test]
fn the_list_has_every_question() {
    let output = Command::new(BENCH).arg("list").output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8_lossy(&output.stdout);
    let names: Vec<&str> = text
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    let expected: Vec<&str> = questions::ALL.iter().map(|question| question.name).collect();
    assert_eq!(names, expected);
}
