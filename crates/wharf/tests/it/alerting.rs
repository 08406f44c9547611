//! Who is told which groups are overdue: real Alertmanagers, and a receiver of webhooks.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;
use wharf_testkit::http::{get, post};
use wharf_testkit::peers::{AlertmanagerVersion, PrometheusVersion};
use wharf_testkit::{Alertmanager, Authority, Etcd, Gateway, JsonReceiver, Prometheus, Spawn, until};

use crate::rules::with_rules;
use crate::wharf;

/// A group that has to be there since long ago, and never was.
const EXPECT: &str =
    "expect: [{always: [{job: gone, instance: db1}], every: 1h, since: 2026-01-01T00:00:00Z}]\n";

/// When it was overdue by.
const BEGAN: &str = "2026-01-01T01:00:00Z";

fn start((folder, spawn): (tempfile::TempDir, Spawn)) -> (tempfile::TempDir, Gateway) {
    let gateway = spawn
        .arg("--expect.start-grace=0s")
        .arg("--web.enable-lifecycle")
        .arg("--web.external-url=http://wharf.example/push")
        .arg("--web.route-prefix=/")
        .start();
    (folder, gateway)
}

fn alertmanagers(targets: &[std::net::SocketAddr]) -> String {
    let targets: Vec<String> = targets.iter().map(|target| format!("'{target}'")).collect();
    format!(
        "alerting:\n  labels: {{severity: page}}\n  alertmanagers:\n  - timeout: 1s\n    static_configs: [{{targets: [{}]}}]\n",
        targets.join(", ")
    )
}

#[track_caller]
fn until_shown(alertmanager: &Alertmanager) -> Value {
    until("the alert to be shown", || alertmanager.alerts().pop())
}

#[track_caller]
fn until_resolved(alertmanager: &Alertmanager) {
    until("the alert to be resolved", || {
        alertmanager.alerts().is_empty().then_some(())
    });
}

/// What the API says of the receivers of a kind, by their names.
fn receivers(gateway: &Gateway, kind: &str) -> BTreeMap<String, Value> {
    let answer = gateway.send(&get("/api/v1/alerting")).json();
    let receivers = answer["data"][kind].as_array().unwrap().iter();
    receivers
        .map(|receiver| (receiver["name"].as_str().unwrap().to_owned(), receiver.clone()))
        .collect()
}

#[test]
fn alertmanager_shows_a_group_that_is_overdue_and_resolves_it_when_it_comes() {
    for version in [AlertmanagerVersion::V0_28, AlertmanagerVersion::Newest] {
        let people = JsonReceiver::start(&["200 OK"]);
        let Some(alertmanager) = Alertmanager::start(version, people.address()) else {
            return;
        };
        let rules = format!("{EXPECT}{}", alertmanagers(&[alertmanager.address()]));
        let (_folder, gateway) = start(with_rules(&rules));
        let alert = until_shown(&alertmanager);
        let labels: BTreeMap<&str, &str> = [
            ("alertname", "WharfGroupOverdue"),
            ("instance", "db1"),
            ("job", "gone"),
            ("severity", "page"),
        ]
        .into();
        assert_eq!(alert["labels"], serde_json::json!(labels));
        assert_eq!(alert["status"]["state"], "active");
        assert_eq!(alert["startsAt"].as_str().unwrap().replace(".000Z", "Z"), BEGAN);
        assert_eq!(alert["annotations"]["expected"], "every 1h, grace 0s");
        assert_eq!(alert["annotations"]["last_push"], "never");
        assert_eq!(
            alert["generatorURL"],
            "http://wharf.example/push/?view=group&group=job%2Fgone%2Finstance%2Fdb1"
        );
        // Long enough to outlast a restart.
        let time = |member: &str| {
            alert[member]
                .as_str()
                .unwrap()
                .parse::<jiff::Timestamp>()
                .unwrap()
        };
        let holds = time("endsAt").duration_since(time("updatedAt")).as_secs();
        assert!((200..=240).contains(&holds), "{alert}");
        assert_eq!(people.next().1["status"], "firing");
        gateway.push("/metrics/job/gone/instance/db1", "m 1\n");
        until_resolved(&alertmanager);
        let resolved = people.next().1;
        assert_eq!(resolved["status"], "resolved");
        assert_eq!(resolved["alerts"][0]["labels"], alert["labels"]);
    }
}

