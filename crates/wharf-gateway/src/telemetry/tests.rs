use wharf_store::{Cold, Detail, Files, PushIdCounts, RemovedStatus, UnixNanos, WriterStatistics};

use super::*;
use crate::alerting::{AlertingReport, ReceiverStatus};
use crate::policy::QuotaGauge;
use crate::statsd::{StatsdCounts, StatsdRelayed};
use crate::traces::TraceCounts;

const BUILD: BuildLabels = BuildLabels {
    branch: "HEAD",
    goarch: "amd64",
    goos: "linux",
    goversion: "rustc1.95.0",
    revision: "abc",
    tags: "unknown",
    version: "0.1.0",
};

/// A day in the life.
fn busy(now: Instant) -> Telemetry {
    let telemetry = Telemetry::new(BUILD);
    telemetry.record_request(200, "push", "put");
    telemetry.record_request(200, "push", "post");
    telemetry.record_request(200, "api/v1/status", "get");
    telemetry.record_request(400, "push", "post");
    telemetry.record_request(200, "push", "post");
    telemetry.record_push(now, "post", 146, Duration::from_millis(1));
    telemetry.record_push(now, "post", 146, Duration::from_millis(3));
    telemetry.record_push(now, "put", 500, Duration::from_millis(2));
    telemetry.record_refusal("syntax");
    telemetry.record_refusal("inconsistent");
    telemetry.record_refusal("syntax");
    telemetry.record_turned_away("credentials");
    telemetry.record_denial(Right::Push);
    telemetry.record_stopped("costly");
    telemetry.record_scrape(Duration::from_millis(2), 5000, 3);
    telemetry.record_scrape(Duration::from_secs(60), 100, 0);
    telemetry.record_deleted(2);
    telemetry.undos().record_removed("wipe", 4);
    telemetry.undos().record_removed("selector", 0);
    telemetry.undos().record_undo(3);
    telemetry.record_expired(3, 1);
    telemetry.record_dropped(7);
    telemetry
}

/// A file that was used once and is not now.
const CONFIG: ConfigGauge = ConfigGauge {
    is_used: false,
    in_force_since: UnixNanos(1_500_000_000),
};

fn web_config(flag: &str, is_in_force: bool) -> WebConfigGauge {
    WebConfigGauge {
        flag: flag.to_owned(),
        users: Some(3),
        certificate_expiry_seconds: Some(1_767_225_600),
        is_in_force,
    }
}

fn quota() -> QuotaGauge {
    QuotaGauge {
        number: "1".to_owned(),
        selector: "{job=\"a\"}".to_owned(),
        resource: "series",
        limit: 100,
        used: 30,
    }
}

fn removed() -> RemovedStatus {
    RemovedStatus {
        max_age: Duration::from_secs(3600),
        max_bytes: 1 << 20,
        bytes: 800,
        removals: 2,
        is_durable: true,
        failures: 1,
    }
}

/// The families with these starts of names, in the debug notation.
fn shown(exposition: &Exposition<'_>, prefix: &str) -> String {
    let text = format!("{exposition:?}");
    let mut keep = false;
    let mut lines = Vec::new();
    for line in text.lines() {
        if !line.starts_with(' ') {
            let name = line.split('"').nth(1).unwrap_or_default();
            keep = name.starts_with(prefix);
        }
        if keep {
            lines.push(line.split(" help=").next().unwrap_or_default());
        }
    }
    lines.join("\n")
}

#[test]
fn a_fresh_server_shows_no_http_families() {
    let telemetry = Telemetry::new(BUILD);
    let exposition = telemetry.exposition(Instant::now(), &StoreGauges::default());
    let expected = r#"gauge "pushgateway_build_info"
  {branch="HEAD",goarch="amd64",goos="linux",goversion="rustc1.95.0",revision="abc",tags="unknown",version="0.1.0"} 1.0"#;
    assert_eq!(shown(&exposition, "pushgateway_"), expected);
    assert_eq!(shown(&exposition, "wharf_pushes_refused_total"), "");
}

