//! What Wharf has acknowledged is there after whatever happens to it.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use wharf_testkit::http::{Connection, delete, get, post, put};
use wharf_testkit::{Gateway, Random, Spawn, Tampering, peers, until};

use crate::{WHARF, gateways, loaded, wharf};

fn on(folder: &Path) -> Spawn {
    wharf().arg(format!("--storage.path={}", folder.display()))
}

/// All groups by their labels, as the JSON API lists them.
fn listed(gateway: &Gateway) -> BTreeMap<String, Value> {
    let answer = gateway.send(&get("/api/v1/metrics")).json();
    let groups = answer["data"].as_array().unwrap();
    groups
        .iter()
        .map(|group| (group["labels"].to_string(), group.clone()))
        .collect()
}

fn kill(mut gateway: Gateway) {
    gateway.kill();
    gateway.wait();
}

fn stop(mut gateway: Gateway) {
    gateway.terminate();
    assert_eq!(gateway.wait().code, Some(0));
}

/// Pushes of every kind: replaced, added to, refused, deleted, in protobuf and with names beyond ASCII.
fn push_all_kinds(gateway: &Gateway) {
    gateway.replace(
        "/metrics/job/a",
        "# HELP m help\n# TYPE m gauge\nm 1\nn{x=\"1\"} 2\n",
    );
    gateway.push("/metrics/job/a", "m 3\nk 4\n");
    gateway.push(
        "/metrics/job/a/instance/i",
        "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_count 2\n",
    );
    gateway.push("/metrics/job/gone", "m{y=\"1\"} 1\n");
    assert_eq!(gateway.send(&delete("/metrics/job/gone")).status, 202);
    assert_eq!(
        gateway.send(&post("/metrics/job/refused").body("m 1 5\n")).status,
        400
    );
    let native = wharf_testkit::protobuf::delimited(&[wharf_testkit::protobuf::native_histogram("nh")]);
    let push = put("/metrics/job/native").header("Content-Type", wharf_testkit::protobuf::CONTENT_TYPE);
    assert_eq!(gateway.send(&push.body(native)).status, 200);
}

#[test]
fn groups_are_the_same_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = on(folder.path()).start();
    push_all_kinds(&gateway);
    let before = listed(&gateway);
    assert_eq!(before.len(), 4);
    stop(gateway);
    let gateway = loaded(on(folder.path()));
    assert_eq!(listed(&gateway), before);
    stop(gateway);
    let gateway = loaded(on(folder.path()));
    assert_eq!(listed(&gateway), before);
}

#[test]
fn groups_are_the_same_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let mut gateway = on(folder.path()).start();
    push_all_kinds(&gateway);
    let before = listed(&gateway);
    gateway.kill();
    gateway.wait();
    let gateway = loaded(on(folder.path()));
    assert_eq!(listed(&gateway), before);
}

#[test]
fn a_wipe_is_for_good() {
    let folder = tempfile::tempdir().unwrap();
    let mut gateway = on(folder.path()).arg("--web.enable-admin-api").start();
    push_all_kinds(&gateway);
    assert_eq!(gateway.send(&put("/api/v1/admin/wipe")).status, 202);
    gateway.push("/metrics/job/after", "m 1\n");
    gateway.kill();
    gateway.wait();
    assert_eq!(listed(&loaded(on(folder.path()))).len(), 1);
}

#[test]
fn without_a_folder_nothing_is_written() {
    let mut gateway = wharf().arg("--storage.path=").start();
    gateway.push("/metrics/job/a", "m 1\n");
    gateway.log_line("in memory only");
    assert_eq!(std::fs::read_dir(gateway.folder()).unwrap().count(), 0);
    gateway.terminate();
    gateway.wait();
}

/// Wharf, started by a shell that has prepared where it runs.
fn after(script: &str) -> Spawn {
    Spawn::wharf("sh").args(["-c", &format!("{script} exec \"$0\" \"$@\""), WHARF])
}

