//! What receivers are told.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use wharf_model::GroupingKey;
use wharf_store::UnixNanos;

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
