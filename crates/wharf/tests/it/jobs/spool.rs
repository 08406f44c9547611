//! `--spool`: what could not be delivered comes later, in order.

use std::fs;
use std::path::Path;
use std::process::Output;

use wharf_testkit::Process;

use super::stub::{Answer, Stub};
use super::{ends_with, nobody, output, push_at, run_at, stderr, url, value};
use crate::{gateways, wharf};

fn push(url: &str, spool: &Path, arguments: &[&str]) -> Output {
    let mut command = push_at(url, &["--retry-for=0", "--spool"]);
    command.arg(spool).args(arguments);
    output(command)
}

/// The names of the files that wait or were refused.
fn kept(spool: &Path) -> Vec<String> {
    let files = fs::read_dir(spool).unwrap();
    let mut names: Vec<String> = files
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    names.retain(|name| name != "lock");
    names.sort();
    names
}

fn name(number: u32, kind: &str) -> String {
    format!("{number:020}.{kind}")
}

/// The spooled requests are for one gateway, so one that was down has to come back at its address.
fn was_down(spool: &Path, from: &str, to: &str) {
    for name in kept(spool) {
        let path = spool.join(name);
        let text = fs::read_to_string(&path).unwrap().replace(from, to);
        fs::write(&path, text).unwrap();
    }
}

#[test]
fn what_could_not_be_delivered_is_delivered_first_and_in_order() {
    for spawn in gateways() {
        let folder = tempfile::tempdir().unwrap();
        let spool = folder.path().join("spool");
        let down = nobody();
        for value in ["--metric=m=1", "--metric=m=2"] {
            let output = push(&down, &spool, &[value]);
            ends_with(0, &output);
            assert!(
                stderr(&output).contains("kept for later: cannot reach"),
                "{}",
                stderr(&output)
            );
        }
        let mut command = run_at(&down, &["--retry-for=0", "--label=instance=i", "--spool"]);
        ends_with(
            7,
            &output({
                command.arg(&spool).args(["sh", "-c", "exit 7"]);
                command
            }),
        );
        assert_eq!(kept(&spool), [name(1, "push"), name(2, "push"), name(3, "push")]);

        let gateway = spawn.start();
        let up = url(gateway.address());
        was_down(&spool, &down, &up);
        ends_with(0, &push(&up, &spool, &["--label=x=y", "--metric=n=1"]));
        assert_eq!(value(&gateway, "m"), 2.0);
        assert_eq!(value(&gateway, "n"), 1.0);
        assert_eq!(value(&gateway, "job_run_exit_code"), 7.0);
        assert!(kept(&spool).is_empty());
    }
}

#[test]
fn a_push_that_has_to_end_is_kept() {
    let silent = Stub::start(vec![Answer::Silence]);
    for (url, reason) in [
        (nobody(), "cannot reach"),
        (silent.url.clone(), "no answer before the signal to end"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let flags = [
            "--metric=m=1",
            "--retry-for=1h",
            "--request-timeout=1h",
            "--verbose",
        ];
        let mut command = push_at(&url, &flags);
        command.arg("--spool").arg(folder.path());
        let mut push = Process::start(command);
        if url == silent.url {
            silent.asked();
        } else {
            push.log_line("trying again");
        }
        push.terminate();
        let exit = push.wait();
        assert_eq!(exit.code, Some(0), "{}", exit.stderr);
        let said = format!("wharf push: kept for later: {reason}");
        assert!(exit.stderr.contains(&said), "{}", exit.stderr);
        assert_eq!(kept(folder.path()), [name(1, "push")]);
    }
}

#[test]
fn a_folder_that_is_too_full_says_so_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    for number in 1..=1002 {
        fs::write(folder.path().join(name(number, "push")), "").unwrap();
    }
    let full = push(&nobody(), folder.path(), &["--metric=m=1"]);
    ends_with(0, &full);
    let said = stderr(&full);
    assert_eq!(
        said.matches("spool folder is full: dropped 3 files, from ")
            .count(),
        1,
        "{said}"
    );
    assert_eq!(kept(folder.path()).len(), 1000);
}

#[test]
fn an_older_push_never_comes_behind_a_newer_one() {
    let folder = tempfile::tempdir().unwrap();
    let stub = Stub::start(vec![
        // The first push; then that one again, ahead of the second; then both, and the third.
        Answer::Head("503 Service Unavailable"),
        Answer::Head("503 Service Unavailable"),
        Answer::Head("200 OK"),
    ]);
    let push = |value: &str| push(&stub.url, folder.path(), &[&format!("--metric=m={value}")]);
    ends_with(0, &push("1"));
    let second = push("2");
    ends_with(0, &second);
    assert!(
        stderr(&second).contains("older pushes of the same group wait"),
        "{}",
        stderr(&second)
    );
    ends_with(0, &push("3"));
    let asked: Vec<String> = (0..5).map(|_| stub.asked()).collect();
    let values: Vec<&str> = asked
        .iter()
        .map(|asked| asked.rsplit(' ').next().unwrap().trim())
        .collect();
    assert_eq!(values, ["1", "1", "1", "2", "3"]);
}