/// As in a container whose file system is read-only, or with a service manager that starts programs in `/`. The
/// original keeps everything in memory there, so we start as well. In `/proc`, not even root can make a folder.
#[test]
fn without_a_place_for_the_folder_groups_are_in_memory_and_everybody_is_told() {
    for script in [
        "cd /proc;",
        // The folder can be made, and nothing can be written into it.
        "trap '' XFSZ; ulimit -f 0;",
    ] {
        let gateway = after(script).start();
        gateway.log_line("level=error");
        until("it is ready", || {
            (gateway.send(&get("/-/ready")).status == 200).then_some(())
        });
        gateway.push("/metrics/job/a", "m 1\n");
        let scrape = gateway.scrape();
        assert_eq!(scrape.value("m", &[("job", "a"), ("instance", "")]), Some("1"));
        assert_eq!(scrape.value("wharf_storage_durable", &[]), Some("0"));
        let sentence =
            "all groups are in memory only, and gone after a restart: cannot make the folder wharf-data/: ";
        let status = gateway.send(&get("/api/v1/status")).json()["data"].clone();
        assert_eq!(status["storage"]["state"], "memory only");
        assert!(
            status["storage"]["reason"]
                .as_str()
                .unwrap()
                .starts_with(sentence),
            "{status}"
        );
        let problem = &status["problems"][0];
        assert_eq!(problem["name"], "memory");
        // The sentence is the summary, which need not be said twice.
        let cause = problem["detail"].as_str().unwrap();
        assert!(
            cause.starts_with("cannot make the folder wharf-data/: "),
            "{cause}"
        );
        let storage = gateway.send(&get("/api/v1/stats")).json()["data"]["storage"].clone();
        assert_eq!(storage["durable"], false);
        assert_eq!(storage["path"], Value::Null);
        assert!(
            storage["not_durable"].as_str().unwrap().starts_with(sentence),
            "{storage}"
        );
        let log = gateway.log();
        assert_eq!(log.matches("level=error").count(), 1, "{log}");
        // A half-made folder would stop the next start.
        assert_eq!(std::fs::read_dir(gateway.folder()).unwrap().count(), 0);
    }
}

/// Whoever names a folder wants it, and what has the folder's name may be one that has groups.
#[test]
fn a_folder_that_is_named_or_that_is_there_has_to_be_usable() {
    for (script, args) in [
        ("cd /proc;", &["--storage.path=wharf-data/"][..]),
        ("cd /proc;", &["--persistence.file=state"]),
        ("cd /proc; export WHARF_STORAGE_PATH=data;", &[]),
        ("touch wharf-data;", &[]),
        ("ln -s nowhere/at-all wharf-data;", &[]),
        ("ln -s /proc/nowhere wharf-data;", &[]),
        ("mkdir wharf-data; trap '' XFSZ; ulimit -f 0;", &[]),
    ] {
        let exit = after(script)
            .args(args)
            .arg("--web.listen-address=127.0.0.1:0")
            .run();
        assert_eq!(exit.code, Some(1), "{script} {args:?}: {exit:?}");
        assert!(
            exit.stderr.contains("wharf-data") || !args.is_empty() || script.contains("PATH"),
            "{exit:?}"
        );
    }
}

#[test]
fn a_folder_with_groups_stops_the_start_if_it_cannot_be_used() {
    let folder = tempfile::tempdir().unwrap();
    let here = format!("cd {};", folder.path().display());
    let gateway = after(&here).start();
    gateway.push("/metrics/job/a", "m 1\n");
    stop(gateway);
    let blocked = format!("{here} trap '' XFSZ; ulimit -f 0;");
    let exit = after(&blocked).arg("--web.listen-address=127.0.0.1:0").run();
    assert_eq!(exit.code, Some(1), "{exit:?}");
    let gateway = loaded(after(&here));
    let scrape = gateway.scrape();
    assert_eq!(scrape.value("m", &[("job", "a"), ("instance", "")]), Some("1"));
    assert_eq!(scrape.value("wharf_storage_durable", &[]), Some("1"));
}

