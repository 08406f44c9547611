//! Bad moments for a removal, and for taking it back.

use std::fs;
use std::path::Path;

use serde_json::json;
use wharf_testkit::http::{delete, get, put};
use wharf_testkit::{Gateway, until};

use super::{answered, data, fill, on, receipt, shown, undo};
use crate::storage::SmallDisk;
use crate::{loaded, refused, wharf};

fn wipe(gateway: &Gateway) -> u64 {
    receipt(&answered(gateway, &put("/api/v1/admin/wipe"), 202)).0
}

fn groups(gateway: &Gateway) -> usize {
    let groups = data(gateway, &get("/api/v1/groups?limit=1000&fields=path"));
    groups["groups"].as_array().unwrap().len()
}

fn restarted(mut gateway: Gateway, folder: &Path, flag: &str) -> Gateway {
    gateway.terminate();
    assert_eq!(gateway.wait().code, Some(0));
    loaded(on(folder).arg(flag))
}

#[test]
fn with_a_late_sync_an_undo_waits_for_what_it_undoes() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = on(folder.path()).arg("--storage.sync=100ms").start();
    fill(&gateway);
    let before = shown(&gateway);
    let id = wipe(&gateway);
    assert_eq!(data(&gateway, &undo(id))["groups"], 4);
    assert_eq!(shown(&gateway), before);
}

#[test]
fn with_a_late_sync_a_kill_leaves_the_groups_or_what_brings_them_back() {
    let flag = "--storage.sync=100ms";
    for waits in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let gateway = on(folder.path()).arg(flag).start();
        fill(&gateway);
        // What was pushed is on stable storage after an orderly end.
        let mut gateway = restarted(gateway, folder.path(), flag);
        let before = shown(&gateway);
        let id = wipe(&gateway);
        if waits {
            until("the entry", || {
                let kept = data(&gateway, &get("/api/v1/admin/removed"))["kept"].clone();
                (kept["bytes"].as_u64().unwrap() > 0).then_some(())
            });
        }
        gateway.kill();
        gateway.wait();
        let gateway = loaded(on(folder.path()).arg(flag));
        if groups(&gateway) == 0 {
            assert_eq!(data(&gateway, &undo(id))["groups"], 4);
        } else {
            assert!(!waits, "what is kept has happened");
            assert_eq!(
                data(&gateway, &get("/api/v1/admin/removed"))["removals"],
                json!([])
            );
        }
        assert_eq!(shown(&gateway), before);
    }
}

#[test]
fn a_full_disk_refuses_wipe_and_undo_and_loses_nothing() {
    let Some(disk) = SmallDisk::mount("6m") else {
        eprintln!("skipped: no disk may be mounted");
        return;
    };
    let path = disk.folder.path().join("data");
    let flags = [
        "--storage.segment-bytes=512KiB",
        "--storage.checkpoint-bytes=1MiB",
    ];
    let mut gateway = on(&path).args(flags).start();
    let big = "x".repeat(20_000);
    for number in 0..40 {
        gateway.push(
            &format!("/metrics/job/a/n/{number}"),
            &format!("m{{pad=\"{big}\"}} {number}\n"),
        );
    }
    let before = shown(&gateway);
    let ballast = disk.folder.path().join("ballast");
    let fill_up = || fs::write(&ballast, vec![1; 16 << 20]).unwrap_err();

    // What is not on disk has not happened. Small records may still find some room.
    fill_up();
    until("the disk to be full for the log", || {
        let push = put("/metrics/job/full").body(format!("f{{pad=\"{big}\"}} 1\n"));
        (gateway.send(&push).status == 503).then_some(())
    });
    answered(&gateway, &put("/api/v1/admin/wipe"), 503);
    assert!(groups(&gateway) >= 40);
    fs::remove_file(&ballast).unwrap();
    let id = until("a wipe", || {
        let answer = gateway.send(&put("/api/v1/admin/wipe"));
        (answer.status == 202).then(|| receipt(&answer).0)
    });
    let removal = format!("/api/v1/admin/removed?id={id}");
    // Reading it waits until it is written.
    let named = data(&gateway, &get(&removal))["removals"][0]["named"].clone();
    assert!(named["count"].as_u64().unwrap() >= 40, "{named}");

    // It is there when there is room again, also for another process.
    fill_up();
    answered(&gateway, &undo(id), 503);
    fs::remove_file(&ballast).unwrap();
    gateway.kill();
    gateway.wait();
    let gateway = loaded(on(&path).args(flags));
    answered(&gateway, &undo(id), 200);
    answered(&gateway, &delete("/metrics/job/full"), 202);
    assert_eq!(shown(&gateway), before);
}

