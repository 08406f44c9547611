//! `wharf ledger restore`, and `wharf ledger show --records`, which helps to find the record.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use wharf_testkit::Gateway;
use wharf_testkit::http::{delete, get, put};

use crate::{WHARF, wharf};

const PAGE: &str = include_str!("../../../../docs/storage.md");

fn on(folder: &Path) -> Gateway {
    let wharf = wharf().arg(format!("--storage.path={}", folder.display()));
    wharf.arg("--web.enable-admin-api").start()
}

fn kill(mut gateway: Gateway) {
    gateway.kill();
    gateway.wait();
}

fn ledger(arguments: &[&str]) -> Output {
    Command::new(WHARF)
        .arg("ledger")
        .args(arguments)
        .output()
        .unwrap()
}

/// What it prints, as lines.
#[track_caller]
fn lines(arguments: &[&str]) -> Vec<String> {
    let output = ledger(arguments);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[track_caller]
fn complaint(arguments: &[&str]) -> String {
    let output = ledger(arguments);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

fn path(folder: &Path) -> &str {
    folder.to_str().unwrap()
}

/// What a restore prints.
#[track_caller]
fn restore(folder: &Path, before: &str, to: &Path) -> String {
    lines(&["restore", path(folder), "--before", before, "--to", path(to)]).join("\n")
}

/// The jobs of a folder, by their only metric.
fn jobs(folder: &Path) -> String {
    let lines = lines(&["show", path(folder)]);
    let of_m = lines.iter().filter_map(|line| line.strip_prefix("m{"));
    let jobs = of_m.map(|line| line.split("job=\"").nth(1).unwrap().split('"').next().unwrap());
    jobs.collect::<Vec<_>>().join(" ")
}

fn push(gateway: &Gateway, job: &str) {
    gateway.replace(&format!("/metrics/job/{job}"), "m 1\n");
}

fn wipe(gateway: &Gateway) {
    assert_eq!(gateway.send(&put("/api/v1/admin/wipe")).status, 202);
}

/// The number and the time of each record that does this, as they are printed.
fn records(folder: &Path, what: &str) -> Vec<(String, String)> {
    let lines = lines(&["show", path(folder), "--records"]);
    let wanted = lines.iter().filter(|line| line.contains(what));
    wanted
        .map(|line| {
            let mut words = line.split_whitespace();
            let (number, time) = (words.next().unwrap(), words.next().unwrap());
            (number.to_owned(), time.to_owned())
        })
        .collect()
}

#[test]
fn records_say_what_was_done_with_numbers_times_and_counts() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = on(folder.path());
    push(&gateway, "a");
    gateway.push("/metrics/job/a", "n 1\nn{x=\"1\"} 2\n");
    push(&gateway, "b");
    gateway.send(&delete("/metrics/job/b"));
    gateway.send(&delete("/api/v1/groups?match[]={job=\"a\"}"));
    wipe(&gateway);
    let found = lines(&["show", path(folder.path()), "--records"]);
    let found: Vec<_> = found
        .iter()
        .map(|line| {
            let (number, rest) = line.trim_start().split_once("  ").unwrap();
            let (time, what) = rest.split_at(24);
            assert!(time.trim().is_empty() || time.ends_with('Z'), "{line}");
            format!(
                "{number} {} {}",
                if time.trim().is_empty() { "-" } else { "T" },
                what.trim()
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            "1 T push {job=\"a\"}: 1 family, 1 series",
            "2 T push {job=\"a\"}: 1 family, 2 series",
            "3 T push {job=\"b\"}: 1 family, 1 series",
            "4 - delete {job=\"b\"}",
            "5 - delete {job=\"a\"}",
            "6 - wipe",
        ]
    );
    let of_b = lines(&["show", path(folder.path()), "b", "--records"]);
    // A wipe is of all groups.
    assert_eq!(of_b.len(), 3, "{of_b:?}");
}

#[test]
fn the_groups_are_as_they_were_before_a_record_also_beside_a_gateway() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = on(folder.path());
    push(&gateway, "a");
    push(&gateway, "b");
    gateway.send(&delete("/metrics/job/a"));
    wipe(&gateway);
    push(&gateway, "c");
    let before = |number: &str| {
        let target = folder.path().join(format!("before-{number}"));
        let said = restore(folder.path(), number, &target);
        (jobs(&target), said)
    };
    for (number, expected) in [
        ("1", ""),
        ("2", "a"),
        ("3", "a b"),
        ("4", "b"),
        ("5", ""),
        ("6", "c"),
    ] {
        assert_eq!(before(number).0, expected, "before {number}");
    }
    let error = complaint(&[
        "restore",
        path(folder.path()),
        "--before=9",
        "--to",
        path(&folder.path().join("nothing")),
    ]);
    assert!(error.contains("expected a record up to 6, found 9"), "{error}");
    assert!(!folder.path().join("nothing").exists());
    // What has come back is a folder to start with.
    let restored = on(&folder.path().join("before-3"));
    assert!(
        restored
            .send(&get("/metrics"))
            .text()
            .contains("m{instance=\"\",job=\"a\"} 1\n")
    );
    assert_eq!(jobs(folder.path()), "c");
}

#[test]
fn a_time_leaves_out_what_it_does_not_know_the_time_of_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = on(folder.path());
    push(&gateway, "a");
    push(&gateway, "b");
    gateway.send(&delete("/metrics/job/a"));
    wipe(&gateway);
    push(&gateway, "c");
    kill(gateway);
    let (number, time) = records(folder.path(), "push {job=\"c\"}").remove(0);
    assert_eq!(number, "5");
    let target = folder.path().join("restored");
    let said = restore(folder.path(), &time, &target);
    assert_eq!(jobs(&target), "a b");
    assert!(
        said.contains("left out: record 3 and what follows: delete {job=\"a\"}"),
        "{said}"
    );
    assert!(
        said.contains("not known when, and left out: record 4 (wipe)"),
        "{said}"
    );
    // A time before everything, and one after.
    let target = folder.path().join("nothing");
    let said = restore(folder.path(), "2020-01-01T00:00:00Z", &target);
    assert_eq!(jobs(&target), "", "{said}");
    let target = folder.path().join("all");
    let said = restore(folder.path(), "0s", &target);
    assert_eq!(jobs(&target), "c");
    assert!(said.contains("left out: nothing"), "{said}");
}