#[test]
fn a_folder_is_for_one_process() {
    let folder = tempfile::tempdir().unwrap();
    let first = loaded(on(folder.path()));
    let exit = on(folder.path()).arg("--web.listen-address=127.0.0.1:0").run();
    assert_eq!(exit.code, Some(1));
    assert!(exit.stderr.contains("process"), "{}", exit.stderr);
    first.push("/metrics/job/a", "m 1\n");
}

#[test]
fn files_are_private() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("made/for/it");
    let gateway = on(&path).start();
    gateway.push("/metrics/job/a", "m 1\n");
    stop(gateway);
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o700);
    let files: Vec<_> = std::fs::read_dir(&path)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    assert!(!files.is_empty());
    for file in files {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

#[test]
fn the_state_of_the_original_is_taken_over_once() {
    let Some(real) = Spawn::real() else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state");
    let flag = format!("--persistence.file={}", file.display());
    let real = real.arg(&flag).start();
    push_all_kinds(&real);
    let before = listed(&real);
    let mut real = real;
    real.terminate();
    real.wait();
    let bytes = std::fs::read(&file).unwrap();

    let gateway = wharf().arg(&flag).start();
    let imported = listed(&gateway);
    assert_eq!(
        imported.keys().collect::<Vec<_>>(),
        before.keys().collect::<Vec<_>>()
    );
    for (labels, group) in &before {
        for (name, family) in group.as_object().unwrap() {
            let mut found = imported[labels][name].clone();
            let mut family = family.clone();
            for value in [&mut found, &mut family] {
                // A family is sorted once, when it is stored.
                if let Some(metrics) = value.get_mut("metrics").and_then(Value::as_array_mut) {
                    metrics.sort_by_key(Value::to_string);
                }
            }
            assert_eq!(found, family, "{labels} {name}");
        }
    }
    gateway.push("/metrics/job/later", "m{z=\"1\"} 1\n");
    stop(gateway);
    assert_eq!(std::fs::read(&file).unwrap(), bytes, "the file is left as it was");
    assert_eq!(listed(&wharf().arg(&flag).start()).len(), before.len() + 1);
}

#[test]
fn a_state_file_that_cannot_be_read_stops_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state");
    std::fs::write(&file, "garbage").unwrap();
    let flag = format!("--persistence.file={}", file.display());
    let exit = wharf().arg(&flag).arg("--web.listen-address=127.0.0.1:0").run();
    assert_eq!(exit.code, Some(1));
    assert!(exit.stderr.contains("move it away"), "{}", exit.stderr);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "garbage");
    std::fs::remove_file(&file).unwrap();
    assert_eq!(listed(&wharf().arg(&flag).start()).len(), 0);
}

#[test]
fn a_state_file_of_no_bytes_is_an_empty_one() {
    for spawn in gateways() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("state");
        std::fs::write(&file, "").unwrap();
        let gateway = spawn
            .arg(format!("--persistence.file={}", file.display()))
            .start();
        assert_eq!(pushed_lines(&gateway), 0);
        gateway.push("/metrics/job/a", "m 1\n");
        assert_eq!(pushed_lines(&gateway), 1);
    }
}

/// How many series of the metric `m` a scrape has.
fn pushed_lines(gateway: &Gateway) -> usize {
    let scrape = gateway.scrape();
    scrape.samples.iter().filter(|sample| sample.name == "m").count()
}

/// One group's history: the values that were sent, and the last that was acknowledged.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct History {
    /// Value of the last push sent; 0 stands for a delete.
    sent: u64,
    /// Value of the last request that was answered with success.
    acknowledged: u64,
}

/// How often the process is killed: a few times among the other tests, `WHARF_KILLS` times if that is set.
const KILLS: u64 = 12;