#[test]
fn one_alertmanager_that_is_down_keeps_nothing_from_the_other_and_is_told_when_it_is_back() {
    let people = JsonReceiver::start(&["200 OK"]);
    let started = [AlertmanagerVersion::V0_28, AlertmanagerVersion::Newest]
        .map(|version| Alertmanager::start(version, people.address()));
    let [Some(up), Some(down)] = started else { return };
    down.process().pause();
    let rules = format!("{EXPECT}{}", alertmanagers(&[up.address(), down.address()]));
    let (_folder, gateway) = start(with_rules(&rules));
    until_shown(&up);
    let name = format!("http://{}/api/v2/alerts", down.address());
    let error = until("an error to be told", || {
        let error = receivers(&gateway, "alertmanagers").get(&name)?["last_error"]["text"].clone();
        error.as_str().map(str::to_owned)
    });
    assert_eq!(
        error,
        format!("no answer from http://{} within 1s", down.address())
    );
    down.process().resume();
    until_shown(&down);
    until("the API to know", || {
        let receiver = receivers(&gateway, "alertmanagers")[&name].clone();
        (receiver["failures"] == 0 && receiver["last_success"].is_string()).then_some(())
    });
    gateway.push("/metrics/job/gone/instance/db1", "m 1\n");
    until_resolved(&up);
    until_resolved(&down);
}

/// Of `s3cret`, at the lowest cost.
const HASH: &str = "$2b$04$EGNYGlakPdNb60roBdlmWuYTRXiJhVh/.whhyXo7LyWUID1a4nLfK";

#[test]
fn an_alertmanager_behind_tls_and_a_password_is_told_by_secrets_from_files() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("authority");
    authority
        .issue("server", &["127.0.0.1"])
        .write(folder.path(), "server");
    let web = format!(
        "tls_server_config: {{cert_file: server.crt, key_file: server.key}}\nbasic_auth_users: {{wharf: {HASH}}}\n"
    );
    for (name, text) in [
        ("web.yml", web.as_str()),
        ("authority.crt", &authority.certificate),
        ("password", "s3cret\n"),
        ("wrong", "guess\n"),
    ] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let people = JsonReceiver::start(&["200 OK"]);
    let flags = [format!(
        "--web.config.file={}",
        folder.path().join("web.yml").display()
    )];
    let version = AlertmanagerVersion::Newest;
    let Some(alertmanager) = Alertmanager::start_with(version, people.address(), &flags) else {
        return;
    };
    let rules = |password: &str| {
        format!(
            "{EXPECT}alerting:\n  alertmanagers:\n  - scheme: https\n    tls_config: {{ca_file: authority.crt}}\n    \
             basic_auth: {{username: wharf, password_file: {password}}}\n    static_configs: [{{targets: ['{}']}}]\n",
            alertmanager.address()
        )
    };
    let file = folder.path().join("wharf.yml");
    fs::write(&file, rules("wrong")).unwrap();
    let spawn = wharf().arg(format!("--config.file={}", file.display()));
    let gateway = spawn
        .arg("--expect.start-grace=0s")
        .arg("--web.enable-lifecycle")
        .start();
    let name = format!("https://{}/api/v2/alerts", alertmanager.address());
    until("the password to be refused", || {
        let error = receivers(&gateway, "alertmanagers").get(&name)?["last_error"]["text"].clone();
        error.as_str().filter(|text| text.contains("401")).map(drop)
    });
    fs::write(&file, rules("password")).unwrap();
    assert_eq!(gateway.send(&post("/-/reload")).status, 200);
    assert_eq!(people.next().1["alerts"][0]["labels"]["job"], "gone");
}

