//! `wharf doctor`: each thing that can be wrong is made wrong once.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;
use wharf_testkit::http::post;
use wharf_testkit::{Gateway, LedClock, Spawn};

use super::{stderr, stdout, tool};
use crate::{WHARF, loaded, wharf};

/// What was found, by check.
struct Diagnosis {
    checks: Vec<Value>,
}

impl Diagnosis {
    /// Of a run whose exit code has to fit to it.
    #[track_caller]
    fn of(output: &Output) -> Self {
        let text = stdout(output);
        let read = serde_json::from_str::<Value>(&text);
        assert!(read.is_ok(), "{text}{}", stderr(output));
        let report = read.unwrap();
        let checks = report["checks"].as_array().unwrap().clone();
        let has = |level: &str| checks.iter().any(|check| check["level"] == level);
        let code = if has("error") {
            2
        } else {
            i32::from(has("warning"))
        };
        assert_eq!(output.status.code(), Some(code), "{text}");
        for check in &checks {
            let is_ok = check["level"] == "ok";
            assert_eq!(check["hint"].is_null(), is_ok, "{check}");
            assert_eq!(check["expected"].is_null(), is_ok, "{check}");
        }
        Self { checks }
    }

    fn named(&self, name: &str) -> Vec<&Value> {
        self.checks
            .iter()
            .filter(|check| check["check"] == name)
            .collect()
    }

    /// That one of the checks of this name has this level, and says this.
    #[track_caller]
    fn has(&self, name: &str, level: &str, part: &str) {
        let found = self.named(name);
        let is_it = |check: &&&Value| check["level"] == level && check.to_string().contains(part);
        assert!(
            found.iter().any(|check| is_it(&check)),
            "{name} {level} {part}: {found:?}"
        );
    }
}

/// Looks at a gateway with these flags.
#[track_caller]
fn doctor(flags: &[&str]) -> Diagnosis {
    examined(&[], flags)
}

#[track_caller]
fn examined(arguments: &[&str], flags: &[&str]) -> Diagnosis {
    let flags = [&["--"], flags].concat();
    Diagnosis::of(&tool(&[&["doctor", "-o", "json"], arguments, &flags].concat()))
}

fn folder() -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let flag = format!("--storage.path={}", folder.path().join("data").display());
    (folder, flag)
}

/// An address at which nobody listens.
fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("--web.listen-address={}", listener.local_addr().unwrap())
}

/// All bytes of a folder, by name.
fn bytes(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().unwrap().is_file())
        .map(|entry| {
            (
                entry.file_name().into_string().unwrap(),
                fs::read(entry.path()).unwrap(),
            )
        })
        .collect();
    files.sort_unstable();
    files
}

/// A folder with a group, of a gateway that has ended.
fn stored() -> (TempDir, String) {
    let (folder, flag) = folder();
    let mut gateway = wharf().arg(&flag).start();
    gateway.push("/metrics/job/a", "m 1\n");
    gateway.terminate();
    assert_eq!(gateway.wait().code, Some(0));
    (folder, flag)
}

fn running(spawn: Spawn, flag: &str) -> (Gateway, String) {
    let gateway = loaded(spawn.arg(flag));
    let address = format!("--web.listen-address={}", gateway.address());
    (gateway, address)
}

#[test]
fn a_gateway_that_is_well_is_found_well_before_it_starts_and_while_it_runs() {
    let (folder, flag) = folder();
    let address = free_address();
    let before = doctor(&[&flag, &address]);
    before.has("storage", "ok", "is not there yet, and can be made");
    before.has("address", "ok", "is free");
    before.has("gateway", "ok", "none runs at http://127.0.0.1:");
    assert!(!folder.path().join("data").exists());

    let (gateway, address) = running(wharf(), &flag);
    gateway.push("/metrics/job/a", "m 1\n");
    let flags = [flag.as_str(), &address];
    let now = doctor(&flags);
    now.has("version", "ok", "wharf ");
    now.has("flags", "ok", &flag);
    now.has("storage", "ok", "can be read and written");
    now.has("owner", "ok", "everything belongs to user ");
    now.has("space", "ok", " free");
    now.has("ledger", "ok", "sound: 1 record");
    now.has(
        "lock",
        "ok",
        &format!("process {} has the folder open", gateway.id()),
    );
    now.has("gateway", "ok", "ready at http://127.0.0.1:");
    now.has("its-version", "ok", "the same as this program");
    now.has("its-storage", "ok", "ok");
    now.has("its-problems", "ok", "it knows of none");
    now.has("its-limits", "ok", "none is nearly reached");
    now.has("clock", "ok", "past all stored pushes, the newest was ");
    now.has("open-files", "ok", "the gateway may open ");
    now.has("address", "ok", "is in use, as by the gateway that runs");

    // For people each of them is a line.
    let text = stdout(&tool(&[&["doctor", "--"][..], &flags].concat()));
    let lines: Vec<_> = text
        .lines()
        .filter(|line| !line.starts_with("  hint: "))
        .collect();
    assert_eq!(lines.len(), now.checks.len() + 1, "{text}");
    assert!(
        text.contains("\nok       ledger         sound: 1 record"),
        "{text}"
    );
}