#[test]
fn what_a_checkpoint_has_taken_is_said_with_what_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let mut gateway = on(folder.path());
    push(&gateway, "a");
    wipe(&gateway);
    push(&gateway, "b");
    // A clean end writes one.
    gateway.terminate();
    gateway.wait();
    let gateway = on(folder.path());
    push(&gateway, "c");
    kill(gateway);
    let target = folder.path().join("restored");
    let restore = ["restore", path(folder.path()), "--to", path(&target), "--before"];
    let with = |before| [&restore[..], &[before]].concat();
    let error = complaint(&with("2"));
    assert!(
        error.contains("expected a record from 4 on, found 2: a checkpoint has taken"),
        "{error}"
    );
    assert!(error.contains("\nhint: "), "{error}");
    let error = complaint(&with("2020-01-01T00:00:00Z"));
    assert!(
        error.contains("the earliest moment that is left is just before record 4"),
        "{error}"
    );
    assert!(!target.exists());
    let shown = lines(&["show", path(folder.path()), "--records"]);
    assert!(
        shown[0].starts_with("checkpoint  ") && shown[0].contains("1 group, as of record 3"),
        "{shown:?}"
    );
    lines(&with("4"));
    assert_eq!(jobs(&target), "b");
    let error = complaint(&with("4"));
    assert!(
        error.contains("expected an empty folder to restore into"),
        "{error}"
    );
}

#[test]
fn what_is_no_moment_is_a_mistake_on_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    for moment in ["yesterday", "", "2026-01-02", "99999999999999999999", "12x"] {
        let output = ledger(&[
            "restore",
            path(folder.path()),
            "--to=x",
            &format!("--before={moment}"),
        ]);
        assert_eq!(output.status.code(), Some(2), "{moment}: {output:?}");
    }
}

/// The commands of the block of code below a heading whose text has a word in it.
fn commands(heading: &str, word: &str) -> Vec<&'static str> {
    let (_, section) = PAGE.split_once(&format!("\n## {heading}\n")).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let blocks = section.split("```").skip(1).step_by(2);
    let block = blocks.clone().find(|block| block.contains(word)).unwrap();
    block.lines().filter_map(|line| line.strip_prefix("$ ")).collect()
}

