//! Who is to be told, and how.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::message::AlertSender;

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
