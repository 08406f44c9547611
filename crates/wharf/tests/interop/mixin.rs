//! What watches Wharf in production (`packaging/mixin`): the dashboard and the rules, judged by Prometheus.

use std::collections::BTreeSet;
use std::fs;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use wharf_testkit::http::{delete, get, post, put};
use wharf_testkit::peers::{self, PrometheusVersion};
use wharf_testkit::{Certificate, Etcd, Gateway, Prometheus, until};

use crate::wharf;

const VERSIONS: [PrometheusVersion; 2] = [PrometheusVersion::V2_53, PrometheusVersion::V3];

/// Of `s3cret`, at the lowest cost.
const HASH: &str = "$2b$04$EGNYGlakPdNb60roBdlmWuYTRXiJhVh/.whhyXo7LyWUID1a4nLfK";
/// `alice:s3cret`
const ALICE: &str = "Basic YWxpY2U6czNjcmV0";
/// `alice:guess`
const ALICE_GUESSED: &str = "Basic YWxpY2U6Z3Vlc3M=";

fn mixin() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging/mixin")
}

fn read(path: &str) -> String {
    fs::read_to_string(mixin().join(path)).unwrap()
}

/// The queries of the dashboard, as Grafana sends them.
fn queries() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(&read("dashboards/wharf.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().cloned().unwrap_or_default());
    let query = |target: Value| {
        let query = target["expr"].as_str().unwrap().to_owned();
        query
            .replace("$__rate_interval", "1m")
            .replace("$job", ".*")
            .replace("$instance", ".*")
    };
    targets.map(query).collect()
}

/// The names of the gateway's metrics, and of what is recorded, in a query or a file of rules.
fn names(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'));
    let is_name = |word: &&str| {
        let prefixes = [
            "wharf_",
            "pushgateway_",
            "process_",
            "push_time",
            "push_failure_time",
            "instance:",
            "instance_",
        ];
        prefixes.iter().any(|prefix| word.starts_with(prefix))
    };
    words.filter(is_name).collect()
}

/// A gateway to which everything has happened that the dashboard and the rules count, and one with TLS.
fn gateways(folder: &Path) -> [Gateway; 2] {
    let write = |name: &str, text: &str| fs::write(folder.join(name), text).unwrap();
    let flag = |flag: &str, name: &str| format!("--{flag}={}", folder.join(name).display());
    write("users.yml", &format!("basic_auth_users:\n  alice: {HASH}\n"));
    write(
        "wharf.yml",
        "expect:\n  - {match: '{}', every: 1d}\nquotas:\n  - match: '{}'\n    series: 1000\naccess:\n  anonymous: {read: '{}'}\n  users:\n    alice: {push: \
         '{job=~\"a|gone\"}', delete: '{job=\"gone\"}'}\n\
         tracing: {client_type: http, endpoint: '127.0.0.1:9', insecure: true}\n\
         alerting:\n  alertmanagers: [{static_configs: [{targets: ['127.0.0.1:9']}]}]\n  webhooks: [{name: hook, url: 'http://127.0.0.1:9/'}]\n",
    );
    fs::create_dir(folder.join("backups")).unwrap();
    let watched = wharf()
        .arg(flag("web.config.file", "users.yml"))
        .arg(flag("config.file", "wharf.yml"))
        .arg(flag("backup.path", "backups"))
        .arg("--statsd.listen-udp=127.0.0.1:0")
        .arg("--statsd.relay.address=127.0.0.1:9")
        .arg(format!("--storage.path={}", folder.join("data").display()))
        .start();
    let as_alice = |path: &str, body: &str| post(path).body(body).header("Authorization", ALICE);
    for (request, status) in [
        (as_alice("/metrics/job/a", "m 1\n"), 200),
        (as_alice("/metrics/job/a", "m\n"), 400),
        (as_alice("/metrics/job/b", "m 1\n"), 403),
        (as_alice("/metrics/job/gone", "m 1\n"), 200),
        (delete("/metrics/job/gone").header("Authorization", ALICE), 202),
        (put("/metrics/job/a").header("Authorization", ALICE_GUESSED), 401),
        (get("/metrics"), 200),
        // An expression that costs too much to be looked for.
        (
            get(&format!(
                "/api/v1/groups?match[]={{job=~%22(?i){}%22}}",
                "[%5Ea]".repeat(400)
            )),
            422,
        ),
    ] {
        assert_eq!(watched.send(&request).status, status, "{request}");
    }

    let line = watched.log_line("way=udp ");
    let (_, address) = line.rsplit_once("address=").unwrap();
    // An event, and a family that was pushed with another type.
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.send_to(b"_e{1,1}:a|b\nm:1|c", address).unwrap();

    Certificate::self_signed("127.0.0.1", &["127.0.0.1"]).write(folder, "server");
    write(
        "tls.yml",
        "tls_server_config: {cert_file: server.crt, key_file: server.key}\n",
    );
    [watched, wharf().arg(flag("web.config.file", "tls.yml")).start()]
}

/// Two gateways that share their groups.
fn replicas(etcd: &Etcd) -> [Gateway; 2] {
    ["first", "second"].map(|name| {
        wharf()
            .arg(format!("--storage.etcd={}", etcd.urls().join(",")))
            .arg(format!("--replica.name={name}"))
            .start()
    })
}

/// Prometheus with the rules, which scrapes all. None if it is not there and not required.
fn prometheus(
    version: PrometheusVersion,
    gateways: &[Gateway; 2],
    replicas: &[Gateway; 2],
) -> Option<Prometheus> {
    let [watched, encrypted] = gateways.each_ref().map(Gateway::address);
    let [first, second] = replicas.each_ref().map(Gateway::address);
    let config = format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}\n\
         rule_files: ['{}/rules/*.yml']\n\
         scrape_configs:\n\
         - {{job_name: gateway, honor_labels: true, static_configs: [{{targets: ['{watched}']}}]}}\n\
         - {{job_name: replicas, honor_labels: true, static_configs: [{{targets: ['{first}', '{second}']}}]}}\n\
         - {{job_name: encrypted, honor_labels: true, scheme: https, tls_config: {{insecure_skip_verify: true}}, \
            static_configs: [{{targets: ['{encrypted}']}}]}}\n",
        mixin().display()
    );
    Prometheus::start(version, &config, &[])
}