#[test]
fn over_the_bound_the_oldest_removal_goes_and_that_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = on(folder.path()).arg("--undo.max-bytes=200000").start();
    let lines: Vec<String> = (0..300).map(|at| format!("m{{number=\"{at}\"}} 1\n")).collect();
    let body = lines.concat();
    let mut ids = Vec::new();
    for _ in 0..30 {
        gateway.push("/metrics/job/a", &body);
        ids.push(receipt(&answered(&gateway, &delete("/metrics/job/a"), 202)).0);
    }
    let listed = data(&gateway, &get("/api/v1/admin/removed"));
    let kept = &listed["kept"];
    assert!(kept["bytes"].as_u64().unwrap() <= 200_000, "{kept}");
    let why = "later removals needed its place (--undo.max-bytes)";
    let oldest = listed["removals"].as_array().unwrap().last().unwrap();
    assert_eq!(
        (&oldest["id"], &oldest["impossible"]),
        (&json!(ids[0]), &json!(why))
    );
    refused(
        &gateway,
        &undo(ids[0]),
        409,
        &format!("removal {} cannot be undone: {why}", ids[0]),
    );
    assert_eq!(data(&gateway, &undo(ids[29]))["groups"], 1);
    let files = fs::read_dir(folder.path().join("removed")).unwrap();
    let on_disk: u64 = files.flatten().map(|file| file.metadata().unwrap().len()).sum();
    assert!(on_disk <= 200_000, "{on_disk}");
}

#[test]
fn a_checkpoint_in_between_takes_nothing_away() {
    let folder = tempfile::tempdir().unwrap();
    let flags = [
        "--storage.checkpoint-bytes=64KiB",
        "--storage.segment-bytes=64KiB",
    ];
    let mut gateway = on(folder.path()).args(flags).start();
    fill(&gateway);
    let before = shown(&gateway);
    let id = wipe(&gateway);
    let checkpoints = || {
        let text = gateway.send(&get("/metrics")).text();
        let line = text
            .lines()
            .find(|line| line.starts_with("wharf_ledger_checkpoints_total"));
        line.map(str::to_owned)
    };
    let first = checkpoints();
    let big = "x".repeat(2_000);
    until("a checkpoint", || {
        gateway.replace("/metrics/job/other", &format!("other{{pad=\"{big}\"}} 1\n"));
        (checkpoints() != first).then_some(())
    });
    answered(&gateway, &delete("/metrics/job/other"), 202);
    gateway.kill();
    gateway.wait();
    let gateway = loaded(on(folder.path()).args(flags));
    assert_eq!(data(&gateway, &undo(id))["groups"], 4);
    assert_eq!(shown(&gateway), before);
}

#[test]
fn what_expires_and_what_a_push_replaces_is_not_kept() {
    let gateway = wharf().start();
    gateway.push("/metrics/job/a?ttl=1s", "m 1\n");
    gateway.push("/metrics/job/b", "m 1\n");
    gateway.replace("/metrics/job/b", "n 1\n");
    until("the group to expire", || (groups(&gateway) == 1).then_some(()));
    assert_eq!(
        data(&gateway, &get("/api/v1/admin/removed"))["removals"],
        json!([])
    );
    refused(
        &gateway,
        &put("/api/v1/admin/undo"),
        404,
        "there is nothing that you can undo",
    );
}
