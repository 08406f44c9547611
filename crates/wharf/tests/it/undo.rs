//! What was removed is taken back, over the wire and across ends of the process.

mod moments;

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use wharf_testkit::http::{Request, Response, delete, get, put};
use wharf_testkit::{Gateway, Spawn, protobuf, until};

use crate::{WHARF, loaded, refused, wharf};

fn on(folder: &Path) -> Spawn {
    wharf()
        .arg(format!("--storage.path={}", folder.display()))
        .args(["--web.enable-admin-api", "--web.enable-openmetrics"])
}

fn answered(gateway: &Gateway, request: &Request, status: u16) -> Response {
    let answer = gateway.send(request);
    assert_eq!(answer.status, status, "{request}: {}", answer.text());
    answer
}

fn data(gateway: &Gateway, request: &Request) -> Value {
    answered(gateway, request, 200).json()["data"].clone()
}

/// The number and the end in the headers of a deletion.
fn receipt(answer: &Response) -> (u64, String) {
    let header = |name: &str| answer.header(name).unwrap().to_owned();
    (
        header("Wharf-Undo-Id").parse().unwrap(),
        header("Wharf-Undo-Until"),
    )
}

fn undo(id: u64) -> Request {
    put(&format!("/api/v1/admin/undo?id={id}"))
}

/// Groups of every kind.
fn fill(gateway: &Gateway) {
    gateway.replace(
        "/metrics/job/a",
        "# HELP m help\n# TYPE m gauge\nm 1\n# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 3\nh_count 2\n",
    );
    gateway.push("/metrics/job/a/instance/i?ttl=10h", "n{x=\"1\"} NaN\n");
    let openmetrics = "# TYPE c counter\nc_total 5 # {trace=\"x\"} 1 1\nc_created 7\n# EOF\n";
    let push =
        put("/metrics/job/exemplars").header("Content-Type", "application/openmetrics-text; version=1.0.0");
    answered(gateway, &push.body(openmetrics), 200);
    let native = protobuf::delimited(&[protobuf::native_histogram("nh")]);
    let push = put("/metrics/job/native").header("Content-Type", protobuf::CONTENT_TYPE);
    answered(gateway, &push.body(native), 200);
}

/// All that a gateway shows of its groups, in every format, and what a backup has.
fn shown(gateway: &Gateway) -> Vec<(String, Vec<u8>)> {
    let accepts = [
        "text/plain;version=0.0.4",
        "application/openmetrics-text;version=1.0.0",
        "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
    ];
    let scrapes = accepts.map(|accept| {
        // Without the gateway's own metrics, which go on.
        let request = get("/metrics?match[]=%7Bjob%21=%22none%22%7D").header("Accept", accept);
        (accept.to_owned(), answered(gateway, &request, 200).body.clone())
    });
    let export = answered(gateway, &get("/api/v1/export"), 200);
    let metrics = answered(gateway, &get("/api/v1/metrics"), 200);
    let others = [("export", export), ("metrics", metrics)];
    let others = others.map(|(name, answer)| (name.to_owned(), answer.body.clone()));
    scrapes.into_iter().chain(others).collect()
}

