//! What the gateway knows of lines of `StatsD`: what is counted of them, and that there are rules for them.
//!
//! Who takes them is elsewhere, and pushes what they come to as others push.

use std::fmt;

/// What takes lines of `StatsD`.
pub trait Statsd: fmt::Debug + Send + Sync {
    /// What it has counted so far.
    fn counts(&self) -> StatsdCounts;

    /// The text of the mapping rules in force; empty if there are none.
    fn rules(&self) -> String;

    /// Reads the mapping rules again. None if they are in no file. Blocks.
    ///
    /// # Errors
    /// Why they cannot be used; the old ones stay in force.
    fn reload(&self) -> Option<Result<(), String>>;

    /// Why the mapping rules were not used when they were read last, if they were not.
    fn reload_failure(&self) -> Option<String>;
}

/// How often something was, for each value of a label.
pub type ByLabel = Vec<(&'static str, u64)>;

/// What was counted of lines of `StatsD`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StatsdCounts {
    /// Lines, empty ones too.
    pub lines: u64,
    /// Samples, refused ones too.
    pub samples: u64,
    /// Samples with tags.
    pub tagged: u64,
    /// Tags without a key or a value.
    pub tag_errors: u64,
    /// Tags that are no labels, since Prometheus keeps their names for itself.
    pub reserved_tags: u64,
    /// Messages of `DogStatsD` that are no samples, by kind.
    pub messages: ByLabel,
    /// Samples that could not be read, by reason.
    pub sample_errors: ByLabel,
    /// Samples that counted, by kind.
    pub events: ByLabel,
    /// Samples that could not count, by reason.
    pub event_errors: ByLabel,
    /// Samples that a rule was about, by its action.
    pub actions: ByLabel,
    /// Samples that no rule was about.
    pub unmapped: u64,
    /// Samples for a name that has another kind, by name and kind.
    pub conflicts: Vec<(String, &'static str, u64)>,
    /// Metrics that there are, by type.
    pub metrics: ByLabel,
    /// Rules.
    pub mappings: u64,
    /// Times that the rules were read again, by outcome.
    pub reloads: ByLabel,
    /// Datagrams over UDP.
    pub udp_packets: u64,
    /// Datagrams that the system has dropped before they could be read, where it says so.
    pub udp_drops: Option<u64>,
    /// Datagrams over Unix sockets.
    pub unixgram_packets: u64,
    /// Connections, by listener.
    pub connections: ByLabel,
    /// Connections that are open.
    pub open_connections: u64,
    /// Connections that there was no room for.
    pub connections_refused: u64,
    /// Connections that have ended with an error.
    pub connection_errors: u64,
    /// Lines of connections that were too long.
    pub too_long_lines: u64,
    /// Bytes, by listener.
    pub bytes: ByLabel,
    /// Series whose values could not be stored, by reason; each counts again each time that it is tried.
    pub refused_series: ByLabel,
    /// Series whose values wait to be stored, since they were refused.
    pub waiting_series: u64,
    /// Copies that were sent on, by target.
    pub relayed: Vec<StatsdRelayed>,
}

/// What was counted of copies of lines for a target.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StatsdRelayed {
    /// Its address, as it is set.
    pub target: String,
    /// Datagrams that were sent.
    pub packets: u64,
    /// Datagrams that could not be sent.
    pub lost_packets: u64,
    /// Lines that were put into datagrams.
    pub lines: u64,
    /// Lines that fit into none.
    pub long_lines: u64,
}