#[test]
fn every_metric_that_is_asked_for_exists_and_every_query_is_one() {
    let queries = queries();
    assert!(queries.len() > 30, "{queries:?}");
    let rules = [read("rules/wharf-alerts.yml"), read("rules/wharf-recording.yml")].concat();
    // Annotations name other things; a line of PromQL may be one of a block.
    let rules: String = rules
        .lines()
        .filter(|line| {
            !["summary:", "description:", "record:", "#"]
                .iter()
                .any(|key| line.trim().starts_with(key))
        })
        .collect::<Vec<_>>()
        .join("\n");
    let mut asked: BTreeSet<&str> = names(&rules);
    asked.extend(queries.iter().flat_map(|query| names(query)));
    assert!(asked.len() > 30, "{asked:?}");

    let folder = tempfile::tempdir().unwrap();
    let gateways = gateways(folder.path());
    let Some(etcd) = Etcd::start(1, &["--unsafe-no-fsync"]) else {
        return;
    };
    let replicas = replicas(&etcd);
    for version in VERSIONS {
        let Some(prometheus) = prometheus(version, &gateways, &replicas) else {
            return;
        };
        for name in &asked {
            until(&format!("{name} in {version:?}"), || {
                (!prometheus.query(name).is_empty()).then_some(())
            });
        }
        for query in &queries {
            // What is wrong fails here.
            prometheus.query(query);
        }
        until(&format!("all rules are evaluated by {version:?}"), || {
            let answer = prometheus.ask("/api/v1/rules");
            let groups = answer["data"]["groups"].as_array()?.clone();
            let rules: Vec<_> = groups
                .iter()
                .flat_map(|group| group["rules"].as_array().cloned().unwrap_or_default())
                .collect();
            for rule in &rules {
                assert!(rule["health"] != "err", "{rule}");
            }
            (rules.len() > 15 && rules.iter().all(|rule| rule["health"] == "ok")).then_some(())
        });
    }
}

#[test]
fn each_alert_fires_when_it_should_and_not_else() {
    for version in VERSIONS {
        let Some(promtool) = peers::promtool(version) else {
            return;
        };
        for arguments in [
            ["check", "rules", "rules/wharf-alerts.yml"],
            ["check", "rules", "rules/wharf-recording.yml"],
            ["test", "rules", "tests/wharf-rules.yml"],
        ] {
            let output = Command::new(&promtool)
                .args(arguments)
                .current_dir(mixin())
                .output()
                .unwrap();
            let said = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
            assert!(output.status.success(), "{version:?}: {}", said.concat());
        }
    }
}

#[test]
fn no_alert_is_without_a_test_of_both() {
    let alerts = read("rules/wharf-alerts.yml");
    let tests = read("tests/wharf-rules.yml");
    let alerts: Vec<&str> = alerts
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "))
        .collect();
    assert!(alerts.len() > 10, "{alerts:?}");
    for alert in alerts {
        let silent = format!("{{alertname: {alert}, eval_time: 60m, exp_alerts: []}}");
        assert!(tests.contains(&silent), "{alert} is never expected to be silent");
        let firing = tests.split(&format!("- alertname: {alert}\n")).nth(1);
        let fires = firing.is_some_and(|firing| {
            let mut lines = firing.lines().map(str::trim);
            lines.nth(1) == Some("exp_alerts:")
                && lines.next().is_some_and(|line| line.starts_with("- exp_labels:"))
        });
        assert!(fires, "{alert} is never expected to fire");
    }
}