#[test]
fn what_was_removed_is_taken_back_by_the_id_that_the_answer_has() {
    let gateway = wharf()
        .args(["--web.enable-admin-api", "--web.enable-openmetrics"])
        .start();
    fill(&gateway);
    let before = shown(&gateway);
    // A group by its path, as the Pushgateway has it.
    let deleted = answered(&gateway, &delete("/metrics/job/native"), 202);
    assert_eq!(deleted.body, b"");
    let (id, until) = receipt(&deleted);
    let ends: jiff::Timestamp = until.parse().unwrap();
    let left = ends.duration_since(jiff::Timestamp::now()).as_secs();
    assert!((3000..=3600).contains(&left), "{until}");
    let undone = data(&gateway, &undo(id));
    assert_eq!(
        (&undone["groups"], &undone["complete"]),
        (&json!(1), &json!(true))
    );
    // There was none: nothing was removed.
    let none = answered(&gateway, &delete("/metrics/job/none"), 202);
    assert_eq!(
        (none.header("Wharf-Undo-Id"), none.header("Wharf-Undo-Impossible")),
        (None, None)
    );

    // By the JSON API: a group, a family, what a selector selects.
    for request in [
        delete("/api/v1/groups/job/a"),
        delete("/api/v1/groups/job/a?family=h"),
        delete("/api/v1/groups?match[]=%7Bjob=~%22a%7Cexemplars%22%7D"),
        delete("/api/v1/groups?match[]=%7Bjob=~%22.*%22%7D&family=m"),
    ] {
        let removed = data(&gateway, &request);
        let undone = data(&gateway, &undo(removed["undo"]["id"].as_u64().unwrap()));
        assert_eq!(undone["complete"], true, "{request}: {undone}");
        assert_eq!(undone["kept"]["count"], 0, "{request}: {undone}");
    }
    let none = data(&gateway, &delete("/api/v1/groups/job/none"));
    assert_eq!(none, json!({"deleted": false, "undo": null}));
    assert_eq!(shown(&gateway), before);

    let (id, _) = receipt(&answered(&gateway, &put("/api/v1/admin/wipe"), 202));
    let listed = data(&gateway, &get("/api/v1/admin/removed?limit=1"));
    let newest = &listed["removals"][0];
    assert_eq!(
        (&newest["id"], &newest["kind"], &newest["groups"]),
        (&json!(id), &json!("wipe"), &json!(4))
    );
    assert_eq!(
        (&newest["by"], &newest["undoable"]),
        (&json!("anonymous"), &json!(true))
    );
    assert_eq!(listed["next_before"], json!(id));
    // Without an id, the newest one; first only to see what it would do.
    let dry = data(&gateway, &put("/api/v1/admin/undo?dry_run"));
    assert_eq!(
        (&dry["id"], &dry["groups"], &dry["dry_run"]),
        (&json!(id), &json!(4), &json!(true))
    );
    assert_eq!(data(&gateway, &put("/api/v1/admin/undo"))["groups"], 4);
    assert_eq!(shown(&gateway), before);
    refused(&gateway, &undo(id), 409, &format!("removal {id} was undone at "));
    refused(
        &gateway,
        &undo(u64::MAX),
        404,
        "there is no removal 18446744073709551615 that you can undo",
    );
    refused(
        &gateway,
        &put("/api/v1/admin/undo"),
        404,
        "there is nothing that you can undo",
    );
    let scrape = gateway.send(&get("/metrics")).text();
    for line in [
        "wharf_groups_removed_total{by=\"request\"} 2\n",
        "wharf_groups_removed_total{by=\"selector\"} 3\n",
        "wharf_groups_removed_total{by=\"wipe\"} 4\n",
        "wharf_undos_total 6\n",
        "wharf_undo_removals 0\n",
    ] {
        assert!(scrape.contains(line), "{line}{scrape}");
    }
}

#[test]
fn a_wipe_and_a_kill_at_once_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut gateway = on(folder.path()).start();
    fill(&gateway);
    let before = shown(&gateway);
    let (id, _) = receipt(&answered(&gateway, &put("/api/v1/admin/wipe"), 202));
    gateway.kill();
    gateway.wait();
    let mut gateway = loaded(on(folder.path()));
    assert_eq!(
        gateway.send(&get("/api/v1/groups")).json()["data"]["groups"],
        json!([])
    );
    let undone = data(&gateway, &undo(id));
    assert_eq!(
        (&undone["groups"], &undone["complete"]),
        (&json!(4), &json!(true))
    );
    assert_eq!(shown(&gateway), before);
    // An orderly end writes a checkpoint, and the next start has only the archive to go by.
    let (id, _) = receipt(&answered(&gateway, &put("/api/v1/admin/wipe"), 202));
    gateway.terminate();
    assert_eq!(gateway.wait().code, Some(0));
    let gateway = loaded(on(folder.path()));
    assert_eq!(data(&gateway, &undo(id))["groups"], 4);
    assert_eq!(shown(&gateway), before);
    // Tools look at the folder as before.
    drop(gateway);
    let check = Command::new(WHARF)
        .args(["ledger", "check"])
        .arg(folder.path())
        .output()
        .unwrap();
    assert!(check.status.success(), "{check:?}");
}

