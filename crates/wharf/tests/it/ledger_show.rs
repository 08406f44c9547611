//! `wharf ledger show`: what a folder holds, without a gateway.

use std::path::Path;
use std::process::{Command, Output};

use wharf_testkit::http::{get, put};
use wharf_testkit::{Gateway, protobuf};

use crate::{WHARF, wharf};

fn on(folder: &Path) -> Gateway {
    let wharf = wharf().arg(format!("--storage.path={}", folder.display()));
    wharf
        .args(["--web.enable-openmetrics", "--push.enable-utf8-names"])
        .start()
}

fn push(gateway: &Gateway) {
    gateway.replace(
        "/metrics/job/a/instance/1",
        "# HELP m Help.\n# TYPE m gauge\nm 1\n",
    );
    gateway.replace(
        "/metrics/job/a/instance/2",
        "# TYPE m gauge\nm 2\n{\"with.dots\"} 3\n",
    );
    gateway.replace(
        "/metrics/job/b",
        "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_count 2\n",
    );
    let native = protobuf::delimited(&[protobuf::native_histogram("nh")]);
    let push = put("/metrics/job/native").header("Content-Type", protobuf::CONTENT_TYPE);
    assert_eq!(gateway.send(&push.body(native)).status, 200);
}

fn show(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(WHARF);
    command.args(["ledger", "show"]).arg(folder).args(arguments);
    command.output().unwrap()
}

#[track_caller]
fn shown(folder: &Path, arguments: &[&str]) -> Vec<u8> {
    let output = show(folder, arguments);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
    output.stdout
}

/// A scrape of the groups, without the metrics of the gateway.
fn scraped(gateway: &Gateway, selector: &str, accept: &str) -> Vec<u8> {
    let accept = format!("{accept};escaping=allow-utf-8");
    let scrape = get(&format!("/metrics?match[]={selector}")).header("Accept", &accept);
    let answer = gateway.send(&scrape);
    assert_eq!(answer.status, 200);
    answer.body
}

const FORMATS: [(&str, &str); 3] = [
    ("text", "text/plain;version=1.0.0"),
    ("openmetrics", "application/openmetrics-text;version=1.0.0"),
    (
        "protobuf",
        "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
    ),
];

#[test]
fn it_is_what_a_scrape_has() {
    let folder = tempfile::tempdir().unwrap();
    let mut gateway = on(folder.path());
    push(&gateway);
    let scrapes = FORMATS.map(|(_, accept)| scraped(&gateway, "{}", accept));
    let text = shown(folder.path(), &[]);
    assert!(text == scrapes[0], "{}", String::from_utf8_lossy(&text));
    let of_one_job = scraped(&gateway, "{job=%22a%22}", FORMATS[0].1);
    assert!(!of_one_job.is_empty());
    for selector in ["a", r#"{job="a"}"#] {
        assert!(shown(folder.path(), &[selector]) == of_one_job, "{selector}");
    }
    // The same when the gateway is gone, and nothing but the folder is left.
    gateway.kill();
    gateway.wait();
    for ((format, _), scrape) in FORMATS.iter().zip(&scrapes) {
        assert!(shown(folder.path(), &["-o", format]) == *scrape, "{format}");
    }
}

#[test]
fn it_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut gateway = on(folder.path());
    push(&gateway);
    gateway.kill();
    gateway.wait();
    let files = || -> Vec<_> {
        let entries = std::fs::read_dir(folder.path()).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        let mut files: Vec<_> = paths.map(|path| (std::fs::read(&path).unwrap(), path)).collect();
        files.sort();
        files
    };
    let before = files();
    shown(folder.path(), &[]);
    assert!(files() == before);
}

#[test]
fn a_folder_without_groups_shows_nothing() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(shown(folder.path(), &[]), b"");
    assert_eq!(shown(folder.path(), &["--output=openmetrics"]), b"# EOF\n");
}

#[test]
fn what_cannot_be_shown_is_said() {
    let folder = tempfile::tempdir().unwrap();
    drop(on(folder.path()));
    let nowhere = folder.path().join("nowhere");
    for (folder, argument, code, expected) in [
        (
            folder.path(),
            "b",
            1,
            "expected a group that matches, found none\nhint: ",
        ),
        (folder.path(), "{job=", 2, "selector `{job=`: "),
        (
            nowhere.as_path(),
            "b",
            1,
            "expected a folder, found nothing of that kind at `",
        ),
    ] {
        let output = show(folder, &[argument]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains(expected), "{said}");
        assert!(output.stdout.is_empty());
    }
    assert!(!nowhere.exists());
}