#[test]
fn what_was_acknowledged_survives_every_kill() {
    let kills = peers::number_from_environment("WHARF_KILLS").unwrap_or(KILLS);
    let folder = tempfile::tempdir().unwrap();
    let histories: Arc<Mutex<BTreeMap<String, History>>> = Arc::default();
    let mut random = Random::new(7);
    for kill in 0..kills {
        // Small segments and checkpoints, so that kills meet those too.
        let flags = [
            "--storage.segment-bytes=256KiB",
            "--storage.checkpoint-bytes=64KiB",
        ];
        let mut gateway = on(folder.path()).args(flags).start();
        check_histories(&gateway, &histories, kill);
        let address = gateway.address();
        let killed = Arc::new(AtomicBool::new(false));
        let pushers: Vec<_> = (0..4u64)
            .map(|pusher| {
                let (histories, killed) = (Arc::clone(&histories), Arc::clone(&killed));
                let mut random = Random::new(kill * 100 + pusher);
                std::thread::spawn(move || {
                    let Ok(mut connection) = Connection::open(address) else {
                        return;
                    };
                    while !killed.load(Ordering::Relaxed) {
                        let group = format!("/metrics/job/p{pusher}/instance/{}", random.below(20));
                        if !step(&mut connection, &group, &histories, &mut random) {
                            return;
                        }
                    }
                })
            })
            .collect();
        std::thread::sleep(Duration::from_millis(50 + random.below(250) as u64));
        gateway.kill();
        gateway.wait();
        killed.store(true, Ordering::Relaxed);
        for pusher in pushers {
            pusher.join().unwrap();
        }
    }
    let gateway = on(folder.path()).start();
    check_histories(&gateway, &histories, kills);
    let total: u64 = histories
        .lock()
        .unwrap()
        .values()
        .map(|history| history.acknowledged)
        .sum();
    assert!(total > 0);
}

/// One request to a group; false if it was not answered.
fn step(
    connection: &mut Connection,
    group: &str,
    histories: &Mutex<BTreeMap<String, History>>,
    random: &mut Random,
) -> bool {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
    let is_delete = random.one_in(10);
    let value = if is_delete {
        0
    } else {
        NEXT.fetch_add(1, Ordering::Relaxed)
    };
    let body = format!("a {value}\nb{{x=\"{value}\"}} {value}\n");
    let request = match random.below(2) {
        _ if is_delete => delete(group),
        0 => put(group).body(body),
        _ => post(group).body(body),
    };
    histories
        .lock()
        .unwrap()
        .entry(group.to_owned())
        .or_default()
        .sent = value;
    let Ok(answer) = connection.send(&request) else {
        return false;
    };
    assert!(answer.status == 200 || answer.status == 202, "{answer:?}");
    histories
        .lock()
        .unwrap()
        .entry(group.to_owned())
        .or_default()
        .acknowledged = value;
    true
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the values are whole numbers that this test has pushed"
)]
fn whole(value: &str) -> u64 {
    value.parse::<f64>().unwrap() as u64
}

/// Each group is as its last acknowledged request left it, or as the one after that, which nobody answered.
#[track_caller]
fn check_histories(gateway: &Gateway, histories: &Mutex<BTreeMap<String, History>>, kill: u64) {
    let scrape = gateway.scrape();
    for (group, history) in histories.lock().unwrap().iter_mut() {
        let parts: Vec<&str> = group.split('/').collect();
        let labels = [("instance", parts[5]), ("job", parts[3])];
        let value = scrape.value("a", &labels).map_or(0, whole);
        let text = value.to_string();
        let labels = [("instance", parts[5]), ("job", parts[3]), ("x", text.as_str())];
        let other = scrape.value("b", &labels);
        assert_eq!(
            other.is_some(),
            value != 0,
            "kill {kill}: {group} is torn at {value}"
        );
        assert!(
            value == history.acknowledged || value == history.sent,
            "kill {kill}: {group} has {value} after {history:?}"
        );
        *history = History {
            sent: value,
            acknowledged: value,
        };
    }
}

/// A small disk of its own, if this process may mount one.
pub(crate) struct SmallDisk {
    pub(crate) folder: tempfile::TempDir,
}

impl SmallDisk {
    pub(crate) fn mount(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let options = format!("size={size}");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "none"])
            .arg(folder.path())
            .status();
        mounted
            .is_ok_and(|status| status.success())
            .then_some(Self { folder })
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _unmounted = Command::new("umount").arg("-l").arg(self.folder.path()).status();
    }
}