/// Wharf with these rules, which keeps its groups in the same folder.
fn in_folder(folder: &Path, rules: &str) -> Gateway {
    let file = folder.join("wharf.yml");
    fs::write(&file, rules).unwrap();
    wharf()
        .arg("--expect.start-grace=0s")
        .arg(format!("--config.file={}", file.display()))
        .arg(format!("--storage.path={}", folder.join("data").display()))
        .start()
}

#[test]
fn an_alert_goes_on_over_a_restart_and_is_resolved_after_it() {
    let people = JsonReceiver::start(&["200 OK"]);
    let Some(alertmanager) = Alertmanager::start(AlertmanagerVersion::Newest, people.address()) else {
        return;
    };
    let rules = format!("{EXPECT}{}", alertmanagers(&[alertmanager.address()]));
    let folder = tempfile::tempdir().unwrap();
    let gateway = in_folder(folder.path(), &rules);
    let before = until_shown(&alertmanager);
    drop(gateway);
    let gateway = in_folder(folder.path(), &rules);
    let after = until("the alert to be told again", || {
        let alert = alertmanager.alerts().pop();
        alert.filter(|alert| alert["updatedAt"] != before["updatedAt"])
    });
    for same in ["startsAt", "fingerprint", "labels", "annotations"] {
        assert_eq!(after[same], before[same], "{same}");
    }
    gateway.push("/metrics/job/gone/instance/db1", "m 1\n");
    until_resolved(&alertmanager);
    // People were told that it began, and that it was over.
    assert_eq!(
        [
            people.next().1["status"].clone(),
            people.next().1["status"].clone()
        ],
        ["firing", "resolved"]
    );
}

/// What there is in an object, and how its times are written.
fn members(object: &Value) -> BTreeSet<String> {
    object.as_object().unwrap().keys().cloned().collect()
}

#[test]
fn an_alert_has_what_that_of_prometheus_has() {
    let (theirs, ours) = (JsonReceiver::start(&["200 OK"]), JsonReceiver::start(&["200 OK"]));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rules.yml");
    let rule = "{alert: A, expr: vector(1), labels: {severity: page}, annotations: {summary: x}}";
    fs::write(
        &file,
        format!("groups: [{{name: g, interval: 1s, rules: [{rule}]}}]\n"),
    )
    .unwrap();
    let config = format!(
        "rule_files: ['{}']\nalerting: {{alertmanagers: [{{static_configs: [{{targets: ['{}']}}]}}]}}\n",
        file.display(),
        theirs.address()
    );
    // It has no Alertmanager yet when it sends the first time.
    let flags = ["--rules.alert.resend-delay=1s"];
    let Some(_prometheus) = Prometheus::start(PrometheusVersion::V3, &config, &flags) else {
        return;
    };
    let rules = format!("{EXPECT}{}", alertmanagers(&[ours.address()]));
    let (_folder, _gateway) = start(with_rules(&rules));
    let ((their_head, theirs), (our_head, ours)) = (theirs.next(), ours.next());
    let [their_alert, our_alert] = [&theirs, &ours].map(|alerts| alerts[0].clone());
    assert_eq!(members(&our_alert), members(&their_alert));
    for alert in [&their_alert, &our_alert] {
        let time = |member: &str| {
            alert[member]
                .as_str()
                .unwrap()
                .parse::<jiff::Timestamp>()
                .unwrap()
        };
        assert!(time("startsAt") < time("endsAt"), "{alert}");
    }
    let first_line = |head: &str| head.lines().next().unwrap().to_owned();
    assert_eq!(first_line(&our_head), first_line(&their_head));
    assert!(
        our_head
            .to_lowercase()
            .contains("content-type: application/json\r\n")
    );
}

