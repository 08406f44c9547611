//! `wharf ledger backup`, and whether it is what it was copied from.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use wharf_testkit::Gateway;
use wharf_testkit::http::{get, put};

use crate::{WHARF, loaded, wharf};

fn on(folder: &Path) -> wharf_testkit::Spawn {
    let wharf = wharf().arg(format!("--storage.path={}", folder.display()));
    wharf.arg("--web.enable-admin-api")
}

fn backup(source: &Path, target: &Path, flags: &[&str]) -> Output {
    let mut command = Command::new(WHARF);
    command
        .args(["ledger", "backup"])
        .args([source, target])
        .args(flags);
    command.output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn kill(mut gateway: Gateway) {
    gateway.kill();
    gateway.wait();
}

#[test]
fn a_copy_made_while_pushes_come_is_verified() {
    let folder = tempfile::tempdir().unwrap();
    let (data, copy) = (folder.path().join("data"), folder.path().join("copy"));
    // Checkpoints come in between.
    let gateway = on(&data).args(["--storage.checkpoint-bytes=64KiB"]).start();
    gateway.push("/metrics/job/first", "m 1\n");
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut number = 0;
            while !is_over.load(Ordering::Relaxed) {
                gateway.replace(
                    &format!("/metrics/job/j{}", number % 50),
                    &format!("m {number}\n"),
                );
                number += 1;
            }
        });
        let output = backup(&data, &copy, &["--verify"]);
        is_over.store(true, Ordering::Relaxed);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert!(
            said(&output).contains(" are the same in both, byte by byte, up to record "),
            "{output:?}"
        );
    });
    let restored = loaded(on(&copy));
    assert!(restored.send(&get("/metrics")).text().contains("job=\"first\""));
}

#[test]
fn history_and_audit_list_come_along() {
    let folder = tempfile::tempdir().unwrap();
    let (data, copy) = (folder.path().join("data"), folder.path().join("copy"));
    let mut gateway = on(&data).start();
    gateway.push("/metrics/job/gone", "m 1\n");
    assert_eq!(gateway.send(&put("/api/v1/admin/wipe")).status, 202);
    gateway.push("/metrics/job/a", "m 1\n");
    gateway.push("/metrics/job/a", "m 2\n");
    // The history is on the disk after a clean end.
    gateway.terminate();
    gateway.wait();
    let output = backup(&data, &copy, &["--verify"]);
    let text = said(&output);
    assert!(text.contains("with history and audit: "), "{text}");
    assert!(text.contains("the history can be read"), "{text}");
    let gateway = loaded(on(&copy));
    let answer = |path: &str| gateway.send(&get(path)).json()["data"].clone();
    let pushes = || {
        answer("/api/v1/groups/job/a/history")["pushes"]
            .as_array()
            .unwrap()
            .len()
    };
    wharf_testkit::until("the history", || (pushes() == 2).then_some(()));
    let kinds = || {
        let entries = answer("/api/v1/admin/audit")["entries"].clone();
        entries
            .as_array()
            .unwrap()
            .iter()
            .any(|entry| entry["kind"] == "wipe")
    };
    wharf_testkit::until("the audit list", || kinds().then_some(()));
}

#[test]
fn a_history_that_cannot_be_read_fails_the_verification() {
    let folder = tempfile::tempdir().unwrap();
    let (data, copy) = (folder.path().join("data"), folder.path().join("copy"));
    let gateway = on(&data).start();
    gateway.push("/metrics/job/a", "m 1\n");
    kill(gateway);
    fs::write(data.join("history"), "this is none, and it is long enough").unwrap();
    let output = backup(&data, &copy, &["--verify"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(
        said(&output).contains("the history of pushes cannot be read"),
        "{output:?}"
    );
    // It is not marked as a whole one.
    assert!(!copy.join("backup.json").exists());
}

#[test]
fn only_whole_backups_are_marked_and_a_folder_that_has_one_takes_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let (data, copy) = (folder.path().join("data"), folder.path().join("copy"));
    let gateway = on(&data).start();
    gateway.push("/metrics/job/a", "m 1\n");
    let output = backup(&data, &copy, &[]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let mark = fs::read_to_string(copy.join("backup.json")).unwrap();
    assert!(mark.contains("\"verified\":false"), "{mark}");
    let again = backup(&data, &copy, &[]);
    assert_eq!(again.status.code(), Some(1), "{again:?}");
    assert!(
        said(&again).contains("expected an empty folder for the backup"),
        "{again:?}"
    );
}
