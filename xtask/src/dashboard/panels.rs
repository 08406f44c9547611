//! The panels, row by row. In a query, `@` stands for the labels of the gateways that are chosen.

/// A headline with panels below it.
pub(super) struct Row {
    pub(super) title: &'static str,
    pub(super) panels: &'static [Panel],
}

pub(super) struct Panel {
    pub(super) title: &'static str,
    pub(super) description: &'static str,
    pub(super) kind: Kind,
    /// One of Grafana's names for units.
    pub(super) unit: &'static str,
    /// Of 24.
    pub(super) width: u32,
    pub(super) queries: &'static [Query],
}

pub(super) enum Kind {
    /// A number as it is now, with colours from values on.
    Number(&'static [(Option<f64>, &'static str)]),
    /// Several of them.
    Bars,
    /// Lines over time.
    Course,
}

pub(super) struct Query {
    pub(super) promql: &'static str,
    pub(super) legend: &'static str,
}

const fn query(promql: &'static str, legend: &'static str) -> Query {
    Query { promql, legend }
}

const PLAIN: &[(Option<f64>, &str)] = &[(None, "text")];
/// 1 is good.
const TRUTH: &[(Option<f64>, &str)] = &[(None, "red"), (Some(1.0), "green")];
/// 0 is good.
const NONE_IS_GOOD: &[(Option<f64>, &str)] = &[(None, "green"), (Some(1.0), "orange")];