#[test]
fn flags_and_files_are_read_as_a_start_would() {
    let wrong = doctor(&["--storage.sync=perhaps", "--web.listen-address=nowhere"]);
    wrong.has("flags", "error", "invalid duration");
    wrong.has("flags", "error", "missing port in address");
    assert_eq!(wrong.checks.len(), 2);
    doctor(&["--help"]).has("flags", "error", "found a request for help");

    let (folder, flag) = folder();
    let rules = folder.path().join("rules.yml");
    fs::write(&rules, "expiry:\n- match: '{job=\"a\"}'\n  til: 1h\n").unwrap();
    let web = folder.path().join("web.yml");
    fs::write(
        &web,
        "tls_server_config:\n  cert_file: none.pem\n  key_file: none.key\n",
    )
    .unwrap();
    let flags = [
        flag,
        format!("--config.file={}", rules.display()),
        format!("--web.config.file={}", web.display()),
        free_address(),
    ];
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let wrong = doctor(&flags);
    wrong.has("rules", "error", "line 3, column 3: unknown field `til`");
    wrong.has("web-config", "error", "none.pem");
    fs::write(&rules, "expiry:\n- match: '{job=\"a\"}'\n  ttl: 1h\n").unwrap();
    fs::write(&web, "basic_auth_users: {}\n").unwrap();
    let right = doctor(&flags);
    right.has("rules", "ok", "1 expiry rule, 0 quotas");
    right.has("web-config", "ok", "without TLS");
}

#[test]
fn a_folder_that_cannot_be_used_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let link = folder.path().join("link");
    symlink("nowhere", &link).unwrap();
    let at = |path: &Path| doctor(&[&format!("--storage.path={}", path.display()), &free_address()]);
    at(&file).has("storage", "error", "something else");
    at(&file.join("data")).has("storage", "error", "Not a directory");
    at(&link).has("storage", "error", "a link that leads nowhere");
    doctor(&["--storage.path=", &free_address()]).has("storage", "ok", "in memory only, as the flags say");
}

#[test]
fn a_folder_of_somebody_else_is_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o555)).unwrap();
    let new = format!("--storage.path={}", folder.path().join("data").display());
    let old = format!("--storage.path={}", folder.path().display());
    let address = free_address();
    let run = |flag: &str, in_folder: &Path| {
        // Root may do everything.
        let mut command = if rustix::process::geteuid().is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=65534", "--clear-groups", WHARF]);
            command
        } else {
            Command::new(WHARF)
        };
        command.args(["doctor", "-o", "json", "--"]);
        if !flag.is_empty() {
            command.arg(flag);
        }
        command.arg(&address).current_dir(in_folder).stdin(Stdio::null());
        Diagnosis::of(
            &command
                .env("HOME", "/nonexistent")
                .env_remove("XDG_CONFIG_HOME")
                .output()
                .unwrap(),
        )
    };
    run(&new, Path::new("/")).has("storage", "error", "Permission denied");
    run(&old, Path::new("/")).has("storage", "error", "Permission denied");
    // Where nobody has named a folder, memory takes its place.
    run("", folder.path()).has("storage", "warning", "groups will be in memory only");
}

