//! What one replica has removed is taken back by another.

use std::process::Command;

use serde_json::{Value, json};
use wharf_testkit::http::{delete, get, put};
use wharf_testkit::{Etcd, Gateway, until};

use super::{QUICK, agreed, pushed, replica, stop};
use crate::{WHARF, loaded};

fn removals(gateway: &Gateway) -> Value {
    let answer = gateway.send(&get("/api/v1/admin/removed"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["data"].clone()
}

#[test]
fn what_one_replica_has_removed_another_takes_back() {
    let Some(etcd) = Etcd::start(1, QUICK) else { return };
    let (a, b) = (loaded(replica(&etcd, "a")), loaded(replica(&etcd, "b")));
    for job in ["x", "y", "z"] {
        a.replace(
            &format!("/metrics/job/{job}"),
            "# HELP m help\n# TYPE m counter\nm 1\nn 2\n",
        );
    }
    let before = agreed(&[&a, &b]);
    let gone = a.send(&delete("/metrics/job/x"));
    assert_eq!(gone.status, 202);
    let id: u64 = gone.header("Wharf-Undo-Id").unwrap().parse().unwrap();
    assert!(gone.header("Wharf-Undo-Until").is_some());
    let nothing = a.send(&delete("/metrics/job/x"));
    assert_eq!(
        nothing.header("Wharf-Undo-Id"),
        None,
        "there was nothing any more"
    );
    let listed = until("the removal at the other replica", || {
        let listed = removals(&b);
        (listed["removals"][0]["id"] == id).then_some(listed)
    });
    assert_eq!(listed["kept"]["survives_restart"], true);
    let removal = &listed["removals"][0];
    assert_eq!(removal["kind"], "group");
    assert_eq!(
        (&removal["groups"], &removal["undoable"]),
        (&json!(1), &json!(true))
    );
    let named = b.send(&get(&format!("/api/v1/admin/removed?id={id}")));
    assert!(named.text().contains("{\"job\":\"x\"}"), "{}", named.text());

    // What was pushed since stays.
    b.replace("/metrics/job/x", "# TYPE m counter\nm 7\n");
    let undone = b.send(&put(&format!("/api/v1/admin/undo?id={id}&dry_run=true")));
    assert_eq!(
        undone.json()["data"]["kept"]["groups"][0]["job"],
        "x",
        "{}",
        undone.text()
    );
    assert!(pushed(&b).contains("m{instance=\"\",job=\"x\"} 7\n"));
    assert_eq!(b.send(&delete("/metrics/job/x")).status, 202);
    let undone = b.send(&put(&format!("/api/v1/admin/undo?id={id}")));
    assert_eq!(undone.status, 200, "{}", undone.text());
    assert_eq!(agreed(&[&a, &b]), before);
    let again = a.send(&put(&format!("/api/v1/admin/undo?id={id}")));
    assert_eq!(again.status, 409, "{}", again.text());

    // A wipe, taken back by a command, after a restart of everybody.
    let wiped = b.send(&put("/api/v1/admin/wipe"));
    assert_eq!(wiped.status, 202);
    assert!(wiped.header("Wharf-Undo-Id").is_some(), "{}", wiped.text());
    assert_eq!(agreed(&[&a, &b]), "");
    stop(a);
    stop(b);
    let a = loaded(replica(&etcd, "a"));
    let undo = Command::new(WHARF)
        .args(["undo", &format!("--gateway=http://{}", a.address())])
        .output()
        .unwrap();
    assert!(undo.status.success(), "{}", String::from_utf8_lossy(&undo.stderr));
    assert_eq!(pushed(&a), before);
}

#[test]
fn a_deletion_by_selector_or_of_a_family_is_taken_back_too() {
    let Some(etcd) = Etcd::start(1, QUICK) else { return };
    let (a, b) = (loaded(replica(&etcd, "a")), loaded(replica(&etcd, "b")));
    for number in 0..200 {
        a.replace(&format!("/metrics/job/x/number/{number}"), "m 1\nn 2\n");
    }
    let before = agreed(&[&a, &b]);
    let family = a.send(&delete("/api/v1/groups/job/x/number/7?family=m"));
    assert_eq!(family.status, 200, "{}", family.text());
    let selected = b.send(&delete("/api/v1/groups?match[]=%7Bjob%3D%22x%22%7D"));
    assert_eq!(selected.status, 200, "{}", selected.text());
    assert_eq!(agreed(&[&a, &b]), "");
    let (family, selected) = (
        &family.json()["data"]["undo"]["id"],
        &selected.json()["data"]["undo"]["id"],
    );
    let undo = |id: &Value| {
        let undone = a.send(&put(&format!("/api/v1/admin/undo?id={id}")));
        assert_eq!(undone.status, 200, "{}", undone.text());
        undone.json()["data"].clone()
    };
    assert_eq!(undo(selected)["groups"], 200);
    assert_eq!(undo(family)["groups"], 1);
    assert_eq!(agreed(&[&a, &b]), before);
}

#[test]
fn a_replica_that_keeps_nothing_says_so() {
    let Some(etcd) = Etcd::start(1, QUICK) else { return };
    let a = loaded(replica(&etcd, "a").arg("--undo.max-age=0"));
    a.replace("/metrics/job/x", "m 1\n");
    let gone = a.send(&delete("/metrics/job/x"));
    let why = gone.header("Wharf-Undo-Impossible").unwrap_or_default();
    assert!(why.contains("--undo.max-age"), "{why}");
    assert_eq!(removals(&a)["kept"], Value::Null);
}