#[test]
fn requests_are_counted_by_code_handler_and_method() {
    let now = Instant::now();
    let exposition = busy(now).exposition(now, &StoreGauges::default());
    let expected = r#"counter "pushgateway_http_requests_total"
  {code="200",handler="api/v1/status",method="get"} 1.0
  {code="200",handler="push",method="post"} 2.0
  {code="200",handler="push",method="put"} 1.0
  {code="400",handler="push",method="post"} 1.0"#;
    assert_eq!(shown(&exposition, "pushgateway_http_requests_total"), expected);
}

#[test]
fn pushes_are_summed_up_by_method() {
    let now = Instant::now();
    let telemetry = busy(now);
    let expected = r#"summary "pushgateway_http_push_size_bytes"
  {method="post"} sum=292.0 count=2 q0.1=146.0 q0.5=146.0 q0.9=146.0
  {method="put"} sum=500.0 count=1 q0.1=500.0 q0.5=500.0 q0.9=500.0"#;
    let exposition = telemetry.exposition(now, &StoreGauges::default());
    assert_eq!(shown(&exposition, "pushgateway_http_push_size_bytes"), expected);

    let expected = r#"summary "pushgateway_http_push_duration_seconds"
  {method="post"} sum=0.004 count=2 q0.1=NaN q0.5=NaN q0.9=NaN
  {method="put"} sum=0.002 count=1 q0.1=NaN q0.5=NaN q0.9=NaN"#;
    let exposition = telemetry.exposition(now + Duration::from_secs(600), &StoreGauges::default());
    assert_eq!(
        shown(&exposition, "pushgateway_http_push_duration_seconds"),
        expected
    );
}