#[test]
fn files_of_other_owners_and_files_that_others_can_read_are_named() {
    let (folder, flag) = stored();
    let data = folder.path().join("data");
    let lock = data.join("lock");
    fs::set_permissions(&lock, fs::Permissions::from_mode(0o644)).unwrap();
    let address = free_address();
    doctor(&[&flag, &address]).has("owner", "warning", "`lock`, which others can read or write");
    fs::set_permissions(&lock, fs::Permissions::from_mode(0o600)).unwrap();
    fs::set_permissions(&data, fs::Permissions::from_mode(0o702)).unwrap();
    doctor(&[&flag, &address]).has("owner", "warning", "the folder with mode 0702");
    if rustix::process::geteuid().is_root() {
        chown(&lock, Some(65_534), None).unwrap();
        doctor(&[&flag, &address]).has("owner", "error", "`lock` of user 65534");
    }
}

#[test]
fn memory_is_no_disk_and_space_has_to_be_enough() {
    let folder = tempfile::tempdir_in("/dev/shm").unwrap();
    let flag = format!("--storage.path={}", folder.path().display());
    let address = free_address();
    let found = doctor(&[&flag, &address]);
    found.has(
        "file-system",
        "warning",
        "tmpfs: memory, which a restart of the machine empties",
    );
    let found = doctor(&[&flag, &address, "--storage.checkpoint-bytes=1048576GiB"]);
    found.has("space", "warning", "for a checkpoint beside what is there");
    let found = doctor(&[&flag, &address, "--storage.segment-bytes=1048576GiB"]);
    found.has("space", "error", "for the next files of the log");
}

#[test]
fn a_damaged_ledger_is_named_and_left_as_it_is() {
    let (folder, flag) = stored();
    let data = folder.path().join("data");
    let checkpoint = fs::read_dir(&data)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.to_string_lossy().contains("checkpoint"))
        .unwrap();
    let mut damaged = fs::read(&checkpoint).unwrap();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    fs::write(&checkpoint, damaged).unwrap();
    let before = bytes(&data);
    let found = doctor(&[&flag, &free_address()]);
    found.has("ledger", "error", "wharf ledger repair");
    found.has("lock", "ok", "no gateway has the folder open");
    assert_eq!(bytes(&data), before);
}

#[test]
fn a_push_of_the_future_tells_of_a_clock_that_is_wrong() {
    let (folder, flag) = folder();
    let Some(clock) = LedClock::new(folder.path()) else {
        return;
    };
    clock.set(7_200);
    let mut gateway = clock.wharf(WHARF, false).arg(&flag).start();
    gateway.push("/metrics/job/a", "m 1\n");
    let address = format!("--web.listen-address={}", gateway.address());
    // While it runs, both are seen.
    doctor(&[&flag, &address]).has("clock", "warning", "a stored push that is ");
    gateway.terminate();
    gateway.wait();
    doctor(&[&flag, &address]).has("clock", "warning", "a stored push that is ");
}

#[test]
fn too_few_open_files_are_named() {
    let (_folder, flag) = folder();
    let address = free_address();
    let with = |limit: u32| {
        let script = format!("ulimit -n {limit} && exec \"$0\" \"$@\"");
        let mut command = Command::new("sh");
        command.args([
            "-c", &script, WHARF, "doctor", "-o", "json", "--", &flag, &address,
        ]);
        Diagnosis::of(&command.stdin(Stdio::null()).output().unwrap())
    };
    with(200).has("open-files", "warning", "since this shell may open 200 files");
    with(25).has("open-files", "error", "25 for this shell");
}

#[test]
fn addresses_that_are_taken_or_not_ours_are_named() {
    let (_folder, flag) = folder();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = format!("--web.admin-address={}", listener.local_addr().unwrap());
    let found = doctor(&[&flag, &free_address(), &taken]);
    found.has("address", "error", "no gateway that is known here");
    doctor(&[&flag, "--web.listen-address=192.0.2.1:9091"]).has("address", "error", "192.0.2.1:9091");
    // One that runs elsewhere than the flags say.
    let (_gateway, _) = running(wharf(), &flag);
    let found = doctor(&[&flag, &free_address()]);
    found.has("address", "warning", "that it is free");
    found.has("gateway", "error", "cannot reach http://127.0.0.1:");
}

/// Answers each request by its path: with a status, and a body.
fn stub(answers: Vec<(&'static str, u16, String)>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("--gateway=http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut request = String::new();
            reader.read_line(&mut request).unwrap();
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).unwrap() > 0 {}
            let path = request.split(' ').nth(1).unwrap_or_default();
            let answer = answers.iter().find(|(known, ..)| *known == path);
            let (status, body) = answer.map_or((404, ""), |(_, status, body)| (*status, body.as_str()));
            let length = body.len();
            let answer =
                format!("HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}");
            // The client may have had enough.
            let _unwritten = stream.write_all(answer.as_bytes());
        }
    });
    url
}