#[test]
fn a_webhook_is_told_in_the_format_of_alertmanager_and_again_after_it_was_not_there() {
    let people = JsonReceiver::start(&["503 Service Unavailable", "200 OK"]);
    let rules = format!(
        "{EXPECT}alerting:\n  webhooks:\n  - {{name: chat, url: 'http://{}/hook?token=hush', group_wait: 0s, group_interval: 1s, \
         authorization: {{credentials: secret}}}}\n",
        people.address()
    );
    let (_folder, gateway) = start(with_rules(&rules));
    let (_, refused) = people.next();
    let (head, told) = people.next();
    assert!(head.starts_with("POST /hook?token=hush HTTP/1.1\r\n"), "{head}");
    assert!(
        head.to_lowercase().contains("authorization: bearer secret\r\n"),
        "{head}"
    );
    assert_eq!(told, refused);
    let mut alert = told["alerts"][0].clone();
    let began = alert["startsAt"].as_str().unwrap().parse::<jiff::Timestamp>();
    assert_eq!(began.unwrap().to_string(), BEGAN);
    alert.as_object_mut().unwrap().remove("startsAt");
    let labels = serde_json::json!({"alertname": "WharfGroupOverdue", "instance": "db1", "job": "gone"});
    let (fingerprint, annotations) = (alert["fingerprint"].clone(), alert["annotations"].clone());
    assert_eq!(
        alert,
        serde_json::json!({
            "status": "firing",
            "labels": labels,
            "annotations": annotations,
            "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "http://wharf.example/push/?view=group&group=job%2Fgone%2Finstance%2Fdb1",
            "fingerprint": fingerprint,
        })
    );
    let mut message = told.clone();
    message.as_object_mut().unwrap().remove("alerts");
    assert_eq!(
        message,
        serde_json::json!({
            "version": "4",
            "receiver": "chat",
            "status": "firing",
            "groupLabels": {"alertname": "WharfGroupOverdue"},
            "commonLabels": labels,
            "commonAnnotations": annotations,
            "externalURL": "http://wharf.example/push",
            "groupKey": "{}:{alertname=\"WharfGroupOverdue\"}",
            "truncatedAlerts": 0,
        })
    );
    gateway.push("/metrics/job/gone/instance/db1", "m 1\n");
    let (_, resolved) = people.next();
    assert_eq!(resolved["status"], "resolved");
    assert_eq!(resolved["alerts"][0]["status"], "resolved");
    assert_ne!(resolved["alerts"][0]["endsAt"], "0001-01-01T00:00:00Z");
    // Its address is nobody's business.
    let answer = gateway.send(&get("/api/v1/alerting")).text();
    let port = people.address().port().to_string();
    assert!(!answer.contains("hush") && !answer.contains(&port), "{answer}");
    let receiver = receivers(&gateway, "webhooks")["chat"].clone();
    assert!(
        receiver["last_error"]["text"].as_str().unwrap().contains("503"),
        "{receiver}"
    );
    // It is counted once the answer is there.
    until("the messages to be counted", || {
        let scrape = gateway.scrape();
        let count = |name: &str| {
            let sample = scrape.samples.iter().find(|sample| sample.name == name);
            sample.map(wharf_testkit::Sample::number)
        };
        let sent = count("wharf_webhook_messages_sent_total");
        let failed = count("wharf_webhook_messages_failed_total");
        ((sent, failed) == (Some(3.0), Some(1.0))).then_some(())
    });
}

