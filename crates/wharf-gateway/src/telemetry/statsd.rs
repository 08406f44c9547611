//! Lines of `StatsD`. What `statsd_exporter` counts has its names, types and helps.

use wharf_model::{Metric, MetricType};
use wharf_store::ReservedFamily;

use super::assemble::{self, Assembly};
use super::family::own;
use crate::statsd::{StatsdCounts, StatsdRelayed};

const CONFIG_RELOADS: ReservedFamily = own(
    "statsd_exporter_config_reloads_total",
    MetricType::Counter,
    "The number of configuration reloads.",
);
const EVENTS_ACTIONS: ReservedFamily = own(
    "statsd_exporter_events_actions_total",
    MetricType::Counter,
    "The total number of StatsD events by action.",
);
const EVENTS_CONFLICT: ReservedFamily = own(
    "statsd_exporter_events_conflict_total",
    MetricType::Counter,
    "The total number of StatsD events with conflicting names.",
);
const EVENTS_ERROR: ReservedFamily = own(
    "statsd_exporter_events_error_total",
    MetricType::Counter,
    "The total number of StatsD events discarded due to errors.",
);
const EVENTS: ReservedFamily = own(
    "statsd_exporter_events_total",
    MetricType::Counter,
    "The total number of StatsD events seen.",
);
const EVENTS_UNMAPPED: ReservedFamily = own(
    "statsd_exporter_events_unmapped_total",
    MetricType::Counter,
    "The total number of StatsD events no mapping was found for.",
);
const LINES: ReservedFamily = own(
    "statsd_exporter_lines_total",
    MetricType::Counter,
    "The total number of StatsD lines received.",
);
const LOADED_MAPPINGS: ReservedFamily = own(
    "statsd_exporter_loaded_mappings",
    MetricType::Gauge,
    "The current number of configured metric mappings.",
);
const METRICS: ReservedFamily = own(
    "statsd_exporter_metrics_total",
    MetricType::Gauge,
    "The total number of metrics.",
);
const RELAY_LINES: ReservedFamily = own(
    "statsd_exporter_relay_lines_relayed_total",
    MetricType::Counter,
    "The number of lines that were buffered to be relayed.",
);
const RELAY_LONG_LINES: ReservedFamily = own(
    "statsd_exporter_relay_long_lines_total",
    MetricType::Counter,
    "The number lines that were too long to relay.",
);
const RELAY_PACKETS: ReservedFamily = own(
    "statsd_exporter_relay_packets_total",
    MetricType::Counter,
    "The number of StatsD packets relayed.",
);
const SAMPLE_ERRORS: ReservedFamily = own(
    "statsd_exporter_sample_errors_total",
    MetricType::Counter,
    "The total number of errors parsing StatsD samples.",
);
const SAMPLES: ReservedFamily = own(
    "statsd_exporter_samples_total",
    MetricType::Counter,
    "The total number of StatsD samples received.",
);
const TAG_ERRORS: ReservedFamily = own(
    "statsd_exporter_tag_errors_total",
    MetricType::Counter,
    "The number of errors parsing DogStatsD tags.",
);
const TAGS: ReservedFamily = own(
    "statsd_exporter_tags_total",
    MetricType::Counter,
    "The total number of DogStatsD tags processed.",
);
const TCP_CONNECTION_ERRORS: ReservedFamily = own(
    "statsd_exporter_tcp_connection_errors_total",
    MetricType::Counter,
    "The number of errors encountered reading from TCP.",
);
const TCP_CONNECTIONS: ReservedFamily = own(
    "statsd_exporter_tcp_connections_total",
    MetricType::Counter,
    "The total number of TCP connections handled.",
);
const TCP_TOO_LONG_LINES: ReservedFamily = own(
    "statsd_exporter_tcp_too_long_lines_total",
    MetricType::Counter,
    "The number of lines discarded due to being too long.",
);
const UDP_PACKET_DROPS: ReservedFamily = own(
    "statsd_exporter_udp_packet_drops_total",
    MetricType::Counter,
    "The total number of dropped StatsD packets which received over UDP.",
);
const UDP_PACKETS: ReservedFamily = own(
    "statsd_exporter_udp_packets_total",
    MetricType::Counter,
    "The total number of StatsD packets received over UDP.",
);
const UNIXGRAM_PACKETS: ReservedFamily = own(
    "statsd_exporter_unixgram_packets_total",
    MetricType::Counter,
    "The total number of StatsD packets received over Unixgram.",
);
const BYTES: ReservedFamily = own(
    "wharf_statsd_bytes_total",
    MetricType::Counter,
    "Bytes of StatsD lines that were received, by listener.",
);
const CONNECTIONS_REFUSED: ReservedFamily = own(
    "wharf_statsd_connections_refused_total",
    MetricType::Counter,
    "Connections with StatsD lines that there was no room for.",
);
const CONNECTIONS: ReservedFamily = own(
    "wharf_statsd_connections",
    MetricType::Gauge,
    "Open connections with StatsD lines.",
);
const MESSAGES: ReservedFamily = own(
    "wharf_statsd_messages_total",
    MetricType::Counter,
    "Events and service checks of DogStatsD, which are counted and make no series.",
);
const REFUSED_SERIES: ReservedFamily = own(
    "wharf_statsd_refused_series_total",
    MetricType::Counter,
    "Times that the value of a series of StatsD could not be stored, by reason.",
);
const RELAY_LOST: ReservedFamily = own(
    "wharf_statsd_relay_lost_packets_total",
    MetricType::Counter,
    "Datagrams with copies of StatsD lines that could not be sent, by target.",
);
const RESERVED_TAGS: ReservedFamily = own(
    "wharf_statsd_reserved_tags_total",
    MetricType::Counter,
    "Tags of StatsD that are no labels, since Prometheus keeps their names for itself.",
);
const WAITING_SERIES: ReservedFamily = own(
    "wharf_statsd_waiting_series",
    MetricType::Gauge,
    "Series of StatsD whose values were refused, and are tried again.",
);