#[test]
fn a_gateway_that_is_not_ready_or_not_this_one_is_named() {
    let flags = ["--storage.path=", &free_address()].map(str::to_owned);
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let status = json!({"data": {
        "build_information": {"version": "0.0.1", "revision": "abc"},
        "now_seconds": 1_000.0,
        "storage": {"state": "failed", "reason": "no space left"},
        "problems": [{"name": "x", "severity": "critical", "summary": "It cannot store.", "detail": "at all"}],
    }});
    let url = stub(vec![
        ("/-/ready", 503, "still loading\n".to_owned()),
        ("/api/v1/status", 200, status.to_string()),
    ]);
    let found = examined(&[&url], &flags);
    found.has("gateway", "error", "the gateway answered 503: still loading");
    found.has("its-version", "warning", "0.0.1 abc");
    found.has("its-storage", "error", "that it cannot: no space left");
    found.has("its-problems", "error", "It cannot store.: at all");
    found.has("clock", "warning", "the clock of the gateway to be ours");

    let status = json!({"data": {
        "build_information": {},
        "now_seconds": 1.0,
        "storage": {"state": "memory only", "reason": "the folder cannot be made"},
    }});
    let url = stub(vec![
        ("/-/ready", 200, String::new()),
        ("/api/v1/status", 200, status.to_string()),
    ]);
    examined(&[&url], &flags).has("its-storage", "warning", "memory only: the folder cannot be made");

    let locked = stub(vec![
        ("/-/ready", 200, String::new()),
        ("/api/v1/status", 401, "Unauthorized\n".to_owned()),
    ]);
    examined(&[&locked], &flags).has("gateway", "warning", "401");

    let nobody = free_address().replace("--web.listen-address=", "--gateway=http://");
    examined(&[&nobody], &flags).has("gateway", "error", "cannot reach http://127.0.0.1:");
}

#[test]
fn a_pushgateway_in_its_place_is_named() {
    let Some(real) = Spawn::real() else { return };
    let real = real.start();
    let address = format!("--web.listen-address={}", real.address());
    let found = doctor(&["--storage.path=", &address]);
    found.has("its-version", "error", "such as a Pushgateway, of version 1.11.2");
}

#[test]
fn limits_that_are_nearly_reached_and_problems_are_named() {
    let (folder, flag) = folder();
    let rules = folder.path().join("rules.yml");
    fs::write(&rules, "quotas:\n- match: '{job=\"a\"}'\n  series: 12\n").unwrap();
    let spawn = wharf()
        .arg(format!("--config.file={}", rules.display()))
        .args(["--limits.max-groups=3", "--web.enable-lifecycle"]);
    let (gateway, address) = running(spawn, &flag);
    for job in ["a", "b", "c"] {
        let lines: Vec<_> = (0..9).map(|n| format!("m{{n=\"{n}\"}} 1\n")).collect();
        let text = lines.concat();
        gateway.push(&format!("/metrics/job/{job}"), &text);
    }
    fs::write(&rules, "quotas: 1\n").unwrap();
    assert_eq!(gateway.send(&post("/-/reload")).status, 500);
    let found = doctor(&[&flag, &address]);
    found.has("its-limits", "warning", "3 of 3");
    found.has("its-limits", "warning", "--limits.max-groups");
    found.has("its-limits", "warning", "{job=\\\"a\\\"}");
    assert_eq!(found.named("its-problems").len(), 1);
    found.has("its-problems", "warning", "rules.yml");
}

#[test]
fn the_state_file_of_the_next_start_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state");
    let flag = format!("--persistence.file={}", file.display());
    let address = free_address();
    assert!(doctor(&[&flag, &address]).named("state-file").is_empty());
    fs::write(
        &file,
        include_bytes!("../../fixtures/pushgateway-state/1.11.2.gob"),
    )
    .unwrap();
    doctor(&[&flag, &address]).has(
        "state-file",
        "warning",
        "7 groups, and 1 groups or families that are left out",
    );
    fs::write(&file, "").unwrap();
    doctor(&[&flag, &address]).has("state-file", "ok", "the next start reads 0 groups");
    fs::write(&file, "# TYPE m gauge\nm 1\n").unwrap();
    doctor(&[&flag, &address]).has("state-file", "error", "not a state file of the Pushgateway");
}