#[test]
fn own_families_show_store_scrapes_and_refusals() {
    let now = Instant::now();
    let telemetry = busy(now);
    let open = telemetry.connection_opened();
    let also_open = telemetry.connection_opened();
    drop(open);
    telemetry.record_left_out(8);
    telemetry.record_action("wipe", "success");
    telemetry.record_action("delete", "failure");
    telemetry.record_gave_way();
    telemetry.set_connections_limit(8192);
    drop(telemetry.request_started());
    let gauges = StoreGauges {
        replicas: None,
        expectations: None,
        alerting: None,
        statsd: None,
        traces: Some(TraceCounts {
            exported: 7,
            dropped_full: 2,
            dropped_failed: 1,
        }),
        backups: Some(BackupTimes {
            newest: Some(UnixNanos(1_800_000_000_000_000_000)),
            newest_verified: None,
        }),
        groups: 2,
        expiring: 1,
        series: 30,
        bytes: 4000,
        cold: Cold {
            leaves: 3,
            text_bytes: 3000,
            compressed_bytes: 300,
        },
        forms_bytes: 500,
        contradicting: 6,
        push_ids: PushIdCounts {
            kept: 7,
            repeated: 8,
            refused: 9,
            forgotten: 10,
        },
        pushes_waiting: 5,
        quotas: vec![quota()],
        removed: Some(removed()),
        ledger: Some(WriterStatistics {
            is_up: true,
            records: 5,
            commits: 3,
            commit_time: Duration::from_millis(1500),
            failures: 1,
            detail: Detail::Files(Files {
                written_bytes: 6000,
                log_bytes: 700,
                segments: 2,
                checkpoints: 4,
            }),
        }),
        memory: MemoryGauge {
            in_use: 70_000,
            limit: Some(1 << 20),
            refused: [("client", 1), ("process", 0), ("push", 2)],
        },
        config: Some(CONFIG),
        web_configs: vec![
            web_config("web.config.file", true),
            web_config("web.push-config-file", false),
            // It cannot be read. No users at all would mean that everybody is let in.
            WebConfigGauge {
                users: None,
                certificate_expiry_seconds: None,
                ..web_config("web.scrape-config-file", false)
            },
        ],
    };
    let exposition = telemetry.exposition(now, &gauges);
    drop(also_open);
    expect_test::expect![[r#"
        counter "wharf_audit_actions_total"
          {kind="delete",outcome="failure"} 1.0
          {kind="wipe",outcome="success"} 1.0
        gauge "wharf_backup_newest_timestamp_seconds"
          {} 1800000000.0
        gauge "wharf_backup_newest_verified_timestamp_seconds"
          {} 0.0
        gauge "wharf_config_last_reload_success_timestamp_seconds"
          {} 1.5
        gauge "wharf_config_last_reload_successful"
          {} 0.0
        gauge "wharf_decoded_bytes"
          {} 70000.0
        gauge "wharf_decoded_bytes_limit"
          {} 1048576.0
        counter "wharf_decoded_refused_total"
          {limit="client"} 1.0
          {limit="process"} 0.0
          {limit="push"} 2.0
        gauge "wharf_groups"
          {} 2.0
        counter "wharf_groups_deleted_total"
          {} 2.0
        counter "wharf_groups_expired_total"
          {kept_times="false"} 3.0
          {kept_times="true"} 1.0
        gauge "wharf_groups_expiring"
          {} 1.0
        counter "wharf_groups_removed_total"
          {by="wipe"} 4.0
        gauge "wharf_histograms_contradicting"
          {} 6.0
        gauge "wharf_http_connections"
          {} 1.0
        counter "wharf_http_connections_gave_way_total"
          {} 1.0
        gauge "wharf_http_connections_limit"
          {} 8192.0
        counter "wharf_http_requests_denied_total"
          {right="push"} 1.0
        gauge "wharf_http_requests_in_flight"
          {} 0.0
        counter "wharf_http_requests_turned_away_total"
          {reason="credentials"} 1.0
        counter "wharf_leaves_recompressed_total"
          {} 3.0
        counter "wharf_ledger_checkpoints_total"
          {} 4.0
        counter "wharf_ledger_failures_total"
          {} 1.0
        gauge "wharf_ledger_log_bytes"
          {} 700.0
        counter "wharf_ledger_records_total"
          {} 5.0
        gauge "wharf_ledger_segments"
          {} 2.0
        counter "wharf_ledger_sync_seconds_total"
          {} 1.5
        counter "wharf_ledger_syncs_total"
          {} 3.0
        gauge "wharf_ledger_up"
          {} 1.0
        counter "wharf_ledger_written_bytes_total"
          {} 6000.0
        gauge "wharf_push_ids"
          {} 7.0
        counter "wharf_push_ids_forgotten_total"
          {} 10.0
        counter "wharf_pushes_refused_total"
          {reason="inconsistent"} 1.0
          {reason="syntax"} 2.0
        counter "wharf_pushes_repeated_total"
          {} 8.0
        gauge "wharf_pushes_waiting"
          {} 5.0
        gauge "wharf_quota_limit"
          {match="{job=\"a\"}",quota="1",resource="series"} 100.0
        gauge "wharf_quota_used"
          {match="{job=\"a\"}",quota="1",resource="series"} 30.0
        counter "wharf_relabel_metrics_dropped_total"
          {} 7.0
        counter "wharf_requests_stopped_total"
          {reason="costly"} 1.0
        histogram "wharf_scrape_duration_seconds"
          {} sum=60.002 count=Int(2) le0.0005=Int(0) le0.001=Int(0) le0.0025=Int(1) le0.005=Int(1) le0.01=Int(1) le0.025=Int(1) le0.05=Int(1) le0.1=Int(1) le0.25=Int(1) le0.5=Int(1) le1.0=Int(1) le5.0=Int(1)
        gauge "wharf_scrape_forms_bytes"
          {} 500.0
        counter "wharf_scrape_metrics_left_out_total"
          {} 8.0
        histogram "wharf_scrape_size_bytes"
          {} sum=5100.0 count=Int(2) le4096.0=Int(1) le16384.0=Int(2) le65536.0=Int(2) le262144.0=Int(2) le1048576.0=Int(2) le4194304.0=Int(2) le16777216.0=Int(2) le67108864.0=Int(2) le268435456.0=Int(2) le1073741824.0=Int(2)
        counter "wharf_scrapes_total"
          {} 2.0
        gauge "wharf_series"
          {} 30.0
        gauge "wharf_storage_durable"
          {} 1.0
        gauge "wharf_stored_bytes"
          {} 4000.0
        gauge "wharf_stored_cold_bytes"
          {} 3000.0
        gauge "wharf_stored_cold_compressed_bytes"
          {} 300.0
        gauge "wharf_tls_certificate_expiry_timestamp_seconds"
          {flag="web.config.file"} 1767225600.0
          {flag="web.push-config-file"} 1767225600.0
        counter "wharf_traces_dropped_total"
          {reason="failed"} 1.0
          {reason="full"} 2.0
        counter "wharf_traces_exported_total"
          {} 7.0
        gauge "wharf_undo_bytes"
          {} 800.0
        counter "wharf_undo_failures_total"
          {} 1.0
        counter "wharf_undo_groups_restored_total"
          {} 3.0
        gauge "wharf_undo_removals"
          {} 2.0
        counter "wharf_undos_total"
          {} 1.0
        gauge "wharf_web_config_in_force"
          {flag="web.config.file"} 1.0
          {flag="web.push-config-file"} 0.0
          {flag="web.scrape-config-file"} 0.0
        gauge "wharf_web_config_users"
          {flag="web.config.file"} 3.0
          {flag="web.push-config-file"} 3.0"#]].assert_eq(&shown(&exposition, "wharf_"));
}

#[test]
fn families_and_labels_are_sorted_and_reserved() {
    let now = Instant::now();
    let gauges = StoreGauges {
        quotas: vec![quota()],
        removed: Some(removed()),
        ledger: Some(WriterStatistics::default()),
        memory: MemoryGauge {
            limit: Some(1),
            refused: [("client", 0), ("process", 0), ("push", 0)],
            ..MemoryGauge::default()
        },
        config: Some(CONFIG),
        backups: Some(BackupTimes::default()),
        traces: Some(TraceCounts::default()),
        web_configs: vec![web_config("web.config.file", true)],
        ..StoreGauges::default()
    };
    let telemetry = busy(now);
    telemetry.record_action("wipe", "success");
    let exposition = telemetry.exposition(now, &gauges);
    let names: Vec<&str> = exposition
        .families
        .iter()
        .map(|family| exposition.text(family.name))
        .collect();
    assert!(names.is_sorted(), "{names:?}");
    for family in &exposition.families {
        let name = exposition.text(family.name);
        let known = reserved().iter().find(|known| known.name == name).unwrap();
        assert_eq!(family.metric_type, known.metric_type, "{name}");
        assert_eq!(family.help.map(|help| exposition.text(help)), Some(known.help));
        for metric in &family.metrics {
            assert!(
                exposition.labels(metric.labels).map(|(name, _)| name).is_sorted(),
                "{name}"
            );
        }
    }
    #[cfg(target_os = "linux")]
    assert_eq!(
        names.len(),
        reserved().len(),
        "every reserved family is shown once something has happened"
    );
}

#[test]
fn families_of_statsd_are_all_shown_once_all_has_happened() {
    let one = |value| vec![(value, 1)];
    let counts = StatsdCounts {
        messages: one("event"),
        sample_errors: one("malformed_line"),
        events: one("counter"),
        event_errors: one("empty_metric_name"),
        actions: one("map"),
        conflicts: vec![("name".to_owned(), "gauge", 2)],
        metrics: one("counter"),
        reloads: one("success"),
        udp_drops: Some(3),
        connections: vec![("tcp", 4), ("udp", 5)],
        bytes: one("udp"),
        refused_series: one("type"),
        relayed: vec![StatsdRelayed::default()],
        ..StatsdCounts::default()
    };
    let shown = |statsd| {
        let gauges = StoreGauges {
            statsd,
            ..StoreGauges::default()
        };
        let exposition = busy(Instant::now()).exposition(Instant::now(), &gauges);
        let families = exposition.families.iter();
        let shown = families.map(|family| (exposition.text(family.name).to_owned(), family.metric_type));
        shown
            .filter(|(name, _)| name.contains("statsd"))
            .collect::<Vec<_>>()
    };
    let reserved = reserved_of_statsd().iter();
    let reserved: Vec<_> = reserved
        .map(|family| (family.name.to_owned(), family.metric_type))
        .collect();
    assert_eq!(shown(Some(counts)), reserved);
    assert_eq!(shown(None), [], "without lines nothing is shown");
}

#[test]
fn the_table_of_families_is_sorted_and_has_each_once() {
    let names: Vec<&str> = reserved().iter().map(|family| family.name).collect();
    assert!(names.is_sorted_by(|a, b| a < b), "{names:?}");
    let fixed = reserved()
        .iter()
        .filter(|family| family.joins == wharf_store::Joins::WithSameHelp)
        .map(|family| family.name);
    assert!(
        fixed.eq(names
            .iter()
            .copied()
            .filter(|name| name.starts_with("pushgateway_http_")))
    );
}

#[test]
fn the_families_of_a_replica_are_shown_where_groups_are_shared() {
    let other = wharf_store::ReplicaStatus {
        name: "b".to_owned(),
        address: String::new(),
        version: String::new(),
        revision: wharf_store::Revision(40),
        lag: Duration::ZERO,
        clock_offset_seconds: -0.5,
        scraped_at: None,
        started_at: UnixNanos(0),
        is_self: false,
        is_sweeper: false,
    };
    let status = wharf_store::SharedStatus {
        engine: "etcd",
        lag: Some(Duration::from_millis(250)),
        is_ready: true,
        revision: wharf_store::Revision(41),
        counts: wharf_store::Counts {
            changes: 9,
            commits: 3,
            commit_time: Duration::from_millis(12),
            stale: 1,
            failures: 2,
            loads: 1,
            unreadable: 0,
        },
        waiting: 5,
        full: None,
        replicas: vec![other],
        has_twin: false,
        differs: None,
    };
    let gauges = StoreGauges {
        replicas: Some(ReplicaGauges { status, held_back: 4 }),
        ledger: Some(WriterStatistics {
            is_up: true,
            detail: Detail::Shared(wharf_store::Counts::default()),
            ..WriterStatistics::default()
        }),
        ..StoreGauges::default()
    };
    let now = Instant::now();
    let exposition = busy(now).exposition(now, &gauges);
    expect_test::expect![[r#"
        gauge "wharf_replica_clock_offset_seconds"
          {replica="b"} -0.5
        counter "wharf_replica_commit_seconds_total"
          {} 0.012
        counter "wharf_replica_commits_total"
          {} 3.0
        gauge "wharf_replica_config_differs"
          {} 0.0
        counter "wharf_replica_conflicts_total"
          {} 1.0
        counter "wharf_replica_failures_total"
          {} 2.0
        gauge "wharf_replica_families_held_back"
          {} 4.0
        gauge "wharf_replica_lag_seconds"
          {} 0.25
        counter "wharf_replica_loads_total"
          {} 1.0
        counter "wharf_replica_records_total"
          {} 9.0
        gauge "wharf_replica_revision"
          {} 41.0
        counter "wharf_replica_unreadable_total"
          {} 0.0
        gauge "wharf_replica_up"
          {} 1.0
        gauge "wharf_replica_waiting_changes"
          {} 5.0
        gauge "wharf_replicas"
          {} 1.0"#]]
    .assert_eq(&shown(&exposition, "wharf_replica"));
    let names: Vec<&str> = exposition
        .families
        .iter()
        .map(|family| exposition.text(family.name))
        .filter(|name| name.starts_with("wharf_replica"))
        .collect();
    let reserved: Vec<&str> = reserved_of_replicas().iter().map(|family| family.name).collect();
    assert_eq!(names, reserved);
}

#[test]
fn what_is_expected_is_shown_where_something_is() {
    let gauges = StoreGauges {
        expectations: Some(ExpectationGauges {
            expected: 5,
            overdue: 2,
            left_out: 1,
            limit: Some(5),
            known_since: UnixNanos(1_800_000_000_000_000_000),
            hides: false,
        }),
        ..StoreGauges::default()
    };
    let exposition = Telemetry::new(BuildLabels::default()).exposition(Instant::now(), &gauges);
    let shown: Vec<_> = exposition
        .families
        .iter()
        .map(|family| exposition.text(family.name))
        .collect();
    let reserved = reserved_of_expectations();
    let names: Vec<&str> = reserved.iter().map(|family| family.name).collect();
    assert!(names.is_sorted_by(|a, b| a < b), "{names:?}");
    let of_group = gauges_of_group(true, Some(UnixNanos(1_800_000_060_000_000_000)));
    let of_group = of_group
        .families
        .iter()
        .map(|family| of_group.text(family.name).to_owned());
    let of_group: Vec<String> = of_group.collect();
    assert_eq!(of_group, OF_GROUPS);
    // What pushes have said is stored.
    let stored = [wharf_store::EXPECTED, wharf_store::PAUSED_UNTIL];
    let own = names
        .iter()
        .filter(|name| !OF_GROUPS.contains(name) && !stored.contains(name));
    assert!(own.clone().all(|name| shown.contains(name)), "{shown:?}");
    assert_eq!(own.count(), 5);
}

#[test]
fn messages_about_missed_jobs_are_shown_where_somebody_is_told() {
    let receiver = |name: &str, waiting| ReceiverStatus {
        name: name.to_owned(),
        waiting,
        ..ReceiverStatus::default()
    };
    let gauges = StoreGauges {
        alerting: Some(AlertingReport {
            capacity: Some(20_000),
            alertmanagers: vec![receiver("http://a", 3), receiver("http://b", 5)],
            webhooks: vec![receiver("chat", 1)],
            ..AlertingReport::default()
        }),
        ..StoreGauges::default()
    };
    let now = Instant::now();
    let telemetry = Telemetry::new(BuildLabels::default());
    let notifications = telemetry.notifications();
    notifications.add_alertmanager("http://a");
    notifications.add_alertmanager("http://b");
    notifications.add_webhook("chat");
    notifications.record_sent("http://a", (256, true), Duration::from_secs(1), now);
    notifications.record_sent("http://a", (2, false), Duration::from_secs(3), now);
    notifications.record_dropped();
    notifications.record_webhook("chat", true);
    notifications.record_given_up("chat");
    let exposition = telemetry.exposition(now, &gauges);
    let reserved = reserved_of_alerting();
    let names: Vec<&str> = reserved.iter().map(|family| family.name).collect();
    assert!(names.is_sorted_by(|a, b| a < b), "{names:?}");
    let shown_names = exposition
        .families
        .iter()
        .map(|family| exposition.text(family.name));
    let shown_names: Vec<_> = shown_names.collect();
    assert!(
        names.iter().all(|name| shown_names.contains(name)),
        "{shown_names:?}"
    );
    let text = format!(
        "{}\n{}",
        shown(&exposition, "prometheus_"),
        shown(&exposition, "wharf_webhook_")
    );
    expect_test::expect![[r#"
        gauge "prometheus_notifications_alertmanagers_discovered"
          {} 2.0
        counter "prometheus_notifications_dropped_total"
          {} 1.0
        counter "prometheus_notifications_errors_total"
          {alertmanager="http://a"} 256.0
          {alertmanager="http://b"} 0.0
        summary "prometheus_notifications_latency_seconds"
          {alertmanager="http://a"} sum=4.0 count=2 q0.5=1.0 q0.9=3.0 q0.99=3.0
        gauge "prometheus_notifications_queue_capacity"
          {} 20000.0
        gauge "prometheus_notifications_queue_length"
          {} 5.0
        counter "prometheus_notifications_sent_total"
          {alertmanager="http://a"} 258.0
          {alertmanager="http://b"} 0.0
        counter "wharf_webhook_messages_failed_total"
          {receiver="chat"} 1.0
        counter "wharf_webhook_messages_given_up_total"
          {receiver="chat"} 1.0
        counter "wharf_webhook_messages_sent_total"
          {receiver="chat"} 1.0
        gauge "wharf_webhook_messages_waiting"
          {receiver="chat"} 1.0"#]]
    .assert_eq(&text);
}