/// The gateway says to all who ask that it cannot store, and why.
#[track_caller]
fn check_failing(gateway: &Gateway, reason: &str) {
    let refused = gateway.send(&put("/metrics/job/probe").body("probe 1\n"));
    assert_eq!(refused.status, 503);
    assert!(refused.header("Retry-After").is_some());
    assert!(refused.text().contains(reason), "{}", refused.text());
    let unready = gateway.send(&get("/-/ready"));
    assert_eq!((unready.status, unready.text().contains(reason)), (503, true));
    assert_eq!(gateway.send(&get("/-/healthy")).status, 200);
    let status = gateway.send(&get("/api/v1/status")).json();
    assert_eq!(status["data"]["storage"]["state"], "failed", "{status}");
    assert_eq!(gateway.scrape().value("wharf_ledger_up", &[]), Some("0"));
    let line = gateway.log_line("pushes cannot be stored");
    assert!(line.contains(reason), "{line}");
}

/// The gateway has recovered by itself, and says so.
#[track_caller]
fn check_recovered(gateway: &Gateway) {
    until("pushes are taken again", || {
        let push = put("/metrics/job/after").body("m{z=\"1\"} 1\n");
        (gateway.send(&push).status == 200).then_some(())
    });
    assert_eq!(gateway.send(&get("/-/ready")).status, 200);
    assert_eq!(gateway.scrape().value("wharf_ledger_up", &[]), Some("1"));
    gateway.log_line("pushes are stored again");
}

#[test]
fn a_full_disk_refuses_pushes_until_there_is_room_and_loses_nothing() {
    let Some(disk) = SmallDisk::mount("6m") else {
        eprintln!("skipped: no disk may be mounted");
        return;
    };
    let path = disk.folder.path().join("data");
    let flags = [
        "--storage.segment-bytes=512KiB",
        "--storage.checkpoint-bytes=1MiB",
    ];
    let gateway = on(&path).args(flags).start();
    gateway.push("/metrics/job/before", "m 1\n");
    let ballast = disk.folder.path().join("ballast");
    std::fs::write(&ballast, vec![1; 16 << 20]).unwrap_err();

    let mut acknowledged = BTreeMap::new();
    let big = "x".repeat(2000);
    let mut is_refused = false;
    for n in 0..20_000 {
        let path = format!("/metrics/job/full/instance/i{n}");
        let answer = gateway.send(&put(&path).body(format!("n{{pad=\"{big}\"}} {n}\n")));
        is_refused = answer.status != 200;
        if is_refused {
            break;
        }
        acknowledged.insert(format!("i{n}"), n);
    }
    assert!(is_refused, "a disk of 6 MiB cannot take 40 MiB");
    check_failing(&gateway, "No space left on device");
    let count = |gateway: &Gateway| {
        let text = gateway.send(&get("/metrics")).text();
        text.lines().filter(|line| line.starts_with("n{")).count()
    };
    assert_eq!(
        count(&gateway),
        acknowledged.len(),
        "what was refused is not shown"
    );

    std::fs::remove_file(&ballast).unwrap();
    check_recovered(&gateway);
    assert_eq!(count(&gateway), acknowledged.len());
    let before = listed(&gateway);
    kill(gateway);
    assert_eq!(listed(&loaded(on(&path).args(flags))), before);
}

/// All system calls that would change the disk fail, if `strace` may see to it.
fn read_only(gateway: &Gateway) -> Option<Tampering> {
    told(Tampering::read_only(gateway))
}

#[expect(
    clippy::print_stderr,
    reason = "who runs the tests is told what they leave out"
)]
fn told(tampering: Result<Tampering, String>) -> Option<Tampering> {
    tampering.inspect_err(|why| eprintln!("skipped: {why}")).ok()
}

fn tamper(gateway: &Gateway, calls: &[&str], injection: &str) -> Option<Tampering> {
    told(Tampering::start(gateway, calls, injection))
}