pub(super) static ROWS: [Row; 12] = [
    Row {
        title: "At a glance",
        panels: &[
            Panel {
                title: "Can store",
                description: "1 while changes can be stored, 0 while the disk takes nothing. Nothing is shown for a gateway that \
                              keeps everything in memory.",
                kind: Kind::Number(TRUTH),
                unit: "none",
                width: 3,
                queries: &[query("min(wharf_ledger_up{@})", "")],
            },
            Panel {
                title: "Durable",
                description: "0 if a gateway keeps pushes in memory only.",
                kind: Kind::Number(TRUTH),
                unit: "none",
                width: 3,
                queries: &[query("min(wharf_storage_durable{@})", "")],
            },
            Panel {
                title: "Groups",
                description: "Groups that are stored.",
                kind: Kind::Number(PLAIN),
                unit: "short",
                width: 3,
                queries: &[query("sum(wharf_groups{@})", "")],
            },
            Panel {
                title: "Series",
                description: "Series that are stored, without the metrics of the gateway.",
                kind: Kind::Number(PLAIN),
                unit: "short",
                width: 3,
                queries: &[query("sum(wharf_series{@})", "")],
            },
            Panel {
                title: "Last push refused",
                description: "Groups, of all gateways, whose last push was refused.",
                kind: Kind::Number(NONE_IS_GOOD),
                unit: "short",
                width: 4,
                queries: &[query(
                    "count(push_failure_time_seconds > push_time_seconds) or vector(0)",
                    "",
                )],
            },
            Panel {
                title: "Not pushed for a day",
                description: "Groups, of all gateways, whose last push is more than 26 hours back.",
                kind: Kind::Number(NONE_IS_GOOD),
                unit: "short",
                width: 4,
                queries: &[query(
                    "count(time() - (push_time_seconds > 0) > 26 * 3600) or vector(0)",
                    "",
                )],
            },
            Panel {
                title: "Version",
                description: "Which build runs where.",
                kind: Kind::Number(PLAIN),
                unit: "none",
                width: 4,
                queries: &[query(
                    "count by (version) (pushgateway_build_info{@})",
                    "{{version}}",
                )],
            },
        ],
    },
    Row {
        title: "Pushes",
        panels: &[
            Panel {
                title: "Pushes",
                description: "Pushes that were answered, be it with success or not.",
                kind: Kind::Course,
                unit: "reqps",
                width: 8,
                queries: &[query(
                    "sum by (instance, method) (rate(pushgateway_http_push_duration_seconds_count{@}[$__rate_interval]))",
                    "{{instance}} {{method}}",
                )],
            },
            Panel {
                title: "Refused pushes",
                description: "Pushes that were not stored, by reason. docs/refusals.md says what to do about each.",
                kind: Kind::Course,
                unit: "reqps",
                width: 8,
                queries: &[query(
                    "sum by (instance, reason) (rate(wharf_pushes_refused_total{@}[$__rate_interval]))",
                    "{{instance}} {{reason}}",
                )],
            },
            Panel {
                title: "Time of a push",
                description: "From its head to its answer, the sync of the disk included.",
                kind: Kind::Course,
                unit: "s",
                width: 8,
                queries: &[query(
                    "max by (instance, quantile) (pushgateway_http_push_duration_seconds{@})",
                    "{{instance}} {{quantile}}",
                )],
            },
            Panel {
                title: "Size of a push",
                description: "Bytes of head and body, on average.",
                kind: Kind::Course,
                unit: "bytes",
                width: 8,
                queries: &[query(
                    "sum by (instance) (rate(pushgateway_http_push_size_bytes_sum{@}[$__rate_interval])) / sum by (instance) \
                     (rate(pushgateway_http_push_size_bytes_count{@}[$__rate_interval]))",
                    "{{instance}}",
                )],
            },
            Panel {
                title: "Requests by status",
                description: "All requests but scrapes.",
                kind: Kind::Course,
                unit: "reqps",
                width: 8,
                queries: &[query(
                    "sum by (code) (rate(pushgateway_http_requests_total{@}[$__rate_interval]))",
                    "{{code}}",
                )],
            },
            Panel {
                title: "Groups that come and go",
                description: "How many there are, and how many left by themselves or were deleted by selector in the last hour.",
                kind: Kind::Course,
                unit: "short",
                width: 8,
                queries: &[
                    query("sum by (instance) (wharf_groups{@})", "{{instance}} groups"),
                    query(
                        "sum by (instance) (increase(wharf_groups_expired_total{@}[1h]))",
                        "{{instance}} expired",
                    ),
                    query(
                        "sum by (instance) (increase(wharf_groups_deleted_total{@}[1h]))",
                        "{{instance}} deleted",
                    ),
                ],
            },
            Panel {
                title: "Missed jobs",
                description: "Groups that rules expect, and which of them are overdue; only with expect in the configuration file. Those that are left out are beyond --expect.max.",
                kind: Kind::Course,
                unit: "short",
                width: 8,
                queries: &[
                    query("wharf_groups_overdue{@}", "{{instance}} overdue"),
                    query("wharf_groups_expected{@}", "{{instance}} expected"),
                    query("wharf_groups_expected_left_out{@}", "{{instance}} left out"),
                ],
            },
        ],
    },
    Row {
        title: "Scrapes",
        panels: &[
            Panel {
                title: "Scrapes",
                description: "Scrapes that were answered.",
                kind: Kind::Course,
                unit: "reqps",
                width: 8,
                queries: &[query(
                    "sum by (instance) (rate(wharf_scrapes_total{@}[$__rate_interval]))",
                    "{{instance}}",
                )],
            },
            Panel {
                title: "Time to render a scrape",
                description: "Without the way to the scraper.",
                kind: Kind::Course,
                unit: "s",
                width: 8,
                queries: &[
                    query(
                        "histogram_quantile(0.5, sum by (instance, le) (rate(wharf_scrape_duration_seconds_bucket{@}[$__rate_interval])))",
                        "{{instance}} p50",
                    ),
                    query(
                        "histogram_quantile(0.99, sum by (instance, le) (rate(wharf_scrape_duration_seconds_bucket{@}[$__rate_interval])))",
                        "{{instance}} p99",
                    ),
                ],
            },
            Panel {
                title: "Size of a scrape",
                description: "As it was sent, compressed if the scraper asked for it; the text of all groups; how much of that nobody has changed \
                              for a minute, so that it is kept compressed; and what is kept in other formats for those who scrape these.",
                kind: Kind::Course,
                unit: "bytes",
                width: 8,
                queries: &[
                    query(
                        "sum by (instance) (rate(wharf_scrape_size_bytes_sum{@}[$__rate_interval])) / sum by (instance) \
                         (rate(wharf_scrape_size_bytes_count{@}[$__rate_interval]))",
                        "{{instance}} sent",
                    ),
                    query("sum by (instance) (wharf_stored_bytes{@})", "{{instance}} text"),
                    query(
                        "sum by (instance) (wharf_stored_cold_bytes{@})",
                        "{{instance}} of which compressed",
                    ),
                    query(
                        "sum by (instance) (wharf_scrape_forms_bytes{@})",
                        "{{instance}} kept",
                    ),
                ],
            },
        ],
    },
    Row {
        title: "Storage",
        panels: &[
            Panel {
                title: "Records and syncs",
                description: "Changes that were written to the log, and how often the disk was asked to keep them. Changes that \
                              come together share a sync.",
                kind: Kind::Course,
                unit: "ops",
                width: 8,
                queries: &[
                    query(
                        "sum by (instance) (rate(wharf_ledger_records_total{@}[$__rate_interval]))",
                        "{{instance}} records",
                    ),
                    query(
                        "sum by (instance) (rate(wharf_ledger_syncs_total{@}[$__rate_interval]))",
                        "{{instance}} syncs",
                    ),
                ],
            },
            Panel {
                title: "Time of a sync",
                description: "On average. Pushes wait for it with --storage.sync=always.",
                kind: Kind::Course,
                unit: "s",
                width: 8,
                queries: &[query(
                    "sum by (instance) (rate(wharf_ledger_sync_seconds_total{@}[$__rate_interval])) / sum by (instance) \
                     (rate(wharf_ledger_syncs_total{@}[$__rate_interval]))",
                    "{{instance}}",
                )],
            },
            Panel {
                title: "Failures and checkpoints",
                description: "In the last hour.",
                kind: Kind::Course,
                unit: "short",
                width: 8,
                queries: &[
                    query(
                        "sum by (instance) (increase(wharf_ledger_failures_total{@}[1h]))",
                        "{{instance}} failures",
                    ),
                    query(
                        "sum by (instance) (increase(wharf_ledger_checkpoints_total{@}[1h]))",
                        "{{instance}} checkpoints",
                    ),
                ],
            },
            Panel {
                title: "Written",
                description: "Bytes of the log and of checkpoints.",
                kind: Kind::Course,
                unit: "Bps",
                width: 12,
                queries: &[query(
                    "sum by (instance) (rate(wharf_ledger_written_bytes_total{@}[$__rate_interval]))",
                    "{{instance}}",
                )],
            },
            Panel {
                title: "Log since the last checkpoint",
                description: "What a start has to read beside the checkpoint.",
                kind: Kind::Course,
                unit: "bytes",
                width: 12,
                queries: &[query(
                    "sum by (instance) (wharf_ledger_log_bytes{@})",
                    "{{instance}}",
                )],
            },
        ],
    },
    Row {
        title: "Removals and backups",
        panels: &[
            Panel {
                title: "Groups removed and taken back",
                description: "In the last hour, by the way they were removed: one by one, by selector, by a wipe.",
                kind: Kind::Course,
                unit: "short",
                width: 8,
                queries: &[
                    query(
                        "sum by (instance, by) (increase(wharf_groups_removed_total{@}[1h]))",
                        "{{instance}} by {{by}}",
                    ),
                    query(
                        "sum by (instance) (increase(wharf_undo_groups_restored_total{@}[1h]))",
                        "{{instance}} taken back",
                    ),
                ],
            },
            Panel {
                title: "Kept for undo",
                description: "Bytes of what was removed and can be taken back.",
                kind: Kind::Course,
                unit: "bytes",
                width: 4,
                queries: &[query("sum by (instance) (wharf_undo_bytes{@})", "{{instance}}")],
            },
            Panel {
                title: "Who did what",
                description: "Entries of the audit list in the last hour: deletes, wipes, undos, imports, reloads, quits. \
                              `/api/v1/admin/audit` says who it was.",
                kind: Kind::Course,
                unit: "short",
                width: 8,
                queries: &[query(
                    "sum by (instance, kind, outcome) (increase(wharf_audit_actions_total{@}[1h]))",
                    "{{instance}} {{kind}}: {{outcome}}",
                )],
            },
            Panel {
                title: "Last verified backup",
                description: "How long ago the newest verified backup in --backup.path was begun.",
                kind: Kind::Number(&[(None, "green"), (Some(93_600.0), "red")]),
                unit: "s",
                width: 4,
                queries: &[query(
                    "time() - min(wharf_backup_newest_verified_timestamp_seconds{@})",
                    "",
                )],
            },
        ],
    },
    Row {
        title: "Limits and load",
        panels: &[
            Panel {
                title: "Quotas in use",
                description: "The share of each quota of the configuration file that is taken.",
                kind: Kind::Bars,
                unit: "percentunit",
                width: 8,
                queries: &[query(
                    "max by (instance, quota, resource) (wharf_quota_used{@} / wharf_quota_limit{@})",
                    "{{instance}} quota {{quota}}: {{resource}}",
                )],
            },
            Panel {
                title: "Limits in use",
                description: "Connections, open files, and memory of pushes that are not stored yet.",
                kind: Kind::Course,
                unit: "percentunit",
                width: 8,
                queries: &[
                    query(
                        "wharf_http_connections{@} / wharf_http_connections_limit{@}",
                        "{{instance}} connections",
                    ),
                    query(
                        "process_open_fds{@} / process_max_fds{@} and on (job, instance) wharf_groups{@}",
                        "{{instance}} open files",
                    ),
                    query(
                        "wharf_decoded_bytes{@} / wharf_decoded_bytes_limit{@}",
                        "{{instance}} memory of pushes",
                    ),
                ],
            },
            Panel {
                title: "Under way",
                description: "Requests being answered, and pushes that wait for their turn.",
                kind: Kind::Course,
                unit: "short",
                width: 8,
                queries: &[
                    query("wharf_http_requests_in_flight{@}", "{{instance}} requests"),
                    query("wharf_pushes_waiting{@}", "{{instance}} pushes that wait"),
                    query("wharf_http_connections{@}", "{{instance}} connections"),
                ],
            },
            Panel {
                title: "Memory",
                description: "Of the process.",
                kind: Kind::Course,
                unit: "bytes",
                width: 12,
                queries: &[query(
                    "process_resident_memory_bytes{@} and on (job, instance) wharf_groups{@}",
                    "{{instance}}",
                )],
            },
            Panel {
                title: "Processor",
                description: "Seconds a second: 1 is one processor.",
                kind: Kind::Course,
                unit: "short",
                width: 12,
                queries: &[query(
                    "rate(process_cpu_seconds_total{@}[$__rate_interval]) and on (job, instance) wharf_groups{@}",
                    "{{instance}}",
                )],
            },
        ],
    },
    Row {
        title: "Left out and given up",
        panels: &[
            Panel {
                title: "Metrics left out",
                description: "In the last hour: of scrapes, because others have the same name and labels once these are escaped; and of pushes, \
                              by relabelling rules.",
                kind: Kind::Course,
                unit: "short",
                width: 8,
                queries: &[
                    query(
                        "sum by (instance) (increase(wharf_scrape_metrics_left_out_total{@}[1h]))",
                        "{{instance}} of scrapes",
                    ),
                    query(
                        "sum by (instance) (increase(wharf_relabel_metrics_dropped_total{@}[1h]))",
                        "{{instance}} by rules",
                    ),
                ],
            },
            Panel {
                title: "Given up",
                description: "In the last hour: requests that were too costly, took too long or whose client had gone; pushes that got no more \
                              memory, by limit; idle connections that were closed for others.",
                kind: Kind::Course,
                unit: "short",
                width: 8,
                queries: &[
                    query(
                        "sum by (instance, reason) (increase(wharf_requests_stopped_total{@}[1h]))",
                        "{{instance}} requests: {{reason}}",
                    ),
                    query(
                        "sum by (instance, limit) (increase(wharf_decoded_refused_total{@}[1h]))",
                        "{{instance}} memory: {{limit}}",
                    ),
                    query(
                        "sum by (instance) (increase(wharf_http_connections_gave_way_total{@}[1h]))",
                        "{{instance}} connections",
                    ),
                ],
            },
            Panel {
                title: "Ids of pushes",
                description: "Pushes that add up and came again, and were not counted again. Ids that were forgotten before their \
                              time: raise --push.max-ids.",
                kind: Kind::Course,
                unit: "short",
                width: 8,
                queries: &[
                    query("sum by (instance) (wharf_push_ids{@})", "{{instance}} ids"),
                    query(
                        "sum by (instance) (increase(wharf_pushes_repeated_total{@}[1h]))",
                        "{{instance}} repeated",
                    ),
                    query(
                        "sum by (instance) (increase(wharf_push_ids_forgotten_total{@}[1h]))",
                        "{{instance}} forgotten early",
                    ),
                ],
            },
            Panel {
                title: "Histograms that contradict themselves",
                description: "Stored ones. Text shows them as they were pushed; protobuf and OpenMetrics show them mended.",
                kind: Kind::Course,
                unit: "short",
                width: 8,
                queries: &[query(
                    "sum by (instance) (wharf_histograms_contradicting{@})",
                    "{{instance}}",
                )],
            },
        ],
    },
    Row {
        title: "Alerts about missed jobs",
        panels: &[
            Panel {
                title: "Alerts sent to Alertmanager",
                description: "Alerts that were sent, each time anew, and those of them that were not taken. Nothing is shown for a gateway \
                              without `alerting` in its configuration file.",
                kind: Kind::Course,
                unit: "ops",
                width: 8,
                queries: &[
                    query(
                        "sum by (instance, alertmanager) (rate(prometheus_notifications_sent_total{@}[$__rate_interval]))",
                        "{{instance}} to {{alertmanager}}",
                    ),
                    query(
                        "sum by (instance, alertmanager) (rate(prometheus_notifications_errors_total{@}[$__rate_interval]))",
                        "{{instance}} not taken by {{alertmanager}}",
                    ),
                ],
            },
            Panel {
                title: "Messages to webhooks",
                description: "In the last hour: each attempt, those that failed, and messages that were given up.",
                kind: Kind::Course,
                unit: "short",
                width: 8,
                queries: &[
                    query(
                        "sum by (instance, receiver) (increase(wharf_webhook_messages_sent_total{@}[1h]))",
                        "{{instance}} to {{receiver}}",
                    ),
                    query(
                        "sum by (instance, receiver) (increase(wharf_webhook_messages_failed_total{@}[1h]))",
                        "{{instance}} not taken by {{receiver}}",
                    ),
                    query(
                        "sum by (instance, receiver) (increase(wharf_webhook_messages_given_up_total{@}[1h]))",
                        "{{instance}} given up for {{receiver}}",
                    ),
                ],
            },
            Panel {
                title: "Alerts that wait",
                description: "Alerts that an Alertmanager is to be told of, and messages that webhooks are to be sent.",
                kind: Kind::Course,
                unit: "short",
                width: 8,
                queries: &[
                    query(
                        "prometheus_notifications_queue_length{@}",
                        "{{instance}} for Alertmanager",
                    ),
                    query(
                        "wharf_webhook_messages_waiting{@}",
                        "{{instance}} for {{receiver}}",
                    ),
                ],
            },
        ],
    },
    Row {
        title: "Traces",
        panels: &[
            Panel {
                title: "Traces exported",
                description: "Traces of requests that the receiver has taken. Nothing is shown for a gateway without `tracing` in its \
                              configuration file.",
                kind: Kind::Course,
                unit: "ops",
                width: 12,
                queries: &[query(
                    "sum by (instance) (rate(wharf_traces_exported_total{@}[$__rate_interval]))",
                    "{{instance}}",
                )],
            },
            Panel {
                title: "Traces dropped",
                description: "In the last hour, by reason: full if too many waited, failed if the receiver did not take them.",
                kind: Kind::Course,
                unit: "short",
                width: 12,
                queries: &[query(
                    "sum by (instance, reason) (increase(wharf_traces_dropped_total{@}[1h]))",
                    "{{instance}} {{reason}}",
                )],
            },
        ],
    },
    Row {
        title: "Replicas",
        panels: &[
            Panel {
                title: "Replicas",
                description: "Gateways that share their groups, as each of them sees it. Nothing is shown for one that is alone.",
                kind: Kind::Number(PLAIN),
                unit: "none",
                width: 3,
                queries: &[query("min(wharf_replicas{@})", "")],
            },
            Panel {
                title: "Can store",
                description: "1 while all replicas can store changes, 0 while one of them has lost etcd, or etcd is full.",
                kind: Kind::Number(TRUTH),
                unit: "none",
                width: 3,
                queries: &[query("min(wharf_replica_up{@})", "")],
            },
            Panel {
                title: "Settings differ",
                description: "Replicas with settings that are not those that were set last.",
                kind: Kind::Number(NONE_IS_GOOD),
                unit: "none",
                width: 3,
                queries: &[query("sum(wharf_replica_config_differs{@})", "")],
            },
            Panel {
                title: "Held back",
                description: "Families that are not shown, since replicas took what contradicts in the same moment.",
                kind: Kind::Number(NONE_IS_GOOD),
                unit: "none",
                width: 3,
                queries: &[query("max(wharf_replica_families_held_back{@})", "")],
            },
            Panel {
                title: "Lag",
                description: "How long ago each replica was known to show all that is stored, and how far clocks are apart.",
                kind: Kind::Course,
                unit: "s",
                width: 12,
                queries: &[
                    query("wharf_replica_lag_seconds{@}", "{{instance}}"),
                    query(
                        "abs(wharf_replica_clock_offset_seconds{@})",
                        "{{instance}} clock of {{replica}}",
                    ),
                ],
            },
            Panel {
                title: "Changes",
                description: "Changes that were committed, the transactions that they shared, and how many wait.",
                kind: Kind::Course,
                unit: "short",
                width: 12,
                queries: &[
                    query(
                        "sum by (instance) (rate(wharf_replica_records_total{@}[$__rate_interval]))",
                        "{{instance}} changes/s",
                    ),
                    query(
                        "sum by (instance) (rate(wharf_replica_commits_total{@}[$__rate_interval]))",
                        "{{instance}} transactions/s",
                    ),
                    query("wharf_replica_waiting_changes{@}", "{{instance}} waiting"),
                ],
            },
            Panel {
                title: "Commit time",
                description: "How long a transaction takes, from being sent to being known as committed.",
                kind: Kind::Course,
                unit: "s",
                width: 6,
                queries: &[query(
                    "sum by (instance) (rate(wharf_replica_commit_seconds_total{@}[$__rate_interval])) / \
                     sum by (instance) (rate(wharf_replica_commits_total{@}[$__rate_interval]))",
                    "{{instance}}",
                )],
            },
            Panel {
                title: "In vain",
                description: "Transactions that did not get through, those that were made again because another replica was quicker, and how often all was loaded anew.",
                kind: Kind::Course,
                unit: "short",
                width: 6,
                queries: &[
                    query(
                        "sum by (instance) (increase(wharf_replica_failures_total{@}[5m]))",
                        "{{instance}} failed",
                    ),
                    query(
                        "sum by (instance) (increase(wharf_replica_conflicts_total{@}[5m]))",
                        "{{instance}} conflicts",
                    ),
                    query(
                        "sum by (instance) (increase(wharf_replica_loads_total{@}[5m]))",
                        "{{instance}} loads",
                    ),
                    query(
                        "sum by (instance) (increase(wharf_replica_unreadable_total{@}[5m]))",
                        "{{instance}} unreadable",
                    ),
                ],
            },
        ],
    },
    Row {
        title: "Access and settings",
        panels: &[
            Panel {
                title: "Requests turned away",
                description: "For wrong credentials, their rate, or pages of other sites; and those without the right they need.",
                kind: Kind::Course,
                unit: "reqps",
                width: 12,
                queries: &[
                    query(
                        "sum by (instance, reason) (rate(wharf_http_requests_turned_away_total{@}[$__rate_interval]))",
                        "{{instance}} {{reason}}",
                    ),
                    query(
                        "sum by (instance, right) (rate(wharf_http_requests_denied_total{@}[$__rate_interval]))",
                        "{{instance}} no right to {{right}}",
                    ),
                ],
            },
            Panel {
                title: "Certificate ends in",
                description: "The first of those that the web config file names for the server.",
                kind: Kind::Number(&[
                    (None, "red"),
                    (Some(604_800.0), "orange"),
                    (Some(1_209_600.0), "green"),
                ]),
                unit: "s",
                width: 4,
                queries: &[query(
                    "min(wharf_tls_certificate_expiry_timestamp_seconds{@}) - time()",
                    "",
                )],
            },
            Panel {
                title: "Rules in force",
                description: "0 if the configuration file had mistakes when it was read last: the old rules are in force.",
                kind: Kind::Number(TRUTH),
                unit: "none",
                width: 4,
                queries: &[query("min(wharf_config_last_reload_successful{@})", "")],
            },
            Panel {
                title: "Web config in force",
                description: "0 if something of a web config file, or of those it names, cannot be used.",
                kind: Kind::Number(TRUTH),
                unit: "none",
                width: 4,
                queries: &[query("min(wharf_web_config_in_force{@})", "")],
            },
        ],
    },
    Row {
        title: "StatsD",
        panels: &[
            Panel {
                title: "StatsD lines",
                description: "Lines and samples of StatsD. Nothing is shown for a gateway without --statsd.listen-udp and its like.",
                kind: Kind::Course,
                unit: "ops",
                width: 8,
                queries: &[
                    query(
                        "sum by (instance) (rate(statsd_exporter_lines_total{@}[$__rate_interval]))",
                        "{{instance}} lines",
                    ),
                    query(
                        "sum by (instance) (rate(statsd_exporter_samples_total{@}[$__rate_interval]))",
                        "{{instance}} samples",
                    ),
                    query(
                        "sum by (instance, kind) (rate(wharf_statsd_messages_total{@}[$__rate_interval]))",
                        "{{instance}} {{kind}}",
                    ),
                ],
            },
            Panel {
                title: "StatsD received",
                description: "Bytes of StatsD lines, by listener.",
                kind: Kind::Course,
                unit: "Bps",
                width: 8,
                queries: &[query(
                    "sum by (instance, listener) (rate(wharf_statsd_bytes_total{@}[$__rate_interval]))",
                    "{{instance}} {{listener}}",
                )],
            },
            Panel {
                title: "StatsD lost",
                description: "Datagrams that came faster than they were read, and samples that cannot be read or cannot count.",
                kind: Kind::Course,
                unit: "short",
                width: 8,
                queries: &[
                    query(
                        "sum by (instance) (increase(statsd_exporter_udp_packet_drops_total{@}[5m]))",
                        "{{instance}} datagrams",
                    ),
                    query(
                        "sum by (instance, reason) (increase(statsd_exporter_sample_errors_total{@}[5m]))",
                        "{{instance}} {{reason}}",
                    ),
                    query(
                        "sum by (instance, reason) (increase(statsd_exporter_events_error_total{@}[5m]))",
                        "{{instance}} {{reason}}",
                    ),
                    query(
                        "sum by (instance, metric_name) (increase(statsd_exporter_events_conflict_total{@}[5m]))",
                        "{{instance}} type of {{metric_name}}",
                    ),
                    query(
                        "sum by (instance) (increase(wharf_statsd_reserved_tags_total{@}[5m]))",
                        "{{instance}} tags",
                    ),
                    query(
                        "sum by (instance, target) (increase(wharf_statsd_relay_lost_packets_total{@}[5m]))",
                        "{{instance}} not sent to {{target}}",
                    ),
                ],
            },
            Panel {
                title: "StatsD metrics",
                description: "Metrics that StatsD lines have made, by type.",
                kind: Kind::Course,
                unit: "short",
                width: 8,
                queries: &[query(
                    "sum by (instance, type) (statsd_exporter_metrics_total{@})",
                    "{{instance}} {{type}}",
                )],
            },
            Panel {
                title: "StatsD series refused",
                description: "Series whose values could not be stored, by reason, and how many wait until they are tried again.",
                kind: Kind::Course,
                unit: "short",
                width: 8,
                queries: &[
                    query(
                        "sum by (instance, reason) (increase(wharf_statsd_refused_series_total{@}[5m]))",
                        "{{instance}} {{reason}}",
                    ),
                    query(
                        "sum by (instance) (wharf_statsd_waiting_series{@})",
                        "{{instance}} waiting",
                    ),
                ],
            },
            Panel {
                title: "StatsD connections",
                description: "Open connections, and those that there was no room for.",
                kind: Kind::Course,
                unit: "short",
                width: 8,
                queries: &[
                    query("sum by (instance) (wharf_statsd_connections{@})", "{{instance}}"),
                    query(
                        "sum by (instance) (increase(wharf_statsd_connections_refused_total{@}[5m]))",
                        "{{instance}} refused",
                    ),
                ],
            },
        ],
    },
];
