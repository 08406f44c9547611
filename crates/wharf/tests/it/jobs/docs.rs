//! `docs/jobs.md` and the alerts beside it say what is so.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use wharf_testkit::http::delete;
use wharf_testkit::peers::{self, PrometheusVersion};

use super::stub::{Answer, Stub};
use super::{ends_with, output, output_with, run_at, stderr, url, value};
use crate::{WHARF, gateways};

const PAGE: &str = include_str!("../../../../../docs/jobs.md");
const ALERTS: &str = include_str!("../../../../../docs/jobs-alerts.yml");

/// The names of a run's metrics in a text.
fn names(text: &str) -> BTreeSet<&str> {
    let is_part = |c: char| c.is_ascii_lowercase() || c == '_';
    let words = text.split(|c| !is_part(c));
    words
        .filter(|word| word.starts_with("job_run_") && *word != "job_run_")
        .collect()
}

#[test]
fn the_page_lists_the_metrics_of_a_run_and_no_others() {
    let stub = Stub::start(vec![Answer::Head("200 OK")]);
    let job = "echo m 1 > $WHARF_METRICS_FILE; sleep 0.3";
    ends_with(
        0,
        &output(run_at(&stub.url, &["--heartbeat=100ms", "sh", "-c", job])),
    );
    let mut pushed = String::new();
    while !pushed.contains("job_run_exit_code") {
        pushed += &stub.asked();
    }
    assert_eq!(names(PAGE), names(&pushed));
    assert!(names(ALERTS).is_subset(&names(&pushed)));
}

/// The first block of code on the page in that language.
fn block(language: &str) -> &'static str {
    let (_, rest) = PAGE.split_once(&format!("\n```{language}\n")).unwrap();
    rest.split_once("\n```").unwrap().0
}

#[test]
fn the_first_commands_of_the_page_keep_what_each_other_pushes() {
    let commands = block("console").replace("$ wharf", WHARF);
    let commands = commands.replace("/usr/local/bin/backup --full", "true");
    for spawn in gateways() {
        let gateway = spawn.start();
        let mut command = Command::new("sh");
        command
            .args(["-ec", &commands])
            .env_remove("XDG_CONFIG_HOME")
            .env("HOME", "/nonexistent")
            .env("WHARF_GATEWAY", url(gateway.address()));
        ends_with(0, &output(command));
        assert_eq!(value(&gateway, "job_run_success"), 1.0);
        assert_eq!(value(&gateway, "backup_size_bytes"), 1234.0);
    }
}

#[test]
fn the_examples_that_push_to_the_run_do_so() {
    let Some(python) = peers::python() else {
        return;
    };
    let script = block("python");
    let shell = block("sh");
    let file = shell.lines().next().unwrap().split("-- ").nth(1).unwrap();
    for spawn in gateways() {
        let gateway = spawn.start();
        let url = url(gateway.address());
        let by_url = run_at(&url, &[python.to_str().unwrap(), "-c", script]);
        ends_with(0, &output(by_url));
        assert_eq!(value(&gateway, "report_rows"), 7.0);
        gateway.send(&delete("/metrics/job/j"));
        let by_file = format!("{WHARF} run --job j --gateway {url} -- {file}");
        let mut command = Command::new("sh");
        command.args(["-c", &by_file]).env("HOME", "/nonexistent");
        ends_with(0, &output(command));
        assert_eq!(value(&gateway, "report_rows"), 7.0);
    }
}

#[test]
fn promtool_has_nothing_to_say_about_the_metrics_of_a_run() {
    let Some(promtool) = peers::promtool(PrometheusVersion::V2_53) else {
        return;
    };
    let stub = Stub::start(vec![Answer::Head("200 OK")]);
    ends_with(0, &output(run_at(&stub.url, &["true"])));
    let asked = stub.asked();
    let (_, text) = asked.split_once("\r\n\r\n").unwrap();
    let mut command = Command::new(promtool);
    command.args(["check", "metrics"]);
    let output = output_with(command, text.as_bytes());
    ends_with(0, &output);
    assert_eq!((stderr(&output).as_str(), output.stdout.len()), ("", 0));
}

#[test]
fn the_alerts_fire_when_they_should() {
    for version in [PrometheusVersion::V2_53, PrometheusVersion::V3] {
        let Some(promtool) = peers::promtool(version) else {
            return;
        };
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("jobs-alerts.yml"), ALERTS).unwrap();
        fs::write(folder.path().join("test.yml"), include_str!("alerts-test.yml")).unwrap();
        for arguments in [
            ["check", "rules", "jobs-alerts.yml"],
            ["test", "rules", "test.yml"],
        ] {
            let mut command = Command::new(&promtool);
            command.args(arguments).current_dir(folder.path());
            ends_with(0, &output(command));
        }
    }
}
