//! Several gateways that share their groups in a real etcd.

mod scrapes;
mod undo;

use std::fmt::Write as _;
use std::process::Command;

use serde_json::Value;
use wharf_testkit::http::{delete, get, post, put};
use wharf_testkit::{Etcd, Gateway, Spawn, until};

use crate::{WHARF, loaded, refused, wharf};

/// No power is cut here.
const QUICK: &[&str] = &["--unsafe-no-fsync"];

fn replica(etcd: &Etcd, name: &str) -> Spawn {
    wharf()
        .arg(format!("--storage.etcd={}", etcd.urls().join(",")))
        .arg(format!("--replica.name={name}"))
        .arg("--web.enable-admin-api")
}

/// What was pushed, as a scrape shows it: without the gateway's own families.
fn pushed(gateway: &Gateway) -> String {
    let answer = gateway.send(&get("/metrics?match[]=%7B%7D"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.text()
}

/// Waits until all show the same, and says what.
#[track_caller]
fn agreed(replicas: &[&Gateway]) -> String {
    until("replicas that show the same", || {
        let mut all = replicas.iter().map(|replica| pushed(replica));
        let first = all.next()?;
        all.all(|other| other == first).then_some(first)
    })
}

/// So many series with names and numbers that look random: they hardly become shorter.
fn hardly_compressible(series: u64) -> String {
    (0..series).fold(String::new(), |mut body, index| {
        let value = index.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        writeln!(body, "m{{l=\"{value:016x}\"}} {value}").unwrap();
        body
    })
}

fn standing(gateway: &Gateway) -> Value {
    gateway.send(&get("/api/v1/replicas")).json()["data"].clone()
}

fn stop(mut gateway: Gateway) {
    gateway.terminate();
    let exit = gateway.wait();
    assert_eq!(exit.code, Some(0), "{}", exit.stderr);
}

#[test]
fn what_one_replica_takes_all_show_and_whoever_pushed_reads_it_at_once() {
    let Some(etcd) = Etcd::start(1, QUICK) else { return };
    let (a, b) = (loaded(replica(&etcd, "a")), loaded(replica(&etcd, "b")));
    a.replace("/metrics/job/x", "# TYPE m counter\nm 1\nn{l=\"1\"} 2\n");
    assert!(pushed(&a).contains("m{instance=\"\",job=\"x\"} 1\n"));
    b.push("/metrics/job/x", "n{l=\"2\"} 3\n");
    b.push("/metrics/job/y", "# TYPE m counter\nm 4\n");
    assert_eq!(
        b.send(&post("/metrics/job/z").body("m{job=\"x\"} 5 1\n")).status,
        400
    );
    let shown = agreed(&[&a, &b]);
    for line in [
        "# TYPE m counter\n",
        "m{instance=\"\",job=\"x\"} 1\n",
        "n{instance=\"\",job=\"x\",l=\"2\"} 3\n",
        "m{instance=\"\",job=\"y\"} 4\n",
    ] {
        assert!(shown.contains(line), "{line} is not in\n{shown}");
    }
    // POST replaces the families that it brings.
    assert!(!shown.contains("l=\"1\""), "{shown}");
    // What contradicts the other replica's push is refused as ever.
    refused(
        &b,
        &put("/metrics/job/w").body("# TYPE m gauge\nm 1\n"),
        400,
        "pushed metrics are invalid or inconsistent with existing metrics",
    );
    assert_eq!(a.send(&delete("/metrics/job/y")).status, 202);
    until("the deletion at the other replica", || {
        (!pushed(&b).contains("job=\"y\"")).then_some(())
    });
    assert_eq!(b.send(&put("/api/v1/admin/wipe")).status, 202);
    assert_eq!(pushed(&b), "");
    assert_eq!(agreed(&[&a, &b]), "");
    stop(a);
    stop(b);
}

#[test]
fn a_replica_that_starts_has_everything_and_one_that_was_killed_loses_nothing() {
    let Some(etcd) = Etcd::start(1, QUICK) else { return };
    let mut a = loaded(replica(&etcd, "a"));
    a.replace("/metrics/job/x", "m 1\n");
    a.kill();
    a.wait();
    let (a, b) = (loaded(replica(&etcd, "a")), loaded(replica(&etcd, "b")));
    assert!(agreed(&[&a, &b]).contains("m{instance=\"\",job=\"x\"} 1\n"));
    let groups = b.send(&get("/api/v1/groups")).json();
    assert_eq!(groups["data"]["groups"].as_array().unwrap().len(), 1);
}

#[test]
fn replicas_are_listed_and_one_that_ends_is_gone_at_once() {
    let Some(etcd) = Etcd::start(1, QUICK) else { return };
    let a = loaded(replica(&etcd, "a").arg("--replica.address=http://a.example:9091"));
    let b = loaded(replica(&etcd, "b"));
    let both = until("both replicas", || {
        let data = standing(&b);
        (data["replicas"].as_array().unwrap().len() == 2).then_some(data)
    });
    assert_eq!(both["engine"], "etcd");
    let replicas = both["replicas"].as_array().unwrap();
    assert_eq!(replicas[0]["name"], "a");
    assert_eq!(replicas[0]["address"], "http://a.example:9091");
    assert_eq!(replicas[0]["self"], false);
    assert_eq!(replicas[1]["self"], true);
    assert!(replicas[0]["clock_offset_seconds"].as_f64().unwrap().abs() < 60.0);
    let sweepers = replicas
        .iter()
        .filter(|replica| replica["expires_groups"] == true);
    assert_eq!(sweepers.count(), 1, "{both}");
    let own = b.scrape();
    for (name, value) in [
        ("wharf_replicas", "2"),
        ("wharf_replica_up", "1"),
        ("wharf_replica_config_differs", "0"),
    ] {
        assert_eq!(own.value(name, &[]), Some(value), "{name}");
    }
    let stats = b.send(&get("/api/v1/stats")).json();
    assert_eq!(stats["data"]["storage"]["engine"], "etcd");
    assert_eq!(stats["data"]["storage"]["state"], "ok");
    assert_eq!(stats["data"]["storage"]["durable"], true);
    stop(a);
    until("the end of a replica", || {
        (standing(&b)["replicas"].as_array().unwrap().len() == 1).then_some(())
    });
}

#[test]
fn two_replicas_of_one_name_are_told() {
    let Some(etcd) = Etcd::start(1, QUICK) else { return };
    let first = loaded(replica(&etcd, "same"));
    let second = loaded(replica(&etcd, "same"));
    first.log_line("another gateway has the name of this replica");
    second.log_line("another gateway has the name of this replica");
}

#[test]
fn a_gateway_that_is_alone_lists_no_replicas() {
    let gateway = loaded(wharf().arg("--storage.path="));
    let alone = standing(&gateway);
    assert_eq!(alone["engine"], Value::Null);
    assert_eq!(alone["replicas"], Value::Array(Vec::new()));
    refused(
        &gateway,
        &get("/api/v1/replicas?x=1"),
        400,
        "expected no parameter",
    );
}

#[test]
fn a_replica_that_has_lost_etcd_shows_what_it_has_refuses_pushes_and_comes_back() {
    let Some(mut etcd) = Etcd::start(1, QUICK) else {
        return;
    };
    let a = loaded(replica(&etcd, "a").arg("--replica.max-lag=2s"));
    a.replace("/metrics/job/x", "m 1\n");
    etcd.kill(0);
    let refusal = a.send(&put("/metrics/job/x").body("m 2\n"));
    assert_eq!(refusal.status, 503, "{}", refusal.text());
    assert!(refusal.header("Retry-After").is_some());
    let ready = until("a replica that is not ready", || {
        let ready = a.send(&get("/-/ready"));
        (ready.status == 503).then_some(ready)
    });
    assert!(
        ready.text().contains("nothing has been heard from etcd for"),
        "{}",
        ready.text()
    );
    assert_eq!(a.send(&get("/-/healthy")).status, 200);
    assert!(pushed(&a).contains("m{instance=\"\",job=\"x\"} 1\n"));
    let lag = a.scrape().value("wharf_replica_lag_seconds", &[]).map(str::parse);
    assert!(lag.unwrap().is_ok_and(|lag: f64| lag > 2.0));
    etcd.restart(0);
    until("a replica that is ready again", || {
        (a.send(&get("/-/ready")).status == 200).then_some(())
    });
    a.replace("/metrics/job/x", "m 3\n");
    assert!(pushed(&a).contains("m{instance=\"\",job=\"x\"} 3\n"));
}

#[test]
fn groups_expire_once_for_all_replicas() {
    let Some(etcd) = Etcd::start(1, QUICK) else { return };
    let (a, b) = (loaded(replica(&etcd, "a")), loaded(replica(&etcd, "b")));
    b.send(&put("/metrics/job/x?ttl=1s").body("m 1\n"));
    b.replace("/metrics/job/y", "m 1\n");
    let left = until("the end of a group", || {
        let shown = pushed(&a);
        (!shown.contains("job=\"x\"")).then_some(shown)
    });
    assert!(left.contains("job=\"y\""), "{left}");
    assert_eq!(agreed(&[&a, &b]), left);
    until("one replica that has counted it", || {
        let counted = [&a, &b].map(|gateway| {
            let scrape = gateway.scrape();
            let counted = scrape.value("wharf_groups_expired_total", &[("kept_times", "false")]);
            counted.and_then(|value| value.parse::<f64>().ok())
        });
        (counted.iter().flatten().sum::<f64>() >= 1.0).then_some(())
    });
}

#[test]
fn settings_that_change_what_is_stored_are_compared_and_the_newest_count() {
    let Some(etcd) = Etcd::start(1, QUICK) else { return };
    let a = loaded(replica(&etcd, "a").arg("--replica.max-config-skew=1s"));
    let b = loaded(replica(&etcd, "b").arg("--push.instance-label=omit"));
    let differs = until("settings that differ", || {
        let data = standing(&a);
        (!data["config_differs"].is_null()).then_some(data)
    });
    assert_eq!(
        differs["config_differs"]["settings"],
        serde_json::json!(["--push.instance-label"])
    );
    assert_eq!(standing(&b)["config_differs"], Value::Null);
    let ready = until("a replica that is not ready", || {
        let ready = a.send(&get("/-/ready"));
        (ready.status == 503).then_some(ready)
    });
    assert!(ready.text().contains("--push.instance-label"), "{}", ready.text());
    // It goes on all the same.
    a.replace("/metrics/job/x", "m 1\n");
    stop(a);
    let a = loaded(replica(&etcd, "a").arg("--push.instance-label=omit"));
    assert_eq!(standing(&a)["config_differs"], Value::Null);
    // Those of somebody who was there for a while bind nobody any more.
    let guest = loaded(replica(&etcd, "guest"));
    until("settings that differ", || {
        (!standing(&a)["config_differs"].is_null()).then_some(())
    });
    stop(guest);
    until("settings that are in force again", || {
        standing(&a)["config_differs"].is_null().then_some(())
    });
}

#[test]
fn pushes_wait_while_etcd_is_full_deletes_go_on_and_it_heals_by_itself() {
    let Some(etcd) = Etcd::start(1, &["--unsafe-no-fsync", "--quota-backend-bytes=8388608"]) else {
        return;
    };
    let a = loaded(replica(&etcd, "a"));
    let body = hardly_compressible(4000);
    let refusal = until("a full etcd", || {
        let answer = a.send(&put("/metrics/job/large").body(body.as_str()));
        (answer.status != 200).then_some(answer)
    });
    assert_eq!(refusal.status, 503, "{}", refusal.text());
    assert!(refusal.text().contains("space exceeded"), "{}", refusal.text());
    assert_eq!(a.send(&get("/-/ready")).status, 200);
    let problems = a.send(&get("/api/v1/stats")).json();
    assert_eq!(problems["data"]["storage"]["state"], "failed");
    assert_eq!(a.send(&delete("/metrics/job/large")).status, 202);
    until("the end of a group", || {
        (!pushed(&a).contains("job=\"large\"")).then_some(())
    });
    let revision = standing(&a)["revision"].as_u64().unwrap().to_string();
    etcd.control(&["compact", &revision]);
    etcd.control(&["defrag"]);
    etcd.control(&["alarm", "disarm"]);
    until("a push that is stored", || {
        (a.send(&put("/metrics/job/x").body("m 1\n")).status == 200).then_some(())
    });
    assert_eq!(
        a.send(&get("/api/v1/stats")).json()["data"]["storage"]["state"],
        "ok"
    );
}

#[test]
fn a_group_that_is_too_large_for_etcd_is_refused_with_the_limit() {
    let Some(etcd) = Etcd::start(1, QUICK) else { return };
    let a = loaded(replica(&etcd, "a"));
    let body = hardly_compressible(200_000);
    refused(&a, &put("/metrics/job/large").body(body), 413, "");
    assert_eq!(pushed(&a), "");
    a.replace("/metrics/job/x", "m 1\n");
}

#[test]
fn history_that_etcd_has_forgotten_is_no_gap() {
    let Some(etcd) = Etcd::start(1, QUICK) else { return };
    let (a, b) = (loaded(replica(&etcd, "a")), loaded(replica(&etcd, "b")));
    a.replace("/metrics/job/x", "m 1\n");
    a.replace("/metrics/job/gone", "m 1\n");
    agreed(&[&a, &b]);
    b.pause();
    assert_eq!(a.send(&delete("/metrics/job/gone")).status, 202);
    a.replace("/metrics/job/x", "m 2\n");
    let revision = standing(&a)["revision"].as_u64().unwrap().to_string();
    etcd.control(&["compact", &revision]);
    b.resume();
    let shown = agreed(&[&a, &b]);
    assert!(
        shown.contains("m{instance=\"\",job=\"x\"} 2\n") && !shown.contains("gone"),
        "{shown}"
    );
}

#[test]
fn what_cannot_become_better_ends_the_start_and_what_can_is_waited_for() {
    let Some(mut etcd) = Etcd::start(1, QUICK) else {
        return;
    };
    let wrong = |arguments: &[&str], text: &str| {
        let exit = wharf().args(arguments).run();
        assert_eq!(exit.code, Some(1), "{}", exit.stderr);
        assert!(exit.stderr.contains(text), "{}", exit.stderr);
    };
    wrong(
        &["--storage.etcd=127.0.0.1:2379"],
        "it has no http:// or https:// before it",
    );
    wrong(
        &["--storage.etcd=http://127.0.0.1:1", "--storage.sync=100ms"],
        "etcd decides when a push is safe",
    );
    wrong(
        &["--storage.etcd=http://127.0.0.1:1", "--persistence.file=f"],
        "`wharf import` brings what it has",
    );
    wrong(
        &["--storage.etcd-user=u"],
        "expected --storage.etcd beside --storage.etcd-user, found none",
    );
    wrong(
        &["--storage.etcd=http://127.0.0.1:1", "--storage.etcd-user=u"],
        "expected both --storage.etcd-user and --storage.etcd-password-file",
    );
    // A folder that has groups.
    let folder = tempfile::tempdir().unwrap();
    let on_disk = loaded(wharf().arg(format!("--storage.path={}", folder.path().display())));
    on_disk.replace("/metrics/job/x", "m 1\n");
    stop(on_disk);
    let exit = replica(&etcd, "a")
        .arg(format!("--storage.path={}", folder.path().display()))
        .run_until("all groups have been loaded")
        .unwrap();
    assert!(
        exit.stderr.contains("expected a folder without groups"),
        "{}",
        exit.stderr
    );
    // Nobody there.
    etcd.kill(0);
    let waiting = replica(&etcd, "a").start();
    waiting.log_line("etcd cannot be used yet");
    assert_eq!(waiting.send(&get("/-/ready")).status, 503);
    refused(&waiting, &put("/metrics/job/x").body("m 1\n"), 503, "");
    etcd.restart(0);
    until("a replica that is ready", || {
        (waiting.send(&get("/-/ready")).status == 200).then_some(())
    });
    waiting.replace("/metrics/job/x", "m 1\n");
}

#[test]
fn where_etcd_is_may_stand_in_the_configuration_file_and_flags_go_first() {
    let Some(etcd) = Etcd::start(1, QUICK) else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("wharf.yml");
    let rules = |endpoint: &str| {
        let text = format!("etcd:\n  endpoints: [{endpoint}]\n  prefix: /of-file\n");
        std::fs::write(&file, text).unwrap();
    };
    rules(&etcd.urls()[0]);
    let with_file = || wharf().arg(format!("--config.file={}", file.display()));
    let a = loaded(with_file().arg("--replica.name=a"));
    a.replace("/metrics/job/x", "m 1\n");
    assert!(
        etcd.control(&["get", "--prefix", "--keys-only", "/of-file/r/"])
            .contains("/of-file/r/a")
    );
    // A flag, or a variable, goes before the file.
    rules("http://127.0.0.1:1");
    let b = loaded(
        with_file()
            .arg("--replica.name=b")
            .arg("--storage.etcd-prefix=/of-flag/")
            .within(["env".to_owned(), format!("WHARF_STORAGE_ETCD={}", etcd.urls()[0])]),
    );
    assert_eq!(pushed(&b), "");
    rules("127.0.0.1:2379");
    let exit = with_file().run();
    assert_eq!(exit.code, Some(1), "{}", exit.stderr);
    assert!(exit.stderr.contains("line 2, column 15"), "{}", exit.stderr);
}

#[test]
fn with_a_folder_of_its_own_a_replica_keeps_its_history() {
    let Some(etcd) = Etcd::start(1, QUICK) else { return };
    let folder = tempfile::tempdir().unwrap();
    let with_folder = || replica(&etcd, "a").arg(format!("--storage.path={}", folder.path().display()));
    let history = |gateway: &Gateway| {
        let answer = gateway.send(&get("/api/v1/groups/job/x/history")).json();
        answer["data"]["pushes"].as_array().map_or(0, Vec::len)
    };
    let a = loaded(with_folder());
    a.replace("/metrics/job/x", "m 1\n");
    a.replace("/metrics/job/x", "m 2\n");
    until("a history of two pushes", || (history(&a) == 2).then_some(()));
    stop(a);
    let a = loaded(with_folder());
    until("the history of before", || (history(&a) == 2).then_some(()));
}

#[test]
fn every_replica_has_the_history_of_every_push() {
    let Some(etcd) = Etcd::start(1, QUICK) else { return };
    let (a, b) = (loaded(replica(&etcd, "a")), loaded(replica(&etcd, "b")));
    a.replace("/metrics/job/x", "m 1\n");
    b.push("/metrics/job/x", "m 2\n");
    for replica in [&a, &b] {
        let methods = until("two pushes in the history", || {
            let answer = replica.send(&get("/api/v1/groups/job/x/history")).json();
            let pushes = answer["data"]["pushes"].as_array()?.clone();
            (pushes.len() == 2).then_some(pushes)
        });
        let methods: Vec<&str> = methods
            .iter()
            .map(|push| push["method"].as_str().unwrap())
            .collect();
        assert_eq!(methods, ["PUT", "POST"]);
    }
}

#[test]
fn when_a_member_goes_pushes_go_on() {
    let Some(mut etcd) = Etcd::start(3, QUICK) else {
        return;
    };
    let (a, b) = (loaded(replica(&etcd, "a")), loaded(replica(&etcd, "b")));
    for member in 0..3 {
        a.replace("/metrics/job/x", &format!("m {member}\n"));
        etcd.kill(member);
        let path = format!("/metrics/job/y{member}");
        for gateway in [&a, &b] {
            until("a push without the member", || {
                (gateway.send(&put(&path).body("n 1\n")).status == 200).then_some(())
            });
        }
        etcd.restart(member);
    }
    let shown = agreed(&[&a, &b]);
    assert!(shown.contains("m{instance=\"\",job=\"x\"} 2\n"), "{shown}");
    assert_eq!(shown.matches("\nn{").count(), 3, "{shown}");
}

#[test]
fn groups_move_from_a_folder_that_is_in_use_into_etcd_and_from_there_into_another() {
    let Some(etcd) = Etcd::start(1, QUICK) else { return };
    let folders = tempfile::tempdir().unwrap();
    let (old, new) = (folders.path().join("old"), folders.path().join("new"));
    let copy = |from: &str, to: &str| {
        let output = Command::new(WHARF)
            .args(["ledger", "copy", from, to])
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stdout).into_owned() + &told,
        )
    };
    let (old_path, new_path) = (old.display().to_string(), new.display().to_string());
    let alone = loaded(wharf().arg(format!("--storage.path={old_path}")));
    alone.replace("/metrics/job/x", "# TYPE m counter\nm 1\n");
    assert_eq!(
        alone.send(&put("/metrics/job/y?ttl=1h").body("n 2\n")).status,
        200
    );
    alone.replace("/metrics/job/there", "old 1\n");
    let a = loaded(replica(&etcd, "a"));
    a.replace("/metrics/job/there", "new 1\n");
    let url = &etcd.urls()[0];
    let (code, told) = copy(&old_path, url);
    assert_eq!(
        (code, told.as_str()),
        (
            Some(0),
            "copied 2 groups into etcd\nleft as they were: 1 group that etcd had already\n"
        )
    );
    let shown = until("what was copied", || {
        let shown = pushed(&a);
        shown.contains("job=\"y\"").then_some(shown)
    });
    assert!(shown.contains("new{instance=\"\",job=\"there\"} 1\n"), "{shown}");
    assert!(!shown.contains("old{"), "{shown}");
    let (code, told) = copy(url, &new_path);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.starts_with("copied 3 groups with"), "{told}");
    let again = loaded(wharf().arg(format!("--storage.path={new_path}")));
    assert_eq!(pushed(&again), shown);
    let lifetime = |gateway: &Gateway| {
        let group = gateway.send(&get("/api/v1/groups/job/y")).json();
        group["data"]["expires_at"].clone()
    };
    assert!(lifetime(&again).is_string(), "{}", lifetime(&again));
    assert_eq!(lifetime(&again), lifetime(&alone));
    let (code, told) = copy(url, &new_path);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("expected an empty folder"), "{told}");
    let (code, told) = copy(&old_path, &new_path);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("found two folders"), "{told}");
}
