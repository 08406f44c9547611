//! Telling others which groups are overdue: Alertmanager, and whoever takes webhooks in its format. Off unless rules say whom to tell.
//!
//! ```text
//! expectations: what has changed -> alerts (firing, resolved a while ago) -> outbox of each receiver: what it is to be told now
//!                                                                              '-> a thread for each message, one a receiver at a time
//! ```
//!
//! What a receiver is to be told follows from how the alerts are now and what it was told last. So nothing is queued that could
//! be lost or be out of date, a receiver that is slow or away gets the newest state when it is there again, and none holds up
//! another one. Pushes and the watch for missed jobs leave a note of what has changed, and that is all that they pay.

mod alertmanager;
mod alerts;
mod dispatcher;
mod receiver;
mod webhook;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use wharf_model::GroupingKey;
use wharf_store::UnixNanos;

pub use self::dispatcher::AlertDispatcher;
pub use self::receiver::{LastError, ReceiverStatus};

/// The name of every alert, as in the rules that Wharf brings for Prometheus.
const ALERT: &str = "WharfGroupOverdue";

/// Whom to tell which groups are overdue, and what besides.
#[derive(Debug, Clone, Default)]
pub struct AlertingRules {
    /// Labels that every alert has; those of its group give way.
    pub labels: BTreeMap<String, String>,
    /// Annotations that every alert has; those that are made here give way.
    pub annotations: BTreeMap<String, String>,
    /// Each of them is told everything.
    pub alertmanagers: Vec<AlertReceiver>,
    /// Each of them is told what changes, by groups of alerts.
    pub webhooks: Vec<Webhook>,
}

/// Somebody who is told of alerts.
#[derive(Debug, Clone)]
pub struct AlertReceiver {
    /// What it is called in metrics and in the API: its URL, or a name where that may be a secret. No two have the same.
    pub name: String,
    /// Takes messages there.
    pub sender: Arc<dyn AlertSender>,
}

/// Somebody who takes webhooks.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// Who.
    pub receiver: AlertReceiver,
    /// Alerts with the same values of these labels share a message.
    pub group_by: GroupBy,
    /// How long the first message of a group waits for more alerts.
    pub group_wait: Duration,
    /// The least time between messages of a group, and how long one is tried.
    pub group_interval: Duration,
    /// After which time it is told again what fires still.
    pub repeat_interval: Duration,
    /// Whether it is told of alerts that do not fire any more.
    pub send_resolved: bool,
    /// Alerts in a message; what is left out is counted in it.
    pub max_alerts: usize,
}

/// What has to be the same of alerts that share a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupBy {
    /// All labels: each alert has a message of its own.
    All,
    /// The values of these.
    Labels(Vec<String>),
}

/// Takes messages to a receiver.
pub trait AlertSender: fmt::Debug + Send + Sync {
    /// Hands over a message. Blocks, for a limited time.
    ///
    /// # Errors
    /// Why it was not taken.
    fn send(&self, message: &AlertMessage) -> Result<(), AlertError>;
}

/// A message was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertError {
    /// Why, for people.
    pub text: String,
    /// Whether it is worth to try again.
    pub is_transient: bool,
    /// How long to wait before that, if anybody has said so.
    pub retry_after: Option<Duration>,
}

/// What a receiver is told at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertMessage {
    /// The alerts, sorted by the keys of their groups.
    pub alerts: Vec<Alert>,
    /// What they have in common; none where the receiver puts alerts together itself.
    pub together: Option<AlertGroup>,
    /// Where people find this gateway.
    pub external_url: String,
}

/// An alert: a group is overdue, or is so no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// Which group.
    pub key: GroupingKey,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// What is said of it.
    pub annotations: BTreeMap<String, String>,
    /// Since when the group is overdue.
    pub starts_at: UnixNanos,
    /// When it was found that it is so no more; none: it is.
    pub resolved_at: Option<UnixNanos>,
    /// Until when it holds if nothing more is heard of it.
    pub valid_until: UnixNanos,
}

/// Alerts that share messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertGroup {
    /// Whom the message is for.
    pub receiver: String,
    /// The labels whose values are the same.
    pub labels: BTreeMap<String, String>,
    /// How many alerts were left out.
    pub truncated: u64,
}

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

#[cfg(test)]
mod tests;