#[test]
fn a_read_only_disk_refuses_pushes_until_it_can_be_written_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = loaded(on(folder.path()));
    push_all_kinds(&gateway);
    let before = listed(&gateway);
    let Some(tampering) = read_only(&gateway) else {
        return;
    };
    check_failing(&gateway, "Read-only file system");
    assert_eq!(gateway.send(&delete("/metrics/job/a")).status, 503);
    assert_eq!(listed(&gateway), before, "what was refused is not shown");
    drop(tampering);
    check_recovered(&gateway);
    let before = listed(&gateway);
    kill(gateway);
    assert_eq!(listed(&loaded(on(folder.path()))), before);
}

#[test]
fn pushes_wait_for_a_disk_that_hangs_and_scrapes_do_not() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = loaded(on(folder.path()));
    gateway.push("/metrics/job/before", "before 1\n");
    let Some(tampering) = tamper(&gateway, &["fdatasync"], "delay_enter=60s") else {
        return;
    };
    let address = gateway.address();
    let pusher = std::thread::spawn(move || {
        let push = put("/metrics/job/waiting").body("waiting 1\n");
        Connection::open(address).unwrap().send(&push).unwrap().status
    });
    until("the push to be seen", || {
        gateway
            .scrape()
            .value("waiting", &[("instance", ""), ("job", "waiting")])
            .map(drop)
    });
    assert_eq!(gateway.send(&get("/-/ready")).status, 200);
    assert!(
        !pusher.is_finished(),
        "nothing is acknowledged before it is on disk"
    );
    drop(tampering);
    assert_eq!(pusher.join().unwrap(), 200);
}

#[test]
fn a_last_checkpoint_that_cannot_be_written_is_no_failure_since_the_log_has_everything() {
    let folder = tempfile::tempdir().unwrap();
    let mut gateway = loaded(on(folder.path()));
    push_all_kinds(&gateway);
    let before = listed(&gateway);
    let Some(_tampering) = tamper(&gateway, &["openat"], "error=ENOSPC") else {
        return;
    };
    gateway.terminate();
    let exit = gateway.wait();
    assert_eq!(exit.code, Some(0), "{}", exit.stderr);
    assert!(
        exit.stderr.contains("cannot write the last checkpoint"),
        "{}",
        exit.stderr
    );
    assert_eq!(listed(&loaded(on(folder.path()))), before);
}

#[test]
fn what_the_disk_says_is_said_once() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("lock")).unwrap();
    let exit = on(folder.path()).arg("--web.listen-address=127.0.0.1:0").run();
    assert_eq!(exit.code, Some(1));
    assert_eq!(
        exit.stderr.matches("Is a directory").count(),
        1,
        "{}",
        exit.stderr
    );
}

#[test]
fn a_checkpoint_that_cannot_be_written_is_logged_once_and_tried_again() {
    let parent = tempfile::tempdir().unwrap();
    let (here, elsewhere) = (parent.path().join("data"), parent.path().join("moved"));
    let gateway = loaded(on(&here).arg("--storage.checkpoint-bytes=64KiB"));
    // The files that are open stay what they are; new ones cannot be made.
    std::fs::rename(&here, &elsewhere).unwrap();
    let body = format!("m{{pad=\"{}\"}} 1\n", "x".repeat(1000));
    for _ in 0..200 {
        gateway.push("/metrics/job/a", &body);
    }
    gateway.log_line("cannot write a checkpoint");
    std::fs::rename(&elsewhere, &here).unwrap();
    until("a checkpoint", || {
        let scrape = gateway.scrape();
        (scrape.value("wharf_ledger_checkpoints_total", &[]) != Some("0")).then_some(())
    });
    // That it is said once however often it is tried, the tests of `upkeep.rs` say.
    assert_eq!(gateway.log().matches("cannot write a checkpoint").count(), 1);
}