/// What Alertmanager itself sends to a webhook is what Wharf does, but for what newer versions say besides.
#[test]
fn a_webhook_gets_from_wharf_what_it_gets_from_alertmanager() {
    let (theirs, ours) = (JsonReceiver::start(&["200 OK"]), JsonReceiver::start(&["200 OK"]));
    let Some(alertmanager) = Alertmanager::start(AlertmanagerVersion::V0_28, theirs.address()) else {
        return;
    };
    let rules = format!(
        "{EXPECT}{}  webhooks: [{{name: people, url: 'http://{}/', group_wait: 0s}}]\n",
        alertmanagers(&[alertmanager.address()]),
        ours.address()
    );
    let (_folder, _gateway) = start(with_rules(&rules));
    let ([mut theirs, mut ours], external) = ([theirs.next().1, ours.next().1], "http://wharf.example/push");
    assert_eq!(ours["externalURL"], external);
    for message in [&mut theirs, &mut ours] {
        message["externalURL"] = Value::Null;
        let began = message["alerts"][0]["startsAt"]
            .as_str()
            .unwrap()
            .parse::<jiff::Timestamp>();
        message["alerts"][0]["startsAt"] = began.unwrap().to_string().into();
    }
    assert_eq!(ours, theirs);
}

#[test]
fn a_reload_changes_who_is_told_and_loses_nothing() {
    let (first, second) = (JsonReceiver::start(&["200 OK"]), JsonReceiver::start(&["200 OK"]));
    let rules = |receiver: &JsonReceiver| format!("{EXPECT}{}", alertmanagers(&[receiver.address()]));
    let (folder, gateway) = start(with_rules(&rules(&first)));
    let (_, told) = first.next();
    fs::write(folder.path().join("wharf.yml"), rules(&second)).unwrap();
    assert_eq!(gateway.send(&post("/-/reload")).status, 200);
    let (_, again) = second.next();
    assert_eq!(again[0]["startsAt"], told[0]["startsAt"]);
    assert_eq!(again[0]["labels"], told[0]["labels"]);
}

#[test]
fn replicas_tell_alertmanager_all_and_webhooks_once() {
    let Some(etcd) = Etcd::start(1, &["--unsafe-no-fsync"]) else {
        return;
    };
    let (alerts, people) = (JsonReceiver::start(&["200 OK"]), JsonReceiver::start(&["200 OK"]));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("wharf.yml");
    let rules = format!(
        "{EXPECT}{}  webhooks: [{{name: people, url: 'http://{}/', group_interval: 1s}}]\n",
        alertmanagers(&[alerts.address()]),
        people.address()
    );
    fs::write(&file, rules).unwrap();
    let replica = |name: &str| {
        wharf()
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.etcd={}", etcd.urls().join(",")))
            .arg(format!("--replica.name={name}"))
            .arg(format!("--web.external-url=http://{name}.example"))
            .arg("--expect.start-grace=0s")
            .start()
    };
    let sends = |gateway: &Gateway| {
        let answer = gateway.send(&get("/api/v1/alerting")).json();
        answer["data"]["sends_webhooks"].as_bool()
    };
    // Names decide nothing: the one that is there first sends.
    let mut first = replica("b");
    let (_, told) = people.next();
    assert_eq!(told["status"], "firing");
    assert_eq!(told["externalURL"], "http://b.example");
    let second = replica("a");
    let mut from = BTreeSet::new();
    while from.len() < 2 {
        let (_, alert) = alerts.next();
        let url = alert[0]["generatorURL"].as_str().unwrap().to_owned();
        from.insert(url.split("/?").next().unwrap().to_owned());
    }
    until("the replicas to agree who sends", || {
        let both = (sends(&first), sends(&second));
        (both == (Some(true), Some(false))).then_some(())
    });
    first.terminate();
    assert_eq!(first.wait().code, Some(0));
    until("the other one to send", || {
        (sends(&second) == Some(true)).then_some(())
    });
    second.push("/metrics/job/gone/instance/db1", "m 1\n");
    // It goes on from what was told.
    let (_, told) = people.next();
    assert_eq!(told["status"], "resolved");
    assert_eq!(told["externalURL"], "http://a.example");
}