/// A folder in which `wharf` and `wharf-data` are what the page means by that.
pub(crate) struct Desk {
    folder: tempfile::TempDir,
    /// What earlier commands have set.
    variables: String,
}

impl Desk {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(WHARF, folder.path().join("wharf")).unwrap();
        Self {
            folder,
            variables: String::new(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// Runs one command as it stands on the page; what it prints.
    #[track_caller]
    pub(crate) fn run(&mut self, command: &str, gateway: &Gateway) -> String {
        let command = command.split("  #").next().unwrap();
        let script = format!("{}{command}", self.variables);
        let path = format!("{}:/usr/bin:/bin", self.folder.path().display());
        let output = Command::new("bash")
            .args(["-euo", "pipefail", "-c", &script])
            .current_dir(self.folder.path())
            .env("PATH", path)
            .env("HOME", "/nonexistent")
            .env_remove("XDG_CONFIG_HOME")
            .env("WHARF_GATEWAY", format!("http://{}", gateway.address()))
            .output()
            .unwrap();
        assert!(output.status.success(), "{command}: {output:?}");
        if command
            .split_once('=')
            .is_some_and(|(name, _)| name.chars().all(char::is_alphabetic))
        {
            self.variables = format!("{}{command}\n", self.variables);
        }
        String::from_utf8(output.stdout).unwrap()
    }
}

#[test]
fn the_drill_of_the_page_brings_wiped_groups_back_into_the_running_gateway() {
    let mut desk = Desk::new();
    let gateway = on(&desk.path("wharf-data"));
    for job in ["a", "b", "c"] {
        push(&gateway, job);
    }
    let before = gateway.send(&get("/metrics")).text();
    let groups = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| line.contains("job=\""));
        lines.map(str::to_owned).collect()
    };
    wipe(&gateway);
    push(&gateway, "d");
    let mut second = None;
    let commands = commands("Back to before a mistake", "awk");
    assert!(commands.len() >= 6, "{commands:?}");
    for command in commands {
        if let Some(flags) = command.strip_suffix(" &") {
            let restored = flags
                .split("--storage.path=")
                .nth(1)
                .unwrap()
                .split(' ')
                .next()
                .unwrap();
            second = Some(on(&desk.path(restored)));
            continue;
        }
        let address = second
            .as_ref()
            .map_or_else(String::new, |other: &Gateway| other.address().to_string());
        desk.run(&command.replace("127.0.0.1:9191", &address), &gateway);
    }
    let after = gateway.send(&get("/metrics")).text();
    for line in groups(&before) {
        assert!(after.contains(&line), "{line} is not in {after}");
    }
    assert!(after.contains("m{instance=\"\",job=\"d\"} 1\n"));
}

#[test]
fn the_drill_of_the_page_for_each_night_makes_a_backup_that_the_gateway_sees() {
    let mut desk = Desk::new();
    let data = desk.path("wharf-data");
    fs::create_dir(desk.path("backups")).unwrap();
    let flag = format!("--backup.path={}", desk.path("backups").display());
    let gateway = wharf()
        .args([format!("--storage.path={}", data.display()), flag.clone()])
        .start();
    push(&gateway, "a");
    let own = |gateway: &Gateway, name: &str| -> Option<f64> {
        let text = gateway.send(&get("/metrics")).text();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map(|value| value.parse().unwrap())
    };
    let newest = "wharf_backup_newest_verified_timestamp_seconds";
    wharf_testkit::until("the first look", || {
        (own(&gateway, newest) == Some(0.0)).then_some(())
    });
    let mut said = String::new();
    for command in commands("Backups", "backup.json") {
        said += &desk.run(command, &gateway);
    }
    assert!(said.contains("verified: 1 group with "), "{said}");
    assert!(said.contains("\"verified\":true"), "{said}");
    assert!(said.contains("sound: "), "{said}");
    // A gateway looks when it starts.
    let copy = desk.path("backups/2026-01-02");
    let second = wharf()
        .args([format!("--storage.path={}", copy.display()), flag])
        .start();
    wharf_testkit::until("the backup", || {
        own(&second, newest).filter(|time| *time > 1.7e9).map(drop)
    });
}