#[test]
fn a_group_that_has_to_wait_does_not_keep_back_others() {
    let folder = tempfile::tempdir().unwrap();
    let stub = Stub::start(vec![
        Answer::Head("503 Service Unavailable"),
        Answer::Head("503 Service Unavailable"),
        Answer::Head("200 OK"),
    ]);
    ends_with(
        0,
        &push(&stub.url, folder.path(), &["--label=x=1", "--metric=m=1"]),
    );
    ends_with(
        0,
        &push(&stub.url, folder.path(), &["--label=x=2", "--metric=m=2"]),
    );
    assert_eq!(kept(folder.path()), [name(1, "push")]);
    let asked: Vec<String> = (0..3).map(|_| stub.asked()).collect();
    assert!(asked[2].starts_with("PUT /metrics/job/j/x/2 "), "{asked:?}");
}

#[test]
fn a_gateway_that_wants_nothing_is_not_asked_about_everything() {
    let folder = tempfile::tempdir().unwrap();
    let down = nobody();
    for number in 0..20 {
        let label = format!("--label=x={number}");
        ends_with(0, &push(&down, folder.path(), &[&label, "--metric=m=1"]));
    }
    let stub = Stub::start(vec![Answer::Head("503 Service Unavailable")]);
    was_down(folder.path(), &down, &stub.url);
    let output = push(&stub.url, folder.path(), &["--label=x=19", "--metric=m=2"]);
    ends_with(0, &output);
    assert!(
        stderr(&output).contains("older pushes of the same group wait"),
        "{}",
        stderr(&output)
    );
    for _ in 0..10 {
        stub.asked();
    }
    assert!(stub.is_left_alone());
    assert_eq!(kept(folder.path()).len(), 21);
}

#[test]
fn what_a_gateway_refuses_for_good_is_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = wharf().start();
    gateway.push("/metrics/job/other", "# TYPE m counter\nm 1\n");
    let down = nobody();
    ends_with(0, &push(&down, folder.path(), &["--metric=m=1"]));
    ends_with(0, &push(&down, folder.path(), &["--metric=n=1"]));
    let up = url(gateway.address());
    was_down(folder.path(), &down, &up);
    let output = push(&up, folder.path(), &["--label=x=y", "--metric=o=1"]);
    ends_with(0, &output);
    assert!(stderr(&output).contains("set aside"), "{}", stderr(&output));
    assert_eq!((value(&gateway, "n"), value(&gateway, "o")), (1.0, 1.0));
    assert_eq!(kept(folder.path()), [name(1, "refused")]);
}

#[test]
fn what_is_refused_at_once_is_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    let stub = Stub::start(vec![Answer::Head("400 Bad Request")]);
    ends_with(1, &push(&stub.url, folder.path(), &["--metric=m=1"]));
    assert!(kept(folder.path()).is_empty());
}

#[test]
fn what_a_wrong_password_kept_away_is_not_lost() {
    let folder = tempfile::tempdir().unwrap();
    let stub = Stub::start(vec![Answer::Head("401 Unauthorized"), Answer::Head("200 OK")]);
    ends_with(0, &push(&stub.url, folder.path(), &["--metric=m=1"]));
    assert_eq!(kept(folder.path()), [name(1, "push")]);
    let text = fs::read_to_string(folder.path().join(name(1, "push"))).unwrap();
    assert!(!text.to_lowercase().contains("authorization"), "{text}");
    ends_with(0, &push(&stub.url, folder.path(), &["--metric=m=2"]));
    assert!(kept(folder.path()).is_empty());
}

#[test]
fn a_folder_that_cannot_be_used_keeps_nothing_back() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let stub = Stub::start(vec![Answer::Head("200 OK")]);
    let output = push(&stub.url, &file, &["--metric=m=1"]);
    ends_with(0, &output);
    assert!(stderr(&output).contains("spool folder"), "{}", stderr(&output));
    stub.asked();
}

#[test]
fn a_folder_in_use_is_waited_for_and_then_written_to_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let lock = fs::File::create(folder.path().join("lock")).unwrap();
    lock.lock().unwrap();
    let stub = Stub::start(vec![Answer::Head("200 OK")]);
    let output = push(&stub.url, folder.path(), &["--metric=m=1"]);
    ends_with(0, &output);
    assert!(
        stderr(&output).contains("in use by another push"),
        "{}",
        stderr(&output)
    );
    assert!(stub.is_left_alone());
    drop(lock);
    ends_with(0, &push(&stub.url, folder.path(), &["--metric=m=2"]));
    assert!(stub.asked().ends_with("m 1\n") && stub.asked().ends_with("m 2\n"));
}