pub(super) const RESERVED: [ReservedFamily; 30] = [
    CONFIG_RELOADS,
    EVENTS_ACTIONS,
    EVENTS_CONFLICT,
    EVENTS_ERROR,
    EVENTS,
    EVENTS_UNMAPPED,
    LINES,
    LOADED_MAPPINGS,
    METRICS,
    RELAY_LINES,
    RELAY_LONG_LINES,
    RELAY_PACKETS,
    SAMPLE_ERRORS,
    SAMPLES,
    TAG_ERRORS,
    TAGS,
    TCP_CONNECTION_ERRORS,
    TCP_CONNECTIONS,
    TCP_TOO_LONG_LINES,
    UDP_PACKET_DROPS,
    UDP_PACKETS,
    UNIXGRAM_PACKETS,
    BYTES,
    CONNECTIONS,
    CONNECTIONS_REFUSED,
    MESSAGES,
    REFUSED_SERIES,
    RELAY_LOST,
    RESERVED_TAGS,
    WAITING_SERIES,
];

/// Adds the families.
pub(super) fn assemble(assembly: &mut Assembly, counts: &StatsdCounts) {
    let by_label = [
        (CONFIG_RELOADS, "outcome", &counts.reloads),
        (EVENTS_ACTIONS, "action", &counts.actions),
        (EVENTS_ERROR, "reason", &counts.event_errors),
        (EVENTS, "type", &counts.events),
        (METRICS, "type", &counts.metrics),
        (SAMPLE_ERRORS, "reason", &counts.sample_errors),
        (BYTES, "listener", &counts.bytes),
        (MESSAGES, "kind", &counts.messages),
        (REFUSED_SERIES, "reason", &counts.refused_series),
    ];
    for (family, label, counts) in by_label {
        // As in the exporter, what never was has no metric.
        let counts = counts.iter().filter(|(_, count)| *count > 0);
        let metrics = counts
            .map(|(value, count)| assembly.number(&[(label, *value)], assemble::float(*count)))
            .collect();
        assembly.family(family, metrics);
    }
    let single = [
        (EVENTS_UNMAPPED, counts.unmapped),
        (LINES, counts.lines),
        (LOADED_MAPPINGS, counts.mappings),
        (SAMPLES, counts.samples),
        (TAG_ERRORS, counts.tag_errors),
        (TAGS, counts.tagged),
        (TCP_CONNECTION_ERRORS, counts.connection_errors),
        (TCP_TOO_LONG_LINES, counts.too_long_lines),
        (UDP_PACKETS, counts.udp_packets),
        (UNIXGRAM_PACKETS, counts.unixgram_packets),
        (CONNECTIONS_REFUSED, counts.connections_refused),
        (CONNECTIONS, counts.open_connections),
        (RESERVED_TAGS, counts.reserved_tags),
        (WAITING_SERIES, counts.waiting_series),
    ];
    for (family, count) in single {
        assembly.single(family, assemble::float(count));
    }
    for (family, count) in [
        (
            RELAY_LINES,
            (|relayed| relayed.lines) as fn(&StatsdRelayed) -> u64,
        ),
        (RELAY_LONG_LINES, |relayed| relayed.long_lines),
        (RELAY_PACKETS, |relayed| relayed.packets),
        (RELAY_LOST, |relayed| relayed.lost_packets),
    ] {
        let of_target = |relayed: &StatsdRelayed| {
            assembly.number(&[("target", &relayed.target)], assemble::float(count(relayed)))
        };
        let metrics = counts.relayed.iter().map(of_target).collect();
        assembly.family(family, metrics);
    }
    if let Some(drops) = counts.udp_drops {
        assembly.single(UDP_PACKET_DROPS, assemble::float(drops));
    }
    let tcp = counts
        .connections
        .iter()
        .filter(|(listener, _)| *listener == "tcp");
    let tcp = tcp.map(|(_, count)| count).sum();
    assembly.single(TCP_CONNECTIONS, assemble::float(tcp));
    let conflicts: Vec<Metric> = counts
        .conflicts
        .iter()
        .map(|(name, kind, count)| {
            let labels = [("metric_name", name.as_str()), ("type", *kind)];
            assembly.number(&labels, assemble::float(*count))
        })
        .collect();
    assembly.family(EVENTS_CONFLICT, conflicts);
}
