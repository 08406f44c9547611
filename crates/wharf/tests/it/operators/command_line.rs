//! What all tools have in common: help, version, exit codes of mistakes, and a reader that has had enough.

use std::process::{Command, Output, Stdio};

use super::{fails, stderr, stdout, tool};
use crate::{WHARF, wharf};

/// Every tool, and every command of one: `["ledger", "check"]`.
pub(crate) fn commands() -> Vec<Vec<String>> {
    let help = stdout(&tool(&["help"]));
    let tools = help.split("\n\n").find(|part| part.starts_with("Tools")).unwrap();
    let mut found = Vec::new();
    for name in names(tools) {
        let help = stdout(&tool(&["help", name]));
        let commands = help.split("\n\n").find(|part| part.starts_with("Commands:"));
        found.push(vec![name.to_owned()]);
        found.extend(commands.iter().flat_map(|commands| {
            let commands = names(commands).filter(|command| *command != "help");
            commands.map(|command| vec![name.to_owned(), command.to_owned()])
        }));
    }
    found
}

/// The first word of each line but the first.
fn names(list: &str) -> impl Iterator<Item = &str> {
    list.lines()
        .skip(1)
        .filter_map(|line| line.split_whitespace().next())
}

#[track_caller]
fn says(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", stderr(output));
    assert_eq!(stderr(output), "");
    stdout(output)
}

#[test]
fn every_tool_and_command_has_help_and_a_version() {
    let commands = commands();
    assert!(commands.len() > 20, "{commands:?}");
    let version = says(&tool(&["--version"]));
    for command in &commands {
        let command: Vec<&str> = command.iter().map(String::as_str).collect();
        let with = |more: &[&str]| says(&tool(&[&command, more].concat()));
        let long = with(&["--help"]);
        let usage = format!("Usage: wharf {}", command.join(" "));
        assert!(long.contains(&usage), "{command:?}: {long}");
        assert!(with(&["-h"]).contains(&usage), "{command:?}");
        assert_eq!(with(&["--version"]), version, "{command:?}");
        if command[0] != "help" {
            assert_eq!(
                says(&tool(&[&["help"], &command[..]].concat())),
                long,
                "{command:?}"
            );
        }
    }
    assert_eq!(says(&tool(&["version"])), version);
}

#[test]
fn what_is_behind_the_command_of_a_run_is_its_own() {
    let run = tool(&[
        "run",
        "--job=j",
        "--retry-for=0",
        "-q",
        "--",
        "echo",
        "--version",
        "--help",
    ]);
    assert_eq!(stdout(&run), "--version --help\n");
}

#[test]
fn mistakes_of_the_command_line_end_with_2() {
    for arguments in [
        &["ledger"][..],
        &["config"],
        &["ledger", "check"],
        &["ledger", "chek", "x"],
        &["ledger", "backup", "x"],
        &["ledger", "show"],
        &["ledger", "show", "x", "--output=json"],
        &["config", "check"],
        &["config", "check", "a", "b"],
        &["config", "hash-token", "secret"],
        &["statsd", "check"],
        &["statsd", "test", "x"],
        &["version", "x"],
        &["help", "lss"],
        &["lss"],
        &["ls", "--nosuch"],
    ] {
        let said = fails(&tool(arguments), 2);
        assert!(!said.is_empty(), "{arguments:?}");
    }
}

#[test]
fn what_was_meant_is_guessed() {
    for (typed, expected) in [
        (&["lss"][..], "did you mean `wharf ls`?"),
        (&["verison"], "did you mean `wharf version`?"),
        (&["help", "exprot"], "did you mean `wharf export`?"),
        (&["bogus"], "`wharf help` lists the tools"),
        (&["\u{1b}[2J"], "found `\\u{1b}[2J`\nhint: "),
        (&["ledger", "dmup"], "'dump'"),
        (&["ls", "--sortt=job"], "'--sort'"),
    ] {
        let said = fails(&tool(typed), 2);
        assert!(said.contains(expected), "{typed:?}: {said}");
    }
}

#[test]
fn a_reader_that_has_had_enough_is_no_failure() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let gateway = wharf().arg(format!("--storage.path={}", data.display())).start();
    for job in 0..10 {
        gateway.push(&format!("/metrics/job/j{job}"), "# HELP m h\nm 1\n");
    }
    let url = format!("--gateway=http://{}", gateway.address());
    let data = data.to_str().unwrap();
    for arguments in [
        &["ledger", "dump", data][..],
        &["ledger", "show", data],
        &["ledger", "check", data],
        &["ledger", "--help"],
        &["ls", &url],
        &["get", "{}", &url],
        &["export", &url],
        &["top", "--once", "--interval=10ms", &url],
        &["man"],
        &["completions", "bash"],
        &["help"],
        &["version"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = Command::new(WHARF)
            .args(arguments)
            .env_remove("XDG_CONFIG_HOME")
            .env("HOME", "/nonexistent")
            .stdin(Stdio::null())
            .stdout(writer)
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        assert_eq!(
            (output.status.code(), stderr(&output).as_str()),
            (Some(0), ""),
            "{arguments:?}"
        );
    }
}
