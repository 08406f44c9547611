//! `promtool check metrics`, Prometheus' own judge of expositions.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use wharf_testkit::Gateway;
use wharf_testkit::http::{get, post};
use wharf_testkit::peers::{self, PrometheusVersion};

use super::{Gateways, is_own};
use crate::wharf;

const VERSIONS: [PrometheusVersion; 3] = [
    PrometheusVersion::V2_42,
    PrometheusVersion::V2_53,
    PrometheusVersion::V3,
];

#[test]
fn promtool_finds_nothing_wrong() {
    let gateway = wharf().start();
    judge(&gateway, "an empty gateway");
    gateway.push(
        "/metrics/job/backup/instance/db1",
        "# HELP backup_duration_seconds How long it took.\n# TYPE backup_duration_seconds gauge\n\
         backup_duration_seconds 42.5\n",
    );
    judge(&gateway, "one group");
    for (path, body) in [
        ("/metrics/job/backup/instance/db1", "m 1 1600000000\n"),
        ("/metrics/job/new", "m 1 1600000000\n"),
        ("/metrics/job/new", "m\n"),
        (
            "/metrics/job/new",
            "# TYPE backup_duration_seconds counter\nbackup_duration_seconds 1\n",
        ),
    ] {
        let refused = gateway.send(&post(path).body(body));
        assert_eq!(refused.status, 400, "{body}");
    }
    judge(&gateway, "failed pushes");
}

#[track_caller]
fn judge(gateway: &Gateway, state: &str) {
    for version in VERSIONS {
        let Some(promtool) = peers::promtool(version) else {
            return;
        };
        let verdict = check(&promtool, gateway);
        assert!(verdict.is_empty(), "{state}, {version:?}: {verdict:#?}");
    }
}

/// It has much to say of pushes that nobody named well, and says the same of both gateways.
#[test]
fn promtool_finds_the_same() {
    let Some(gateways) = Gateways::filled() else {
        return;
    };
    for version in VERSIONS {
        let Some(promtool) = peers::promtool(version) else {
            return;
        };
        let [real, wharf] = [&gateways.real, &gateways.wharf].map(|gateway| {
            let mut verdict = check(&promtool, gateway);
            verdict.retain(|line| !is_own(line));
            verdict
        });
        assert!(real.iter().any(|line| line.starts_with("calls ")), "{real:?}");
        assert_eq!(real, wharf, "{version:?}");
    }
}

/// The lines that promtool prints.
#[track_caller]
fn check(promtool: &Path, gateway: &Gateway) -> BTreeSet<String> {
    let mut child = Command::new(promtool)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let body = gateway.send(&get("/metrics")).body;
    child.stdin.take().unwrap().write_all(&body).unwrap();
    let output = child.wait_with_output().unwrap();
    let lines = [output.stdout, output.stderr]
        .map(|text| String::from_utf8(text).unwrap())
        .concat();
    let lines: BTreeSet<String> = lines.lines().map(str::to_owned).collect();
    // 3 is for bad names, 1 for what cannot be read.
    let expected = if lines.is_empty() { 0 } else { 3 };
    assert_eq!(output.status.code(), Some(expected), "{lines:#?}");
    lines
}
