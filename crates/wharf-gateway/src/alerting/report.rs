//! How telling others goes, for those who ask.

use wharf_store::UnixNanos;

/// How telling others goes, for those who ask.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AlertingReport {
    /// Alerts that fire.
    pub firing: u64,
    /// Those that did a while ago.
    pub resolved: u64,
    /// Whether this gateway is the one that sends webhooks.
    pub sends_webhooks: bool,
    /// Alerts that may wait to be sent to one receiver; none: any number.
    pub capacity: Option<u64>,
    /// The Alertmanagers.
    pub alertmanagers: Vec<ReceiverStatus>,
    /// The webhooks.
    pub webhooks: Vec<ReceiverStatus>,
}

/// How it goes with a receiver.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReceiverStatus {
    /// What it is called.
    pub name: String,
    /// What waits for it: alerts, or messages of a webhook.
    pub waiting: u64,
    /// When it took something last.
    pub last_success: Option<UnixNanos>,
    /// What went wrong last.
    pub last_error: Option<LastError>,
    /// How often in a row it has taken nothing.
    pub failures: u64,
}

/// Why a message was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastError {
    /// When.
    pub at: UnixNanos,
    /// Why, for people.
    pub text: String,
}