#[test]
fn requests_are_told_to_wait_while_groups_are_loaded() {
    let folder = tempfile::tempdir().unwrap();
    // A state file that does not end as long as nobody writes it: loading takes as long as this test wants.
    let pipe = folder.path().join("state");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let gateway = wharf()
        .arg(format!("--persistence.file={}", pipe.display()))
        .start();
    assert_eq!(gateway.send(&get("/-/healthy")).status, 200);
    let unready = gateway.send(&get("/-/ready"));
    assert_eq!(
        (unready.status, unready.text().contains("being loaded")),
        (503, true)
    );
    for request in [
        put("/metrics/job/a").body("m 1\n"),
        delete("/metrics/job/a"),
        get("/metrics"),
        get("/api/v1/metrics"),
    ] {
        let answer = gateway.send(&request);
        assert_eq!(
            (answer.status, answer.header("Retry-After")),
            (503, Some("1")),
            "{request}"
        );
    }
    let state = include_bytes!("../fixtures/pushgateway-state/1.11.2.gob");
    std::fs::write(&pipe, state).unwrap();
    until("the groups are loaded", || {
        (gateway.send(&get("/-/ready")).status == 200).then_some(())
    });
    assert!(!listed(&gateway).is_empty());
}

fn ledger(args: &[&std::ffi::OsStr]) -> (bool, String) {
    let output = Command::new(WHARF).arg("ledger").args(args).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(text).unwrap())
}

#[test]
fn the_folder_can_be_looked_into_and_copied_while_it_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let (path, copy) = (folder.path().join("data"), folder.path().join("copy"));
    let gateway = on(&path).start();
    push_all_kinds(&gateway);
    let before = listed(&gateway);
    let (is_done, text) = ledger(&["dump".as_ref(), path.as_os_str()]);
    assert!(is_done && text.contains("delete {job=\"gone\"}"), "{text}");
    assert!(
        text.contains("put group {job=\"a\"}: m (gauge, 1 lines), n (unknown, 1 lines)"),
        "{text}"
    );
    let (is_done, text) = ledger(&["backup".as_ref(), path.as_os_str(), copy.as_os_str()]);
    assert!(is_done, "{text}");
    gateway.push("/metrics/job/later", "m{z=\"1\"} 1\n");
    let (is_sound, text) = ledger(&["check".as_ref(), path.as_os_str()]);
    assert!(is_sound, "{text}");
    stop(gateway);
    assert_eq!(listed(&on(&copy).start()), before);
}

#[test]
fn damage_stops_the_start_and_can_be_repaired() {
    let folder = tempfile::tempdir().unwrap();
    let mut gateway = on(folder.path()).start();
    for n in 0..20 {
        gateway.push(&format!("/metrics/job/j{n}"), "m 1\n");
    }
    gateway.kill();
    gateway.wait();
    let files = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|file| file.unwrap().path());
    let segments = files.filter(|path| path.to_string_lossy().contains("log-"));
    let mut segments = segments.map(|path| (std::fs::read(&path).unwrap(), path));
    let found = segments.find_map(|(bytes, path)| {
        let at = bytes.windows(2).position(|pair| pair == b"j5")?;
        Some((path, bytes, at))
    });
    let (segment, mut bytes, at) = found.unwrap();
    bytes[at] ^= 1;
    std::fs::write(&segment, bytes).unwrap();

    let exit = on(folder.path()).arg("--web.listen-address=127.0.0.1:0").run();
    assert_eq!(exit.code, Some(1));
    assert!(exit.stderr.contains("log-"), "{}", exit.stderr);
    let (is_sound, text) = ledger(&["check".as_ref(), folder.path().as_os_str()]);
    assert!(!is_sound && text.contains("damaged"), "{text}");
    let (is_repaired, text) = ledger(&["repair".as_ref(), folder.path().as_os_str()]);
    assert!(is_repaired && text.contains("kept beside"), "{text}");
    let (is_sound, text) = ledger(&["check".as_ref(), folder.path().as_os_str()]);
    assert!(is_sound, "{text}");
    let left = listed(&on(folder.path()).start());
    assert_eq!(left.len(), 19, "all but the damaged one");
}