#[test]
fn a_group_that_was_pushed_since_stays_as_it_is_and_is_named() {
    let gateway = wharf().arg("--web.enable-admin-api").start();
    gateway.push("/metrics/job/a", "m 1\n");
    gateway.push("/metrics/job/b", "m 2\n");
    let (id, _) = receipt(&answered(&gateway, &put("/api/v1/admin/wipe"), 202));
    gateway.push("/metrics/job/a", "m 77\n");
    let undone = data(&gateway, &undo(id));
    assert_eq!(
        (&undone["groups"], &undone["kept"]),
        (&json!(1), &json!({"count": 1, "groups": [{"job": "a"}]}))
    );
    let scrape = gateway.send(&get("/metrics")).text();
    assert!(scrape.contains("m{instance=\"\",job=\"a\"} 77\n"), "{scrape}");
    assert!(scrape.contains("m{instance=\"\",job=\"b\"} 2\n"), "{scrape}");
}

#[test]
fn in_memory_removals_are_kept_until_the_end_and_that_is_said() {
    let gateway = wharf().arg("--storage.path=").start();
    gateway.push("/metrics/job/a", "m 1\n");
    let (id, _) = receipt(&answered(&gateway, &delete("/metrics/job/a"), 202));
    let kept = data(&gateway, &get("/api/v1/admin/removed"))["kept"].clone();
    assert_eq!(
        (&kept["survives_restart"], &kept["max_bytes"]),
        (&json!(false), &json!(268_435_456))
    );
    assert_eq!(data(&gateway, &undo(id))["groups"], 1);
}

#[test]
fn what_is_not_kept_is_said_to_be_gone() {
    let folder = tempfile::tempdir().unwrap();
    let mut gateway = on(folder.path()).start();
    gateway.push("/metrics/job/a", "m 1\n");
    let (id, _) = receipt(&answered(&gateway, &delete("/metrics/job/a"), 202));
    until("the entry", || {
        let removed = std::fs::read_dir(folder.path().join("removed")).ok()?;
        removed
            .flatten()
            .any(|file| file.metadata().is_ok_and(|file| file.len() > 64))
            .then_some(())
    });
    gateway.kill();
    gateway.wait();
    // Off: what was kept goes.
    for off in ["--undo.max-age=0", "--undo.max-bytes=0"] {
        let mut gateway = loaded(on(folder.path()).arg(off));
        assert_eq!(
            std::fs::read_dir(folder.path().join("removed")).unwrap().count(),
            0,
            "{off}"
        );
        gateway.push("/metrics/job/b", "m 1\n");
        let deleted = answered(&gateway, &delete("/metrics/job/b"), 202);
        assert_eq!(deleted.header("Wharf-Undo-Id"), None);
        let why = "nothing that is removed is kept (--undo.max-age, --undo.max-bytes)";
        assert_eq!(deleted.header("Wharf-Undo-Impossible"), Some(why));
        assert_eq!(data(&gateway, &get("/api/v1/admin/removed"))["kept"], Value::Null);
        refused(&gateway, &undo(id), 404, "there is no removal");
        refused(
            &gateway,
            &put("/api/v1/admin/undo"),
            404,
            "there is nothing that you can undo: nothing that is removed is kept",
        );
        gateway.terminate();
        gateway.wait();
    }
    let gateway = loaded(on(folder.path()).arg("--undo.max-bytes=10000"));
    let lines: Vec<String> = (0..1000).map(|at| format!("m{{number=\"{at}\"}} 1\n")).collect();
    let body = lines.concat();
    gateway.push("/metrics/job/a", &body);
    let removed = data(&gateway, &delete("/api/v1/groups/job/a"));
    assert_eq!(
        removed["undo"],
        json!({"impossible": "it is larger than --undo.max-bytes=10000"})
    );
}

#[test]
fn damaged_files_of_removals_are_named_and_stop_no_start() {
    let folder = tempfile::tempdir().unwrap();
    let mut gateway = on(folder.path()).start();
    gateway.push("/metrics/job/a", "m 1\n");
    answered(&gateway, &delete("/metrics/job/a"), 202);
    gateway.terminate();
    gateway.wait();
    let files = std::fs::read_dir(folder.path().join("removed")).unwrap();
    for file in files.flatten() {
        std::fs::write(file.path(), b"no archive").unwrap();
    }
    let gateway = loaded(on(folder.path()));
    gateway.log_line("some of what was removed cannot be undone");
    assert_eq!(
        data(&gateway, &get("/api/v1/admin/removed"))["removals"],
        json!([])
    );
    gateway.push("/metrics/job/a", "m 1\n");
    let (id, _) = receipt(&answered(&gateway, &delete("/metrics/job/a"), 202));
    assert_eq!(data(&gateway, &undo(id))["groups"], 1);
}
